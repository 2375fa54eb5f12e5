//! A fingerprint of a group beside its store: whose the slots are, and what is on its way. It is a sum over what is
//! there, kept up with every change, so that it hangs on the content alone and nobody has to look at all slots for it.

use super::{Group, GroupId, Move, State};
use crate::kv::{self, SlotId, Sum};
use core::hash::{Hash, Hasher};

/// The sum.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Print(u64);

/// Nothing is hashed: equal groups have equal prints.
impl Hash for Print {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Each bit of what comes out hangs on each bit of both.
const fn stir(print: u64, number: u64) -> u64 {
    let mixed = (print ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn of<const COUNT: usize>(numbers: [u64; COUNT]) -> u64 {
    numbers.into_iter().fold(COUNT as u64, stir)
}

/// Of a slot that has an owner.
fn of_owner(slot: SlotId, owner: GroupId) -> u64 {
    of([slot.0.into(), owner.0])
}

/// Of a slot on its way.
fn of_move(slot: SlotId, Move { number, other, state }: &Move) -> u64 {
    let front = of([slot.0.into(), *number, other.0]);
    let with = |tag: u64, (stream, next): (u64, u64), sum: Sum| {
        let Sum { keys, clients, print, floor, client_floor, clock } = sum;
        let (upper, lower) = ((client_floor.0 >> 64) as u64, client_floor.0 as u64);
        of([front, tag, stream, next, keys, clients, print, floor, upper, lower, clock])
    };
    match state {
        State::Giving => of([front]),
        State::Frozen(copy) => with(1, (0, 0), copy.sum()),
        State::Taking(staged) => with(2, staged.position(), staged.copy().0.sum()),
    }
}

impl Print {
    /// Of nothing.
    pub(super) const NONE: Self = Self(0);

    /// These were in the sum, and now those are.
    pub(super) const fn replace(&mut self, before: u64, after: u64) {
        self.0 = self.0.wrapping_add(after).wrapping_sub(before);
    }
}

impl<R, K: kv::Rules> Group<R, K> {
    /// A fingerprint of all of it: of its id and number, of whose each slot is, of each slot on its way, and of the
    /// store. Equal groups have equal ones; of what is not in that of a slot's [`Sum`] or of the store
    /// ([`kv::Store::print`]) it says nothing: a snapshot's bytes have it.
    pub fn print(&self) -> u64 {
        of([self.gid.0, self.number, self.print.0, self.store.print()])
    }

    /// The sum, by a look at all of it.
    pub(super) fn count_print(&self) -> Print {
        let owners = self.owners.iter().map(|(slot, owner)| of_owner(*slot, *owner));
        let moves = self.moves.iter().map(|(slot, there)| of_move(*slot, there));
        Print(owners.chain(moves).fold(0, u64::wrapping_add))
    }

    /// What a slot on its way adds to the sum.
    pub(super) fn print_of(&self, slot: SlotId) -> u64 {
        self.moves.get(&slot).map_or(0, |there| of_move(slot, there))
    }

    pub(super) fn set_owner(&mut self, slot: SlotId, owner: GroupId) {
        let before = self.owners.insert(slot, owner).map_or(0, |owner| of_owner(slot, owner));
        self.print.replace(before, of_owner(slot, owner));
    }

    pub(super) fn put_move(&mut self, slot: SlotId, there: Move) {
        let before = self.print_of(slot);
        self.print.replace(before, of_move(slot, &there));
        self.moves.insert(slot, there);
    }

    pub(super) fn take_move(&mut self, slot: SlotId) -> Option<Move> {
        self.print.replace(self.print_of(slot), 0);
        self.moves.remove(&slot)
    }
}
