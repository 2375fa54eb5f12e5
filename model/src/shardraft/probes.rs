//! What a run has reached: the `sometimes` beside every `always`.

use super::holding::{Origin, Sending};
use super::record::{is_done, is_step};
use crate::history::Committed;
use crate::lists::corners;
use protocol::shardkv::{self, Answer, Command, Group, Step};

corners! {
    WhileGiving "a call was executed while its slot was being copied",
    RefusedFrozen "a call was refused because its slot was stopped",
    RefusedTaking "a call was refused because its slot was yet to come",
    RepeatElsewhere "a call was answered again by another group than the one that had executed it",
    Installed "a slot was installed",
    Deleted "what had gone was deleted",
    LeaderWhileGiving "another server came to lead while its group gave the slot",
    LeaderWhileFrozen "another server came to lead while the slot was stopped in its group",
    LeaderWhileTaking "another server came to lead while its group took the slot",
    TwoMovers "two servers of a group had movers at the same time",
    OldMoverHeard "a letter was read by the mover of a server that was deposed and did not know",
    OldMoverSpoke "the mover of a server that was deposed, and did not know, sent a letter",
    NewLeaderBehind "a leader read a letter before its replica had applied what was committed before it led",
    BySuccessor "what a deposed server's mover had proposed was committed by its successor",
    NeverCommitted "what a mover had proposed is not executed and never will be, and its server was told",
    OverAgain "two leaders' movers proposed the same, and the second entry had nothing to do or did it again",
    SecondStream "a part of a later leader dropped what an earlier one had sent",
    LaterFinishes "a later leader deleted what an earlier one had stopped",
    LaterInstalls "a later leader installed what was staged under an earlier one",
    OutcomeOfEarlier "a mover's proposal was decided when its server led a later term",
    Mailbox "what a mover proposed came to its server when that did not lead any more",
    ReadByFollower "a read was answered by a server that does not lead",
    ReadRefused "a read was refused because the slot was stopped, or not there",
    ReadLags "a read was answered by a replica that lacked entries which were committed by then",
    Restarted "a server restarted while the slot was on its way",
}

impl Corners {
    /// Notes an entry that is committed.
    pub(super) fn note_entry(
        &self,
        before: &Group,
        (origin, command, answer): (&Origin, &Command, &Answer),
        committed: &Committed<Sending>,
    ) {
        if let Answer::Refused(refusal) = answer {
            return self.note_refusal(refusal);
        }
        let is_late = committed.by > committed.term;
        if let Origin::Mover { .. } = origin
            && is_late
        {
            self.reach(Corner::BySuccessor);
        }
        if !is_step(command) {
            return;
        }
        let moves = before.moves().values().next();
        if matches!(answer, Answer::Step(Step::Over))
            || matches!(command, Command::Freeze { .. })
                && moves.is_some_and(|there| there.way() == shardkv::Way::Frozen)
        {
            self.reach(Corner::OverAgain);
        }
        if !is_done(answer) {
            return;
        }
        match (command, moves.map(|there| &there.state)) {
            (Command::Stage { part, .. }, Some(shardkv::State::Taking(staged)))
                if part.index == 0 && staged.position().1 > 0 =>
            {
                self.reach(Corner::SecondStream);
            }
            (Command::Install { .. }, _) => {
                self.reach(Corner::Installed);
                if committed.term > 1 {
                    self.reach(Corner::LaterInstalls);
                }
            }
            (Command::Delete { .. }, _) => {
                self.reach(Corner::Deleted);
                if committed.term > 1 {
                    self.reach(Corner::LaterFinishes);
                }
            }
            _ => {}
        }
    }

    fn note_refusal(&self, refusal: &shardkv::Refusal) {
        self.reach(match refusal.whereabouts {
            shardkv::Whereabouts::GoingTo(_) => Corner::RefusedFrozen,
            shardkv::Whereabouts::ComingFrom(_) => Corner::RefusedTaking,
            shardkv::Whereabouts::With(_) | shardkv::Whereabouts::Nowhere => return,
        });
    }
}
