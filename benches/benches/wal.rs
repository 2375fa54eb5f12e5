//! The write-ahead log on a real disk: batches of one to many entries, each made durable by one sync.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use protocol::log::Entry;
use protocol::{HardState, LogId, SnapshotId, Write};
use quorate::disk::Folder;
use quorate::wal::{Batch, Bytes, GroupId, Identity, Options, Sound, Wal};
use std::path::PathBuf;

const GROUP: GroupId = GroupId(0);

/// A folder below the target folder: a real disk, unlike many systems' folder for temporary files.
fn folder() -> PathBuf {
    let target = option_env!("CARGO_TARGET_TMPDIR").unwrap_or("target/tmp");
    let folder = PathBuf::from(target).join(format!("wal-{}", std::process::id()));
    // What an interrupted run left.
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn commit(c: &mut Criterion) {
    let path = folder();
    let disk = Folder::new(&path).expect("the target folder can be written");
    let identity = Identity { cluster: 1, node: 0 };
    let (mut wal, _) = Wal::open(disk, Sound, identity, Options::default()).expect("it is new");
    let entry: Entry<Bytes> = Entry::Command(Bytes::from([7; 100]));
    let (mut first, mut kept) = (1, 1);
    let mut batch = Batch::new();
    let hard = HardState { term: 1, vote: None };
    batch.push(GROUP, &Write::HardState(hard), []).expect("it fits");
    let mut group = c.benchmark_group("group commit, entries of 100 bytes");
    for count in [1u32, 16, 256, 4096] {
        let entries = vec![entry.clone(); count as usize];
        group.throughput(Throughput::Elements(count.into()));
        group.bench_function(format!("{count}"), |b| {
            b.iter(|| {
                let write = Write::Append { first, term: 1, count };
                batch.push(GROUP, &write, &entries).expect("it fits");
                wal.commit(&mut batch).expect("the disk works");
                first += u64::from(count);
                // As a server does: a snapshot now and then keeps the log short.
                if first - kept > 1 << 18 {
                    kept = first;
                    let id = SnapshotId { last: LogId::new(1, first - 1), runs: 1 };
                    let write = Write::Snapshot { id, keep: true };
                    batch.push(GROUP, &write, []).expect("it fits");
                }
            });
        });
    }
    group.finish();
    drop(wal);
    // What is left goes with the target folder.
    let _ = std::fs::remove_dir_all(&path);
}

criterion_group!(benches, commit);
criterion_main!(benches);
