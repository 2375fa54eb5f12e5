//! The checker's idea of the store against the store itself: what the store replies is explained, and what it does not
//! reply is not.

use linear::history::Told;
use linear::kv::{self, History, Op, Ret};
use linear::{Budget, Verdict};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use protocol::kv as store;
use std::cell::Cell;
use store::{Command, Deadline, Exact, KeyOp, Limits, Reply, Store, StringOp, Transaction, When};

/// Two keys of one slot, so that they share a floor, and may stand in one transaction.
const KEYS: [&str; 2] = ["{s}a", "{s}b"];

/// What is asked, and through which of the store's doors: the labs' or Redis's.
#[derive(Clone, Debug)]
struct Asked {
    op: Op,
    redis: bool,
}

fn single(redis: bool) -> impl Strategy<Value = Asked> {
    let value = prop_oneof![Just("x"), Just("yy"), Just("")];
    let parts = (0..7_u8, 0..2_usize, value, 0..5_u64, any::<bool>());
    parts.prop_map(move |(kind, key, value, number, door)| {
        let redis = redis && door;
        let key = KEYS[key];
        let op = match kind {
            0 | 1 => Op::get(key),
            2 => Op::set(key, value),
            3 => Op::put(key, value, number),
            4 => Op::append(key, value),
            5 => Op::cas(key, ["", "x", "yy", "xx", "xyy"][number as usize], value),
            _ => Op::delete(key, (!redis).then_some(number)),
        };
        Asked { op, redis }
    })
}

/// The operation as the store takes it.
fn asked(Asked { op, redis }: &Asked) -> (store::Bytes, store::Op) {
    let bytes = |bytes: &kv::Bytes| store::Bytes::from(&**bytes);
    let set = |value, when| StringOp::Set { value, when, deadline: Deadline::Never, get: false };
    let to = match op {
        Op::Get { .. } if *redis => store::Op::String(StringOp::Get),
        Op::Get { .. } => store::Op::Get,
        Op::Set { value, .. } if *redis => store::Op::String(set(bytes(value), When::Always)),
        Op::Set { value, .. } => store::Op::Set { value: bytes(value) },
        Op::Put { value, expected, .. } => {
            store::Op::Put { value: bytes(value), expected: *expected }
        }
        Op::Append { value, .. } if *redis => {
            store::Op::String(StringOp::Append { value: bytes(value) })
        }
        Op::Append { value, .. } => store::Op::Append { value: bytes(value) },
        Op::Cas { expected, value, .. } => {
            store::Op::String(set(bytes(value), When::Equal(bytes(expected))))
        }
        Op::Delete { expected: Some(expected), .. } => store::Op::Delete { expected: *expected },
        Op::Delete { .. } => store::Op::Key(KeyOp::Delete { when: When::Always }),
        Op::Multi(_) => unreachable!("a transaction has operations on one key"),
    };
    (bytes(op.key().expect("an operation on one key")), to)
}

/// The store's reply as a client notes it.
fn told(op: &Op, reply: Reply) -> Ret {
    let bytes = |bytes: store::Bytes| Some(kv::Bytes::from(bytes.as_ref()));
    let done = |value, version, length| Ret::Done { value, version, length };
    match (op, reply) {
        (_, Reply::Value { value, version }) => done(bytes(value), Some(version), None),
        (_, Reply::Written { version }) => done(None, Some(version), None),
        (_, Reply::Appended { old, version }) => done(bytes(old), Some(version), None),
        (_, Reply::VersionMismatch) | (Op::Cas { .. }, Reply::Nil) => Ret::Mismatch,
        (_, Reply::NoKey) | (Op::Get { .. }, Reply::Nil) => Ret::NoKey,
        (Op::Delete { .. }, Reply::Int(0)) => Ret::NoKey,
        (Op::Delete { .. }, Reply::Int(1)) | (_, Reply::Ok) => Ret::OK,
        (Op::Append { .. }, Reply::Int(length)) => done(None, None, u64::try_from(length).ok()),
        (_, Reply::Bulk(value)) => done(bytes(value), None, None),
        (op, reply) => panic!("{op}: the store says {reply:?}"),
    }
}

/// What the store replies, one after the other; a group of several is a transaction.
fn replies(groups: &[Vec<Asked>]) -> Vec<(Op, Ret)> {
    let mut store = Store::new(Exact, Limits::DEFAULT);
    let mut replies = Vec::new();
    for group in groups {
        if let [one] = &group[..] {
            let (key, op) = asked(one);
            let reply = store.apply(0, &Command { key, op, once: None });
            replies.push((one.op.clone(), told(&one.op, reply)));
            continue;
        }
        let ops = group.iter().map(asked).collect();
        let transaction = Transaction { watched: Vec::new(), ops, once: None };
        let Reply::Many(parts) = store.transact(0, &transaction) else {
            panic!("a transaction in one slot has a reply for each operation")
        };
        let rets = group.iter().zip(parts).map(|(asked, part)| told(&asked.op, part)).collect();
        let op = Op::Multi(group.iter().map(|asked| asked.op.clone()).collect());
        replies.push((op, Ret::Many(rets)));
    }
    replies
}

fn sequential(said: &[(Op, Ret)]) -> History {
    let mut history = History::new();
    for (op, ret) in said {
        history.call(0, 0, op.clone()).expect("one after the other");
        history.end(0, 0, Told::Reply(ret.clone())).expect("one after the other");
    }
    history
}

fn verdict(said: &[(Op, Ret)]) -> Verdict {
    kv::check(&sequential(said), Budget::default()).verdict
}

/// Replies to a single operation that are not this one. Where a version is shown, so are those beside it, but none
/// above that of a key that is new while versions have a floor that nobody sees.
fn others(ret: &Ret, new: bool) -> Vec<Ret> {
    let mut others = vec![Ret::NoKey, Ret::Mismatch, Ret::value("other", None)];
    match ret {
        Ret::Done { value, version, length } => {
            let done = |version, length| Ret::Done { value: value.clone(), version, length };
            if let Some(version) = *version {
                others.push(done(version.checked_sub(1), *length));
                others.push(done(Some(version + 1), *length));
                if new {
                    others.truncate(others.len() - 2);
                }
            }
            if let Some(length) = *length {
                others.push(done(*version, Some(length + 1)));
            }
        }
        Ret::NoKey | Ret::Mismatch => others.push(Ret::OK),
        Ret::Many(_) => return Vec::new(),
    }
    others.retain(|other| other != ret);
    others
}

fn groups() -> impl Strategy<Value = Vec<Vec<Asked>>> {
    any::<bool>().prop_flat_map(|redis| {
        let single = || single(redis);
        let group = prop_oneof![
            6 => single().prop_map(|one| vec![one]),
            1 => proptest::collection::vec(single(), 2..4),
        ];
        proptest::collection::vec(group, 1..25)
    })
}

/// What the store says is explained. Had it said anything else at the end, it would not be.
#[test]
fn agrees_with_the_store() {
    let lies = Cell::new(0);
    let config = Config { cases: 1500, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&groups(), |groups| {
        let said = replies(&groups);
        prop_assert_eq!(verdict(&said), Verdict::Ok, "{:?}", said);
        let deletes = said.iter().any(|(op, _)| op.deletes());
        if deletes && groups.iter().flatten().any(|asked| asked.redis) {
            // Redis's replies show no versions, and then nobody can say which one a new key has.
            return Ok(());
        }
        let (last, before) = said.split_last().expect("there is at least one");
        // Whether the key is there before: a read would tell.
        let is_missing = |key: &kv::Bytes| {
            let get = Op::Get { key: kv::Bytes::clone(key) };
            verdict(&[before, &[(get, Ret::NoKey)]].concat()) == Verdict::Ok
        };
        let new = deletes && last.0.key().is_some_and(is_missing);
        for other in others(&last.1, new) {
            let said = [before, &[(last.0.clone(), other)]].concat();
            prop_assert_eq!(verdict(&said), Verdict::Illegal, "{:?}", said);
            lies.set(lies.get() + 1);
        }
        Ok(())
    });
    result.expect("the checker knows the store");
    assert!(lies.get() > 1000, "only {} lies", lies.get());
}

/// Versions begin at 1, and above the floor behind a deletion; every refusal where it is due.
#[test]
fn versions() {
    let said = |pairs: &[(Op, Ret)]| verdict(pairs);
    let (put, version) = (|expected| Op::put("k", "v", expected), Ret::version);
    assert_eq!(said(&[(put(0), version(1)), (put(1), version(2))]), Verdict::Ok);
    assert_eq!(said(&[(put(0), version(2))]), Verdict::Illegal, "nothing was ever deleted");
    assert_eq!(said(&[(put(1), Ret::NoKey), (put(0), version(1))]), Verdict::Ok);
    assert_eq!(said(&[(put(1), Ret::Mismatch)]), Verdict::Illegal, "there is no key");
    assert_eq!(said(&[(put(0), version(1)), (put(0), Ret::Mismatch)]), Verdict::Ok);
    assert_eq!(said(&[(put(0), version(1)), (put(1), Ret::Mismatch)]), Verdict::Illegal);
    let deleted = [(put(0), version(1)), (Op::delete("k", Some(1)), version(1))];
    for (reply, verdict) in
        [(version(2), Verdict::Ok), (version(9), Verdict::Ok), (version(1), Verdict::Illegal)]
    {
        assert_eq!(said(&[&deleted[..], &[(put(0), reply)]].concat()), verdict);
    }
}
