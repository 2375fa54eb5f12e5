//! Which term each entry of a log has: all that Raft's rules need to know of a log.
//!
//! A log is a short list of *runs*, one for each leader that got entries into it. Every question that
//! the protocol asks (the term at an index, the last entry, where two logs part) is answered from the
//! runs, so a message or an effect never carries an entry and is `Copy`, and stepping back over a
//! conflict skips a whole term at once (the labs' XTerm, XIndex and XLen).

use crate::types::{Index, LogId, SnapshotId, Term, Write};
use alloc::vec::Vec;
use core::fmt;

/// A stretch of entries of one term.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Run {
    first: Index,
    term: Term,
}

/// The terms of a log whose entries up to `snapshot.last` are compacted away.
///
/// Invariants, asserted by every mutator:
/// - runs have rising first indices and rising terms, none is empty;
/// - the first run begins right behind the snapshot, in the snapshot's last term or a later one;
/// - `last` is at or behind the snapshot's last index.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Written"))]
pub struct Terms {
    snapshot: SnapshotId,
    runs: Vec<Run>,
    last: Index,
}

/// What another program has written down as [`Terms`]: they are that only if the invariants hold.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
#[serde(rename = "Terms")]
struct Written {
    snapshot: SnapshotId,
    runs: Vec<Run>,
    last: Index,
}

#[cfg(feature = "serde")]
impl TryFrom<Written> for Terms {
    type Error = &'static str;

    fn try_from(Written { snapshot, runs, last }: Written) -> Result<Self, Self::Error> {
        let terms = Self { snapshot, runs, last };
        if terms.is_sound() { Ok(terms) } else { Err("these terms are no log's") }
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self::new()
    }
}

impl Terms {
    /// An empty log.
    pub const fn new() -> Self {
        Self { snapshot: SnapshotId { last: LogId::ZERO, runs: 0 }, runs: Vec::new(), last: 0 }
    }

    /// What the snapshot in front of the log covers; all zeros if there is none.
    pub const fn snapshot(&self) -> SnapshotId {
        self.snapshot
    }

    /// The entry that the log starts behind.
    pub const fn base(&self) -> LogId {
        self.snapshot.last
    }

    /// The last entry, or the snapshot's last if no entry follows.
    pub fn last(&self) -> LogId {
        match self.runs.last() {
            Some(run) => LogId::new(run.term, self.last),
            None => self.snapshot.last,
        }
    }

    /// The term at `index`; none in front of the base or behind the last entry.
    pub fn term_at(&self, index: Index) -> Option<Term> {
        if index == self.base().index {
            return Some(self.base().term);
        }
        self.run_at(index).map(|run| self.runs[run].term)
    }

    /// The identity of the entry at `index`; none where [`Terms::term_at`] has none.
    pub fn id_at(&self, index: Index) -> Option<LogId> {
        self.term_at(index).map(|term| LogId { term, index })
    }

    /// Whether the log (or its base) has exactly this entry.
    pub fn contains(&self, id: LogId) -> bool {
        self.term_at(id.index) == Some(id.term)
    }

    /// The last index of the run to which the entry at `index` belongs.
    pub fn run_end(&self, index: Index) -> Option<Index> {
        let run = self.run_at(index)?;
        Some(self.runs.get(run + 1).map_or(self.last, |next| next.first - 1))
    }

    /// The last entry at or in front of `id.index` whose term is at most `id.term`; the base if there
    /// is none behind it. An entry between the two cannot be in a log that has `id`: terms only rise.
    pub fn floor(&self, id: LogId) -> LogId {
        for run in (0..self.runs.len()).rev() {
            let Run { first, term } = self.runs[run];
            let end = self.runs.get(run + 1).map_or(self.last, |next| next.first - 1);
            if first <= id.index && term <= id.term {
                return LogId { term, index: end.min(id.index) };
            }
        }
        self.base()
    }

    /// How many runs begin at or in front of `index`, which is at or behind the base; compacted ones are
    /// included. An index less this
    /// number is the labs' index, which counts no no-ops.
    pub fn runs_through(&self, index: Index) -> u64 {
        let starts =
            self.runs.iter().filter(|run| run.first <= index && run.term > self.base().term);
        self.snapshot.runs + starts.count() as u64
    }

    /// The index of the command with this number among all commands, from 1 on: the labs' index, which counts no
    /// no-ops. None if it is not behind the base and at or in front of `through`.
    pub fn index_of_command(&self, number: u64, through: Index) -> Option<Index> {
        let (mut low, mut high) = (self.base().index, through.min(self.last));
        // Through each index there is one command more than through the one before, or one run more.
        while low < high {
            let middle = low + (high - low) / 2;
            if middle - self.runs_through(middle) < number {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let found = low > self.base().index && low - self.runs_through(low) == number;
        found.then_some(low)
    }

    /// What a snapshot of everything through `index` would cover; none if the log does not have `index`.
    pub fn snapshot_at(&self, index: Index) -> Option<SnapshotId> {
        Some(SnapshotId { last: self.id_at(index)?, runs: self.runs_through(index) })
    }

    /// Follows a write, by the one rule that memory, disk and recovery share. The hard state is not here.
    pub fn follow(&mut self, write: &Write) {
        match *write {
            Write::HardState(_) => {}
            Write::Append { first, term, count } => {
                self.truncate(first);
                self.append(term, count);
            }
            Write::Snapshot { id, keep } => self.install(id, keep),
        }
        self.assert_invariants();
    }

    /// Drops the entries from `first` on.
    fn truncate(&mut self, first: Index) {
        assert!(first > self.base().index, "compacted entries are committed and never truncated");
        assert!(first <= self.last + 1, "a write leaves no gap behind the last entry");
        self.last = first - 1;
        while self.runs.last().is_some_and(|run| run.first > self.last) {
            self.runs.pop();
        }
    }

    fn append(&mut self, term: Term, count: u32) {
        if count == 0 {
            return;
        }
        assert!(term >= self.last().term, "terms in a log only rise");
        if self.runs.last().is_none_or(|run| run.term != term) {
            self.runs.push(Run { first: self.last + 1, term });
        }
        self.last += Index::from(count);
    }

    /// Puts a snapshot in front of the log; with `keep`, the entries behind its last one stay.
    fn install(&mut self, snapshot: SnapshotId, keep: bool) {
        let at = snapshot.last;
        assert!(at.index >= self.base().index, "a snapshot never goes back");
        if keep {
            assert!(at.index <= self.last, "entries stay only behind one that the log has");
        } else {
            self.runs.clear();
            self.last = at.index;
        }
        let next = at.index + 1;
        let covered = self.run_at(next).unwrap_or(self.runs.len());
        self.runs.drain(..covered);
        if let Some(run) = self.runs.first_mut() {
            run.first = next;
        }
        self.snapshot = snapshot;
    }

    /// Position of the run with the entry at `index`.
    fn run_at(&self, index: Index) -> Option<usize> {
        if index > self.last {
            return None;
        }
        self.runs.partition_point(|run| run.first <= index).checked_sub(1)
    }

    /// Whether the invariants hold, all of them, and there is room for one entry more.
    #[cfg(feature = "serde")]
    fn is_sound(&self) -> bool {
        let base = self.base();
        let rise = |pair: &[Run]| pair[0].first < pair[1].first && pair[0].term < pair[1].term;
        let begins = match self.runs.first() {
            Some(run) => run.first.checked_sub(1) == Some(base.index) && run.term >= base.term,
            None => self.last == base.index,
        };
        begins
            && self.runs.windows(2).all(rise)
            && self.runs.last().is_none_or(|run| run.first <= self.last)
            && self.snapshot.runs <= base.index
            && self.last < Index::MAX
    }

    fn assert_invariants(&self) {
        let base = self.base();
        assert!(self.last >= base.index, "the log ends at or behind its base");
        assert_eq!(self.runs.is_empty(), self.last == base.index, "entries and runs come together");
        if let Some(run) = self.runs.first() {
            assert_eq!(run.first, base.index + 1, "the first run begins right behind the base");
            assert!(run.term >= base.term, "terms rise from the base on");
        }
        if let [.., before, run] = self.runs.as_slice() {
            assert!(before.first < run.first && before.term < run.term, "runs rise");
            assert!(run.first <= self.last, "no run is empty");
        }
    }
}

/// Drawn as the paper draws logs: the term of each entry, behind the snapshot if there is one. Runs of
/// more than four entries are drawn as `term×count`.
impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.base() != LogId::ZERO {
            write!(f, "{:?}", self.snapshot)?;
        }
        f.write_str("|")?;
        for run in &self.runs {
            let count = self.run_end(run.first).map_or(0, |end| end + 1 - run.first);
            match count {
                0..=4 => (0..count).try_for_each(|_| write!(f, "{}|", run.term))?,
                _ => write!(f, "{}×{count}|", run.term)?,
            }
        }
        Ok(())
    }
}
