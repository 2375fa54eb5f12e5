//! Who runs what: work is handed out, goes on, and is taken back.

use super::tasks::{Last, Live, State};
use super::{Coordinator, Doing, Out, Phase};
use crate::mr::{
    AttemptId, Effect, Fault, Held, Kind, Order, Rules, Session, TaskId, Timer, WorkerId,
};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Bound;

impl<C: Clone + Eq, R: Rules> Coordinator<C, R> {
    /// MR-DISK-1, MR-WAKE-1. Each worker that has nothing to do gets a task, as long as there are some for it.
    pub(super) fn hand_out(&mut self, out: Out<'_, C>) {
        let on_disk = self.durable > 0 || !self.rules.waits(Held::Run);
        if self.phase != Phase::Working || !on_disk {
            return;
        }
        let mut behind = Bound::Unbounded;
        while let Some(&worker) = self.parked.range((behind, Bound::Unbounded)).next() {
            if let Some(task) = self.next_task(|task| self.may_get(worker, task)) {
                self.run(worker, task, out);
            } else if self.next_task(|_| true).is_some() {
                // Not for this one.
                behind = Bound::Excluded(worker);
            } else {
                return;
            }
        }
    }

    /// What is to be run next of what may be: maps before reduces, and what runs long when nothing else can be run.
    fn next_task(&self, may_be: impl Fn(TaskId) -> bool) -> Option<TaskId> {
        let first_idle = |kind| {
            let mut all = self.tasks(kind).idle.iter().map(|&index| TaskId { kind, index });
            all.find(|task| may_be(*task))
        };
        let first_slow = |kind| {
            let mut all = self.tasks(kind).slow.iter().map(|&(_, index)| TaskId { kind, index });
            all.find(|task| may_be(*task))
        };
        let may_reduce = |again| {
            let on_disk = self.durable >= self.maps_at;
            self.rules.may_reduce(&self.maps.tally, on_disk, again)
        };
        let reduce = || may_reduce(false).then(|| first_idle(Kind::Reduce)).flatten();
        let slow_reduce = || may_reduce(true).then(|| first_slow(Kind::Reduce)).flatten();
        let map = first_idle(Kind::Map);
        map.or_else(reduce).or_else(|| first_slow(Kind::Map)).or_else(slow_reduce)
    }

    /// MR-HOST-1. Whether a worker may get a task: it has not failed on its host, or there is no other for it.
    fn may_get(&self, worker: WorkerId, task: TaskId) -> bool {
        let (Some(failures), Some(seat)) =
            (&self.tasks(task.kind).get(task.index).failures, self.seats.get(&worker))
        else {
            return true;
        };
        if !failures.were_on(seat.host) {
            return true;
        }
        let (mut others, mut silent) = (0, 0);
        for seat in self.seats.values().filter(|seat| !failures.were_on(seat.host)) {
            others += 1;
            silent += usize::from(matches!(seat.doing, Doing::Silent(_)));
        }
        self.rules.tries_again(others, silent)
    }

    /// MR-HOST-1. A task has failed by itself on a worker's host.
    pub(super) fn avoid(&mut self, task: TaskId, worker: WorkerId, last: Last) {
        let Some(host) = self.seats.get(&worker).map(|seat| seat.host) else { return };
        let at = last.filter(|(_, told)| !told).map(|(record, _)| record);
        let failures = &mut self.tasks_mut(task.kind).get_mut(task.index).failures;
        failures.get_or_insert_default().on.insert((host, at));
    }

    fn run(&mut self, worker: WorkerId, task: TaskId, out: Out<'_, C>) {
        let life = self.life;
        let chosen = self.tasks_mut(task.kind).get_mut(task.index);
        chosen.given += 1;
        let attempt = AttemptId::new(task, life, chosen.given);
        let skip = chosen.failures.as_ref().map(|failures| failures.skip.clone());
        let skip = skip.unwrap_or_else(|| self.nothing.1.clone());
        let inputs = match task.kind {
            Kind::Map => self.nothing.0.clone(),
            Kind::Reduce => self.winners.clone(),
        };
        self.add(attempt, worker, (None, skip.clone()), out);
        if let Some(session) = self.session(worker) {
            out.push(Effect::Send(session, Order::Run { attempt, inputs, skip }));
        }
    }

    /// An attempt is live from now on.
    fn add(
        &mut self,
        attempt: AttemptId,
        worker: WorkerId,
        (at, skip): (Option<u64>, Arc<BTreeSet<u64>>),
        out: Out<'_, C>,
    ) {
        let AttemptId { task, attempt: number } = attempt;
        let live = Live { attempt: number, worker, at, straggles: false, since: self.runs, skip };
        self.runs += 1;
        let tasks = self.tasks_mut(task.kind);
        if let State::Running(all, _) = &mut tasks.get_mut(task.index).state {
            all.push(live);
        } else {
            tasks.set(task.index, State::Running(vec![live], None));
        }
        self.rank(task);
        self.set_doing(worker, Doing::Busy(attempt));
        out.push(Effect::Arm(Timer::Silence(attempt)));
        out.push(Effect::Arm(Timer::Straggles(attempt)));
    }

    /// An attempt is not live any more. What it was, if it was.
    pub(super) fn remove(&mut self, attempt: AttemptId, out: Out<'_, C>) -> Option<Live> {
        let AttemptId { task, attempt: number } = attempt;
        let State::Running(all, _) = &mut self.tasks_mut(task.kind).get_mut(task.index).state
        else {
            return None;
        };
        let place = all.iter().position(|live| live.attempt == number)?;
        let live = all.remove(place);
        let is_last = all.is_empty();
        self.rank(task);
        if is_last {
            self.tasks_mut(task.kind).set(task.index, State::Idle);
        }
        self.disarm(attempt, out);
        Some(live)
    }

    /// All attempts of a task that are live are not any more.
    pub(super) fn remove_all(&mut self, task: TaskId, out: Out<'_, C>) -> Vec<Live> {
        let State::Running(all, _) = &mut self.tasks_mut(task.kind).get_mut(task.index).state
        else {
            return Vec::new();
        };
        let all = core::mem::take(all);
        self.rank(task);
        self.tasks_mut(task.kind).set(task.index, State::Idle);
        for live in &all {
            self.disarm(AttemptId { task, attempt: live.attempt }, out);
        }
        all
    }

    fn disarm(&self, attempt: AttemptId, out: Out<'_, C>) {
        out.push(Effect::Disarm(Timer::Silence(attempt)));
        out.push(Effect::Disarm(Timer::Straggles(attempt)));
    }

    /// MR-ORDER-2. A task stands among the slow ones exactly if it may be run a second time.
    fn rank(&mut self, task: TaskId) {
        let rules = self.rules;
        let tasks = self.tasks_mut(task.kind);
        let State::Running(all, place) = &mut tasks.get_mut(task.index).state else { return };
        let slow = all.iter().find(|live| rules.is_slow(live.straggles, all.len()));
        let now = slow.map(|live| live.since);
        let before = core::mem::replace(place, now);
        if let Some(since) = before {
            tasks.slow.remove(&(since, task.index));
        }
        if let Some(since) = now {
            tasks.slow.insert((since, task.index));
        }
    }

    fn live_mut(&mut self, attempt: AttemptId) -> Option<&mut Live> {
        let AttemptId { task, attempt: number } = attempt;
        match &mut self.tasks_mut(task.kind).get_mut(task.index).state {
            State::Running(all, _) => all.iter_mut().find(|live| live.attempt == number),
            State::Idle | State::Won(..) => None,
        }
    }

    /// Whether an attempt is one that was given out, in this life or an earlier one.
    pub(super) fn is_known(&self, attempt: AttemptId) -> bool {
        let AttemptId { task, .. } = attempt;
        let tasks = self.tasks(task.kind);
        let (life, number) = (attempt.life(), attempt.number());
        life > 0
            && number > 0
            && tasks.has(task.index)
            && (life < self.life || life == self.life && number <= tasks.get(task.index).given)
    }

    /// A worker has ended an attempt.
    pub(super) fn free(&mut self, worker: WorkerId, attempt: AttemptId) {
        let doing = self.seats.get(&worker).map(|seat| seat.doing);
        if matches!(doing, Some(Doing::Busy(it) | Doing::Silent(it)) if it == attempt) {
            self.set_doing(worker, Doing::Parked);
        }
    }

    /// MR-SILENT-2.
    pub(super) fn on_progress(
        &mut self,
        session: Session,
        attempt: AttemptId,
        at: Option<u64>,
        out: Out<'_, C>,
    ) {
        let puts_off = self.rules.puts_off();
        let doing = self.seats.get(&session.worker).map(|seat| seat.doing);
        if doing == Some(Doing::Silent(attempt)) {
            self.come_back(session, attempt, at, out);
        } else if doing == Some(Doing::Busy(attempt))
            && let Some(live) = self.live_mut(attempt)
        {
            live.at = at;
            if puts_off {
                out.push(Effect::Arm(Timer::Silence(attempt)));
            }
        }
    }

    /// MR-RECOVER-4. A worker still has an attempt that was lost with its connection, with an earlier life, or by its
    /// silence.
    pub(super) fn come_back(
        &mut self,
        session: Session,
        attempt: AttemptId,
        at: Option<u64>,
        out: Out<'_, C>,
    ) {
        let worker = session.worker;
        if !self.is_under_way() {
            return;
        }
        let is_known = self.is_known(attempt);
        let (won, others) = match is_known.then(|| self.state(attempt.task)) {
            None | Some(State::Idle) => (false, 0),
            Some(State::Won(..)) => (true, 0),
            Some(State::Running(all, _)) => {
                (false, all.iter().filter(|live| live.attempt != attempt.attempt).count())
            }
        };
        if !is_known || !self.rules.goes_on(won, others, attempt.life() < self.life) {
            self.set_doing(worker, Doing::Parked);
            return out.push(Effect::Send(session, Order::Cancel(attempt)));
        }
        let Some(live) = self.live_mut(attempt) else {
            // Who has given it out knew what it was told to skip.
            return self.add(attempt, worker, (at, Arc::default()), out);
        };
        (live.worker, live.at) = (worker, at);
        self.set_doing(worker, Doing::Busy(attempt));
        out.push(Effect::Arm(Timer::Silence(attempt)));
    }

    pub(super) fn on_straggles(&mut self, attempt: AttemptId) {
        if self.is_known(attempt)
            && let Some(live) = self.live_mut(attempt)
        {
            live.straggles = true;
            self.rank(attempt.task);
        }
    }

    /// MR-SILENT-1, MR-QUIET-1. The attempts whose deadline has fired are over, as far as is known.
    pub(super) fn end_overdue(&mut self, out: Out<'_, C>) {
        while let Some(attempt) = self.overdue.pop() {
            if !self.is_under_way() || !self.is_known(attempt) {
                continue;
            }
            let Some(live) = self.remove(attempt, out) else { continue };
            let shuns = self.rules.shuns_silent();
            let doing = if shuns { Doing::Silent(attempt) } else { Doing::Parked };
            self.set_doing(live.worker, doing);
            self.fail(attempt, Fault::Silent, live.last(), out);
        }
    }
}
