//! What a client asks past its clerk, as a program with a Redis connection does: WATCH, EXEC, FLUSHALL, SCAN; and
//! the use of a resource that asks for a fencing version.
//!
//! A recorded call is sent again like a clerk's, with a client id of its own; it acknowledges nothing. What is not
//! recorded is sent once.

use super::party::{Message, Person};
use super::programs::Part;
use protocol::kv::{
    Bytes, ClientId, Deadline, KeyOp, Once, Op, Reply, Seen, Seq, StringOp, Transaction, Version,
    When, Work,
};
use serde::{Deserialize, Serialize};
use stateright::actor::{Id, Out};

/// What is asked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// How a key is that will be watched.
    Watch(Bytes),
    /// To be put into the log.
    Work(Work),
    /// A step of a scan, of about one key.
    Scan {
        /// Where it goes on.
        cursor: u64,
    },
    /// To use the resource.
    Use {
        /// The holder's fencing version.
        version: Version,
    },
}

/// What is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// How the key is.
    Seen(Seen),
    /// What came of the work.
    Reply(Reply),
    /// Where the scan goes on; 0 if it has ended.
    Scanned {
        /// The cursor.
        next: u64,
    },
    /// Whether the resource was used.
    Admitted(bool),
}

/// Numbers of these calls begin above those of any program's clerk.
const FIRST: Seq = 100;

/// A client's side of it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Direct {
    seq: Seq,
    pending: Option<(Ask, u32)>,
    watched: Vec<(Bytes, Seen)>,
    cursor: u64,
}

impl Direct {
    /// Whether an answer is awaited.
    pub const fn is_busy(&self) -> bool {
        self.pending.is_some()
    }

    /// The number of the latest call.
    pub const fn seq(&self) -> Seq {
        FIRST + self.seq
    }

    /// How often the call that is under way was sent, if it may be sent again.
    pub fn attempts(&self) -> Option<u32> {
        let again = |(ask, attempt): &(Ask, u32)| {
            let recorded = matches!(ask, Ask::Work(Work::Transaction(work)) if work.once.is_some());
            recorded.then_some(*attempt)
        };
        self.pending.as_ref().and_then(again)
    }

    /// Asks.
    pub fn ask<R>(&mut self, ask: Ask, out: &mut Out<Person<R>>)
    where
        R: protocol::kv::Rules,
    {
        self.seq += 1;
        self.pending = Some((ask, 0));
        self.send(out);
    }

    /// Sends what is not answered.
    pub fn send<R: protocol::kv::Rules>(&mut self, out: &mut Out<Person<R>>) {
        let seq = self.seq();
        let Some((ask, attempt)) = &mut self.pending else { return };
        *attempt += 1;
        out.send(Id::from(0), Message::Ask { seq, attempt: *attempt, ask: ask.clone() });
    }

    /// Asks for a transaction with what is watched; as a recorded one, if the client is named.
    pub fn exec<R>(&mut self, parts: &[Part], client: Option<ClientId>, out: &mut Out<Person<R>>)
    where
        R: protocol::kv::Rules,
    {
        let seq = self.seq() + 1;
        let once = client.map(|client| Once { client, seq, acknowledged: 0 });
        let watched = std::mem::take(&mut self.watched);
        let ops = parts.iter().map(|part| part.op()).collect();
        self.ask(Ask::Work(Work::Transaction(Transaction { watched, ops, once })), out);
    }

    /// Asks for the next step of a scan.
    pub fn scan<R: protocol::kv::Rules>(&mut self, out: &mut Out<Person<R>>) {
        self.ask(Ask::Scan { cursor: self.cursor }, out);
    }

    /// Whether an answer to this call would change nothing.
    pub const fn ignores(&self, seq: Seq) -> bool {
        seq < self.seq() || self.pending.is_none()
    }

    /// Takes an answer in. What is returned is over.
    pub fn told(&mut self, seq: Seq, told: Told) -> Option<Told> {
        if self.ignores(seq) {
            return None;
        }
        let (ask, _) = self.pending.take()?;
        match (ask, &told) {
            (Ask::Watch(key), Told::Seen(seen)) => self.watched.push((key, *seen)),
            (Ask::Scan { .. }, Told::Scanned { next }) => self.cursor = *next,
            _ => {}
        }
        Some(told)
    }
}

impl Part {
    fn op(self) -> (Bytes, Op) {
        let set = |value: &str, deadline| {
            let value = value.into();
            StringOp::Set { value, when: When::Always, deadline, get: false }
        };
        let (key, op) = match self {
            Self::Set(key, value) => (key, Op::String(set(value, Deadline::Never))),
            Self::SetFor(key, value, ms) => (key, Op::String(set(value, Deadline::In(ms)))),
            Self::Incr(key) => (key, Op::String(StringOp::IncrBy { by: 1 })),
            Self::Get(key) => (key, Op::String(StringOp::Get)),
            Self::Delete(key) => (key, Op::Key(KeyOp::Delete { when: When::Always })),
        };
        (key.into(), op)
    }
}
