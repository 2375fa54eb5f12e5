//! What the fuzz targets need of what is private here, and nobody else: frames and hellos out of bytes, and into
//! bytes again. They are kept in every build, so that the inputs that were found once are read by every test run.

use super::frame::{self, Frames, Kind, Malformed, Missing};
use super::hello::{HELLO_BYTES, Hello, Purpose, Site, VERSION};
use crate::wal::GroupId;
use protocol::NodeId;
use protocol::log::Entry;
use protocol::raft::Message;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

/// What a frame says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Said {
    /// A group's message with its entries.
    Message(GroupId, Message, Vec<Entry<Arc<[u8]>>>),
    /// A group's call or what became of one: which of the two, its number, its bytes.
    Numbered(bool, GroupId, u64, Vec<u8>),
    /// A group's snapshot: its message and its length in bytes.
    Snapshot(GroupId, Message, u64),
    /// A frame whose payload has no form of its own: its kind's number and its bytes.
    Bytes(u8, Vec<u8>),
}

/// Why no more frames came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// The bytes are at an end between two frames.
    Clean,
    /// They are no frame.
    Malformed(Malformed),
    /// They can't be read.
    Io,
}

/// The frames of at most `most` bytes in a stream, until one is bad.
pub fn frames(stream: impl Read, most: usize) -> (Vec<Said>, End) {
    let mut frames = Frames::new(stream, most);
    let mut found = Vec::new();
    loop {
        match frames.next() {
            Ok((kind, payload)) => match said(kind, payload) {
                Ok(said) => found.push(said),
                Err(malformed) => return (found, End::Malformed(malformed)),
            },
            Err(Missing::End) => return (found, End::Clean),
            Err(Missing::Malformed(malformed)) => return (found, End::Malformed(malformed)),
            Err(Missing::Io(_)) => return (found, End::Io),
        }
    }
}

fn said(kind: Kind, payload: &[u8]) -> Result<Said, Malformed> {
    Ok(match kind {
        Kind::Message => {
            let (group, message, entries) = frame::message_of(payload)?;
            Said::Message(group, message, entries)
        }
        Kind::Forward | Kind::Answer => {
            let (group, number, bytes) = frame::numbered_of(payload)?;
            Said::Numbered(kind == Kind::Forward, group, number, bytes.to_vec())
        }
        Kind::Snapshot => {
            let (group, message, length) = frame::snapshot_of(payload)?;
            Said::Snapshot(group, message, length)
        }
        Kind::Pulse | Kind::Chunk | Kind::End | Kind::Taken | Kind::Letter => {
            Said::Bytes(kind as u8, payload.to_vec())
        }
    })
}

/// Appends the frames that this build makes of it, each of at most `most` bytes; false where it finds no room.
pub fn put(said: &Said, most: usize, out: &mut Vec<u8>) -> bool {
    match said {
        Said::Message(group, message, entries) => {
            let message = (*group, message);
            return frame::put_message(message, entries.iter(), most, usize::MAX, out).whole;
        }
        Said::Numbered(forward, group, number, bytes) => {
            let kind = if *forward { Kind::Forward } else { Kind::Answer };
            frame::put_numbered(kind, (*group, *number), bytes, out);
        }
        Said::Snapshot(group, message, length) => {
            frame::put_snapshot((*group, message), *length, out);
        }
        Said::Bytes(code, bytes) => {
            let Some(kind) = Kind::from_code(*code) else { return false };
            frame::put(kind, out, |out| out.extend_from_slice(bytes));
        }
    }
    true
}

/// Appends a frame of any payload under a right checksum, whatever its kind would demand.
pub fn put_any(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    if let Some(kind) = Kind::from_code(kind) {
        frame::put(kind, out, |out| out.extend_from_slice(payload));
    }
}

/// How long a hello is, in bytes.
pub const HELLO: usize = HELLO_BYTES;

/// Reads a hello, and writes what it says anew: the bytes in front of the nonce.
pub fn hello(bytes: &[u8; HELLO]) -> Option<Vec<u8>> {
    let Hello { purpose, has_secret, cluster, from, to } = Hello::of(bytes).ok()?;
    let secret = super::Secret::new(&[7; super::Secret::LEAST_BYTES]).filter(|_| has_secret);
    let patience = Duration::ZERO;
    let site = Site { version: VERSION, me: from, cluster, peers: Vec::new(), secret, patience };
    let again = site.hello(to, purpose, [0; 32]);
    Some(again[..HELLO - 32].to_vec())
}

/// A hello as this build says it.
pub fn hello_of(from: NodeId, to: NodeId, cluster: u128) -> [u8; HELLO] {
    let (patience, secret) = (Duration::ZERO, None);
    let site = Site { version: VERSION, me: from, cluster, peers: vec![to], secret, patience };
    site.hello(to, Purpose::Snapshot, [9; 32])
}
