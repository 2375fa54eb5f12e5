//! Clients that never read, and too many of them.

use super::tools::{One, connect, one, request};
use crate::support::process::{Node, PATIENCE, wait_for};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;

/// What one client has under way is bounded; the others are served meanwhile.
#[test]
fn who_never_reads_takes_no_memory_and_no_turn() {
    let one = one(&[]);
    let value = vec![b'v'; 1 << 20];
    assert_eq!(one.talk(&request(&[b"SET", b"big", &value])), "+OK\r\n");
    let before = one.memory();
    let reads = request(&[b"GET", b"big"]).repeat(10_000);
    let mut sockets = Vec::new();
    for _ in 0..30 {
        let socket = connect(one.node.plain);
        socket.set_nonblocking(true).unwrap();
        // As much as it takes.
        let mut sent = 0;
        while sent < reads.len()
            && let Ok(length) = (&socket).write(&reads[sent..])
        {
            sent += length;
        }
        sockets.push(socket);
    }
    for _ in 0..20 {
        one.still_works();
    }
    let after = one.memory();
    assert!(after < before + (200 << 20), "{before} became {after}");
}

fn is_let_in(socket: &mut TcpStream) -> Result<(), String> {
    socket.write_all(b"PING\r\n").map_err(|error| error.to_string())?;
    let mut reply = [0; 100];
    let length = socket.read(&mut reply).map_err(|error| error.to_string())?;
    match &reply[..length] {
        b"+PONG\r\n" => Ok(()),
        other => Err(String::from_utf8_lossy(other).into_owned()),
    }
}

/// `most` clients are let in, the next is told, and when one goes another comes in.
fn takes(one: &One, most: usize) {
    let address = one.node.plain;
    // The one who asked whether the node was ready may not be gone yet.
    let mut sockets = Vec::new();
    wait_for("as many as may come", || {
        while sockets.len() < most {
            let mut socket = connect(address);
            is_let_in(&mut socket).ok()?;
            sockets.push(socket);
        }
        Some(())
    });
    let mut reply = String::new();
    connect(address).read_to_string(&mut reply).unwrap();
    assert_eq!(reply, "-ERR max number of clients reached\r\n");
    is_let_in(&mut sockets[0]).expect("those who are in are served");
    sockets.truncate(most / 2);
    wait_for("room", || is_let_in(&mut connect(address)).ok());
}

#[test]
fn one_client_too_many_is_told() {
    takes(&one(&["--max-clients", "50"]), 50);
}

fn open_files() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[test]
fn ten_thousand_and_one_clients() {
    let Some(limit) = open_files().filter(|&limit| limit >= 10_600) else {
        println!("skipped: {:?} open files are allowed, and this takes 10,600", open_files());
        return;
    };
    println!("{limit} open files are allowed");
    takes(&one(&[]), 10_000);
}

/// Who comes while the server has no time waits at the door, and is let in.
#[test]
fn a_crowd_waits_at_the_door() {
    let bound = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
    let Some(bound) = bound.ok().and_then(|text| text.trim().parse::<usize>().ok()) else {
        println!("skipped: this system does not say how many may wait");
        return;
    };
    let one = one(&[]);
    let signal = |name: &str| {
        let done = Command::new("kill").args([name, &one.node.pid().to_string()]).status();
        assert!(done.expect("kill runs").success());
    };
    signal("-STOP");
    let knock = |_| TcpStream::connect_timeout(&one.node.plain, PATIENCE).expect("there is room");
    let mut crowd: Vec<TcpStream> = (0..bound.min(300)).map(knock).collect();
    signal("-CONT");
    for socket in &mut crowd {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        is_let_in(socket).expect("it is let in");
    }
}

/// Clients that could not be accepted are accepted when there is room, without another one's knocking.
#[test]
fn who_was_not_accepted_is_accepted_later() {
    let one = one(&[]);
    let allow = |files: u32| {
        let limit = format!("--nofile={files}:20000");
        let pid = one.node.pid().to_string();
        let done = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
        done.is_ok_and(|status| status.success())
    };
    if !allow(5) {
        println!("skipped: there is no prlimit here, or it may not lower a limit");
        return;
    }
    let mut waiting = connect(one.node.plain);
    one.wait_for_log("clients can't be accepted; they wait error=Too many open files");
    assert!(allow(1000), "a limit that was lowered can be raised");
    is_let_in(&mut waiting).expect("it is let in");
}

/// Where few files may be open, the log gets its own, and clients what is left.
#[test]
fn clients_leave_files_for_the_log() {
    let folder = crate::support::process::Folder::new();
    // The hard limit is lowered, so that the server can't raise its own.
    let server = format!(
        "ulimit -n 64; exec {} server --dir {} --listen 127.0.0.1:0 --snapshot-bytes 1000 2>{}",
        env!("CARGO_BIN_EXE_quorate"),
        super::tools::dir(&folder).display(),
        folder.path().join("d.log").display()
    );
    let mut command = Command::new("sh");
    command.arg("-c").arg(server);
    let node = Node::start_as(command, folder.path().join("d.log")).expect("it starts");
    let one = One { node, folder };
    wait_for("a leader", || (one.talk(b"SET ready 1\r\n") == "+OK\r\n").then_some(()));
    one.wait_for_log("there is room for 16 clients, not for 10000: this process may open 64 files");
    takes(&one, 16);
    // New segments and snapshots are made while as many clients are there as may be.
    let mut sockets = Vec::new();
    wait_for("a full house", || {
        let mut socket = connect(one.node.plain);
        match is_let_in(&mut socket) {
            Ok(()) => sockets.push(socket),
            Err(text) => return text.contains("max number of clients").then_some(()),
        }
        None
    });
    let writes = request(&[b"SET", b"k", &[b'v'; 20_000]]);
    let mut reply = [0; 5];
    for _ in 0..200 {
        sockets[0].write_all(&writes).unwrap();
        sockets[0].read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"+OK\r\n");
    }
    assert!(!one.log().contains("ERROR"), "{}", one.log());
}

/// Who sends and never reads fills its own buffers, and is then not read any more.
#[test]
fn who_writes_and_never_reads_is_held_up() {
    let one = one(&[]);
    let before = one.memory();
    let socket = connect(one.node.plain);
    socket.set_nonblocking(true).unwrap();
    let writes = request(&[b"SET", b"{k}", &[b'v'; 1000], b"GET"]).repeat(1000);
    let begun = std::time::Instant::now();
    let (mut sent, mut idle) = (0, 0);
    // Until nothing has been taken for a while; what is asserted is how much was, not how long it took.
    while idle < 50 {
        assert!(begun.elapsed() < PATIENCE, "it is never held up");
        match (&socket).write(&writes[sent % writes.len()..]) {
            Ok(length) => (sent, idle) = (sent + length, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                idle += 1;
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            Err(error) => panic!("{error}"),
        }
    }
    one.still_works();
    assert!(sent < 100 << 20, "{sent} bytes were taken");
    assert!(one.memory() < before + (100 << 20), "{before} became {}", one.memory());
}
