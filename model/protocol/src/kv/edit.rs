//! How operations see and change the keys of a slot.
//!
//! Everything that they do goes through here, so that three things cannot be forgotten: a key whose deadline is
//! not after the clock is not there; a key that goes leaves its version under the slot's floor; and
//! the index of deadlines and the totals say what the items say.

use super::op::{Deadline, Op};
use super::reply::{Fault, Reply};
use super::{Bytes, Item, Pages, Rules, Slot, Stamp, Version, keys, strings};

/// The deadlines of all keys that have one, the nearest first.
pub(super) type Deadlines = Pages<(Stamp, Bytes), ()>;

/// The largest deadline: clients get it as a signed number.
pub(super) const LAST_DEADLINE: Stamp = i64::MAX.cast_unsigned();

/// What readers see.
#[derive(Clone, Copy)]
pub(super) struct View<'a, R> {
    pub rules: R,
    pub slot: Option<&'a Slot>,
    pub clock: Stamp,
}

impl<'a, R: Rules> View<'a, R> {
    /// KV-EXPIRE-1: a key that is due is not there, taken out or not.
    pub(super) fn item(self, key: &Bytes) -> Option<&'a Item> {
        self.slot?.items.get(key).filter(|item| !item.is_due(self.rules, self.clock))
    }

    pub(super) fn value(self, key: &Bytes) -> &'a [u8] {
        self.item(key).map_or(&[], |item| item.value.as_ref())
    }

    /// The reply to an operation that only reads.
    pub(super) fn read(self, key: &Bytes, op: &Op) -> Option<Reply> {
        match op {
            Op::Get => Some(match self.item(key) {
                Some(item) => Reply::Value { value: item.value.clone(), version: item.version },
                None => Reply::NoKey,
            }),
            Op::String(op) => strings::read(self, key, op),
            Op::Key(op) => keys::read(self, key, op),
            Op::Put { .. } | Op::Set { .. } | Op::Append { .. } | Op::Delete { .. } => None,
        }
    }
}

/// What writers change: one slot, at one time.
pub(super) struct Edit<'a, R> {
    pub rules: R,
    /// The longest value that an operation may make of a shorter one.
    pub value_bytes: usize,
    pub clock: Stamp,
    /// The stamp of the entry that is applied: not later than the clock.
    pub stamp: Stamp,
    pub slot: &'a mut Slot,
    pub deadlines: &'a mut Deadlines,
}

impl<R: Rules> Edit<'_, R> {
    pub(super) fn view(&self) -> View<'_, R> {
        View { rules: self.rules, slot: Some(&*self.slot), clock: self.clock }
    }

    pub(super) fn item(&self, key: &Bytes) -> Option<&Item> {
        self.view().item(key)
    }

    /// Applies an operation. What is due is taken out first, so its version is under the floor when its key is
    /// written again.
    pub(super) fn apply(&mut self, key: &Bytes, op: &Op) -> Reply {
        let slot = key.slot();
        if op.others().any(|other| other.slot() != slot) {
            return Reply::Fault(Fault::CrossSlot);
        }
        for key in op.others().chain([key]) {
            self.take_out_if_due(key);
        }
        if let Some(reply) = self.view().read(key, op) {
            return reply;
        }
        match op {
            Op::String(op) => strings::write(self, key, op).unwrap_or_else(Reply::Fault),
            Op::Key(op) => keys::write(self, key, op).unwrap_or_else(Reply::Fault),
            _ => self.write(key, op),
        }
    }

    /// The labs' writes. KV-PUT-1: a Put or Delete that expects another version changes nothing.
    fn write(&mut self, key: &Bytes, op: &Op) -> Reply {
        let old = self.item(key);
        let version = old.map_or(0, |item| item.version);
        let refusal = if old.is_some() { Reply::VersionMismatch } else { Reply::NoKey };
        match op {
            Op::Delete { .. } if old.is_none() => Reply::NoKey,
            Op::Put { expected, .. } | Op::Delete { expected }
                if !self.rules.may_write(version, *expected) =>
            {
                refusal
            }
            Op::Put { value, .. } | Op::Set { value } => {
                Reply::Written { version: self.put(key, value.clone(), None) }
            }
            Op::Append { value } => {
                let (old, deadline) = old.map_or_else(Default::default, Item::parts);
                if old.as_ref().len() + value.as_ref().len() > self.value_bytes {
                    return Reply::Fault(Fault::TooLong);
                }
                let version = self.put(key, old.followed_by(value), deadline);
                Reply::Appended { old, version }
            }
            _ => {
                self.remove(key);
                Reply::Written { version }
            }
        }
    }

    /// KV-VERSION-1: the version is greater than any that the key had. A value whose deadline has come goes at once.
    pub(super) fn put(&mut self, key: &Bytes, value: Bytes, deadline: Option<Stamp>) -> Version {
        let old = self.slot.items.get(key);
        let version = self.rules.next_version(old.map(|item| item.version), self.slot.floor);
        let item = Item { value, version, deadline };
        let due = item.is_due(self.rules, self.clock);
        self.slot.totals.item_comes(key, &item);
        let old = self.slot.items.insert(key.clone(), item);
        if let Some(old) = &old {
            self.slot.totals.item_goes(key, old);
        }
        let old = old.and_then(|item| item.deadline);
        if old != deadline {
            if let Some(old) = old {
                self.deadlines.remove(&(old, key.clone()));
            }
            if let Some(deadline) = deadline {
                self.deadlines.insert((deadline, key.clone()), ());
            }
        }
        if due {
            self.remove(key);
        }
        version
    }

    /// KV-VERSION-2: what goes raises the floor.
    pub(super) fn remove(&mut self, key: &Bytes) -> Option<Item> {
        let item = self.take(key)?;
        self.slot.floor = self.rules.floor_after(self.slot.floor, item.version);
        Some(item)
    }

    fn take(&mut self, key: &Bytes) -> Option<Item> {
        let item = self.slot.items.remove(key)?;
        self.slot.totals.item_goes(key, &item);
        if let Some(deadline) = item.deadline {
            self.deadlines.remove(&(deadline, key.clone()));
        }
        Some(item)
    }

    /// KV-EXPIRE-2: what goes because it is due raises the floor like everything that goes.
    pub(super) fn expire(&mut self, key: &Bytes) {
        if let Some(item) = self.take(key) {
            self.slot.floor = self.rules.floor_after_expiry(self.slot.floor, item.version);
        }
    }

    pub(super) fn take_out_if_due(&mut self, key: &Bytes) {
        let due = |item: &Item| item.is_due(self.rules, self.clock);
        if self.slot.items.get(key).is_some_and(due) {
            self.expire(key);
        }
    }

    /// When a value that is written now ends. KV-EXPIRE-5: a span counts from the group's clock.
    pub(super) fn resolve(&self, key: &Bytes, deadline: Deadline) -> Result<Option<Stamp>, Fault> {
        let stamp = match deadline {
            Deadline::Never => return Ok(None),
            Deadline::Keep => return Ok(self.item(key).and_then(|item| item.deadline)),
            Deadline::At(stamp) => Some(stamp),
            Deadline::In(ms) => self.rules.span_begins(self.clock, self.stamp).checked_add(ms),
        };
        stamp.filter(|stamp| *stamp <= LAST_DEADLINE).map(Some).ok_or(Fault::InvalidExpire)
    }
}

impl Item {
    pub(super) fn is_due<R: Rules>(&self, rules: R, clock: Stamp) -> bool {
        self.deadline.is_some_and(|deadline| rules.is_due(deadline, clock))
    }

    pub(super) fn parts(&self) -> (Bytes, Option<Stamp>) {
        (self.value.clone(), self.deadline)
    }
}
