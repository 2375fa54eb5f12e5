//! What is asked of all keys: several groups answer.

use super::{Call, Effect, Heard, Router, Rules, Told};
use crate::kv::SlotId;
use crate::shardkv::GroupId;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// A call that several groups answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Gather {
    flushes: bool,
    /// Whether only groups with a server here are asked.
    stays: bool,
    /// Whether more than one group was asked, or one more than once.
    others: bool,
    /// Who has not answered.
    missing: BTreeSet<GroupId>,
    /// The slots that are still to be flushed.
    left: BTreeSet<SlotId>,
}

impl<S: Copy + Ord, R: Rules> Router<S, R> {
    pub(super) fn ask_all(
        &mut self,
        call: Call<S>,
        missing: BTreeSet<GroupId>,
        (flushes, stays): (bool, bool),
        out: &mut Vec<Effect<S>>,
    ) {
        if missing.is_empty() {
            return out.push(Effect::Tell { call, told: Told::Gathered });
        }
        let mut left = BTreeSet::new();
        if flushes {
            for group in &missing {
                let ranges = self.config.slots.of_group(*group);
                left.extend(ranges.flat_map(|range| range.first..=range.last).map(SlotId));
            }
        }
        out.extend(missing.iter().map(|&group| Effect::Send { call, group }));
        let others = missing.len() > 1;
        self.gathered.insert(call, Gather { flushes, stays, others, missing, left });
    }

    /// One of the groups has answered that were all asked. ROUTE-ALL-1, ROUTE-ALL-2, ROUTE-ALL-3.
    pub(super) fn gather(
        &mut self,
        (call, group): (Call<S>, GroupId),
        heard: Heard<'_>,
        late: bool,
        out: &mut Vec<Effect<S>>,
    ) {
        let rules = self.rules;
        let Some(gather) = self.gathered.get_mut(&call) else { return };
        if !gather.missing.remove(&group) {
            return;
        }
        let told = match heard {
            Heard::Done | Heard::Flushed(_) => {
                if let Heard::Flushed(ranges) = heard {
                    let gone = |slot: &SlotId| {
                        ranges.iter().any(|range| (range.first..=range.last).contains(&slot.0))
                    };
                    gather.left.retain(|slot| !gone(slot));
                }
                if !rules.is_gathered(gather.missing.len()) {
                    return;
                }
                match (rules.is_flushed(gather.left.len()), late) {
                    (true, _) => Told::Gathered,
                    (false, true) => Told::Unknown,
                    (false, false) => return out.push(Effect::Later { call }),
                }
            }
            Heard::Unknown => Told::Answer,
            Heard::NotExecuted | Heard::Refused(_) => {
                let definite = rules.is_definite(gather.flushes, gather.others);
                if definite { Told::Answer } else { Told::Unknown }
            }
        };
        self.gathered.remove(&call);
        out.push(Effect::Tell { call, told });
    }

    /// Slots were on their way when all groups were flushed. ROUTE-ALL-1.
    pub(super) fn flush_again(&mut self, call: Call<S>, out: &mut Vec<Effect<S>>) {
        let Some(mut gather) = self.gathered.remove(&call) else { return };
        if !gather.missing.is_empty() {
            self.gathered.insert(call, gather);
            return;
        }
        // A slot is with whose it is, or with whom it was found, or on its way from there.
        let groups = |slot: &SlotId| [self.config.slots.owner(slot.0), self.of(*slot)];
        let groups: BTreeSet<GroupId> = gather.left.iter().flat_map(groups).flatten().collect();
        if groups.is_empty() || gather.stays && !groups.is_subset(&self.here) {
            return out.push(Effect::Tell { call, told: Told::Unknown });
        }
        out.extend(groups.iter().map(|&group| Effect::Send { call, group }));
        gather.others = true;
        gather.missing = groups;
        self.gathered.insert(call, gather);
    }
}
