//! A server's two clocks: one that only runs on, and the time of day, which may be set.

/// The time of day when a simulation begins, in milliseconds since 1970.
pub const BEGINNING_MS: u64 = 1_700_000_000_000;

/// A server's clocks. They run at one rate, which may be wrong.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// How much faster than time, in millionths.
    rate: i64,
    /// Since when, in microseconds of true time.
    since: u64,
    /// What the monotonic clock showed then, in microseconds.
    at: u64,
    /// How far the time of day is from where the rate alone would have brought it, in milliseconds.
    offset_ms: i64,
}

impl Clock {
    /// Right, and as fast as it should be.
    pub const RIGHT: Self = Self { rate: 0, since: 0, at: 0, offset_ms: 0 };

    fn run_us(&self, now: u64) -> u64 {
        let passed = i64::try_from(now - self.since).unwrap_or(i64::MAX / 2_000_000);
        self.at.saturating_add_signed(passed + passed / 1_000_000 * self.rate)
    }

    /// Runs at another rate from now on.
    pub fn drift(&mut self, now: u64, rate: i64) {
        *self = Self { at: self.run_us(now), since: now, rate, ..*self };
    }

    /// The time of day is set so much later, or earlier.
    pub const fn jump(&mut self, ms: i64) {
        self.offset_ms += ms;
    }

    /// The monotonic clock, in milliseconds.
    pub fn monotonic_ms(&self, now: u64) -> u64 {
        self.run_us(now) / 1000
    }

    /// The time of day, in milliseconds since 1970.
    pub fn wall_ms(&self, now: u64) -> u64 {
        (BEGINNING_MS + self.run_us(now) / 1000).saturating_add_signed(self.offset_ms)
    }
}
