//! What a core does at the end of a round: it submits what has come together, looks after the clock, the log's
//! length and those who have waited long enough, and sends the answers off.

use super::{
    Core, LONGEST_TICK_MS, Origin, Outcome, SWEEP, SWEEP_EVERY, Slot, State, Status, TICK,
};
use crate::mailbox::Refused;
use crate::raft::{Callers, Job, Mail, Request};
use crate::rsm::{Coded, StateMachine};
use protocol::rsm::{self as machine, Input, Ticket};
use protocol::{Index, raft};
use std::ops::Range;
use std::time::Duration;

impl<S: StateMachine, K: Callers<S>, R: raft::Rules, W: machine::Rules> Core<S, K, R, W> {
    pub(super) fn finish_round(&mut self) {
        self.submit_commands();
        self.submit_reads();
        self.look_after_log();
        self.keep_clock();
        self.arm_clock();
        if self.state.waiting.len() + self.state.held.len() > 0 {
            let now = self.now_us();
            self.state.waiting.mark(now);
            if !self.state.sweeping {
                self.state.sweeping = true;
                self.set_timer(SWEEP, SWEEP_EVERY);
            }
        }
        if self.state.shown != self.rsm.applied() {
            self.state.shown = self.rsm.applied();
            self.callers.applied(&self.rsm.service().service);
        }
        self.callers.seen(&self.rsm);
        self.attend();
        self.callers.flush();
        self.publish();
    }

    /// Lets the callers ask by themselves. They are asked in the next round, which comes at once.
    fn attend(&mut self) {
        if self.state.failed.is_some() {
            return;
        }
        let (leads, service) = (self.rsm.replica().raft().leads_in(), &self.rsm.service().service);
        let asks = self.callers.attend(service, leads, self.recorder.as_mut());
        self.record(|recorder, rsm| recorder.let_leave(rsm));
        if self.state.failed.is_some() {
            return;
        }
        self.callers.carry();
        if asks.is_empty() {
            return;
        }
        if let Err(Refused { mail: Mail::Requests(asks), .. }) =
            self.mail.post(Mail::Requests(asks))
        {
            for Request { caller, .. } in asks {
                self.callers.tell(caller, Outcome::Busy);
            }
        }
    }

    /// Tells callers with these tickets where their commands are in the log, if it has taken them behind `last`.
    pub(super) fn tell_logged(&mut self, last: Index, tickets: Range<Ticket>) {
        let terms = self.rsm.replica().raft().terms();
        for (index, ticket) in (last + 1..=terms.last().index).zip(tickets) {
            if let Some(Slot { origin: Origin::Caller(caller), .. }) =
                self.state.waiting.get(ticket)
            {
                self.callers.logged(caller, index, terms);
            }
        }
    }

    fn submit_reads(&mut self) {
        let reads = std::mem::take(&mut self.state.reads);
        if reads.is_empty() {
            return;
        }
        let mut submitted = Vec::with_capacity(reads.len());
        for (origin, query) in reads {
            if self.state.waiting.len() < self.options.max_waiting {
                let slot = Slot { origin, command: None, bytes: 0 };
                submitted.push((self.state.waiting.add(slot), query));
            } else {
                self.turn_away(origin, Outcome::Busy);
            }
        }
        self.step(Input::Read(submitted));
    }

    /// Tells the machine where the group's clock is, by this server's clocks.
    pub(super) fn look_at_clock(&mut self) {
        let now_ms = self.keep_clock();
        self.step(Input::Clock { now: self.state.estimate.now(now_ms) });
    }

    /// At a round's end, so that a stamp that was applied in it is known to be of now.
    fn keep_clock(&mut self) -> u64 {
        let (leads, clock) = (self.rsm.replica().raft().leads(), self.rsm.service().clock);
        let now_ms = self.now_us() / 1000;
        self.state.estimate.keep(leads, clock, self.options.clocks.wall_ms(), now_ms);
        now_ms
    }

    /// Sets the timer for when the machine wants to be told.
    fn arm_clock(&mut self) {
        let wants = self.rsm.wants_clock();
        if let Some(due) = wants
            && self.state.tick_at != wants
        {
            self.state.tick_at = wants;
            let after = due.saturating_sub(self.rsm.time()).clamp(1, LONGEST_TICK_MS);
            self.set_timer(TICK, Duration::from_millis(after));
        }
    }

    /// Has a snapshot taken when the log has become too long.
    fn look_after_log(&mut self) {
        if self.log_length() > self.options.snapshot_bytes.max(self.state.no_snapshot_below) {
            self.take_snapshot();
        }
    }

    /// How long the log is, in bytes: its commands, or what they take of the files, if that is much. A batch takes
    /// whole sectors, many times the length of a command that comes alone.
    pub(super) fn log_length(&self) -> u64 {
        let State { log_bytes, taken, .. } = self.state;
        if taken > self.room.share() { log_bytes.max(taken) } else { log_bytes }
    }

    /// Has a snapshot taken of what is applied, unless that is under way or there is one.
    pub(super) fn take_snapshot(&mut self) {
        let applied = self.rsm.applied();
        let terms = self.rsm.replica().raft().terms();
        if self.state.snapshotting || applied == terms.base().index {
            return;
        }
        let id = terms.snapshot_at(applied).expect("what is applied is in the log");
        let state = self.rsm.service().clone();
        self.note(|recorder| recorder.copied(id));
        self.state.snapshotting = self.jobs.post(Job::Take { id, state }).is_ok();
    }

    /// Has a snapshot written that the program made, if it goes beyond the present one.
    pub(super) fn cut(&mut self, commands: u64, service: S) {
        let terms = self.rsm.replica().raft().terms();
        let Some(index) = terms.index_of_command(commands, self.rsm.applied()) else { return };
        let id = terms.snapshot_at(index).expect("what is applied is in the log");
        let state = Coded { service, clock: self.rsm.service().clock };
        // The jobs' thread ends only with this one.
        let _ = self.jobs.post_always(Job::Take { id, state });
    }

    /// Tells those who have waited long enough.
    pub(super) fn sweep(&mut self) {
        let now = self.now_us();
        let before =
            |age: Duration| now.saturating_sub(u64::try_from(age.as_micros()).unwrap_or(u64::MAX));
        let parked = self.state.waiting.below(before(self.options.park));
        self.step(Input::GiveUpParked { below: parked });
        let late = self.state.waiting.below(before(self.options.deadline));
        self.step(Input::GiveUp { below: late });
        self.state.waiting.forget(before(self.options.deadline));
        self.give_up_held(before(self.options.park));
        self.state.sweeping = false;
    }

    /// At the end: whoever still waits is told what is known, for who is told nothing may ask again.
    pub(super) fn give_up(&mut self) {
        let leader = self.rsm.replica().raft().leader().filter(|&leader| leader != self.options.me);
        let next = self.state.waiting.next();
        self.step(Input::GiveUpParked { below: next });
        self.step(Input::GiveUp { below: next });
        if self.state.failed.is_some() {
            self.abandon();
        }
        let commands = std::mem::take(&mut self.state.commands);
        let come = self.state.held.take_all().chain(commands).map(|come| come.origin);
        let reads = std::mem::take(&mut self.state.reads);
        for origin in come.chain(reads.into_iter().map(|(origin, _)| origin)) {
            self.turn_away(origin, Outcome::NotExecuted { leader });
        }
        self.callers.flush();
    }

    fn publish(&mut self) {
        let raft = self.rsm.replica().raft();
        self.shared.set(Status {
            me: self.options.me,
            role: raft.role(),
            term: raft.term(),
            leader: raft.leader(),
            commit: raft.commit(),
            applied: self.rsm.applied(),
            last: raft.last().index,
            snapshot: raft.terms().base().index,
            log_bytes: self.state.log_bytes,
            waiting: (self.state.waiting.len() + self.state.held.len()) as u64,
            up: self.state.up,
            pending_writes: self.rsm.replica().pending_writes() as u64,
            clock: self.rsm.service().clock,
            gauges: self.rsm.service().service.gauges(),
        });
    }
}
