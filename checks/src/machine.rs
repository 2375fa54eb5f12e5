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

/// The short name of the commit that is checked out; `unknown` outside a checkout.
pub fn commit() -> String {
    let git = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=10"])
        .stderr(Stdio::null())
        .output();
    match git {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_string()
        }
        _ => "unknown".into(),
    }
}
