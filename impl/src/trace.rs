//! Traces: everything that went into a server's machine, so that a replay can say whether what the threads did is what
//! the machine does.
//!
//! The models check the machine; nobody can check all that threads, files and sockets do with it. But what they do
//! comes to this: they hand it inputs and carry out its effects. So a server that is told to (`quorate server
//! --record DIR`) writes down each input before the step and, behind it, a fingerprint of the effects and one of the
//! protocol's state; and `checks replay` takes the same steps with the same functions, with the traces of all
//! nodes side by side, and refuses what the model does not allow: a message that nobody has sent, a write
//! that became durable and was never asked for, a restart from something else than the disk had.
//!
//! **A batch is handed to the file system before its effects leave** (TRACE-LEAVE): one `write` in front of the first
//! message, the first write for the disk, the first answer of a step. So a `kill -9` orphans nothing: whatever another
//! node or a client has seen of this one is in its trace. It is not synced: after a power cut a trace may be
//! behind the log, and a replay says so. Steps that nobody has seen anything of may be lost with the process. If
//! it can't be written the server stops, for it must not go on unseen.
//!
//! A folder has one server's trace: a file for each of its *lives*, from a start to its end, by number. A node of a
//! sharded cluster has several servers, and its folder has a folder for each: `controller`, `group-1` and so on.
//! What drives moves beside a group's machine, and what the controller is asked for it, is in them too: `beside.rs`.
//! `format.rs` has the bytes, `record.rs` the writing side, `read.rs` the other.

mod beside;
mod error;
mod format;
mod hash;
mod read;
mod record;

pub use beside::{Moved, of_duty, of_moves};
pub use error::Error;
pub use format::{FORMAT, Header, Stamps, Whose};
pub use hash::{log_hash, of, of_effects, of_entry, of_hashed, of_state};
pub use read::{Batch, Next, Reader, lives, place, servers};
pub use record::{Recorder, leaves, whole};

use crate::shardkv::Letter;
use crate::wal;
use protocol::log::Entry;
use protocol::raft::{self, Config, Message};
use protocol::rsm::{Caller, Ticket};
use protocol::terms::Terms;
use protocol::{HardState, NodeId, SnapshotId, Term};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that are written as they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Raw<'a>(pub &'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'a [u8]>::deserialize(deserializer).map(Self)
    }
}

/// Of a command that another server has passed on: the server, and its ticket there.
pub type Origin = Option<(NodeId, Ticket)>;

/// A server as it comes up, before its first step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Boot {
    /// What it was told.
    pub config: Config,
    /// The number of its first read.
    pub first_read: u64,
    /// Term and vote on its disk.
    pub hard: HardState,
    /// The terms of the log there, and what the snapshot in front of it covers.
    pub terms: Terms,
    /// [`log_hash`] of the commands there.
    pub log: u64,
    /// The checksum of the snapshot's file; none if there is no snapshot.
    pub sum: Option<u32>,
    /// The service's fingerprint: [`crate::rsm::StateMachine::print`].
    pub print: u64,
    /// What this trace begins with, if its node had run before there was one.
    pub whole: Option<Whole>,
}

/// How much follows a [`Boot`], so that a replay can begin there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Whole {
    /// Entries behind the snapshot.
    pub entries: u64,
    /// The bytes of clock and service.
    pub bytes: u64,
}

/// An input of the machine ([`protocol::rsm::Input`]). `P` are bytes of commands, `Q` queries, `Y` outcomes: borrowed
/// by who writes, owned by who reads.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Heard<P, Q, Y> {
    /// What happens to Raft and has no payload.
    Raft(raft::Input),
    /// A message with entries.
    Message {
        /// Who sent it.
        from: NodeId,
        /// The message.
        message: Message,
        /// Its entries.
        entries: Vec<Entry<P>>,
    },
    /// Commands that the driver has proposed without callers.
    Propose(Vec<P>),
    /// The disk has finished so many writes.
    Durable(u64),
    /// A snapshot has come; of its state the checksum is here, the state itself is in the trace of whoever made it.
    Install {
        /// Who sent it.
        from: NodeId,
        /// The message.
        message: Message,
        /// Its file's checksum.
        sum: u32,
    },
    /// Commands: who waits, where it comes from, and the command with its stamp.
    Submit(Vec<(Caller, Origin, P)>),
    /// Reads.
    Read(Vec<(Ticket, Q)>),
    /// Where the group's clock is, as this server estimates it.
    Clock(u64),
    /// A command surely was not passed on.
    NotPassed(Ticket),
    /// What another server says of a command.
    Answer {
        /// The server.
        from: NodeId,
        /// Whose command.
        ticket: Ticket,
        /// What it says.
        outcome: Y,
    },
    /// A connection is lost.
    Lost(NodeId),
    /// The timer of those who wait to be tried again.
    Retry,
    /// Who is parked and has a smaller ticket has waited long enough.
    GiveUpParked(Ticket),
    /// Who has a smaller ticket has waited long enough.
    GiveUp(Ticket),
}

/// A line of a trace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Event<P, Q, Y> {
    /// A life begins.
    Boot(Box<Boot>),
    /// Some of the entries that a [`Whole`] speaks of.
    Entries(Vec<Entry<P>>),
    /// Some of the bytes that a [`Whole`] speaks of.
    State(P),
    /// A step's input.
    Input(Heard<P, Q, Y>),
    /// What the step has come to.
    Done {
        /// [`of_effects`].
        effects: [u8; 8],
        /// [`of_state`].
        state: [u8; 8],
    },
    /// The service was copied, to be written as this snapshot.
    Copied(SnapshotId),
    /// A snapshot's file is durable.
    Snapshot {
        /// What it covers.
        id: SnapshotId,
        /// Its checksum.
        sum: u32,
    },
    /// A call of another server was refused before it came to the machine: it was no command.
    TurnedAway {
        /// The server.
        node: NodeId,
        /// Its ticket there.
        ticket: Ticket,
    },
    /// Of the mover of a group's server.
    Mover(Box<Moved>),
    /// A command that the server's mover has proposed is submitted next.
    Proposed {
        /// The ticket that it has now.
        ticket: Ticket,
        /// The mover's term.
        term: Term,
        /// The proposal's number.
        proposal: u64,
    },
    /// A letter has come to the controller's server.
    Letter(Box<Letter>),
    /// A call of another server was refused before it came to the machine: the server was busy.
    Busy {
        /// The server that has passed it on.
        node: NodeId,
        /// Its ticket there.
        ticket: Ticket,
    },
}

fn borrowed(entry: &Entry<wal::Bytes>) -> Entry<Raw<'_>> {
    match entry {
        Entry::NoOp => Entry::NoOp,
        Entry::Command(bytes) => Entry::Command(Raw(bytes)),
    }
}

/// An entry that was read, as a log has it.
pub fn owned(entry: &Entry<Raw<'_>>) -> Entry<wal::Bytes> {
    match entry {
        Entry::NoOp => Entry::NoOp,
        Entry::Command(Raw(bytes)) => Entry::Command((*bytes).into()),
    }
}
