//! What concerns the whole store: counts, iteration, FLUSHALL.

use super::{Bench, bulk, cases, key, set};
use proptest::prelude::*;
use protocol::kv::{Bytes, Deadline, Op, Reply, SLOTS, Work};
use std::collections::{BTreeMap, BTreeSet};

fn scan_all(b: &Bench, count: usize) -> Vec<Bytes> {
    let (mut cursor, mut all) = (0, Vec::new());
    for _ in 0..10_000 {
        let (next, found) = b.store.scan(cursor, count);
        assert!(next == 0 || next > cursor, "a cursor goes forwards");
        assert!(!found.is_empty() || next == 0, "no step is for nothing");
        all.extend(found);
        if next == 0 {
            return all;
        }
        cursor = next;
    }
    panic!("the scan does not end");
}

#[test]
fn the_empty_store() {
    let b = Bench::new();
    assert_eq!((b.store.len(), b.store.scan(0, 10)), (0, (0, vec![])));
    assert_eq!((b.store.random_key(7), b.store.nearest_deadline()), (None, None));
}

#[test]
fn cursors_that_nobody_gave_out_are_harmless() {
    let mut b = Bench::new();
    b.put("a", "1");
    for cursor in [1, u64::MAX, u64::from(SLOTS) << 48, (u64::from(SLOTS) << 48) - 1] {
        assert!(b.store.scan(cursor, usize::MAX).1.len() <= 1);
    }
    assert_eq!(b.store.scan(0, 0).1, [key("a")], "a count of 0 is one of 1");
}

/// These pairs have one hash each: a cursor between two keys of a pair could not tell them apart.
#[test]
fn keys_of_one_hash_come_together() {
    let mut b = Bench::new();
    for name in ["{t}10aa27c", "{t}1afe202", "{t}79e882", "{t}1c0d23e"] {
        b.put(name, "1");
    }
    let (next, first) = b.store.scan(0, 1);
    assert_eq!(first.len(), 2);
    assert_eq!(b.store.scan(next, 1).1.len(), 2);
    assert_eq!(scan_all(&b, 1).len(), 4);
}

/// KV-FLUSH-1.
#[test]
fn flush_takes_all_keys_and_no_version() {
    let mut b = Bench::new();
    b.put("{t}a", "1");
    b.put("{t}a", "2");
    b.put("{t}b", "1");
    b.put_until("{u}a", "1", Deadline::In(5));
    assert_eq!(b.store.work(b.now, &Work::Flush), Reply::Ok);
    assert!(b.store.is_empty());
    assert_eq!((b.store.len(), b.store.nearest_deadline()), (0, None));
    b.put("{t}b", "1");
    assert_eq!(b.version("{t}b"), 3, "above all that its slot had");
    b.put("{u}a", "1");
    assert_eq!(b.version("{u}a"), 2);
    b.now += 10;
    assert_eq!(b.get("{u}a"), bulk("1"), "the old deadline went with the old value");
}

#[test]
fn every_key_can_be_the_random_one() {
    let mut b = Bench::new();
    for name in ["{t}a", "{t}b", "{u}a", "c"] {
        b.put(name, "1");
    }
    b.put_until("{t}aa", "1", Deadline::In(5));
    let op = Op::String(set("1"));
    b.store.apply(b.now + 5, &protocol::kv::Command { key: "c".into(), op, once: None });
    assert_eq!(b.store.nearest_deadline(), Some(b.now + 5), "one is due and not taken out");
    let chosen: BTreeSet<&Bytes> =
        (0..50).map(|number| b.store.random_key(number).expect("there are keys")).collect();
    assert_eq!(chosen, b.store.keys().collect());
}

#[test]
fn only_keys_that_are_due_leave_none_to_choose() {
    let mut b = Bench::new();
    b.put_until("{t}a", "1", Deadline::In(5));
    let get = Op::Get;
    b.store.apply(b.now + 5, &protocol::kv::Command { key: "x".into(), op: get, once: None });
    assert_eq!((b.store.random_key(0), b.store.scan(0, 10)), (None, (0, vec![])));
}

proptest! {
    #![proptest_config(cases(256))]

    /// KV-SCAN-1. Keys come and go between the steps; those that stay come exactly once.
    #[test]
    fn a_scan_returns_what_stays(
        names in prop::collection::btree_map("([{]t[}])?[a-z]{1,3}", any::<bool>(), 0..60),
        count in 1usize..12,
        passing in prop::collection::vec(("([{]t[}])?[a-z]{1,2}", any::<bool>()), 0..60),
    ) {
        let mut b = Bench::new();
        for name in names.keys() {
            b.put(name, "1");
        }
        let mut passing = passing.into_iter();
        let (mut cursor, mut seen) = (0, BTreeMap::new());
        loop {
            let (next, found) = b.store.scan(cursor, count);
            for key in found {
                *seen.entry(key).or_insert(0) += 1;
            }
            if next == 0 {
                break;
            }
            cursor = next;
            for (name, put) in passing.by_ref().take(2) {
                if names.get(&name).copied().unwrap_or(false) {
                    continue;
                }
                if put {
                    b.put(&name, "2");
                } else {
                    b.op(&name, Op::Key(protocol::kv::KeyOp::Delete { when: protocol::kv::When::Always }));
                }
            }
        }
        for (name, stays) in &names {
            if *stays {
                prop_assert_eq!(seen.get(&key(name)), Some(&1), "{}", name);
            }
        }
        let all = scan_all(&b, count);
        prop_assert_eq!(all.len(), b.store.len());
        prop_assert_eq!(all.iter().collect::<BTreeSet<_>>(), b.store.keys().collect());
    }
}
