//! What could be wrong with the controller and its administrators, and what must notice it.

use super::runs::{
    AWAY, BACK, BEHIND, DROPPED, FENCE, HELD_UP, IN_USE, LEAVES, LOST, MANY, MOVES, REFUSED,
    REPORTS, RESTART, RIVALS, ROVERS, SKEWS, UNKNOWN,
};
use super::{
    ANSWERED, ASKED, BALANCE, BOUNDED, Bounds, MOVES as MOVED, NEEDED, NUMBERS, ONCE, Office,
    Placed, REPLICAS, REPORTS as TRUE, SAVED, SETTLES, TOLD,
};
use crate::lists::bugs;
use protocol::kv::Seq;
use protocol::shardctl::{Exact, GroupId, Num, RequestId, Rules, Standing};

bugs! {
    AnyOrder "equal groups stand in an order that differs from replica to replica, as in a hash map",
    NoFence "a change is executed on whatever is the latest configuration",
    FenceOffByOne "a change is executed on the configuration behind the one it is based on too",
    TwoSteps "a Join adds its groups, and a second command gives them their slots",
    StaleIsFinal "a change that is stale is told as not executed, without a look",
    DifferenceOfTwo "one group gets one slot more than its part, and another one less",
    MostIsNothing "who gets one more is decided without a look at who has most",
    DealsAnew "all slots are dealt out anew",
    LastLeaves "the last groups may leave",
    NumberSkips "a number is left out",
    MoveStopsShort "a Move leaves out the last of its slots",
    MovesToNobody "slots are moved to a group that is not there",
    JoinsTwice "a group joins that is there, and takes its place",
    ComesBackEarly "a group comes back before it has given all away",
    ReportTakesBack "a late report takes back what a group has finished",
    AnyReport "a group reports configurations that it is not in",
    DropsOneMore "the configuration that a group has finished is dropped too",
    ForgetsWhoLeft "a configuration is dropped that only a group needs which has left",
    DroppedIsOldest "who asks for a configuration that was dropped gets the oldest one",
    NoBound "any number of configurations is kept for a group that is behind",
    RequestNotSaved "a snapshot is without the requests that made the configurations",
    LeavingNotSaved "a snapshot is without who is about to leave",
    AnyoneIsOwn "whatever configuration an administrator finds is its own",
    DroppedIsFinal "a change whose configuration was dropped is told as not executed",
    EarlierDecides "a configuration in front of the one that was asked for decides",
    LateAnswerTaken "an answer to an earlier call is taken for one to this call",
    NeverSentAgain "a call that is not answered is not sent again",
}

/// The rules with one thing wrong, at a replica.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Wrong {
    /// What.
    pub bug: Bug,
    /// Where.
    pub replica: usize,
}

impl Wrong {
    fn is(self, bug: Bug) -> bool {
        self.bug == bug
    }
}

impl Placed for Wrong {
    fn at(self, replica: usize) -> Self {
        Self { replica, ..self }
    }
}

impl Rules for Wrong {
    fn is_current(&self, based: Num, latest: Num) -> bool {
        match self.bug {
            Bug::NoFence => true,
            Bug::FenceOffByOne => based + 1 >= latest,
            _ => Exact.is_current(based, latest),
        }
    }

    fn next_number(&self, latest: Num) -> Num {
        Exact.next_number(latest) + u64::from(self.is(Bug::NumberSkips) && latest == 1)
    }

    fn rank(&self, group: GroupId) -> u64 {
        match (self.bug, self.replica) {
            (Bug::AnyOrder, 1) => u64::MAX - group.0,
            _ => Exact.rank(group),
        }
    }

    fn part(&self, place: usize, slots: usize, groups: usize) -> usize {
        let part = Exact.part(place, slots, groups);
        match (self.bug, place) {
            _ if groups < 2 || slots < groups => part,
            (Bug::DifferenceOfTwo, 0) => part + 1,
            (Bug::DifferenceOfTwo, last) if last + 1 == groups => part - 1,
            _ => part,
        }
    }

    fn weight(&self, has: usize) -> usize {
        if self.is(Bug::MostIsNothing) { 0 } else { Exact.weight(has) }
    }

    fn gives(&self, has: usize, part: usize) -> usize {
        if self.is(Bug::DealsAnew) { has } else { Exact.gives(has, part) }
    }

    fn balances_at_once(&self) -> bool {
        !self.is(Bug::TwoSteps)
    }

    fn end_of_move(&self, last: u16) -> usize {
        Exact.end_of_move(last) - usize::from(self.is(Bug::MoveStopsShort))
    }

    fn may_get(&self, there: bool) -> bool {
        self.is(Bug::MovesToNobody) || Exact.may_get(there)
    }

    fn may_leave(&self, stay: usize) -> bool {
        self.is(Bug::LastLeaves) || Exact.may_leave(stay)
    }

    fn may_join(&self, in_use: bool) -> bool {
        self.is(Bug::JoinsTwice) || Exact.may_join(in_use)
    }

    fn may_come_back_early(&self) -> bool {
        self.is(Bug::ComesBackEarly)
    }

    fn finished_after(&self, finished: Num, number: Num) -> Num {
        if self.is(Bug::ReportTakesBack) { number } else { Exact.finished_after(finished, number) }
    }

    fn may_report(&self, number: Num, last: Num) -> bool {
        self.is(Bug::AnyReport) || Exact.may_report(number, last)
    }

    fn needs(&self, standing: Standing) -> Num {
        match (self.bug, standing.left) {
            (Bug::DropsOneMore, _) => standing.finished + 1,
            (Bug::ForgetsWhoLeft, Some(_)) => Num::MAX,
            _ => Exact.needs(standing),
        }
    }

    fn tells_dropped(&self) -> bool {
        !self.is(Bug::DroppedIsOldest)
    }

    fn may_grow(&self, open: u64, most: u64) -> bool {
        self.is(Bug::NoBound) || Exact.may_grow(open, most)
    }

    fn request_in_snapshot(&self, request: Option<RequestId>) -> Option<RequestId> {
        request.filter(|_| !self.is(Bug::RequestNotSaved))
    }

    fn left_in_snapshot(&self, left: Option<Num>) -> Option<Num> {
        left.filter(|_| !self.is(Bug::LeavingNotSaved))
    }

    fn looks_when_stale(&self) -> bool {
        !self.is(Bug::StaleIsFinal)
    }

    fn is_own(&self, made_by: Option<RequestId>, request: RequestId) -> bool {
        self.is(Bug::AnyoneIsOwn) || Exact.is_own(made_by, request)
    }

    fn is_unknown_when_dropped(&self) -> bool {
        !self.is(Bug::DroppedIsFinal)
    }

    fn decides(&self, found: Num, asked: Num) -> bool {
        self.is(Bug::EarlierDecides) || Exact.decides(found, asked)
    }

    fn is_mine(&self, answered: Seq, seq: Seq) -> bool {
        self.is(Bug::LateAnswerTaken) || Exact.is_mine(answered, seq)
    }

    fn sends_again(&self) -> bool {
        !self.is(Bug::NeverSentAgain)
    }
}

/// How a mutant is hunted, and what must notice it.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    /// Its name: the zoo's row, or `QC…` for one of ours.
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
    pub fn office(&self) -> Office<Wrong> {
        let settle_every = u64::from(self.property == SETTLES);
        self.office_in(Bounds { settle_every, ..self.bounds })
    }

    /// The model with the mutant's rules in other bounds.
    pub fn office_in(&self, bounds: Bounds) -> Office<Wrong> {
        Office::new(bounds, Wrong { bug: self.bug, replica: 0 })
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

/// An answer to a call that is over may come.
const LATE: Bounds = Bounds { drop_void: false, ..FENCE };

/// The mutants of the controller and its administrators.
pub const HUNTS: &[Hunt] = &[
    hunt("C1", "CTL-ORDER-1", Bug::AnyOrder, MANY, REPLICAS),
    hunt("C2", "CTL-CAS-1", Bug::NoFence, RIVALS, ONCE),
    hunt("C3", "CTL-WHOLE-1", Bug::TwoSteps, FENCE, BALANCE),
    hunt("C4", "CTL-ADMIN-1", Bug::StaleIsFinal, FENCE, TOLD),
    hunt("C5", "CTL-BALANCE-1", Bug::DifferenceOfTwo, FENCE, BALANCE),
    hunt("C5b", "CTL-MOVES-1", Bug::MostIsNothing, MOVES, MOVED),
    hunt("C5c", "CTL-LAST-1", Bug::LastLeaves, REFUSED, ASKED),
    hunt("QC1", "CTL-CAS-1", Bug::FenceOffByOne, RIVALS, ONCE),
    hunt("QC2", "CTL-NUM-1", Bug::NumberSkips, FENCE, NUMBERS),
    hunt("QC3", "CTL-MOVES-1", Bug::DealsAnew, LEAVES, MOVED),
    hunt("QC4", "CTL-MOVE-1", Bug::MoveStopsShort, SKEWS, ASKED),
    hunt("QC5", "CTL-MOVE-2", Bug::MovesToNobody, AWAY, ASKED),
    hunt("QC6", "CTL-JOIN-1", Bug::JoinsTwice, IN_USE, ASKED),
    hunt("QC7", "CTL-JOIN-2", Bug::ComesBackEarly, BACK, TRUE),
    hunt("QC8", "CTL-FINISH-1", Bug::ReportTakesBack, REPORTS, TRUE),
    hunt("QC9", "CTL-FINISH-2", Bug::AnyReport, ROVERS, TRUE),
    hunt("QC10", "CTL-DROP-1", Bug::DropsOneMore, DROPPED, NEEDED),
    hunt("QC11", "CTL-DROP-1", Bug::ForgetsWhoLeft, DROPPED, NEEDED),
    hunt("QC12", "CTL-DROP-2", Bug::DroppedIsOldest, UNKNOWN, ANSWERED),
    hunt("QC13", "CTL-BOUND-1", Bug::NoBound, HELD_UP, BOUNDED),
    hunt("QC14", "CTL-SNAP-1", Bug::RequestNotSaved, RESTART, SAVED),
    hunt("QC15", "CTL-SNAP-1", Bug::LeavingNotSaved, RESTART, SAVED),
    hunt("QC16", "CTL-ADMIN-2", Bug::AnyoneIsOwn, FENCE, TOLD),
    hunt("QC17", "CTL-ADMIN-3", Bug::DroppedIsFinal, UNKNOWN, TOLD),
    hunt("QC18", "CTL-ADMIN-4", Bug::EarlierDecides, BEHIND, TOLD),
    hunt("QC19", "CTL-ADMIN-5", Bug::LateAnswerTaken, LATE, TOLD),
    hunt("QC20", "CTL-ADMIN-6", Bug::NeverSentAgain, LOST, SETTLES),
];
