//! What a coordinator and its workers tell each other, and what the coordinator asks for. See [the module
//! above](super).

use super::Counters;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// What a task does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Kind {
    /// It reads a split of the input and writes a part for each reduce.
    Map,
    /// It reads its part of each map's output and writes one output.
    Reduce,
}

/// A task.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TaskId {
    /// What it does.
    pub kind: Kind,
    /// Its place among the tasks of its kind, from 0 on.
    pub index: u32,
}

/// One time that a task is run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AttemptId {
    /// The task.
    pub task: TaskId,
    /// Its number among the task's attempts: in the upper 32 bits the life of the coordinator that gave it out.
    pub attempt: u64,
}

impl AttemptId {
    pub(super) const fn new(task: TaskId, life: u32, number: u32) -> Self {
        Self { task, attempt: (life as u64) << 32 | number as u64 }
    }

    /// The life of the coordinator that gave it out, from 1 on.
    pub const fn life(self) -> u32 {
        (self.attempt >> 32) as u32
    }

    /// Its number among the task's attempts of that life, from 1 on.
    pub const fn number(self) -> u32 {
        self.attempt as u32
    }
}

/// A worker's process, or one of several places in it: it runs one attempt at a time. Chosen at random when it starts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WorkerId(pub u64);

/// A connection of a worker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Session {
    /// The worker.
    pub worker: WorkerId,
    /// The number of the connection; a later one has a greater number.
    pub incarnation: u64,
}

/// How often a task may fail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Limits {
    /// So many failures of a task by itself fail the job.
    pub own: u32,
    /// So many that came from elsewhere do so too: a record may kill each worker that sees it.
    pub others: u32,
    /// So many records of a task may be skipped (§4.6); 0 if none.
    pub skips: u32,
}

impl Limits {
    /// Those of a job that was told nothing else.
    pub const DEFAULT: Self = Self { own: 4, others: 20, skips: 0 };
}

/// A job.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Spec {
    /// Its number, which no other job has. Its output directory bears it too.
    pub job: u64,
    /// Of the program; workers must have the same.
    pub version: u32,
    /// How many map tasks.
    pub maps: u32,
    /// How many reduce tasks.
    pub reduces: u32,
    /// How often they may fail.
    pub limits: Limits,
}

/// Who a worker is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Badge {
    /// This process and no other.
    pub worker: WorkerId,
    /// As in [`Hello::host`].
    pub host: u64,
    /// The job that it works for.
    pub job: u64,
    /// Of its program.
    pub version: u32,
}

/// What a worker says first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Hello<C> {
    /// The job that it works for.
    pub job: u64,
    /// Of its program.
    pub version: u32,
    /// The computer that it runs on: workers with which it shares its disk and its programs have the same number.
    pub host: u64,
    /// What it runs, and the last record that was told of it.
    pub running: Option<(AttemptId, Option<u64>)>,
    /// What it has told, or could not tell, over earlier connections.
    pub reports: Vec<Report<C>>,
}

/// What a worker says of an attempt. `C` is what a failure is told with: a text, in a running system.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Report<C> {
    /// It goes on.
    Progress {
        /// The attempt.
        attempt: AttemptId,
        /// The record that it works at, if the job skips records.
        at: Option<u64>,
    },
    /// Its file is whole, on the disk, and has its name.
    Finished {
        /// The attempt.
        attempt: AttemptId,
        /// What it has counted.
        counters: Counters,
    },
    /// It failed.
    Failed {
        /// The attempt.
        attempt: AttemptId,
        /// The record that it worked at.
        at: Option<u64>,
        /// What it failed of.
        cause: C,
    },
    /// A map's output can't be read. The attempt of the reduce is over.
    Unreadable {
        /// The reduce's attempt.
        attempt: AttemptId,
        /// The map's attempt whose output it is.
        output: AttemptId,
    },
}

impl<C> Report<C> {
    /// The attempt that it is of.
    pub const fn attempt(&self) -> AttemptId {
        match self {
            Self::Progress { attempt, .. }
            | Self::Finished { attempt, .. }
            | Self::Failed { attempt, .. }
            | Self::Unreadable { attempt, .. } => *attempt,
        }
    }
}

/// Why a worker is sent away.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Refusal {
    /// It works for another job.
    OtherJob,
    /// Its program is of another version.
    OtherVersion,
    /// It has a later connection, or this one has said hello before.
    Stale,
}

/// What a coordinator tells a worker.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Order<C> {
    /// It is not wanted: it must leave.
    Refused(Refusal),
    /// Run this. Whatever it ran is stopped.
    Run {
        /// The attempt.
        attempt: AttemptId,
        /// For a reduce: of each map, by its index, the number of the attempt whose output it reads.
        inputs: Arc<Vec<u64>>,
        /// Records that are left out.
        skip: Arc<BTreeSet<u64>>,
    },
    /// An attempt is of no use: if it runs it is stopped, and its files go. If it has finished it may have won all the
    /// same; what it has told of that is answered apart.
    Cancel(AttemptId),
    /// An attempt has finished, and another one has won before: its files go.
    TooLate(AttemptId),
    /// An attempt has won, for good: there is no need to tell of it again.
    Accepted(AttemptId),
    /// The job is over: leave.
    Over(Ending<C>),
}

/// How an attempt failed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Fault<C> {
    /// By itself.
    Failed(C),
    /// Its output could not get its name.
    NotPublished(C),
    /// Its worker is gone, or has it no more.
    Gone,
    /// Nothing was heard of it for too long.
    Silent,
    /// It had won, and its output can't be read.
    Lost,
}

impl<C> Fault<C> {
    /// Whether it is the task's own, and not that of who ran it.
    pub const fn is_own(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::NotPublished(_))
    }
}

/// How a job ended.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Ending<C> {
    /// All outputs are there.
    Done,
    /// A task has failed too often; its last attempt, and how it failed.
    Failed(AttemptId, Fault<C>),
}

/// What must not be forgotten, in the order in which it happened.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Record<C> {
    /// A life of the coordinator began.
    Began {
        /// Its number, from 1 on.
        life: u32,
        /// The job.
        job: u64,
        /// Its map tasks.
        maps: u32,
        /// Its reduce tasks.
        reduces: u32,
        /// Whether the job had failed, and its user asked for it again.
        again: bool,
    },
    /// An attempt is its task's winner.
    Won {
        /// The attempt.
        attempt: AttemptId,
        /// What it has counted.
        counters: Counters,
    },
    /// An attempt has failed; if it was its task's winner, the task has none any more.
    Failed {
        /// The attempt.
        attempt: AttemptId,
        /// How.
        fault: Fault<C>,
        /// The record that it worked at.
        at: Option<u64>,
    },
    /// The job is over.
    Over(Ending<C>),
}

/// What the driver is asked to wait for. Each fires once, and not if it was disarmed before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Timer {
    /// Nothing was heard of an attempt for too long (the labs: 10 s).
    Silence(AttemptId),
    /// An attempt takes much longer than others of its kind (§3.6). How much is the driver's to say, and it may come to
    /// think otherwise while it waits.
    Straggles(AttemptId),
    /// Workers of an earlier life have had time to come back.
    Gather,
    /// Workers have had time to hear that the job is over.
    Farewell,
}

/// What may happen to a coordinator.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Input<C> {
    /// So many of this life's records are on the disk.
    Durable(u64),
    /// A worker has connected.
    Hello(Session, Hello<C>),
    /// A worker tells of an attempt.
    Report(Session, Report<C>),
    /// A connection is gone.
    Gone(Session),
    /// A timer has fired.
    Fired(Timer),
    /// What [`Effect::Publish`] has asked for is done, now or before: the output is there.
    Published(AttemptId),
    /// It can't be done: the output is not there, and will not come.
    NotPublished(AttemptId, C),
}

/// What the driver is to do.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Effect<C> {
    /// Write this behind the others, and say [`Input::Durable`] when it is on the disk.
    Journal(Record<C>),
    /// Tell a worker.
    Send(Session, Order<C>),
    /// Give the file of a reduce's attempt the name of its output, in one step and for good. If the file is not there
    /// and the output is, that was done before.
    Publish(AttemptId),
    /// Fire this in a while; if it is armed, in a while from now.
    Arm(Timer),
    /// Do not.
    Disarm(Timer),
    /// The job is over. What is left of its attempts' files may go.
    Over(Ending<C>),
    /// Every worker was told or is gone: the coordinator may go.
    Exit,
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Map => "map",
            Kind::Reduce => "reduce",
        };
        write!(f, "{kind}{}", self.index)
    }
}

impl fmt::Debug for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}.{}.{}", self.task, self.life(), self.number())
    }
}
