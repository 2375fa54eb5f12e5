//! The bytes of a group's commands.

use crate::wal::Bytes;
use protocol::{Index, Write};
use std::collections::VecDeque;

/// A log's commands by their indices, none where a no-op is or replay has met no command.
///
/// A snapshot forgets as many as were written since the one before it. To free them takes longer than all else that the
/// log's thread does for a write, so they only count as gone then, and go a few at a time ([`Bodies::free`]), but more
/// than come.
#[derive(Clone, Debug, Default)]
pub struct Bodies {
    queue: VecDeque<Option<Bytes>>,
    /// How many in front are forgotten.
    gone: usize,
    /// The index in front of the first that is not.
    base: Index,
}

impl Bodies {
    /// Forgets what a write overwrites or covers. What it appends is not here yet.
    pub fn follow(&mut self, write: &Write) {
        match *write {
            Write::HardState(_) => {}
            Write::Append { first, .. } => self.queue.truncate(self.position(first)),
            Write::Snapshot { id, keep } => {
                let next = self.position(id.last.index + 1);
                self.gone = if keep { next } else { self.queue.len() };
                self.base = id.last.index;
            }
        }
    }

    /// Adds the next.
    pub fn push(&mut self, bytes: Option<Bytes>) {
        self.queue.push_back(bytes);
    }

    /// The bytes of a command that is not forgotten.
    pub fn get(&self, index: Index) -> Option<&Bytes> {
        self.queue.get(self.position(index))?.as_ref()
    }

    /// Whether no command's bytes are here.
    pub fn are_empty(&self) -> bool {
        self.queue.range(self.gone..).all(Option::is_none)
    }

    /// Frees up to `most` that are forgotten.
    pub fn free(&mut self, most: usize) {
        let now = self.gone.min(most);
        drop(self.queue.drain(..now));
        self.gone -= now;
    }

    /// How many are forgotten and not freed.
    pub const fn gone(&self) -> usize {
        self.gone
    }

    /// Where an index behind the base is.
    fn position(&self, index: Index) -> usize {
        let behind = index.checked_sub(self.base + 1).expect("it is not forgotten");
        self.gone.saturating_add(usize::try_from(behind).unwrap_or(usize::MAX))
    }
}
