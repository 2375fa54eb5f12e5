//! Where a job's files are.
//!
//! ```text
//! DIR/                              the output directory
//!   mr-out-0 …                      outputs
//!   .quorate-mr-JOB/                the job's folder
//!     job                           what the job is
//!     journal
//!     stdin                         standard input, if it is read
//!     aside/LIFE/map-3-1            what attempts write: of a life of the coordinator, a task and its number
//!     whole/LIFE/map-3-1            the same when it is whole
//! ```
//!
//! Only the coordinator makes folders. So an attempt that wakes up when its job is over can write nowhere.

use super::error::Error;
use mapreduce::Durability;
use protocol::mr::{AttemptId, Kind};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What the names of jobs' folders begin with.
pub(super) const WORK: &str = ".quorate-mr-";
/// What the name of a folder ends with that is of no use any more.
pub(super) const OVER: &str = ".over";

/// The folder of a job in its output directory.
pub(super) fn work(dir: &Path, job: u64) -> PathBuf {
    dir.join(format!("{WORK}{job:016x}"))
}

/// Where an attempt of this life writes.
pub(super) fn aside(work: &Path, life: u32) -> PathBuf {
    work.join("aside").join(life.to_string())
}

fn named(attempt: AttemptId) -> String {
    let kind = match attempt.task.kind {
        Kind::Map => "map",
        Kind::Reduce => "reduce",
    };
    format!("{kind}-{}-{}", attempt.task.index, attempt.number())
}

/// The file of an attempt that is whole.
pub(super) fn whole(work: &Path, attempt: AttemptId) -> PathBuf {
    work.join("whole").join(attempt.life().to_string()).join(named(attempt))
}

/// Makes the folders of a life of the coordinator.
pub(super) fn make(work: &Path, life: u32) -> Result<(), Error> {
    for folder in [aside(work, life), work.join("whole").join(life.to_string())] {
        fs::create_dir_all(&folder).map_err(Error::io("make the folder", &folder))?;
    }
    Ok(())
}

/// Gives the file of an attempt its name.
pub(super) fn name(work: &Path, attempt: AttemptId) -> Result<(), Error> {
    let (from, to) = (aside(work, attempt.life()).join(named(attempt)), whole(work, attempt));
    let json = from.with_extension("json");
    if json.exists() {
        let to = to.with_extension("json");
        fs::rename(&json, &to).map_err(Error::io("rename to its name", &to))?;
    }
    fs::rename(&from, &to).map_err(Error::io("rename to its name", &to))
}

/// Removes all that an attempt has written. What is not there is no error.
pub(super) fn delete(work: &Path, attempt: AttemptId) -> Result<(), Error> {
    let aside = aside(work, attempt.life()).join(named(attempt));
    let whole = whole(work, attempt);
    // What the engine calls a file that is not whole, the merges on the way, and what `--debug-intermediate` shows.
    let mut names = vec![whole.with_extension("json"), whole];
    for more in ["", ".part", ".json", ".json.part", ".pass", ".pass.part"] {
        let mut name = aside.clone().into_os_string();
        name.push(more);
        names.push(name.into());
    }
    for name in names {
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &name)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Gives the file of a reduce's attempt the name of its output, for good.
pub(super) fn publish(dir: &Path, work: &Path, attempt: AttemptId) -> Result<(), Error> {
    let to = mapreduce::output_path(dir, attempt.task.index);
    Ok(mapreduce::publish(&whole(work, attempt), &to, Durability::Power)?)
}
