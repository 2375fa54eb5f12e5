//! The log's format a second time, as `impl/WAL.md` draws it: which batches have a right checksum and which commands
//! are in them, and any records under right checksums. Nothing here is the log's own code.

use super::super::bytes::Choices;
use super::ram::Files;
use quorate::wal::Identity;
use std::collections::BTreeSet;

const SECTOR: usize = 512;
const HEADER: usize = 40;
/// More commands in earlier segments than this are not said here: each takes room in memory on its word.
const MOST_ELSEWHERE: u32 = 0xfff;

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut sum = at as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0x82f6_3b78 } else { sum >> 1 };
            bit += 1;
        }
        table[at] = sum;
        at += 1;
    }
    table
};

/// CRC32C of more bytes behind those of which it is `sum`.
pub fn crc32c(sum: u32, bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| TABLE[((sum ^ u32::from(*byte)) & 0xff) as usize] ^ (sum >> 8);
    !bytes.iter().fold(!sum, step)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn batch_sum(generation: u64, batch: &[u8]) -> u32 {
    let seed = crc32c(0, &generation.to_le_bytes());
    crc32c(crc32c(seed, &batch[..4]), &batch[8..])
}

/// The batch at a place, openings included, if its checksum is right.
fn batch(file: &[u8], generation: u64, at: usize) -> Option<&[u8]> {
    let rest = file.get(at..).filter(|rest| rest.len() >= HEADER)?;
    let magic = [&b"qbat"[..], b"qopn"].contains(&&rest[..4]);
    let length = (HEADER + u32_at(rest, 8) as usize).next_multiple_of(SECTOR);
    let batch = rest.get(..length).filter(|_| magic)?;
    let right = u32_at(batch, 4) == batch_sum(generation, batch)
        && u64_at(batch, 16) == generation
        && u64_at(batch, 24) == at as u64;
    right.then_some(batch)
}

/// All batches with right checksums: generation and bytes, among them their position.
pub fn batches(files: &Files) -> BTreeSet<(u64, Vec<u8>)> {
    let mut found = BTreeSet::new();
    for (name, file) in files {
        let Some(generation) = name.strip_suffix(".wal").and_then(|name| name.parse().ok()) else {
            continue;
        };
        let places = (SECTOR..file.len()).step_by(SECTOR);
        let batches = places.filter_map(|at| batch(file, generation, at));
        found.extend(batches.map(|batch| (generation, batch.to_vec())));
    }
    found
}

/// All commands in them: group, index, term, bytes.
pub fn commands(files: &Files) -> BTreeSet<(u16, u64, u64, Vec<u8>)> {
    let mut found = BTreeSet::new();
    for (_, batch) in batches(files) {
        let length = u32_at(&batch, 8) as usize;
        let mut rest = &batch[HEADER..HEADER + length];
        while let Some(size) = record_bytes(rest) {
            let (record, behind) = rest.split_at(size);
            rest = behind;
            if record[2] != 2 {
                continue;
            }
            let group = u16::from_le_bytes([record[0], record[1]]);
            let (first, term) = (u64_at(record, 4), u64_at(record, 12));
            let mut at = 24;
            for number in 0..u64::from(u32_at(record, 20)) {
                let bytes = (u32_at(record, at) as usize).checked_sub(1);
                at += 4;
                if let Some(bytes) = bytes {
                    let command = record[at..at + bytes].to_vec();
                    found.insert((group, first.wrapping_add(number), term, command));
                    at += bytes;
                }
            }
        }
    }
    found
}

/// How long the record is that the bytes begin with; none if it is none.
fn record_bytes(bytes: &[u8]) -> Option<usize> {
    let length = match bytes.get(2)? {
        1 => 4 + 9,
        3 => 4 + 24,
        4 => 4 + 20,
        2 => {
            let mut at = 24;
            bytes.get(..at)?;
            for _ in 0..u32_at(bytes, 20) {
                bytes.get(at..at + 4)?;
                at += 4 + (u32_at(bytes, at) as usize).saturating_sub(1);
            }
            at
        }
        _ => return None,
    };
    bytes.get(..length).map(|_| length)
}

/// Records as they are chosen, but none that says more than its bytes bear out.
fn records(choices: &mut Choices<'_>) -> (Vec<u8>, u32) {
    let length = usize::from(choices.short() % 1024);
    let mut body = choices.take(length).to_vec();
    let (mut at, mut count) = (0, 0);
    while let Some(size) = record_bytes(&body[at..]) {
        if body[at + 2] == 4 {
            let elsewhere = u32_at(&body, at + 20).min(MOST_ELSEWHERE);
            body[at + 20..at + 24].copy_from_slice(&elsewhere.to_le_bytes());
        }
        at += size;
        count += 1;
    }
    // Nearly always exactly what is a record.
    if choices.byte() != 255 {
        body.truncate(at);
    }
    (body, count)
}

/// Files of any records with right headers and checksums.
pub fn sealed(identity: Identity, choices: &mut Choices<'_>) -> Files {
    let mut files = Files::new();
    let mut previous = (0_u64, 0_u32);
    for generation in 1..=1 + choices.below(3) as u64 {
        let mut file = vec![0; SECTOR];
        file[..8].copy_from_slice(b"quor-wal");
        file[8] = 1;
        file[16..32].copy_from_slice(&identity.cluster.to_le_bytes());
        file[32..40].copy_from_slice(&identity.node.to_le_bytes());
        file[40..48].copy_from_slice(&generation.to_le_bytes());
        file[48..56].copy_from_slice(&previous.0.to_le_bytes());
        file[56..60].copy_from_slice(&previous.1.to_le_bytes());
        let sum = crc32c(crc32c(0, &file[..12]), &file[16..]);
        file[12..16].copy_from_slice(&sum.to_le_bytes());
        let mut sums = crc32c(0, &sum.to_le_bytes());
        for number in 0..=choices.below(5) {
            let (body, count) = records(choices);
            let mut batch = if number == 0 { b"qopn".to_vec() } else { b"qbat".to_vec() };
            batch.extend([0; 4]);
            batch.extend((body.len() as u32).to_le_bytes());
            batch.extend(count.to_le_bytes());
            batch.extend(generation.to_le_bytes());
            batch.extend((file.len() as u64).to_le_bytes());
            let mark = file.len() - file.len().min(choices.below(4) * SECTOR);
            batch.extend((mark as u64).to_le_bytes());
            batch.extend(body);
            batch.resize(batch.len().next_multiple_of(SECTOR), 0);
            let sum = batch_sum(generation, &batch);
            batch[4..8].copy_from_slice(&sum.to_le_bytes());
            sums = crc32c(sums, &sum.to_le_bytes());
            file.extend(batch);
        }
        previous = (file.len() as u64, sums);
        files.insert(super::name(generation), file);
    }
    files
}
