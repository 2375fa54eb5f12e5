//! One connection to one server: commands out, answers in, with an end to every wait.

use super::{Address, Broken, Options};
use crate::resp::reply::write_command;
use crate::resp::{Decoder, Frame};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// A connection. Answers come in the order of the commands.
#[derive(Debug)]
pub struct Connection {
    address: Address,
    socket: TcpStream,
    decoder: Decoder,
    /// Empty between uses; kept for its capacity.
    output: Vec<u8>,
    input: Vec<u8>,
    answer: Duration,
}

/// The least that a socket is told to wait: 0 would be for ever.
const LEAST: Duration = Duration::from_millis(1);

impl Connection {
    /// Connects, and gives the password if there is one.
    ///
    /// # Errors
    /// If the name leads nowhere, nobody answers there, or the server does not let this client in.
    pub fn open(address: &Address, options: &Options) -> Result<Self, Broken> {
        let unknown = |why: String| Broken::Unknown { address: address.clone(), why };
        let found = (address.host.as_str(), address.port).to_socket_addrs();
        let found = found.map_err(|error| unknown(error.to_string()))?;
        let mut last = None;
        for at in found {
            match TcpStream::connect_timeout(&at, options.connect.max(LEAST)) {
                Ok(socket) => return Self::greet(address.clone(), socket, options),
                Err(error) => last = Some(error),
            }
        }
        Err(match last {
            Some(error) => Broken::Connect { address: address.clone(), error },
            None => unknown("the name has no address".into()),
        })
    }

    fn greet(address: Address, socket: TcpStream, options: &Options) -> Result<Self, Broken> {
        let answer = options.answer;
        let (decoder, output, input) = (Decoder::default(), Vec::new(), vec![0; 64 << 10]);
        let mut new = Self { address, socket, decoder, output, input, answer };
        let set = new.socket.set_nodelay(true);
        set.and_then(|()| new.socket.set_write_timeout(Some(answer.max(LEAST))))
            .map_err(|error| new.broken(error))?;
        if let Some(password) = &options.password {
            let told = new.call(&[b"AUTH".as_slice(), password])?;
            if let Frame::Error(text) = told {
                let text = String::from_utf8_lossy(&text).into_owned();
                return Err(Broken::Refused { address: new.address, text });
            }
        }
        Ok(new)
    }

    /// Where it leads.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    fn broken(&self, error: io::Error) -> Broken {
        let address = self.address.clone();
        match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => Broken::Closed { address },
            _ => Broken::Io { address, error },
        }
    }

    /// Puts a command behind those that [`Connection::send`] will send.
    pub fn push<A: AsRef<[u8]>>(&mut self, words: &[A]) {
        write_command(&mut self.output, words);
    }

    /// Sends what was pushed.
    ///
    /// # Errors
    /// If the connection is not to be used any more. Some commands may have been sent.
    pub fn send(&mut self) -> Result<(), Broken> {
        let sent = self.socket.write_all(&self.output);
        self.output.clear();
        sent.map_err(|error| self.broken(error))
    }

    /// The next answer.
    ///
    /// # Errors
    /// If none comes in time, or the connection is not to be used any more. An answer that comes late would be taken
    /// for the next command's: drop the connection.
    pub fn receive(&mut self) -> Result<Frame, Broken> {
        self.receive_within(self.answer)
    }

    /// The next answer, within this time.
    ///
    /// # Errors
    /// As for [`Connection::receive`].
    pub fn receive_within(&mut self, time: Duration) -> Result<Frame, Broken> {
        let begun = Instant::now();
        loop {
            match self.decoder.next_frame() {
                Ok(Some(Frame::Push(_))) => continue,
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(error) => {
                    return Err(Broken::Protocol { address: self.address.clone(), error });
                }
            }
            let left = time.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(Broken::Late { address: self.address.clone(), waited: time });
            }
            self.read(left)?;
        }
    }

    fn read(&mut self, left: Duration) -> Result<(), Broken> {
        let set = self.socket.set_read_timeout(Some(left.max(LEAST)));
        match set.and_then(|()| self.socket.read(&mut self.input)) {
            Ok(0) => Err(Broken::Closed { address: self.address.clone() }),
            Ok(length) => {
                self.decoder.feed(&self.input[..length]);
                Ok(())
            }
            Err(error) => match error.kind() {
                // The caller looks at the clock.
                io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut
                | io::ErrorKind::Interrupted => Ok(()),
                _ => Err(self.broken(error)),
            },
        }
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// As for [`Connection::receive`].
    pub fn call<A: AsRef<[u8]>>(&mut self, words: &[A]) -> Result<Frame, Broken> {
        self.push(words);
        self.send()?;
        self.receive()
    }
}
