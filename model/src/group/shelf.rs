//! The service of the model's servers: the shared store, and what an observer keeps beside it.
//!
//! The store is a function of the commands that were applied, so the list of them names its state: that is how it is
//! ordered and how it is saved in a path. What a snapshot carries is the state itself.

use crate::node::{Recipe, Service, Tag};
use protocol::clock::Stamp;
use protocol::kv::{Bytes, Command, Exact, KeyOp, Limits, Op, Reply, Seq, Store, Version};
use protocol::raft::Paper;
use protocol::rsm::{Rules, StateMachine, Ticket};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

/// Servers that replicate the store and follow `W` in what they tell.
#[derive(Clone, Copy, Debug)]
pub struct Served<W>(pub W);

impl<W: Rules> Recipe for Served<W> {
    type Raft = Paper;
    type Rsm = W;
    type Service = Shelf;

    fn rules(&self) -> (Paper, W) {
        (Paper, self.0)
    }
}

/// A client's number and its call's.
pub type Call = (u8, Seq);

const CLIENTS: u64 = 4;
const ATTEMPTS: u64 = 16;

/// The ticket of one sending of a call: of all sendings the only one with it, and greater for a later one.
pub(super) const fn ticket((client, seq): Call, attempt: u32) -> Ticket {
    (seq * ATTEMPTS + attempt as u64) * CLIENTS + client as u64
}

/// Whose call, and which sending of it.
pub(super) const fn call_of(ticket: Ticket) -> (Call, u32) {
    let sending = ticket / CLIENTS;
    (((ticket % CLIENTS) as u8, sending / ATTEMPTS), (sending % ATTEMPTS) as u32)
}

/// A command as it was sent once: two sendings of a call are told apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sending {
    /// Who waits for it. 0: the server itself, and it is a tick.
    pub ticket: Ticket,
    /// How often it was sent on or submitted again before.
    #[serde(default)]
    pub hop: u8,
    /// The stamp of the leader that took it.
    #[serde(default)]
    pub stamp: Stamp,
    /// The command.
    pub command: Command,
}

/// A tick.
pub(super) fn tick(stamp: Stamp) -> Sending {
    let command = Command { key: Bytes::from("x"), op: Op::Get, once: None };
    Sending { ticket: 0, hop: 0, stamp, command }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((client, seq), attempt) = call_of(self.ticket);
        if self.ticket == 0 {
            return write!(f, "tick {}", self.stamp);
        }
        write!(f, "c{client}#{seq}.{attempt} {:?}", self.command.op)?;
        if self.hop > 0 {
            write!(f, " hop {}", self.hop)?;
        }
        if self.stamp > 0 {
            write!(f, " at {}", self.stamp)?;
        }
        Ok(())
    }
}

/// The store, and what was done with it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shelf {
    store: Store<Exact>,
    commands: Vec<Sending>,
    /// How many of the first commands left no record: for mutants.
    forgotten: usize,
    /// The calls that have changed something.
    executed: Vec<Call>,
    /// The greatest version that each key had.
    versions: BTreeMap<Bytes, Version>,
    /// Whether a call was executed twice.
    pub twice: bool,
    /// Whether a key got a version that is not above all that it had.
    pub fell: bool,
}

impl Shelf {
    /// The service that has applied these, the first `forgotten` of them without a record.
    pub fn of<'a>(commands: impl IntoIterator<Item = &'a Sending>, forgotten: usize) -> Self {
        let mut shelf = Self::empty();
        shelf.forgotten = forgotten;
        for command in commands {
            shelf.apply(command);
        }
        shelf
    }

    /// The store.
    pub const fn store(&self) -> &Store<Exact> {
        &self.store
    }

    /// Whether a call has changed something.
    pub fn has_executed(&self, call: Call) -> bool {
        self.executed.contains(&call)
    }

    /// When a key goes, if it has a deadline.
    pub(super) fn ends(&self, key: &Bytes) -> Option<Stamp> {
        match self.store.read(key, &Op::Key(KeyOp::Ttl { absolute: true, ms: true })) {
            Some(Reply::Int(ends)) => Stamp::try_from(ends).ok(),
            _ => None,
        }
    }

    /// Whether there are records.
    pub fn has_records(&self) -> bool {
        self.commands.iter().any(|sending| sending.command.once.is_some())
    }
}

impl StateMachine for Shelf {
    type Command = Sending;
    type Query = Bytes;
    type Reply = Reply;

    fn apply(&mut self, sending: &Sending) -> Reply {
        if sending.ticket == 0 {
            self.store.tick(sending.stamp);
            self.commands.push(sending.clone());
            return Reply::Ok;
        }
        let mut command = sending.command.clone();
        let call = call_of(sending.ticket).0;
        if self.commands.len() < self.forgotten {
            command.once = None;
            if self.executed.contains(&call) {
                self.commands.push(sending.clone());
                return Reply::NotKept;
            }
        }
        let version = |store: &Store<Exact>| store.get(&command.key).map(|(_, version)| version);
        let before = version(&self.store);
        let reply = self.store.apply(sending.stamp, &command);
        let after = version(&self.store);
        if before != after {
            self.twice |= self.executed.contains(&call);
            self.executed.push(call);
        }
        if let Some(after) = after.filter(|_| before != after) {
            let greatest = self.versions.entry(command.key).or_default();
            self.fell |= after <= *greatest;
            *greatest = after.max(*greatest);
        }
        self.commands.push(sending.clone());
        reply
    }

    fn read(&self, key: &Bytes) -> Reply {
        self.store.read(key, &Op::Get).expect("a Get only reads")
    }

    fn clock(&self) -> Stamp {
        self.store.clock()
    }

    fn deadline(&self) -> Option<Stamp> {
        self.store.nearest_deadline()
    }

    fn tick(&self, stamp: Stamp) -> Option<Sending> {
        Some(tick(stamp))
    }
}

impl Service for Shelf {
    fn empty() -> Self {
        Self {
            store: Store::new(Exact, Limits::DEFAULT),
            commands: Vec::new(),
            forgotten: 0,
            executed: Vec::new(),
            versions: BTreeMap::new(),
            twice: false,
            fell: false,
        }
    }

    fn proposal(_: Tag) -> Sending {
        tick(0)
    }

    fn again(sending: &Sending) -> Sending {
        Sending { hop: sending.hop + 1, ..sending.clone() }
    }

    fn first_read(boots: u8) -> u64 {
        u64::from(boots) * 100
    }

    fn without_records(&self) -> Self {
        Self::of(&self.commands, self.commands.len())
    }
}

impl PartialOrd for Shelf {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Shelf {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.commands, self.forgotten).cmp(&(&other.commands, other.forgotten))
    }
}

impl Serialize for Shelf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.commands, self.forgotten).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Shelf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (commands, forgotten) = <(Vec<Sending>, usize)>::deserialize(deserializer)?;
        Ok(Self::of(&commands, forgotten))
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:?}]", self.store)
    }
}
