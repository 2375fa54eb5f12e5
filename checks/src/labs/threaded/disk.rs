//! A server's log on the real disk, whose cache is lost with the server.
//!
//! A thread can't lose what it has written: the file system has it. So a server's folder keeps in mind what was not
//! synced, and when the server is killed takes most of that back: of the writes, new names and removals since the last
//! sync of their file or of the folder, the first so many stay, the next one perhaps in part. Whoever reports a
//! write before it is durable loses what he has promised.

use crate::sim::random::Random;
use quorate::disk::{Disk, DiskFile, Folder};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// A folder of one life of a server.
#[derive(Clone, Debug)]
pub struct Cached(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    folder: Folder,
    /// The server was killed: nothing of it reaches the disk any more.
    killed: bool,
    opened: u64,
    undo: Vec<Undo>,
}

/// What takes back a step that was not synced.
#[derive(Debug)]
enum Undo {
    Content(Content),
    Created(String),
    Renamed { from: String, to: String, replaced: Option<Vec<u8>> },
    Removed { name: String, content: Vec<u8> },
}

/// A part of a file as it was.
#[derive(Debug)]
struct Content {
    /// Which opening of which file.
    opened: u64,
    file: Arc<File>,
    offset: u64,
    old: Vec<u8>,
    /// How long the file was.
    length: u64,
    /// How many bytes were written.
    written: usize,
}

fn read_at(mut file: &File, offset: u64, bytes: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.take(bytes).read_to_end(&mut read)?;
    Ok(read)
}

fn write_at(mut file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

impl Content {
    fn back(&self, kept: usize) -> io::Result<()> {
        let torn = read_at(&self.file, self.offset, kept.min(self.written) as u64)?;
        write_at(&self.file, self.offset, &self.old)?;
        self.file.set_len(self.length)?;
        if torn.is_empty() { Ok(()) } else { write_at(&self.file, self.offset, &torn) }
    }
}

impl Undo {
    fn back(&self, folder: &Folder) -> io::Result<()> {
        match self {
            Self::Content(content) => content.back(0),
            Self::Created(name) => folder.remove(name),
            Self::Renamed { from, to, replaced } => {
                folder.rename(to, from)?;
                replaced.as_ref().map_or(Ok(()), |content| std::fs::write(folder.path(to), content))
            }
            Self::Removed { name, content } => std::fs::write(folder.path(name), content),
        }
    }
}

impl Cached {
    /// The folder at this path, for a server that starts.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn new(path: &Path) -> io::Result<Self> {
        let folder = Folder::new(path)?;
        let inner = Inner { folder, killed: false, opened: 0, undo: Vec::new() };
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("nobody panics with a folder")
    }

    fn alive(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let inner = self.inner();
        if inner.killed { Err(io::Error::other("this server was killed")) } else { Ok(inner) }
    }

    /// The server is killed: what was not synced is lost, or most of it. How many steps were taken back.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn kill(&self, random: &mut Random) -> io::Result<usize> {
        let mut inner = self.inner();
        inner.killed = true;
        let kept = random.below(inner.undo.len() as u64 + 1) as usize;
        let lost = inner.undo.split_off(kept);
        for (place, undo) in lost.iter().enumerate().rev() {
            match undo {
                Undo::Content(content) if place == 0 => {
                    content.back(random.below(content.written as u64 + 1) as usize)?;
                }
                undo => undo.back(&inner.folder)?,
            }
        }
        inner.undo.clear();
        Ok(lost.len())
    }

    /// All files as they are now, synced or not.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn files(&self) -> io::Result<Vec<(String, Vec<u8>)>> {
        let inner = self.inner();
        let mut files = Vec::new();
        for name in inner.folder.list()? {
            let content = std::fs::read(inner.folder.path(&name))?;
            files.push((name, content));
        }
        Ok(files)
    }

    fn opened(&self, inner: &mut Inner, file: File) -> CachedFile {
        inner.opened += 1;
        CachedFile { folder: self.clone(), opened: inner.opened, file: Arc::new(file) }
    }
}

impl Disk for Cached {
    type File = CachedFile;
    type Lock = File;

    fn path(&self, name: &str) -> PathBuf {
        self.inner().folder.path(name)
    }

    fn lock(&self) -> io::Result<Option<File>> {
        self.alive()?.folder.lock()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.alive()?.folder.list()
    }

    fn open(&self, name: &str) -> io::Result<CachedFile> {
        let mut inner = self.alive()?;
        let file = inner.folder.open(name)?;
        Ok(self.opened(&mut inner, file))
    }

    fn create(&self, name: &str) -> io::Result<CachedFile> {
        let mut inner = self.alive()?;
        let file = inner.folder.create(name)?;
        inner.undo.push(Undo::Created(name.into()));
        Ok(self.opened(&mut inner, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.alive()?;
        let replaced = std::fs::read(inner.folder.path(to)).ok();
        inner.folder.rename(from, to)?;
        inner.undo.push(Undo::Renamed { from: from.into(), to: to.into(), replaced });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.alive()?;
        let content = std::fs::read(inner.folder.path(name))?;
        inner.folder.remove(name)?;
        inner.undo.push(Undo::Removed { name: name.into(), content });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.alive()?;
        inner.folder.sync()?;
        inner.undo.retain(|undo| matches!(undo, Undo::Content(_)));
        Ok(())
    }
}

/// An open file of such a folder.
#[derive(Debug)]
pub struct CachedFile {
    folder: Cached,
    opened: u64,
    file: Arc<File>,
}

impl CachedFile {
    fn change(
        &self,
        offset: u64,
        written: usize,
        change: impl FnOnce(&File) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut inner = self.folder.alive()?;
        let length = self.file.metadata()?.len();
        // What is cut off is everything behind the offset.
        let touched = if written == 0 { u64::MAX } else { written as u64 };
        let old = match offset < length {
            true => read_at(&self.file, offset, touched)?,
            false => Vec::new(),
        };
        change(&self.file)?;
        let (opened, file) = (self.opened, Arc::clone(&self.file));
        inner.undo.push(Undo::Content(Content { opened, file, offset, old, length, written }));
        Ok(())
    }

    fn synced(&self, sync: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        let mut inner = self.folder.alive()?;
        sync(&self.file)?;
        let of_this =
            |undo: &Undo| matches!(undo, Undo::Content(content) if content.opened == self.opened);
        inner.undo.retain(|undo| !of_this(undo));
        Ok(())
    }
}

impl DiskFile for CachedFile {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let _inner = self.folder.alive()?;
        read_at(&self.file, 0, u64::MAX)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(offset, bytes.len(), |file| write_at(file, offset, bytes))
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.change(length, 0, |file| file.set_len(length))
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.synced(File::sync_data)
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.synced(File::sync_all)
    }
}
