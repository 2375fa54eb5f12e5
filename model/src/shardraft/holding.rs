//! What the servers of these groups run: the shared machine, with a group of the sharded store as its service.
//!
//! Two groups with the same entries are equal, so the entries stand for the group wherever states are compared, and
//! each entry's fingerprint is taken once.

use super::Wrong;
use super::bounds::{LIMITS, PLAN};
use crate::node::{Recipe, Service, Tag};
use crate::search::fingerprint;
use protocol::kv::{Exact, Seq, Store, Work};
use protocol::raft::Paper;
use protocol::rsm::{StateMachine, Ticket};
use protocol::shardkv::{Answer, Command, Group, GroupId, InOrder, Query};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Servers that replicate a group, with perhaps one thing wrong in what drives it.
#[derive(Clone, Copy, Debug)]
pub struct Hosted(pub Wrong);

impl Recipe for Hosted {
    type Raft = Paper;
    type Rsm = Wrong;
    type Service = Holding;

    fn rules(&self) -> (Paper, Wrong) {
        (Paper, self.0)
    }
}

/// Who has proposed an entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A client: which of its calls, and the how manieth sending of all.
    Client {
        /// The call's number.
        seq: Seq,
        /// The sending's.
        sending: u8,
    },
    /// A mover.
    Mover {
        /// The term in which its server led.
        term: u64,
        /// Its stream.
        stream: u64,
        /// The proposal's number.
        proposal: u64,
    },
}

/// Whom a server tells what became of something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Caller {
    Client,
    /// By its stream, with this proposal.
    Mover(u64, u64),
    Read,
}

const CLIENT: Ticket = 1 << 60;
const READ: Ticket = 1 << 61;
const FIELD: u32 = 16;

/// The ticket of a read by its number.
pub(super) fn read_ticket(number: u8) -> Ticket {
    READ + Ticket::from(number)
}

/// Whose ticket it is.
pub(super) const fn caller_of(ticket: Ticket) -> Caller {
    const FIRST: u64 = (1 << FIELD) - 1;
    match ticket {
        READ.. => Caller::Read,
        CLIENT.. => Caller::Client,
        _ => Caller::Mover((ticket >> FIELD) & FIRST, ticket & FIRST),
    }
}

impl Origin {
    /// The ticket: of all that is handed to servers the only one with it.
    pub fn ticket(self) -> Ticket {
        match self {
            Self::Client { sending, .. } => CLIENT + Ticket::from(sending),
            Self::Mover { term, stream, proposal } => {
                assert!(stream >> FIELD == 0 && proposal >> FIELD == 0, "small numbers");
                (term << (2 * FIELD)) | (stream << FIELD) | proposal
            }
        }
    }
}

/// An entry's content.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Content {
    /// Of which group it is an entry.
    pub gid: GroupId,
    /// Who has proposed it.
    pub origin: Origin,
    /// The command.
    pub command: Command,
}

/// An entry's content with its fingerprint. Two proposals of the same are told apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sending(Arc<(Content, u64)>);

impl Sending {
    /// With its fingerprint.
    pub fn new(gid: GroupId, origin: Origin, command: Command) -> Self {
        Self::from(Content { gid, origin, command })
    }

    /// What it says.
    pub fn content(&self) -> &Content {
        &self.0.0
    }
}

impl From<Content> for Sending {
    fn from(content: Content) -> Self {
        let print = fingerprint(&content);
        Self(Arc::new((content, print)))
    }
}

impl Hash for Sending {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.1.hash(state);
    }
}

impl Serialize for Sending {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.content().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sending {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Content::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Content { origin, command, .. } = self.content();
        match origin {
            Origin::Client { seq, sending } => return write!(f, "#{seq}.{sending}"),
            Origin::Mover { term, stream, proposal } if term == stream => {
                write!(f, "t{term}.{proposal} ")?;
            }
            Origin::Mover { term, stream, proposal } => {
                write!(f, "t{term}/{stream}.{proposal} ")?;
            }
        }
        match command {
            Command::Work { .. } => f.write_str("Work"),
            Command::Advance { configuration, .. } => write!(f, "Advance {}", configuration.number),
            Command::Begin(beginning) => write!(f, "Begin {}", beginning.number),
            Command::Freeze { number, .. } => write!(f, "Freeze {number}"),
            Command::Stage { part, .. } => write!(f, "Stage {}.{}", part.stream, part.index),
            Command::Install { head, .. } => write!(f, "Install {}.{}", head.stream, head.parts),
            Command::Delete { number, .. } => write!(f, "Delete {number}"),
        }
    }
}

/// A question for a group.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Question {
    /// The group.
    pub gid: GroupId,
    /// What is asked.
    pub query: Query,
}

/// A group in front of its log: it has come to the first configuration.
pub fn first(gid: GroupId) -> Group {
    let mut group = Group::new(InOrder, gid, 0, [], Store::new(Exact, LIMITS));
    let configuration = PLAN.configuration(1);
    group.apply(0, &Command::Advance { configuration, called_off: BTreeSet::new() });
    group
}

/// A group, by what it has applied. No server needs to be told which group it is of: each entry says it.
#[derive(Clone)]
pub struct Holding {
    entries: Vec<Sending>,
    /// None in front of the first entry.
    group: Option<Arc<Group>>,
    print: u64,
}

impl Holding {
    /// The group, if it has applied anything.
    pub fn group(&self) -> Option<&Group> {
        self.group.as_deref()
    }

    /// What it has applied, in order.
    pub fn entries(&self) -> &[Sending] {
        &self.entries
    }
}

impl StateMachine for Holding {
    type Command = Sending;
    type Query = Question;
    type Reply = Answer;

    fn apply(&mut self, sending: &Sending) -> Answer {
        let Content { gid, command, .. } = sending.content();
        let group = self.group.get_or_insert_with(|| Arc::new(first(*gid)));
        let answer = Arc::make_mut(group).apply(0, command);
        self.print = fingerprint(&(self.print, sending.0.1));
        self.entries.push(sending.clone());
        answer
    }

    fn read(&self, question: &Question) -> Answer {
        match &self.group {
            Some(group) => group.read(&question.query),
            None => first(question.gid).read(&question.query),
        }
    }
}

impl Service for Holding {
    fn empty() -> Self {
        Self { entries: Vec::new(), group: None, print: 0 }
    }

    fn proposal(_: Tag) -> Sending {
        let origin = Origin::Client { seq: 0, sending: 0 };
        let command = Command::Work { work: Work::Tick, value_bytes: 0 };
        Sending::new(GroupId(0), origin, command)
    }

    fn first_read(boots: u8) -> u64 {
        u64::from(boots) * 100
    }
}

impl PartialEq for Holding {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for Holding {}

impl Hash for Holding {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.print.hash(state);
    }
}

impl PartialOrd for Holding {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Holding {
    fn cmp(&self, other: &Self) -> Ordering {
        self.entries.cmp(&other.entries)
    }
}

impl Serialize for Holding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.entries.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Holding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut holding = Self::empty();
        for sending in Vec::<Sending>::deserialize(deserializer)? {
            holding.apply(&sending);
        }
        Ok(holding)
    }
}

impl fmt::Debug for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "[{group:?}]"),
            None => f.write_str("[nothing applied]"),
        }
    }
}
