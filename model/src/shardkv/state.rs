//! Who takes part: groups with their leaders, and clients.

use super::bounds::LIMITS;
use super::{Both, Bounds, History};
use crate::search::fingerprint;
use protocol::kv::{Seq, Store};
use protocol::shardkv::mover::{self, Duty};
use protocol::shardkv::{Command, Group, GroupId};
use serde::{Deserialize, Serialize};
use stateright::actor::{Envelope, Id};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What leaders tell each other.
pub type Message = mover::Message;

/// What may happen besides a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stimulus {
    /// To a client: it sends a call with this number, a new one or again, to a group, and is answered.
    Call(Seq, u8),
    /// To a leader: some time has passed.
    Tick,
    /// To a leader: it learns the next configuration, or with which the group begins.
    Learn,
    /// To a group: the first of its leaders' proposals is committed and applied.
    Commit,
    /// To a group: the first proposal comes to nothing.
    Lose,
    /// To a group: the first proposal is kept, and will come into the log a second time.
    Keep,
    /// To a group: what was kept comes into the log, from nobody.
    Again,
    /// To a leader that is behind: its replica applies the next entry.
    Apply,
    /// To a group: another leader comes.
    Lead,
    /// To a group: all its replicas begin anew from their bytes, and another leader comes.
    Restart,
}

/// The actors' numbers: clients, groups.
pub(super) const GROUPS: usize = 2;

/// Who has proposed an entry: the leader by its number, and the proposal by its own. Nobody if the leader is 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Origin {
    /// The leader.
    pub life: u64,
    /// The proposal.
    pub proposal: u64,
}

impl Origin {
    /// An entry that no leader waits for.
    pub const NOBODY: Self = Self { life: 0, proposal: 0 };
}

/// A group and its leader.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Node<R> {
    /// All that is committed, applied.
    pub group: Group<R, R>,
    /// What the leader's replica has of it, if that is less.
    pub replica: Option<Group<R, R>>,
    /// What it has yet to apply.
    pub unapplied: VecDeque<(Origin, Command)>,
    /// The leader's part in moves.
    pub leader: Duty<R>,
    /// The how manieth leader it is.
    pub life: u64,
    /// What was proposed, and is not committed.
    pub pending: VecDeque<(Origin, Command)>,
    /// What will come into the log again, at any time.
    pub kept: Option<Command>,
}

/// A message under way, with its fingerprint.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter(Arc<(Envelope<Message>, u64)>);

impl Letter {
    /// A message on its way.
    pub fn new(envelope: Envelope<Message>) -> Self {
        let print = fingerprint(&envelope);
        Self(Arc::new((envelope, print)))
    }

    /// From whom it is, to whom, and what it says.
    pub fn envelope(&self) -> &Envelope<Message> {
        &self.0.0
    }
}

/// The fingerprints of a state's parts. Most steps change one of them, and the others are not computed again.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct Prints {
    nodes: Vec<u64>,
    mail: u64,
    history: u64,
}

/// A state of the model.
#[derive(Clone)]
pub struct State<R> {
    /// The groups.
    pub nodes: Vec<Arc<Node<R>>>,
    /// How many of its calls each client was answered.
    pub answered: [Seq; 2],
    /// What is under way.
    pub mail: BTreeSet<Letter>,
    /// What is true.
    pub history: Arc<History>,
    prints: Prints,
}

impl<R: Both> Node<R> {
    /// A group at the first configuration, or at none if it comes late.
    pub fn new(rules: R, gid: GroupId, bounds: &Bounds) -> Self {
        let mut group = Group::new(rules, gid, 0, [], Store::new(rules, LIMITS));
        let stamp = bounds.stamps[gid.0 as usize - 1];
        if !bounds.late || !bounds.plan.has_none(gid, 1) {
            let configuration = bounds.plan.configuration(1);
            group.apply(stamp, &Command::Advance { configuration, called_off: BTreeSet::new() });
        }
        let mut leader = Duty::new(rules, bounds.settings());
        leader.lead(Some(1), &group);
        let (unapplied, pending) = (VecDeque::new(), VecDeque::new());
        Self { group, replica: None, unapplied, leader, life: 1, pending, kept: None }
    }

    /// By what its leader goes.
    pub fn seen(&self) -> &Group<R, R> {
        self.replica.as_ref().unwrap_or(&self.group)
    }
}

impl<R: Both> State<R> {
    /// With nothing under way.
    pub fn new(nodes: Vec<Arc<Node<R>>>, history: History) -> Self {
        let (mail, history) = (BTreeSet::new(), Arc::new(history));
        let prints = Prints::default();
        Self { nodes, answered: [0; 2], mail, history, prints }
    }

    /// Takes the fingerprints of what is another than it was before a step.
    pub fn seal(&mut self, before: &Self) {
        let prints = &mut self.prints;
        prints.nodes.resize(self.nodes.len(), 0);
        for (number, node) in self.nodes.iter().enumerate() {
            let old = before.nodes.get(number).filter(|old| Arc::ptr_eq(old, node));
            prints.nodes[number] = match old.and(before.prints.nodes.get(number)) {
                Some(print) => *print,
                None => fingerprint(&**node),
            };
        }
        prints.mail = self.mail.iter().fold(0, |sum, letter| sum.wrapping_add(letter.0.1));
        if !Arc::ptr_eq(&self.history, &before.history) || before.prints.nodes.is_empty() {
            prints.history = fingerprint(&*self.history);
        }
    }
}

/// By the fingerprints: states are told apart by theirs anyway.
impl<R> PartialEq for State<R> {
    fn eq(&self, other: &Self) -> bool {
        self.answered == other.answered && self.prints == other.prints
    }
}

impl<R> Hash for State<R> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.answered.hash(state);
        self.prints.hash(state);
    }
}

/// The actor that a group is.
pub(super) fn id_of(gid: GroupId) -> Id {
    Id::from(GROUPS + gid.0 as usize - 1)
}

impl fmt::Debug for Stimulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(seq, group) => write!(f, "calls g{} #{seq}", group + 1),
            Self::Tick => f.write_str("has waited"),
            Self::Learn => f.write_str("learns what follows"),
            Self::Commit => f.write_str("commits"),
            Self::Lose => f.write_str("loses a proposal"),
            Self::Keep => f.write_str("will have an entry twice"),
            Self::Again => f.write_str("has an entry again"),
            Self::Apply => f.write_str("applies, in its leader's replica"),
            Self::Lead => f.write_str("has another leader"),
            Self::Restart => f.write_str("begins anew from its bytes"),
        }
    }
}

impl<R: Both> fmt::Debug for Node<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, replica, unapplied, leader: _, life, pending, kept } = self;
        write!(f, "{group:?} leader {life}")?;
        if let Some(replica) = replica {
            write!(f, " at {replica:?} before {} entries", unapplied.len())?;
        }
        if let Some(command) = kept {
            write!(f, " again, some day: {command:?}")?;
        }
        for (Origin { life, .. }, command) in pending {
            write!(f, " proposed by {life}: {command:?}")?;
        }
        Ok(())
    }
}

impl<R: Both> fmt::Debug for State<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, answered, mail, history, prints: _ } = self;
        let mail: Vec<_> = mail.iter().map(Letter::envelope).collect();
        write!(f, "{nodes:?} answered {answered:?} {mail:?} {history:?}")
    }
}
