//! What the machine says of itself: memory in use, its size, the date, the commit.

use std::fs;
use std::process::{Command, Stdio};

fn kib_of(file: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Memory that this process has in use, in MiB; none where the system does not tell.
pub fn memory_mib() -> Option<u64> {
    kib_of("/proc/self/status", "VmRSS:").map(|kib| kib / 1024)
}

/// The most memory that this process had in use, in MiB.
pub fn peak_memory_mib() -> Option<u64> {
    kib_of("/proc/self/status", "VmHWM:").map(|kib| kib / 1024)
}

/// The machine in a few words.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = kib_of("/proc/meminfo", "MemTotal:")
        .map_or_else(String::new, |kib| format!(", {:.0} GiB", kib as f64 / 1024.0 / 1024.0));
    format!("{cores} cores{memory}, {} {}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Today, in UTC.
pub fn date() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

/// The short name of the commit that is checked out, `-dirty` if what is checked, the sources of the model
/// and what they are built with, differs from it; `unknown` outside a checkout.
pub fn commit() -> String {
    commit_of(&["model", "checks/src"], "-dirty")
}

/// The same, with this mark if what is below these folders differs, or what it is built with.
pub fn commit_of(sources: &[&str], mark: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let git = |args: &[&str]| {
        let output =
            Command::new("git").args(args).current_dir(root).stderr(Stdio::null()).output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    let name = git(&["rev-parse", "--short=10", "HEAD"]);
    let built_with = ["checks/build.rs", "Cargo.toml", "Cargo.lock"];
    let changes = git(&[&["status", "--porcelain", "--"], sources, &built_with[..]].concat());
    match (name, changes) {
        (Some(name), Some(changes)) if changes.is_empty() => name,
        (Some(name), _) => name + mark,
        (None, _) => "unknown".into(),
    }
}

/// Lets the peak of memory in use begin anew, where the system can (Linux).
pub fn forget_peak_memory() {
    // Where it can't, the peak is that of the whole process, which is no less.
    let _ = fs::write("/proc/self/clear_refs", "5");
}
