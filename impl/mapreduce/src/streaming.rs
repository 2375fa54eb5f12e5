//! Applications that are executables: Hadoop Streaming's contract.
//!
//! A mapper reads the split's lines from its standard input and writes lines `key TAB value`. A reducer reads the lines
//! of a partition, sorted by key, and writes the output's lines. A combiner stands between them and is a reducer that
//! keeps the keys; it is started for each partition whenever a map task's memory is full, and at its end. Each is a
//! command for `sh -c`. What they write to standard error is passed on, within bounds, except
//!
//! ```text
//! reporter:counter:GROUP,NAME,AMOUNT     adds to a counter
//! reporter:status:TEXT                   says what the program is doing
//! ```
//!
//! An exit code other than 0 fails the attempt, and the last lines of standard error are the reason. A mapper may stop
//! reading when it has seen enough, as `head` does. Whatever it does, nothing here waits for the other: a thread feeds,
//! one takes, one reads standard error, and one asks the watcher whether to kill.
//!
//! A program whose worker is killed finds its input at an end and its output closed. One that neither reads nor writes
//! goes on until it does: nobody is left to end it.
//!
//! Two things differ from Hadoop. A line without a tab is a key without a value; Hadoop adds a tab to it on the way to
//! the reducer, here it stays as it is, as in `mapper | sort | reducer`. And lines come as they are: a CR in front of
//! the LF is not removed.

mod child;
mod report;

use serde::{Deserialize, Serialize};

use crate::app::{Application, Combiner};
use crate::collect::{Combined, Emitter};
use crate::error::{Error, Outcome};
use crate::groups::{Groups, Values};
use crate::input::{Form, Record, Records, Split};
use crate::reduce::Output;
use crate::task::{Kind, Place};

use child::{Child, Feed, each_line};

/// A mapper, a reducer and a combiner: commands for `sh -c`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streaming {
    /// None takes the lines as they are.
    pub mapper: Option<String>,
    /// None writes the sorted lines as they are.
    pub reducer: Option<String>,
    /// None combines nothing.
    pub combiner: Option<String>,
    /// What else the programs find in their environment.
    pub environment: Vec<(String, String)>,
}

/// The key of a line, and the rest: with the tab, so that nothing is lost.
fn split_line(line: &[u8]) -> (&[u8], &[u8]) {
    line.split_at(memchr::memchr(b'\t', line).unwrap_or(line.len()))
}

/// How much is collected before it is written to a program.
const FEED_BYTES: usize = 64 << 10;

impl Streaming {
    /// What a program finds in its environment: Hadoop's properties, with `_` for what is no letter or digit.
    fn environment(
        &self,
        kind: Kind,
        place: &Place,
        split: Option<&Split>,
    ) -> Vec<(String, String)> {
        let Place { job, index, attempt, maps, reduces } = place;
        let letter = if kind == Kind::Map { 'm' } else { 'r' };
        let mut variables = vec![
            ("mapreduce_job_id", format!("job_{job}")),
            ("mapreduce_job_name", job.clone()),
            ("mapreduce_job_maps", maps.to_string()),
            ("mapreduce_job_reduces", reduces.to_string()),
            ("mapreduce_task_id", format!("task_{job}_{letter}_{index:06}")),
            ("mapreduce_task_attempt_id", format!("attempt_{job}_{letter}_{index:06}_{attempt}")),
            ("mapreduce_task_partition", index.to_string()),
            ("mapreduce_task_ismap", (kind == Kind::Map).to_string()),
        ];
        if let Some(split) = split {
            variables.push(("mapreduce_map_input_file", split.name.clone()));
            variables.push(("mapreduce_map_input_start", split.start.to_string()));
            variables.push(("mapreduce_map_input_length", split.length.to_string()));
        }
        let named = variables.into_iter().map(|(name, value)| (name.to_owned(), value));
        named.chain(self.environment.iter().cloned()).collect()
    }

    /// Feeds groups to a program as lines.
    fn feed(groups: &mut Groups<'_>, feed: &mut Feed) -> Result<(), Error> {
        let mut lines = Vec::with_capacity(2 * FEED_BYTES);
        while let Some((key, mut values)) = groups.next() {
            while let Some(value) = values.next() {
                for part in [key, value, b"\n"] {
                    lines.extend_from_slice(part);
                }
                if lines.len() >= FEED_BYTES {
                    if !feed.write(&lines)? {
                        return Ok(());
                    }
                    lines.clear();
                }
            }
        }
        feed.write(&lines)?;
        Ok(())
    }
}

/// Feeds a split's lines to a program.
fn feed_records(records: &mut Records<'_>, feed: &mut Feed) -> Result<(), Error> {
    if !records.skips() {
        while let Some(piece) = records.piece()? {
            if !feed.write(piece)? {
                return Ok(());
            }
        }
        return Ok(());
    }
    let mut lines = Vec::new();
    while let Some(record) = records.next()? {
        lines.extend_from_slice(record.bytes);
        lines.push(b'\n');
        if lines.len() >= FEED_BYTES {
            if !feed.write(&lines)? {
                return Ok(());
            }
            lines.clear();
        }
    }
    feed.write(&lines)?;
    Ok(())
}

impl Application for Streaming {
    /// Without a mapper: the line. With one, tasks are mapped as a whole, and this is not called.
    fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
        if let Some(mapper) = &self.mapper {
            return Err(format!("{mapper} maps whole tasks").into());
        }
        let (key, value) = split_line(record.bytes);
        out.emit(key, value);
        Ok(())
    }

    /// Without a reducer: the lines. With one, tasks are reduced as a whole, and this is not called.
    fn reduce(&self, key: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome {
        if let Some(reducer) = &self.reducer {
            return Err(format!("{reducer} reduces whole tasks").into());
        }
        while let Some(value) = values.next() {
            for part in [key, value, b"\n"] {
                out.raw(part);
            }
        }
        Ok(())
    }

    fn combiner(&self) -> Combiner {
        if self.combiner.is_some() { Combiner::Group } else { Combiner::None }
    }

    fn form(&self) -> Form {
        Form::RawLines
    }

    fn map_task(&self, records: &mut Records<'_>, out: &mut Emitter<'_>) -> Result<(), Error> {
        let Some(mapper) = &self.mapper else {
            while let Some(record) = records.next()? {
                self.map(&record, out)?;
                out.check()?;
            }
            return Ok(());
        };
        let environment = self.environment(Kind::Map, records.place(), Some(records.split()));
        let child = Child { command: mapper, environment: &environment, watch: records.watch() };
        let limit = records.record_bytes();
        records.reads_ahead();
        let taken = &mut *out;
        let report = child.run(
            |feed| feed_records(records, feed),
            |stdout| {
                each_line(stdout, limit, |line| {
                    let (key, value) = split_line(line);
                    taken.emit(key, value);
                    taken.check()
                })
            },
        );
        let report = report.map_err(|error| match error {
            Error::Application { message, record: Some(count) } => {
                Error::Application { message, record: Some(records.nth_given(count)) }
            }
            other => other,
        })?;
        report.counters(|group, name, amount| out.counter(group, name, amount))?;
        out.check()
    }

    fn combine_run(&self, groups: &mut Groups<'_>, out: &mut Combined<'_>) -> Result<(), Error> {
        let Some(combiner) = &self.combiner else {
            while let Some((key, mut values)) = groups.next() {
                self.combine(key, &mut values, out)?;
            }
            return out.check();
        };
        let environment = self.environment(Kind::Map, groups.place(), None);
        let child = Child { command: combiner, environment: &environment, watch: groups.watch() };
        let taken = &mut *out;
        let report = child.run(
            |feed| Self::feed(groups, feed),
            |stdout| {
                each_line(stdout, usize::MAX, |line| {
                    let (key, value) = split_line(line);
                    taken.pair(key, value);
                    taken.check()
                })
            },
        )?;
        report.counters(|group, name, amount| out.counter(group, name, amount))?;
        out.check()
    }

    fn reduce_task(&self, groups: &mut Groups<'_>, out: &mut Output<'_>) -> Result<(), Error> {
        let Some(reducer) = &self.reducer else {
            while let Some((key, mut values)) = groups.next() {
                self.reduce(key, &mut values, out)?;
                out.check()?;
            }
            return Ok(());
        };
        groups.reads_ahead();
        let environment = self.environment(Kind::Reduce, groups.place(), None);
        let child = Child { command: reducer, environment: &environment, watch: groups.watch() };
        let taken = &mut *out;
        let report = child.run(
            |feed| Self::feed(groups, feed),
            |stdout| {
                let mut buffer = vec![0; 2 * FEED_BYTES];
                loop {
                    match child::read(stdout, &mut buffer)? {
                        0 => return Ok(()),
                        read => taken.raw(&buffer[..read]),
                    }
                    taken.check()?;
                }
            },
        )?;
        report.counters(|group, name, amount| out.counter(group, name, amount))?;
        out.check()
    }
}
