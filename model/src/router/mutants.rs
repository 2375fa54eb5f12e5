//! What could be wrong with a router, and what must notice it.

use super::runs::{
    AGAIN, AWAY, BETWEEN, COUNT, FLUSH, FLUSH_FAILS, GOES, GUEST, LATE, THERE, UNSURE, WAYS,
};
use super::{ALL, Bounds, Desk, GONE, NEED, ONCE, ORDER, Rules, SETTLES, TOLD};
use crate::lists::bugs;
use protocol::shardkv::router::Ordered;

bugs! {
    NeverWaits "a call is sent though one in front of it was refused and is still to be asked",
    AsksAgain "a call that was refused is asked again though a later one was executed",
    FollowsSlot "a call is sent to who has the slot now, though earlier ones are with another group",
    TurnsAtOnce "what was refused is asked again while later calls are under way",
    UnknownIsNot "a call of which nobody knows counts as not executed",
    UnknownAgain "a call of which nobody knows is asked again",
    NeverGivesUp "a client that has waited long enough is kept waiting",
    AlwaysElsewhere "a client is sent to another node though the group has a server here",
    NeverElsewhere "a client is not told that a group has no server here",
    FlushedOnce "all keys have gone when every group has answered, whatever was on its way",
    HalfIsNothing "a flush that one group has not done is told as not done",
    FirstIsAll "the first group's answer is taken for that of all",
    NoBarrier "what asks about all keys does not wait for what its session has asked before",
    SendsAll "a client that any node is to serve is sent to another, because its group has no server here",
    FollowsLeader "a call goes to the node that leads its group now, though earlier ones are with another",
    AsksForGone "what a session has asked is sent though it is gone",
}

/// The rules with one thing wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Wrong(pub Bug);

impl Wrong {
    fn has(self, bug: Bug) -> bool {
        self.0 == bug
    }
}

impl Rules for Wrong {
    fn waits(&self, held: usize) -> bool {
        !self.has(Bug::NeverWaits) && Ordered.waits(held)
    }

    fn is_overtaken(&self, place: u64, done_to: Option<u64>) -> bool {
        !self.has(Bug::AsksAgain) && Ordered.is_overtaken(place, done_to)
    }

    fn stays_with_others(&self) -> bool {
        !self.has(Bug::FollowsSlot)
    }

    fn may_ask_again(&self, under_way: usize) -> bool {
        self.has(Bug::TurnsAtOnce) || Ordered.may_ask_again(under_way)
    }

    fn counts_unknown(&self) -> bool {
        !self.has(Bug::UnknownIsNot)
    }

    fn ends_unknown(&self) -> bool {
        !self.has(Bug::UnknownAgain)
    }

    fn gives_up(&self, late: bool) -> bool {
        !self.has(Bug::NeverGivesUp) && Ordered.gives_up(late)
    }

    fn goes_elsewhere(&self, here: bool, by_itself: bool) -> bool {
        match self.0 {
            Bug::AlwaysElsewhere => true,
            Bug::NeverElsewhere => false,
            Bug::SendsAll => !here,
            _ => Ordered.goes_elsewhere(here, by_itself),
        }
    }

    fn is_flushed(&self, left: usize) -> bool {
        self.has(Bug::FlushedOnce) || Ordered.is_flushed(left)
    }

    fn is_definite(&self, writes: bool, others: bool) -> bool {
        self.has(Bug::HalfIsNothing) || Ordered.is_definite(writes, others)
    }

    fn is_gathered(&self, missing: usize) -> bool {
        self.has(Bug::FirstIsAll) || Ordered.is_gathered(missing)
    }

    fn waits_for_all(&self) -> bool {
        !self.has(Bug::NoBarrier)
    }

    fn stays_on_way(&self, under_way: usize) -> bool {
        !self.has(Bug::FollowsLeader) && Ordered.stays_on_way(under_way)
    }

    fn forgets_gone(&self) -> bool {
        !self.has(Bug::AsksForGone)
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
    /// The property that must die.
    pub property: &'static str,
}

impl Hunt {
    /// The model in which the mutant is hunted. Every state must settle if it is to die by that.
    pub fn desk(&self) -> Desk<Wrong> {
        let settle_every = u64::from(self.property == SETTLES);
        self.desk_in(Bounds { settle_every, ..self.bounds })
    }

    /// The model with the mutant's rules in other bounds.
    pub fn desk_in(&self, bounds: Bounds) -> Desk<Wrong> {
        Desk::new(bounds, Wrong(self.bug))
    }

    /// The same hunt with nothing wrong: it must find nothing, or the hunt shows nothing.
    pub const fn control(&self) -> Self {
        Self { bug: Bug::None, ..*self }
    }
}

const fn hunt(
    id: &'static str,
    rule: &'static str,
    bug: Bug,
    bounds: Bounds,
    property: &'static str,
) -> Hunt {
    Hunt { id, rule, bug, bounds, property }
}

/// The mutants of the router.
pub const HUNTS: &[Hunt] = &[
    hunt("QD1", "ROUTE-ORDER-1", Bug::NeverWaits, THERE, ORDER),
    hunt("QD2", "ROUTE-ORDER-2", Bug::AsksAgain, AGAIN, ORDER),
    hunt("QD3", "ROUTE-ORDER-3", Bug::FollowsSlot, AGAIN, ORDER),
    hunt("QD4", "ROUTE-ORDER-4", Bug::TurnsAtOnce, AGAIN, ORDER),
    hunt("QD5", "ROUTE-UNKNOWN-1", Bug::UnknownIsNot, UNSURE, ORDER),
    hunt("QD6", "ROUTE-UNKNOWN-2", Bug::UnknownAgain, UNSURE, ONCE),
    hunt("QD7", "ROUTE-LATE-1", Bug::NeverGivesUp, LATE, NEED),
    hunt("QD8", "ROUTE-HERE-1", Bug::AlwaysElsewhere, THERE, NEED),
    hunt("QD9", "ROUTE-HERE-1", Bug::NeverElsewhere, AWAY, SETTLES),
    hunt("QD10", "ROUTE-ALL-1", Bug::FlushedOnce, FLUSH, ALL),
    hunt("QD11", "ROUTE-ALL-2", Bug::HalfIsNothing, FLUSH_FAILS, TOLD),
    hunt("QD12", "ROUTE-ALL-3", Bug::FirstIsAll, COUNT, ALL),
    hunt("QD13", "ROUTE-ALL-4", Bug::NoBarrier, BETWEEN, ORDER),
    hunt("QD14", "ROUTE-GONE-1", Bug::AsksForGone, GOES, GONE),
    hunt("QD15", "ROUTE-HERE-1", Bug::SendsAll, GUEST, NEED),
    hunt("QD16", "ROUTE-WAY-1", Bug::FollowsLeader, WAYS, ORDER),
];
