//! A coordinator of what earlier ones have written down.

use super::tasks::Tasks;
use super::{Coordinator, Out, Phase, Waiting};
use crate::mr::{AttemptId, Counters, Effect, Fault, Kind, Record, Rules, Spec, TaskId, Timer};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// Records that are not this job's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Unfit {
    /// They are of the job of this number.
    OtherJob(u64),
    /// The job has so many map and reduce tasks by them.
    OtherTasks(u32, u32),
    /// They do not begin with a life.
    NoBeginning,
    /// They tell of a task that the job has not.
    NoTask(TaskId),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherJob(job) => write!(f, "the journal is of another job, {job:x}"),
            Self::OtherTasks(maps, reduces) => {
                write!(f, "the journal is of a job of {maps} map and {reduces} reduce tasks")
            }
            Self::NoBeginning => write!(f, "the journal has no beginning"),
            Self::NoTask(task) => write!(f, "the journal tells of {task:?}, which is not there"),
        }
    }
}

impl core::error::Error for Unfit {}

impl<C: Clone + Eq, R: Rules> Coordinator<C, R> {
    /// The coordinator of a job that has left these records, in their order: none, if it is the first. `again` is
    /// whether its user asks for it once more if it has failed. The error says why they can't be this job's.
    pub fn recover(
        rules: R,
        spec: Spec,
        records: impl IntoIterator<Item = Record<C>>,
        again: bool,
        out: Out<'_, C>,
    ) -> Result<Self, Unfit> {
        let mut coordinator = Self {
            rules,
            spec,
            life: 0,
            phase: Phase::Working,
            maps: Tasks::new(spec.maps),
            reduces: Tasks::new(spec.reduces),
            winners: Arc::new(vec![0; spec.maps as usize]),
            runs: 0,
            counters: Counters::NONE,
            seats: BTreeMap::new(),
            parked: BTreeSet::new(),
            overdue: Vec::new(),
            written: 0,
            durable: 0,
            maps_at: 0,
            waiting: VecDeque::new(),
            nothing: (Arc::default(), Arc::default()),
        };
        for record in records {
            coordinator.take(record)?;
        }
        coordinator.begin(again, out);
        Ok(coordinator)
    }

    /// MR-RECOVER-1, MR-AGAIN-2. What a record says is so.
    fn take(&mut self, record: Record<C>) -> Result<(), Unfit> {
        let Spec { job, maps, reduces, .. } = self.spec;
        match record {
            Record::Began { job: other, .. } if other != job => return Err(Unfit::OtherJob(other)),
            Record::Began { maps: m, reduces: r, .. } if (m, r) != (maps, reduces) => {
                return Err(Unfit::OtherTasks(m, r));
            }
            Record::Began { life, again, .. } => {
                self.life = self.life.max(life);
                if again && self.rules.stays_taken_up() {
                    self.phase = Phase::Working;
                }
            }
            _ if self.life == 0 => return Err(Unfit::NoBeginning),
            Record::Won { attempt, counters } => {
                self.must_have(attempt)?;
                if self.rules.keeps_won() {
                    self.counters.add_all(&counters);
                    self.set_won(attempt, counters, self.rules.takes_as_published());
                }
            }
            Record::Failed { attempt, fault, at } => {
                self.must_have(attempt)?;
                if matches!(fault, Fault::Lost | Fault::NotPublished(_)) {
                    self.unseat(attempt.task);
                }
                self.count(attempt.task, fault.is_own(), at);
            }
            Record::Over(ending) => self.phase = Phase::Ending(ending),
        }
        Ok(())
    }

    fn must_have(&self, attempt: AttemptId) -> Result<(), Unfit> {
        let task = attempt.task;
        if self.tasks(task.kind).has(task.index) { Ok(()) } else { Err(Unfit::NoTask(task)) }
    }

    /// MR-LIFE-1, MR-RECOVER-2, MR-RECOVER-3, MR-AGAIN-1. A life begins.
    fn begin(&mut self, again: bool, out: Out<'_, C>) {
        let is_first = self.life == 0;
        self.life = if is_first { 1 } else { self.rules.next_life(self.life) };
        let Spec { job, maps, reduces, .. } = self.spec;
        let again = self.has_failed() && self.rules.takes_up(again);
        if again {
            self.phase = Phase::Working;
        }
        self.journal(Record::Began { life: self.life, job, maps, reduces, again }, out);
        if matches!(self.phase, Phase::Ending(_)) {
            return self.after_disk(Waiting::Over, out);
        }
        if self.rules.publishes_again() {
            for index in 0..reduces {
                let task = TaskId { kind: Kind::Reduce, index };
                if let Some(winner) = self.winner(task) {
                    self.after_disk(Waiting::Publish(winner), out);
                }
            }
        }
        if !is_first && self.rules.gathers() {
            self.phase = Phase::Gathering;
            out.push(Effect::Arm(Timer::Gather));
        }
        self.conclude(out);
    }
}
