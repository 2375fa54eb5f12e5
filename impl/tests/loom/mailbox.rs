//! The mailbox.

use super::bugs::{EndsAtOnce, LooksAway, RefusesTheLast, RingsFirst, WakesForOne};
use super::{DEADLOCK, Met, dies, holds};
use loom::sync::{Condvar, Mutex};
use loom::thread;
use quorate::mailbox::{Mailbox, Refusal, Rules};
use quorate::monitor::Sound;
use std::sync::Arc;

/// Takes until there are so many.
fn take<R: Rules>(mailbox: &Mailbox<(u8, u8), R>, mails: usize) -> Vec<(u8, u8)> {
    let mut taken = Vec::new();
    while taken.len() < mails {
        assert!(mailbox.take(&mut taken), "it is open");
    }
    taken
}

fn of(producer: u8, mails: &[(u8, u8)]) -> Vec<u8> {
    mails.iter().filter(|mail| mail.0 == producer).map(|mail| mail.1).collect()
}

/// SYNC-RING, SYNC-SLEEP. Two producers; who waits for their mail gets it.
fn two_post<R: Rules>(met: &Met) {
    let mailbox = Mailbox::<_, R>::with_rules(2, None);
    let producers = [0, 1].map(|producer| {
        let mailbox = mailbox.clone();
        thread::spawn(move || mailbox.post((producer, 0)).expect("there is room for two"))
    });
    let mut taken = take(&mailbox, 2);
    met.note(format!("{} before {}", taken[0].0, taken[1].0));
    taken.sort_unstable();
    assert_eq!(taken, [(0, 0), (1, 0)], "each once");
    for producer in producers {
        producer.join().expect("it ends");
    }
}

#[test]
fn nothing_is_lost_or_doubled() {
    holds(&["0 before 1", "1 before 0"], two_post::<Sound>);
}

#[test]
fn nothing_is_lost_dies_if_the_bell_rings_first() {
    dies(DEADLOCK, two_post::<RingsFirst>);
}

#[test]
fn nothing_is_lost_dies_if_the_owner_looks_away() {
    dies(DEADLOCK, two_post::<LooksAway>);
}

#[test]
fn full_is_said_when_full_dies_if_the_last_is_refused() {
    dies("there is room for two", two_post::<RefusesTheLast>);
}

/// Each producer's mail arrives in its order, and what was posted together stays together.
fn two_post_two<R: Rules>(met: &Met) {
    let mailbox = Mailbox::<_, R>::with_rules(4, None);
    let producers = [0, 1].map(|producer| {
        let mailbox = mailbox.clone();
        thread::spawn(move || {
            if producer == 0 {
                let mut mails = vec![(0, 0), (0, 1)];
                mailbox.post_many(&mut mails).expect("there is room for four");
            } else {
                mailbox.post((1, 0)).expect("there is room for four");
                mailbox.post((1, 1)).expect("there is room for four");
            }
        })
    });
    let taken = take(&mailbox, 4);
    assert_eq!(of(0, &taken), [0, 1], "in order");
    assert_eq!(of(1, &taken), [0, 1], "in order");
    let first = taken.iter().position(|mail| mail.0 == 0).expect("it is there");
    assert_eq!(taken[first + 1], (0, 1), "together");
    met.note(format!("many at {first}"));
    for producer in producers {
        producer.join().expect("it ends");
    }
}

#[test]
fn mail_keeps_its_order() {
    let meets = ["many at 0", "many at 1", "many at 2"];
    holds(&meets, two_post_two::<Sound>);
}

/// MAIL-LAST. One posts and one closes: whatever was accepted is taken, and then it is over.
fn one_posts_one_closes<R: Rules>(met: &Met) {
    let mailbox = Mailbox::<_, R>::with_rules(2, None);
    let producer = thread::spawn({
        let mailbox = mailbox.clone();
        move || [0, 1].map(|number| mailbox.post_always((0, number)).is_ok())
    });
    let closer = thread::spawn({
        let mailbox = mailbox.clone();
        move || mailbox.close()
    });
    let mut taken = Vec::new();
    while mailbox.take(&mut taken) {}
    let accepted = producer.join().expect("it ends");
    closer.join().expect("it ends");
    let accepted = accepted.into_iter().filter(|accepted| *accepted).count();
    assert_eq!(taken.len(), accepted, "what was accepted is taken");
    assert!(mailbox.post((0, 2)).is_err_and(|refused| refused.why == Refusal::Closed));
    met.note(format!("{accepted} accepted"));
}

#[test]
fn a_closed_box_is_emptied_first() {
    let meets = ["0 accepted", "1 accepted", "2 accepted"];
    holds(&meets, one_posts_one_closes::<Sound>);
}

#[test]
fn a_closed_box_dies_if_it_ends_at_once() {
    dies("what was accepted is taken", one_posts_one_closes::<EndsAtOnce>);
}

#[test]
fn a_closed_box_dies_if_the_owner_looks_away() {
    dies(DEADLOCK, one_posts_one_closes::<LooksAway>);
}

/// MAIL-BOUND. Two producers and an owner that takes once: of four mails, two at a time fit.
fn more_than_fit(met: &Met) {
    let mailbox = Mailbox::new(2);
    let producers = [0, 1].map(|producer| {
        let mailbox = mailbox.clone();
        thread::spawn(move || {
            let mut mails = vec![(producer, 0), (producer, 1)];
            let said = mailbox.post_many(&mut mails);
            assert_eq!(said, if mails.is_empty() { Ok(()) } else { Err(Refusal::Full) });
            2 - mails.len()
        })
    });
    let mut taken = Vec::new();
    assert!(mailbox.try_take(&mut taken), "it is open");
    let accepted: usize = producers.map(|it| it.join().expect("it ends")).iter().sum();
    let early = taken.len();
    // Both came before the owner, or one after: refused is what has no room, and nothing else.
    assert!(accepted == 2 || early == 2 && accepted == 4, "{early} taken, {accepted} accepted");
    assert!(mailbox.try_take(&mut taken), "it is open");
    assert_eq!(taken.len(), accepted, "what was accepted is taken");
    met.note(format!("{early} of {accepted} early"));
}

#[test]
fn full_is_said_when_full_and_only_then() {
    holds(&["0 of 2 early", "2 of 2 early", "2 of 4 early"], more_than_fit);
}

/// MAIL-WAKE. An owner that sleeps elsewhere, until the waker is called.
fn wakes_an_event_loop<R: Rules>(met: &Met) {
    let called = Arc::new((Mutex::new(false), Condvar::new()));
    let waker = {
        let called = Arc::clone(&called);
        move || {
            *called.0.lock().expect("nobody panics") = true;
            called.1.notify_one();
        }
    };
    let mailbox = Mailbox::<_, R>::with_rules(3, Some(Box::new(waker)));
    let producer = thread::spawn({
        let mailbox = mailbox.clone();
        move || {
            mailbox.post_many(&mut vec![0, 1]).expect("there is room");
            mailbox.post(2).expect("there is room");
        }
    });
    let (mut taken, mut sleeps) = (Vec::new(), 0);
    while mailbox.try_take(&mut taken) && taken.len() < 3 {
        let mut woken = called.0.lock().expect("nobody panics");
        while !*woken {
            sleeps += 1;
            woken = called.1.wait(woken).expect("nobody panics");
        }
        *woken = false;
    }
    assert_eq!(taken, [0, 1, 2]);
    met.note(format!("{sleeps} sleeps"));
    producer.join().expect("it ends");
}

#[test]
fn an_event_loop_is_woken() {
    let meets = ["0 sleeps", "1 sleeps", "2 sleeps"];
    holds(&meets, wakes_an_event_loop::<Sound>);
}

#[test]
fn an_event_loop_dies_if_only_one_mail_wakes() {
    dies(DEADLOCK, wakes_an_event_loop::<WakesForOne>);
}
