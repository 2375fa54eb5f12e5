//! Each way in which a log can't go on: which error it is, and that its message names the file and says
//! what to do.

use super::cases::{Groups, IDENTITY};
use super::sim::{Fault, SimDisk};
use protocol::log::Entry;
use protocol::{HardState, LogId, SnapshotId, Write};
use quorate::wal::{Batch, Bytes, Error, GroupId, Identity, MAX_BATCH_BYTES, Options, Sound, Wal};
use std::collections::BTreeMap;

type Log = Wal<SimDisk>;

const OPTIONS: Options = Options { segment_bytes: 1024, max_bytes: 16 << 10 };
const GROUP: GroupId = GroupId(3);

fn open(disk: &SimDisk) -> Result<(Log, Groups), Error> {
    let (wal, recovered) = Wal::open(disk.clone(), Sound, IDENTITY, OPTIONS)?;
    let groups = recovered.groups.into_iter().map(|(id, group)| (id, group.durable)).collect();
    Ok((wal, groups))
}

fn append(batch: &mut Batch, content: u64, index: u64, bytes: usize) {
    let command: Bytes = vec![content as u8; bytes].into();
    let write = Write::Append { first: index, term: 1, count: 1 };
    batch.push(GROUP, &write, &[Entry::Command(command)]).unwrap();
}

/// A log of some segments, all of which are needed.
fn recorded(life: u64) -> BTreeMap<String, Vec<u8>> {
    let disk = SimDisk::new(0);
    let (mut wal, _) = open(&disk).unwrap();
    let mut batch = Batch::new();
    for index in 1..=8 {
        append(&mut batch, index * life, index, 400);
        wal.commit(&mut batch).unwrap();
    }
    assert!(wal.generations().eq(1..=4));
    drop(wal);
    disk.files()
}

fn name(generation: u64) -> String {
    format!("{generation:020}.wal")
}

fn refused(files: &BTreeMap<String, Vec<u8>>) -> Error {
    let disk = SimDisk::with(files);
    let error = open(&disk).expect_err("it is refused");
    assert_eq!(disk.files(), *files, "a folder that is refused stays as it was");
    error
}

/// The message names a file and has these words in it.
fn says(error: &Error, file: &str, words: &[&str]) {
    let text = error.to_string();
    for word in [file].iter().chain(words) {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

#[test]
fn a_folder_in_use() {
    let disk = SimDisk::new(0);
    let (wal, _) = open(&disk).unwrap();
    let error = open(&disk).expect_err("somebody has it");
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    says(&error, "/sim", &["another process", "Stop it"]);
    drop(wal);
    open(&disk).expect("nobody has it");
}

#[test]
fn a_folder_of_another_node_or_cluster() {
    for (cluster, node) in [(IDENTITY.cluster, 8), (5, IDENTITY.node)] {
        let expected = Identity { cluster, node };
        let disk = SimDisk::with(&recorded(1));
        let error = Wal::open(disk, Sound, expected, OPTIONS).expect_err("it is another's");
        let same = matches!(error, Error::Foreign { found, expected: e, .. }
            if found == IDENTITY && e == expected);
        assert!(same, "{error}");
        says(&error, &name(1), &["node 7", &format!("node {node}"), "Start it with the folder"]);
    }
}

#[test]
fn an_older_version() {
    let mut files = recorded(1);
    let header = files.get_mut(&name(1)).unwrap();
    header[8..12].copy_from_slice(&0u32.to_le_bytes());
    let sum = crc32c::crc32c_append(crc32c::crc32c(&header[..12]), &header[16..512]);
    header[12..16].copy_from_slice(&sum.to_le_bytes());
    let error = refused(&files);
    assert!(matches!(error, Error::Version { found: 0, .. }), "{error}");
    says(&error, &name(1), &["version 0", "version 1", "Start the release that wrote it"]);
}

#[test]
fn swapped_segments() {
    let mut files = recorded(1);
    let (two, three) = (files[&name(2)].clone(), files[&name(3)].clone());
    files.insert(name(2), three);
    files.insert(name(3), two);
    let error = refused(&files);
    assert!(matches!(error, Error::Misnamed { named: 2, found: 3, .. }), "{error}");
    says(&error, &name(2), &[&name(3), "give each its own name"]);
}

#[test]
fn missing_segments() {
    for generation in 1..=3 {
        let mut files = recorded(1);
        files.remove(&name(generation));
        let error = refused(&files);
        assert!(matches!(error, Error::Missing { .. }), "{error}");
        says(&error, &name(generation), &["is missing", "Restore the file", "new id"]);
    }
}

/// A folder that was emptied and used again under the old id: its files have the same names, node and
/// lengths, and even terms.
#[test]
fn a_segment_of_another_life() {
    for generation in 1..=3 {
        let (mut files, other) = (recorded(1), recorded(2));
        files.insert(name(generation), other[&name(generation)].clone());
        let error = refused(&files);
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        says(&error, "/sim", &["damaged at byte", "Restore the file"]);
    }
}

#[test]
fn damage_says_where() {
    let mut files = recorded(1);
    let at = files[&name(4)].len() - 1024 + 100;
    files.get_mut(&name(4)).unwrap()[at] ^= 1;
    let error = refused(&files);
    let first = (at / 512 * 512) as u64;
    assert!(matches!(error, Error::Damaged { offset, .. } if offset == first), "{error}");
    says(&error, &name(4), &[&format!("byte {first}"), "checksum", "Restore the file"]);
}

/// WAL-SYNC, WAL-FATAL.
#[test]
fn a_failed_sync_is_final() {
    let disk = SimDisk::new(0);
    let (mut wal, _) = open(&disk).unwrap();
    let mut batch = Batch::new();
    append(&mut batch, 0, 1, 10);
    wal.commit(&mut batch).unwrap();
    append(&mut batch, 0, 2, 10);
    disk.arm(Fault::Sync(0));
    let error = wal.commit(&mut batch).expect_err("the sync fails");
    assert!(matches!(error, Error::Io { action: "sync", .. }), "{error}");
    says(&error, &name(1), &["can't sync", "device", "start the server again"]);
    let files = disk.files();
    append(&mut batch, 0, 3, 10);
    for again in [wal.write(&mut batch), wal.sync(), wal.commit(&mut batch), wal.close()] {
        assert_eq!(again.expect_err("it stays so").to_string(), error.to_string());
    }
    assert_eq!(disk.files(), files, "a log that has failed touches no file");
}

#[test]
fn a_full_disk() {
    let disk = SimDisk::new(0);
    let (mut wal, _) = open(&disk).unwrap();
    let mut batch = Batch::new();
    append(&mut batch, 0, 1, 10);
    wal.commit(&mut batch).unwrap();
    // Of the next batch two sectors of four find room.
    let used: usize = disk.files().values().map(Vec::len).sum();
    disk.arm(Fault::Room(used + 1024));
    append(&mut batch, 0, 2, 1800);
    let error = wal.commit(&mut batch).expect_err("the disk is full");
    assert!(matches!(error, Error::Full { .. }), "{error}");
    says(&error, &name(1), &["no space", "free some space", "Nothing that was acknowledged"]);
    assert_eq!(wal.sync().expect_err("it stays so").to_string(), error.to_string());
    drop(wal);
    // A start needs room, too: for its opening. The torn batch has gone by then, and gives some.
    disk.arm(Fault::Room(used + 512));
    let error = open(&disk).expect_err("the disk is still full");
    assert!(matches!(error, Error::Full { .. }), "{error}");
    says(&error, &name(2), &["no space", "free some space"]);
    disk.restart();
    let (_, groups) = open(&disk).expect("there is room again");
    assert_eq!(groups[&GROUP].log.last(), 1, "what was acknowledged is there");
}

#[test]
fn a_write_that_does_not_follow() {
    let id = |term, index| SnapshotId { last: LogId::new(term, index), runs: 1 };
    let append = |first, term| Write::Append { first, term, count: 1 };
    let wrong = [
        append(0, 3),
        append(3, 3),
        append(6, 3),
        append(5, 1),
        append(u64::MAX, 3),
        Write::HardState(HardState { term: 1, vote: None }),
        Write::Snapshot { id: id(2, 2), keep: true },
        Write::Snapshot { id: id(2, 5), keep: true },
        Write::Snapshot { id: id(9, 3), keep: true },
        Write::Snapshot { id: id(9, u64::MAX), keep: false },
    ];
    for write in wrong {
        let disk = SimDisk::new(0);
        let (mut wal, _) = open(&disk).unwrap();
        let mut batch = Batch::new();
        let entries = [Entry::NoOp];
        for good in [
            Write::HardState(HardState { term: 2, vote: None }),
            Write::Snapshot { id: id(2, 3), keep: false },
            append(4, 2),
        ] {
            batch.push(GROUP, &good, &entries).unwrap();
        }
        wal.commit(&mut batch).unwrap();
        batch.push(GROUP, &write, &entries).unwrap();
        let error = wal.commit(&mut batch).expect_err("it does not follow");
        assert!(matches!(error, Error::Invalid { group: GROUP, .. }), "{write:?}: {error}");
        says(&error, "group g3", &["bug", "report it"]);
        assert!(wal.sync().is_err(), "it stays so");
    }
}

#[test]
fn a_batch_that_is_too_large() {
    let mut batch = Batch::new();
    append(&mut batch, 0, 1, 10);
    let bytes = batch.bytes();
    let command: Bytes = vec![0; MAX_BATCH_BYTES / 4].into();
    let write = Write::Append { first: 2, term: 1, count: 4 };
    let error = batch.push(GROUP, &write, &vec![Entry::Command(command); 4]);
    let error = error.expect_err("it is too large");
    assert!(matches!(error, Error::TooLarge { bytes } if bytes > MAX_BATCH_BYTES), "{error}");
    says(&error, "batch", &["Write the batch first"]);
    let error = batch.push(GROUP, &write, &[Entry::NoOp]).expect_err("entries are missing");
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
    assert_eq!((batch.len(), batch.bytes()), (1, bytes), "the batch is as it was");
}
