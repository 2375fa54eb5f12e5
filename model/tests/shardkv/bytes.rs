//! A group's bytes. RSM-SNAP-1.

use super::clients::slot;
use super::steps::{ONE, TWO, advance, two};
use super::world::LIMITS;
use proptest::prelude::*;
use proptest::test_runner::Config;
use protocol::kv::{Change as Piece, Command as Call, DecodeError, Exact, Op, Part, Store, Work};
use protocol::shardkv::{Change, Command, Group, GroupDecoder, InOrder};

fn encode(group: &Group) -> Vec<u8> {
    let mut bytes = Vec::new();
    group.encode(&mut bytes);
    bytes
}

fn decode(bytes: &[u8]) -> Result<Group, DecodeError> {
    Group::decode((InOrder, Exact), LIMITS, bytes)
}

/// A group that gives a slot, has stopped one, and has something of one that comes.
fn busy() -> Group {
    let [mut one, _] = two(InOrder);
    let change = |index, from, to| Change { slot: slot(index), from: Some(from), to };
    let changes = vec![change(0, ONE, TWO), change(1, ONE, TWO), change(2, TWO, ONE)];
    advance(&mut one, 2, changes);
    one.apply(7, &Command::Freeze { slot: slot(0), number: 2 });
    let item = Piece::Item { key: "{c}1".into(), value: "v".into(), version: 3, deadline: Some(9) };
    let client = protocol::kv::ClientId(5);
    let changes = vec![item, Piece::Client { client, used: 4, acknowledged: 1 }];
    let part = Part { stream: 6, index: 0, changes };
    one.apply(8, &Command::Stage { slot: slot(2), number: 2, part });
    one
}

#[test]
fn a_group_is_read_as_it_was_written() {
    let group = busy();
    assert_eq!(group.moves().len(), 3);
    assert!(decode(&encode(&group)).is_ok_and(|read| read == group));
}

/// Another bit of the bytes is no group, the same one, or one with another fingerprint. Not so in the store and in
/// clients' records, of which there are none here: their own fingerprints leave out what a snapshot's bytes have.
#[test]
fn each_bit_counts_in_the_fingerprint() {
    let mut group = Group::new(InOrder, ONE, 0, [], Store::new(Exact, LIMITS));
    let change = |index, from, to| Change { slot: slot(index), from, to };
    let first = [ONE, ONE, TWO].into_iter().zip(0..).map(|(to, index)| change(index, None, to));
    advance(&mut group, 1, first.collect());
    let set = Call { key: "{a}1".into(), op: Op::Set { value: "v".into() }, once: None };
    group.apply(6, &Command::Work { work: Work::Command(set), value_bytes: 100 });
    let later = [(0, ONE, TWO), (1, ONE, TWO), (2, TWO, ONE)];
    let later = later.map(|(index, from, to)| change(index, Some(from), to));
    advance(&mut group, 2, later.to_vec());
    group.apply(7, &Command::Freeze { slot: slot(0), number: 2 });
    let item = Piece::Item { key: "{c}1".into(), value: "v".into(), version: 3, deadline: Some(9) };
    let part = Part { stream: 6, index: 0, changes: vec![item] };
    group.apply(8, &Command::Stage { slot: slot(2), number: 2, part });
    assert_eq!(group.moves().len(), 3);
    let bytes = encode(&group);
    let mut others = 0;
    for at in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        let Ok(other) = decode(&flipped) else { continue };
        if other == group {
            continue;
        }
        let in_store = other.store() != group.store();
        if !in_store || other.store().print() != group.store().print() {
            assert_ne!(other.print(), group.print(), "bit {at}: {other:?}");
            others += 1;
        }
    }
    assert!(others > 50, "{others} of {} bits make another group", bytes.len() * 8);
}

/// The front of a small group, byte by byte: a change of the layout must be seen here, and takes a new format.
#[test]
fn the_front_is_pinned() {
    let [one, _] = two(InOrder);
    let bytes = encode(&one);
    // Format, group, configuration, moves, and three runs of one slot: b's, c's and a's.
    let runs = [[0xe4, 0x19, 1, 1], [0xc5, 0x39, 1, 2], [0x87, 0x79, 1, 1]].concat();
    assert_eq!(bytes[..17], [&[1, 1, 1, 0, 3], &runs[..]].concat());
    assert_eq!(decode(&[]).err(), Some(DecodeError::Truncated));
    assert_eq!(decode(&[9, 0]).err(), Some(DecodeError::Format { found: 9 }));
    assert_eq!(decode(&[1, 1, 0, 0, 0, 2, 0, 0]).err(), Some(DecodeError::Truncated));
    assert!(decode(&[1, 1, 0, 0, 0, 2, 0, 0, 0]).is_ok(), "an empty store");
    let left_over = DecodeError::Invalid("bytes are left over");
    assert_eq!(decode(&[1, 1, 0, 0, 0, 2, 0, 0, 0, 0]).err(), Some(left_over));
}

#[test]
fn what_no_group_holds_is_refused() {
    let run = DecodeError::Invalid("a run of slots");
    for runs in [
        &[1, 0, 0, 7][..],
        &[2, 0, 2, 7, 1, 1, 7],
        &[1, 1, 0x80, 0x80, 1, 7],
        &[1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 7],
    ] {
        assert_eq!(decode(&[&[1, 1, 5, 0], runs].concat()).err(), Some(run), "{runs:?}");
    }
    let on_its_way = DecodeError::Invalid("a slot on its way");
    // Slot 3 is the group's: it can come, and not go. Of configuration 6 or 0 there is nothing yet.
    for there in [&[3, 5, 2, 0][..], &[3, 6, 2, 2, 0, 0], &[3, 0, 2, 2, 0, 0], &[3, 5, 2, 3]] {
        assert_eq!(decode(&[&[1, 1, 5, 1, 1, 3, 1, 1], there].concat()).err(), Some(on_its_way));
    }
    // A store with a slot that is another group's.
    let not_own = DecodeError::Invalid("a slot that is not the group's");
    let store = [2, 0, 0, 1, 3, 0, 0, 0, 0, 0];
    assert!(decode(&[&[1, 1, 5, 0, 1, 3, 1, 1], &store[..]].concat()).is_ok());
    assert_eq!(decode(&[&[1, 1, 5, 0, 1, 3, 1, 2], &store[..]].concat()).err(), Some(not_own));
}

proptest! {
    #![proptest_config(Config { cases: 512, failure_persistence: None, ..Config::default() })]

    /// Pieces of any length, written and read.
    #[test]
    fn pieces_are_as_good_as_the_whole(
        size in 0usize..80,
        cuts in prop::collection::vec(1usize..60, 1..9),
    ) {
        let group = busy();
        let bytes: Vec<u8> = group.pieces(size).flatten().collect();
        prop_assert_eq!(&bytes, &encode(&group));
        let mut decoder = GroupDecoder::new((InOrder, Exact), LIMITS);
        let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let cut = cuts.next().map_or(rest.len(), |cut| *cut.min(&rest.len()));
            prop_assert!(decoder.push(&rest[..cut]).is_ok());
            rest = &rest[cut..];
        }
        prop_assert!(decoder.finish().is_ok_and(|read| read == group));
    }

    /// Nothing that is not a group's is taken for one, and nothing takes the process.
    #[test]
    fn damaged_bytes_do_no_harm(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = encode(&busy());
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
            prop_assert!(decode(&bytes).is_err());
        } else {
            bytes[at] = byte;
            if let Ok(read) = decode(&bytes) {
                let again = decode(&encode(&read));
                prop_assert!(again.is_ok_and(|again| again == read));
            }
        }
    }
}
