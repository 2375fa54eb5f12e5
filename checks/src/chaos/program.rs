//! What a run needs of the machine: the program under test, and what allows which faults.

use super::network;
use std::path::{Path, PathBuf};

/// The server program: the one that is named, or the one beside this program.
///
/// # Errors
/// If there is none; with the command that builds it.
pub fn find(named: Option<&Path>) -> Result<PathBuf, String> {
    const BUILD: &str = "build it with `cargo build -p quorate` (and --release if this program is)";
    if let Some(path) = named {
        // Processes are started from elsewhere.
        return path.canonicalize().ok().filter(|path| path.is_file()).ok_or_else(|| {
            format!("there is no program {}: {BUILD}, and name it with --quorate", path.display())
        });
    }
    let own = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let beside = own.with_file_name("quorate");
    if beside.is_file() {
        return Ok(beside);
    }
    Err(format!(
        "there is no server program {}: {BUILD}, or name one with --quorate PATH",
        beside.display()
    ))
}

/// Whether this process may do everything here.
fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uid.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}

/// Why there can be no network namespaces; None if there can.
pub fn no_namespaces() -> Option<String> {
    if !is_root() {
        return Some("this user is not root".into());
    }
    network::run("ip", &["netns", "list"]).err()
}

/// libfaketime, if it is installed: it lets one process see another time of day.
pub fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = folders
        .map(|folder| folder.join("faketime/libfaketime.so.1"))
        .filter(|library| library.is_file())
        .collect();
    found.sort();
    found.into_iter().next()
}

/// The shared memory that libfaketime leaves behind when its process is killed.
pub fn sweep_faketime(pid: u32) {
    for name in [format!("sem.faketime_sem_{pid}"), format!("faketime_shm_{pid}")] {
        let _ = std::fs::remove_file(Path::new("/dev/shm").join(name));
    }
}
