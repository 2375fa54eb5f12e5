//! What a run has reached: the `sometimes` beside every `always`.

use super::Both;
use super::state::{Node, Origin, State};
use crate::lists::corners;
use protocol::kv::{Part, SlotId};
use protocol::shardkv::{self, Answer, Command, Group, Move, Step, Way};
use std::sync::Arc;

corners! {
    WhileGiving "a call was executed while its slot was being copied",
    RefusedFrozen "a call was refused because its slot was stopped",
    RefusedTaking "a call was refused because its slot was yet to come",
    RefusedElsewhere "a call was refused because its slot was another group's",
    RepeatElsewhere "a call was answered again by another group than the one that had executed it",
    PartBehindFreeze "a part behind the first came when its slot had been stopped",
    ManyParts "a slot came in several parts",
    Installed "a slot was installed",
    Deleted "what had gone was deleted",
    ArrivedFirst "a slot was served by its taker while another of that configuration was yet to come",
    Overtaken "a configuration was applied while another slot was on its way by an earlier one",
    BothFrozen "two groups had each stopped a slot, at the same time",
    Onward "a slot went on to a third group before all of its move was over",
    CalledOff "a giver called a move off",
    GivenUp "a taker gave up a slot that was called off",
    LeaderWhileGiving "a leader was replaced while its group gave a slot",
    LeaderWhileTaking "a leader was replaced while its group took a slot",
    SecondStream "a part of a later leader dropped what an earlier one had sent",
    LeaderBehind "a leader went by a replica that was behind its group",
    ProposalLost "a proposal came to nothing",
    EntryOver "an entry came that was of a move that was over",
    EntryAgain "an entry came again, and had been obeyed",
    Restarted "a group began anew from its bytes",
    Begun "a group began with a later configuration than the one that follows its own",
    BegunAgain "a group that had left began again",
    ClockWentOn "a group's clock went on to that of a slot that came",
    VersionsWentOn "a key was made again behind the versions that it had in another group",
}

fn way<R: Both>(group: &Group<R, R>, slot: SlotId) -> Option<Way> {
    group.moves().get(&slot).map(Move::way)
}

impl Corners {
    /// Notes an entry that a group has applied.
    pub(super) fn note_entry<R: Both>(
        &self,
        state: &State<R>,
        number: usize,
        (before, origin): (&Group<R, R>, Origin),
        (command, answer): (&Command, &Answer),
    ) {
        let Answer::Step(step) = answer else { return };
        match step {
            Step::Over => return self.reach(Corner::EntryOver),
            Step::Early | Step::NotNext => return,
            Step::Done => {}
        }
        if origin == Origin::NOBODY {
            self.reach(Corner::EntryAgain);
        }
        let group = &state.nodes[number].group;
        match command {
            Command::Work { .. } => {}
            Command::Advance { called_off, .. } => {
                if !called_off.is_empty() {
                    self.reach(Corner::GivenUp);
                }
                self.note_advance(state, before, group);
            }
            Command::Begin(_) => {
                self.reach(Corner::Begun);
                if before.number() > 0 {
                    self.reach(Corner::BegunAgain);
                }
            }
            Command::Freeze { .. } => {
                let frozen = |node: &&Arc<Node<R>>| {
                    node.group.moves().values().any(|there| there.way() == Way::Frozen)
                };
                if state.nodes.iter().filter(frozen).count() > 1 {
                    self.reach(Corner::BothFrozen);
                }
            }
            Command::Stage { slot, part, .. } => self.note_stage(state, before, *slot, part),
            Command::Install { slot, .. } => {
                self.reach(Corner::Installed);
                let of = before.moves().get(slot).map(|there| there.number);
                let same = |there: &Move| there.way() == Way::Taking && Some(there.number) == of;
                if group.moves().values().any(same) {
                    self.reach(Corner::ArrivedFirst);
                }
                if group.store().clock() > before.store().clock() {
                    self.reach(Corner::ClockWentOn);
                }
            }
            Command::Delete { .. } => self.reach(Corner::Deleted),
        }
    }

    fn note_advance<R: Both>(&self, state: &State<R>, before: &Group<R, R>, group: &Group<R, R>) {
        for (slot, there) in before.moves() {
            match way(group, *slot) {
                None if there.way() == Way::Giving => self.reach(Corner::CalledOff),
                Some(_) => self.reach(Corner::Overtaken),
                None => {}
            }
        }
        let stopped = |slot: SlotId| {
            let others = state.nodes.iter().filter(|node| node.group.gid() != group.gid());
            others.into_iter().any(|node| way(&node.group, slot) == Some(Way::Frozen))
        };
        let goes_on = |slot: &SlotId| way(group, *slot) == Some(Way::Giving) && stopped(*slot);
        if group.moves().keys().any(goes_on) {
            self.reach(Corner::Onward);
        }
    }

    fn note_stage<R: Both>(
        &self,
        state: &State<R>,
        before: &Group<R, R>,
        slot: SlotId,
        part: &Part,
    ) {
        let Some(there) = before.moves().get(&slot) else { return };
        if let shardkv::State::Taking(staged) = &there.state
            && part.index == 0
            && staged.position().1 > 0
        {
            self.reach(Corner::SecondStream);
        }
        if part.index > 0 {
            self.reach(Corner::ManyParts);
            let giver = state.nodes.iter().find(|node| node.group.gid() == there.other);
            if giver.is_some_and(|giver| way(&giver.group, slot) == Some(Way::Frozen)) {
                self.reach(Corner::PartBehindFreeze);
            }
        }
    }
}
