//! How much a store has, kept up with every change, so that nobody has to count it; and a fingerprint of what it has,
//! so that two stores can be compared without looking at all of them. It is a sum over what is there, so it hangs on
//! the content alone and not on the way to it.

use super::records::Seq;
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

/// The sums over a slot, or over all slots.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Totals {
    /// Items, due or not.
    pub keys: usize,
    /// Those that have a deadline.
    pub deadlines: usize,
    /// See [`super::Store::memory_bytes`].
    pub bytes: usize,
    /// See [`super::Store::print`].
    pub print: u64,
}

/// Nothing is hashed: equal slots have equal totals.
impl Hash for Totals {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

fn item_bytes(key: &Bytes, item: &Item) -> usize {
    let deadline = item.deadline.map_or(0, |_| DEADLINE_BYTES);
    key.as_ref().len() + item.value.as_ref().len() + KEY_BYTES + deadline
}

/// Stirs a number: each bit of it hangs on each bit that went in.
const fn stir(number: u64) -> u64 {
    let mixed = (number ^ (number >> 32)).wrapping_mul(0x9fb2_1c65_1e98_df25);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

/// Both halves of the product: in the lower one alone, a word's last bit touches one bit, which a bit of the next word
/// can undo.
const fn step(print: u64, word: u64) -> u64 {
    let product = (print ^ word) as u128 * 0x9e37_79b9_7f4a_7c15;
    product as u64 ^ (product >> 64) as u64
}

/// Four prints side by side, for one alone waits for itself: it matters with long values.
fn print_bytes(print: u64, bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut prints = [print, 1, 2, 3];
    for block in blocks {
        for (print, word) in prints.iter_mut().zip(block.as_chunks::<8>().0) {
            *print = step(*print, u64::from_le_bytes(*word));
        }
    }
    let mut print = if blocks.is_empty() { print } else { prints.into_iter().fold(0, step) };
    let (words, rest) = rest.as_chunks::<8>();
    print = words.iter().fold(print, |print, word| step(print, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    stir(step(print, u64::from_le_bytes(last)) ^ bytes.len() as u64)
}

fn item_print(key: &Bytes, item: &Item) -> u64 {
    let print = print_bytes(print_bytes(1, key.as_ref()), item.value.as_ref());
    let print = stir(print.wrapping_add(item.version));
    // 0 is no deadline, as in a snapshot.
    stir(print.wrapping_add(item.deadline.unwrap_or(0)))
}

/// Of a call that is recorded: its number, and the fingerprint of its command.
const fn record_print(seq: Seq, print: u64) -> u64 {
    stir(stir(seq.wrapping_add(1)).wrapping_add(print))
}

impl Totals {
    pub(super) const fn new() -> Self {
        Self { keys: 0, deadlines: 0, bytes: 0, print: 0 }
    }

    /// Of a slot, these were in the sum, and now those are.
    pub(super) const fn replace(&mut self, before: Self, after: Self) {
        self.keys = self.keys + after.keys - before.keys;
        self.deadlines = self.deadlines + after.deadlines - before.deadlines;
        self.bytes = self.bytes + after.bytes - before.bytes;
        self.print = self.print.wrapping_add(after.print).wrapping_sub(before.print);
    }

    pub(super) fn item_comes(&mut self, key: &Bytes, item: &Item) {
        self.keys += 1;
        self.deadlines += usize::from(item.deadline.is_some());
        self.bytes += item_bytes(key, item);
        self.print = self.print.wrapping_add(item_print(key, item));
    }

    pub(super) fn item_goes(&mut self, key: &Bytes, item: &Item) {
        self.keys -= 1;
        self.deadlines -= usize::from(item.deadline.is_some());
        self.bytes -= item_bytes(key, item);
        self.print = self.print.wrapping_sub(item_print(key, item));
    }

    pub(super) const fn session_comes(&mut self) {
        self.bytes += CLIENT_BYTES;
    }

    pub(super) const fn session_goes(&mut self) {
        self.bytes -= CLIENT_BYTES;
    }

    pub(super) fn reply_comes(&mut self, seq: Seq, print: u64, reply: &Reply) {
        self.bytes += REPLY_BYTES + reply.len();
        self.print = self.print.wrapping_add(record_print(seq, print));
    }

    pub(super) fn reply_goes(&mut self, seq: Seq, print: u64, reply: &Reply) {
        self.bytes -= REPLY_BYTES + reply.len();
        self.print = self.print.wrapping_sub(record_print(seq, print));
    }
}
