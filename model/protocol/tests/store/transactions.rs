//! Several operations in one entry. KV-TX-1, KV-WATCH-1.

use super::{Bench, bulk, fault, key, no, set, yes};
use protocol::kv::{
    ClientId, Command, Deadline, Fault, KeyOp, Once, Op, Reply, Seen, StringOp, Transaction, When,
    Work,
};

fn get() -> Op {
    Op::String(StringOp::Get)
}

fn put(value: &str) -> Op {
    Op::String(set(value))
}

fn incr() -> Op {
    Op::String(StringOp::IncrBy { by: 1 })
}

const MISSING: Seen = Seen::Missing { floor: 0 };

fn delete() -> Op {
    Op::Key(KeyOp::Delete { when: When::Always })
}

fn exec(watched: &[(&str, Seen)], ops: &[(&str, Op)]) -> Transaction {
    let watched = watched.iter().map(|&(name, seen)| (key(name), seen)).collect();
    let ops = ops.iter().map(|(name, op)| (key(name), op.clone())).collect();
    Transaction { watched, ops, once: None }
}

#[test]
fn a_reply_for_each_and_faults_hold_up_nothing() {
    let mut b = Bench::new();
    let ops = [("{t}a", put("x")), ("{t}a", incr()), ("{t}b", incr()), ("{t}a", get())];
    let reply = b.store.transact(1, &exec(&[], &ops));
    let expected = vec![Reply::Ok, fault(Fault::NotAnInteger), yes(), bulk("x")];
    assert_eq!(reply, Reply::Many(expected));
    assert_eq!(b.store.transact(1, &exec(&[], &[])), Reply::Many(vec![]));
}

#[test]
fn all_keys_lie_in_one_slot() {
    let mut b = Bench::new();
    let rename = Op::Key(KeyOp::Rename { to: "{u}b".into(), if_missing: false });
    let crossing = [
        exec(&[], &[("{t}a", put("x")), ("{u}a", put("x"))]),
        exec(&[("{u}a", MISSING)], &[("{t}a", put("x"))]),
        exec(&[], &[("{t}a", put("x")), ("{t}a", rename)]),
    ];
    for transaction in crossing {
        assert_eq!(b.store.transact(7, &transaction), fault(Fault::CrossSlot));
        assert!(b.store.is_empty());
        assert_eq!(b.store.clock(), 7, "the clock goes on with every entry");
    }
}

#[test]
fn a_watched_key_that_was_written_stops_all() {
    let mut b = Bench::new();
    b.put("{t}a", "1");
    let watched = [("{t}a", b.seen("{t}a")), ("{t}b", b.seen("{t}b"))];
    let transaction = exec(&watched, &[("{t}c", incr())]);
    assert_eq!(b.store.transact(1, &transaction), Reply::Many(vec![yes()]));
    b.put("{t}b", "new");
    assert_eq!(b.store.transact(1, &transaction), Reply::WatchFailed);
    assert_eq!(b.op("{t}b", delete()), yes());
    assert_eq!(b.store.transact(1, &transaction), Reply::WatchFailed, "it came and went");
    let watched = [("{t}a", b.seen("{t}a")), ("{t}b", b.seen("{t}b"))];
    let transaction = exec(&watched, &[("{t}c", incr())]);
    assert_eq!(b.store.transact(1, &transaction), Reply::Many(vec![Reply::Int(2)]));
    b.put("{t}a", "1");
    assert_eq!(b.store.transact(1, &transaction), Reply::WatchFailed, "the same value, anew");
    assert_eq!(b.get("{t}c"), bulk("2"));
}

/// A key that was missing when it was watched and is missing again was touched all the same, however it came and went.
#[test]
fn a_missing_key_that_came_and_went_is_a_change() {
    let ways: [&dyn Fn(&mut Bench); 4] = [
        &|b| {
            b.put("{t}a", "1");
            b.op("{t}a", delete());
        },
        &|b| {
            b.put_until("{t}a", "1", Deadline::In(5));
            b.now += 5;
            b.store.tick(b.now);
        },
        &|b| {
            b.put_until("{t}a", "1", Deadline::In(5));
            b.now += 5;
            let other = Command { key: "{u}b".into(), op: put("1"), once: None };
            b.store.apply(b.now, &other);
            assert!(b.store.nearest_deadline().is_some(), "it is due and was not taken out");
        },
        &|b| {
            b.put("{t}a", "1");
            b.store.flush(b.now);
        },
    ];
    for way in ways {
        let mut b = Bench::new();
        b.put("{t}b", "1");
        b.op("{t}b", delete());
        let transaction = exec(&[("{t}a", b.seen("{t}a"))], &[("{t}c", incr())]);
        way(&mut b);
        assert_eq!(b.get("{t}a"), Reply::Nil);
        assert_eq!(
            b.store
                .read_all(&Transaction { ops: vec![(key("{t}c"), get())], ..transaction.clone() }),
            Some(Reply::WatchFailed)
        );
        assert_eq!(b.store.transact(b.now, &transaction), Reply::WatchFailed);
        assert_eq!(b.get("{t}c"), Reply::Nil);
    }
}

/// What was there and is not there now is a change, though the floor may be the version that was seen.
#[test]
fn gone_is_not_as_seen() {
    let mut b = Bench::new();
    b.put("{t}a", "1");
    let seen = b.seen("{t}a");
    assert_eq!(seen, Seen::At(1));
    b.op("{t}a", delete());
    assert_eq!(b.seen("{t}a"), Seen::Missing { floor: 1 });
    let transaction = exec(&[("{t}a", seen)], &[("{t}c", incr())]);
    assert_eq!(b.store.transact(1, &transaction), Reply::WatchFailed);
}

/// Who watches a missing key is safe and not exact: any key that goes from its slot fails the transaction. One
/// that only comes or changes does not, and who watches keys that are there has no such neighbours.
#[test]
fn neighbours_of_a_watched_key() {
    let mut b = Bench::new();
    b.put("{t}b", "1");
    b.put("{t}c", "1");
    let missing = exec(&[("{t}a", b.seen("{t}a"))], &[("{t}a", incr())]);
    let there = exec(&[("{t}b", b.seen("{t}b"))], &[("{t}d", incr())]);
    b.put("{t}c", "2");
    b.put("{t}e", "1");
    assert_eq!(b.store.clone().transact(1, &missing), Reply::Many(vec![yes()]));
    b.op("{t}c", delete());
    assert_eq!(b.store.transact(1, &missing), Reply::WatchFailed);
    assert_eq!(b.store.transact(1, &there), Reply::Many(vec![yes()]));
}

/// That a key was due and is taken out now is no change to who saw it missing.
#[test]
fn taking_out_changes_nothing_that_is_seen() {
    let mut b = Bench::new();
    b.put_until("{t}a", "1", Deadline::In(5));
    b.now += 5;
    let other = Command { key: "{u}b".into(), op: put("1"), once: None };
    b.store.apply(b.now, &other);
    let seen = b.seen("{t}a");
    assert_eq!(b.store.tick(b.now), 1);
    assert_eq!(b.seen("{t}a"), seen);
}

#[test]
fn a_deadline_set_or_reached_is_a_change() {
    let mut b = Bench::new();
    b.put_until("{t}a", "1", Deadline::In(50));
    let transaction = exec(&[("{t}a", b.seen("{t}a"))], &[("{t}c", incr())]);
    assert_eq!(b.store.transact(b.now + 49, &transaction), Reply::Many(vec![yes()]));
    assert_eq!(b.store.transact(b.now + 50, &transaction), Reply::WatchFailed);
    b.put("{t}a", "1");
    let transaction = exec(&[("{t}a", b.seen("{t}a"))], &[("{t}c", incr())]);
    let deadline = Deadline::In(50);
    assert_eq!(b.string("{t}a", StringOp::GetEx { deadline }), bulk("1"));
    assert_eq!(b.store.transact(0, &transaction), Reply::WatchFailed);
}

#[test]
fn an_operation_sees_the_ones_before_it() {
    let mut b = Bench::new();
    let rename = Op::Key(KeyOp::Rename { to: "{t}b".into(), if_missing: false });
    let exists = || Op::Key(KeyOp::Exists);
    let ops = [
        ("{t}a", put("5")),
        ("{t}a", incr()),
        ("{t}a", rename),
        ("{t}a", exists()),
        ("{t}b", get()),
        ("{t}b", delete()),
        ("{t}b", exists()),
    ];
    let reply = b.store.transact(1, &exec(&[], &ops));
    let expected = vec![Reply::Ok, Reply::Int(6), Reply::Ok, no(), bulk("6"), yes(), no()];
    assert_eq!(reply, Reply::Many(expected));
}

#[test]
fn what_only_reads_needs_no_log() {
    let mut b = Bench::new();
    b.put("{t}a", "1");
    let mget = exec(&[("{t}b", MISSING)], &[("{t}a", get()), ("{t}b", get())]);
    let expected = Reply::Many(vec![bulk("1"), Reply::Nil]);
    assert_eq!(b.store.read_all(&mget), Some(expected.clone()));
    assert_eq!(b.store.transact(1, &mget), expected);
    let stale = exec(&[("{t}b", Seen::At(9))], &[("{t}a", get())]);
    assert_eq!(b.store.read_all(&stale), Some(Reply::WatchFailed));
    assert_eq!(b.store.read_all(&exec(&[], &[("{t}a", incr())])), None);
    let crossing = exec(&[], &[("{t}a", get()), ("{u}a", get())]);
    assert_eq!(b.store.read_all(&crossing), Some(fault(Fault::CrossSlot)));
}

#[test]
fn a_transaction_sent_twice_is_executed_once() {
    let mut b = Bench::new();
    let once = |seq| Once { client: ClientId(9), seq, acknowledged: seq - 1 };
    let transaction = |seq, ops: &[(&str, Op)]| {
        Work::Transaction(Transaction { once: Some(once(seq)), ..exec(&[], ops) })
    };
    let first = transaction(1, &[("{t}a", incr()), ("{t}b", incr())]);
    let reply = Reply::Many(vec![yes(), yes()]);
    assert_eq!(b.store.work(1, &first), reply);
    assert_eq!(b.store.work(2, &first), reply);
    let other = transaction(1, &[("{t}a", incr())]);
    assert_eq!(b.store.work(3, &other), Reply::SeqReused);
    let second = transaction(2, &[("{t}a", incr())]);
    assert_eq!(b.store.work(4, &second), Reply::Many(vec![Reply::Int(2)]));
    assert_eq!(b.store.work(5, &first), Reply::Acknowledged);
    assert_eq!(b.get("{t}a"), bulk("2"));
    assert_eq!(b.get("{t}b"), bulk("1"));
}

/// The order of fields is no fence between two commands: each has its length in the fingerprint.
#[test]
fn different_transactions_have_different_fingerprints() {
    let lab = |value: &str| Op::Set { value: value.into() };
    let pairs = [
        (exec(&[], &[("{t}a", lab("x"))]), exec(&[], &[("{t}a", lab("y"))])),
        (exec(&[], &[("{t}a", lab("1"))]), exec(&[], &[("{t}a", put("1"))])),
        (exec(&[("{t}a", MISSING)], &[("{t}a", incr())]), exec(&[], &[("{t}a", incr())])),
        (exec(&[], &[("{t}a", lab("")), ("{t}a", get())]), exec(&[], &[("{t}a", lab(""))])),
        (exec(&[], &[("{t}a", put("v"))]), exec(&[], &[("{t}b", put("v"))])),
    ];
    for (one, other) in pairs {
        let mut b = Bench::new();
        let once = Some(Once { client: ClientId(1), seq: 1, acknowledged: 0 });
        b.store.transact(1, &Transaction { once, ..one });
        assert_eq!(b.store.transact(1, &Transaction { once, ..other }), Reply::SeqReused);
    }
}
