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
    /// Where the group's clock was by this server when they came.
    pub until: Stamp,
    pub reads: Vec<(Ticket, Q)>,
}

impl<S: StateMachine, R: raft::Rules, W: Rules> Rsm<S, R, W> {
    pub(super) fn read(&mut self, reads: Vec<(Ticket, S::Query)>, out: &mut Vec<Effect<S::Reply>>) {
        let reads = self.within_bound(reads, |ticket| *ticket, out);
        if reads.is_empty() {
            return;
        }
        if self.rules.answers_at_once(self.replica.raft().leads()) {
            return self.answer(reads, out);
        }
        if self.leader().is_none() {
            return self.parked_reads.extend(reads);
        }
        let id = ReadId(self.next_read);
        self.next_read += 1;
        self.batches.push(Batch { id, index: None, until: self.time(), reads });
        self.step_replica(replica::Input::Raft(raft::Input::Read { id }), None, out);
    }

    /// RSM-DUE-1. By a leader's clock something was due when a read came, of which the service does not know. It may
    /// have come to know of the thing itself only since then, so this is asked before the answer and not when the read
    /// comes.
    fn is_due(&self, until: Stamp) -> bool {
        let (clock, due) = (self.service.clock(), self.service.deadline());
        self.rules.must_wait(self.replica.raft().leads(), clock, due, until)
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

    fn is_ready(&self, batch: &Batch<S::Query>) -> bool {
        let there = |index| self.rules.may_answer(self.applied, index);
        batch.index.is_some_and(there) && !self.is_due(batch.until)
    }

    /// Answers whatever may be answered now.
    pub(super) fn answer_reads(&mut self, out: &mut Vec<Effect<S::Reply>>) {
        while let Some(position) = self.batches.iter().position(|batch| self.is_ready(batch)) {
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
        self.batches.retain(|batch| !batch.reads.is_empty());
    }
}
