//! Whether a change did what was asked, by counting: shares nothing with the controller's own arithmetic.

use super::history::Violation;
use protocol::shardctl::{Change, Config, GroupId};
use std::collections::BTreeSet;

fn owners(config: &Config) -> Vec<Option<GroupId>> {
    (0..config.slots.count()).map(|slot| config.slots.owner(slot)).collect()
}

/// Whether the parts of a configuration's groups differ by one at most, and every slot is one of theirs.
pub fn is_balanced(config: &Config) -> bool {
    let owners = owners(config);
    let part = |id: &GroupId| owners.iter().filter(|owner| **owner == Some(*id)).count();
    let parts: Vec<usize> = config.groups.keys().map(part).collect();
    let even = parts.iter().max().zip(parts.iter().min());
    parts.iter().sum::<usize>() == owners.len()
        && even.is_some_and(|(most, least)| most - least <= 1)
}

/// The fewest moves to parts that differ by one at most: every way to say who gets one more is tried.
fn fewest_moves(before: &[Option<GroupId>], ids: &[GroupId]) -> usize {
    let (part, more) = (before.len() / ids.len(), before.len() % ids.len());
    let has = |id: &GroupId| before.iter().filter(|owner| **owner == Some(*id)).count();
    let stay = |choice: u32| {
        let part = |place: usize| part + usize::from(choice & (1 << place) != 0);
        ids.iter().enumerate().map(|(place, id)| has(id).min(part(place))).sum::<usize>()
    };
    let choices = (0..1u32 << ids.len()).filter(|choice| choice.count_ones() as usize == more);
    before.len() - choices.map(stay).max().expect("there is a choice")
}

/// What is wrong with the configuration that a change has made of another one.
pub fn change(before: &Config, after: &Config, change: &Change) -> Option<Violation> {
    let (old, new) = (owners(before), owners(after));
    let mut ids: BTreeSet<GroupId> = before.groups.keys().copied().collect();
    match change {
        Change::Join(groups) => {
            // Who is there already stays at its addresses.
            let comes = groups.iter().all(|(id, _)| ids.insert(*id));
            if !comes {
                return Some(Violation::NotAsAsked);
            }
        }
        Change::Leave(gone) => ids.retain(|id| !gone.contains(id)),
        Change::Rebalance | Change::Move { .. } => {}
    }
    let there = |owner: &Option<GroupId>| owner.is_some_and(|owner| ids.contains(&owner));
    if !after.groups.keys().eq(&ids) {
        return Some(Violation::NotAsAsked);
    }
    if let Change::Move { slots, to } = change {
        let named = |slot: u16| slots.iter().any(|it| (it.first..=it.last).contains(&slot));
        let asked =
            (0u16..).zip(&old).map(|(slot, owner)| if named(slot) { Some(*to) } else { *owner });
        let right = new.iter().all(there) && new.iter().copied().eq(asked);
        return (!right).then_some(Violation::NotAsAsked);
    }
    if ids.is_empty() {
        return Some(Violation::NotAsAsked);
    }
    if !is_balanced(after) {
        return Some(Violation::NotBalanced);
    }
    let moves = old.iter().zip(&new).filter(|(one, two)| one != two).count();
    let ids: Vec<_> = ids.into_iter().collect();
    (moves > fewest_moves(&old, &ids)).then_some(Violation::MovedTooMany)
}
