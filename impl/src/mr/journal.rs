//! A coordinator's journal: what it must not forget, in a file, or in an object store ([`batches`]).
//!
//! Records stand one behind the other, as frames of the [peers' form](crate::peer): length, checksum, kind, payload.
//! Each says its number, and how many records were on the disk when it was written. By that a torn end is told from
//! damage, as in the write-ahead log: bad bytes in place of record *n* are damage if a record behind them says that *n*
//! was on the disk, else nothing that rests on them was ever promised, and they are cut. Bytes whose checksum fits were
//! not torn: if they are no record, another release has written them.

mod batches;

use self::batches::Batches;
pub(super) use self::batches::first;
use super::error::Error;
use super::folder::Claim;
use crate::peer::frame::{Frames, framed_bytes, put_code};
use mapreduce::Location;
use protocol::mr::Record;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What it is called in the job's folder.
pub(super) const NAME: &str = "journal";
/// The kind of a record's frame.
pub(super) const RECORD: u8 = b'J';
/// Far above a record's length: an attempt has at most a thousand counters, with names of at most 512 bytes.
const MOST_BYTES: usize = 4 << 20;

#[derive(Serialize, Deserialize)]
struct Entry<T> {
    number: u64,
    durable: u64,
    record: T,
}

/// Where more is written.
#[derive(Debug)]
enum End {
    File(File),
    Batches(Batches),
}

/// The journal's end, where more is written.
#[derive(Debug)]
pub(super) struct Journal {
    end: End,
    path: Location,
    buffer: Vec<u8>,
    /// How many records there are, in the buffer too.
    written: u64,
    durable: u64,
}

/// An entry and how long its frame is.
type Found = (Entry<Record<String>>, usize);

fn entry(bytes: &[u8]) -> Option<Found> {
    let mut frames = Frames::new(bytes, MOST_BYTES);
    let (code, payload) = frames.next_code().ok()?;
    let entry = postcard::from_bytes(payload).ok().filter(|_| code == RECORD)?;
    Some((entry, framed_bytes(payload.len()) as usize))
}

/// Whether a frame stands here whose checksum fits.
fn is_whole(bytes: &[u8]) -> bool {
    Frames::new(bytes, MOST_BYTES).next_code().is_ok()
}

/// The records in these bytes, how many of the bytes are theirs, and whether there is damage behind these.
fn records(bytes: &[u8]) -> (Vec<Record<String>>, usize, bool) {
    let (mut records, mut at) = (Vec::new(), 0);
    while let Some((entry, length)) = entry(&bytes[at..]) {
        if entry.number != records.len() as u64 {
            break;
        }
        records.push(entry.record);
        at += length;
    }
    let bad = records.len() as u64;
    let proves = |from| entry(&bytes[from..]).is_some_and(|(later, _)| later.durable > bad);
    let damaged = is_whole(&bytes[at..]) || (at + 1..bytes.len()).any(proves);
    (records, at, damaged)
}

impl Journal {
    /// Opens a job's journal, or begins it; and the records that it has.
    pub(super) fn open(claim: &Claim) -> Result<(Self, Vec<Record<String>>), Error> {
        match claim.work.local() {
            Some(work) => Self::open_file(work),
            None => Self::open_at(claim),
        }
    }

    /// The same as batches, which is how object stores have it.
    pub(super) fn open_at(claim: &Claim) -> Result<(Self, Vec<Record<String>>), Error> {
        let path = claim.work.join(NAME);
        let (batches, bytes) = Batches::open(claim, path.clone())?;
        let (records, length, _) = records(&bytes);
        if length < bytes.len() {
            // A batch is whole, or it is not there: nothing here is torn.
            return Err(Error::Damaged { path, offset: length as u64 });
        }
        Ok((Self::at(End::Batches(batches), path, records.len() as u64), records))
    }

    fn at(end: End, path: Location, written: u64) -> Self {
        Self { end, path, buffer: Vec::new(), written, durable: written }
    }

    /// The same in a folder of this machine.
    pub(super) fn open_file(work: &Path) -> Result<(Self, Vec<Record<String>>), Error> {
        let path = work.join(NAME);
        let failed = |what| Error::io(what, &path);
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed("open"))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read"))?;
        let (records, length, damaged) = records(&bytes);
        if damaged {
            return Err(Error::Damaged { path: path.into(), offset: length as u64 });
        }
        let cut = file.set_len(length as u64).and_then(|()| file.sync_all());
        cut.map_err(failed("cut the torn end of"))?;
        file.seek(SeekFrom::End(0)).map_err(failed("seek in"))?;
        super::job::sync(work)?;
        Ok((Self::at(End::File(file), path.into(), records.len() as u64), records))
    }

    /// Writes a record behind the others, into memory.
    pub(super) fn add(&mut self, record: &Record<String>) {
        let entry = Entry { number: self.written, durable: self.durable, record };
        let bytes = postcard::to_allocvec(&entry).expect("plain data can be written");
        put_code(RECORD, &mut self.buffer, |out| out.extend_from_slice(&bytes));
        self.written += 1;
    }

    /// Brings all to the disk.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        if self.durable == self.written {
            return Ok(());
        }
        let failed = |why: String| Error::Journal { path: self.path.clone(), why };
        match &mut self.end {
            End::File(file) => {
                let synced = file.write_all(&self.buffer).and_then(|()| file.sync_data());
                synced.map_err(|error| failed(error.to_string()))?;
            }
            End::Batches(batches) => batches.put(&self.buffer)?,
        }
        self.buffer.clear();
        self.durable = self.written;
        Ok(())
    }

    /// How many of the records are on the disk.
    pub(super) fn durable(&self) -> u64 {
        self.durable
    }
}

#[cfg(test)]
mod tests;
