//! The store as its users think of it, in a few lines of its own.
//!
//! A key has a value and a version, or is not there. A write gives it the next version; a key that was not there gets
//! version 1, if nothing was ever deleted. A deletion leaves its version behind as a floor under all new keys of its
//! *slot*, so in a history with deletions a new key gets some version above its own last one, and nobody outside can
//! say which. The model knows a version as a range, which the first reply that shows it narrows to one number.
//!
//! A Put, Delete or Cas that does not find what it expects changes nothing, and its reply must be true at
//! that moment: VersionMismatch (lab: ErrVersion) only over another version, NoKey only where no key is. What ended
//! in Maybe (lab: ErrMaybe) may have been executed, or may yet be, or not.
//!
//! Left out: expiry, flushing, and Redis' other commands. The store is empty when the history begins.

pub mod file;
mod object;
mod op;
mod part;
mod trie;

pub use object::{Cell, State, Value};
pub use op::{Bytes, Op, Ret};
pub use part::Part;

use crate::check::{Budget, Report};
use crate::model::{Asked, Model, Steps};
use crate::{history, recorder};

/// A history of the store.
pub type History = history::History<Op, Ret>;

/// What a client of the store was told.
pub type Told = history::Told<Ret>;

/// Takes a history of the store down from threads.
pub type Recorder = recorder::Recorder<Op, Ret>;

/// The store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kv {
    /// Whether something may have been deleted: then a new key's version is only known to be above its last.
    pub deletes: bool,
}

impl Kv {
    /// The store of this history.
    pub fn of(history: &History) -> Self {
        let deletes = history.operations().iter().any(|operation| operation.op.deletes());
        Self { deletes }
    }
}

/// Judges a history of the store.
pub fn check(history: &History, budget: Budget) -> Report {
    crate::check(&Kv::of(history), history, budget)
}

impl Model for Kv {
    type Op = Op;
    type Ret = Ret;
    type Key = Bytes;
    type Object = Part;

    fn keys(&self, op: &Op) -> Vec<Bytes> {
        op.singles().filter_map(|single| single.key().cloned()).collect()
    }

    fn writes(&self, op: &Op) -> bool {
        op.singles().any(|single| !matches!(single, Op::Get { .. }))
    }

    fn part(&self, operations: &[Asked<'_, Op, Ret>]) -> (Part, Steps<Self>) {
        part::prepare(*self, operations)
    }
}
