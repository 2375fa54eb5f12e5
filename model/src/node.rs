//! One server of a model: the shared machine, a disk that works write by write, and a crash.
//!
//! This is the only adapter between the transition functions and stateright, and the only crash code
//! there is. A write that the machine asks for is *pending* until the `Disk` stimulus makes the oldest
//! one durable; a crash forgets what is pending and reboots from the disk in the same step. A server that
//! is down for long is one whose messages are late, so nothing else is needed for it.
//!
//! The machine is the whole [`Rsm`], whatever it replicates ([`Recipe`]): for models of Raft alone, nothing.

use protocol::clock::Stamp;
use protocol::log::{Durable, Entry};
use protocol::raft::{Body, Message, RoleName, Timer};
use protocol::replica::Replica;
use protocol::rsm::{Caller, Outcome, Rsm, Ticket};
use protocol::{Index, LogId, NodeId, ReadId, SnapshotId, Write};
use std::collections::VecDeque;
use std::fmt;

mod claims;
mod recipe;
mod server;

pub use recipe::{Bare, CommandOf, QueryOf, Recipe, ReplyOf, Service};

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

/// A message as the model's network carries it: with its entries, or with the service as a snapshot has it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Packet<C = Tag, S = Bare> {
    /// Raft's message.
    pub message: Message,
    /// The entries of an AppendEntries.
    pub entries: Vec<Entry<C>>,
    /// The state of an InstallSnapshot.
    #[serde(default = "nothing", skip_serializing_if = "Option::is_none")]
    pub state: Option<S>,
}

const fn nothing<S>() -> Option<S> {
    None
}

/// The packets of a recipe's servers.
pub type PacketOf<R> = Packet<CommandOf<R>, <R as Recipe>::Service>;

impl<C: fmt::Debug, S: fmt::Debug> fmt::Debug for Packet<C, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Message { term, body } = self.message;
        write!(f, "t{term} {}", Words(body))?;
        if !self.entries.is_empty() {
            write!(f, " {:?}", self.entries)?;
        }
        match self.state.as_ref().map(|state| format!("{state:?}")) {
            Some(text) if !text.is_empty() => write!(f, " ({text})"),
            _ => Ok(()),
        }
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
pub enum Stimulus<C = Tag, Q = (), Y = ()> {
    /// An armed timer fires.
    Timer(Timer),
    /// The disk finishes its oldest pending write.
    Disk,
    /// The server crashes and boots from its disk.
    Crash,
    /// A command arrives, and nobody waits for its result.
    Propose,
    /// A read arrives, and nobody waits for its answer.
    Read,
    /// The service's state is copied, to be made a snapshot of.
    Copy,
    /// The service has snapshotted what it has applied: what was copied, or what it has now.
    Compact,
    /// The server asks for votes without a pre-vote.
    Campaign,
    /// A caller's command arrives.
    Submit(Caller, C),
    /// A caller's read arrives.
    Ask(Ticket, Q),
    /// The callers with smaller tickets have waited long enough for a leader.
    GiveUpParked(Ticket),
    /// The callers with smaller tickets have waited long enough.
    GiveUp(Ticket),
    /// The server looks at its clocks: by these, the group's clock is here.
    Clock(Stamp),
    /// What was to be passed on surely has not left.
    NotPassed(Ticket),
    /// Another server answers what was passed on to it.
    Answer(NodeId, Ticket, Outcome<Y>),
    /// The connection to a server is lost.
    Lost(NodeId),
    /// The `Retry` timer fires.
    Retry,
}

/// The stimuli of a recipe's servers.
pub type StimulusOf<R> = Stimulus<CommandOf<R>, QueryOf<R>, ReplyOf<R>>;

impl<C: fmt::Debug, Q: fmt::Debug, Y: fmt::Debug> fmt::Debug for Stimulus<C, Q, Y> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timer(timer) => write!(f, "{timer:?} timer"),
            Self::Disk => write!(f, "disk finishes a write"),
            Self::Crash => write!(f, "crash and reboot"),
            Self::Propose => write!(f, "client proposes"),
            Self::Read => write!(f, "client reads"),
            Self::Copy => write!(f, "copies what is applied, for a snapshot"),
            Self::Compact => write!(f, "snapshot of what is applied"),
            Self::Campaign => write!(f, "campaign"),
            Self::Submit(Caller { ticket, .. }, command) => {
                write!(f, "caller {ticket} submits {command:?}")
            }
            Self::Ask(ticket, query) => write!(f, "caller {ticket} asks {query:?}"),
            Self::GiveUpParked(below) => write!(f, "callers below {below} wait for no leader"),
            Self::GiveUp(below) => write!(f, "callers below {below} have waited long enough"),
            Self::Clock(now) => write!(f, "clock {now}"),
            Self::NotPassed(ticket) => write!(f, "what {ticket} wants has not left"),
            Self::Answer(from, ticket, outcome) => {
                write!(f, "{from:?} answers {ticket}: {outcome:?}")
            }
            Self::Lost(node) => write!(f, "loses its connection to {node:?}"),
            Self::Retry => write!(f, "retry timer"),
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
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event<Y = ()> {
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
    /// A caller was told.
    Told {
        /// Which.
        ticket: Ticket,
        /// What.
        outcome: Outcome<Y>,
    },
    /// A caller's command is passed on.
    Passed {
        /// To whom.
        to: NodeId,
        /// Whose.
        ticket: Ticket,
    },
    /// A caller's command is to be submitted again.
    Again {
        /// Whose.
        ticket: Ticket,
    },
    /// A snapshot of less than what is applied by now was taken, or one that was not wanted any more.
    CompactedLate {
        /// Whether it was taken.
        taken: bool,
    },
}

/// A write on its way to the disk, with its entries.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pending<C = Tag> {
    /// The write.
    pub write: Write,
    /// Its entries.
    pub entries: Vec<Entry<C>>,
}

/// A server's whole state.
#[derive(Clone)]
pub struct Node<R: Recipe> {
    /// The shared machine. It has applied exactly what it knows to be committed (a claim of its), so in a model of Raft
    /// alone the applied index is all there is of a service (RED-APPLIED).
    pub rsm: Rsm<R::Service, R::Raft, R::Rsm>,
    /// Which timers may fire.
    pub armed: Armed,
    /// Whether the `Retry` timer may fire.
    pub retries: bool,
    /// Writes that the disk has not finished, oldest first.
    pub pending: VecDeque<Pending<CommandOf<R>>>,
    /// What the disk has.
    pub disk: Durable<CommandOf<R>>,
    /// The snapshots' files, by their last entries: those that the disk's record or one that is pending names.
    pub files: Vec<(LogId, R::Service)>,
    /// What was copied to be made a snapshot of, and the last entry in it.
    pub copy: Option<(Index, R::Service)>,
    /// How often the server has booted, from 1.
    pub boots: u8,
    /// How many reads that nobody waits for were asked here in this life.
    pub reads: u8,
    /// A claim of the machine that did not hold.
    pub broken: Option<Box<str>>,
    /// See [`Event`]. Empty in every state that a checker sees.
    pub events: Vec<Event<ReplyOf<R>>>,
}

impl<R: Recipe> Node<R> {
    /// Raft, its commands and its queue.
    pub const fn replica(&self) -> &Replica<CommandOf<R>, R::Raft> {
        self.rsm.replica()
    }

    /// Index of the last entry that the service has applied.
    pub const fn applied(&self) -> Index {
        self.rsm.applied()
    }
}

// The fields that make a state: all but `events`, which is empty between steps.
impl<R: Recipe> PartialEq for Node<R> {
    fn eq(&self, other: &Self) -> bool {
        self.rsm == other.rsm
            && self.armed == other.armed
            && self.retries == other.retries
            && self.pending == other.pending
            && self.disk == other.disk
            && self.files == other.files
            && self.copy == other.copy
            && self.boots == other.boots
            && self.reads == other.reads
            && self.broken == other.broken
    }
}

impl<R: Recipe> Eq for Node<R> {}

impl<R: Recipe> std::hash::Hash for Node<R> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.rsm.hash(state);
        self.armed.hash(state);
        self.retries.hash(state);
        self.pending.hash(state);
        self.disk.hash(state);
        self.files.hash(state);
        self.copy.hash(state);
        self.boots.hash(state);
        self.reads.hash(state);
        self.broken.hash(state);
    }
}

impl<R: Recipe> fmt::Debug for Node<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let raft = self.replica().raft();
        let crown = if raft.role() == RoleName::Leader { "★" } else { " " };
        write!(f, "{:?}{crown} {}", raft.me(), format!("{:?}", self.rsm).trim_end())?;
        write!(f, " · disk {:?}", self.disk)?;
        if !self.pending.is_empty() {
            let writes: Vec<_> = self.pending.iter().map(|pending| pending.write).collect();
            write!(f, " + pending {writes:?}")?;
        }
        write!(f, " · boot {}", self.boots)?;
        if let Some(broken) = &self.broken {
            write!(f, " · BROKEN: {broken}")?;
        }
        Ok(())
    }
}
