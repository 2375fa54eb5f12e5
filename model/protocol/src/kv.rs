//! The store: what a command does to the keys, and what its caller is told (labs 2 and 4 of 6.5840).
//!
//! A plain deterministic function of the commands that it has applied: it knows no clock but the largest
//! stamp among them, so replicas that apply the same commands hold the same keys and give the same replies.
//!
//! Every value has a *version*. A write gives its key a greater one, and no version is ever given twice to a
//! key, not even after it was deleted: its slot keeps a floor under all versions to come. So a version can
//! fence: who presents an old one is late.
//!
//! A write can be made *exactly once*: it carries its client's id and a number, and its reply is kept until
//! the client says that it has arrived. See [`records`]. What the client does is in [`clerk`], and a lock
//! made of nothing but Get and Put in [`lock`].

pub mod clerk;
pub mod lock;
pub mod records;
mod rules;
pub mod slot;

pub use records::{ClientId, Once, Seq};
pub use rules::{AfterMaybe, Exact, Rules};
pub use slot::SLOTS;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use records::{Found, Records};

/// A key or a value. Copies share it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "Vec<u8>", into = "Vec<u8>"))]
pub struct Bytes(Arc<[u8]>);

/// How often a key was written, and more after it was deleted: only ever greater. 0 is a key that is not there.
pub type Version = u64;

/// A time on the group's clock, in milliseconds: put into a command by the leader that takes it.
pub type Stamp = u64;

/// One of the [`SLOTS`] parts of the keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SlotId(pub u16);

/// What is to be done with a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Op {
    /// Reads value and version.
    Get,
    /// Writes the value if the key has this version, 0 for a key that is not there (2025's lab).
    Put {
        /// The new value.
        value: Bytes,
        /// The version that it replaces.
        expected: Version,
    },
    /// Writes the value whatever was there (2024's Put).
    Set {
        /// The new value.
        value: Bytes,
    },
    /// Puts the value behind the old one, which is the reply (2024's Append). A missing key is an empty value.
    Append {
        /// What is put behind.
        value: Bytes,
    },
    /// Takes the key away if it has this version.
    Delete {
        /// The version that goes.
        expected: Version,
    },
}

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

/// What the caller of a command is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Reply {
    /// The value and its version, to a Get.
    Value {
        /// The value.
        value: Bytes,
        /// Its version.
        version: Version,
    },
    /// The key is not there: to a Get, or to a Put or Delete that expected a version; nothing was written.
    NoKey,
    /// Written.
    Written {
        /// The version that the key has now, or that was deleted.
        version: Version,
    },
    /// Appended.
    Appended {
        /// The value before.
        old: Bytes,
        /// The version that the key has now.
        version: Version,
    },
    /// The key has another version; nothing was written.
    VersionMismatch,
    /// Executed before; the reply was too long to be kept.
    NotKept,
    /// Not executed: the client's records were dropped, so nobody knows whether this was executed before.
    SessionExpired,
    /// Not executed again: the client has said before that the reply had arrived.
    Acknowledged,
    /// Not executed: the client has used this number for another command.
    SeqReused,
    /// Not executed: the client's id is from the future of the group's clock.
    ClientAhead,
    /// Not executed: the client has as many replies unacknowledged as are kept.
    TooManyUnacknowledged,
}

/// Bounds of a store.
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
}

impl Default for Limits {
    fn default() -> Self {
        Self { clients: 4096, unacknowledged: 1024, reply_bytes: 4096, ahead_ms: 600_000 }
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Item {
    value: Bytes,
    version: Version,
}

/// The keys that share a hash slot, with what protects their versions and their clients' calls.
///
/// Invariant: no version in it is above zero and at or below a version that the same key had before.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct Slot {
    items: BTreeMap<Bytes, Item>,
    /// The largest version that went with its key.
    floor: Version,
    records: Records,
}

/// The store.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Store<R = Exact> {
    rules: R,
    limits: Limits,
    slots: BTreeMap<SlotId, Slot>,
    clock: Stamp,
}

impl<R: Rules> Store<R> {
    /// An empty store.
    pub const fn new(rules: R, limits: Limits) -> Self {
        Self { rules, limits, slots: BTreeMap::new(), clock: 0 }
    }

    /// The group's clock: the largest stamp applied.
    pub const fn clock(&self) -> Stamp {
        self.clock
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.slots.values().map(|slot| slot.items.len()).sum()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.slots.values().all(|slot| slot.items.is_empty())
    }

    /// By slot, the largest client id whose records were dropped.
    pub fn client_floors(&self) -> impl Iterator<Item = (SlotId, ClientId)> {
        self.slots.iter().map(|(&id, slot)| (id, slot.records.floor()))
    }

    /// The value of a key and its version.
    pub fn get(&self, key: &Bytes) -> Option<(&Bytes, Version)> {
        let item = self.slots.get(&key.slot())?.items.get(key)?;
        Some((&item.value, item.version))
    }

    /// Applies a command. KV-ONCE-1, KV-ONCE-2: what a record answers is not executed, and a reply is kept in the
    /// same step in which its command is executed.
    pub fn apply(&mut self, stamp: Stamp, command: &Command) -> Reply {
        self.clock = self.clock.max(stamp);
        let (rules, limits, clock) = (self.rules, self.limits, self.clock);
        let Command { key, op, once } = command;
        let slot = self.slots.entry(key.slot()).or_default();
        let Some(once) = once.filter(|_| op.writes() && rules.records(op)) else {
            return slot.execute(rules, key, op);
        };
        match slot.records.find(rules, &limits, clock, once, command.print()) {
            Found::Answer(reply) => reply,
            Found::New => {
                let reply = slot.execute(rules, key, op);
                let long = reply.len() > limits.reply_bytes;
                let kept = if long { Reply::NotKept } else { reply.clone() };
                slot.records.keep(once, command.print(), kept);
                reply
            }
        }
    }
}

impl Slot {
    /// KV-PUT-1: a Put or Delete that expects another version changes nothing.
    fn execute<R: Rules>(&mut self, rules: R, key: &Bytes, op: &Op) -> Reply {
        let old = self.items.get(key);
        let version = old.map_or(0, |item| item.version);
        match op {
            Op::Get => match old {
                Some(Item { value, version }) => {
                    Reply::Value { value: value.clone(), version: *version }
                }
                None => Reply::NoKey,
            },
            Op::Delete { .. } if old.is_none() => Reply::NoKey,
            Op::Put { expected, .. } | Op::Delete { expected }
                if !rules.may_write(version, *expected) =>
            {
                if old.is_none() {
                    Reply::NoKey
                } else {
                    Reply::VersionMismatch
                }
            }
            Op::Put { value, .. } | Op::Set { value } => {
                Reply::Written { version: self.write(rules, key, value.clone()) }
            }
            Op::Append { value } => {
                let old = old.map_or_else(Bytes::default, |item| item.value.clone());
                let version = self.write(rules, key, old.followed_by(value));
                Reply::Appended { old, version }
            }
            Op::Delete { .. } => {
                self.items.remove(key);
                self.floor = rules.floor_after(self.floor, version);
                Reply::Written { version }
            }
        }
    }

    /// KV-VERSION-1: the version is greater than any that the key had.
    fn write<R: Rules>(&mut self, rules: R, key: &Bytes, value: Bytes) -> Version {
        let old = self.items.get(key).map(|item| item.version);
        let version = rules.next_version(old, self.floor);
        self.items.insert(key.clone(), Item { value, version });
        version
    }
}

impl Op {
    /// Whether it can change anything.
    pub const fn writes(&self) -> bool {
        !matches!(self, Self::Get)
    }
}

impl Command {
    /// A fingerprint of what is to be done (FNV-1a), so that a number used twice is noticed.
    fn print(&self) -> u64 {
        let (tag, value, expected): (u8, &[u8], Version) = match &self.op {
            Op::Get => (0, &[], 0),
            Op::Put { value, expected } => (1, value.as_ref(), *expected),
            Op::Set { value } => (2, value.as_ref(), 0),
            Op::Append { value } => (3, value.as_ref(), 0),
            Op::Delete { expected } => (4, &[], *expected),
        };
        let length = (self.key.as_ref().len() as u64).to_le_bytes();
        let expected = expected.to_le_bytes();
        let parts = [&[tag], &length[..], self.key.as_ref(), &expected[..], value];
        let bytes = parts.into_iter().flatten();
        bytes.fold(0xcbf2_9ce4_8422_2325, |print, &byte| {
            (print ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

impl Reply {
    /// The bytes that keeping it takes, values only.
    fn len(&self) -> usize {
        match self {
            Self::Value { value, .. } | Self::Appended { old: value, .. } => value.as_ref().len(),
            _ => 0,
        }
    }

    /// Whether it is a refusal that another copy of the command may not get: it hangs on what the store has of the
    /// client now, and is not recorded.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::SessionExpired | Self::ClientAhead | Self::TooManyUnacknowledged)
    }

    /// Whether it says that the command changed nothing and that this very copy of it never will.
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NoKey
                | Self::VersionMismatch
                | Self::SessionExpired
                | Self::SeqReused
                | Self::ClientAhead
                | Self::TooManyUnacknowledged
        )
    }
}

impl Bytes {
    /// The slot of a key: see [`mod@slot`].
    pub fn slot(&self) -> SlotId {
        SlotId(slot::slot(self.as_ref()))
    }

    fn followed_by(&self, more: &Self) -> Self {
        let mut both = Vec::with_capacity(self.0.len() + more.0.len());
        both.extend_from_slice(&self.0);
        both.extend_from_slice(&more.0);
        Self(both.into())
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Self {
        bytes.0.to_vec()
    }
}

/// As text, what is not ASCII escaped.
impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get => write!(f, "Get"),
            Self::Put { value, expected } => write!(f, "Put {value:?} over version {expected}"),
            Self::Set { value } => write!(f, "Set {value:?}"),
            Self::Append { value } => write!(f, "Append {value:?}"),
            Self::Delete { expected } => write!(f, "Delete version {expected}"),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, op, once } = self;
        write!(f, "{key:?} {op:?}")?;
        once.map_or(Ok(()), |once| write!(f, " {once:?}"))
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { value, version } => write!(f, "{value:?} version {version}"),
            Self::NoKey => write!(f, "NoKey"),
            Self::Written { version } => write!(f, "Written version {version}"),
            Self::Appended { old, version } => write!(f, "Appended to {old:?} version {version}"),
            Self::VersionMismatch => write!(f, "VersionMismatch"),
            Self::NotKept => write!(f, "NotKept"),
            Self::SessionExpired => write!(f, "SessionExpired"),
            Self::Acknowledged => write!(f, "Acknowledged"),
            Self::SeqReused => write!(f, "SeqReused"),
            Self::ClientAhead => write!(f, "ClientAhead"),
            Self::TooManyUnacknowledged => write!(f, "TooManyUnacknowledged"),
        }
    }
}

/// The keys that are there, with value and version, and who has records.
impl<R> fmt::Debug for Store<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for slot in self.slots.values() {
            for (key, Item { value, version }) in &slot.items {
                let space = if first { "" } else { ", " };
                write!(f, "{space}{key:?} = {value:?} version {version}")?;
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
