//! Commands out of bytes, in the few words that the twin knows: every one is a command that a client could send.

use super::super::bytes::Choices;
use super::Watch;
use protocol::kv::{
    Bytes, ClientId, Command, Deadline, Decimal, ExpireWhen, KeyOp, Once, Op, Stamp, Store,
    StringOp, Transaction, When, Work,
};

const KEYS: [&str; 5] = ["{t}a", "{t}b", "{t}c", "{u}a", "{u}b"];
const VALUES: [&str; 8] = ["", "a", "b", "7", "-3", "1.5", "0", "xyz"];

/// What happens next.
pub enum Chosen {
    /// An entry with its stamp.
    Work(Stamp, Work),
    /// Somebody begins to watch a key.
    Watch(Bytes),
    /// The server starts again.
    Restart,
}

fn key(choices: &mut Choices<'_>) -> Bytes {
    choices.pick(&KEYS).into()
}

fn value(choices: &mut Choices<'_>) -> Bytes {
    choices.pick(&VALUES).into()
}

fn deadline(choices: &mut Choices<'_>) -> Deadline {
    match choices.below(4) {
        0 => Deadline::Never,
        1 => Deadline::Keep,
        2 => Deadline::At(choices.short().into()),
        _ => Deadline::In(choices.byte().into()),
    }
}

fn when(choices: &mut Choices<'_>) -> When {
    match choices.below(6) {
        0 | 1 => When::Always,
        2 => When::Missing,
        3 => When::Present,
        4 => When::Equal(value(choices)),
        _ => When::NotEqual(value(choices)),
    }
}

fn string_op(choices: &mut Choices<'_>) -> StringOp {
    match choices.below(12) {
        0 => StringOp::Get,
        1 | 2 => {
            let (value, when, deadline) = (value(choices), when(choices), deadline(choices));
            StringOp::Set { value, when, deadline, get: choices.coin() }
        }
        3 => StringOp::SetNx { value: value(choices) },
        4 => {
            let first = value(choices);
            let count = choices.below(3);
            let others = (0..count).map(|_| (key(choices), value(choices))).collect();
            StringOp::SetAllNx { value: first, others }
        }
        5 => StringOp::GetDel,
        6 => StringOp::GetEx { deadline: deadline(choices) },
        7 => {
            let place = |byte: u8| i64::from(byte.cast_signed() % 8);
            StringOp::GetRange { start: place(choices.byte()), end: place(choices.byte()) }
        }
        8 => StringOp::SetRange { offset: choices.below(6) as u64, value: value(choices) },
        9 => StringOp::Append { value: value(choices) },
        10 => StringOp::IncrBy { by: choices.pick(&[1, -1, 10, i64::MAX, i64::MIN]) },
        _ => {
            let by = choices.pick(&["0.25", "-1.5", "3", "0"]);
            StringOp::IncrByFloat { by: Decimal::parse(by.as_bytes()).expect("a number") }
        }
    }
}

fn key_op(choices: &mut Choices<'_>) -> KeyOp {
    use ExpireWhen::{Always, Later, Missing, Present, PresentSooner, Sooner};
    match choices.below(7) {
        0 => KeyOp::Delete { when: when(choices) },
        1 => KeyOp::Exists,
        2 => KeyOp::Kind,
        3 => {
            let deadline = match deadline(choices) {
                // No client can ask for it.
                Deadline::Keep => Deadline::Never,
                other => other,
            };
            let when = choices.pick(&[Always, Missing, Present, Later, Sooner, PresentSooner]);
            KeyOp::Expire { deadline, when }
        }
        4 => KeyOp::Ttl { absolute: choices.coin(), ms: choices.coin() },
        5 => KeyOp::Rename { to: key(choices), if_missing: choices.coin() },
        _ => KeyOp::Copy { to: key(choices), replace: choices.coin() },
    }
}

fn op(choices: &mut Choices<'_>) -> Op {
    match choices.below(14) {
        0..6 => Op::String(string_op(choices)),
        6..11 => Op::Key(key_op(choices)),
        11 => Op::Set { value: value(choices) },
        12 => Op::Append { value: value(choices) },
        _ => Op::Get,
    }
}

/// An operation that names a version: the present one, or one beside it.
fn versioned(choices: &mut Choices<'_>, store: &Store, key: &Bytes) -> Op {
    let present = store.get(key).map_or(0, |(_, version)| version);
    let expected = if choices.below(4) == 3 { present + 1 } else { present };
    if choices.coin() {
        Op::Put { value: value(choices), expected }
    } else {
        Op::Delete { expected }
    }
}

fn once(choices: &mut Choices<'_>) -> Option<Once> {
    if choices.below(3) < 2 {
        return None;
    }
    let client = ClientId(1 + choices.below(3) as u128);
    let (seq, acknowledged) = (1 + choices.below(6) as u64, choices.below(7) as u64);
    Some(Once { client, seq, acknowledged })
}

fn transaction(choices: &mut Choices<'_>, watches: &[Watch]) -> Transaction {
    let mut watched = Vec::new();
    for _ in 0..choices.below(3) {
        let back = choices.below(8);
        if let Some(watch) = watches.iter().rev().nth(back) {
            watched.push((watch.key.clone(), watch.seen));
        }
    }
    // Most have their keys in one slot.
    let keys = match choices.below(8) {
        0 => &KEYS[..],
        1..5 => &KEYS[..3],
        _ => &KEYS[3..],
    };
    let count = choices.below(4);
    let ops = (0..count).map(|_| (choices.pick(keys).into(), op(choices))).collect();
    Transaction { watched, ops, once: once(choices) }
}

/// The next thing. Stamps go forwards by and by, and jump back.
pub fn next(
    choices: &mut Choices<'_>,
    time: &mut Stamp,
    store: &Store,
    watches: &[Watch],
) -> Chosen {
    *time += choices.below(12) as Stamp;
    let stamp = time.saturating_sub(choices.below(25) as Stamp);
    Chosen::Work(
        stamp,
        match choices.below(20) {
            0..9 => {
                let (key, op) = (key(choices), op(choices));
                Work::Command(Command { key, op, once: once(choices) })
            }
            9..11 => {
                let key = key(choices);
                let op = versioned(choices, store, &key);
                Work::Command(Command { key, op, once: once(choices) })
            }
            11..15 => Work::Transaction(transaction(choices, watches)),
            15 | 16 => return Chosen::Watch(key(choices)),
            17 => return Chosen::Restart,
            18 => Work::Tick,
            _ => Work::Flush,
        },
    )
}
