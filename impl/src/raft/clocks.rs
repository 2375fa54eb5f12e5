//! A server's two clocks, so that a test can hold them still.

use std::fmt;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What a server reads the time from.
pub trait Clocks: fmt::Debug + Send + Sync {
    /// Microseconds from any moment on; it never goes back.
    fn now_us(&self) -> u64;

    /// The time of day, in milliseconds since 1970.
    fn wall_ms(&self) -> u64;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClocks {
    since: Instant,
}

impl SystemClocks {
    /// Its clocks, the one that never goes back from now on.
    pub fn new() -> Self {
        Self { since: Instant::now() }
    }
}

impl Default for SystemClocks {
    fn default() -> Self {
        Self::new()
    }
}

impl Clocks for SystemClocks {
    fn now_us(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
