//! A lock with one thread that waits: what mailbox, gate and waiter have in common.
//!
//! Any thread may [`change`](Monitor::change) what the lock guards; one thread waits until it finds there
//! what it needs. That two steps do not fall apart is all there is to get right: the waiting thread looks
//! and goes to sleep under one hold of the lock, and who changes something rings after it, not before.
//! These are the [`Rules`], and the loom tests break each of them to show that they would notice.
//!
//! A ring is a system call even when nobody sleeps, so the waiting thread says that it does: a busy
//! thread, which finds more mail whenever it looks, is never rung, and one that sleeps is rung once.

use crate::sync::{Condvar, Guard, Mutex};
use std::fmt::Debug;

/// The steps on which it hangs that no change is slept through.
pub trait Rules: Debug + Sized + Send + Sync + 'static {
    /// SYNC-RING. Makes a change, and then rings for the thread that waits.
    fn change<S, X>(monitor: &Monitor<S, Self>, change: impl FnOnce(&mut S) -> X) -> X {
        let mut inside = monitor.lock.lock();
        let answer = change(&mut inside.state);
        let waits = std::mem::take(&mut inside.waits);
        drop(inside);
        if waits {
            monitor.bell.notify_one();
        }
        answer
    }

    /// SYNC-SLEEP. Looks until it finds something, and does not let go of the lock between a look and
    /// the sleep behind it.
    fn wait<S, X>(monitor: &Monitor<S, Self>, mut look: impl FnMut(&mut S) -> Option<X>) -> X {
        let mut inside = monitor.lock.lock();
        loop {
            if let Some(found) = look(&mut inside.state) {
                inside.waits = false;
                return found;
            }
            inside.waits = true;
            inside = monitor.bell.wait(inside);
        }
    }
}

/// The rules as they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sound;

impl Rules for Sound {}

/// An `S`, which many threads change, and one waits for.
#[derive(Debug)]
pub struct Monitor<S, R = Sound> {
    lock: Mutex<Inside<S>>,
    bell: Condvar,
    rules: std::marker::PhantomData<R>,
}

/// What is under the lock.
#[derive(Debug)]
pub struct Inside<S> {
    /// What the threads share.
    pub state: S,
    /// Whether the one that waits is asleep, and nobody has rung since.
    pub waits: bool,
}

impl<S, R: Rules> Monitor<S, R> {
    /// A monitor that begins with `state`.
    pub fn new(state: S) -> Self {
        let lock = Mutex::new(Inside { state, waits: false });
        Self { lock, bell: Condvar::new(), rules: std::marker::PhantomData }
    }

    /// Changes the state, under the lock, and wakes the thread that waits.
    pub fn change<X>(&self, change: impl FnOnce(&mut S) -> X) -> X {
        R::change(self, change)
    }

    /// Looks at the state under the lock, now and after each change, until `look` finds something. One
    /// thread at a time may do so.
    pub fn wait<X>(&self, look: impl FnMut(&mut S) -> Option<X>) -> X {
        R::wait(self, look)
    }

    /// Looks at the state under the lock, once, and wakes nobody.
    pub fn look<X>(&self, look: impl FnOnce(&mut S) -> X) -> X {
        look(&mut self.lock.lock().state)
    }

    /// For other [`Rules`]: takes the lock.
    pub fn lock(&self) -> Guard<'_, Inside<S>> {
        self.lock.lock()
    }

    /// For other [`Rules`]: where the one thread waits.
    pub fn bell(&self) -> &Condvar {
        &self.bell
    }
}
