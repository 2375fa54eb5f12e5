//! Histories as files: JSON lines, an event each.

mod fields;

use super::{History, Told};
use crate::history::{Disorder, Event};
use fields::{Line, OpFields, RetFields, absent, suits};
use std::io::{self, BufRead, Write};
use thiserror::Error;

/// The format, for people. The example in it is a history.
pub const FORMAT: &str = r#"A history is a file of JSON lines, one event each, in the order in which they happened:

  {"time_us":0,"client":0,"event":"call","op":"put","key":"k","value":"a","version":0}
  {"time_us":40,"client":1,"event":"call","op":"get","key":"k"}
  {"time_us":90,"client":0,"event":"return","outcome":"ok","version":1}
  {"time_us":95,"client":1,"event":"return","outcome":"ok","value":"a","version":1}

time_us   microseconds since the beginning; shown only, the order of lines is what counts
client    a number; a client has one call at a time
event     call or return

A call has an op:
  get     key
  set     key, value
  put     key, value, version: writes over this version only, 0 for a key that is not there
  append  key, value
  delete  key; with version: of this version only
  cas     key, expected, value: writes over this value only
  multi   ops: a list of operations, {"op":…} each, that take effect together

A return has an outcome:
  ok            executed. What the reply showed is held against the order, what is left out is not:
                value (a get must have it; of an append, the value before), version (of a delete the one
                that went, else the new one), length (of an append, the new one)
  no_key        the key is not there: to a get, a delete, or a put over a version above 0
  mismatch      another version is there, to a put or delete; another value or nothing, to a cas
  many          results: of a multi, {"outcome":…} for each of its operations
  maybe         the service says that it was executed or not, and that nobody knows which
  unknown       nobody says anything: a time-out, a broken connection; write it when the client gives up
  not_executed  it was not executed for sure, and never will be

A call that has no return, or that ended in maybe or unknown, may take effect at any later time, or never.
A key or value is a string, or where it is not UTF-8 a list of its bytes. The store is empty at first; nothing expires.
"#;

/// Why a file is no history.
#[derive(Debug, Error)]
pub enum FormatError {
    /// It can't be read.
    #[error("line {line} can't be read: {error}")]
    Read {
        /// The line.
        line: usize,
        /// Why.
        error: io::Error,
    },
    /// A line is not what a line must be.
    #[error("line {line}: {problem}")]
    Line {
        /// The line.
        line: usize,
        /// What is wrong with it.
        problem: Problem,
    },
    /// There is nothing in it.
    #[error("there is no event in it: a history has a JSON object on each line")]
    Empty,
}

/// What is wrong with a line.
#[derive(Debug, Error)]
pub enum Problem {
    /// It is no JSON, or has other fields.
    #[error("{0}")]
    Json(serde_json::Error),
    /// It is empty.
    #[error("it is empty: every line is an event")]
    Blank,
    /// It is neither a call nor a return.
    #[error("unknown event `{0}`: there are `call` and `return`")]
    Event(String),
    /// An operation that there is not.
    #[error("unknown op `{0}`: there are get, set, put, append, delete, cas and multi")]
    Op(String),
    /// An outcome that there is not.
    #[error(
        "unknown outcome `{0}`: there are ok, no_key, mismatch, many, maybe, unknown and not_executed"
    )]
    Outcome(String),
    /// A field that must be there.
    #[error("{what} needs `{field}`")]
    Missing {
        /// What needs it.
        what: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A field that must not.
    #[error("{what} has no `{field}`")]
    Extra {
        /// What does not have it.
        what: &'static str,
        /// The field.
        field: &'static str,
    },
    /// An outcome that the operation never has.
    #[error("`{op}` can't end so: {outcome}")]
    Never {
        /// The operation.
        op: String,
        /// The outcome.
        outcome: String,
    },
    /// A Multi with nothing in it, or one within another.
    #[error("a multi has at least one operation, and no multi among them")]
    Multi,
    /// An event that can't come next.
    #[error(transparent)]
    Disorder(Disorder),
}

/// Reads a history.
///
/// # Errors
/// If a line can't be read, or is no event that can come next; with its number.
pub fn read(file: impl BufRead) -> Result<History, FormatError> {
    let mut history = History::new();
    for (position, line) in file.lines().enumerate() {
        let number = position + 1;
        let line = line.map_err(|error| FormatError::Read { line: number, error })?;
        take_in(&mut history, &line)
            .map_err(|problem| FormatError::Line { line: number, problem })?;
    }
    if history.events() == 0 { Err(FormatError::Empty) } else { Ok(history) }
}

fn take_in(history: &mut History, line: &str) -> Result<(), Problem> {
    if line.trim().is_empty() {
        return Err(Problem::Blank);
    }
    let line: Line = serde_json::from_str(line).map_err(Problem::Json)?;
    let Line { time_us, client, event, op, key, expected, outcome, .. } = line;
    let Line { value, version, length, ops, results, .. } = line;
    match event.as_str() {
        "call" => {
            absent("a call", &[("outcome", outcome.is_some()), ("length", length.is_some())])?;
            absent("a call", &[("results", results.is_some())])?;
            let op = OpFields { op, key, expected, value, version, ops }.op()?;
            history.call(client, time_us, op).map_err(Problem::Disorder)?;
        }
        "return" => {
            absent("a return", &[("op", op.is_some()), ("key", key.is_some())])?;
            absent("a return", &[("expected", expected.is_some()), ("ops", ops.is_some())])?;
            let told = RetFields { outcome, value, version, length, results }.told()?;
            if let Some(open) = history.open(client) {
                suits(&open.op, &told)?;
            }
            history.end(client, time_us, told).map_err(Problem::Disorder)?;
        }
        _ => return Err(Problem::Event(event)),
    }
    Ok(())
}

/// Writes a history. Its operations have the lines of their events.
///
/// # Errors
/// If the file can't be written.
pub fn write(history: &History, mut file: impl Write) -> io::Result<()> {
    let mut lines: Vec<Option<Line>> = Vec::new();
    lines.resize_with(history.events(), || None);
    for operation in history.operations() {
        let line = |event: Event, name: &str| Line {
            time_us: event.time_us,
            client: operation.client,
            event: name.into(),
            ..Line::default()
        };
        let call = line(operation.call, "call");
        lines[operation.call.number - 1] = Some(call.with_op(OpFields::of(&operation.op)));
        if let Some((event, told)) = &operation.end {
            let ret = match told {
                Told::Reply(ret) => RetFields::of(ret),
                Told::Maybe => RetFields::named("maybe"),
                Told::Unknown => RetFields::named("unknown"),
                Told::NotExecuted => RetFields::named("not_executed"),
            };
            lines[event.number - 1] = Some(line(*event, "return").with_ret(ret));
        }
    }
    for line in lines.iter().flatten() {
        serde_json::to_writer(&mut file, line)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}
