//! The clients' machines: those that ship, or a mutant's. A scenario does not know which.

use crate::sim::kit::Kit;
use protocol::Machine;
use protocol::kv::clerk::{self, Clerk, Config};
use protocol::kv::lock::{self, Lock};
use protocol::kv::{ClientId, Rules, Seq};

/// A clerk of any rules.
pub trait AnyClerk {
    /// See [`Machine::step`].
    fn step(&mut self, input: clerk::Input, out: &mut Vec<clerk::Effect>);
    /// The number of the latest call.
    fn seq(&self) -> Seq;
    /// How often the call that is under way was sent.
    fn attempts(&self) -> u32;
}

impl<R: Rules> AnyClerk for Clerk<R> {
    fn step(&mut self, input: clerk::Input, out: &mut Vec<clerk::Effect>) {
        Machine::step(self, input, out);
    }

    fn seq(&self) -> Seq {
        self.seq()
    }

    fn attempts(&self) -> u32 {
        self.attempts()
    }
}

/// A user of a lock, of any rules.
pub trait AnyLock {
    /// See [`Machine::step`].
    fn step(&mut self, input: lock::Input, out: &mut Vec<lock::Effect>);
    /// Whether it is held.
    fn is_held(&self) -> bool;
}

impl<R: Rules> AnyLock for Lock<R> {
    fn step(&mut self, input: lock::Input, out: &mut Vec<lock::Effect>) {
        Machine::step(self, input, out);
    }

    fn is_held(&self) -> bool {
        self.held().is_some()
    }
}

/// What makes them.
pub trait Machines {
    /// A client that has called nobody yet.
    fn clerk(&self, config: Config) -> Box<dyn AnyClerk>;
    /// A user that does not hold its lock.
    fn lock(&self, client: ClientId) -> Box<dyn AnyLock>;
}

/// Those of a kit.
#[derive(Clone, Copy, Debug)]
pub struct Of<T>(pub T);

impl<T: Kit> Machines for Of<T> {
    fn clerk(&self, config: Config) -> Box<dyn AnyClerk> {
        Box::new(Clerk::new(self.0.kv(), config))
    }

    fn lock(&self, client: ClientId) -> Box<dyn AnyLock> {
        Box::new(Lock::new(self.0.kv(), client))
    }
}
