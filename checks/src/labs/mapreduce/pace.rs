//! Which attempts take much longer than others of their kind, as the product's driver of the machine says it.

use protocol::mr::{AttemptId, Kind};
use std::collections::BTreeMap;

/// The pace of a job, by the coordinator's present process.
#[derive(Debug)]
pub(super) struct Pace {
    least_us: u64,
    since_us: BTreeMap<AttemptId, u64>,
    /// Of each kind, how many have won and what they took in all.
    taken: [(u64, u64); 2],
}

impl Pace {
    pub(super) const fn new(least_us: u64) -> Self {
        Self { least_us, since_us: BTreeMap::new(), taken: [(0, 0); 2] }
    }

    pub(super) fn begins(&mut self, attempt: AttemptId, now: u64) {
        self.since_us.insert(attempt, now);
    }

    pub(super) fn wins(&mut self, attempt: AttemptId, now: u64) {
        if let Some(since) = self.since_us.remove(&attempt) {
            let taken = &mut self.taken[usize::from(attempt.task.kind == Kind::Reduce)];
            *taken = (taken.0 + 1, taken.1 + now - since);
        }
    }

    /// None: it straggles. Else, when to look again.
    pub(super) fn look_again(&self, attempt: AttemptId, now: u64) -> Option<u64> {
        let since = *self.since_us.get(&attempt)?;
        let (count, sum) = self.taken[usize::from(attempt.task.kind == Kind::Reduce)];
        let Some(mean) = sum.checked_div(count) else {
            return Some(now + self.least_us);
        };
        Some(since + (2 * mean).max(self.least_us)).filter(|at| *at > now)
    }
}
