//! Whose an output directory is that lies in an object store: there are no locks, but a put can be refused.
//!
//! ```text
//! DIR/.quorate-mr/job             what the job is, and with that whose the directory is: made if there is none
//! DIR/.quorate-mr/JOB/...         all that is the job's: `places.rs`
//! DIR/.quorate-mr/JOB.over        the job is done, and what it has left is removed
//! ```
//!
//! Two different jobs can't both begin: one of them makes that object. Nobody can see whether the coordinator of a job
//! still runs. So the same command goes on with it in any case, and if there is another coordinator, the first of them
//! that writes to the journal lets the other write no more (`journal/batches.rs`).

use super::super::error::Error;
use super::super::job::{Asked, Job, reads_stdin};
use super::super::places::OVER;
use super::super::scratch::Scratch;
use super::{Claim, draw, is_output};
use mapreduce::input::spool;
use mapreduce::{Location, Store, Stores};
use std::io::Read;
use std::sync::Arc;

/// The folder of all that is no output.
const HIDDEN: &str = ".quorate-mr";
/// How often to look again when a job ends while another begins.
const LOOKS: usize = 5;

/// Takes it for a job, as [`super::claim`] does.
pub(super) fn claim(
    store: Arc<dyn Store>,
    dir: &Location,
    asked: &Asked,
    stdin: &mut dyn Read,
) -> Result<Claim, Error> {
    let hidden = dir.join(HIDDEN);
    store.reach(dir)?;
    for _ in 0..LOOKS {
        let Some(job) = Job::read(&*store, &job(dir))? else {
            unmark(&*store, dir)?;
            return begin(store, dir, asked, stdin);
        };
        let work = work(dir, job.number);
        if store.read(&work.with_suffix(OVER))?.is_some() {
            // Its coordinator was ended in front of its last step.
            clear(&*store, dir, &work)?;
            continue;
        }
        let spooled = reads_stdin(asked).then(|| work.join("stdin"));
        job.check(&hidden, asked, spooled, &mut Stores::default())?;
        occupied(&*store, dir, |name| is_output(name, asked))?;
        return Ok(of_prefix(store, dir, work, job, true));
    }
    Err(Error::InUse(dir.clone()))
}

fn of_prefix(
    store: Arc<dyn Store>,
    dir: &Location,
    work: Location,
    job: Job,
    resumed: bool,
) -> Claim {
    let written_at = self::job(dir);
    Claim { store, dir: dir.clone(), work, written_at, job, resumed, lock: None }
}

/// Where the job is written down.
fn job(dir: &Location) -> Location {
    Job::of(&dir.join(HIDDEN))
}

fn work(dir: &Location, job: u64) -> Location {
    dir.join(HIDDEN).join(&format!("{job:016x}"))
}

/// An error if there is something else in the directory than what is hidden and what may be there.
fn occupied(store: &dyn Store, dir: &Location, may: impl Fn(&str) -> bool) -> Result<(), Error> {
    let front = dir.join("").to_string();
    for found in store.list(dir)? {
        let name = found.to_string();
        let name = name.strip_prefix(&front).unwrap_or(&name);
        let first = name.split('/').next().unwrap_or_default();
        if first != HIDDEN && !may(name) {
            let (path, found) = (dir.clone(), name.to_owned());
            return Err(mapreduce::Error::OutputExists { path, found }.into());
        }
    }
    Ok(())
}

fn begin(
    store: Arc<dyn Store>,
    dir: &Location,
    asked: &Asked,
    stdin: &mut dyn Read,
) -> Result<Claim, Error> {
    let nothing = |_: &str| false;
    occupied(&*store, dir, nothing)?;
    let (hidden, number) = (dir.join(HIDDEN), draw()?);
    let work = work(dir, number);
    match store.try_out(&work.with_suffix(".try")) {
        // Another job that begins here may have swept away what this has tried it with.
        Err(mapreduce::Error::Unconditional { .. }) if store.read(&job(dir))?.is_some() => {
            return Err(Error::InUse(dir.clone()));
        }
        tried => tried?,
    }
    let mut begun = false;
    let mut plan = || {
        let spooled = match reads_stdin(asked) {
            true => Some(put_aside(&*store, &work, stdin)?),
            false => None,
        };
        let job = Job::plan(number, asked, spooled, &mut Stores::default())?;
        begun = job.write(&*store, &self::job(dir))?;
        if !begun {
            return Err(Error::InUse(dir.clone()));
        }
        // A job that was here may have ended meanwhile.
        occupied(&*store, dir, nothing)?;
        Ok(job)
    };
    match plan() {
        Ok(job) => {
            sweep(&*store, &hidden, &work)?;
            Ok(of_prefix(store, dir, work, job, false))
        }
        Err(error) => {
            // The reason is what counts; what stays is removed by the next job here.
            let _ = remove_below(&*store, &work);
            if begun {
                let _ = store.remove(&[job(dir)]);
            }
            Err(error)
        }
    }
}

/// Standard input, for workers everywhere.
fn put_aside(store: &dyn Store, work: &Location, stdin: &mut dyn Read) -> Result<Location, Error> {
    let scratch = Scratch::new()?;
    let file = spool(stdin, scratch.path())?;
    let at = work.join("stdin");
    store.put(&file, &at, &mapreduce::Unwatched)?;
    Ok(at)
}

/// Removes what jobs have left that were here before, and what others have put here that did not become the job.
fn sweep(store: &dyn Store, hidden: &Location, work: &Location) -> Result<(), Error> {
    let (job, mine) = (Job::of(hidden), work.join("").to_string());
    let mut left = store.list(hidden)?;
    left.retain(|at| *at != job && !at.to_string().starts_with(&mine));
    Ok(store.remove(&left)?)
}

/// A job's end that was ended itself in front of its very last step has left its mark, which says nothing any more.
fn unmark(store: &dyn Store, dir: &Location) -> Result<(), Error> {
    let left = store.list(&dir.join(HIDDEN))?;
    let marks = left.iter().all(|at| at.to_string().ends_with(OVER));
    if marks { Ok(store.remove(&left)?) } else { Ok(()) }
}

fn remove_below(store: &dyn Store, folder: &Location) -> Result<(), Error> {
    Ok(store.remove(&store.list(folder)?)?)
}

/// The job is done: nothing but its outputs stays. Whoever is interrupted is followed by the next one who looks here.
pub(super) fn clear(store: &dyn Store, dir: &Location, work: &Location) -> Result<(), Error> {
    let over = work.with_suffix(OVER);
    store.create(&over, b"over")?;
    remove_below(store, work)?;
    store.remove(&[job(dir)])?;
    Ok(store.remove(&[over])?)
}

#[cfg(test)]
mod tests;
