//! Which slots a configuration moves, how far that is by what groups have said, and what calls it off.
//!
//! A move is over when both of its groups have finished its configuration. A move that is not over is called off as
//! every other is begun: by a later configuration. Slots that have not gone yet stay where they are, and those that
//! have go back.

use super::{
    Change, Config, Exact, GroupId, Limits, Num, Refusal, RequestId, SlotRange, Status, next,
};
use crate::kv::ClientId;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Slots that a configuration takes from one group and gives to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moves {
    /// The configuration's number.
    pub number: Num,
    /// Whose they were.
    pub from: GroupId,
    /// Whose they are by it.
    pub to: GroupId,
    /// Which.
    pub slots: Vec<SlotRange>,
    /// Whether nothing of them is on its way any more.
    pub is_over: bool,
}

/// What a configuration moves, by the one in front of it and how far the groups are. What nobody had before is no move.
pub fn moves(before: &Config, after: &Config, status: &Status) -> Vec<Moves> {
    let mut all: BTreeMap<(GroupId, GroupId), Vec<SlotRange>> = BTreeMap::new();
    for (slot, from, to) in before.slots.changes(&after.slots) {
        if let (Some(from), Some(to)) = (from, to) {
            add(all.entry((from, to)).or_default(), slot);
        }
    }
    let number = after.number;
    let has_finished = |group: &GroupId| {
        status.groups.get(group).is_none_or(|standing| standing.finished >= number)
    };
    let moved = all.into_iter().map(|((from, to), slots)| {
        let is_over = has_finished(&from) && has_finished(&to);
        Moves { number, from, to, slots, is_over }
    });
    moved.collect()
}

/// Puts a slot behind those in front of it.
fn add(ranges: &mut Vec<SlotRange>, slot: u16) {
    match ranges.last_mut() {
        Some(range) if range.last + 1 == slot => range.last = slot,
        _ => ranges.push(SlotRange { first: slot, last: slot }),
    }
}

/// What calls these moves off, the oldest first: their slots go back to whose they were before the first of them,
/// where that group is still there. Those that have another group since are left to it.
pub fn back(moves: &[Moves], latest: &Config) -> Vec<Change> {
    let mut first: BTreeMap<u16, GroupId> = BTreeMap::new();
    let mut last: BTreeMap<u16, GroupId> = BTreeMap::new();
    for it in moves.iter().filter(|it| !it.is_over) {
        for slot in it.slots.iter().flat_map(|range| range.first..=range.last) {
            first.entry(slot).or_insert(it.from);
            last.insert(slot, it.to);
        }
    }
    let mut changes: BTreeMap<GroupId, Vec<SlotRange>> = BTreeMap::new();
    for (slot, to) in first {
        let is_there = latest.slots.owner(slot) == last.get(&slot).copied();
        if is_there && latest.slots.owner(slot) != Some(to) && latest.groups.contains_key(&to) {
            add(changes.entry(to).or_default(), slot);
        }
    }
    changes.into_iter().map(|(to, slots)| Change::Move { slots, to }).collect()
}

/// What takes all slots from a group and leaves it where it is: each other group gets those that it would get if this
/// one left.
///
/// # Errors
/// Why it can't be: there is no such group, or no other that could have them; or it has none.
pub fn drain(limits: &Limits, config: &Config, group: GroupId) -> Result<Vec<Change>, Refusal> {
    let nobody = RequestId { client: ClientId(0), seq: 0 };
    let gone = next(Exact, limits, config, nobody, &Change::Leave(Vec::from([group])))?;
    let mut changes: BTreeMap<GroupId, Vec<SlotRange>> = BTreeMap::new();
    for slot in config.slots.of_group(group).flat_map(|range| range.first..=range.last) {
        if let Some(to) = gone.slots.owner(slot) {
            add(changes.entry(to).or_default(), slot);
        }
    }
    if changes.is_empty() {
        return Err(Refusal::NoChange);
    }
    Ok(changes.into_iter().map(|(to, slots)| Change::Move { slots, to }).collect())
}

/// The first configuration that some group has not finished; none if there is nothing on its way.
pub fn first_open(status: &Status) -> Option<Num> {
    let finished = status.groups.values().map(|standing| standing.finished).min()?;
    (finished < status.latest).then_some(finished + 1)
}
