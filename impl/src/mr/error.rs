//! What can go wrong with a job, and what a person can do about it.

use super::wire::WIRE;
use crate::peer::error::{Refusal, Trouble};
use mapreduce::Location;
use protocol::mr::Unfit;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a job, its coordinator or a worker can't start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine's own: an input, an application, an output directory that is not free.
    #[error(transparent)]
    Engine(#[from] mapreduce::Error),
    /// A file of the job's.
    #[error("can't {what} {}: {source}. Mend its permissions, free space on its disk, or name another --out", path.display())]
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process has the output directory.
    #[error("another job writes to {0}: wait for its end, or name another --out")]
    InUse(Location),
    /// The name of the output directory can't be told to other processes.
    #[error("the name of the output directory {} is not UTF-8: choose another --out", .0.display())]
    NoText(PathBuf),
    /// The directory has a job that was asked for otherwise.
    #[error(
        "{work} has a job that was begun {what}. Run it as it was begun to go on with it, or remove the folder to begin anew"
    )]
    Differs {
        /// The job's folder.
        work: Location,
        /// What differs.
        what: String,
    },
    /// What says what the job is can't be used.
    #[error("{path}: {why}. Remove the folder that it is in to begin anew")]
    JobFile {
        /// The file.
        path: Location,
        /// What is wrong with it.
        why: String,
    },
    /// The journal has bad bytes in front of records that were on the disk, or whole ones that are no record.
    #[error(
        "{path}: damaged at byte {offset}, or written by another release: this is no torn end. \
        Restore it from a copy, or remove the folder that it is in to begin anew"
    )]
    Damaged {
        /// The journal.
        path: Location,
        /// Where.
        offset: u64,
    },
    /// The journal is another job's.
    #[error("{path}: {source}. Remove the folder that it is in to begin anew")]
    Unfit {
        /// The journal.
        path: Location,
        /// Why.
        source: Unfit,
    },
    /// The journal can't be written any more, so nothing can be promised.
    #[error(
        "the journal {path} can't be written: {why}. See that there is room and that it can be reached, and run the \
        same command again: it goes on"
    )]
    Journal {
        /// The journal.
        path: Location,
        /// What the operating system said, or the store.
        why: String,
    },
    /// Another coordinator has written to the job's journal, so this one can't.
    #[error(
        "another coordinator of this job is at work: it has written {0}. It goes on with the job, and this one ends; \
        wait for it, or stop it and run the same command again"
    )]
    Superseded(Location),
    /// Nobody knows whether an output has its name.
    #[error("{0}. Whether that was done nobody knows: run the same command again, it goes on")]
    Unknown(mapreduce::Error),
    /// The port can't be had.
    #[error(
        "can't listen for workers on {address} ({source}). Give another --listen, or stop the process that has this one"
    )]
    Listen {
        /// The address.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Whoever reaches the port could work for the job.
    #[error(
        "the port {0} is open to other machines, and there is no secret to tell workers by: give --secret-file with \
        the same secret here and at each worker, or listen on a loopback address"
    )]
    Unprotected(SocketAddr),
    /// The other end is not the one that was looked for.
    #[error("{address}: {why}")]
    Handshake {
        /// The other end.
        address: String,
        /// What happened.
        why: String,
    },
    /// No coordinator was there for long.
    #[error("no coordinator at {address} for {patience:?} ({why}). Start it, or correct --connect")]
    Alone {
        /// Where it was looked for.
        address: String,
        /// How long.
        patience: Duration,
        /// What happened last.
        why: String,
    },
    /// An attempt's thread does not end.
    #[error(
        "the application does not stop: this process ends, so that nothing of it is written any more"
    )]
    Stuck,
    /// A thread can't be made, or the number of a job can't be drawn.
    #[error("can't {what} ({source}). Raise the limit on processes, or stop others")]
    System {
        /// What was tried, as a verb.
        what: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Error {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }

    pub(super) fn thread(source: io::Error) -> Self {
        Self::System { what: "start a thread", source }
    }

    /// What a handshake said.
    pub(super) fn handshake(address: &str, trouble: &Trouble) -> Self {
        Self::Handshake { address: address.to_owned(), why: words(trouble) }
    }
}

/// Whether it is of no use to try again.
pub(super) const fn is_final(trouble: &Trouble) -> bool {
    use Trouble::{Foreign, Impostor, Refused, RefusedOtherwise};
    matches!(trouble, Refused { .. } | RefusedOtherwise { .. } | Impostor | Foreign)
}

pub(super) fn words(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Refused { refusal: Refusal::Version, theirs } => format!(
            "the other end is of another version (it speaks {theirs}, this one {WIRE}): run the same release on both"
        ),
        Trouble::Refused {
            refusal: Refusal::Cluster | Refusal::NotMe | Refusal::Stranger, ..
        }
        | Trouble::Foreign => "no coordinator of a job is there. Correct the address".to_owned(),
        other => other.to_string(),
    }
}
