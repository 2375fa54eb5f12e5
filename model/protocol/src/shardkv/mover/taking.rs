//! The taker's side: part upon part, and the Install when all is there.

use super::{Effect, GroupId, Head, Message, Mover, Num, Out, Proposal};
use crate::kv::{self, Part, SlotId, Staged};
use crate::shardkv::{Command, Group, Move, Rules, State};

/// What is under way of a slot that comes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Staging {
    number: Num,
    /// How many parts were proposed, and nothing is known of them.
    proposed: usize,
    /// The position behind them.
    position: (u64, u64),
    /// What the giver has said that the whole is.
    whole: Option<Head>,
}

impl Staging {
    pub(super) const fn is_under_way(&self) -> bool {
        self.proposed > 0
    }

    pub(super) const fn number(&self) -> Num {
        self.number
    }
}

/// How far a slot is that another group speaks of.
enum Far<'a> {
    Early,
    Staged(&'a Staged),
    Finished,
}

impl<R: Rules> Mover<R> {
    /// SHARD-FINISHED-1.
    fn far<'a, K: kv::Rules>(
        &self,
        group: &'a Group<R, K>,
        (slot, number): (SlotId, Num),
    ) -> Far<'a> {
        let taking = group.moves().get(&slot).and_then(|there| match there {
            Move { number, state: State::Taking(staged), .. } => Some((*number, staged)),
            _ => None,
        });
        if self.rules.has_installed(number, group.number(), taking.map(|(number, _)| number)) {
            return Far::Finished;
        }
        match taking {
            Some((present, staged)) if self.rules.is_of(number, present) => Far::Staged(staged),
            _ => Far::Early,
        }
    }

    /// Tells the giver how far a slot is.
    pub(super) fn tell<K: kv::Rules>(
        &self,
        group: &Group<R, K>,
        (slot, number): (SlotId, Num),
        to: GroupId,
        out: Out<'_>,
    ) {
        let message = match self.far(group, (slot, number)) {
            Far::Early => Message::Early { slot, number },
            Far::Finished => Message::Finished { slot, number },
            Far::Staged(staged) => {
                let (stream, next) = staged.position();
                Message::Staged { slot, number, stream, next }
            }
        };
        out.push(Effect::Send { to, message });
    }

    /// What is under way of a slot, made now if nothing is; None if it is of no use to propose anything.
    fn staging<'a, K: kv::Rules>(
        &mut self,
        group: &'a Group<R, K>,
        (slot, number): (SlotId, Num),
    ) -> Option<(&mut Staging, &'a Staged)> {
        let Far::Staged(staged) = self.far(group, (slot, number)) else { return None };
        let new = Staging { number, proposed: 0, position: staged.position(), whole: None };
        let staging = self.staging.entry(slot).or_insert_with(|| new.clone());
        if !staging.is_under_way() {
            // What the group has may have come from an earlier leader.
            let whole = staging.whole.filter(|whole| whole.number == number);
            *staging = Staging { whole, ..new };
        }
        Some((staging, staged))
    }

    /// SHARD-STAGE-1. Proposes a part that is the next one, and tells the giver where that is if it is not.
    pub(super) fn on_part<K: kv::Rules>(
        &mut self,
        group: &Group<R, K>,
        (slot, number, from): (SlotId, Num, GroupId),
        part: Part,
        out: Out<'_>,
    ) {
        let (rules, most) = (self.rules, self.settings.parts);
        let at = (part.stream, part.index);
        match self.staging(group, (slot, number)) {
            Some((staging, _))
                if staging.proposed < most && rules.is_next_part(staging.position, at) =>
            {
                staging.proposed += 1;
                staging.position = (at.0, at.1 + 1);
                let command = Command::Stage { slot, number, part };
                self.propose(Proposal::Stage(slot, number, from), command, out);
            }
            _ => self.tell(group, (slot, number), from, out),
        }
    }

    /// The giver has stopped a slot, and this is all of it.
    pub(super) fn on_whole<K: kv::Rules>(
        &mut self,
        group: &Group<R, K>,
        (slot, from): (SlotId, GroupId),
        head: Head,
        out: Out<'_>,
    ) {
        match self.staging(group, (slot, head.number)) {
            Some((staging, _)) if staging.is_under_way() => staging.whole = Some(head),
            _ => self.install(group, (slot, from), head, out),
        }
    }

    /// SHARD-INSTALL-2. Proposes the Install if all is there, and tells the giver how far it is if it is not.
    fn install<K: kv::Rules>(
        &mut self,
        group: &Group<R, K>,
        (slot, from): (SlotId, GroupId),
        head: Head,
        out: Out<'_>,
    ) {
        match self.far(group, (slot, head.number)) {
            Far::Staged(staged)
                if self.rules.is_whole(staged, (head.stream, head.parts), &head.sum) =>
            {
                let proposal = Proposal::Install(slot, head.number, from);
                self.propose_once(proposal, Command::Install { slot, head }, out);
            }
            _ => self.tell(group, (slot, head.number), from, out),
        }
    }

    /// What became of a part is in the group.
    pub(super) fn on_stage_outcome<K: kv::Rules>(
        &mut self,
        group: &Group<R, K>,
        (slot, number, from): (SlotId, Num, GroupId),
        out: Out<'_>,
    ) {
        let whole = self.staging.get_mut(&slot).and_then(|staging| {
            staging.proposed = staging.proposed.saturating_sub(1);
            if staging.is_under_way() { None } else { staging.whole.take() }
        });
        self.tell(group, (slot, number), from, out);
        if let Some(head) = whole {
            self.install(group, (slot, from), head, out);
        }
    }
}
