//! Runs of tens of minutes to hours. A finished one is written to a record that is committed, and skipped
//! until the text of the protocol or the model changes.

use crate::catalog::Named;
use crate::machine;
use crate::report::{Row, grouped};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A fingerprint of the source text of `protocol` and `model` as far as runs depend on it, taken when this
/// program was built.
pub const TEXT: &str = env!("CHECKED_TEXT");

/// A finished deep run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The run.
    pub run: String,
    /// Its bounds.
    pub bounds: Value,
    /// The corners that it had to reach, and did.
    pub reached: Vec<String>,
    /// The text that was checked.
    pub text: String,
    /// When.
    pub date: String,
    /// At which commit.
    pub commit: String,
    /// On what.
    pub machine: String,
    /// Unique states.
    pub states: usize,
    /// The longest path.
    pub depth: usize,
    /// Wall time.
    pub seconds: f64,
    /// The most memory the process had in use.
    pub peak_memory_mib: u64,
    /// The odds of a fingerprint collision.
    pub collision_odds: f64,
    /// How it ended.
    pub result: String,
}

impl Record {
    /// The record of a run that has just finished, and began at this commit.
    pub fn new(run: Named, row: &Row, commit: String) -> Self {
        Self {
            run: row.run.clone(),
            bounds: row.bounds.clone(),
            reached: run.corners(),
            text: TEXT.into(),
            date: machine::date(),
            commit,
            machine: machine::describe(),
            states: row.states,
            depth: row.depth,
            seconds: row.seconds.round(),
            peak_memory_mib: machine::peak_memory_mib().unwrap_or(0),
            collision_odds: row.collision_odds,
            result: "exhausted, all properties hold".into(),
        }
    }

    /// Whether it is of this run, in these bounds, with these corners, of the text that this program was built from.
    pub fn is_of(&self, run: Named) -> bool {
        let same_run = self.run == run.name() && self.bounds == run.bounds();
        same_run && self.reached == run.corners() && self.text == TEXT
    }

    /// One line for a person; `bounds` are the run's in few letters.
    pub fn line(&self, bounds: &str) -> String {
        format!(
            "{} ({}): {} states, {} s, {} MiB, odds of a collision {:.1e}, on {} at {} ({}): {}",
            self.run,
            bounds,
            grouped(self.states),
            self.seconds,
            grouped(self.peak_memory_mib as usize),
            self.collision_odds,
            self.date,
            self.commit,
            self.machine,
            self.result
        )
    }
}

/// Where the record of this checkout is.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deep.json")
}

/// Reads the record. A missing file is an empty one.
pub fn read(path: &Path) -> Result<Vec<Record>, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| {
            format!("{} is no record: {error}; restore it from git", path.display())
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("can't read {}: {error}", path.display())),
    }
}

/// Adds a finished run, in place of an older one of the same name.
pub fn add(path: &Path, record: Record) -> Result<(), String> {
    let mut all = read(path)?;
    all.retain(|old| old.run != record.run);
    all.push(record);
    let text = serde_json::to_string_pretty(&all).map_err(|error| error.to_string())? + "\n";
    std::fs::write(path, text).map_err(|error| format!("can't write {}: {error}", path.display()))
}
