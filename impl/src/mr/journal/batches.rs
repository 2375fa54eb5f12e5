//! A journal in an object store: an object for each write, in place of a file's end.
//!
//! ```text
//! journal/0000000001 ...     16 bytes that its coordinator has drawn, and the records that were waiting, as frames
//! ```
//!
//! An object appears whole, so there are no torn ends. All that waits goes with one put, as it goes with one sync to a
//! disk. *A number is taken once*: each object is put on the condition that there is none of its name. A coordinator
//! that begins has read all that there were, and its first record takes the next number; so one of the same job that is
//! still at work finds its next number taken, can't write any more, and ends: nothing that it does then is on the disk,
//! so nothing of it was promised to anybody. If the other one was faster, the one that begins ends.
//!
//! *The end of a job takes its journal away*, and with it what stands in the way of a coordinator that has noticed
//! nothing. So whoever has put a batch looks whether the one before is still there, and that no end has begun: the end
//! says so before it removes anything, and takes that back when all is gone ([`Batches::stands`]).
//!
//! When the answer to a put is lost, the object says what has become of it: it bears the bytes that were drawn, or
//! those of somebody else, or it is not there and is put once more.

use super::Error;
use crate::mr::folder::Claim;
use crate::mr::places::{OVER, PATIENCE};
use mapreduce::{Location, Store};
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// How many bytes are drawn.
const DRAWN: usize = 16;

/// The end of such a journal.
#[derive(Debug)]
pub(super) struct Batches {
    store: Arc<dyn Store>,
    folder: Location,
    /// What says that the job is over and that all of it is being removed.
    over: Location,
    /// What says what the job is.
    job: Location,
    /// The number of the next batch.
    next: u64,
    drawn: [u8; DRAWN],
}

fn named(folder: &Location, number: u64) -> Location {
    folder.join(&format!("{number:010}"))
}

/// The first batch of a job, which is there before anything is run, until the job is over.
pub(in crate::mr) fn first(work: &Location) -> Location {
    named(&work.join(super::NAME), 1)
}

impl Batches {
    /// Opens a claimed job's; and the frames that it has.
    pub(super) fn open(claim: &Claim, folder: Location) -> Result<(Self, Vec<u8>), Error> {
        let store = Arc::clone(&claim.store);
        let mut drawn = [0; DRAWN];
        getrandom::fill(&mut drawn).map_err(|error| Error::System {
            what: "draw a number",
            source: io::Error::other(error),
        })?;
        let found = store.list(&folder)?;
        let (over, job) = (claim.work.with_suffix(OVER), claim.written_at.clone());
        let next = found.len() as u64 + 1;
        let batches = Self { store, folder, over, job, next, drawn };
        let numbered = (1..batches.next).map(|number| batches.at(number));
        let has_all = numbered.eq(found.iter().cloned());
        let read = if has_all { batches.store.read_all(&found) } else { Ok(Vec::new()) };
        // What was read is all that there was, unless it was being removed.
        if batches.store.read(&batches.over)?.is_some() {
            return Err(Error::InUse(claim.dir.clone()));
        }
        if !has_all {
            return Err(Error::Damaged { path: batches.folder, offset: 0 });
        }
        let mut frames = Vec::new();
        for batch in read? {
            frames.extend_from_slice(batch.get(DRAWN..).unwrap_or_default());
        }
        Ok((batches, frames))
    }

    fn at(&self, number: u64) -> Location {
        named(&self.folder, number)
    }

    /// Puts frames behind the others.
    pub(super) fn put(&mut self, frames: &[u8]) -> Result<(), Error> {
        let path = self.at(self.next);
        let bytes = [&self.drawn, frames].concat();
        let begun = Instant::now();
        loop {
            let done = self
                .store
                .create(&path, &bytes)
                .and_then(|is_mine| if is_mine { self.stands() } else { Ok(false) });
            match done {
                Ok(true) => {
                    self.next += 1;
                    return Ok(());
                }
                Ok(false) => return Err(Error::Superseded(path)),
                Err(error) if begun.elapsed() > PATIENCE => {
                    return Err(Error::Journal { path, why: error.to_string() });
                }
                // It has waited itself.
                Err(_) => {}
            }
        }
    }

    /// Whether the batch that was just put stands behind all others, and not where they have been removed. If an end
    /// began before it was put, then either that can be seen, or it is over and the batch in front is gone.
    fn stands(&self) -> Result<bool, mapreduce::Error> {
        let front = if self.next == 1 { self.job.clone() } else { self.at(self.next - 1) };
        if self.store.read(&self.over)?.is_none() && self.store.read(&front)?.is_some() {
            return Ok(true);
        }
        self.store.remove(&[self.at(self.next)])?;
        Ok(false)
    }
}

#[cfg(test)]
mod tests;
