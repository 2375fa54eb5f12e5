//! Several operations in one entry.

use super::{Bench, bulk, fault, key, no, set, yes};
use protocol::kv::{
    ClientId, Deadline, Fault, KeyOp, Once, Op, Reply, StringOp, Transaction, Version, When, Work,
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

fn exec(watched: &[(&str, Version)], ops: &[(&str, Op)]) -> Transaction {
    let watched = watched.iter().map(|&(name, version)| (key(name), version)).collect();
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
        exec(&[("{u}a", 0)], &[("{t}a", put("x"))]),
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
    let version = b.version("{t}a");
    let transaction = exec(&[("{t}a", version), ("{t}b", 0)], &[("{t}c", incr())]);
    assert_eq!(b.store.transact(1, &transaction), Reply::Many(vec![yes()]));
    b.put("{t}b", "new");
    assert_eq!(b.store.transact(1, &transaction), Reply::WatchFailed);
    assert_eq!(b.key("{t}b", KeyOp::Delete { when: When::Always }), yes());
    assert_eq!(b.store.transact(1, &transaction), Reply::Many(vec![Reply::Int(2)]));
    b.put("{t}a", "1");
    assert_eq!(b.store.transact(1, &transaction), Reply::WatchFailed, "the same value, anew");
    assert_eq!(b.get("{t}c"), bulk("2"));
}

#[test]
fn a_deadline_set_or_reached_is_a_change() {
    let mut b = Bench::new();
    b.put_until("{t}a", "1", Deadline::In(50));
    let version = b.version("{t}a");
    let transaction = exec(&[("{t}a", version)], &[("{t}c", incr())]);
    assert_eq!(b.store.transact(b.now + 49, &transaction), Reply::Many(vec![yes()]));
    assert_eq!(b.store.transact(b.now + 50, &transaction), Reply::WatchFailed);
    b.put("{t}a", "1");
    let version = b.version("{t}a");
    let deadline = Deadline::In(50);
    assert_eq!(b.string("{t}a", StringOp::GetEx { deadline }), bulk("1"));
    let transaction = exec(&[("{t}a", version)], &[("{t}c", incr())]);
    assert_eq!(b.store.transact(0, &transaction), Reply::WatchFailed);
}

#[test]
fn an_operation_sees_the_ones_before_it() {
    let mut b = Bench::new();
    let rename = Op::Key(KeyOp::Rename { to: "{t}b".into(), if_missing: false });
    let delete = Op::Key(KeyOp::Delete { when: When::Always });
    let exists = || Op::Key(KeyOp::Exists);
    let ops = [
        ("{t}a", put("5")),
        ("{t}a", incr()),
        ("{t}a", rename),
        ("{t}a", exists()),
        ("{t}b", get()),
        ("{t}b", delete),
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
    let mget = exec(&[("{t}b", 0)], &[("{t}a", get()), ("{t}b", get())]);
    let expected = Reply::Many(vec![bulk("1"), Reply::Nil]);
    assert_eq!(b.store.read_all(&mget), Some(expected.clone()));
    assert_eq!(b.store.transact(1, &mget), expected);
    let stale = exec(&[("{t}b", 9)], &[("{t}a", get())]);
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
        (exec(&[("{t}a", 0)], &[("{t}a", incr())]), exec(&[], &[("{t}a", incr())])),
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
