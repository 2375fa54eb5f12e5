//! A worker: one attempt at a time.
//!
//! It does what it is told. What it runs goes on while it has no connection, and it comes back with it; what it has
//! finished it tells again with every connection, until it hears that this is on the coordinator's disk or of no use.
//! Of an attempt that is of no use it deletes the files, and of no other. It leaves when the job is over, when it is
//! not wanted, or when it has found no coordinator for long; never because there is nothing to do.

use super::{AttemptId, Badge, Counters, Ending, Hello, Order, Refusal, Report, Rules, Session};
use crate::Machine;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

/// What may happen to a worker.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Event<C> {
    /// It has a connection to the coordinator.
    Connected,
    /// It has none any more. The driver tries to get another.
    Broken,
    /// The coordinator tells it something.
    Order(Order<C>),
    /// What it runs goes on; the record that it works at.
    Progress(AttemptId, Option<u64>),
    /// What it runs has written all its file, aside, and counted this.
    Wrote(AttemptId, Counters),
    /// The file has its name.
    Named(AttemptId),
    /// What it runs has failed: at this record, of this.
    Failed(AttemptId, Option<u64>, C),
    /// What it runs can't read the output of another attempt, and has stopped.
    Unreadable(AttemptId, AttemptId),
    /// It had no connection for long, since it was told to [`Act::Arm`].
    Patience,
}

/// What a worker writes to the coordinator.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Letter<C> {
    /// The first over a connection.
    Hello(Session, Hello<C>),
    /// All others.
    Report(Session, Report<C>),
}

/// Why a worker leaves.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Parting<C> {
    /// The job is over.
    Over(Ending<C>),
    /// It is not wanted.
    Refused(Refusal),
    /// There is no coordinator.
    Alone,
}

/// What the driver of a worker is to do.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Act<C> {
    /// Write this to the coordinator.
    Send(Letter<C>),
    /// Begin to run an attempt: [`Event::Progress`] now and then, at last [`Event::Wrote`], [`Event::Failed`] or
    /// [`Event::Unreadable`].
    Start {
        /// The attempt.
        attempt: AttemptId,
        /// For a reduce: of each map the number of the attempt whose output it reads.
        inputs: Arc<Vec<u64>>,
        /// Records that are left out.
        skip: Arc<BTreeSet<u64>>,
    },
    /// Stop what runs: nothing of it is written any more when this is done.
    Stop(AttemptId),
    /// Sync the file that was written aside, and give it its name in one step.
    Name(AttemptId),
    /// Delete what the attempt has written, aside and under its name.
    Delete(AttemptId),
    /// Say [`Event::Patience`] in a while.
    Arm,
    /// Do not.
    Disarm,
    /// Leave.
    Leave(Parting<C>),
}

/// What is done at present.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Work<C> {
    Idle,
    /// It runs; and the last record that was told of it.
    Running(AttemptId, Option<u64>),
    /// Its file is whole, and gets its name.
    Naming(AttemptId, Counters),
    /// It has ended, and there was no connection to tell it.
    Ended(Report<C>),
}

/// A worker: SPEC.md's `MR-` rules.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Worker<C, R = super::Paper> {
    rules: R,
    badge: Badge,
    session: Session,
    connected: bool,
    work: Work<C>,
    /// What has finished, in this order, and was not accepted yet.
    finished: Vec<(AttemptId, Counters)>,
    left: bool,
}

impl<C: Clone, R: Rules> Worker<C, R> {
    /// This worker. It has no connection.
    pub fn new(rules: R, badge: Badge, out: &mut Vec<Act<C>>) -> Self {
        out.push(Act::Arm);
        let session = Session { worker: badge.worker, incarnation: 0 };
        let (work, finished) = (Work::Idle, Vec::new());
        Self { rules, badge, session, connected: false, work, finished, left: false }
    }

    /// Its present connection, or the last one.
    pub const fn session(&self) -> Session {
        self.session
    }

    /// Whether it has a connection.
    pub const fn is_connected(&self) -> bool {
        self.connected
    }

    /// Whether it has left.
    pub const fn has_left(&self) -> bool {
        self.left
    }

    /// What it runs, or gives its name.
    pub const fn running(&self) -> Option<AttemptId> {
        match &self.work {
            Work::Running(attempt, _) | Work::Naming(attempt, _) => Some(*attempt),
            Work::Idle | Work::Ended(_) => None,
        }
    }

    fn send(&self, report: Report<C>, out: &mut Vec<Act<C>>) {
        if self.connected {
            out.push(Act::Send(Letter::Report(self.session, report)));
        }
    }

    fn connect(&mut self, out: &mut Vec<Act<C>>) {
        self.connected = true;
        self.session.incarnation += 1;
        out.push(Act::Disarm);
        let finished = self.finished.iter().cloned();
        let finished = finished.map(|(attempt, counters)| Report::Finished { attempt, counters });
        let mut reports: Vec<_> = finished.collect();
        let running = match mem::replace(&mut self.work, Work::Idle) {
            Work::Ended(report) => {
                reports.push(report);
                None
            }
            work => {
                let running = match work {
                    Work::Running(attempt, at) => Some((attempt, at)),
                    Work::Naming(attempt, _) => Some((attempt, None)),
                    _ => None,
                };
                self.work = work;
                running
            }
        };
        let Badge { job, version, .. } = self.badge;
        let host = self.rules.host(&self.badge);
        let hello = Hello { job, version, host, running, reports };
        out.push(Act::Send(Letter::Hello(self.session, hello)));
    }

    /// What runs is stopped, and its files go.
    fn drop_work(&mut self, out: &mut Vec<Act<C>>) {
        if let Some(attempt) = self.running() {
            out.push(Act::Stop(attempt));
            out.push(Act::Delete(attempt));
        }
        self.work = Work::Idle;
    }

    fn leave(&mut self, parting: Parting<C>, out: &mut Vec<Act<C>>) {
        self.drop_work(out);
        self.left = true;
        self.connected = false;
        out.push(Act::Leave(parting));
    }

    fn order(&mut self, order: Order<C>, out: &mut Vec<Act<C>>) {
        match order {
            Order::Run { attempt, inputs, skip } => {
                self.drop_work(out);
                self.work = Work::Running(attempt, None);
                out.push(Act::Start { attempt, inputs, skip });
            }
            Order::Cancel(attempt) => {
                self.stop(attempt, false, out);
                if self.rules.leaves(false) {
                    self.leave(Parting::Alone, out);
                }
            }
            Order::TooLate(attempt) => {
                self.stop(attempt, true, out);
            }
            Order::Accepted(attempt) => {
                self.finished.retain(|(finished, _)| *finished != attempt);
                if !self.rules.keeps_accepted() {
                    out.push(Act::Delete(attempt));
                }
            }
            Order::Over(ending) => self.leave(Parting::Over(ending), out),
            Order::Refused(refusal) => self.leave(Parting::Refused(refusal), out),
        }
    }

    /// MR-STOP-1, MR-STOP-2.
    fn stop(&mut self, attempt: AttemptId, too_late: bool, out: &mut Vec<Act<C>>) {
        if self.running().is_some_and(|running| self.rules.stops(running, attempt)) {
            self.drop_work(out);
        }
        if self.rules.drops_finished(too_late) {
            self.finished.retain(|(finished, _)| *finished != attempt);
            out.push(Act::Delete(attempt));
        }
    }

    /// What runs has ended without a file.
    fn end(&mut self, report: Report<C>, out: &mut Vec<Act<C>>) {
        out.push(Act::Delete(report.attempt()));
        if self.connected {
            self.work = Work::Idle;
            self.send(report, out);
        } else {
            self.work = Work::Ended(report);
        }
    }

    /// MR-FILE-3.
    fn finish(&mut self, attempt: AttemptId, counters: Counters, out: &mut Vec<Act<C>>) {
        self.finished.push((attempt, counters.clone()));
        self.send(Report::Finished { attempt, counters }, out);
    }

    fn is_running(&self, attempt: AttemptId) -> bool {
        matches!(&self.work, Work::Running(running, _) if *running == attempt)
    }
}

impl<C: Clone, R: Rules> Machine for Worker<C, R> {
    type Input<'a>
        = Event<C>
    where
        Self: 'a;
    type Effect = Act<C>;

    fn step(&mut self, event: Event<C>, out: &mut Vec<Act<C>>) {
        if self.left {
            return;
        }
        match event {
            Event::Connected => self.connect(out),
            Event::Broken => {
                self.connected = false;
                out.push(Act::Arm);
            }
            Event::Order(order) => self.order(order, out),
            Event::Progress(attempt, at) if self.is_running(attempt) => {
                self.work = Work::Running(attempt, at);
                self.send(Report::Progress { attempt, at }, out);
            }
            Event::Wrote(attempt, counters) if self.is_running(attempt) => {
                if self.rules.tells_finished(false) {
                    self.finish(attempt, counters.clone(), out);
                }
                self.work = Work::Naming(attempt, counters);
                out.push(Act::Name(attempt));
            }
            Event::Named(attempt) => match mem::replace(&mut self.work, Work::Idle) {
                Work::Naming(named, counters) if named == attempt => {
                    if !self.finished.iter().any(|(finished, _)| *finished == attempt) {
                        self.finish(attempt, counters, out);
                    }
                }
                work => self.work = work,
            },
            Event::Failed(attempt, at, cause) if self.is_running(attempt) => {
                self.end(Report::Failed { attempt, at, cause }, out);
            }
            Event::Unreadable(attempt, output) if self.is_running(attempt) => {
                self.end(Report::Unreadable { attempt, output }, out);
            }
            Event::Patience if !self.connected && self.rules.gives_up_looking() => {
                self.leave(Parting::Alone, out);
            }
            Event::Progress(..)
            | Event::Wrote(..)
            | Event::Failed(..)
            | Event::Unreadable(..)
            | Event::Patience => {}
        }
    }
}
