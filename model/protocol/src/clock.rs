//! The group's clock as one server estimates it.
//!
//! The group's clock is the largest stamp applied; stamps are put into commands by the leader that takes them. So all
//! replicas agree on it, and it stands still when nobody writes. What a leader stamps comes from its *estimate*, which
//! has two duties that pull against each other: to stay near the time of day, for people say "until noon", and
//! not to follow a time of day that was set wrong, for a jump of an hour would expire every key that had less to live.
//!
//! Therefore the estimate runs by the *monotonic* clock from the last stamp that the server has seen, and is steered
//! toward the wall clock by at most one part in [`STEERING`]: a wall clock that jumps back or forth makes the group's
//! clock slower or faster by a tenth, and no more. At its start a server has no monotonic clock from before; it
//! believes the wall clock if that is ahead of the last stamp, until it sees a leader's stamp.

/// The estimate is steered by at most one millisecond in so many.
pub const STEERING: u64 = 10;

/// A time on the group's clock, in milliseconds since 1970: put into a command by the leader that takes it.
pub type Stamp = u64;

/// A server's estimate of the group's clock, in milliseconds since 1970.
///
/// Where it is steered back it gives for a moment less than it gave before. The group's clock is the largest stamp, so
/// it stands still meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Estimate {
    stamp: Stamp,
    /// The group's clock as it was seen last.
    seen: Stamp,
    /// The monotonic clock at `stamp`, in milliseconds from anywhere.
    at: u64,
}

impl Estimate {
    /// At a server's start: the group's clock in its snapshot, the largest stamp in its log, and its own two clocks.
    pub const fn new(clock: Stamp, last: Stamp, wall: u64, monotonic: u64) -> Self {
        let last = if clock > last { clock } else { last };
        let stamp = if wall > last { wall } else { last };
        Self { stamp, seen: clock, at: monotonic }
    }

    /// A server looks at its clocks: who leads steers, and who does not learns where the group's clock was set by
    /// another.
    pub const fn keep(&mut self, leads: bool, clock: Stamp, wall: u64, monotonic: u64) {
        if leads {
            self.steer(wall, monotonic);
        } else if clock != self.seen {
            self.learn(clock, monotonic);
        }
        self.seen = clock;
    }

    /// The estimate.
    pub const fn now(&self, monotonic: u64) -> Stamp {
        self.stamp.saturating_add(monotonic.saturating_sub(self.at))
    }

    /// Another server, which leads, has stamped a command: the group's clock is there, whatever this server's own wall
    /// clock says.
    pub const fn learn(&mut self, stamp: Stamp, monotonic: u64) {
        self.stamp = stamp;
        self.at = monotonic;
    }

    /// Brings the estimate nearer to the wall clock, by at most a tenth of the time that has passed since it was last
    /// learned or steered.
    pub const fn steer(&mut self, wall: u64, monotonic: u64) {
        let now = self.now(monotonic);
        let most = monotonic.saturating_sub(self.at) / STEERING;
        if most == 0 {
            return;
        }
        self.stamp = if wall >= now {
            let ahead = wall - now;
            now + if ahead < most { ahead } else { most }
        } else {
            let behind = now - wall;
            now - if behind < most { behind } else { most }
        };
        self.at = monotonic;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn a_start_believes_the_wall_unless_it_is_behind() {
        assert_eq!(Estimate::new(0, 0, 5 * HOUR, 7).now(9), 5 * HOUR + 2);
        assert_eq!(Estimate::new(0, 6 * HOUR, 5 * HOUR, 7).now(9), 6 * HOUR + 2);
    }

    #[test]
    fn a_wall_clock_that_jumps_moves_it_by_a_tenth() {
        for (wall, after) in [(9 * HOUR, HOUR + 2_200_000), (0, HOUR + 1_800_000)] {
            let mut estimate = Estimate::new(0, 0, HOUR, 0);
            for second in 1..=2_000 {
                estimate.steer(wall, second * 1_000);
            }
            assert_eq!(estimate.now(2_000_000), after, "{wall}");
        }
    }

    #[test]
    fn it_arrives_at_the_wall_and_stays() {
        let mut estimate = Estimate::new(0, HOUR + 500, HOUR, 0);
        for second in 1..=20 {
            estimate.steer(HOUR + second * 1_000, second * 1_000);
        }
        assert_eq!(estimate.now(20_000), HOUR + 20_000);
        assert_eq!(estimate.now(20_500), HOUR + 20_500);
    }

    #[test]
    fn it_runs_between_nine_and_eleven_tenths() {
        let mut estimate = Estimate::new(0, 0, HOUR, 0);
        let walls = [0, 9 * HOUR, HOUR, 1];
        for (step, wall) in (1..500).zip(walls.into_iter().cycle()) {
            let before = estimate.now((step - 1) * 13);
            estimate.steer(wall, step * 13);
            let passed = estimate.now(step * 13) - before;
            assert!((12..=14).contains(&passed), "{passed}");
        }
    }

    #[test]
    fn a_leaders_stamp_counts_more_than_the_own_wall() {
        let mut estimate = Estimate::new(0, HOUR, 9 * HOUR, 0);
        estimate.learn(HOUR + 10, 50);
        assert_eq!(estimate.now(60), HOUR + 20);
    }

    #[test]
    fn who_does_not_lead_learns_what_is_new_and_nothing_else() {
        let mut estimate = Estimate::new(7, 7, HOUR, 0);
        estimate.keep(false, 7, 9 * HOUR, 1_000);
        assert_eq!(estimate.now(1_000), HOUR + 1_000, "the clock of the snapshot is no news");
        estimate.keep(false, HOUR + 5_000, 9 * HOUR, 2_000);
        assert_eq!(estimate.now(2_000), HOUR + 5_000);
        estimate.keep(false, HOUR + 5_000, 9 * HOUR, 3_000);
        assert_eq!(estimate.now(3_000), HOUR + 6_000, "learned once, it runs by itself");
        estimate.keep(true, HOUR + 6_000, 9 * HOUR, 4_000);
        assert_eq!(
            estimate.now(4_000),
            HOUR + 7_200,
            "who leads steers, by a tenth of what has passed"
        );
    }
}
