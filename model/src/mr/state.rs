//! Who takes part: the coordinator and its disk, the workers and what they run, the connections and the files.

use super::bounds::JOB;
use super::{Bounds, History, Rules};
use protocol::mr::{
    AttemptId, Badge, Coordinator, Effect, Letter, Order, Record, Session, Timer, Worker, WorkerId,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

/// What stands in a letter or an order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// A worker has connected.
    Hello,
    /// An attempt goes on.
    Progress,
    /// It has finished.
    Finished,
    /// It has failed.
    Failed,
    /// It can't read an output.
    Unreadable,
    /// Run this.
    Run,
    /// Stop this.
    Cancel,
    /// Another has won before it.
    TooLate,
    /// It has won.
    Accepted,
    /// The job is over.
    Over,
    /// Go away.
    Refused,
}

/// What is under way: the first of its connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Message {
    /// What it says.
    pub word: Word,
    /// Of which attempt.
    pub attempt: Option<AttemptId>,
}

impl Message {
    /// What a worker writes.
    pub fn of_letter(letter: &Letter<u8>) -> Self {
        use protocol::mr::Report;
        let report = match letter {
            Letter::Hello(_, hello) => {
                let attempt = hello.running.map(|(attempt, _)| attempt);
                return Self { word: Word::Hello, attempt };
            }
            Letter::Report(_, report) => report,
        };
        let word = match report {
            Report::Progress { .. } => Word::Progress,
            Report::Finished { .. } => Word::Finished,
            Report::Failed { .. } => Word::Failed,
            Report::Unreadable { .. } => Word::Unreadable,
        };
        Self { word, attempt: Some(report.attempt()) }
    }

    /// What the coordinator says.
    pub const fn of_order(order: &Order<u8>) -> Self {
        let (word, attempt) = match order {
            Order::Run { attempt, .. } => (Word::Run, Some(*attempt)),
            Order::Cancel(attempt) => (Word::Cancel, Some(*attempt)),
            Order::TooLate(attempt) => (Word::TooLate, Some(*attempt)),
            Order::Accepted(attempt) => (Word::Accepted, Some(*attempt)),
            Order::Over(_) => (Word::Over, None),
            Order::Refused(_) => (Word::Refused, None),
        };
        Self { word, attempt }
    }
}

/// What may happen besides what is under way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stimulus {
    /// To the coordinator: the next letter of a connection that is broken.
    Late(Session),
    /// To the coordinator: a connection is gone.
    Gone(Session),
    /// To the coordinator: one more record is on its disk.
    Sync,
    /// To the coordinator: an output gets its name.
    Publish(AttemptId),
    /// To the coordinator: an output gets its name, and it dies before it hears of that.
    PublishAndDie(AttemptId),
    /// To the coordinator: a timer fires.
    Fires(Timer),
    /// To the coordinator: it dies, and is started again.
    Restart,
    /// The same, behind a job that has failed: its user asks for it again.
    Again,
    /// To the coordinator's files: an output of a map is lost.
    Lose(AttemptId),
    /// To a worker: it connects.
    Connect,
    /// To a worker: its connection breaks.
    Break,
    /// To a worker: it dies, and is started again.
    Crash,
    /// To a worker: it never does anything any more.
    Hang,
    /// To a worker: what it runs takes a step.
    Work,
    /// To a worker: its file gets its name.
    Name,
    /// To a worker: what it runs reports.
    Report,
    /// To a worker: what it runs fails.
    Fail,
    /// To a worker: it has found no coordinator for long.
    Patience,
}

/// How a file is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Name {
    /// An attempt writes it aside.
    Aside(AttemptId),
    /// It is an attempt's.
    Of(AttemptId),
    /// It is the output of a reduce.
    Output(u32),
}

/// A file: of each map that is in it, the records that were left out.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct File {
    /// Who has written it.
    pub writer: AttemptId,
    /// Whether that is all.
    pub whole: bool,
    /// What is in it.
    pub maps: BTreeMap<u32, BTreeSet<u64>>,
}

/// An attempt that a worker runs.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Run {
    /// The attempt.
    pub attempt: AttemptId,
    /// What it reads.
    pub inputs: Arc<Vec<u64>>,
    /// What it skips.
    pub skip: Arc<BTreeSet<u64>>,
    /// What it has read, when half of its file is written.
    pub maps: Option<BTreeMap<u32, BTreeSet<u64>>>,
}

/// A worker and what is around it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Seat<R> {
    /// The worker.
    pub machine: Worker<u8, R>,
    /// How often it was started again.
    pub boots: u8,
    /// What it runs.
    pub run: Option<Run>,
    /// What gets its name.
    pub naming: Option<AttemptId>,
    /// What it has written, in this order.
    pub up: VecDeque<Letter<u8>>,
    /// What was told it, in this order.
    pub down: VecDeque<Order<u8>>,
    /// Whether it never does anything any more.
    pub hung: bool,
}

impl<R: Rules> Seat<R> {
    /// One that was just started.
    pub fn new(bounds: &Bounds, rules: R, index: usize, boots: u8) -> Self {
        let is_stranger = bounds.stranger && index + 1 == usize::from(bounds.workers);
        let job = if is_stranger { JOB + 1 } else { JOB };
        let worker = WorkerId(index as u64 + 16 * u64::from(boots));
        let badge = Badge { worker, host: bounds.host(index), job, version: 1 };
        Self {
            machine: Worker::new(rules, badge, &mut Vec::new()),
            boots,
            run: None,
            naming: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            hung: false,
        }
    }
}

/// The place of a worker among all.
pub const fn index_of(worker: WorkerId) -> usize {
    (worker.0 % 16) as usize
}

/// The coordinator's disk.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Disk {
    /// The records.
    pub records: Vec<Record<u8>>,
    /// How many of them are on the disk.
    pub durable: usize,
    /// How many of them are of earlier lives.
    pub earlier: usize,
}

/// A state of the model.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct State<R> {
    /// The coordinator, if it has not left.
    pub coordinator: Option<Arc<Coordinator<u8, R>>>,
    /// Its disk.
    pub disk: Arc<Disk>,
    /// Its timers that are armed, and whether the attempt was heard of since.
    pub timers: BTreeMap<Timer, bool>,
    /// The outputs that are to get their names.
    pub publishing: BTreeSet<AttemptId>,
    /// The workers.
    pub seats: Vec<Arc<Seat<R>>>,
    /// Connections that are broken, which the coordinator has not noticed, and what may still come over them.
    pub broken: BTreeMap<Session, VecDeque<Letter<u8>>>,
    /// The files.
    pub files: Arc<BTreeMap<Name, File>>,
    /// What is true.
    pub history: Arc<History>,
}

impl<R: Rules> State<R> {
    /// Before anything has happened; and what the coordinator wants first.
    pub fn new(bounds: &Bounds, rules: R) -> (Self, Vec<Effect<u8>>) {
        let mut out = Vec::new();
        let first = Coordinator::recover(rules, bounds.spec(), [], false, &mut out);
        let coordinator = Some(Arc::new(first.expect("there is nothing that could be wrong")));
        let seat = |index| Arc::new(Seat::new(bounds, rules, index, 0));
        let state = Self {
            coordinator,
            disk: Arc::default(),
            timers: BTreeMap::new(),
            publishing: BTreeSet::new(),
            seats: (0..usize::from(bounds.workers)).map(seat).collect(),
            broken: BTreeMap::new(),
            files: Arc::default(),
            history: Arc::default(),
        };
        (state, out)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attempt {
            Some(attempt) => write!(f, "{:?} {attempt:?}", self.word),
            None => write!(f, "{:?}", self.word),
        }
    }
}

impl fmt::Debug for Stimulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |session: &Session| format!("w{}#{}", session.worker.0, session.incarnation);
        match self {
            Self::Late(session) => write!(f, "hears late of {}", of(session)),
            Self::Gone(session) => write!(f, "notices that {} is gone", of(session)),
            Self::Sync => f.write_str("has one more record on its disk"),
            Self::Publish(attempt) => write!(f, "gives {attempt:?} its name"),
            Self::PublishAndDie(attempt) => write!(f, "gives {attempt:?} its name and dies"),
            Self::Fires(timer) => write!(f, "{timer:?} fires"),
            Self::Restart => f.write_str("dies and is started again"),
            Self::Again => f.write_str("dies, and its user asks for the failed job again"),
            Self::Lose(attempt) => write!(f, "loses the output of {attempt:?}"),
            Self::Connect => f.write_str("connects"),
            Self::Break => f.write_str("loses its connection"),
            Self::Crash => f.write_str("dies and is started again"),
            Self::Hang => f.write_str("does nothing any more"),
            Self::Work => f.write_str("works"),
            Self::Name => f.write_str("gives its file its name"),
            Self::Report => f.write_str("reports that it goes on"),
            Self::Fail => f.write_str("fails"),
            Self::Patience => f.write_str("has found no coordinator for long"),
        }
    }
}

impl<R: Rules> fmt::Debug for State<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { coordinator, disk, timers, publishing, seats, broken, files, history } = self;
        write!(f, "{coordinator:?} {disk:?} timers {timers:?} publishing {publishing:?} ")?;
        write!(f, "{seats:?} broken {broken:?} {files:?} {history:?}")
    }
}
