//! The giver's side: copies until little is left, then the Freeze, the last difference, and the Delete.

use super::{Effect, GroupId, Head, Message, Mover, Num, Out, Proposal, Settings, Way};
use crate::kv::{self, Part, Place, SlotCopy, SlotId, Sum};
use crate::shardkv::{Command, Group, Move, Rules, State};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

/// A slot that is being sent.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Sending {
    number: Num,
    to: GroupId,
    /// None until the taker has said how far it is.
    copies: Option<Copies>,
}

/// What was sent of it.
///
/// Invariant: who takes in the parts up to `next` has the slot as `old`, and what lies in front of `place` as `copy`.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Copies {
    /// The copy that was sent before this one.
    old: SlotCopy,
    /// The one that is being sent.
    copy: SlotCopy,
    /// Whether it is the slot as it was stopped.
    is_last: bool,
    /// Where the next part begins; None if all of the copy was cut.
    place: Option<Place>,
    /// Those that were sent and, for all that is known, not staged.
    parts: VecDeque<Part>,
    /// The index of the next part.
    next: u64,
    /// What was cut of this copy.
    bytes: usize,
    /// How many copies there were before this one.
    before: u32,
    /// Whether a part was staged since the last tick.
    goes_on: bool,
    /// Whether the taker was told what the whole is.
    told: bool,
    /// Whether the taker has something of an earlier stream, so that there must be a part, be it empty, that drops it.
    drops: bool,
}

impl Sending {
    pub(super) const fn new(number: Num, to: GroupId) -> Self {
        Self { number, to, copies: None }
    }

    /// See [`Mover`]'s.
    pub(super) fn digest(&self, state: &mut impl Hasher) {
        let Self { number, to, copies } = self;
        (number, to, copies.is_some()).hash(state);
        if let Some(copies) = copies {
            copies.digest(state);
        }
    }
}

impl Copies {
    fn new(copy: SlotCopy, is_last: bool, drops: bool) -> Self {
        Self {
            old: SlotCopy::empty(copy.id()),
            copy,
            is_last,
            place: Some(Place::START),
            parts: VecDeque::new(),
            next: 0,
            bytes: 0,
            before: 0,
            goes_on: true,
            told: false,
            drops,
        }
    }

    fn digest(&self, state: &mut impl Hasher) {
        let Self { old, copy, is_last, place, parts, next, bytes, before, goes_on, told, drops } =
            self;
        (old.id(), old.sum(), copy.id(), copy.sum(), is_last, place).hash(state);
        (next, bytes, before, goes_on, told, drops, parts.len()).hash(state);
        for part in parts {
            (part.stream, part.index, part.changes.len(), part.bytes()).hash(state);
        }
    }

    /// Goes on with another copy, of which only the difference is sent.
    fn follow(&mut self, copy: SlotCopy, is_last: bool) {
        self.old = core::mem::replace(&mut self.copy, copy);
        self.is_last = is_last;
        self.place = Some(Place::START);
        self.bytes = 0;
        self.before += 1;
    }

    /// Cuts parts until so many are under way, or all is cut.
    fn cut(&mut self, stream: u64, settings: &Settings) -> usize {
        let before = self.parts.len();
        while self.parts.len() < settings.parts {
            let must = self.drops && self.next == 0;
            let changes = match self.place.take() {
                Some(place) => {
                    let (changes, rest) = self.copy.changes(&self.old, place, settings.part_bytes);
                    self.place = rest;
                    changes
                }
                None if must => Vec::new(),
                None => break,
            };
            if !changes.is_empty() || must {
                let part = Part { stream, index: self.next, changes };
                self.next += 1;
                self.bytes += part.bytes();
                self.parts.push_back(part);
            }
        }
        self.parts.len() - before
    }
}

impl<R: Rules> Mover<R> {
    /// Drops what is over.
    pub(super) fn forget<K: kv::Rules>(&mut self, group: &Group<R, K>) {
        let of_present = |slot: &SlotId, number: Num, takes: bool| {
            let there = group.moves().get(slot);
            there.is_some_and(|there| {
                there.number == number && (there.way() == Way::Taking) == takes
            })
        };
        self.sending.retain(|slot, sending| of_present(slot, sending.number, false));
        self.called_off.retain(|slot, number| of_present(slot, *number, true));
        self.staging.retain(|slot, staging| {
            staging.is_under_way() || of_present(slot, staging.number(), true)
        });
    }

    /// SHARD-RESUME-1. Begins with slots that are to go, as many as may go at a time, those that were stopped first.
    pub(super) fn start<K: kv::Rules>(&mut self, group: &Group<R, K>, out: Out<'_>) {
        let mut under_way: BTreeMap<GroupId, usize> = BTreeMap::new();
        for sending in self.sending.values() {
            *under_way.entry(sending.to).or_default() += 1;
        }
        for way in [Way::Frozen, Way::Giving] {
            for (slot, Move { number, other, .. }) in
                group.moves().iter().filter(|(_, there)| there.way() == way)
            {
                let room = under_way.entry(*other).or_default();
                let begun_before = *number <= self.since && !self.rules.resumes();
                if *room < self.settings.slots && !begun_before && !self.sending.contains_key(slot)
                {
                    *room += 1;
                    self.sending.insert(*slot, Sending::new(*number, *other));
                    let message = Message::Ask { slot: *slot, number: *number };
                    out.push(Effect::Send { to: *other, message });
                }
            }
        }
    }

    /// Begins with more slots for a taker that has few of them under way. To look for them takes as long as there are
    /// slots that are to go, so it is not done for each.
    pub(super) fn refill<K: kv::Rules>(&mut self, group: &Group<R, K>, to: GroupId, out: Out<'_>) {
        let under_way = self.sending.values().filter(|sending| sending.to == to).count();
        if under_way <= self.settings.slots / 2 {
            self.start(group, out);
        }
    }

    /// Says again what was not answered.
    pub(super) fn remind<K: kv::Rules>(&mut self, group: &Group<R, K>, out: Out<'_>) {
        for (slot, sending) in &mut self.sending {
            let (slot, number, to) = (*slot, sending.number, sending.to);
            let Some(copies) = &mut sending.copies else {
                out.push(Effect::Send { to, message: Message::Ask { slot, number } });
                continue;
            };
            if !core::mem::take(&mut copies.goes_on) {
                let parts = copies.parts.iter().cloned();
                let messages = parts.map(|part| Message::Part { slot, number, part });
                out.extend(messages.map(|message| Effect::Send { to, message }));
            }
            copies.told = false;
        }
        let slots: Vec<SlotId> = self.sending.keys().copied().collect();
        for slot in slots {
            self.pump(group, slot, out);
        }
    }

    /// Sends what can be sent of a slot now, and proposes what comes next.
    pub(super) fn pump<K: kv::Rules>(&mut self, group: &Group<R, K>, slot: SlotId, out: Out<'_>) {
        let Some(there) = group.moves().get(&slot) else { return };
        let Some(Sending { number, to, copies: Some(copies) }) = self.sending.get_mut(&slot) else {
            return;
        };
        let (number, to) = (*number, *to);
        if there.number != number {
            return;
        }
        loop {
            let cut = copies.cut(self.stream, &self.settings);
            for part in copies.parts.iter().skip(copies.parts.len() - cut) {
                let message = Message::Part { slot, number, part: part.clone() };
                out.push(Effect::Send { to, message });
            }
            if copies.place.is_some() {
                return;
            }
            match &there.state {
                State::Taking(_) => return,
                State::Frozen(_) if copies.is_last => break,
                State::Frozen(copy) if self.rules.sends_last_difference() => {
                    copies.follow(copy.clone(), true);
                }
                State::Frozen(_) => copies.is_last = true,
                State::Giving if !copies.parts.is_empty() => return,
                State::Giving
                    if copies.bytes > self.settings.little_bytes
                        && copies.before < self.settings.copies =>
                {
                    copies.follow(group.store().copy_slot(slot), false);
                }
                State::Giving => {
                    let command = Command::Freeze { slot, number };
                    return self.propose_once(Proposal::Freeze(slot), command, out);
                }
            }
        }
        let State::Frozen(frozen) = &there.state else { return };
        if !core::mem::replace(&mut copies.told, true) {
            let head = head((number, self.stream), copies.next, frozen.sum());
            out.push(Effect::Send { to, message: Message::Whole { slot, head } });
        }
        if !self.rules.waits_for_finished() {
            self.propose_once(Proposal::Delete(slot, to), Command::Delete { slot, number }, out);
        }
    }

    /// The taker has come so far.
    pub(super) fn on_staged<K: kv::Rules>(
        &mut self,
        group: &Group<R, K>,
        (slot, number, from): (SlotId, Num, GroupId),
        (stream, next): (u64, u64),
        out: Out<'_>,
    ) {
        let sending = self.sending.get_mut(&slot);
        let Some(sending) = sending.filter(|it| it.number == number && it.to == from) else {
            return;
        };
        match (&mut sending.copies, group.moves().get(&slot).map(|there| &there.state)) {
            (Some(copies), _) => {
                if stream < self.stream && next > 0 {
                    copies.drops = true;
                } else if stream > self.stream {
                    return;
                }
                while stream == self.stream
                    && copies.parts.front().is_some_and(|part| part.index < next)
                {
                    copies.parts.pop_front();
                    copies.goes_on = true;
                }
            }
            (copies, Some(State::Frozen(copy))) => {
                *copies = Some(Copies::new(copy.clone(), true, next > 0));
            }
            (copies, Some(State::Giving)) => {
                let copy = group.store().copy_slot(slot);
                *copies = Some(Copies::new(copy, false, next > 0));
            }
            (None, Some(State::Taking(_)) | None) => return,
        }
        self.pump(group, slot, out);
    }

    /// The taker has the slot. SHARD-DELETE-1, SHARD-DELETE-2.
    pub(super) fn on_finished<K: kv::Rules>(
        &mut self,
        group: &Group<R, K>,
        (slot, number, from): (SlotId, Num, GroupId),
        out: Out<'_>,
    ) {
        let Some(there) = group.moves().get(&slot) else { return };
        let answers = there.other == from && self.rules.is_answer_to(number, there.number);
        if answers && there.way() == Way::Frozen {
            let command = Command::Delete { slot, number: there.number };
            self.propose_once(Proposal::Delete(slot, from), command, out);
        }
    }
}

const fn head((number, stream): (Num, u64), parts: u64, sum: Sum) -> Head {
    Head { number, stream, parts, sum }
}
