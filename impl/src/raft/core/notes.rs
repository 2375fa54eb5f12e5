//! What a core writes down, if it is recorded. See [`crate::trace`].

use super::Core;
use crate::raft::Callers;
use crate::rsm::{Coded, StateMachine};
use crate::trace::{self, Recorder};
use protocol::raft;
use protocol::rsm::{self as machine, Rsm};

impl<S: StateMachine, K: Callers<S>, R: raft::Rules, W: machine::Rules> Core<S, K, R, W> {
    /// Notes something in the trace, if there is one.
    pub(super) fn note(&mut self, note: impl FnOnce(&mut Recorder)) {
        if let Some(recorder) = &mut self.recorder {
            note(recorder);
        }
    }

    /// Notes something, and may hand it over to the file system.
    pub(super) fn record(
        &mut self,
        note: impl FnOnce(&mut Recorder, &Rsm<Coded<S>, R, W>) -> Result<(), trace::Error>,
    ) {
        if self.state.failed.is_none()
            && let Some(recorder) = &mut self.recorder
        {
            self.state.failed = note(recorder, &self.rsm).err();
        }
    }
}
