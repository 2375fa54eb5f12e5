//! What is true, kept outside of all machines: what was given out, what was heard, which outputs were seen.

use protocol::mr::{AttemptId, TaskId, WorkerId};
use std::collections::{BTreeMap, BTreeSet};

/// What does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Violation {
    /// An output is not what a sequential run has.
    WrongOutput,
    /// Half a file has a name that somebody reads.
    HalfAFile,
    /// An output changed after it could be seen.
    OutputChanged,
    /// What was counted is not what the winners have counted.
    Miscounted,
    /// A task was run a second time without need.
    RunTwice,
    /// A reduce was run before every map had a winner on the disk.
    TooEarly,
    /// It was told that the job is done while an output was missing.
    NotDone,
    /// What was done was done again.
    DoneAgain,
    /// Something was run or published after it was told that the job is over.
    AfterTheEnd,
    /// A number was given to two attempts.
    NumberTwice,
    /// A deadline ended an attempt that was heard of since it was set.
    NotSilent,
    /// An attempt was stopped that was needed.
    StoppedForNothing,
    /// An attempt runs on though its task is won.
    RunsOn,
    /// Other records are skipped than those at which attempts have failed twice.
    WronglySkipped,
    /// The job failed before a task had failed too often.
    FailedEarly,
    /// The coordinator went before a worker was told, or a worker before it was told.
    LeftEarly,
    /// A stranger was told of the job's work.
    ToldStranger,
    /// A task was given to a worker on whose host it had failed, though there was another.
    GivenBack,
    /// A job that had failed was gone on with unasked, or not when it was asked for.
    WronglyTakenUp,
}

/// An attempt that runs, as far as the coordinator can know.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Seen {
    /// Who runs it.
    pub worker: WorkerId,
    /// The record that was told last.
    pub at: Option<u64>,
    /// Whether it takes long.
    pub straggles: bool,
}

/// How often what the bounds bound has happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Used {
    /// Workers have died.
    pub crashes: u8,
    /// The coordinator has.
    pub restarts: u8,
    /// A failed job was asked for again.
    pub agains: u8,
    /// Connections have broken.
    pub breaks: u8,
    /// Deadlines have passed.
    pub silences: u8,
    /// Attempts took long.
    pub straggles: u8,
    /// Attempts have failed.
    pub failures: u8,
    /// Outputs were lost.
    pub losses: u8,
    /// Workers hang.
    pub hangs: u8,
    /// Attempts have reported.
    pub reports: u8,
}

/// The history.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct History {
    /// Every attempt that was given out.
    pub given: BTreeSet<AttemptId>,
    /// Those that run.
    pub live: BTreeMap<AttemptId, Seen>,
    /// Winners that are on the disk, or that their workers were told to be.
    pub kept: BTreeMap<TaskId, AttemptId>,
    /// Outputs that were lost.
    pub lost: BTreeSet<AttemptId>,
    /// The connections that the coordinator knows of.
    pub present: BTreeMap<WorkerId, u64>,
    /// How each failure was: whether it was the task's own, and at which record.
    pub failed: BTreeMap<TaskId, Vec<(bool, Option<u64>)>>,
    /// By which workers each task has failed by itself in this life, and at which records.
    pub by: BTreeMap<TaskId, BTreeSet<(WorkerId, Option<u64>)>>,
    /// Workers whose attempt's deadline has passed, and of which nothing was heard since.
    pub silent: BTreeSet<WorkerId>,
    /// How the job has ended, by what was told: whether it was done.
    pub over: Option<bool>,
    /// What had happened when the user asked for it again.
    pub asked: Option<Used>,
    /// Whether workers had their time to hear of it.
    pub farewell: bool,
    /// How often what the bounds bound has happened.
    pub used: Used,
    /// What does not hold.
    pub violation: Option<Violation>,
}

impl Used {
    /// How many failures there may be of tasks by themselves, and how many others.
    pub fn faults(&self) -> (u32, u32) {
        let others = self.crashes + self.silences + self.breaks + self.losses;
        (self.failures.into(), others.into())
    }
}

impl History {
    /// The first violation stays.
    pub fn violate(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    /// An attempt has failed, if it ran.
    pub fn fail(&mut self, attempt: AttemptId, own: bool, at: Option<u64>) {
        if let Some(seen) = self.live.remove(&attempt) {
            if own {
                self.by.entry(attempt.task).or_default().insert((seen.worker, at.or(seen.at)));
            }
            self.failed.entry(attempt.task).or_default().push((own, at.or(seen.at)));
        }
    }

    /// The records at which two attempts of a task have failed.
    pub fn bad(&self, task: TaskId) -> BTreeSet<u64> {
        let all = || self.failed.get(&task).into_iter().flatten().filter_map(|(_, at)| *at);
        all().filter(|record| all().filter(|other| other == record).count() > 1).collect()
    }

    /// How often a task has failed, by itself and otherwise, but for failures at records that are skipped.
    pub fn failures(&self, task: TaskId, skips: bool) -> (u32, u32) {
        let bad = if skips { self.bad(task) } else { BTreeSet::new() };
        let all = self.failed.get(&task).into_iter().flatten();
        let counted = all.filter(|(_, at)| at.is_none_or(|record| !bad.contains(&record)));
        counted.fold((0, 0), |(own, others), (is_own, _)| match is_own {
            true => (own + 1, others),
            false => (own, others + 1),
        })
    }

    /// An attempt is given out.
    pub fn note_run(&mut self, attempt: AttemptId, worker: WorkerId) {
        let task = attempt.task;
        if self.over.is_some() {
            self.violate(Violation::AfterTheEnd);
        }
        if !self.given.insert(attempt) {
            self.violate(Violation::NumberTwice);
        }
        if let Some(winner) = self.kept.get(&task) {
            if !self.lost.contains(winner) {
                self.violate(Violation::DoneAgain);
            }
            self.kept.remove(&task);
        }
        let mut others = self.live.iter().filter(|(other, _)| other.task == task);
        let (first, second) = (others.next(), others.next());
        if second.is_some() || first.is_some_and(|(_, seen)| !seen.straggles) {
            self.violate(Violation::RunTwice);
        }
        self.live.insert(attempt, Seen { worker, at: None, straggles: false });
    }

    /// By which workers a task has failed by itself in this life, other than at records that are skipped.
    pub fn failed_by(&self, task: TaskId, skips: bool) -> impl Iterator<Item = WorkerId> {
        let bad = if skips { self.bad(task) } else { BTreeSet::new() };
        let is_bad = move |at: &Option<u64>| at.is_some_and(|record| bad.contains(&record));
        let all = self.by.get(&task).into_iter().flatten();
        all.filter(move |(_, at)| !is_bad(at)).map(|(worker, _)| *worker)
    }

    /// Workers that are here, and of which something was heard since the deadline of their attempt.
    pub fn heard(&self) -> impl Iterator<Item = WorkerId> {
        self.present.keys().copied().filter(|worker| !self.silent.contains(worker))
    }

    /// The connection of a worker is gone, as the coordinator hears.
    pub fn note_gone(&mut self, worker: WorkerId) {
        self.present.remove(&worker);
        self.silent.remove(&worker);
        for attempt in self.of(worker) {
            self.fail(attempt, false, None);
        }
    }

    /// Workers that are here and run nothing.
    pub fn parked(&self) -> impl Iterator<Item = WorkerId> {
        let busy = |worker: &WorkerId| self.live.values().any(|seen| seen.worker == *worker);
        self.present.keys().copied().filter(move |worker| !busy(worker))
    }

    /// The attempts that a worker runs.
    pub fn of(&self, worker: WorkerId) -> Vec<AttemptId> {
        let of = self.live.iter().filter(|(_, seen)| seen.worker == worker);
        of.map(|(attempt, _)| *attempt).collect()
    }
}
