//! A group as bytes, for snapshots: everything but the rules and limits, which its server knows.
//!
//! A version byte, the group and its configuration; whose the slots are, in runs; every slot that is on its way; and
//! the store, in its own format. A slot that was stopped, or what has come of one, is written as a store that has no
//! other. RSM-SNAP-1: what is on its way is among them, or a restart would forget what it has promised to keep.
//!
//! They are written and read in pieces, as the store's are. What is written or read at once besides the store's units
//! is the front with the runs, or what stands in front of a slot on its way.

use super::{Group, GroupId, InOrder, Move, Num, Rules, State, Way};
use crate::kv::code::{Decoded, Reader, put_number};
use crate::kv::snapshot::{Unit, pieces, slot_id};
use crate::kv::{
    self, DecodeError, Decoder, Exact, Limits, Pages, SlotCopy, SlotId, Staged, Store,
};
use alloc::vec::Vec;
use core::{iter, mem};

/// The first byte of a group. A change of the layout takes the next number.
const FORMAT: u8 = 1;

fn put_numbers<const COUNT: usize>(out: &mut Vec<u8>, numbers: [u64; COUNT]) {
    numbers.into_iter().for_each(|number| put_number(out, number));
}

impl<R: Rules, K: kv::Rules> Group<R, K> {
    /// Appends the group's bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.units().for_each(|unit| unit.encode(out));
    }

    /// The group's bytes in pieces: each has `size` bytes, and up to a unit more; only the last has fewer.
    pub fn pieces(&self, size: usize) -> impl Iterator<Item = Vec<u8>> + Send {
        pieces(self.units(), size)
    }

    fn units(&self) -> impl Iterator<Item = Unit<'_>> + Send {
        let rules = self.store.rules();
        let moves = self.saved().flat_map(move |(slot, there)| {
            let copy = match &there.state {
                State::Giving => None,
                State::Frozen(copy) => Some((copy, copy.clock())),
                State::Taking(staged) => Some(staged.copy()),
            };
            let copy = copy.into_iter().flat_map(move |(copy, clock)| copy.units(rules, clock));
            iter::once(Unit::Around(there.front(*slot))).chain(copy)
        });
        iter::once(Unit::Around(self.front())).chain(moves).chain(self.store.units())
    }

    /// SHARD-SAVE-1.
    fn saved(&self) -> impl Iterator<Item = (&SlotId, &Move)> + Send {
        let rules = self.rules;
        self.moves.iter().filter(move |(_, there)| rules.is_saved(there.way()))
    }

    fn front(&self) -> Vec<u8> {
        let mut runs: Vec<(SlotId, u64, GroupId)> = Vec::new();
        for (slot, owner) in &self.owners {
            match runs.last_mut() {
                Some((first, count, of))
                    if of == owner && u64::from(slot.0) == u64::from(first.0) + *count =>
                {
                    *count += 1;
                }
                _ => runs.push((*slot, 1, *owner)),
            }
        }
        let mut out = [FORMAT].into();
        let numbers = [self.gid.0, self.number, self.saved().count() as u64, runs.len() as u64];
        put_numbers(&mut out, numbers);
        for (first, count, owner) in runs {
            put_numbers(&mut out, [u64::from(first.0), count, owner.0]);
        }
        out
    }

    /// Reads a group.
    ///
    /// # Errors
    /// [`DecodeError`] if no group has these bytes.
    pub fn decode(rules: (R, K), limits: Limits, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = GroupDecoder::new(rules, limits);
        decoder.push(bytes)?;
        decoder.finish()
    }
}

impl Move {
    /// What stands in front of what has come, or of what was stopped.
    fn front(&self, slot: SlotId) -> Vec<u8> {
        let (tag, position) = match &self.state {
            State::Giving => (0, None),
            State::Frozen(_) => (1, None),
            State::Taking(staged) => (2, Some(staged.position())),
        };
        let mut out = Vec::new();
        put_numbers(&mut out, [u64::from(slot.0), self.number, self.other.0]);
        out.push(tag);
        if let Some((stream, next)) = position {
            put_numbers(&mut out, [stream, next]);
        }
        out
    }
}

/// A slot on its way, of which the front was read.
#[derive(Clone, Copy)]
struct Front {
    slot: SlotId,
    number: Num,
    other: GroupId,
    /// The position of what has come; None for a slot that was stopped.
    position: Option<(u64, u64)>,
}

/// What follows.
enum Next<K> {
    Front,
    Move,
    Copy(Front, Decoder<K>),
    Store(Decoder<K>),
}

/// Reads a group piece by piece.
pub struct GroupDecoder<R = InOrder, K = Exact> {
    group: Group<R, K>,
    rules: K,
    limits: Limits,
    /// How many slots on their way are still to come.
    moves: u64,
    next: Next<K>,
    /// The beginning of a unit whose end has not come yet.
    begun: Vec<u8>,
}

impl<R: Rules, K: kv::Rules> GroupDecoder<R, K> {
    /// Of what it reads, it has nothing yet.
    pub fn new((of_group, rules): (R, K), limits: Limits) -> Self {
        let group = Group::new(of_group, GroupId(0), 0, [], Store::new(rules, limits));
        Self { group, rules, limits, moves: 0, next: Next::Front, begun: Vec::new() }
    }

    /// Reads the next piece, of any length.
    ///
    /// # Errors
    /// [`DecodeError`] if no group has bytes that begin so. Nothing more is to be read then.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), DecodeError> {
        let mut bytes = mem::take(&mut self.begun);
        bytes.extend_from_slice(piece);
        let rest = self.read(&bytes)?.len();
        bytes.drain(..bytes.len() - rest);
        self.begun = bytes;
        Ok(())
    }

    /// The group, after the last piece.
    ///
    /// # Errors
    /// [`DecodeError`] if more should have come, or no group is like that.
    pub fn finish(self) -> Result<Group<R, K>, DecodeError> {
        let Next::Store(decoder) = self.next else { return Err(DecodeError::Truncated) };
        let mut group = Group { store: decoder.finish()?, ..self.group };
        group.print = group.count_print();
        let own = |slot| match group.moves.get(&slot).map(Move::way) {
            None => group.owner(slot) == Some(group.gid),
            Some(way) => way == Way::Giving,
        };
        if !self.begun.is_empty() || !group.store.slots().all(own) {
            return Err(DecodeError::Invalid("a slot that is not the group's"));
        }
        Ok(group)
    }

    /// Reads what is there whole, and returns what is left.
    fn read<'a>(&mut self, mut bytes: &'a [u8]) -> Decoded<&'a [u8]> {
        while !bytes.is_empty() {
            let before = bytes.len();
            let mut from = Reader::new(bytes);
            match self.unit(&mut from) {
                Ok(()) => bytes = from.rest(),
                Err(DecodeError::Truncated) => break,
                Err(error) => return Err(error),
            }
            if bytes.len() == before {
                break;
            }
        }
        Ok(bytes)
    }

    /// Reads one unit, or as much of a store as is there. Where it ends too soon, nothing was taken over.
    fn unit(&mut self, from: &mut Reader<'_>) -> Decoded<()> {
        match &mut self.next {
            Next::Front => {
                self.front(from)?;
                self.after_move();
            }
            Next::Move => self.read_move(from)?,
            Next::Copy(_, decoder) => {
                let rest = decoder.read_own(from.rest())?;
                *from = Reader::new(rest);
                if decoder.is_complete() {
                    self.take_copy()?;
                }
            }
            Next::Store(decoder) => {
                let rest = decoder.read_own(from.rest())?;
                if decoder.is_complete() && !rest.is_empty() {
                    return Err(DecodeError::Invalid("bytes are left over"));
                }
                *from = Reader::new(rest);
            }
        }
        Ok(())
    }

    fn after_move(&mut self) {
        let decoder = || Decoder::new(self.rules, self.limits);
        self.next = if self.moves == 0 { Next::Store(decoder()) } else { Next::Move };
    }

    fn front(&mut self, from: &mut Reader<'_>) -> Decoded<()> {
        let found = from.byte()?;
        if found != FORMAT {
            return Err(DecodeError::Format { found });
        }
        let (gid, number, moves) = (GroupId(from.number()?), from.number()?, from.number()?);
        let mut owners: Pages<SlotId, GroupId> = Pages::new();
        for _ in 0..from.number()? {
            let (first, count, owner) = (slot_id(from)?, from.number()?, GroupId(from.number()?));
            let end = u64::from(first.0).checked_add(count).filter(|end| *end <= kv::SLOTS.into());
            let in_order = owners.last().is_none_or(|(last, _)| *last < first);
            let Some(end) = end.filter(|_| in_order && count > 0) else {
                return Err(DecodeError::Invalid("a run of slots"));
            };
            for slot in u64::from(first.0)..end {
                owners.insert(SlotId(slot as u16), owner);
            }
        }
        (self.group.gid, self.group.number, self.group.owners) = (gid, number, owners);
        self.moves = moves;
        Ok(())
    }

    fn read_move(&mut self, from: &mut Reader<'_>) -> Decoded<()> {
        let (slot, number, other) = (slot_id(from)?, from.number()?, GroupId(from.number()?));
        let tag = from.byte()?;
        let position = if tag == 2 { Some((from.number()?, from.number()?)) } else { None };
        let in_order = self.group.moves.last().is_none_or(|(last, _)| *last < slot);
        let own = self.group.owner(slot) == Some(self.group.gid);
        let known = (1..=self.group.number).contains(&number);
        if tag > 2 || !in_order || !known || own != (tag == 2) {
            return Err(DecodeError::Invalid("a slot on its way"));
        }
        if tag == 0 {
            self.group.moves.insert(slot, Move { number, other, state: State::Giving });
            self.moves -= 1;
            self.after_move();
        } else {
            let front = Front { slot, number, other, position };
            self.next = Next::Copy(front, Decoder::new(self.rules, self.limits));
        }
        Ok(())
    }

    /// A slot on its way has come to its end.
    fn take_copy(&mut self) -> Decoded<()> {
        let Next::Copy(front, decoder) = mem::replace(&mut self.next, Next::Move) else {
            return Err(DecodeError::Truncated);
        };
        let Front { slot, number, other, position } = front;
        let copy = SlotCopy::of_store(decoder.finish()?).filter(|copy| copy.id() == slot);
        let copy = copy.ok_or(DecodeError::Invalid("a slot on its way"))?;
        let state = match position {
            Some(position) => State::Taking(Staged::read(position, copy)),
            None => State::Frozen(copy),
        };
        self.group.moves.insert(slot, Move { number, other, state });
        self.moves -= 1;
        self.after_move();
        Ok(())
    }
}
