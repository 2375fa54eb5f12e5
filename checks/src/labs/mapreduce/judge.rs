//! What is true of a job, kept outside of all machines, and what must be so. The properties have the names of the
//! model's; what they are held against is another text.
//!
//! An attempt counts as live as long as its worker runs it over the connection that the coordinator has, or had when it
//! died. What the coordinator can't see, for a connection that broke, say, is held against nobody.

use super::files::{Files, Name};
use model::mr::{
    ALIVE, COUNT, COUNTERS, DONE, FAIL, FRESH, KEPT, NEED, ONE, ORDER, OUTPUT, OVER, STOP, TOLD,
};
use protocol::mr::{
    AttemptId, Coordinator, Ending, Fault, Kind, Letter, Order, Parting, Record, Report, Rules,
    Session, TaskId, Timer, WorkerId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

pub(super) use model::mr::{SETTLES, WHOLE};

/// What fails with a text.
pub(super) type Cause = String;

/// Whether the coordinator can see an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sight {
    /// Its worker runs it over the connection that the coordinator has.
    Seen,
    /// The coordinator that saw it has died, and the next one waits for its worker.
    Orphan,
    /// It can't: a connection is broken, or nothing was heard for too long.
    Away,
}

/// An attempt that runs.
#[derive(Clone, Copy, Debug)]
struct Live {
    session: Session,
    sight: Sight,
    /// It takes much longer than others.
    straggles: bool,
    /// When the coordinator last heard of it.
    heard: u64,
}

/// The outputs that could be seen at a moment.
type Outputs = BTreeMap<u32, Rc<Vec<u8>>>;

/// The judge of a round.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// The first that does not hold, and how.
    pub violation: Option<(&'static str, String)>,
    expected: Option<Vec<Vec<u8>>>,
    tasks: Vec<TaskId>,
    silence_us: u64,
    /// Every attempt that was given out.
    pub given: BTreeSet<AttemptId>,
    live: BTreeMap<AttemptId, Live>,
    /// Winners that are on the disk, or that their workers were told to be.
    kept: BTreeMap<TaskId, AttemptId>,
    on_disk: BTreeMap<TaskId, AttemptId>,
    /// Maps' files that the folder has lost.
    pub lost: BTreeSet<AttemptId>,
    /// The connections that the coordinator knows of.
    present: BTreeMap<WorkerId, u64>,
    over: bool,
    farewell: bool,
    exited: bool,
    /// What could be seen when the first process left by itself.
    first_exit: Option<Outputs>,
}

impl Judge {
    /// Of these tasks, and of what each reduce must write, if that depends on the input alone. An attempt must have
    /// been silent for so long, in microseconds, before it is given up.
    pub(super) fn new(tasks: Vec<TaskId>, expected: Option<Vec<Vec<u8>>>, silence_us: u64) -> Self {
        Self { tasks, expected, silence_us, ..Self::default() }
    }

    /// Something does not hold. The first stays.
    pub(super) fn violate(&mut self, property: &'static str, text: impl Into<String>) {
        self.violation.get_or_insert_with(|| (property, text.into()));
    }

    fn require(&mut self, holds: bool, property: &'static str, text: impl FnOnce() -> String) {
        if !holds {
            self.violate(property, text());
        }
    }

    /// A connection is broken, as who has it knows: nobody can blame the coordinator for what it can't hear.
    pub(super) fn broke(&mut self, session: Session) {
        let of = self.live.values_mut().filter(|live| live.session == session);
        of.for_each(|live| live.sight = Sight::Away);
    }

    /// A worker's process is gone.
    pub(super) fn died(&mut self, worker: WorkerId) {
        self.live.retain(|_, live| live.session.worker != worker);
    }

    /// The coordinator has died.
    pub(super) fn headless(&mut self) {
        self.present.clear();
        self.farewell = false;
        let seen = self.live.values_mut().filter(|live| live.sight == Sight::Seen);
        seen.for_each(|live| live.sight = Sight::Orphan);
    }

    /// The coordinator hears a letter.
    pub(super) fn hears(&mut self, letter: &Letter<Cause>, now: u64) {
        match letter {
            // It has another one, whose letters were faster.
            Letter::Hello(session, _)
                if self.present.get(&session.worker) >= Some(&session.incarnation) => {}
            Letter::Hello(session, hello) => {
                self.present.insert(session.worker, session.incarnation);
                let running = hello.running.map(|(attempt, _)| attempt);
                self.live.retain(|attempt, live| {
                    live.session.worker != session.worker || running == Some(*attempt)
                });
                if let Some(live) = running.and_then(|attempt| self.live.get_mut(&attempt)) {
                    let sight = Sight::Seen;
                    *live = Live { session: *session, sight, heard: now, ..*live };
                }
            }
            Letter::Report(session, report) => {
                let attempt = report.attempt();
                let Some(live) = self.live.get_mut(&attempt) else { return };
                if live.session != *session {
                    return;
                }
                (live.sight, live.heard) = (Sight::Seen, now);
                if !matches!(report, Report::Progress { .. }) {
                    self.live.remove(&attempt);
                }
            }
        }
    }

    /// The coordinator hears that a connection is gone.
    pub(super) fn hears_gone(&mut self, session: Session) {
        if self.present.get(&session.worker) == Some(&session.incarnation) {
            self.present.remove(&session.worker);
            self.broke(session);
        }
    }

    /// A timer fires.
    pub(super) fn fires(&mut self, timer: Timer, now: u64) {
        match timer {
            Timer::Silence(attempt) => {
                let Some(live) = self.live.get_mut(&attempt) else { return };
                let silent = live.heard + self.silence_us <= now || live.sight != Sight::Seen;
                live.sight = Sight::Away;
                self.require(silent, ALIVE, || format!("{attempt:?} was heard of lately"));
            }
            Timer::Straggles(attempt) => {
                if let Some(live) = self.live.get_mut(&attempt) {
                    live.straggles = true;
                }
            }
            Timer::Gather => {
                let orphans = self.live.values_mut().filter(|live| live.sight == Sight::Orphan);
                orphans.for_each(|live| live.sight = Sight::Away);
            }
            Timer::Farewell => self.farewell = true,
        }
    }

    /// Records are on the disk.
    pub(super) fn durable(&mut self, records: &[Record<Cause>]) {
        for record in records {
            match record {
                Record::Won { attempt, .. } => {
                    self.on_disk.insert(attempt.task, *attempt);
                    self.kept.insert(attempt.task, *attempt);
                }
                Record::Failed { attempt, fault: Fault::Lost | Fault::NotPublished(_), .. } => {
                    self.on_disk.remove(&attempt.task);
                }
                Record::Failed { .. } | Record::Began { .. } | Record::Over(_) => {}
            }
        }
    }

    /// The coordinator tells a worker something, over a connection that is open or broken.
    pub(super) fn tells(
        &mut self,
        (session, open): (Session, bool),
        order: &Order<Cause>,
        files: &Files,
        now: u64,
    ) {
        match order {
            Order::Run { attempt, .. } => {
                self.runs(*attempt);
                let sight = if open { Sight::Seen } else { Sight::Away };
                let live = Live { session, sight, straggles: false, heard: now };
                self.live.insert(*attempt, live);
            }
            Order::Cancel(attempt) | Order::TooLate(attempt) => {
                self.live.remove(attempt);
            }
            Order::Accepted(attempt) => {
                self.kept.insert(attempt.task, *attempt);
            }
            Order::Over(ending) => self.ends(ending, files),
            Order::Refused(why) => {
                self.require(!open, TOLD, || format!("a worker is refused: {why:?}"));
            }
        }
    }

    fn runs(&mut self, attempt: AttemptId) {
        let task = attempt.task;
        self.require(!self.over, OVER, || format!("{attempt:?} is run"));
        let fresh = self.given.insert(attempt);
        self.require(fresh, FRESH, || format!("{attempt:?} is given out twice"));
        if let Some(winner) = self.kept.remove(&task) {
            let lost = self.lost.contains(&winner);
            self.require(lost, KEPT, || format!("{attempt:?} is run, {winner:?} had won"));
        }
        if task.kind == Kind::Reduce {
            let maps = self.tasks.iter().filter(|task| task.kind == Kind::Map);
            let missing = maps.copied().find(|map| !self.on_disk.contains_key(map));
            self.require(missing.is_none(), ORDER, || {
                format!("{attempt:?} is run, and the disk has no winner of {missing:?}")
            });
        }
        let is_live =
            |(other, live): &(&AttemptId, &Live)| other.task == task && live.sight != Sight::Away;
        let others: Vec<_> = self.live.iter().filter(is_live).collect();
        let needed = match &others[..] {
            [] => true,
            [(_, live)] => live.straggles,
            _ => false,
        };
        let others: Vec<_> = others.into_iter().map(|(other, _)| *other).collect();
        self.require(needed, COUNT, || format!("{attempt:?} is run, and {others:?} is run too"));
    }

    /// It is told that the job is over.
    pub(super) fn ends(&mut self, ending: &Ending<Cause>, files: &Files) {
        self.over = true;
        let failed = *ending != Ending::Done;
        self.require(!failed, FAIL, || format!("the job has failed: {ending:?}"));
        let outputs = files.outputs().len();
        let all = self.reduces();
        self.require(outputs == all, DONE, || format!("only {outputs} of {all} outputs are there"));
    }

    fn reduces(&self) -> usize {
        self.tasks.iter().filter(|task| task.kind == Kind::Reduce).count()
    }

    /// The coordinator wants an output to get its name.
    pub(super) fn wants_published(&mut self, attempt: AttemptId) {
        self.require(!self.over, OVER, || format!("{attempt:?} is published"));
    }

    /// An output gets its name: it is not there yet, and is what it should be.
    pub(super) fn published(&mut self, attempt: AttemptId, lines: &[u8], files: &Files) {
        let index = attempt.task.index;
        let there = files.content(Name::Output(index)).is_some();
        self.require(!there, ONE, || format!("mr-out-{index} was there"));
        let expected = self.expected.as_ref().map(|all| all[index as usize].as_slice());
        let right = expected.is_none_or(|expected| expected == lines);
        self.require(right, OUTPUT, || {
            let lines = String::from_utf8_lossy(lines);
            format!("mr-out-{index} by {attempt:?} is {:?}", lines.get(..200).unwrap_or(&lines))
        });
    }

    /// A worker has deleted an attempt's file.
    pub(super) fn deleted(&mut self, attempt: AttemptId) {
        let won = self.kept.get(&attempt.task) == Some(&attempt) && !self.over;
        self.require(!won, KEPT, || format!("the file of {attempt:?} is deleted, and it had won"));
    }

    /// A worker leaves.
    pub(super) fn left(&mut self, parting: &Parting<Cause>, files: &Files) {
        let may = match parting {
            Parting::Over(_) => self.over,
            Parting::Refused(_) => false,
            Parting::Alone => self.exited,
        };
        self.require(may, TOLD, || format!("a worker leaves: {parting:?}"));
        self.first_exit.get_or_insert_with(|| files.outputs());
    }

    /// The coordinator leaves.
    pub(super) fn exits(&mut self, files: &Files) {
        self.exited = true;
        let may = self.present.is_empty() || self.farewell;
        let present = self.present.len();
        self.require(may, TOLD, || format!("the coordinator leaves, {present} workers are there"));
        self.first_exit.get_or_insert_with(|| files.outputs());
    }

    /// What must hold behind every step of the coordinator.
    pub(super) fn behind<R: Rules>(
        &mut self,
        coordinator: &Coordinator<Cause, R>,
        records: &[Record<Cause>],
    ) {
        for place in 0..self.tasks.len() {
            let task = self.tasks[place];
            let (name, last) =
                (counter(task), coordinator.winner(task).or_else(|| lost(records, task)));
            let counted = coordinator.counters().get(&name);
            let right = last.map_or(0, |attempt| attempt.attempt.cast_signed());
            self.require(counted == right, COUNTERS, || format!("{name} is {counted}"));
        }
        if self.over || coordinator.ending().is_some() {
            return;
        }
        let lost = self.live.iter().find(|(attempt, live)| {
            let winner = coordinator.winner(attempt.task);
            live.sight == Sight::Seen && winner.is_some_and(|winner| winner != **attempt)
        });
        let lost = lost.map(|(attempt, _)| *attempt);
        self.require(lost.is_none(), STOP, || format!("{lost:?} runs on, and another has won"));
    }

    /// An attempt was cancelled in this step.
    pub(super) fn cancelled<R: Rules>(
        &mut self,
        attempt: AttemptId,
        coordinator: &Coordinator<Cause, R>,
    ) {
        let others = coordinator.live(attempt.task).filter(|(other, ..)| *other != attempt).count();
        let needless = coordinator.winner(attempt.task).is_none() && others < 2;
        self.require(!needless, NEED, || format!("{attempt:?} is stopped"));
    }

    /// When everybody has left: nothing has changed since the first one did, and all is there.
    pub(super) fn finish(&mut self, files: &Files) -> Outputs {
        let outputs = files.outputs();
        let early = self.first_exit.as_ref().is_some_and(|first| *first != outputs);
        self.require(!early, TOLD, || "the output has changed since the first has left".into());
        let (found, all) = (outputs.len(), self.reduces());
        self.require(found == all, DONE, || format!("there are {found} outputs of {all}"));
        outputs
    }
}

/// The last winner of a task that is none any more, as is written down.
fn lost(records: &[Record<Cause>], task: TaskId) -> Option<AttemptId> {
    let mut lost = None;
    for record in records {
        if let Record::Failed { attempt, fault, .. } = record
            && attempt.task == task
            && matches!(fault, Fault::Lost | Fault::NotPublished(_))
        {
            lost = Some(*attempt);
        }
    }
    lost
}

/// Where each attempt of a task counts its number, once.
pub(super) fn counter(task: TaskId) -> String {
    format!("lab,{task:?}")
}
