//! Commands on keys, whatever their values.

use super::form::Form;
use super::plan::{Args, bytes, integer, is, quoted};
use super::strings::condition;
use super::text::{self, Text};
use crate::commands::{Command, Id};
use protocol::kv::{Bytes, Deadline, ExpireWhen, KeyOp, Op, When};

/// What a command on one key, or from one key to another, does; None if it is another kind of command.
///
/// # Errors
/// What its client is told of arguments that mean nothing.
pub(super) fn plan(row: &Command, args: Args<'_>) -> Result<Option<(Bytes, Op, Form)>, Text> {
    let op = match row.id {
        Id::Type => KeyOp::Kind,
        Id::Expire => expire(row, args, 1000, false)?,
        Id::Pexpire => expire(row, args, 1, false)?,
        Id::Expireat => expire(row, args, 1000, true)?,
        Id::Pexpireat => expire(row, args, 1, true)?,
        Id::Persist => KeyOp::Expire { deadline: Deadline::Never, when: ExpireWhen::Always },
        Id::Ttl => KeyOp::Ttl { absolute: false, ms: false },
        Id::Pttl => KeyOp::Ttl { absolute: false, ms: true },
        Id::Expiretime => KeyOp::Ttl { absolute: true, ms: false },
        Id::Pexpiretime => KeyOp::Ttl { absolute: true, ms: true },
        Id::Rename => KeyOp::Rename { to: bytes(args, 2), if_missing: false },
        Id::Renamenx => KeyOp::Rename { to: bytes(args, 2), if_missing: true },
        Id::Copy => copy(args)?,
        Id::Delifeq => KeyOp::Delete { when: When::Equal(bytes(args, 2)) },
        Id::Delex => delete_if(args)?,
        _ => return Ok(None),
    };
    Ok(Some((bytes(args, 1), Op::Key(op), Form::Plain)))
}

/// DELEX key [IFEQ value | IFNE value].
fn delete_if(args: Args<'_>) -> Result<KeyOp, Text> {
    let mut place = 2;
    let when =
        if place == args.count() { Some(When::Always) } else { condition(args, &mut place)? };
    match when {
        Some(when @ (When::Always | When::Equal(_) | When::NotEqual(_)))
            if place == args.count() =>
        {
            Ok(KeyOp::Delete { when })
        }
        _ => Err(text::SYNTAX.into()),
    }
}

/// COPY from to [DB 0] [REPLACE].
fn copy(args: Args<'_>) -> Result<KeyOp, Text> {
    let mut replace = false;
    let mut place = 3;
    while place < args.count() {
        if is(args, place, "replace") {
            replace = true;
        } else if is(args, place, "db") && place + 1 < args.count() {
            place += 1;
            if integer(args, place)? != 0 {
                return Err("ERR DB index is out of range".into());
            }
        } else {
            return Err(text::SYNTAX.into());
        }
        place += 1;
    }
    Ok(KeyOp::Copy { to: bytes(args, 2), replace })
}

/// EXPIRE and its kin: key time [NX | XX | GT | LT]. A time that is over takes the key away.
fn expire(row: &Command, args: Args<'_>, unit_ms: i64, absolute: bool) -> Result<KeyOp, Text> {
    let time = integer(args, 2)?.checked_mul(unit_ms);
    let ms = u64::try_from(time.ok_or_else(|| text::invalid_expire(row))?).unwrap_or(0);
    let deadline = if absolute { Deadline::At(ms) } else { Deadline::In(ms) };
    Ok(KeyOp::Expire { deadline, when: expire_when(args)? })
}

fn expire_when(args: Args<'_>) -> Result<ExpireWhen, Text> {
    let (mut missing, mut present, mut later, mut sooner) = (false, false, false, false);
    for place in 3..args.count() {
        if is(args, place, "nx") {
            missing = true;
        } else if is(args, place, "xx") {
            present = true;
        } else if is(args, place, "gt") {
            later = true;
        } else if is(args, place, "lt") {
            sooner = true;
        } else {
            return Err(format!("ERR Unsupported option {}", quoted(args, place)).into());
        }
    }
    Ok(match (missing, present, later, sooner) {
        (true, false, false, false) => ExpireWhen::Missing,
        (true, ..) => {
            let text = "ERR NX and XX, GT or LT options at the same time are not compatible";
            return Err(text.into());
        }
        (_, _, true, true) => {
            return Err("ERR GT and LT options at the same time are not compatible".into());
        }
        // Only a key with a deadline has one that a new one can be later than.
        (_, _, true, false) => ExpireWhen::Later,
        (_, true, false, true) => ExpireWhen::PresentSooner,
        (_, false, false, true) => ExpireWhen::Sooner,
        (_, true, false, false) => ExpireWhen::Present,
        (false, false, false, false) => ExpireWhen::Always,
    })
}
