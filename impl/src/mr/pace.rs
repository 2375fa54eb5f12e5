//! How long attempts take, and which take much longer than others of their kind (paper §3.6).

use protocol::mr::{AttemptId, Kind};
use std::collections::BTreeMap;
use std::time::Duration;

/// So many times the mean is much longer.
const TIMES: u64 = 2;

/// What attempts have taken, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    attempts: u64,
    sum_us: u64,
}

/// The pace of a job.
#[derive(Debug)]
pub(super) struct Pace {
    least_us: u64,
    since_us: BTreeMap<AttemptId, u64>,
    maps: Taken,
    reduces: Taken,
}

impl Pace {
    /// Nothing takes much longer before it has taken `least`.
    pub(super) fn new(least: Duration) -> Self {
        let least_us = least.as_micros() as u64;
        let (maps, reduces) = (Taken::default(), Taken::default());
        Self { least_us, since_us: BTreeMap::new(), maps, reduces }
    }

    fn taken(&mut self, kind: Kind) -> &mut Taken {
        match kind {
            Kind::Map => &mut self.maps,
            Kind::Reduce => &mut self.reduces,
        }
    }

    pub(super) fn begins(&mut self, attempt: AttemptId, now_us: u64) {
        self.since_us.insert(attempt, now_us);
    }

    /// An attempt has won; if it began here, it says how long attempts take.
    pub(super) fn wins(&mut self, attempt: AttemptId, now_us: u64) {
        if let Some(since_us) = self.since_us.remove(&attempt) {
            let taken = self.taken(attempt.task.kind);
            taken.attempts += 1;
            taken.sum_us += now_us.saturating_sub(since_us);
        }
    }

    pub(super) fn ends(&mut self, attempt: AttemptId) {
        self.since_us.remove(&attempt);
    }

    /// What attempts of this kind take, if some have won.
    pub(super) fn mean_us(&self, kind: Kind) -> Option<u64> {
        let Taken { attempts, sum_us } = match kind {
            Kind::Map => self.maps,
            Kind::Reduce => self.reduces,
        };
        sum_us.checked_div(attempts)
    }

    /// Whether an attempt takes much longer than others now; if not, when to look again.
    pub(super) fn straggles(&self, attempt: AttemptId, now_us: u64) -> Result<(), u64> {
        let Some(since_us) = self.since_us.get(&attempt) else { return Ok(()) };
        let Some(mean_us) = self.mean_us(attempt.task.kind) else {
            // There is nothing to compare it with.
            return Err(now_us + self.least_us.max(1_000_000));
        };
        let at_us = since_us + (TIMES * mean_us).max(self.least_us);
        if at_us <= now_us { Ok(()) } else { Err(at_us) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::mr::TaskId;

    fn attempt(index: u32) -> AttemptId {
        AttemptId { task: TaskId { kind: Kind::Map, index }, attempt: 1 << 32 | 1 }
    }

    #[test]
    fn much_longer_is_twice_the_mean_and_the_least() {
        let mut pace = Pace::new(Duration::from_micros(100));
        pace.begins(attempt(0), 0);
        pace.begins(attempt(1), 0);
        assert!(pace.straggles(attempt(1), 5_000_000).is_err(), "nobody has won");
        pace.wins(attempt(0), 400);
        assert_eq!(pace.mean_us(Kind::Map), Some(400));
        assert_eq!(pace.straggles(attempt(1), 799), Err(800));
        assert_eq!(pace.straggles(attempt(1), 800), Ok(()));
        pace.begins(attempt(2), 1000);
        pace.wins(attempt(2), 1000);
        pace.ends(attempt(1));
        assert_eq!(pace.mean_us(Kind::Map), Some(200), "who came to nothing says nothing");
        assert_eq!(pace.mean_us(Kind::Reduce), None);
    }
}
