//! What can be wrong with a trace.

use super::format::{FORMAT, Whose};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a trace can't be written or read. Each message ends with what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The file system said no.
    #[error("can't {what} {}: {error}. Make room there, or leave out --record", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What it said.
        error: Arc<io::Error>,
    },
    /// The folder has another server's trace.
    #[error("{} has the trace of {found}, and this is {wanted}. Give each node a folder of its own", path.display())]
    Foreign {
        /// The file that says so.
        path: PathBuf,
        /// Whose it is.
        found: Box<Whose>,
        /// Whose it should be.
        wanted: Box<Whose>,
    },
    /// Another build wrote it.
    #[error(
        "{} has format {found}, and this program reads format {FORMAT}. Use the release that wrote it",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The bytes are not what was written.
    #[error("{} is damaged at byte {offset}: {what}. What is behind it proves nothing", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, in bytes.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The bytes are what was written, and make no sense here.
    #[error(
        "{}: the batch at byte {offset} can't be understood: {why}. Replay it with the build that wrote it",
        path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Where, in bytes.
        offset: u64,
        /// What is wrong.
        why: String,
    },
    /// A life is missing.
    #[error("{} has no trace of life {life}. Give the whole folder, as the server left it", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
        /// Which.
        life: u64,
    },
}

impl Error {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { what, path, error: error.into() }
    }
}
