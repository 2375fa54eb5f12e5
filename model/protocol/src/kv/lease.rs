//! A lock that frees itself: its holder puts the end off while it lives.
//!
//! What [`super::lock`] says of tokens and fencing versions holds here too, and users of both kinds exclude each
//! other. But the key has a deadline on the group's clock, so a holder that died frees the lock, and one that is only
//! late *believes* that it has it. Therefore the holder stops believing first: the driver fires `End` when, by its own
//! clock and with a margin for how much faster the group's may run, the deadline may have come, reckoned from before
//! the call that set it was sent. Where that is not enough, for a holder can be late between a look at its clock and
//! what it does next, the resource compares fencing versions.
//!
//! Each renewal raises the key's version. The fencing version stays the one at which the holder saw its token first:
//! every later holder's is greater all the same.
//!
//! A released lock is an empty value with a deadline, so that those who wait for a greater version are told, and
//! nothing stays behind.

use super::clerk::Outcome;
use super::op::{Deadline, When};
use super::records::ClientId;
use super::rules::{Exact, Rules};
use super::{Bytes, Op, Reply, StringOp, Version};
use crate::Machine;
use alloc::vec::Vec;
use core::fmt;

/// What may happen to a lock's user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// It wants the lock.
    Acquire,
    /// It is done.
    Release,
    /// The call that was asked for is over.
    Outcome(Outcome),
    /// The `Retry` timer fired: look again.
    Retry,
    /// The `Renew` timer fired: put the end off.
    Renew,
    /// The `End` timer fired: the deadline may have come.
    End,
}

/// What the lock asks its driver to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Call this on the lock's key, through a clerk.
    Call(Op),
    /// The lock is held, with this fencing version. Start the timers `Renew` and `End`, from when the call that wrote
    /// the token was first sent.
    Acquired {
        /// Greater than that of any holder before.
        version: Version,
    },
    /// The end was put off. Start both timers anew, from when the call was first sent.
    Renewed,
    /// Nobody knows whether the end was put off. Start the `Renew` timer anew, and leave `End`.
    ArmRenew,
    /// The lock is held no longer: its time is over, or somebody has taken it away.
    Lost,
    /// The lock is no longer held.
    Released,
    /// The call was turned away for what the store has of its client: the lock is not held.
    Failed(Reply),
    /// Start the `Retry` timer: another holds the lock.
    ArmRetry,
    /// What was asked for makes no sense now.
    Ignored,
}

/// Where it stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// Not held and not wanted.
    Idle,
    /// It was asked who holds the lock.
    Looking,
    /// Another holds it; the timer runs.
    Waiting,
    /// The token was written.
    Taking,
    /// Held.
    Held {
        /// The fencing version.
        version: Version,
    },
    /// Held; the end is being put off.
    Renewing {
        /// The fencing version.
        version: Version,
    },
    /// The empty value was written.
    Releasing,
}

/// One user of one lock.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Lease<R = Exact> {
    rules: R,
    client: ClientId,
    ttl_ms: u64,
    acquires: u64,
    state: State,
}

impl<R: Rules> Lease<R> {
    /// A user that does not hold the lock, and will hold it for so long at a time.
    pub const fn new(rules: R, client: ClientId, ttl_ms: u64) -> Self {
        Self { rules, client, ttl_ms, acquires: 0, state: State::Idle }
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The fencing version, while the lock is held.
    pub const fn held(&self) -> Option<Version> {
        match self.state {
            State::Held { version } | State::Renewing { version } => Some(version),
            _ => None,
        }
    }

    fn token(&self) -> Bytes {
        self.rules.token(self.client, self.acquires)
    }

    fn write(&self, value: Bytes, when: When, out: &mut Vec<Effect>) {
        let deadline = Deadline::In(self.ttl_ms);
        out.push(Effect::Call(Op::String(StringOp::Set { value, when, deadline, get: false })));
    }

    fn look(&mut self, out: &mut Vec<Effect>) {
        self.state = State::Looking;
        out.push(Effect::Call(Op::Get));
    }

    fn take(&mut self, when: When, out: &mut Vec<Effect>) {
        self.state = State::Taking;
        self.write(self.token(), when, out);
    }

    fn end(&mut self, effect: Effect, out: &mut Vec<Effect>) {
        self.state = State::Idle;
        out.push(effect);
    }

    fn on_looked(&mut self, outcome: Outcome, out: &mut Vec<Effect>) {
        match outcome {
            Outcome::Reply(Reply::Value { value, version }) if value == self.token() => {
                self.state = State::Held { version };
                out.push(Effect::Acquired { version });
            }
            Outcome::Reply(Reply::Value { value, .. }) if self.rules.is_free(&value) => {
                self.take(When::Equal(value), out);
            }
            Outcome::Reply(Reply::NoKey) => self.take(When::Missing, out),
            _ => {
                self.state = State::Waiting;
                out.push(Effect::ArmRetry);
            }
        }
    }

    /// Whatever came of it, whose token is there is the truth, and its version the fencing version.
    fn on_taken(&mut self, outcome: Outcome, out: &mut Vec<Effect>) {
        match outcome {
            Outcome::Reply(reply) if reply.is_refusal() => self.end(Effect::Failed(reply), out),
            _ => self.look(out),
        }
    }

    fn on_renewed(&mut self, version: Version, outcome: &Outcome, out: &mut Vec<Effect>) {
        self.state = State::Held { version };
        match outcome {
            Outcome::Reply(Reply::Ok) => out.push(Effect::Renewed),
            Outcome::Reply(Reply::Nil) => self.end(Effect::Lost, out),
            _ => out.push(Effect::ArmRenew),
        }
    }

    /// What was not written is over when its deadline comes.
    fn on_released(&mut self, outcome: &Outcome, out: &mut Vec<Effect>) {
        let lost = *outcome == Outcome::Reply(Reply::Nil);
        self.end(if lost { Effect::Lost } else { Effect::Released }, out);
    }
}

impl<R: Rules> Machine for Lease<R> {
    type Input<'a>
        = Input
    where
        Self: 'a;
    type Effect = Effect;

    fn step(&mut self, input: Input, out: &mut Vec<Effect>) {
        match (input, self.state) {
            (Input::Acquire, State::Idle) => {
                self.acquires += 1;
                self.look(out);
            }
            (Input::Retry, State::Waiting) => self.look(out),
            (Input::Outcome(outcome), State::Looking) => self.on_looked(outcome, out),
            (Input::Outcome(outcome), State::Taking) => self.on_taken(outcome, out),
            (Input::Renew, State::Held { version }) => {
                self.state = State::Renewing { version };
                self.write(self.token(), When::Equal(self.token()), out);
            }
            (Input::Outcome(outcome), State::Renewing { version }) => {
                self.on_renewed(version, &outcome, out);
            }
            (Input::End, State::Held { .. } | State::Renewing { .. }) => {
                self.end(Effect::Lost, out);
            }
            (Input::Release, State::Held { .. }) => {
                self.state = State::Releasing;
                self.write(Bytes::default(), When::Equal(self.token()), out);
            }
            (Input::Outcome(outcome), State::Releasing) => self.on_released(&outcome, out),
            _ => out.push(Effect::Ignored),
        }
    }
}

impl<R> fmt::Debug for Lease<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} acquire {} {:?}", self.client, self.acquires, self.state)
    }
}
