//! What is true: kept outside of the groups, and compared with what they hold and say.

use super::Bounds;
use super::bounds::LIMITS;
use super::plans::slot;
use protocol::kv::{Change, Exact, Place, Reply, SlotCopy, Stamp, Store, Work};
use std::borrow::Cow;

/// What does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Violation {
    /// A call was executed a second time.
    ExecutedTwice,
    /// A reply is not that of a store in which the slot never moved.
    AnotherReply,
    /// A group said that it applied a configuration that is not the next one.
    NotTheNext,
    /// A slot was served before a step that does not end that, and not behind it.
    Interrupted,
    /// A group reported as finished what is still on its way.
    ReportedEarly,
    /// A group that is read from its bytes is not the one that was written.
    SavedWrongly,
}

/// The history.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct History {
    /// Of each slot, a store that executes what any group executes of it, at that group's clock, and never moves. So
    /// everything that must travel with a slot shows: in a reply that differs at once, and in what is held.
    pub twins: Vec<Store<Exact>>,
    /// How many proposals came to nothing.
    pub losses: u8,
    /// Of each group, how many came a second time.
    pub repeats: [u8; 3],
    /// How often groups began anew.
    pub restarts: u8,
    /// What does not hold.
    pub violation: Option<Violation>,
}

/// What a copy has of keys: not of clients, and without its clock.
pub fn keys(copy: &SlotCopy) -> Vec<Change> {
    let (mut changes, rest) = copy.changes(&SlotCopy::empty(copy.id()), Place::START, usize::MAX);
    assert!(rest.is_none(), "all of it is one part");
    changes.retain(|change| matches!(change, Change::Item { .. }));
    changes
}

impl History {
    /// With nothing done.
    pub fn new(bounds: &Bounds) -> Self {
        Self {
            twins: vec![Store::new(Exact, LIMITS); bounds.plan.slots()],
            losses: 0,
            repeats: [0; 3],
            restarts: 0,
            violation: None,
        }
    }

    /// The first violation stays.
    pub fn violate(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    /// A group has executed a call. Says whether that was the first time.
    pub fn note_executed(
        &mut self,
        (index, clock): (usize, Stamp),
        work: &Work,
        reply: &Reply,
        has_changed: bool,
    ) -> bool {
        let twin = &mut self.twins[index];
        let before = twin.copy_slot(slot(index));
        let same = twin.work(clock, work) == *reply;
        let is_first = keys(&twin.copy_slot(slot(index))) != keys(&before);
        if has_changed && !is_first {
            self.violate(Violation::ExecutedTwice);
        }
        if !same {
            self.violate(Violation::AnotherReply);
        }
        is_first
    }

    /// Of a slot, the store that never moved, at this clock.
    pub fn twin_at(&self, index: usize, clock: Stamp) -> Cow<'_, Store<Exact>> {
        let mut twin = Cow::Borrowed(&self.twins[index]);
        if clock > twin.clock() {
            twin.to_mut().tick(clock);
        }
        twin
    }
}
