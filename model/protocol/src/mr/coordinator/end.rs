//! What becomes of an attempt: it wins, it fails, or its output is lost.

use super::tasks::{Last, State};
use super::{Coordinator, Out, Waiting};
use crate::mr::{
    AttemptId, Counters, Effect, Ending, Fault, Kind, Order, Record, Rules, Session, TaskId,
};
use alloc::sync::Arc;
use core::mem;

impl<C: Clone + Eq, R: Rules> Coordinator<C, R> {
    /// MR-WIN-1, MR-WIN-2. The first that has finished wins.
    pub(super) fn on_finished(
        &mut self,
        session: Session,
        attempt: AttemptId,
        counters: Counters,
        out: Out<'_, C>,
    ) {
        self.free(session.worker, attempt);
        let winner = self.winner(attempt.task);
        if winner == Some(attempt) {
            return self.after_disk(Waiting::Accept(session, attempt), out);
        }
        let wins = self.rules.wins(winner.is_some());
        if self.rules.counts(wins) {
            self.counters.add_all(&counters);
        }
        if wins {
            self.win(session, attempt, counters, out);
        } else {
            self.remove(attempt, out);
            out.push(Effect::Send(session, Order::TooLate(attempt)));
        }
    }

    /// MR-WIN-3. The other attempts are stopped.
    fn win(&mut self, session: Session, attempt: AttemptId, counters: Counters, out: Out<'_, C>) {
        let task = attempt.task;
        for live in self.remove_all(task, out) {
            let other = AttemptId { task, attempt: live.attempt };
            if other == attempt || !self.rules.stops_others() {
                continue;
            }
            self.free(live.worker, other);
            if let Some(session) = self.session(live.worker) {
                out.push(Effect::Send(session, Order::Cancel(other)));
            }
        }
        self.set_won(attempt, counters.clone(), false);
        self.journal(Record::Won { attempt, counters }, out);
        if task.kind == Kind::Map {
            self.maps_at = self.written;
        }
        self.after_disk(Waiting::Accept(session, attempt), out);
        if task.kind == Kind::Reduce {
            self.after_disk(Waiting::Publish(attempt), out);
        }
    }

    /// MR-LOST-2. What the task's lost winner has counted makes room.
    pub(super) fn set_won(&mut self, attempt: AttemptId, counters: Counters, published: bool) {
        let AttemptId { task, attempt: number } = attempt;
        if !self.rules.counts_lost(true)
            && let Some(failures) = &mut self.tasks_mut(task.kind).get_mut(task.index).failures
        {
            let lost = mem::take(&mut failures.lost);
            self.counters.take_all(&lost);
        }
        self.tasks_mut(task.kind).set(task.index, State::Won(number, counters, published));
        if task.kind == Kind::Map {
            Arc::make_mut(&mut self.winners)[task.index as usize] = number;
        }
    }

    /// MR-LOST-2. A winner is none any more: its task is idle. What it has counted stays until another has won.
    pub(super) fn unseat(&mut self, task: TaskId) {
        if !matches!(self.state(task), State::Won(..)) {
            return;
        }
        let before = self.tasks_mut(task.kind).set(task.index, State::Idle);
        if let State::Won(_, counters, _) = before {
            if self.rules.counts_lost(false) {
                let failures = &mut self.tasks_mut(task.kind).get_mut(task.index).failures;
                failures.get_or_insert_default().lost = counters;
            } else {
                self.counters.take_all(&counters);
            }
        }
        if task.kind == Kind::Map {
            Arc::make_mut(&mut self.winners)[task.index as usize] = 0;
        }
    }

    /// MR-FAIL-1. An attempt that counts has failed.
    pub(super) fn fail(
        &mut self,
        attempt: AttemptId,
        fault: Fault<C>,
        last: Last,
        out: Out<'_, C>,
    ) {
        let is_skipped =
            |record: &u64| self.skipped(attempt.task).is_some_and(|all| all.contains(record));
        if last.is_some_and(|(record, told)| !told && is_skipped(&record)) {
            // It began before its record was skipped, and says nothing new.
            return;
        }
        let at = last.map(|(record, _)| record);
        let (own, others) = self.count(attempt.task, fault.is_own(), at);
        self.journal(Record::Failed { attempt, fault: fault.clone(), at }, out);
        if self.rules.gives_up(own, others, &self.spec.limits) {
            self.end(Ending::Failed(attempt, fault), out);
        }
    }

    /// MR-SKIP-1. Counts a failure: how many of the task's own there are now, and how many others. A record that is
    /// skipped takes the failures at it with it.
    pub(super) fn count(&mut self, task: TaskId, own: bool, at: Option<u64>) -> (u32, u32) {
        let (rules, most) = (self.rules, self.spec.limits.skips as usize);
        let failures = &mut self.tasks_mut(task.kind).get_mut(task.index).failures;
        let failures = failures.get_or_insert_default();
        let add = |(owns, others): (&mut u32, &mut u32)| {
            *(if own { owns } else { others }) += 1;
        };
        add((&mut failures.own, &mut failures.others));
        if let Some(record) = at
            && failures.skip.len() < most
        {
            let here = failures.at.entry(record).or_default();
            add((&mut here.0, &mut here.1));
            let (owns, others) = *here;
            if rules.is_bad(owns + others) {
                failures.at.remove(&record);
                Arc::make_mut(&mut failures.skip).insert(record);
                failures.own -= owns;
                failures.others -= others;
            }
        }
        (failures.own, failures.others)
    }

    /// MR-LOST-1. A reduce could not read what an attempt of a map has written.
    pub(super) fn on_unreadable(&mut self, output: AttemptId, out: Out<'_, C>) {
        let task = output.task;
        if task.kind != Kind::Map || !self.maps.has(task.index) {
            return;
        }
        let winner = self.winner(task);
        let needed = self.reduces.tally.idle + self.reduces.tally.running > 0;
        if let Some(winner) = winner
            && self.rules.is_lost(winner == output, needed)
        {
            self.unseat(task);
            self.fail(winner, Fault::Lost, None, out);
        }
    }

    pub(super) fn on_published(&mut self, attempt: AttemptId) {
        let AttemptId { task, attempt: number } = attempt;
        if task.kind == Kind::Reduce
            && self.reduces.has(task.index)
            && let State::Won(winner, counters, false) = self.state(task)
            && *winner == number
        {
            let counters = counters.clone();
            self.reduces.set(task.index, State::Won(number, counters, true));
        }
    }

    pub(super) fn on_not_published(&mut self, attempt: AttemptId, cause: C, out: Out<'_, C>) {
        let AttemptId { task, attempt: number } = attempt;
        if self.is_under_way()
            && task.kind == Kind::Reduce
            && self.reduces.has(task.index)
            && matches!(self.state(task), State::Won(winner, _, false) if *winner == number)
        {
            self.unseat(task);
            self.fail(attempt, Fault::NotPublished(cause), None, out);
        }
    }
}
