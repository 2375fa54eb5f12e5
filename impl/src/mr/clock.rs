//! Deadlines of named timers.

use protocol::mr::Timer;
use std::collections::{BTreeMap, BTreeSet};

/// The timers that are armed, with their deadlines in microseconds.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    at: BTreeMap<Timer, u64>,
    order: BTreeSet<(u64, Timer)>,
}

impl Deadlines {
    /// In place of the deadline that it had.
    pub(super) fn arm(&mut self, timer: Timer, at_us: u64) {
        self.disarm(timer);
        self.at.insert(timer, at_us);
        self.order.insert((at_us, timer));
    }

    pub(super) fn disarm(&mut self, timer: Timer) {
        if let Some(at_us) = self.at.remove(&timer) {
            self.order.remove(&(at_us, timer));
        }
    }

    /// Takes one that is due.
    pub(super) fn due(&mut self, now_us: u64) -> Option<Timer> {
        let (at_us, timer) = self.order.first().copied()?;
        if at_us > now_us {
            return None;
        }
        self.disarm(timer);
        Some(timer)
    }

    /// When the next one is due.
    pub(super) fn next_us(&self) -> Option<u64> {
        self.order.first().map(|(at_us, _)| *at_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_has_one_deadline_and_fires_once() {
        let mut deadlines = Deadlines::default();
        deadlines.arm(Timer::Gather, 5);
        deadlines.arm(Timer::Farewell, 3);
        deadlines.arm(Timer::Gather, 2);
        assert_eq!(deadlines.next_us(), Some(2));
        assert_eq!(deadlines.due(1), None);
        assert_eq!(deadlines.due(9), Some(Timer::Gather));
        deadlines.disarm(Timer::Farewell);
        assert_eq!(deadlines.due(9), None);
        assert_eq!(deadlines.next_us(), None);
    }
}
