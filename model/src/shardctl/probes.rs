//! What a run has reached: the `sometimes` beside every `always`.

use super::history::History;
use crate::lists::corners;
use protocol::shardctl::{Change, Refusal};

corners! {
    Joined "a group joined others that had slots",
    JoinedBeyondSlots "more groups were there than slots",
    Left "a group left",
    CameBack "a group came back that had left",
    Moved "slots were moved to a group",
    Rebalanced "all got their part again",
    BalancedAfterMove "a group came or went, and what a Move had done was evened out",
    Stale "a change came that was based on an earlier configuration than the latest",
    SecondCopy "a copy of a change came that had been executed",
    FoundOwn "an administrator found that a configuration is its own",
    FoundOthers "an administrator found that another's change came first",
    BegunAnew "a wish was begun anew on what was changed first",
    UnknownExecuted "of a change that was executed, nobody could say so any more",
    UnknownNotExecuted "of a change that was not executed, nobody could say so any more",
    RefusedLast "the last groups could not leave",
    RefusedInUse "a group could not join that was there",
    RefusedLeaving "a group could not come back before it had given all away",
    RefusedNoGroup "slots could not go to a group that was not there, or it could not leave",
    RefusedNoChange "all was so already",
    RefusedBehind "nothing could be changed because a group was behind",
    Dropped "a configuration was dropped",
    KeptForOneThatLeft "a configuration was kept for a group that had left",
    AskedForDropped "somebody asked for a configuration that was dropped",
    ReplicaBehind "a replica that was behind answered a question",
    NotThereYet "an administrator asked a replica for a configuration that it did not have yet",
    WalkedByReplicaBehind "a group walked by what a replica had that was behind",
    Restarted "a replica began anew and applied again what it had applied",
    MessageLost "a message was lost for good",
    AdminDied "an administrator died with a request under way",
    LateReport "a report came that said no more than was known",
    ReportRefused "a report was refused: of a group that had left, or that is forgotten",
}

impl Corners {
    /// Notes a change that is executed behind what the history knows.
    pub(super) fn note_change(&self, history: &History, change: &Change) {
        let before = history.latest();
        let uneven = !before.groups.is_empty() && !super::judge::is_balanced(before);
        match change {
            Change::Join(new) => {
                if !before.groups.is_empty() {
                    self.reach(Corner::Joined);
                }
                if before.groups.len() + new.len() > usize::from(before.slots.count()) {
                    self.reach(Corner::JoinedBeyondSlots);
                }
                if new.iter().any(|(id, _)| history.lives.contains_key(id)) {
                    self.reach(Corner::CameBack);
                }
            }
            Change::Leave(_) => self.reach(Corner::Left),
            Change::Move { .. } => self.reach(Corner::Moved),
            Change::Rebalance => self.reach(Corner::Rebalanced),
        }
        if uneven && matches!(change, Change::Join(_) | Change::Leave(_)) {
            self.reach(Corner::BalancedAfterMove);
        }
    }

    pub(super) fn note_refusal(&self, refusal: &Refusal) {
        self.reach(match refusal {
            Refusal::LastGroup => Corner::RefusedLast,
            Refusal::InUse(_) => Corner::RefusedInUse,
            Refusal::Leaving(_) => Corner::RefusedLeaving,
            Refusal::NoSuchGroup(_) => Corner::RefusedNoGroup,
            Refusal::NoChange => Corner::RefusedNoChange,
            Refusal::Behind(_) => Corner::RefusedBehind,
            _ => return,
        });
    }
}
