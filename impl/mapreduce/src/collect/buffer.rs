//! Pairs that are to be sorted: their bytes in an arena, and a slot of 16 bytes each that is what moves.

use std::cmp::Ordering;

use super::table::grow;
use crate::bytes::{Order, prefix, put_number, take_number};
use crate::groups::Pairs;
use crate::run::Step;

/// A pair: by what it is sorted, and where its bytes are.
#[derive(Clone, Copy, Debug)]
struct Slot {
    prefix: u64,
    partition: u32,
    at: u32,
}

/// Pairs by partition, key, and the order in which they came.
pub(crate) struct SortBuffer {
    arena: Vec<u8>,
    slots: Vec<Slot>,
    memory_bytes: usize,
}

const SLOT_BYTES: usize = size_of::<Slot>();

impl SortBuffer {
    pub fn new(memory_bytes: usize) -> Self {
        // Places have 32 bits, and a record may have 30.
        let memory_bytes = memory_bytes.min(2 << 30);
        Self { arena: Vec::new(), slots: Vec::new(), memory_bytes }
    }

    /// Takes a pair; false if there is no room for it.
    #[inline]
    pub fn push(&mut self, partition: u32, key: &[u8], value: &[u8]) -> bool {
        let need = key.len() + value.len() + 20;
        let arena_full = self.arena.len() + need > self.arena.capacity();
        let slots_full = self.slots.len() == self.slots.capacity();
        if (arena_full || slots_full) && !self.make_room(need) {
            return false;
        }
        self.append(partition, key, value);
        true
    }

    fn append(&mut self, partition: u32, key: &[u8], value: &[u8]) {
        let at = self.arena.len() as u32;
        put_number(key.len() as u64, &mut self.arena);
        put_number(value.len() as u64, &mut self.arena);
        self.arena.extend_from_slice(key);
        self.arena.extend_from_slice(value);
        self.slots.push(Slot { prefix: prefix(key), partition, at });
    }

    #[cold]
    fn make_room(&mut self, need: usize) -> bool {
        let room = |bytes: usize, slots: usize| bytes + slots * SLOT_BYTES <= self.memory_bytes;
        let more_slots =
            if self.slots.len() < self.slots.capacity() { 0 } else { self.slots.len() / 2 + 16 };
        let slots = self.slots.capacity() + more_slots;
        if !room(self.arena.len() + need, slots) {
            return false;
        }
        let arena_bound = self.memory_bytes - slots * SLOT_BYTES;
        grow(&mut self.arena, need, arena_bound);
        if !room(self.arena.capacity(), slots) {
            return false;
        }
        self.slots.reserve_exact(slots - self.slots.len());
        true
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Sorts, and hands out the pairs.
    pub fn sorted(&mut self, order: Order) -> Sorted<'_> {
        let arena = &self.arena;
        match order {
            Order::Bytes => self.slots.sort_unstable_by(|left, right| {
                let place = |slot: &Slot| (slot.partition, slot.prefix);
                place(left).cmp(&place(right)).then_with(|| ties(arena, left, right))
            }),
            Order::Descending | Order::By(_) => self.slots.sort_unstable_by(|left, right| {
                let (one, other) = (pair(arena, left.at).0, pair(arena, right.at).0);
                let keys = order.compare((left.prefix, one), (right.prefix, other));
                left.partition.cmp(&right.partition).then(keys).then(left.at.cmp(&right.at))
            }),
        }
        Sorted { arena, slots: &self.slots, at: 0 }
    }

    pub fn clear(&mut self) {
        self.arena.clear();
        self.slots.clear();
    }
}

/// Keys with the same beginning; of equal ones, which came first.
fn ties(arena: &[u8], left: &Slot, right: &Slot) -> Ordering {
    let (one, other) = (pair(arena, left.at).0, pair(arena, right.at).0);
    one.cmp(other).then(left.at.cmp(&right.at))
}

/// The key and the value at a place. They were put there by [`SortBuffer::append`].
#[inline]
fn pair(arena: &[u8], at: u32) -> (&[u8], &[u8]) {
    let mut at = at as usize;
    let mut length = || take_number(arena, &mut at).unwrap_or(0) as usize;
    let (key, value) = (length(), length());
    let key_end = at + key;
    (&arena[at..key_end], &arena[key_end..key_end + value])
}

/// Sorted pairs, partition after partition.
pub(crate) struct Sorted<'a> {
    arena: &'a [u8],
    slots: &'a [Slot],
    at: usize,
}

impl<'a> Sorted<'a> {
    /// The partition that comes next, and its pairs.
    pub fn next_partition(&mut self) -> Option<(u32, Partition<'a>)> {
        let rest = &self.slots[self.at..];
        let partition = rest.first()?.partition;
        let count = rest.partition_point(|slot| slot.partition == partition);
        self.at += count;
        Some((partition, Partition { arena: self.arena, slots: &rest[..count], started: false }))
    }
}

/// The sorted pairs of a partition.
pub(crate) struct Partition<'a> {
    arena: &'a [u8],
    slots: &'a [Slot],
    started: bool,
}

impl<'a> Partition<'a> {
    /// All pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let arena = self.arena;
        self.slots.iter().map(move |slot| pair(arena, slot.at))
    }
}

impl Pairs for Partition<'_> {
    fn advance(&mut self) -> Step {
        if self.started && !self.slots.is_empty() {
            self.slots = &self.slots[1..];
        }
        self.started = true;
        if self.slots.is_empty() { Step::End } else { Step::Pair }
    }

    fn key(&self) -> &[u8] {
        pair(self.arena, self.slots[0].at).0
    }

    fn value(&self) -> &[u8] {
        pair(self.arena, self.slots[0].at).1
    }
}
