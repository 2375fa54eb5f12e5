//! A group of the sharded store as a replicated service, and what its leader does so that slots move.
//!
//! Nothing is decided here. Entries are applied and queries answered by [`protocol::shardkv::Group`], moves are driven
//! by [`protocol::shardkv::mover`]: the functions that the models check.
//!
//! What groups tell each other are [`Letter`]s. A [`Carrier`] takes them from here, and a [`Door`] puts them in at
//! each server of a group: who leads it reads them, and the others drop them. A letter may be lost, late, or come
//! twice.

mod carrier;
mod mover;
mod post;

pub use carrier::{Carrier, Letter, To, Wanted};
pub use mover::{Asker, Door, Mover};
pub use post::{Inlet, Post};

use crate::rsm::{Gauges, StateMachine};
use crate::session::{Answer, Query};
use protocol::kv::{Exact, Limits, PIECE_BYTES, Stamp, Store, Work};
use protocol::shardkv::{self as machine, Command, Group, GroupDecoder, GroupId, InOrder};
use std::error::Error;
use std::io::{self, Read, Write};

/// They decide replies: every replica has the same, whatever its settings.
const LIMITS: Limits = Limits { value_bytes: crate::kv::MAX_VALUE_BYTES, ..Limits::DEFAULT };

/// A replicated group of the sharded store.
#[derive(Clone, Debug)]
pub struct Shardkv(pub Group);

impl Shardkv {
    /// A group that was told nothing yet.
    pub fn new(gid: GroupId) -> Self {
        Self(Group::new(InOrder, gid, 0, [], Store::new(Exact, LIMITS)))
    }
}

/// # Panics
/// If a query may write: a session asks such a one as a write.
fn answer(answer: machine::Answer) -> Answer {
    match answer {
        machine::Answer::Reply(reply) => Answer::Reply(reply),
        machine::Answer::Seen(seen) => Answer::Seen(seen),
        machine::Answer::Refused(refusal) => Answer::Refused(refusal),
        machine::Answer::Step(step) => Answer::Step(step),
        machine::Answer::Writes => panic!("a query only reads: what may write is asked as a write"),
    }
}

impl StateMachine for Shardkv {
    type Command = Command;
    type Query = Query;
    type Reply = Answer;

    fn apply(&mut self, time: Stamp, command: Command) -> Answer {
        answer(self.0.apply(time, &command))
    }

    /// A question that is about no slot is answered by all keys that are served here.
    fn read(&self, query: &Query) -> Answer {
        let query = match query {
            Query::Op { key, op } => machine::Query::Op { key: key.clone(), op: op.clone() },
            Query::Transaction(transaction) => machine::Query::Transaction(transaction.clone()),
            Query::Seen { keys } => machine::Query::Seen { keys: keys.clone() },
            other => return other.answer(self.0.store()),
        };
        answer(self.0.read(&query))
    }

    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        self.0.pieces(PIECE_BYTES).try_for_each(|piece| out.write_all(&piece))
    }

    fn restore(bytes: &mut dyn Read) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut decoder = GroupDecoder::new((InOrder, Exact), LIMITS);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match bytes.read(&mut piece)? {
                0 => return Ok(Self(decoder.finish()?)),
                count => decoder.push(&piece[..count])?,
            }
        }
    }

    fn deadline(&self) -> Option<Stamp> {
        self.0.store().nearest_deadline()
    }

    fn tick(&self) -> Option<Command> {
        Some(Command::Work { work: Work::Tick, value_bytes: 0 })
    }

    fn print(&self) -> u64 {
        self.0.print()
    }

    /// Of the keys that are served: they are asked for in every round, and much may be on its way.
    fn gauges(&self) -> Gauges {
        let store = self.0.store();
        Gauges { keys: store.len() as u64, bytes: store.memory_bytes() as u64 }
    }
}
