//! Timers: one thread that sleeps until the nearest of a fixed number of deadlines.
//!
//! A server begins its election timer anew at every message of its leader, so arming must cost next to
//! nothing: a deadline is a word that its owner overwrites, and the timer thread is woken only if it would
//! sleep beyond it. A deadline that moves later, as that one does, wakes nobody; the thread wakes at the
//! old one, finds the new one and sleeps on.
//!
//! Deadlines are microseconds of a clock that never goes back. Each is armed with a *generation*, which
//! comes back when it fires: it fires on another thread than its owner's, so the owner may have disarmed
//! or armed it anew by the time it hears of it, and tells by the generation.
//!
//! **No wake-up is missed.** Before the thread looks at the deadlines it says that it sleeps forever, so
//! that whatever is armed from then on wakes it; afterwards it says until when it will. Who arms stores
//! the deadline, then looks at when the thread wakes. A fence on both sides, between the store and the
//! look, makes one of them see the other.
//!
//! **Nothing fires twice or early.** A word is the deadline and 16 bits of its generation; the thread
//! takes it by comparing it with what it has read. The rest of the generation stands beside it, and
//! arming clears the word before it writes that. So when a word is still what it was, so was the
//! generation: unless it was armed 65,536 times for the same microsecond between two instructions.
//! 48 bits are enough microseconds for a node that runs eight years.

#[cfg(not(quorate_loom))]
mod thread;

#[cfg(not(quorate_loom))]
pub use thread::TimerThread;

use crate::sync::{AtomicBool, AtomicU64, CachePadded, Ordering, fence};
use std::fmt;
use std::time::Duration;

/// No deadline.
const NEVER: u64 = u64::MAX;
/// The latest deadline, in microseconds. What is later is armed for then.
pub const LATEST_US: u64 = (1 << 48) - 2;

/// The steps on which it hangs that every deadline fires, and once.
pub trait Rules: fmt::Debug + Send + Sync + 'static {
    /// TIMER-FENCE. Puts what this thread has stored before what it looks at next.
    fn store_before_look() {
        fence(Ordering::SeqCst);
    }

    /// TIMER-SCAN. The thread is about to look: whatever is armed from now on has to wake it.
    fn begin_scan(next_wake: &AtomicU64) {
        next_wake.store(NEVER, Ordering::Relaxed);
    }

    /// TIMER-PAIR. Nothing fires with half of what is about to be armed.
    fn begin_arm(word: &AtomicU64) {
        clear(word);
    }

    /// TIMER-ONCE. Takes a deadline that is still `seen`, or says what it is instead.
    fn take(word: &AtomicU64, seen: u64) -> Result<(), u64> {
        let taken = word.compare_exchange(seen, NEVER, Ordering::AcqRel, Ordering::Acquire);
        taken.map(|_| ())
    }

    /// TIMER-WAKE. Whether a thread that will wake at `next_wake` is to be woken for a deadline.
    fn wakes(at_us: u64, next_wake: u64) -> bool {
        at_us < next_wake
    }
}

/// The rules as they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sound;

impl Rules for Sound {}

/// `N` deadlines.
pub struct Timers<const N: usize, R = Sound> {
    slots: [CachePadded<Slot>; N],
    /// When the thread wakes by itself, in microseconds; `NEVER` also while it looks.
    next_wake: CachePadded<AtomicU64>,
    stopped: AtomicBool,
    unpark: Box<dyn Fn() + Send + Sync>,
    rules: std::marker::PhantomData<R>,
}

/// A deadline and its generation.
struct Slot {
    /// The deadline above 16 bits of the generation; or `NEVER`.
    word: AtomicU64,
    generation: AtomicU64,
}

impl<const N: usize> Timers<N> {
    /// Nothing is armed. `unpark` makes the timer thread's `park` return: the one it is in, or else the
    /// next one.
    pub fn new(unpark: Box<dyn Fn() + Send + Sync>) -> Self {
        Self::with_rules(unpark)
    }
}

impl<const N: usize, R: Rules> Timers<N, R> {
    /// For tests: timers by other rules.
    pub fn with_rules(unpark: Box<dyn Fn() + Send + Sync>) -> Self {
        let slot = || Slot { word: AtomicU64::new(NEVER), generation: AtomicU64::new(0) };
        Self {
            slots: std::array::from_fn(|_| CachePadded::new(slot())),
            next_wake: CachePadded::new(AtomicU64::new(NEVER)),
            stopped: AtomicBool::new(false),
            unpark,
            rules: std::marker::PhantomData,
        }
    }

    /// Sets the deadline of `slot` in place of the one it had. One thread owns a slot.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn arm(&self, slot: usize, at_us: u64, generation: u64) {
        let at_us = at_us.min(LATEST_US);
        let slot = &self.slots[slot];
        R::begin_arm(&slot.word);
        slot.generation.store(generation, Ordering::Release);
        slot.word.store(at_us << 16 | generation & 0xffff, Ordering::Release);
        R::store_before_look();
        if R::wakes(at_us, self.next_wake.load(Ordering::Relaxed)) {
            (self.unpark)();
        }
    }

    /// Takes the deadline of `slot` away. False if there was none, or if it has fired: its owner may hear
    /// of that later.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn disarm(&self, slot: usize) -> bool {
        clear(&self.slots[slot].word) != NEVER
    }

    /// Whether `slot` has a deadline.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn is_set(&self, slot: usize) -> bool {
        self.slots[slot].word.load(Ordering::Acquire) != NEVER
    }

    /// For scripts: takes the deadline of `slot` as if it were due, and gives its generation.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn fire(&self, slot: usize) -> Option<u64> {
        match self.slots[slot].take_due::<R>(u64::MAX) {
            Found::Due(generation) => Some(generation),
            Found::Later(_) | Found::Nothing => None,
        }
    }

    /// Makes [`run`](Self::run) return.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        (self.unpark)();
    }

    /// The timer thread: fires what is due, with its generation, and parks until the next deadline, or
    /// until something earlier is armed. `now` is the clock, in microseconds. Returns when stopped; what
    /// is due then does not fire. One thread runs this.
    pub fn run(
        &self,
        now: impl Fn() -> u64,
        park: impl Fn(Option<Duration>),
        mut fire: impl FnMut(usize, u64),
    ) {
        while !self.stopped.load(Ordering::Acquire) {
            let next_us = self.scan(now(), &mut fire);
            self.next_wake.store(next_us, Ordering::Relaxed);
            match next_us {
                NEVER => park(None),
                at_us => match at_us.saturating_sub(now()) {
                    0 => {}
                    left_us => park(Some(Duration::from_micros(left_us))),
                },
            }
        }
    }

    /// Fires what is due and returns the nearest deadline that is not.
    fn scan(&self, now_us: u64, fire: &mut impl FnMut(usize, u64)) -> u64 {
        R::begin_scan(&self.next_wake);
        R::store_before_look();
        let mut next_us = NEVER;
        for (number, slot) in self.slots.iter().enumerate() {
            match slot.take_due::<R>(now_us) {
                Found::Due(generation) => fire(number, generation),
                Found::Later(at_us) => next_us = next_us.min(at_us),
                Found::Nothing => {}
            }
        }
        next_us
    }
}

/// Takes a deadline away and returns what it was. A swap and no store: then whether the timer thread took
/// it before is settled, also for loom, which does not conclude it from the one who takes by comparing.
fn clear(word: &AtomicU64) -> u64 {
    word.swap(NEVER, Ordering::AcqRel)
}

/// What the timer thread finds in a slot.
enum Found {
    Nothing,
    Later(u64),
    Due(u64),
}

impl Slot {
    fn take_due<R: Rules>(&self, now_us: u64) -> Found {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if word == NEVER {
                return Found::Nothing;
            }
            if word >> 16 > now_us {
                return Found::Later(word >> 16);
            }
            // Before the word is taken: afterwards it may be that of the next arm.
            let generation = self.generation.load(Ordering::Acquire);
            match R::take(&self.word, word) {
                Ok(()) => return Found::Due(generation),
                Err(other) => word = other,
            }
        }
    }
}

impl<const N: usize, R> fmt::Debug for Timers<N, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("slots", &N).finish_non_exhaustive()
    }
}
