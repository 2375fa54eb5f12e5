//! Wrong versions of the rules, each under the id of the rule that it breaks, and by the zoo's number where it has one.

use protocol::kv::{self, Staged, Stamp, Sum, Version};
use protocol::shardkv::{InOrder, Num, Rules, Way};

/// What is wrong with a group or its leader.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Bug {
    // SHARD-SERVE-1: H1, H12. The taker serves from its configuration on.
    ServesTaking,
    // SHARD-SERVE-1: H7. The giver serves after the Freeze.
    ServesFrozen,
    // SHARD-SERVE-2: H9. Reads are not refused.
    ReadsAnywhere,
    // SHARD-ADVANCE-1: H10. A configuration is applied again.
    AdvancesAgain,
    // SHARD-ADVANCE-2: A configuration does not wait for the slots that it changes.
    Overtakes,
    // SHARD-CANCEL-1: A move is called off though its slot was stopped.
    CallsOffFrozen,
    // SHARD-CANCEL-2: A taker gives up what was not called off.
    GivesUpUnasked,
    // SHARD-CANCEL-2: A giver says that it has called off what it still gives.
    SaysCalledOff,
    // SHARD-FREEZE-1: H11. A Freeze or Delete of an earlier move is obeyed.
    ObeysStale,
    // SHARD-FREEZE-2: H6. No slot is stopped while others are still to come.
    WaitsForTaking,
    // SHARD-INSTALL-1: H3. Parts and Installs of earlier moves are taken.
    TakesStale,
    // SHARD-INSTALL-2: What is not whole is installed.
    InstallsAnything,
    // SHARD-STAGE-1: Parts are taken in any order.
    AnyOrder,
    // SHARD-DELETE-1: H5. What the group still serves is deleted.
    DeletesServed,
    // SHARD-DELETE-2: H5. The giver deletes when all was sent.
    DeletesWhenSent,
    // SHARD-DELETE-3: H11. What the taker said of an earlier move is believed of this one.
    BelievesStale,
    // SHARD-FINISHED-1: A taker that waits for a slot says that it has it.
    SaysFinished,
    // SHARD-RESUME-1: H2. A new leader leaves what was begun before it.
    LeavesBegun,
    // SHARD-COPY-1: The last difference is not sent, and not missed.
    NoLastDifference,
}

/// The rules but for one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Wrong(pub Bug);

impl Wrong {
    fn has(self, bug: Bug) -> bool {
        self.0 == bug
    }
}

impl Rules for Wrong {
    fn serves(&self, way: Way) -> bool {
        InOrder.serves(way)
            || (self.has(Bug::ServesTaking) && way == Way::Taking)
            || (self.has(Bug::ServesFrozen) && way == Way::Frozen)
    }

    fn refuses_reads(&self) -> bool {
        !self.has(Bug::ReadsAnywhere)
    }

    fn is_next(&self, number: Num, own: Num) -> bool {
        InOrder.is_next(number, own)
            || (self.has(Bug::AdvancesAgain) && number > 1 && number == own)
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

    fn deletes_only_frozen(&self) -> bool {
        !self.has(Bug::DeletesServed)
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

    fn resumes(&self) -> bool {
        !self.has(Bug::LeavesBegun)
    }

    fn sends_last_difference(&self) -> bool {
        !self.has(Bug::NoLastDifference)
    }
}

/// What is left behind when a slot goes to another group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lost {
    // PARTS-1: The floor under the versions.
    Floor,
    // PARTS-1: The clients' records.
    Records,
    // PARTS-2: The clock.
    Clock,
}

impl kv::Rules for Lost {
    fn floor_in_parts(&self, floor: Version) -> Version {
        if *self == Self::Floor { 0 } else { floor }
    }

    fn has_records_in_parts(&self) -> bool {
        *self != Self::Records
    }

    fn clock_after_install(&self, clock: Stamp, of_slot: Stamp) -> Stamp {
        if *self == Self::Clock { clock } else { clock.max(of_slot) }
    }
}
