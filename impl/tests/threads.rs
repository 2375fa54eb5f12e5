#![cfg(not(quorate_loom))]
//! Mailboxes, gates, waiters and timers with real threads. What these tests meet by chance, `loom.rs`
//! goes through schedule by schedule.

use quorate::gate::{self, Gate};
use quorate::mailbox::{Mailbox, Refusal};
use quorate::sync::{AtomicU64, Ordering};
use quorate::timer::TimerThread;
use quorate::waiter::{Abandoned, waiter};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

fn take_all(mailbox: &Mailbox<(u64, u64)>) -> Vec<(u64, u64)> {
    let (mut all, mut some) = (Vec::new(), Vec::new());
    while mailbox.take(&mut some) {
        assert!(!some.is_empty(), "take returns with mail or not at all");
        all.append(&mut some);
    }
    all
}

#[test]
fn mail_of_many_arrives_once_and_in_order() {
    const PRODUCERS: u64 = 4;
    const EACH: u64 = 20_000;
    let mailbox = Mailbox::new(64);
    let owner = thread::spawn({
        let mailbox = mailbox.clone();
        move || take_all(&mailbox)
    });
    let producers = (0..PRODUCERS).map(|producer| {
        let mailbox = mailbox.clone();
        thread::spawn(move || {
            for number in 0..EACH {
                while let Err(refused) = mailbox.post((producer, number)) {
                    assert_eq!(refused.why, Refusal::Full, "it is open");
                    assert_eq!(refused.mail, (producer, number), "it comes back");
                    thread::yield_now();
                }
            }
        })
    });
    for producer in producers.collect::<Vec<_>>() {
        producer.join().expect("the producer ends");
    }
    mailbox.close();
    let all = owner.join().expect("the owner ends");
    for producer in 0..PRODUCERS {
        let its = all.iter().filter(|mail| mail.0 == producer).map(|mail| mail.1);
        assert!(its.eq(0..EACH), "all of producer {producer}, once and in order");
    }
}

#[test]
fn a_full_box_refuses_all_but_what_must_not_be_refused() {
    let mailbox = Mailbox::new(2);
    let mut many = vec![1, 2, 3, 4];
    assert_eq!(mailbox.post_many(&mut many), Err(Refusal::Full));
    assert_eq!(many, [3, 4], "what had no room is left");
    let refused = mailbox.post(5).expect_err("it is full");
    assert_eq!((refused.mail, refused.why), (5, Refusal::Full));
    mailbox.post_always(6).expect("this one has a bound of its own");
    let mut taken = vec![0];
    assert!(mailbox.try_take(&mut taken));
    assert_eq!(taken, [0, 1, 2, 6], "behind what was there");
    assert_eq!(mailbox.post_many(&mut many), Ok(()), "there is room again");
    assert_eq!(many, [0; 0]);
}

#[test]
fn a_closed_box_gives_out_what_it_has() {
    let mailbox = Mailbox::new(2);
    let mut taken = Vec::new();
    assert!(mailbox.try_take(&mut taken), "nothing now is not never");
    mailbox.post(1).expect("there is room");
    mailbox.close();
    assert_eq!(mailbox.post(2).expect_err("it is closed").why, Refusal::Closed);
    assert_eq!(mailbox.post_always(2).expect_err("it is closed").why, Refusal::Closed);
    assert_eq!(mailbox.post_many(&mut vec![2]), Err(Refusal::Closed));
    assert!(mailbox.take(&mut taken));
    assert_eq!(taken, [1]);
    assert!(!mailbox.take(&mut taken));
    assert!(!mailbox.try_take(&mut taken));
    assert_eq!(taken, [1]);
}

#[test]
fn a_waker_is_called_for_the_first_mail_and_the_end() {
    let calls = Arc::new(AtomicU64::new(0));
    let mailbox = Mailbox::with_waker(2, {
        let calls = Arc::clone(&calls);
        Box::new(move || {
            calls.fetch_add(1, Ordering::Relaxed);
        })
    });
    let called = || calls.swap(0, Ordering::Relaxed);
    mailbox.post_many(&mut Vec::new()).expect("nothing is never too much");
    assert_eq!(called(), 0, "no mail");
    mailbox.post_many(&mut vec![1, 2]).expect("there is room");
    assert_eq!(called(), 1, "the first mail");
    mailbox.post(3).expect_err("it is full");
    mailbox.post_always(4).expect("it is open");
    assert_eq!(called(), 0, "there was mail");
    assert!(mailbox.try_take(&mut Vec::new()));
    mailbox.post(5).expect("there is room");
    assert_eq!(called(), 1, "the first again");
    mailbox.close();
    assert_eq!(called(), 1, "the end");
}

#[test]
fn what_is_filled_is_taken_once_and_in_order() {
    const CORES: u64 = 3;
    const EACH: u64 = 20_000;
    let gate = Gate::new(Vec::new());
    let disk = thread::spawn({
        let gate = gate.clone();
        move || {
            let (mut all, mut empty) = (Vec::new(), Vec::new());
            while let Some(mut filled) = gate.take(empty) {
                assert!(!filled.is_empty(), "take returns with something or not at all");
                all.append(&mut filled);
                empty = filled;
            }
            all
        }
    });
    let cores = (0..CORES).map(|core| {
        let gate = gate.clone();
        thread::spawn(move || {
            for number in 0..EACH {
                let fill = |buffer: &mut Vec<_>| buffer.push((core, number));
                gate.fill(fill).expect("it is open");
            }
        })
    });
    for core in cores.collect::<Vec<_>>() {
        core.join().expect("the core ends");
    }
    gate.close();
    assert_eq!(gate.fill(|_| ()), Err(gate::Closed));
    let all = disk.join().expect("the disk thread ends");
    for core in 0..CORES {
        let its = all.iter().filter(|it| it.0 == core).map(|it| it.1);
        assert!(its.eq(0..EACH), "all of core {core}, once and in order");
    }
}

#[test]
fn a_waiter_hears_what_is_told() {
    let (teller, waiting) = waiter();
    let teller = thread::spawn(move || teller.tell(7));
    assert_eq!(waiting.wait(), Ok(7));
    assert_eq!(teller.join().expect("it ends"), Ok(()));
}

#[test]
fn a_waiter_hears_that_nobody_will_tell() {
    let (teller, waiting) = waiter::<u64>();
    let teller = thread::spawn(move || {
        let _teller = teller;
        panic!("a thread that dies, on purpose");
    });
    assert_eq!(waiting.wait(), Err(Abandoned));
    teller.join().expect_err("it panicked");
}

#[test]
fn an_answer_without_a_waiter_comes_back() {
    let (teller, waiting) = waiter();
    drop(waiting);
    assert_eq!(teller.tell(7), Err(7));
    let answer = Arc::new(7);
    let (teller, waiting) = waiter();
    assert_eq!(teller.tell(Arc::clone(&answer)), Ok(()));
    drop(waiting);
    assert_eq!(Arc::strong_count(&answer), 1, "an answer that nobody fetched is dropped");
}

/// Timers of the real clock: each says when it fired.
fn timer_thread() -> (TimerThread<3>, Mailbox<(usize, u64, u64)>, impl Fn() -> u64) {
    let start = Instant::now();
    let now = move || start.elapsed().as_micros().try_into().expect("the test ends in time");
    let mailbox = Mailbox::new(1);
    let fired = mailbox.clone();
    let fire = move |slot, generation| {
        fired.post_always((slot, generation, now())).expect("it is open");
    };
    (TimerThread::spawn(now, fire).expect("there is a thread"), mailbox, now)
}

fn take(mailbox: &Mailbox<(usize, u64, u64)>, mails: usize) -> Vec<(usize, u64, u64)> {
    let mut taken = Vec::new();
    while taken.len() < mails {
        assert!(mailbox.take(&mut taken), "it is open");
    }
    taken
}

#[test]
fn timers_fire_once_and_not_early() {
    let (thread, fired, now) = timer_thread();
    let start_us = now();
    let deadlines = [60_000, 30_000, 90_000].map(|later_us| start_us + later_us);
    for (slot, at_us) in deadlines.into_iter().enumerate() {
        thread.timers().arm(slot, at_us, at_us);
    }
    let fires = take(&fired, 3);
    for (slot, generation, at_us) in &fires {
        assert_eq!(*generation, deadlines[*slot], "it is of the arm");
        assert!(*at_us >= deadlines[*slot], "it is not early");
    }
    let mut slots: Vec<usize> = fires.iter().map(|fire| fire.0).collect();
    slots.sort_unstable();
    assert_eq!(slots, [0, 1, 2], "each once");
    drop(thread);
    let mut more = Vec::new();
    fired.try_take(&mut more);
    assert_eq!(more, [], "and no more than once");
}

#[test]
fn an_earlier_deadline_wakes_the_thread() {
    let (thread, fired, now) = timer_thread();
    // Were the thread to sleep on until this one, the test would not end.
    thread.timers().arm(0, u64::MAX, 1);
    for generation in 2..50 {
        thread.timers().arm(1, now() + 100, generation);
        let fires = take(&fired, 1);
        assert_eq!((fires[0].0, fires[0].1), (1, generation));
    }
}

#[test]
fn what_is_armed_anew_or_disarmed_does_not_fire() {
    let (thread, fired, now) = timer_thread();
    let hour_us = 3_600_000_000;
    thread.timers().arm(0, now() + hour_us, 1);
    thread.timers().arm(1, now() + hour_us, 1);
    thread.timers().disarm(0);
    for generation in 2..100 {
        thread.timers().arm(1, now() + hour_us, generation);
    }
    thread.timers().arm(2, now(), 5);
    let fires = take(&fired, 1);
    assert_eq!((fires[0].0, fires[0].1), (2, 5));
    drop(thread);
    let mut more = Vec::new();
    fired.try_take(&mut more);
    assert_eq!(more, [], "the hour is not over");
}

/// A core arms a timer anew again and again, sometimes in time and sometimes not: what fires has been
/// armed, nothing fires twice, the last one always does.
#[test]
fn a_timer_that_is_armed_anew_fires_at_most_once_each() {
    let (thread, fired, now) = timer_thread();
    const LAST: u64 = 50_000;
    for generation in 1..=LAST {
        thread.timers().arm(0, now() + generation % 3, generation);
    }
    let mut fires = take(&fired, 1);
    while fires.last().map(|fire| fire.1) != Some(LAST) {
        fires.append(&mut take(&fired, 1));
    }
    assert!(fires.is_sorted_by(|a, b| a.1 < b.1), "each at most once, in the order of the arms");
}

#[test]
fn a_panic_at_the_gate_is_everybodys() {
    let gate = Gate::new(0);
    let core = thread::spawn({
        let gate = gate.clone();
        move || gate.fill(|_| panic!("a core that dies while it fills, on purpose"))
    });
    core.join().expect_err("it panicked");
    let disk = thread::spawn(move || gate.take(0));
    let panic = disk.join().expect_err("what is in the buffer may be half a record");
    let text = panic.downcast_ref::<String>().expect("it has a message");
    assert!(text.contains("panicked while it held this lock"), "{text}");
}

#[test]
#[cfg(debug_assertions)]
fn no_thread_holds_two_locks() {
    use quorate::sync::Mutex;
    let (one, two) = (Mutex::new(()), Mutex::new(()));
    drop(one.lock());
    drop(two.lock());
    let held = one.lock();
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(two.lock())))
        .expect_err("the second one is refused");
    drop(held);
    drop(two.lock());
}
