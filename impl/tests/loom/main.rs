//! What a node's threads share, under every schedule and every order of memory that loom knows.
//!
//! Each test makes one claim with at most three threads, goes through all schedules, and must also have
//! met what it names: a claim about a race that never happened is no claim. Beside it stand seeded bugs:
//! the same scenario by rules that are wrong in one step, and loom must find a schedule in which it fails.
//!
//! What a scenario shares is in std's `Arc`: loom's panics when it is dropped after a deadlock was found.
//!
//! ```text
//! RUSTFLAGS="--cfg quorate_loom" cargo test --release -p quorate --test loom --target-dir target/loom
//! ```
#![cfg(quorate_loom)]

mod bugs;
mod gate;
mod mailbox;
mod report;
mod timer;
mod waiter;

use loom::model::Builder;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
// Not loom's: what the test itself notes is no part of the schedule.
use std::sync::{Arc, Mutex, PoisonError};

/// What was met, over all schedules.
#[derive(Clone, Default)]
struct Met(Arc<Mutex<BTreeSet<String>>>);

impl Met {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(what.into());
    }
}

/// How often a schedule may take the processor from a thread that could go on, where a bug is hunted.
const PREEMPTIONS: usize = 3;

/// Whatever the environment says.
fn every_schedule() -> Builder {
    let mut builder = Builder::new();
    builder.preemption_bound = None;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder
}

/// The claim holds in every schedule, and exactly these things were met.
fn holds(meets: &[&str], scenario: impl Fn(&Met) + Send + Sync + 'static) {
    let met = Met::default();
    let count = Arc::new(Mutex::new(0_u64));
    every_schedule().check({
        let (met, count) = (met.clone(), Arc::clone(&count));
        move || {
            *count.lock().expect("nobody panics here") += 1;
            scenario(&met);
        }
    });
    let count = *count.lock().expect("nobody panics here");
    println!("{count} schedules");
    assert!(count > 1, "nothing was tried");
    let met = met.0.lock().expect("nobody panics here");
    assert!(met.iter().eq(BTreeSet::from_iter(meets)), "met {met:?} and not {meets:?}");
}

/// In some schedule the scenario dies, and says this.
fn dies(says: &str, scenario: impl Fn(&Met) + Send + Sync + 'static) {
    let mut builder = every_schedule();
    builder.preemption_bound = Some(PREEMPTIONS);
    let run = || builder.check(move || scenario(&Met::default()));
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("the bug goes unnoticed");
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
    let text = text.expect("a panic has a text");
    assert!(text.contains(says), "it dies of something else: {text}");
}

/// What loom says of threads that wait for ever.
const DEADLOCK: &str = "deadlock";
