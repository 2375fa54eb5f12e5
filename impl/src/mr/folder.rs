//! Whose an output directory is.

use super::error::Error;
use super::job::{self, Asked, Job};
use super::places::{self, OVER, WORK};
use mapreduce::input::spool;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf, absolute};

/// An output directory that is this process's, and the job that it is for.
#[derive(Debug)]
pub struct Claim {
    pub(super) dir: PathBuf,
    pub(super) work: PathBuf,
    pub(super) job: Job,
    resumed: bool,
    /// The lock on the directory; the process's end gives it back.
    lock: File,
}

/// Takes an output directory for a job: makes it, finds it empty, or finds in it the same job, which was not ended.
/// `stdin` is read to its end if the job reads standard input and is new.
///
/// # Errors
/// If the directory can't be had, or has something else in it, or another job; if there is no such input.
pub fn claim(dir: &Path, asked: &Asked, stdin: &mut dyn Read) -> Result<Claim, Error> {
    // Said before anything is made.
    asked.program.load()?;
    let dir = absolute(dir).map_err(Error::io("find", dir))?;
    if dir.to_str().is_none() {
        return Err(Error::NoText(dir));
    }
    let made = !dir.exists();
    fs::create_dir_all(&dir).map_err(Error::io("make the output directory", &dir))?;
    let lock = File::open(&dir).map_err(Error::io("open", &dir))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::InUse(dir)),
        Err(TryLockError::Error(error)) => return Err(Error::io("lock", &dir)(error)),
    }
    let (job, others) = list(&dir)?;
    let occupied = |found: &str| {
        let (path, found) = (dir.clone(), found.to_owned());
        Err(mapreduce::Error::OutputExists { path, found }.into())
    };
    let Some(work) = job else {
        return match others.first() {
            Some(found) => occupied(found),
            None => begin(dir, made, lock, asked, stdin),
        };
    };
    let job = Job::read(&work)?;
    let spooled = job::reads_stdin(asked).then(|| work.join("stdin"));
    job.check(&work, asked, spooled)?;
    let is_output = |name: &String| {
        let index = name.strip_prefix("mr-out-").and_then(|index| index.parse::<u32>().ok());
        index.is_some_and(|index| index < asked.reduces)
    };
    if let Some(found) = others.iter().find(|name| !is_output(name)) {
        return occupied(found);
    }
    Ok(Claim { dir, work, job, resumed: true, lock })
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
            let (path, why) = (dir.join(name), "there are two jobs in one directory".to_owned());
            return Err(Error::JobFile { path, why });
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
    let drawn = getrandom::u64().map_err(|error| Error::System {
        what: "draw the job's number",
        source: io::Error::other(error),
    })?;
    let work = places::work(&dir, drawn);
    let mut plan = || {
        fs::create_dir(&work).map_err(Error::io("make the folder", &work))?;
        let spooled = job::reads_stdin(asked).then(|| spool(stdin, &work)).transpose()?;
        let job = Job::plan(drawn, asked, spooled)?;
        job.write(&work)?;
        job::sync(&dir)?;
        Ok(job)
    };
    match plan() {
        Ok(job) => Ok(Claim { dir, work, job, resumed: false, lock }),
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

impl Claim {
    /// The output directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The job's folder in it.
    pub fn work(&self) -> &Path {
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
        let mut name = self.work.clone().into_os_string();
        name.push(OVER);
        let over = PathBuf::from(name);
        fs::rename(&self.work, &over).map_err(Error::io("rename", &self.work))?;
        fs::remove_dir_all(&over).map_err(Error::io("remove", &over))?;
        job::sync(&self.dir)?;
        drop(self.lock);
        Ok(())
    }
}
