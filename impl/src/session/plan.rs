//! What a command on keys does, in the store's words.
//!
//! A plan knows nothing of the connection: the same one is asked at once, queued by MULTI, or made exactly once
//! by ONCE. A command of several keys is an operation for each, and a [`Form`] that puts their replies together.

use super::call::{Call, Query};
use super::form::Form;
use super::text::{self, Text};
use super::{keys, strings};
use crate::commands::{Arguments, Command, Id};
use protocol::kv::number::parse_i64;
use protocol::kv::slot::SLOTS;
use protocol::kv::{Bytes, Command as StoreCommand, Once, Op, SlotId, Transaction, Version, Work};

/// A request's arguments, wherever they lie.
pub(super) type Args<'a> = &'a dyn Arguments;

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// One operation.
    One(Bytes, Op, Form),
    /// Some on keys of one slot.
    Many(Vec<(Bytes, Op)>, Form),
    /// A question about many keys.
    Query(Query),
    /// All keys go.
    Flush,
    /// The answer comes when the key has a greater version.
    Wait {
        /// The key.
        key: Bytes,
        /// What the client has seen.
        version: Version,
        /// How long, in milliseconds; 0 is for ever.
        timeout_ms: u64,
    },
}

/// What a command on keys does; None if it is another kind of command. The number of its arguments is right.
///
/// # Errors
/// What its client is told of arguments that mean nothing.
pub(super) fn plan(row: &Command, args: Args<'_>, random: u64) -> Result<Option<Plan>, Text> {
    if let Some((key, op, form)) = strings::plan(row, args)? {
        return Ok(Some(Plan::One(key, op, form)));
    }
    if let Some((key, op, form)) = keys::plan(row, args)? {
        return Ok(Some(Plan::One(key, op, form)));
    }
    Ok(Some(match row.id {
        Id::Mget | Id::Del | Id::Unlink | Id::Exists | Id::Touch => {
            let op = strings::of_many(row.id);
            let form = if row.id == Id::Mget { Form::Each } else { Form::Sum };
            if args.count() == 2 {
                return Ok(Some(Plan::One(bytes(args, 1), op, form)));
            }
            let keys = 1..args.count();
            Plan::Many(keys.map(|place| (bytes(args, place), op.clone())).collect(), form)
        }
        Id::Mset => {
            let pairs = (1..args.count()).step_by(2);
            let ops = pairs.map(|place| (bytes(args, place), strings::set(bytes(args, place + 1))));
            Plan::Many(ops.collect(), Form::AllOk)
        }
        Id::Scan => Plan::Query(scan(args)?),
        Id::Keys => Plan::Query(Query::Keys { pattern: bytes(args, 1) }),
        Id::Randomkey => Plan::Query(Query::RandomKey { number: random }),
        Id::Dbsize => Plan::Query(Query::Len),
        Id::ClusterGetkeysinslot => {
            let slot = slot(args, 2)?;
            let count = usize::try_from(integer(args, 3)?);
            let count = count.map_err(|_| Text::from("ERR Invalid number of keys"))?;
            Plan::Query(Query::SlotKeys { slot, count })
        }
        Id::ClusterCountkeysinslot => Plan::Query(Query::SlotCount { slot: slot(args, 2)? }),
        Id::Flushall | Id::Flushdb => match args.count() {
            1 => Plan::Flush,
            2 if is(args, 1, "async") || is(args, 1, "sync") => Plan::Flush,
            _ => return Err(text::SYNTAX.into()),
        },
        Id::KvWait => {
            let timeout_ms = u64::try_from(integer(args, 3)?);
            let timeout_ms = timeout_ms.map_err(|_| Text::from("ERR timeout is negative"))?;
            Plan::Wait { key: bytes(args, 1), version: version(args, 2)?, timeout_ms }
        }
        _ => return Ok(None),
    }))
}

impl Plan {
    /// The call, and how its answer is written.
    pub(super) fn call(self, once: Option<Once>) -> (Call, Form) {
        match self {
            Self::One(key, op, form) if op.writes() => {
                (Call::Write(Work::Command(StoreCommand { key, op, once })), form)
            }
            Self::One(key, op, form) => (Call::Read(Query::Op { key, op }), form),
            Self::Many(ops, form) => {
                (transaction(Transaction { watched: Vec::new(), ops, once }), form)
            }
            Self::Query(query) => (Call::Read(query), Form::Plain),
            Self::Flush => (Call::Write(Work::Flush), Form::Plain),
            Self::Wait { key, version, timeout_ms } => {
                (Call::Wait { key, version, timeout_ms }, Form::Versioned)
            }
        }
    }
}

/// A transaction as a write, or as a read if it can't change anything.
pub(super) fn transaction(transaction: Transaction) -> Call {
    if transaction.writes() {
        Call::Write(Work::Transaction(transaction))
    } else {
        Call::Read(Query::Transaction(transaction))
    }
}

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type].
fn scan(args: Args<'_>) -> Result<Query, Text> {
    let invalid = || Text::from("ERR invalid cursor");
    let cursor = std::str::from_utf8(args.argument(1)).ok().filter(|text| !text.starts_with('+'));
    let cursor = cursor.and_then(|text| text.parse().ok()).ok_or_else(invalid)?;
    let (mut count, mut pattern, mut strings) = (10, None, true);
    let mut place = 2;
    while place < args.count() {
        if place + 1 == args.count() {
            return Err(text::SYNTAX.into());
        }
        if is(args, place, "match") {
            pattern = Some(bytes(args, place + 1)).filter(|pattern| pattern.as_ref() != b"*");
        } else if is(args, place, "count") {
            let number = usize::try_from(integer(args, place + 1)?).ok();
            let number = number.filter(|&number| number > 0);
            count = number.ok_or(Text::from(text::SYNTAX))?;
        } else if is(args, place, "type") {
            strings = is(args, place + 1, "string");
        } else {
            return Err(text::SYNTAX.into());
        }
        place += 2;
    }
    Ok(Query::Scan { cursor, count, pattern, strings })
}

/// The argument at a place.
pub(super) fn bytes(args: Args<'_>, place: usize) -> Bytes {
    Bytes::from(args.argument(place))
}

/// Whether the argument at a place is a word, in whatever case. False if there is none.
pub(super) fn is(args: Args<'_>, place: usize, word: &str) -> bool {
    place < args.count() && args.argument(place).eq_ignore_ascii_case(word.as_bytes())
}

/// The argument at a place as a number.
pub(super) fn integer(args: Args<'_>, place: usize) -> Result<i64, Text> {
    parse_i64(args.argument(place)).ok_or(Text::from(text::NOT_AN_INTEGER))
}

/// The argument at a place as a version.
pub(super) fn version(args: Args<'_>, place: usize) -> Result<Version, Text> {
    let version = parse_i64(args.argument(place)).and_then(|number| u64::try_from(number).ok());
    version.ok_or(Text::from("ERR version is not an integer or out of range"))
}

/// The argument at a place as the number of a slot.
pub(super) fn slot(args: Args<'_>, place: usize) -> Result<SlotId, Text> {
    let number = parse_i64(args.argument(place)).and_then(|number| u16::try_from(number).ok());
    let slot = number.filter(|&number| number < SLOTS).map(SlotId);
    slot.ok_or(Text::from("ERR Invalid or out of range slot"))
}

/// An argument as a client's text may quote it: short.
pub(super) fn quoted(args: Args<'_>, place: usize) -> String {
    let argument = args.argument(place);
    String::from_utf8_lossy(&argument[..argument.len().min(128)]).into_owned()
}
