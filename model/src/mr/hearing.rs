//! The coordinator takes a step, what it wants is done, and what it does is compared with what is true.

use super::history::{History, Seen, Violation};
use super::state::{Name, State, index_of};
use super::{Corner, Mill, Rules, counter};
use protocol::Machine as _;
use protocol::mr::{
    AttemptId, Effect, Ending, Fault, Hello, Input, Kind, Order, Record, Report, Session, TaskId,
    Timer, WorkerId,
};
use std::sync::Arc;

impl<R: Rules> Mill<R> {
    /// Something comes to the coordinator.
    pub(super) fn tell(&self, state: &mut State<R>, input: Input<u8>) {
        self.step(state, &input);
        self.flush(state);
    }

    /// Unless they take their time, records are on the disk at once, and outputs have their names.
    pub(super) fn flush(&self, state: &mut State<R>) {
        while !self.bounds.lazy && state.coordinator.is_some() {
            let pending = state.disk.records.len() - state.disk.durable;
            let input = if pending > 0 {
                Input::Durable(self.sync(state, pending))
            } else if let Some(&attempt) = state.publishing.first() {
                self.publish(state, attempt)
            } else {
                return;
            };
            self.step(state, &input);
        }
    }

    fn step(&self, state: &mut State<R>, input: &Input<u8>) {
        if state.coordinator.is_none() {
            return;
        }
        self.note(state, input);
        let Some(coordinator) = &mut state.coordinator else { return };
        let mut out = Vec::new();
        Arc::make_mut(coordinator).step(input.clone(), &mut out);
        let by = match input {
            Input::Hello(session, _) | Input::Report(session, _) => Some(session.worker),
            _ => None,
        };
        self.carry_out(state, by, out);
        self.judge(state, input);
    }

    /// What the coordinator hears is so.
    fn note(&self, state: &mut State<R>, input: &Input<u8>) {
        let history = Arc::make_mut(&mut state.history);
        match input {
            Input::Hello(session, hello)
                if !self.is_stranger(session.worker)
                    && history.present.get(&session.worker) < Some(&session.incarnation) =>
            {
                self.note_hello(state, *session, hello);
            }
            Input::Report(session, report)
                if history.present.get(&session.worker) == Some(&session.incarnation) =>
            {
                self.note_report(state, session.worker, report, false);
            }
            Input::Gone(session) => match history.present.get(&session.worker) {
                Some(present) if *present == session.incarnation => {
                    history.note_gone(session.worker);
                }
                Some(_) => self.corners.reach(Corner::LateGone),
                None => {}
            },
            Input::Fired(timer) => {
                let heard = state.timers.remove(timer).unwrap_or(false);
                match timer {
                    Timer::Silence(attempt) => {
                        if heard {
                            history.violate(Violation::NotSilent);
                        }
                        history.silent.extend(history.live.get(attempt).map(|seen| seen.worker));
                        history.fail(*attempt, false, None);
                    }
                    Timer::Straggles(attempt) => {
                        if let Some(seen) = history.live.get_mut(attempt) {
                            seen.straggles = true;
                        }
                    }
                    Timer::Gather => {
                        let History { live, present, .. } = history;
                        live.retain(|_, seen| present.contains_key(&seen.worker));
                    }
                    Timer::Farewell => history.farewell = true,
                }
            }
            _ => {}
        }
    }

    fn note_hello(&self, state: &mut State<R>, session: Session, hello: &Hello<u8>) {
        let history = Arc::make_mut(&mut state.history);
        let known = history.present.insert(session.worker, session.incarnation).is_some();
        history.silent.remove(&session.worker);
        let running = hello.running.map(|(attempt, _)| attempt);
        for attempt in history.of(session.worker) {
            let told = hello.reports.iter().any(|report| report.attempt() == attempt);
            if told || running == Some(attempt) {
                continue;
            }
            if known {
                history.fail(attempt, false, None);
            } else {
                history.live.remove(&attempt);
            }
        }
        for report in &hello.reports {
            if matches!(report, Report::Finished { .. }) {
                self.corners.reach(Corner::ToldAgain);
            }
            if known || !matches!(report, Report::Failed { .. }) {
                self.note_report(state, session.worker, report, true);
            } else {
                // Of an attempt that this life does not know.
                Arc::make_mut(&mut state.history).live.remove(&report.attempt());
            }
        }
    }

    fn note_report(
        &self,
        state: &mut State<R>,
        worker: WorkerId,
        report: &Report<u8>,
        again: bool,
    ) {
        let attempt = report.attempt();
        let winner = state.coordinator.as_ref().and_then(|it| it.winner(attempt.task));
        let history = Arc::make_mut(&mut state.history);
        history.silent.remove(&worker);
        match report {
            Report::Progress { at, .. } => {
                if let Some(seen) = history.live.get_mut(&attempt)
                    && seen.worker == worker
                {
                    seen.at = *at;
                    state.timers.entry(Timer::Silence(attempt)).and_modify(|heard| *heard = true);
                }
            }
            Report::Finished { .. } => {
                let others = history.live.keys().filter(|other| other.task == attempt.task);
                let (alone, first) = (others.clone().count() < 2, others.min() == Some(&attempt));
                let was_live = history.live.remove(&attempt).is_some();
                let lives = state.coordinator.as_ref().map_or(0, |it| it.life());
                match winner {
                    Some(winner) if winner != attempt => self.corners.reach(Corner::TooLate),
                    Some(_) => {}
                    None if attempt.life() < lives => self.corners.reach(Corner::EarlierLife),
                    None if !was_live && !again => self.corners.reach(Corner::Late),
                    None if alone => {}
                    None if first => self.corners.reach(Corner::OriginalWon),
                    None => self.corners.reach(Corner::BackupWon),
                }
            }
            Report::Failed { at, .. } => history.fail(attempt, true, *at),
            Report::Unreadable { output, .. } => {
                history.live.remove(&attempt);
                let winner = state.coordinator.as_ref().and_then(|it| it.winner(output.task));
                if winner != Some(*output) {
                    self.corners.reach(Corner::Unneeded);
                }
            }
        }
    }

    /// What the coordinator wants is done.
    pub(super) fn carry_out(
        &self,
        state: &mut State<R>,
        by: Option<WorkerId>,
        effects: Vec<Effect<u8>>,
    ) {
        for effect in effects {
            let history = Arc::make_mut(&mut state.history);
            match effect {
                Effect::Journal(record) => {
                    self.note_record(state, &record);
                    Arc::make_mut(&mut state.disk).records.push(record);
                }
                Effect::Send(session, order) => {
                    self.note_order(state, session, &order, by);
                    self.send(state, session, order);
                }
                Effect::Publish(attempt) => {
                    if history.over.is_some() {
                        history.violate(Violation::AfterTheEnd);
                    }
                    state.publishing.insert(attempt);
                }
                Effect::Arm(timer) => {
                    state.timers.insert(timer, false);
                }
                Effect::Disarm(timer) => {
                    state.timers.remove(&timer);
                }
                Effect::Over(ending) => self.note_over(state, &ending),
                Effect::Exit => self.exit(state),
            }
        }
    }

    /// PROP-MR-FAIL, PROP-MR-FRESH. The job fails of a task that has failed too often, and each life has its number.
    fn note_record(&self, state: &mut State<R>, record: &Record<u8>) {
        let limits = self.bounds.limits;
        let history = Arc::make_mut(&mut state.history);
        match record {
            Record::Failed { attempt, fault: Fault::Lost, .. } => {
                self.corners.reach(Corner::LostOutput);
                history.failed.entry(attempt.task).or_default().push((false, None));
            }
            Record::Failed { attempt, fault: Fault::NotPublished(_), .. } => {
                history.failed.entry(attempt.task).or_default().push((true, None));
            }
            Record::Began { life, .. } if history.given.iter().any(|it| it.life() == *life) => {
                history.violate(Violation::NumberTwice);
            }
            Record::Over(Ending::Failed(attempt, _)) => {
                let (own, others) = history.failures(attempt.task, limits.skips > 0);
                if own < limits.own && others < limits.others {
                    history.violate(Violation::FailedEarly);
                }
            }
            _ => {}
        }
    }

    fn note_order(
        &self,
        state: &mut State<R>,
        session: Session,
        order: &Order<u8>,
        by: Option<WorkerId>,
    ) {
        if self.is_stranger(session.worker) && !matches!(order, Order::Refused(_)) {
            Arc::make_mut(&mut state.history).violate(Violation::ToldStranger);
        }
        match order {
            Order::Run { attempt, skip, .. } => {
                let task = attempt.task;
                let all =
                    (0..self.bounds.maps.into()).map(|index| TaskId { kind: Kind::Map, index });
                let early =
                    task.kind == Kind::Reduce && !all.into_iter().all(|it| on_disk(state, it));
                let history = Arc::make_mut(&mut state.history);
                if early {
                    history.violate(Violation::TooEarly);
                }
                let may_skip = self.bounds.limits.skips > 0;
                let bad = if may_skip { history.bad(task) } else { Default::default() };
                if bad != **skip {
                    history.violate(Violation::WronglySkipped);
                }
                if history.live.keys().any(|other| other.task == task) {
                    self.corners.reach(Corner::BackedUp);
                }
                if by != Some(session.worker) {
                    self.corners.reach(Corner::Parked);
                }
                self.judge_host(history, task, session.worker);
                history.note_run(*attempt, session.worker);
            }
            Order::Cancel(attempt) | Order::TooLate(attempt) => self.note_cancel(state, *attempt),
            Order::Accepted(attempt) => {
                let history = Arc::make_mut(&mut state.history);
                history.kept.insert(attempt.task, *attempt);
            }
            Order::Over(Ending::Done) => self.must_have_outputs(state),
            Order::Over(Ending::Failed(..)) | Order::Refused(_) => {}
        }
    }

    /// PROP-MR-HOST. A task is given to a worker.
    fn judge_host(&self, history: &mut History, task: TaskId, worker: WorkerId) {
        let host = |worker| self.bounds.host(index_of(worker));
        let failed_by = || history.failed_by(task, self.bounds.limits.skips > 0);
        let failed_on = |of: WorkerId| failed_by().any(|by| host(by) == host(of));
        if failed_on(worker) {
            self.corners.reach(Corner::SameAgain);
            if history.heard().any(|other| !failed_on(other)) {
                history.violate(Violation::GivenBack);
            }
        } else if history.parked().any(failed_on) {
            self.corners.reach(Corner::Elsewhere);
        }
    }

    /// PROP-MR-NEED.
    fn note_cancel(&self, state: &mut State<R>, attempt: AttemptId) {
        let winner = state.coordinator.as_ref().and_then(|it| it.winner(attempt.task));
        let history = Arc::make_mut(&mut state.history);
        let others = |other: &&AttemptId| other.task == attempt.task && **other != attempt;
        let others = history.live.keys().filter(others).count();
        if winner.is_none() && others < 2 {
            history.violate(Violation::StoppedForNothing);
        }
        history.live.remove(&attempt);
    }

    fn note_over(&self, state: &mut State<R>, ending: &Ending<u8>) {
        let is_done = *ending == Ending::Done;
        if is_done {
            self.must_have_outputs(state);
        }
        Arc::make_mut(&mut state.history).over = Some(is_done);
    }

    /// PROP-MR-DONE.
    fn must_have_outputs(&self, state: &mut State<R>) {
        let mut all = 0..u32::from(self.bounds.reduces);
        if !all.all(|index| state.files.contains_key(&Name::Output(index))) {
            Arc::make_mut(&mut state.history).violate(Violation::NotDone);
        }
    }

    /// PROP-MR-TOLD. The coordinator goes.
    fn exit(&self, state: &mut State<R>) {
        let history = Arc::make_mut(&mut state.history);
        if !history.present.is_empty() && !history.farewell {
            history.violate(Violation::LeftEarly);
        }
        match history.over {
            Some(true) => {
                self.corners.reach(Corner::Done);
                if history.asked.is_some() {
                    self.corners.reach(Corner::TakenUp);
                }
            }
            _ => self.corners.reach(Corner::JobFailed),
        }
        if self.bounds.maps == 0 && history.over == Some(true) {
            self.corners.reach(Corner::Empty);
        }
        if state.seats.iter().any(|seat| seat.hung) && history.over == Some(true) {
            self.corners.reach(Corner::Hung);
        }
        history.present.clear();
        history.silent.clear();
        history.by.clear();
        state.coordinator = None;
        state.timers.clear();
        state.broken.clear();
        state.publishing.clear();
        self.break_all(state);
    }

    /// What must hold behind every step of the coordinator.
    fn judge(&self, state: &mut State<R>, input: &Input<u8>) {
        let Some(coordinator) = state.coordinator.clone() else { return };
        let came_back = match input {
            Input::Hello(_, hello) => hello.running,
            Input::Report(_, Report::Progress { attempt, at }) => Some((*attempt, *at)),
            _ => None,
        };
        if let (Some(came_back), Input::Hello(session, _) | Input::Report(session, _)) =
            (came_back, input)
        {
            self.judge_came_back(state, came_back, *session, matches!(input, Input::Hello(..)));
        }
        let history = Arc::make_mut(&mut state.history);
        for task in self.bounds.tasks() {
            let last = coordinator.winner(task).or_else(|| lost(&state.disk.records, task));
            let right = last.map_or(0, |attempt| attempt.attempt.cast_signed());
            if coordinator.counters().get(counter(task)) != right {
                history.violate(Violation::Miscounted);
            }
        }
        let runs_on = history.live.iter().any(|(attempt, seen)| {
            let winner = coordinator.winner(attempt.task);
            let is_here = history.present.contains_key(&seen.worker);
            is_here && winner.is_some_and(|winner| winner != *attempt)
        });
        let is_over = |record: &Record<u8>| matches!(record, Record::Over(_));
        if runs_on && !state.disk.records.iter().any(is_over) {
            history.violate(Violation::RunsOn);
        }
        if coordinator.ending().is_none()
            && let Input::Report(_, Report::Finished { attempt, .. }) = input
            && coordinator.skipped(attempt.task).is_some_and(|skipped| !skipped.is_empty())
        {
            self.corners.reach(Corner::Skipped);
        }
    }

    fn judge_came_back(
        &self,
        state: &mut State<R>,
        (attempt, at): (AttemptId, Option<u64>),
        session: Session,
        hello: bool,
    ) {
        let Some(coordinator) = &state.coordinator else { return };
        let mine = |(live, worker, _): (AttemptId, WorkerId, Option<u64>)| {
            live == attempt && worker == session.worker
        };
        let goes_on = coordinator.live(attempt.task).any(mine);
        let history = Arc::make_mut(&mut state.history);
        let was_live = history.live.contains_key(&attempt);
        if goes_on {
            let anew = Seen { worker: session.worker, at, straggles: false };
            history.live.entry(attempt).or_insert(anew).at = at;
        }
        match (hello, goes_on) {
            (true, true) => self.corners.reach(Corner::WentOn),
            (true, false) => self.corners.reach(Corner::Stopped),
            (false, true) if !was_live => self.corners.reach(Corner::CameBackSilent),
            (false, _) => {}
        }
    }
}

/// The last winner of a task that is none any more, as the coordinator has written down.
fn lost(records: &[Record<u8>], task: TaskId) -> Option<AttemptId> {
    let unseated = |record: &&Record<u8>| {
        let Record::Failed { attempt, fault, .. } = record else { return false };
        attempt.task == task && matches!(fault, Fault::Lost | Fault::NotPublished(_))
    };
    match records.iter().rev().find(unseated) {
        Some(Record::Failed { attempt, .. }) => Some(*attempt),
        _ => None,
    }
}

/// Whether a task has a winner on the disk that is not known to be lost.
fn on_disk<R>(state: &State<R>, task: TaskId) -> bool {
    let mut winner = None;
    for (place, record) in state.disk.records.iter().enumerate() {
        match record {
            Record::Won { attempt, .. } if attempt.task == task && place < state.disk.durable => {
                winner = Some(*attempt);
            }
            Record::Failed { attempt, fault: Fault::Lost, .. } if winner == Some(*attempt) => {
                winner = None;
            }
            _ => {}
        }
    }
    winner.is_some()
}
