//! A disk that does the worst that a disk may do.
//!
//! A process sees the cache. What a crash leaves is the disk, and of what was not synced any part: each
//! sector may be the new or the old one, a file may have grown without its content (then zeros stand
//! there, or what some removed file had at that place), a cut may be undone, and each change of a name
//! may be lost alone. A sync may fail: part of the pages is written, and the rest looks clean and is on no
//! disk, so that a second sync succeeds and does nothing. The disk may be full, and the power may fail
//! in front of any change.

use quorate::disk::{Disk, DiskFile};
use quorate::wal::SECTOR;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::rc::Rc;

type Sector = [u8; SECTOR];

/// Choices from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// True in `parts` of four cases.
    fn quarter(&mut self, parts: u64) -> bool {
        self.below(4) < parts
    }
}

#[derive(Clone, Debug)]
enum NameOp {
    Create(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

fn carry_out(names: &mut BTreeMap<String, usize>, op: &NameOp) {
    match op {
        NameOp::Create(name, file) => {
            names.insert(name.clone(), *file);
        }
        NameOp::Rename(from, to, file) => {
            if names.get(from) == Some(file) {
                names.remove(from);
            }
            names.insert(to.clone(), *file);
        }
        NameOp::Remove(name) => {
            names.remove(name);
        }
    }
}

/// A file: what a process sees, and what is on the disk.
#[derive(Clone, Debug, Default)]
struct Inode {
    cache: Vec<u8>,
    disk: Vec<u8>,
    /// Sectors to be written by the next sync. The others that differ were given up by a failed one.
    dirty: BTreeSet<usize>,
}

impl Inode {
    fn flush(&mut self, sector: usize) {
        let from = sector * SECTOR;
        let end = (from + SECTOR).min(self.cache.len()).min(self.disk.len());
        if from < end {
            self.disk[from..end].copy_from_slice(&self.cache[from..end]);
        }
    }
}

/// A fault that waits for its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The power fails in front of the change that comes after so many others.
    Power(u32),
    /// The sync fails that comes after so many others.
    Sync(u32),
    /// There is room for so many bytes.
    Room(usize),
}

#[derive(Debug, Default)]
struct State {
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending: Vec<NameOp>,
    files: Vec<Inode>,
    /// What removed files had at a place, by the sector's number.
    stale: BTreeMap<usize, Vec<Sector>>,
    locked: bool,
    fault: Option<Fault>,
    tripped: bool,
    off: bool,
    /// Whether there is a way to take room ahead.
    reserves: bool,
    chance: u64,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk(Rc<RefCell<State>>);

impl State {
    fn chance<T>(&mut self, choose: impl FnOnce(&mut Chance) -> T) -> T {
        let mut chance = Chance(self.chance);
        let chosen = choose(&mut chance);
        self.chance = chance.0;
        chosen
    }

    /// A change begins. The power may fail now.
    fn change(&mut self) -> io::Result<()> {
        match &mut self.fault {
            Some(Fault::Power(0)) => self.off = true,
            Some(Fault::Power(left)) => *left -= 1,
            _ => {}
        }
        if self.off {
            self.tripped = true;
            return Err(io::Error::other("the power has failed"));
        }
        Ok(())
    }

    fn sync_fails(&mut self) -> bool {
        match &mut self.fault {
            Some(Fault::Sync(0)) => {
                self.fault = None;
                self.tripped = true;
                true
            }
            Some(Fault::Sync(left)) => {
                *left -= 1;
                false
            }
            _ => false,
        }
    }

    /// Makes the disk's copy of a file as long as the cache's, with what happens to stand there.
    fn grow(&mut self, file: usize, length: usize) {
        let from = self.files[file].disk.len();
        if length <= from {
            return;
        }
        self.files[file].disk.resize(length, 0);
        for sector in from.div_ceil(SECTOR)..length.div_ceil(SECTOR) {
            let choices = self.stale.get(&sector).map_or(0, Vec::len) as u64;
            let chosen = self.chance(|chance| chance.below(choices + 1)) as usize;
            if let Some(old) = self.stale.get(&sector).and_then(|old| old.get(chosen)) {
                let (start, end) = (sector * SECTOR, (sector * SECTOR + SECTOR).min(length));
                self.files[file].disk[start..end].copy_from_slice(&old[..end - start]);
            }
        }
    }

    /// Remembers a file's sectors from one on as what may stand in a block that is used again.
    fn abandon(&mut self, file: usize, from: usize) {
        for bytes in [self.files[file].cache.clone(), self.files[file].disk.clone()] {
            for (sector, content) in bytes.chunks(SECTOR).enumerate().skip(from) {
                let Ok(content) = Sector::try_from(content) else { continue };
                let known = self.stale.entry(sector).or_default();
                if content != [0; SECTOR] && !known.contains(&content) {
                    known.insert(0, content);
                    known.truncate(3);
                }
            }
        }
    }

    fn sync_file(&mut self, file: usize, shrink: bool) -> io::Result<()> {
        self.change()?;
        let fails = self.sync_fails();
        let length = self.files[file].cache.len();
        self.grow(file, length);
        let dirty = std::mem::take(&mut self.files[file].dirty);
        for sector in dirty {
            if !fails || self.chance(|chance| chance.quarter(2)) {
                self.files[file].flush(sector);
            }
        }
        if fails {
            return Err(io::Error::other("the device reports an error"));
        }
        if shrink {
            self.files[file].disk.truncate(length);
        }
        Ok(())
    }

    fn crash_file(&mut self, file: usize, keeps: u64) {
        let (cache, disk) = (self.files[file].cache.len(), self.files[file].disk.len());
        if cache < disk && self.chance(|chance| chance.quarter(2)) {
            self.files[file].disk.truncate(cache);
        }
        if cache > disk {
            let sectors = ((cache - disk) / SECTOR) as u64;
            let part = self.chance(|chance| chance.below(sectors + 1)) as usize * SECTOR;
            let length =
                if self.chance(|chance| chance.quarter(keeps)) { cache } else { disk + part };
            self.grow(file, length);
        }
        for sector in std::mem::take(&mut self.files[file].dirty) {
            if self.chance(|chance| chance.quarter(keeps)) {
                self.files[file].flush(sector);
            }
        }
        let disk = self.files[file].disk.clone();
        self.files[file].cache = disk;
    }
}

impl SimDisk {
    pub fn new(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(State { chance: seed, ..State::default() })))
    }

    /// From now on room can be taken ahead, or not.
    pub fn reserves(self, can: bool) -> Self {
        self.0.borrow_mut().reserves = can;
        self
    }

    /// A disk on which these files are durable.
    pub fn with(files: &BTreeMap<String, Vec<u8>>) -> Self {
        let inode = |bytes: &Vec<u8>| Inode {
            cache: bytes.clone(),
            disk: bytes.clone(),
            dirty: BTreeSet::new(),
        };
        let names: BTreeMap<_, _> = files.keys().cloned().zip(0..).collect();
        let files = files.values().map(inode).collect();
        let durable_names = names.clone();
        Self(Rc::new(RefCell::new(State { names, durable_names, files, ..State::default() })))
    }

    /// The files as a process sees them.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.0.borrow();
        let content =
            |(name, &file): (&String, &usize)| (name.clone(), state.files[file].cache.clone());
        state.names.iter().map(content).collect()
    }

    /// Puts a fault in wait; one at a time.
    pub fn arm(&self, fault: Fault) {
        self.0.borrow_mut().fault = Some(fault);
    }

    /// Whether a fault has struck since the last restart.
    pub fn tripped(&self) -> bool {
        self.0.borrow().tripped
    }

    pub fn power_is_off(&self) -> bool {
        self.0.borrow().off
    }

    /// The process is gone, and no fault waits any more. The machine goes on.
    pub fn restart(&self) {
        let mut state = self.0.borrow_mut();
        (state.fault, state.tripped, state.off) = (None, false, false);
    }

    /// The power fails, and comes back.
    pub fn crash(&self) {
        self.restart();
        let mut state = self.0.borrow_mut();
        let keeps = state.chance(|chance| chance.below(5));
        for op in std::mem::take(&mut state.pending) {
            if state.chance(|chance| chance.quarter(keeps)) {
                carry_out(&mut state.durable_names, &op);
            }
        }
        state.names = state.durable_names.clone();
        for file in 0..state.files.len() {
            state.crash_file(file, keeps);
            if !state.names.values().any(|named| *named == file) {
                state.abandon(file, 0);
                state.files[file] = Inode::default();
            }
        }
    }

    fn name_op(&self, op: NameOp) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        state.change()?;
        carry_out(&mut state.names, &op);
        state.pending.push(op);
        Ok(())
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.0.borrow().names.get(name).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

/// Keeps the folder until it is dropped.
#[derive(Debug)]
pub struct SimLock(SimDisk);

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.0.borrow_mut().locked = false;
    }
}

impl Disk for SimDisk {
    type File = SimFile;
    type Lock = SimLock;

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/sim").join(name)
    }

    fn lock(&self) -> io::Result<Option<SimLock>> {
        let held = std::mem::replace(&mut self.0.borrow_mut().locked, true);
        Ok((!held).then(|| SimLock(self.clone())))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.borrow().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<SimFile> {
        Ok(SimFile { disk: self.clone(), file: self.find(name)? })
    }

    fn create(&self, name: &str) -> io::Result<SimFile> {
        if self.find(name).is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let file = self.0.borrow().files.len();
        self.name_op(NameOp::Create(name.into(), file))?;
        self.0.borrow_mut().files.push(Inode::default());
        Ok(SimFile { disk: self.clone(), file })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.find(from)?;
        self.name_op(NameOp::Rename(from.into(), to.into(), file))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let file = self.find(name)?;
        self.name_op(NameOp::Remove(name.into()))?;
        self.0.borrow_mut().abandon(file, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        state.change()?;
        let fails = state.sync_fails();
        for op in std::mem::take(&mut state.pending) {
            if !fails || state.chance(|chance| chance.quarter(2)) {
                carry_out(&mut state.durable_names, &op);
            } else {
                state.pending.push(op);
            }
        }
        if fails { Err(io::Error::other("the device reports an error")) } else { Ok(()) }
    }
}

/// A file that is open.
#[derive(Debug)]
pub struct SimFile {
    disk: SimDisk,
    file: usize,
}

impl DiskFile for SimFile {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.disk.0.borrow().files[self.file].cache.clone())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.0.borrow_mut();
        // A write that the power cuts short is one of which a crash keeps a part.
        let result = state.change();
        let used: usize = state.names.values().map(|file| state.files[*file].cache.len()).sum();
        let start = offset as usize;
        let grows = (start + bytes.len()).saturating_sub(state.files[self.file].cache.len());
        let missing = match state.fault {
            Some(Fault::Room(room)) => (used + grows).saturating_sub(room).min(grows),
            _ => 0,
        };
        let bytes = &bytes[..(bytes.len() - missing)];
        let inode = &mut state.files[self.file];
        let end = start + bytes.len();
        if inode.cache.len() < end {
            inode.cache.resize(end, 0);
        }
        inode.cache[start..end].copy_from_slice(bytes);
        inode.dirty.extend(start / SECTOR..end.div_ceil(SECTOR));
        if missing > 0 {
            state.tripped = true;
            return Err(ErrorKind::StorageFull.into());
        }
        result
    }

    /// No content is written, so a crash may leave there what was there before.
    fn reserve(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.disk.0.borrow_mut();
        if !state.reserves {
            return Ok(());
        }
        state.change()?;
        let used: usize = state.names.values().map(|file| state.files[*file].cache.len()).sum();
        let there = state.files[self.file].cache.len();
        let length = there.max(length as usize);
        if matches!(state.fault, Some(Fault::Room(room)) if used + length - there > room) {
            return Err(ErrorKind::StorageFull.into());
        }
        state.files[self.file].cache.resize(length, 0);
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.disk.0.borrow_mut();
        state.change()?;
        state.abandon(self.file, length as usize / SECTOR);
        let inode = &mut state.files[self.file];
        inode.cache.resize(length as usize, 0);
        inode.dirty.retain(|sector| sector * SECTOR < length as usize);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.disk.0.borrow_mut().sync_file(self.file, false)
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.disk.0.borrow_mut().sync_file(self.file, true)
    }
}
