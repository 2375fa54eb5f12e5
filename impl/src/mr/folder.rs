//! Whose an output directory is.
//!
//! One of this machine, or a shared one, is locked. `folder/prefix.rs` does the same in an object store, without locks.

mod prefix;

use super::error::Error;
use super::job::{self, Asked, Job};
use super::places::{self, OVER, WORK};
use mapreduce::input::spool;
use mapreduce::store::Local;
use mapreduce::{Location, Store, Stores};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;

/// An output directory that is this process's, and the job that it is for.
#[derive(Debug)]
pub struct Claim {
    pub(super) store: Arc<dyn Store>,
    pub(super) dir: Location,
    pub(super) work: Location,
    /// Where the job is written down.
    pub(super) written_at: Location,
    pub(super) job: Job,
    resumed: bool,
    /// The lock on the directory; the process's end gives it back. None in an object store.
    lock: Option<File>,
}

/// Takes an output directory for a job: makes it, finds it empty, or finds in it the same job, which was not ended.
/// `stdin` is read to its end if the job reads standard input and is new.
///
/// # Errors
/// If the directory can't be had, or has something else in it, or another job; if there is no such input.
pub fn claim(dir: &Location, asked: &Asked, stdin: &mut dyn Read) -> Result<Claim, Error> {
    // Said before anything is made.
    asked.program.load()?;
    let Some(dir) = dir.local() else {
        let store = Stores::default().of(dir)?;
        return prefix::claim(store, dir, asked, stdin);
    };
    let dir = absolute(dir).map_err(Error::io("find", dir))?;
    if dir.to_str().is_none() {
        return Err(Error::NoText(dir));
    }
    let made = !dir.exists();
    fs::create_dir_all(&dir).map_err(Error::io("make the output directory", &dir))?;
    let lock = File::open(&dir).map_err(Error::io("open", &dir))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::InUse(dir.into())),
        Err(TryLockError::Error(error)) => return Err(Error::io("lock", &dir)(error)),
    }
    let (job, others) = list(&dir)?;
    let occupied = |found: &str| {
        let (path, found) = (dir.clone().into(), found.to_owned());
        Err(mapreduce::Error::OutputExists { path, found }.into())
    };
    let Some(work) = job else {
        return match others.first() {
            Some(found) => occupied(found),
            None => begin(dir, made, lock, asked, stdin),
        };
    };
    let (work, at) = (Location::Local(work), Location::Local(dir.clone()));
    let gone = || Error::InUse(at.clone());
    let job = Job::read(&Local, &Job::of(&work))?.ok_or_else(gone)?;
    let spooled = job::reads_stdin(asked).then(|| work.join("stdin"));
    job.check(&work, asked, spooled, &mut Stores::default())?;
    if let Some(found) = others.iter().find(|name| !is_output(name, asked)) {
        return occupied(found);
    }
    Ok(of_folder(at, work, job, true, lock))
}

fn of_folder(dir: Location, work: Location, job: Job, resumed: bool, lock: File) -> Claim {
    let written_at = Job::of(&work);
    Claim { store: Arc::new(Local), dir, work, written_at, job, resumed, lock: Some(lock) }
}

/// Whether a file is called as an output of the job is.
fn is_output(name: &str, asked: &Asked) -> bool {
    let index = name.strip_prefix("mr-out-").and_then(|index| index.parse::<u32>().ok());
    index.is_some_and(|index| index < asked.reduces)
}

/// The folder of a job in a directory, and the names of what else is there, in order. What ended jobs or ones that
/// never began have left is removed.
fn list(dir: &Path) -> Result<(Option<PathBuf>, Vec<String>), Error> {
    let entries = fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let (mut job, mut others) = (None, Vec::new());
    for entry in entries.map_err(Error::io("list", dir))? {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if !name.starts_with(WORK) {
            others.push(name);
        } else if name.ends_with(OVER) || !Job::is_in(&path) {
            fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
        } else if job.replace(path).is_some() {
            let why = "there are two jobs in one directory".to_owned();
            return Err(Error::JobFile { path: dir.join(name).into(), why });
        }
    }
    others.sort();
    Ok((job, others))
}

fn begin(
    dir: PathBuf,
    made: bool,
    lock: File,
    asked: &Asked,
    stdin: &mut dyn Read,
) -> Result<Claim, Error> {
    let drawn = draw()?;
    let work = dir.join(places::named_work(drawn));
    let mut plan = || {
        fs::create_dir(&work).map_err(Error::io("make the folder", &work))?;
        let spooled = job::reads_stdin(asked).then(|| spool(stdin, &work)).transpose()?;
        let spooled = spooled.map(Location::Local);
        let job = Job::plan(drawn, asked, spooled, &mut Stores::default())?;
        job.write(&Local, &Job::of(&work.clone().into()))?;
        job::sync(&dir)?;
        Ok(job)
    };
    match plan() {
        Ok(job) => Ok(of_folder(dir.into(), work.into(), job, false, lock)),
        Err(error) => {
            // The reason is what counts; a folder that stays is removed by the next job here.
            let _ = fs::remove_dir_all(&work);
            if made {
                let _ = fs::remove_dir(&dir);
            }
            Err(error)
        }
    }
}

/// A number that no other job has.
fn draw() -> Result<u64, Error> {
    getrandom::u64().map_err(|error| Error::System {
        what: "draw the job's number",
        source: io::Error::other(error),
    })
}

impl Claim {
    /// The output directory.
    pub fn dir(&self) -> &Location {
        &self.dir
    }

    /// The job's folder in it.
    pub fn work(&self) -> &Location {
        &self.work
    }

    /// The job.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// Whether the job was begun by an earlier process.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The job is done: nothing but its outputs stays.
    ///
    /// # Errors
    /// If the job's folder can't be removed.
    pub fn clear(self) -> Result<(), Error> {
        let (Some(dir), Some(work)) = (self.dir.local(), self.work.local()) else {
            return prefix::clear(&*self.store, &self.dir, &self.work);
        };
        let over = self.work.with_suffix(OVER);
        let over = over.local().expect("as the folder is");
        fs::rename(work, over).map_err(Error::io("rename", work))?;
        fs::remove_dir_all(over).map_err(Error::io("remove", over))?;
        job::sync(dir)?;
        drop(self.lock);
        Ok(())
    }
}
