//! Which segments stay.

use super::cases::IDENTITY;
use super::sim::SimDisk;
use protocol::log::{Durable, Entry};
use protocol::{HardState, LogId, SnapshotId, Write};
use quorate::wal::{Batch, Bytes, GroupId, Options, Recovered, Sound, Wal};

const OPTIONS: Options = Options { segment_bytes: 1024, max_bytes: 8192 };
const QUIET: GroupId = GroupId(0);
const BUSY: GroupId = GroupId(1);

fn open(disk: &SimDisk, options: Options) -> (Wal<SimDisk>, Recovered) {
    Wal::open(disk.clone(), Sound, IDENTITY, options).unwrap()
}

fn append(wal: &mut Wal<SimDisk>, group: GroupId, index: u64, bytes: usize) {
    let mut batch = Batch::new();
    let command: Bytes = vec![index as u8; bytes].into();
    let write = Write::Append { first: index, term: 1, count: 1 };
    batch.push(group, &write, &[Entry::Command(command)]).unwrap();
    wal.commit(&mut batch).unwrap();
}

fn compact(wal: &mut Wal<SimDisk>, group: GroupId, index: u64) {
    let mut batch = Batch::new();
    let id = SnapshotId { last: LogId::new(1, index), runs: 1 };
    batch.push(group, &Write::Snapshot { id, keep: true }, []).unwrap();
    wal.commit(&mut batch).unwrap();
}

/// WAL-PIN. With a bound that is never met, a segment stays exactly as long as it has a live command.
#[test]
fn a_live_command_pins_its_segment() {
    let never = Options { max_bytes: u64::MAX, ..OPTIONS };
    let disk = SimDisk::new(0);
    let (mut wal, _) = open(&disk, never);
    append(&mut wal, QUIET, 1, 10);
    for index in 1..=20 {
        append(&mut wal, BUSY, index, 400);
        compact(&mut wal, BUSY, index);
    }
    assert_eq!(wal.generations().next(), Some(1), "the quiet group pins the first");
    drop(wal);
    let (mut wal, recovered) = open(&disk, never);
    assert_eq!(recovered.groups[&QUIET].oldest, Some(1));
    assert_eq!(recovered.groups[&BUSY].oldest, None);
    compact(&mut wal, QUIET, 1);
    append(&mut wal, BUSY, 21, 1000);
    append(&mut wal, BUSY, 22, 10);
    for _ in 0..8 {
        compact(&mut wal, BUSY, 22);
    }
    let left = wal.generations().count();
    assert!(left <= 3, "nobody needs most of these: {left}");
    drop(wal);
    let (wal, recovered) = open(&disk, never);
    assert_eq!(recovered.groups[&QUIET].durable.snapshot().last.index, 1);
    assert_eq!(recovered.groups[&BUSY].durable.log.last(), 22);
    assert_eq!(wal.generations().count(), 1, "a start removes all that nobody needs");
}

/// A command may be gone with its segment when the log ends without it, and be in the opening's list.
#[test]
fn what_was_forgotten_later_may_be_missing() {
    let disk = SimDisk::new(0);
    let (mut wal, _) = open(&disk, OPTIONS);
    append(&mut wal, QUIET, 1, 400);
    append(&mut wal, QUIET, 2, 1000);
    // The second segment opens with entries 1 and 2 in the first.
    append(&mut wal, QUIET, 3, 1000);
    // They are overwritten, and what overwrote them is compacted.
    append(&mut wal, QUIET, 1, 10);
    compact(&mut wal, QUIET, 1);
    append(&mut wal, BUSY, 1, 10);
    append(&mut wal, BUSY, 2, 10);
    assert!(!wal.generations().any(|generation| generation == 1), "the first is gone");
    drop(wal);
    let (_, recovered) = open(&disk, OPTIONS);
    let durable = &recovered.groups[&QUIET].durable;
    assert_eq!((durable.terms.base().index, durable.log.last()), (1, 1));
}

/// Beyond the bound the quiet group's commands are copied, again and again.
#[test]
fn the_oldest_segments_commands_are_copied() {
    let disk = SimDisk::new(0);
    let (mut wal, _) = open(&disk, OPTIONS);
    let (mut quiet, mut batch) = (Durable::<Bytes>::default(), Batch::new());
    let hard = Write::HardState(HardState { term: 3, vote: None });
    let entries: Vec<Entry<Bytes>> = (0..6u8)
        .map(|n| if n == 3 { Entry::NoOp } else { Entry::Command(vec![n; 300].into()) })
        .collect();
    for (write, entries) in
        [(hard, &entries[..0]), (Write::Append { first: 1, term: 2, count: 6 }, &entries[..])]
    {
        batch.push(QUIET, &write, entries).unwrap();
        quiet.apply(&write, entries.iter().cloned());
    }
    wal.commit(&mut batch).unwrap();
    let mut most = 0;
    for index in 1..=200 {
        append(&mut wal, BUSY, index, 400);
        compact(&mut wal, BUSY, index);
        most = most.max(wal.bytes());
        if index % 50 == 0 {
            drop(wal);
            let (again, recovered) = open(&disk, OPTIONS);
            assert_eq!(recovered.groups[&QUIET].durable, quiet);
            wal = again;
        }
    }
    assert!(wal.generations().next() > Some(50), "old segments went");
    // A header, an opening with copies, batches: four times the bytes after which a segment this short ends. One more
    // than there may be, and the last.
    assert!(most <= OPTIONS.max_bytes + 8 * OPTIONS.segment_bytes, "{most} bytes");
}

/// How many bytes a segment's opening has.
fn opening(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[520..524].try_into().unwrap())
}

/// As a node cuts its log, two groups whose snapshots come late, in turn, and one that does nothing: only the one
/// command of the latter is ever copied.
#[test]
fn nothing_is_copied_in_vain() {
    const BOUND: u64 = 160 << 10;
    let quorate::raft::Bounds { log: options, most: full, .. } =
        quorate::raft::Bounds::new(3, BOUND);
    let disk = SimDisk::new(0);
    let (mut wal, _) = open(&disk, options);
    append(&mut wal, QUIET, 1, 10);
    let (mut most, mut seen) = (0, 1);
    for index in 1..=1600 {
        for (group, phase) in [(BUSY, 0), (GroupId(2), 200)] {
            append(&mut wal, group, index, 440);
            // 400 of them, in sectors, are 1.25 times the bound.
            if index % 400 == phase && index > 400 {
                compact(&mut wal, group, index);
            }
        }
        most = most.max(wal.bytes());
        let last = wal.generations().last().unwrap();
        if last != seen {
            seen = last;
            let (_, bytes) = disk.files().pop_last().unwrap();
            assert!(opening(&bytes) < 512, "an opening of {} bytes", opening(&bytes));
        }
    }
    drop(wal);
    let (_, recovered) = open(&disk, options);
    assert!(recovered.groups[&QUIET].oldest > Some(1), "it was copied");
    assert!(seen > 90, "{seen} segments");
    assert!(most < full, "{most} bytes, and callers wait from {full} on");
}

/// What a snapshot makes the log forget is freed with the batches behind it, however large these are; a start frees it
/// all.
#[test]
fn what_is_forgotten_is_freed() {
    const EACH: usize = 3000;
    let options = Options { segment_bytes: 1 << 20, max_bytes: u64::MAX };
    let disk = SimDisk::new(0);
    let (mut wal, _) = open(&disk, options);
    let commands: Vec<Entry<Bytes>> =
        (0..EACH).map(|n| Entry::Command(vec![n as u8; 3].into())).collect();
    let mut batch = Batch::new();
    let mut most = 0;
    for round in 0..20 {
        let first = round * EACH as u64 + 1;
        let write = Write::Append { first, term: 1, count: EACH as u32 };
        batch.push(BUSY, &write, &commands).unwrap();
        wal.commit(&mut batch).unwrap();
        if round % 5 == 4 {
            compact(&mut wal, BUSY, first + EACH as u64 - 1);
            most = most.max(wal.forgotten());
        }
    }
    // Five rounds are forgotten at once, and 1,024 go with the batch that says so.
    assert_eq!(most, 5 * EACH - 1024);
    for index in 1..=20 {
        append(&mut wal, QUIET, index, 1);
    }
    assert_eq!(wal.forgotten(), 0, "they go with another group's batches too");
    compact(&mut wal, QUIET, 20);
    drop(wal);
    let (wal, _) = open(&disk, options);
    assert_eq!(wal.forgotten(), 0);
}

/// A snapshot frees many segments. They go one by one, between writes.
#[test]
fn free_segments_go_one_by_one() {
    let never = Options { segment_bytes: 8 << 10, max_bytes: u64::MAX };
    let disk = SimDisk::new(0);
    let (mut wal, _) = open(&disk, never);
    for index in 1..=400 {
        append(&mut wal, BUSY, index, 400);
    }
    let many = wal.generations().count();
    assert!(many > 20, "{many} segments");
    compact(&mut wal, BUSY, 400);
    let (mut count, mut steps) = (many, 0);
    for index in 401..=500 {
        append(&mut wal, BUSY, index, 10);
        compact(&mut wal, BUSY, index);
        let (first, last) = (wal.generations().next().unwrap(), wal.generations().last().unwrap());
        let now = wal.generations().count();
        assert_eq!(now as u64, last - first + 1);
        assert!(now + 1 >= count, "from {count} to {now}");
        steps += usize::from(now < count);
        count = now;
    }
    assert!(count <= 3 && steps >= many - 3, "{count} are left after {steps} removals");
}

/// A start needs no bytes of commands: it begins a generation, and leaves them where they are.
#[test]
fn every_start_begins_a_generation() {
    let disk = SimDisk::new(0);
    for life in 1..=3 {
        let (mut wal, _) = open(&disk, OPTIONS);
        assert_eq!(wal.generations().last(), Some(life));
        append(&mut wal, BUSY, life, 200);
    }
    assert!(disk.files().values().all(|bytes| opening(bytes) < 200), "no command was copied");
}

/// Where a file's last sector ends that is not all zeros.
fn written(bytes: &[u8]) -> usize {
    let last = bytes.chunks(512).rposition(|sector| sector.iter().any(|byte| *byte != 0));
    last.map_or(0, |last| (last + 1) * 512)
}

/// WAL-ROLL-4: only the last segment has room behind its end; who is killed leaves it there, and it is no torn tail.
#[test]
fn room_is_taken_ahead_and_given_back() {
    let disk = SimDisk::new(0).reserves(true);
    let mut compared = 0;
    for life in 0..4 {
        let (mut wal, recovered) = open(&disk, OPTIONS);
        assert!(recovered.cut.is_none(), "{:?}", recovered.cut);
        let last = recovered.groups.get(&BUSY).map_or(0, |group| group.durable.log.last());
        assert_eq!(last, life * 10);
        for index in life * 10 + 1..=life * 10 + 10 {
            append(&mut wal, BUSY, index, 100);
            let files = disk.files();
            let (_, current) = files.last_key_value().unwrap();
            assert!(current.len() >= written(current) && current.len() % 512 == 0);
            compared += usize::from(current.len() > written(current));
        }
        if life == 2 {
            wal.close().unwrap();
        } else {
            drop(wal);
        }
        let files = disk.files();
        let rest = files.values().rev().skip(usize::from(life != 2));
        assert!(rest.clone().count() > 2);
        assert!(rest.into_iter().all(|bytes| bytes.len() == written(bytes)));
    }
    assert!(compared > 20, "there was room {compared} times");
}

/// A disk that has room for what is written and not for what is taken ahead.
#[test]
fn a_full_disk_refuses_nothing_early() {
    let disk = SimDisk::new(0).reserves(true);
    let (mut wal, _) = open(&disk, OPTIONS);
    append(&mut wal, BUSY, 1, 100);
    wal.sync().unwrap();
    let used = |disk: &SimDisk| disk.files().values().map(Vec::len).sum::<usize>();
    disk.arm(super::sim::Fault::Room(used(&disk) + 512));
    let before = used(&disk);
    append(&mut wal, BUSY, 2, 600);
    assert!(used(&disk) <= before + 512);
    drop(wal);
    disk.restart();
    let (_, recovered) = open(&disk, OPTIONS);
    assert_eq!(recovered.groups[&BUSY].durable.log.last(), 2);
}
