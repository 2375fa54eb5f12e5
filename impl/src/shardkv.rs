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

pub use carrier::{Carrier, Letter, To};
pub use mover::{Asker, Door, Mover};
pub use post::{Inlet, Post};

use crate::rsm::{Gauges, Slots, StateMachine};
use crate::session::{Answer, Query};
use protocol::kv::slot::SLOTS;
use protocol::kv::{Exact, Limits, PIECE_BYTES, SlotId, Stamp, Store, Work};
use protocol::shardkv::{self as machine, Command, Group, GroupDecoder, GroupId, InOrder, Way};
use std::error::Error;
use std::io::{self, Read, Write};

/// They decide replies: every replica has the same, whatever its settings.
const LIMITS: Limits = Limits { value_bytes: crate::kv::MAX_VALUE_BYTES, ..Limits::DEFAULT };

/// A replicated group of the sharded store. Beside it is what it has to do with slots, kept up with every entry: it is
/// asked for in every round, and there may be thousands.
#[derive(Clone, Debug)]
pub struct Shardkv(pub Group, Slots);

impl Shardkv {
    /// A group that was told nothing yet.
    pub fn new(gid: GroupId) -> Self {
        Self::of(Group::new(InOrder, gid, 0, [], Store::new(Exact, LIMITS)))
    }

    fn of(group: Group) -> Self {
        let slots = slots_of(&group);
        Self(group, slots)
    }

    /// The slot that an entry concerns, and how far that is.
    fn way(&self, slot: Option<SlotId>) -> Option<Way> {
        self.0.moves().get(&slot?).map(machine::Move::way)
    }

    /// A slot went a step of its way.
    const fn count(&mut self, before: Option<Way>, after: Option<Way>) {
        let slots = &mut self.1;
        match (before, after) {
            (Some(Way::Giving), Some(Way::Frozen)) => slots.served -= 1,
            (Some(Way::Taking), None) => {
                (slots.coming, slots.served) = (slots.coming - 1, slots.served + 1)
            }
            (Some(Way::Frozen), None) => slots.going -= 1,
            _ => {}
        }
    }
}

/// Counts them all.
fn slots_of(group: &Group) -> Slots {
    let with = |way| group.moves().values().filter(|slot| slot.way() == way).count() as u64;
    let (giving, frozen, coming) = (with(Way::Giving), with(Way::Frozen), with(Way::Taking));
    let owns = |slot: &u16| group.owner(SlotId(*slot)) == Some(group.gid());
    let own = (0..SLOTS).filter(owns).count() as u64;
    let served = own + giving - coming;
    Slots { configuration: group.number(), served, coming, going: giving + frozen }
}

/// The slot that an entry is about that takes it a step on its way.
const fn slot_of(command: &Command) -> Option<SlotId> {
    match command {
        Command::Freeze { slot, .. }
        | Command::Install { slot, .. }
        | Command::Delete { slot, .. } => Some(*slot),
        _ => None,
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
        let slot = slot_of(&command);
        let before = self.way(slot);
        let answer = answer(self.0.apply(time, &command));
        if matches!(command, Command::Advance { .. } | Command::Begin(_)) {
            self.1 = slots_of(&self.0);
        } else if slot.is_some() {
            self.count(before, self.way(slot));
        }
        answer
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
                0 => return Ok(Self::of(decoder.finish()?)),
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

    /// Of the keys that are served: what is on its way is not in it.
    fn print(&self) -> u64 {
        self.0.store().print()
    }

    /// Of the keys that are served: they are asked for in every round, and much may be on its way.
    fn gauges(&self) -> Gauges {
        let store = self.0.store();
        Gauges { keys: store.len() as u64, bytes: store.memory_bytes() as u64, slots: self.1 }
    }
}
