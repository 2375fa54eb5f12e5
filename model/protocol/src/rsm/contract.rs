//! What goes into a server of a replicated service, and what comes out of it. See [the module above](super).

use super::{Caller, Ticket};
use crate::clock::Stamp;
use crate::raft::{self, Message};
use crate::replica;
use crate::types::NodeId;
use alloc::vec::Vec;

/// A deterministic service: the same commands in the same order give the same state and the same replies.
///
/// RSM-SNAP-1. A snapshot is all of it: whatever a later reply can depend on is in the snapshot.
pub trait StateMachine: Clone {
    /// What changes it.
    type Command: Clone;
    /// What only asks.
    type Query;
    /// What either is answered with.
    type Reply;

    /// Applies a committed command.
    fn apply(&mut self, command: &Self::Command) -> Self::Reply;

    /// Answers a query from the present state.
    fn read(&self, query: &Self::Query) -> Self::Reply;

    /// The group's clock: the largest stamp applied.
    fn clock(&self) -> Stamp {
        0
    }

    /// When something is due for which it wants a tick, on the group's clock; none: nothing.
    fn deadline(&self) -> Option<Stamp> {
        None
    }

    /// The command that takes away what is due, with this stamp.
    fn tick(&self, stamp: Stamp) -> Option<Self::Command> {
        let _ = stamp;
        None
    }
}

/// What may happen to a server. Payloads are borrowed for the time of the step.
#[derive(Debug)]
pub enum Input<'a, S: StateMachine> {
    /// What happens to the replica. An InstallSnapshot in this form comes without its state; it is dropped if that is
    /// needed ([`needs_state`](super::Rsm::needs_state)). Commands and reads have forms of their own.
    Replica(replica::Input<'a, S::Command>),
    /// A snapshot arrived, whole; its file is durable.
    Install {
        /// The sender, as the transport knows it.
        from: NodeId,
        /// The message.
        message: Message,
        /// The service as the snapshot has it.
        state: &'a S,
    },
    /// Clients' commands, in order. What another server has passed on must not be passed on again.
    Submit(Vec<(Caller, S::Command)>),
    /// Clients' reads. One confirmation serves them all.
    Read(Vec<(Ticket, S::Query)>),
    /// The group's clock, as this server estimates it, is here now.
    Clock {
        /// The estimate.
        now: Stamp,
    },
    /// A command that was to be passed on surely has not left.
    NotPassed {
        /// Whose.
        ticket: Ticket,
    },
    /// What another server says of a command that was passed on to it.
    Answer {
        /// The server.
        from: NodeId,
        /// Whose command.
        ticket: Ticket,
        /// What it says.
        outcome: Outcome<S::Reply>,
    },
    /// The connection to a server is lost: behind this, nothing that was passed on over it is answered.
    Lost {
        /// The server.
        node: NodeId,
    },
    /// The `Retry` timer has fired.
    Retry,
    /// The callers with smaller tickets who are parked, because no leader is known, or whose commands wait to be tried
    /// again, have waited long enough.
    GiveUpParked {
        /// The smallest ticket that may wait on.
        below: Ticket,
    },
    /// All callers with smaller tickets have waited long enough.
    GiveUp {
        /// The smallest ticket that may wait on.
        below: Ticket,
    },
}

/// What a caller is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Outcome<Y> {
    /// It was executed, and this is the reply.
    Done(Y),
    /// It was not executed and never will be, unless the caller submits it again. (The labs' WrongLeader.)
    NotExecuted {
        /// Who leads, as far as this server knows.
        leader: Option<NodeId>,
    },
    /// It was not executed and never will be: too many wait here already.
    Busy,
    /// It may have been executed, or may be later, or never.
    Unknown,
}

/// What a server asks its driver to do, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect<Y> {
    /// What the replica asks for: to send, to write, to arm or disarm a timer, or to note a role, a refused snapshot,
    /// or what became of a read that the driver has asked Raft for itself, under a number that is not given here.
    Raft(raft::Effect),
    /// Tell a caller.
    Tell {
        /// Whom.
        ticket: Ticket,
        /// What.
        outcome: Outcome<Y>,
    },
    /// Send a caller's command to another server, and do not tell the caller yet.
    Pass {
        /// The server.
        to: NodeId,
        /// Whose command.
        ticket: Ticket,
    },
    /// Submit a caller's command again, with a new stamp.
    Resubmit {
        /// Whose command.
        ticket: Ticket,
    },
    /// Start the `Retry` timer.
    ArmRetry,
}
