//! What may happen, and what it does.

use super::state::{Message, Seat, State, Stimulus, index_of};
use super::{Corner, Mill, Name, Rules, Violation};
use protocol::mr::{
    Coordinator, Effect, Ending, Event, Input, Kind, Letter, Order, Record, Timer, WorkerId,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The actors' numbers: the coordinator, the workers.
pub(super) const WORKERS: usize = 1;

impl<R: Rules> Mill<R> {
    /// What is under way and may arrive: from whom, to whom.
    pub(super) fn arriving(&self, state: &State<R>, mut add: impl FnMut(usize, usize, Message)) {
        for (index, seat) in state.seats.iter().enumerate() {
            if state.coordinator.is_some()
                && seat.machine.is_connected()
                && let Some(letter) = seat.up.front()
            {
                add(WORKERS + index, 0, Message::of_letter(letter));
            }
            if !seat.hung
                && let Some(order) = seat.down.front()
            {
                add(0, WORKERS + index, Message::of_order(order));
            }
        }
    }

    /// What may happen besides, within the bounds.
    pub(super) fn stimuli(&self, state: &State<R>, mut add: impl FnMut(usize, Stimulus)) {
        let (bounds, used) = (&self.bounds, &state.history.used);
        if state.coordinator.is_some() {
            self.stimuli_of_coordinator(state, |stimulus| add(0, stimulus));
        }
        if used.restarts < bounds.restarts {
            add(0, Stimulus::Restart);
        }
        if used.agains < bounds.agains && state.history.over == Some(false) {
            add(0, Stimulus::Again);
        }
        for (index, seat) in state.seats.iter().enumerate() {
            if seat.hung || seat.machine.has_left() {
                continue;
            }
            let mut add = |stimulus| add(WORKERS + index, stimulus);
            match (seat.machine.is_connected(), state.coordinator.is_some()) {
                (false, true) => add(Stimulus::Connect),
                (false, false) => add(Stimulus::Patience),
                (true, _) if used.breaks < bounds.breaks => add(Stimulus::Break),
                (true, _) => {}
            }
            if used.crashes < bounds.crashes {
                add(Stimulus::Crash);
            }
            if used.hangs < bounds.hangs && seat.machine.is_connected() {
                add(Stimulus::Hang);
            }
            if seat.run.is_some() {
                add(Stimulus::Work);
                if used.reports < bounds.reports {
                    add(Stimulus::Report);
                }
                if used.failures < bounds.failures {
                    add(Stimulus::Fail);
                }
            }
            if seat.naming.is_some() {
                add(Stimulus::Name);
            }
        }
    }

    fn stimuli_of_coordinator(&self, state: &State<R>, mut add: impl FnMut(Stimulus)) {
        let (bounds, used) = (&self.bounds, &state.history.used);
        for (session, letters) in &state.broken {
            if !letters.is_empty() {
                add(Stimulus::Late(*session));
            }
            add(Stimulus::Gone(*session));
        }
        if state.disk.durable < state.disk.records.len() {
            add(Stimulus::Sync);
        }
        for &attempt in &state.publishing {
            add(Stimulus::Publish(attempt));
            if used.restarts < bounds.restarts {
                add(Stimulus::PublishAndDie(attempt));
            }
        }
        for &timer in state.timers.keys() {
            let may = match timer {
                Timer::Silence(_) => used.silences < bounds.silences,
                Timer::Straggles(_) => used.straggles < bounds.straggles,
                Timer::Gather => true,
                Timer::Farewell => used.hangs > 0,
            };
            if may {
                add(Stimulus::Fires(timer));
            }
        }
        if used.losses < bounds.losses {
            for name in state.files.keys() {
                if let Name::Of(attempt) = name
                    && attempt.task.kind == Kind::Map
                {
                    add(Stimulus::Lose(*attempt));
                }
            }
        }
    }

    /// What is first in a connection arrives.
    pub(super) fn arrive(&self, state: &mut State<R>, src: usize, dst: usize) {
        if dst == 0 {
            let Some(letter) = Arc::make_mut(&mut state.seats[src - WORKERS]).up.pop_front() else {
                return;
            };
            self.hear(state, letter);
        } else {
            let index = dst - WORKERS;
            let Some(order) = Arc::make_mut(&mut state.seats[index]).down.pop_front() else {
                return;
            };
            self.move_worker(state, index, Event::Order(order));
        }
    }

    /// A letter comes to the coordinator.
    pub(super) fn hear(&self, state: &mut State<R>, letter: Letter<u8>) {
        let input = match letter {
            Letter::Hello(session, hello) => Input::Hello(session, hello),
            Letter::Report(session, report) => Input::Report(session, report),
        };
        self.tell(state, input);
    }

    /// A stimulus comes to an actor.
    pub(super) fn happen(&self, state: &mut State<R>, id: usize, stimulus: Stimulus) {
        if id > 0 {
            return self.happen_to_worker(state, id - WORKERS, stimulus);
        }
        match stimulus {
            Stimulus::Late(session) => {
                let letter = state.broken.get_mut(&session).and_then(|letters| letters.pop_front());
                if let Some(letter) = letter {
                    self.hear(state, letter);
                }
            }
            Stimulus::Gone(session) => {
                state.broken.remove(&session);
                self.tell(state, Input::Gone(session));
            }
            Stimulus::Sync => {
                let durable = self.sync(state, 1);
                self.tell(state, Input::Durable(durable));
            }
            Stimulus::Publish(attempt) => {
                let input = self.publish(state, attempt);
                self.tell(state, input);
            }
            Stimulus::PublishAndDie(attempt) => {
                self.publish(state, attempt);
                self.restart(state, false);
            }
            Stimulus::Fires(timer) => {
                let used = &mut Arc::make_mut(&mut state.history).used;
                match timer {
                    Timer::Silence(_) => used.silences += 1,
                    Timer::Straggles(_) => used.straggles += 1,
                    Timer::Gather | Timer::Farewell => {}
                }
                self.tell(state, Input::Fired(timer));
            }
            Stimulus::Restart => self.restart(state, false),
            Stimulus::Again => self.restart(state, true),
            Stimulus::Lose(attempt) => {
                Arc::make_mut(&mut state.files).remove(&Name::Of(attempt));
                let history = Arc::make_mut(&mut state.history);
                history.used.losses += 1;
                history.lost.insert(attempt);
            }
            _ => {}
        }
    }

    fn happen_to_worker(&self, state: &mut State<R>, index: usize, stimulus: Stimulus) {
        let running = state.seats[index].run.as_ref().map(|run| run.attempt);
        let run = state.seats[index].run.as_ref();
        let told = run.is_some_and(|run| run.skip.contains(&super::RECORD));
        let at = (self.bounds.limits.skips > 0 && !told).then_some(super::RECORD);
        let used = &mut Arc::make_mut(&mut state.history).used;
        match (stimulus, running) {
            (Stimulus::Connect, _) => self.move_worker(state, index, Event::Connected),
            (Stimulus::Break, _) => {
                used.breaks += 1;
                self.part(state, index);
                self.move_worker(state, index, Event::Broken);
            }
            (Stimulus::Crash, _) => {
                used.crashes += 1;
                self.crash(state, index);
            }
            (Stimulus::Hang, _) => {
                used.hangs += 1;
                Arc::make_mut(&mut state.seats[index]).hung = true;
            }
            (Stimulus::Work, Some(_)) => self.work(state, index),
            (Stimulus::Name, _) => {
                let naming = Arc::make_mut(&mut state.seats[index]).naming.take();
                if let Some(attempt) = naming {
                    self.name(state, attempt);
                    self.move_worker(state, index, Event::Named(attempt));
                }
            }
            (Stimulus::Report, Some(attempt)) => {
                used.reports += 1;
                self.move_worker(state, index, Event::Progress(attempt, at));
            }
            (Stimulus::Fail, Some(attempt)) => {
                used.failures += 1;
                Arc::make_mut(&mut state.seats[index]).run = None;
                self.move_worker(state, index, Event::Failed(attempt, None, 1));
            }
            (Stimulus::Patience, _) => self.move_worker(state, index, Event::Patience),
            _ => {}
        }
    }

    /// A worker has no connection any more. The coordinator will notice; what was written may still arrive.
    pub(super) fn part(&self, state: &mut State<R>, index: usize) {
        let seat = Arc::make_mut(&mut state.seats[index]);
        seat.down.clear();
        let up = std::mem::take(&mut seat.up);
        if state.coordinator.is_some() {
            state.broken.insert(seat.machine.session(), up);
        }
    }

    fn crash(&self, state: &mut State<R>, index: usize) {
        if state.seats[index].machine.is_connected() {
            self.part(state, index);
        }
        if state.seats[index].run.as_ref().is_some_and(|run| run.maps.is_some()) {
            self.corners.reach(Corner::Torn);
        }
        let boots = state.seats[index].boots + 1;
        state.seats[index] = Arc::new(Seat::new(&self.bounds, self.rules, index, boots));
    }

    /// The coordinator dies: what its disk does not have is lost, and so are all connections. Whether its user asks
    /// for the job again, which has failed: then there are new workers in the places of those that have left.
    fn restart(&self, state: &mut State<R>, again: bool) {
        let disk = Arc::make_mut(&mut state.disk);
        let mut lost = disk.records.drain(disk.durable..);
        if lost.any(|record| matches!(record, Record::Won { .. })) {
            self.corners.reach(Corner::Forgotten);
        }
        drop(lost);
        if disk.records.iter().any(|record| matches!(record, Record::Won { .. })) {
            self.corners.reach(Corner::Recovered);
        }
        disk.earlier = disk.durable;
        let records = disk.records.clone();
        state.timers.clear();
        state.publishing.clear();
        state.broken.clear();
        state.coordinator = None;
        self.break_all(state);
        let history = Arc::make_mut(&mut state.history);
        if again {
            history.used.agains += 1;
            (history.over, history.asked) = (None, Some(history.used));
        } else {
            history.used.restarts += 1;
        }
        history.present.clear();
        history.silent.clear();
        history.by.clear();
        history.farewell = false;
        history.failed = failures(&records);
        let mut out: Vec<Effect<u8>> = Vec::new();
        let failed = has_failed(&records) && !again;
        let next = Coordinator::recover(self.rules, self.bounds.spec(), records, again, &mut out);
        let next = next.expect("the records are this job's");
        if next.has_failed() != failed {
            history.violate(Violation::WronglyTakenUp);
        }
        state.coordinator = Some(Arc::new(next));
        for index in 0..state.seats.len() {
            if again && state.seats[index].machine.has_left() {
                let boots = state.seats[index].boots + 1;
                state.seats[index] = Arc::new(Seat::new(&self.bounds, self.rules, index, boots));
            }
        }
        self.carry_out(state, None, out);
        self.flush(state);
    }

    /// All connections break, and workers notice.
    pub(super) fn break_all(&self, state: &mut State<R>) {
        for index in 0..state.seats.len() {
            let seat = Arc::make_mut(&mut state.seats[index]);
            seat.up.clear();
            seat.down.clear();
            if seat.machine.is_connected() {
                self.move_worker(state, index, Event::Broken);
            }
        }
    }

    /// So many more records are on the disk. How many there are of this life.
    pub(super) fn sync(&self, state: &mut State<R>, more: usize) -> u64 {
        let disk = Arc::make_mut(&mut state.disk);
        for record in &disk.records[disk.durable..disk.durable + more] {
            if let Record::Won { attempt, .. } = record {
                Arc::make_mut(&mut state.history).kept.insert(attempt.task, *attempt);
            }
        }
        disk.durable += more;
        disk.durable.saturating_sub(disk.earlier) as u64
    }

    /// An order is sent to a worker, if it has this connection.
    pub(super) fn send(
        &self,
        state: &mut State<R>,
        session: protocol::mr::Session,
        order: Order<u8>,
    ) {
        let seat = &mut state.seats[index_of(session.worker)];
        if seat.machine.is_connected() && seat.machine.session() == session {
            Arc::make_mut(seat).down.push_back(order);
        }
    }

    /// Whether a worker is of another job.
    pub(super) fn is_stranger(&self, worker: WorkerId) -> bool {
        self.bounds.stranger && index_of(worker) + 1 == usize::from(self.bounds.workers)
    }
}

/// Whether the job has failed by the journal, and was not asked for again behind that.
pub(super) fn has_failed(records: &[Record<u8>]) -> bool {
    let says = |record: &Record<u8>| match record {
        Record::Over(Ending::Failed(..)) => Some(true),
        Record::Began { again: true, .. } => Some(false),
        _ => None,
    };
    records.iter().rev().find_map(says).unwrap_or_default()
}

/// The failures that stand in the journal.
fn failures(records: &[Record<u8>]) -> BTreeMap<protocol::mr::TaskId, Vec<(bool, Option<u64>)>> {
    let mut failed: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in records {
        if let Record::Failed { attempt, fault, at } = record {
            failed.entry(attempt.task).or_default().push((fault.is_own(), *at));
        }
    }
    failed
}
