//! The ledger: the exact number of states of every run, so that a changed count is seen as what it is, a
//! changed protocol or model.

use crate::engine::{Strategy, Verdict};
use crate::{catalog, machine};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// One run as it was when its count was pinned.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The run's name.
    pub run: String,
    /// Unique states within the bounds.
    pub states: usize,
    /// The longest path that the checker took. Depth first, this depends on the threads' luck.
    pub depth: usize,
    /// Wall time then.
    pub seconds: f64,
    /// Threads then.
    pub threads: usize,
    /// When.
    pub date: String,
    /// The bounds.
    pub bounds: Value,
}

/// What the ledger says of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// The same number of states.
    Same,
    /// Another number of states than was pinned.
    Count {
        /// Pinned.
        pinned: usize,
        /// Found.
        found: usize,
    },
    /// The bounds are not those of the pinned count.
    Bounds,
    /// The run is not in the ledger.
    Missing,
}

/// The ledger of all runs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger(pub Vec<Entry>);

/// Where the ledger of this checkout is.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ledger.json")
}

impl Ledger {
    /// Reads the ledger. A missing file is an empty ledger.
    pub fn read(path: &Path) -> Result<Self, String> {
        match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                format!("{} is no ledger: {error}; restore it from git", path.display())
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("can't read the ledger {}: {error}", path.display())),
        }
    }

    /// Compares a finished run with what was pinned.
    pub fn compare(&self, run: &str, bounds: &Value, states: usize) -> Match {
        match self.0.iter().find(|entry| entry.run == run) {
            None => Match::Missing,
            Some(entry) if entry.bounds != *bounds => Match::Bounds,
            Some(entry) if entry.states != states => {
                Match::Count { pinned: entry.states, found: states }
            }
            Some(_) => Match::Same,
        }
    }

    /// Pins a run's count anew and writes the file.
    pub fn pin<A, C>(
        &mut self,
        path: &Path,
        run: &str,
        bounds: Value,
        found: &Verdict<A, C>,
        threads: usize,
    ) -> Result<(), String> {
        let entry = Entry {
            run: run.into(),
            states: found.states,
            depth: found.depth,
            seconds: (found.seconds * 10.0).round() / 10.0,
            threads,
            date: machine::date(),
            bounds,
        };
        self.0.retain(|old| old.run != run);
        self.0.push(entry);
        let order = |entry: &Entry| catalog::all().position(|run| run.name() == entry.run);
        self.0.sort_by_key(order);
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())? + "\n";
        std::fs::write(path, text)
            .map_err(|error| format!("can't write {}: {error}", path.display()))
    }
}

/// Whether a strategy's counts are the ledger's: all but those that explore less.
pub const fn is_pinned(strategy: Strategy) -> bool {
    matches!(strategy, Strategy::Bfs | Strategy::Dfs)
}
