//! What is true: the groups as what was committed makes them, and a store in which the slot never moves.

use super::bounds::{LIMITS, call, key, slot};
use super::holding::{Content, Origin, Sending, first};
use super::probes::{Corner, Corners};
use crate::history::{Committed, History};
use protocol::NodeId;
use protocol::kv::{Change, Exact, Op, Place, Reply, Seq, SlotCopy, Store};
use protocol::log::Entry;
use protocol::rsm::{Outcome, Ticket};
use protocol::shardkv::{self, Answer, Command, Group, GroupId, Query, Step, Way};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Violation {
    /// A call was executed a second time.
    ExecutedTwice,
    /// A reply is not that of a store in which the slot never moved.
    AnotherReply,
    /// A client or a mover was told what is not so.
    ToldFalsely,
    /// A read shows less than was executed when it was asked, or what never was.
    Stale,
    /// A group reported as finished what is still on its way.
    ReportedEarly,
}

/// The record of a run.
#[derive(Clone, Debug)]
pub struct Record {
    /// The groups, with all that is committed. A function of the servers' history.
    pub groups: [Arc<Group>; 2],
    /// What each committed entry is answered with, by its index from 1; None for a no-op. A function of it too.
    answers: [Vec<Option<Answer>>; 2],
    /// A store that executes what either group executes, in that order.
    pub twin: Store<Exact>,
    /// What a read of it showed, by how many calls it had executed. It stands for the twin in the state.
    shown: Vec<Option<Reply>>,
    /// How many of its calls the client was answered.
    pub answered: Seq,
    /// How often it has handed one to a server, the first call included.
    pub sends: u8,
    /// Reads that wait: by group and server, with how much was executed when they were asked.
    pub reads: BTreeMap<(u8, NodeId, Ticket), usize>,
    /// How many were asked.
    pub asked: u8,
    /// What does not hold.
    pub violation: Option<Violation>,
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        let parts = |one: &Self| (one.answered, one.sends, one.asked, one.violation);
        parts(self) == parts(other) && self.shown == other.shown && self.reads == other.reads
    }
}

impl Hash for Record {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.shown.hash(state);
        self.reads.hash(state);
        (self.answered, self.sends, self.asked, self.violation).hash(state);
    }
}

/// What a copy has of keys: not of clients, and without its clock.
fn keys(copy: &SlotCopy) -> Vec<Change> {
    let (mut changes, rest) = copy.changes(&SlotCopy::empty(copy.id()), Place::START, usize::MAX);
    assert!(rest.is_none(), "all of it is one part");
    changes.retain(|change| matches!(change, Change::Item { .. }));
    changes
}

/// Asks what the key has.
pub(super) fn question() -> Query {
    Query::Op { key: key(), op: Op::Get }
}

fn serves(group: &Group) -> bool {
    group.serves(slot()).is_ok()
}

impl Record {
    /// With nothing done.
    pub fn new() -> Self {
        let twin = Store::new(Exact, LIMITS);
        let shown = vec![twin.read(&key(), &Op::Get)];
        Self {
            groups: [1, 2].map(|gid| Arc::new(first(GroupId(gid)))),
            answers: [Vec::new(), Vec::new()],
            twin,
            shown,
            answered: 0,
            sends: 0,
            reads: BTreeMap::new(),
            asked: 0,
            violation: None,
        }
    }

    /// The first violation stays.
    pub fn violate(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    /// How many calls were executed.
    pub fn executed(&self) -> usize {
        self.shown.len() - 1
    }

    /// How many entries of a group are known to be committed.
    pub fn committed(&self, number: usize) -> usize {
        self.answers[number].len()
    }

    /// Takes in what was committed.
    pub(super) fn note_committed(
        &mut self,
        number: usize,
        history: &History<Sending>,
        corners: &Corners,
    ) {
        let known = self.committed(number);
        for committed in history.committed.iter().skip(known) {
            let answer = match &committed.entry {
                Entry::NoOp => None,
                Entry::Command(sending) => {
                    Some(self.note_entry(number, sending.content(), committed, corners))
                }
            };
            self.answers[number].push(answer);
        }
    }

    fn note_entry(
        &mut self,
        number: usize,
        content: &Content,
        committed: &Committed<Sending>,
        corners: &Corners,
    ) -> Answer {
        let Content { origin, command, .. } = content;
        let before = Arc::clone(&self.groups[number]);
        let answer = Arc::make_mut(&mut self.groups[number]).apply(0, command);
        corners.note_entry(&before, (origin, command, &answer), committed);
        if let (Origin::Client { seq, .. }, Answer::Reply(reply)) = (origin, &answer) {
            let has_changed = {
                let copy = |group: &Group| keys(&group.store().copy_slot(slot()));
                copy(&before) != copy(&self.groups[number])
            };
            self.note_executed(number, *seq, reply, has_changed, corners);
        }
        answer
    }

    fn note_executed(
        &mut self,
        number: usize,
        seq: Seq,
        reply: &Reply,
        has_changed: bool,
        corners: &Corners,
    ) {
        let before = keys(&self.twin.copy_slot(slot()));
        let same = self.twin.work(0, &call(seq)) == *reply;
        let is_first = keys(&self.twin.copy_slot(slot())) != before;
        if is_first {
            self.shown.push(self.twin.read(&key(), &Op::Get));
        }
        if has_changed && !is_first {
            self.violate(Violation::ExecutedTwice);
        }
        if !same {
            self.violate(Violation::AnotherReply);
        }
        let way = self.groups[number].moves().get(&slot()).map(shardkv::Move::way);
        if is_first && way == Some(Way::Giving) {
            corners.reach(Corner::WhileGiving);
        }
        if !is_first && number == 1 {
            corners.reach(Corner::RepeatElsewhere);
        }
    }

    /// Who has proposed something is told what became of it. The answer must be that of the entry that is committed,
    /// and who is told that there is none must be right so far.
    pub(super) fn note_told(
        &mut self,
        number: usize,
        ticket: Ticket,
        outcome: &Outcome<Answer>,
        history: &History<Sending>,
    ) {
        let is_it = |one: &Committed<Sending>| match &one.entry {
            Entry::Command(sending) => sending.content().origin.ticket() == ticket,
            Entry::NoOp => false,
        };
        let place = history.committed.iter().position(is_it);
        let truly = match outcome {
            Outcome::Done(answer) => {
                place.is_some_and(|place| self.answers[number][place].as_ref() == Some(answer))
            }
            Outcome::NotExecuted { .. } | Outcome::Busy => place.is_none(),
            Outcome::Unknown => true,
        };
        if !truly {
            self.violate(Violation::ToldFalsely);
        }
    }

    /// The client is answered a call.
    pub(super) fn note_answered(&mut self, ticket: Ticket, history: &History<Sending>) {
        for committed in &history.committed {
            if let Entry::Command(sending) = &committed.entry
                && let origin @ Origin::Client { seq, .. } = sending.content().origin
                && origin.ticket() == ticket
            {
                self.answered = self.answered.max(seq);
            }
        }
    }

    /// A read was answered: it shows what was executed when it was asked, and perhaps what came since.
    pub(super) fn note_read(&mut self, at: (u8, NodeId, Ticket), answer: &Answer) {
        let Some(asked) = self.reads.remove(&at) else {
            return self.violate(Violation::ToldFalsely);
        };
        if let Answer::Reply(reply) = answer
            && !self.shown[asked..].contains(&Some(reply.clone()))
        {
            self.violate(Violation::Stale);
        }
    }

    /// Reads at a server that restarts are not answered any more.
    pub(super) fn forget(&mut self, number: usize, server: NodeId) {
        self.reads.retain(|(at, node, _), _| (usize::from(*at), *node) != (number, server));
    }

    /// At most one group serves the slot, and who does not has nothing of it in its store.
    pub fn one_has_it(&self) -> bool {
        let has = |group: &&Arc<Group>| group.store().slots().any(|there| there == slot());
        let others = self.groups.iter().filter(|group| !serves(group));
        self.groups.iter().filter(|group| serves(group)).count() <= 1
            && others.filter(has).count() == 0
    }

    /// What either group lets be read is what the twin shows.
    pub fn reads_are_the_twins(&self) -> bool {
        let last = self.shown.last().expect("the first is there");
        self.groups.iter().all(|group| match group.read(&question()) {
            Answer::Reply(reply) => Some(reply) == *last,
            _ => true,
        })
    }

    /// The slot is served, or stands stopped with the keys that the twin has.
    pub fn nothing_is_lost(&self) -> bool {
        self.groups.iter().any(|group| {
            let frozen = group.moves().get(&slot()).is_some_and(|there| match &there.state {
                shardkv::State::Frozen(copy) => keys(copy) == keys(&self.twin.copy_slot(slot())),
                _ => false,
            });
            frozen || serves(group)
        })
    }

    /// Whether a configuration is finished by what is committed.
    pub(super) fn is_finished(&self, number: usize, configuration: u64) -> bool {
        let group = &self.groups[number];
        let on_its_way = group.moves().values().any(|there| there.number <= configuration);
        !on_its_way && configuration <= group.number()
    }

    /// What has not come to its end.
    pub(super) fn unsettled(&self, last: u64) -> Option<String> {
        for group in &self.groups {
            if group.number() < last || !group.moves().is_empty() {
                return Some(format!(
                    "the slot is on its way, or a group not at {last}: {group:?}"
                ));
            }
            let is_its = group.gid() == GroupId(2);
            if serves(group) != is_its {
                return Some(format!("the slot is the second group's, and {group:?}"));
            }
            if !is_its && group.store().slots().any(|there| there == slot()) {
                return Some(format!("{:?} keeps something", group.gid()));
            }
            if is_its && group.store().copy_slot(slot()) != self.twin.copy_slot(slot()) {
                return Some(format!("the slot is not whole: {group:?}, and {:?}", self.twin));
            }
        }
        None
    }
}

impl Default for Record {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether an entry was obeyed.
pub(super) fn is_done(answer: &Answer) -> bool {
    *answer == Answer::Step(Step::Done)
}

/// Whether an entry is of a move.
pub(super) const fn is_step(command: &Command) -> bool {
    !matches!(command, Command::Work { .. })
}
