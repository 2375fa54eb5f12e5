//! What clients do: which keys, which operations, and what a reply to each means.
//!
//! Keys live for a few seconds and are followed by others of their kind: no value grows for ever, and the judge of a
//! history looks at keys one by one. Kinds: `a` appended to by Clerks, `b` by those who send once, `s` set, `d` put
//! over a version and deleted, `t` with an end. Of what has an end the history says nothing.

use super::env::Env;
use linear::kv::{Op as Noted, Ret, Told};
use protocol::kv::{Bytes, Deadline, Op, Reply, StringOp, Version, When};
use std::collections::BTreeMap;

/// So long a key is used, in microseconds.
const ERA_US: u64 = 7_000_000;

fn key(env: &mut Env, kind: char) -> Bytes {
    let number = env.random.below(env.habits.keys);
    let era = env.now / ERA_US;
    let slot = if env.habits.one_slot { "{k}" } else { "" };
    Bytes::from(format!("{slot}{kind}{number}.{era}").as_str())
}

fn kind(key: &Bytes) -> u8 {
    let key = key.as_ref();
    key.strip_prefix(b"{k}").unwrap_or(key)[0]
}

/// An operation of a client: any key of its kinds, a value that nobody else writes.
pub fn draw(
    env: &mut Env,
    is_clerk: bool,
    client: u64,
    seq: u64,
    seen: &BTreeMap<Bytes, Version>,
) -> (Bytes, Op) {
    let value = Bytes::from(format!("{client}.{seq};").as_str());
    let die = env.random.below(100);
    if die < 30 {
        let kind = env.random.pick(&['a', 'b', 's', 'd', 't']);
        return (key(env, kind), Op::Get);
    }
    if die < 52 {
        return (key(env, if is_clerk { 'a' } else { 'b' }), Op::Append { value });
    }
    if die < 60 && is_clerk {
        return (key(env, 's'), Op::Set { value });
    }
    if die < 88 {
        let key = key(env, 'd');
        let expected = seen.get(&key).copied().unwrap_or(0);
        let deletes = expected > 0 && env.random.chance(300_000);
        let op = if deletes { Op::Delete { expected } } else { Op::Put { value, expected } };
        return (key, op);
    }
    let deadline = Deadline::In(env.random.skewed(50, 5_000));
    let op = StringOp::Set { value, when: When::Always, deadline, get: false };
    (key(env, 't'), Op::String(op))
}

/// How an operation stands in the history, if it does.
pub fn noted(key: &Bytes, op: &Op) -> Option<Noted> {
    if kind(key) == b't' {
        return None;
    }
    Some(match op {
        Op::Get => Noted::get(key),
        Op::Set { value } => Noted::set(key, value),
        Op::Put { value, expected } => Noted::put(key, value, *expected),
        Op::Append { value } => Noted::append(key, value),
        Op::Delete { expected } => Noted::delete(key, Some(*expected)),
        Op::String(_) | Op::Key(_) => return None,
    })
}

/// Whether a key is one of the history's.
pub fn is_noted(key: &Bytes) -> bool {
    kind(key) != b't'
}

/// The version that a reply shows, which its client may expect next time: 0 where the key is known to be gone.
pub const fn version(reply: &Reply) -> Option<Version> {
    match reply {
        Reply::Value { version, .. }
        | Reply::Written { version }
        | Reply::Appended { version, .. } => Some(*version),
        Reply::NoKey => Some(0),
        _ => None,
    }
}

/// What a reply tells, and whether it says that the call has changed something, or that it never will; None: neither.
///
/// # Errors
/// If no such call is answered so.
pub fn told(op: &Op, reply: &Reply) -> Result<(Told, Option<bool>), String> {
    let done = |ret: Ret| Ok((Told::Reply(ret), op.writes().then_some(true)));
    let refused = |ret: Ret| Ok((Told::Reply(ret), op.writes().then_some(false)));
    match (op, reply) {
        (Op::Get, Reply::Value { value, version }) => done(Ret::value(value, *version)),
        (Op::Put { .. } | Op::Set { .. } | Op::Delete { .. }, Reply::Written { version }) => {
            done(Ret::version(*version))
        }
        (Op::Append { .. }, Reply::Appended { old, version }) => done(Ret::value(old, *version)),
        (Op::Append { .. }, Reply::NotKept) | (Op::String(_), Reply::Ok) => done(Ret::OK),
        (Op::Get | Op::Put { .. } | Op::Delete { .. }, Reply::NoKey) => refused(Ret::NoKey),
        (Op::Put { .. } | Op::Delete { .. }, Reply::VersionMismatch) => refused(Ret::Mismatch),
        _ if op.writes() && reply.is_passing() => Ok((Told::NotExecuted, Some(false))),
        _ => Err(format!("{reply:?}")),
    }
}

/// What was told, for people.
pub fn told_text(told: &Told) -> String {
    match told {
        Told::Reply(ret) => ret.to_string(),
        Told::Maybe => "maybe".into(),
        Told::Unknown => "unknown".into(),
        Told::NotExecuted => "not executed".into(),
    }
}
