//! What a program says on standard error.

use std::collections::VecDeque;
use std::io::Read;

use memchr::memchr;

use super::child::read;
use crate::counters::Counters;
use crate::error::Error;
use crate::task::Watch;

/// How much of a line is looked at.
const LINE_BYTES: usize = 4 << 10;
/// How much is passed on of one program. One that writes a line a record must not fill a disk with them.
const PASSED_BYTES: usize = 256 << 10;
/// How many of the last lines are kept as the reason of a failure, and how much of each.
const LAST: (usize, usize) = (10, 400);

/// What a program reported.
#[derive(Debug, Default)]
pub(super) struct Report {
    counters: Counters,
    refused: Option<Error>,
    passed: usize,
    last: VecDeque<Vec<u8>>,
}

/// Reads standard error to its end, however much it is.
pub(super) fn read_stderr(stderr: &mut impl Read, watch: &dyn Watch) -> Report {
    let mut report = Report::default();
    let mut buffer = [0; LINE_BYTES];
    let mut line = Vec::with_capacity(LINE_BYTES);
    loop {
        // A pipe that can't be read is at its end for us: the exit code tells the rest.
        let got = read(stderr, &mut buffer).unwrap_or(0);
        let mut text = &buffer[..got];
        while let Some(at) = memchr(b'\n', text) {
            take(&mut line, &text[..at]);
            report.line(&line, watch);
            line.clear();
            text = &text[at + 1..];
        }
        take(&mut line, text);
        if got == 0 {
            if !line.is_empty() {
                report.line(&line, watch);
            }
            return report;
        }
    }
}

/// Adds to a line what there is room for.
fn take(line: &mut Vec<u8>, more: &[u8]) {
    let room = LINE_BYTES - line.len();
    line.extend_from_slice(&more[..more.len().min(room)]);
}

impl Report {
    fn line(&mut self, line: &[u8], watch: &dyn Watch) {
        if let Some(status) = line.strip_prefix(b"reporter:status:") {
            watch.status(&String::from_utf8_lossy(status));
            return;
        }
        let counter = line.strip_prefix(b"reporter:counter:").and_then(counter);
        if let Some((group, name, amount)) = counter {
            if let Err(error) = self.counters.add(group, name, amount) {
                self.refused.get_or_insert(error);
            }
            return;
        }
        if self.last.len() == LAST.0 {
            self.last.pop_front();
        }
        self.last.push_back(line[..line.len().min(LAST.1)].to_vec());
        let before = self.passed;
        self.passed = before.saturating_add(line.len() + 1);
        if self.passed <= PASSED_BYTES {
            watch.log(line);
        } else if before <= PASSED_BYTES {
            watch.log(b"(it writes too much: the rest of its standard error is dropped)");
        }
    }

    /// The last lines, as one.
    pub fn last_lines(&self) -> String {
        let lines: Vec<_> = self.last.iter().map(|line| String::from_utf8_lossy(line)).collect();
        lines.join(" | ")
    }

    /// Hands over what was counted.
    pub fn counters(self, mut each: impl FnMut(&str, &str, i64)) -> Result<(), Error> {
        for (group, names) in &self.counters.own {
            for (name, amount) in names {
                each(group, name, *amount);
            }
        }
        self.refused.map_or(Ok(()), Err)
    }

    /// The record that the program was at, if it counts what it has done as Hadoop wants it for skipping.
    pub fn processed(&self) -> Option<u64> {
        let names = self.counters.own.get("SkippingTaskCounters")?;
        let count = names.get("MapProcessedRecords").or_else(|| names.get("ReduceProcessedGroups"));
        u64::try_from(*count?).ok()
    }
}

/// `GROUP,NAME,AMOUNT`. The name may have commas.
fn counter(text: &[u8]) -> Option<(&str, &str, i64)> {
    let text = std::str::from_utf8(text).ok()?;
    let (rest, amount) = text.rsplit_once(',')?;
    let (group, name) = rest.split_once(',')?;
    Some((group, name, amount.trim().parse().ok()?))
}
