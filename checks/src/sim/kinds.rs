//! What a server can be a server of, and what it is asked and says: the store, whole; a group of the sharded store; or
//! its controller.
//!
//! One driver runs all of them. What differs is in the service, and in what a server does beside it (`moves.rs`).

use protocol::kv::clerk::{Answer, Request};
use protocol::kv::{Op, Seq, StringOp, Work};
use protocol::shardctl::{self, Asked};
use protocol::shardkv::mover::Settings;
use protocol::shardkv::{self, GroupId, Refusal};

/// What a server is a server of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The store, whole.
    Store,
    /// A group of the sharded store, whose leader moves slots in this way.
    Group(GroupId, Settings),
    /// The controller, within these bounds.
    Controller(shardctl::Limits),
}

/// What a log replicates.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Task {
    /// The store's.
    Store(Work),
    /// A group's.
    Group(shardkv::Command),
    /// The controller's.
    Control(shardctl::Command),
}

/// What only asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Query {
    /// The store, or a group.
    Store(shardkv::Query),
    /// The controller.
    Control(shardctl::Query),
}

/// What a service says.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Said {
    /// The store, or a group.
    Store(shardkv::Answer),
    /// The controller.
    Control(shardctl::Reply),
}

/// What somebody outside asks a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask {
    /// The store, or a group.
    Store(Request),
    /// The controller.
    Control {
        /// The call.
        seq: Seq,
        /// Which sending of it.
        attempt: u32,
        /// What is asked.
        asked: Asked,
    },
}

/// What somebody outside is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// By the store or a group; and by anybody who has not executed it.
    Answer(Answer),
    /// By a group that does not serve the slot: it has not executed it.
    Refused(Refusal),
    /// By the controller.
    Control(shardctl::Reply),
}

impl Task {
    /// What of it is the store's.
    pub const fn work(&self) -> Option<&Work> {
        match self {
            Self::Store(work) | Self::Group(shardkv::Command::Work { work, .. }) => Some(work),
            _ => None,
        }
    }

    /// About how long it is in a log, in bytes.
    pub fn bytes(&self) -> u64 {
        let bytes = match self {
            Self::Store(work) | Self::Group(shardkv::Command::Work { work, .. }) => bytes_of(work),
            Self::Group(shardkv::Command::Stage { part, .. }) => 36 + part.bytes(),
            Self::Group(shardkv::Command::Advance { configuration, .. }) => {
                12 + 8 * configuration.changes.len()
            }
            Self::Group(shardkv::Command::Begin(beginning)) => 12 + 8 * beginning.owners.len(),
            Self::Group(shardkv::Command::Install { .. }) => 72,
            Self::Group(_) => 12,
            Self::Control(_) => 64,
        };
        bytes as u64
    }
}

fn bytes_of(work: &Work) -> usize {
    let Work::Command(command) = work else { return 12 };
    let value = match &command.op {
        Op::Put { value, .. } | Op::Set { value } | Op::Append { value } => value,
        Op::String(StringOp::Set { value, .. }) => value,
        _ => &command.key,
    };
    36 + command.key.as_ref().len() + value.as_ref().len()
}

impl Ask {
    /// Which call, and which sending of it.
    pub const fn call(&self) -> (Seq, u32) {
        match self {
            Self::Store(request) => (request.seq, request.attempt),
            Self::Control { seq, attempt, .. } => (*seq, *attempt),
        }
    }

    /// The entry that it needs, at a server of this kind; None if it only asks.
    ///
    /// # Panics
    /// If a server of this kind is not asked such things.
    pub fn task(&self, kind: Kind) -> Option<Task> {
        match (self, kind) {
            (Self::Store(request), _) if !request.command.op.writes() => None,
            (Self::Store(request), Kind::Store) => {
                Some(Task::Store(Work::Command(request.command.clone())))
            }
            (Self::Store(request), Kind::Group(..)) => {
                let work = Work::Command(request.command.clone());
                Some(Task::Group(shardkv::Command::Work { work, value_bytes: u32::MAX }))
            }
            (Self::Control { asked: Asked::Query(_), .. }, _) => None,
            (Self::Control { asked: Asked::Change(command), .. }, Kind::Controller(_)) => {
                Some(Task::Control(command.clone()))
            }
            _ => panic!("{kind:?} is not asked {self:?}"),
        }
    }

    /// What it asks without an entry, if it only asks.
    pub fn query(&self) -> Option<Query> {
        match self {
            Self::Store(Request { command, .. }) => {
                let (key, op) = (command.key.clone(), command.op.clone());
                (!op.writes()).then_some(Query::Store(shardkv::Query::Op { key, op }))
            }
            Self::Control { asked: Asked::Query(query), .. } => Some(Query::Control(*query)),
            Self::Control { .. } => None,
        }
    }

    /// Whether it may change something.
    pub fn writes(&self) -> bool {
        self.query().is_none()
    }
}

impl From<Said> for Told {
    /// # Panics
    /// If no client can have asked for it.
    fn from(said: Said) -> Self {
        match said {
            Said::Store(shardkv::Answer::Reply(reply)) => Self::Answer(Answer::Reply(reply)),
            Said::Store(shardkv::Answer::Refused(refusal)) => Self::Refused(refusal),
            Said::Store(other) => panic!("a client is told {other:?}"),
            Said::Control(reply) => Self::Control(reply),
        }
    }
}
