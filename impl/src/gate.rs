//! The gate in front of the disk: two buffers that change places.
//!
//! The cores encode into one buffer while the disk thread writes and syncs the other. When it comes back,
//! all that was filled meanwhile is its next batch, so one sync covers whatever has waited, without
//! anybody waiting for a batch to fill. A core never waits for the disk here: only, for as long as it
//! takes to encode, for another core.
//!
//! The buffers are as large as those who fill them let them grow: `fill` shows them the buffer, and they
//! decide whether what they have still goes into it.

use crate::monitor::{self, Monitor, Sound};
use std::fmt;
use std::sync::Arc;

/// The steps on which it hangs that whatever is filled is taken once.
pub trait Rules: monitor::Rules {
    /// GATE-FILL. The buffer and the mark that something is in it change together.
    fn fill<B, X>(
        gate: &Monitor<Filling<B>, Self>,
        fill: impl FnOnce(&mut B) -> X,
    ) -> Result<X, Closed> {
        gate.change(|filling| {
            if filling.closed {
                return Err(Closed);
            }
            filling.filled = true;
            Ok(fill(&mut filling.buffer))
        })
    }

    /// GATE-SWAP. The buffers change places, and the mark goes, under one hold of the lock.
    fn take<B>(gate: &Monitor<Filling<B>, Self>, empty: B) -> Option<B> {
        let mut empty = Some(empty);
        gate.wait(|filling| {
            if filling.filled {
                filling.filled = false;
                let empty = empty.take().expect("the search ends here");
                Some(Some(std::mem::replace(&mut filling.buffer, empty)))
            } else if filling.closed {
                Some(None)
            } else {
                None
            }
        })
    }
}

impl Rules for Sound {}

/// What is under the gate's lock.
#[derive(Debug)]
pub struct Filling<B> {
    /// The buffer that is being filled.
    pub buffer: B,
    /// Whether anything was filled since it was put here.
    pub filled: bool,
    /// Whether nothing more may be.
    pub closed: bool,
}

/// Nothing can be filled any more, or there is nobody who would take it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the disk thread takes nothing any more: the node is stopping")]
pub struct Closed;

/// A handle of a gate. Clones are handles of the same one.
pub struct Gate<B, R = Sound>(Arc<Monitor<Filling<B>, R>>);

impl<B> Gate<B> {
    /// A gate whose first buffer is `empty`.
    pub fn new(empty: B) -> Self {
        Self::with_rules(empty)
    }
}

impl<B, R: Rules> Gate<B, R> {
    /// For tests: a gate by other rules.
    pub fn with_rules(empty: B) -> Self {
        Self(Arc::new(Monitor::new(Filling { buffer: empty, filled: false, closed: false })))
    }

    /// Lets `fill` put something into the buffer, and wakes the disk thread. It runs under the lock: it
    /// takes no lock, waits for nothing, and if it panics, everybody at the gate does. Whatever it did
    /// counts as filled, so the disk thread may also find that there is nothing in a buffer.
    ///
    /// # Errors
    /// If the gate is closed; `fill` was not called.
    pub fn fill<X>(&self, fill: impl FnOnce(&mut B) -> X) -> Result<X, Closed> {
        R::fill(&self.0, fill)
    }

    /// Waits until something was filled, leaves `empty` there and takes what was. One thread takes.
    /// None once the gate is closed and all was taken.
    pub fn take(&self, empty: B) -> Option<B> {
        R::take(&self.0, empty)
    }

    /// Lets nothing in any more; from either side. What was filled can be taken.
    pub fn close(&self) {
        self.0.change(|filling| filling.closed = true);
    }
}

impl<B, R> Clone for Gate<B, R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B, R> fmt::Debug for Gate<B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}
