//! The decisions on which a group of the sharded store rests, each with its id in SPEC.md.

use super::{Num, Way};
use crate::kv::{Staged, Sum};
use core::fmt;
use core::hash::Hash;

/// What a group and its leader decide. The only implementation that is right is [`InOrder`]; the tests have others.
pub trait Rules: Copy + Eq + Hash + fmt::Debug + Send + Sync + 'static {
    /// SHARD-SERVE-1. Whether a group serves a slot that is on its way: the giver until its own Freeze is applied, the
    /// taker from its own Install on.
    fn serves(&self, way: Way) -> bool {
        way == Way::Giving
    }

    /// SHARD-SERVE-2. Whether a read is refused where a write is.
    fn refuses_reads(&self) -> bool {
        true
    }

    /// SHARD-ADVANCE-1. Whether a configuration is the one that follows.
    fn is_next(&self, number: Num, own: Num) -> bool {
        own.checked_add(1) == Some(number)
    }

    /// SHARD-ADVANCE-2. Whether a configuration waits for the slots that it changes and that are still on their way by
    /// an earlier one. For others it never waits.
    fn waits_for_slots(&self) -> bool {
        true
    }

    /// SHARD-BEGIN-1. Whether a configuration with which a group may begin is a later one than its own.
    fn begins_later(&self, number: Num, own: Num) -> bool {
        number > own
    }

    /// SHARD-CANCEL-1. Whether a giver calls a move off when the slot's next configuration leaves it with the giver.
    fn calls_off(&self, way: Way) -> bool {
        way == Way::Giving
    }

    /// SHARD-CANCEL-2. Whether a taker gives a slot up that has not come only when the giver has said that it never
    /// will.
    fn waits_for_word(&self) -> bool {
        true
    }

    /// SHARD-CANCEL-2. Whether the giver never gives a slot under a number any more: it has gone beyond that
    /// configuration, and does not give the slot by it. (Nor has it given it: who asks still waits.)
    fn has_called_off(&self, number: Num, own: Num, giving: Option<Num>) -> bool {
        number < own && giving.is_none_or(|giving| giving > number)
    }

    /// SHARD-FREEZE-1. Whether a Freeze or a Delete is of a move before the present one. What is of the present one may
    /// come again.
    fn is_stale(&self, number: Num, present: Num) -> bool {
        number < present
    }

    /// SHARD-FREEZE-2. Whether a slot is stopped though others are still to come: two groups may wait for each other.
    fn freezes_while_taking(&self) -> bool {
        true
    }

    /// SHARD-INSTALL-1. Whether a part or an Install is of the present move. One that is of an earlier move, or of one
    /// that was installed already, is refused.
    fn is_of(&self, number: Num, present: Num) -> bool {
        number == present
    }

    /// SHARD-INSTALL-2. Whether what was staged is the slot as it was when it was stopped.
    fn is_whole(&self, staged: &Staged, position: (u64, u64), sum: &Sum) -> bool {
        staged.is_whole(position, sum)
    }

    /// SHARD-STAGE-1. Whether a part is the next one of the stream that is staged, or the first of a later one.
    fn is_next_part(&self, staged: (u64, u64), part: (u64, u64)) -> bool {
        Staged::is_next(staged, part)
    }

    /// SHARD-DELETE-1. Whether a leader of the giver asks for the Delete only when the taker has said that its Install
    /// is committed; and not as soon as all was sent.
    fn waits_for_finished(&self) -> bool {
        true
    }

    /// SHARD-DELETE-2. Whether what the taker says of a move is said of the present one.
    fn is_answer_to(&self, number: Num, present: Num) -> bool {
        number == present
    }

    /// SHARD-FINISHED-1. Whether the taker has installed a slot: it has come to the configuration and waits for the
    /// slot no more.
    fn has_installed(&self, number: Num, own: Num, taking: Option<Num>) -> bool {
        number <= own && taking.is_none_or(|taking| taking > number)
    }

    /// SHARD-REPORT-1. The last configuration of which nothing is on its way any more, by the group's own number and by
    /// that of the oldest move.
    fn finished(&self, own: Num, oldest: Option<Num>) -> Num {
        oldest.map_or(own, |oldest| oldest - 1)
    }

    /// SHARD-SAVE-1. Whether a slot that is on its way is among the group's bytes.
    fn is_saved(&self, _: Way) -> bool {
        true
    }

    /// SHARD-RESUME-1. Whether a leader goes on with moves that were begun before it led.
    fn resumes(&self) -> bool {
        true
    }

    /// SHARD-COPY-1. Whether the difference between the slot as it was stopped and the copy that was sent last is sent
    /// too.
    fn sends_last_difference(&self) -> bool {
        true
    }
}

/// The rules as SPEC.md has them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct InOrder;

impl Rules for InOrder {}

impl fmt::Debug for InOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InOrder")
    }
}
