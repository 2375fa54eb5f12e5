//! The store as bytes, for snapshots: everything but the limits and the rules, which its server knows.
//!
//! A version byte, the clock, and slot after slot in their order. Numbers are written in groups of seven bits, the
//! lowest first. There is no checksum: files and messages have theirs. The bytes of equal stores are equal,
//! and bytes that no store would write are refused. KV-SNAPSHOT-1: floors and records are among them, for what was
//! executed before a snapshot must not be executed after it.

use super::edit::Deadlines;
use super::records::Records;
use super::{Bytes, Fault, Item, Kind, Limits, Reply, Rules, SLOTS, Slot, SlotId, Store, Version};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

/// The first byte. A change of the layout takes the next number.
const FORMAT: u8 = 1;
/// Replies inside replies: the parts of LCS's inside a transaction's are the deepest.
const MAX_DEPTH: u8 = 8;

/// No store lives long enough for a larger version, and a larger one could not be followed by others.
const MAX_VERSION: Version = Version::MAX >> 1;

/// Why bytes are no store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// They were written by a later build, or are something else.
    Format {
        /// The version byte.
        found: u8,
    },
    /// They end too soon.
    Truncated,
    /// No store writes this.
    Invalid(&'static str),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format { found } => {
                write!(f, "the store's bytes have format {found}, this build reads {FORMAT}")
            }
            Self::Truncated => f.write_str("the store's bytes end too soon"),
            Self::Invalid(what) => write!(f, "the store's bytes are damaged: {what}"),
        }
    }
}

impl core::error::Error for DecodeError {}

pub(super) type Decoded<T> = Result<T, DecodeError>;

/// What is left to be read. A length is believed only as far as there are bytes.
pub(super) struct Reader<'a>(&'a [u8]);

pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &Bytes) {
    put_number(out, bytes.as_ref().len() as u64);
    out.extend_from_slice(bytes.as_ref());
}

impl Reader<'_> {
    pub(super) fn byte(&mut self) -> Decoded<u8> {
        let (&byte, rest) = self.0.split_first().ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(byte)
    }

    pub(super) fn number(&mut self) -> Decoded<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits || (byte == 0 && shift > 0) {
                return Err(DecodeError::Invalid("a number"));
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(DecodeError::Invalid("a number"))
    }

    fn bytes(&mut self) -> Decoded<Bytes> {
        let length = usize::try_from(self.number()?).map_err(|_| DecodeError::Truncated)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(bytes.into())
    }
}

impl<R: Rules> Store<R> {
    /// Appends the store's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Self { rules: _, limits: _, slots, clock, deadlines: _, sweep } = self;
        out.push(FORMAT);
        put_number(out, *clock);
        put_number(out, u64::from(sweep.0));
        put_number(out, slots.len() as u64);
        for (id, slot) in slots {
            put_number(out, u64::from(id.0));
            put_number(out, self.rules.floor_in_snapshot(slot.floor));
            put_number(out, slot.items.len() as u64);
            for (key, Item { value, version, deadline }) in &slot.items {
                put_bytes(out, key);
                put_bytes(out, value);
                put_number(out, *version);
                // 0 is no deadline: one at 0 would be due at once.
                put_number(out, deadline.unwrap_or(0));
            }
            match self.rules.has_records_in_snapshot() {
                true => slot.records.encode(out),
                false => Records::default().encode(out),
            }
        }
    }

    /// Reads a store.
    ///
    /// # Errors
    /// [`DecodeError`] if no store has these bytes.
    pub fn decode(rules: R, limits: Limits, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut from = Reader(bytes);
        let found = from.byte()?;
        if found != FORMAT {
            return Err(DecodeError::Format { found });
        }
        let mut store = Self::new(rules, limits);
        store.clock = from.number()?;
        store.sweep = slot_id(&mut from)?;
        for _ in 0..from.number()? {
            let id = slot_id(&mut from)?;
            if store.slots.last_key_value().is_some_and(|(last, _)| *last >= id) {
                return Err(DecodeError::Invalid("slots are out of order"));
            }
            let slot = Slot {
                floor: version(&mut from)?,
                items: items(&mut from, id, &mut store.deadlines)?,
                records: Records::decode(&mut from, store.clock)?,
            };
            store.slots.insert(id, slot);
        }
        if from.0.is_empty() { Ok(store) } else { Err(DecodeError::Invalid("bytes are left over")) }
    }
}

fn slot_id(from: &mut Reader<'_>) -> Decoded<SlotId> {
    let id = u16::try_from(from.number()?).ok().filter(|id| *id < SLOTS);
    id.map(SlotId).ok_or(DecodeError::Invalid("a slot's number"))
}

fn version(from: &mut Reader<'_>) -> Decoded<Version> {
    Some(from.number()?)
        .filter(|version| *version <= MAX_VERSION)
        .ok_or(DecodeError::Invalid("a version"))
}

fn items(
    from: &mut Reader<'_>,
    slot: SlotId,
    deadlines: &mut Deadlines,
) -> Decoded<BTreeMap<Bytes, Item>> {
    let mut items: BTreeMap<Bytes, Item> = BTreeMap::new();
    for _ in 0..from.number()? {
        let key = from.bytes()?;
        let (value, version, deadline) = (from.bytes()?, version(from)?, from.number()?);
        let in_order = items.last_key_value().is_none_or(|(last, _)| *last < key);
        if !in_order || key.slot() != slot || version == 0 {
            return Err(DecodeError::Invalid("a key"));
        }
        let deadline = (deadline > 0).then_some(deadline);
        deadlines.extend(deadline.map(|deadline| (deadline, key.clone())));
        items.insert(key, Item { value, version, deadline });
    }
    Ok(items)
}

impl Reply {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let plain = |out: &mut Vec<u8>, tag: u8| out.push(tag);
        match self {
            Self::Value { value, version } => {
                out.push(0);
                put_bytes(out, value);
                put_number(out, *version);
            }
            Self::NoKey => plain(out, 1),
            Self::Written { version } => {
                out.push(2);
                put_number(out, *version);
            }
            Self::Appended { old, version } => {
                out.push(3);
                put_bytes(out, old);
                put_number(out, *version);
            }
            Self::VersionMismatch => plain(out, 4),
            Self::NotKept => plain(out, 5),
            Self::SessionExpired => plain(out, 6),
            Self::Acknowledged => plain(out, 7),
            Self::SeqReused => plain(out, 8),
            Self::ClientAhead => plain(out, 9),
            Self::TooManyUnacknowledged => plain(out, 10),
            Self::Ok => plain(out, 11),
            Self::Nil => plain(out, 12),
            Self::Int(number) => {
                out.push(13);
                put_number(out, number.cast_unsigned());
            }
            Self::Bulk(value) => {
                out.push(14);
                put_bytes(out, value);
            }
            Self::Kind(Kind::None) => plain(out, 15),
            Self::Kind(Kind::String) => plain(out, 16),
            Self::Many(parts) => {
                out.push(17);
                put_number(out, parts.len() as u64);
                parts.iter().for_each(|part| part.encode(out));
            }
            Self::Fault(fault) => {
                out.push(18);
                let code = FAULTS.iter().position(|known| known == fault);
                out.push(code.map_or(u8::MAX, |code| code as u8));
            }
            Self::WatchFailed => plain(out, 19),
        }
    }

    pub(super) fn decode(from: &mut Reader<'_>) -> Decoded<Self> {
        Self::decode_at(from, 0)
    }

    fn decode_at(from: &mut Reader<'_>, depth: u8) -> Decoded<Self> {
        Ok(match from.byte()? {
            0 => Self::Value { value: from.bytes()?, version: from.number()? },
            1 => Self::NoKey,
            2 => Self::Written { version: from.number()? },
            3 => Self::Appended { old: from.bytes()?, version: from.number()? },
            4 => Self::VersionMismatch,
            5 => Self::NotKept,
            6 => Self::SessionExpired,
            7 => Self::Acknowledged,
            8 => Self::SeqReused,
            9 => Self::ClientAhead,
            10 => Self::TooManyUnacknowledged,
            11 => Self::Ok,
            12 => Self::Nil,
            13 => Self::Int(from.number()?.cast_signed()),
            14 => Self::Bulk(from.bytes()?),
            15 => Self::Kind(Kind::None),
            16 => Self::Kind(Kind::String),
            17 if depth < MAX_DEPTH => {
                let mut parts = Vec::new();
                for _ in 0..from.number()? {
                    parts.push(Self::decode_at(from, depth + 1)?);
                }
                Self::Many(parts)
            }
            18 => {
                let fault = FAULTS.get(usize::from(from.byte()?));
                Self::Fault(*fault.ok_or(DecodeError::Invalid("a fault"))?)
            }
            19 => Self::WatchFailed,
            _ => return Err(DecodeError::Invalid("a reply")),
        })
    }
}

/// The faults by their numbers: new ones go to the end.
const FAULTS: [Fault; 11] = [
    Fault::NotAnInteger,
    Fault::Overflow,
    Fault::NotANumber,
    Fault::NotFinite,
    Fault::NumberTooLarge,
    Fault::TooLong,
    Fault::InvalidExpire,
    Fault::NoSuchKey,
    Fault::SameKey,
    Fault::CrossSlot,
    Fault::LcsTooLong,
];
