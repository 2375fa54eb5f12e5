//! What is true: who waits where, what was told, and whether it holds. Kept outside of servers and clients.
//!
//! The canonical history is Raft's ([`crate::history`]): the first commit of each index, by whichever server. What a
//! service should be, and what a command's reply should be, is that history applied to an empty store.

use super::probes::{Corner, Corners};
use super::shelf::{Call, Sending, Served, Shelf, call_of};
use crate::history::{Committed, History};
use crate::node::{Event, Node, Service};
use protocol::clock::Stamp;
use protocol::kv::{Bytes, Command, Op, Reply};
use protocol::log::Entry;
use protocol::rsm::{Outcome, Rules, StateMachine, Ticket};
use protocol::{Index, LogId, NodeId, SnapshotId, Term};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Violation {
    /// A caller was told what is not so, or a caller who does not wait there.
    ToldFalsely,
    /// A server has forgotten a caller whom it has not told.
    Forgotten,
    /// A read was answered from a state older than what had been committed when it was asked.
    Stale,
    /// A server's service is not the history up to what it has applied.
    NotTheHistory,
    /// A server's service has executed a call twice.
    ExecutedTwice,
    /// A key got a version that is not above all that it had.
    VersionFell,
    /// A leader has shown what was due by its clock when it was asked.
    ShownLate,
    /// No order of the calls explains the replies.
    NotLinearizable,
}

/// A caller who waits at a server.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Wait {
    /// Of a command that is in its log, which entry it is.
    pub entry: Option<LogId>,
    /// Of a command, how often it was sent on or submitted again.
    pub hop: u8,
    /// Whether the caller lets the server pass it on.
    pub passes: bool,
    /// To whom it was passed on, if it has not come back.
    pub sent: Option<NodeId>,
    /// Of a read, how much was committed when it was asked, and what it asks.
    pub read: Option<(Index, Bytes)>,
    /// Whether the server knew a leader when it came.
    pub at_leader: bool,
    /// Of a read that came to a leader, its term and its clock.
    pub until: Option<(Term, Stamp)>,
    /// Of a read, whether its key was due by that clock, and there.
    pub was_due: bool,
}

/// The store as one machine: what it does when calls come one by one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Alone(Shelf);

impl SequentialSpec for Alone {
    type Op = (Bytes, Op);
    type Ret = Reply;

    fn invoke(&mut self, (key, op): &(Bytes, Op)) -> Reply {
        let command = Command { key: key.clone(), op: op.clone(), once: None };
        self.0.apply(&Sending { ticket: 1, hop: 0, stamp: 0, command })
    }
}

/// The record of a run.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Record {
    /// Every call a thread of its own. None where a run does without.
    tester: Option<LinearizabilityTester<Call, Alone>>,
    /// Who waits, by server.
    pub waits: BTreeMap<(NodeId, Ticket), Wait>,
    /// Commands of which it was said that they never will be executed: one sending of them, or all.
    refused: BTreeSet<(Ticket, Option<u8>)>,
    /// How often something was not sent on, or a connection was lost.
    pub lost: u8,
    /// How many deadlines there were.
    pub deadlines: u8,
    /// How often a leader has sent heartbeats.
    pub beats: u8,
    /// What does not hold.
    pub violation: Option<Violation>,
}

/// What a step was, for the record.
pub(super) struct Step<'a> {
    /// The server that took it.
    pub server: NodeId,
    /// How much it has applied now.
    pub applied: Index,
    /// Its service now.
    pub service: &'a Shelf,
    /// The term that it leads now.
    pub leads: Option<Term>,
    /// How much was committed before.
    pub committed: usize,
    /// Whether it was a deadline.
    pub deadline: bool,
    /// Whether callers had come before this step, and none in it.
    pub later: bool,
    /// To whom the connection was lost.
    pub lost: Option<NodeId>,
    /// Another server's answer to what was passed on.
    pub answered: Option<(Ticket, Outcome<Reply>)>,
}

/// The commands of a history, with their places in it.
fn commands(committed: &[Committed<Sending>]) -> impl Iterator<Item = (Index, &Sending)> {
    committed.iter().zip(1..).filter_map(|(one, index)| match &one.entry {
        Entry::NoOp => None,
        Entry::Command(sending) => Some((index, sending)),
    })
}

fn up_to(committed: &[Committed<Sending>], index: Index) -> &[Committed<Sending>] {
    &committed[..committed.len().min(index as usize)]
}

/// The service that has applied the history up to an index.
pub(super) fn service_at(committed: &[Committed<Sending>], index: Index) -> Shelf {
    Shelf::of(commands(up_to(committed, index)).map(|(_, sending)| sending), 0)
}

impl Record {
    pub(super) fn new(linearizable: bool) -> Self {
        let tester = linearizable.then(|| LinearizabilityTester::new(Alone(Shelf::empty())));
        Self { tester, ..Self::default() }
    }

    fn violate(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    pub(super) fn begin(&mut self, call: Call, key: Bytes, op: Op) {
        if let Some(tester) = &mut self.tester {
            tester.on_invoke(call, (key, op)).expect("every call has its own number");
        }
    }

    pub(super) fn end(&mut self, call: Call, reply: &Reply) {
        let Some(tester) = &mut self.tester else { return };
        tester.on_return(call, reply.clone()).expect("a call returns once");
        if !tester.is_consistent() {
            self.violate(Violation::NotLinearizable);
        }
    }

    /// Those who waited at a server that restarts are not told any more.
    pub(super) fn forget(&mut self, server: usize) {
        self.waits.retain(|(at, _), _| usize::from(at.0) != server);
    }

    /// Takes in a step of a server: what was committed by it, and what it told whom.
    pub(super) fn note(
        &mut self,
        step: &Step<'_>,
        history: &History<Sending>,
        events: &[Event<Reply>],
        corners: &Corners,
    ) {
        for (index, sending) in commands(&history.committed) {
            if index as usize > step.committed {
                self.note_commit(index, sending, history, corners);
            }
        }
        self.note_service(step, history);
        let restored = events.iter().find_map(|event| match event {
            Event::Restored { id, .. } => Some(*id),
            _ => None,
        });
        if restored.is_some() && step.service.has_records() {
            corners.reach(Corner::RestoredRecords);
        }
        for event in events {
            match event {
                Event::Told { ticket, outcome } => {
                    self.told(step, history, restored, *ticket, outcome, corners);
                }
                Event::AskedAgain => {
                    let mut waits = self.waits.iter().filter(|((at, _), _)| *at == step.server);
                    if waits.any(|(_, wait)| wait.at_leader && wait.read.is_some()) {
                        corners.reach(Corner::ReadAskedAgain);
                    }
                }
                Event::Passed { ticket, to } => {
                    self.goes_on(step, history, *ticket, Some(*to));
                    corners.reach(Corner::PassedOn);
                }
                Event::Again { ticket } => self.goes_on(step, history, *ticket, None),
                Event::CompactedLate { taken: true } => corners.reach(Corner::CompactedLate),
                _ => {}
            }
        }
    }

    fn note_commit(
        &mut self,
        index: Index,
        sending: &Sending,
        history: &History<Sending>,
        corners: &Corners,
    ) {
        let refused = |hop| self.refused.contains(&(sending.ticket, hop));
        if refused(None) || refused(Some(sending.hop)) {
            self.violate(Violation::ToldFalsely);
        }
        let known = &history.committed[index as usize - 1];
        if known.by > known.term {
            corners.reach(Corner::BySuccessor);
        }
        let before = service_at(&history.committed, index - 1);
        if before.has_executed(call_of(sending.ticket).0) {
            corners.reach(Corner::MetItsFirstCopy);
        }
    }

    fn note_service(&mut self, step: &Step<'_>, history: &History<Sending>) {
        let service = step.service;
        if service.twice {
            self.violate(Violation::ExecutedTwice);
        }
        if service.fell {
            self.violate(Violation::VersionFell);
        }
        let known = history.committed.len() as Index >= step.applied;
        if !known || *service != service_at(&history.committed, step.applied) {
            self.violate(Violation::NotTheHistory);
        }
    }

    /// A caller is told. PROP-TELLS.
    fn told(
        &mut self,
        step: &Step<'_>,
        history: &History<Sending>,
        restored: Option<SnapshotId>,
        ticket: Ticket,
        outcome: &Outcome<Reply>,
        corners: &Corners,
    ) {
        let wait = self.waits.remove(&(step.server, ticket));
        let Some(wait) = wait else { return self.violate(Violation::ToldFalsely) };
        if let Outcome::Done(_) = outcome {
            self.note_shown(step, &wait, corners);
        }
        let applied = up_to(&history.committed, step.applied);
        let one = |sending: &Sending| {
            sending.ticket == ticket && (wait.passes || sending.hop == wait.hop)
        };
        let place = commands(&history.committed).find(|(_, sending)| one(sending));
        let place = place.map(|(index, _)| index);
        let truly = match (outcome, &wait.read) {
            (Outcome::Done(reply), Some((asked, key))) => {
                if step.applied < *asked {
                    self.violate(Violation::Stale);
                }
                corners.reach(Corner::ReadAnswered);
                *reply == service_at(&history.committed, step.applied).read(key)
            }
            (Outcome::Done(reply), None) => {
                let there = wait.sent.is_some();
                corners.reach(if there { Corner::ExecutedThere } else { Corner::Executed });
                let place = place.filter(|index| there || *index <= step.applied);
                place.is_some_and(|index| *reply == reply_at(&history.committed, index))
            }
            (Outcome::NotExecuted { leader }, read) => {
                match wait.entry {
                    Some(entry) if entry.index <= step.applied => {
                        corners.reach(Corner::AnotherInItsPlace);
                    }
                    Some(_) => corners.reach(Corner::LaterTermInFront),
                    None if step.deadline => corners.reach(Corner::NobodyLed),
                    None if step.later && leader.is_some() && read.is_none() => {
                        corners.reach(Corner::ParkedThenSentOn);
                    }
                    None => {}
                }
                if read.is_none() {
                    self.refused.insert((ticket, (!wait.passes).then_some(wait.hop)));
                }
                place.is_none()
            }
            (Outcome::Unknown, None) if wait.sent.is_some() => {
                let lost = step.lost == wait.sent;
                if lost {
                    corners.reach(Corner::LostOnTheWay);
                }
                lost || step.deadline || step.answered == Some((ticket, Outcome::Unknown))
            }
            (Outcome::Unknown, None) => match (wait.entry, restored) {
                (Some(entry), Some(id)) if !step.deadline => {
                    corners.reach(Corner::HiddenBySnapshot);
                    let last = id.last;
                    entry.index < last.index || entry == last
                }
                (Some(entry), _) if step.deadline => {
                    corners.reach(Corner::Late);
                    is_open(entry, step.applied, applied)
                }
                _ => false,
            },
            (Outcome::Unknown, Some(_)) => false,
            // Nothing was done with it.
            (Outcome::Busy, _) => place.is_none(),
        };
        if !truly {
            self.violate(Violation::ToldFalsely);
        }
    }
}

impl Record {
    /// What was sent on has not left, or has come back refused: it waits at its server.
    pub(super) fn comes_back(&mut self, server: NodeId, ticket: Ticket) {
        if let Some(wait) = self.waits.get_mut(&(server, ticket)) {
            wait.sent = None;
        }
    }

    /// Who waits at a server by its own count is who was not told.
    pub(super) fn note_waiting<W: Rules>(&mut self, servers: &[Arc<Node<Served<W>>>]) {
        for (server, node) in servers.iter().enumerate().filter(|(_, node)| node.broken.is_none()) {
            let here = |(at, _): &&(NodeId, Ticket)| usize::from(at.0) == server;
            let known = self.waits.keys().filter(here).count();
            if node.rsm.waiting() != known + usize::from(node.rsm.is_ticking()) {
                self.violate(Violation::Forgotten);
            }
        }
    }

    /// A read was answered. PROP-DUE.
    fn note_shown(&mut self, step: &Step<'_>, wait: &Wait, corners: &Corners) {
        let (Some((_, key)), Some((term, until))) = (&wait.read, wait.until) else { return };
        if step.leads != Some(term) {
            return;
        }
        if step.service.ends(key).is_some_and(|ends| ends <= until) {
            self.violate(Violation::ShownLate);
        }
        if wait.was_due {
            corners.reach(Corner::HeldForTick);
        }
    }

    /// A command goes on, or is submitted again: the sending before surely was not executed and never will be.
    fn goes_on(
        &mut self,
        step: &Step<'_>,
        history: &History<Sending>,
        ticket: Ticket,
        sent: Option<NodeId>,
    ) {
        let Some(wait) = self.waits.get_mut(&(step.server, ticket)) else {
            return self.violate(Violation::ToldFalsely);
        };
        let hop = wait.hop;
        wait.hop += 1;
        wait.entry = None;
        wait.sent = sent;
        let executed =
            |(_, sending): (Index, &Sending)| (sending.ticket, sending.hop) == (ticket, hop);
        if commands(&history.committed).any(executed) {
            self.violate(Violation::ToldFalsely);
        }
        self.refused.insert((ticket, Some(hop)));
    }
}

/// Whether a proposal is open for who has applied so much: its index is not reached, and no later term is in front.
fn is_open(entry: LogId, index: Index, applied: &[Committed<Sending>]) -> bool {
    entry.index > index && applied.iter().all(|one| one.term <= entry.term)
}

/// The reply to the command at an index.
fn reply_at(committed: &[Committed<Sending>], index: Index) -> Reply {
    let mut service = service_at(committed, index - 1);
    match &committed[index as usize - 1].entry {
        Entry::Command(sending) => service.apply(sending),
        Entry::NoOp => Reply::NoKey,
    }
}
