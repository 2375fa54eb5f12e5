//! The decisions of a router, each with its id in SPEC.md.

use core::fmt;
use core::hash::Hash;

/// What a router decides. The only implementation that is right is [`Ordered`]; the tests have others.
pub trait Rules: Copy + Eq + Hash + fmt::Debug + Send + Sync + 'static {
    /// ROUTE-ORDER-1. Whether a new call waits: one in front of it, of its session and slot, was refused and is still
    /// to be asked.
    fn waits(&self, held: usize) -> bool {
        held > 0
    }

    /// ROUTE-ORDER-2. Whether a call that was refused is not asked again: one behind it may have been executed.
    fn is_overtaken(&self, place: u64, done_to: Option<u64>) -> bool {
        done_to.is_some_and(|done| place < done)
    }

    /// ROUTE-ORDER-3. Whether calls go to the group that has those in front of them, whoever has the slot now.
    fn stays_with_others(&self) -> bool {
        true
    }

    /// ROUTE-ORDER-4. Whether what was refused is asked again: nothing of its session and slot is under way.
    fn may_ask_again(&self, under_way: usize) -> bool {
        under_way == 0
    }

    /// ROUTE-UNKNOWN-1. Whether a call of which nobody knows counts as executed.
    fn counts_unknown(&self) -> bool {
        true
    }

    /// ROUTE-UNKNOWN-2. Whether such a call is over, and not asked again.
    fn ends_unknown(&self) -> bool {
        true
    }

    /// ROUTE-LATE-1. Whether a call that was refused is over because its client has waited long enough.
    fn gives_up(&self, late: bool) -> bool {
        late
    }

    /// ROUTE-HERE-1. Whether a client is sent to another group's nodes: the group has no server here, and the client
    /// goes to leaders by itself.
    fn goes_elsewhere(&self, here: bool, by_itself: bool) -> bool {
        by_itself && !here
    }

    /// ROUTE-ALL-1. Whether all slots were flushed: none is left of those that were to be.
    fn is_flushed(&self, left: usize) -> bool {
        left == 0
    }

    /// ROUTE-ALL-2. Whether what one group has not done is told as not done: no other was asked to write.
    fn is_definite(&self, writes: bool, others: bool) -> bool {
        !(writes && others)
    }

    /// ROUTE-ALL-3. Whether an answer of all waits for every group that was asked.
    fn is_gathered(&self, missing: usize) -> bool {
        missing == 0
    }

    /// ROUTE-ALL-4. Whether what asks about all keys waits for what its session has asked before, and holds up what it
    /// asks behind it.
    fn waits_for_all(&self) -> bool {
        true
    }

    /// ROUTE-WAY-1. Whether a call to a group that has no server here goes to the node that has those in front of it,
    /// whoever leads the group now.
    fn stays_on_way(&self, under_way: usize) -> bool {
        under_way > 0
    }

    /// ROUTE-GONE-1. Whether a session's calls that were not sent go with it.
    fn forgets_gone(&self) -> bool {
        true
    }
}

/// The rules as SPEC.md has them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Ordered;

impl Rules for Ordered {}
