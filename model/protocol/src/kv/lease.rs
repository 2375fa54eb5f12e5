//! A lock that frees itself: its holder puts the end off while it lives.
//!
//! What [`super::lock`] says of tokens and fencing versions holds here too, and users of both kinds exclude each
//! other. But the key has a deadline on the group's clock, so a holder that died frees the lock, and one that is only
//! late *believes* that it has it. Therefore the holder stops believing first: the driver fires `End` when, by its own
//! clock and with a margin for how much faster the group's may run, the deadline may have come, reckoned from before
//! the call that set it was asked for. Where that is not enough, for a holder can be late between a look at its clock
//! and what it does next, the resource compares fencing versions.
//!
//! To reckon so one must know which call set the deadline. A take that nobody answered may be executed long after, by
//! a copy that was late, or it was long before. So each take has a token of its own: whoever sees it knows which call
//! wrote it. And calls have numbers, for `End` and `Release` give up the call that is under way, and what becomes of it
//! must not be taken for the outcome of a later one.
//!
//! Each renewal raises the key's version. The fencing version stays the one at which the holder saw its token first:
//! every later holder's is greater all the same.
//!
//! A released lock is an empty value with a deadline, so that those who wait for a greater version are told, and
//! nothing stays behind.

use super::clerk::Outcome;
use super::op::When;
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
    /// It is done. A renewal that is under way is given up.
    Release,
    /// A call is over. One that was given up may still be reported, or never.
    Outcome {
        /// The call's number.
        call: u64,
        /// What came of it.
        outcome: Outcome,
    },
    /// The `Retry` timer fired: look again.
    Retry,
    /// The `Renew` timer fired: put the end off.
    Renew,
    /// The `End` timer fired: the deadline may have come. A call that is under way is given up.
    End,
}

/// What the lock asks its driver to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Call this on the lock's key, through a clerk. If it writes, note the time, before anything is sent.
    Call {
        /// The call's number, which its outcome bears.
        call: u64,
        /// What is to be done.
        op: Op,
    },
    /// The lock is held, with this fencing version. Start the timers `Renew` and `End`, from when the latest write was
    /// asked for: that wrote the token.
    Acquired {
        /// Greater than that of any holder before.
        version: Version,
    },
    /// The end was put off. Start both timers anew, from when the latest write was asked for.
    Renewed,
    /// Nobody knows whether the end was put off. Start the `Renew` timer anew, and leave `End`.
    ArmRenew,
    /// The lock is held no longer: its time is over, or somebody has taken it away.
    Lost,
    /// The lock is no longer held. It is free, or will be when its deadline comes.
    Released,
    /// The call was turned away for what the store has of its client: the lock is not held.
    Failed(Reply),
    /// Start the `Retry` timer: another holds the lock.
    ArmRetry,
    /// What was asked for makes no sense now, or what was reported is over.
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
    Releasing {
        /// The fencing version, of a lock that is no longer held.
        version: Version,
    },
}

/// One user of one lock.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Lease<R = Exact> {
    rules: R,
    client: ClientId,
    ttl_ms: u64,
    /// The number of the latest call.
    calls: u64,
    /// The call that names this acquire's latest token; 0 if it has written none.
    take: u64,
    state: State,
}

impl<R: Rules> Lease<R> {
    /// A user that does not hold the lock, and will hold it for so long at a time.
    pub const fn new(rules: R, client: ClientId, ttl_ms: u64) -> Self {
        Self { rules, client, ttl_ms, calls: 0, take: 0, state: State::Idle }
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The number of the latest call.
    pub const fn latest_call(&self) -> u64 {
        self.calls
    }

    /// The fencing version, while the lock is held.
    pub fn held(&self) -> Option<Version> {
        match self.state {
            State::Held { version } | State::Renewing { version } => Some(version),
            State::Releasing { version } if self.rules.believes_until_released() => Some(version),
            _ => None,
        }
    }

    /// What it has written into the lock, or will have when its latest take is executed; None if it has not tried to
    /// take the lock since it asked for it.
    pub fn token(&self) -> Option<Bytes> {
        (self.take > 0).then(|| self.rules.token(self.client, self.take))
    }

    fn call(&mut self, op: Op, out: &mut Vec<Effect>) {
        self.calls += 1;
        out.push(Effect::Call { call: self.calls, op });
    }

    /// LEASE-LEFT-1. Whatever is written is over one day.
    fn write(&mut self, value: Bytes, when: When, out: &mut Vec<Effect>) {
        let deadline = self.rules.lease_deadline(self.ttl_ms, &value);
        self.call(Op::String(StringOp::Set { value, when, deadline, get: false }), out);
    }

    fn look(&mut self, out: &mut Vec<Effect>) {
        self.state = State::Looking;
        self.call(Op::Get, out);
    }

    /// LEASE-TAKE-1, LEASE-TOKEN-1.
    fn take(&mut self, seen: When, out: &mut Vec<Effect>) {
        self.state = State::Taking;
        if self.take == 0 || self.rules.takes_anew() {
            self.take = self.calls + 1;
        }
        let token = self.rules.token(self.client, self.take);
        self.write(token, self.rules.takes_when(seen), out);
    }

    fn end(&mut self, effect: Effect, out: &mut Vec<Effect>) {
        (self.state, self.take) = (State::Idle, 0);
        out.push(effect);
    }

    /// LEASE-HOLD-1, LEASE-FENCE-1.
    fn on_looked(&mut self, outcome: Outcome, out: &mut Vec<Effect>) {
        match outcome {
            Outcome::Reply(Reply::Value { value, version })
                if self.rules.is_own(&value, self.client, self.take) =>
            {
                let version = self.rules.fence(version, self.take);
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

    /// LEASE-FAIL-1, LEASE-HOLD-1. Unless it is certain that nothing was written, whose token is there is the truth.
    fn on_taken(&mut self, outcome: &Outcome, out: &mut Vec<Effect>) {
        match self.rules.refusal_of_take(outcome) {
            Some(reply) => self.end(Effect::Failed(reply), out),
            None => self.look(out),
        }
    }

    /// LEASE-RENEW-1.
    fn renew(&mut self, version: Version, out: &mut Vec<Effect>) {
        self.state = State::Renewing { version };
        let token = self.rules.token(self.client, self.take);
        self.write(token.clone(), self.rules.renews_when(token), out);
    }

    /// LEASE-RENEW-2.
    fn on_renewed(&mut self, version: Version, outcome: &Outcome, out: &mut Vec<Effect>) {
        self.state = State::Held { version };
        if self.rules.puts_off(outcome) {
            out.push(Effect::Renewed);
        } else if *outcome == Outcome::Reply(Reply::Nil) {
            self.end(Effect::Lost, out);
        } else {
            out.push(Effect::ArmRenew);
        }
    }

    /// LEASE-RELEASE-1.
    fn release(&mut self, version: Version, out: &mut Vec<Effect>) {
        self.state = State::Releasing { version };
        let token = self.rules.token(self.client, self.take);
        self.write(Bytes::default(), self.rules.releases_when(token), out);
    }

    /// LEASE-RELEASE-1. What was not written is over when its deadline comes.
    fn on_released(&mut self, outcome: &Outcome, out: &mut Vec<Effect>) {
        let lost = *outcome == Outcome::Reply(Reply::Nil);
        self.end(if lost { Effect::Lost } else { Effect::Released }, out);
    }

    /// LEASE-CALL-1.
    fn on_outcome(&mut self, call: u64, outcome: Outcome, out: &mut Vec<Effect>) {
        if !self.rules.is_of_latest(call, self.calls) {
            return out.push(Effect::Ignored);
        }
        match self.state {
            State::Looking => self.on_looked(outcome, out),
            State::Taking => self.on_taken(&outcome, out),
            State::Renewing { version } => self.on_renewed(version, &outcome, out),
            State::Releasing { .. } => self.on_released(&outcome, out),
            State::Idle | State::Waiting | State::Held { .. } => out.push(Effect::Ignored),
        }
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
            (Input::Acquire, State::Idle) => self.look(out),
            (Input::Retry, State::Waiting) => self.look(out),
            (Input::Outcome { call, outcome }, _) => self.on_outcome(call, outcome, out),
            (Input::Renew, State::Held { version }) => self.renew(version, out),
            (Input::Release, State::Held { version } | State::Renewing { version }) => {
                self.release(version, out);
            }
            (Input::End, State::Held { .. }) => self.end(Effect::Lost, out),
            // LEASE-END-1.
            (Input::End, State::Renewing { .. } | State::Releasing { .. })
                if self.rules.ends_while_calling() =>
            {
                self.end(Effect::Lost, out);
            }
            _ => out.push(Effect::Ignored),
        }
    }
}

impl<R> fmt::Debug for Lease<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} call {} token {} {:?}", self.client, self.calls, self.take, self.state)
    }
}
