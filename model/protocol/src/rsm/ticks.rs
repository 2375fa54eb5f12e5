//! The group's clock at a server that leads: ticks for what is due. See [`crate::clock`].

use super::waiters::Caller;
use super::{Effect, Rsm, Rules, StateMachine, TICK};
use crate::clock::Stamp;
use crate::{raft, replica};
use alloc::vec::Vec;
use core::slice;

impl<S: StateMachine, R: raft::Rules, W: Rules> Rsm<S, R, W> {
    /// The group's clock as this server estimates it: what a command that is taken now is stamped with.
    pub fn time(&self) -> Stamp {
        self.now.max(self.service.clock())
    }

    /// What the driver said last of the group's clock.
    pub const fn estimate(&self) -> Stamp {
        self.now
    }

    /// When this server wants to hear of its clock again at the latest; none: never, as things are.
    pub fn wants_clock(&self) -> Option<Stamp> {
        let waits = self.replica.raft().leads() && !self.ticking;
        self.service.deadline().filter(|_| waits)
    }

    /// Whether this server waits for a tick of its own.
    pub const fn is_ticking(&self) -> bool {
        self.ticking
    }

    /// RSM-TICK-1. One tick at a time, and only when it has something to do.
    pub(super) fn keep_time(&mut self, now: Stamp, out: &mut Vec<Effect<S::Reply>>) {
        self.now = now;
        let (leads, now) = (self.replica.raft().leads(), self.time());
        if self.ticking || !self.rules.must_tick(leads, self.service.deadline(), now) {
            return;
        }
        let Some(tick) = self.service.tick(now) else { return };
        self.ticking = true;
        self.proposing.0 = [Caller { ticket: TICK, passes: false }].into();
        let tick = slice::from_ref(&tick);
        self.step_replica(replica::Input::Propose(tick), None, out);
    }
}
