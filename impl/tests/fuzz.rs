//! What the fuzzer has kept and what it has found, given to the same functions on any toolchain: `fuzz/src/lib.rs`.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(kind)
}

fn files(kind: &str, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = folder(kind).join(target);
    let listed = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = listed.map(|file| file.path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).expect("a listed file can be read");
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

/// Whether it meant something; a panic names the file.
fn try_one((_, run): targets::Target, name: &Path, bytes: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| run(bytes)))
        .unwrap_or_else(|_| panic!("{} breaks a promise", name.display()))
}

/// A corpus that meant nothing would test nothing; nor would one that is all right.
#[test]
fn the_corpora_are_replayed() {
    for target in targets::TARGETS {
        let files = files("corpus", target.0);
        let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        let good = files.iter().filter(|(path, bytes)| try_one(target, path, bytes)).count();
        println!("{}: {} files, {bytes} bytes, {good} mean something", target.0, files.len());
        assert!(good > 0, "{}: nothing in its corpus means anything", target.0);
        assert!(files.len() < 100 && bytes < 200_000, "{}: a corpus is small", target.0);
    }
}

#[test]
fn what_was_found_stays_repaired() {
    let found: usize = targets::TARGETS
        .into_iter()
        .map(|target| {
            let files = files("regressions", target.0);
            for (path, bytes) in &files {
                try_one(target, path, bytes);
            }
            files.len()
        })
        .sum();
    println!("{found} inputs that once broke a promise");
}

/// Real inputs, as this build writes them, are understood. With `UPDATE_SEEDS` set they are put into the corpora too,
/// under names that their bytes make.
#[test]
fn seeds_mean_something() {
    let seeds = targets::seeds::seeds();
    for target in targets::TARGETS {
        let own: Vec<_> = seeds.iter().filter(|(name, _)| *name == target.0).collect();
        let good = own.iter().filter(|(_, seed)| try_one(target, Path::new(target.0), seed));
        let good = good.count();
        assert!(good * 2 > own.len(), "{}: {good} of {} seeds are understood", target.0, own.len());
        if std::env::var_os("UPDATE_SEEDS").is_none() {
            continue;
        }
        let folder = folder("corpus").join(target.0);
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        for (_, seed) in own {
            let sum = targets::wal::crc32c(0, seed);
            let path = folder.join(format!("seed-{sum:08x}"));
            std::fs::write(path, seed).expect("the file can be written");
        }
    }
}

/// Every folder is a target's.
#[test]
fn nothing_is_left_behind() {
    for kind in ["corpus", "regressions", "fuzz_targets"] {
        for entry in std::fs::read_dir(folder(kind)).into_iter().flatten().flatten() {
            let name = entry.path().file_stem().map(|name| name.to_string_lossy().into_owned());
            let known = targets::TARGETS.iter().any(|(target, _)| Some(*target) == name.as_deref());
            assert!(known, "{} is no target's", entry.path().display());
        }
    }
}
