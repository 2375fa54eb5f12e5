//! The log on the operating system's own files.

use super::cases::{Groups, IDENTITY, Step, resolve};
use quorate::disk::{Disk, Folder};
use quorate::wal::{Batch, Error, GroupId, Options, Recovered, SECTOR, Sound, Wal};
use std::path::PathBuf;

const OPTIONS: Options = Options { segment_bytes: 2048, max_bytes: 4096 };

/// A folder for a test, without what the last run of the test has left.
fn folder(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("wal").join(test);
    if path.exists() {
        std::fs::remove_dir_all(&path).unwrap();
    }
    path
}

fn groups(recovered: Recovered) -> Groups {
    recovered.groups.into_iter().map(|(id, group)| (id, group.durable)).collect()
}

#[test]
fn what_was_written_is_found() {
    let path = folder("round").join("deeper");
    let (mut now, mut batch, mut fresh) = (Groups::new(), Batch::new(), 0);
    for life in 0..5 {
        let disk = Folder::new(&path).unwrap();
        let (mut wal, recovered) = Wal::open(disk, Sound, IDENTITY, OPTIONS).unwrap();
        assert_eq!(groups(recovered), now, "life {life}");
        for round in 0..12 {
            for group in 0..2 {
                let step = match (round + u64::from(group)) % 4 {
                    0 => Step::HardState { rise: 1, vote: 1 },
                    3 => Step::Compact { at: round },
                    _ => Step::Append { back: 20, rise: 1, count: 3, size: 100 },
                };
                let durable = now.entry(GroupId(group)).or_default();
                let (write, entries) = resolve(step, durable, &mut fresh);
                batch.push(GroupId(group), &write, &entries).unwrap();
                durable.apply(&write, entries.into_iter());
            }
            wal.commit(&mut batch).unwrap();
        }
        assert!(wal.generations().count() <= 4, "old segments go");
        if life % 2 == 0 {
            wal.close().unwrap();
        }
    }
}

#[test]
fn a_torn_file_is_cut() {
    let path = folder("torn");
    let disk = Folder::new(&path).unwrap();
    let (mut wal, _) = Wal::open(disk.clone(), Sound, IDENTITY, OPTIONS).unwrap();
    let (mut now, mut batch, mut fresh) = (Groups::new(), Batch::new(), 0);
    let durable = now.entry(GroupId(0)).or_default();
    let step = Step::Append { back: 20, rise: 1, count: 3, size: 100 };
    let (write, entries) = resolve(step, durable, &mut fresh);
    batch.push(GroupId(0), &write, &entries).unwrap();
    durable.apply(&write, entries.into_iter());
    wal.commit(&mut batch).unwrap();
    drop(wal);
    let file = disk.path("00000000000000000001.wal");
    let mut bytes = std::fs::read(&file).unwrap();
    // Behind the batch there is room at most.
    let good = 3 * SECTOR;
    assert!(bytes[good - SECTOR] != 0 && bytes[good..].iter().all(|byte| *byte == 0));
    bytes.truncate(good);
    bytes.extend([7; 700]);
    std::fs::write(&file, bytes).unwrap();
    let (_, recovered) = Wal::open(disk, Sound, IDENTITY, OPTIONS).unwrap();
    let cut = recovered.cut.clone().expect("the tail is cut");
    assert_eq!((cut.path, cut.offset, cut.bytes), (file.clone(), good as u64, 700));
    assert_eq!(groups(recovered), now);
    assert_eq!(std::fs::metadata(file).unwrap().len(), good as u64);
}

#[test]
fn a_folder_in_use_is_refused() {
    let path = folder("lock");
    let disk = Folder::new(&path).unwrap();
    let (wal, _) = Wal::open(disk.clone(), Sound, IDENTITY, OPTIONS).unwrap();
    let error = Wal::open(disk.clone(), Sound, IDENTITY, OPTIONS).expect_err("it is in use");
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    drop(wal);
    Wal::open(disk, Sound, IDENTITY, OPTIONS).expect("it is free again");
}

/// The disk's thread owns the log, and the cores fill batches.
#[test]
fn the_log_and_its_batches_go_to_threads() {
    fn may_go<T: Send + 'static>() {}
    may_go::<Wal<Folder>>();
    may_go::<Batch>();
    may_go::<Error>();
}
