//! The clients' machines: those that ship, or a mutant's. A scenario does not know which.

use crate::sim::kit::Kit;
use protocol::Machine;
use protocol::kv::clerk::{self, Clerk, Config};
use protocol::kv::lock::{self, Lock};
use protocol::kv::{ClientId, Rules, Seq};
use protocol::shardctl::{self, Admin};

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

/// An administrator of the controller, of any rules.
pub trait AnyAdmin {
    /// See [`Machine::step`].
    fn step(&mut self, input: shardctl::Input, out: &mut Vec<shardctl::Effect>);
}

impl<R: shardctl::Rules> AnyAdmin for Admin<R> {
    fn step(&mut self, input: shardctl::Input, out: &mut Vec<shardctl::Effect>) {
        Machine::step(self, input, out);
    }
}

/// What makes them.
pub trait Machines {
    /// A client that has called nobody yet.
    fn clerk(&self, config: Config) -> Box<dyn AnyClerk>;
    /// A user that does not hold its lock.
    fn lock(&self, client: ClientId) -> Box<dyn AnyLock>;
    /// An administrator who has asked for nothing yet.
    fn admin(&self, client: ClientId) -> Box<dyn AnyAdmin>;
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

    fn admin(&self, client: ClientId) -> Box<dyn AnyAdmin> {
        Box::new(Admin::new(self.0.ctl(), client))
    }
}
