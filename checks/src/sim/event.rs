//! Virtual time: what will happen, and when.
//!
//! Two events of one time happen in the order in which they were asked for. So the order of all events is a function of
//! the seed and of nothing else.

use super::kinds::{Ask, Said, Told};
use super::service::Proposal;
use protocol::log::Entry;
use protocol::raft::Message;
use protocol::rsm::{Outcome, Ticket};
use protocol::{NodeId, SnapshotId};
use quorate::shardkv::Letter;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::rc::Rc;

/// What the log replicates.
pub type Command = Rc<Proposal>;
/// A snapshot's file.
pub type File = Rc<Vec<u8>>;

/// A message between servers with what it carries.
#[derive(Clone, Debug)]
pub struct Packet {
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// The message.
    pub message: Message,
    /// The entries of an append.
    pub entries: Rc<[Entry<Command>]>,
    /// The file of a snapshot.
    pub file: Option<File>,
}

/// One sending of a client's call.
#[derive(Clone, Debug)]
pub struct Sending {
    /// Who calls: its place among the clients.
    pub client: usize,
    /// The number of this sending among all of the simulation.
    pub copy: u64,
    /// The call, and which sending of it.
    pub ask: Ask,
    /// Whether its server may pass it on.
    pub passes: bool,
}

/// A command that one server passes on to another.
#[derive(Clone, Debug)]
pub struct Call {
    /// The server that has the caller.
    pub from: NodeId,
    /// The other.
    pub to: NodeId,
    /// The connection on which it goes.
    pub epoch: u64,
    /// Who waits at `from`.
    pub ticket: Ticket,
    /// The command, with the stamp of the server that passes it on, which counts for nothing.
    pub command: Command,
}

/// What lies in front of a server's core.
#[derive(Clone, Debug)]
pub enum Mail {
    /// From another server.
    Packet(Packet),
    /// A snapshot has arrived; its file is durable.
    Adopted(Packet),
    /// A command that another server has passed on.
    Call(Call),
    /// What became of a command that was passed on.
    Told {
        /// The server that says it.
        from: NodeId,
        /// Whose command.
        ticket: Ticket,
        /// What became of it.
        outcome: Outcome<Said>,
    },
    /// The connection to a server is lost.
    Lost(NodeId),
    /// What another group or the controller says.
    Letter(Letter),
    /// A client's call.
    Request(Sending),
    /// Writes are durable.
    Durable {
        /// How many.
        writes: usize,
    },
    /// A snapshot's file is durable, or could not be written.
    Snapshot(Option<SnapshotId>),
    /// A timer has fired.
    Timer {
        /// Which.
        slot: usize,
        /// As it was when the timer was armed.
        generation: u64,
    },
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// A server's core takes its mail.
    Wake {
        /// The server.
        node: NodeId,
        /// Its life.
        boot: u32,
    },
    /// Something arrives at a server, whatever its life.
    Arrives(NodeId, Mail),
    /// Something inside a server is finished.
    Inside(NodeId, u32, Mail),
    /// A server's disk has synced a batch.
    Synced {
        /// The server.
        node: NodeId,
        /// Its life.
        boot: u32,
    },
    /// A server's snapshot is written.
    Written {
        /// The server.
        node: NodeId,
        /// Its life.
        boot: u32,
        /// What it covers.
        id: SnapshotId,
        /// Its bytes.
        file: File,
    },
    /// A received snapshot is written.
    Stored(Packet, u32),
    /// A command that is passed on arrives, if its connection still stands.
    Passed(Call),
    /// Its answer, likewise.
    Answered {
        /// From whom.
        from: NodeId,
        /// To whom.
        to: NodeId,
        /// On which connection.
        epoch: u64,
        /// Whose command.
        ticket: Ticket,
        /// What became of it.
        outcome: Outcome<Said>,
    },
    /// The loss of a connection is noticed.
    Noticed {
        /// By whom.
        from: NodeId,
        /// The other end.
        to: NodeId,
        /// Its life.
        boot: u32,
    },
    /// A server connects to another.
    Connect {
        /// Who.
        from: NodeId,
        /// To whom.
        to: NodeId,
    },
    /// An answer arrives at a client.
    Reply {
        /// The client.
        client: usize,
        /// Of which sending.
        copy: u64,
        /// The call.
        seq: u64,
        /// Which sending of it.
        attempt: u32,
        /// The answer. None: nobody knows what became of it.
        answer: Option<Told>,
    },
    /// A client's timer.
    Client {
        /// The client.
        client: usize,
        /// As it was when the timer was armed.
        generation: u64,
        /// Which timer.
        timer: ClientTimer,
    },
    /// Something goes wrong.
    Mischief,
    /// A partition heals.
    Heals {
        /// As it was when it was made.
        generation: u64,
    },
    /// The network behaves again.
    Clears {
        /// As it was when it stopped to.
        generation: u64,
    },
    /// A disk has room again.
    Empties(NodeId),
    /// A server is started.
    Start(NodeId),
}

impl Event {
    /// What of it goes into the sum over all events.
    pub fn kind(&self) -> u64 {
        match self {
            Self::Wake { node, boot } => 1 << 32 | u64::from(*boot) << 8 | u64::from(node.0),
            Self::Arrives(node, _) => 2 << 32 | u64::from(node.0),
            Self::Inside(node, boot, _) => 3 << 32 | u64::from(*boot) << 8 | u64::from(node.0),
            Self::Synced { node, .. } => 4 << 32 | u64::from(node.0),
            Self::Written { id, .. } => 5 << 32 | id.last.index,
            Self::Stored(packet, _) => 6 << 32 | u64::from(packet.to.0),
            Self::Passed(call) => 7 << 32 | call.ticket,
            Self::Answered { ticket, .. } => 8 << 32 | ticket,
            Self::Noticed { from, to, .. } => 9 << 32 | u64::from(from.0) << 8 | u64::from(to.0),
            Self::Connect { from, to } => 10 << 32 | u64::from(from.0) << 8 | u64::from(to.0),
            Self::Reply { copy, .. } => 11 << 32 | copy,
            Self::Client { client, timer, .. } => 12 << 32 | (*client as u64) << 8 | *timer as u64,
            Self::Mischief => 13 << 32,
            Self::Heals { .. } => 14 << 32,
            Self::Clears { .. } => 15 << 32,
            Self::Empties(node) => 16 << 32 | u64::from(node.0),
            Self::Start(node) => 17 << 32 | u64::from(node.0),
        }
    }
}

/// A client's timers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientTimer {
    /// It has thought.
    Next,
    /// Its call had no answer for too long.
    Retry,
    /// Its call took too long.
    GiveUp,
}

/// Boxed, for the heap moves it about.
struct Planned {
    at: u64,
    number: u64,
    event: Box<Event>,
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Planned {}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The earliest is the greatest, for the heap.
impl Ord for Planned {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// What will happen.
#[derive(Default)]
pub struct Agenda {
    heap: BinaryHeap<Planned>,
    number: u64,
}

impl Agenda {
    /// It will happen then, in microseconds.
    pub fn plan(&mut self, at: u64, event: Event) {
        self.number += 1;
        self.heap.push(Planned { at, number: self.number, event: Box::new(event) });
    }

    /// What happens next, and when.
    pub fn pop(&mut self) -> Option<(u64, Event)> {
        self.heap.pop().map(|planned| (planned.at, *planned.event))
    }

    /// When something happens next.
    pub fn when(&self) -> Option<u64> {
        self.heap.peek().map(|planned| planned.at)
    }
}
