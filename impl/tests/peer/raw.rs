//! The protocol once more, by hand: what a peer of another make would say.

use crate::world::{CLUSTER, GROUP, PATIENCE};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

pub const MESSAGES: u8 = 0;
pub const SNAPSHOT: u8 = 1;

/// The kinds of frames.
pub const PULSE: u8 = 1;
pub const MESSAGE: u8 = 2;
pub const FORWARD: u8 = 3;
pub const ANSWER: u8 = 4;
pub const BEGIN: u8 = 5;
pub const CHUNK: u8 = 6;
pub const END: u8 = 7;
pub const TAKEN: u8 = 8;

const KEY: &[u8] = b"a secret of the tests' own";

/// What a hello says.
#[derive(Clone, Copy)]
pub struct Hello {
    pub version: u8,
    pub purpose: u8,
    pub has_secret: u8,
    pub cluster: u128,
    pub from: u8,
    pub to: u8,
}

impl Hello {
    pub const fn new(from: u8, to: u8, purpose: u8) -> Self {
        Self { version: 3, purpose, has_secret: 1, cluster: CLUSTER, from, to }
    }

    pub fn bytes(self) -> Vec<u8> {
        let Self { version, purpose, has_secret, cluster, from, to } = self;
        let mut bytes = b"quorate\0".to_vec();
        bytes.extend([version, purpose, has_secret]);
        bytes.extend(cluster.to_le_bytes());
        bytes.extend([from, to]);
        bytes.extend([0x5a; 32]);
        bytes
    }
}

pub fn proof(role: &[u8], hello: &[u8], nonce: &[u8], key: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    for part in [role, hello, nonce] {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

pub fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A connection on which the handshake is done.
pub fn greeted(at: SocketAddr, hello: Hello) -> TcpStream {
    let mut stream = connect(at);
    let hello = hello.bytes();
    stream.write_all(&hello).unwrap();
    let mut reply = [0; 42];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[..10], *b"quorate\0\x03\0");
    let nonce = &reply[10..];
    stream.write_all(&proof(b"quorate peer: dialer", &hello, nonce, KEY)).unwrap();
    let mut verdict = [0; 33];
    stream.read_exact(&mut verdict).unwrap();
    assert_eq!(verdict[0], 0);
    assert_eq!(verdict[1..], proof(b"quorate peer: answer", &hello, nonce, KEY));
    stream
}

/// The listener's side of a handshake.
pub fn welcome(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut hello = [0; 61];
    stream.read_exact(&mut hello).unwrap();
    let nonce = [0xa5; 32];
    stream.write_all(&[&b"quorate\0\x03\0"[..], &nonce].concat()).unwrap();
    let mut theirs = [0; 32];
    stream.read_exact(&mut theirs).unwrap();
    assert_eq!(theirs[..], proof(b"quorate peer: dialer", &hello, &nonce, KEY));
    stream.write_all(&[0]).unwrap();
    stream.write_all(&proof(b"quorate peer: answer", &hello, &nonce, KEY)).unwrap();
}

/// Whether a group's number stands in front of such a payload.
const fn is_grouped(kind: u8) -> bool {
    matches!(kind, MESSAGE | FORWARD | ANSWER | BEGIN)
}

/// A frame; if it concerns a group, the one that is tested.
pub fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    frame_for(GROUP.0, kind, payload)
}

/// The same for another group.
pub fn frame_for(group: u16, kind: u8, payload: &[u8]) -> Vec<u8> {
    let group = group.to_le_bytes();
    bare(kind, &[if is_grouped(kind) { &group[..] } else { &[] }, payload].concat())
}

/// A frame with nothing in front of its payload.
pub fn bare(kind: u8, payload: &[u8]) -> Vec<u8> {
    let body = [&[kind], payload].concat();
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    let crc = crc32c::crc32c(&[&length, &body[..]].concat());
    [&length, &crc.to_le_bytes(), &body[..]].concat()
}

/// A message's payload, without entries.
pub fn message(message: &protocol::raft::Message) -> Vec<u8> {
    let mut bytes = postcard::to_vec(message);
    bytes.push(u8::try_from(bytes.len()).unwrap());
    bytes
}

mod postcard {
    /// postcard as a vector.
    pub fn to_vec(message: &protocol::raft::Message) -> Vec<u8> {
        let mut room = [0; 200];
        ::postcard::to_slice(message, &mut room).unwrap().to_vec()
    }
}

/// The next frame that is no sign of life. A group in it is the one that is tested.
pub fn next(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        let mut body = vec![0; u32::from_le_bytes(head[..4].try_into().unwrap()) as usize];
        stream.read_exact(&mut body)?;
        let mut payload = body.split_off(1);
        let kind = body[0];
        if is_grouped(kind) {
            assert_eq!(payload.drain(..2).collect::<Vec<_>>(), GROUP.0.to_le_bytes());
        }
        if kind != PULSE {
            return Ok((kind, payload));
        }
    }
}

/// Waits until the other side has closed.
#[track_caller]
pub fn expect_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    if let Err(error) = stream.read_to_end(&mut rest) {
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
    }
}
