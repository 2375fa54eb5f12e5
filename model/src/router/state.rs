//! Who takes part: the router, the groups, and the sessions, of which only the places of their calls matter.

use super::{Bounds, History};
use crate::shardkv::plans;
use protocol::NodeId;
use protocol::kv::{Exact, Limits, Store};
use protocol::shardctl::{Config, Slots};
use protocol::shardkv::router::{self, Passage, Router, Rules};
use protocol::shardkv::{Command, Group, GroupId, Num, Refusal};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

/// A call, of a session with a number.
pub type Call = router::Call<u8>;

/// What a group's server says of a call.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// It was executed.
    Done,
    /// The keys of these slots went; by their index.
    Flushed(BTreeSet<usize>),
    /// The group does not serve its slot.
    Refused(Refusal),
    /// It was not executed.
    NotExecuted,
    /// Nobody knows.
    Unknown,
}

/// An answer on its way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Of which call.
    pub call: Call,
    /// What is said.
    pub said: Said,
}

/// What may happen besides an answer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stimulus {
    /// To the router: a session asks what its program has next.
    Ask(u8),
    /// To the router: it is time to ask again.
    Due(Call),
    /// To the router: a session is gone.
    Gone(u8),
    /// To the router: the next configuration became known.
    Learn,
    /// To the router: an answer of this group comes, and its client has waited long enough.
    Late(GroupId, Message),
    /// To a group: it takes the first call that was sent to it.
    Take,
    /// To a group: its server on a second node takes the first call that was sent there.
    TakeOther,
    /// To a group: it does not execute the first call that was sent to it.
    Fail,
    /// To a group: nobody will know whether the first call was executed, and it was, or not.
    Lose(bool),
    /// To a group: the way to it is lost, with the first call that was sent to it, which may come there later.
    Stray,
    /// To a group: the connection to its second node is lost, with all that was sent there.
    StrayOther,
    /// To a group: its server on the other node leads now.
    Lead,
    /// To a group: a call comes that was given up on the way.
    Land(Call),
    /// To a group: it goes to the next configuration.
    Advance,
    /// To a group: it serves a slot no more, which goes.
    Freeze(usize),
    /// To a group: a slot has come.
    Install(usize),
}

/// The nodes of a group that is elsewhere.
pub(super) const NODES: [NodeId; 2] = [NodeId(0), NodeId(1)];
/// The actors' numbers: the router, the groups.
pub(super) const GROUPS: usize = 1;

/// A state of the model.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct State<R> {
    /// The router.
    pub router: Arc<Router<u8, R>>,
    /// The groups.
    pub groups: Vec<Arc<Group>>,
    /// What was sent to each group, in its order; and behind all of these, what was sent to each group's second node.
    pub sent: Vec<VecDeque<Call>>,
    /// The ways to groups, where they have two nodes.
    pub passages: Vec<Passage>,
    /// What is under way on these: to which group, by its place, and which of its nodes.
    pub lanes: BTreeMap<Call, (usize, NodeId)>,
    /// On which of these each is led.
    pub leaders: Vec<NodeId>,
    /// What was sent to each group and was given up on the way.
    pub strayed: Vec<BTreeSet<Call>>,
    /// Answers on their way, and from whom.
    pub answers: BTreeSet<(GroupId, Message)>,
    /// What will be asked again.
    pub due: BTreeSet<Call>,
    /// How many of its calls each session has asked.
    pub asked: [u64; 2],
    /// Which sessions are gone.
    pub gone: [bool; 2],
    /// What is true.
    pub history: Arc<History>,
}

/// A configuration as the controller tells it to nodes.
pub(super) fn config(bounds: &Bounds, number: Num) -> Arc<Config> {
    let mut owners = vec![None; usize::from(protocol::kv::slot::SLOTS)];
    for index in 0..bounds.plan.slots() {
        let slot = plans::slot(index).0;
        owners[usize::from(slot)] = bounds.plan.owner(index, number);
    }
    let (request, groups) = (None, BTreeMap::new());
    Arc::new(Config { number, request, groups, slots: Slots::of(&owners) })
}

impl<R: Rules> State<R> {
    /// With nothing asked. Every group is at the first configuration, but those that are told of none yet.
    pub fn new(bounds: &Bounds, rules: R) -> Self {
        let group = |gid: GroupId| {
            let limits = Limits { clients: 4, ..Limits::DEFAULT };
            let mut group = Group::new(Default::default(), gid, 0, [], Store::new(Exact, limits));
            if !bounds.new || gid == GroupId(1) {
                let configuration = bounds.plan.configuration(1);
                let called_off = BTreeSet::new();
                group.apply(0, &Command::Advance { configuration, called_off });
            }
            Arc::new(group)
        };
        let here = bounds.groups().filter(|group| bounds.is_here(*group));
        Self {
            router: Arc::new(Router::new(rules, here, config(bounds, 1))),
            groups: bounds.groups().map(group).collect(),
            sent: vec![VecDeque::new(); bounds.plan.groups() * usize::from(bounds.ways)],
            passages: vec![Passage::default(); bounds.plan.groups()],
            lanes: BTreeMap::new(),
            leaders: vec![NODES[0]; bounds.plan.groups()],
            strayed: vec![BTreeSet::new(); bounds.plan.groups()],
            answers: BTreeSet::new(),
            due: BTreeSet::new(),
            asked: [0; 2],
            gone: [false; 2],
            history: Arc::default(),
        }
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Flushed(slots) => write!(f, "flushed {slots:?}"),
            Self::Refused(Refusal { number, whereabouts, .. }) => {
                write!(f, "refused at {number}: {whereabouts:?}")
            }
            Self::NotExecuted => f.write_str("not executed"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, said } = self;
        write!(f, "s{}#{} {said:?}", call.session, call.place)
    }
}

impl fmt::Debug for Stimulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(session) => write!(f, "s{session} asks"),
            Self::Due(call) => write!(f, "asks s{}#{} again", call.session, call.place),
            Self::Gone(session) => write!(f, "s{session} is gone"),
            Self::Learn => f.write_str("learns the next configuration"),
            Self::Late(group, message) => write!(f, "hears late from g{}: {message:?}", group.0),
            Self::Take => f.write_str("takes a call"),
            Self::TakeOther => f.write_str("takes a call, on its second node"),
            Self::StrayOther => f.write_str("is cut off from what was sent to its second node"),
            Self::Lead => f.write_str("is led on its other node"),
            Self::Fail => f.write_str("does not execute a call"),
            Self::Lose(true) => f.write_str("executes a call, and nobody will know"),
            Self::Lose(false) => f.write_str("does not execute a call, and nobody will know"),
            Self::Stray => f.write_str("is cut off from a call, of which nobody knows now"),
            Self::Land(call) => {
                write!(f, "takes s{}#{}, which was given up", call.session, call.place)
            }
            Self::Advance => f.write_str("goes to the next configuration"),
            Self::Freeze(slot) => write!(f, "serves slot {slot} no more"),
            Self::Install(slot) => write!(f, "has got slot {slot}"),
        }
    }
}

impl<R: Rules> fmt::Debug for State<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { router, groups, sent, strayed, answers, due, asked, gone, history, .. } = self;
        write!(f, "{} calls in the router, {groups:?} sent {sent:?} ", router.len())?;
        if !self.lanes.is_empty() {
            write!(f, "on the way {:?} led {:?} ", self.lanes, self.leaders)?;
        }
        write!(
            f,
            "strayed {strayed:?} {answers:?} due {due:?} asked {asked:?} gone {gone:?} {history:?}"
        )
    }
}
