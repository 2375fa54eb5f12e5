//! Folders in use, of others, cut, swapped and flipped: refused with the file and what to do, before anything is
//! written.

use super::tools::{One, again, connect, dir, one, refused, refused_as, request, talk};
use crate::support::process::{Cluster, Folder, wait_for};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// A node that has written 60 values and was killed: in segments if `snapshot_bytes` is large, else in a snapshot.
fn used(snapshot_bytes: &str) -> Folder {
    let One { node, folder } = one(&["--snapshot-bytes", snapshot_bytes]);
    let mut socket = connect(node.plain);
    for number in 0..60 {
        let key = format!("k{number}");
        socket.write_all(&request(&[b"SET", key.as_bytes(), &[b'v'; 20_000]])).unwrap();
        let mut reply = [0; 5];
        socket.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"+OK\r\n");
    }
    folder
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("it is a folder").flatten();
    let mut found = BTreeMap::new();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

fn named(folder: &Path, end: &str) -> Vec<PathBuf> {
    let all = files(folder).into_keys();
    all.filter(|path| path.file_name().unwrap().to_string_lossy().ends_with(end)).collect()
}

fn segments(folder: &Folder) -> Vec<PathBuf> {
    named(&dir(folder).join("wal"), ".wal")
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x40;
    std::fs::write(path, bytes).unwrap();
}

/// That it is refused, with these words, and that nothing in the folder was changed.
fn is_refused(folder: &Folder, words: &[&str]) {
    is_refused_below(folder, "", words);
}

/// The same, where it is a part of the folder that was not changed.
fn is_refused_below(folder: &Folder, below: &str, words: &[&str]) {
    let part = dir(folder).join(below);
    let before = files(&part);
    let message = refused(&dir(folder));
    for word in words {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert!(before == files(&part), "the refused folder was changed: {message}");
}

#[test]
fn two_servers_do_not_share_a_folder() {
    let one = one(&[]);
    let message = refused(&dir(&one.folder));
    assert!(
        message
            .ends_with("d: another server has this folder. Stop it, or choose another with --dir"),
        "{message}"
    );
    one.still_works();
}

#[test]
fn an_identity_that_is_none_is_refused() {
    let folder = used("67108864");
    let path = dir(&folder).join("identity.toml");
    let right = std::fs::read_to_string(&path).unwrap();
    let (knot, other) = (right.replace("node =", "knot ="), right.replace("node = 0", "node = 7"));
    let texts: [&[u8]; 7] = [
        b"",
        b"format = 2\n",
        b"\0\0\0",
        b"format = 2 # \xff",
        knot.as_bytes(),
        other.as_bytes(),
        &right.as_bytes()[..20],
    ];
    for text in texts {
        std::fs::write(&path, text).unwrap();
        is_refused(&folder, &["identity.toml: ", "Restore the file from a copy"]);
    }
    std::fs::write(&path, right.replace("format = 2", "format = 3")).unwrap();
    is_refused(&folder, &["has format 3, and this program reads format 2. Start the release that"]);
    // The number of another cluster: the log knows better.
    let number = right.lines().find(|line| line.starts_with("cluster")).unwrap();
    std::fs::write(&path, right.replace(number, "cluster = \"0123\"")).unwrap();
    is_refused(
        &folder,
        &["this is the write-ahead log of", "Start it with the folder that belongs to it"],
    );
    std::fs::write(&path, right).unwrap();
    again(&folder, &[]);
}

#[test]
fn a_flipped_bit_in_the_log_is_refused() {
    let folder = used("67108864");
    let path = segments(&folder).remove(0);
    flip(&path, 100_000);
    is_refused(&folder, &[".wal: damaged at byte ", "Restore the file from a copy"]);
    flip(&path, 100_000);
    let node = again(&folder, &[]);
    assert_eq!(talk(node.plain, b"STRLEN k59\r\n"), ":20000\r\n");
}

#[test]
fn a_log_that_is_cut_where_it_was_durable_is_refused() {
    let folder = used("67108864");
    let path = segments(&folder).remove(0);
    let whole = std::fs::read(&path).unwrap();
    let end = whole.iter().rposition(|&byte| byte != 0).unwrap();
    // In the last batch: what a crash in the middle of a write leaves. Nobody can tell that it was durable.
    std::fs::write(&path, &whole[..end - 1000]).unwrap();
    let node = again(&folder, &[]);
    assert_eq!(talk(node.plain, b"STRLEN k58\r\n"), ":20000\r\n");
    drop(node);
    let log = std::fs::read_to_string(folder.path().join("d.log")).unwrap();
    assert!(log.contains("a torn tail was cut off the log"), "{log}");
}

/// An emptied log under the old name would have forgotten votes and acknowledgements.
#[test]
fn a_log_that_is_gone_is_refused() {
    let folder = used("67108864");
    for path in segments(&folder) {
        std::fs::remove_file(path).unwrap();
    }
    let words = ["wal: the log is gone", "an emptied folder under the old id would break promises"];
    is_refused(&folder, &words);
    std::fs::remove_dir_all(dir(&folder).join("wal")).unwrap();
    is_refused(&folder, &words);
}

/// One of several segments.
#[test]
fn a_segment_that_is_gone_or_misnamed_is_refused() {
    let folder = used("400000");
    drop(again(&folder, &["--snapshot-bytes", "100000000"]));
    let node = again(&folder, &["--snapshot-bytes", "100000000"]);
    drop(node);
    let paths = segments(&folder);
    assert!(paths.len() > 1, "{paths:?}");
    let away = folder.path().join("away");
    std::fs::rename(&paths[0], &away).unwrap();
    is_refused(&folder, &[".wal: the file is missing, and ", "Restore the file from a copy"]);
    std::fs::copy(&paths[1], &paths[0]).unwrap();
    is_refused(&folder, &["Files were renamed or copied; give each its own name again"]);
    std::fs::rename(&away, &paths[0]).unwrap();
    let node = again(&folder, &[]);
    assert_eq!(talk(node.plain, b"STRLEN k59\r\n"), ":20000\r\n");
}

#[test]
fn logs_of_two_nodes_that_were_swapped_are_refused() {
    let (left, right) = (used("67108864"), used("67108864"));
    let swapped = dir(&left).join("wal");
    std::fs::remove_dir_all(&swapped).unwrap();
    std::fs::rename(dir(&right).join("wal"), &swapped).unwrap();
    is_refused(&left, &["this is the write-ahead log of", "but this server is"]);
}

#[test]
fn a_node_does_not_take_another_nodes_folder() {
    let mut cluster = Cluster::start(3);
    (0..3).for_each(|node| cluster.kill(node));
    let addresses = cluster.plain().iter().map(ToString::to_string).collect::<Vec<_>>();
    let arguments = ["--listen", &addresses[1], "--nodes", &addresses.join(",")];
    let message = refused_as(&cluster.folder().join("node-0"), &arguments);
    assert!(message.contains("the folder belongs to node 0 of the cluster of"), "{message}");
    assert!(message.contains("and this is node 1"), "{message}");
    let other = ["--listen", &addresses[0], "--nodes", &addresses[..2].join(",")];
    let message = refused_as(&cluster.folder().join("node-0"), &other);
    assert!(message.contains("the folder belongs to node 0 of the cluster of"), "{message}");
    let arguments =
        ["--listen", &addresses[0], "--nodes", &addresses.join(","), "--cluster", "other"];
    let message = refused_as(&cluster.folder().join("node-0"), &arguments);
    assert!(message.contains("give the same --cluster"), "{message}");
}

#[test]
fn a_snapshot_that_was_cut_flipped_swapped_or_lost_is_refused() {
    let folder = used("100000");
    let snapshots = dir(&folder).join("snapshots");
    // The kill may have come between a snapshot's name and its record; a start leaves the one that counts.
    let node = again(&folder, &["--snapshot-bytes", "100000000"]);
    drop(node);
    let found: Vec<PathBuf> = files(&snapshots).into_keys().collect();
    let [path] = &found[..] else { panic!("one snapshot: {found:?}") };
    let right = std::fs::read(path).unwrap();
    let mut flipped = right.clone();
    flipped[right.len() / 2] ^= 1;
    std::fs::write(path, &flipped).unwrap();
    is_refused_below(
        &folder,
        "snapshots",
        &["the snapshot is damaged: its checksum is wrong", "Restore the file from a copy"],
    );
    std::fs::write(path, &right[..right.len() / 2]).unwrap();
    is_refused_below(
        &folder,
        "snapshots",
        &["the snapshot is damaged: ", "Restore the file from a copy"],
    );
    std::fs::write(path, &right[..10]).unwrap();
    is_refused_below(&folder, "snapshots", &["the snapshot is damaged: it ends too soon"]);
    std::fs::write(path, [&right[..], b"more"].concat()).unwrap();
    is_refused_below(&folder, "snapshots", &["the snapshot is damaged: "]);
    let mut newer = right.clone();
    newer[8] = 9;
    std::fs::write(path, &newer).unwrap();
    is_refused_below(
        &folder,
        "snapshots",
        &["the snapshot has format 9, and this program reads format 1"],
    );
    let mut other = right.clone();
    other[20] ^= 1;
    std::fs::write(path, &other).unwrap();
    is_refused_below(&folder, "snapshots", &["the snapshot is damaged: its header is not that of"]);
    std::fs::remove_file(path).unwrap();
    is_refused_below(
        &folder,
        "snapshots",
        &["this snapshot is missing, and the log begins behind it"],
    );
    std::fs::write(path, right).unwrap();
    let node = again(&folder, &[]);
    for number in 0..60 {
        assert_eq!(talk(node.plain, format!("STRLEN k{number}\r\n").as_bytes()), ":20000\r\n");
    }
}

/// What lies about in the folder of snapshots without a record does not count.
#[test]
fn files_without_a_record_are_no_snapshots() {
    let folder = used("100000");
    let snapshots = dir(&folder).join("snapshots");
    std::fs::write(snapshots.join("snapshot-99999999999999999999-00000000000000000001"), "x")
        .unwrap();
    std::fs::write(snapshots.join("incoming-1.part"), "x").unwrap();
    let node = again(&folder, &[]);
    assert_eq!(talk(node.plain, b"STRLEN k59\r\n"), ":20000\r\n");
    wait_for("their end", || (named(&snapshots, "").len() == 1).then_some(()));
}
