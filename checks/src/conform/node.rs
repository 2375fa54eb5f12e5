//! One node's trace, life after life, with the machine that takes its steps and the disk that it should have.

mod boot;
mod step;

pub use step::claimed;

use super::beside::{Aside, Beside};
use super::post::Shared;
use super::window::Answered;
use super::{NodeSummary, Refusal};
use boot::Booting;
use protocol::log::{Durable, Entry};
use protocol::raft::{Config, Timer};
use protocol::rsm::{Effect, Outcome, Rsm, Rules, Ticket};
use protocol::{Index, NodeId, SnapshotId, Write, raft};
use quorate::rsm::{Coded, StateMachine};
use quorate::trace::{self, Batch, Event, Next, Origin, Raw, Reader, Whose};
use quorate::wal::Bytes;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Why a node does not go on.
pub enum Stop {
    /// Its trace is refused.
    Refused(Refusal),
    /// What it hears next was not sent, or not yet.
    Unheard(Refusal),
    /// The letter that it gets next was not sent, or not yet.
    Unread(Refusal),
}

/// The same without its place.
pub enum Fault {
    Refused(String),
    Unheard(String),
    Unread(String),
}

impl From<String> for Fault {
    fn from(what: String) -> Self {
        Self::Refused(what)
    }
}

/// Who waits for a command here.
struct Who {
    origin: Origin,
    /// A fingerprint of the command without its stamp.
    command: u64,
}

/// What a step has come to, by the replay.
struct Came<Y> {
    /// Its input in words.
    said: String,
    effects: Vec<Effect<Y>>,
    /// What was applied before it.
    before: Index,
}

/// A line of the trace of this service.
type Line<'a, S> = Event<Raw<'a>, <S as StateMachine>::Query, Outcome<<S as StateMachine>::Reply>>;

/// A node.
pub struct Node<S: StateMachine, R, W> {
    folder: PathBuf,
    whose: Whose,
    /// Whose trace it is, in words.
    name: Rc<str>,
    config: Config,
    rules: (R, W),
    empty: S,
    lives: VecDeque<(u64, PathBuf)>,
    reader: Option<Reader>,
    batch: Option<Batch>,
    /// Where in the batch it goes on.
    place: usize,
    life: u64,
    clock: u128,
    step: u64,
    booting: Option<Booting>,
    machine: Option<Rsm<Coded<S>, R, W>>,
    came: Option<Came<S::Reply>>,
    /// What its disk has for sure.
    disk: Durable<Bytes>,
    /// What is under way to it.
    pending: VecDeque<(Write, Vec<Entry<Bytes>>)>,
    /// Snapshots whose files it has had.
    files: BTreeSet<SnapshotId>,
    /// Through where a state was copied whose file is not written yet.
    copied: Option<Index>,
    armed: BTreeSet<Timer>,
    callers: HashMap<Ticket, Who>,
    /// Reads that are open, and when they came.
    reads: HashMap<Ticket, u64>,
    /// Greater than the number of any read that was seen.
    next_read: u64,
    /// What was applied at the end of the last batch.
    told: Index,
    /// The life's trace ends in the middle of something.
    torn: bool,
    /// What it does beside its machine.
    beside: Box<dyn Beside<S, R, W>>,
    /// How many lines were taken.
    lines: u64,
    summary: NodeSummary,
}

impl<S: StateMachine, R: raft::Rules, W: Rules> Node<S, R, W> {
    /// Opens a server's folder. `whose` is its group's place in its node's log and its name, if it has one.
    pub fn open(
        folder: &Path,
        whose: Option<(u32, &str)>,
        empty: &S,
        rules: (R, W),
        beside: &dyn Fn(NodeId) -> Box<dyn Beside<S, R, W>>,
    ) -> Result<Self, Refusal> {
        let lives: VecDeque<_> = trace::lives(folder)?.into();
        let nothing = || Refusal::Folders(format!("there is no trace in {}", folder.display()));
        let reader = Reader::open(&lives.front().ok_or_else(nothing)?.1)?;
        let found = reader.header().whose;
        if whose.is_some_and(|(group, _)| found.group != group) {
            let text = format!("{} has the trace of {found}", folder.display());
            return Err(Refusal::Folders(text + ": give the folder as the server left it"));
        }
        let config = Config { me: NodeId(0), voters: Default::default(), max_batch: 1, window: 1 };
        let mut node = Self {
            folder: folder.to_owned(),
            whose: found,
            name: "a node".into(),
            config,
            rules,
            empty: empty.clone(),
            lives,
            reader: None,
            batch: None,
            place: 0,
            life: 0,
            clock: 0,
            step: 0,
            booting: None,
            machine: None,
            came: None,
            disk: Durable::default(),
            pending: VecDeque::new(),
            files: BTreeSet::new(),
            copied: None,
            armed: BTreeSet::new(),
            callers: HashMap::new(),
            reads: HashMap::new(),
            next_read: 0,
            told: 0,
            torn: false,
            beside: beside(config.me),
            lines: 0,
            summary: NodeSummary::default(),
        };
        node.load(|_| Ok(()))?;
        if node.batch.is_none() {
            let text = format!("the trace in {} ends within its first batch", folder.display());
            return Err(Refusal::Folders(
                text + ": the server has done nothing; leave the folder out",
            ));
        }
        let first = node.batch.as_ref().map(|batch| batch.event::<S::Query, Outcome<S::Reply>>(0));
        match first.transpose()?.flatten() {
            Some((Event::Boot(boot), _)) => node.config = boot.config,
            _ => return Err(node.refusal("a life begins with a start".into())),
        }
        node.summary.node = node.config.me.0;
        node.beside = beside(node.config.me);
        let of = whose.map(|(_, name)| format!("{name} on ")).unwrap_or_default();
        node.name = format!("{of}node {}", node.config.me.0).into();
        Ok(node)
    }

    /// Its number.
    pub const fn number(&self) -> NodeId {
        self.config.me
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What all servers of a group have in common: the cluster, its place in their logs, and its nodes.
    pub fn group(&self) -> (u128, u32, Vec<NodeId>) {
        (self.whose.identity.cluster, self.whose.group, self.voters())
    }

    /// All nodes of its group.
    pub fn voters(&self) -> Vec<NodeId> {
        self.config.voters.iter().collect()
    }

    /// Whether all of it was replayed.
    pub const fn is_over(&self) -> bool {
        self.batch.is_none()
    }

    /// When the batch began in which it goes on.
    pub fn time(&self) -> u64 {
        self.batch.as_ref().map_or(u64::MAX, |batch| batch.stamps.begun_us)
    }

    /// How many lines were taken.
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// The last index that its durable snapshot covers, or the one that is being written: that may be behind, if
    /// another node's was installed meanwhile.
    pub fn snapshot(&self) -> Index {
        let durable = self.disk.snapshot().last.index;
        self.copied.map_or(durable, |copied| copied.min(durable))
    }

    /// What was replayed.
    pub fn summary(&self) -> NodeSummary {
        self.summary.clone()
    }

    /// The next batch; none behind the last one of the last life. What is to be done at the end of each life is given.
    fn load(
        &mut self,
        mut over: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), Refusal> {
        loop {
            if let Some(reader) = &mut self.reader {
                match reader.next_batch()? {
                    Next::Batch(batch) => {
                        (self.batch, self.place) = (Some(batch), 0);
                        self.summary.batches += 1;
                        return Ok(());
                    }
                    Next::Torn { .. } => self.torn = true,
                    Next::End => {}
                }
                self.reader = None;
                over(self).map_err(|what| self.refusal(what))?;
                self.summary.torn += u64::from(std::mem::take(&mut self.torn));
            }
            let Some((life, path)) = self.lives.pop_front() else { return Ok(()) };
            let reader = Reader::open(&path)?;
            let header = reader.header();
            if (header.whose, header.life) != (self.whose, life) {
                let found = header.whose;
                let path = path.display();
                let text =
                    format!("{path} is life {} of {found}, and does not belong there", header.life);
                return Err(Refusal::Folders(text));
            }
            (self.life, self.clock, self.step) = (life, header.clock, 0);
            self.summary.lives += 1;
            self.reader = Some(reader);
        }
    }

    fn refusal(&self, what: String) -> Refusal {
        let batch = self.batch.as_ref();
        Refusal::Step {
            server: Rc::clone(&self.name),
            life: self.life,
            step: self.step,
            path: batch.map_or_else(|| self.folder.clone(), |batch| batch.path.clone()),
            offset: batch.map_or(0, |batch| batch.offset),
            what,
        }
    }

    /// Goes on to the end of the batch, or to the first message that was not sent yet.
    pub fn go_on(&mut self, shared: &mut Shared<S>) -> Result<(), Stop> {
        let Some(batch) = self.batch.take() else { return Ok(()) };
        let gone = self.take_batch(&batch, shared);
        self.batch = Some(batch);
        gone.map_err(|stop| match stop {
            Err(error) => Stop::Refused(error.into()),
            Ok(Fault::Refused(what)) => Stop::Refused(self.refusal(what)),
            Ok(Fault::Unheard(what)) => {
                // The step was not taken.
                Stop::Unheard(self.refusal(what))
            }
            Ok(Fault::Unread(what)) => Stop::Unread(self.refusal(what)),
        })?;
        self.batch = None;
        self.load(|node| node.end_life(shared)).map_err(Stop::Refused)
    }

    fn take_batch(
        &mut self,
        batch: &Batch,
        shared: &mut Shared<S>,
    ) -> Result<(), Result<Fault, trace::Error>> {
        while let Some((event, next)) = batch.event(self.place).map_err(Err)? {
            self.take(event, batch, shared).map_err(Ok)?;
            self.place = next;
            self.lines += 1;
        }
        self.end_batch(batch, shared).map_err(|what| Ok(Fault::Refused(what)))
    }

    fn take(
        &mut self,
        event: Line<'_, S>,
        batch: &Batch,
        shared: &mut Shared<S>,
    ) -> Result<(), Fault> {
        if self.came.is_some() && !matches!(event, Event::Done { .. }) {
            return Err(Fault::Refused("it is not noted what the step has come to".into()));
        }
        if self.beside.is_open() && !matches!(event, Event::Mover(_)) {
            return Err(Fault::Refused("it is not noted what the mover has come to".into()));
        }
        match event {
            Event::Boot(boot) => self.begin_life(*boot, shared)?,
            Event::Entries(entries) => self.more_entries(entries.iter().map(trace::owned))?,
            Event::State(bytes) => self.more_state(bytes.0)?,
            Event::Input(heard) => {
                if let Some(booting) = self.booting.take() {
                    self.finish_boot(booting, shared)?;
                }
                self.hear(heard, batch, shared)?;
            }
            Event::Done { effects, state } => {
                let noted = (u64::from_le_bytes(effects), u64::from_le_bytes(state));
                let came = self.came.take().ok_or("no step could have come to this".to_owned())?;
                self.compare(noted, &came)?;
                self.commit(came.before, shared)?;
                for effect in came.effects {
                    self.carry_out(effect, batch, shared)?;
                }
            }
            Event::Copied(id) => self.copied(id, shared)?,
            Event::Snapshot { id, sum } => self.made(id, sum, shared)?,
            Event::TurnedAway { node, ticket } => {
                let outcome = Outcome::NotExecuted { leader: None };
                self.turn_away((node, ticket), &outcome, shared)?;
            }
            Event::Busy { node, ticket } => {
                self.turn_away((node, ticket), &Outcome::Busy, shared)?;
            }
            Event::Mover(moved) => self.take_aside(Aside::Mover(*moved), shared)?,
            Event::Proposed { ticket, term, proposal } => {
                self.take_aside(Aside::Proposed(ticket, (term, proposal)), shared)?;
            }
            Event::Letter(letter) => self.take_aside(Aside::Letter(*letter), shared)?,
        }
        Ok(())
    }

    /// A command that was passed on was answered before it came to the machine, to which it never comes then.
    fn turn_away(
        &self,
        (node, ticket): (NodeId, Ticket),
        outcome: &Outcome<S::Reply>,
        shared: &mut Shared<S>,
    ) -> Result<(), Fault> {
        if !shared.turned_away(node, self.config.me, ticket) {
            let what = format!("it refused a command under {ticket} from node {}", node.0);
            return Err(Fault::Unheard(what + ", which did not pass it on"));
        }
        shared.answer(self.config.me, node, ticket, trace::of(outcome));
        Ok(())
    }

    fn take_aside(&mut self, aside: Aside, shared: &Shared<S>) -> Result<(), Fault> {
        let Some(machine) = self.machine.as_ref().filter(|_| self.booting.is_none()) else {
            return Err(Fault::Refused(
                "something beside the machine in front of the start".into(),
            ));
        };
        self.beside.take(aside, machine, &mut shared.letters.borrow_mut())
    }

    /// The service was copied for a snapshot.
    fn copied(&mut self, id: SnapshotId, shared: &mut Shared<S>) -> Result<(), String> {
        let machine = self.machine.as_ref().ok_or("a snapshot is taken before the first step")?;
        let at = machine.replica().raft().terms().snapshot_at(machine.applied());
        if at != Some(id) {
            return Err(format!("a snapshot {id:?} is taken of a state that is {at:?}"));
        }
        let state = machine.service().clone();
        let sum = quorate::raft::snapshot_sum(id, &state).map_err(|error| error.to_string())?;
        shared.keep(id, state, sum);
        self.copied = Some(id.last.index);
        Ok(())
    }

    /// A snapshot's file is durable.
    fn made(&mut self, id: SnapshotId, sum: u32, shared: &Shared<S>) -> Result<(), String> {
        let Some((_, right)) = shared.state(id) else {
            return Err(format!("a snapshot {id:?} is written, and no state was copied for it"));
        };
        if *right != sum {
            return Err(format!(
                "the file of snapshot {id:?} has checksum {sum:08x}; of the state it would be {right:08x}"
            ));
        }
        self.copied = None;
        self.files.insert(id);
        self.summary.snapshots += 1;
        Ok(())
    }

    fn end_batch(&mut self, batch: &Batch, shared: &mut Shared<S>) -> Result<(), String> {
        let Some(machine) = self.machine.as_ref().filter(|_| self.booting.is_none()) else {
            return Ok(());
        };
        if self.came.is_some() || self.beside.is_open() {
            return Err("it is not noted what the step has come to".into());
        }
        let stamps = batch.stamps;
        let (applied, print) = (machine.applied(), machine.service().service.print());
        if stamps.applied != applied {
            let found = stamps.applied;
            return Err(format!("{found} entries are applied; replayed, it is {applied}"));
        }
        if stamps.print != print {
            return Err(format!(
                "the store is another than the replayed one, with entry {applied} applied: its fingerprint is \
                 {:016x} and not {print:016x}",
                stamps.print
            ));
        }
        if applied > self.told {
            self.told = applied;
            shared.window.commit(self.clock, stamps.ended_us, applied, self.config.me);
        }
        Ok(())
    }

    fn answered(&mut self, came_us: u64, applied: Index, batch: &Batch, shared: &mut Shared<S>) {
        shared.window.read(Answered {
            clock: self.clock,
            came_us,
            applied,
            server: Rc::clone(&self.name),
            at: (self.life, self.step),
            place: (batch.path.clone(), batch.offset),
        });
    }
}
