//! The store: what a command does to the keys, and what its caller is told (labs 2 and 4 of 6.5840, and Redis's
//! commands on strings and keys).
//!
//! A plain deterministic function of the commands that it has applied: it knows no clock but the largest
//! stamp among them, so replicas that apply the same commands hold the same keys and give the same replies.
//!
//! Every value has a *version*. A write gives its key a greater one, and no version is ever given twice to a
//! key, not even after it was deleted: its slot keeps a floor under all versions to come. So a version can
//! fence: who presents an old one is late. A change of the deadline is a write too, for whoever watches the key
//! may have read it.
//!
//! A value can have a *deadline*. From the moment at which the group's clock reaches it the key is not there, for
//! any reader or writer, and since the clock never goes back the key never comes back. The item itself is taken
//! out when a command touches the key, or by [`Store::tick`].
//!
//! A write can be made *exactly once*: it carries its client's id and a number, and its reply is kept until
//! the client says that it has arrived. See [`records`]. What the client does is in [`clerk`], and a lock
//! made of nothing but Get and Put in [`lock`].

mod bytes;
pub mod clerk;
pub(crate) mod code;
#[cfg(feature = "serde")]
mod depth;
mod edit;
mod keys;
mod lcs;
pub mod lease;
pub mod lock;
pub mod number;
mod op;
pub mod pages;
pub mod parts;
mod print;
pub mod records;
mod reply;
mod rules;
pub mod slot;
pub(crate) mod snapshot;
mod strings;
mod totals;
mod transaction;
mod whole;

pub use bytes::{Bytes, SlotId};
pub use code::DecodeError;
pub(crate) use code::{Decoded, Reader, put_bytes, put_number};
pub use lcs::MAX_LCS_PAIRS;
pub use number::Decimal;
pub use op::{Deadline, ExpireWhen, KeyOp, LcsForm, Op, StringOp, When};
pub use pages::Pages;
pub use parts::{Change, Part, Place, SlotCopy, Staged, Sum};
pub use records::{ClientId, Once, Seq};
pub use reply::{Fault, Kind, Reply};
pub use rules::{AfterMaybe, Exact, Rules};
pub use slot::SLOTS;
pub use snapshot::{Decoder, PIECE_BYTES};
pub use totals::{CLIENT_BYTES, DEADLINE_BYTES, KEY_BYTES, REPLY_BYTES};
pub use transaction::{Seen, Transaction, Work};
pub use whole::{TICK_CLIENTS, TICK_KEYS, TICK_SLOTS, scan_slot};

pub use crate::clock::Stamp;

use core::fmt;
use edit::{Deadlines, Edit, View};
use records::{Found, Records};
use totals::Totals;

/// How often a key was written, and more after it was deleted: only ever greater. 0 is a key that is not there.
pub type Version = u64;

/// One operation on one key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Command {
    /// The key.
    pub key: Bytes,
    /// What is done with it.
    pub op: Op,
    /// Whose it is and which of theirs, if it must not be executed twice. A Get needs none.
    pub once: Option<Once>,
}

/// Bounds of a store. They decide replies, so they are the same on all replicas.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// Clients of a slot whose records are kept.
    pub clients: usize,
    /// Replies of a client that are kept in a slot until they are acknowledged.
    pub unacknowledged: usize,
    /// The longest reply that is kept, in bytes.
    pub reply_bytes: usize,
    /// How far ahead of the group's clock a client's id may be, in milliseconds.
    pub ahead_ms: u64,
    /// How long a client's records are kept in a slot after its last call there, in milliseconds.
    pub idle_ms: u64,
    /// The longest value that an operation may make of a shorter one, in bytes, whatever its entry allows
    /// ([`Store::work_within`]).
    pub value_bytes: usize,
    /// The most keys that a tick takes out.
    pub tick_keys: usize,
}

impl Limits {
    /// The bounds of a server that was told nothing else.
    pub const DEFAULT: Self = Self {
        clients: 4096,
        unacknowledged: 1024,
        reply_bytes: 4096,
        ahead_ms: 600_000,
        idle_ms: 24 * 3_600_000,
        value_bytes: 8 << 20,
        tick_keys: TICK_KEYS,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Item {
    value: Bytes,
    version: Version,
    /// When it is there no more.
    deadline: Option<Stamp>,
}

/// The keys that share a hash slot, with what protects their versions and their clients' calls.
///
/// Invariant: no version in it is above zero and at or below a version that the same key had before.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Slot {
    items: Pages<Bytes, Item>,
    /// The largest version that went with its key.
    floor: Version,
    records: Records,
    /// Of this slot.
    totals: Totals,
}

/// The store.
///
/// A copy shares all that neither of the two has written since: see [`pages`]. So a snapshot is a copy, written by
/// another thread while commands go on.
///
/// Invariant: `deadlines` has each item with a deadline once, and `totals` are those of all slots.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Store<R = Exact> {
    rules: R,
    limits: Limits,
    slots: Pages<SlotId, Slot>,
    clock: Stamp,
    deadlines: Deadlines,
    /// The slot in which the next tick looks for idle clients.
    sweep: SlotId,
    totals: Totals,
}

impl<R: Rules> Store<R> {
    /// An empty store.
    pub const fn new(rules: R, limits: Limits) -> Self {
        Self {
            rules,
            limits,
            slots: Pages::new(),
            clock: 0,
            deadlines: Deadlines::new(),
            sweep: SlotId(0),
            totals: Totals::new(),
        }
    }

    pub(crate) const fn rules(&self) -> R {
        self.rules
    }

    /// The group's clock: the largest stamp applied.
    pub const fn clock(&self) -> Stamp {
        self.clock
    }

    /// By slot, the largest client id whose records were dropped.
    pub fn client_floors(&self) -> impl Iterator<Item = (SlotId, ClientId)> {
        self.slots.iter().map(|(&id, slot)| (id, slot.records.floor()))
    }

    /// The value of a key and its version.
    pub fn get(&self, key: &Bytes) -> Option<(&Bytes, Version)> {
        let item = self.view(key.slot()).item(key)?;
        Some((&item.value, item.version))
    }

    /// The reply to an operation that only reads, without a place in the log; None if it may write.
    pub fn read(&self, key: &Bytes, op: &Op) -> Option<Reply> {
        let slot = key.slot();
        if op.writes() {
            None
        } else if op.others().any(|other| other.slot() != slot) {
            Some(Reply::Fault(Fault::CrossSlot))
        } else {
            self.view(slot).read(key, op)
        }
    }

    /// Applies a command.
    pub fn apply(&mut self, stamp: Stamp, command: &Command) -> Reply {
        self.apply_within(stamp, command, self.limits.value_bytes)
    }

    fn apply_within(&mut self, stamp: Stamp, command: &Command, value_bytes: usize) -> Reply {
        let Command { key, op, once } = command;
        let once = once.filter(|_| op.writes() && self.rules.records(op));
        let print = || command.print();
        self.execute(stamp, value_bytes, key.slot(), once, print, |edit| edit.apply(key, op))
    }

    fn view(&self, slot: SlotId) -> View<'_, R> {
        View { rules: self.rules, slot: self.slots.get(&slot), clock: self.clock }
    }

    /// KV-EXPIRE-3: every entry's stamp counts.
    pub(crate) fn move_clock(&mut self, stamp: Stamp) {
        self.clock = self.rules.clock_after(self.clock, stamp);
    }

    /// KV-ONCE-1, KV-ONCE-2: what a record answers is not executed, and a reply is kept in the same step in which its
    /// command is executed.
    fn execute(
        &mut self,
        stamp: Stamp,
        value_bytes: usize,
        slot: SlotId,
        once: Option<Once>,
        print: impl Fn() -> u64,
        run: impl FnOnce(&mut Edit<'_, R>) -> Reply,
    ) -> Reply {
        self.move_clock(stamp);
        let Self { rules, limits, slots, clock, deadlines, totals, .. } = self;
        let (rules, clock) = (*rules, *clock);
        let slot = slots.get_or_insert_with(slot, Slot::default);
        let before = slot.totals;
        let found = once
            .map(|once| slot.records.find(rules, (limits, clock), once, print(), &mut slot.totals));
        let reply = if let Some(Found::Answer(reply)) = found {
            reply
        } else {
            let value_bytes = value_bytes.min(limits.value_bytes);
            let reply = run(&mut Edit { rules, value_bytes, clock, stamp, slot, deadlines });
            if let Some(once) = once {
                let long = reply.len() > limits.reply_bytes;
                let kept = if long { Reply::NotKept } else { reply.clone() };
                slot.records.keep(once, print(), kept, &mut slot.totals);
            }
            reply
        };
        totals.replace(before, slot.totals);
        reply
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, op, once } = self;
        write!(f, "{key:?} {op:?}")?;
        once.map_or(Ok(()), |once| write!(f, " {once:?}"))
    }
}

/// The keys that are there, with value and version, and who has records.
impl<R> fmt::Debug for Store<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for slot in self.slots.values() {
            for (key, Item { value, version, deadline }) in &slot.items {
                let space = if first { "" } else { ", " };
                write!(f, "{space}{key:?} = {value:?} version {version}")?;
                deadline.map_or(Ok(()), |deadline| write!(f, " until {deadline}"))?;
                first = false;
            }
            if slot.floor > 0 {
                write!(f, " floor {}", slot.floor)?;
            }
            write!(f, "{:?}", slot.records)?;
        }
        Ok(())
    }
}
