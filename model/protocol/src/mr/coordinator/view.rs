//! What can be seen of a job.

use super::tasks::{Failures, State};
use super::{Coordinator, Phase, Tally};
use crate::mr::{AttemptId, Counters, Ending, Kind, Rules, Spec, TaskId, WorkerId};
use alloc::collections::BTreeSet;

/// What a worker does that has a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Doing {
    /// Nothing: it gets the next task that can be run.
    Parked,
    /// It runs an attempt.
    Busy(AttemptId),
    /// It was given an attempt and was not heard for too long.
    Silent(AttemptId),
}

impl<C: Clone + Eq, R: Rules> Coordinator<C, R> {
    /// The job.
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The number of this life, from 1 on.
    pub const fn life(&self) -> u32 {
        self.life
    }

    /// How many tasks of a kind stand how.
    pub const fn tally(&self, kind: Kind) -> Tally {
        self.tasks(kind).tally
    }

    /// What the tasks' last winners have counted.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many attempts were run in this life, or came back in it.
    pub const fn runs(&self) -> u64 {
        self.runs
    }

    /// Whether it waits for workers of an earlier life.
    pub const fn is_gathering(&self) -> bool {
        matches!(self.phase, Phase::Gathering)
    }

    /// How the job has ended, if it has and workers are told.
    pub const fn ending(&self) -> Option<&Ending<C>> {
        match &self.phase {
            Phase::Over(ending) | Phase::Left(ending) => Some(ending),
            Phase::Gathering | Phase::Working | Phase::Ending(_) => None,
        }
    }

    /// Whether the job has failed, as far as is written, on the disk or not.
    pub const fn has_failed(&self) -> bool {
        matches!(
            self.phase,
            Phase::Ending(Ending::Failed(..))
                | Phase::Over(Ending::Failed(..))
                | Phase::Left(Ending::Failed(..))
        )
    }

    /// The winner of a task. None if there is none, or no such task.
    pub fn winner(&self, task: TaskId) -> Option<AttemptId> {
        let tasks = self.tasks(task.kind);
        match tasks.has(task.index).then(|| &tasks.get(task.index).state)? {
            State::Won(attempt, ..) => Some(AttemptId { task, attempt: *attempt }),
            State::Idle | State::Running(..) => None,
        }
    }

    /// The live attempts of a task: who runs each, and at which record it was last.
    pub fn live(&self, task: TaskId) -> impl Iterator<Item = (AttemptId, WorkerId, Option<u64>)> {
        let tasks = self.tasks(task.kind);
        let all = match tasks.has(task.index).then(|| &tasks.get(task.index).state) {
            Some(State::Running(all, _)) => all.as_slice(),
            _ => &[],
        };
        all.iter()
            .map(move |live| (AttemptId { task, attempt: live.attempt }, live.worker, live.at))
    }

    /// How often a task has failed, by itself and otherwise; failures at records that are skipped are left out.
    pub fn failures(&self, task: TaskId) -> (u32, u32) {
        let failures = self.of(task).map(|failures| (failures.own, failures.others));
        failures.unwrap_or_default()
    }

    /// The records of a task that are skipped.
    pub fn skipped(&self, task: TaskId) -> Option<&BTreeSet<u64>> {
        self.of(task).map(|failures| &*failures.skip)
    }

    fn of(&self, task: TaskId) -> Option<&Failures> {
        let tasks = self.tasks(task.kind);
        tasks.has(task.index).then(|| tasks.get(task.index).failures.as_deref())?
    }

    /// The workers that have a connection, and what they do.
    pub fn workers(&self) -> impl Iterator<Item = (WorkerId, Doing)> {
        self.seats.iter().map(|(worker, seat)| (*worker, seat.doing))
    }
}
