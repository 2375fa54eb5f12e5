//! Objects that are read: by ranges of bytes, and what comes next while the last is worked at.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt};
use tokio::task::JoinHandle;

use super::runtime::{Failed, Runtime};
use super::{Bucket, words};
use crate::store::{Opened, Part, Trouble};
use crate::task::Watch;

/// How much is asked for at once where all is read in order. Twice that is in memory.
const CHUNK_BYTES: u64 = 4 << 20;
/// How much more than a split has is read with its last bytes, so that its last line comes with them; and how much of
/// an end.
const MORE_BYTES: u64 = 64 << 10;

type Answer = object_store::Result<(u64, Bytes)>;

/// An object that is read.
pub(super) struct Reader<'a> {
    bucket: String,
    client: Arc<AmazonS3>,
    runtime: Runtime,
    watch: &'a dyn Watch,
    key: Path,
    bytes: u64,
    part: Part,
    /// What was read last, and where it stands.
    held: (u64, Bytes),
    /// What comes behind it, and is asked for already.
    next: Option<JoinHandle<Answer>>,
}

/// A range of an object, and how large that is.
async fn get(client: Arc<AmazonS3>, key: Path, range: Range<u64>) -> Answer {
    let options = GetOptions::new().with_range(Some(range));
    let found = client.get_opts(&key, options).await?;
    Ok((found.meta.size, found.bytes().await?))
}

/// What to ask for at a place of which the end is wanted at `until`, or a little behind that.
fn chunk(from: u64, until: u64, last: u64) -> Range<u64> {
    if from >= until {
        // A long line goes on.
        return from..from + (2 * last).clamp(MORE_BYTES, CHUNK_BYTES);
    }
    if from + CHUNK_BYTES < until { from..from + CHUNK_BYTES } else { from..until + MORE_BYTES }
}

impl<'a> Reader<'a> {
    /// Opens it, and reads what is wanted first.
    pub(super) fn open(
        bucket: &Bucket,
        key: Path,
        part: Part,
        watch: &'a dyn Watch,
    ) -> io::Result<Self> {
        let (client, runtime) = (Arc::clone(&bucket.client), bucket.runtime.clone());
        let held = (0, Bytes::new());
        let bucket = bucket.name.clone();
        let mut reader =
            Self { bucket, client, runtime, watch, key, bytes: 0, part, held, next: None };
        match part {
            Part::Range(from, until) if until > 0 => match reader.ask(chunk(from, until, 0)) {
                Ok((bytes, read)) => {
                    (reader.bytes, reader.held) = (bytes, (from, read));
                    reader.ask_ahead(until);
                }
                // It is not that long any more. How long is it?
                Err(Failed::Store(error)) if words::is_beyond_end(&error) => {
                    reader.bytes = reader.size()?;
                }
                Err(failed) => return Err(reader.error(failed)),
            },
            Part::Range(..) => reader.bytes = reader.size()?,
            Part::End => {
                reader.bytes = reader.size()?;
                let from = reader.bytes.saturating_sub(MORE_BYTES);
                if reader.bytes > 0 {
                    reader.held = (from, reader.get(from..reader.bytes)?.1);
                }
            }
        }
        Ok(reader)
    }

    fn size(&self) -> io::Result<u64> {
        let answer = self.runtime.wait(self.watch, self.client.head(&self.key));
        Ok(answer.map_err(|failed| self.error(failed))?.size)
    }

    fn ask(&self, range: Range<u64>) -> Result<(u64, Bytes), Failed> {
        self.runtime.wait(self.watch, get(Arc::clone(&self.client), self.key.clone(), range))
    }

    fn get(&self, range: Range<u64>) -> io::Result<(u64, Bytes)> {
        self.ask(range).map_err(|failed| self.error(failed))
    }

    fn error(&self, failed: Failed) -> io::Error {
        let (kind, text) = match failed {
            Failed::Cancelled => (io::ErrorKind::Other, "it was called off".to_owned()),
            Failed::Store(error) => {
                let gone = matches!(error, object_store::Error::NotFound { .. });
                let kind = if gone { io::ErrorKind::NotFound } else { io::ErrorKind::Other };
                (kind, format!("can't be read: {}", words::of(&self.bucket, &error)))
            }
        };
        io::Error::new(kind, Trouble(text))
    }

    fn end(&self) -> u64 {
        self.held.0 + self.held.1.len() as u64
    }

    /// Asks for what comes next, if it is wanted in any case.
    fn ask_ahead(&mut self, until: u64) {
        let from = self.end();
        if from < until.min(self.bytes) {
            let request = get(Arc::clone(&self.client), self.key.clone(), chunk(from, until, 0));
            self.next = Some(self.runtime.begin(request));
        }
    }

    /// Goes on to what comes at this place.
    fn go_on(&mut self, offset: u64, until: u64) -> io::Result<()> {
        let asked = self.next.take().filter(|_| offset == self.end());
        let (bytes, read) = match asked {
            Some(mut next) => {
                let answer = self.runtime.wait(self.watch, async {
                    (&mut next).await.unwrap_or_else(|error| Err(error.into()))
                });
                if answer.is_err() {
                    next.abort();
                }
                answer.map_err(|failed| self.error(failed))?
            }
            None => self.get(chunk(offset, until, self.held.1.len() as u64))?,
        };
        if bytes != self.bytes || read.is_empty() {
            let text = format!("it has {bytes} bytes now and had {}", self.bytes);
            return Err(io::Error::other(Trouble(text)));
        }
        self.held = (offset, read);
        self.ask_ahead(until);
        Ok(())
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(next) = self.next.take() {
            next.abort();
        }
    }
}

impl Opened for Reader<'_> {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.bytes || bytes.is_empty() {
            return Ok(0);
        }
        let is_held =
            |held: &(u64, Bytes)| (held.0..held.0 + held.1.len() as u64).contains(&offset);
        if !is_held(&self.held) {
            match self.part {
                Part::Range(_, until) => self.go_on(offset, until)?,
                Part::End => {
                    let end = (offset + bytes.len() as u64).min(self.bytes);
                    let (_, read) = self.get(offset..end)?;
                    let count = read.len().min(bytes.len());
                    bytes[..count].copy_from_slice(&read[..count]);
                    return Ok(count);
                }
            }
        }
        let held = &self.held.1[(offset - self.held.0) as usize..];
        let count = held.len().min(bytes.len());
        bytes[..count].copy_from_slice(&held[..count]);
        Ok(count)
    }
}
