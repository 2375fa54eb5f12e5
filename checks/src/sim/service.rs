//! What the servers replicate: the store of the product, a group of it or the controller, with an observer that sees
//! every command applied.
//!
//! The observer is no part of the state. What it needs to name a state, how many commands were applied and a sum over
//! them, is in the state and in its snapshots, so a server that starts from one goes on counting.

use super::kinds::{Kind, Query, Said, Task};
use super::kit::Kit;
use super::random::{Sum, sum};
use protocol::clock::Stamp;
use protocol::kv::{Bytes, ClientId, KeyOp, Limits, Op, Reply, SlotId, Store, Version, Work};
use protocol::rsm::StateMachine;
use protocol::shardctl::{self, Controller};
use protocol::shardkv::{self, Answer, Group, GroupDecoder};
use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

/// The state is summed up once in so many commands.
const SUM_EVERY: u64 = 64;

/// A command as the log has it.
#[derive(PartialEq, Eq, Hash, Debug)]
pub struct Proposal {
    /// The stamp of the server that took it.
    pub stamp: Stamp,
    /// No other proposal of the simulation has this number. 0: a tick.
    pub tag: u64,
    /// The sending of a client's call whose command it is. 0: none.
    pub copy: u64,
    /// What is done.
    pub task: Task,
}

impl Proposal {
    /// About how long it is in a log, in bytes.
    pub fn bytes(&self) -> u64 {
        self.task.bytes()
    }
}

/// What the observer saw of one command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applied {
    /// How many commands were applied, this one included.
    pub count: u64,
    /// The command.
    pub tag: u64,
    /// The sending whose command it is.
    pub copy: u64,
    /// The slot and the client of a call that is executed once.
    pub once: Option<(SlotId, ClientId)>,
    /// A sum over all commands up to this one, and their replies.
    pub chain: u64,
    /// A sum over the state, now and then.
    pub state: Option<u64>,
    /// The group's clock.
    pub clock: Stamp,
    /// Whether the command changed its key.
    pub change: Change,
    /// What its caller is told.
    pub said: Said,
}

/// What a command did to its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Nothing.
    None,
    /// It wrote it.
    Wrote {
        /// The key.
        key: Bytes,
        /// Its new version.
        version: Version,
        /// When it will go, if that is known.
        ends: Option<Stamp>,
    },
    /// It took it away, or has changed the controller.
    Done,
    /// It was a step of the servers' own, and no client's call.
    Step,
    /// It was a tick that took out so many.
    Ticked(usize),
}

fn once(work: Option<&Work>) -> Option<(SlotId, ClientId)> {
    let Some(Work::Command(command)) = work else { return None };
    command.once.map(|once| (command.key.slot(), once.client))
}

/// Where the observer puts what it saw.
pub type Seen = Rc<RefCell<Vec<Applied>>>;

/// What a service is in.
#[derive(Clone, Debug)]
enum State<T: Kit> {
    Store(Store<T::Kv>),
    Group(Group<T::Shard, T::Kv>),
    Controller(Controller<T::Ctl>),
}

/// The service.
#[derive(Clone, Debug)]
pub struct Service<T: Kit> {
    state: State<T>,
    count: u64,
    chain: u64,
    seen: Seen,
}

impl<T: Kit> State<T> {
    fn empty(kit: T, kind: Kind, limits: Limits) -> Self {
        let store = Store::new(kit.kv(), limits);
        match kind {
            Kind::Store => Self::Store(store),
            Kind::Group(gid, _) => Self::Group(Group::new(kit.shard(), gid, 0, [], store)),
            Kind::Controller(limits) => Self::Controller(Controller::new(kit.ctl(), limits)),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Store(store) => store.encode(out),
            Self::Group(group) => group.encode(out),
            Self::Controller(controller) => controller.encode(out),
        }
    }

    fn decode(kit: T, kind: Kind, limits: Limits, bytes: &[u8]) -> Result<Self, String> {
        let text = |error: protocol::kv::DecodeError| error.to_string();
        Ok(match kind {
            Kind::Store => Self::Store(Store::decode(kit.kv(), limits, bytes).map_err(text)?),
            Kind::Group(..) => {
                let mut decoder = GroupDecoder::new((kit.shard(), kit.kv()), limits);
                decoder.push(bytes).map_err(text)?;
                Self::Group(decoder.finish().map_err(text)?)
            }
            Kind::Controller(limits) => {
                let decoded = Controller::decode(kit.ctl(), limits, bytes);
                Self::Controller(decoded.map_err(|error| error.to_string())?)
            }
        })
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Self::Store(store) => store.memory_bytes(),
            Self::Group(group) => group.memory_bytes(),
            Self::Controller(_) => 1 << 10,
        }
    }
}

impl<T: Kit> Service<T> {
    /// Before the first command.
    pub fn empty(kit: T, kind: Kind, limits: Limits, seen: Seen) -> Self {
        Self { state: State::empty(kit, kind, limits), count: 0, chain: 0, seen }
    }

    /// The store, or what of it a group serves; the controller has none.
    pub const fn store(&self) -> Option<&Store<T::Kv>> {
        match &self.state {
            State::Store(store) => Some(store),
            State::Group(group) => Some(group.store()),
            State::Controller(_) => None,
        }
    }

    /// The group, if it is one.
    pub const fn group(&self) -> Option<&Group<T::Shard, T::Kv>> {
        if let State::Group(group) = &self.state { Some(group) } else { None }
    }

    /// The controller, if it is that.
    pub const fn controller(&self) -> Option<&Controller<T::Ctl>> {
        if let State::Controller(controller) = &self.state { Some(controller) } else { None }
    }

    /// How many commands were applied, and a sum over them.
    pub const fn history(&self) -> (u64, u64) {
        (self.count, self.chain)
    }

    /// A snapshot.
    pub fn encode(&self) -> Vec<u8> {
        // About as much as it will be.
        let mut bytes = Vec::with_capacity(16 + self.state.memory_bytes());
        bytes.extend([self.count.to_le_bytes(), self.chain.to_le_bytes()].concat());
        self.state.encode(&mut bytes);
        bytes
    }

    /// From a snapshot.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(
        kit: T,
        kind: Kind,
        limits: Limits,
        seen: Seen,
        bytes: &[u8],
    ) -> Result<Self, String> {
        let number = |at: usize| bytes[at..][..8].try_into().map(u64::from_le_bytes);
        if bytes.len() < 16 {
            return Err("it ends too soon".into());
        }
        let (count, chain) = (number(0).unwrap_or_default(), number(8).unwrap_or_default());
        let state = State::decode(kit, kind, limits, &bytes[16..])?;
        Ok(Self { state, count, chain, seen })
    }

    /// A sum over the state.
    pub fn sum(&self) -> u64 {
        let mut bytes = Vec::with_capacity(self.state.memory_bytes());
        self.state.encode(&mut bytes);
        sum(&bytes[..])
    }

    /// When a key goes, if it is there and has a deadline.
    fn ends(&self, key: &Bytes) -> Option<Stamp> {
        match self.store()?.read(key, &Op::Key(KeyOp::Ttl { absolute: true, ms: true })) {
            Some(Reply::Int(ends)) => Stamp::try_from(ends).ok(),
            _ => None,
        }
    }

    fn version(&self, work: &Work) -> Option<Version> {
        let Work::Command(command) = work else { return None };
        self.store()?.get(&command.key).map(|(_, version)| version)
    }

    fn change(&self, work: &Work, before: Option<Version>, said: &Said) -> Change {
        let Work::Command(command) = work else { return Change::None };
        let key = &command.key;
        match self.store().and_then(|store| store.get(key)) {
            Some((_, version)) if Some(version) != before => {
                Change::Wrote { key: key.clone(), version, ends: self.ends(key) }
            }
            None if before.is_some() && matches!(command.op, Op::Delete { .. }) => {
                let deleted = matches!(said, Said::Store(Answer::Reply(Reply::Written { .. })));
                if deleted { Change::Done } else { Change::None }
            }
            _ => Change::None,
        }
    }

    /// Does what a command says.
    fn execute(&mut self, stamp: Stamp, task: &Task) -> (Said, Change) {
        let work = task.work();
        if let (State::Store(store), Some(Work::Tick)) = (&mut self.state, work) {
            let reply = Said::Store(Answer::Reply(Reply::Ok));
            return (reply, Change::Ticked(store.tick(stamp)));
        }
        let before = work.and_then(|work| self.version(work));
        let said = match (&mut self.state, task) {
            (State::Store(store), Task::Store(work)) => {
                Said::Store(Answer::Reply(store.work(stamp, work)))
            }
            (State::Group(group), Task::Group(command)) => Said::Store(group.apply(stamp, command)),
            (State::Controller(controller), Task::Control(command)) => {
                Said::Control(controller.apply(command))
            }
            (_, task) => panic!("a log of another service has {task:?}"),
        };
        let change = match (work, task, &said) {
            (Some(Work::Tick), ..) => Change::Ticked(0),
            (Some(work), ..) => self.change(work, before, &said),
            (_, Task::Control(shardctl::Command::Change { .. }), Said::Control(reply)) => {
                let changed = matches!(reply, shardctl::Reply::Changed { .. });
                if changed { Change::Done } else { Change::None }
            }
            _ => Change::Step,
        };
        (said, change)
    }
}

impl<T: Kit> StateMachine for Service<T> {
    type Command = Rc<Proposal>;
    type Query = Query;
    type Reply = Said;

    fn apply(&mut self, proposal: &Rc<Proposal>) -> Said {
        let Proposal { stamp, tag, copy, task } = &**proposal;
        let (said, change) = self.execute(*stamp, task);
        let mut chain = Sum::default();
        (self.chain, stamp, tag, copy, &said).hash(&mut chain);
        self.chain = chain.finish();
        self.count += 1;
        let applied = Applied {
            count: self.count,
            tag: *tag,
            copy: *copy,
            once: once(task.work()),
            chain: self.chain,
            state: self.count.is_multiple_of(SUM_EVERY).then(|| self.sum()),
            clock: self.clock(),
            change,
            said: said.clone(),
        };
        self.seen.borrow_mut().push(applied);
        said
    }

    fn read(&self, query: &Query) -> Said {
        match (&self.state, query) {
            (State::Store(store), Query::Store(shardkv::Query::Op { key, op })) => {
                let reply = store.read(key, op).expect("only what reads is asked");
                Said::Store(Answer::Reply(reply))
            }
            (State::Group(group), Query::Store(query)) => Said::Store(group.read(query)),
            (State::Controller(controller), Query::Control(query)) => {
                Said::Control(controller.read(query))
            }
            (_, query) => panic!("another service is asked {query:?}"),
        }
    }

    fn clock(&self) -> Stamp {
        self.store().map_or(0, Store::clock)
    }

    fn deadline(&self) -> Option<Stamp> {
        self.store().and_then(Store::nearest_deadline)
    }

    fn tick(&self, stamp: Stamp) -> Option<Rc<Proposal>> {
        let task = match &self.state {
            State::Store(_) => Task::Store(Work::Tick),
            State::Group(_) => {
                Task::Group(shardkv::Command::Work { work: Work::Tick, value_bytes: 0 })
            }
            State::Controller(_) => return None,
        };
        Some(Rc::new(Proposal { stamp, tag: 0, copy: 0, task }))
    }
}
