//! What a caller is told of a command that was proposed: its result, that it was not executed, or that nobody
//! knows.
//!
//! A proposal is an entry, *term.index*. It is decided by what is committed, and by nothing else:
//!
//! - An entry that is committed at its index is it, or is another one. If it is, the command was executed; if it is
//!   another, it never will be, for one index is committed once (State Machine Safety).
//! - If an entry of a later term is committed at a smaller index, the proposal is behind it in no log to come: every
//!   later leader has that entry (Leader Completeness), and terms never fall along a log. So nobody needs to wait for
//!   its index, which a shorter log may not reach for long.
//!
//! That this server's own log was truncated decides nothing: another server may still hold the entry, win, and commit
//! it (Raft Figure 8). Nor does it that the leader was deposed.
//!
//! A snapshot that was received hides what it covers: the command may be in it or not. Only its last entry is known.

use crate::Machine;
use crate::types::{Index, LogId, SnapshotId};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::hash::Hash;

/// Names a caller who waits. The driver gives it, and uses none twice.
pub type Ticket = u64;

/// What may happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// A command was proposed as this entry.
    Proposed {
        /// Whose it is.
        ticket: Ticket,
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
    /// The caller has waited long enough.
    Deadline {
        /// Who.
        ticket: Ticket,
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Tell the caller.
    Tell {
        /// Whom.
        ticket: Ticket,
        /// What.
        verdict: Verdict,
    },
}

/// The decisions, each with its id in SPEC.md. The only implementation that is right is [`Decided`].
pub trait Rules: Copy + Eq + Hash + fmt::Debug + Send + Sync + 'static {
    /// Whether the entry that was applied at a proposal's index is the proposal.
    fn is_it(&self, proposed: LogId, applied: LogId) -> bool {
        proposed == applied
    }

    /// Whether a proposal can't be committed any more, because this entry in front of it is.
    fn is_over(&self, proposed: LogId, committed: LogId) -> bool {
        committed.index < proposed.index && committed.term > proposed.term
    }
}

/// The rules as they should be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Decided;

impl Rules for Decided {}

/// The callers of one server who wait.
///
/// Invariant: each index has at most one proposal of each term, and none waits at or below what was applied.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Waiters<R = Decided> {
    rules: R,
    /// By index, then term.
    waiting: BTreeMap<(Index, u64), Ticket>,
    applied: Index,
}

impl<R: Rules> Waiters<R> {
    /// Nobody waits; what was applied before is at `applied`.
    pub const fn new(rules: R, applied: Index) -> Self {
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
    fn tell(&mut self, decide: impl Fn(LogId) -> Option<Verdict>, out: &mut Vec<Effect>) {
        self.waiting.retain(|&(index, term), &mut ticket| {
            let Some(verdict) = decide(LogId::new(term, index)) else { return true };
            out.push(Effect::Tell { ticket, verdict });
            false
        });
    }

    fn proposed(&mut self, ticket: Ticket, id: LogId) {
        assert!(id.index > self.applied, "what is proposed is not applied yet");
        let other = self.waiting.insert((id.index, id.term), ticket);
        assert_eq!(other, None, "an entry is proposed once");
    }

    fn applied(&mut self, id: LogId, out: &mut Vec<Effect>) {
        assert_eq!(id.index, self.applied + 1, "every entry is applied once and in order");
        self.applied = id.index;
        let rules = self.rules;
        self.tell(
            |proposed| {
                if proposed.index == id.index {
                    let executed = rules.is_it(proposed, id);
                    Some(if executed { Verdict::Executed } else { Verdict::NotExecuted })
                } else {
                    rules.is_over(proposed, id).then_some(Verdict::NotExecuted)
                }
            },
            out,
        );
    }

    fn restored(&mut self, last: LogId, out: &mut Vec<Effect>) {
        assert!(last.index > self.applied, "a snapshot never takes the service back");
        self.applied = last.index;
        let rules = self.rules;
        self.tell(
            |proposed| {
                if proposed.index == last.index && proposed.term != last.term {
                    Some(Verdict::NotExecuted)
                } else if proposed.index <= last.index {
                    // Executed, it may be; but its result is not here.
                    Some(Verdict::Unknown)
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
        match input {
            Input::Proposed { ticket, id } => self.proposed(ticket, id),
            Input::Applied { id } => self.applied(id, out),
            Input::Restored { id } => self.restored(id.last, out),
            Input::Deadline { ticket } => {
                let waits = self.waiting.iter().find(|(_, waits)| **waits == ticket);
                if let Some((&entry, _)) = waits {
                    self.waiting.remove(&entry);
                    out.push(Effect::Tell { ticket, verdict: Verdict::Unknown });
                }
            }
        }
    }
}
