//! Sums by key: a hash table over an arena.
//!
//! An entry is 24 bytes and holds the first eight bytes of its key, so most words are found without a second look into
//! memory. Keys lie behind one another in one piece of memory: no allocation a key, and none at all a record.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::bytes::{Order, prefix};

/// The sum of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    prefix: u64,
    pub sum: i64,
    at: u32,
    length: u32,
}

/// What became of an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    Yes,
    /// There is no room: write the table out.
    Full,
    /// The sum would need more than 64 bits.
    Overflow,
}

pub(super) struct SumTable {
    table: HashTable<Sum>,
    /// Differs from run to run, so nobody can choose keys that meet in one place. What is written is sorted.
    hasher: RandomState,
    arena: Vec<u8>,
    memory_bytes: usize,
}

fn hash(hasher: &RandomState, key: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(key);
    hasher.finish()
}

/// The bytes of an entry, its control byte included, at a load of 7/8; and those of the list that is sorted.
const ENTRY_BYTES: usize = 29 + 32;

impl SumTable {
    pub fn new(memory_bytes: usize) -> Self {
        // Places in the arena have 32 bits, and a key may have 30.
        let memory_bytes = memory_bytes.min(2 << 30);
        let (table, arena) = (HashTable::new(), Vec::new());
        Self { table, hasher: RandomState::default(), arena, memory_bytes }
    }

    #[inline]
    pub fn add(&mut self, key: &[u8], amount: i64) -> Added {
        let (first, length) = (prefix(key), key.len() as u32);
        let hash = hash(&self.hasher, key);
        let arena = &self.arena;
        let found = self.table.find_mut(hash, |sum| {
            sum.prefix == first
                && sum.length == length
                && (length <= 8 || arena[sum.at as usize..][8..length as usize] == key[8..])
        });
        if let Some(sum) = found {
            return match sum.sum.checked_add(amount) {
                Some(more) => {
                    sum.sum = more;
                    Added::Yes
                }
                None => Added::Overflow,
            };
        }
        if self.is_full(key.len()) {
            return Added::Full;
        }
        self.insert(hash, key, amount);
        Added::Yes
    }

    /// Adds a key that the table has not, when it was just emptied: one key must fit, however large.
    pub fn add_at_any_size(&mut self, key: &[u8], amount: i64) {
        let hash = hash(&self.hasher, key);
        self.insert(hash, key, amount);
    }

    #[cold]
    fn is_full(&self, more: usize) -> bool {
        let arena = self.arena.len() + more;
        // While it grows, the old table is there too.
        let (entries, room) = (self.table.len(), self.table.capacity());
        let table = if entries == room { 3 * room.max(4) } else { room };
        entries > 0 && arena + table * ENTRY_BYTES > self.memory_bytes
    }

    fn insert(&mut self, hash_of_key: u64, key: &[u8], amount: i64) {
        grow(&mut self.arena, key.len(), self.memory_bytes);
        let at = self.arena.len() as u32;
        self.arena.extend_from_slice(key);
        let sum = Sum { prefix: prefix(key), sum: amount, at, length: key.len() as u32 };
        let (hasher, arena) = (&self.hasher, &self.arena);
        self.table.insert_unique(hash_of_key, sum, |sum| {
            hash(hasher, &arena[sum.at as usize..][..sum.length as usize])
        });
    }

    pub fn key(&self, sum: &Sum) -> &[u8] {
        &self.arena[sum.at as usize..][..sum.length as usize]
    }

    /// All sums, by partition, in the order of their keys.
    pub fn sorted(&self, order: Order, partition: impl Fn(&[u8]) -> u32) -> Vec<(u32, Sum)> {
        let sums = self.table.iter().map(|sum| (partition(self.key(sum)), *sum));
        let mut sorted: Vec<_> = sums.collect();
        sorted.sort_unstable_by(|left, right| {
            let key = |sum: &Sum| (sum.prefix, self.key(sum));
            left.0.cmp(&right.0).then_with(|| {
                let (one, other) = (key(&left.1), key(&right.1));
                order.compare((one.0, one.1), (other.0, other.1))
            })
        });
        sorted
    }

    pub fn clear(&mut self) {
        self.table.clear();
        self.arena.clear();
    }
}

/// Makes room for `more` bytes, in steps that leave little unused and never go beyond what the bound allows for long.
pub(super) fn grow(arena: &mut Vec<u8>, more: usize, memory_bytes: usize) {
    let need = arena.len() + more;
    if need > arena.capacity() {
        let step = (arena.capacity() / 2).clamp(1 << 10, 32 << 20);
        let room = (arena.capacity() + step).min(memory_bytes).max(need);
        arena.reserve_exact(room - arena.len());
    }
}
