//! What the clients are told, counted as it happens, and when somebody was last served.
//!
//! Time is the run's own: it stands still while a chapter is judged.

use linear::history::Told;
use linear::kv::Ret;
use serde::Serialize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How finely answers are counted over time.
pub const STEP: Duration = Duration::from_millis(250);

/// What a client is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `quorate::client::Clerk`.
    Clerk,
    /// `ONCE` through a stock client, with a loop that sends again.
    Once,
    /// A stock client that sends again as if it were new.
    Stock,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Clerk, Self::Once, Self::Stock];

    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clerk => "Clerk",
            Self::Once => "ONCE",
            Self::Stock => "stock",
        }
    }
}

/// What the clients of a kind were told.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize)]
pub struct Count {
    /// Calls.
    pub calls: u64,
    /// A reply.
    pub replies: u64,
    /// That nobody knows, by the service.
    pub maybe: u64,
    /// Nothing that says whether it was executed.
    pub unknown: u64,
    /// That it was not executed and never will be.
    pub not_executed: u64,
    /// Copies that a client sent behind the first one of a call: the same call again through ONCE, a new one otherwise.
    pub again: u64,
}

/// The longest time in which nobody was served.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Gap {
    /// When it began.
    pub from: Duration,
    /// How long it was.
    pub long: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    counts: [Count; 3],
    steps: Vec<[u32; 3]>,
    /// The run's time before this chapter, and when the chapter began.
    before: Duration,
    begun: Option<Instant>,
    last: Duration,
    gap: Gap,
    odd: Vec<String>,
}

/// The counts of a run.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Inner>);

impl Inner {
    fn now(&self) -> Duration {
        self.before + self.begun.map_or(Duration::ZERO, |begun| begun.elapsed())
    }

    fn served(&mut self, now: Duration) {
        let long = now.saturating_sub(self.last);
        if long > self.gap.long {
            self.gap = Gap { from: self.last, long };
        }
        self.last = now;
    }
}

impl Tally {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time goes on.
    pub fn resume(&self) {
        let mut inner = self.lock();
        inner.begun = Some(Instant::now());
        inner.last = inner.before;
    }

    /// Time stands still.
    pub fn pause(&self) {
        let mut inner = self.lock();
        let now = inner.now();
        inner.served(now);
        (inner.before, inner.begun) = (now, None);
    }

    /// The run's time.
    pub fn now(&self) -> Duration {
        self.lock().now()
    }

    /// A call has ended so.
    pub fn end(&self, kind: Kind, told: &Told<Ret>) {
        let mut inner = self.lock();
        let count = &mut inner.counts[kind as usize];
        count.calls += 1;
        match told {
            Told::Reply(_) => count.replies += 1,
            Told::Maybe => count.maybe += 1,
            Told::Unknown => count.unknown += 1,
            Told::NotExecuted => count.not_executed += 1,
        }
        if matches!(told, Told::Reply(_)) {
            let now = inner.now();
            let step = (now.as_millis() / STEP.as_millis()) as usize;
            if inner.steps.len() <= step {
                inner.steps.resize(step + 1, [0; 3]);
            }
            inner.steps[step][kind as usize] += 1;
            inner.served(now);
        }
    }

    /// A client sends something once more.
    pub fn again(&self, kind: Kind) {
        self.lock().counts[kind as usize].again += 1;
    }

    /// Somebody was answered with what no server should say.
    pub fn odd(&self, text: String) {
        self.lock().odd.push(text);
    }

    /// The odd answers so far, and none any more.
    pub fn take_odd(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().odd)
    }

    /// By kind, what clients were told.
    pub fn counts(&self) -> [Count; 3] {
        self.lock().counts
    }

    /// Replies, by [`STEP`] of time and by kind.
    pub fn steps(&self) -> Vec<[u32; 3]> {
        self.lock().steps.clone()
    }

    /// The longest time in which nobody was served.
    pub fn gap(&self) -> Gap {
        self.lock().gap
    }
}
