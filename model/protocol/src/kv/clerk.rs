//! A client's side of a call: sends it until it is answered, and says no more than it knows (labs 2 and 4).
//!
//! A call may be sent many times, and each copy may be executed, now or later. A recorded write is executed
//! once however often it arrives, so its answer is the answer. A Put with a version is executed at most once
//! by itself, but a *refused* one that was sent twice may be refused because its other copy was executed:
//! then the caller is told Maybe (the lab's ErrMaybe), and must look. That holds of every version but 0, which comes
//! back when the key is deleted: so a Put that creates its key is always recorded.

use super::records::{ClientId, Once, Seq};
use super::rules::{Exact, Rules};
use super::{Bytes, Command, Op, Reply};
use crate::Machine;
use crate::types::NodeId;
use alloc::vec::Vec;
use core::fmt;

/// A command on its way to a server, and which copy of it this is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Request {
    /// The client's call.
    pub seq: Seq,
    /// Which sending of that call, from 1 on.
    pub attempt: u32,
    /// What is to be done.
    pub command: Command,
}

/// What a server says to a request.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Answer {
    /// It was applied, or found recorded.
    Reply(Reply),
    /// This copy was not executed and never will be.
    NotExecuted {
        /// Whom to ask instead.
        leader: Option<NodeId>,
    },
}

/// What may happen to a clerk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Its user wants this done. One call at a time.
    Call {
        /// The key.
        key: Bytes,
        /// What is to be done with it.
        op: Op,
    },
    /// An answer to some request arrived.
    Answer {
        /// The request's call.
        seq: Seq,
        /// Which sending of it.
        attempt: u32,
        /// The answer.
        answer: Answer,
    },
    /// The `Retry` timer fired: no answer for too long.
    Retry,
}

/// What a clerk asks its driver to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Send this to a server.
    Send {
        /// Which.
        to: NodeId,
        /// What.
        request: Request,
    },
    /// Start the `Retry` timer anew.
    ArmRetry,
    /// Stop it.
    DisarmRetry,
    /// The call is over.
    Done(Outcome),
    /// Another call is under way; nothing was sent.
    Busy,
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// With this reply. If it is a refusal, the call was not executed and never will be.
    Reply(Reply),
    /// It was executed once, or it was not and never will be: nobody knows which.
    Maybe,
}

/// How a clerk works.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Config {
    /// Who it is. After SessionExpired its user makes a new one.
    pub client: ClientId,
    /// How many servers there are, numbered from 0.
    pub servers: u8,
    /// Whether Put and Delete are recorded as Set and Append always are: then they end in Maybe only if the client's
    /// records are dropped meanwhile.
    pub record_puts: bool,
}

/// Copies of a call beyond this are not told apart: then there is another one, until the call is over.
const MAX_OPEN: usize = 64;

/// A call that is not answered yet.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Call {
    command: Command,
    attempt: u32,
    /// The copies that may have been executed or may yet be.
    open: Vec<u32>,
    /// Whether more were sent than are told apart.
    untracked: bool,
}

/// The clerk.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Clerk<R = Exact> {
    rules: R,
    config: Config,
    seq: Seq,
    /// Who led when it was last heard of.
    leader: NodeId,
    call: Option<Call>,
}

impl<R: Rules> Clerk<R> {
    /// A clerk that has called nobody yet.
    pub const fn new(rules: R, config: Config) -> Self {
        Self { rules, config, seq: 0, leader: NodeId(0), call: None }
    }

    /// Whether a call is under way.
    pub const fn is_busy(&self) -> bool {
        self.call.is_some()
    }

    /// The number of the latest call.
    pub const fn seq(&self) -> Seq {
        self.seq
    }

    /// Whether the call that is under way is recorded.
    pub fn is_recorded(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.command.once.is_some())
    }

    /// Whether the call that is under way could write.
    pub fn writes(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.command.op.writes())
    }

    /// How often the call that is under way was sent; 0 if there is none.
    pub fn attempts(&self) -> u32 {
        self.call.as_ref().map_or(0, |call| call.attempt)
    }

    fn call(&mut self, key: Bytes, op: Op, out: &mut Vec<Effect>) {
        if self.call.is_some() {
            return out.push(Effect::Busy);
        }
        self.seq += 1;
        let recorded = match op {
            Op::Get => false,
            Op::Put { expected: 0, .. } => self.config.record_puts || self.rules.records_creation(),
            Op::Put { .. } | Op::Delete { .. } => self.config.record_puts,
            Op::Set { .. } | Op::Append { .. } | Op::String(_) | Op::Key(_) => op.writes(),
        };
        // One call at a time: this one acknowledges all before it.
        let once = Once { client: self.config.client, seq: self.seq, acknowledged: self.seq - 1 };
        let command = Command { key, op, once: recorded.then_some(once) };
        self.call = Some(Call { command, attempt: 0, open: Vec::new(), untracked: false });
        self.send(out);
    }

    fn send(&mut self, out: &mut Vec<Effect>) {
        let Some(call) = &mut self.call else { return };
        call.attempt = call.attempt.saturating_add(1);
        if call.open.len() < MAX_OPEN {
            call.open.push(call.attempt);
        } else {
            call.untracked = true;
        }
        let request =
            Request { seq: self.seq, attempt: call.attempt, command: call.command.clone() };
        out.push(Effect::Send { to: self.leader, request });
        out.push(Effect::ArmRetry);
    }

    /// CLERK-RETRY-1. What is not answered is sent again, to the next server.
    fn retry(&mut self, out: &mut Vec<Effect>) {
        if !self.rules.sends_again() {
            return;
        }
        self.try_next();
        self.send(out);
    }

    fn try_next(&mut self) {
        self.leader = NodeId((self.leader.0 + 1) % self.config.servers.max(1));
    }

    fn on_answer(&mut self, seq: Seq, attempt: u32, answer: Answer, out: &mut Vec<Effect>) {
        let rules = self.rules;
        if !rules.is_mine(seq, self.seq) {
            return;
        }
        let Some(call) = &mut self.call else { return };
        let others = call.open.iter().filter(|open| **open != attempt).count();
        let others = others + usize::from(call.untracked);
        let recorded = call.command.once.is_some();
        let maybe = call.command.op.writes() && rules.is_maybe(&answer, recorded, others);
        match answer {
            Answer::NotExecuted { leader } => {
                call.open.retain(|open| *open != attempt);
                if attempt != call.attempt {
                    return;
                }
                match leader.filter(|leader| leader.0 < self.config.servers) {
                    Some(leader) if leader != self.leader => {
                        self.leader = leader;
                        self.send(out);
                    }
                    // Nobody knows better: wait for the timer.
                    _ => {}
                }
            }
            Answer::Reply(reply) => {
                self.call = None;
                out.push(Effect::DisarmRetry);
                let outcome = if maybe { Outcome::Maybe } else { Outcome::Reply(reply) };
                out.push(Effect::Done(outcome));
            }
        }
    }
}

impl<R: Rules> Machine for Clerk<R> {
    type Input<'a>
        = Input
    where
        Self: 'a;
    type Effect = Effect;

    fn step(&mut self, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Call { key, op } => self.call(key, op, out),
            Input::Answer { seq, attempt, answer } => self.on_answer(seq, attempt, answer, out),
            Input::Retry => self.retry(out),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { client: ClientId(1), servers: 1, record_puts: false }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, attempt, command } = self;
        write!(f, "#{seq}.{attempt} {command:?}")
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(reply) => write!(f, "{reply:?}"),
            Self::NotExecuted { leader: Some(leader) } => write!(f, "not executed, ask {leader:?}"),
            Self::NotExecuted { leader: None } => write!(f, "not executed"),
        }
    }
}

impl<R> fmt::Debug for Clerk<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.config.client)?;
        match &self.call {
            None => write!(f, " idle after #{}", self.seq),
            Some(Call { command, attempt, open, .. }) => {
                write!(f, " #{}.{attempt} {command:?} open {open:?}", self.seq)
            }
        }
    }
}
