//! Why an attempt ended without a result.
//!
//! The coordinator decides what follows; all it needs for that is [`Error::blame`]: whether the job can't succeed as
//! it stands, whether another attempt may, or whether a map task's output is lost and has to be made again.

use std::io;
use std::path::{Path, PathBuf};

use crate::store::Location;

/// What ended an attempt, or kept a job from starting.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A pattern of the command line stands for no file.
    #[error(
        "no file matches {0:?}: look at the path and at the quotes around the pattern (the shell of the coordinator's \
         machine does not expand it)"
    )]
    NoMatch(String),
    /// An input file can't be read, or is not what it was when the job was planned.
    #[error("input {file}: {problem}")]
    Input {
        /// The file as the job names it.
        file: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A file of the job's own can't be written or read.
    #[error("can't {doing} {}: {source}{}", .path.display(), advice(.source))]
    Storage {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// An object store did not do as it was asked.
    #[error("can't {doing} {at}: {problem}")]
    Store {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The object, or the bucket.
        at: Location,
        /// What it said, and what to do.
        problem: String,
    },
    /// An object store puts objects where there are some, though it is asked not to.
    #[error(
        "the store of {at} ignores conditional {what} (If-None-Match): it has replaced an object that was there. \
         All that a job does once rests on them, so no job is run there: use a store that has them, or a newer release \
         of this one"
    )]
    Unconditional {
        /// The bucket.
        at: Location,
        /// Puts or copies.
        what: &'static str,
    },
    /// A map task's intermediate file is missing or damaged: the map task has to run again.
    #[error(
        "intermediate file {path} of map task {map}, attempt {attempt}: {problem}; the map task has to run again"
    )]
    Intermediate {
        /// The map task.
        map: u32,
        /// Its attempt that wrote the file.
        attempt: u32,
        /// The file.
        path: Location,
        /// What is wrong.
        problem: String,
    },
    /// The application failed.
    #[error("the application failed{}: {message}", at_record(.record))]
    Application {
        /// Its own words, or the last lines of its stderr.
        message: String,
        /// The record (of a map task) or group (of a reduce task) that it was at, counted from 0 within the task,
        /// where that is known: the candidate for the skip list.
        record: Option<u64>,
    },
    /// The watcher wanted the attempt to end.
    #[error("the attempt was called off")]
    Cancelled,
    /// The folder for the output is not free.
    #[error("the output directory {path} exists and holds {found}: name another one, or remove it")]
    OutputExists {
        /// The folder.
        path: Location,
        /// One thing that is in it.
        found: String,
    },
    /// The job makes no sense as it was asked for.
    #[error("{0}")]
    Usage(String),
}

/// Who has to do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The job as it was asked for: no attempt anywhere will succeed.
    Job,
    /// The application, or the record that it was at: another attempt may succeed, and count these.
    Application,
    /// The machine of this worker (disk full, no descriptors): another worker may succeed.
    Worker,
    /// The output of a map task is lost: that task has to run again before this one.
    MapOutput {
        /// The map task.
        map: u32,
        /// The attempt whose file is lost.
        attempt: u32,
    },
    /// Nobody: the attempt was called off.
    Nobody,
}

impl Error {
    /// Who has to do something about it.
    pub fn blame(&self) -> Blame {
        match *self {
            Self::NoMatch(_)
            | Self::OutputExists { .. }
            | Self::Unconditional { .. }
            | Self::Usage(_) => Blame::Job,
            Self::Input { .. } | Self::Storage { .. } | Self::Store { .. } => Blame::Worker,
            Self::Intermediate { map, attempt, .. } => Blame::MapOutput { map, attempt },
            Self::Application { .. } => Blame::Application,
            Self::Cancelled => Blame::Nobody,
        }
    }

    /// The record (of a map task) or group (of a reduce task) that the application failed at.
    pub fn record(&self) -> Option<u64> {
        match *self {
            Self::Application { record, .. } => record,
            _ => None,
        }
    }

    pub(crate) fn input(file: &str, problem: impl Into<String>) -> Self {
        Self::Input { file: file.to_owned(), problem: problem.into() }
    }

    pub(crate) fn application(message: impl Into<String>) -> Self {
        Self::Application { message: message.into(), record: None }
    }
}

/// An error of the operating system's at one of the job's own files.
pub(crate) fn storage(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Storage { doing, path, source }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => {
            "; free space there, or put the job's folder on a larger disk (what this attempt wrote is removed)"
        }
        io::ErrorKind::QuotaExceeded => "; your quota there is used up",
        io::ErrorKind::FileTooLarge => "; the limit on the size of a file is reached (ulimit -f)",
        _ => "",
    }
}

fn at_record(record: &Option<u64>) -> String {
    record.map_or_else(String::new, |record| format!(" at record {record}"))
}

/// What an application says when it can't go on; `?` makes one of any error.
#[derive(Debug)]
pub struct Failure(pub(crate) String);

impl<E: ToString> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// What an application's functions return.
pub type Outcome = Result<(), Failure>;
