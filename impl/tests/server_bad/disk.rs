//! Disks that are full or fail while the server writes: it ends and says why, and what was acknowledged is there when
//! it is started again.

use super::tools::{One, again, connect, dir, request};
use crate::support::process::{Folder, Node, wait_for};
use crate::support::suite::signal;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// A node under another command, such as one that limits it.
pub fn one_as(folder: Folder, command: Command) -> One {
    let node = Node::start_as(command, folder.path().join("d.log")).expect("it starts");
    let one = One { node, folder };
    wait_for("a leader", || (one.talk(b"SET ready 1\r\n") == "+OK\r\n").then_some(()));
    one
}

pub fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    command
}

/// The server in a folder, as a shell writes it; its stderr goes to the folder's log.
fn server(folder: &Folder, dir: &Path) -> String {
    format!(
        "{} server --dir {} --listen 127.0.0.1:0 --snapshot-bytes 4000000 2>{}",
        env!("CARGO_BIN_EXE_quorate"),
        dir.display(),
        folder.path().join("d.log").display()
    )
}

/// Writes until the server ends. How many writes were acknowledged, and what came instead of the next.
fn write_to_the_end(one: &One) -> (usize, String) {
    let mut socket = connect(one.node.plain);
    for number in 0..100_000 {
        let key = format!("k{number}");
        let written = socket.write_all(&request(&[b"SET", key.as_bytes(), &[b'v'; 9_000]]));
        let mut reply = [0; 5];
        match written.and_then(|()| socket.read_exact(&mut reply)) {
            Ok(()) if &reply == b"+OK\r\n" => {}
            Ok(()) => {
                let mut rest = String::from_utf8_lossy(&reply).into_owned();
                let _ = socket.read_to_string(&mut rest);
                return (number, rest);
            }
            Err(error) => return (number, error.to_string()),
        }
    }
    panic!("the disk is never full");
}

/// That everything acknowledged is there in a node that was started again.
pub fn all_there(node: &Node, acknowledged: usize) {
    let mut socket = connect(node.plain);
    for number in 0..acknowledged {
        let key = format!("k{number}");
        socket.write_all(&request(&[b"STRLEN", key.as_bytes()])).unwrap();
        let mut reply = [0; 7];
        socket.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b":9000\r\n", "{key} was acknowledged");
    }
}

/// The write that was under way is answered with what nobody retries. A closed connection would be retried.
pub fn is_honest(instead: &str) {
    assert!(
        instead.starts_with("-UNCERTAIN the command was executed, or will be, or never"),
        "{instead}"
    );
}

/// A limit on the length of files: the write that passes it fails, as on a full disk, and works without root.
#[test]
fn a_file_that_may_not_grow_ends_the_server_and_loses_nothing() {
    let folder = Folder::new();
    let server = server(&folder, &dir(&folder));
    // 512 or 1,024 bytes a block, as the shell likes; a segment is a million bytes.
    let one = one_as(folder, shell(&format!("trap '' XFSZ; ulimit -f 700; exec {server}")));
    let (acknowledged, instead) = write_to_the_end(&one);
    println!("{acknowledged} writes, then {instead:?}");
    is_honest(&instead);
    one.wait_for_log("the log can't go on");
    one.wait_for_log("File too large");
    one.wait_for_log("Nothing that was acknowledged is lost");
    let One { node, folder } = one;
    drop(node);
    all_there(&again(&folder, &[]), acknowledged);
}

/// A small file system in memory. It needs the right to mount one.
#[test]
fn a_full_disk_ends_the_server_and_loses_nothing() {
    let folder = Folder::new();
    let place = folder.path().join("small");
    std::fs::create_dir(&place).unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=6m", "none"])
        .arg(&place)
        .stderr(Stdio::null())
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        println!("skipped: this user may not mount a file system");
        return;
    }
    let guard = Mounted(place.clone());
    let command = shell(&format!("exec {}", server(&folder, &place.join("d"))));
    let one = one_as(folder, command);
    let (acknowledged, instead) = write_to_the_end(&one);
    println!("{acknowledged} writes, then {instead:?}");
    is_honest(&instead);
    one.wait_for_log("no space left on the device");
    one.wait_for_log("free some space and start the server again");
    let One { node, folder } = one;
    drop(node);
    // Somebody frees some space.
    let copied = Command::new("cp").arg("-r").arg(place.join("d")).arg(dir(&folder)).status();
    assert!(copied.expect("there is cp").success());
    all_there(&again(&folder, &[]), acknowledged);
    drop(guard);
}

struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A sync that fails once is the end: nobody knows what the disk has. It needs a tracer that makes one fail.
#[test]
fn a_failed_sync_ends_the_server_and_loses_nothing() {
    let mut trial = Command::new("strace");
    trial.args(["-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null());
    let works = trial.status().is_ok_and(|status| status.success());
    if !works {
        println!("skipped: there is no strace here, or it may not trace");
        return;
    }
    let folder = Folder::new();
    let traced =
        "strace -f -qq -o /dev/null -e trace=fdatasync -e inject=fdatasync:error=EIO:when=40";
    let one = {
        let command = shell(&format!("exec {traced} {}", server(&folder, &dir(&folder))));
        one_as(folder, command)
    };
    let (acknowledged, instead) = write_to_the_end(&one);
    println!("{acknowledged} writes, then {instead:?}");
    is_honest(&instead);
    one.wait_for_log("the log can't go on");
    one.wait_for_log("Input/output error");
    one.wait_for_log("after a failed sync nobody knows what the disk has");
    // The tracer ends when the server has.
    let pid = one.node.pid();
    wait_for("the server's end", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
    let One { node, folder } = one;
    drop(node);
    all_there(&again(&folder, &[]), acknowledged);
}

/// A snapshot that can't be written is tried again when the log has grown, not in a loop, and the node goes on.
#[test]
fn a_snapshot_that_fails_is_no_reason_to_stop() {
    let one = super::tools::one(&["--snapshot-bytes", "50000"]);
    let snapshots = dir(&one.folder).join("snapshots");
    std::fs::remove_dir_all(&snapshots).unwrap();
    std::fs::write(&snapshots, "no folder").unwrap();
    let mut socket = connect(one.node.plain);
    for number in 0..100 {
        let key = format!("k{number}");
        socket.write_all(&request(&[b"SET", key.as_bytes(), &[b'v'; 9_000]])).unwrap();
        let mut reply = [0; 5];
        socket.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"+OK\r\n");
    }
    let failed = one.log().matches("no snapshot could be taken").count();
    assert!((1..=20).contains(&failed), "{failed} times in 18 times the log's bound");
    std::fs::remove_file(&snapshots).unwrap();
    std::fs::create_dir(&snapshots).unwrap();
    for _ in 0..20 {
        assert_eq!(one.talk(&request(&[b"SET", b"more", &[b'v'; 9_000]])), "+OK\r\n");
    }
    one.wait_for_log("snapshot taken");
    signal(one.node.pid(), "KILL");
    let One { node, folder } = one;
    drop(node);
    all_there(&again(&folder, &[]), 100);
}
