//! A network between a client and a server that loses what a test wants it to lose.

#![allow(dead_code)]

use quorate::resp::reply::Writer;
use quorate::resp::{Decoder, Frame, Protocol};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It arrives, and so does its answer.
    Pass,
    /// It never arrives; the connection breaks.
    LoseRequest,
    /// It arrives and is answered; the answer is lost, and the connection breaks.
    LoseReply,
}

/// A way to a server. Requests pass, but for those whose fate was told before.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    fates: Arc<Mutex<VecDeque<Fate>>>,
}

impl Proxy {
    /// A way to the server there.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let fates = Arc::new(Mutex::new(VecDeque::new()));
        let told = Arc::clone(&fates);
        // It ends with the test's process.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let told = Arc::clone(&told);
                thread::spawn(move || carry(client, server, &told));
            }
        });
        Self { address, fates }
    }

    /// The fates of the next requests, in order.
    pub fn next(&self, fates: &[Fate]) {
        self.fates.lock().expect("no thread of the proxy panics").extend(fates);
    }

    /// From now on all requests pass.
    pub fn heal(&self) {
        self.fates.lock().expect("no thread of the proxy panics").clear();
    }

    /// How many fates are still to come.
    pub fn left(&self) -> usize {
        self.fates.lock().expect("no thread of the proxy panics").len()
    }
}

/// The next whole request or answer; None at the connection's end.
fn read(socket: &mut TcpStream, decoder: &mut Decoder) -> Option<Frame> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(frame) = decoder.next_frame().ok()? {
            return Some(frame);
        }
        let length = socket.read(&mut buffer).ok().filter(|length| *length > 0)?;
        decoder.feed(&buffer[..length]);
    }
}

fn write(socket: &mut TcpStream, frame: &Frame) -> Option<()> {
    let mut bytes = Vec::new();
    frame.write(&mut Writer::new(&mut bytes, Protocol::Resp2));
    socket.write_all(&bytes).ok()
}

/// One request after the other, until the end or a loss.
fn carry(mut client: TcpStream, server: SocketAddr, fates: &Mutex<VecDeque<Fate>>) -> Option<()> {
    let mut server = TcpStream::connect(server).ok()?;
    let (mut requests, mut answers) = (Decoder::default(), Decoder::default());
    loop {
        let request = read(&mut client, &mut requests)?;
        let fate = fates.lock().expect("no thread of the proxy panics").pop_front();
        if fate == Some(Fate::LoseRequest) {
            return None;
        }
        write(&mut server, &request)?;
        let answer = read(&mut server, &mut answers)?;
        if fate == Some(Fate::LoseReply) {
            return None;
        }
        write(&mut client, &answer)?;
    }
}
