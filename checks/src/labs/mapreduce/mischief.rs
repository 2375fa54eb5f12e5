//! What goes wrong on a harsh network of bad machines: connections break, workers hang and die, the coordinator dies,
//! and maps' files are lost. While it lasts; behind that the job must come to its end.

use super::files::Name;
use super::mill::{Event, Mill};
use protocol::mr::Rules;

/// How long a worker hangs, in microseconds.
const HANGS_US: (u64, u64) = (100_000, 25_000_000);
/// Between two mischiefs.
const BETWEEN_US: (u64, u64) = (3_000, 3_000_000);
/// There are no more than so many.
const MOST: u64 = 40;

impl<R: Rules> Mill<'_, R> {
    pub(super) fn make_mischief(&mut self) {
        if self.now > self.storm_until || self.mischief >= MOST {
            return;
        }
        self.mischief += 1;
        let index = self.random.below(self.seats.len() as u64) as usize;
        match self.random.below(100) {
            0..40 => {
                if let Some(line) = self.seats[index].line {
                    self.break_at_both(index, line);
                }
            }
            40..60 => self.hang(index),
            60..75 => self.die(index),
            75..85 => self.behead(),
            _ => self.lose_file(),
        }
        let after = self.random.skewed(BETWEEN_US.0, BETWEEN_US.1);
        self.put(after, Event::Mischief);
    }

    /// The worker notices at once, and comes back before the coordinator has noticed, perhaps.
    fn break_at_both(&mut self, index: usize, line: u64) {
        if self.seats[index].paused_until > self.now {
            return;
        }
        let boot = self.seats[index].boot;
        self.break_line(line);
        self.work(index, protocol::mr::Event::Broken);
        self.put(20_000, Event::Dials((index, boot)));
    }

    /// A worker does nothing for a while. Who hears nothing of it for long lets its connection go.
    fn hang(&mut self, index: usize) {
        let until = self.now + self.random.skewed(HANGS_US.0, HANGS_US.1);
        let silent_at = self.now + self.times.silence_us;
        let seat = &mut self.seats[index];
        seat.paused_until = seat.paused_until.max(until);
        if let Some(line) = seat.line
            && until > silent_at
        {
            self.at(silent_at, Event::Gone(line));
        }
    }

    /// A map's file is gone, or damaged, which is the same to its readers.
    fn lose_file(&mut self) {
        let files = self.files.of_maps();
        if files.is_empty() {
            return;
        }
        let attempt = files[self.random.below(files.len() as u64) as usize];
        self.files.remove(Name::Of(self.rules.file(attempt)));
        self.judge.lost.insert(attempt);
    }
}
