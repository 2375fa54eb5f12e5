//! The store as bytes, for snapshots: everything but the limits and the rules, which its server knows.
//!
//! A version byte, the clock, and slot after slot in their order. Numbers are written in groups of seven bits, the
//! lowest first. There is no checksum: files and messages have theirs. The bytes of equal stores are equal,
//! and bytes that no store would write are refused. KV-SNAPSHOT-1: floors and records are among them, for what was
//! executed before a snapshot must not be executed after it.
//!
//! They are written and read in pieces, so that a snapshot never lies in memory as a whole. A piece may end
//! anywhere. What is written or read at once is a *unit*: a key with its value, or a client with its replies.

use super::code::{DecodeError, Decoded, FORMAT, Reader, put_bytes, put_number};
use super::edit::LAST_DEADLINE;
use super::records::{Records, Session};
use super::totals::Totals;
use super::{
    Bytes, ClientId, Exact, Item, Limits, Rules, SLOTS, Slot, SlotCopy, SlotId, Stamp, Store,
    Version,
};
use alloc::vec::Vec;
use core::iter;
use core::mem;

/// A good size of a piece.
pub const PIECE_BYTES: usize = 256 << 10;

/// No store lives long enough for a larger version, and a larger one could not be followed by others.
pub(super) const MAX_VERSION: Version = Version::MAX >> 1;

/// What is written at once.
pub(crate) enum Unit<'a> {
    Store {
        clock: u64,
        sweep: SlotId,
        slots: usize,
    },
    /// The slot, and the floor as the rules write it.
    Slot(SlotId, &'a Slot, Version),
    Item(&'a Bytes, &'a Item),
    /// None where the rules write none.
    Records(Option<&'a Records>),
    Session(ClientId, &'a Session),
    /// Of what lies around a store.
    Around(Vec<u8>),
}

impl Unit<'_> {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Store { clock, sweep, slots } => {
                out.push(FORMAT);
                put_number(out, *clock);
                put_number(out, u64::from(sweep.0));
                put_number(out, *slots as u64);
            }
            Self::Slot(id, slot, floor) => {
                put_number(out, u64::from(id.0));
                put_number(out, *floor);
                put_number(out, slot.items.len() as u64);
            }
            Self::Item(key, Item { value, version, deadline }) => {
                put_bytes(out, key);
                put_bytes(out, value);
                put_number(out, *version);
                // 0 is no deadline: one at 0 would be due at once.
                put_number(out, deadline.unwrap_or(0));
            }
            Self::Records(Some(records)) => records.encode_head(out),
            Self::Records(None) => Records::default().encode_head(out),
            Self::Session(client, session) => session.encode(*client, out),
            Self::Around(bytes) => out.extend_from_slice(bytes),
        }
    }
}

/// What units have written, in pieces of so many bytes and up to a unit more.
pub(crate) fn pieces<'a>(
    mut units: impl Iterator<Item = Unit<'a>> + Send,
    size: usize,
) -> impl Iterator<Item = Vec<u8>> + Send {
    iter::from_fn(move || {
        let mut piece = Vec::new();
        while piece.len() < size.max(1) {
            let Some(unit) = units.next() else { break };
            unit.encode(&mut piece);
        }
        (!piece.is_empty()).then_some(piece)
    })
}

impl Slot {
    fn units<R: Rules>(&self, rules: R, id: SlotId) -> impl Iterator<Item = Unit<'_>> + Send {
        let kept = rules.has_records_in_snapshot();
        let items = self.items.iter().map(|(key, item)| Unit::Item(key, item));
        let sessions = self.records.sessions().filter(move |_| kept);
        let sessions = sessions.map(|(client, session)| Unit::Session(client, session));
        let records = kept.then_some(&self.records);
        let records = iter::once(Unit::Records(records)).chain(sessions);
        let slot = Unit::Slot(id, self, rules.floor_in_snapshot(self.floor));
        iter::once(slot).chain(items).chain(records)
    }
}

impl SlotCopy {
    /// As the bytes of a store that has this slot and no other, at a clock.
    pub(crate) fn units<R: Rules>(
        &self,
        rules: R,
        clock: Stamp,
    ) -> impl Iterator<Item = Unit<'_>> + Send {
        let store = Unit::Store { clock, sweep: SlotId(0), slots: 1 };
        iter::once(store).chain(self.slot().units(rules, self.id()))
    }
}

impl<R: Rules> Store<R> {
    /// Appends the store's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.units().for_each(|unit| unit.encode(out));
    }

    /// The store's bytes in pieces: each has `size` bytes, and up to a unit more; only the last has fewer.
    pub fn pieces(&self, size: usize) -> impl Iterator<Item = Vec<u8>> + Send {
        pieces(self.units(), size)
    }

    pub(crate) fn units(&self) -> impl Iterator<Item = Unit<'_>> + Send {
        let Self { rules, limits: _, slots, clock, deadlines: _, sweep, totals: _ } = self;
        let store = Unit::Store { clock: *clock, sweep: *sweep, slots: slots.len() };
        let rules = *rules;
        iter::once(store).chain(slots.iter().flat_map(move |(id, slot)| slot.units(rules, *id)))
    }

    /// Reads a store.
    ///
    /// # Errors
    /// [`DecodeError`] if no store has these bytes.
    pub fn decode(rules: R, limits: Limits, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(rules, limits);
        decoder.push(bytes)?;
        decoder.finish()
    }
}

/// Reads a store piece by piece.
pub struct Decoder<R = Exact> {
    store: Store<R>,
    /// The slot that is being read.
    slot: (SlotId, Slot),
    next: Next,
    /// The beginning of a unit whose end has not come yet.
    begun: Vec<u8>,
}

/// The unit that follows, and how many of its kind are still to come.
#[derive(Clone, Copy)]
enum Next {
    Store,
    Slot { slots: u64 },
    Item { slots: u64, items: u64 },
    Records { slots: u64 },
    Session { slots: u64, sessions: u64 },
    End,
}

impl<R: Rules> Decoder<R> {
    /// Of what it reads, it has nothing yet.
    pub fn new(rules: R, limits: Limits) -> Self {
        let store = Store::new(rules, limits);
        Self { store, slot: Default::default(), next: Next::Store, begun: Vec::new() }
    }

    /// Reads the next piece, of any length. What it cannot use yet, it keeps: less than a unit.
    ///
    /// # Errors
    /// [`DecodeError`] if no store has bytes that begin so. Nothing more is to be read then.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), DecodeError> {
        if self.begun.is_empty() {
            let rest = self.read(piece)?;
            self.begun.extend_from_slice(rest);
        } else {
            let mut begun = mem::take(&mut self.begun);
            begun.extend_from_slice(piece);
            let rest = self.read(&begun)?.len();
            begun.drain(..begun.len() - rest);
            self.begun = begun;
        }
        Ok(())
    }

    /// The store, after the last piece.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if more should have come.
    pub fn finish(self) -> Result<Store<R>, DecodeError> {
        match self.next {
            Next::End => Ok(self.store),
            _ => Err(DecodeError::Truncated),
        }
    }

    /// Reads whole units, and returns what is left.
    fn read<'a>(&mut self, bytes: &'a [u8]) -> Decoded<&'a [u8]> {
        let rest = self.read_own(bytes)?;
        let over = matches!(self.next, Next::End) && !rest.is_empty();
        if over { Err(DecodeError::Invalid("bytes are left over")) } else { Ok(rest) }
    }

    /// Whether the store has come to its end.
    pub(crate) const fn is_complete(&self) -> bool {
        matches!(self.next, Next::End)
    }

    /// Reads whole units up to the end of the store, and returns what is left.
    pub(crate) fn read_own<'a>(&mut self, mut bytes: &'a [u8]) -> Decoded<&'a [u8]> {
        while !bytes.is_empty() && !self.is_complete() {
            let mut from = Reader::new(bytes);
            match self.unit(&mut from) {
                Ok(next) => self.next = next,
                Err(DecodeError::Truncated) => break,
                Err(error) => return Err(error),
            }
            bytes = from.rest();
        }
        Ok(bytes)
    }

    /// Reads one unit. Where it ends too soon, nothing was taken over.
    fn unit(&mut self, from: &mut Reader<'_>) -> Decoded<Next> {
        let (id, slot) = &mut self.slot;
        Ok(match self.next {
            Next::Store => {
                let found = from.byte()?;
                if found != FORMAT {
                    return Err(DecodeError::Format { found });
                }
                let (clock, sweep, slots) = (from.number()?, slot_id(from)?, from.number()?);
                (self.store.clock, self.store.sweep) = (clock, sweep);
                Self::slots(slots)
            }
            Next::Slot { slots } => {
                let read = slot_id(from)?;
                if self.store.slots.last().is_some_and(|(last, _)| *last >= read) {
                    return Err(DecodeError::Invalid("slots are out of order"));
                }
                let (floor, items) = (version(from)?, from.number()?);
                (*id, slot.floor) = (read, floor);
                Self::items(slots, items)
            }
            Next::Item { slots, items } => {
                let (key, item) = item(from)?;
                let in_order = slot.items.last().is_none_or(|(last, _)| *last < key);
                if !in_order || key.slot() != *id {
                    return Err(DecodeError::Invalid("a key"));
                }
                slot.totals.item_comes(&key, &item);
                if let Some(deadline) = item.deadline {
                    self.store.deadlines.insert((deadline, key.clone()), ());
                }
                slot.items.insert(key, item);
                Self::items(slots, items - 1)
            }
            Next::Records { slots } => {
                let (records, sessions) = Records::decode_head(from)?;
                slot.records = records;
                self.sessions(slots, sessions)
            }
            Next::Session { slots, sessions } => {
                slot.records.decode_next(from, self.store.clock, &mut slot.totals)?;
                self.sessions(slots, sessions - 1)
            }
            Next::End => Next::End,
        })
    }

    const fn slots(slots: u64) -> Next {
        if slots == 0 { Next::End } else { Next::Slot { slots } }
    }

    const fn items(slots: u64, items: u64) -> Next {
        if items == 0 { Next::Records { slots } } else { Next::Item { slots, items } }
    }

    /// Behind the last session the slot is complete.
    fn sessions(&mut self, slots: u64, sessions: u64) -> Next {
        if sessions > 0 {
            return Next::Session { slots, sessions };
        }
        let (id, slot) = mem::take(&mut self.slot);
        self.store.totals.replace(Totals::new(), slot.totals);
        self.store.slots.insert(id, slot);
        Self::slots(slots - 1)
    }
}

pub(crate) fn slot_id(from: &mut Reader<'_>) -> Decoded<SlotId> {
    let id = u16::try_from(from.number()?).ok().filter(|id| *id < SLOTS);
    id.map(SlotId).ok_or(DecodeError::Invalid("a slot's number"))
}

fn version(from: &mut Reader<'_>) -> Decoded<Version> {
    Some(from.number()?)
        .filter(|version| *version <= MAX_VERSION)
        .ok_or(DecodeError::Invalid("a version"))
}

fn item(from: &mut Reader<'_>) -> Decoded<(Bytes, Item)> {
    let (key, value) = (from.bytes()?, from.bytes()?);
    let (version, deadline) = (version(from)?, from.number()?);
    if version == 0 || deadline > LAST_DEADLINE {
        return Err(DecodeError::Invalid("a key"));
    }
    Ok((key, Item { value, version, deadline: (deadline > 0).then_some(deadline) }))
}
