//! One server of a model: the shared replica, a disk that works write by write, and a crash.
//!
//! This is the only adapter between the transition functions and stateright, and the only crash code
//! there is. A write that the replica asks for is *pending* until the `Disk` stimulus makes the oldest
//! one durable; a crash forgets what is pending and reboots from the disk in the same step. A server that
//! is down for long is one whose messages are late, so nothing else is needed for it.

use protocol::log::{Durable, Entry};
use protocol::raft::{Body, Message, RoleName, Rules, Timer};
use protocol::replica::Replica;
use protocol::{Index, NodeId, ReadId, SnapshotId, Write};
use std::collections::VecDeque;
use std::fmt;

mod server;

pub use server::{DiskFault, Server, quiet_broken_claims};

/// A client's command in a model: who proposed it, and in which of its lives. Two commands of one term and
/// index that came from different lives of one server are therefore seen to differ.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Tag {
    /// The leader that took the command.
    pub node: NodeId,
    /// How often that server had booted.
    pub boot: u8,
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", char::from(b'a' + self.node.0 % 26), self.boot)
    }
}

/// A message as the model's network carries it: with its entries.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Packet {
    /// Raft's message.
    pub message: Message,
    /// The entries of an AppendEntries.
    pub entries: Vec<Entry<Tag>>,
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Message { term, body } = self.message;
        write!(f, "t{term} {}", Words(body))?;
        if !self.entries.is_empty() {
            write!(f, " {:?}", self.entries)?;
        }
        Ok(())
    }
}

/// A message's body in words, for transcripts, diagrams and the Explorer.
pub struct Words(pub Body);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Body::PreVote { last } => write!(f, "PreVote last {last:?}"),
            Body::PreVoteGranted => write!(f, "PreVoteGranted"),
            Body::RequestVote { last } => write!(f, "RequestVote last {last:?}"),
            Body::VoteGranted => write!(f, "VoteGranted"),
            Body::AppendEntries { prev, count: 0, commit, .. } => {
                write!(f, "AppendEntries prev {prev:?} commit {commit}")
            }
            Body::AppendEntries { prev, run, count, commit } => {
                let first = prev.index + 1;
                let last = prev.index + u64::from(count);
                write!(f, "AppendEntries prev {prev:?} entries {run}.{first}")?;
                if last > first {
                    write!(f, "..{last}")?;
                }
                write!(f, " commit {commit}")
            }
            Body::Accepted { matched } => write!(f, "Accepted match {matched}"),
            Body::Rejected { prev, hint } => write!(f, "Rejected prev {prev} hint {hint:?}"),
            Body::Heartbeat { commit, round: 0 } => write!(f, "Heartbeat commit {commit}"),
            Body::Heartbeat { commit, round } => {
                write!(f, "Heartbeat commit {commit} round {round}")
            }
            Body::Alive { round: 0 } => write!(f, "Alive"),
            Body::Alive { round } => write!(f, "Alive round {round}"),
            Body::InstallSnapshot { id } => write!(f, "InstallSnapshot {id:?}"),
            Body::ReadIndex { id } => write!(f, "ReadIndex {}", id.0),
            Body::ReadGranted { id, index } => write!(f, "ReadGranted {} at {index}", id.0),
            Body::Outdated => write!(f, "Outdated"),
        }
    }
}

/// What may happen to a server besides a message.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum Stimulus {
    /// An armed timer fires.
    Timer(Timer),
    /// The disk finishes its oldest pending write.
    Disk,
    /// The server crashes and boots from its disk.
    Crash,
    /// A client's command arrives.
    Propose,
    /// A client's read arrives.
    Read,
    /// The service has snapshotted what it has applied.
    Compact,
    /// The server asks for votes without a pre-vote.
    Campaign,
}

impl fmt::Debug for Stimulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timer(timer) => write!(f, "{timer:?} timer"),
            Self::Disk => write!(f, "disk finishes a write"),
            Self::Crash => write!(f, "crash and reboot"),
            Self::Propose => write!(f, "client proposes"),
            Self::Read => write!(f, "client reads"),
            Self::Compact => write!(f, "snapshot of what is applied"),
            Self::Campaign => write!(f, "campaign"),
        }
    }
}

/// The set of armed timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Armed(u8);

impl Armed {
    const ALL: [Timer; 4] = [Timer::Election, Timer::Contact, Timer::Heartbeat, Timer::Quorum];

    /// Whether the timer may fire.
    pub const fn contains(self, timer: Timer) -> bool {
        self.0 & (1 << timer as u8) != 0
    }

    /// The timers that may fire.
    pub fn iter(self) -> impl Iterator<Item = Timer> {
        Self::ALL.into_iter().filter(move |&timer| self.contains(timer))
    }

    pub(super) const fn set(&mut self, timer: Timer, armed: bool) {
        let bit = 1 << timer as u8;
        self.0 = if armed { self.0 | bit } else { self.0 & !bit };
    }
}

/// What the adapter saw in one step. The cluster reads it into its history; it is no part of a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A client asked for a read.
    Asked {
        /// Its name.
        id: ReadId,
    },
    /// A follower asked its leader for a read once more.
    AskedAgain,
    /// A read may be answered.
    Readable {
        /// Which.
        id: ReadId,
        /// From a state that has applied this.
        index: Index,
    },
    /// A read was given up.
    ReadLost {
        /// Which.
        id: ReadId,
    },
    /// A snapshot was received and taken.
    Restored {
        /// What it covers.
        id: SnapshotId,
        /// Whether entries behind it stayed in the log.
        kept_tail: bool,
        /// Whether the log had another entry in that place.
        contradicted: bool,
    },
    /// A received snapshot was not needed.
    StaleSnapshot,
    /// Entries were dropped from the end of the log for others.
    Overwrote,
    /// Stopped leading because no quorum answered.
    LostQuorum,
    /// A server restarted.
    Crashed {
        /// Writes that were pending.
        writes: usize,
    },
}

/// A write on its way to the disk, with its entries.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pending {
    /// The write.
    pub write: Write,
    /// Its entries.
    pub entries: Vec<Entry<Tag>>,
}

/// A server's whole state.
#[derive(Clone)]
pub struct Node<R> {
    /// The shared machine.
    pub replica: Replica<Tag, R>,
    /// Which timers may fire.
    pub armed: Armed,
    /// Writes that the disk has not finished, oldest first.
    pub pending: VecDeque<Pending>,
    /// What the disk has.
    pub disk: Durable<Tag>,
    /// How often the server has booted, from 1.
    pub boots: u8,
    /// How many reads clients have sent here in this life.
    pub reads: u8,
    /// RED-APPLIED. The last entry that the service has applied. What it has applied is the history's prefix of that
    /// length, or a property is violated, so the state needs no more than the index.
    pub applied: Index,
    /// A claim of the machine that did not hold.
    pub broken: Option<Box<str>>,
    /// See [`Event`]. Empty in every state that a checker sees.
    pub events: Vec<Event>,
}

// The fields that make a state: all but `events`, which is empty between steps.
impl<R: Rules> PartialEq for Node<R> {
    fn eq(&self, other: &Self) -> bool {
        self.replica == other.replica
            && self.armed == other.armed
            && self.pending == other.pending
            && self.disk == other.disk
            && self.boots == other.boots
            && self.reads == other.reads
            && self.applied == other.applied
            && self.broken == other.broken
    }
}

impl<R: Rules> Eq for Node<R> {}

impl<R: Rules> std::hash::Hash for Node<R> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.replica.hash(state);
        self.armed.hash(state);
        self.pending.hash(state);
        self.disk.hash(state);
        self.boots.hash(state);
        self.reads.hash(state);
        self.applied.hash(state);
        self.broken.hash(state);
    }
}

impl<R: Rules> fmt::Debug for Node<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let raft = self.replica.raft();
        let crown = if raft.role() == RoleName::Leader { "★" } else { " " };
        write!(f, "{:?}{crown} {:?}", raft.me(), self.replica)?;
        write!(f, " · disk {:?}", self.disk)?;
        if !self.pending.is_empty() {
            let writes: Vec<_> = self.pending.iter().map(|pending| pending.write).collect();
            write!(f, " + pending {writes:?}")?;
        }
        write!(f, " · applied {} · boot {}", self.applied, self.boots)?;
        if let Some(broken) = &self.broken {
            write!(f, " · BROKEN: {broken}")?;
        }
        Ok(())
    }
}
