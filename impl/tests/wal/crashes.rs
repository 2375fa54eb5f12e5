//! Random lives with crashes at any change of the disk: nothing acknowledged is lost, nothing that was
//! cut off comes back, and no crash is taken for damage.

use super::cases::{Case, Reached, case, live};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use quorate::wal::{Rules, Sound};
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// Lives so many cases from a seed. The error is the smallest case that went wrong, and how.
pub fn explore(rules: impl Rules, cases: u32, seed: u64, shrink: u32) -> Result<Reached, String> {
    let config = Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: shrink,
        ..Config::default()
    };
    let reached = Cell::new(Reached::default());
    let one = |case: Case| {
        let mut now = reached.get();
        let result = live(rules, &case, &mut now);
        reached.set(now);
        result.map_err(TestCaseError::fail)
    };
    let result = TestRunner::new(config).run(&case(), one);
    result.map(|()| reached.get()).map_err(|failure| format!("seed {seed}: {failure}"))
}

/// A number that somebody may set: proptest's own variables, so that a failure can be lived again and a long
/// hunt takes no change of the code.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// WAL-SEED, WAL-MARK-1, WAL-TAIL-1, WAL-TAIL-2, WAL-ROLL-1, WAL-ROLL-2, WAL-ROLL-3, WAL-PIN, WAL-SYNC, WAL-FATAL.
#[test]
fn no_crash_loses_or_resurrects_anything() {
    let seed = setting("PROPTEST_RNG_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    let cases = setting("PROPTEST_CASES").map_or(12_000, |cases| cases as u32);
    let reached = explore(Sound, cases, seed, 4096).unwrap_or_else(|failure| panic!("{failure}"));
    println!("seed {seed}: {reached:?}");
    let Reached { crashes, crashes_at_start, failed_syncs, full, .. } = reached;
    let Reached { tails_cut, lucky, lost, rolls, removals, .. } = reached;
    let faults = [crashes, crashes_at_start, failed_syncs, full];
    for count in faults.into_iter().chain([tails_cut, lucky, lost, rolls, removals]) {
        assert!(count >= cases / 100, "seed {seed}: the cases meet too little: {reached:?}");
    }
}
