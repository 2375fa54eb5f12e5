//! The store's bytes.

use super::random::{limits, wild};
use super::{Bench, cases};
use proptest::prelude::*;
use protocol::kv::{Deadline, DecodeError, Exact, Limits, Store, Work};

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

#[test]
fn the_first_byte_is_the_format() {
    assert_eq!(decode(&[]).err(), Some(DecodeError::Truncated));
    assert_eq!(decode(&[9, 0, 0, 0]).err(), Some(DecodeError::Format { found: 9 }));
    let empty = encode(&Store::new(Exact, Limits::default()));
    assert_eq!(empty, [1, 0, 0, 0], "format, clock, sweep, slots");
    assert!(decode(&empty).is_ok_and(|store| store.is_empty()));
    let text = DecodeError::Format { found: 9 }.to_string();
    assert_eq!(text, "the store's bytes have format 9, this build reads 1");
}

/// The bytes of a small store, one by one: a change of the layout must be seen here, and takes a new format.
#[test]
fn the_layout_is_pinned() {
    let mut b = Bench::new();
    b.now = 300;
    b.put_until("a", "v", Deadline::At(400));
    let slot = [0x87, 0x79]; // 15,495, which is a's
    let items = [1, 1, b'a', 1, b'v', 1, 0x90, 0x03];
    let parts: [&[u8]; 5] = [&[1, 0xac, 0x02, 0, 1], &slot, &[0], &items, &[0, 0]];
    assert_eq!(encode(&b.store), parts.concat());
}

#[test]
fn a_length_is_no_reason_to_allocate() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    for front in
        [&[1, 0, 0][..], &[1, 0, 0, 1, 0, 0], &[1, 0, 0, 1, 0, 0, 0, 0], &[1, 0, 0, 1, 0, 0, 1]]
    {
        let bytes = [front, &huge].concat();
        assert!(decode(&bytes).is_err());
    }
    assert!(decode(&[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02]).is_err());
    assert!(decode(&[1, 0x80, 0x00, 0, 0]).is_err(), "0 has one way to be written");
}

/// Replies inside replies without end must not take the stack.
#[test]
fn depth_is_bounded() {
    let mut bytes = vec![1, 0, 0, 1, 0, 0, 0];
    bytes.extend([0, 1, 5, 0, 0, 1, 1, 0]);
    bytes.extend([17, 1].repeat(1_000_000));
    assert_eq!(decode(&bytes).err(), Some(DecodeError::Invalid("a reply")));
}

proptest! {
    #![proptest_config(cases(512))]

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
        let bytes = [&[1], &bytes[..]].concat();
        if let Ok(store) = decode(&bytes) {
            prop_assert_eq!(encode(&store), bytes);
        }
    }
}
