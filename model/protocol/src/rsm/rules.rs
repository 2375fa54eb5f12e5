//! The decisions of the replicated state machine, each with its id in SPEC.md.

use super::waiters::Verdict;
use crate::clock::Stamp;
use crate::types::{Index, LogId};
use core::fmt;
use core::hash::Hash;

/// The decisions on which hangs what a caller is told. The only implementation that is right is [`Decided`].
pub trait Rules: Copy + Eq + Hash + fmt::Debug + Send + Sync + 'static {
    /// RSM-TELL-1. Whether the entry that was applied at a proposal's index is the proposal.
    fn is_it(&self, proposed: LogId, applied: LogId) -> bool {
        proposed == applied
    }

    /// RSM-TELL-2. Whether a proposal can't be committed any more, because this entry in front of it is.
    fn is_over(&self, proposed: LogId, committed: LogId) -> bool {
        committed.index < proposed.index && committed.term > proposed.term
    }

    /// RSM-TELL-3. What is told when this server's own log has other entries from `first` on: nothing. Another server
    /// may hold the proposal still.
    fn at_truncation(&self, _proposed: LogId, _first: Index) -> Option<Verdict> {
        None
    }

    /// RSM-TELL-4. What is told of a proposal that a received snapshot covers.
    fn hidden(&self) -> Verdict {
        Verdict::Unknown
    }

    /// RSM-TELL-5. What is told of a proposal that is open when its caller has waited long enough.
    fn at_deadline(&self) -> Verdict {
        Verdict::Unknown
    }

    /// RSM-READ-1. Whether a read that is good from `index` on may be answered from a state that has applied this much.
    fn may_answer(&self, applied: Index, index: Index) -> bool {
        applied >= index
    }

    /// RSM-PARK-1. Whether those who are parked go on now.
    fn may_go_on(&self, leader_known: bool) -> bool {
        leader_known
    }

    /// RSM-PASS-1. Whether a command of which this was found out may go on to another server, or be submitted again.
    fn may_pass(&self, verdict: Verdict) -> bool {
        verdict == Verdict::NotExecuted
    }

    /// RSM-PASS-2. What is known of a command that left over a connection that is lost.
    fn when_lost(&self) -> Verdict {
        Verdict::Unknown
    }

    /// RSM-PASS-3. Whether what waits to be tried again is submitted now: the timer has fired, or a leader is known.
    fn may_submit_again(&self) -> bool {
        true
    }

    /// RSM-DUE-1. Whether the answer to a read waits: by the leader's estimate when it came, `until`, something was
    /// due, and the service's clock is not there yet. That the nearest deadline is over by that clock is no excuse: a
    /// tick may leave some behind, and others come due behind those.
    fn must_wait(&self, leads: bool, clock: Stamp, due: Option<Stamp>, until: Stamp) -> bool {
        leads && clock < until && due.is_some_and(|due| due <= until)
    }

    /// RSM-TICK-1. Whether a tick is proposed: something is due by the leader's estimate.
    fn must_tick(&self, leads: bool, due: Option<Stamp>, now: Stamp) -> bool {
        leads && due.is_some_and(|due| due <= now)
    }

    /// RSM-READ-2. Whether a read is answered from this server's state without a word to anybody: never.
    fn answers_at_once(&self, _leads: bool) -> bool {
        false
    }
}

/// The rules as they should be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Decided;

impl Rules for Decided {}
