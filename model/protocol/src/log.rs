//! The commands beside the terms, and what a disk holds.
//!
//! [`Log`] follows the same [`Write`]s as [`Terms`], so a server's memory, the model's disk and the
//! recovery of a real one all change by one rule, and the model checks that the two lists stay paired.

use crate::terms::Terms;
use crate::types::{HardState, Index, SnapshotId, Write};
use alloc::collections::VecDeque;
use core::fmt;

/// What one log position carries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Entry<C> {
    /// The first entry of every leader's run: it lets the leader commit what it inherited (§5.4.2, §8).
    NoOp,
    /// A client's command.
    Command(C),
}

impl<C: fmt::Debug> fmt::Debug for Entry<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOp => f.write_str("∅"),
            Self::Command(command) => command.fmt(f),
        }
    }
}

/// The entries behind the log's snapshot. Their terms are in [`Terms`].
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Log<C> {
    base: Index,
    entries: VecDeque<Entry<C>>,
}

impl<C> Default for Log<C> {
    fn default() -> Self {
        Self { base: 0, entries: VecDeque::new() }
    }
}

impl<C: Clone> Log<C> {
    /// The index of the last entry; the snapshot's if there is none.
    pub fn last(&self) -> Index {
        self.base + self.entries.len() as Index
    }

    /// The entry at `index`, unless it is compacted away or not there yet.
    pub fn get(&self, index: Index) -> Option<&Entry<C>> {
        let position = index.checked_sub(self.base + 1)?;
        self.entries.get(usize::try_from(position).ok()?)
    }

    /// The `count` entries from `first` on.
    ///
    /// # Panics
    /// If the log does not have them all.
    pub fn range(&self, first: Index, count: u32) -> impl Iterator<Item = &Entry<C>> {
        let start =
            first.checked_sub(self.base + 1).expect("the range is not compacted away") as usize;
        self.entries.range(start..start + count as usize)
    }

    /// The log with every command changed by `change`.
    pub fn mapped(&self, change: impl Fn(&C) -> C) -> Self {
        let entries = self.entries.iter().map(|entry| match entry {
            Entry::NoOp => Entry::NoOp,
            Entry::Command(command) => Entry::Command(change(command)),
        });
        Self { base: self.base, entries: entries.collect() }
    }

    /// Follows a write whose entries, if it has any, are `entries`.
    pub fn follow(&mut self, write: &Write, entries: impl Iterator<Item = Entry<C>>) {
        match *write {
            Write::HardState(_) => {}
            Write::Append { first, count, .. } => {
                assert!(first > self.base && first <= self.last() + 1, "a write leaves no gap");
                self.entries.truncate((first - self.base - 1) as usize);
                self.entries.extend(entries.take(count as usize));
                assert_eq!(
                    self.last(),
                    first + Index::from(count) - 1,
                    "every index has its entry"
                );
            }
            Write::Snapshot { id, keep } => {
                let covered =
                    if keep { (id.last.index - self.base) as usize } else { self.entries.len() };
                self.entries.drain(..covered);
                self.base = id.last.index;
            }
        }
    }
}

impl<C: fmt::Debug> fmt::Debug for Log<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("|")?;
        self.entries.iter().try_for_each(|entry| write!(f, "{entry:?}|"))
    }
}

/// What survives a crash: the hard state, the log's terms and its commands. A server starts from it.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Durable<C> {
    /// Term and vote.
    pub hard: HardState,
    /// The terms of the log and what its snapshot covers.
    pub terms: Terms,
    /// The commands of the log.
    pub log: Log<C>,
}

impl<C> Default for Durable<C> {
    fn default() -> Self {
        Self { hard: HardState::default(), terms: Terms::new(), log: Log::default() }
    }
}

impl<C: Clone> Durable<C> {
    /// Carries out one write, whole.
    pub fn apply(&mut self, write: &Write, entries: impl Iterator<Item = Entry<C>>) {
        if let Write::HardState(hard) = *write {
            self.hard = hard;
        }
        self.terms.follow(write);
        self.log.follow(write, entries);
    }

    /// What the snapshot covers; all zeros if there is none.
    pub const fn snapshot(&self) -> SnapshotId {
        self.terms.snapshot()
    }
}

impl<C: fmt::Debug> fmt::Debug for Durable<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {:?}", self.hard, self.terms, self.log)
    }
}
