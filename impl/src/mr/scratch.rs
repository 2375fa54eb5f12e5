//! Where a process keeps files for a while that it brings to an object store or has from one.
//!
//! A folder of its own among the system's temporary ones (`TMPDIR`), locked as long as the process lives. Who is killed
//! leaves it behind; the next one that makes such a folder removes it.

use super::error::Error;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const FRONT: &str = "quorate-mr-scratch-";

/// The folder. It goes with this.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    _lock: File,
}

impl Scratch {
    /// Makes one.
    pub(super) fn new() -> Result<Self, Error> {
        let all = std::env::temp_dir();
        sweep(&all);
        loop {
            let drawn = getrandom::u64().map_err(|error| Error::System {
                what: "draw the name of a folder",
                source: io::Error::other(error),
            })?;
            let path = all.join(format!("{FRONT}{drawn:016x}"));
            // What jobs read and write is not for others on this machine.
            let made = fs::DirBuilder::new().mode(0o700).create(&path);
            made.map_err(Error::io("make the folder", &path))?;
            // Who sweeps may have come in between.
            if let Some(lock) = lock(&path)
                && path.exists()
            {
                return Ok(Self { path, _lock: lock });
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is swept by another process.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn lock(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.try_lock().is_ok().then_some(file)
}

/// Removes the folders of processes that are gone. Others may do the same at the same time.
fn sweep(all: &Path) {
    let Ok(entries) = fs::read_dir(all) else { return };
    for entry in entries.flatten() {
        let is_one = entry.file_name().to_string_lossy().starts_with(FRONT);
        if is_one && let Some(_lock) = lock(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
