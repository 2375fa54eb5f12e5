//! The store's bytes.

use super::random::{limits, wild};
use super::{Bench, cases};
use proptest::prelude::*;
use protocol::kv::{
    ClientId, Command, Deadline, DecodeError, Decoder, Exact, Limits, Once, Op, PIECE_BYTES, Store,
    Work,
};

fn encode(store: &Store) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.encode(&mut bytes);
    bytes
}

fn decode(bytes: &[u8]) -> Result<Store, DecodeError> {
    Store::decode(Exact, Limits::default(), bytes)
}

fn grown(works: &[(u64, Work)]) -> Store {
    let mut store = Store::new(Exact, limits());
    for (stamp, work) in works {
        store.work(*stamp, work);
    }
    store
}

/// The first byte of what this build writes.
const FORMAT: u8 = 2;

#[test]
fn the_first_byte_is_the_format() {
    assert_eq!(decode(&[]).err(), Some(DecodeError::Truncated));
    assert_eq!(decode(&[9, 0, 0, 0]).err(), Some(DecodeError::Format { found: 9 }));
    let empty = encode(&Store::new(Exact, Limits::default()));
    assert_eq!(empty, [FORMAT, 0, 0, 0], "format, clock, sweep, slots");
    assert!(decode(&empty).is_ok_and(|store| store.is_empty()));
    let text = DecodeError::Format { found: 9 }.to_string();
    assert_eq!(text, "the store's bytes have format 9, this build reads 2");
}

/// The bytes of a small store, one by one: a change of the layout must be seen here, and takes a new format.
#[test]
fn the_layout_is_pinned() {
    let mut b = Bench::new();
    b.now = 300;
    b.put_until("a", "v", Deadline::At(400));
    let slot = [0x87, 0x79]; // 15,495, which is a's
    let items = [1, 1, b'a', 1, b'v', 1, 0x90, 0x03];
    let parts: [&[u8]; 5] = [&[FORMAT, 0xac, 0x02, 0, 1], &slot, &[0], &items, &[0, 0, 0]];
    assert_eq!(encode(&b.store), parts.concat());
}

#[test]
fn a_length_is_no_reason_to_allocate() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    let items = [0, 0, 1, 0, 0, 1];
    let sessions = [0, 0, 1, 0, 0, 0, 0, 0];
    for front in [&[0, 0][..], &items[..5], &sessions, &items] {
        let bytes = [&[FORMAT], front, &huge].concat();
        assert!(decode(&bytes).is_err());
    }
    assert!(decode(&[FORMAT, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).is_err());
    assert!(decode(&[FORMAT, 0x80, 0x00, 0, 0]).is_err(), "0 has one way to be written");
}

/// Replies inside replies without end must not take the stack.
#[test]
fn depth_is_bounded() {
    let mut bytes = vec![FORMAT, 0, 0, 1, 0, 0, 0];
    bytes.extend([0, 0, 1, 0, 5, 0, 0, 1, 1, 0]);
    bytes.extend([17, 1].repeat(1_000_000));
    assert_eq!(decode(&bytes).err(), Some(DecodeError::Invalid("a reply")));
}

/// Read whole, the same bytes fail in the same way.
fn decode_pieces(bytes: &[u8], cuts: &[usize]) -> Result<Store, DecodeError> {
    let mut decoder = Decoder::new(Exact, Limits::default());
    let (mut rest, mut cuts) = (bytes, cuts.iter().cycle());
    while !rest.is_empty() {
        let cut = cuts.next().map_or(rest.len(), |cut| *cut.min(&rest.len()));
        decoder.push(&rest[..cut])?;
        rest = &rest[cut..];
    }
    decoder.finish()
}

/// Records were once kept in the order of their execution; a store has no order but their numbers'.
#[test]
fn a_number_has_one_record() {
    let front = [FORMAT, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 5, 0, 0];
    let twice = [&front[..], &[2, 1, 0, 11, 2, 0, 11]].concat();
    assert!(decode(&twice).is_ok());
    for second in [0, 1] {
        let damaged = [&front[..], &[2, 1, 0, 11, second, 0, 11]].concat();
        let refusal = DecodeError::Invalid("records are out of order");
        assert_eq!(decode(&damaged).err(), Some(refusal));
    }
}

/// What no store holds is not read: a client gets a deadline as a signed number, and a reply that has arrived is not
/// kept.
#[test]
fn what_no_store_holds_is_refused() {
    let slot = [0x87, 0x79]; // 15,495, which is a's
    let with = |deadline: &[u8]| {
        let item = [&[0, 1, 1, b'a', 1, b'v', 1][..], deadline, &[0, 0, 0]].concat();
        decode(&[&[FORMAT, 0, 0, 1], &slot[..], &item].concat())
    };
    let last = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let beyond = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01];
    assert!(with(&last).is_ok());
    assert_eq!(with(&beyond).err(), Some(DecodeError::Invalid("a key")));
    let record = |acknowledged, seq| {
        let front = [FORMAT, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 5, 0, acknowledged, 1];
        decode(&[&front[..], &[seq, 0, 11]].concat())
    };
    assert!(record(2, 3).is_ok());
    assert_eq!(record(2, 2).err(), Some(DecodeError::Invalid("an acknowledged record")));
}

/// A thread that writes a snapshot has a copy, and takes no more memory than a piece.
#[test]
fn a_snapshot_is_written_by_another_thread_while_commands_go_on() {
    let mut b = Bench::new();
    for number in 0..6000 {
        b.put(&format!("{{t}}{number}"), &"v".repeat(100));
    }
    b.put("long", &"v".repeat(3 * PIECE_BYTES));
    let copy = b.store.clone();
    let before = encode(&copy);
    let writer = std::thread::spawn(move || copy.pieces(PIECE_BYTES).collect::<Vec<_>>());
    for number in 0..6000 {
        b.put(&format!("{{t}}{number}"), "new");
    }
    let pieces = writer.join().expect("it writes");
    assert!(pieces.len() >= 3 && pieces.concat() == before);
    let unit = 3 * PIECE_BYTES + 100;
    let (last, others) = pieces.split_last().expect("there are some");
    assert!(others.iter().all(|piece| (PIECE_BYTES..PIECE_BYTES + unit).contains(&piece.len())));
    assert!((1..PIECE_BYTES + unit).contains(&last.len()));
    let mut decoder = Decoder::new(Exact, Limits::default());
    pieces.iter().for_each(|piece| decoder.push(piece).expect("a store's own bytes"));
    assert!(decoder.finish().is_ok_and(|read| encode(&read) == before && read != b.store));
}

#[test]
fn a_piece_has_at_least_a_unit() {
    let store = Store::new(Exact, Limits::default());
    assert_eq!(store.pieces(0).collect::<Vec<_>>(), [encode(&store)]);
}

/// What memory is counted is what is there, however it came.
#[test]
fn memory_is_counted_and_given_back() {
    let mut store = Store::new(Exact, Limits { idle_ms: 10, ..Limits::default() });
    assert_eq!(store.memory_bytes(), 0);
    let once = Some(Once { client: ClientId(1), seq: 1, acknowledged: 0 });
    let mut memory = vec![0];
    for (value, once) in [("v", None), ("vv", None), ("vv", once)] {
        let op = Op::Set { value: value.into() };
        store.apply(1, &Command { key: "key".into(), op, once });
        memory.push(store.memory_bytes());
    }
    assert!(memory[1] > 4 && memory[2] == memory[1] + 1 && memory[3] > memory[2]);
    store.flush(2);
    assert_eq!(store.memory_bytes(), memory[3] - memory[2]);
    store.tick(100);
    assert_eq!(store.memory_bytes(), 0, "the idle client went, and its reply");
}

/// Each thing that the fingerprint has in it changes it, and what is undone is undone. That a store read from its bytes
/// has the same one is part of their being equal (`random.rs`).
#[test]
fn the_fingerprint_hangs_on_the_content_alone() {
    let apply = |store: &mut Store, at: u64, key: &str, op: Op, seq: u64| {
        let once = (seq > 0).then_some(Once { client: ClientId(1), seq, acknowledged: 0 });
        store.apply(at, &Command { key: key.into(), op, once });
    };
    let set = |value: &str| Op::Set { value: value.into() };
    let empty = Store::new(Exact, Limits::default());
    let store_of = |steps: &[(u64, &str, &str, u64)]| {
        let mut store = empty.clone();
        for (at, key, value, seq) in steps {
            apply(&mut store, *at, key, set(value), *seq);
        }
        store.print()
    };
    let all = [
        empty.print(),
        store_of(&[(1, "a", "12345678", 0)]),
        store_of(&[(2, "a", "12345678", 0)]),
        store_of(&[(1, "b", "12345678", 0)]),
        store_of(&[(1, "a", "123456789", 0)]),
        store_of(&[(1, "a", "12345678\0", 0)]),
        store_of(&[(1, "a1", "2345678", 0)]),
        store_of(&[(1, "a", "12345678", 0), (1, "a", "12345678", 0)]),
        store_of(&[(1, "a", "12345678", 1)]),
        store_of(&[(1, "a", "12345678", 2)]),
    ];
    let different: std::collections::BTreeSet<u64> = all.into_iter().collect();
    assert_eq!(different.len(), all.len(), "{all:x?}");
    let one = store_of(&[(1, "a", "x", 0), (1, "b", "y", 0)]);
    assert_eq!(one, store_of(&[(1, "b", "y", 0), (1, "a", "x", 0)]), "the way to it is not in it");
    let mut timed = empty.clone();
    apply(&mut timed, 1, "a", set("12345678"), 0);
    let before = timed.print();
    let deadline = protocol::kv::KeyOp::Expire {
        deadline: Deadline::At(9),
        when: protocol::kv::ExpireWhen::Always,
    };
    apply(&mut timed, 1, "a", Op::Key(deadline), 0);
    assert_ne!(timed.print(), before, "a deadline is in it");
}

/// The fingerprint of a store that has one key with these bytes.
fn print_of(value: &[u8]) -> u64 {
    let mut store = Store::new(Exact, Limits::default());
    store.apply(1, &Command { key: "a".into(), op: Op::Set { value: value.into() }, once: None });
    store.print()
}

/// Each bit of a value changes the fingerprint, wherever the value ends in the blocks and words that it is read by; and
/// two bits of words that follow each other don't undo each other.
#[test]
fn the_fingerprint_hangs_on_every_bit_of_a_value() {
    let flipped = |value: &[u8], bits: &[usize]| {
        let mut other = value.to_vec();
        bits.iter().for_each(|bit| other[bit / 8] ^= 1 << (bit % 8));
        print_of(&other)
    };
    for length in [7, 8, 9, 31, 32, 33, 40, 63, 64, 65, 127, 301] {
        let value: Vec<u8> = (0..length).map(|at| at as u8).collect();
        let mut prints: Vec<u64> = (0..length * 8).map(|bit| flipped(&value, &[bit])).collect();
        prints.extend([print_of(&value), print_of(&value[1..]), print_of(&value[..length - 1])]);
        prints.sort_unstable();
        prints.dedup();
        assert_eq!(prints.len(), length * 8 + 3, "{length} bytes");
    }
    let value = [7; 96];
    // Words of the same of four prints, and words behind the blocks.
    for (length, first, second) in [(96, 64, 320), (24, 0, 64)] {
        let bits: Vec<usize> = (first..first + 64).chain(second..second + 64).collect();
        let pairs = bits.iter().enumerate().flat_map(|(at, one)| {
            bits[at + 1..].iter().map(|two| flipped(&value[..length], &[*one, *two]))
        });
        let mut prints: Vec<u64> = pairs.collect();
        prints.sort_unstable();
        prints.dedup();
        assert_eq!(prints.len(), 128 * 127 / 2, "{length} bytes");
    }
}

proptest! {
    #![proptest_config(cases(512))]

    /// A copy is the store after the commands before it, whatever comes after: equal to one that never had others.
    #[test]
    fn a_copy_stays_as_it_was(works in wild(60), at in prop::collection::vec(any::<prop::sample::Index>(), 1..4)) {
        let mut at: Vec<usize> = at.iter().map(|at| at.index(works.len() + 1)).collect();
        at.sort_unstable();
        let mut store: Store = Store::new(Exact, limits());
        let mut copies = Vec::new();
        for (index, (stamp, work)) in works.iter().enumerate() {
            copies.extend(at.iter().filter(|at| **at == index).map(|at| (*at, store.clone())));
            store.work(*stamp, work);
        }
        for (index, copy) in copies {
            let rebuilt = grown(&works[..index]);
            prop_assert!(copy == rebuilt);
            prop_assert_eq!(encode(&copy), encode(&rebuilt));
            // Nor does a copy that goes on change the others.
            let mut on = copy.clone();
            for (stamp, work) in &works[index..] {
                on.work(*stamp, work);
            }
            prop_assert!(on == store && copy == rebuilt);
        }
    }

    /// Neither writing nor reading in pieces changes anything, damage included.
    #[test]
    fn pieces_are_as_good_as_the_whole(
        works in wild(40),
        size in 0usize..200,
        cuts in prop::collection::vec(1usize..60, 1..5),
        flip in prop::option::of((any::<prop::sample::Index>(), 1u8..)),
    ) {
        let store = grown(&works);
        let mut bytes = encode(&store);
        let pieces: Vec<Vec<u8>> = store.pieces(size).collect();
        prop_assert_eq!(pieces.concat(), &bytes[..]);
        let (_, others) = pieces.split_last().expect("there is always one");
        prop_assert!(others.iter().all(|piece| piece.len() >= size.max(1)));
        if let Some((at, flip)) = flip {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        match (decode_pieces(&bytes, &cuts), decode(&bytes)) {
            (Ok(one), Ok(other)) => prop_assert!(one == other),
            (one, other) => prop_assert_eq!(one.err(), other.err()),
        }
    }

    /// KV-SNAPSHOT-1: equal in everything, floors and records included.
    #[test]
    fn a_store_is_read_as_it_was_written(works in wild(60)) {
        let store = grown(&works);
        let bytes = encode(&store);
        let read = Store::decode(Exact, limits(), &bytes).expect("a store's own bytes");
        prop_assert!(read == store);
        prop_assert_eq!(encode(&read), bytes);
    }

    /// What is cut or continued is refused; what is flipped is refused or is another store, which has just
    /// these bytes.
    #[test]
    fn damaged_bytes_do_no_harm(
        works in wild(40),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encode(&grown(&works));
        let cut = cut.index(bytes.len());
        prop_assert!(decode(&bytes[..cut]).is_err());
        prop_assert!(decode(&[&bytes[..], &[0]].concat()).is_err());
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        if let Ok(mut store) = decode(&bytes) {
            prop_assert_eq!(encode(&store), bytes);
            for (stamp, work) in works {
                store.work(stamp, &work);
            }
            store.tick(u64::MAX);
        }
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..200)) {
        let bytes = [&[FORMAT], &bytes[..]].concat();
        if let Ok(store) = decode(&bytes) {
            prop_assert_eq!(encode(&store), bytes);
        }
    }
}
