//! The decisions on which the controller and its administrators rest, each with its id in SPEC.md.

use super::{GroupId, Num, RequestId, Seq, Standing};
use core::fmt;
use core::hash::Hash;

/// What the controller decides. The only implementation that is right is [`Exact`]; the models have others.
pub trait Rules: Copy + Eq + Hash + fmt::Debug + Send + Sync + 'static {
    /// CTL-CAS-1. Whether a change that is based on this configuration may be applied.
    fn is_current(&self, based: Num, latest: Num) -> bool {
        based == latest
    }

    /// CTL-NUM-1. The number behind this one.
    fn next_number(&self, latest: Num) -> Num {
        latest + 1
    }

    /// CTL-ORDER-1. A group's place among those that are alike otherwise.
    fn rank(&self, group: GroupId) -> u64 {
        group.0
    }

    /// CTL-BALANCE-1. How many slots the group at this place gets, of the groups in the order in which they get one
    /// more.
    fn part(&self, place: usize, slots: usize, groups: usize) -> usize {
        slots / groups + usize::from(place < slots % groups)
    }

    /// CTL-MOVES-1. What puts a group that has so many slots in front when some get one more.
    fn weight(&self, has: usize) -> usize {
        has
    }

    /// CTL-MOVES-1. How many of its slots a group gives away.
    fn gives(&self, has: usize, part: usize) -> usize {
        has.saturating_sub(part)
    }

    /// CTL-WHOLE-1. Whether a change of the groups and what it does to the slots are one configuration.
    fn balances_at_once(&self) -> bool {
        true
    }

    /// CTL-MOVE-1. In front of which slot a Move through `last` ends.
    fn end_of_move(&self, last: u16) -> usize {
        usize::from(last) + 1
    }

    /// CTL-MOVE-2. Whether a group may get slots, by whether it is there.
    fn may_get(&self, there: bool) -> bool {
        there
    }

    /// CTL-LAST-1. Whether groups may leave so that so many stay.
    fn may_leave(&self, stay: usize) -> bool {
        stay > 0
    }

    /// CTL-JOIN-1. Whether a group may come, by whether one of its id is there.
    fn may_join(&self, in_use: bool) -> bool {
        !in_use
    }

    /// CTL-JOIN-2. Whether a group may come back before it has given all away.
    fn may_come_back_early(&self) -> bool {
        false
    }

    /// CTL-FINISH-1. What a group has finished when it reports a number.
    fn finished_after(&self, finished: Num, number: Num) -> Num {
        finished.max(number)
    }

    /// CTL-FINISH-2. Whether a group may report a number: the last one it can know is the latest, or the one that it
    /// left in.
    fn may_report(&self, number: Num, last: Num) -> bool {
        number <= last
    }

    /// CTL-DROP-1. The first configuration that a group still needs: the one it has finished, from which it sees in
    /// the next what is to be moved.
    fn needs(&self, standing: Standing) -> Num {
        standing.finished
    }

    /// CTL-DROP-2. Whether who asks for a configuration that was dropped is told so.
    fn tells_dropped(&self) -> bool {
        true
    }

    /// CTL-BOUND-1. Whether another configuration may be made when so many wait for some group.
    fn may_grow(&self, open: u64, most: u64) -> bool {
        open < most
    }

    /// CTL-SNAP-1. The request that a snapshot has for a configuration.
    fn request_in_snapshot(&self, request: Option<RequestId>) -> Option<RequestId> {
        request
    }

    /// CTL-SNAP-1. Which configuration a snapshot has a group leave in.
    fn left_in_snapshot(&self, left: Option<Num>) -> Option<Num> {
        left
    }

    /// CTL-ADMIN-1. Whether an administrator whose change is stale looks for it before it says that it was not
    /// executed.
    fn looks_when_stale(&self) -> bool {
        true
    }

    /// CTL-ADMIN-2. Whether a configuration was made by this request.
    fn is_own(&self, made_by: Option<RequestId>, request: RequestId) -> bool {
        made_by == Some(request)
    }

    /// CTL-ADMIN-3. Whether nobody knows what became of a change, when the configuration that would show it was
    /// dropped.
    fn is_unknown_when_dropped(&self) -> bool {
        true
    }

    /// CTL-ADMIN-4. Whether the configuration of this number decides, when another was asked for. A server that is
    /// behind answers with the latest that it has.
    fn decides(&self, found: Num, asked: Num) -> bool {
        found == asked
    }

    /// CTL-ADMIN-5. Whether an answer is one to the call that is under way.
    fn is_mine(&self, answered: Seq, seq: Seq) -> bool {
        answered == seq
    }

    /// CTL-ADMIN-6. Whether a call that was not answered in time is sent once more.
    fn sends_again(&self) -> bool {
        true
    }
}

/// The rules as SPEC.md has them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Exact;

impl Rules for Exact {}

impl fmt::Debug for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exact")
    }
}
