//! `WAL.md`'s tables, read by a second encoder that is written from them alone.

use super::cases::IDENTITY;
use super::sim::SimDisk;
use protocol::log::Entry;
use protocol::{HardState, LogId, NodeId, SnapshotId, Write};
use quorate::wal::{Batch, Bytes, Error, GroupId, Options, Sound, Wal};

/// Numbers, little-endian, one behind the other.
#[derive(Default)]
struct Bytewise(Vec<u8>);

impl Bytewise {
    fn u8(mut self, number: u8) -> Self {
        self.0.push(number);
        self
    }

    fn u16(mut self, number: u16) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u32(mut self, number: u32) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u64(mut self, number: u64) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn text(mut self, text: &[u8]) -> Self {
        self.0.extend(text);
        self
    }
}

fn header(generation: u64, previous: &[Vec<u8>]) -> Vec<u8> {
    let low = Bytewise::default().text(b"quor-wal").u32(1).0;
    let identity = Bytewise::default().u64(0xc105_7e12).u64(0).u64(7);
    // Header and batches have their checksums at different places.
    let sum_at = |(number, part): (usize, &Vec<u8>)| {
        let at = if number == 0 { 12 } else { 4 };
        part[at..at + 4].to_vec()
    };
    let sums: Vec<u8> = previous.iter().enumerate().flat_map(sum_at).collect();
    let length = previous.concat().len() as u64;
    let mut high = identity.u64(generation).u64(length).u32(crc32c::crc32c(&sums)).0;
    high.resize(512 - 16, 0);
    let sum = crc32c::crc32c(&[low.clone(), high.clone()].concat());
    [low, sum.to_le_bytes().to_vec(), high].concat()
}

fn batch(
    magic: &[u8; 4],
    generation: u64,
    position: u64,
    durable: u64,
    records: &[Vec<u8>],
) -> Vec<u8> {
    let body = records.concat();
    let counts = Bytewise::default().u32(body.len() as u32).u32(records.len() as u32);
    let mut rest = counts.u64(generation).u64(position).u64(durable).text(&body).0;
    rest.resize((8 + rest.len()).next_multiple_of(512) - 8, 0);
    let seed = crc32c::crc32c(&generation.to_le_bytes());
    let sum = crc32c::crc32c_append(seed, &[magic.to_vec(), rest.clone()].concat());
    [magic.to_vec(), sum.to_le_bytes().to_vec(), rest].concat()
}

fn record(group: u16, kind: u8, flags: u8) -> Bytewise {
    Bytewise::default().u16(group).u8(kind).u8(flags)
}

#[test]
fn the_bytes_are_those_of_the_tables() {
    let disk = SimDisk::new(0);
    let options = Options { segment_bytes: 512, max_bytes: 16 << 10 };
    let (mut wal, _) = Wal::open(disk.clone(), Sound, IDENTITY, options).unwrap();
    let mut batch_of = Batch::new();
    let command: Bytes = b"abc"[..].into();
    let snapshot = SnapshotId { last: LogId::new(2, 9), runs: 1 };
    let writes = [
        Write::HardState(HardState { term: 3, vote: Some(NodeId(2)) }),
        Write::Snapshot { id: snapshot, keep: false },
        Write::Append { first: 10, term: 3, count: 2 },
    ];
    for write in &writes {
        let entries = [Entry::NoOp, Entry::Command(Bytes::clone(&command))];
        batch_of.push(GroupId(5), write, &entries).unwrap();
    }
    wal.commit(&mut batch_of).unwrap();
    let second =
        Write::Snapshot { id: SnapshotId { last: LogId::new(3, 10), runs: 2 }, keep: true };
    batch_of.push(GroupId(5), &second, []).unwrap();
    wal.commit(&mut batch_of).unwrap();
    wal.close().unwrap();

    let hard = || record(5, 1, 1).u64(3).u8(2).0;
    let snapshot = || record(5, 3, 0).u64(9).u64(2).u64(1).0;
    let entries = record(5, 2, 0).u64(10).u64(3).u32(2).u32(0).u32(4).text(b"abc").0;
    let first = [
        header(1, &[]),
        batch(b"qopn", 1, 512, 512, &[]),
        batch(b"qbat", 1, 1024, 1024, &[hard(), snapshot(), entries]),
    ];
    let no_op = record(5, 2, 0).u64(10).u64(3).u32(1).u32(0).0;
    let elsewhere = record(5, 4, 0).u64(11).u64(3).u32(1).0;
    let compaction = record(5, 3, 1).u64(10).u64(3).u64(2).0;
    let second = [
        header(2, &first),
        batch(b"qopn", 2, 512, 512, &[snapshot(), hard(), no_op, elsewhere]),
        batch(b"qbat", 2, 1024, 1024, &[compaction]),
        batch(b"qbat", 2, 1536, 1536, &[]),
    ];
    let files = disk.files();
    assert!(files.keys().eq(["00000000000000000001.wal", "00000000000000000002.wal"]));
    assert_eq!(files["00000000000000000001.wal"], first.concat());
    assert_eq!(files["00000000000000000002.wal"], second.concat());
}

/// Records with a wrong byte under a right checksum, which only a bug could write: whatever they are, the
/// start ends with a state or a refusal, and never stops the process.
#[test]
fn sealed_nonsense_never_panics() {
    let records = [
        record(5, 3, 0).u64(9).u64(2).u64(1).0,
        record(5, 1, 1).u64(3).u8(2).0,
        record(5, 2, 0).u64(10).u64(3).u32(2).u32(0).u32(4).text(b"abc").0,
        record(5, 2, 0).u64(11).u64(4).u32(1).u32(0).0,
        record(5, 3, 1).u64(10).u64(3).u64(2).0,
    ];
    let header = header(1, &[]);
    let (mut good, mut bad) = (0, 0);
    for number in 0..records.len() {
        for (at, wrong) in (0..records[number].len()).flat_map(|at| (0..=255).map(move |b| (at, b)))
        {
            let mut records = records.clone();
            records[number][at] = wrong;
            let (first, second) = records.split_at(2);
            let opening = batch(b"qopn", 1, 512, 512, first);
            let second = batch(b"qbat", 1, 1024, 1024, second);
            let file = [header.clone(), opening, second].concat();
            let files = [("00000000000000000001.wal".to_string(), file)].into();
            match Wal::open(SimDisk::with(&files), Sound, IDENTITY, Options::default()) {
                Ok(_) => good += 1,
                Err(Error::Damaged { .. }) => bad += 1,
                Err(error) => panic!("byte {at} of record {number} as {wrong}: {error}"),
            }
        }
    }
    assert!(good > 1000 && bad > 1000, "{good} are followed, {bad} refused");
}
