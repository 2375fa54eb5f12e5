//! One group of the sharded store: a store of slots that come and go by numbered configurations (labs 4B and 5).
//!
//! Every slot has one group. A configuration says which slots change theirs, and every group *walks* the
//! configurations, one after the other, by entries of its own log. So all its replicas do the same at the same place,
//! and a restart does it again.
//!
//! A slot that changes its group is a *move*. It is made of entries in two logs:
//!
//! ```text
//!   giver                                  taker
//!   Advance n: it gives, and still serves  Advance n: it takes, and does not serve yet
//!                        parts of copies   Stage, Stage, …
//!   Freeze: it serves no more
//!                    the last difference   Stage
//!                    what the whole is     Install: it serves
//!   Delete: nothing of it stays
//! ```
//!
//! The order makes it safe: an Install has a sum that nobody knows before the Freeze was applied, so at no time do both
//! serve; and the giver deletes only what the taker has committed. A slot is stopped only for the time of its last
//! difference. Nothing waits for anything but its own slot: those that nobody changes are served throughout, one that
//! has come is served before the others have, and a configuration is applied though slots are still on their way by
//! earlier ones, unless it changes these. A configuration costs what it changes, and no more.
//!
//! All entries bear the configuration's number, and that is what makes them safe to repeat. A Freeze or Delete of an
//! earlier move is refused, one of the present move may come again; a part or an Install is refused also if it is of a
//! move that was installed.
//!
//! To cancel a move, the slot is moved back by a later configuration. A giver that has not stopped it yet then *calls
//! the move off*: it serves on, and needs nothing from the taker, which may be down. The taker waits for the giver's
//! word that the slot will not come, and gives up what was staged in the same entry by which it goes to that
//! configuration.
//!
//! What a group's leader does so that all this happens is in [`mover`]. It has no state that matters: everything that
//! must not be forgotten is here.
//!
//! A group that comes, for the first time or again, does not walk through all that was before: it *begins* with the
//! configuration in front of the one by which it comes. That is an entry too.
//!
//! What the driver promises: the configurations are the same for all groups; a slot that has had a group has one ever
//! after; and a group is told to begin with no configuration behind the first in which it has a slot.

mod contract;
pub mod mover;
mod print;
pub mod router;
mod rules;
mod snapshot;

pub use contract::{
    Answer, Beginning, Change, Command, Configuration, GroupId, Head, Next, Num, Query, Refusal,
    Step, Whereabouts,
};
pub use rules::{InOrder, Rules};
pub use snapshot::GroupDecoder;

use crate::kv::{self, Bytes, Exact, Pages, Part, SlotCopy, SlotId, Staged, Stamp, Store, Work};
use crate::rsm::StateMachine;
use crate::shardctl::SlotRange;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;
use print::Print;

/// How far a slot is that changes its group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Way {
    /// It is still served here.
    Giving,
    /// It was stopped here.
    Frozen,
    /// It comes here.
    Taking,
}

/// A slot on its way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Move {
    /// The configuration that moves it.
    pub number: Num,
    /// The group at the other end.
    pub other: GroupId,
    /// How far it is.
    pub state: State,
}

/// What is kept of a slot on its way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// It is still served here, out of the store.
    Giving,
    /// As it was when it was stopped.
    Frozen(SlotCopy),
    /// What has come of it.
    Taking(Staged),
}

impl Move {
    /// How far it is.
    pub const fn way(&self) -> Way {
        match self.state {
            State::Giving => Way::Giving,
            State::Frozen(_) => Way::Frozen,
            State::Taking(_) => Way::Taking,
        }
    }
}

/// A group: its store, its configuration, and what is on its way.
///
/// Invariants: a slot in `moves` is in the store only if it is `Giving`; every slot in the store is the group's by its
/// configuration or is `Giving`; no move has a number above the group's; `print` is that of `owners` and `moves`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Group<R = InOrder, K = Exact> {
    rules: R,
    gid: GroupId,
    number: Num,
    /// By slot, whose it is by the group's configuration.
    owners: Pages<SlotId, GroupId>,
    moves: Pages<SlotId, Move>,
    store: Store<K>,
    print: Print,
}

impl<R: Rules, K: kv::Rules> Group<R, K> {
    /// A group that begins with a configuration in which it has no slot: its number, and whose the slots are.
    pub fn new(
        rules: R,
        gid: GroupId,
        number: Num,
        owners: impl IntoIterator<Item = (SlotId, GroupId)>,
        store: Store<K>,
    ) -> Self {
        let owners: Pages<SlotId, GroupId> = owners.into_iter().collect();
        assert!(owners.values().all(|owner| *owner != gid), "a new group begins without slots");
        let (moves, print) = (Pages::new(), Print::NONE);
        let mut group = Self { rules, gid, number, owners, moves, store, print };
        group.print = group.count_print();
        group
    }

    /// Which group.
    pub const fn gid(&self) -> GroupId {
        self.gid
    }

    /// The number of its configuration.
    pub const fn number(&self) -> Num {
        self.number
    }

    /// The store, with all slots that are served here.
    pub const fn store(&self) -> &Store<K> {
        &self.store
    }

    /// Whose a slot is by the group's configuration.
    pub fn owner(&self, slot: SlotId) -> Option<GroupId> {
        self.owners.get(&slot).copied()
    }

    /// The slots that are on their way.
    pub const fn moves(&self) -> &Pages<SlotId, Move> {
        &self.moves
    }

    /// The last configuration of which nothing is on its way any more, neither to here nor from here. SHARD-REPORT-1.
    pub fn finished(&self) -> Num {
        let oldest = self.moves.values().map(|slot| slot.number).min();
        self.rules.finished(self.number, oldest)
    }

    /// About how many bytes of memory it takes, what is on its way included.
    pub fn memory_bytes(&self) -> usize {
        let moves = self.moves.values().map(|slot| match &slot.state {
            State::Giving => 0,
            State::Frozen(copy) => copy.memory_bytes(),
            State::Taking(staged) => staged.memory_bytes(),
        });
        moves.sum::<usize>() + self.store.memory_bytes()
    }

    /// Whether a slot is served here.
    ///
    /// # Errors
    /// [`Refusal`] says who has it.
    pub fn serves(&self, slot: SlotId) -> Result<(), Refusal> {
        let whereabouts = match self.moves.get(&slot) {
            Some(there) if self.rules.serves(there.way()) => return Ok(()),
            Some(Move { other, state: State::Taking(_), .. }) => Whereabouts::ComingFrom(*other),
            Some(Move { other, .. }) => Whereabouts::GoingTo(*other),
            None => match self.owner(slot) {
                Some(owner) if owner == self.gid => return Ok(()),
                Some(owner) => Whereabouts::With(owner),
                None => Whereabouts::Nowhere,
            },
        };
        Err(Refusal { slot, number: self.number, whereabouts })
    }

    /// Applies an entry. Its stamp counts whatever becomes of it (KV-EXPIRE-3).
    pub fn apply(&mut self, stamp: Stamp, command: &Command) -> Answer {
        self.store.move_clock(stamp);
        let step = match command {
            Command::Work { work, value_bytes } => return self.work(stamp, work, *value_bytes),
            Command::Advance { configuration, called_off } => {
                self.advance(configuration, called_off)
            }
            Command::Begin(beginning) => self.begin(beginning),
            Command::Freeze { slot, number } => self.freeze(*slot, *number),
            Command::Stage { slot, number, part } => self.stage(*slot, *number, part),
            Command::Install { slot, head } => self.install(*slot, head),
            Command::Delete { slot, number } => self.delete(*slot, *number),
        };
        Answer::Step(step)
    }

    /// The slots that are served here.
    pub fn served(&self) -> Vec<SlotRange> {
        let own = self.owners.iter().filter(|(_, owner)| **owner == self.gid);
        let given = self.moves.iter().filter(|(_, there)| there.way() == Way::Giving);
        let slots = own.map(|(slot, _)| *slot).chain(given.map(|(slot, _)| *slot));
        let served: BTreeSet<SlotId> = slots.filter(|slot| self.serves(*slot).is_ok()).collect();
        let mut ranges: Vec<SlotRange> = Vec::new();
        for SlotId(slot) in served {
            match ranges.last_mut() {
                Some(range) if range.last.checked_add(1) == Some(slot) => range.last = slot,
                _ => ranges.push(SlotRange { first: slot, last: slot }),
            }
        }
        ranges
    }

    /// SHARD-SERVE-1. What is refused leaves no trace, so it can be asked elsewhere under the same number. A flush says
    /// of which slots it took the keys (ROUTE-ALL-1).
    fn work(&mut self, stamp: Stamp, work: &Work, value_bytes: u32) -> Answer {
        let slot = match work {
            Work::Command(command) => Ok(Some(command.key.slot())),
            Work::Transaction(transaction) => transaction.slot(),
            Work::Tick | Work::Flush => Ok(None),
        };
        if let Ok(Some(slot)) = slot
            && let Err(refusal) = self.serves(slot)
        {
            return Answer::Refused(refusal);
        }
        if matches!(work, Work::Flush) {
            self.store.work_within(stamp, work, value_bytes as usize);
            return Answer::Flushed(self.served());
        }
        Answer::Reply(self.store.work_within(stamp, work, value_bytes as usize))
    }

    /// Answers what only asks. SHARD-SERVE-2.
    pub fn read(&self, query: &Query) -> Answer {
        let slot = match query {
            Query::Op { key, .. } => Ok(Some(key.slot())),
            Query::Transaction(transaction) => transaction.slot(),
            Query::Seen { keys } => Ok(keys.first().map(Bytes::slot)),
        };
        if let Ok(Some(slot)) = slot
            && self.rules.refuses_reads()
            && let Err(refusal) = self.serves(slot)
        {
            return Answer::Refused(refusal);
        }
        let reply = match query {
            Query::Op { key, op } => self.store.read(key, op),
            Query::Transaction(transaction) => self.store.read_all(transaction),
            Query::Seen { keys } => {
                return Answer::Seen(keys.iter().map(|key| self.store.seen(key)).collect());
            }
        };
        reply.map_or(Answer::Writes, Answer::Reply)
    }

    /// Whether a configuration can be applied now, if the givers have called off the moves of some slots that it takes
    /// back. SHARD-ADVANCE-1, SHARD-ADVANCE-2.
    pub fn may_advance(
        &self,
        configuration: &Configuration,
        called_off: &BTreeSet<SlotId>,
    ) -> Step {
        let Configuration { number, changes } = configuration;
        if !self.rules.is_next(*number, self.number) {
            return if *number <= self.number { Step::Over } else { Step::Early };
        }
        let on_its_way = |change: &&Change| self.moves.contains_key(&change.slot);
        let ends = |change: &Change| {
            self.calls_off(change)
                || (called_off.contains(&change.slot) && self.is_returned(change))
        };
        if self.rules.waits_for_slots() && !changes.iter().filter(on_its_way).all(ends) {
            return Step::NotNext;
        }
        Step::Done
    }

    /// SHARD-CANCEL-1. Whether a change leaves a slot here that was to go.
    fn calls_off(&self, change: &Change) -> bool {
        self.moves.get(&change.slot).is_some_and(|there| {
            let stays = change.to == self.gid && change.from == Some(there.other);
            stays && self.rules.calls_off(there.way())
        })
    }

    /// Whether a change takes a slot that has not come back to who was to give it.
    pub fn is_returned(&self, change: &Change) -> bool {
        self.moves.get(&change.slot).is_some_and(|there| {
            let back = change.from == Some(self.gid) && change.to == there.other;
            back && there.way() == Way::Taking
        })
    }

    fn advance(&mut self, configuration: &Configuration, called_off: &BTreeSet<SlotId>) -> Step {
        let step = self.may_advance(configuration, called_off);
        if step != Step::Done {
            return step;
        }
        self.number = configuration.number;
        let number = self.number;
        for change @ Change { slot, from, to } in configuration.changes.iter().copied() {
            self.set_owner(slot, to);
            if self.calls_off(&change) || (called_off.contains(&slot) && self.is_returned(&change))
            {
                self.take_move(slot);
                continue;
            }
            let (other, state) = match from {
                Some(from) if from == to => continue,
                Some(from) if from == self.gid => (to, State::Giving),
                Some(from) if to == self.gid => (from, State::Taking(Staged::new(slot))),
                _ => continue,
            };
            self.put_move(slot, Move { number, other, state });
        }
        step
    }

    /// SHARD-BEGIN-1. Who has something is not told to begin; it would lose that, so it does not.
    fn begin(&mut self, beginning: &Beginning) -> Step {
        let Beginning { number, owners } = beginning;
        if !self.rules.begins_later(*number, self.number) {
            return Step::Over;
        }
        let gid = self.gid;
        let is_its_own = |owner: &GroupId| *owner == gid;
        let has = !self.moves.is_empty() || self.owners.values().any(is_its_own);
        if has || owners.iter().any(|(_, owner)| is_its_own(owner)) {
            return Step::NotNext;
        }
        self.number = *number;
        let slots = |&(range, owner): &(SlotRange, GroupId)| {
            (range.first..=range.last).map(move |slot| (SlotId(slot), owner))
        };
        self.owners = owners.iter().flat_map(slots).collect();
        self.print = self.count_print();
        Step::Done
    }

    /// How a step's number stands to that of the slot's move; None if it is of the present one.
    fn fence(&self, slot: SlotId, number: Num, is_past: impl Fn(Num) -> bool) -> Option<Step> {
        if number > self.number {
            return Some(Step::Early);
        }
        let present = self.moves.get(&slot).map(|slot| slot.number);
        if present.is_none_or(is_past) { Some(Step::Over) } else { None }
    }

    /// SHARD-FREEZE-1. From here on the slot is out of the store, so nothing changes it: no command, no tick, no flush.
    fn freeze(&mut self, slot: SlotId, number: Num) -> Step {
        let past = |present| self.rules.is_stale(number, present);
        if let Some(step) = self.fence(slot, number, past) {
            return step;
        }
        let takes = || self.moves.values().any(|slot| slot.way() == Way::Taking);
        if !self.rules.freezes_while_taking() && takes() {
            return Step::NotNext;
        }
        let Some(there) = self.moves.get(&slot) else { return Step::Over };
        match there.state {
            State::Giving => {
                let state = State::Frozen(self.store.remove_slot(slot));
                let Move { number, other, .. } = *there;
                self.put_move(slot, Move { number, other, state });
                Step::Done
            }
            State::Frozen(_) => Step::Done,
            State::Taking(_) => Step::Over,
        }
    }

    fn staged(&mut self, slot: SlotId, number: Num) -> Result<&mut Staged, Step> {
        let past = |present| !self.rules.is_of(number, present);
        if let Some(step) = self.fence(slot, number, past) {
            return Err(step);
        }
        match self.moves.get_mut(&slot) {
            Some(Move { state: State::Taking(staged), .. }) => Ok(staged),
            _ => Err(Step::Over),
        }
    }

    /// SHARD-STAGE-1.
    fn stage(&mut self, slot: SlotId, number: Num, part: &Part) -> Step {
        let (rules, before) = (self.rules, self.print_of(slot));
        let staged = match self.staged(slot, number) {
            Ok(staged) => staged,
            Err(step) => return step,
        };
        if !rules.is_next_part(staged.position(), (part.stream, part.index)) {
            return Step::NotNext;
        }
        staged.take(part);
        self.print.replace(before, self.print_of(slot));
        Step::Done
    }

    /// SHARD-INSTALL-1, SHARD-INSTALL-2.
    fn install(&mut self, slot: SlotId, head: &Head) -> Step {
        let rules = self.rules;
        let staged = match self.staged(slot, head.number) {
            Ok(staged) => staged,
            Err(step) => return step,
        };
        if !rules.is_whole(staged, (head.stream, head.parts), &head.sum) {
            return Step::NotNext;
        }
        if let Some(Move { state: State::Taking(staged), .. }) = self.take_move(slot) {
            self.store.install_slot(staged.finish(&head.sum));
        }
        Step::Done
    }

    /// SHARD-FREEZE-1.
    fn delete(&mut self, slot: SlotId, number: Num) -> Step {
        let past = |present| self.rules.is_stale(number, present);
        if let Some(step) = self.fence(slot, number, past) {
            return step;
        }
        match self.moves.get(&slot).map(Move::way) {
            // No leader asks for it before the slot was stopped.
            Some(Way::Giving) => Step::NotNext,
            Some(Way::Frozen) => {
                self.take_move(slot);
                Step::Done
            }
            Some(Way::Taking) | None => Step::Over,
        }
    }
}

/// An entry is a command with its stamp.
impl<R: Rules, K: kv::Rules> StateMachine for Group<R, K> {
    type Command = (Stamp, Command);
    type Query = Query;
    type Reply = Answer;

    fn apply(&mut self, (stamp, command): &(Stamp, Command)) -> Answer {
        self.apply(*stamp, command)
    }

    fn read(&self, query: &Query) -> Answer {
        self.read(query)
    }

    fn clock(&self) -> Stamp {
        self.store.clock()
    }

    fn deadline(&self) -> Option<Stamp> {
        self.store.nearest_deadline()
    }

    fn tick(&self, stamp: Stamp) -> Option<(Stamp, Command)> {
        Some((stamp, Command::Work { work: Work::Tick, value_bytes: 0 }))
    }
}

impl<R, K> fmt::Debug for Group<R, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rules: _, gid, number, owners: _, moves, store, print: _ } = self;
        write!(f, "{gid:?} at {number}")?;
        for (slot, Move { number, other, state }) in moves {
            write!(f, " [{slot:?} by {number} {other:?} {state:?}]")?;
        }
        write!(f, " {store:?}")
    }
}
