//! What a worker is told of a task, what it tells of the result, and who watches meanwhile.
//!
//! Everything here is plain data that can be sent to another machine, except the [`Watch`].

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::counters::Counters;
use crate::input::Split;
use crate::store::Location;

/// Of the two kinds of task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Reads a split, writes an intermediate file.
    Map,
    /// Reads a partition of all intermediate files, writes an output file.
    Reduce,
}

/// A task of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId {
    /// Map or reduce.
    pub kind: Kind,
    /// From 0, among those of its kind.
    pub index: u32,
}

/// What an attempt may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// About how many bytes of memory an attempt fills before it writes to disk. Beyond it go buffers of at most
    /// 2 MiB, and at most three times the largest record (read, emitted, written); where files are in an object store,
    /// at most 32 MiB that are on their way.
    pub memory_bytes: usize,
    /// The longest record, in bytes; a longer one fails the task. At most 1 GiB.
    pub record_bytes: usize,
    /// How many files a reduce task has open at once. More inputs are merged in several passes.
    pub open_files: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 128 << 20, record_bytes: 256 << 20, open_files: 256 }
    }
}

/// Which job an attempt belongs to, and where it stands in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The job's name, of letters, digits and `_`: it becomes part of what streaming's programs find in their
    /// environment.
    pub job: String,
    /// The task's index among those of its kind.
    pub index: u32,
    /// The attempt's number. The caller sees to it that a task never has two with the same number.
    pub attempt: u32,
    /// How many map tasks the job has.
    pub maps: u32,
    /// How many reduce tasks, which is how many partitions.
    pub reduces: u32,
}

/// An attempt of a map task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapTask {
    /// Which one it is.
    pub place: Place,
    /// What it reads.
    pub split: Split,
    /// Where its intermediate file goes. The folder must exist.
    pub folder: PathBuf,
    /// What it may use.
    pub limits: Limits,
    /// Records to leave out, counted from 0 within the split: ordered, disjoint.
    pub skip: Vec<Range<u64>>,
    /// Whether to write the intermediate file as JSON lines too, beside it, for people.
    pub debug_intermediate: bool,
}

impl MapTask {
    /// Its task.
    pub fn id(&self) -> TaskId {
        TaskId { kind: Kind::Map, index: self.place.index }
    }

    /// Where this attempt leaves its intermediate file.
    pub fn path(&self) -> PathBuf {
        self.folder.join(format!("map-{}-{}", self.place.index, self.place.attempt))
    }
}

/// An intermediate file: what an attempt of a map task made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intermediate {
    /// The map task.
    pub map: u32,
    /// Its attempt.
    pub attempt: u32,
    /// The file.
    pub path: Location,
}

/// What an attempt of a map task made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapOutput {
    /// Its intermediate file.
    pub file: Intermediate,
    /// The bytes of each partition in it.
    pub partition_bytes: Vec<u64>,
    /// What it counted.
    pub counters: Counters,
}

/// An attempt of a reduce task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReduceTask {
    /// Which one it is; its index is that of its partition.
    pub place: Place,
    /// One intermediate file of every map task. The order does not matter: they are read in the order of the tasks.
    pub inputs: Vec<Intermediate>,
    /// Where its attempt-named output and what it spills go. The folder must exist, on the file system of the job's
    /// output directory.
    pub folder: PathBuf,
    /// What it may use.
    pub limits: Limits,
    /// Groups to leave out, counted from 0 within the partition: ordered, disjoint.
    pub skip: Vec<Range<u64>>,
}

impl ReduceTask {
    /// Its task.
    pub fn id(&self) -> TaskId {
        TaskId { kind: Kind::Reduce, index: self.place.index }
    }

    /// Where this attempt leaves its output.
    pub fn path(&self) -> PathBuf {
        self.folder.join(format!("reduce-{}-{}", self.place.index, self.place.attempt))
    }
}

/// What an attempt of a reduce task made: a file that nobody sees until it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReduceOutput {
    /// The reduce task.
    pub reduce: u32,
    /// Its attempt.
    pub attempt: u32,
    /// The file, to be published as [`output_path`] once the coordinator says so.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// What it counted.
    pub counters: Counters,
}

/// The name under which a reduce task's output is seen.
pub fn output_name(reduce: u32) -> String {
    format!("mr-out-{reduce}")
}

/// The path under which it is seen, on this machine.
pub fn output_path(folder: &Path, reduce: u32) -> PathBuf {
    folder.join(output_name(reduce))
}

/// Who watches an attempt: how far it is, and whether it should go on.
///
/// All of it is called often from the attempt's own threads and must be cheap: load or store an atomic.
pub trait Watch: Sync {
    /// Whether the attempt is to end: it was superseded, takes too long, or somebody pressed Ctrl-C. Once it
    /// says so, it has to go on saying so. Asked for every record and block, and every few milliseconds while a program
    /// of streaming's runs.
    fn cancelled(&self) -> bool {
        false
    }

    /// How far it is: bytes done, of how many.
    fn progress(&self, _done: u64, _total: u64) {}

    /// The record (of a map task) or group (of a reduce task) that the application is given next, counted from 0
    /// within the task. What was last told when a worker died is the candidate for the skip list.
    fn record(&self, _number: u64) {}

    /// What the application says that it is doing.
    fn status(&self, _text: &str) {}

    /// A line of a program's stderr, without its end.
    fn log(&self, _line: &[u8]) {}
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}
