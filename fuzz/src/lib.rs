//! Bytes that nobody would write, for everything that reads bytes.
//!
//! A target is a function from any bytes to whether they meant something. It panics where a promise is broken, and each
//! promise stands at its target. The functions are compiled twice: here under a fuzzer, which looks for bytes that
//! reach new code, and in `impl/tests/fuzz.rs`, where every test run gives them all that a fuzzer has kept (`corpus/`)
//! and all that was ever found wrong (`regressions/`), without a fuzzer and on any toolchain.
//!
//! A fuzzer can't guess a checksum. So where bytes have one, some inputs are the bytes as they are, and others are what
//! stands under the checksum, which the target then computes: the way in is tried, and what lies behind it.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

pub mod bytes;
pub mod config;
pub mod entries;
pub mod frames;
pub mod history;
pub mod identity;
pub mod jobs;
pub mod replies;
pub mod requests;
pub mod seeds;
pub mod session;
pub mod snapshot;
pub mod store;
pub mod trace;
pub mod wal;

#[path = "../../impl/tests/support/other_reader.rs"]
mod other_reader;
#[path = "../../model/protocol/tests/store/twin.rs"]
mod twin;

/// What is tried, and by which function.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// All targets. Each has a file of its name in `fuzz_targets/`, a folder in `corpus/`, perhaps one in `regressions/`.
pub const TARGETS: [Target; 13] = [
    ("requests", requests::run),
    ("replies", replies::run),
    ("session", session::run),
    ("frames", frames::run),
    ("wal", wal::run),
    ("snapshot", snapshot::run),
    ("config", config::run),
    ("entries", entries::run),
    ("store", store::run),
    ("history", history::run),
    ("trace", trace::run),
    ("identity", identity::run),
    ("jobs", jobs::run),
];

/// A folder for the files that a target writes, which goes with its owner.
#[derive(Debug)]
pub struct Scratch(PathBuf);

/// A folder that nobody else has, in memory if there is such a place; whoever writes into it makes it.
pub fn scratch(name: &str) -> Scratch {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let memory = PathBuf::from("/dev/shm");
    let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Scratch(base.join(format!("quorate-fuzz-{}-{name}-{number}", std::process::id())))
}

impl Deref for Scratch {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
