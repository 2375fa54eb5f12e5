//! Reads, and what they wait for: a leader's confirmation, entries to be applied, and the tick that takes away what is
//! due. See [the module above](super).

use super::{Effect, Outcome, Rsm, Rules, StateMachine, Ticket};
use crate::clock::Stamp;
use crate::raft;
use crate::replica;
use crate::types::{Index, ReadId};
use alloc::vec::Vec;

/// Reads that share a confirmation.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Batch<Q> {
    pub id: ReadId,
    /// From which applied index on they are good; none while nobody has confirmed.
    pub index: Option<Index>,
    pub reads: Vec<(Ticket, Q)>,
}

/// Reads that wait for a tick.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Held<Q> {
    /// The leader's estimate of the group's clock when they came.
    pub until: Stamp,
    pub reads: Vec<(Ticket, Q)>,
}

impl<S: StateMachine, R: raft::Rules, W: Rules> Rsm<S, R, W> {
    pub(super) fn read(&mut self, reads: Vec<(Ticket, S::Query)>, out: &mut Vec<Effect<S::Reply>>) {
        let reads = self.within_bound(reads, |ticket| *ticket, out);
        if reads.is_empty() {
            return;
        }
        let until = self.time();
        if self.is_due(until) {
            return self.held.push(Held { until, reads });
        }
        self.ask(reads, out);
    }

    /// Asks the leader from where on they are good.
    fn ask(&mut self, reads: Vec<(Ticket, S::Query)>, out: &mut Vec<Effect<S::Reply>>) {
        if self.rules.answers_at_once(self.replica.raft().leads()) {
            return self.answer(reads, out);
        }
        if self.leader().is_none() {
            return self.parked_reads.extend(reads);
        }
        let id = ReadId(self.next_read);
        self.next_read += 1;
        self.batches.push(Batch { id, index: None, reads });
        self.step_replica(replica::Input::Raft(raft::Input::Read { id }), None, out);
    }

    /// RSM-DUE-1. By a leader's clock something is due by then of which the service does not know.
    fn is_due(&self, until: Stamp) -> bool {
        let (clock, due) = (self.service.clock(), self.service.deadline());
        self.rules.must_wait(self.replica.raft().leads(), clock, due, until)
    }

    /// Those who waited for a tick go on when it was applied, or when somebody else leads.
    pub(super) fn release(&mut self, out: &mut Vec<Effect<S::Reply>>) {
        while let Some(held) = self.held.first()
            && !self.is_due(held.until)
        {
            let Held { reads, .. } = self.held.remove(0);
            self.ask(reads, out);
        }
    }

    pub(super) fn confirmed(&mut self, id: ReadId, index: Index, out: &mut Vec<Effect<S::Reply>>) {
        let batch = self.batches.iter_mut().find(|batch| batch.id == id);
        batch.into_iter().for_each(|batch| batch.index = Some(index));
        self.answer_reads(out);
    }

    pub(super) fn take_batch(&mut self, id: ReadId) -> Vec<(Ticket, S::Query)> {
        let position = self.batches.iter().position(|batch| batch.id == id);
        position.map(|position| self.batches.remove(position).reads).unwrap_or_default()
    }

    pub(super) fn answer_reads(&mut self, out: &mut Vec<Effect<S::Reply>>) {
        let (rules, applied) = (self.rules, self.applied);
        let may = |batch: &Batch<S::Query>| {
            batch.index.is_some_and(|index| rules.may_answer(applied, index))
        };
        while let Some(position) = self.batches.iter().position(may) {
            let Batch { reads, .. } = self.batches.remove(position);
            self.answer(reads, out);
        }
    }

    fn answer(&self, reads: Vec<(Ticket, S::Query)>, out: &mut Vec<Effect<S::Reply>>) {
        out.extend(reads.into_iter().map(|(ticket, query)| {
            let outcome = Outcome::Done(self.service.read(&query));
            Effect::Tell { ticket, outcome }
        }));
    }

    /// Reads that have waited long enough. They change nothing, so none is open.
    pub(super) fn give_up_reads(&mut self, below: Ticket, out: &mut Vec<Effect<S::Reply>>) {
        let leader = self.leader();
        let mut stays = |ticket: Ticket| {
            let late = ticket < below;
            if late {
                out.push(Effect::Tell { ticket, outcome: Outcome::NotExecuted { leader } });
            }
            !late
        };
        for batch in &mut self.batches {
            batch.reads.retain(|(ticket, _)| stays(*ticket));
        }
        for held in &mut self.held {
            held.reads.retain(|(ticket, _)| stays(*ticket));
        }
        self.batches.retain(|batch| !batch.reads.is_empty());
        self.held.retain(|held| !held.reads.is_empty());
    }
}
