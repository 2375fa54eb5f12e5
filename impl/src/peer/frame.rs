//! How bytes are cut into frames, and what stands in them.
//!
//! ```text
//! length u32 | crc32c u32 | kind u8 | payload          little endian; length counts kind and payload
//! ```
//!
//! The checksum covers length, kind and payload. A length is compared with the bound before anything is
//! read, and room is made only for bytes that have come. Whatever does not fit ends the connection: after
//! one bad frame nobody knows where the next begins.
//!
//! What concerns one of the node's groups, a message, a call, an answer or a snapshot, begins with the group's number
//! in two bytes. Then a message's payload is its entries, the message, and its length in one byte. The message
//! stands last because only then is known how many entries found room: a batch that is too large for one
//! frame goes as several, each a message that its leader could have sent (see [`put_message`]).

use crate::wal::GroupId;
use protocol::log::Entry;
use protocol::raft::{Body, Message};
use std::io::{self, Read};
use std::sync::Arc;

/// Length and checksum.
pub(super) const HEAD_BYTES: usize = 8;
/// What stands in front of a frame's payload.
const FRONT_BYTES: usize = HEAD_BYTES + 1;
/// A group's number.
const GROUP_BYTES: usize = 2;
/// Above all that postcard makes of a message: eight numbers of ten bytes, and three tags.
const MAX_MESSAGE_BYTES: usize = 128;
/// What a buffer may keep when it is empty.
const KEPT_BYTES: usize = 1 << 20;

/// A client's command, as the transport carries it.
pub(super) type Bytes = Arc<[u8]>;

/// What a frame is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Kind {
    /// Nothing but a sign of life.
    Pulse = 1,
    /// A message with its entries.
    Message = 2,
    /// A call for the receiver to carry out: group, number, bytes.
    Forward = 3,
    /// What became of a call: group, number, bytes.
    Answer = 4,
    /// A snapshot follows: group, length u64, message.
    Snapshot = 5,
    /// Some of its bytes.
    Chunk = 6,
    /// Its last byte has gone: the checksum of all.
    End = 7,
    /// The receiver has it, durable.
    Taken = 8,
    /// What groups tell each other.
    Letter = 9,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Pulse,
        Self::Message,
        Self::Forward,
        Self::Answer,
        Self::Snapshot,
        Self::Chunk,
        Self::End,
        Self::Taken,
        Self::Letter,
    ];

    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == code)
    }
}

/// What is wrong with bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// The length is beyond the bound, or zero.
    #[error("a frame of {length} bytes, where 1 to {most} are allowed")]
    Length {
        /// What the frame claims.
        length: u32,
        /// The bound.
        most: usize,
    },
    /// The connection ended inside a frame.
    #[error("the connection ended inside a frame")]
    Cut,
    /// The checksum does not fit.
    #[error("a checksum does not fit")]
    Checksum,
    /// There is no such kind of frame.
    #[error("no frame has the kind {0}")]
    Kind(u8),
    /// A frame that has no place here.
    #[error("a frame {0} that has no place here")]
    Place(&'static str),
    /// The payload is not what its kind demands.
    #[error("a payload that is not what its kind demands: {0}")]
    Payload(&'static str),
}

/// Why no frame came.
#[derive(Debug)]
pub(crate) enum Missing {
    /// The connection ended between two frames.
    End,
    Malformed(Malformed),
    Io(io::Error),
}

impl From<Malformed> for Missing {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// Appends a frame to `out`; `payload` appends what stands in it.
pub(super) fn put(kind: Kind, out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    put_code(kind as u8, out, payload);
}

/// The same for those who have kinds of their own: the journal and the wire of [`crate::mr`].
pub(crate) fn put_code(code: u8, out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = open(code, out);
    payload(out);
    seal(out, start);
}

fn open(code: u8, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend([0; HEAD_BYTES]);
    out.push(code);
    start
}

fn seal(out: &mut [u8], start: usize) {
    let body = start + HEAD_BYTES;
    let length = u32::try_from(out.len() - body).expect("bounds are far below 4 GiB").to_le_bytes();
    let crc = crc(length, &out[body..]);
    out[start..start + 4].copy_from_slice(&length);
    out[start + 4..body].copy_from_slice(&crc.to_le_bytes());
}

fn crc(length: [u8; 4], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), body)
}

/// How long a frame with `payload` bytes in it is.
pub(crate) const fn framed_bytes(payload: usize) -> u64 {
    (FRONT_BYTES + payload) as u64
}

/// Reads frames out of a stream.
#[derive(Debug)]
pub(crate) struct Frames<R> {
    stream: R,
    most: usize,
    body: Vec<u8>,
}

impl<R: Read> Frames<R> {
    /// Frames of at most `most` bytes. The stream should be buffered.
    pub(crate) fn new(stream: R, most: usize) -> Self {
        Self { stream, most, body: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Result<(Kind, &[u8]), Missing> {
        let (code, payload) = self.next_code()?;
        let kind = Kind::from_code(code).ok_or(Malformed::Kind(code))?;
        Ok((kind, payload))
    }

    /// The same for those who have kinds of their own.
    pub(crate) fn next_code(&mut self) -> Result<(u8, &[u8]), Missing> {
        let mut head = [0; HEAD_BYTES];
        match fill(&mut self.stream, &mut head).map_err(Missing::Io)? {
            0 => return Err(Missing::End),
            HEAD_BYTES => {}
            _ => return Err(Malformed::Cut.into()),
        }
        let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
        let claimed = u32::from_le_bytes([l0, l1, l2, l3]);
        let length = claimed as usize;
        if length == 0 || length > self.most {
            return Err(Malformed::Length { length: claimed, most: self.most }.into());
        }
        self.body.clear();
        self.body.shrink_to(KEPT_BYTES);
        let limited = self.stream.by_ref().take(u64::from(claimed));
        if read_all(limited, &mut self.body).map_err(Missing::Io)? < length {
            return Err(Malformed::Cut.into());
        }
        if crc([l0, l1, l2, l3], &self.body) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(Malformed::Checksum.into());
        }
        Ok((self.body[0], &self.body[1..]))
    }
}

/// Reads until `buffer` is full or the stream has ended; says how many bytes came.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads to the end. The standard library's `read_to_end` makes room as bytes come.
fn read_all(mut stream: impl Read, buffer: &mut Vec<u8>) -> io::Result<usize> {
    stream.read_to_end(buffer)
}

/// What became of a message's entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Put {
    /// How many frames were made.
    pub(super) frames: u64,
    /// Whether all of the message is in them.
    pub(super) whole: bool,
}

/// A frame takes no more entries than about this, in bytes: what comes behind it, a heartbeat perhaps, should not wait
/// for long. An entry that is longer has a frame of its own.
const FULL_BYTES: usize = 1 << 20;

/// Appends a group's message with its entries, in as many frames of at most `most` bytes as it takes, as long as
/// `out` stays within `room` bytes.
///
/// A batch that is cut becomes several, each behind the one in front: all its entries are of the term `run`.
/// So a frame's bound is never what stops a follower for good, unless a single entry is beyond it.
pub(super) fn put_message<'a>(
    (group, message): (GroupId, &Message),
    entries: impl Iterator<Item = &'a Entry<Bytes>>,
    most: usize,
    room: usize,
    out: &mut Vec<u8>,
) -> Put {
    let mut put = Put::default();
    let mut rest = *message;
    let mut entries = entries.take(count_of(message));
    let mut entry = entries.next();
    loop {
        let start = open(Kind::Message as u8, out);
        out.extend(group.0.to_le_bytes());
        let mut count = 0;
        while let Some(next) = entry {
            let bytes = out.len() - start - HEAD_BYTES + entry_bytes(next);
            let full = count > 0 && bytes > FULL_BYTES;
            if full || bytes + MAX_MESSAGE_BYTES > most {
                break;
            }
            put_entry(next, out);
            count += 1;
            entry = entries.next();
        }
        let stuck = count == 0 && entry.is_some();
        let (piece, behind) = rest.split(count).unwrap_or((rest, rest));
        put_whole(&piece, out);
        seal(out, start);
        if stuck || out.len() > room {
            out.truncate(start);
            return put;
        }
        put.frames += 1;
        rest = behind;
        if entry.is_none() {
            return Put { whole: true, ..put };
        }
    }
}

/// How many entries come with a message.
const fn count_of(message: &Message) -> usize {
    match message.body {
        Body::AppendEntries { count, .. } => count as usize,
        _ => 0,
    }
}

fn entry_bytes(entry: &Entry<Bytes>) -> usize {
    match entry {
        Entry::NoOp => 1,
        Entry::Command(bytes) => 5 + bytes.len(),
    }
}

fn put_entry(entry: &Entry<Bytes>, out: &mut Vec<u8>) {
    match entry {
        Entry::NoOp => out.push(0),
        Entry::Command(bytes) => {
            let length = u32::try_from(bytes.len()).expect("an entry fits into a frame");
            out.push(1);
            out.extend(length.to_le_bytes());
            out.extend_from_slice(bytes);
        }
    }
}

fn put_whole(message: &Message, out: &mut Vec<u8>) {
    let mut room = [0; MAX_MESSAGE_BYTES];
    let bytes = postcard::to_slice(message, &mut room).expect("a message is small");
    out.extend_from_slice(bytes);
    out.push(u8::try_from(bytes.len()).expect("a message is small"));
}

/// The group in front of what concerns it.
fn group_of(payload: &[u8]) -> Result<(GroupId, &[u8]), Malformed> {
    let (group, rest) = payload.split_first_chunk().ok_or(Malformed::Payload("no group"))?;
    Ok((GroupId(u16::from_le_bytes(*group)), rest))
}

/// Whose message it is, the message and its entries.
pub(super) fn message_of(
    payload: &[u8],
) -> Result<(GroupId, Message, Vec<Entry<Bytes>>), Malformed> {
    let (group, payload) = group_of(payload)?;
    let (message, mut rest) = take_message(payload)?;
    let mut entries = Vec::new();
    while let Some((&tag, behind)) = rest.split_first() {
        let (entry, behind) = match tag {
            0 => (Entry::NoOp, behind),
            1 => {
                let short = Malformed::Payload("an entry that is cut");
                let (length, behind) = behind.split_first_chunk().ok_or(short)?;
                let length = u32::from_le_bytes(*length) as usize;
                let (bytes, behind) = behind.split_at_checked(length).ok_or(short)?;
                (Entry::Command(Arc::from(bytes)), behind)
            }
            _ => return Err(Malformed::Payload("an entry of no kind")),
        };
        entries.push(entry);
        rest = behind;
    }
    if count_of(&message) != entries.len() {
        return Err(Malformed::Payload("a message with another number of entries than it says"));
    }
    Ok((group, message, entries))
}

/// The message at the payload's end, and what stands in front of it.
fn take_message(payload: &[u8]) -> Result<(Message, &[u8]), Malformed> {
    let bad = Malformed::Payload("no message");
    let (&length, front) = payload.split_last().ok_or(bad)?;
    let at = front.len().checked_sub(usize::from(length)).ok_or(bad)?;
    let (front, bytes) = front.split_at(at);
    let (message, rest) = postcard::take_from_bytes::<Message>(bytes).map_err(|_| bad)?;
    if !rest.is_empty() {
        return Err(bad);
    }
    if !message.is_well_formed() {
        return Err(Malformed::Payload("a message that no server sends"));
    }
    Ok((message, front))
}

/// Appends a group's call or an outcome under its number.
pub(super) fn put_numbered(
    kind: Kind,
    (group, number): (GroupId, u64),
    bytes: &[u8],
    out: &mut Vec<u8>,
) {
    put(kind, out, |out| {
        out.extend(group.0.to_le_bytes());
        out.extend(number.to_le_bytes());
        out.extend_from_slice(bytes);
    });
}

/// How long a frame with a number and `bytes` bytes is, without its head.
pub(super) const fn numbered_bytes(bytes: usize) -> usize {
    FRONT_BYTES - HEAD_BYTES + GROUP_BYTES + 8 + bytes
}

/// A group, a number and what stands behind them.
pub(super) fn numbered_of(payload: &[u8]) -> Result<(GroupId, u64, &[u8]), Malformed> {
    let (group, payload) = group_of(payload)?;
    let (number, rest) = payload.split_first_chunk().ok_or(Malformed::Payload("no number"))?;
    Ok((group, u64::from_le_bytes(*number), rest))
}

/// Appends what begins a group's snapshot: its message and its length in bytes.
pub(super) fn put_snapshot((group, message): (GroupId, &Message), length: u64, out: &mut Vec<u8>) {
    put(Kind::Snapshot, out, |out| {
        out.extend(group.0.to_le_bytes());
        out.extend(length.to_le_bytes());
        put_whole(message, out);
    });
}

/// Whose snapshot it is, its message and length in bytes.
pub(super) fn snapshot_of(payload: &[u8]) -> Result<(GroupId, Message, u64), Malformed> {
    let (group, payload) = group_of(payload)?;
    let (message, front) = take_message(payload)?;
    let length = front.try_into().map_err(|_| Malformed::Payload("no length"))?;
    if !matches!(message.body, Body::InstallSnapshot { .. }) {
        return Err(Malformed::Payload("a snapshot with a message of another kind"));
    }
    Ok((group, message, u64::from_le_bytes(length)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says by a panic what it did not expect")]
mod tests;
