//! How long the log is that a server's disk has: that of which its next start would know.
//!
//! A file of the log is never shorter than some thousand bytes, and holds much that counts no more; the labs' limits
//! are about what counts. So the files are copied, and the product's own recovery reads the copy.

use protocol::log::Entry;
use quorate::disk::{Disk, DiskFile};
use quorate::wal::{self, GroupId, Identity, Wal};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

/// Term and vote.
const FIXED: u64 = 16;

/// The bytes of what is in the log behind its snapshot.
///
/// # Errors
/// If no server could start from these files.
pub fn live_bytes(files: Vec<(String, Vec<u8>)>, identity: Identity) -> Result<u64, wal::Error> {
    let (_, recovered) = Wal::open(Copy::of(files), wal::Sound, identity, wal::Options::default())?;
    let Some(group) = recovered.groups.get(&GroupId(0)) else { return Ok(0) };
    let first = group.durable.snapshot().last.index + 1;
    let entries = (first..).map_while(|index| group.durable.log.get(index));
    let bytes = |entry: &Entry<wal::Bytes>| match entry {
        Entry::NoOp => 1,
        Entry::Command(payload) => payload.len() as u64,
    };
    Ok(FIXED + entries.map(bytes).sum::<u64>())
}

type Content = Rc<RefCell<Vec<u8>>>;

/// Files in memory.
struct Copy(RefCell<BTreeMap<String, Content>>);

impl Copy {
    fn of(files: Vec<(String, Vec<u8>)>) -> Self {
        let file = |(name, content)| (name, Rc::new(RefCell::new(content)));
        Self(RefCell::new(files.into_iter().map(file).collect()))
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for Copy {
    type File = CopyFile;
    type Lock = ();

    fn path(&self, name: &str) -> PathBuf {
        name.into()
    }

    fn lock(&self) -> io::Result<Option<()>> {
        Ok(Some(()))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.borrow().keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<CopyFile> {
        self.0.borrow().get(name).map(|content| CopyFile(Rc::clone(content))).ok_or_else(missing)
    }

    fn create(&self, name: &str) -> io::Result<CopyFile> {
        let content = Content::default();
        self.0.borrow_mut().insert(name.into(), Rc::clone(&content));
        Ok(CopyFile(content))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.0.borrow_mut();
        let content = files.remove(from).ok_or_else(missing)?;
        files.insert(to.into(), content);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.borrow_mut().remove(name).map(drop).ok_or_else(missing)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// One of them.
struct CopyFile(Content);

impl DiskFile for CopyFile {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.0.borrow().clone())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.0.borrow_mut();
        let (offset, end) = (offset as usize, offset as usize + bytes.len());
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        self.0.borrow_mut().resize(length as usize, 0);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&mut self) -> io::Result<()> {
        Ok(())
    }
}
