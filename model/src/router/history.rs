//! What is true: which calls were executed, in which order, and what their clients were told.

use super::Do;
use super::state::Call;
use protocol::shardkv::GroupId;
use std::collections::{BTreeMap, BTreeSet};

/// What does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Violation {
    /// A call was executed behind a later one of its session and slot.
    OutOfOrder,
    /// A call was executed a second time.
    ExecutedTwice,
    /// A client was told of its call what is not so, or told twice.
    ToldWrongly,
    /// A client was told that all keys had gone, or how many there are, and some group's were left out.
    NotAll,
    /// A client was told to try again, or elsewhere, without need, or is kept waiting though it has waited long enough.
    NoNeed,
    /// Something was sent or told for a session that is gone.
    SentForGone,
}

/// What became of a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fate {
    /// Its client was told that it was executed, or that nobody knows.
    Told,
    /// Its client was told that it was not executed.
    NotExecuted,
}

/// The history.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct History {
    /// The calls that were executed.
    pub executed: BTreeSet<Call>,
    /// Those of which nobody knows whether they were.
    pub unknown: BTreeSet<Call>,
    /// What clients were told.
    pub told: BTreeMap<Call, Fate>,
    /// Of calls about all keys: which groups have answered, and the slots, by their index, that were flushed.
    pub gathered: BTreeMap<Call, (BTreeSet<GroupId>, BTreeSet<usize>)>,
    /// How many calls a group has not executed.
    pub failures: u8,
    /// How many calls were given up on the way.
    pub strays: u8,
    /// How often another server came to lead.
    pub leads: u8,
    /// Of how many calls nobody knows.
    pub unknowns: u8,
    /// How many were refused late.
    pub lates: u8,
    /// What does not hold.
    pub violation: Option<Violation>,
}

impl History {
    /// The first violation stays.
    pub fn violate(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    /// A group has executed a call about a slot; whether it was given up long before.
    pub fn note_executed(&mut self, call: Call, calls: &[Do], strayed: bool) {
        if !self.executed.insert(call) {
            self.violate(Violation::ExecutedTwice);
        }
        if self.told.get(&call) == Some(&Fate::NotExecuted) {
            self.violate(Violation::ToldWrongly);
        }
        let of = |place: u64| calls[place as usize - 1];
        let same = |other: &Call| other.session == call.session;
        let behind = |other: &&Call| {
            same(other) && other.place > call.place && of(other.place) == of(call.place)
        };
        let overtaken = self.executed.iter().any(|other| behind(&other));
        let flushed = self.gathered.keys().any(|other| same(other) && other.place > call.place);
        let flushing = |place: u64| {
            let told = self.told.contains_key(&Call { place, ..call });
            of(place) == Do::Flush && !told
        };
        if strayed {
            return;
        }
        if overtaken || flushed || (1..call.place).any(flushing) {
            self.violate(Violation::OutOfOrder);
        }
    }

    /// A group has answered a call about all keys, and flushed these slots.
    pub fn note_gathered(
        &mut self,
        call: Call,
        group: GroupId,
        slots: impl Iterator<Item = usize>,
    ) {
        let (groups, flushed) = self.gathered.entry(call).or_default();
        groups.insert(group);
        flushed.extend(slots);
    }

    /// A client was told, and of what kind that was.
    pub fn note_told(&mut self, call: Call, fate: Fate) {
        if self.told.insert(call, fate).is_some() {
            self.violate(Violation::ToldWrongly);
        }
    }

    /// Whether a later call of this session and slot may have been executed.
    pub fn is_overtaken(&self, call: Call, calls: &[Do]) -> bool {
        let mut all = self.executed.iter().chain(&self.unknown);
        all.any(|other| {
            let of = |place: u64| calls[place as usize - 1];
            let same = other.session == call.session && of(other.place) == of(call.place);
            same && other.place > call.place
        })
    }
}
