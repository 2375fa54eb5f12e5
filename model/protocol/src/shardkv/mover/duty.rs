//! A replica's part in moves: it has a mover for as long as it leads.

use super::{Answer, Group, InOrder, Input, Mover, Out, Rules, Settings};
use crate::kv;

/// What a replica does so that slots move: nothing, unless it leads.
///
/// What the driver promises: after every step of the replica, [`lead`](Self::lead) is told in which term it leads; and
/// the group that a step is given is what that replica has applied (SHARD-LEAD-2).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Duty<R = InOrder> {
    pub(super) rules: R,
    pub(super) settings: Settings,
    /// The term in which the replica leads, and the mover of that time.
    pub(super) mover: Option<(u64, Mover<R>)>,
}

impl<R: Rules> Duty<R> {
    /// Of a replica that does not lead.
    pub const fn new(rules: R, settings: Settings) -> Self {
        Self { rules, settings, mover: None }
    }

    /// In which term it leads, as it was told last.
    pub fn term(&self) -> Option<u64> {
        self.mover.as_ref().map(|(term, _)| *term)
    }

    /// SHARD-LEAD-1, SHARD-LEAD-3. The replica leads in this term, or in none. Who comes to lead knows nothing of what
    /// was under way.
    pub fn lead<K: kv::Rules>(&mut self, term: Option<u64>, group: &Group<R, K>) {
        if self.term() != term {
            let mover = |term| Mover::new(self.rules, self.settings, term, group.number());
            self.mover = term.map(|term| (term, mover(term)));
        }
    }

    /// Takes one input and appends its effects. Who does not lead drops it: it comes again, to who does.
    pub fn step<K: kv::Rules>(&mut self, group: &Group<R, K>, input: Input, out: Out<'_>) {
        if let Some((_, mover)) = &mut self.mover {
            mover.step(group, input, out);
        }
    }

    /// What became of a proposal of this term. The answer is None if it was not executed, or nobody knows. One of
    /// another term means nothing any more: its number may be that of another proposal.
    pub fn tell<K: kv::Rules>(
        &mut self,
        group: &Group<R, K>,
        (term, proposal): (u64, u64),
        answer: Option<Answer>,
        out: Out<'_>,
    ) {
        if self.term() == Some(term) {
            self.step(group, Input::Outcome { proposal, answer }, out);
        }
    }
}
