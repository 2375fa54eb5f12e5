//! Coordinators that are made of what earlier ones have written down.

use super::*;
use protocol::mr::{Ending, Fault, Timer, Unfit};

/// MR-RECOVER-1, MR-RECOVER-3, MR-RECOVER-4, MR-LIFE-1: what was won is won, what runs goes on, and what is run anew
/// has numbers that nobody had.
#[test]
fn a_later_life_goes_on() {
    let mut office = Office::new(spec(3, 1));
    (1..=2).for_each(|id| office.hello(worker(id)));
    office.finish(worker(1), attempt(map(0), 1));
    let mut office = Office::of(spec(3, 1), office.records);
    assert_eq!(office.coordinator.life(), 2);
    assert_eq!(office.coordinator.winner(map(0)), Some(attempt(map(0), 1)));
    assert_eq!(office.counted(), 10);
    assert!(office.taken().contains(&Effect::Arm(Timer::Gather)));
    let later = |id| Session { incarnation: 2, ..worker(id) };
    office.hello(worker(3));
    assert_eq!(office.runs(), [], "others may come back with what is idle here");
    office.come_back(later(2), Some(attempt(map(1), 1)), Vec::new());
    // What was not on the disk is told again.
    office.come_back(later(1), None, vec![finished(attempt(map(0), 1))]);
    assert_eq!(office.orders(), [(1, Order::Accepted(attempt(map(0), 1)))]);
    assert!(office.coordinator.is_gathering());
    office.tell(Input::Fired(Timer::Gather));
    let fresh = AttemptId { task: map(2), attempt: 2 << 32 | 1 };
    assert_eq!(office.runs(), [(1, fresh)]);
    office.finish(later(2), attempt(map(1), 1));
    assert_eq!(office.coordinator.winner(map(1)), Some(attempt(map(1), 1)));
    assert_eq!((fresh.life(), fresh.number()), (2, 1));
}

/// MR-RECOVER-4: not if its task is won, nor with an attempt that no life can have given out.
#[test]
fn what_is_of_no_use_does_not_go_on() {
    let mut office = Office::new(spec(1, 1));
    office.hello(worker(1));
    office.finish(worker(1), attempt(map(0), 1));
    office.taken();
    let of_no_use =
        [attempt(map(0), 9), attempt(map(0), 0), attempt(map(7), 1), attempt(reduce(0), 2)];
    for (id, attempt) in (2..).zip(of_no_use) {
        office.come_back(worker(id), Some(attempt), Vec::new());
        assert_eq!(office.orders(), [(id, Order::Cancel(attempt))], "{attempt:?}");
        office.finish(worker(id), attempt);
        assert_eq!(office.orders(), [(id, Order::TooLate(attempt))], "{attempt:?}");
        office.tell(Input::Fired(Timer::Silence(attempt)));
        office.tell(Input::Fired(Timer::Straggles(attempt)));
        assert_eq!(office.orders(), [], "{attempt:?}");
    }
    assert_eq!(office.counted(), 10);
}

/// MR-DISK-1, MR-DISK-2: no attempt before its life, no thanks before the winner.
#[test]
fn the_disk_comes_first() {
    let mut out = Vec::new();
    let mut coordinator = Coordinator::<&str>::recover(Paper, spec(1, 1), [], false, &mut out)
        .expect("there are no records");
    let began = Record::Began { life: 1, job: 7, maps: 1, reduces: 1, again: false };
    assert_eq!(out, [Effect::Journal(began)]);
    out.clear();
    let hello = Hello { job: 7, version: 3, host: 1, running: None, reports: Vec::new() };
    coordinator.step(Input::Hello(worker(1), hello), &mut out);
    assert_eq!(out, []);
    coordinator.step(Input::Durable(1), &mut out);
    assert!(matches!(out[..], [Effect::Arm(_), Effect::Arm(_), Effect::Send(..)]), "{out:?}");
    out.clear();
    coordinator.step(Input::Report(worker(1), finished(attempt(map(0), 1))), &mut out);
    let accepted = Effect::Send(worker(1), Order::Accepted(attempt(map(0), 1)));
    assert!(!out.contains(&accepted));
    coordinator.step(Input::Durable(2), &mut out);
    assert!(out.contains(&accepted));
}

/// MR-RECOVER-2: an output gets its name again, and the job is over behind that; a job that was over is.
#[test]
fn outputs_get_their_names_again() {
    let mut office = Office::new(spec(0, 1));
    office.hello(worker(1));
    let last = attempt(reduce(0), 1);
    office.finish(worker(1), last);
    let of = |records: &[Record<&'static str>]| Office::of(spec(0, 1), records.to_vec()).taken();
    let [began, won, over] = &office.records[..] else { panic!("{:?}", office.records) };
    assert_eq!(*over, Record::Over(Ending::Done));
    let again = of(&[began.clone(), won.clone()]);
    assert!(again.contains(&Effect::Publish(last)));
    assert!(again.contains(&Effect::Over(Ending::Done)));
    let after = of(&office.records);
    assert!(!after.contains(&Effect::Publish(last)), "its outputs may be elsewhere by now");
    assert!(after.contains(&Effect::Over(Ending::Done)) && after.contains(&Effect::Exit));
}

/// Failures are remembered, and so is an output that was lost.
#[test]
fn failures_are_remembered() {
    let mut office = Office::new(spec(1, 1));
    office.hello(worker(1));
    let first = attempt(map(0), 1);
    office.report(worker(1), Report::Failed { attempt: first, at: None, cause: "exit 1" });
    office.finish(worker(1), attempt(map(0), 2));
    let output = attempt(map(0), 2);
    office.report(worker(1), Report::Unreadable { attempt: attempt(reduce(0), 1), output });
    let office = Office::of(spec(1, 1), office.records);
    assert_eq!(office.coordinator.failures(map(0)), (1, 1));
    assert_eq!(office.coordinator.winner(map(0)), None);
    assert_eq!(office.counted(), 10, "until another has won");
}

/// MR-AGAIN-1, MR-AGAIN-2: who asks for a failed job again has one more attempt of what failed it.
#[test]
fn failed_jobs_are_taken_up_when_asked_for() {
    let mut limits = spec(1, 1);
    limits.limits.own = 1;
    let mut office = Office::new(limits);
    office.hello(worker(1));
    let fails = |office: &mut Office, attempt| {
        office.report(worker(1), Report::Failed { attempt, at: None, cause: "exit 1" });
    };
    fails(&mut office, attempt(map(0), 1));
    assert!(office.coordinator.has_failed());
    let unasked = Office::of(limits, office.records.clone());
    assert!(unasked.coordinator.has_failed());
    let mut asked = Office::asked(limits, office.records, true);
    assert!(!asked.coordinator.has_failed());
    let later = Office::of(limits, asked.records.clone());
    assert!(!later.coordinator.has_failed(), "it was asked for once");
    asked.tell(Input::Fired(Timer::Gather));
    asked.hello(worker(1));
    let [(_, second)] = asked.runs()[..] else { panic!("one worker is there") };
    assert_eq!(second.task, map(0));
    fails(&mut asked, second);
    assert!(asked.coordinator.has_failed());
}

/// A job that was done stays so, whoever asks.
#[test]
fn what_was_done_is_not_done_again() {
    let mut office = Office::new(spec(0, 1));
    office.hello(worker(1));
    office.finish(worker(1), attempt(reduce(0), 1));
    let asked = Office::asked(spec(0, 1), office.records, true).taken();
    assert!(asked.contains(&Effect::Over(Ending::Done)) && asked.contains(&Effect::Exit));
}

/// Another job's journal is refused, and says why.
#[test]
fn journals_of_others_are_refused() {
    let began = |life, job, maps| Record::Began { life, job, maps, reduces: 1, again: false };
    let refused = |records: &[Record<&'static str>]| {
        let (records, mut out) = (records.to_vec(), Vec::new());
        let made = Coordinator::recover(Paper, spec(1, 1), records, false, &mut out);
        made.map(|_| ()).expect_err("they are no records of this job")
    };
    assert_eq!(refused(&[began(1, 8, 1)]), Unfit::OtherJob(8));
    assert_eq!(refused(&[began(1, 7, 2)]), Unfit::OtherTasks(2, 1));
    let failed = |task, fault| Record::Failed { attempt: attempt(task, 1), fault, at: None };
    assert_eq!(refused(&[failed(map(0), Fault::Gone)]), Unfit::NoBeginning);
    let beyond = [began(1, 7, 1), failed(map(1), Fault::Lost)];
    assert_eq!(refused(&beyond), Unfit::NoTask(map(1)));
    assert_eq!(Unfit::NoTask(map(1)).to_string(), "the journal tells of map1, which is not there");
}
