//! Commands that go on to the leader.
//!
//! A caller may let its server pass its command on. Then the server does not tell it that the command was not executed
//! here, but sends the command to the leader and tells what comes back; and if that is a refusal, it tries again.
//! Nothing is executed twice by that, for only what surely was not executed goes on: a command whose fate is open is
//! never sent anywhere again. Reads need none of it: any server answers them.
//!
//! The commands themselves are the driver's to keep until their callers are told; here they are tickets. The driver's
//! transport says of a command that it surely did not leave ([`Input::NotPassed`](super::Input)); or it brings at
//! most one answer, and to no other sending and no other life of this server; or it says that the connection by which
//! the command left is lost, behind which no answer comes ([`Input::Lost`](super::Input)).

use super::waiters::{Caller, Verdict};
use super::{Effect, Outcome, Rsm, Rules, StateMachine, Ticket};
use crate::raft;
use crate::types::NodeId;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// The commands of callers who wait here, and that are in no log by this server's doing.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Passing {
    /// To whom they were sent.
    sent: BTreeMap<Ticket, NodeId>,
    /// Those that wait to be tried again.
    here: BTreeSet<Ticket>,
}

impl Passing {
    pub(super) fn len(&self) -> usize {
        self.sent.len() + self.here.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.here.is_empty()
    }

    /// The same with every server's number changed by `name`.
    pub(super) fn renamed(&self, name: &impl Fn(NodeId) -> NodeId) -> Self {
        let sent = self.sent.iter().map(|(&ticket, &node)| (ticket, name(node))).collect();
        Self { sent, here: self.here.clone() }
    }

    fn take_sent(&mut self, which: impl Fn(Ticket, NodeId) -> bool) -> Vec<Ticket> {
        let taken = self.sent.iter().filter(|&(&ticket, &node)| which(ticket, node));
        let taken: Vec<Ticket> = taken.map(|(&ticket, _)| ticket).collect();
        self.sent.retain(|&ticket, &mut node| !which(ticket, node));
        taken
    }
}

impl<S: StateMachine, R: raft::Rules, W: Rules> Rsm<S, R, W> {
    /// The commands that were sent to other servers, and to which.
    pub fn sent_on(&self) -> impl Iterator<Item = (Ticket, NodeId)> {
        self.passing.sent.iter().map(|(&ticket, &node)| (ticket, node))
    }

    /// RSM-PASS-1. A caller whose command was dealt with like that here is told, unless the command may go on.
    pub(super) fn pass_or_tell(
        &mut self,
        caller: Caller,
        verdict: Verdict,
        outcome: Outcome<S::Reply>,
        out: &mut Vec<Effect<S::Reply>>,
    ) {
        let Caller { ticket, passes } = caller;
        if !passes || !self.rules.may_pass(verdict) {
            return out.push(Effect::Tell { ticket, outcome });
        }
        match self.leader() {
            Some(to) if to != self.replica.raft().me() => {
                self.passing.sent.insert(ticket, to);
                out.push(Effect::Pass { to, ticket });
            }
            _ => self.try_later(ticket, out),
        }
    }

    /// Only the first arms the timer: were each to, a steady flow of them would put it off for ever.
    fn try_later(&mut self, ticket: Ticket, out: &mut Vec<Effect<S::Reply>>) {
        if self.passing.here.is_empty() {
            out.push(Effect::ArmRetry);
        }
        self.passing.here.insert(ticket);
    }

    /// It surely has not left.
    pub(super) fn not_passed(&mut self, ticket: Ticket, out: &mut Vec<Effect<S::Reply>>) {
        if self.passing.sent.remove(&ticket).is_some() {
            self.try_later(ticket, out);
        }
    }

    /// What another server says of a command that was sent to it. RSM-PASS-1 again: a refusal is tried again.
    pub(super) fn answered(
        &mut self,
        from: NodeId,
        ticket: Ticket,
        outcome: Outcome<S::Reply>,
        out: &mut Vec<Effect<S::Reply>>,
    ) {
        if self.passing.sent.get(&ticket) != Some(&from) {
            return;
        }
        self.passing.sent.remove(&ticket);
        let refused = match outcome {
            Outcome::NotExecuted { .. } => self.rules.may_pass(Verdict::NotExecuted),
            Outcome::Unknown => self.rules.may_pass(Verdict::Unknown),
            Outcome::Done(_) | Outcome::Busy => false,
        };
        if refused {
            self.try_later(ticket, out);
        } else {
            out.push(Effect::Tell { ticket, outcome });
        }
    }

    /// RSM-PASS-2. What left over a connection that is lost may have arrived.
    pub(super) fn lost(&mut self, node: NodeId, out: &mut Vec<Effect<S::Reply>>) {
        let verdict = self.rules.when_lost();
        for ticket in self.passing.take_sent(|_, to| to == node) {
            if self.rules.may_pass(verdict) {
                self.try_later(ticket, out);
            } else {
                out.push(Effect::Tell { ticket, outcome: Outcome::Unknown });
            }
        }
    }

    /// RSM-PASS-3. All that wait here are submitted again when the timer fires, and when a leader becomes known.
    pub(super) fn try_again(&mut self, out: &mut Vec<Effect<S::Reply>>) {
        if self.rules.may_submit_again() {
            let here = core::mem::take(&mut self.passing.here);
            out.extend(here.into_iter().map(|ticket| Effect::Resubmit { ticket }));
        }
    }

    /// Those that wait here have waited long enough. Nothing was done with their commands.
    pub(super) fn give_up_here(&mut self, below: Ticket, out: &mut Vec<Effect<S::Reply>>) {
        // Who leads itself has nobody to name.
        let leader = self.leader().filter(|&leader| leader != self.replica.raft().me());
        let on = self.passing.here.split_off(&below);
        let late = core::mem::replace(&mut self.passing.here, on);
        for ticket in late {
            out.push(Effect::Tell { ticket, outcome: Outcome::NotExecuted { leader } });
        }
    }

    /// RSM-TELL-5. Those whose commands are elsewhere have waited long enough.
    pub(super) fn give_up_elsewhere(&mut self, below: Ticket, out: &mut Vec<Effect<S::Reply>>) {
        let leader = self.leader();
        let verdict = self.rules.at_deadline();
        for ticket in self.passing.take_sent(|ticket, _| ticket < below) {
            let outcome = match verdict {
                Verdict::NotExecuted => Outcome::NotExecuted { leader },
                Verdict::Executed | Verdict::Unknown => Outcome::Unknown,
            };
            out.push(Effect::Tell { ticket, outcome });
        }
    }
}
