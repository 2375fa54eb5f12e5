//! A worker alone.

use super::*;
use protocol::mr::{Act, Badge, Ending, Event, Letter, Parting, Worker};
use std::sync::Arc;

struct Bench {
    worker: Worker<&'static str>,
}

impl Bench {
    fn new() -> Self {
        let mut out = Vec::new();
        let badge = Badge { worker: WorkerId(1), host: 1, job: 7, version: 3 };
        let worker = Worker::new(Paper, badge, &mut out);
        assert_eq!(out, [Act::Arm]);
        Self { worker }
    }

    fn tell(&mut self, event: Event<&'static str>) -> Vec<Act<&'static str>> {
        let mut out = Vec::new();
        self.worker.step(event, &mut out);
        out
    }

    fn run(&mut self, attempt: AttemptId) -> Vec<Act<&'static str>> {
        let (inputs, skip) = (Arc::default(), Arc::default());
        self.tell(Event::Order(Order::Run { attempt, inputs, skip }))
    }
}

const FIRST: AttemptId = attempt(map(0), 1);
const SECOND: AttemptId = attempt(map(1), 1);

fn counted() -> Counters {
    let Report::Finished { counters, .. } = finished(FIRST) else { panic!("it has finished") };
    counters
}

fn hello(
    incarnation: u64,
    running: Option<AttemptId>,
    reports: Vec<Report<&'static str>>,
) -> Act<&'static str> {
    let session = Session { incarnation, ..worker(1) };
    let running = running.map(|attempt| (attempt, None));
    Act::Send(Letter::Hello(session, Hello { job: 7, version: 3, host: 1, running, reports }))
}

fn say(incarnation: u64, report: Report<&'static str>) -> Act<&'static str> {
    Act::Send(Letter::Report(Session { incarnation, ..worker(1) }, report))
}

/// MR-FILE-2, MR-FILE-3: written, named, told; and told again with the next connection until it is accepted.
#[test]
fn what_has_finished_is_told_until_it_is_known() {
    let mut bench = Bench::new();
    assert_eq!(bench.tell(Event::Connected), [Act::Disarm, hello(1, None, Vec::new())]);
    assert!(matches!(bench.run(FIRST)[..], [Act::Start { .. }]));
    assert_eq!(bench.tell(Event::Wrote(FIRST, counted())), [Act::Name(FIRST)]);
    assert_eq!(bench.tell(Event::Named(FIRST)), [say(1, finished(FIRST))]);
    bench.run(SECOND);
    assert_eq!(bench.tell(Event::Broken), [Act::Arm]);
    let again = [Act::Disarm, hello(2, Some(SECOND), vec![finished(FIRST)])];
    assert_eq!(bench.tell(Event::Connected), again);
    // MR-FILE-4, MR-STOP-1: of that one nothing is deleted, and the other runs on.
    assert_eq!(bench.tell(Event::Order(Order::Accepted(FIRST))), []);
    assert_eq!(bench.worker.running(), Some(SECOND));
    bench.tell(Event::Broken);
    assert_eq!(bench.tell(Event::Connected)[1], hello(3, Some(SECOND), Vec::new()));
}

/// MR-STOP-1: what came too late is deleted, what runs is not touched; and what is stopped is deleted.
#[test]
fn what_is_stopped_is_deleted() {
    let mut bench = Bench::new();
    bench.tell(Event::Connected);
    bench.run(FIRST);
    bench.tell(Event::Wrote(FIRST, counted()));
    bench.tell(Event::Named(FIRST));
    bench.run(SECOND);
    let cancel = |attempt| Event::Order(Order::Cancel(attempt));
    assert_eq!(bench.tell(cancel(FIRST)), [], "it has finished, and may win yet");
    let too_late = Event::Order(Order::TooLate(FIRST));
    assert_eq!(bench.tell(too_late), [Act::Delete(FIRST)]);
    assert_eq!(bench.worker.running(), Some(SECOND));
    assert_eq!(bench.tell(cancel(SECOND)), [Act::Stop(SECOND), Act::Delete(SECOND)]);
    assert_eq!(bench.worker.running(), None);
    assert!(!bench.worker.has_left(), "MR-STAY-1");
    // Its last words come too late.
    assert_eq!(bench.tell(Event::Wrote(SECOND, counted())), []);
    assert_eq!(bench.tell(Event::Named(SECOND)), []);
    assert_eq!(bench.tell(Event::Failed(SECOND, None, "exit 1")), []);
    // An order to run is one to stop what runs.
    bench.run(FIRST);
    let acts = bench.run(SECOND);
    assert!(matches!(acts[..], [Act::Stop(FIRST), Act::Delete(FIRST), Act::Start { .. }]));
}

/// A failure without a connection is told with the next, and once.
#[test]
fn a_failure_waits_for_a_connection() {
    let mut bench = Bench::new();
    bench.tell(Event::Connected);
    bench.run(FIRST);
    bench.tell(Event::Broken);
    let fails = bench.tell(Event::Failed(FIRST, Some(4), "exit 1"));
    assert_eq!(fails, [Act::Delete(FIRST)]);
    let report = Report::Failed { attempt: FIRST, at: Some(4), cause: "exit 1" };
    assert_eq!(bench.tell(Event::Connected)[1], hello(2, None, vec![report]));
    bench.tell(Event::Broken);
    assert_eq!(bench.tell(Event::Connected)[1], hello(3, None, Vec::new()));
}

/// MR-STAY-1, MR-STAY-2.
#[test]
fn a_worker_leaves_when_it_is_told_or_alone() {
    let mut bench = Bench::new();
    bench.tell(Event::Connected);
    assert_eq!(bench.tell(Event::Patience), [], "it has a connection");
    bench.run(FIRST);
    let over = Event::Order(Order::Over(Ending::Done));
    let leaves = Act::Leave(Parting::Over(Ending::Done));
    assert_eq!(bench.tell(over), [Act::Stop(FIRST), Act::Delete(FIRST), leaves]);
    assert_eq!(bench.tell(Event::Connected), [], "it has left");
    let mut bench = Bench::new();
    assert_eq!(bench.tell(Event::Patience), [Act::Leave(Parting::Alone)]);
}
