//! The tests, tested: logs that are wrong in one rule, and what each dies of.

use super::crashes::explore;
use super::damage::flip_every_bit;
use quorate::wal::{Rules, Sound};
use std::collections::BTreeSet;
use std::io;

/// A wrong log, and its one wrong rule.
macro_rules! bug {
    ($name:ident, $($rule:item)+) => {
        #[derive(Clone, Copy, Debug)]
        struct $name;

        impl Rules for $name {
            $($rule)+
        }
    };
}

bug! {
    // WAL-SEED: a batch of any generation is taken, if it stands where it stood.
    ForgetsGeneration,
    fn seed(&self, _: u64) -> u32 {
        0
    }
    fn is_of(&self, _: u64, _: u64) -> bool {
        true
    }
}
bug! {
    // WAL-MARK-1: what is only written is said to be durable.
    MarksTooMuch,
    fn durable_mark(&self, _: u64, written: u64) -> u64 {
        written
    }
}
bug! {
    // WAL-MARK-1: nothing but the opening is ever said to be durable.
    MarksNothing,
    fn durable_mark(&self, _: u64, _: u64) -> u64 {
        0
    }
}
bug! {
    // WAL-MARK-2: all bad bytes are a torn tail.
    TakesDamageForTorn,
    fn is_damage(&self, _: u64, _: u64) -> bool {
        false
    }
}
bug! {
    // WAL-MARK-2: a later batch is proof enough.
    TakesTornForDamage,
    fn is_damage(&self, _: u64, _: u64) -> bool {
        true
    }
}
bug! {
    // WAL-TAIL-1: a second sync is trusted after the first has failed.
    TrustsSecondSync,
    fn rewrites_tail(&self) -> bool {
        false
    }
}
bug! {
    // WAL-TAIL-2: what is in the cache counts.
    TrustsCache,
    fn syncs_tail(&self) -> bool {
        false
    }
}
bug! {
    // WAL-ROLL-1: a segment has its name before it is durable.
    NamesFirst,
    fn syncs_before_name(&self) -> bool {
        false
    }
}
bug! {
    // WAL-ROLL-2: names are left to luck.
    ForgetsFolder,
    fn syncs_folder(&self) -> bool {
        false
    }
}
bug! {
    // WAL-ROLL-3: old segments go before the new one, which has the copies, is durable.
    RemovesFirst,
    fn removes_last(&self) -> bool {
        false
    }
}
bug! {
    // WAL-ROLL-4: what was reserved stays behind the end of a segment that is not the last.
    KeepsReserve,
    fn cuts_reserve(&self) -> bool {
        false
    }
}
bug! {
    // WAL-PIN: old segments go whether they are needed or not.
    RemovesPinned,
    fn may_remove(&self, _: u64, _: u64) -> bool {
        true
    }
}
bug! {
    // WAL-SYNC: a sync that fails counts.
    SwallowsErrors,
    fn sync_result(&self, _: io::Result<()>) -> io::Result<()> {
        Ok(())
    }
}
bug! {
    // WAL-FATAL: after an error the log takes a second sync at its word.
    GoesOn,
    fn stops_at_error(&self) -> bool {
        false
    }
}

/// A crash was taken for damage, or the disk is not what a server may boot from.
const REFUSED: &str = "refused: ";
/// Something acknowledged is gone, or something came back.
const WRONG: &str = "acknowledged was";

/// Seeds are fixed, so a bug that is found once is found always.
fn dies_of_crashes(bug: impl Rules, how: &str) {
    let found = explore(bug, 5000, 1, 0);
    let death = found.expect_err(&format!("{bug:?} survives"));
    println!("{bug:?} dies: {}", death.chars().take(300).collect::<String>());
    assert!(death.contains(how), "{bug:?} dies of something else: {death}");
}

#[test]
fn stale_blocks_are_noticed() {
    dies_of_crashes(ForgetsGeneration, REFUSED);
}

#[test]
fn false_marks_are_noticed() {
    dies_of_crashes(MarksTooMuch, REFUSED);
    dies_of_crashes(TakesTornForDamage, REFUSED);
}

#[test]
fn an_unsettled_tail_is_noticed() {
    dies_of_crashes(TrustsSecondSync, REFUSED);
    dies_of_crashes(TrustsCache, REFUSED);
}

#[test]
fn names_left_to_luck_are_noticed() {
    dies_of_crashes(NamesFirst, REFUSED);
    dies_of_crashes(ForgetsFolder, REFUSED);
}

#[test]
fn early_removals_are_noticed() {
    dies_of_crashes(RemovesFirst, WRONG);
    dies_of_crashes(RemovesPinned, REFUSED);
}

#[test]
fn a_reserve_that_stays_is_noticed() {
    dies_of_crashes(KeepsReserve, REFUSED);
}

#[test]
fn forgotten_errors_are_noticed() {
    dies_of_crashes(SwallowsErrors, WRONG);
    dies_of_crashes(GoesOn, WRONG);
}

#[test]
fn overlooked_damage_is_noticed() {
    flip_every_bit(Sound).expect("the right rules overlook nothing");
    for found in [flip_every_bit(TakesDamageForTorn), flip_every_bit(MarksNothing)] {
        let death = found.expect_err("the bug survives");
        assert!(death.contains("was to be refused"), "it dies of something else: {death}");
    }
}

/// A rule that no bug breaks would be a rule that nothing tests.
#[test]
fn every_rule_has_its_bug() {
    let rules = include_str!("../../src/wal/rules.rs");
    let ids = rules.split_whitespace().filter(|word| word.starts_with("WAL-"));
    let ids: BTreeSet<&str> = ids.map(|id| id.trim_end_matches('.')).collect();
    assert_eq!(ids.len(), 12, "{ids:?}");
    for id in ids {
        assert!(include_str!("bugs.rs").contains(&format!("// {id}: ")), "{id} has no bug");
        assert!(include_str!("../../WAL.md").contains(id), "{id} is not in WAL.md");
    }
}
