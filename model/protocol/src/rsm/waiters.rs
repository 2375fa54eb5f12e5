//! Who is told what of a proposal. See [the module above](super).

use super::{Rules, TICK, Ticket};
use crate::Machine;
use crate::types::{Index, LogId, SnapshotId};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Who waits for a command.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Caller {
    /// Its name.
    pub ticket: Ticket,
    /// Whether it lets its server pass the command on to the leader.
    pub passes: bool,
}

/// What may happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// A command was proposed as this entry.
    Proposed {
        /// Whose it is.
        caller: Caller,
        /// Which entry.
        id: LogId,
    },
    /// This entry was applied: it is committed, and its command's result is at hand.
    Applied {
        /// Which.
        id: LogId,
    },
    /// The service was restored from a received snapshot.
    Restored {
        /// What it covers.
        id: SnapshotId,
    },
    /// This server's own log was cut: the entries from this index on are others now.
    Truncated {
        /// The first index with another entry.
        first: Index,
    },
    /// The callers with smaller tickets have waited long enough. The server itself waits on.
    Deadline {
        /// The smallest ticket that may wait on.
        below: Ticket,
    },
}

/// What a caller is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// The command was executed just now: the result of the entry that was applied is its result.
    Executed,
    /// The command was not executed and never will be.
    NotExecuted,
    /// The command was executed, or will be, or never will be.
    Unknown,
}

/// What the driver is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// Tell the caller.
    Tell {
        /// Whom.
        caller: Caller,
        /// What.
        verdict: Verdict,
    },
}

/// The callers of one server who wait for what they have proposed.
///
/// Invariant: each index has at most one proposal of each term, and none waits at or below what was applied.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Waiters<R> {
    rules: R,
    /// By index, then term.
    waiting: BTreeMap<(Index, u64), Caller>,
    applied: LogId,
}

impl<R: Rules> Waiters<R> {
    /// Nobody waits; the last entry that was applied is this.
    pub const fn new(rules: R, applied: LogId) -> Self {
        Self { rules, waiting: BTreeMap::new(), applied }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Tells everyone of whom `decide` knows, in the order of their entries.
    fn tell(&mut self, decide: impl Fn(LogId, Caller) -> Option<Verdict>, out: &mut Vec<Effect>) {
        self.waiting.retain(|&(index, term), &mut caller| {
            let Some(verdict) = decide(LogId::new(term, index), caller) else { return true };
            out.push(Effect::Tell { caller, verdict });
            false
        });
    }

    fn proposed(&mut self, caller: Caller, id: LogId) {
        assert!(id.index > self.applied.index, "what is proposed is not applied yet");
        let other = self.waiting.insert((id.index, id.term), caller);
        assert_eq!(other, None, "an entry is proposed once");
    }

    /// RSM-TELL-1, RSM-TELL-2.
    fn applied(&mut self, id: LogId, out: &mut Vec<Effect>) {
        assert_eq!(id.index, self.applied.index + 1, "every entry is applied once and in order");
        let rules = self.rules;
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= id.index
        {
            let (&(index, term), &caller) = (first.key(), first.get());
            let executed = rules.is_it(LogId::new(term, index), id);
            let verdict = if executed { Verdict::Executed } else { Verdict::NotExecuted };
            first.remove();
            out.push(Effect::Tell { caller, verdict });
        }
        // Whom an entry of the same term would tell was told by the first of that term.
        if id.term > self.applied.term {
            let over = |proposed, _| rules.is_over(proposed, id).then_some(Verdict::NotExecuted);
            self.tell(over, out);
        }
        self.applied = id;
    }

    /// RSM-TELL-4.
    fn restored(&mut self, last: LogId, out: &mut Vec<Effect>) {
        assert!(last.index > self.applied.index, "a snapshot never takes the service back");
        self.applied = last;
        let rules = self.rules;
        self.tell(
            |proposed, _| {
                if proposed.index == last.index && proposed.term != last.term {
                    Some(Verdict::NotExecuted)
                } else if proposed.index <= last.index {
                    // Executed, it may be; but its result is not here.
                    Some(rules.hidden())
                } else {
                    rules.is_over(proposed, last).then_some(Verdict::NotExecuted)
                }
            },
            out,
        );
    }
}

impl<R: Rules> Machine for Waiters<R> {
    type Input<'a>
        = Input
    where
        Self: 'a;
    type Effect = Effect;

    fn step(&mut self, input: Input, out: &mut Vec<Effect>) {
        let rules = self.rules;
        match input {
            Input::Proposed { caller, id } => self.proposed(caller, id),
            Input::Applied { id } => self.applied(id, out),
            Input::Restored { id } => self.restored(id.last, out),
            Input::Truncated { first } => {
                self.tell(|proposed, _| rules.at_truncation(proposed, first), out);
            }
            Input::Deadline { below } => {
                let late = |_, Caller { ticket, .. }| {
                    (ticket != TICK && ticket < below).then(|| rules.at_deadline())
                };
                self.tell(late, out);
            }
        }
    }
}
