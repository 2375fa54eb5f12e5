//! The small words that every machine uses.

use core::fmt;

/// A logical period with at most one leader (Raft §5.1). 0 is before the first election.
pub type Term = u64;

/// A position in the log. The first entry has index 1; 0 is before the log.
pub type Index = u64;

/// A server's number within its group, `0..=31`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct NodeId(pub u8);

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// An entry's identity: no two different entries share one (Log Matching, Raft Figure 3).
///
/// The order is the election restriction's order (§5.4.1): a later term wins, then a greater index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LogId {
    /// Term of the leader that created the entry.
    pub term: Term,
    /// Position in the log.
    pub index: Index,
}

impl LogId {
    /// The position before the first entry.
    pub const ZERO: Self = Self { term: 0, index: 0 };

    /// An entry's identity from its term and index.
    pub const fn new(term: Term, index: Index) -> Self {
        Self { term, index }
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.term, self.index)
    }
}

/// What a snapshot covers: everything up to and including `last`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SnapshotId {
    /// The last entry that the snapshot covers (the paper's lastIncludedIndex and lastIncludedTerm).
    pub last: LogId,
    /// How many leaders' runs begin at or before `last`. Every run begins with a no-op, so a service
    /// that counts commands only (the labs' index) subtracts this number.
    pub runs: u64,
}

impl fmt::Debug for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[..{:?}]", self.last)
    }
}

/// What a server must remember besides its log (Raft Figure 2, "persistent state"): one write, never two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HardState {
    /// The latest term the server has seen.
    pub term: Term,
    /// The candidate that got this server's vote in `term`.
    pub vote: Option<NodeId>,
}

impl fmt::Debug for HardState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vote {
            Some(vote) => write!(f, "t{} vote {vote:?}", self.term),
            None => write!(f, "t{} no vote", self.term),
        }
    }
}

/// A linearizable read, named by the server that asks. The number is never used again by that server:
/// not for a retry, not in another term, not after a restart (its driver puts a boot number into it).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReadId(pub u64);

impl fmt::Debug for ReadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read {}", self.0)
    }
}

/// A change of durable state. Writes reach the disk in the order in which they were asked for, each
/// one wholly or not at all; what was not finished before a crash is forgotten from some point on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Write {
    /// Replaces the hard state.
    HardState(HardState),
    /// Drops every entry from `first` on and puts `count` entries of `term` there.
    Append {
        /// Index of the first new entry.
        first: Index,
        /// Term of all the new entries.
        term: Term,
        /// How many.
        count: u32,
    },
    /// Makes a snapshot, whose file is already durable, the one to boot from. The entries it covers go.
    Snapshot {
        /// What the snapshot covers.
        id: SnapshotId,
        /// Whether the entries behind `id.last` stay. They go with the rest when the log does not have that
        /// very entry: then they followed another one.
        keep: bool,
    },
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::HardState(hard) => write!(f, "{hard:?}"),
            Self::Append { first, term, count: 1 } => write!(f, "entry {term}.{first}"),
            Self::Append { first, term, count } => {
                write!(f, "entries {term}.{first}..={}", first + u64::from(count) - 1)
            }
            Self::Snapshot { id, keep: true } => write!(f, "snapshot {id:?}"),
            Self::Snapshot { id, keep: false } => write!(f, "snapshot {id:?}, log cleared"),
        }
    }
}
