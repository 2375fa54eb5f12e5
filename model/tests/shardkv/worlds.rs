//! Random worlds with the right rules, which find nothing, and with wrong ones, each of which is found by what it
//! breaks.

use super::seen::Seen;
use super::world::{Broken, World};
use model::shardkv::Bug::{
    AdvancesAgain, AnyOrder, BelievesStale, CallsOffFrozen, ClockStays, DeletesWhenSent,
    FloorStays, GivesUpUnasked, InstallsAnything, LeavesBegun, NoLastDifference, ObeysStale,
    Overtakes, ReadsAnywhere, RecordsStay, SaysCalledOff, SaysFinished, ServesFrozen, ServesTaking,
    TakesStale, WaitsForTaking,
};
use model::shardkv::{Bug, Wrong};
use protocol::kv::{self, Exact};
use protocol::shardkv::{InOrder, Rules};

const STEPS: usize = 1_500;

/// What the first worlds find that find something, and by which seeds.
fn hunt<R: Rules, K: kv::Rules>(rules: R, store: K, seeds: u64) -> Vec<(u64, Broken)> {
    let find = |seed| World::new(rules, store, seed).run(STEPS).err().map(|broken| (seed, broken));
    (0..seeds).filter_map(find).take(12).collect()
}

/// SHARD-SERVE-1, SHARD-SERVE-2, SHARD-ADVANCE-1, SHARD-ADVANCE-2, SHARD-CANCEL-1, SHARD-CANCEL-2, SHARD-FREEZE-1,
/// SHARD-FREEZE-2, SHARD-STAGE-1, SHARD-INSTALL-1, SHARD-INSTALL-2, SHARD-DELETE-1, SHARD-DELETE-2,
/// SHARD-FINISHED-1, SHARD-RESUME-1, SHARD-COPY-1.
#[test]
fn whatever_is_lost_late_or_repeated_a_slot_has_one_group_and_all_of_its_past() {
    let mut all = Seen::default();
    for seed in 0..400 {
        let mut world = World::new(InOrder, Exact, seed);
        let found = world.run(STEPS);
        assert_eq!(found, Ok(()), "seed {seed}: {:?}", world.seen);
        all.add(&world.seen);
    }
    all.assert_all_seen();
}

/// What a bug may be found by. A state that no group has may also be found when it is read from its bytes.
fn assert_found(name: &str, found: &[(u64, Broken)], expected: &[Broken]) {
    assert!(found.iter().any(|(_, found)| expected.contains(found)), "{name} is not found");
    let is_other = |found: &Broken| *found != Broken::Bytes && !expected.contains(found);
    let other = found.iter().find(|(_, found)| is_other(found));
    assert!(other.is_none(), "{name} is found by {other:?}");
}

#[test]
fn every_wrong_rule_is_found_by_what_it_breaks() {
    use Broken::{Homeless, Reply, Slot, Stuck, TwoServe};
    let hunts: [(Bug, &[Broken]); 18] = [
        (ServesTaking, &[TwoServe]),
        (ServesFrozen, &[TwoServe, Reply]),
        (ReadsAnywhere, &[Reply]),
        (AdvancesAgain, &[TwoServe, Stuck, Reply, Homeless]),
        (Overtakes, &[TwoServe, Reply, Stuck]),
        (CallsOffFrozen, &[TwoServe, Reply]),
        (GivesUpUnasked, &[Reply, Stuck]),
        (SaysCalledOff, &[Reply, Stuck]),
        (ObeysStale, &[Stuck, Reply]),
        (WaitsForTaking, &[Stuck]),
        (TakesStale, &[TwoServe, Reply, Slot, Stuck]),
        (InstallsAnything, &[Reply, Slot]),
        (AnyOrder, &[Reply, Slot, Stuck]),
        (DeletesWhenSent, &[Stuck]),
        (BelievesStale, &[Stuck, Reply]),
        (SaysFinished, &[Stuck]),
        (LeavesBegun, &[Stuck]),
        (NoLastDifference, &[Reply, Slot]),
    ];
    for (bug, expected) in hunts {
        assert_found(&format!("{bug:?}"), &hunt(Wrong(bug), Exact, 1_000), expected);
    }
}

/// PARTS-1, PARTS-2.
#[test]
fn what_does_not_travel_is_missed() {
    use Broken::{Reply, Slot, Stuck};
    let hunts: [(Bug, &[Broken]); 3] = [
        (FloorStays, &[Reply, Slot]),
        (RecordsStay, &[Reply, Slot]),
        (ClockStays, &[Reply, Slot, Stuck]),
    ];
    for (bug, expected) in hunts {
        assert_found(&format!("{bug:?}"), &hunt(InOrder, Wrong(bug), 400), expected);
    }
}
