//! Whom a node's clients are served by in a sharded cluster: its servers of groups, each for the slots that it has.
//!
//! A group that does not serve a slot says who does, and has not executed anything; so a call goes on to that group,
//! if it has a server here, or its client is told where to ask. A slot that is between two groups is asked again and
//! again, until one serves it or the client has waited long enough. A question about all keys goes to every server
//! here, and their answers are put together.
//!
//! What a client sends on one connection is done in that order, slot by slot. So behind a call that is asked again
//! others of its session and slot wait; and one behind which others were asked already is not asked again: they may
//! have been done, so its client is told to try again.

use super::callers::Caller;
use crate::mailbox::Refusal as Full;
use crate::raft::{Handle, Outcome, Request, What};
use crate::rsm::encode;
use crate::session::{Answer, Call, Outcome as Told, Query};
use crate::shardctl::{self, Shardctl};
use crate::shardkv::{Asker, Shardkv};
use crate::view::Shards;
use protocol::NodeId;
use protocol::kv::{Bytes, Reply, SlotId, scan_slot};
use protocol::shardctl::{Asked, Num};
use protocol::shardkv::{Command, GroupId, Refusal, Whereabouts};
use std::collections::{BTreeMap, BTreeSet};

/// How soon a slot that is between two groups is asked for again, in milliseconds.
const AGAIN_MS: u64 = 1;
/// For how long it is remembered, in milliseconds, that another group has a slot than the configuration says.
const FOUND_MS: u64 = 1000;
/// The most slots of which it is remembered that another group has them than the configuration says.
const MAX_FOUND: usize = 1 << 16;

/// Where a group's server takes requests.
pub type GroupHandle = Handle<Shardkv, Asker<Caller>>;
/// Where the controller's server takes them.
pub type ControllerHandle = Handle<Shardctl, shardctl::Asker<Caller>>;

/// Servers of groups, and what clients have asked them.
pub struct Router {
    me: NodeId,
    controller: Option<ControllerHandle>,
    /// Who has asked the controller.
    asked: BTreeSet<Caller>,
    groups: BTreeMap<GroupId, GroupHandle>,
    /// For how long a call is taken from group to group, in milliseconds.
    patience_ms: u64,
    /// Calls about one slot that are under way.
    calls: BTreeMap<Caller, UnderWay>,
    /// Calls that are asked again, and when, in milliseconds since the node's start.
    later: BTreeSet<(u64, Caller)>,
    /// Calls that all servers here answer.
    gathered: BTreeMap<Caller, Gathered>,
    /// Slots that groups were found to have, by configurations that may be later than the one that the node knows.
    found: BTreeMap<SlotId, Found>,
    requests: BTreeMap<GroupId, Vec<Request<Query, Asker<Caller>>>>,
}

/// What a refusal has said of a slot. On its way a slot is soon elsewhere.
#[derive(Clone, Copy)]
struct Found {
    number: Num,
    group: GroupId,
    at_ms: u64,
}

#[derive(Clone)]
struct UnderWay {
    slot: SlotId,
    what: What<Query>,
    forwards: bool,
    until_ms: u64,
    step: Step,
    /// The group that is asked, named by who has refused it last.
    named: Option<GroupId>,
    /// Groups that have said that another has the slot.
    denied: BTreeSet<GroupId>,
}

/// How far a call is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It waits for one in front of it.
    Waits,
    /// It was asked for the first time.
    Asked,
    /// A group has refused it, and another is asked or will be.
    Turned,
}

impl UnderWay {
    /// Whether a later call about a slot has to wait for it.
    fn waits_before(&self, slot: SlotId) -> bool {
        self.slot == slot && self.step != Step::Asked
    }
}

struct Gathered {
    /// How many servers were asked, and how many have not answered.
    asked: usize,
    missing: usize,
    writes: bool,
    answer: Answer,
}

impl Gathered {
    /// What its client is told if one server fails. What several were to write others may have written.
    fn failed(&self, told: Told) -> Told {
        if self.writes && self.asked > 1 { Told::Unknown } else { told }
    }
}

/// What became of a call.
pub enum Heard {
    /// Its client is told.
    Told(Told),
    /// Its client is sent to another group.
    GoTo(GroupId),
    /// It is under way.
    Nothing,
}

impl Router {
    /// Of this node's servers. `patience_ms` is for how long a call is taken from group to group.
    pub const fn new(
        me: NodeId,
        controller: Option<ControllerHandle>,
        groups: BTreeMap<GroupId, GroupHandle>,
        patience_ms: u64,
    ) -> Self {
        Self {
            me,
            controller,
            asked: BTreeSet::new(),
            groups,
            patience_ms,
            calls: BTreeMap::new(),
            later: BTreeSet::new(),
            gathered: BTreeMap::new(),
            found: BTreeMap::new(),
            requests: BTreeMap::new(),
        }
    }

    /// Takes a call that is no node's. `value_bytes` is the longest value that it may make; `forwards` whether a server
    /// that does not lead passes it on, as for clients of the plain port.
    ///
    /// # Errors
    /// What its client is told at once.
    pub fn ask(
        &mut self,
        caller: Caller,
        (call, value_bytes): (Call, u32),
        forwards: bool,
        now_ms: u64,
        shards: &Shards,
    ) -> Result<(), Told> {
        let slot = call.slot();
        let what = match call {
            Call::Write(work) => match encode(&Command::Work { work, value_bytes }) {
                Ok(command) => What::Command(command),
                Err(error) => {
                    tracing::error!(%error, "a command that can't be written down");
                    return Err(Told::Busy);
                }
            },
            Call::Read(query) => What::Query(query),
            Call::Control(asked) => return self.control(caller, asked),
            Call::Wait { .. } | Call::Node(_) => return Err(Told::Busy),
        };
        let Some(slot) = slot else { return self.gather(caller, &what, forwards, shards) };
        if self.groups.is_empty() {
            return Err(Told::Nowhere);
        }
        let until_ms = now_ms + self.patience_ms;
        let waits = self.of_session(caller).any(|(_, other)| other.waits_before(slot));
        let step = if waits { Step::Waits } else { Step::Asked };
        let denied = BTreeSet::new();
        self.calls
            .insert(caller, UnderWay { slot, what, forwards, until_ms, step, named: None, denied });
        if !waits {
            self.send(caller, shards);
        }
        Ok(())
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
        posted.map_err(|refused| match refused.why {
            Full::Full => Told::Busy,
            Full::Closed => Told::NoLeader,
        })?;
        self.asked.insert(caller);
        Ok(())
    }

    /// The calls of a session, in their order.
    fn of_session(&self, caller: Caller) -> impl Iterator<Item = (&Caller, &UnderWay)> {
        self.calls.range(Caller { place: 0, ..caller }..=Caller { place: u64::MAX, ..caller })
    }

    /// The group that serves a slot, as far as is known here.
    fn of(&self, slot: SlotId, shards: &Shards) -> Option<GroupId> {
        let found = self.found.get(&slot).filter(|found| found.number >= shards.config.number);
        shards.pick(slot, found.map(|found| found.group).or_else(|| shards.of(slot)))
    }

    fn send(&mut self, caller: Caller, shards: &Shards) {
        let Some(call) = self.calls.get(&caller).cloned() else { return };
        let UnderWay { slot, what, forwards, named, .. } = call;
        // A cluster client is redirected by those that know.
        let knows = || if forwards { None } else { shards.authority(self.me, slot) };
        let group = named.or_else(knows).or_else(|| self.of(slot, shards));
        let group = group.filter(|group| self.groups.contains_key(group));
        // Whoever is here says more: its group may have come farther than this node knows.
        let group = group.or_else(|| self.groups.keys().next().copied());
        if let Some(group) = group {
            self.calls.entry(caller).and_modify(|call| call.named = Some(group));
            let request = Request { caller: Asker::Client(caller), what, forwards };
            self.requests.entry(group).or_default().push(request);
        }
    }

    /// Who has waited for a call that is over.
    fn waiting_for(&self, caller: Caller, over: &UnderWay) -> Vec<Caller> {
        let waits = |(_, other): &(&Caller, &UnderWay)| {
            over.step == Step::Turned && other.slot == over.slot && other.step == Step::Waits
        };
        self.of_session(caller).filter(waits).map(|(caller, _)| *caller).collect()
    }

    /// A call is over: those that have waited for it are asked.
    fn release(&mut self, caller: Caller, over: &UnderWay, shards: &Shards) {
        for caller in self.waiting_for(caller, over) {
            if let Some(call) = self.calls.get_mut(&caller) {
                call.step = Step::Asked;
            }
            self.send(caller, shards);
        }
    }

    /// Asks all servers here; for cluster clients, who ask every master, those that lead.
    fn gather(
        &mut self,
        caller: Caller,
        what: &What<Query>,
        all: bool,
        shards: &Shards,
    ) -> Result<(), Told> {
        let answer = match what {
            What::Command(_) => Answer::Reply(Reply::Ok),
            What::Query(Query::Len) => Answer::Reply(Reply::Int(0)),
            What::Query(Query::Keys { .. }) => Answer::Keys(Vec::new()),
            What::Query(Query::Scan { .. }) => Answer::Scan { cursor: 0, keys: Vec::new() },
            What::Query(_) => Answer::Reply(Reply::Nil),
        };
        let leads = |group: &GroupId| {
            shards.groups.get(group).is_some_and(|shard| shard.leader == Some(self.me))
        };
        let asked = self.groups.keys().copied().filter(|group| all || leads(group));
        let asked: Vec<GroupId> = asked.collect();
        if asked.is_empty() {
            return Err(Told::Done(answer));
        }
        let writes = matches!(what, What::Command(_));
        let gathered = Gathered { asked: asked.len(), missing: asked.len(), writes, answer };
        self.gathered.insert(caller, gathered);
        for group in asked {
            let (caller, what) = (Asker::Client(caller), what.clone());
            let request = Request { caller, what, forwards: true };
            self.requests.entry(group).or_default().push(request);
        }
        Ok(())
    }

    /// What a server says of a call.
    pub fn told(
        &mut self,
        caller: Caller,
        outcome: Outcome<Answer>,
        now_ms: u64,
        shards: &Shards,
    ) -> Heard {
        if let Some(gathered) = self.gathered.get_mut(&caller) {
            let Outcome::Done(answer) = outcome else {
                let told = gathered.failed(told_of(outcome));
                self.gathered.remove(&caller);
                return Heard::Told(told);
            };
            gathered.answer =
                merged(std::mem::replace(&mut gathered.answer, Answer::TimedOut), answer);
            gathered.missing -= 1;
            if gathered.missing > 0 {
                return Heard::Nothing;
            }
            let gathered = self.gathered.remove(&caller).map(|gathered| gathered.answer);
            return gathered.map_or(Heard::Nothing, |answer| Heard::Told(Told::Done(answer)));
        }
        if self.asked.remove(&caller) {
            return Heard::Told(told_of(outcome));
        }
        let heard = match outcome {
            Outcome::Done(Answer::Refused(refusal)) => {
                self.refused(caller, &refusal, now_ms, shards)
            }
            outcome if self.calls.contains_key(&caller) => Heard::Told(told_of(outcome)),
            // The rest of what was gathered, or an answer to one who has been told.
            _ => Heard::Nothing,
        };
        if !matches!(heard, Heard::Nothing)
            && let Some(over) = self.calls.remove(&caller)
        {
            self.release(caller, &over, shards);
        }
        heard
    }

    fn refused(
        &mut self,
        caller: Caller,
        refusal: &Refusal,
        now_ms: u64,
        shards: &Shards,
    ) -> Heard {
        let Some(under_way) = self.calls.get(&caller) else { return Heard::Nothing };
        let slot = under_way.slot;
        let is_behind = |(other, call): (&Caller, &UnderWay)| {
            other.place > caller.place && call.slot == slot && call.step != Step::Waits
        };
        let is_over = now_ms >= under_way.until_ms || self.of_session(caller).any(is_behind);
        let next = match refusal.whereabouts {
            Whereabouts::With(group) | Whereabouts::ComingFrom(group) => Some(group),
            // It is stopped there, and will be told of when it has come.
            Whereabouts::GoingTo(group) => Some(under_way.named.unwrap_or(group)),
            // A group that is new knows less than the node.
            Whereabouts::Nowhere => shards.of(slot),
        };
        let Some(mut group) = next else { return Heard::Told(Told::Nowhere) };
        if self.found.len() >= MAX_FOUND {
            self.found.clear();
        }
        let found = Found { number: refusal.number, group, at_ms: now_ms };
        self.found.insert(slot, found);
        if let (Whereabouts::With(_), Some(call)) =
            (refusal.whereabouts, self.calls.get_mut(&caller))
        {
            call.denied.extend(call.named);
            // Before a cluster client is sent elsewhere, every group is asked that is led here and may have it still.
            let other = if call.forwards { None } else { shards.gives(self.me, &call.denied) };
            group = other.unwrap_or(group);
        }
        if !self.groups.contains_key(&group) {
            return Heard::GoTo(group);
        }
        if is_over {
            return Heard::Told(Told::OnItsWay);
        }
        if let Some(under_way) = self.calls.get_mut(&caller) {
            under_way.step = Step::Turned;
            under_way.named = Some(group);
        }
        self.later.insert((now_ms + AGAIN_MS, caller));
        Heard::Nothing
    }

    /// When there is something to ask again.
    pub fn next_ms(&self) -> Option<u64> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Asks again what is due.
    pub fn ask_again(&mut self, now_ms: u64, shards: &Shards) {
        while let Some((_, caller)) = self.later.first().copied().filter(|(at, _)| *at <= now_ms) {
            self.later.pop_first();
            self.send(caller, shards);
        }
    }

    /// A session is gone: what it has asked and was not sent is not sent any more.
    pub fn forget(&mut self, token: usize, id: u64) {
        let calls = self.of_session(Caller { token, id, place: 0 });
        let calls: Vec<Caller> = calls.map(|(caller, _)| *caller).collect();
        for caller in calls {
            self.calls.remove(&caller);
        }
    }

    /// What was found lately that the configuration of this number does not say, for those who are told whose the slots
    /// are.
    pub fn found(&mut self, number: Num, now_ms: u64) -> BTreeMap<SlotId, GroupId> {
        self.found.retain(|_, it| it.number >= number && now_ms < it.at_ms + FOUND_MS);
        self.found.iter().map(|(slot, found)| (*slot, found.group)).collect()
    }

    /// Posts what was asked. With whom nobody takes it from, and what they are told.
    pub fn post(&mut self) -> Vec<(Caller, Told)> {
        let mut turned = Vec::new();
        for (group, requests) in std::mem::take(&mut self.requests) {
            let Some(handle) = self.groups.get(&group) else { continue };
            let Err(refused) = handle.post(requests) else { continue };
            let told = match refused.why {
                Full::Full => Told::Busy,
                Full::Closed => Told::NoLeader,
            };
            for Request { caller, .. } in refused.mail {
                let Asker::Client(caller) = caller else { continue };
                if let Some(gathered) = self.gathered.remove(&caller) {
                    turned.push((caller, gathered.failed(told.clone())));
                }
                if let Some(over) = self.calls.remove(&caller) {
                    // Those that have waited for it can't be asked in front of what it was to do.
                    let waits = self.waiting_for(caller, &over);
                    for caller in std::iter::once(caller).chain(waits) {
                        self.calls.remove(&caller);
                        turned.push((caller, told.clone()));
                    }
                }
            }
        }
        turned
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
pub fn node_of(shards: &Shards, group: GroupId) -> Option<NodeId> {
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
