//! `ONCE` through a stock client: the same call with the same number until it is answered, to whichever node. That is
//! all that a user in any language has to write for writes that are executed once.

use super::stock::Line;
use super::{Answer, Caller, Stage};
use crate::chaos::tally::{Kind, Tally};
use linear::history::Told;
use linear::kv::{Op, Ret};
use quorate::client::id;
use redis::{Cmd, RedisError, RedisResult, Value, cmd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a call is tried in all.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one copy's answer is waited for.
const ANSWER: Duration = Duration::from_secs(2);

/// A client that numbers its writes.
#[derive(Debug)]
pub struct Once<'a> {
    line: Line<'a>,
    tally: &'a Tally,
    id: String,
    seq: u64,
    /// Whether its ids are numbers.
    counted: bool,
    /// Whether it shows values and versions of the store's own commands, or the lengths that Redis shows.
    own: bool,
}

/// A client id: a UUID, or 48 bits of Unix milliseconds and a number that no other client of this process has.
fn fresh_id(as_number: bool) -> Result<String, String> {
    if !as_number {
        return id::fresh().map(id::text).map_err(|error| error.to_string());
    }
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX) & (u64::MAX >> 17);
    Ok((ms << 16 | NEXT.fetch_add(1, Ordering::Relaxed) & 0xffff).to_string())
}

/// What one copy of a call came to.
enum Copy {
    /// That was the reply to the call.
    Reply(Ret),
    /// Nothing is known of it, or it was not executed: send it again.
    Again,
    /// The servers have forgotten this client, or never knew it, and turn the copy away.
    TurnedAway,
    /// What no server should say.
    Odd(String),
}

impl<'a> Once<'a> {
    /// A new one.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn new(stage: &Stage<'a>, number: usize) -> Result<Self, String> {
        let line = Line::new(stage, number, ANSWER);
        let (own, counted) = (number.is_multiple_of(2), number.is_multiple_of(3));
        let id = fresh_id(counted)?;
        Ok(Self { line, tally: stage.tally, id, seq: 0, counted, own })
    }

    fn begin(&mut self) {
        match fresh_id(self.counted) {
            Ok(id) => (self.id, self.seq) = (id, 0),
            // Its old id is still its own: what is turned away is odd, and will be said.
            Err(error) => self.tally.odd(error),
        }
    }

    fn command(&self, op: &Op) -> Option<Cmd> {
        if let Op::Get { key } = op {
            let mut get = cmd("KV.GET");
            get.arg(&**key);
            return Some(get);
        }
        let mut once = cmd("ONCE");
        once.arg(&**op.key()?).arg(&self.id).arg(self.seq).arg("ACK").arg(self.seq - 1);
        match op {
            Op::Set { key, value } if self.own => {
                once.arg("KV.SET").arg(&**key).arg(&**value).arg("WITHVERSION")
            }
            Op::Set { key, value } => once.arg("SET").arg(&**key).arg(&**value),
            Op::Put { key, value, expected } => {
                let put = once.arg("KV.PUT").arg(&**key).arg(&**value);
                put.arg(*expected).arg("WITHVERSION")
            }
            Op::Append { key, value } => {
                let append = if self.own { "KV.APPEND" } else { "APPEND" };
                once.arg(append).arg(&**key).arg(&**value)
            }
            Op::Delete { key, .. } => once.arg("DEL").arg(&**key),
            Op::Cas { key, expected, value } => {
                once.arg("SET").arg(&**key).arg(&**value).arg("IFEQ").arg(&**expected)
            }
            Op::Get { .. } | Op::Multi(_) => return None,
        };
        Some(once)
    }

    fn read(op: &Op, answer: RedisResult<Value>) -> Copy {
        let value = match answer {
            Ok(value) => value,
            Err(error) => return Self::error(op, &error),
        };
        let ret = match (op, &value) {
            (Op::Get { .. }, Value::Array(parts)) => match parts.as_slice() {
                [Value::Nil, _] => Some(Ret::NoKey),
                [Value::BulkString(bytes), Value::Int(version)] => {
                    u64::try_from(*version).ok().map(|version| Ret::value(bytes, version))
                }
                _ => None,
            },
            (Op::Set { .. } | Op::Cas { .. }, Value::Okay) => Some(Ret::OK),
            (Op::Set { .. } | Op::Put { .. }, Value::Int(version)) => {
                u64::try_from(*version).ok().map(Ret::version)
            }
            (Op::Cas { .. }, Value::Nil) => Some(Ret::Mismatch),
            (Op::Append { .. }, Value::Int(length)) => super::length(*length),
            (Op::Append { .. }, Value::BulkString(old)) => Some(Ret::value(old, None)),
            (Op::Delete { .. }, Value::Int(0)) => Some(Ret::NoKey),
            (Op::Delete { .. }, Value::Int(1)) => Some(Ret::OK),
            _ => None,
        };
        ret.map_or_else(|| Copy::Odd(format!("{op} is answered {value:?}")), Copy::Reply)
    }

    fn error(op: &Op, error: &RedisError) -> Copy {
        match error.code() {
            None | Some("TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MOVED") => Copy::Again,
            Some("VERSIONMISMATCH") => Copy::Reply(Ret::Mismatch),
            Some("NOKEY") => Copy::Reply(Ret::NoKey),
            // It was executed; the reply would have been too long to be kept.
            Some("NOTKEPT") => Copy::Reply(Ret::OK),
            Some("SESSIONEXPIRED" | "CLIENTAHEAD" | "UNACKNOWLEDGED") => Copy::TurnedAway,
            Some(_) => Copy::Odd(format!("{op} through ONCE is answered {error}")),
        }
    }
}

impl Caller for Once<'_> {
    fn kind(&self) -> Kind {
        Kind::Once
    }

    fn can(&self, op: &Op) -> bool {
        !matches!(op, Op::Multi(_))
    }

    fn call(&mut self, op: &Op) -> Answer {
        let begun = Instant::now();
        self.seq += 1;
        let mut sent = 0;
        while begun.elapsed() < PATIENCE {
            if !self.line.open() {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            let answer = self.command(op).and_then(|command| self.line.query(&command));
            let Some(answer) = answer else { break };
            sent += 1;
            if sent > 1 {
                self.tally.again(Kind::Once);
            }
            match Self::read(op, answer) {
                Copy::Reply(ret) => return Answer::reply(ret),
                Copy::Again => {
                    self.line.go_on();
                    std::thread::sleep(Duration::from_millis(10));
                }
                Copy::TurnedAway => {
                    // Copies before this one may have been executed.
                    self.begin();
                    let told = if sent > 1 { Told::Unknown } else { Told::NotExecuted };
                    return Answer::told(told);
                }
                Copy::Odd(text) => {
                    self.tally.odd(text);
                    self.begin();
                    return Answer::told(Told::Unknown);
                }
            }
        }
        // Given up: a copy may still arrive, so the next call is another client's.
        self.begin();
        Answer::told(if sent > 0 { Told::Unknown } else { Told::NotExecuted })
    }
}
