//! Bytes that nobody would write, for everything that reads bytes.
//!
//! A target is a function from any bytes to whether they meant something. It panics where a promise is broken, and each
//! promise stands at its target. The functions are compiled twice: here under a fuzzer, which looks for bytes that
//! reach new code, and in `impl/tests/fuzz.rs`, where every test run gives them all that a fuzzer has kept (`corpus/`)
//! and all that was ever found wrong (`regressions/`), without a fuzzer and on any toolchain.
//!
//! A fuzzer can't guess a checksum. So where bytes have one, some inputs are the bytes as they are, and others are what
//! stands under the checksum, which the target then computes: the way in is tried, and what lies behind it.

use std::path::PathBuf;

pub mod bytes;
pub mod config;
pub mod entries;
pub mod frames;
pub mod history;
pub mod replies;
pub mod requests;
pub mod seeds;
pub mod session;
pub mod snapshot;
pub mod store;
pub mod wal;

#[path = "../../impl/tests/support/other_reader.rs"]
mod other_reader;
#[path = "../../model/protocol/tests/store/twin.rs"]
mod twin;

/// What is tried, and by which function.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// All targets. Each has a file of its name in `fuzz_targets/`, a folder in `corpus/`, perhaps one in `regressions/`.
pub const TARGETS: [Target; 10] = [
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
];

/// A folder for the files that a target writes: this process's own.
pub fn scratch(name: &str) -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
    base.join(format!("quorate-fuzz-{}-{name}", std::process::id()))
}
