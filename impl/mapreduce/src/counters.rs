//! What an attempt counted.
//!
//! Counters belong to one attempt and come with its result. Whoever adds them up takes those of the attempt that won
//! and drops the others: then a record that was mapped twice counts once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The counters of one attempt, or the sum of several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Lines (files, for applications that take whole files) that a map task was given; pairs, for a reduce task.
    pub input_records: u64,
    /// Their bytes: keys and values for a reduce task.
    pub input_bytes: u64,
    /// Pairs that a map task emitted; lines that a reduce task wrote.
    pub output_records: u64,
    /// The bytes of these keys and values; of these lines.
    pub output_bytes: u64,
    /// Pairs that a map task left in its intermediate file, which are fewer if there is a combiner.
    pub combined_records: u64,
    /// Times that the memory was full and was written out before the end of the task, and merges on the way.
    pub spills: u64,
    /// Bytes that these wrote.
    pub spilled_bytes: u64,
    /// Groups (different keys) that a reduce task met.
    pub groups: u64,
    /// Records or groups left out because the skip list names them.
    pub skipped_records: u64,
    /// The application's own: group, name, count.
    pub own: BTreeMap<String, BTreeMap<String, i64>>,
}

impl Counters {
    /// The most different counters that an application may have. One that makes up names would fill the memory of
    /// everybody who adds them up.
    pub const MOST: usize = 1_000;
    /// The longest name of a counter or group, in bytes.
    pub const LONGEST_NAME: usize = 256;

    /// Adds to a counter of the application's.
    ///
    /// # Errors
    /// When there are too many counters or the name is too long.
    pub fn add(&mut self, group: &str, name: &str, amount: i64) -> Result<(), Error> {
        if let Some(count) = self.own.get_mut(group).and_then(|names| names.get_mut(name)) {
            *count = count.saturating_add(amount);
            return Ok(());
        }
        if group.len().max(name.len()) > Self::LONGEST_NAME {
            let most = Self::LONGEST_NAME;
            return Err(Error::application(format!("a counter's name has more than {most} bytes")));
        }
        if self.own.values().map(BTreeMap::len).sum::<usize>() >= Self::MOST {
            let most = Self::MOST;
            return Err(Error::application(format!(
                "more than {most} different counters: don't put data into their names"
            )));
        }
        self.own.entry(group.to_owned()).or_default().insert(name.to_owned(), amount);
        Ok(())
    }

    /// Adds the counters of another attempt.
    pub fn merge(&mut self, other: &Self) {
        self.input_records += other.input_records;
        self.input_bytes += other.input_bytes;
        self.output_records += other.output_records;
        self.output_bytes += other.output_bytes;
        self.combined_records += other.combined_records;
        self.spills += other.spills;
        self.spilled_bytes += other.spilled_bytes;
        self.groups += other.groups;
        self.skipped_records += other.skipped_records;
        for (group, names) in &other.own {
            let here = self.own.entry(group.clone()).or_default();
            for (name, amount) in names {
                let count = here.entry(name.clone()).or_default();
                *count = count.saturating_add(*amount);
            }
        }
    }
}
