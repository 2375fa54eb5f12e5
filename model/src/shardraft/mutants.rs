//! What could be wrong with what stands between a group's Raft and its mover, and what must notice it.

use super::{Bounds, Estate, FRESH, ONE, REPORTS, SETTLES, runs};
use crate::lists::bugs;
use protocol::rsm::{Decided, Rules};

bugs! {
    StreamStands "every mover of a group has the same stream",
    StreamFalls "a later mover has a smaller stream",
    GoesByLog "a mover is shown what its server's log has, committed or not",
    ReadsAnywhere "a read is answered from what the server has, whoever leads",
    StaysIdle "only the first leader has a mover",
    GoesOn "a mover goes on when its server does not lead any more",
    BelievesEarlier "what became of an earlier term's proposal is told as of the present mover's",
    BelievesRefused "a proposal that is not executed is told as done",
    KeepsRefused "a mover is not told that a proposal is not executed",
    ShownLate "a mover is shown the group without the last entry that its server has applied",
}

/// The rules with one thing wrong; those of what callers are told, and those of the driver, which are in `steps.rs`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Wrong(pub Bug);

impl Rules for Wrong {
    fn answers_at_once(&self, leads: bool) -> bool {
        self.0 == Bug::ReadsAnywhere || Decided.answers_at_once(leads)
    }
}

/// How a mutant is hunted, and what must notice it.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    /// Its name.
    pub id: &'static str,
    /// The rule of SPEC.md that it breaks.
    pub rule: &'static str,
    /// What is wrong.
    pub bug: Bug,
    /// What the model may do.
    pub bounds: Bounds,
    /// A path of allowed actions from whose end the hunt begins.
    pub prefix: &'static [&'static [&'static str]],
    /// The property that must die.
    pub property: &'static str,
}

impl Hunt {
    const fn new(
        id: &'static str,
        rule: &'static str,
        bug: Bug,
        bounds: Bounds,
        property: &'static str,
    ) -> Self {
        Self { id, rule, bug, bounds, prefix: &[], property }
    }

    /// The model in which the mutant is hunted. The fair schedule is tried from every state if it is to die by that.
    pub fn estate(&self) -> Estate {
        self.estate_in(self.bounds)
    }

    /// The mutant in other bounds.
    pub fn estate_in(&self, bounds: Bounds) -> Estate {
        let settle_every = u64::from(self.property == SETTLES);
        Estate::new(Bounds { settle_every, ..bounds }, Wrong(self.bug))
    }

    /// The same hunt with nothing wrong: it must find nothing, or the hunt shows nothing.
    pub const fn control(&self) -> Self {
        Self { bug: Bug::None, ..*self }
    }
}

/// Every mutant.
pub const HUNTS: &[Hunt] = &[
    Hunt::new("QB1", "SHARD-LEAD-1", Bug::StreamStands, runs::CALLED, SETTLES),
    Hunt::new("QB2", "SHARD-LEAD-1", Bug::StreamFalls, runs::GIVER, SETTLES),
    Hunt::new("QB3", "SHARD-LEAD-2", Bug::GoesByLog, runs::GIVER, ONE),
    Hunt::new("QB3b", "SHARD-LEAD-2", Bug::GoesByLog, runs::TAKER, REPORTS),
    Hunt::new("QB4", "RSM-READ-2", Bug::ReadsAnywhere, runs::READS, FRESH),
    Hunt::new("QB5", "SHARD-LEAD-3", Bug::StaysIdle, runs::GIVER, SETTLES),
];
