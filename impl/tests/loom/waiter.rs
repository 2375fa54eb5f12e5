//! The waiter.

use super::bugs::{GoesSilently, LooksAway, RingsFirst, TellsTheWind};
use super::{DEADLOCK, Met, dies, holds};
use loom::thread;
use quorate::monitor::Sound;
use quorate::sync::{AtomicBool, Ordering};
use quorate::waiter::{Abandoned, Rules, with_rules};
use std::sync::Arc;

/// SYNC-RING, SYNC-SLEEP. What is told is heard.
fn one_tells<R: Rules>(_: &Met) {
    let (teller, waiter) = with_rules::<u8, R>();
    let told = thread::spawn(move || teller.tell(7));
    assert_eq!(waiter.wait(), Ok(7));
    assert_eq!(told.join().expect("it ends"), Ok(()));
}

#[test]
fn what_is_told_is_heard() {
    holds(&[], one_tells::<Sound>);
}

#[test]
fn what_is_told_dies_if_the_bell_rings_first() {
    dies(DEADLOCK, one_tells::<RingsFirst>);
}

#[test]
fn what_is_told_dies_if_the_waiter_looks_away() {
    dies(DEADLOCK, one_tells::<LooksAway>);
}

/// WAIT-END. Who waits for a teller that goes is told so.
fn one_goes<R: Rules>(_: &Met) {
    let (teller, waiter) = with_rules::<u8, R>();
    let gone = thread::spawn(move || drop(teller));
    assert_eq!(waiter.wait(), Err(Abandoned));
    gone.join().expect("it ends");
}

#[test]
fn a_teller_that_goes_is_missed() {
    holds(&[], one_goes::<Sound>);
}

#[test]
fn a_teller_that_goes_dies_if_it_says_nothing() {
    dies(DEADLOCK, one_goes::<GoesSilently>);
}

/// WAIT-BACK. A waiter goes while it is told: the answer is dropped once or comes back, and comes back for
/// sure if the waiter had gone before.
fn nobody_hears<R: Rules>(met: &Met) {
    let gone = Arc::new(AtomicBool::new(false));
    let (teller, waiter) = with_rules::<Arc<()>, R>();
    let leaves = thread::spawn({
        let gone = Arc::clone(&gone);
        move || {
            drop(waiter);
            gone.store(true, Ordering::Release);
        }
    });
    let answer = Arc::new(());
    let had_gone = gone.load(Ordering::Acquire);
    let back = teller.tell(Arc::clone(&answer)).is_err();
    assert!(back || !had_gone, "nobody was there to hear it");
    leaves.join().expect("it ends");
    assert_eq!(Arc::strong_count(&answer), 1, "nobody has it");
    met.note(if back { "back" } else { "dropped" });
}

#[test]
fn an_answer_that_nobody_hears_comes_back() {
    holds(&["back", "dropped"], nobody_hears::<Sound>);
}

#[test]
fn an_answer_that_nobody_hears_dies_if_told_to_the_wind() {
    dies("nobody was there to hear it", nobody_hears::<TellsTheWind>);
}
