//! Who gets what, and when.

use super::*;
use protocol::mr::{Doing, Ending, Fault, Refusal, Timer};

/// MR-ORDER-1, MR-WAKE-1: a worker that waits for the last map gets a reduce when that is done, and what maps have won
/// is what reduces are told to read.
#[test]
fn reduces_wait_for_the_last_map() {
    let mut office = Office::new(spec(2, 2));
    for id in 1..=3 {
        office.hello(worker(id));
    }
    let (first, second) = (attempt(map(0), 1), attempt(map(1), 1));
    assert_eq!(office.runs(), [(1, first), (2, second)], "the third waits");
    office.finish(worker(1), first);
    assert_eq!(office.runs(), [], "nor is there anything for the first");
    office.fast = false;
    office.finish(worker(2), second);
    assert_eq!(office.runs(), [], "the disk does not know");
    office.sync();
    let orders = office.orders();
    let inputs = |order: &(u64, Order<_>)| match &order.1 {
        Order::Run { attempt, inputs, .. } => Some((order.0, *attempt, (**inputs).clone())),
        _ => None,
    };
    let winners = vec![first.attempt, second.attempt];
    let runs: Vec<_> = orders.iter().filter_map(inputs).collect();
    let expected =
        [(1, attempt(reduce(0), 1), winners.clone()), (2, attempt(reduce(1), 1), winners)];
    assert_eq!(runs, expected);
}

/// MR-ORDER-2: the one that takes longest first, one more each, and only when nothing else can be run.
#[test]
fn what_takes_long_is_run_once_more() {
    let mut office = Office::new(spec(3, 1));
    (1..=2).for_each(|id| office.hello(worker(id)));
    let (first, second, third) = (attempt(map(0), 1), attempt(map(1), 1), attempt(map(2), 1));
    assert_eq!(office.runs(), [(1, first), (2, second)]);
    office.tell(Input::Fired(Timer::Straggles(second)));
    office.tell(Input::Fired(Timer::Straggles(first)));
    office.hello(worker(3));
    assert_eq!(office.runs(), [(3, third)], "there is an idle one");
    office.hello(worker(4));
    office.hello(worker(5));
    office.hello(worker(6));
    let again = [(4, attempt(map(0), 2)), (5, attempt(map(1), 2))];
    assert_eq!(office.runs(), again, "and nothing for the last");
    assert_eq!(office.coordinator.live(map(0)).count(), 2);
    // MR-WIN-1, MR-WIN-3: the second is faster. Who ran the first waits again.
    office.finish(worker(4), attempt(map(0), 2));
    let orders = office.orders();
    assert!(orders.contains(&(1, Order::Cancel(first))), "{orders:?}");
    assert_eq!(office.counted(), 10);
    // MR-WIN-2: the first had finished before it heard of that.
    office.finish(worker(1), first);
    assert_eq!(office.orders(), [(1, Order::TooLate(first))]);
    assert_eq!(office.counted(), 10);
}

/// MR-SILENT-1, MR-SILENT-2, MR-QUIET-1: nobody asks, and the other worker gets the task; the silent one gets nothing
/// before it was heard, and then goes on.
#[test]
fn a_silent_worker_loses_its_task() {
    let mut office = Office::new(spec(1, 1));
    office.hello(worker(1));
    let first = attempt(map(0), 1);
    let armed = Effect::Arm(Timer::Silence(first));
    assert!(office.taken().contains(&armed));
    office.report(worker(1), Report::Progress { attempt: first, at: None });
    assert_eq!(office.taken(), [armed]);
    office.hello(worker(2));
    office.taken();
    office.tell(Input::Fired(Timer::Silence(first)));
    let second = attempt(map(0), 2);
    assert_eq!(office.runs(), [(2, second)]);
    assert_eq!(office.coordinator.failures(map(0)), (0, 1));
    let doing: Vec<_> = office.coordinator.workers().map(|(_, doing)| doing).collect();
    assert_eq!(doing, [Doing::Silent(first), Doing::Busy(second)]);
    office.report(worker(1), Report::Progress { attempt: first, at: None });
    assert_eq!(office.coordinator.live(map(0)).count(), 2);
    office.finish(worker(1), first);
    assert_eq!(office.coordinator.winner(map(0)), Some(first));
    assert!(office.orders().contains(&(2, Order::Cancel(second))));
}

/// MR-GONE-1: at once, and only if it is the present connection.
#[test]
fn a_worker_that_is_gone_loses_its_task() {
    let mut office = Office::new(spec(1, 1));
    office.hello(worker(1));
    office.hello(worker(2));
    let first = attempt(map(0), 1);
    office.taken();
    let later = Session { incarnation: 2, ..worker(1) };
    office.come_back(later, Some(first), Vec::new());
    office.tell(Input::Gone(worker(1)));
    assert_eq!(office.runs(), [], "it has another connection");
    office.hello(worker(1));
    assert_eq!(office.orders(), [(1, Order::Refused(Refusal::Stale))]);
    office.tell(Input::Gone(later));
    assert_eq!(office.runs(), [(2, attempt(map(0), 2))]);
    assert_eq!(office.coordinator.failures(map(0)), (0, 1));
    // What was on its way when the connection broke may never have come.
    let again = Session { incarnation: 2, ..worker(2) };
    office.come_back(again, None, Vec::new());
    assert_eq!(office.runs(), [(2, attempt(map(0), 3))]);
    assert_eq!(office.coordinator.failures(map(0)), (0, 2));
}

/// MR-HOST-1: a full disk is one host's. Another's worker gets the task, now or when it is free, if it is heard.
#[test]
fn a_failed_task_goes_elsewhere() {
    let fails = |office: &mut Office, id, attempt| {
        let cause = "no space left";
        office.report(worker(id), Report::Failed { attempt, at: None, cause });
    };
    let mut office = Office::new(spec(3, 1));
    (1..=2).for_each(|id| office.hello(worker(id)));
    let (first, second, third) = (attempt(map(0), 1), attempt(map(1), 1), attempt(map(2), 1));
    assert_eq!(office.runs(), [(1, first), (2, second)]);
    fails(&mut office, 1, first);
    assert_eq!(office.runs(), [(1, third)], "what has not failed there");
    fails(&mut office, 1, third);
    office.hello(worker(11));
    assert_eq!(office.runs(), [], "both wait for another host's");
    office.tell(Input::Gone(worker(11)));
    office.finish(worker(2), second);
    assert_eq!(office.runs(), [(2, attempt(map(0), 2))]);
    // The other is not there for it any more.
    office.tell(Input::Fired(Timer::Silence(attempt(map(0), 2))));
    assert_eq!(office.runs(), [(1, attempt(map(0), 3))]);
    office.tell(Input::Gone(worker(2)));
    fails(&mut office, 1, attempt(map(0), 3));
    assert_eq!(office.runs(), [(1, attempt(map(0), 4))], "there is nobody else");
    office.finish(worker(1), attempt(map(0), 4));
    assert_eq!(office.runs(), [(1, attempt(map(2), 2))]);
    // Who comes later has not failed. It has nothing to do with what is run.
    office.hello(worker(3));
    assert_eq!(office.runs(), []);
    fails(&mut office, 1, attempt(map(2), 2));
    assert_eq!(office.runs(), [(3, attempt(map(2), 3))]);
    assert_eq!(office.coordinator.failures(map(2)), (2, 0));
}

/// MR-HELLO-1.
#[test]
fn strangers_are_sent_away() {
    let mut office = Office::new(spec(1, 1));
    let mut refused = |job, version| {
        let hello = Hello { job, version, host: 9, running: None, reports: Vec::new() };
        office.tell(Input::Hello(worker(9), hello));
        office.orders()
    };
    assert_eq!(refused(8, 3), [(9, Order::Refused(Refusal::OtherJob))]);
    assert_eq!(refused(7, 2), [(9, Order::Refused(Refusal::OtherVersion))]);
    assert_eq!(office.coordinator.workers().count(), 0);
}

/// MR-LOST-1, MR-LOST-2: the map is run again, before any reduce is begun; what was won stays won, and what was counted
/// for the lost output is counted once.
#[test]
fn a_lost_output_is_made_again() {
    let mut office = Office::new(spec(1, 3));
    office.hello(worker(1));
    let lost = attempt(map(0), 1);
    office.finish(worker(1), lost);
    office.finish(worker(1), attempt(reduce(0), 1));
    office.hello(worker(2));
    assert_eq!(office.counted(), 20);
    office.taken();
    let output = lost;
    office.report(worker(1), Report::Unreadable { attempt: attempt(reduce(1), 1), output });
    let again = attempt(map(0), 2);
    assert_eq!(office.runs(), [(1, again)]);
    assert_eq!(office.counted(), 20);
    let failed = Record::Failed { attempt: lost, fault: Fault::Lost, at: None };
    assert!(office.records.contains(&failed));
    // The other reduce has not read it yet. It is the old attempt's that can't be read.
    office.finish(worker(1), again);
    assert_eq!(office.counted(), 20);
    office.taken();
    office.report(worker(2), Report::Unreadable { attempt: attempt(reduce(2), 1), output });
    assert_eq!(office.coordinator.winner(map(0)), Some(again));
    assert_eq!(office.runs(), [(2, attempt(reduce(2), 2))]);
    assert_eq!(office.coordinator.winner(reduce(0)), Some(attempt(reduce(0), 1)));
}

/// MR-LOST-2: one attempt of the reduce had read the output before it was lost. The job is over before the map has run
/// again, and what that had counted counts, also of a coordinator that knows of it by its journal.
#[test]
fn what_is_lost_too_late_has_counted() {
    let mut office = Office::new(spec(1, 1));
    office.hello(worker(1));
    office.finish(worker(1), attempt(map(0), 1));
    let first = attempt(reduce(0), 1);
    office.tell(Input::Fired(Timer::Straggles(first)));
    office.hello(worker(2));
    let output = attempt(map(0), 1);
    office.report(worker(2), Report::Unreadable { attempt: attempt(reduce(0), 2), output });
    let again = attempt(map(0), 2);
    assert!(office.runs().contains(&(2, again)));
    office.finish(worker(1), first);
    assert_eq!(office.coordinator.ending(), Some(&Ending::Done));
    assert_eq!(office.coordinator.winner(map(0)), None);
    assert_eq!(office.counted(), 20);
    let later = Office::of(spec(1, 1), office.records);
    assert_eq!(later.counted(), 20);
}
