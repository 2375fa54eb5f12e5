//! Takes a fingerprint of the text that is checked, so that a finished deep run is known to be of this text.
//!
//! Everything in `protocol` and `model` counts but what can't change what a run of Raft explores: the lists of
//! modules, mutants, pictures and transcripts, the project's own small search, what a run is for the checks (a record
//! names its bounds and corners), the store, and the clients of the replicated store.

use std::path::{Path, PathBuf};

const NO_PART: [&str; 10] = [
    "lib",
    "mutants",
    "diagram",
    "transcript",
    "script",
    "runs",
    "search",
    "system",
    "kv",
    "group",
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = path.file_stem().unwrap_or_default();
        if NO_PART.iter().any(|&no_part| name == no_part) {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// FNV-1a, 64 bits: no protection against anyone, only against forgetting.
fn fold(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn main() {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for folder in ["../model/protocol/src", "../model/src"] {
        println!("cargo::rerun-if-changed={folder}");
        let mut found = Vec::new();
        files(Path::new(folder), &mut found);
        found.sort();
        for file in found {
            hash = fold(hash, file.to_string_lossy().as_bytes());
            hash = fold(hash, &std::fs::read(&file).unwrap_or_default());
        }
    }
    println!("cargo::rustc-env=CHECKED_TEXT={hash:016x}");
}
