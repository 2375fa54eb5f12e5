//! The timers.

use super::bugs::{LetsItSleep, MixesArms, NoFence, SaysItLate, TakesBlindly};
use super::{DEADLOCK, Met, dies, holds};
use loom::thread;
use quorate::timer::{Rules, Sound, Timers};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// The timer thread, and beside it a core, which owns the timers. Returns what fired, and the core's
/// answer.
///
/// The main thread only waits for both: loom's `unpark` may not meet a thread that waits for something
/// else than in `park`.
fn run<const N: usize, R: Rules, X: 'static>(
    before: fn(&Timers<N, R>),
    core: fn(&Timers<N, R>) -> X,
    run: fn(&Timers<N, R>) -> Fired,
) -> (Fired, X) {
    let thread = thread::spawn(move || {
        let me = thread::current();
        let timers = Arc::new(Timers::with_rules(Box::new(move || me.unpark())));
        before(&timers);
        // Whatever `before` armed has unparked this thread: used up, or it would hide a lost wake-up.
        thread::park();
        let core = thread::spawn({
            let timers = Arc::clone(&timers);
            move || core(&timers)
        });
        (run(&timers), core)
    });
    let (fired, core) = thread.join().expect("it ends");
    (fired, core.join().expect("it ends"))
}

/// Slots and generations, in the order in which they fired.
type Fired = Vec<(usize, u64)>;

/// Runs the timers at 100, where the clock stands still, until they are stopped from here, after `last`
/// has fired, or elsewhere.
fn until<const N: usize, R: Rules>(timers: &Timers<N, R>, last: impl Fn(&Fired) -> bool) -> Fired {
    let mut fired = Vec::new();
    let fire = |slot, generation| {
        fired.push((slot, generation));
        if last(&fired) {
            timers.stop();
        }
    };
    timers.run(|| 100, |_| thread::park(), fire);
    fired
}

/// TIMER-WAKE. A thread that sleeps without a deadline, or with a late one, is woken by what is armed.
fn one_arms<R: Rules>(met: &Met) {
    let (fired, ()) = run::<3, R, _>(
        |timers| timers.arm(0, 1_000, 1),
        |timers| {
            timers.arm(2, 20, 2);
            timers.arm(1, 10, 3);
        },
        |timers| until(timers, |fired| fired.len() == 2),
    );
    met.note(format!("{fired:?}"));
    assert!(fired.contains(&(1, 3)) && fired.contains(&(2, 2)), "each once: {fired:?}");
}

#[test]
fn what_is_armed_fires_once() {
    let meets = ["[(1, 3), (2, 2)]", "[(2, 2), (1, 3)]"];
    holds(&meets, one_arms::<Sound>);
}

#[test]
fn what_is_armed_dies_if_the_thread_sleeps_on() {
    dies(DEADLOCK, one_arms::<LetsItSleep>);
}

/// TIMER-FENCE, TIMER-SCAN. The thread wakes for one deadline while a later one is armed. Here time passes by
/// parking: a deadline is always reached, and who parks without one is woken or sleeps for ever.
fn one_arms_during_the_scan<R: Rules>(met: &Met) {
    let (fired, ()) = run::<2, R, _>(
        |timers| timers.arm(1, 10, 1),
        |timers| timers.arm(0, 20, 2),
        |timers| {
            let now_us = Cell::new(0);
            let park = |left: Option<Duration>| match left {
                Some(left) => {
                    now_us.set(now_us.get() + u64::try_from(left.as_micros()).expect("few"))
                }
                None => thread::park(),
            };
            let mut fired = Vec::new();
            let fire = |slot, generation| {
                fired.push((slot, generation));
                if fired.len() == 2 {
                    timers.stop();
                }
            };
            timers.run(|| now_us.get(), park, fire);
            fired
        },
    );
    assert_eq!(fired, [(1, 1), (0, 2)], "each once, in the order of time");
    met.note("both");
}

#[test]
fn what_is_armed_during_the_scan_fires_once() {
    holds(&["both"], one_arms_during_the_scan::<Sound>);
}

#[test]
fn what_is_armed_during_the_scan_dies_if_said_late() {
    dies(DEADLOCK, one_arms_during_the_scan::<SaysItLate>);
}

#[test]
fn what_is_armed_during_the_scan_dies_without_the_fence() {
    dies(DEADLOCK, one_arms_during_the_scan::<NoFence>);
}

/// TIMER-ONCE. A timer that is due is armed anew: the new one fires, the old one may have, before.
fn one_arms_anew<R: Rules>(met: &Met) {
    let (fired, ()) = run::<1, R, _>(
        |timers| timers.arm(0, 10, 1),
        |timers| timers.arm(0, 20, 2),
        |timers| until(timers, |fired| fired.ends_with(&[(0, 2)])),
    );
    met.note(format!("{fired:?}"));
    assert!(fired == [(0, 2)] || fired == [(0, 1), (0, 2)], "{fired:?}");
}

#[test]
fn what_is_armed_anew_fires_once() {
    holds(&["[(0, 1), (0, 2)]", "[(0, 2)]"], one_arms_anew::<Sound>);
}

#[test]
fn what_is_armed_anew_dies_if_taken_blindly() {
    dies(DEADLOCK, one_arms_anew::<TakesBlindly>);
}

/// TIMER-PAIR. A timer that is due is armed for later, or disarmed: the later one does not fire early, and
/// after the end of both the thread stops.
fn one_puts_off<R: Rules>(met: &Met) {
    let (fired, disarmed) = run::<2, R, _>(
        |timers| {
            timers.arm(0, 10, 1);
            timers.arm(1, 10, 1);
        },
        |timers| {
            timers.arm(0, 1_000, 2);
            let disarmed = timers.disarm(1);
            timers.stop();
            disarmed
        },
        |timers| until(timers, |_| false),
    );
    let early = fired.iter().any(|(_, generation)| *generation == 2);
    assert!(!early, "its time has not come");
    assert_eq!(disarmed, !fired.contains(&(1, 1)), "disarmed is what does not fire");
    assert!(fired.is_sorted() && fired.len() <= 2, "each at most once: {fired:?}");
    met.note(format!("{fired:?}"));
}

#[test]
fn what_is_put_off_does_not_fire_early() {
    let meets = ["[(0, 1), (1, 1)]", "[(0, 1)]", "[(1, 1)]", "[]"];
    holds(&meets, one_puts_off::<Sound>);
}

#[test]
fn what_is_put_off_dies_if_arms_are_mixed() {
    dies("its time has not come", one_puts_off::<MixesArms>);
}
