//! Locks and atomics, in two kinds: `std`'s, and loom's.
//!
//! A node's threads share little: mailboxes, the gate in front of the disk, waiters and timers. Each is
//! small and written on top of this file, so that its tests can run it under loom, which tries every
//! schedule instead of the few that a machine happens to take. loom sees only its own locks and atomics;
//! so this is the one file that names `std::sync` (`Arc` excepted, of which nothing here asks how many
//! there are), crossbeam or loom, and `checks/tests/tidy.rs` holds the others to it.
//!
//! The switch is `--cfg quorate_loom`, not loom's usual name, which other crates look at too and then
//! do not compile. What needs a file or a socket is left out under it (`lib.rs`).
//!
//! **Lock order: never two held.** A thread that holds one of these locks takes no other, so no order is
//! needed and no deadlock of locks is possible. Where there are debug assertions, taking a second one
//! panics. So nothing is called under a lock that could take one: wakers run outside, values are
//! dropped outside; what [`Gate::fill`](crate::gate::Gate::fill) runs inside says so.
//!
//! **A poisoned lock panics**, here and with one message: what it guards may be half changed, and there
//! is no code that could say how much of it. A node that lost a thread this way stops and recovers from
//! its disk.
//!
//! loom orders atomics as the memory model allows, except that it takes `SeqCst` accesses for weaker
//! ones; fences it knows. So the order of a store before a load of something else is said by a fence.

#[cfg(quorate_loom)]
use loom::sync as kind;
#[cfg(not(quorate_loom))]
use std::sync as kind;

pub use crossbeam_utils::CachePadded;
#[cfg(not(quorate_loom))]
pub use crossbeam_utils::sync::{Parker, Unparker};
pub use kind::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use std::ops::{Deref, DerefMut};

const POISONED: &str = "a thread panicked while it held this lock; \
    what the lock guards may be half changed, so the process has to be started anew";

/// A lock around a `T`.
#[derive(Debug)]
pub struct Mutex<T>(kind::Mutex<T>);

impl<T> Mutex<T> {
    /// An open lock around `value`.
    pub fn new(value: T) -> Self {
        Self(kind::Mutex::new(value))
    }

    /// Takes the lock; it is given back when the guard goes.
    ///
    /// # Panics
    /// If a thread has panicked while it held the lock; with debug assertions, if this thread holds
    /// another one.
    #[track_caller]
    pub fn lock(&self) -> Guard<'_, T> {
        let held = Held::new();
        Guard { value: self.0.lock().unwrap_or_else(|_| panic!("{POISONED}")), held }
    }
}

/// What a thread has while it holds a lock.
#[derive(Debug)]
pub struct Guard<'a, T> {
    // Goes first.
    value: kind::MutexGuard<'a, T>,
    held: Held,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// What threads wait at, until what a lock guards has changed.
#[derive(Debug, Default)]
pub struct Condvar(kind::Condvar);

impl Condvar {
    /// Nobody waits here yet.
    pub fn new() -> Self {
        Self(kind::Condvar::new())
    }

    /// Gives the lock back and waits, in one step; takes the lock again before it returns. It may return
    /// without a call of [`notify_one`](Self::notify_one).
    ///
    /// # Panics
    /// If a thread has panicked while it held the lock.
    #[track_caller]
    pub fn wait<'a, T>(&self, guard: Guard<'a, T>) -> Guard<'a, T> {
        let Guard { value, held } = guard;
        Guard { value: self.0.wait(value).unwrap_or_else(|_| panic!("{POISONED}")), held }
    }

    /// Wakes one thread that waits, if any does.
    #[track_caller]
    pub fn notify_one(&self) {
        self.0.notify_one();
    }
}

/// That this thread holds a lock.
#[derive(Debug)]
struct Held;

#[cfg(all(debug_assertions, not(quorate_loom)))]
mod held {
    use super::Held;
    use std::cell::Cell;

    thread_local! {
        static HOLDS: Cell<bool> = const { Cell::new(false) };
    }

    impl Held {
        #[track_caller]
        pub(super) fn new() -> Self {
            assert!(!HOLDS.replace(true), "a thread that holds a lock takes no other");
            Self
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            HOLDS.set(false);
        }
    }
}

#[cfg(not(all(debug_assertions, not(quorate_loom))))]
impl Held {
    fn new() -> Self {
        Self
    }
}
