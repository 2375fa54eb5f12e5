//! The coordinator: who runs what, what has won, and what is over.
//!
//! A worker says hello once a connection and is then either at work or *parked*: it gets work as soon as there is some.
//! A step costs no more for many tasks than for few, but for a logarithm: what may be run is kept in order
//! (`tasks.rs`), and nothing is searched for, but that tasks are passed by that have failed where they would be run.
//! `work.rs` hands out and takes back, `end.rs` says what becomes of an attempt, `recover.rs` makes a coordinator of
//! the records of earlier ones.

mod end;
mod recover;
mod tasks;
mod view;
mod work;

pub use recover::Unfit;
pub use tasks::Tally;
pub use view::Doing;

use super::{
    AttemptId, Counters, Effect, Ending, Fault, Held, Hello, Input, Kind, Order, Record, Refusal,
    Report, Rules, Session, Spec, TaskId, Timer, WorkerId,
};
use crate::Machine;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use tasks::{State, Tasks};

/// How far the job is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase<C> {
    /// Workers of an earlier life may come back; nothing is run.
    Gathering,
    Working,
    /// It is over, and the disk may not know.
    Ending(Ending<C>),
    /// It is over, and workers are told.
    Over(Ending<C>),
    /// It is over, and the coordinator may go.
    Left(Ending<C>),
}

/// A worker with a connection.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Seat {
    incarnation: u64,
    host: u64,
    doing: Doing,
}

/// What waits for the disk.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Waiting {
    Accept(Session, AttemptId),
    Publish(AttemptId),
    Over,
}

impl Waiting {
    const fn held(&self) -> Held {
        match self {
            Self::Accept(..) => Held::Accept,
            Self::Publish(_) => Held::Publish,
            Self::Over => Held::Over,
        }
    }
}

/// Where a step puts its effects.
type Out<'a, C> = &'a mut Vec<Effect<C>>;

/// A job's coordinator: SPEC.md's `MR-` rules.
///
/// Invariants: a worker is at work exactly if the attempt is live and its own; a task that is won has no live attempt;
/// an idle task has none either.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Coordinator<C, R = super::Paper> {
    rules: R,
    spec: Spec,
    life: u32,
    phase: Phase<C>,
    maps: Tasks,
    reduces: Tasks,
    /// Of each map the number of its winner, 0 without one.
    winners: Arc<Vec<u64>>,
    /// How many attempts were run, or came back.
    runs: u64,
    /// The sum of the winners'.
    counters: Counters,
    seats: BTreeMap<WorkerId, Seat>,
    parked: BTreeSet<WorkerId>,
    /// Attempts whose deadline has fired in this step.
    overdue: Vec<AttemptId>,
    /// How many records this life has written, and how many of them are on the disk.
    written: u64,
    durable: u64,
    /// Behind which record the last map was won.
    maps_at: u64,
    waiting: VecDeque<(u64, Waiting)>,
    /// What most attempts are told.
    nothing: (Arc<Vec<u64>>, Arc<BTreeSet<u64>>),
}

impl<C: Clone + Eq, R: Rules> Coordinator<C, R> {
    const fn tasks(&self, kind: Kind) -> &Tasks {
        match kind {
            Kind::Map => &self.maps,
            Kind::Reduce => &self.reduces,
        }
    }

    const fn tasks_mut(&mut self, kind: Kind) -> &mut Tasks {
        match kind {
            Kind::Map => &mut self.maps,
            Kind::Reduce => &mut self.reduces,
        }
    }

    fn state(&self, task: TaskId) -> &State {
        &self.tasks(task.kind).get(task.index).state
    }

    fn journal(&mut self, record: Record<C>, out: Out<'_, C>) {
        self.written += 1;
        out.push(Effect::Journal(record));
    }

    /// MR-DISK-2, MR-DISK-3, MR-DISK-4.
    fn after_disk(&mut self, what: Waiting, out: Out<'_, C>) {
        if self.durable >= self.written || !self.rules.waits(what.held()) {
            self.carry_out(what, out);
        } else {
            self.waiting.push_back((self.written, what));
        }
    }

    fn carry_out(&mut self, what: Waiting, out: Out<'_, C>) {
        match what {
            Waiting::Accept(session, attempt) if self.is_here(session) => {
                out.push(Effect::Send(session, Order::Accepted(attempt)));
            }
            // It tells of it again when it comes back.
            Waiting::Accept(..) => {}
            Waiting::Publish(attempt) => out.push(Effect::Publish(attempt)),
            Waiting::Over => self.tell_over(out),
        }
    }

    fn on_durable(&mut self, records: u64, out: Out<'_, C>) {
        self.durable = self.durable.max(records.min(self.written));
        while self.waiting.front().is_some_and(|(behind, _)| *behind <= self.durable) {
            let Some((_, what)) = self.waiting.pop_front() else { return };
            self.carry_out(what, out);
        }
    }

    /// The worker's present connection, as its messages name it.
    fn session(&self, worker: WorkerId) -> Option<Session> {
        let seat = self.seats.get(&worker)?;
        Some(Session { worker, incarnation: seat.incarnation })
    }

    fn is_here(&self, session: Session) -> bool {
        self.session(session.worker) == Some(session)
    }

    fn set_doing(&mut self, worker: WorkerId, doing: Doing) {
        let Some(seat) = self.seats.get_mut(&worker) else { return };
        seat.doing = doing;
        if doing == Doing::Parked {
            self.parked.insert(worker);
        } else {
            self.parked.remove(&worker);
        }
    }

    fn is_under_way(&self) -> bool {
        matches!(self.phase, Phase::Gathering | Phase::Working)
    }

    /// The job is over as soon as the disk knows.
    fn end(&mut self, ending: Ending<C>, out: Out<'_, C>) {
        if !self.is_under_way() {
            return;
        }
        let busy = self.seats.values().filter_map(|seat| match seat.doing {
            Doing::Busy(attempt) => Some(attempt),
            Doing::Parked | Doing::Silent(_) => None,
        });
        for attempt in busy {
            out.push(Effect::Disarm(Timer::Silence(attempt)));
            out.push(Effect::Disarm(Timer::Straggles(attempt)));
        }
        if self.phase == Phase::Gathering {
            out.push(Effect::Disarm(Timer::Gather));
        }
        self.journal(Record::Over(ending.clone()), out);
        self.phase = Phase::Ending(ending);
        self.after_disk(Waiting::Over, out);
    }

    /// MR-OVER-1.
    fn conclude(&mut self, out: Out<'_, C>) {
        let is_done = self.rules.is_done(&self.maps.tally, &self.reduces.tally);
        if self.is_under_way() && is_done {
            self.end(Ending::Done, out);
        }
    }

    fn tell_over(&mut self, out: Out<'_, C>) {
        let Phase::Ending(ending) = &self.phase else { return };
        let ending = ending.clone();
        out.push(Effect::Over(ending.clone()));
        for (worker, seat) in &self.seats {
            let session = Session { worker: *worker, incarnation: seat.incarnation };
            out.push(Effect::Send(session, Order::Over(ending.clone())));
        }
        out.push(Effect::Arm(Timer::Farewell));
        self.phase = Phase::Over(ending);
        self.part(false, out);
    }

    /// MR-OVER-2.
    fn part(&mut self, late: bool, out: Out<'_, C>) {
        let Phase::Over(ending) = &self.phase else { return };
        if late || self.rules.may_exit(self.seats.len()) {
            self.phase = Phase::Left(ending.clone());
            out.push(Effect::Disarm(Timer::Farewell));
            out.push(Effect::Exit);
        }
    }

    fn on_hello(&mut self, session: Session, hello: Hello<C>, out: Out<'_, C>) {
        let refuse = |why| Effect::Send(session, Order::Refused(why));
        if let Some(why) = self.rules.refuses(&self.spec, &hello) {
            return out.push(refuse(why));
        }
        let Session { worker, incarnation } = session;
        let before = self.seats.get(&worker);
        if before.is_some_and(|seat| seat.incarnation >= incarnation) {
            return out.push(refuse(Refusal::Stale));
        }
        let before = before.map(|seat| seat.doing);
        self.seats.insert(worker, Seat { incarnation, host: hello.host, doing: Doing::Parked });
        self.set_doing(worker, Doing::Parked);
        if let Phase::Over(ending) | Phase::Left(ending) = &self.phase {
            return out.push(Effect::Send(session, Order::Over(ending.clone())));
        }
        for report in hello.reports {
            self.on_report(session, report, out);
        }
        if let Some((attempt, at)) = hello.running {
            self.come_back(session, attempt, at, out);
        }
        // What it was given may have been lost on the way.
        if let Some(Doing::Busy(attempt)) = before
            && hello.running.is_none_or(|(running, _)| running != attempt)
            && let Some(live) = self.remove(attempt, out)
        {
            self.fail(attempt, Fault::Gone, live.last(), out);
        }
    }

    fn on_report(&mut self, session: Session, report: Report<C>, out: Out<'_, C>) {
        let attempt = report.attempt();
        if !self.is_here(session) || !self.is_under_way() {
            return;
        }
        if !self.is_known(attempt) {
            let too_late = Effect::Send(session, Order::TooLate(attempt));
            return out.extend(matches!(report, Report::Finished { .. }).then_some(too_late));
        }
        match report {
            Report::Progress { at, .. } => self.on_progress(session, attempt, at, out),
            Report::Finished { counters, .. } => self.on_finished(session, attempt, counters, out),
            Report::Failed { at, cause, .. } => {
                self.free(session.worker, attempt);
                let live = self.remove(attempt, out);
                if self.rules.counts_failure(live.is_some()) {
                    let at = live.and_then(|live| live.was_at(at.or(live.at)));
                    self.avoid(attempt.task, session.worker, at);
                    self.fail(attempt, Fault::Failed(cause), at, out);
                }
            }
            Report::Unreadable { output, .. } => {
                self.free(session.worker, attempt);
                self.remove(attempt, out);
                self.on_unreadable(output, out);
            }
        }
    }

    /// MR-GONE-1.
    fn on_gone(&mut self, session: Session, out: Out<'_, C>) {
        let Some(seat) = self.seats.get(&session.worker) else { return };
        if !self.rules.is_present(seat.incarnation, session.incarnation) {
            return;
        }
        let doing = seat.doing;
        self.seats.remove(&session.worker);
        self.parked.remove(&session.worker);
        if let Doing::Busy(attempt) = doing
            && self.is_under_way()
            && let Some(live) = self.remove(attempt, out)
        {
            self.fail(attempt, Fault::Gone, live.last(), out);
        }
        self.part(false, out);
    }

    fn on_fired(&mut self, timer: Timer, out: Out<'_, C>) {
        match timer {
            Timer::Silence(attempt) => self.overdue.push(attempt),
            Timer::Straggles(attempt) => self.on_straggles(attempt),
            Timer::Gather if self.phase == Phase::Gathering => self.phase = Phase::Working,
            Timer::Gather => {}
            Timer::Farewell => self.part(true, out),
        }
    }
}

impl<C: Clone + Eq, R: Rules> Machine for Coordinator<C, R> {
    type Input<'a>
        = Input<C>
    where
        Self: 'a;
    type Effect = Effect<C>;

    fn step(&mut self, input: Input<C>, out: &mut Vec<Effect<C>>) {
        let asked = matches!(input, Input::Hello(..) | Input::Report(..));
        match input {
            Input::Durable(records) => self.on_durable(records, out),
            Input::Hello(session, hello) => self.on_hello(session, hello, out),
            Input::Report(session, report) => self.on_report(session, report, out),
            Input::Gone(session) => self.on_gone(session, out),
            Input::Fired(timer) => self.on_fired(timer, out),
            Input::Published(attempt) => self.on_published(attempt),
            Input::NotPublished(attempt, cause) => self.on_not_published(attempt, cause, out),
        }
        if asked || self.rules.ends_at_once() {
            self.end_overdue(out);
        }
        self.conclude(out);
        if self.rules.wakes(asked) {
            self.hand_out(out);
        }
    }
}
