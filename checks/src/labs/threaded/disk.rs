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
use std::time::Duration;

/// What a disk is like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Habits {
    /// A sync takes up to so many microseconds longer than it must. A server that is killed meanwhile loses something;
    /// the disks of today are so fast that few are.
    pub slow_us: u64,
    /// A sync does nothing: for a mutant.
    pub lies: bool,
}

/// A folder of one life of a server.
#[derive(Clone, Debug)]
pub struct Cached(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    folder: Folder,
    /// The server was killed: nothing of it reaches the disk any more.
    killed: bool,
    habits: Habits,
    random: Random,
    opened: u64,
    /// The steps so far, and those of them that can be taken back, with their numbers.
    steps: u64,
    undo: Vec<(u64, Undo)>,
}

/// What takes back a step that was not synced.
#[derive(Debug)]
enum Undo {
    Content(Content),
    Created(String),
    /// What was replaced is set aside.
    Renamed {
        from: String,
        to: String,
        replaced: Option<PathBuf>,
    },
    /// So is what was removed.
    Removed {
        name: String,
        aside: PathBuf,
    },
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
                replaced.as_ref().map_or(Ok(()), |aside| std::fs::rename(aside, folder.path(to)))
            }
            Self::Removed { name, aside } => std::fs::rename(aside, folder.path(name)),
        }
    }

    /// It is not taken back: what was set aside goes.
    fn forget(&self) -> io::Result<()> {
        match self {
            Self::Renamed { replaced: Some(aside), .. } | Self::Removed { aside, .. } => {
                std::fs::remove_file(aside)
            }
            _ => Ok(()),
        }
    }
}

impl Inner {
    /// Sets a file aside, beside the folder: where it is now.
    fn set_aside(&mut self, name: &str) -> io::Result<PathBuf> {
        self.opened += 1;
        let folder = self.folder.path("");
        let own = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let aside = folder.with_file_name(format!("{own}-aside-{}", self.opened));
        std::fs::rename(self.folder.path(name), &aside)?;
        Ok(aside)
    }

    /// Something was done that is not durable.
    fn did(&mut self, undo: Undo) {
        self.steps += 1;
        self.undo.push((self.steps, undo));
    }

    /// Such steps, up to this one, are durable now.
    fn settle(&mut self, through: u64, which: impl Fn(&Undo) -> bool) -> io::Result<()> {
        if self.habits.lies {
            return Ok(());
        }
        let is_settled = |(number, undo): &(u64, Undo)| *number <= through && which(undo);
        let settled: Vec<_> = self.undo.extract_if(.., |step| is_settled(step)).collect();
        settled.iter().try_for_each(|(_, undo)| undo.forget())
    }
}

impl Cached {
    /// The folder at this path, for a server that starts.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn new(path: &Path, habits: Habits, random: Random) -> io::Result<Self> {
        let folder = Folder::new(path)?;
        let inner =
            Inner { folder, killed: false, habits, random, opened: 0, steps: 0, undo: Vec::new() };
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("nobody panics with a folder")
    }

    fn alive(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let inner = self.inner();
        if inner.killed { Err(io::Error::other("this server was killed")) } else { Ok(inner) }
    }

    /// The folder, and the last step that a sync makes durable that begins now. It does not keep others waiting: a
    /// server may be killed meanwhile, and then nobody knows what it has done.
    fn begin_sync(&self) -> io::Result<(Folder, u64)> {
        let mut inner = self.alive()?;
        let slow_us = inner.habits.slow_us;
        let pause = inner.random.below(slow_us + 1);
        let begun = (inner.folder.clone(), inner.steps);
        drop(inner);
        if pause > 0 {
            std::thread::sleep(Duration::from_micros(pause));
        }
        Ok(begun)
    }

    /// The server is killed: what was not synced is lost, or most of it. How many steps were taken back.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn kill(&self) -> io::Result<usize> {
        let mut inner = self.inner();
        inner.killed = true;
        let steps = inner.undo.len() as u64;
        let kept = inner.random.below(steps + 1) as usize;
        let lost = inner.undo.split_off(kept);
        for (place, (_, undo)) in lost.iter().enumerate().rev() {
            match undo {
                Undo::Content(content) if place == 0 => {
                    let written = content.written as u64;
                    content.back(inner.random.below(written + 1) as usize)?;
                }
                undo => undo.back(&inner.folder)?,
            }
        }
        std::mem::take(&mut inner.undo).iter().try_for_each(|(_, undo)| undo.forget())?;
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
        inner.did(Undo::Created(name.into()));
        Ok(self.opened(&mut inner, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.alive()?;
        let replaces = inner.folder.path(to).exists();
        let replaced = replaces.then(|| inner.set_aside(to)).transpose()?;
        inner.folder.rename(from, to)?;
        inner.did(Undo::Renamed { from: from.into(), to: to.into(), replaced });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.alive()?;
        let aside = inner.set_aside(name)?;
        inner.did(Undo::Removed { name: name.into(), aside });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let (folder, through) = self.begin_sync()?;
        folder.sync()?;
        self.alive()?.settle(through, |undo| !matches!(undo, Undo::Content(_)))
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
        inner.did(Undo::Content(Content { opened, file, offset, old, length, written }));
        Ok(())
    }

    fn synced(&self, sync: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        let (_, through) = self.folder.begin_sync()?;
        sync(&self.file)?;
        let of_this =
            |undo: &Undo| matches!(undo, Undo::Content(content) if content.opened == self.opened);
        self.folder.alive()?.settle(through, of_this)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("cached-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        path
    }

    /// Writes `old`, synced, and then three parts that are not.
    fn written(path: &Path, seed: u64, lies: bool) -> (Cached, CachedFile) {
        let habits = Habits { lies, ..Habits::default() };
        let disk = Cached::new(path, habits, Random::new(seed)).expect("a folder");
        let mut file = disk.create("a").expect("a file");
        file.write_at(0, b"old").expect("a write");
        file.sync_all().expect("a sync");
        disk.sync().expect("a sync");
        for (offset, part) in [(3, "one"), (1, "xx"), (6, "two")] {
            file.write_at(offset, part.as_bytes()).expect("a write");
        }
        (disk, file)
    }

    #[test]
    fn what_was_synced_stays_and_of_the_rest_a_part() {
        let mut found = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let path = folder("stays");
            let (disk, mut file) = written(&path, seed, false);
            disk.remove("a").expect("a removal");
            disk.create("b").expect("a file");
            disk.rename("b", "c").expect("a new name");
            disk.kill().expect("it can be set back");
            assert!(file.write_at(0, b"late").is_err() && disk.list().is_err());
            let name = |file: &std::fs::DirEntry| file.file_name().to_string_lossy().into_owned();
            let files = std::fs::read_dir(&path).expect("a folder").flatten();
            let mut names: Vec<String> = files.map(|file| name(&file)).collect();
            names.sort();
            let content = std::fs::read_to_string(path.join("a")).unwrap_or_default();
            found.insert(format!("{} {content}", names.concat()));
            std::fs::remove_dir_all(&path).expect("a folder");
        }
        for whole in ["a old", "a oldone", "a oxxone", "a oxxonetwo", " ", "b ", "c "] {
            assert!(found.contains(whole), "{whole} in {found:?}");
        }
        let torn = |text: &String| text.starts_with("a ") && text.len() == 6;
        assert!(found.iter().any(torn), "{found:?}");
        let known = |text: &String| text.starts_with("a o") || [" ", "b ", "c "].contains(&&**text);
        assert!(found.iter().all(known), "{found:?}");
    }

    #[test]
    fn one_that_lies_forgets_what_was_synced() {
        let lost = (0..100).filter(|&seed| {
            let path = folder("lies");
            let (disk, _file) = written(&path, seed, true);
            disk.kill().expect("it can be set back");
            let lost = !path.join("a").exists();
            std::fs::remove_dir_all(&path).expect("a folder");
            lost
        });
        assert!(lost.count() > 0);
    }
}
