//! Snapshots come whole or not at all, beside everything else.

use crate::raw::{self, Hello};
use crate::world::{
    Folder, PATIENCE, Plan, Server, heartbeat, listener, noise, pair, pair_with, quick, snapshot,
};
use protocol::NodeId;
use protocol::raft::Message;
use quorate::peer::{Limits, Received};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::PathBuf;
use std::time::Duration;

fn file(folder: &Folder, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.0.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// More than all the buffers between two sockets hold.
const LARGE: usize = 32 << 20;

#[track_caller]
fn expect_snapshot(server: &Server) -> (NodeId, Message, PathBuf) {
    server.expect("a snapshot", |received| match received {
        Received::Snapshot { from, message, path } => Some((from, message, path)),
        _ => None,
    })
}

#[test]
fn snapshots_of_all_sizes_arrive() {
    let (a, b) = pair();
    let folder = Folder::new();
    let chunk = 256 << 10;
    for (index, length) in (1..).zip([0, 1, chunk - 1, chunk, chunk + 1, 3 << 20]) {
        let bytes = noise(length, index);
        let path = file(&folder, "snapshot", &bytes);
        a.room.send_snapshot(NodeId(1), snapshot(index), path);
        let (from, message, path) = expect_snapshot(&b);
        assert_eq!((from, message), (NodeId(0), snapshot(index)));
        assert!(path.starts_with(&b.folder.0), "{}", path.display());
        assert!(std::fs::read(&path).unwrap() == bytes, "{length} bytes came changed");
        a.until_peer("the end", 1, |peer| peer.snapshots_sent == index && peer.snapshot.is_none());
    }
    // Each file is the owner's: none was overwritten.
    assert_eq!(b.folder.names().len(), 6);
    assert_eq!(b.peers.stats().peers[0].snapshots_received, 6);
}

/// The receiver holds the transfer up, in the middle of it, until heartbeats have come.
#[test]
fn heartbeats_pass_a_snapshot() {
    let (a, b) = (listener(), listener());
    let at_b = b.local_addr().unwrap();
    let a = Plan::new(0, &[(1, at_b)]).start(a);
    // One who takes messages, and of a snapshot only the beginning.
    let (mut messages, _) = b.accept().unwrap();
    raw::welcome(&mut messages);
    a.expect_up(1);
    let folder = Folder::new();
    let path = file(&folder, "snapshot", &noise(LARGE, 1));
    a.room.send_snapshot(NodeId(1), snapshot(9), path);
    let (mut bulk, _) = b.accept().unwrap();
    raw::welcome(&mut bulk);
    assert_eq!(raw::next(&mut bulk).unwrap().0, raw::BEGIN);
    assert_eq!(raw::next(&mut bulk).unwrap().0, raw::CHUNK);
    for round in 0..100 {
        a.send(1, &heartbeat(round), &[]);
        let (kind, payload) = raw::next(&mut messages).unwrap();
        assert_eq!((kind, payload), (raw::MESSAGE, raw::message(&heartbeat(round))));
    }
    a.until_peer("progress", 1, |peer| {
        peer.snapshot.is_some_and(|at| at.bytes > 0 && at.bytes < at.of)
    });
    // And the rest of it comes.
    let mut bytes = 256 << 10;
    loop {
        let (kind, payload) = raw::next(&mut bulk).unwrap();
        if kind == raw::END {
            break;
        }
        bytes += payload.len();
    }
    assert_eq!(bytes, LARGE);
    bulk.write_all(&raw::frame(raw::TAKEN, b"")).unwrap();
    a.until_peer("the end", 1, |peer| peer.snapshots_sent == 1);
}

/// Two real servers, with messages both ways while a large file goes across.
#[test]
fn messages_and_a_large_snapshot_both_arrive() {
    let (a, b) = pair();
    let folder = Folder::new();
    let bytes = noise(LARGE, 5);
    a.room.send_snapshot(NodeId(1), snapshot(3), file(&folder, "snapshot", &bytes));
    let mut came = None;
    let mut round = 0;
    while came.is_none() {
        a.send(1, &heartbeat(round), &[]);
        let mut heard = false;
        while !heard {
            match b.mail.recv_timeout(PATIENCE).unwrap() {
                Received::Message { message, .. } => heard = message == heartbeat(round),
                Received::Snapshot { path, .. } => came = Some(path),
                _ => {}
            }
        }
        round += 1;
    }
    assert!(std::fs::read(came.unwrap()).unwrap() == bytes);
}

/// The same snapshot again is not begun while it is under way; a newer one follows it, the newest only.
#[test]
fn one_transfer_at_a_time_and_the_newest_next() {
    let b = listener();
    let limits = Limits { snapshot_rest: Duration::from_secs(3600), ..quick() };
    let peers = [(1, b.local_addr().unwrap())];
    let a = Plan { limits, ..Plan::new(0, &peers) }.start(listener());
    let (mut messages, _) = b.accept().unwrap();
    raw::welcome(&mut messages);
    a.expect_up(1);
    let folder = Folder::new();
    let paths = [1, 2, 3, 4].map(|index: u64| {
        let path = file(&folder, &index.to_string(), &index.to_le_bytes());
        (index, path)
    });
    let ask = |wanted: u64| {
        let (index, path) = paths.iter().find(|(index, _)| *index == wanted).unwrap();
        a.room.send_snapshot(NodeId(1), snapshot(*index), path.clone());
    };
    let take = |ask_meanwhile: &dyn Fn()| {
        let (mut bulk, _) = b.accept().unwrap();
        raw::welcome(&mut bulk);
        let begin = raw::next(&mut bulk).unwrap();
        ask_meanwhile();
        let chunk = raw::next(&mut bulk).unwrap();
        assert_eq!(
            (begin.0, chunk.0, raw::next(&mut bulk).unwrap().0),
            (raw::BEGIN, raw::CHUNK, raw::END)
        );
        bulk.write_all(&raw::frame(raw::TAKEN, b"")).unwrap();
        u64::from_le_bytes(chunk.1.try_into().unwrap())
    };
    ask(1);
    let first = take(&|| {
        ask(1);
        ask(2);
        ask(1);
        ask(3);
    });
    assert_eq!(first, 1);
    assert_eq!(take(&|| ask(3)), 3);
    a.until_peer("both", 1, |peer| peer.snapshots_sent == 2);
    // It has just ended, so it is not begun again; another is.
    ask(3);
    ask(4);
    assert_eq!(take(&|| {}), 4);
    a.until_peer("all", 1, |peer| peer.snapshots_sent == 3 && peer.snapshots_failed == 0);
}

/// Broken at any point the transfer leaves nothing, and the next one arrives.
#[test]
fn a_broken_transfer_leaves_nothing_and_is_repeated() {
    let nobody = { listener().local_addr().unwrap() };
    let b = Plan::new(1, &[(0, nobody)]).start(listener());
    let at = b.peers.address();
    let hello = Hello::new(0, 1, raw::SNAPSHOT);
    let bytes = noise(1000, 1);
    let begin = |length: u64| {
        let payload = [&length.to_le_bytes()[..], &raw::message(&snapshot(4))].concat();
        raw::frame(raw::BEGIN, &payload)
    };
    let chunk = |bytes: &[u8]| raw::frame(raw::CHUNK, bytes);
    let end = |bytes: &[u8]| raw::frame(raw::END, &crc32c::crc32c(bytes).to_le_bytes());
    let whole = [begin(1000), chunk(&bytes[..600]), chunk(&bytes[600..]), end(&bytes)].concat();
    let mut bad: Vec<Vec<u8>> =
        (0..whole.len()).step_by(7).map(|cut| whole[..cut].to_vec()).collect();
    bad.extend((0..whole.len()).step_by(11).map(|at| {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        flipped
    }));
    let message = raw::frame(raw::MESSAGE, &raw::message(&heartbeat(1)));
    let other = [&1000_u64.to_le_bytes()[..], &raw::message(&heartbeat(1))].concat();
    bad.extend([
        [begin(u64::MAX), chunk(&bytes), end(&bytes)].concat(),
        [begin(999), chunk(&bytes), end(&bytes)].concat(),
        [begin(1001), chunk(&bytes), end(&bytes)].concat(),
        [begin(1000), chunk(&bytes), end(&bytes[1..])].concat(),
        [begin(1000), chunk(b""), chunk(&bytes), end(&bytes)].concat(),
        [begin(1000), chunk(&bytes), raw::frame(raw::END, b"")].concat(),
        [begin(1000), begin(1000), chunk(&bytes), end(&bytes)].concat(),
        [begin(1000), chunk(&bytes), message.clone()].concat(),
        [raw::frame(raw::BEGIN, &other), chunk(&bytes), end(&bytes)].concat(),
        [chunk(&bytes), end(&bytes)].concat(),
        raw::frame(raw::BEGIN, b"short"),
        message,
    ]);
    for (case, bytes) in bad.into_iter().enumerate() {
        let mut stream = raw::greeted(at, hello);
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty(), "case {case} was taken");
        assert_eq!(b.folder.names(), Vec::<String>::new(), "case {case}");
    }
    let mut stream = raw::greeted(at, hello);
    stream.write_all(&whole).unwrap();
    assert_eq!(raw::next(&mut stream).unwrap(), (raw::TAKEN, Vec::new()));
    let (from, message, path) = expect_snapshot(&b);
    assert_eq!((from, message), (NodeId(0), snapshot(4)));
    assert_eq!(std::fs::read(path).unwrap(), bytes);
    assert!(b.mail.try_recv().is_err(), "nothing else came");
}

/// The receiver goes away in the middle, comes back, and gets it when it is asked for again.
#[test]
fn a_transfer_ends_with_its_peer_and_is_repeated() {
    let b = listener();
    let at_b = b.local_addr().unwrap();
    let a = Plan::new(0, &[(1, at_b)]).start(listener());
    let (mut messages, _) = b.accept().unwrap();
    raw::welcome(&mut messages);
    a.expect_up(1);
    let folder = Folder::new();
    let bytes = noise(LARGE, 1);
    let path = file(&folder, "snapshot", &bytes);
    a.room.send_snapshot(NodeId(1), snapshot(9), path.clone());
    let (mut bulk, _) = b.accept().unwrap();
    raw::welcome(&mut bulk);
    assert_eq!(raw::next(&mut bulk).unwrap().0, raw::BEGIN);
    // Nobody reads on there, and the sender would wait for ever, if the other connection did not tell.
    drop(messages);
    a.expect_down(1);
    a.until_peer("the end", 1, |peer| peer.snapshots_failed == 1 && peer.snapshot.is_none());
    drop((bulk, b));
    let b = Plan::new(1, &[(0, a.peers.address())]).start(quorate::peer::bind(at_b).unwrap());
    a.expect_up(1);
    // As Raft does: it asks until it is told. What is asked for just behind the failure is not begun.
    a.until_peer("the transfer", 1, |peer| {
        a.room.send_snapshot(NodeId(1), snapshot(9), path.clone());
        peer.snapshots_sent == 1
    });
    let (_, _, path) = expect_snapshot(&b);
    assert!(std::fs::read(path).unwrap() == bytes);
}

#[test]
fn a_snapshot_that_can_not_be_read_or_sent_costs_nothing() {
    let (a, b) = pair();
    let folder = Folder::new();
    a.room.send_snapshot(NodeId(1), snapshot(1), folder.0.join("missing"));
    a.until_peer("the failure", 1, |peer| peer.snapshots_failed == 1);
    // Of another kind, to nobody.
    a.room.send_snapshot(NodeId(1), heartbeat(1), file(&folder, "snapshot", b"x"));
    a.room.send_snapshot(NodeId(7), snapshot(1), file(&folder, "snapshot", b"x"));
    // The receiver's disk refuses it.
    std::fs::remove_dir_all(&b.folder.0).unwrap();
    a.room.send_snapshot(NodeId(1), snapshot(2), file(&folder, "snapshot", b"x"));
    a.until_peer("the failure", 1, |peer| peer.snapshots_failed == 2);
    std::fs::create_dir_all(&b.folder.0).unwrap();
    a.room.send_snapshot(NodeId(1), snapshot(3), file(&folder, "snapshot", b"x"));
    assert_eq!(expect_snapshot(&b).1, snapshot(3));
    assert!(a.peers.is_up(NodeId(1)) && b.peers.is_up(NodeId(0)));
}

/// What a crash left of a transfer goes at the next start; what is not the transport's stays.
#[test]
fn a_start_removes_what_a_crash_left() {
    let nobody = { listener().local_addr().unwrap() };
    let (sender, mail) = std::sync::mpsc::channel();
    let plan = Plan::new(1, &[(0, nobody)]);
    let folder = Folder::new();
    for name in ["incoming-0-7.part", "incoming-3-1.part", "incoming-0-7", "snapshot-9"] {
        file(&folder, name, b"x");
    }
    let server =
        plan.start_in(folder, listener(), mail, move |told| crate::world::deliver(&sender, told));
    let mut names = server.folder.names();
    names.sort_unstable();
    assert_eq!(names, ["incoming-0-7", "snapshot-9"]);
}

/// A newer transfer of a peer replaces its older one.
#[test]
fn a_newer_transfer_replaces_the_older() {
    let nobody = { listener().local_addr().unwrap() };
    let b = Plan::new(1, &[(0, nobody)]).start(listener());
    let hello = Hello::new(0, 1, raw::SNAPSHOT);
    let begin = |index| {
        let payload = [&1_u64.to_le_bytes()[..], &raw::message(&snapshot(index))].concat();
        raw::frame(raw::BEGIN, &payload)
    };
    let mut old = raw::greeted(b.peers.address(), hello);
    old.write_all(&begin(1)).unwrap();
    let mut new = raw::greeted(b.peers.address(), hello);
    new.write_all(&begin(2)).unwrap();
    raw::expect_closed(&mut old);
    let crc = crc32c::crc32c(b"x").to_le_bytes();
    new.write_all(&raw::frame(raw::CHUNK, b"x")).unwrap();
    new.write_all(&raw::frame(raw::END, &crc)).unwrap();
    assert_eq!(expect_snapshot(&b).1, snapshot(2));
}

/// A small frame's bound holds for snapshots too.
#[test]
fn small_frames_carry_large_snapshots() {
    let limits = Limits { max_frame_bytes: 1 << 10, ..quick() };
    let (a, b) = pair_with(limits);
    let folder = Folder::new();
    let bytes = noise(100_000, 1);
    a.room.send_snapshot(NodeId(1), snapshot(1), file(&folder, "snapshot", &bytes));
    assert!(std::fs::read(expect_snapshot(&b).2).unwrap() == bytes);
}
