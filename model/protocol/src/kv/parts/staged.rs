//! The taker's side: part upon part.

use super::{Part, SlotCopy, Sum};
use crate::kv::{SlotId, Stamp};
use core::fmt;

/// What has come of a slot that is not whole yet.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Staged {
    /// The stream of the parts that were taken in.
    stream: u64,
    /// The index of the part that comes next.
    next: u64,
    copy: SlotCopy,
}

impl Staged {
    /// Of a slot of which nothing has come.
    pub fn new(id: SlotId) -> Self {
        Self { stream: 0, next: 0, copy: SlotCopy::empty(id) }
    }

    /// The stream of the parts that were taken in, and the index of the next one.
    pub const fn position(&self) -> (u64, u64) {
        (self.stream, self.next)
    }

    /// About how many bytes of memory it takes.
    pub const fn memory_bytes(&self) -> usize {
        self.copy.memory_bytes()
    }

    /// As it was read. It has no clock of its own yet.
    pub(crate) fn read((stream, next): (u64, u64), copy: SlotCopy) -> Self {
        Self { stream, next, copy: SlotCopy { clock: 0, ..copy } }
    }

    /// What has come, and a clock at which a store could have it.
    pub(crate) fn copy(&self) -> (&SlotCopy, Stamp) {
        (&self.copy, self.copy.slot.records.last_use())
    }

    /// Whether a part is the next one at a position: that of the stream, or the first of a later one.
    pub const fn is_next((stream, next): (u64, u64), part: (u64, u64)) -> bool {
        let (of, index) = part;
        if of > stream { index == 0 } else { of == stream && index == next }
    }

    /// Takes a part in. The first of a later stream begins anew.
    pub fn take(&mut self, part: &Part) {
        if part.stream > self.stream {
            *self = Self { stream: part.stream, ..Self::new(self.copy.id) };
        }
        self.copy.take_in(&part.changes);
        self.next = part.index + 1;
    }

    /// Whether what has come is all of a slot that was sent in so many parts of a stream. A slot without keys and
    /// clients has no parts, in whatever stream.
    pub fn is_whole(&self, position: (u64, u64), sum: &Sum) -> bool {
        let mine = self.copy.sum();
        let at = self.position() == position || (position.1 == 0 && self.next == 0);
        let same = (mine.keys, mine.clients, mine.print) == (sum.keys, sum.clients, sum.print);
        at && same && self.copy.slot.records.last_use() <= sum.clock
    }

    /// The slot, with the floors and the clock that belong to it.
    pub fn finish(self, sum: &Sum) -> SlotCopy {
        let mut copy = self.copy;
        (copy.clock, copy.slot.floor) = (sum.clock, sum.floor);
        copy.slot.records.set_floor(sum.client_floor);
        copy
    }
}

impl fmt::Debug for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} {:?}", self.stream, self.next, self.copy)
    }
}
