//! A client's socket with its session.

use crate::session::{Asked, Port, Session};
use crate::view::View;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind, Read, Write};

/// The most that is read of one client before others have their turn, in bytes.
const TURN_BYTES: usize = 1 << 20;

/// A client.
///
/// The poll tells when a socket *becomes* readable or writable, and not again; so it is kept in mind until the socket
/// says that it is no more.
#[derive(Debug)]
pub struct Connection {
    pub socket: TcpStream,
    pub session: Session,
    pub port: Port,
    pub readable: bool,
    pub writable: bool,
    /// The other side has closed, or the socket has failed.
    gone: bool,
    received: u64,
    sent: u64,
}

/// Tells a client that there are too many.
pub fn turn_away(mut socket: TcpStream) {
    // Whoever can't even take this learns it from the closed connection.
    let _ = socket.write(b"-ERR max number of clients reached\r\n");
}

impl Connection {
    pub fn new(
        mut socket: TcpStream,
        session: Session,
        port: Port,
        token: Token,
        registry: &Registry,
    ) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            socket,
            session,
            port,
            readable: false,
            writable: true,
            gone: false,
            received: 0,
            sent: 0,
        })
    }

    /// Whether the connection is to be closed.
    pub fn is_over(&self) -> bool {
        self.gone || self.session.closes()
    }

    /// Bytes received and sent since this was last asked.
    pub fn take_counts(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.received), std::mem::take(&mut self.sent))
    }

    /// Reads, parses and writes as far as it goes. Whether there is more to do at once.
    pub fn turn(
        &mut self,
        buffer: &mut [u8],
        view: &View,
        now_ms: u64,
        calls: &mut Vec<Asked>,
    ) -> bool {
        let mut left = TURN_BYTES;
        loop {
            let wrote = self.write();
            if wrote > 0 {
                // There may be room for what was left unparsed.
                self.session.receive(&[], view, now_ms, calls);
            }
            let read = self.read(buffer, view, now_ms, calls);
            left = left.saturating_sub(read);
            if self.gone || (wrote == 0 && read == 0) {
                return false;
            }
            if left == 0 {
                return true;
            }
        }
    }

    fn write(&mut self) -> usize {
        let mut wrote = 0;
        while self.writable && !self.gone && !self.session.output().is_empty() {
            match self.socket.write(self.session.output()) {
                Ok(0) => self.gone = true,
                Ok(bytes) => {
                    self.session.sent(bytes);
                    wrote += bytes;
                }
                Err(error) => self.failed(&error, false),
            }
        }
        self.sent += wrote as u64;
        wrote
    }

    fn read(
        &mut self,
        buffer: &mut [u8],
        view: &View,
        now_ms: u64,
        calls: &mut Vec<Asked>,
    ) -> usize {
        if !self.readable || self.gone || !self.session.wants_more() {
            return 0;
        }
        match self.socket.read(buffer) {
            Ok(0) => self.gone = true,
            Ok(bytes) => {
                self.received += bytes as u64;
                self.session.receive(&buffer[..bytes], view, now_ms, calls);
                return bytes;
            }
            Err(error) => self.failed(&error, true),
        }
        0
    }

    fn failed(&mut self, error: &io::Error, reading: bool) {
        match error.kind() {
            ErrorKind::WouldBlock if reading => self.readable = false,
            ErrorKind::WouldBlock => self.writable = false,
            ErrorKind::Interrupted => {}
            _ => self.gone = true,
        }
    }
}
