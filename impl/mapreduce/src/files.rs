//! Files that nobody sees before they are whole.
//!
//! A [`Draft`] is written under a name that says so and gets its real name in one step; one that is dropped before
//! that is removed. So a name without `.part` always stands for a whole file, whoever was killed when.
//!
//! Nothing is synced to the disk on the way: an intermediate file that a power failure emptied fails its checksum and
//! its map task runs again, which costs less than a sync for every task of every job. Only who publishes an output
//! may want to wait for the disk: see [`Durability`].

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, storage};

/// How long a writer collects before it asks the operating system, in bytes.
pub(crate) const BUFFER_BYTES: usize = 256 << 10;

/// A file that is being written. Not buffered: write large pieces.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    file: File,
    bytes: u64,
    finished: bool,
}

impl Draft {
    /// Begins the file that will be `to`. What an earlier process left under the draft's name is overwritten.
    pub fn new(to: &Path) -> Result<Self, Error> {
        let mut name = to.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.open(&path).map_err(storage("create", &path))?;
        Ok(Self { path, file, bytes: 0, finished: false })
    }

    /// How many bytes were written.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(storage("write", &self.path))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Gives it its name.
    pub fn finish(mut self, to: &Path) -> Result<u64, Error> {
        fs::rename(&self.path, to).map_err(storage("rename to its final name", to))?;
        self.finished = true;
        Ok(self.bytes)
    }

    /// The file, for reading what was written; its name is gone, and its bytes go with the last handle.
    pub fn into_scratch(self) -> Result<(File, PathBuf), Error> {
        let file = self.file.try_clone().map_err(storage("reopen", &self.path))?;
        Ok((file, self.path.clone()))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.finished {
            // Nothing to tell anybody: the name says what it is, and the next attempt of this number overwrites it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What a published output survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of any process. After a power failure, outputs of the last seconds may be empty.
    #[default]
    Process,
    /// A power failure too: the disk is waited for.
    Power,
}

/// Makes an attempt's output visible under its final name, in one step: whoever reads that name finds all of it or
/// nothing. To be called once the coordinator has granted it. Publishing the same attempt twice is no error if the
/// first time succeeded, so a worker that does not know whether it did may ask again.
///
/// # Errors
/// When the attempt's file is not there (and no output is), or the operating system refuses.
pub fn publish(attempt: &Path, to: &Path, durability: Durability) -> Result<(), Error> {
    if durability == Durability::Power
        && let Ok(file) = File::open(attempt)
    {
        file.sync_all().map_err(storage("make durable", attempt))?;
    }
    match fs::rename(attempt, to) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && to.is_file() => {}
        renamed => renamed.map_err(storage("publish the output as", to))?,
    }
    if durability == Durability::Power
        && let Some(folder) = to.parent()
    {
        sync_folder(folder)?;
    }
    Ok(())
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Error> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let sync = File::open(folder).and_then(|folder| folder.sync_all());
    sync.map_err(storage("make durable", folder))
}

/// Makes the folder for a job's output, or finds it empty.
///
/// # Errors
/// [`Error::OutputExists`] when there is something in it; what the operating system says when it can't be made.
pub fn prepare_output(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(storage("make the output directory", folder))?;
    let mut entries = fs::read_dir(folder).map_err(storage("list", folder))?;
    match entries.next() {
        None => Ok(()),
        Some(entry) => {
            let entry = entry.map_err(storage("list", folder))?;
            let found = entry.file_name().to_string_lossy().into_owned();
            Err(Error::OutputExists { path: folder.to_owned().into(), found })
        }
    }
}
