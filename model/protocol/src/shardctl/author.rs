//! What a change makes of a configuration.
//!
//! A pure function: the controller computes with it what it applies, and whoever wants to know beforehand what a
//! change would do asks the same.

use super::balance::balance;
use super::{Change, Config, GroupId, Limits, Refusal, RequestId, Rules, SlotRange, Slots};
use crate::kv::Bytes;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

type Groups = BTreeMap<GroupId, Vec<Bytes>>;

/// The configuration behind this one, with the change.
///
/// # Errors
/// A [`Refusal`] if it is not to be: then nothing changes.
pub fn next<R: Rules>(
    rules: R,
    limits: &Limits,
    config: &Config,
    request: RequestId,
    change: &Change,
) -> Result<Config, Refusal> {
    let mut groups = config.groups.clone();
    let slots = match change {
        Change::Join(new) => {
            join(rules, limits, &mut groups, new)?;
            whole(rules, &config.slots, &groups)
        }
        Change::Leave(ids) => {
            leave(rules, &mut groups, ids)?;
            whole(rules, &config.slots, &groups)
        }
        Change::Move { slots, to } => moved(rules, config, slots, *to)?,
        Change::Rebalance => balance(rules, &config.slots, groups.keys().copied()),
    };
    if groups == config.groups && slots == config.slots {
        return Err(Refusal::NoChange);
    }
    let number = rules.next_number(config.number);
    Ok(Config { number, request: Some(request), groups, slots })
}

/// CTL-WHOLE-1. What goes with a change of the groups.
fn whole<R: Rules>(rules: R, slots: &Slots, groups: &Groups) -> Slots {
    match rules.balances_at_once() {
        true => balance(rules, slots, groups.keys().copied()),
        false => slots.clone(),
    }
}

/// The first that is named twice.
fn twice(ids: impl Iterator<Item = GroupId>) -> Option<GroupId> {
    let mut seen = BTreeSet::new();
    ids.into_iter().find(|id| !seen.insert(*id))
}

/// CTL-JOIN-1.
fn join<R: Rules>(
    rules: R,
    limits: &Limits,
    groups: &mut Groups,
    new: &[(GroupId, Vec<Bytes>)],
) -> Result<(), Refusal> {
    if new.is_empty() {
        return Err(Refusal::Nothing);
    }
    if let Some(id) = twice(new.iter().map(|(id, _)| *id)) {
        return Err(Refusal::NamedTwice(id));
    }
    for (id, nodes) in new {
        let fits = |node: &Bytes| (1..=limits.address_bytes).contains(&node.as_ref().len());
        if *id == GroupId(0) {
            return Err(Refusal::GroupZero);
        } else if !rules.may_join(groups.contains_key(id)) {
            return Err(Refusal::InUse(*id));
        } else if nodes.is_empty() {
            return Err(Refusal::NoAddress(*id));
        } else if nodes.len() > limits.nodes {
            return Err(Refusal::TooMany);
        } else if !nodes.iter().all(fits) {
            return Err(Refusal::BadAddress(*id));
        }
        let mut seen = BTreeSet::new();
        if let Some(node) = nodes.iter().find(|node| !seen.insert(*node)) {
            return Err(Refusal::AddressTwice(node.clone()));
        }
        groups.insert(*id, nodes.clone());
    }
    if groups.len() > limits.groups { Err(Refusal::TooMany) } else { Ok(()) }
}

/// CTL-LAST-1.
fn leave<R: Rules>(rules: R, groups: &mut Groups, ids: &[GroupId]) -> Result<(), Refusal> {
    if ids.is_empty() {
        return Err(Refusal::Nothing);
    }
    if let Some(id) = twice(ids.iter().copied()) {
        return Err(Refusal::NamedTwice(id));
    }
    for id in ids {
        groups.remove(id).ok_or(Refusal::NoSuchGroup(*id))?;
    }
    if rules.may_leave(groups.len()) { Ok(()) } else { Err(Refusal::LastGroup) }
}

/// CTL-MOVE-1, CTL-MOVE-2.
fn moved<R: Rules>(
    rules: R,
    config: &Config,
    ranges: &[SlotRange],
    to: GroupId,
) -> Result<Slots, Refusal> {
    if !rules.may_get(config.groups.contains_key(&to)) {
        return Err(Refusal::NoSuchGroup(to));
    }
    if ranges.is_empty() {
        return Err(Refusal::Nothing);
    }
    let mut owners = config.slots.owners();
    for range in ranges {
        if range.is_empty() {
            return Err(Refusal::BadRange(*range));
        }
        let end = rules.end_of_move(range.last);
        owners
            .get_mut(usize::from(range.first)..end)
            .ok_or(Refusal::NoSuchSlot(range.last))?
            .fill(Some(to));
    }
    Ok(Slots::of(&owners))
}
