//! What a leader knows of one follower.

use crate::types::Index;
use core::fmt;

/// How a leader sends to a follower.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Pace {
    /// Where the logs part is not known: one message at a time.
    Probe {
        /// Whether that message is on its way.
        waiting: bool,
    },
    /// The logs are known to join: a window of messages, each sent before the one in front is answered.
    Replicate,
    /// The follower needs what is compacted: a snapshot is on its way.
    Snapshot,
}

/// A leader's view of one follower.
///
/// Invariant: `matched < next`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Progress {
    /// Everything up to here is equal and durable at the follower.
    pub matched: Index,
    /// The next entry to send.
    pub next: Index,
    /// How to send it.
    pub pace: Pace,
    /// The latest round of reads that the follower has answered.
    pub round: u64,
}

impl Progress {
    /// A follower of which nothing is known but that the leader's log may continue at `next`.
    pub const fn unknown(next: Index) -> Self {
        Self { matched: 0, next, pace: Pace::Probe { waiting: false }, round: 0 }
    }

    /// Whether a rejection of the entry at `prev` speaks of the present guess.
    pub const fn is_fresh_rejection(&self, prev: Index) -> bool {
        match self.pace {
            Pace::Probe { .. } => prev + 1 == self.next,
            Pace::Replicate => prev > self.matched && prev < self.next,
            Pace::Snapshot => false,
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pace = match self.pace {
            Pace::Probe { waiting: false } => "probe",
            Pace::Probe { waiting: true } => "probe…",
            Pace::Replicate => "replicate",
            Pace::Snapshot => "snapshot",
        };
        write!(f, "{pace} match {} next {}", self.matched, self.next)?;
        if self.round > 0 {
            write!(f, " round {}", self.round)?;
        }
        Ok(())
    }
}
