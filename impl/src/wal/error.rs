//! What can go wrong, and what a person can do about it.

use super::format::VERSION;
use super::group::GroupId;
use super::{Identity, MAX_BATCH_BYTES};
use protocol::Write;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What can be done about a log of which a part is lost. An empty folder under the old id is no way
/// out: that node would have forgotten its votes and acknowledgements, and could cost the group data.
const LOST: &str = "Restore the file from a copy, or replace this node by one with a new id and an empty folder; \
    an emptied folder under the old id would break promises that this node has made to others";

/// Why the log can't go on. Each message ends with what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the folder.
    #[error(
        "{}: another process holds the write-ahead log. Stop it, or give this server a folder of its own", path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The folder belongs to another node or cluster.
    #[error(
        "{}: this is the write-ahead log of {found}, but this server is {expected}. \
        Start it with the folder that belongs to it, or with the cluster and node ids of this folder", path.display()
    )]
    Foreign {
        /// The segment.
        path: PathBuf,
        /// Whose it is.
        found: Identity,
        /// Who asks.
        expected: Identity,
    },
    /// The folder was written by another version of the program.
    #[error(
        "{}: the file has format version {found}, and this program reads version {VERSION}. \
        Start the release that wrote it, or replace this node by one with a new id and an empty folder", path.display()
    )]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Bytes that were durable are not what was written.
    #[error(
        "{}: damaged at byte {offset}: {what}. What stood there was durable, so cutting it off would lose it. {LOST}",
        path.display()
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where the first bad bytes are, in bytes from the file's start.
        offset: u64,
        /// What is wrong with them.
        what: &'static str,
    },
    /// A segment has another segment's name.
    #[error(
        "{}: the name says generation {named}, the content {found}. \
        Files were renamed or copied; give each its own name again ({})", path.display(), right.display()
    )]
    Misnamed {
        /// The segment.
        path: PathBuf,
        /// The generation in its name.
        named: u64,
        /// The generation in its header.
        found: u64,
        /// The name that it should have.
        right: PathBuf,
    },
    /// A segment that is needed is not there.
    #[error("{}: the file is missing, and {why}. {LOST}", path.display())]
    Missing {
        /// The segment.
        path: PathBuf,
        /// By what it is missed.
        why: String,
    },
    /// There is no room.
    #[error(
        "{}: no space left on the device ({source}). Nothing that was acknowledged is lost; \
        free some space and start the server again", path.display()
    )]
    Full {
        /// What was being written.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// The operating system refused something.
    #[error(
        "{}: can't {action} ({source}). Nothing that was acknowledged is lost. Mend the cause \
        (permissions, the device, its cables) and start the server again; this process must not go on, for after \
        a failed sync nobody knows what the disk has", path.display()
    )]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<io::Error>,
    },
    /// A write that does not follow the group's state.
    #[error(
        "the write {write:?} of group {group} does not fit: {why}. This is a bug in the server, and nothing of the \
        batch was written; report it, and start the server again"
    )]
    Invalid {
        /// Whose.
        group: GroupId,
        /// What.
        write: Write,
        /// Why not.
        why: &'static str,
    },
    /// A write that fits into no batch any more.
    #[error(
        "a batch of {bytes} bytes is above the bound of {MAX_BATCH_BYTES}. \
        Write the batch first, or refuse so large a command"
    )]
    TooLarge {
        /// How large the batch would be.
        bytes: usize,
    },
}

impl Error {
    /// What became of an attempt to do `action` to the file at `path`.
    pub(super) fn io(action: &'static str, path: PathBuf) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path, source: Arc::new(source) }
            }
            _ => Self::Io { action, path, source: Arc::new(source) },
        }
    }
}
