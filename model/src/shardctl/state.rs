//! Who takes part: two replicas of the controller, administrators, and groups that walk.

use super::{History, Placed, Program};
use protocol::kv::{Bytes, ClientId, Seq};
use protocol::rsm::StateMachine as _;
use protocol::shardctl::{
    Admin, Asked, Command, Controller, GroupId, Limits, Num, Reply, RequestId,
};
use serde::{Deserialize, Serialize};
use stateright::actor::{Envelope, Id};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// What travels.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// From an administrator.
    Call {
        /// Which of its calls.
        seq: Seq,
        /// Which sending of it.
        attempt: u32,
        /// What it asks.
        asked: Asked,
    },
    /// From a replica.
    Answer {
        /// To which call.
        seq: Seq,
        /// The answer.
        reply: Reply,
    },
    /// From a group.
    Report {
        /// What it has finished.
        number: Num,
        /// Which sending of it.
        attempt: u8,
    },
}

/// What may happen besides a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stimulus {
    /// An administrator goes on with its next wish.
    Next,
    /// An administrator is not answered in time.
    Retry,
    /// An administrator dies.
    Die,
    /// A group reads at this replica what is next for it, and walks there.
    Walk(u8),
    /// A group reports once more.
    Report,
    /// A replica applies what is committed next.
    Apply,
    /// A replica saves its state.
    Save,
    /// A replica begins anew from what it has saved, and applies again what came behind that.
    Restart,
}

/// The actors' numbers: replicas, administrators, groups.
pub(super) const LEADER: usize = 0;
pub(super) const SECOND: usize = 1;
pub(super) const ADMINS: usize = 2;
pub(super) const GROUPS: usize = 4;

/// The address of a group's only node.
pub(super) fn address(group: GroupId) -> Bytes {
    Bytes::from(format!("n{group}").as_str())
}

/// A replica of the controller.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Replica<R> {
    /// The machine.
    pub controller: Controller<R>,
    /// How many commands of the log it has applied.
    pub applied: u64,
    /// What it has saved, and how many commands were applied then.
    pub saved: (Vec<u8>, u64),
}

/// What is committed: every replica applies it, in this order. What none will ask for again is left out, and all
/// count from there.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Log(pub Vec<Command>);

/// An administrator.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Person<R> {
    /// Its side of a request.
    pub admin: Admin<R>,
    /// What it wants.
    pub program: Program,
    /// How many wishes are over.
    pub over: u8,
    /// How often the present one was begun anew.
    pub again: u8,
    /// The latest change that it has asked for.
    pub request: Option<RequestId>,
    /// Whether it has died.
    pub dead: bool,
}

/// A group that walks.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Walker {
    /// Which.
    pub group: GroupId,
    /// What it has finished.
    pub at: Num,
    /// Whether it is in the configuration that it has finished, or is about to come into the next.
    pub is_in: bool,
    /// Whether it walks on though it is in none.
    pub roves: bool,
    /// How often it has reported that.
    pub reports: u8,
}

/// A state of the model.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct State<R> {
    /// The leader, and a second one.
    pub replicas: [Arc<Replica<R>>; 2],
    /// What is committed.
    pub log: Log,
    /// The administrators.
    pub admins: Vec<Arc<Person<R>>>,
    /// The groups.
    pub walkers: Vec<Walker>,
    /// What is under way.
    pub mail: BTreeSet<Envelope<Message>>,
    /// What is true.
    pub history: Arc<History>,
}

impl Log {
    /// How many commands there are.
    pub fn end(&self) -> u64 {
        self.0.len() as u64
    }

    /// The command with so many in front of it.
    pub fn get(&self, before: u64) -> Option<&Command> {
        self.0.get(before as usize)
    }
}

impl<R: Placed> Replica<R> {
    /// With nothing applied.
    pub fn new(rules: R, limits: Limits) -> Self {
        let controller = Controller::new(rules, limits);
        let mut saved = Vec::new();
        controller.encode(&mut saved);
        Self { controller, applied: 0, saved: (saved, 0) }
    }

    /// So many commands at the beginning of the log are left out.
    pub fn forget(&mut self, gone: u64) {
        self.applied -= gone;
        self.saved.1 = self.saved.1.saturating_sub(gone);
    }

    /// Applies what is committed next.
    pub fn apply(&mut self, command: &Command) -> Reply {
        self.applied += 1;
        self.controller.apply(command)
    }
}

impl<R: Placed> Person<R> {
    /// One that has asked for nothing yet. Its client id is its number.
    pub fn new(rules: R, number: usize, program: Program) -> Self {
        let admin = Admin::new(rules, ClientId(number as u128));
        Self { admin, program, over: 0, again: 0, request: None, dead: false }
    }

    /// Whether it wants something yet, and lives.
    pub fn is_under_way(&self) -> bool {
        let left = usize::from(self.over) < self.program.steps().len();
        !self.dead && (left || self.admin.is_busy())
    }
}

impl<R: Placed> State<R> {
    /// The administrator with this actor's number.
    pub fn admin(&self, id: Id) -> Option<&Person<R>> {
        let number = usize::from(id).checked_sub(ADMINS)?;
        self.admins.get(number).map(|person| &**person)
    }

    /// RED-OVER. Whether a message would change nothing, now and for ever: an answer to a call that is over, or a
    /// question of one. An administrator's numbers only rise, and an answer to an earlier one is dropped.
    pub fn is_void(&self, envelope: &Envelope<Message>) -> bool {
        let (admin, seq) = match &envelope.msg {
            Message::Answer { seq, .. } => (envelope.dst, seq),
            Message::Call { seq, asked: Asked::Query(_), .. } => (envelope.src, seq),
            Message::Call { .. } | Message::Report { .. } => return false,
        };
        self.admin(admin).is_some_and(|person| {
            person.dead || *seq < person.admin.seq() || !person.admin.is_busy()
        })
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { seq, attempt, asked } => write!(f, "#{seq}.{attempt} {asked:?}"),
            Self::Answer { seq, reply } => write!(f, "#{seq}: {reply:?}"),
            Self::Report { number, attempt } => write!(f, "has finished {number} ({attempt})"),
        }
    }
}

impl fmt::Debug for Stimulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Next => f.write_str("goes on"),
            Self::Retry => f.write_str("asks again"),
            Self::Die => f.write_str("dies"),
            Self::Walk(0) => f.write_str("walks on, by the leader"),
            Self::Walk(_) => f.write_str("walks on, by the second replica"),
            Self::Report => f.write_str("reports again"),
            Self::Apply => f.write_str("applies"),
            Self::Save => f.write_str("saves its state"),
            Self::Restart => f.write_str("begins anew from what it has saved"),
        }
    }
}

impl<R> fmt::Debug for Replica<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replica at {}: {:?}", self.applied, self.controller)
    }
}

impl<R> fmt::Debug for Person<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.program.steps().len();
        let dead = if self.dead { ", dead" } else { "" };
        write!(f, "administrator: {} of {of} over{dead}", self.over)
    }
}

impl fmt::Debug for Walker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, at, is_in, .. } = self;
        write!(f, "{group:?} has finished {at}{}", if *is_in { "" } else { ", and is in none" })
    }
}

impl<R: Placed> fmt::Debug for State<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replicas, admins, walkers, mail, history, .. } = self;
        write!(f, "{replicas:?} {admins:?} {walkers:?} {mail:?} {history:?}")
    }
}
