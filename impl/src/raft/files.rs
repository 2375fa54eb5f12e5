//! Snapshot files: one a group, and for moments two.
//!
//! A file gets its name when it is whole and durable, so a name is a promise; which of two files counts is said by the
//! log's record, not here. A file: a header (what it is, format, what it covers), the service's bytes, and a
//! footer with a checksum over everything in front of it. All numbers are little-endian.

use crate::disk::{Disk, Folder, Steady};
use crate::rsm::{Coded, StateMachine};
use protocol::{LogId, SnapshotId};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"quosnap\0";
/// The format of the files that this build writes and reads.
pub const FORMAT: u32 = 1;
const HEADER: usize = 8 + 4 + 3 * 8;
const FOOTER: u64 = 4;
const BUFFER: usize = 256 << 10;

/// Why a snapshot can't be used. Each message ends with what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The disk said no.
    #[error("can't {what} {}: {error}. Look after the disk, then start again", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What it said.
        error: Arc<io::Error>,
    },
    /// The log needs a snapshot that is not there.
    #[error(
        "{}: this snapshot is missing, and the log begins behind it. Restore the file from a copy, or replace \
        this node by one with a new id and an empty folder", path.display()
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file is not what was written.
    #[error(
        "{}: the snapshot is damaged: {what}. Restore the file from a copy, or replace this node by one with a \
        new id and an empty folder", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Another build wrote it.
    #[error(
        "{}: the snapshot has format {found}, and this program reads format {FORMAT}. Start the release that wrote it",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
}

impl Error {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { what, path, error: error.into() }
    }

    fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}

/// The folder with a group's snapshots.
#[derive(Clone, Debug)]
pub struct Files {
    folder: Folder,
}

/// Counts and sums what goes through.
struct Sum<T> {
    inner: T,
    crc: u32,
    bytes: u64,
}

impl<T> Sum<T> {
    const fn new(inner: T) -> Self {
        Self { inner, crc: 0, bytes: 0 }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<T: Write> Write for Sum<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.add(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Sum<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        self.add(&bytes[..count]);
        Ok(count)
    }
}

fn header(id: SnapshotId) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    for (place, number) in [id.last.term, id.last.index, id.runs].into_iter().enumerate() {
        bytes[12 + 8 * place..][..8].copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

/// The checksum that the file of this snapshot has.
///
/// # Errors
/// Those of the service's own snapshot.
pub fn snapshot_sum<S: StateMachine>(id: SnapshotId, state: &Coded<S>) -> io::Result<u32> {
    let mut out = Sum::new(io::sink());
    out.write_all(&header(id))?;
    state.snapshot(&mut out)?;
    Ok(out.crc)
}

fn name(id: SnapshotId) -> String {
    format!("snapshot-{:020}-{:020}", id.last.index, id.last.term)
}

impl Files {
    /// The files in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn new(folder: &Path) -> Result<Self, Error> {
        let made = Folder::new(folder).map_err(Error::io("make the folder", folder))?;
        made.sync_name().map_err(Error::io("sync the folder of", folder))?;
        Ok(Self { folder: made })
    }

    /// The folder itself, for files that arrive.
    pub fn folder(&self) -> PathBuf {
        self.folder.path("")
    }

    /// Where the snapshot is, or would be.
    pub fn path(&self, id: SnapshotId) -> PathBuf {
        self.folder.path(&name(id))
    }

    /// Writes a snapshot. It is durable afterwards, under its name. Its length in bytes, and its checksum.
    ///
    /// # Errors
    /// Those of the disk. What has the name then, if anything, is whole, and no record says that it counts.
    pub fn write<S: StateMachine>(
        &self,
        id: SnapshotId,
        state: &Coded<S>,
    ) -> Result<(u64, u32), Error> {
        let draft = format!("{}.draft", name(id));
        let path = self.folder.path(&draft);
        let written = self.write_draft(&path, id, state).inspect_err(|_| {
            // What is left of it would only take room. If it can't be removed, the next start does.
            let _ = std::fs::remove_file(&path);
        })?;
        self.name_it(&draft, id)?;
        Ok(written)
    }

    fn write_draft<S: StateMachine>(
        &self,
        path: &Path,
        id: SnapshotId,
        state: &Coded<S>,
    ) -> Result<(u64, u32), Error> {
        let file = File::create(path).map_err(Error::io("create", path))?;
        let mut out = Sum::new(BufWriter::with_capacity(BUFFER, Steady::new(file)));
        let mut write = || {
            out.write_all(&header(id))?;
            state.snapshot(&mut out)?;
            let crc = out.crc;
            out.write_all(&crc.to_le_bytes())?;
            out.flush()?;
            out.inner.get_ref().sync_all()?;
            Ok((out.bytes, crc))
        };
        write().map_err(Error::io("write", path))
    }

    fn name_it(&self, from: &str, id: SnapshotId) -> Result<(), Error> {
        let path = self.path(id);
        self.folder.rename(from, &name(id)).map_err(Error::io("rename", &path))?;
        self.folder.sync().map_err(Error::io("sync the folder of", &path))
    }

    /// The state that a snapshot has, and its file's checksum.
    ///
    /// # Errors
    /// If the file is missing, damaged or of another format.
    pub fn load<S: StateMachine>(&self, id: SnapshotId) -> Result<(Coded<S>, u32), Error> {
        Self::read(&self.path(id), id)
    }

    /// Takes a file that has arrived, whole and durable, from under its temporary name.
    ///
    /// # Errors
    /// If it is not the snapshot that it should be. It has no name then.
    pub fn adopt<S: StateMachine>(
        &self,
        path: &Path,
        id: SnapshotId,
    ) -> Result<(Coded<S>, u32), Error> {
        let state = Self::read(path, id)?;
        // All groups' files arrive in one folder, which is not this one.
        let named = self.path(id);
        std::fs::rename(path, &named).map_err(Error::io("rename", &named))?;
        self.folder.sync().map_err(Error::io("sync the folder of", &named))?;
        Ok(state)
    }

    fn read<S: StateMachine>(path: &Path, id: SnapshotId) -> Result<(Coded<S>, u32), Error> {
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Missing { path: path.to_owned() },
            _ => Error::io("open", path)(error),
        })?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let body = length
            .checked_sub(HEADER as u64 + FOOTER)
            .ok_or_else(|| Error::damaged(path, "it ends too soon"))?;
        let mut file = Sum::new(BufReader::with_capacity(BUFFER, file));
        let mut head = [0; HEADER];
        file.read_exact(&mut head).map_err(Error::io("read", path))?;
        let format = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        if &head[..8] == MAGIC && format != FORMAT {
            return Err(Error::Format { path: path.to_owned(), found: format });
        }
        if head != header(id) {
            let what = format!("its header is not that of {id:?}");
            return Err(Error::damaged(path, what));
        }
        let mut bytes = (&mut file).take(body);
        let state = Coded::restore(&mut bytes).map_err(|error| error.to_string());
        let rest = io::copy(&mut bytes, &mut io::sink()).map_err(Error::io("read", path))?;
        let expected = file.crc;
        let mut footer = [0; FOOTER as usize];
        file.inner.read_exact(&mut footer).map_err(Error::io("read", path))?;
        if u32::from_le_bytes(footer) != expected {
            return Err(Error::damaged(path, "its checksum is wrong"));
        }
        if rest > 0 && state.is_ok() {
            return Err(Error::damaged(path, format!("{rest} bytes too many")));
        }
        let state = state.map_err(|what| Error::damaged(path, what))?;
        Ok((state, expected))
    }

    /// Removes the snapshots older than `id`, whose record is durable now.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn keep_from(&self, id: SnapshotId) -> Result<(), Error> {
        self.remove(|file| {
            file.starts_with("snapshot-") && !file.contains('.') && *file < *name(id)
        })
    }

    /// At a start: removes everything but the snapshot that the log names. A newer file has no record, so it does not
    /// count.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn keep_only(&self, id: SnapshotId) -> Result<(), Error> {
        self.remove(|file| id.last == LogId::ZERO || file != name(id))
    }

    fn remove(&self, goes: impl Fn(&str) -> bool) -> Result<(), Error> {
        let files = self.folder.list().map_err(Error::io("list", &self.folder()))?;
        for file in files.iter().filter(|file| goes(file)) {
            let path = self.folder.path(file);
            self.folder.remove(file).map_err(Error::io("remove", &path))?;
        }
        Ok(())
    }
}
