//! What the write-ahead log needs of a file system: one folder, flat, of files written at offsets.
//!
//! The trait promises as little as POSIX does. What was written is in the cache until it was synced; a
//! file's name, its removal and its new name are in the cache until the *folder* was synced; after a
//! crash any part of what was not synced may be there and any part may not. [`Folder`] is the real
//! thing. The tests' disk loses what it may lose.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// A folder.
pub trait Disk {
    /// An open file of the folder.
    type File: DiskFile;
    /// Keeps others out of the folder until it is dropped.
    type Lock;

    /// Whether one sync makes durable all that waits. A script's disk finishes write by write, as the models' do.
    const SYNCS_TOGETHER: bool = true;

    /// Where a file is, for people.
    fn path(&self, name: &str) -> PathBuf;

    /// Takes the folder for this process; none if somebody has it.
    fn lock(&self) -> io::Result<Option<Self::Lock>>;

    /// The names of the files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file that exists, for reading and writing.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Makes an empty file. It is an error if the name is taken.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Gives a file another name, in one step.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes names, new names and removals durable.
    fn sync(&self) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile {
    /// Everything in the file.
    fn read(&mut self) -> io::Result<Vec<u8>>;

    /// Writes all of `bytes` at `offset` (in bytes) and makes the file longer if need be.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the file `length` bytes long, with zeros at its end, if that is more than it has and the disk has a way to
    /// take the room for them at once. Then a sync of what is written there has nothing but content to make durable,
    /// which costs a fraction. Who can't does nothing.
    fn reserve(&mut self, length: u64) -> io::Result<()> {
        let _ = length;
        Ok(())
    }

    /// Cuts the file to `length` bytes.
    fn set_len(&mut self, length: u64) -> io::Result<()>;

    /// Makes the content durable, and as much of the length as reading the content needs.
    fn sync_data(&mut self) -> io::Result<()>;

    /// Makes the content and the length durable.
    fn sync_all(&mut self) -> io::Result<()>;
}

/// A folder of the operating system's.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The name of the file that is locked. It stays when the lock is gone.
    pub const LOCK: &'static str = "LOCK";

    /// The folder at `path`, which is made if it does not exist.
    ///
    /// # Errors
    /// What the operating system says when it can't be made, or made durable.
    pub fn new(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let new = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.is_dir();
        let made = path.ancestors().take_while(new).count();
        fs::create_dir_all(&path)?;
        // A name is durable when the folder above it is.
        for above in path.ancestors().skip(1).take(made) {
            sync_folder(above)?;
        }
        Ok(Self { path })
    }

    /// Makes its own name durable, which may have been made by one who was killed behind that.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn sync_name(&self) -> io::Result<()> {
        self.path.parent().map_or(Ok(()), sync_folder)
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

impl Disk for Folder {
    type File = File;
    type Lock = File;

    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn lock(&self) -> io::Result<Option<File>> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(self.path(Self::LOCK))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
        };
        fs::read_dir(&self.path)?.map(name).collect()
    }

    fn open(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.path(name))
    }

    fn create(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(self.path(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync(&self) -> io::Result<()> {
        sync_folder(&self.path)
    }
}

impl DiskFile for File {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.seek(SeekFrom::Start(0))?;
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::Start(offset))?;
        self.write_all(bytes)
    }

    #[cfg(target_os = "linux")]
    fn reserve(&mut self, length: u64) -> io::Result<()> {
        use nix::fcntl::{FallocateFlags, fallocate};
        let there = self.metadata()?.len();
        let more = length.saturating_sub(there);
        if more > 0 {
            let offset = |bytes: u64| i64::try_from(bytes).map_err(io::Error::other);
            fallocate(&*self, FallocateFlags::empty(), offset(there)?, offset(more)?)?;
        }
        Ok(())
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        File::set_len(self, length)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&mut self) -> io::Result<()> {
        File::sync_all(self)
    }
}

/// A large file that is written from its beginning to its end, and synced piece by piece on the way, with a rest behind
/// each that is as long as its sync: a single sync at its end would keep the disk busy for so long that the log, which
/// others wait for, waits behind it.
#[derive(Debug)]
pub struct Steady {
    file: File,
    unsynced: usize,
}

impl Steady {
    /// So many bytes are synced at once.
    const PIECE_BYTES: usize = 256 << 10;
    /// No rest is longer.
    const LONGEST_REST: Duration = Duration::from_millis(20);

    /// A file that is still empty.
    pub const fn new(file: File) -> Self {
        Self { file, unsynced: 0 }
    }

    /// Makes all of it durable, its length too.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Write for Steady {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.unsynced += count;
        if self.unsynced >= Self::PIECE_BYTES {
            let begin = Instant::now();
            self.file.sync_data()?;
            thread::sleep(begin.elapsed().min(Self::LONGEST_REST));
            self.unsynced = 0;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
