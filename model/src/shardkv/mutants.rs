//! What could be wrong with groups that hand slots over, and what must notice it.

use super::runs::{
    AGAIN, BACK, CLOCK, LATE, PARTS, RESTART, STALE_GIVER, STALE_TAKER, SWAP, THERE, UNSURE,
    VERSIONS,
};
use super::{
    Both, Bounds, KEPT, ONCE, ONE, REPLIES, REPORTS, Relay, SAVED, SERVED, SETTLES, WALKS,
};
use crate::lists::bugs;
use protocol::kv::{self, Exact, Staged, Stamp, Sum, Version};
use protocol::shardkv::{self, InOrder, Num, Way};

bugs! {
    ServesTaking "the taker serves from its configuration on",
    ServesFrozen "the giver serves after the Freeze",
    StopsAtOnce "the giver serves only up to its configuration",
    ReadsAnywhere "reads are not refused",
    AdvancesAgain "a configuration is applied again",
    BeginsAnyTime "a group begins with an earlier configuration than its own",
    Overtakes "a configuration does not wait for the slots that it changes",
    CallsOffFrozen "a move is called off though its slot was stopped",
    GivesUpUnasked "a taker gives up what was not called off",
    SaysCalledOff "a giver says that it has called off what it still gives",
    ObeysStale "a Freeze or Delete of an earlier move is obeyed",
    WaitsForTaking "no slot is stopped while others are still to come",
    TakesStale "parts and Installs of earlier moves are taken",
    InstallsAnything "what is not whole is installed",
    AnyOrder "parts are taken in any order",
    DeletesWhenSent "the giver deletes when all was sent",
    BelievesStale "what the taker said of an earlier move is believed of this one",
    SaysFinished "a taker that waits for a slot says that it has it",
    LeavesBegun "a new leader leaves what was begun before it",
    NoLastDifference "the last difference is not sent, and not missed",
    ReportsAtOnce "a configuration counts as finished when it is applied",
    FrozenNotSaved "what was stopped is not among the group's bytes",
    FloorStays "the floor under the versions stays behind",
    RecordsStay "the clients' records stay behind",
    ClockStays "the clock stays behind",
}

/// The rules but for one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Wrong(pub Bug);

impl Wrong {
    fn has(self, bug: Bug) -> bool {
        self.0 == bug
    }
}

impl Both for Wrong {}

impl shardkv::Rules for Wrong {
    fn serves(&self, way: Way) -> bool {
        match way {
            Way::Giving => !self.has(Bug::StopsAtOnce),
            Way::Frozen => self.has(Bug::ServesFrozen),
            Way::Taking => self.has(Bug::ServesTaking),
        }
    }

    fn refuses_reads(&self) -> bool {
        !self.has(Bug::ReadsAnywhere)
    }

    fn is_next(&self, number: Num, own: Num) -> bool {
        InOrder.is_next(number, own)
            || (self.has(Bug::AdvancesAgain) && number > 1 && number == own)
    }

    fn begins_later(&self, number: Num, own: Num) -> bool {
        self.has(Bug::BeginsAnyTime) || InOrder.begins_later(number, own)
    }

    fn waits_for_slots(&self) -> bool {
        !self.has(Bug::Overtakes)
    }

    fn calls_off(&self, way: Way) -> bool {
        InOrder.calls_off(way) || (self.has(Bug::CallsOffFrozen) && way == Way::Frozen)
    }

    fn waits_for_word(&self) -> bool {
        !self.has(Bug::GivesUpUnasked)
    }

    fn has_called_off(&self, number: Num, own: Num, giving: Option<Num>) -> bool {
        self.has(Bug::SaysCalledOff) || InOrder.has_called_off(number, own, giving)
    }

    fn is_stale(&self, number: Num, present: Num) -> bool {
        !self.has(Bug::ObeysStale) && InOrder.is_stale(number, present)
    }

    fn freezes_while_taking(&self) -> bool {
        !self.has(Bug::WaitsForTaking)
    }

    fn is_of(&self, number: Num, present: Num) -> bool {
        self.has(Bug::TakesStale) || InOrder.is_of(number, present)
    }

    fn is_whole(&self, staged: &Staged, position: (u64, u64), sum: &Sum) -> bool {
        let unchecked = self.has(Bug::NoLastDifference) && staged.position() == position;
        let disordered = self.has(Bug::AnyOrder) && staged.position().0 == position.0;
        let anything = self.has(Bug::InstallsAnything);
        unchecked || disordered || anything || InOrder.is_whole(staged, position, sum)
    }

    fn is_next_part(&self, staged: (u64, u64), part: (u64, u64)) -> bool {
        self.has(Bug::AnyOrder) || InOrder.is_next_part(staged, part)
    }

    fn waits_for_finished(&self) -> bool {
        !self.has(Bug::DeletesWhenSent)
    }

    fn is_answer_to(&self, number: Num, present: Num) -> bool {
        self.has(Bug::BelievesStale) || InOrder.is_answer_to(number, present)
    }

    fn has_installed(&self, number: Num, own: Num, taking: Option<Num>) -> bool {
        (self.has(Bug::SaysFinished) && number <= own) || InOrder.has_installed(number, own, taking)
    }

    fn finished(&self, own: Num, oldest: Option<Num>) -> Num {
        if self.has(Bug::ReportsAtOnce) { own } else { InOrder.finished(own, oldest) }
    }

    fn is_saved(&self, way: Way) -> bool {
        InOrder.is_saved(way) && !(self.has(Bug::FrozenNotSaved) && way == Way::Frozen)
    }

    fn resumes(&self) -> bool {
        !self.has(Bug::LeavesBegun)
    }

    fn sends_last_difference(&self) -> bool {
        !self.has(Bug::NoLastDifference)
    }
}

impl kv::Rules for Wrong {
    fn floor_in_parts(&self, floor: Version) -> Version {
        if self.has(Bug::FloorStays) { 0 } else { Exact.floor_in_parts(floor) }
    }

    fn has_records_in_parts(&self) -> bool {
        !self.has(Bug::RecordsStay)
    }

    fn clock_after_install(&self, clock: Stamp, of_slot: Stamp) -> Stamp {
        if self.has(Bug::ClockStays) { clock } else { Exact.clock_after_install(clock, of_slot) }
    }
}

/// How a mutant is hunted, and what must notice it.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    /// Its name: the zoo's row, or `QH…` for one of ours.
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
    pub fn relay(&self) -> Relay<Wrong> {
        let settle_every = u64::from(self.property == SETTLES);
        self.relay_in(Bounds { settle_every, ..self.bounds })
    }

    /// The model with the mutant's rules in other bounds.
    pub fn relay_in(&self, bounds: Bounds) -> Relay<Wrong> {
        Relay::new(bounds, Wrong(self.bug))
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

/// The mutants of the groups and their leaders.
pub const HUNTS: &[Hunt] = &[
    hunt("H1", "SHARD-SERVE-1", Bug::ServesTaking, THERE, ONE),
    hunt("H2", "SHARD-RESUME-1", Bug::LeavesBegun, THERE, SETTLES),
    hunt("H3", "SHARD-INSTALL-1", Bug::TakesStale, STALE_TAKER, SETTLES),
    hunt("H5", "SHARD-DELETE-1", Bug::DeletesWhenSent, THERE, KEPT),
    hunt("H5b", "SHARD-FINISHED-1", Bug::SaysFinished, THERE, SETTLES),
    hunt("H6", "SHARD-FREEZE-2", Bug::WaitsForTaking, SWAP, SETTLES),
    hunt("H7", "SHARD-SERVE-1", Bug::ServesFrozen, THERE, REPLIES),
    hunt("H9", "SHARD-SERVE-2", Bug::ReadsAnywhere, THERE, REPLIES),
    hunt("H10", "SHARD-ADVANCE-1", Bug::AdvancesAgain, UNSURE, WALKS),
    hunt("H11", "SHARD-FREEZE-1", Bug::ObeysStale, STALE_GIVER, KEPT),
    hunt("H11b", "SHARD-DELETE-2", Bug::BelievesStale, AGAIN, KEPT),
    hunt("QH1", "SHARD-SERVE-1", Bug::StopsAtOnce, THERE, SERVED),
    hunt("QH2", "SHARD-ADVANCE-2", Bug::Overtakes, BACK, ONE),
    hunt("QH3", "SHARD-CANCEL-1", Bug::CallsOffFrozen, BACK, REPLIES),
    hunt("QH4", "SHARD-CANCEL-2", Bug::GivesUpUnasked, BACK, SETTLES),
    hunt("QH5", "SHARD-CANCEL-2", Bug::SaysCalledOff, BACK, SETTLES),
    hunt("QH6", "SHARD-INSTALL-2", Bug::InstallsAnything, THERE, REPLIES),
    hunt("QH7", "SHARD-STAGE-1", Bug::AnyOrder, PARTS, REPLIES),
    hunt("QH8", "SHARD-COPY-1", Bug::NoLastDifference, THERE, REPLIES),
    hunt("QH9", "SHARD-REPORT-1", Bug::ReportsAtOnce, THERE, REPORTS),
    hunt("QH10", "SHARD-SAVE-1", Bug::FrozenNotSaved, RESTART, SAVED),
    hunt("QH11", "PARTS-1", Bug::FloorStays, VERSIONS, REPLIES),
    hunt("QH12", "PARTS-1", Bug::RecordsStay, THERE, ONCE),
    hunt("QH13", "PARTS-2", Bug::ClockStays, CLOCK, SETTLES),
    hunt("QH14", "SHARD-BEGIN-1", Bug::BeginsAnyTime, LATE, WALKS),
];
