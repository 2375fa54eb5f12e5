//! Random worlds with the right rules, which find nothing, and with wrong ones, each of which is found by what it breaks.

use super::world::{Broken, Seen, World};
use protocol::kv::{self, ClientId, Exact, Staged, Stamp, Sum, Version};
use protocol::shardkv::{InOrder, Num, Rules, Way};

/// What is wrong with a group, by the zoo's numbers where it has one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Bug {
    /// H1, H12: the taker serves from its configuration on.
    ServesTaking,
    /// H2: a new leader leaves what was begun before it.
    LeavesBegun,
    /// H3: parts and Installs of earlier moves are taken.
    TakesStale,
    /// H5: the giver deletes when all was sent.
    DeletesWhenSent,
    /// H6: no slot is stopped while others are still to come.
    WaitsForTaking,
    /// H7: the giver serves after the Freeze.
    ServesFrozen,
    /// H9: reads are not refused.
    ReadsAnywhere,
    /// H10: a configuration is applied again.
    AdvancesAgain,
    /// H11: a Freeze or Delete of an earlier move is obeyed, and an answer of an earlier move believed.
    ObeysStale,
    /// A configuration does not wait for the slots that it changes.
    Overtakes,
    /// The difference between the last copy and the slot as it was stopped is not sent, nor missed.
    NoLastDifference,
    /// Parts are taken in any order.
    AnyOrder,
    /// A taker that waits for a slot says that it has it.
    SaysFinished,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Wrong(Bug);

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
        unchecked || disordered || InOrder.is_whole(staged, position, sum)
    }

    fn is_next_part(&self, staged: (u64, u64), part: (u64, u64)) -> bool {
        self.has(Bug::AnyOrder) || InOrder.is_next_part(staged, part)
    }

    fn waits_for_finished(&self) -> bool {
        !self.has(Bug::DeletesWhenSent)
    }

    fn is_answer_to(&self, number: Num, present: Num) -> bool {
        self.has(Bug::ObeysStale) || InOrder.is_answer_to(number, present)
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

/// What is wrong with what travels.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Lost {
    Floor,
    Records,
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

    fn may_begin(&self, client: ClientId, floor: ClientId) -> bool {
        Exact.may_begin(client, floor)
    }
}

const STEPS: usize = 1_500;

/// What the first worlds find that find something, and by which seeds.
fn hunt<R: Rules, K: kv::Rules>(rules: R, store: K, seeds: u64) -> Vec<(u64, Broken)> {
    let find = |seed| World::new(rules, store, seed).run(STEPS).err().map(|broken| (seed, broken));
    (0..seeds).filter_map(find).take(12).collect()
}

/// SHARD-SERVE-1, SHARD-SERVE-2, SHARD-ADVANCE-1, SHARD-ADVANCE-2, SHARD-FREEZE-1, SHARD-FREEZE-2, SHARD-STAGE-1,
/// SHARD-INSTALL-1, SHARD-INSTALL-2, SHARD-DELETE-1, SHARD-DELETE-2, SHARD-DELETE-3, SHARD-FINISHED-1, SHARD-RESUME-1,
/// SHARD-COPY-1.
#[test]
fn whatever_is_lost_late_or_repeated_a_slot_has_one_group_and_all_of_its_past() {
    let mut all = Seen::default();
    for seed in 0..400 {
        let mut world = World::new(InOrder, Exact, seed);
        let found = world.run(STEPS);
        assert_eq!(found, Ok(()), "seed {seed}: {:?}", world.seen);
        all.add(&world.seen);
    }
    println!("{all:?}");
    all.assert_all_seen();
}

#[test]
fn every_wrong_rule_is_found_by_what_it_breaks() {
    use Broken::{Homeless, Kept, Reply, Slot, Stuck, TwoServe};
    let hunts: [(Bug, &[Broken]); 13] = [
        (Bug::ServesTaking, &[TwoServe]),
        (Bug::LeavesBegun, &[Stuck]),
        (Bug::TakesStale, &[TwoServe, Reply, Slot]),
        (Bug::DeletesWhenSent, &[Reply, Stuck, Slot]),
        (Bug::WaitsForTaking, &[Stuck]),
        (Bug::ServesFrozen, &[Reply, TwoServe]),
        (Bug::ReadsAnywhere, &[Reply]),
        (Bug::AdvancesAgain, &[Stuck, Reply, TwoServe, Homeless]),
        (Bug::ObeysStale, &[Stuck, Reply, Slot]),
        (Bug::Overtakes, &[TwoServe, Reply, Stuck, Kept]),
        (Bug::NoLastDifference, &[Reply, Slot]),
        (Bug::AnyOrder, &[Reply, Slot, Stuck]),
        (Bug::SaysFinished, &[Reply, Stuck]),
    ];
    for (bug, expected) in hunts {
        let found = hunt(Wrong(bug), Exact, 1_000);
        assert!(!found.is_empty(), "{bug:?} is not found");
        println!("{bug:?} {found:?}");
        // A state that no group has is also found when it is read from its bytes.
        let is_other = |found: &Broken| *found != Broken::Bytes && !expected.contains(found);
        let others: Vec<_> = found.iter().filter(|(_, found)| is_other(found)).collect();
        assert!(found.iter().any(|(_, found)| *found != Broken::Bytes), "{bug:?} {found:?}");
        assert!(others.is_empty(), "{bug:?} is found by {others:?}");
    }
}

/// KV-PARTS-1, KV-PARTS-2.
#[test]
fn what_does_not_travel_is_missed() {
    use Broken::{Reply, Slot, Stuck};
    for lost in [Lost::Floor, Lost::Records, Lost::Clock] {
        let found = hunt(InOrder, lost, 400);
        assert!(!found.is_empty(), "{lost:?} is not found");
        let expected = [Reply, Slot, Stuck, Broken::Bytes];
        assert!(found.iter().all(|(_, found)| expected.contains(found)), "{lost:?} {found:?}");
        println!("{lost:?} {found:?}");
    }
}
