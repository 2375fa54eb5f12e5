//! What a script needs to play a server's threads by hand: a path of the model says when a timer fires, when a snapshot
//! is taken, and when the node dies. Nothing here is for programs.

use super::{Callers, Mail, Server, core};
use crate::rsm::StateMachine;

impl<S: StateMachine, K: Callers<S>> Server<S, K> {
    /// The timer at which those who have waited long enough are told.
    #[doc(hidden)]
    pub const SWEEP: usize = core::SWEEP;
    /// The timer at which what came back is tried again.
    #[doc(hidden)]
    pub const RETRY: usize = core::RETRY;

    /// Whether a timer is set: Raft's are those of [`protocol::raft::Timer`], by number.
    #[doc(hidden)]
    pub fn is_set(&self, slot: usize) -> bool {
        self.timer.as_ref().is_some_and(|timer| timer.timers().is_set(slot))
    }

    /// Has a timer fire now, if it is set; says whether it was.
    #[doc(hidden)]
    pub fn fire(&self, slot: usize) -> bool {
        let fired = self.timer.as_ref().and_then(|timer| timer.timers().fire(slot));
        fired.is_some_and(|generation| {
            self.mail.post_always(Mail::Timer { slot, generation }).is_ok()
        })
    }

    /// Has it ask for votes without a pre-vote.
    #[doc(hidden)]
    pub fn campaign(&self) -> bool {
        self.mail.post_always(Mail::Campaign).is_ok()
    }

    /// Has a snapshot taken of what is applied.
    #[doc(hidden)]
    pub fn take_snapshot(&self) -> bool {
        self.mail.post_always(Mail::TakeSnapshot).is_ok()
    }

    /// Ends it as a crash would, if its disk and its network do the same: nobody is waited for.
    #[doc(hidden)]
    pub fn kill(&self) {
        let _ = self.mail.post_always(Mail::Broken);
    }
}
