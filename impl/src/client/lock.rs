//! A lock for programs and people: `protocol::kv::lock` without a deadline, `protocol::kv::lease` with one. They
//! decide; this is their driver, on a [`Clerk`].
//!
//! Who waits for the lock asks the server to say when the lock's version rises (KV.WAIT) instead of looking again and
//! again. A deadline that comes does not raise it, so who waits looks once a second all the same.

use super::{Clerk, Error};
use protocol::Machine as _;
use protocol::kv::clerk::Outcome;
use protocol::kv::lease::{self, Lease};
use protocol::kv::lock::{self, Lock as Plain};
use protocol::kv::{Exact, Op, Reply, Rules as _, Version};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Why a lock can't be had, kept or given back.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// A call failed. Whether the lock is held is as it was before; call again to go on.
    #[error(transparent)]
    Call(#[from] Error),
    /// The lock was held and is not any more.
    #[error(
        "the lock was lost: its time was over before it could be renewed, or somebody took it away. Stop what it guards; \
         what compares fencing versions turns late writes away"
    )]
    Lost,
    /// The store turned the client away.
    #[error("the store turned this client away: {0}. Make a new lock and acquire that")]
    Failed(String),
    /// What was asked for makes no sense now.
    #[error("the lock is not held: acquire it first")]
    NotHeld,
    /// What was asked for makes no sense now.
    #[error("the lock is held already: release it first")]
    Held,
    /// A deadline is too short to be kept.
    #[error("a lock can't be held for less than {} ms at a time", LEAST_TTL.as_millis())]
    TooShort,
}

/// Whether the lock's end was put off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Renewed {
    /// It was.
    Yes,
    /// No server has said so yet; the lock is held until its time is over. Try again.
    NotYet,
}

/// What the machines ask for, in one kind.
#[derive(Debug)]
enum Effect {
    Call(Call),
    Acquired(Version),
    Renewed,
    ArmRenew,
    Lost,
    Released,
    Failed(Reply),
    ArmRetry,
    Ignored,
}

/// A call that a machine asks for.
#[derive(Clone, Debug)]
struct Call {
    /// By which a lease knows its outcome.
    number: u64,
    op: Op,
}

#[derive(Debug)]
enum Holder {
    Plain(Plain<Exact>),
    Lease { machine: Lease<Exact>, ttl: Duration },
}

#[derive(Clone, Copy, Debug)]
enum Input {
    Acquire,
    Release,
    Retry,
    Renew,
    End,
}

/// A lock of some name, held by at most one at a time. It is for one thread.
///
/// One that is dropped while it is held stays held: until its time is over, or for ever if it has none.
#[derive(Debug)]
pub struct Lock {
    clerk: Clerk,
    name: Vec<u8>,
    holder: Holder,
    effects: VecDeque<Effect>,
    /// A call whose answer is still to be had. No copy of it was executed or will be, or it would have ended in Maybe.
    pending: Option<Call>,
    /// The lock's version when it was looked at last.
    seen: Version,
    /// When the latest write was asked for: no deadline that it set counts from before.
    written: Instant,
    /// Until when it may be held, by this clock; renewed before.
    times: Option<Times>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    renew: Instant,
    end: Instant,
}

/// The least time at a stretch.
const LEAST_TTL: Duration = Duration::from_millis(300);
/// How long after a renewal that was not answered the next is tried.
const RENEW_AGAIN: Duration = Duration::from_millis(50);
/// How long a server is asked to wait at a time.
const LOOK: Duration = Duration::from_secs(1);

impl Lock {
    /// A lock without a deadline: who dies with it keeps it.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn new(clerk: Clerk, name: impl AsRef<[u8]>) -> Result<Self, LockError> {
        let machine = Plain::new(Exact, super::id::fresh()?);
        Ok(Self::with(clerk, name.as_ref(), Holder::Plain(machine)))
    }

    /// A lock that is held for so long at a time: [`Lock::renew`] it by [`Lock::renew_at`].
    ///
    /// # Errors
    /// If the time is too short, or the system has no random numbers.
    pub fn with_ttl(
        clerk: Clerk,
        name: impl AsRef<[u8]>,
        ttl: Duration,
    ) -> Result<Self, LockError> {
        if ttl < LEAST_TTL {
            return Err(LockError::TooShort);
        }
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let machine = Lease::new(Exact, super::id::fresh()?, ttl_ms);
        Ok(Self::with(clerk, name.as_ref(), Holder::Lease { machine, ttl }))
    }

    fn with(clerk: Clerk, name: &[u8], holder: Holder) -> Self {
        Self {
            clerk,
            name: name.to_vec(),
            holder,
            effects: VecDeque::new(),
            pending: None,
            seen: 0,
            written: Instant::now(),
            times: None,
        }
    }

    /// The fencing version, while the lock is held: greater than that of any holder before. Send it along with what the
    /// lock guards, so that the resource can turn away a holder that is late.
    pub fn version(&self) -> Option<Version> {
        let over = self.times.is_some_and(|times| times.end <= Instant::now());
        let held = match &self.holder {
            Holder::Plain(machine) => machine.held(),
            Holder::Lease { machine, .. } => machine.held(),
        };
        held.filter(|_| !over)
    }

    /// By when it is to be renewed; None if it has no deadline or is not held.
    pub fn renew_at(&self) -> Option<Instant> {
        self.times.map(|times| times.renew)
    }

    /// When its holder has to stop, if it is not renewed; None if it has no deadline or is not held.
    pub fn ends_at(&self) -> Option<Instant> {
        self.times.map(|times| times.end)
    }

    /// Waits until the lock is held. Its fencing version.
    ///
    /// # Errors
    /// If no server answers in time. Call again to go on.
    pub fn acquire(&mut self) -> Result<Version, LockError> {
        loop {
            if let Some(version) = self.acquire_within(Duration::MAX)? {
                return Ok(version);
            }
        }
    }

    /// Waits until the lock is held, but no longer than this for others. None if they have it still.
    ///
    /// # Errors
    /// As for [`Lock::acquire`].
    pub fn acquire_within(&mut self, time: Duration) -> Result<Option<Version>, LockError> {
        if self.version().is_some() {
            return Err(LockError::Held);
        }
        let until = Instant::now().checked_add(time);
        self.expire();
        // An acquire that was given up goes on where it was.
        let waits = match &self.holder {
            Holder::Plain(machine) => machine.state() == lock::State::Waiting,
            Holder::Lease { machine, .. } => machine.state() == lease::State::Waiting,
        };
        if self.pending.is_none() {
            self.step(if waits { Input::Retry } else { Input::Acquire });
        }
        loop {
            match self.next()? {
                Effect::Acquired(version) => {
                    self.arm();
                    if self.version().is_some() {
                        return Ok(Some(version));
                    }
                    // It took so long that its time is over.
                    self.step(Input::End);
                }
                Effect::ArmRetry => {
                    let left = until.map_or(LOOK, |until| until - Instant::now().min(until));
                    if left.is_zero() {
                        return Ok(None);
                    }
                    self.clerk.wait(&self.name, self.seen, left.min(LOOK))?;
                    self.step(Input::Retry);
                }
                // Of an acquire before.
                Effect::Lost | Effect::Released => self.step(Input::Acquire),
                Effect::Failed(reply) => return Err(LockError::Failed(format!("{reply:?}"))),
                Effect::Renewed | Effect::ArmRenew => {}
                Effect::Call(_) | Effect::Ignored => return Err(LockError::Held),
            }
        }
    }

    /// Puts the end off. Nothing is to be done for a lock without a deadline.
    ///
    /// # Errors
    /// [`LockError::Lost`] if the lock is held no longer, or was not held.
    pub fn renew(&mut self) -> Result<Renewed, LockError> {
        if let Holder::Plain(machine) = &self.holder {
            return machine.held().map(|_| Renewed::Yes).ok_or(LockError::NotHeld);
        }
        let Some(times) = self.times else { return Err(LockError::NotHeld) };
        if self.expire() {
            return Err(LockError::Lost);
        }
        if self.pending.is_none() {
            self.step(Input::Renew);
        }
        self.clerk.limit(Some(times.end));
        let next = self.next();
        self.clerk.limit(None);
        if self.expire() {
            return Err(LockError::Lost);
        }
        match next {
            Ok(Effect::Renewed) => {
                self.arm();
                Ok(Renewed::Yes)
            }
            Ok(Effect::ArmRenew) | Err(LockError::Call(_)) => {
                let renew = Instant::now() + RENEW_AGAIN;
                self.times = Some(Times { renew, ..times });
                Ok(Renewed::NotYet)
            }
            Ok(Effect::Lost) => {
                self.times = None;
                Err(LockError::Lost)
            }
            Ok(_) => Err(LockError::NotHeld),
            Err(error) => Err(error),
        }
    }

    /// Gives the lock back.
    ///
    /// # Errors
    /// [`LockError::Lost`] if it was not held any more. If no server answers in time the lock may be held still; call
    /// again to go on.
    pub fn release(&mut self) -> Result<(), LockError> {
        if self.expire() {
            return Err(LockError::Lost);
        }
        if self.is_renewing() {
            // The machine gives it up.
            self.pending = None;
        }
        if self.pending.is_none() {
            self.step(Input::Release);
        }
        let effect = self.next()?;
        self.times = None;
        match effect {
            Effect::Released => Ok(()),
            Effect::Lost => Err(LockError::Lost),
            Effect::Failed(reply) => Err(LockError::Failed(format!("{reply:?}"))),
            _ => Err(LockError::NotHeld),
        }
    }

    fn is_renewing(&self) -> bool {
        match &self.holder {
            Holder::Plain(_) => false,
            Holder::Lease { machine, .. } => {
                matches!(machine.state(), lease::State::Renewing { .. })
            }
        }
    }

    /// The clerk, and with it the connection, after the lock.
    pub fn into_clerk(self) -> Clerk {
        self.clerk
    }

    /// LEASE-CLOCK-1. From when the call was asked for, and not from its answer.
    fn arm(&mut self) {
        if let Holder::Lease { ttl, .. } = &self.holder {
            let since = Exact.reckons_from(self.written, Instant::now());
            // The group's clock runs at most a tenth faster than this one; another tenth is for the margin.
            self.times = Some(Times { renew: since + *ttl / 3, end: since + *ttl / 5 * 4 });
        }
    }

    /// Lets the lock go if its time is over. Whether it is.
    fn expire(&mut self) -> bool {
        let over = self.times.is_some_and(|times| times.end <= Instant::now());
        if over {
            self.times = None;
            self.pending = None;
            self.step(Input::End);
            self.effects.clear();
        }
        over
    }

    /// The next effect that is not for the clerk.
    fn next(&mut self) -> Result<Effect, LockError> {
        loop {
            if let Some(call) = self.pending.take() {
                self.call(call)?;
            }
            match self.effects.pop_front() {
                Some(Effect::Call(call)) => self.pending = Some(call),
                Some(effect) => return Ok(effect),
                None => return Ok(Effect::Ignored),
            }
        }
    }

    fn call(&mut self, call: Call) -> Result<(), LockError> {
        let writes = call.op.writes();
        if writes {
            self.written = Instant::now();
        }
        match self.clerk.execute(self.name.as_slice().into(), call.op.clone()) {
            Ok(outcome) => {
                if let Outcome::Reply(Reply::Value { version, .. }) = &outcome {
                    self.seen = *version;
                }
                self.outcome(call.number, outcome);
                Ok(())
            }
            // All that does not say that nothing was executed.
            Err(error) if writes && !error.is_definite() => {
                self.outcome(call.number, Outcome::Maybe);
                match self.effects.pop_front() {
                    // It has to look, which is for the next time: servers don't answer now.
                    Some(Effect::Call(next)) => {
                        self.pending = Some(next);
                        Err(error.into())
                    }
                    // It can go on without an answer.
                    effect => {
                        self.effects.extend(effect);
                        Ok(())
                    }
                }
            }
            Err(error) => {
                self.pending = Some(call);
                Err(error.into())
            }
        }
    }

    fn step(&mut self, input: Input) {
        match &mut self.holder {
            Holder::Plain(machine) => {
                let mut out = Vec::new();
                match input {
                    Input::Acquire => machine.step(lock::Input::Acquire, &mut out),
                    Input::Release => machine.step(lock::Input::Release, &mut out),
                    Input::Retry => machine.step(lock::Input::Retry, &mut out),
                    Input::Renew | Input::End => {}
                }
                self.effects.extend(out.into_iter().map(Effect::from));
            }
            Holder::Lease { machine, .. } => {
                let input = match input {
                    Input::Acquire => lease::Input::Acquire,
                    Input::Release => lease::Input::Release,
                    Input::Retry => lease::Input::Retry,
                    Input::Renew => lease::Input::Renew,
                    Input::End => lease::Input::End,
                };
                let mut out = Vec::new();
                machine.step(input, &mut out);
                self.effects.extend(out.into_iter().map(Effect::from));
            }
        }
    }

    fn outcome(&mut self, call: u64, outcome: Outcome) {
        match &mut self.holder {
            Holder::Plain(machine) => {
                let mut out = Vec::new();
                machine.step(lock::Input::Outcome(outcome), &mut out);
                self.effects.extend(out.into_iter().map(Effect::from));
            }
            Holder::Lease { machine, .. } => {
                let mut out = Vec::new();
                machine.step(lease::Input::Outcome { call, outcome }, &mut out);
                self.effects.extend(out.into_iter().map(Effect::from));
            }
        }
    }
}

impl From<lock::Effect> for Effect {
    fn from(effect: lock::Effect) -> Self {
        match effect {
            lock::Effect::Call(op) => Self::Call(Call { number: 0, op }),
            lock::Effect::Acquired { version } => Self::Acquired(version),
            lock::Effect::Released => Self::Released,
            lock::Effect::Failed(reply) => Self::Failed(reply),
            lock::Effect::ArmRetry => Self::ArmRetry,
            lock::Effect::Ignored => Self::Ignored,
        }
    }
}

impl From<lease::Effect> for Effect {
    fn from(effect: lease::Effect) -> Self {
        match effect {
            lease::Effect::Call { call: number, op } => Self::Call(Call { number, op }),
            lease::Effect::Acquired { version } => Self::Acquired(version),
            lease::Effect::Renewed => Self::Renewed,
            lease::Effect::ArmRenew => Self::ArmRenew,
            lease::Effect::Lost => Self::Lost,
            lease::Effect::Released => Self::Released,
            lease::Effect::Failed(reply) => Self::Failed(reply),
            lease::Effect::ArmRetry => Self::ArmRetry,
            lease::Effect::Ignored => Self::Ignored,
        }
    }
}
