//! What a group of the sharded store is told, and what it answers. See [the module above](super).

use crate::kv::{Bytes, Op, Part, Reply, Seen, SlotId, Sum, Transaction, Work};
use crate::shardctl::{self, Config, Controller, SlotRange};
pub use crate::shardctl::{GroupId, Num};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// A slot that has another group from a configuration on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Change {
    /// The slot.
    pub slot: SlotId,
    /// Whose it was; None if it never had a group, and then it begins empty.
    pub from: Option<GroupId>,
    /// Whose it is.
    pub to: GroupId,
}

/// What a configuration changes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Configuration {
    /// Its number.
    pub number: Num,
    /// The slots that change their group, each once.
    pub changes: Vec<Change>,
}

impl Configuration {
    /// What a configuration of the controller changes, by the one in front of it. The work grows with what it changes
    /// and with the number of runs of slots, not with the slots.
    pub fn between(before: &Config, after: &Config) -> Self {
        let changes = before.slots.changes(&after.slots);
        let change = |(slot, from, to): (u16, _, Option<GroupId>)| {
            // Who has a slot gives it to somebody (CTL-LAST-1).
            Some(Change { slot: SlotId(slot), from, to: to? })
        };
        Self { number: after.number, changes: changes.filter_map(change).collect() }
    }
}

/// What a controller says to a group that asks for the configuration behind its own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Next {
    /// This is it.
    Configuration(Configuration),
    /// The group has nothing to do before the one behind this: it comes, for the first time or again.
    Begin(Beginning),
}

/// With what a group begins that has no slots: a configuration by which it has none either.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Beginning {
    /// The configuration's number.
    pub number: Num,
    /// Whose the slots are.
    pub owners: Vec<(SlotRange, GroupId)>,
}

impl Next {
    /// What there is for a group whose configuration has this number. A replica of the controller that is behind says
    /// nothing wrong: it says less.
    ///
    /// For a group that has come to the configuration that it left in there is nothing more, though it may have slots
    /// to give yet: it would walk on, and when it has given them have finished what it may not report (CTL-FINISH-2).
    pub fn of<R: shardctl::Rules>(
        controller: &Controller<R>,
        group: GroupId,
        number: Num,
    ) -> Option<Self> {
        let standing = controller.standings().get(&group)?;
        if standing.left.is_some_and(|left| left <= number) {
            return None;
        }
        if number < standing.finished {
            let config = controller.config(standing.finished)?;
            let runs = config.slots.runs();
            let owners = runs.filter_map(|(range, owner)| Some((range, owner?))).collect();
            return Some(Self::Begin(Beginning { number: config.number, owners }));
        }
        let (before, after) = (controller.config(number)?, controller.config(number + 1)?);
        Some(Self::Configuration(Configuration::between(before, after)))
    }
}

/// An entry of a group's log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Command {
    /// What a client has asked, or the clock's work.
    Work {
        /// What is done.
        work: Work,
        /// The longest value that it may make of a shorter one, in bytes.
        value_bytes: u32,
    },
    /// The next configuration.
    Advance {
        /// It.
        configuration: Configuration,
        /// Slots that it takes back before they have come, and of which the giver has said that they never will.
        called_off: BTreeSet<SlotId>,
    },
    /// A group that has nothing goes to a later configuration at once.
    Begin(Beginning),
    /// The giver serves a slot no more.
    Freeze {
        /// The slot.
        slot: SlotId,
        /// The configuration that moves it.
        number: Num,
    },
    /// A part of a slot that comes.
    Stage {
        /// The slot.
        slot: SlotId,
        /// The configuration that moves it.
        number: Num,
        /// The part.
        part: Part,
    },
    /// A slot has come, whole: the taker serves it.
    Install {
        /// The slot.
        slot: SlotId,
        /// What it is.
        head: Head,
    },
    /// The taker serves a slot: nothing of it stays with the giver.
    Delete {
        /// The slot.
        slot: SlotId,
        /// The configuration that moves it.
        number: Num,
    },
}

/// What a giver says of a slot that it has stopped and sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Head {
    /// The configuration that moves it.
    pub number: Num,
    /// The stream in which it was sent.
    pub stream: u64,
    /// In how many parts.
    pub parts: u64,
    /// What all of it is.
    pub sum: Sum,
}

/// What only asks.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Query {
    /// An operation that does not write.
    Op {
        /// Its key.
        key: Bytes,
        /// It.
        op: Op,
    },
    /// Several.
    Transaction(Transaction),
    /// How keys are that a client watches.
    Seen {
        /// Which. They lie in one slot.
        keys: Vec<Bytes>,
    },
}

/// What either is answered with.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Answer {
    /// The store's reply.
    Reply(Reply),
    /// How watched keys are.
    Seen(Vec<Seen>),
    /// Not executed, and not recorded: the group does not serve the slot.
    Refused(Refusal),
    /// What became of a step of a move.
    Step(Step),
    /// The keys of these slots went, and no others.
    Flushed(Vec<SlotRange>),
    /// Not executed: it was asked without an entry, and it may write.
    Writes,
}

/// Why a slot is not served, by the group's own configuration. The texts for clients stand with the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Refusal {
    /// The slot.
    pub slot: SlotId,
    /// The group's configuration.
    pub number: Num,
    /// Who has the slot.
    pub whereabouts: Whereabouts,
}

/// Who has a slot that is not served here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Whereabouts {
    /// Another group (MOVED). It may not have come to that configuration yet, or have given the slot away again.
    With(GroupId),
    /// On its way from here to another group: stopped here, and there soon (ASK).
    GoingTo(GroupId),
    /// On its way to here from another group (TRYAGAIN).
    ComingFrom(GroupId),
    /// No group has had it yet (CLUSTERDOWN).
    Nowhere,
}

/// What became of a step of a move.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Step {
    /// It was done, now or before.
    Done,
    /// Nothing was done: it is of a move that is over, or never concerned this group.
    Over,
    /// Nothing was done: the group has not come to that configuration yet.
    Early,
    /// Nothing was done: something else comes first.
    NotNext,
}
