//! What a core does at the end of a round: it submits what has come together, looks after the clock, the log's
//! length and those who have waited long enough, and sends the answers off.

use super::{
    Core, LONGEST_TICK_MS, Origin, Outcome, SWEEP, SWEEP_EVERY, Slot, Status, TICK, What, wall_ms,
};
use crate::raft::{Callers, Job, Request};
use crate::rsm::{Coded, StateMachine, encode};
use protocol::kv::Stamp;
use protocol::rsm::{Input, Ticket};
use std::time::Duration;

impl<S: StateMachine, K: Callers<S>> Core<S, K> {
    pub(super) fn finish_round(&mut self) {
        self.look_after_clock();
        self.submit_commands();
        self.submit_reads();
        self.look_after_log();
        if self.state.waiting.len() > 0 {
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
        self.callers.flush();
        self.publish();
    }

    /// The commands that have come together, as far as there is room for them.
    fn submit_commands(&mut self) {
        // While a snapshot is being taken the log may grow to twice its bound. The snapshot ends, and makes room.
        let full = self.state.log_bytes > 2 * self.options.snapshot_bytes;
        if self.state.commands.is_empty() || (full && self.state.snapshotting) {
            return;
        }
        let commands = std::mem::take(&mut self.state.commands);
        let mut submitted = Vec::with_capacity(commands.len());
        let mut bytes = 0;
        for Request { caller, what, forwards } in commands {
            let What::Command(command) = what else { continue };
            bytes += command.len();
            let waiting = &self.state.waiting;
            if waiting.len() + submitted.len() < self.options.max_waiting
                && waiting.bytes() + bytes <= self.options.max_waiting_bytes
            {
                submitted.push((Origin::Caller(caller), command, forwards));
            } else {
                self.callers.tell(caller, Outcome::Busy);
            }
        }
        self.submit(submitted);
    }

    fn submit_reads(&mut self) {
        if !self.state.held.is_empty() && self.is_due(self.state.held_until) {
            return;
        }
        let mut reads = std::mem::take(&mut self.state.held);
        if self.is_due(self.stamp()) {
            self.state.held_until = self.stamp();
            self.state.held = std::mem::take(&mut self.state.reads);
        } else {
            reads.append(&mut self.state.reads);
        }
        if reads.is_empty() {
            return;
        }
        let mut submitted = Vec::with_capacity(reads.len());
        for Request { caller, what, .. } in reads {
            let What::Query(query) = what else { continue };
            if self.state.waiting.len() < self.options.max_waiting {
                let origin = Origin::Caller(caller);
                let slot = Slot { origin, command: None, passed: None, bytes: 0 };
                submitted.push((self.state.waiting.add(slot), query));
            } else {
                self.callers.tell(caller, Outcome::Busy);
            }
        }
        self.step(Input::Read(submitted));
    }

    /// Whether something is due by `time` that the service does not know to be, for its clock stands before that. A
    /// read that comes now waits for the tick, or it might see what should be gone.
    fn is_due(&self, time: Stamp) -> bool {
        let deadline = self.rsm.service().service.deadline();
        let clock = self.rsm.service().clock;
        self.leads() && deadline.is_some_and(|due| clock < due && due <= time)
    }

    /// Steers or learns the estimate, and proposes the service's tick when it is due.
    fn look_after_clock(&mut self) {
        let now_ms = self.now_us() / 1000;
        let clock = self.rsm.service().clock;
        if !self.leads() {
            if clock != self.state.seen {
                self.state.seen = clock;
                self.state.estimate.learn(clock, now_ms);
            }
            return;
        }
        self.state.seen = clock;
        self.state.estimate.steer(wall_ms(), now_ms);
        let Some(due) = self.rsm.service().service.deadline() else { return };
        let now = self.stamp();
        if due > now {
            if self.state.tick_at != Some(due) {
                self.state.tick_at = Some(due);
                self.set_timer(TICK, Duration::from_millis((due - now).min(LONGEST_TICK_MS)));
            }
            return;
        }
        if self.state.ticking.is_some() {
            return;
        }
        let tick = self.rsm.service().service.tick();
        if let Some(command) = tick.and_then(|tick| encode(&tick).ok()) {
            self.state.ticking = Some(self.state.waiting.next());
            self.submit(vec![(Origin::Nobody, command, false)]);
        }
    }

    /// Has a snapshot taken when the log has become too long.
    fn look_after_log(&mut self) {
        let applied = self.rsm.applied();
        let terms = self.rsm.replica().raft().terms();
        let most = self.options.snapshot_bytes.max(self.state.no_snapshot_below);
        let long = self.state.log_bytes > most;
        if !long || self.state.snapshotting || applied == terms.base().index {
            return;
        }
        let id = terms.snapshot_at(applied).expect("what is applied is in the log");
        let state = self.rsm.service().clone();
        self.state.snapshotting = self.jobs.post(Job::Take { id, state }).is_ok();
    }

    /// Has a snapshot written that the program made, if it goes beyond the present one.
    pub(super) fn cut(&mut self, commands: u64, service: S) {
        let terms = self.rsm.replica().raft().terms();
        let (base, applied) = (terms.base().index, self.rsm.applied());
        // No-ops are counted in an index and not among commands.
        let (mut low, mut high) = (base, applied);
        while low < high {
            let middle = high - (high - low) / 2;
            if middle - terms.runs_through(middle) <= commands {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        if low == base || low - terms.runs_through(low) != commands {
            return;
        }
        let id = terms.snapshot_at(low).expect("what is applied is in the log");
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
        let passed: Vec<Ticket> = self.state.waiting.passed(late, |_| true).collect();
        passed.into_iter().for_each(|ticket| self.tell(ticket, Outcome::Unknown));
        let again = std::mem::take(&mut self.state.again);
        let (over, again) = again.into_iter().partition(|ticket| *ticket < parked);
        self.state.again = again;
        let over: Vec<Ticket> = over;
        let leader = self.rsm.replica().raft().leader();
        over.into_iter().for_each(|ticket| self.tell(ticket, Outcome::NotExecuted { leader }));
        self.state.waiting.forget(before(self.options.deadline));
        self.state.sweeping = false;
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
            waiting: self.state.waiting.len() as u64,
            up: self.state.up,
            pending_writes: self.rsm.replica().pending_writes() as u64,
            clock: self.rsm.service().clock,
            gauges: self.rsm.service().service.gauges(),
        });
    }
}
