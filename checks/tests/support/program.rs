//! The server program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The server: beside this program if the whole workspace is tested, else it is built now.
pub fn quorate() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(find).clone()
}

fn find() -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_checks")).with_file_name("quorate");
    if !beside.is_file() {
        let folder = beside.parent().expect("a program is in a folder");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "-p", "quorate", "--bin", "quorate", "--target-dir"]);
        build.arg(folder.parent().expect("the profile's folder is in another"));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo starts").success(), "quorate is built");
    }
    beside
}
