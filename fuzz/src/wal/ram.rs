//! A folder in memory that does what it is told.

use quorate::disk::{Disk, DiskFile};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::rc::Rc;

/// Names and contents.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The folder. Clones are the same folder.
#[derive(Clone, Debug, Default)]
pub struct Ram(Rc<RefCell<Files>>);

/// A file that is open.
#[derive(Debug)]
pub struct RamFile {
    folder: Ram,
    name: RefCell<String>,
}

impl Ram {
    /// A folder with these files.
    pub fn with(files: &Files) -> Self {
        Self(Rc::new(RefCell::new(files.clone())))
    }

    /// What is in it.
    pub fn files(&self) -> Files {
        self.0.borrow().clone()
    }

    fn has(&self, name: &str) -> bool {
        self.0.borrow().contains_key(name)
    }
}

impl Disk for Ram {
    type File = RamFile;
    type Lock = ();

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/ram").join(name)
    }

    fn lock(&self) -> io::Result<Option<()>> {
        Ok(Some(()))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.borrow().keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<RamFile> {
        if !self.has(name) {
            return Err(ErrorKind::NotFound.into());
        }
        Ok(RamFile { folder: self.clone(), name: RefCell::new(name.into()) })
    }

    fn create(&self, name: &str) -> io::Result<RamFile> {
        if self.has(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.0.borrow_mut().insert(name.into(), Vec::new());
        Ok(RamFile { folder: self.clone(), name: RefCell::new(name.into()) })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let bytes = self.0.borrow_mut().remove(from).ok_or(ErrorKind::NotFound)?;
        self.0.borrow_mut().insert(to.into(), bytes);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.borrow_mut().remove(name).map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl RamFile {
    /// An open file follows its name from the draft's to its own.
    fn with<T>(&self, act: impl FnOnce(&mut Vec<u8>) -> T) -> io::Result<T> {
        let mut files = self.folder.0.borrow_mut();
        let mut name = self.name.borrow_mut();
        if !files.contains_key(&*name)
            && let Some(renamed) = name.strip_suffix(".new")
        {
            *name = renamed.to_owned();
        }
        files.get_mut(&*name).map(act).ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl DiskFile for RamFile {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        self.with(|bytes| bytes.clone())
    }

    fn write_at(&mut self, offset: u64, new: &[u8]) -> io::Result<()> {
        self.with(|bytes| {
            let (from, to) = (offset as usize, offset as usize + new.len());
            if bytes.len() < to {
                bytes.resize(to, 0);
            }
            bytes[from..to].copy_from_slice(new);
        })
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.with(|bytes| bytes.resize(length as usize, 0))
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&mut self) -> io::Result<()> {
        Ok(())
    }
}
