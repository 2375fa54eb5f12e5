//! How jobs end.

use super::*;
use protocol::mr::{Ending, Fault, Limits, Timer};
use std::collections::BTreeSet;

fn over(effects: &[Effect<&'static str>]) -> bool {
    effects.contains(&Effect::Over(Ending::Done))
}

/// MR-OVER-1, MR-OVER-2, MR-DISK-3, MR-DISK-4: a reduce's winner, its name, the end, the workers, and then the
/// coordinator.
#[test]
fn a_job_ends_step_by_step() {
    let mut office = Office::new(spec(1, 1));
    office.hello(worker(1));
    office.hello(worker(2));
    office.finish(worker(1), attempt(map(0), 1));
    let last = attempt(reduce(0), 1);
    office.taken();
    office.fast = false;
    office.finish(worker(1), last);
    assert!(!office.taken().contains(&Effect::Publish(last)), "the disk does not know");
    office.sync();
    let effects = office.taken();
    assert!(effects.contains(&Effect::Publish(last)) && !over(&effects));
    assert!(effects.contains(&Effect::Journal(Record::Over(Ending::Done))), "{effects:?}");
    office.sync();
    let effects = office.taken();
    assert!(over(&effects), "{effects:?}");
    for id in 1..=2 {
        assert!(effects.contains(&Effect::Send(worker(id), Order::Over(Ending::Done))));
    }
    office.hello(worker(3));
    assert_eq!(office.orders(), [(3, Order::Over(Ending::Done))], "who comes late is told too");
    office.tell(Input::Gone(worker(1)));
    office.tell(Input::Gone(worker(3)));
    assert!(!office.taken().contains(&Effect::Exit));
    office.tell(Input::Gone(worker(2)));
    assert!(office.taken().contains(&Effect::Exit));
    assert_eq!(office.coordinator.ending(), Some(&Ending::Done));
}

/// Who does not take the end must not hold up the coordinator for ever.
#[test]
fn a_worker_has_some_time_to_leave() {
    let mut office = Office::new(spec(0, 1));
    office.hello(worker(1));
    office.finish(worker(1), attempt(reduce(0), 1));
    assert!(office.taken().contains(&Effect::Arm(Timer::Farewell)));
    office.tell(Input::Fired(Timer::Farewell));
    assert!(office.taken().contains(&Effect::Exit));
}

/// No input: as many outputs all the same. No tasks at all: it is over when it has begun.
#[test]
fn jobs_without_input_end() {
    let mut office = Office::new(spec(0, 2));
    office.hello(worker(1));
    assert_eq!(office.runs(), [(1, attempt(reduce(0), 1))]);
    office.finish(worker(1), attempt(reduce(0), 1));
    office.finish(worker(1), attempt(reduce(1), 1));
    assert!(over(&office.taken()));
    assert!(over(&Office::new(spec(0, 0)).taken()));
    // No reduces: the maps' outputs are all there is.
    let mut office = Office::new(spec(1, 0));
    office.hello(worker(1));
    office.finish(worker(1), attempt(map(0), 1));
    assert!(over(&office.taken()));
}

/// MR-FAIL-1, MR-FAIL-2: the task's own failures, or others, too often; and the last cause is told.
#[test]
fn a_task_that_fails_too_often_fails_the_job() {
    let fails = |office: &mut Office, number, at| {
        let report = Report::Failed { attempt: attempt(map(0), number), at, cause: "exit 1" };
        office.report(worker(1), report);
    };
    let mut office = Office::new(spec(1, 1));
    office.hello(worker(1));
    for number in 1..=4 {
        assert_eq!(office.coordinator.ending(), None);
        fails(&mut office, number, None);
        fails(&mut office, number, None);
    }
    let ending = Ending::Failed(attempt(map(0), 4), Fault::Failed("exit 1"));
    assert_eq!(office.coordinator.ending(), Some(&ending));
    assert_eq!(office.orders().last(), Some(&(1, Order::Over(ending))));
    // Workers may die more often.
    let mut office = Office::new(spec(1, 1));
    for id in 1..=20 {
        assert_eq!(office.coordinator.ending(), None, "{id}");
        office.hello(worker(id));
        office.tell(Input::Gone(worker(id)));
    }
    let ending = Ending::Failed(attempt(map(0), 20), Fault::Gone);
    assert_eq!(office.coordinator.ending(), Some(&ending));
    assert!(office.taken().contains(&Effect::Exit), "nobody is there to be told");
}

/// MR-SKIP-1: at the second failure, whoever was told of the record, and the failures there count no more.
#[test]
fn a_bad_record_is_skipped() {
    let limits = Limits { own: 3, others: 3, skips: 1 };
    let mut office = Office::new(Spec { limits, ..spec(1, 1) });
    let skipped = |office: &mut Office| {
        let orders = office.orders();
        let skip = orders.into_iter().find_map(|(_, order)| match order {
            Order::Run { skip, .. } => Some((*skip).clone()),
            _ => None,
        });
        skip.expect("it is run again")
    };
    office.hello(worker(1));
    let at = Some(17);
    let progress = Report::Progress { attempt: attempt(map(0), 1), at };
    office.report(worker(1), progress);
    office.tell(Input::Gone(worker(1)));
    office.hello(worker(2));
    assert_eq!(skipped(&mut office), BTreeSet::new());
    let cause = "exit 1";
    office.report(worker(2), Report::Failed { attempt: attempt(map(0), 2), at, cause });
    assert_eq!(skipped(&mut office), BTreeSet::from([17]));
    assert_eq!(office.coordinator.failures(map(0)), (0, 0));
    assert_eq!(office.coordinator.skipped(map(0)), Some(&BTreeSet::from([17])));
    // One is all that may be skipped.
    for number in 3..=5 {
        let report = Report::Failed { attempt: attempt(map(0), number), at: Some(18), cause };
        assert_eq!(office.coordinator.ending(), None);
        office.report(worker(2), report);
    }
    assert!(matches!(office.coordinator.ending(), Some(Ending::Failed(..))));
}

/// MR-SKIP-1: an attempt that began before its record was skipped says nothing new when it fails there; one that was
/// told to skip it does.
#[test]
fn who_was_not_told_to_skip_fails_for_nothing() {
    let limits = Limits { own: 3, others: 3, skips: 1 };
    let mut office = Office::new(Spec { limits, ..spec(1, 1) });
    let (at, cause) = (Some(17), "exit 1");
    let fails = |office: &mut Office, id, number| {
        let report = Report::Failed { attempt: attempt(map(0), number), at, cause };
        office.report(worker(id), report);
    };
    office.hello(worker(1));
    office.tell(Input::Fired(Timer::Straggles(attempt(map(0), 1))));
    office.hello(worker(2));
    office.hello(worker(3));
    fails(&mut office, 2, 2);
    fails(&mut office, 3, 3);
    assert_eq!(office.coordinator.skipped(map(0)), Some(&BTreeSet::from([17])));
    assert_eq!(office.coordinator.live(map(0)).count(), 2, "the first, and one that skips");
    assert_eq!(office.runs().last(), Some(&(2, attempt(map(0), 4))), "nobody is to blame");
    let records = office.records.len();
    fails(&mut office, 1, 1);
    assert_eq!(office.coordinator.failures(map(0)), (0, 0));
    assert_eq!(office.records.len(), records);
    fails(&mut office, 2, 4);
    assert_eq!(office.coordinator.failures(map(0)), (1, 0));
}

/// An output that can't get its name is a failure of its task.
#[test]
fn an_output_without_a_name_is_made_again() {
    let mut office = Office::new(spec(0, 1));
    office.hello(worker(1));
    office.fast = false;
    let first = attempt(reduce(0), 1);
    office.finish(worker(1), first);
    assert_eq!(office.counted(), 10);
    office.taken();
    office.tell(Input::NotPublished(first, "no room"));
    assert_eq!(office.counted(), 10, "until another has won");
    assert_eq!(office.coordinator.failures(reduce(0)), (1, 0));
    assert_eq!(office.runs(), [(1, attempt(reduce(0), 2))]);
    let fault = Fault::NotPublished("no room");
    let failed = Record::Failed { attempt: first, fault, at: None };
    assert!(office.records.contains(&failed));
    // Of an attempt that is not the winner nothing is believed.
    office.tell(Input::Published(first));
    office.tell(Input::NotPublished(first, "no room"));
    assert_eq!(office.coordinator.failures(reduce(0)), (1, 0));
}
