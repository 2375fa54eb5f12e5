//! A lock made of Get and Put (lab 2 of 2025): held by whoever's token is its value.
//!
//! To acquire is to put one's token over a version at which the lock was seen free. The version that this
//! Put got is the *fencing version*: it is greater than that of any holder before, so a resource that
//! remembers the greatest it has seen can turn away a holder that was thought dead and is only late.
//!
//! A Put that came back Maybe is no acquire and no failure: the holder looks whose token is there.

use super::clerk::Outcome;
use super::records::ClientId;
use super::rules::{AfterMaybe, Exact, Rules};
use super::{Bytes, Op, Reply, Version};
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
}

/// What the lock asks its driver to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Call this on the lock's key, through a clerk.
    Call(Op),
    /// The lock is held, with this fencing version.
    Acquired {
        /// Greater than that of any holder before.
        version: Version,
    },
    /// The lock is no longer held.
    Released,
    /// The call was turned away for what the store has of its client, and nothing was written: an acquirer does not
    /// have the lock, a holder has it still. Its user makes a new client and begins anew.
    Failed(Reply),
    /// Start the `Retry` timer: another holds the lock.
    ArmRetry,
    /// What was asked for makes no sense now.
    Ignored,
}

/// Where an acquire or release stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// Not held and not wanted.
    Idle,
    /// It was asked who holds the lock.
    Looking,
    /// Another holds it; the timer runs.
    Waiting,
    /// The token was put.
    Taking {
        /// Over this version.
        expected: Version,
    },
    /// Held.
    Held {
        /// The fencing version.
        version: Version,
    },
    /// The empty value was put.
    Releasing {
        /// Over this version.
        version: Version,
    },
    /// It was asked whether that Put was executed.
    Checking {
        /// The version under which the lock was held.
        version: Version,
    },
}

/// What a resource remembers in order to turn away holders that are late: those of a lock that has a deadline, or
/// that was freed by force, while they still believe that they have it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Fence<R = Exact> {
    rules: R,
    greatest: Version,
}

impl<R: Rules> Fence<R> {
    /// A resource that nobody has used yet.
    pub const fn new(rules: R) -> Self {
        Self { rules, greatest: 0 }
    }

    /// LOCK-FENCE-1. Whether a holder with this fencing version may use the resource; from then on none before it may.
    pub fn admit(&mut self, version: Version) -> bool {
        let admitted = self.rules.lets_in(version, self.greatest);
        if admitted {
            self.greatest = self.greatest.max(version);
        }
        admitted
    }
}

/// One user of one lock.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Lock<R = Exact> {
    rules: R,
    client: ClientId,
    acquires: u64,
    state: State,
}

impl<R: Rules> Lock<R> {
    /// A user that does not hold the lock.
    pub const fn new(rules: R, client: ClientId) -> Self {
        Self { rules, client, acquires: 0, state: State::Idle }
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The fencing version, while the lock is held.
    pub const fn held(&self) -> Option<Version> {
        match self.state {
            State::Held { version } => Some(version),
            _ => None,
        }
    }

    fn token(&self) -> Bytes {
        self.rules.token(self.client, self.acquires)
    }

    fn look(&mut self, out: &mut Vec<Effect>) {
        self.state = State::Looking;
        out.push(Effect::Call(Op::Get));
    }

    fn take(&mut self, expected: Version, out: &mut Vec<Effect>) {
        self.state = State::Taking { expected };
        out.push(Effect::Call(Op::Put { value: self.token(), expected }));
    }

    fn hold(&mut self, version: Version, out: &mut Vec<Effect>) {
        self.state = State::Held { version };
        out.push(Effect::Acquired { version });
    }

    /// LOCK-RELEASE-1. Only the version under which the lock was held is replaced.
    fn release(&mut self, version: Version, out: &mut Vec<Effect>) {
        self.state = State::Releasing { version };
        let expected = self.rules.released_version(version);
        out.push(Effect::Call(Op::Put { value: Bytes::default(), expected }));
    }

    fn wait(&mut self, out: &mut Vec<Effect>) {
        self.state = State::Waiting;
        out.push(Effect::ArmRetry);
    }

    /// LOCK-TAKE-1, LOCK-MAYBE-1.
    fn on_looked(&mut self, outcome: Outcome, out: &mut Vec<Effect>) {
        match outcome {
            Outcome::Reply(Reply::Value { value, version }) => {
                if value == self.token() {
                    self.hold(version, out);
                } else if self.rules.is_free(&value) {
                    self.take(version, out);
                } else {
                    self.wait(out);
                }
            }
            Outcome::Reply(Reply::NoKey) => self.take(0, out),
            _ => self.wait(out),
        }
    }

    fn on_taken(&mut self, expected: Version, outcome: &Outcome, out: &mut Vec<Effect>) {
        match (outcome, self.rules.after_maybe()) {
            (Outcome::Reply(Reply::Written { version }), _) => self.hold(*version, out),
            (Outcome::Maybe, AfterMaybe::Hold) => self.hold(expected + 1, out),
            (Outcome::Maybe, AfterMaybe::Forget) => {
                self.acquires += 1;
                self.look(out);
            }
            (Outcome::Reply(reply), _) if !is_about_version(reply) => {
                self.state = State::Idle;
                out.push(Effect::Failed(reply.clone()));
            }
            _ => self.look(out),
        }
    }

    fn on_released(&mut self, version: Version, outcome: &Outcome, out: &mut Vec<Effect>) {
        match outcome {
            Outcome::Maybe => {
                self.state = State::Checking { version };
                out.push(Effect::Call(Op::Get));
            }
            Outcome::Reply(reply) if reply.is_refusal() && !is_about_version(reply) => {
                self.state = State::Held { version };
                out.push(Effect::Failed(reply.clone()));
            }
            Outcome::Reply(_) => {
                self.state = State::Idle;
                out.push(Effect::Released);
            }
        }
    }

    fn on_checked(&mut self, version: Version, outcome: &Outcome, out: &mut Vec<Effect>) {
        match outcome {
            Outcome::Reply(Reply::Value { version: now, .. }) => {
                match self.rules.still_held(version, *now) {
                    Some(held) => self.release(held, out),
                    None => {
                        self.state = State::Idle;
                        out.push(Effect::Released);
                    }
                }
            }
            _ => {
                self.state = State::Idle;
                out.push(Effect::Released);
            }
        }
    }
}

/// Whether a refusal says that the lock has another version than was expected.
const fn is_about_version(reply: &Reply) -> bool {
    matches!(reply, Reply::VersionMismatch | Reply::NoKey)
}

impl<R: Rules> Machine for Lock<R> {
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
            (Input::Release, State::Held { version }) => self.release(version, out),
            (Input::Retry, State::Waiting) => self.look(out),
            (Input::Outcome(outcome), State::Looking) => self.on_looked(outcome, out),
            (Input::Outcome(outcome), State::Taking { expected }) => {
                self.on_taken(expected, &outcome, out);
            }
            (Input::Outcome(outcome), State::Releasing { version }) => {
                self.on_released(version, &outcome, out);
            }
            (Input::Outcome(outcome), State::Checking { version }) => {
                self.on_checked(version, &outcome, out);
            }
            _ => out.push(Effect::Ignored),
        }
    }
}

impl<R> fmt::Debug for Lock<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} acquire {} {:?}", self.client, self.acquires, self.state)
    }
}
