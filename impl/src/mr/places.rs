//! Where a job's files are.
//!
//! ```text
//! DIR/                              the output directory
//!   mr-out-0 …                      outputs
//!   .quorate-mr-JOB/                the job's folder; in an object store .quorate-mr/JOB/
//!     job                           what the job is; in an object store .quorate-mr/job
//!     journal                       in an object store journal/0000000001 …
//!     stdin                         standard input, if it is read
//!     aside/LIFE/map-3-1            what attempts write: of a life of the coordinator, a task and its number
//!     whole/LIFE/map-3-1            the same when it is whole
//! ```
//!
//! Only the coordinator makes folders. So an attempt that wakes up when its job is over can write nowhere. In an object
//! store nothing is aside: attempts write into a scratch folder of their worker's machine, and what is whole is
//! uploaded. There one that wakes up too late may leave an object, which nobody reads and the next job there removes.

use super::error::Error;
use super::journal;
use super::scratch::Scratch;
use mapreduce::store::Part;
use mapreduce::{Durability, Location, Store, Stores, Watch};
use protocol::mr::{AttemptId, Kind};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// What the names of jobs' folders begin with.
pub(super) const WORK: &str = ".quorate-mr-";
/// For how long a store that does not answer is asked again and again for what a job must not give up.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);
/// What the name of a folder ends with that is of no use any more.
pub(super) const OVER: &str = ".over";

/// The name of a job's folder in its output directory.
pub(super) fn named_work(job: u64) -> String {
    format!("{WORK}{job:016x}")
}

fn named(attempt: AttemptId) -> String {
    let kind = match attempt.task.kind {
        Kind::Map => "map",
        Kind::Reduce => "reduce",
    };
    format!("{kind}-{}-{}", attempt.task.index, attempt.number())
}

/// The file of an attempt that is whole.
pub(super) fn whole(work: &Location, attempt: AttemptId) -> Location {
    work.join("whole").join(&attempt.life().to_string()).join(&named(attempt))
}

/// Where an attempt of this life writes, in a folder for all of them.
fn aside(all: &Path, life: u32) -> PathBuf {
    all.join("aside").join(life.to_string())
}

/// Makes the folders of a life of the coordinator. An object store has none.
pub(super) fn make(work: &Location, life: u32) -> Result<(), Error> {
    let Some(work) = work.local() else { return Ok(()) };
    for folder in [aside(work, life), work.join("whole").join(life.to_string())] {
        fs::create_dir_all(&folder).map_err(Error::io("make the folder", &folder))?;
    }
    Ok(())
}

/// Gives the files of reduces' attempts the names of their outputs, for good. An error of the store's says that nobody
/// knows whether that is done.
pub(super) fn publish(
    store: &dyn Store,
    dir: &Location,
    work: &Location,
    attempts: &[AttemptId],
) -> Vec<Result<(), mapreduce::Error>> {
    let output = |attempt: &AttemptId| {
        let to = dir.join(&mapreduce::output_name(attempt.task.index));
        (whole(work, *attempt), to)
    };
    let outputs: Vec<_> = attempts.iter().map(output).collect();
    let begun = Instant::now();
    loop {
        let done = store.publish(&outputs, Durability::Power);
        let is_unknown = |done: &Result<(), _>| matches!(done, Err(mapreduce::Error::Store { .. }));
        // What was done before is no error the second time.
        if begun.elapsed() > PATIENCE || !done.iter().any(is_unknown) {
            return done;
        }
    }
}

/// Where a worker's attempts write and read.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub store: Arc<dyn Store>,
    pub work: Location,
    /// None if the job's folder is on this machine, or shared.
    scratch: Option<Arc<Scratch>>,
}

impl Places {
    pub(super) fn new(work: &Location, stores: &mut Stores) -> Result<Self, Error> {
        let scratch = match work.local() {
            Some(_) => None,
            None => Some(Arc::new(Scratch::new()?)),
        };
        Ok(Self { store: stores.of(work)?, work: work.clone(), scratch })
    }

    /// Whether what is whole has to be brought elsewhere.
    pub(super) fn is_remote(&self) -> bool {
        self.scratch.is_some()
    }

    /// Where an attempt of this life writes.
    pub(super) fn aside(&self, life: u32) -> PathBuf {
        match (&self.scratch, self.work.local()) {
            (Some(scratch), _) => aside(scratch.path(), life),
            (None, work) => aside(work.expect("it is not remote"), life),
        }
    }

    /// Makes what only this worker needs.
    pub(super) fn prepare(&self, life: u32) -> Result<(), Error> {
        let folder = self.aside(life);
        match &self.scratch {
            Some(_) => fs::create_dir_all(&folder).map_err(Error::io("make the folder", &folder)),
            None => Ok(()),
        }
    }

    fn aside_file(&self, attempt: AttemptId) -> PathBuf {
        self.aside(attempt.life()).join(named(attempt))
    }

    /// Brings what an attempt has written to where all can read it, whole, under its name. In its own thread, for it
    /// takes its time.
    pub(super) fn keep(
        &self,
        attempt: AttemptId,
        watch: &dyn Watch,
    ) -> Result<(), mapreduce::Error> {
        let (from, to) = (self.aside_file(attempt), whole(&self.work, attempt));
        if self.is_remote() && self.is_over(watch) {
            // What this would leave nobody would remove.
            return Err(mapreduce::Error::Cancelled);
        }
        let json = from.with_extension("json");
        if json.exists() {
            self.store.put(&json, &to.with_suffix(".json"), watch)?;
        }
        self.store.put(&from, &to, watch)
    }

    /// Whether all that was the job's is gone. If nobody can say, it is not.
    fn is_over(&self, watch: &dyn Watch) -> bool {
        let first = self.store.open(&journal::first(&self.work), Part::End, watch);
        first.is_err_and(|error| error.kind() == ErrorKind::NotFound)
    }

    /// Gives the file of an attempt its name. In an object store it has it.
    pub(super) fn name(&self, attempt: AttemptId) -> Result<(), Error> {
        if self.is_remote() {
            return Ok(());
        }
        Ok(self.keep(attempt, &mapreduce::Unwatched)?)
    }

    /// Removes all that an attempt has written. What is not there is no error.
    pub(super) fn delete(&self, attempt: AttemptId) -> Result<(), Error> {
        let (aside, whole) = (self.aside_file(attempt), whole(&self.work, attempt));
        // What the engine calls a file that is not whole, the merges on the way, and what `--debug-intermediate` shows.
        let more = ["", ".part", ".json", ".json.part", ".pass", ".pass.part"];
        let aside = Location::Local(aside);
        let aside = more.map(|more| aside.with_suffix(more));
        mapreduce::store::Local.remove(&aside)?;
        let whole = [whole.with_suffix(".json"), whole];
        if !self.is_remote() {
            return Ok(self.store.remove(&whole)?);
        }
        let store = Arc::clone(&self.store);
        // Nobody waits for it, and what stays goes with the job.
        let remove = move || drop(store.remove(&whole));
        thread::Builder::new().name("mr remove".into()).spawn(remove).map_err(Error::thread)?;
        Ok(())
    }
}
