//! The fair schedule: from here nothing fails. Then the job is done, and everybody leaves; but for a job that has
//! failed already, or must.
//!
//! In each round every worker without a connection gets one, what is broken is noticed, the disk finishes, outputs get
//! their names, all that is under way arrives, and what is run takes a step. Deadlines pass for those who will never do
//! anything any more, and for nobody else.

use super::state::{State, Stimulus, index_of};
use super::steps::{WORKERS, has_failed};
use super::{Bounds, Mill, Rules};
use protocol::mr::{Doing, Timer};

/// Within how many rounds the job must have ended.
pub const ROUNDS: usize = 60;

/// Runs the schedule. The error says what did not come to its end.
pub fn settles<R: Rules>(mill: &Mill<R>, state: &State<R>) -> Result<(), String> {
    // What is reached here is no corner of the run.
    let fair = Mill::new(Bounds { settle_every: 0, ..mill.bounds }, mill.rules);
    let (limits, (own, others)) = (mill.bounds.limits, state.history.used.faults());
    let too_many = match state.history.asked {
        None => own >= limits.own || others >= limits.others,
        // It had failed as often as it may, so whatever comes behind that is too much.
        Some(before) => (own, others) != before.faults(),
    };
    let may_fail =
        too_many || has_failed(&state.disk.records) || (mill.bounds.bad && limits.skips == 0);
    let mut state = state.clone();
    for _ in 0..ROUNDS {
        fair.round(&mut state);
        let away = |seat: &super::state::Seat<R>| seat.hung || seat.machine.has_left();
        let over = state.coordinator.is_none() && state.seats.iter().all(|seat| away(seat));
        if let Some(violation) = state.history.violation {
            return Err(format!("{violation:?}\n{state:?}"));
        }
        match state.history.over {
            Some(done) if over && (done || may_fail) => return Ok(()),
            Some(false) if !may_fail => return Err(format!("the job failed: {state:?}")),
            _ => {}
        }
    }
    Err(format!("not within {ROUNDS} fair rounds: {state:?}"))
}

impl<R: Rules> Mill<R> {
    fn round(&self, state: &mut State<R>) {
        let lost: Vec<_> = state.broken.keys().copied().collect();
        for session in lost {
            while state.broken.get(&session).is_some_and(|letters| !letters.is_empty()) {
                self.happen(state, 0, Stimulus::Late(session));
            }
            if state.broken.contains_key(&session) {
                self.happen(state, 0, Stimulus::Gone(session));
            }
        }
        self.connect(state);
        self.finish(state);
        self.fire(state);
        for index in 0..state.seats.len() {
            while state.coordinator.is_some() && !state.seats[index].up.is_empty() {
                self.arrive(state, WORKERS + index, 0);
            }
        }
        self.finish(state);
        for index in 0..state.seats.len() {
            while !state.seats[index].hung && !state.seats[index].down.is_empty() {
                self.arrive(state, 0, WORKERS + index);
            }
        }
        for index in 0..state.seats.len() {
            let seat = &state.seats[index];
            if seat.hung || seat.machine.has_left() {
                continue;
            }
            if seat.naming.is_some() {
                self.happen(state, WORKERS + index, Stimulus::Name);
            } else if seat.run.is_some() {
                self.happen(state, WORKERS + index, Stimulus::Work);
            }
        }
    }

    fn connect(&self, state: &mut State<R>) {
        for index in 0..state.seats.len() {
            let seat = &state.seats[index];
            if seat.hung || seat.machine.has_left() || seat.machine.is_connected() {
                continue;
            }
            let stimulus = match state.coordinator {
                Some(_) => Stimulus::Connect,
                None => Stimulus::Patience,
            };
            self.happen(state, WORKERS + index, stimulus);
        }
    }

    /// The disk has everything, and outputs have their names.
    fn finish(&self, state: &mut State<R>) {
        while state.coordinator.is_some() && state.disk.durable < state.disk.records.len() {
            self.happen(state, 0, Stimulus::Sync);
        }
        while let Some(&attempt) = state.publishing.first() {
            self.happen(state, 0, Stimulus::Publish(attempt));
        }
    }

    /// Workers of an earlier life are here, and the deadlines of those pass that hang.
    fn fire(&self, state: &mut State<R>) {
        if state.timers.contains_key(&Timer::Gather) {
            self.happen(state, 0, Stimulus::Fires(Timer::Gather));
        }
        let Some(coordinator) = state.coordinator.clone() else { return };
        for (worker, doing) in coordinator.workers() {
            let Doing::Busy(attempt) = doing else { continue };
            let timer = Timer::Silence(attempt);
            if state.seats[index_of(worker)].hung && state.timers.contains_key(&timer) {
                self.happen(state, 0, Stimulus::Fires(timer));
            }
        }
        let hangs = state.seats.iter().any(|seat| seat.hung);
        if hangs && state.timers.contains_key(&Timer::Farewell) {
            self.happen(state, 0, Stimulus::Fires(Timer::Farewell));
        }
    }
}
