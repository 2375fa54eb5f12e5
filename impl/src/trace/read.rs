//! The reading side of a trace.

use super::format::{HEAD, HEADER, STAMPS, Stamps, read_head};
use super::{Error, Event, Header, Raw};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// The name of a life's file.
pub(super) fn name(life: u64) -> String {
    format!("life-{life:08}.trace")
}

/// Where in the folder of a sharded cluster's node one of its servers has its trace, by its place in the node's log.
pub fn place(folder: &Path, group: u32) -> PathBuf {
    match group {
        0 => folder.join("controller"),
        group => folder.join(format!("group-{group}")),
    }
}

/// The servers in a folder of a sharded cluster's node, by their places in the node's log, in order. None if it is no
/// such folder.
///
/// # Errors
/// If the folder can't be read.
pub fn servers(folder: &Path) -> Result<Vec<(u32, PathBuf)>, Error> {
    let listed = std::fs::read_dir(folder).map_err(Error::io("list", folder))?;
    let mut found = Vec::new();
    for entry in listed {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let text = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let number = match text.as_str() {
            "controller" => Some(0),
            text => text.strip_prefix("group-").and_then(|number| number.parse().ok()),
        };
        found.extend(number.filter(|&group| place(folder, group) == path).map(|it| (it, path)));
    }
    found.sort();
    Ok(found)
}

/// The lives in a server's folder, in order.
///
/// # Errors
/// If the folder can't be read, or one of them is missing.
pub fn lives(folder: &Path) -> Result<Vec<(u64, PathBuf)>, Error> {
    let listed = std::fs::read_dir(folder).map_err(Error::io("list", folder))?;
    let mut found = Vec::new();
    for entry in listed {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let text = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let number = text.strip_prefix("life-").and_then(|rest| rest.strip_suffix(".trace"));
        let number = number.and_then(|number| number.parse().ok());
        found.extend(number.filter(|&life| name(life) == text).map(|life: u64| (life, path)));
    }
    found.sort();
    for ((life, _), wanted) in found.iter().zip(1..) {
        if *life != wanted {
            return Err(Error::Missing { path: folder.to_owned(), life: wanted });
        }
    }
    Ok(found)
}

/// Reads one life.
#[derive(Debug)]
pub struct Reader {
    source: BufReader<File>,
    path: PathBuf,
    header: Header,
    number: u64,
    offset: u64,
}

/// What comes next in a life.
#[derive(Debug)]
pub enum Next {
    /// A batch.
    Batch(Batch),
    /// Nothing: it ends behind a batch.
    End,
    /// It ends within a batch, of which nobody has seen anything: its process was killed.
    Torn {
        /// Where the batch begins, in bytes.
        offset: u64,
        /// How much of it is there, in bytes.
        bytes: u64,
    },
}

/// A batch that is whole.
#[derive(Debug)]
pub struct Batch {
    /// Its file.
    pub path: PathBuf,
    /// Its number in its life, from 0 on.
    pub number: u64,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// When it was, and what it has come to.
    pub stamps: Stamps,
    body: Vec<u8>,
}

/// Reads until the buffer is full or nothing is left: how much that was.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut there = 0;
    while there < buffer.len() {
        match source.read(&mut buffer[there..]) {
            Ok(0) => break,
            Ok(count) => there += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(there)
}

/// As many bytes as are there, up to a length. It may be a lie, and memory is taken for what is there.
fn read_body(source: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(length.min(1 << 20));
    source.take(length as u64).read_to_end(&mut body)?;
    Ok(body)
}

impl Reader {
    /// Opens a life's file.
    ///
    /// # Errors
    /// If it can't be read, or its header is none.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let mut source = BufReader::with_capacity(1 << 20, file);
        let mut bytes = [0; HEADER];
        if fill(&mut source, &mut bytes).map_err(Error::io("read", path))? < HEADER {
            // A file has its name when its header and its beginning are there.
            let what = "the header is cut off";
            return Err(Error::Damaged { path: path.to_owned(), offset: 0, what });
        }
        let header = Header::decode(&bytes, path)?;
        Ok(Self { source, path: path.to_owned(), header, number: 0, offset: HEADER as u64 })
    }

    /// Whose life it is, and which.
    pub const fn header(&self) -> Header {
        self.header
    }

    /// The next batch.
    ///
    /// # Errors
    /// If bytes are there that are not what was written.
    pub fn next_batch(&mut self) -> Result<Next, Error> {
        let mut head = [0; HEAD];
        let there = fill(&mut self.source, &mut head).map_err(Error::io("read", &self.path))?;
        let torn = |bytes: usize| Next::Torn { offset: self.offset, bytes: bytes as u64 };
        // TRACE-TORN.
        if there < HEAD {
            return Ok(if there == 0 { Next::End } else { torn(there) });
        }
        let Some((length, sum)) = read_head(self.header.life, self.number, &head) else {
            return Err(self.damaged("this is not the head of the batch that belongs here"));
        };
        let body = read_body(&mut self.source, length).map_err(Error::io("read", &self.path))?;
        if body.len() < length {
            return Ok(torn(HEAD + body.len()));
        }
        if crc32c::crc32c(&body) != sum {
            return Err(self.damaged("the batch's checksum is wrong"));
        }
        let stamps = body.first_chunk::<STAMPS>().map(Stamps::decode).unwrap_or_default();
        let (path, number, offset) = (self.path.clone(), self.number, self.offset);
        self.number += 1;
        self.offset += (HEAD + length) as u64;
        Ok(Next::Batch(Batch { path, number, offset, stamps, body }))
    }

    fn damaged(&self, what: &'static str) -> Error {
        Error::Damaged { path: self.path.clone(), offset: self.offset, what }
    }
}

/// What stands at a place, and the place behind it; none at the end.
type Placed<T> = Option<(T, usize)>;

impl Batch {
    /// The event at a place in the batch, and the next one's place; the first is at 0. None behind the last.
    ///
    /// # Errors
    /// If it is none of this build's.
    pub fn event<'a, Q: Deserialize<'a>, Y: Deserialize<'a>>(
        &'a self,
        place: usize,
    ) -> Result<Placed<Event<Raw<'a>, Q, Y>>, Error> {
        let rest = &self.body[STAMPS + place..];
        if rest.is_empty() {
            return Ok(None);
        }
        let (event, behind) = postcard::take_from_bytes(rest).map_err(|error| Error::Unknown {
            path: self.path.clone(),
            offset: self.offset,
            why: error.to_string(),
        })?;
        Ok(Some((event, place + rest.len() - behind.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_is_a_lie_takes_no_memory() {
        let there = [1, 2, 3];
        let body = read_body(&mut there.as_slice(), u32::MAX as usize).expect("a slice is read");
        assert_eq!(body, there);
        assert!(body.capacity() <= 2 << 20, "{} bytes for three", body.capacity());
    }
}
