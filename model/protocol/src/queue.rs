//! The slow lane: one first-in first-out queue of a server's writes and of what waits behind them.
//!
//! A vote, an acknowledgement, a candidate's request: each tells another server something that must
//! still be true after a crash. It waits here behind every write that was asked for before it, and the
//! disk releases it. In the model the queue is part of a server's state and a crash forgets it; in the
//! runtime it is the group-commit queue: one sync releases whatever stood before it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Slot<T> {
    Write,
    Waits(T),
}

/// Writes that are not durable yet, and the things of type `T` that wait for them.
///
/// Invariant: the front of a non-empty queue is a write, for what has no write in front of it leaves.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Queue<T> {
    slots: VecDeque<Slot<T>>,
    writes: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { slots: VecDeque::new(), writes: 0 }
    }
}

impl<T: PartialEq> Queue<T> {
    /// Notes a write that was handed to the disk.
    pub fn write(&mut self) {
        self.slots.push_back(Slot::Write);
        self.writes += 1;
    }

    /// Puts something behind all the writes so far. With no write pending it leaves at once: it is
    /// given back. What already waits behind the same writes is not said twice.
    #[must_use]
    pub fn after(&mut self, waits: T) -> Option<T> {
        if self.writes == 0 {
            return Some(waits);
        }
        let waits = Slot::Waits(waits);
        let mut stretch = self.slots.iter().rev().take_while(|slot| **slot != Slot::Write);
        if !stretch.any(|slot| *slot == waits) {
            self.slots.push_back(waits);
        }
        None
    }

    /// How many writes are not durable yet.
    pub const fn writes(&self) -> usize {
        self.writes
    }

    /// The disk has finished the `count` oldest writes: what waited for them alone is appended to `out`.
    ///
    /// # Panics
    /// If fewer writes are pending.
    pub fn durable(&mut self, count: usize, out: &mut Vec<T>) {
        assert!(count <= self.writes, "the disk finishes only what was asked of it");
        self.writes -= count;
        let mut finished = 0;
        while let Some(slot) = self.slots.pop_front() {
            match slot {
                Slot::Waits(waits) => out.push(waits),
                Slot::Write if finished == count => {
                    self.slots.push_front(Slot::Write);
                    break;
                }
                Slot::Write => finished += 1,
            }
        }
    }

    /// The queue with everything that waits changed by `change`. Things that wait behind the same write
    /// leave in one step; `order` sorts them.
    pub fn mapped<K: Ord>(&self, change: impl Fn(&T) -> T, order: impl Fn(&T) -> K) -> Self {
        let mut slots: Vec<Slot<T>> = self
            .slots
            .iter()
            .map(|slot| match slot {
                Slot::Write => Slot::Write,
                Slot::Waits(waits) => Slot::Waits(change(waits)),
            })
            .collect();
        for stretch in slots.split_mut(|slot| matches!(slot, Slot::Write)) {
            stretch.sort_by_key(|slot| match slot {
                Slot::Write => None,
                Slot::Waits(waits) => Some(order(waits)),
            });
        }
        Self { slots: slots.into(), writes: self.writes }
    }
}

/// `#` is a write; what waits follows the write it waits for.
impl<T: fmt::Debug> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, slot) in self.slots.iter().enumerate() {
            let space = if position == 0 { "" } else { " " };
            match slot {
                Slot::Write => write!(f, "{space}#")?,
                Slot::Waits(waits) => write!(f, "{space}{waits:?}")?,
            }
        }
        Ok(())
    }
}
