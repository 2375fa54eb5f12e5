//! An administrator's side of a request: reads the latest configuration, asks for a change that is based on it, and
//! says no more of it than it knows.
//!
//! A change is executed at most once however often it arrives: when one copy of it was, the number on which it is
//! based is not the latest any more. So it may be sent again and again. But the answer *stale* to a second copy may
//! come because of the first one. Whose configuration it was that came in between stands in that configuration, the
//! one behind the number on which the change is based: it names the request that has made it. If it is another's, the
//! change was not executed and never will be, for its number never comes again. If that configuration was dropped
//! meanwhile, nobody knows.
//!
//! Who was told `Stale` looks at what is there now before it wants something again: that is what the number is for.

use super::{Change, Command, Exact, Num, Query, Refusal, Reply, RequestId, Rules};
use crate::Machine;
use crate::kv::{ClientId, Seq};
use alloc::vec::Vec;

/// What is sent to a server of the controller.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Asked {
    /// A change: to the leader's log.
    Change(Command),
    /// A question. Any server may answer it from what it has, if it was asked for a number: a configuration never
    /// changes. One for the latest that is answered by a server that is behind makes the change stale, and no more.
    Query(Query),
}

/// What may happen to an administrator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Somebody wants this. One request at a time.
    Ask(Change),
    /// An answer arrived.
    Answer {
        /// To which call.
        seq: Seq,
        /// The answer.
        reply: Reply,
    },
    /// No answer for too long, or none that decides.
    Retry,
}

/// What an administrator asks its driver to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Send this to a server of the controller.
    Send {
        /// Which call it is.
        seq: Seq,
        /// Which sending of it, from 1 on.
        attempt: u32,
        /// What.
        asked: Asked,
    },
    /// The request is over.
    Ended(Outcome),
    /// Another request is under way; nothing was sent.
    Busy,
}

/// How a request ended.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// It has made the configuration of this number.
    Done {
        /// The number.
        number: Num,
    },
    /// It was not executed and never will be, for this reason.
    Refused(Refusal),
    /// It was not executed and never will be: something else was changed first. Look, and ask again.
    Stale,
    /// It was executed once, or it was not and never will be: what would show it was dropped.
    Unknown,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    Idle,
    /// It asks for the latest configuration.
    Reads(Change),
    /// It asks for the change.
    Changes {
        based: Num,
        change: Change,
    },
    /// It asks for the configuration behind the one on which its request was based.
    Looks {
        based: Num,
        request: RequestId,
    },
}

/// An administrator.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Admin<R = Exact> {
    rules: R,
    client: ClientId,
    /// The call that is under way, or the last one.
    seq: Seq,
    /// How often it was sent.
    attempts: u32,
    phase: Phase,
}

impl<R: Rules> Admin<R> {
    /// Nobody has, or ever had, the same client id.
    pub const fn new(rules: R, client: ClientId) -> Self {
        Self { rules, client, seq: 0, attempts: 0, phase: Phase::Idle }
    }

    /// Whether a request is under way.
    pub fn is_busy(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// The call that is under way, or the last one.
    pub const fn seq(&self) -> Seq {
        self.seq
    }

    /// How often that call was sent.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The next call, in this phase.
    fn call(&mut self, phase: Phase, out: &mut Vec<Effect>) {
        self.phase = phase;
        self.seq += 1;
        self.attempts = 0;
        self.send(out);
    }

    fn send(&mut self, out: &mut Vec<Effect>) {
        let request = RequestId { client: self.client, seq: self.seq };
        let asked = match &self.phase {
            Phase::Idle => return,
            Phase::Reads(_) => Asked::Query(Query::Config(None)),
            Phase::Changes { based, change } => {
                let (based, change) = (Some(*based), change.clone());
                Asked::Change(Command::Change { request, based, change })
            }
            Phase::Looks { based, .. } => Asked::Query(Query::Config(Some(based + 1))),
        };
        self.attempts = self.attempts.saturating_add(1);
        out.push(Effect::Send { seq: self.seq, attempt: self.attempts, asked });
    }

    fn end(&mut self, outcome: Outcome, out: &mut Vec<Effect>) {
        self.phase = Phase::Idle;
        out.push(Effect::Ended(outcome));
    }

    /// What does not fit the call that is under way is no answer to it.
    fn answer(&mut self, reply: Reply, out: &mut Vec<Effect>) {
        match (self.phase.clone(), reply) {
            (Phase::Reads(change), Reply::Config(config)) => {
                self.call(Phase::Changes { based: config.number, change }, out);
            }
            (Phase::Changes { .. }, Reply::Changed { number }) => {
                self.end(Outcome::Done { number }, out);
            }
            // Another copy was refused too, or is stale: while the number was the latest, all are refused alike.
            (Phase::Changes { .. }, Reply::Refused(refusal)) => {
                self.end(Outcome::Refused(refusal), out);
            }
            // CTL-ADMIN-1.
            (Phase::Changes { based, .. }, Reply::Stale { .. }) => {
                let request = RequestId { client: self.client, seq: self.seq };
                match self.rules.looks_when_stale() {
                    true => self.call(Phase::Looks { based, request }, out),
                    false => self.end(Outcome::Stale, out),
                }
            }
            // CTL-ADMIN-4.
            (Phase::Looks { based, request }, Reply::Config(config))
                if self.rules.decides(config.number, based + 1) =>
            {
                let own = self.rules.is_own(config.request, request);
                let done = Outcome::Done { number: based + 1 };
                self.end(if own { done } else { Outcome::Stale }, out);
            }
            // CTL-ADMIN-3.
            (Phase::Looks { .. }, Reply::Dropped { .. }) => {
                let unknown = self.rules.is_unknown_when_dropped();
                self.end(if unknown { Outcome::Unknown } else { Outcome::Stale }, out);
            }
            _ => {}
        }
    }
}

impl<R: Rules> Machine for Admin<R> {
    type Input<'a> = Input;
    type Effect = Effect;

    fn step(&mut self, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Ask(_) if self.is_busy() => out.push(Effect::Busy),
            Input::Ask(change) => self.call(Phase::Reads(change), out),
            // CTL-ADMIN-5.
            Input::Answer { seq, reply } if self.rules.is_mine(seq, self.seq) => {
                self.answer(reply, out);
            }
            Input::Answer { .. } => {}
            // CTL-ADMIN-6.
            Input::Retry if self.rules.sends_again() => self.send(out),
            Input::Retry => {}
        }
    }
}
