//! Who gets which slots when groups come or go: the parts differ by one at most, and no slot is moved that need not
//! be.
//!
//! With S slots and n groups each gets S / n, and the first S mod n of them, those that have most already, one more:
//! so as many slots as possible stay where they are. What a group has beyond its part goes, its shortest runs first,
//! and what is left to give from the end of the next one. What is free goes in whole runs to a group that has a slot
//! beside it and wants as many; the rest is dealt out in the order of the slots. So there are never more new cuts
//! than groups that give or take: what lay together lies together, as far as the fewest moves allow.
//!
//! CTL-ORDER-1: every list here is in the order of slots, or in one in which no two groups are alike. Nothing is taken
//! from a container without an order: replicas would compute different configurations (the zoo's C1).

use super::{GroupId, Rules, Slots};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// A stretch of slots: where it begins, and how many.
type Piece = (usize, usize);

/// The slots, balanced over these groups.
pub(super) fn balance<R: Rules>(
    rules: R,
    slots: &Slots,
    groups: impl Iterator<Item = GroupId>,
) -> Slots {
    let mut runs: BTreeMap<GroupId, Vec<Piece>> = groups.map(|group| (group, Vec::new())).collect();
    let mut owners = slots.owners();
    for (range, owner) in slots.runs() {
        let piece = (usize::from(range.first), range.len());
        match owner.and_then(|owner| runs.get_mut(&owner)) {
            Some(pieces) => pieces.push(piece),
            // Of a group that goes, or of nobody.
            None => paint(&mut owners, piece, None),
        }
    }
    let mut wants = Vec::new();
    for (group, part) in parts(rules, &runs, owners.len()) {
        let pieces = runs.get_mut(&group).map(core::mem::take).unwrap_or_default();
        let has: usize = pieces.iter().map(|(_, length)| length).sum();
        let gives = rules.gives(has, part);
        give(&mut owners, pieces, gives);
        wants.push((group, part - (has - gives)));
    }
    wants.sort_unstable_by_key(|(group, _)| rules.rank(*group));
    beside(&mut owners, &mut wants);
    deal(&mut owners, &wants);
    Slots::of(&owners)
}

/// CTL-BALANCE-1, CTL-MOVES-1. How many slots each group gets.
fn parts<R: Rules>(
    rules: R,
    runs: &BTreeMap<GroupId, Vec<Piece>>,
    slots: usize,
) -> Vec<(GroupId, usize)> {
    let has = |pieces: &[Piece]| pieces.iter().map(|(_, length)| length).sum::<usize>();
    let mut order: Vec<_> = runs
        .iter()
        .map(|(group, pieces)| (Reverse(rules.weight(has(pieces))), rules.rank(*group), *group))
        .collect();
    order.sort_unstable();
    let groups = order.len();
    let part = |(place, (_, _, group))| (group, rules.part(place, slots, groups));
    order.into_iter().enumerate().map(part).collect()
}

fn paint(owners: &mut [Option<GroupId>], (first, length): Piece, owner: Option<GroupId>) {
    owners[first..first + length].fill(owner);
}

/// Takes so many slots out of a group's runs: the shortest first, and then the end of one.
fn give(owners: &mut [Option<GroupId>], mut pieces: Vec<Piece>, mut gives: usize) {
    pieces.sort_unstable_by_key(|&(first, length)| (length, first));
    for (first, length) in pieces {
        let goes = length.min(gives);
        paint(owners, (first + length - goes, goes), None);
        gives -= goes;
    }
}

/// The runs of slots that nobody has, in their order.
fn free(owners: &[Option<GroupId>]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (slot, _) in owners.iter().enumerate().filter(|(_, owner)| owner.is_none()) {
        match pieces.last_mut() {
            Some((first, length)) if *first + *length == slot => *length += 1,
            _ => pieces.push((slot, 1)),
        }
    }
    pieces
}

/// Gives free runs, whole, to groups beside them that want as many.
fn beside(owners: &mut [Option<GroupId>], wants: &mut [(GroupId, usize)]) {
    for (first, length) in free(owners) {
        let before = first.checked_sub(1).and_then(|slot| owners[slot]);
        let behind = owners.get(first + length).copied().flatten();
        for neighbour in [before, behind].into_iter().flatten() {
            let fits =
                |(group, wants): &&mut (GroupId, usize)| *group == neighbour && *wants >= length;
            if let Some((group, wants)) = wants.iter_mut().find(fits) {
                *wants -= length;
                paint(owners, (first, length), Some(*group));
                break;
            }
        }
    }
}

/// Gives what is free to those who want it, in the order of the slots.
fn deal(owners: &mut [Option<GroupId>], wants: &[(GroupId, usize)]) {
    let mut takers = wants.iter().flat_map(|&(group, wants)| core::iter::repeat_n(group, wants));
    for owner in owners.iter_mut().filter(|owner| owner.is_none()) {
        *owner = takers.next();
    }
}
