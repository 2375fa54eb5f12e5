//! The intermediate file: sorted runs of pairs, by partition.
//!
//! ```text
//! file    = "quoMRf1\n" run* footer trailer
//! run     = block*                                   the pairs of one partition, sorted; several a partition if
//!                                                    the map task's memory was full in between
//! block   = length:u32 crc:u32 record*               about 64 KiB; a larger record has a block of its own
//! record  = (key length · 2 | same):number value length:number [key] value
//! footer  = map:u32 attempt:u32 partitions:u32 (runs:u32 (offset:u64 bytes:u64 records:u64 largest:u64)*)*
//! trailer = footer's offset:u64 footer's length:u32 crc:u32 "quoMRend"
//! ```
//!
//! Numbers of fixed size are little-endian, the others seven bits a byte. `same` says that the key is that of the
//! record before, in the same block, and left out: a key with many values costs two bytes a value. (Leaving out the
//! common beginnings of different keys does not pay: of sorted lines two or three bytes are common, and every reader
//! would have to copy the key together.) A block's crc (CRC-32C) covers its offset and length too, so a block that
//! landed elsewhere is as wrong as a damaged one; the footer's covers the trailer. Every byte is under one of the
//! checksums or is a constant that is compared.

mod index;

pub(crate) use index::read as read_index;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crc32c::{crc32c, crc32c_append};
use nix::errno::Errno;

use crate::bytes::{prefix, put_number, take_number};
use crate::error::{Error, storage};
use crate::files::{BUFFER_BYTES, Draft};
use crate::task::Intermediate;

const MAGIC: &[u8; 8] = b"quoMRf1\n";
const END: &[u8; 8] = b"quoMRend";
const TRAILER_BYTES: u64 = 24;
const BLOCK_HEADER_BYTES: usize = 8;

/// How large blocks are, unless a record is larger.
pub(crate) const BLOCK_BYTES: usize = 64 << 10;

/// Where a run lies in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    pub offset: u64,
    pub bytes: u64,
    pub records: u64,
    /// The largest of its blocks: what a reader must hold.
    pub largest: u64,
}

fn block_crc(offset: u64, length: u32, payload: &[u8]) -> u32 {
    let mut place = [0; 12];
    place[..8].copy_from_slice(&offset.to_le_bytes());
    place[8..].copy_from_slice(&length.to_le_bytes());
    crc32c_append(crc32c(&place), payload)
}

/// Writes runs, one after the other.
pub(crate) struct RunWriter {
    draft: Draft,
    /// Whole blocks that were not written yet.
    ready: Vec<u8>,
    /// The block that is being filled.
    block: Vec<u8>,
    block_bytes: usize,
    /// Where the last key of the block lies in it.
    key: Option<std::ops::Range<usize>>,
    run: Run,
}

impl RunWriter {
    /// Begins the file that will be `to`.
    pub fn new(to: &Path, block_bytes: usize) -> Result<Self, Error> {
        let draft = Draft::new(to)?;
        let (ready, block) = (MAGIC.to_vec(), Vec::new());
        Ok(Self { draft, ready, block, block_bytes, key: None, run: Run::default() })
    }

    fn offset(&self) -> u64 {
        self.draft.bytes() + self.ready.len() as u64
    }

    /// Begins a run.
    pub fn begin(&mut self) {
        self.run = Run { offset: self.offset(), ..Run::default() };
    }

    /// Adds a pair to the run. Keys have to come in order.
    #[inline]
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let need = key.len() + value.len() + 20;
        if self.block.len() + need > self.block_bytes && !self.block.is_empty() {
            self.end_block()?;
        }
        let same = self.key.clone().is_some_and(|last| self.block[last] == *key);
        put_number((key.len() as u64) << 1 | u64::from(same), &mut self.block);
        put_number(value.len() as u64, &mut self.block);
        if !same {
            let at = self.block.len();
            self.block.extend_from_slice(key);
            self.key = Some(at..self.block.len());
        }
        self.block.extend_from_slice(value);
        self.run.records += 1;
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), Error> {
        let too_long = |_| Error::application("a pair of key and value has more than 4 GiB");
        let length = u32::try_from(self.block.len()).map_err(too_long)?;
        let crc = block_crc(self.offset(), length, &self.block);
        self.ready.extend_from_slice(&length.to_le_bytes());
        self.ready.extend_from_slice(&crc.to_le_bytes());
        self.run.largest = self.run.largest.max(u64::from(length));
        if self.block.len() >= BUFFER_BYTES {
            // Not through the buffer: it would grow to the size of the largest record.
            self.flush()?;
            self.draft.write(&self.block)?;
            self.block = Vec::new();
        } else {
            self.ready.extend_from_slice(&self.block);
            self.block.clear();
        }
        self.key = None;
        if self.ready.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.draft.write(&self.ready)?;
        self.ready.clear();
        Ok(())
    }

    /// Ends the run and says where it lies; none if there is nothing in it.
    pub fn end(&mut self) -> Result<Option<Run>, Error> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        self.run.bytes = self.offset() - self.run.offset;
        Ok((self.run.records > 0).then_some(self.run))
    }

    /// How many bytes were written so far.
    pub fn bytes(&self) -> u64 {
        self.offset()
    }

    /// Writes the index and gives the file its name. Returns its size.
    pub fn finish(
        mut self,
        id: &Intermediate,
        path: &Path,
        partitions: &[Vec<Run>],
    ) -> Result<u64, Error> {
        let offset = self.offset();
        let mut footer = Vec::new();
        for number in [id.map, id.attempt, partitions.len() as u32] {
            footer.extend_from_slice(&number.to_le_bytes());
        }
        for runs in partitions {
            footer.extend_from_slice(&(runs.len() as u32).to_le_bytes());
            for run in runs {
                for number in [run.offset, run.bytes, run.records, run.largest] {
                    footer.extend_from_slice(&number.to_le_bytes());
                }
            }
        }
        let length = footer.len() as u32;
        footer.extend_from_slice(&offset.to_le_bytes());
        footer.extend_from_slice(&length.to_le_bytes());
        let crc = crc32c(&footer);
        footer.extend_from_slice(&crc.to_le_bytes());
        footer.extend_from_slice(END);
        self.ready.extend_from_slice(&footer);
        self.flush()?;
        self.draft.finish(path)
    }

    /// For runs that only this process reads: the file, whose name is gone.
    pub fn into_scratch(mut self) -> Result<Source, Error> {
        self.flush()?;
        let (file, path) = self.draft.into_scratch()?;
        Ok(Source { file: Arc::new(file), shift: 0, origin: Arc::new(Origin::Scratch(path)) })
    }
}

/// Whose file it is, for errors.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A map task's.
    Map(Intermediate),
    /// This attempt's own, with a name that is gone.
    Scratch(std::path::PathBuf),
}

impl Origin {
    /// What it means when the file can't be read or says nonsense.
    pub fn error(&self, problem: impl Into<String>) -> Error {
        match self {
            Self::Map(Intermediate { map, attempt, path }) => Error::Intermediate {
                map: *map,
                attempt: *attempt,
                path: path.clone(),
                problem: problem.into(),
            },
            Self::Scratch(path) => {
                let problem = std::io::Error::other(problem.into());
                storage("read back", path)(problem)
            }
        }
    }
}

/// An open file of runs.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    file: Arc<File>,
    /// How much further on than they should be its bytes are, modulo 2⁶⁴.
    shift: u64,
    pub origin: Arc<Origin>,
}

impl Source {
    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<(), Error> {
        let offset = offset.wrapping_add(self.shift);
        self.file.read_exact_at(bytes, offset).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.origin.error("it is cut off"),
            _ => self.origin.error(error.to_string()),
        })
    }

    /// Opens a map task's file whose index is known.
    pub fn reopen(id: &Intermediate) -> Result<Self, Error> {
        let origin = Arc::new(Origin::Map(id.clone()));
        let path = id.path.local().ok_or_else(|| origin.error("it is not on this machine"))?;
        let file = File::open(path).map_err(|error| match error.raw_os_error() {
            _ if error.kind() == std::io::ErrorKind::NotFound => origin.error("it is gone"),
            // That is this worker's fault: making the file again would not help.
            Some(code) if [Errno::EMFILE as i32, Errno::ENFILE as i32].contains(&code) => {
                storage("open (raise ulimit -n, or lower the limit on open files)", path)(error)
            }
            _ => origin.error(error.to_string()),
        })?;
        Ok(Self { file: Arc::new(file), shift: 0, origin })
    }

    /// Opens a map task's file and reads where the runs of each partition are.
    pub fn open(id: &Intermediate, reduces: u32) -> Result<(Self, Vec<Vec<Run>>), Error> {
        let source = Self::reopen(id)?;
        let origin = &source.origin;
        let data = source.file.metadata().map_err(|error| origin.error(error.to_string()))?;
        let mut read = |bytes: &mut [u8], offset| source.read(bytes, offset);
        let partitions = index::read(&mut read, data.len(), origin, id, reduces)?;
        Ok((source, partitions))
    }

    /// A run of a map task's file that lies in another file, at another place.
    pub fn fetched(file: Arc<File>, shift: u64, origin: Arc<Origin>) -> Self {
        Self { file, shift, origin }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// What a step of a reader, or of several merged, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is no further pair.
    End,
    /// A pair, whose key is that of the pair before.
    Same,
    /// A pair, whose key has to be compared.
    Pair,
}

/// Reads a run, a block at a time.
pub(crate) struct RunReader {
    source: Source,
    /// Where the next block's payload begins, and where the run ends.
    next: u64,
    end: u64,
    /// How many pairs are to come.
    left: u64,
    /// The next block's length and crc, which were read with the block before.
    header: Option<(u32, u32)>,
    block: Vec<u8>,
    block_end: usize,
    at: usize,
    key: (usize, usize),
    value: (usize, usize),
    /// Of the current key.
    pub prefix: u64,
    /// Nothing is left.
    pub over: bool,
}

impl RunReader {
    pub fn new(source: Source, run: Run) -> Self {
        Self {
            source,
            next: run.offset,
            end: run.offset + run.bytes,
            left: run.records,
            header: None,
            block: Vec::new(),
            block_end: 0,
            at: 0,
            key: (0, 0),
            value: (0, 0),
            prefix: 0,
            over: false,
        }
    }

    #[inline]
    pub fn key(&self) -> &[u8] {
        &self.block[self.key.0..self.key.1]
    }

    #[inline]
    pub fn value(&self) -> &[u8] {
        &self.block[self.value.0..self.value.1]
    }

    /// Goes to the next pair. Adds to `read` the bytes that were read for it.
    #[inline]
    pub fn advance(&mut self, read: &mut u64) -> Result<Step, Error> {
        if self.at == self.block_end && !self.next_block(read)? {
            self.over = true;
            return if self.left == 0 { Ok(Step::End) } else { Err(self.damaged()) };
        }
        let step = self.parse().filter(|_| self.left > 0).ok_or_else(|| self.damaged())?;
        self.left -= 1;
        Ok(step)
    }

    fn damaged(&self) -> Error {
        self.source.origin.error("it is damaged (a block)")
    }

    #[inline]
    fn parse(&mut self) -> Option<Step> {
        let block = &self.block[..self.block_end];
        let mut at = self.at;
        let first = take_number(block, &mut at)?;
        let value_bytes = usize::try_from(take_number(block, &mut at)?).ok()?;
        let key_bytes = usize::try_from(first >> 1).ok()?;
        // Both stay within the block when there is no record here: a merge still compares the keys.
        let step = if first & 1 == 0 {
            let end = at.checked_add(key_bytes)?;
            self.prefix = prefix(block.get(at..end)?);
            self.key = (at, end);
            at = end;
            Step::Pair
        } else if self.at > 0 && self.key.1 - self.key.0 == key_bytes {
            Step::Same
        } else {
            return None;
        };
        let end = at.checked_add(value_bytes)?;
        block.get(at..end)?;
        self.value = (at, end);
        self.at = end;
        Some(step)
    }

    /// Reads the next block and the header behind it.
    fn next_block(&mut self, read: &mut u64) -> Result<bool, Error> {
        let header = BLOCK_HEADER_BYTES as u64;
        if self.next == self.end && self.header.is_none() {
            return Ok(false);
        }
        let (length, crc) = match self.header.take() {
            Some(known) => known,
            None if self.end - self.next < header => return Err(self.damaged()),
            None => {
                let mut bytes = [0; BLOCK_HEADER_BYTES];
                self.source.read(&mut bytes, self.next)?;
                self.next += header;
                (u32_at(&bytes, 0), u32_at(&bytes, 4))
            }
        };
        let payload = u64::from(length);
        // The run's size is under a checksum; the block's is so only behind the next one.
        if payload == 0 || payload > self.end - self.next {
            return Err(self.damaged());
        }
        let more = self.end - self.next - payload;
        if more > 0 && more < header {
            return Err(self.damaged());
        }
        let with_header = payload + if more > 0 { header } else { 0 };
        if self.block.len() < with_header as usize {
            // Nothing of the old block is wanted: the new one need not be copied to.
            self.block = Vec::new();
            self.block.resize(with_header as usize, 0);
        }
        self.source.read(&mut self.block[..with_header as usize], self.next)?;
        let length_bytes = payload as usize;
        let offset = self.next - header;
        if block_crc(offset, length, &self.block[..length_bytes]) != crc {
            return Err(self.damaged());
        }
        if more > 0 {
            let at = length_bytes;
            self.header = Some((u32_at(&self.block, at), u32_at(&self.block, at + 4)));
        }
        *read += payload + header;
        self.next += with_header;
        (self.at, self.block_end) = (0, length_bytes);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The index says how many pairs there are; a reader believes neither less nor more.
    #[test]
    fn as_many_pairs_as_the_index_says() {
        let path = std::env::temp_dir().join(format!("mapreduce-run-{}", std::process::id()));
        let mut writer = RunWriter::new(&path, 256).expect("a file");
        writer.begin();
        for key in [b"a", b"a", b"b"] {
            writer.put(key, b"value").expect("it is written");
        }
        let run = writer.end().expect("it is written").expect("there are pairs");
        let source = writer.into_scratch().expect("it can be read");
        assert!(!path.exists(), "its name is gone");
        for records in [2, 3, 4] {
            let mut reader = RunReader::new(source.clone(), Run { records, ..run });
            let steps = std::iter::repeat_with(|| reader.advance(&mut 0));
            let ended = steps.map_while(|step| match step {
                Ok(Step::End) => None,
                step => Some(step.map(|_| ())),
            });
            assert_eq!(ended.take(9).any(|step| step.is_err()), records != 3, "{records}");
        }
    }
}
