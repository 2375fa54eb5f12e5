//! Several operations as one: MULTI … EXEC with WATCH, and the commands with many keys.
//!
//! MGET, MSET, DEL, EXISTS and TOUCH of many keys are a transaction of one operation for each; who asks puts
//! the replies together. One log entry, one slot, one record.

use super::edit::{Edit, View};
use super::{Bytes, Command, Fault, Once, Op, Reply, Rules, SlotId, Stamp, Store, Version};
use alloc::vec::Vec;
use core::fmt;

/// What was seen of a key that is watched. Whatever is done to the key changes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Seen {
    /// The key is there, at this version, and versions never come again.
    At(Version),
    /// The key is not there, and this is the floor under the versions of its slot. A key that comes and goes raises it.
    /// So does any other key that goes from the slot: then a transaction fails that need not.
    Missing {
        /// The floor.
        floor: Version,
    },
}

/// Operations that are executed together, or not at all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Transaction {
    /// How these keys must be: as [`Store::seen`] has told.
    pub watched: Vec<(Bytes, Seen)>,
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
        self.work_within(stamp, work, self.limits.value_bytes)
    }

    /// The same, and no operation makes a value longer than `value_bytes`, nor than the store's own bound. It is part
    /// of the entry, put there by the server that was asked: were it each server's own, replicas with different
    /// settings would differ. A call that is sent again with another bound is still the same call.
    pub fn work_within(&mut self, stamp: Stamp, work: &Work, value_bytes: usize) -> Reply {
        match work {
            Work::Command(command) => self.apply_within(stamp, command, value_bytes),
            Work::Transaction(transaction) => self.transact_within(stamp, transaction, value_bytes),
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

    /// What is seen of a key by who watches it (WATCH).
    pub fn seen(&self, key: &Bytes) -> Seen {
        self.view(key.slot()).seen(key)
    }

    /// Applies a transaction: a reply for each operation, or [`Reply::WatchFailed`], and then nothing was done.
    pub fn transact(&mut self, stamp: Stamp, transaction: &Transaction) -> Reply {
        self.transact_within(stamp, transaction, self.limits.value_bytes)
    }

    fn transact_within(
        &mut self,
        stamp: Stamp,
        transaction: &Transaction,
        value_bytes: usize,
    ) -> Reply {
        let Transaction { watched, ops, once } = transaction;
        let slot = match transaction.slot() {
            Ok(Some(slot)) => slot,
            // Neither reaches a slot, but the clock goes on: every entry's stamp counts.
            Ok(None) => {
                self.move_clock(stamp);
                return Reply::Many(Vec::new());
            }
            Err(fault) => {
                self.move_clock(stamp);
                return Reply::Fault(fault);
            }
        };
        let rules = self.rules;
        let once = once.filter(|_| ops.iter().any(|(_, op)| op.writes() && rules.records(op)));
        let print = || transaction.print();
        self.execute(stamp, value_bytes, slot, once, print, |edit| edit.transact(watched, ops))
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
        if !view.is_unchanged(&transaction.watched) {
            return Some(Reply::WatchFailed);
        }
        let replies = transaction.ops.iter().map(|(key, op)| view.read(key, op));
        replies.collect::<Option<Vec<Reply>>>().map(Reply::Many)
    }
}

impl<R: Rules> View<'_, R> {
    /// A key that is due is not there, and whether it was taken out yet makes no difference to what is seen.
    fn seen(self, key: &Bytes) -> Seen {
        match (self.item(key), self.slot) {
            (Some(item), _) => Seen::At(item.version),
            (None, None) => Seen::Missing { floor: 0 },
            (None, Some(slot)) => {
                let due = slot.items.get(key).map_or(0, |item| item.version);
                Seen::Missing { floor: slot.floor.max(due) }
            }
        }
    }

    /// KV-WATCH-1: whether all watched keys are as they were seen.
    fn is_unchanged(self, watched: &[(Bytes, Seen)]) -> bool {
        watched.iter().all(|(key, seen)| self.rules.is_unchanged(*seen, self.seen(key)))
    }
}

impl<R: Rules> Edit<'_, R> {
    /// KV-TX-1: every operation is executed, in the same step, or none is.
    fn transact(&mut self, watched: &[(Bytes, Seen)], ops: &[(Bytes, Op)]) -> Reply {
        if !self.view().is_unchanged(watched) {
            return Reply::WatchFailed;
        }
        let mut replies = Vec::new();
        for (key, op) in ops {
            let reply = self.apply(key, op);
            let goes_on = self.rules.goes_on_after(&reply);
            replies.push(reply);
            if !goes_on {
                break;
            }
        }
        Reply::Many(replies)
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(version) => write!(f, "version {version}"),
            Self::Missing { floor } => write!(f, "missing above {floor}"),
        }
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { watched, ops, once } = self;
        f.write_str("{")?;
        for (key, seen) in watched {
            write!(f, " if {key:?} is {seen:?};")?;
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
