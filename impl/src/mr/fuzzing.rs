//! What the fuzz targets need of what is private here, and nobody else: journals and jobs in folders, and what is said
//! over connections out of bytes and into bytes again. It is kept in every build, so that the inputs that were found
//! once are read by every test run.

use super::error::Error;
use super::job::Job;
use super::journal::{self, Journal};
use super::wire::{self, ToCoordinator, ToWorker};
use crate::peer::error::Trouble;
use crate::peer::frame::put_code;
use mapreduce::store::Local;
use mapreduce::{Location, Store};
use protocol::mr::Record;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// The kinds of frames: a journal's record, and what is said.
pub const KINDS: [u8; 2] = [journal::RECORD, wire::SAID];

/// A frame of any payload under a right checksum.
pub fn seal(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    put_code(kind, out, |out| out.extend_from_slice(payload));
}

/// Opens the journal in a folder, and writes these records behind its own, each group with one sync; those that it had.
///
/// # Errors
/// If it is damaged, or can't be read or written.
pub fn journal(work: &Path, more: &[Vec<Record<String>>]) -> Result<Vec<Record<String>>, Error> {
    let (mut journal, records) = Journal::open_file(work)?;
    for group in more {
        group.iter().for_each(|record| journal.add(record));
        journal.sync()?;
    }
    Ok(records)
}

/// What is said to a worker, or to a coordinator, each as this build would write it; and whether the bytes end behind
/// one.
pub fn said(to_worker: bool, bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
    match to_worker {
        true => all::<ToWorker>(bytes),
        false => all::<ToCoordinator>(bytes),
    }
}

fn all<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let (mut frames, mut found) = (wire::frames(bytes), Vec::new());
    loop {
        match wire::next::<T>(&mut frames) {
            Ok(said) => found.push(wire::frame(&said)),
            Err(trouble) => return (found, matches!(trouble, Trouble::Closed)),
        }
    }
}

/// Reads what says what the job in a folder is.
///
/// # Errors
/// If it is no job, or another release's.
pub fn read_job(work: &Path) -> Result<Job, Error> {
    let path = Job::of(&Location::from(work.to_owned()));
    let none = || Error::JobFile { path: path.clone(), why: "it is not there".to_owned() };
    Job::read(&Local, &path)?.ok_or_else(none)
}

/// Writes it.
///
/// # Errors
/// If it can't be written.
pub fn write_job(job: &Job, work: &Path) -> Result<(), Error> {
    let path = Job::of(&Location::from(work.to_owned()));
    Local.remove(std::slice::from_ref(&path))?;
    job.write(&Local, &path).map(drop)
}
