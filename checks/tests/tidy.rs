//! The repository's own habits, checked.

use std::path::{Path, PathBuf};

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the sources can be listed").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && !name.starts_with("target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources(below: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(below);
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    assert!(!files.is_empty(), "there are sources below {}", root.display());
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).expect("a source file is text");
        (file, text)
    };
    files.into_iter().map(read).collect()
}

/// Files of at most 500 lines, lines that rustfmt can't break (comments, texts) of at most 120 and 140.
#[test]
fn files_and_lines_are_short() {
    for (file, text) in sources("") {
        let lines = text.lines().count();
        assert!(lines <= 500, "{} has {lines} lines", file.display());
        for (number, line) in text.lines().enumerate() {
            let columns = line.chars().count();
            let most = if line.contains('"') { 140 } else { 120 };
            assert!(columns <= most, "{}:{} has {columns} columns", file.display(), number + 1);
        }
    }
}

/// Nothing is left unfinished, and no test is switched off.
#[test]
fn nothing_is_left_over() {
    let banned = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    for (file, text) in sources("") {
        for word in banned.iter().chain([&format!("#[{}", "ignore")]) {
            assert!(!text.contains(word.as_str()), "{} has {word}", file.display());
        }
    }
}

/// A folder that nobody has written down got there by mistake.
#[test]
fn every_folder_is_on_the_map() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |name| std::fs::read_to_string(root.join(name)).expect("it is there");
    let (map, ignored) = (read("ARCHITECTURE.md"), read(".gitignore"));
    let mut found = 0;
    for entry in std::fs::read_dir(&root).expect("the top can be listed").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_ours = entry.path().is_dir()
            && !name.starts_with('.')
            && !name.starts_with("target-")
            && !ignored.lines().any(|line| line == format!("/{name}"));
        if is_ours {
            let named = map.contains(&format!("{name}/"));
            assert!(named, "{name}: ARCHITECTURE.md does not say what for");
            found += 1;
        }
    }
    assert!(found > 5, "{found}");
}

/// The transition functions know no clock, random number, thread, file or socket.
#[test]
fn protocol_knows_no_world() {
    for (file, text) in sources("model/protocol/src") {
        for word in ["std::", "Instant", "SystemTime", "rand::", "unsafe"] {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let named = code.filter(|line| !line.contains("forbid(unsafe_code)"));
            let mut named = named.filter(|line| line.contains(word));
            assert_eq!(named.next(), None, "{} names {word}", file.display());
        }
    }
}

/// What of a line of code gets locks, atomics or threads of loom other than from `impl/src/sync.rs`.
fn names_locks(line: &str) -> Option<&'static str> {
    let line = line.split("//").next().unwrap_or_default();
    let after = |text: &str| text.starts_with(|next: char| next.is_alphanumeric() || next == '_');
    // `Arc` is everybody's.
    let parts: Vec<&str> = line.split("std::sync::Arc").collect();
    let named = |word| parts.iter().any(|part| part.contains(word));
    let others = parts.iter().skip(1).any(|rest| after(rest));
    let foreign = |part: &&str| {
        let mut before = part.match_indices("sync::").map(|(at, _)| &part[..at]);
        before.any(|text| {
            !(["crate::", "super::", "quorate::"].iter().any(|own| text.ends_with(own)))
        })
    };
    match () {
        () if named("loom::") => Some("loom"),
        () if named("crossbeam") => Some("crossbeam"),
        () if others || named("std::sync") || parts.iter().any(foreign) => Some("std::sync"),
        () => None,
    }
}

/// Every lock of the runtime is one that loom sees.
#[test]
fn locks_come_from_one_file() {
    for (file, text) in sources("impl/src") {
        if file.ends_with("impl/src/sync.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let named = names_locks(line);
            assert_eq!(named, None, "{}:{} goes around sync.rs", file.display(), number + 1);
        }
    }
    for fine in [
        "use std::sync::Arc;",
        "let a: std::sync::Arc<u8> = b;",
        "use crate::sync::{Mutex, fence};",
        "use super::sync::Mutex;",
        "disk.sync()?; // not std::sync::Mutex",
    ] {
        assert_eq!(names_locks(fine), None, "{fine}");
    }
    for wrong in [
        "use std::sync;",
        "use std::sync::{Arc, Mutex};",
        "use std::sync::mpsc;",
        "let a = std::sync::ArcSwap::new();",
        "    sync::Mutex,",
        "use std::{io, sync::atomic::AtomicU64};",
        "let a: (std::sync::Arc<u8>, std::sync::Mutex<u8>) = b;",
        "use crossbeam::channel;",
        "loom::model(|| {});",
    ] {
        assert!(names_locks(wrong).is_some(), "{wrong}");
    }
}
