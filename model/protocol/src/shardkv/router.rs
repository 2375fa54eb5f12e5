//! Whom clients' calls go to: the group that has their slot, which may be another by the time they come there.
//!
//! A group that does not serve a slot says who does, and has executed nothing (SHARD-SERVE-1). So a call that was
//! refused is asked again: of the group that was named, or, where the slot is between two groups, until one serves
//! it or the client has waited long enough. A client that goes to leaders by itself is told of a group that has no
//! server here; the calls of any other are passed on to it.
//!
//! What a session asks of one slot is executed in that order, or not at all: a client that pipelines expects nothing
//! else. So its calls of one slot stand in a *queue*. As long as none is refused they go on as they come, all to one
//! group, which keeps their order. When one is refused those behind it are not sent any more, and nothing is asked
//! again before all that were sent are answered; then the first is asked alone, and, once it was executed, all others.
//! A call that was refused while one behind it may have been executed is over: its client is told to try again.
//!
//! A question about all keys goes to several groups. A flush is over when every slot was flushed by a group that served
//! it then: one that was on its way is asked for again. It waits for all that its session has asked before, and what
//! its session asks behind it waits for it.
//!
//! Of a group that has no server here, a [`Passage`] says which node is asked.
//!
//! What the driver promises: the places of a session's calls go up; calls come to a group in the order in which they
//! were sent there, and each has one answer from it, or more than one only of those that are not waited for any more;
//! a configuration bears the slots of its number.

mod contract;
mod gather;
mod passage;
mod rules;

pub use contract::{Call, Effect, Heard, Input, Told, may_give};
pub use passage::Passage;
pub use rules::{Ordered, Rules};

use super::{GroupId, Num, Refusal, Whereabouts};
use crate::Machine;
use crate::kv::SlotId;
use crate::shardctl::Config;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use gather::Gather;

/// How far a call about a slot is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Stage {
    /// It was sent.
    Asked,
    /// It was refused, or it waits behind one that was.
    Held,
}

/// What a session asks of one slot, in its order.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Queue {
    calls: BTreeMap<u64, Stage>,
    /// How many of them are held.
    held: usize,
    /// The group that has, or had, what was sent.
    group: Option<GroupId>,
    /// Whom the last refusal has named.
    named: Option<GroupId>,
    /// The last call that was executed, or may have been, while others were here.
    done_to: Option<u64>,
    /// The groups that are led here and may have the slot, and have not said that another has it; if its client goes to
    /// leaders by itself.
    led: Option<Vec<GroupId>>,
}

impl Queue {
    const fn new(led: Option<Vec<GroupId>>) -> Self {
        let calls = BTreeMap::new();
        Self { calls, held: 0, group: None, named: None, done_to: None, led }
    }

    fn under_way(&self) -> usize {
        self.calls.len() - self.held
    }

    fn set(&mut self, place: u64, stage: Stage) {
        let before = self.calls.insert(place, stage);
        self.held -= usize::from(before == Some(Stage::Held));
        self.held += usize::from(stage == Stage::Held);
    }

    fn remove(&mut self, place: u64) {
        let before = self.calls.remove(&place);
        self.held -= usize::from(before == Some(Stage::Held));
    }

    /// The held calls in front of a place.
    fn held_before(&self, end: u64) -> Vec<u64> {
        let held = self.calls.range(..end).filter(|(_, stage)| **stage == Stage::Held);
        held.map(|(place, _)| *place).collect()
    }
}

/// What a client wants.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Wish {
    /// Something of a slot; and the groups that are led here and may have it, if its client goes to leaders by itself.
    One(SlotId, Option<Vec<GroupId>>),
    /// Something of all keys that these groups have; whether they are to go, and whether no others are asked than those
    /// with a server here.
    All(BTreeSet<GroupId>, (bool, bool)),
}

/// Where clients' calls are. See [the module](self).
///
/// Invariants: a call is in one queue or is gathered; a queue has a call; where one is held and none under way, it will
/// be asked for again.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Router<S, R = Ordered> {
    rules: R,
    /// The groups that have a server here.
    here: BTreeSet<GroupId>,
    config: Arc<Config>,
    /// Slots that groups were found to have, and by which configuration of theirs.
    found: BTreeMap<SlotId, (Num, GroupId)>,
    /// The slots of the calls in queues.
    slots: BTreeMap<Call<S>, SlotId>,
    queues: BTreeMap<(S, SlotId), Queue>,
    gathered: BTreeMap<Call<S>, Gather>,
    /// What waits for all that its session has asked before.
    waiting: BTreeMap<Call<S>, Wish>,
}

impl<S: Copy + Ord, R: Rules> Router<S, R> {
    /// Of a node that has servers of these groups, and knows this configuration.
    pub fn new(rules: R, here: impl IntoIterator<Item = GroupId>, config: Arc<Config>) -> Self {
        Self {
            rules,
            here: here.into_iter().collect(),
            config,
            found: BTreeMap::new(),
            slots: BTreeMap::new(),
            queues: BTreeMap::new(),
            gathered: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// The configuration.
    pub const fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Slots that groups were found to have which the configuration may not say.
    pub fn found(&self) -> impl Iterator<Item = (SlotId, GroupId)> {
        self.found.iter().map(|(slot, (_, group))| (*slot, *group))
    }

    /// Whether a call is under way.
    pub fn has(&self, call: Call<S>) -> bool {
        self.slots.contains_key(&call)
            || self.gathered.contains_key(&call)
            || self.waiting.contains_key(&call)
    }

    /// How many calls are under way.
    pub fn len(&self) -> usize {
        self.slots.len() + self.gathered.len() + self.waiting.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The group that has a slot, as far as is known.
    pub fn of(&self, slot: SlotId) -> Option<GroupId> {
        let known = self.config.number;
        let found = self.found.get(&slot).filter(|(number, _)| *number >= known);
        found.map(|(_, group)| *group).or_else(|| self.config.slots.owner(slot.0))
    }

    /// Whom a slot's calls are sent to. Whoever is here says more than is known: its group may have come farther.
    fn target(&self, slot: SlotId, named: Option<GroupId>, by_itself: bool) -> Option<GroupId> {
        let group = named.or_else(|| self.of(slot));
        let group = group.filter(|group| !by_itself || self.here.contains(group));
        group.or_else(|| self.here.first().copied())
    }

    /// ROUTE-ALL-4.
    fn wish(&mut self, call: Call<S>, wish: Wish, out: &mut Vec<Effect<S>>) {
        if self.is_held_up(call, &wish) {
            self.waiting.insert(call, wish);
            return;
        }
        self.begin(call, wish, out);
    }

    fn begin(&mut self, call: Call<S>, wish: Wish, out: &mut Vec<Effect<S>>) {
        match wish {
            Wish::One(slot, led) => self.ask(call, slot, led, out),
            Wish::All(groups, how) => self.ask_all(call, groups, how, out),
        }
    }

    /// Whether a call waits for others of its session.
    fn is_held_up(&self, call: Call<S>, wish: &Wish) -> bool {
        let before = Call { place: 0, ..call }..call;
        let mut slots = self.slots.range(before.clone());
        let waits = match wish {
            Wish::One(..) => false,
            Wish::All(..) => slots.next().is_some(),
        };
        let waits = waits
            || self.waiting.range(before.clone()).next().is_some()
            || self.gathered.range(before).next().is_some();
        waits && self.rules.waits_for_all()
    }

    /// What has waited is asked, in its order, as far as it may.
    fn advance(&mut self, session: S, out: &mut Vec<Effect<S>>) {
        let all = Call { session, place: 0 }..=Call { session, place: u64::MAX };
        while let Some((&call, wish)) = self.waiting.range(all.clone()).next() {
            if self.is_held_up(call, wish) {
                return;
            }
            let Some(wish) = self.waiting.remove(&call) else { return };
            self.begin(call, wish, out);
        }
    }

    /// ROUTE-ORDER-1, ROUTE-ORDER-3.
    fn ask(
        &mut self,
        call: Call<S>,
        slot: SlotId,
        led: Option<Vec<GroupId>>,
        out: &mut Vec<Effect<S>>,
    ) {
        let Call { session, place } = call;
        let queue = self.queues.get(&(session, slot));
        let waits = queue.is_some_and(|queue| self.rules.waits(queue.held));
        let with_others = queue.filter(|queue| queue.under_way() > 0).and_then(|it| it.group);
        let with_others = with_others.filter(|_| self.rules.stays_with_others());
        let first = led.as_ref().and_then(|led| led.first().copied());
        let group = with_others.or_else(|| self.target(slot, first, led.is_some()));
        let Some(group) = group else {
            return out.push(Effect::Tell { call, told: Told::Nowhere });
        };
        self.slots.insert(call, slot);
        let queue = self.queues.entry((session, slot)).or_insert(Queue::new(led));
        if waits {
            return queue.set(place, Stage::Held);
        }
        queue.set(place, Stage::Asked);
        queue.group = Some(group);
        out.push(Effect::Send { call, group });
    }

    /// A call about a slot is over.
    fn end(&mut self, call: Call<S>, slot: SlotId, told: Told, out: &mut Vec<Effect<S>>) {
        self.slots.remove(&call);
        if let Some(queue) = self.queues.get_mut(&(call.session, slot)) {
            queue.remove(call.place);
        }
        out.push(Effect::Tell { call, told });
    }

    fn answered(
        &mut self,
        (call, group): (Call<S>, GroupId),
        heard: Heard<'_>,
        late: bool,
        out: &mut Vec<Effect<S>>,
    ) {
        let Some(&slot) = self.slots.get(&call) else { return };
        let key = (call.session, slot);
        let was_asked = self.queues.get(&key).and_then(|queue| queue.calls.get(&call.place));
        if was_asked != Some(&Stage::Asked) {
            return;
        }
        let executed = matches!(heard, Heard::Done | Heard::Flushed(_));
        if executed && self.found.get(&slot).is_some_and(|(_, found)| *found != group) {
            self.found.remove(&slot);
        }
        match heard {
            Heard::Refused(refusal) => self.refused(call, &refusal, late, out),
            Heard::Unknown if !self.rules.ends_unknown() => self.hold(call, slot),
            _ => {
                self.end(call, slot, Told::Answer, out);
                if executed || (heard == Heard::Unknown && self.rules.counts_unknown()) {
                    self.overtake(call, slot, out);
                }
            }
        }
        self.go_on(key, Some(group).filter(|_| executed), out);
    }

    fn hold(&mut self, call: Call<S>, slot: SlotId) {
        if let Some(queue) = self.queues.get_mut(&(call.session, slot)) {
            queue.set(call.place, Stage::Held);
        }
    }

    /// ROUTE-ORDER-2. A call may have been executed: those in front of it that were refused are over.
    fn overtake(&mut self, call: Call<S>, slot: SlotId, out: &mut Vec<Effect<S>>) {
        let Some(queue) = self.queues.get_mut(&(call.session, slot)) else { return };
        queue.done_to = queue.done_to.max(Some(call.place));
        let done_to = queue.done_to;
        let held = queue.held_before(call.place);
        let rules = self.rules;
        for place in held.into_iter().filter(|place| rules.is_overtaken(*place, done_to)) {
            self.end(Call { place, ..call }, slot, Told::OnItsWay, out);
        }
    }

    fn refused(&mut self, call: Call<S>, refusal: &Refusal, late: bool, out: &mut Vec<Effect<S>>) {
        let Refusal { slot, number, whereabouts } = *refusal;
        let Some(queue) = self.queues.get_mut(&(call.session, slot)) else { return };
        let by_itself = queue.led.is_some();
        let asked = queue.group.filter(|_| by_itself);
        let has = match whereabouts {
            Whereabouts::With(group) | Whereabouts::ComingFrom(group) => Some(group),
            Whereabouts::GoingTo(group) => Some(asked.unwrap_or(group)),
            // A group that is new knows less than the node.
            Whereabouts::Nowhere => self.config.slots.owner(slot.0),
        };
        let mut other = None;
        if let (Whereabouts::With(_), Some(led)) = (whereabouts, &mut queue.led) {
            led.retain(|group| Some(*group) != asked);
            other = led.first().copied();
        }
        let Some(has) = has else { return self.end(call, slot, Told::Nowhere, out) };
        if number >= self.config.number {
            self.found.insert(slot, (number, has));
            out.push(Effect::Found { slot });
        }
        let group = other.unwrap_or(has);
        if self.rules.goes_elsewhere(self.here.contains(&group), by_itself) {
            return self.end(call, slot, Told::Elsewhere(group), out);
        }
        let Some(queue) = self.queues.get_mut(&(call.session, slot)) else { return };
        queue.named = Some(group);
        let overtaken = self.rules.is_overtaken(call.place, queue.done_to);
        if overtaken || self.rules.gives_up(late) {
            return self.end(call, slot, Told::OnItsWay, out);
        }
        queue.set(call.place, Stage::Held);
    }

    /// An answer came for a queue: what is held goes on if nothing is under way, to the group that has executed the
    /// last, if one has. ROUTE-ORDER-4.
    fn go_on(&mut self, key: (S, SlotId), serves: Option<GroupId>, out: &mut Vec<Effect<S>>) {
        let Some(queue) = self.queues.get_mut(&key) else { return };
        if queue.calls.is_empty() {
            self.queues.remove(&key);
            return;
        }
        if queue.held == 0 || !self.rules.may_ask_again(queue.under_way()) {
            return;
        }
        let mut held = queue.calls.iter().filter(|(_, stage)| **stage == Stage::Held);
        let Some(group) = serves else {
            if let Some((&place, _)) = held.next() {
                out.push(Effect::Later { call: Call { session: key.0, place } });
            }
            return;
        };
        let places: Vec<u64> = held.map(|(place, _)| *place).collect();
        queue.group = Some(group);
        for place in places {
            queue.set(place, Stage::Asked);
            out.push(Effect::Send { call: Call { session: key.0, place }, group });
        }
    }

    /// The first that is held is asked, alone.
    fn due(&mut self, call: Call<S>, out: &mut Vec<Effect<S>>) {
        if self.gathered.contains_key(&call) {
            return self.flush_again(call, out);
        }
        let Some(&slot) = self.slots.get(&call) else { return };
        let key = (call.session, slot);
        let Some(queue) = self.queues.get(&key) else { return };
        let group = self.target(slot, queue.named, queue.led.is_some());
        let Some(queue) = self.queues.get_mut(&key) else { return };
        let is_held = queue.calls.get(&call.place) == Some(&Stage::Held);
        let Some(group) = group.filter(|_| is_held) else { return };
        queue.set(call.place, Stage::Asked);
        queue.group = Some(group);
        out.push(Effect::Send { call, group });
    }

    /// ROUTE-GONE-1. What was sent may be executed all the same.
    fn gone(&mut self, session: S) {
        if !self.rules.forgets_gone() {
            return;
        }
        let all = Call { session, place: 0 }..=Call { session, place: u64::MAX };
        let calls: Vec<_> =
            self.slots.range(all.clone()).map(|(call, slot)| (*call, *slot)).collect();
        for (call, slot) in calls {
            self.slots.remove(&call);
            self.queues.remove(&(session, slot));
        }
        let calls: Vec<_> = self.gathered.range(all.clone()).map(|(call, _)| *call).collect();
        for call in calls {
            self.gathered.remove(&call);
        }
        let calls: Vec<_> = self.waiting.range(all).map(|(call, _)| *call).collect();
        for call in calls {
            self.waiting.remove(&call);
        }
    }

    fn configure(&mut self, config: Arc<Config>) {
        if config.number <= self.config.number {
            return;
        }
        self.found.retain(|_, (found, _)| *found >= config.number);
        self.config = config;
    }
}

impl<S: Copy + Ord, R: Rules> Machine for Router<S, R> {
    type Input<'a>
        = Input<'a, S>
    where
        Self: 'a;
    type Effect = Effect<S>;

    fn step(&mut self, input: Input<'_, S>, out: &mut Vec<Effect<S>>) {
        match input {
            Input::Ask { call, slot, led } => self.wish(call, Wish::One(slot, led), out),
            Input::AskAll { call, groups, flushes, by_itself } => {
                let groups = groups.iter().copied();
                let groups = groups.filter(|group| !by_itself || self.here.contains(group));
                self.wish(call, Wish::All(groups.collect(), (flushes, by_itself)), out);
            }
            Input::Answered { call, group, heard, late } => {
                if self.gathered.contains_key(&call) {
                    self.gather((call, group), heard, late, out);
                } else {
                    self.answered((call, group), heard, late, out);
                }
                self.advance(call.session, out);
            }
            Input::Due { call } => {
                self.due(call, out);
                self.advance(call.session, out);
            }
            Input::Gone { session } => self.gone(session),
            Input::Configuration(config) => self.configure(config),
            Input::Stale { slot } => {
                self.found.remove(&slot);
            }
        }
    }
}
