//! Several operations as one: MULTI … EXEC with WATCH, and the commands with many keys.
//!
//! MGET, MSET, DEL, EXISTS and TOUCH of many keys are a transaction of one operation for each; who asks puts
//! the replies together. One log entry, one slot, one record.

use super::edit::Edit;
use super::{Bytes, Command, Fault, Once, Op, Reply, Rules, SlotId, Stamp, Store, Version};
use alloc::vec::Vec;
use core::fmt;

/// Operations that are executed together, or not at all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Transaction {
    /// The versions that these keys must have, 0 for a key that is not there.
    pub watched: Vec<(Bytes, Version)>,
    /// What is done, in order. As in Redis, one that faults does not hold up the others.
    pub ops: Vec<(Bytes, Op)>,
    /// Whose it is and which of theirs, if it must not be executed twice.
    pub once: Option<Once>,
}

/// What an entry of the log does to the store.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Work {
    /// One operation.
    Command(Command),
    /// Several.
    Transaction(Transaction),
    /// The clock goes on, and what is due is taken out.
    Tick,
    /// FLUSHALL and FLUSHDB: all keys go.
    Flush,
}

impl Transaction {
    /// The slot of all its keys: None if there is no key.
    ///
    /// # Errors
    /// [`Fault::CrossSlot`] if there is more than one.
    pub fn slot(&self) -> Result<Option<SlotId>, Fault> {
        let ops = self.ops.iter().flat_map(|(key, op)| op.others().chain([key]));
        let mut slots = self.watched.iter().map(|(key, _)| key).chain(ops).map(Bytes::slot);
        let first = slots.next();
        if slots.all(|slot| Some(slot) == first) { Ok(first) } else { Err(Fault::CrossSlot) }
    }

    /// Whether it can change anything.
    pub fn writes(&self) -> bool {
        self.ops.iter().any(|(_, op)| op.writes())
    }
}

impl<R: Rules> Store<R> {
    /// Applies what an entry of the log does.
    pub fn work(&mut self, stamp: Stamp, work: &Work) -> Reply {
        match work {
            Work::Command(command) => self.apply(stamp, command),
            Work::Transaction(transaction) => self.transact(stamp, transaction),
            Work::Tick => {
                self.tick(stamp);
                Reply::Ok
            }
            Work::Flush => {
                self.flush(stamp);
                Reply::Ok
            }
        }
    }

    /// Applies a transaction: a reply for each operation, or [`Reply::WatchFailed`], and then nothing was done.
    pub fn transact(&mut self, stamp: Stamp, transaction: &Transaction) -> Reply {
        let Transaction { watched, ops, once } = transaction;
        let slot = match transaction.slot() {
            Ok(Some(slot)) => slot,
            // Neither reaches a slot, but the clock goes on: every entry's stamp counts.
            Ok(None) => {
                self.clock = self.clock.max(stamp);
                return Reply::Many(Vec::new());
            }
            Err(fault) => {
                self.clock = self.clock.max(stamp);
                return Reply::Fault(fault);
            }
        };
        let rules = self.rules;
        let once = once.filter(|_| ops.iter().any(|(_, op)| op.writes() && rules.records(op)));
        self.execute(stamp, slot, once, || transaction.print(), |edit| edit.transact(watched, ops))
    }

    /// The reply to a transaction that only reads, without a place in the log; None if it may write.
    pub fn read_all(&self, transaction: &Transaction) -> Option<Reply> {
        if transaction.writes() {
            return None;
        }
        let slot = match transaction.slot() {
            Ok(slot) => slot.unwrap_or_default(),
            Err(fault) => return Some(Reply::Fault(fault)),
        };
        let view = self.view(slot);
        let version = |key: &Bytes| view.item(key).map_or(0, |item| item.version);
        if transaction.watched.iter().any(|(key, seen)| version(key) != *seen) {
            return Some(Reply::WatchFailed);
        }
        let replies = transaction.ops.iter().map(|(key, op)| view.read(key, op));
        replies.collect::<Option<Vec<Reply>>>().map(Reply::Many)
    }
}

impl<R: Rules> Edit<'_, R> {
    fn transact(&mut self, watched: &[(Bytes, Version)], ops: &[(Bytes, Op)]) -> Reply {
        if watched.iter().any(|(key, seen)| self.version(key) != *seen) {
            return Reply::WatchFailed;
        }
        Reply::Many(ops.iter().map(|(key, op)| self.apply(key, op)).collect())
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { watched, ops, once } = self;
        f.write_str("{")?;
        for (key, version) in watched {
            write!(f, " if {key:?} is version {version};")?;
        }
        for (key, op) in ops {
            write!(f, " {key:?} {op:?};")?;
        }
        f.write_str(" }")?;
        once.map_or(Ok(()), |once| write!(f, " {once:?}"))
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => write!(f, "{command:?}"),
            Self::Transaction(transaction) => write!(f, "{transaction:?}"),
            Self::Tick => f.write_str("Tick"),
            Self::Flush => f.write_str("Flush"),
        }
    }
}
