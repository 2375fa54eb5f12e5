//! Commands on values.

use super::form::Form;
use super::plan::{Args, bytes, integer, is, version};
use super::text::{self, Text};
use crate::commands::{Command, Id};
use protocol::kv::{Bytes, Deadline, Decimal, KeyOp, LcsForm, Op, StringOp, When};

/// What a command on one value does; None if it is another kind of command.
///
/// # Errors
/// What its client is told of arguments that mean nothing.
pub(super) fn plan(row: &Command, args: Args<'_>) -> Result<Option<(Bytes, Op, Form)>, Text> {
    let mut form = Form::Plain;
    let mut key = 1;
    let op = match row.id {
        Id::Get => StringOp::Get,
        Id::Set => set_options(row, args)?,
        Id::Setex => set_until(row, args, 1000)?,
        Id::Psetex => set_until(row, args, 1)?,
        Id::Setnx => StringOp::SetNx { value: bytes(args, 2) },
        Id::Msetnx => {
            let others = (3..args.count()).step_by(2);
            let others = others.map(|place| (bytes(args, place), bytes(args, place + 1))).collect();
            StringOp::SetAllNx { value: bytes(args, 2), others }
        }
        Id::Getset => {
            let (when, deadline) = (When::Always, Deadline::Never);
            StringOp::Set { value: bytes(args, 2), when, deadline, get: true }
        }
        Id::Getdel => StringOp::GetDel,
        Id::Getex => StringOp::GetEx { deadline: get_options(row, args)? },
        Id::Getrange | Id::Substr => {
            StringOp::GetRange { start: integer(args, 2)?, end: integer(args, 3)? }
        }
        Id::Setrange => {
            let offset = u64::try_from(integer(args, 2)?);
            let offset = offset.map_err(|_| Text::from("ERR offset is out of range"))?;
            StringOp::SetRange { offset, value: bytes(args, 3) }
        }
        Id::Append => StringOp::Append { value: bytes(args, 2) },
        Id::Strlen => StringOp::Len,
        Id::Incr => StringOp::IncrBy { by: 1 },
        Id::Decr => StringOp::IncrBy { by: -1 },
        Id::Incrby => StringOp::IncrBy { by: integer(args, 2)? },
        Id::Decrby => {
            let by = integer(args, 2)?.checked_neg();
            StringOp::IncrBy { by: by.ok_or(Text::from("ERR decrement would overflow"))? }
        }
        Id::Incrbyfloat => {
            let by = Decimal::parse(args.argument(2));
            StringOp::IncrByFloat { by: by.map_err(|fault| text::fault(fault, row))? }
        }
        Id::Lcs => {
            let op = lcs(args)?;
            if let StringOp::Lcs { form: LcsForm::Matches { .. }, .. } = op {
                form = Form::Matches;
            }
            op
        }
        Id::ObjectEncoding | Id::ObjectRefcount => {
            key = 2;
            let encoding = row.id == Id::ObjectEncoding;
            form = if encoding { Form::Encoding } else { Form::RefCount };
            StringOp::Get
        }
        Id::MemoryUsage => {
            key = 2;
            form = Form::Memory(memory_options(args)?);
            StringOp::Get
        }
        _ => return versioned(row, args),
    };
    Ok(Some((bytes(args, key), Op::String(op), form)))
}

/// The labs' operations. WITHVERSION behind a write asks for the version that the key has then: the reply to a command
/// that was executed before has it too.
fn versioned(row: &Command, args: Args<'_>) -> Result<Option<(Bytes, Op, Form)>, Text> {
    let (op, words) = match row.id {
        Id::KvGet => return Ok(Some((bytes(args, 1), Op::Get, Form::Versioned))),
        Id::KvPut => (Op::Put { value: bytes(args, 2), expected: version(args, 3)? }, 4),
        Id::KvSet => (Op::Set { value: bytes(args, 2) }, 3),
        Id::KvAppend => (Op::Append { value: bytes(args, 2) }, 3),
        _ => return Ok(None),
    };
    let form = match args.count() - words {
        0 => Form::Plain,
        1 if is(args, words, "withversion") => Form::NewVersion,
        _ => return Err(text::SYNTAX.into()),
    };
    Ok(Some((bytes(args, 1), op, form)))
}

/// What a command does with each of its keys.
pub(super) fn of_many(id: Id) -> Op {
    match id {
        Id::Mget => Op::String(StringOp::Get),
        Id::Del | Id::Unlink => Op::Key(KeyOp::Delete { when: When::Always }),
        _ => Op::Key(KeyOp::Exists),
    }
}

/// Writes a value, whatever was there.
pub(super) fn set(value: Bytes) -> Op {
    let (when, deadline) = (When::Always, Deadline::Never);
    Op::String(StringOp::Set { value, when, deadline, get: false })
}

/// SETEX and PSETEX key time value.
fn set_until(row: &Command, args: Args<'_>, unit_ms: u64) -> Result<StringOp, Text> {
    let deadline = Deadline::In(time_ms(row, args, 2, unit_ms)?);
    Ok(StringOp::Set { value: bytes(args, 3), when: When::Always, deadline, get: false })
}

/// SET key value and what may follow. Two options of one kind are a mistake, even the same one twice.
fn set_options(row: &Command, args: Args<'_>) -> Result<StringOp, Text> {
    let (mut when, mut deadline, mut get) = (None, None, false);
    let mut place = 3;
    while place < args.count() {
        if let Some(more) = condition(args, &mut place)? {
            once(&mut when, more)?;
        } else if let Some(more) = expiry(row, args, &mut place)? {
            once(&mut deadline, more)?;
        } else if is(args, place, "keepttl") {
            once(&mut deadline, Deadline::Keep)?;
            place += 1;
        } else if is(args, place, "get") {
            get = true;
            place += 1;
        } else {
            return Err(text::SYNTAX.into());
        }
    }
    let when = when.unwrap_or(When::Always);
    Ok(StringOp::Set {
        value: bytes(args, 2),
        when,
        deadline: deadline.unwrap_or(Deadline::Never),
        get,
    })
}

/// GETEX key and what may follow.
fn get_options(row: &Command, args: Args<'_>) -> Result<Deadline, Text> {
    let mut deadline = None;
    let mut place = 2;
    while place < args.count() {
        if let Some(more) = expiry(row, args, &mut place)? {
            once(&mut deadline, more)?;
        } else if is(args, place, "persist") {
            once(&mut deadline, Deadline::Never)?;
            place += 1;
        } else {
            return Err(text::SYNTAX.into());
        }
    }
    Ok(deadline.unwrap_or(Deadline::Keep))
}

fn once<T>(option: &mut Option<T>, value: T) -> Result<(), Text> {
    if option.replace(value).is_some() { Err(text::SYNTAX.into()) } else { Ok(()) }
}

/// NX, XX, IFEQ value or IFNE value at a place; None if something else stands there.
pub(super) fn condition(args: Args<'_>, place: &mut usize) -> Result<Option<When>, Text> {
    let (equal, not_equal) = (is(args, *place, "ifeq"), is(args, *place, "ifne"));
    if equal || not_equal {
        if *place + 1 == args.count() {
            return Err(text::SYNTAX.into());
        }
        let value = bytes(args, *place + 1);
        *place += 2;
        return Ok(Some(if equal { When::Equal(value) } else { When::NotEqual(value) }));
    }
    let when = if is(args, *place, "nx") {
        When::Missing
    } else if is(args, *place, "xx") {
        When::Present
    } else {
        return Ok(None);
    };
    *place += 1;
    Ok(Some(when))
}

/// EX, PX, EXAT or PXAT and a time at a place; None if something else stands there.
fn expiry(row: &Command, args: Args<'_>, place: &mut usize) -> Result<Option<Deadline>, Text> {
    let words = [("ex", 1000, false), ("px", 1, false), ("exat", 1000, true), ("pxat", 1, true)];
    let found = words.into_iter().find(|(word, ..)| is(args, *place, word));
    let Some((_, unit_ms, absolute)) = found else { return Ok(None) };
    if *place + 1 == args.count() {
        return Err(text::SYNTAX.into());
    }
    let ms = time_ms(row, args, *place + 1, unit_ms)?;
    *place += 2;
    Ok(Some(if absolute { Deadline::At(ms) } else { Deadline::In(ms) }))
}

/// A time or a span above 0, in milliseconds.
fn time_ms(row: &Command, args: Args<'_>, place: usize, unit_ms: u64) -> Result<u64, Text> {
    let time = u64::try_from(integer(args, place)?).ok().filter(|&time| time > 0);
    let ms = time.and_then(|time| time.checked_mul(unit_ms));
    // The largest time is what fits a signed number, as for the store.
    let ms = ms.filter(|&ms| i64::try_from(ms).is_ok());
    ms.ok_or_else(|| text::invalid_expire(row))
}

/// LCS key key [LEN] [IDX] [MINMATCHLEN length] [WITHMATCHLEN].
fn lcs(args: Args<'_>) -> Result<StringOp, Text> {
    let (mut length, mut matches, mut min, mut lengths) = (false, false, 0, false);
    let mut place = 3;
    while place < args.count() {
        if is(args, place, "len") {
            length = true;
        } else if is(args, place, "idx") {
            matches = true;
        } else if is(args, place, "withmatchlen") {
            lengths = true;
        } else if is(args, place, "minmatchlen") && place + 1 < args.count() {
            place += 1;
            min = u64::try_from(integer(args, place)?).unwrap_or(0);
        } else {
            return Err(text::SYNTAX.into());
        }
        place += 1;
    }
    let form = match (length, matches) {
        (true, true) => return Err("ERR LEN and IDX exclude each other: IDX tells both".into()),
        (true, false) => LcsForm::Len,
        (false, true) => LcsForm::Matches { min, lengths },
        (false, false) => LcsForm::Whole,
    };
    Ok(StringOp::Lcs { other: bytes(args, 2), form })
}

/// MEMORY USAGE key [SAMPLES count]: a string has no samples. The bytes of the key.
fn memory_options(args: Args<'_>) -> Result<usize, Text> {
    match args.count() {
        3 => {}
        5 if is(args, 3, "samples") => {
            integer(args, 4)?;
        }
        _ => return Err(text::SYNTAX.into()),
    }
    Ok(args.argument(2).len())
}
