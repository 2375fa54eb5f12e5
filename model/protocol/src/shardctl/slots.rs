//! Which group has each slot, as runs of slots with one owner.
//!
//! Sixteen thousand slots of a hundred groups are some hundred runs: a configuration is small, and shows what lies
//! together.

use super::GroupId;
use alloc::vec;
use alloc::vec::Vec;

/// Some slots that follow each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SlotRange {
    /// The first.
    pub first: u16,
    /// The last, which is one of them.
    pub last: u16,
}

/// Where a run begins, and who has its slots.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Run {
    pub(super) first: u16,
    pub(super) owner: Option<GroupId>,
}

/// The owner of every slot.
///
/// Invariants: there is a slot; the first run begins at slot 0, each other one behind the one in front of it, and all
/// of them in front of the end; neighbours have different owners. So equal assignments are equal values.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Unproven"))]
pub struct Slots {
    count: u16,
    runs: Vec<Run>,
}

/// What another program has written.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Unproven {
    count: u16,
    runs: Vec<Run>,
}

#[cfg(feature = "serde")]
impl TryFrom<Unproven> for Slots {
    type Error = &'static str;

    fn try_from(Unproven { count, runs }: Unproven) -> Result<Self, Self::Error> {
        Self::from_runs(count, runs).ok_or("runs of slots are out of order")
    }
}

impl Slots {
    /// So many slots, which nobody has.
    pub fn none(count: u16) -> Self {
        Self { count, runs: vec![Run { first: 0, owner: None }] }
    }

    /// Of as many slots as there are owners: those of slots 0, 1, ….
    pub fn of(owners: &[Option<GroupId>]) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for (first, &owner) in (0..).zip(owners) {
            if runs.last().is_none_or(|run| run.owner != owner) {
                runs.push(Run { first, owner });
            }
        }
        Self { count: owners.len() as u16, runs }
    }

    /// From runs as they were read, if they are some.
    pub(super) fn from_runs(count: u16, runs: Vec<Run>) -> Option<Self> {
        let starts = runs.first().is_some_and(|run| run.first == 0);
        let ends = runs.last().is_some_and(|run| run.first < count);
        let differ = |pair: &[Run]| pair[0].first < pair[1].first && pair[0].owner != pair[1].owner;
        (starts && ends && runs.windows(2).all(differ)).then_some(Self { count, runs })
    }

    pub(super) fn starts(&self) -> &[Run] {
        &self.runs
    }

    /// How many there are.
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// Who has a slot. None: nobody, or there is no such slot.
    pub fn owner(&self, slot: u16) -> Option<GroupId> {
        let behind = self.runs.partition_point(|run| run.first <= slot);
        self.runs[behind - 1].owner.filter(|_| slot < self.count)
    }

    /// The runs, in the order of the slots.
    pub fn runs(&self) -> impl Iterator<Item = (SlotRange, Option<GroupId>)> {
        let ends = self.runs[1..].iter().map(|run| run.first).chain([self.count]);
        self.runs.iter().zip(ends).map(|(run, end)| {
            let range = SlotRange { first: run.first, last: end - 1 };
            (range, run.owner)
        })
    }

    /// The ranges that a group has.
    pub fn of_group(&self, group: GroupId) -> impl Iterator<Item = SlotRange> {
        self.runs().filter(move |(_, owner)| *owner == Some(group)).map(|(range, _)| range)
    }

    /// The owners of slots 0, 1, ….
    pub(super) fn owners(&self) -> Vec<Option<GroupId>> {
        let mut owners = Vec::with_capacity(usize::from(self.count));
        for (range, owner) in self.runs() {
            owners.resize(usize::from(range.last) + 1, owner);
        }
        owners
    }

    /// The slots that have another owner in the other assignment of as many slots: which, whose it is here, and whose
    /// there.
    pub fn changes<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (u16, Option<GroupId>, Option<GroupId>)> + 'a {
        let mut theirs = other.runs().peekable();
        let pieces = self.runs().flat_map(move |(range, ours)| {
            let mut pieces = Vec::new();
            let mut first = range.first;
            while let Some(&(there, owner)) = theirs.peek() {
                let last = there.last.min(range.last);
                pieces.push((first, last, ours, owner));
                if there.last > range.last {
                    break;
                }
                theirs.next();
                if last == range.last {
                    break;
                }
                first = last + 1;
            }
            pieces
        });
        let differ = pieces.filter(|(_, _, ours, theirs)| ours != theirs);
        differ.flat_map(|(first, last, ours, theirs)| {
            (first..=last).map(move |slot| (slot, ours, theirs))
        })
    }

    /// How many slots have another owner in the other assignment of as many slots.
    pub fn moved(&self, other: &Self) -> usize {
        self.changes(other).count()
    }
}

impl SlotRange {
    /// How many slots.
    pub const fn len(self) -> usize {
        (self.last as usize + 1).saturating_sub(self.first as usize)
    }

    /// Whether it ends before it begins.
    pub const fn is_empty(self) -> bool {
        self.last < self.first
    }
}
