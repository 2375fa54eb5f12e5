//! Whom a node's clients are served by in a sharded cluster: its servers of groups, each for the slots that it has.
//!
//! Nothing is decided here. [`protocol::shardkv::router`] says whom a call is sent to, when it is asked again and what
//! its client is told: the functions that the models check. Here is what calls ask, by when they are late, what groups
//! have answered, and the way to their servers, here or by [`Guests`].

use super::callers::Caller;
use super::guests::Guests;
use crate::mailbox::Refusal as Full;
use crate::raft::{Handle, Outcome, Request, What};
use crate::rsm::encode;
use crate::session::{Answer, Call, Outcome as Told, Query};
use crate::shardctl::{self, Shardctl};
use crate::shardkv::{Asker, Shardkv};
use crate::view::Shards;
use protocol::kv::{Bytes, Reply, SlotId, scan_slot};
use protocol::shardctl::{Asked, Config};
use protocol::shardkv::router::{self as machine, Effect, Heard, Input, Ordered};
use protocol::shardkv::{Command, GroupId};
use protocol::{Machine, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How soon a slot that is between two groups is asked for again, in milliseconds.
const AGAIN_MS: u64 = 1;
/// For how long it is remembered, in milliseconds, that another group has a slot than the configuration says.
const FOUND_MS: u64 = 1000;

/// Where a group's server takes requests.
pub type GroupHandle = Handle<Shardkv, Asker<Caller>>;
/// Where the controller's server takes them.
pub type ControllerHandle = Handle<Shardctl, shardctl::Asker<Caller>>;

/// A session, as the machine knows it: its connection's token, and its number.
type Session = (usize, u64);

/// Servers of groups, and what clients have asked them.
pub struct Router {
    me: NodeId,
    controller: Option<ControllerHandle>,
    /// Who has asked the controller.
    asked: BTreeSet<Caller>,
    groups: BTreeMap<GroupId, GroupHandle>,
    guests: Arc<Guests>,
    /// For how long a call is taken from group to group, in milliseconds.
    patience_ms: u64,
    machine: machine::Router<Session>,
    /// Empty between uses; kept for its capacity.
    effects: Vec<Effect<Session>>,
    calls: BTreeMap<Caller, UnderWay>,
    /// Calls that are asked again, and when, in milliseconds since the node's start.
    later: BTreeSet<(u64, Caller)>,
    /// Since when it is known that a slot is another group's than the configuration says.
    found: BTreeMap<SlotId, u64>,
    requests: BTreeMap<GroupId, Requests>,
}

/// A call, until its client is told.
struct UnderWay {
    what: What<Query>,
    forwards: bool,
    until_ms: u64,
    /// What was answered so far, if several groups are asked.
    gathered: Option<Answer>,
    /// Whether it was to be asked once more while it was under way.
    again: bool,
}

/// What groups' servers are asked.
type Requests = Vec<Request<Query, Asker<Caller>>>;

/// Clients that are told something.
pub type Tellings = Vec<(Caller, Told)>;

const fn call_of(caller: Caller) -> machine::Call<Session> {
    machine::Call { session: (caller.token, caller.id), place: caller.place }
}

const fn caller_of(call: machine::Call<Session>) -> Caller {
    let (token, id) = call.session;
    Caller { token, id, place: call.place }
}

impl Router {
    /// Of this node's servers, and the way to others. `patience_ms` is for how long a call is taken from group to
    /// group.
    pub fn new(
        me: NodeId,
        controller: Option<ControllerHandle>,
        (groups, guests): (BTreeMap<GroupId, GroupHandle>, Arc<Guests>),
        patience_ms: u64,
    ) -> Self {
        let config = Arc::new(Config::empty(protocol::kv::slot::SLOTS));
        let machine = machine::Router::new(Ordered, groups.keys().copied(), config);
        Self {
            me,
            controller,
            asked: BTreeSet::new(),
            groups,
            guests,
            patience_ms,
            machine,
            effects: Vec::new(),
            calls: BTreeMap::new(),
            later: BTreeSet::new(),
            found: BTreeMap::new(),
            requests: BTreeMap::new(),
        }
    }

    /// Takes a call that is no node's. `value_bytes` is the longest value that it may make; `forwards` whether a server
    /// that does not lead passes it on, as for clients of the plain port. With whom is told something at once.
    pub fn ask(
        &mut self,
        caller: Caller,
        (call, value_bytes): (Call, u32),
        forwards: bool,
        now_ms: u64,
        shards: &Shards,
    ) -> Tellings {
        if let Some(there) = self.calls.get_mut(&caller) {
            // One who waits for a key was woken while it was being read.
            there.again = true;
            return Vec::new();
        }
        let slot = call.slot();
        let flushes = matches!(call, Call::Write(_)) && slot.is_none();
        let what = match call {
            Call::Write(work) => match encode(&Command::Work { work, value_bytes }) {
                Ok(command) => What::Command(command),
                Err(error) => {
                    tracing::error!(%error, "a command that can't be written down");
                    return vec![(caller, Told::Busy)];
                }
            },
            Call::Read(query) => What::Query(query),
            Call::Control(asked) => {
                return self
                    .control(caller, asked)
                    .err()
                    .map(|told| (caller, told))
                    .into_iter()
                    .collect();
            }
            Call::Wait { .. } | Call::Node(_) => return vec![(caller, Told::Busy)],
        };
        let until_ms = now_ms + self.patience_ms;
        let gathered = slot.is_none().then(|| nothing(&what));
        let under_way = UnderWay { what, forwards, until_ms, gathered, again: false };
        self.calls.insert(caller, under_way);
        let call = call_of(caller);
        let Some(slot) = slot else {
            let groups = self.asked_for_all(forwards, shards);
            let input = Input::AskAll { call, groups: &groups, flushes, by_itself: !forwards };
            return self.step(&input, None, now_ms, shards);
        };
        let led = (!forwards).then(|| shards.led(self.me, slot));
        let input = Input::Ask { call, slot, led };
        self.step(&input, None, now_ms, shards)
    }

    /// Which groups are asked about all keys: cluster clients ask every master by themselves.
    fn asked_for_all(&self, forwards: bool, shards: &Shards) -> Vec<GroupId> {
        let groups = shards.groups.iter();
        let asked = groups.filter(|(_, shard)| forwards || shard.leader == Some(self.me));
        asked.map(|(group, _)| *group).collect()
    }

    /// Asks the controller, if it has a server here.
    fn control(&mut self, caller: Caller, asked: Asked) -> Result<(), Told> {
        let Some(controller) = &self.controller else { return Err(Told::NoController) };
        let what = match asked {
            Asked::Change(command) => What::Command(encode(&command).map_err(|_| Told::Busy)?),
            Asked::Query(query) => What::Query(query),
        };
        let asker = shardctl::Asker::Client(caller);
        let posted = controller.post(vec![Request { caller: asker, what, forwards: true }]);
        posted.map_err(|refused| full(refused.why))?;
        self.asked.insert(caller);
        Ok(())
    }

    /// The machine takes a step, and what it wants is done. `told` is what a server has just said.
    fn step(
        &mut self,
        input: &Input<'_, Session>,
        told: Option<Told>,
        now_ms: u64,
        shards: &Shards,
    ) -> Tellings {
        let mut effects = std::mem::take(&mut self.effects);
        self.machine.step(input.clone(), &mut effects);
        let mut tellings = Vec::new();
        for effect in effects.drain(..) {
            match effect {
                Effect::Send { call, group } => self.send(caller_of(call), group),
                Effect::Later { call } => {
                    self.later.insert((now_ms + AGAIN_MS, caller_of(call)));
                }
                Effect::Found { slot } => {
                    self.found.insert(slot, now_ms);
                }
                Effect::Tell { call, told: what } => {
                    let caller = caller_of(call);
                    let Some(over) = self.calls.remove(&caller) else { continue };
                    tellings.push((caller, told_by(what, told.as_ref(), over.gathered, shards)));
                }
            }
        }
        self.effects = effects;
        tellings
    }

    fn send(&mut self, caller: Caller, group: GroupId) {
        let Some(call) = self.calls.get_mut(&caller) else { return };
        call.again = false;
        let (what, forwards) = (call.what.clone(), call.forwards);
        // What several groups are asked they answer wherever they are led from.
        let forwards = forwards || call.gathered.is_some();
        let request = Request { caller: Asker::Client(caller), what, forwards };
        self.requests.entry(group).or_default().push(request);
    }

    /// What a server says of a call; of which group, unless it is the controller. With whom is told something.
    pub fn told(
        &mut self,
        caller: Caller,
        group: Option<GroupId>,
        outcome: Outcome<Answer>,
        now_ms: u64,
        shards: &Shards,
    ) -> Tellings {
        if self.asked.remove(&caller) {
            return vec![(caller, told_of(outcome))];
        }
        let (Some(call), Some(group)) = (self.calls.get_mut(&caller), group) else {
            return Vec::new();
        };
        let late = now_ms >= call.until_ms;
        let ranges;
        let heard = match &outcome {
            Outcome::Done(Answer::Refused(refusal)) => Heard::Refused(*refusal),
            Outcome::Done(Answer::Flushed(slots)) => {
                ranges = slots.clone();
                Heard::Flushed(&ranges)
            }
            Outcome::Done(answer) => {
                if let Some(before) = call.gathered.take() {
                    call.gathered = Some(merged(before, answer.clone()));
                }
                Heard::Done
            }
            Outcome::NotExecuted { .. } | Outcome::Busy => Heard::NotExecuted,
            Outcome::Unknown => Heard::Unknown,
        };
        let input = Input::Answered { call: call_of(caller), group, heard, late };
        self.step(&input, Some(told_of(outcome)), now_ms, shards)
    }

    /// Whether a call is to be asked once more: it was, while it was under way.
    pub fn is_asked_again(&self, caller: Caller) -> bool {
        self.calls.get(&caller).is_some_and(|call| call.again)
    }

    /// When there is something to ask again.
    pub fn next_ms(&self) -> Option<u64> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Asks again what is due. With whom is told something.
    pub fn ask_again(&mut self, now_ms: u64, shards: &Shards) -> Tellings {
        let mut tellings = Vec::new();
        while let Some((_, caller)) = self.later.first().copied().filter(|(at, _)| *at <= now_ms) {
            self.later.pop_first();
            let input = Input::Due { call: call_of(caller) };
            tellings.extend(self.step(&input, None, now_ms, shards));
        }
        tellings
    }

    /// A session is gone: what it has asked and was not sent is not sent any more.
    pub fn forget(&mut self, token: usize, id: u64) {
        self.machine.step(Input::Gone { session: (token, id) }, &mut self.effects);
        self.effects.clear();
        let first = Caller { token, id, place: 0 };
        let calls = self.calls.range(first..=Caller { place: u64::MAX, ..first });
        let calls: Vec<Caller> = calls.map(|(caller, _)| *caller).collect();
        for caller in calls {
            self.calls.remove(&caller);
        }
    }

    /// A configuration that the node has come to know, and where its groups are.
    pub fn configure(&mut self, shards: &Shards) {
        let config = &shards.config;
        if config.number > self.machine.config().number {
            self.guests.learn(&shards.groups);
            self.machine.step(Input::Configuration(Arc::clone(config)), &mut self.effects);
        }
    }

    /// What was found lately that the configuration does not say, for those who are told whose the slots are.
    pub fn found(&mut self, now_ms: u64) -> BTreeMap<SlotId, GroupId> {
        let is_stale = |(_, at_ms): &(&SlotId, &u64)| now_ms >= **at_ms + FOUND_MS;
        let stale: Vec<SlotId> =
            self.found.iter().filter(is_stale).map(|(slot, _)| *slot).collect();
        for slot in stale {
            self.found.remove(&slot);
            self.machine.step(Input::Stale { slot }, &mut self.effects);
        }
        self.machine.found().collect()
    }

    /// Posts what was asked. With whom nobody takes it from, and what they are told.
    pub fn post(&mut self, now_ms: u64, shards: &Shards) -> Tellings {
        let mut tellings = Vec::new();
        for (group, requests) in std::mem::take(&mut self.requests) {
            let (turned, why) = match self.groups.get(&group) {
                Some(handle) => match handle.post(requests) {
                    Ok(()) => continue,
                    Err(refused) => (refused.mail, full(refused.why)),
                },
                None => (self.visit(group, requests), Told::NoLeader),
            };
            for Request { caller, .. } in turned {
                let Asker::Client(caller) = caller else { continue };
                let (call, heard) = (call_of(caller), Heard::NotExecuted);
                let input = Input::Answered { call, group, heard, late: false };
                tellings.extend(self.step(&input, Some(why.clone()), now_ms, shards));
            }
        }
        tellings
    }

    /// Sends requests to a group that has no server here. Those that can't be sent come back.
    fn visit(&self, group: GroupId, requests: Requests) -> Requests {
        let stay = |request: &Request<Query, Asker<Caller>>| match request {
            Request { caller: Asker::Client(caller), what, .. } => {
                !self.guests.send(*caller, group, what.clone())
            }
            Request { caller: Asker::Mover { .. }, .. } => true,
        };
        requests.into_iter().filter(stay).collect()
    }
}

const fn full(why: Full) -> Told {
    match why {
        Full::Full => Told::Busy,
        Full::Closed => Told::NoLeader,
    }
}

/// The answer of no group to what several are asked.
fn nothing(what: &What<Query>) -> Answer {
    match what {
        What::Command(_) => Answer::Reply(Reply::Ok),
        What::Query(Query::Len) => Answer::Reply(Reply::Int(0)),
        What::Query(Query::Keys { .. }) => Answer::Keys(Vec::new()),
        What::Query(Query::Scan { .. }) => Answer::Scan { cursor: 0, keys: Vec::new() },
        What::Query(_) => Answer::Reply(Reply::Nil),
    }
}

/// What a client is told in words of sessions. `said` is what a server has just said.
fn told_by(
    told: machine::Told,
    said: Option<&Told>,
    gathered: Option<Answer>,
    shards: &Shards,
) -> Told {
    match told {
        machine::Told::Answer => said.cloned().unwrap_or(Told::Unknown),
        machine::Told::Gathered => gathered.map_or(Told::Unknown, Told::Done),
        machine::Told::Elsewhere(group) => {
            node_of(shards, group).map_or(Told::OnItsWay, |leader| Told::Moved { leader })
        }
        machine::Told::Nowhere => Told::Nowhere,
        machine::Told::OnItsWay => Told::OnItsWay,
        machine::Told::Unknown => Told::Unknown,
    }
}

/// What a client is told of an outcome.
pub fn told_of(outcome: Outcome<Answer>) -> Told {
    match outcome {
        Outcome::Done(answer) => Told::Done(answer),
        Outcome::NotExecuted { leader: Some(leader) } => Told::Moved { leader },
        Outcome::NotExecuted { leader: None } => Told::NoLeader,
        Outcome::Busy => Told::Busy,
        Outcome::Unknown => Told::Unknown,
    }
}

/// The node that a client is sent to for a group.
fn node_of(shards: &Shards, group: GroupId) -> Option<NodeId> {
    let shard = shards.groups.get(&group)?;
    shard.leader.or_else(|| shard.nodes.first().copied())
}

/// The answers of several groups as one.
fn merged(one: Answer, other: Answer) -> Answer {
    match (one, other) {
        (Answer::Reply(Reply::Int(one)), Answer::Reply(Reply::Int(other))) => {
            Answer::Reply(Reply::Int(one.saturating_add(other)))
        }
        (Answer::Keys(mut keys), Answer::Keys(more)) => {
            keys.extend(more);
            Answer::Keys(keys)
        }
        (Answer::Scan { cursor, keys }, Answer::Scan { cursor: other, keys: more }) => {
            merged_scans((cursor, keys), (other, more))
        }
        (Answer::Reply(Reply::Nil), other) => other,
        (one, _) => one,
    }
}

/// Two steps of a SCAN over different slots: it goes on where the first of them has stopped, and what the other has
/// found behind that comes again. A key's place begins with its slot.
fn merged_scans(one: (u64, Vec<Bytes>), other: (u64, Vec<Bytes>)) -> Answer {
    let (cursor, mut keys) = one;
    let (other, more) = other;
    let next = match (cursor, other) {
        (0, next) | (next, 0) => next,
        (one, other) => one.min(other),
    };
    keys.extend(more);
    if next > 0 {
        let slot = scan_slot(next);
        // Of the slot at which it goes on only its own group has found any.
        keys.retain(|key| key.slot() <= slot);
    }
    Answer::Scan { cursor: next, keys }
}
