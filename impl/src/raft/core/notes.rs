//! What a core writes down, if it is recorded. See [`crate::trace`].

use super::{Core, Origin, Outcome};
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

    /// The trace has failed while callers wait. Nothing of a step that is in no trace may be seen, and the machine is
    /// asked no more; but who is told nothing may ask again. So each is told what is true in any case. Those of other
    /// servers learn it by the end of the connection.
    pub(super) fn abandon(&mut self) {
        for slot in self.state.waiting.take_all() {
            // A command has bytes; a read changes nothing.
            let outcome = match slot.bytes {
                0 => Outcome::NotExecuted { leader: None },
                _ => Outcome::Unknown,
            };
            if let Origin::Caller(caller) = slot.origin {
                self.callers.tell(caller, outcome);
            }
        }
    }
}
