//! Who waits at a server, by ticket, and since when.

use super::event::{Command, Sending};
use protocol::clock::Stamp;
use protocol::raft::RoleName;
use protocol::rsm::Ticket;
use protocol::shardkv::GroupId;
use protocol::{NodeId, Term};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;

/// Whose a ticket is.
#[derive(Clone)]
pub enum Origin {
    /// A client's.
    Client(Sending),
    /// Another server's.
    Peer {
        /// Which.
        node: NodeId,
        /// The connection on which it came.
        epoch: u64,
        /// The caller there.
        ticket: Ticket,
    },
    /// The server's own mover's.
    Mover {
        /// Of this term.
        term: Term,
        /// Its proposal's number.
        proposal: u64,
    },
    /// A group's, at the controller.
    Group(GroupId),
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(Sending { client, copy, .. }) => write!(f, "client {client} copy {copy}"),
            Self::Peer { node, ticket, .. } => write!(f, "{node:?} ticket {ticket}"),
            Self::Mover { term, proposal } => write!(f, "proposal {proposal} of term {term}"),
            Self::Group(group) => write!(f, "{group:?}"),
        }
    }
}

/// What was known when a read came: as what its server served in which term, and its estimate of the group's clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The role.
    pub role: RoleName,
    /// The term.
    pub term: Term,
    /// The estimate.
    pub until: Stamp,
}

/// One who waits.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Whose ticket it is.
    pub origin: Origin,
    /// What may be passed on.
    pub command: Option<Command>,
    /// What was known when the read came, if it is one.
    pub read: Option<Asked>,
}

/// Those who wait.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    slots: BTreeMap<Ticket, Slot>,
    last: Ticket,
    /// Tickets that were given before a time, in microseconds.
    marks: VecDeque<(u64, Ticket)>,
}

impl Waiting {
    /// How many.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// A new ticket, greater than all before.
    pub fn add(&mut self, slot: Slot) -> Ticket {
        self.last += 1;
        self.slots.insert(self.last, slot);
        self.last
    }

    /// Whose it is.
    pub fn get(&self, ticket: Ticket) -> Option<&Slot> {
        self.slots.get(&ticket)
    }

    /// It waits no more.
    pub fn take(&mut self, ticket: Ticket) -> Option<Slot> {
        self.slots.remove(&ticket)
    }

    /// Notes the time.
    pub fn mark(&mut self, now: u64) {
        let next = self.last + 1;
        if self.marks.back().is_none_or(|&(_, known)| known != next) {
            self.marks.push_back((now, next));
        }
    }

    /// Tickets below this were given before `then`.
    pub fn below(&self, then: u64) -> Ticket {
        let older = self.marks.iter().take_while(|&&(time, _)| time <= then);
        older.last().map_or(0, |&(_, ticket)| ticket)
    }

    /// Forgets the marks in front of `then` but for the last.
    pub fn forget(&mut self, then: u64) {
        while self.marks.get(1).is_some_and(|&(time, _)| time <= then) {
            self.marks.pop_front();
        }
    }
}
