//! What a recorder notes of a server after each step, so that a replay can say at which step it went another way.

use super::{Rsm, Rules, StateMachine};
use crate::raft;
use core::hash::{Hash, Hasher};

impl<S: StateMachine, R: raft::Rules, W: Rules> Rsm<S, R, W> {
    /// Feeds the protocol's state to a hasher: Raft's, whole, the queue in front of the disk, and of those who wait,
    /// how many and for what. Who they are is in the effects that tell them, and what the log and the service hold
    /// follows from what was written and applied; so this costs the same however much there is.
    pub fn digest(&self, state: &mut impl Hasher) {
        self.replica.digest(state);
        (self.applied, self.next_read, self.now, self.ticking).hash(state);
        (self.waiters.len(), self.passing.len(), self.parked.len()).hash(state);
        (self.parked_reads.len(), self.batches.len()).hash(state);
        for batch in &self.batches {
            (batch.id, batch.index, batch.until, batch.reads.len()).hash(state);
        }
    }
}
