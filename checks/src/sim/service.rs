//! What the servers replicate: the store of the product, with an observer that sees every command applied.
//!
//! The observer is no part of the state. What it needs to name a state, how many commands were applied and a sum over
//! them, is in the state and in its snapshots, so a server that starts from one goes on counting.

use super::random::{Sum, sum};
use protocol::clock::Stamp;
use protocol::kv::{
    Bytes, ClientId, DecodeError, KeyOp, Limits, Op, Reply, Rules, SlotId, Store, StringOp,
    Version, Work,
};
use protocol::rsm::StateMachine;
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
    pub work: Work,
}

impl Proposal {
    /// About how long it is in a log, in bytes.
    pub fn bytes(&self) -> u64 {
        let Work::Command(command) = &self.work else { return 12 };
        let value = match &command.op {
            Op::Put { value, .. } | Op::Set { value } | Op::Append { value } => value,
            Op::String(StringOp::Set { value, .. }) => value,
            _ => &command.key,
        };
        (36 + command.key.as_ref().len() + value.as_ref().len()) as u64
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
    pub reply: Reply,
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
    /// It took it away.
    Deleted,
    /// It was a tick that took out so many.
    Ticked(usize),
}

fn once(work: &Work) -> Option<(SlotId, ClientId)> {
    let Work::Command(command) = work else { return None };
    command.once.map(|once| (command.key.slot(), once.client))
}

/// Where the observer puts what it saw.
pub type Seen = Rc<RefCell<Vec<Applied>>>;

/// The service.
#[derive(Clone, Debug)]
pub struct Service<R> {
    store: Store<R>,
    count: u64,
    chain: u64,
    seen: Seen,
}

impl<R: Rules> Service<R> {
    /// Before the first command.
    pub const fn empty(rules: R, limits: Limits, seen: Seen) -> Self {
        Self { store: Store::new(rules, limits), count: 0, chain: 0, seen }
    }

    /// The store.
    pub const fn store(&self) -> &Store<R> {
        &self.store
    }

    /// How many commands were applied, and a sum over them.
    pub const fn history(&self) -> (u64, u64) {
        (self.count, self.chain)
    }

    /// A snapshot.
    pub fn encode(&self) -> Vec<u8> {
        // About as much as it will be.
        let mut bytes = Vec::with_capacity(16 + self.store.memory_bytes());
        bytes.extend([self.count.to_le_bytes(), self.chain.to_le_bytes()].concat());
        self.store.encode(&mut bytes);
        bytes
    }

    /// From a snapshot.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(rules: R, limits: Limits, seen: Seen, bytes: &[u8]) -> Result<Self, DecodeError> {
        let number = |at: usize| bytes[at..][..8].try_into().map(u64::from_le_bytes);
        if bytes.len() < 16 {
            return Err(DecodeError::Truncated);
        }
        let (count, chain) = (number(0).unwrap_or_default(), number(8).unwrap_or_default());
        Ok(Self { store: Store::decode(rules, limits, &bytes[16..])?, count, chain, seen })
    }

    /// A sum over the state.
    pub fn sum(&self) -> u64 {
        let mut bytes = Vec::with_capacity(self.store.memory_bytes());
        self.store.encode(&mut bytes);
        sum(&bytes[..])
    }

    /// When a key goes, if it is there and has a deadline.
    fn ends(&self, key: &Bytes) -> Option<Stamp> {
        match self.store.read(key, &Op::Key(KeyOp::Ttl { absolute: true, ms: true })) {
            Some(Reply::Int(ends)) => Stamp::try_from(ends).ok(),
            _ => None,
        }
    }

    fn change(&self, work: &Work, before: Option<Version>, reply: &Reply) -> Change {
        let Work::Command(command) = work else { return Change::None };
        let key = &command.key;
        match self.store.get(key) {
            Some((_, version)) if Some(version) != before => {
                Change::Wrote { key: key.clone(), version, ends: self.ends(key) }
            }
            None if before.is_some() && matches!(command.op, Op::Delete { .. }) => {
                let deleted = matches!(reply, Reply::Written { .. });
                if deleted { Change::Deleted } else { Change::None }
            }
            _ => Change::None,
        }
    }
}

impl<R: Rules> StateMachine for Service<R> {
    type Command = Rc<Proposal>;
    type Query = (Bytes, Op);
    type Reply = Reply;

    fn apply(&mut self, proposal: &Rc<Proposal>) -> Reply {
        let Proposal { stamp, tag, copy, work } = &**proposal;
        let (reply, change) = if let Work::Tick = work {
            (Reply::Ok, Change::Ticked(self.store.tick(*stamp)))
        } else {
            let version = |store: &Store<R>| match work {
                Work::Command(command) => store.get(&command.key).map(|(_, version)| version),
                _ => None,
            };
            let before = version(&self.store);
            let reply = self.store.work(*stamp, work);
            let change = self.change(work, before, &reply);
            (reply, change)
        };
        let mut chain = Sum::default();
        (self.chain, stamp, tag, copy, &reply).hash(&mut chain);
        self.chain = chain.finish();
        self.count += 1;
        let applied = Applied {
            count: self.count,
            tag: *tag,
            copy: *copy,
            once: once(work),
            chain: self.chain,
            state: self.count.is_multiple_of(SUM_EVERY).then(|| self.sum()),
            clock: self.store.clock(),
            change,
            reply: reply.clone(),
        };
        self.seen.borrow_mut().push(applied);
        reply
    }

    fn read(&self, (key, op): &(Bytes, Op)) -> Reply {
        self.store.read(key, op).expect("only what reads is asked")
    }

    fn clock(&self) -> Stamp {
        self.store.clock()
    }

    fn deadline(&self) -> Option<Stamp> {
        self.store.nearest_deadline()
    }

    fn tick(&self, stamp: Stamp) -> Option<Rc<Proposal>> {
        Some(Rc::new(Proposal { stamp, tag: 0, copy: 0, work: Work::Tick }))
    }
}
