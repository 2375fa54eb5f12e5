//! How much a store has, kept up with every change, so that nobody has to count it.

use super::{Bytes, Item, Reply};
use core::hash::{Hash, Hasher};

/// What lies around a key and its value, in bytes, as measured with a million keys in random order: their entry, the
/// room that a page has left, two counters each, and what the allocator adds.
pub const KEY_BYTES: usize = 140;
/// The same around a deadline; it shares the key's bytes.
pub const DEADLINE_BYTES: usize = 35;
/// The same around a client in one slot, with the first page of its replies.
pub const CLIENT_BYTES: usize = 140;
/// The same around a reply that is kept.
pub const REPLY_BYTES: usize = 65;

/// The sums over all slots.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Totals {
    /// Items, due or not.
    pub keys: usize,
    /// See [`super::Store::memory_bytes`].
    pub bytes: usize,
}

/// Nothing is hashed: equal slots have equal totals.
impl Hash for Totals {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

fn item_bytes(key: &Bytes, item: &Item) -> usize {
    let deadline = item.deadline.map_or(0, |_| DEADLINE_BYTES);
    key.as_ref().len() + item.value.as_ref().len() + KEY_BYTES + deadline
}

impl Totals {
    pub(super) const fn new() -> Self {
        Self { keys: 0, bytes: 0 }
    }

    pub(super) fn item_comes(&mut self, key: &Bytes, item: &Item) {
        self.keys += 1;
        self.bytes += item_bytes(key, item);
    }

    pub(super) fn item_goes(&mut self, key: &Bytes, item: &Item) {
        self.keys -= 1;
        self.bytes -= item_bytes(key, item);
    }

    pub(super) const fn session_comes(&mut self) {
        self.bytes += CLIENT_BYTES;
    }

    pub(super) const fn session_goes(&mut self) {
        self.bytes -= CLIENT_BYTES;
    }

    pub(super) fn reply_comes(&mut self, reply: &Reply) {
        self.bytes += REPLY_BYTES + reply.len();
    }

    pub(super) fn reply_goes(&mut self, reply: &Reply) {
        self.bytes -= REPLY_BYTES + reply.len();
    }
}
