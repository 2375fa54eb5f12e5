use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::{Index, LogId};

const MOST: usize = 1 << 20;
const GROUP: GroupId = GroupId(0x0102);

fn entry() -> impl Strategy<Value = Entry<Bytes>> {
    prop_oneof![
        Just(Entry::NoOp),
        vec(any::<u8>(), 0..300).prop_map(|bytes| Entry::Command(Arc::from(bytes))),
    ]
}

fn append(prev: Index, count: u32) -> Message {
    let prev = LogId { term: 2, index: prev };
    let run = if count == 0 { 2 } else { 3 };
    Message { term: 4, body: Body::AppendEntries { prev, run, count, commit: 9 } }
}

fn batch(entries: &[Entry<Bytes>], most: usize, room: usize) -> (Vec<u8>, Put) {
    let mut out = Vec::new();
    let message = append(7, u32::try_from(entries.len()).unwrap());
    let put = put_message((GROUP, &message), entries.iter(), most, room, &mut out);
    (out, put)
}

type Batch = (Message, Vec<Entry<Bytes>>);

/// All messages in some bytes, until they end or are bad.
fn read(bytes: &[u8], most: usize) -> (Vec<Batch>, Missing) {
    let mut frames = Frames::new(bytes, most);
    let mut messages = Vec::new();
    loop {
        let message = match frames.next() {
            Ok((Kind::Message, payload)) => message_of(payload).map(|(group, message, entries)| {
                assert_eq!(group, GROUP);
                (message, entries)
            }),
            Ok((kind, _)) => panic!("a {kind:?} came of messages"),
            Err(missing) => return (messages, missing),
        };
        match message {
            Ok(message) => messages.push(message),
            Err(malformed) => return (messages, malformed.into()),
        }
    }
}

proptest! {
    /// What is cut joins, no frame is beyond its bound, and nothing is beyond the room.
    #[test]
    fn batches_come_back(
        entries in vec(entry(), 0..40),
        most in 500_usize..5000,
        room in 1000_usize..20_000,
    ) {
        let (bytes, put) = batch(&entries, most, room);
        prop_assert!(bytes.len() <= room);
        let (messages, end) = read(&bytes, most);
        prop_assert!(matches!(end, Missing::End));
        prop_assert_eq!(messages.len() as u64, put.frames);
        let (mut next, mut joined) = (7, Vec::new());
        for (message, piece) in messages {
            let Body::AppendEntries { prev, count, .. } = message.body else { panic!("{message:?}") };
            prop_assert_eq!(prev, LogId { term: if next == 7 { 2 } else { 3 }, index: next });
            prop_assert_eq!(count as usize, piece.len());
            next += Index::from(count);
            joined.extend(piece);
        }
        prop_assert_eq!(&joined[..], &entries[..joined.len()]);
        prop_assert_eq!(put.whole, joined.len() == entries.len() && put.frames > 0);
    }

    /// One changed byte anywhere is found: nothing is taken from its frame on.
    #[test]
    fn a_changed_byte_is_found(
        entries in vec(entry(), 0..10),
        at in any::<prop::sample::Index>(),
        change in 1..=255_u8,
    ) {
        let (mut bytes, _) = batch(&entries, 600, MOST);
        let (before, _) = read(&bytes, 600);
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        let (after, end) = read(&bytes, 600);
        prop_assert!(matches!(end, Missing::Malformed(_)), "{:?}", end);
        prop_assert!(after.len() < before.len());
        prop_assert_eq!(&after[..], &before[..after.len()]);
    }

    /// Cut anywhere, the whole frames in front of the cut are taken and nothing else.
    #[test]
    fn a_cut_is_found(entries in vec(entry(), 0..10), at in any::<prop::sample::Index>()) {
        let (bytes, _) = batch(&entries, 600, MOST);
        let at = at.index(bytes.len());
        let (before, _) = read(&bytes, 600);
        let (after, end) = read(&bytes[..at], 600);
        prop_assert_eq!(&after[..], &before[..after.len()]);
        let mut whole = Vec::new();
        let mut frames = Frames::new(&bytes[..], 600);
        let mut length = 0;
        while let Ok((_, payload)) = frames.next() {
            length += framed_bytes(payload.len());
            whole.push(length as usize);
        }
        prop_assert_eq!(after.len(), whole.iter().filter(|end| **end <= at).count());
        if at == 0 || whole.contains(&at) {
            prop_assert!(matches!(end, Missing::End));
        } else {
            prop_assert!(matches!(end, Missing::Malformed(Malformed::Cut)));
        }
    }

    /// Any payload is a message or refused; a message that is taken is one that could have been sent.
    #[test]
    fn any_payload_is_safe(payload in vec(any::<u8>(), 0..200)) {
        if let Ok((_, message, _)) = message_of(&payload) {
            prop_assert!(message.is_well_formed());
        }
        if let Ok((_, message, _)) = snapshot_of(&payload) {
            prop_assert!(message.is_well_formed());
        }
        prop_assert_eq!(numbered_of(&payload).is_ok(), payload.len() >= 10);
    }

    /// The same for payloads that are nearly right: the checksum is no part of what keeps a step safe.
    #[test]
    fn any_change_of_a_payload_is_safe(
        entries in vec(entry(), 0..4),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (bytes, _) = batch(&entries, MOST, MOST);
        let mut payload = bytes[HEAD_BYTES + 1..].to_vec();
        for (at, byte) in changes {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        if let Ok((_, message, entries)) = message_of(&payload) {
            prop_assert!(message.is_well_formed());
            prop_assert_eq!(count_of(&message), entries.len());
        }
    }
}

/// A claim makes no room: a frame that says it is large and brings little costs little.
#[test]
fn a_claimed_length_takes_no_memory() {
    let most = 1 << 30;
    for length in [1 << 30, (1 << 30) + 1, u32::MAX] {
        let mut bytes = u32::to_le_bytes(length).to_vec();
        bytes.extend([0; 4 + 100]);
        let mut frames = Frames::new(&bytes[..], most);
        let missing = frames.next().unwrap_err();
        let cut = matches!(missing, Missing::Malformed(Malformed::Cut));
        assert_eq!(cut, length as usize <= most, "{missing:?}");
        assert!(frames.body.capacity() <= 4096, "{} bytes", frames.body.capacity());
    }
    // An entry's claim neither.
    let mut payload = vec![0, 0, 1];
    payload.extend(u32::MAX.to_le_bytes());
    put_whole(&append(7, 1), &mut payload);
    assert_eq!(message_of(&payload), Err(Malformed::Payload("an entry that is cut")));
}

/// Small frames do not keep the room that a large one needed.
#[test]
fn a_large_frame_s_room_is_given_back() {
    let mut bytes = Vec::new();
    put(Kind::Chunk, &mut bytes, |out| out.resize(out.len() + (8 << 20), 1));
    put(Kind::Pulse, &mut bytes, |_| {});
    let mut frames = Frames::new(&bytes[..], 16 << 20);
    assert_eq!(frames.next().unwrap().0, Kind::Chunk);
    assert!(frames.body.capacity() >= 8 << 20);
    assert_eq!(frames.next().unwrap().0, Kind::Pulse);
    assert!(frames.body.capacity() <= KEPT_BYTES);
}

/// The largest message there is fits where messages are written.
#[test]
fn every_message_fits() {
    let last = LogId { term: u64::MAX, index: u64::MAX };
    let body = Body::AppendEntries { prev: last, run: u64::MAX, count: u32::MAX, commit: u64::MAX };
    let snapshot = protocol::SnapshotId { last, runs: u64::MAX };
    for body in [
        body,
        Body::Rejected { prev: u64::MAX, hint: last },
        Body::InstallSnapshot { id: snapshot },
    ] {
        let mut out = Vec::new();
        put_whole(&Message { term: u64::MAX, body }, &mut out);
        assert!(out.len() <= MAX_MESSAGE_BYTES / 2, "{}", out.len());
    }
}

/// The bytes of one frame, as they stand in the file's head.
#[test]
fn a_frame_is_what_the_head_of_the_file_says() {
    let mut out = Vec::new();
    put_numbered(Kind::Forward, (GROUP, 772), b"call", &mut out);
    let body = b"\x03\x02\x01\x04\x03\0\0\0\0\0\0call";
    assert_eq!(&out[..4], [body.len() as u8, 0, 0, 0]);
    assert_eq!(&out[8..], body);
    let crc = crc32c::crc32c(&[&out[..4], &body[..]].concat());
    assert_eq!(out[4..8], crc.to_le_bytes());
    assert_eq!(numbered_bytes(4), body.len());
}
