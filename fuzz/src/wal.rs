//! The write-ahead log out of files. Whatever is in the folder, a start ends in an error that leaves everything as it
//! was, or in a log that goes on; and no entry comes out that did not stand under a right checksum. Where nothing but
//! what was written has a right checksum, the state is one that the log was in.

mod life;
mod ram;
mod second;

use super::bytes::{Choices, tail};
use life::Life;
use protocol::Write;
use protocol::log::{Durable, Entry};
use quorate::wal::{Batch, Bytes, Error, GroupId, Identity, Options, Recovered, Sound, Wal};
use ram::{Files, Ram};
pub use second::crc32c;
use std::collections::BTreeMap;

type Groups = BTreeMap<GroupId, Durable<Bytes>>;

const IDENTITY: Identity = Identity { cluster: 0xc105_7e12, node: 7 };
const OPTIONS: Options = Options { segment_bytes: 2048, max_bytes: 6144 };

fn name(generation: u64) -> String {
    format!("{generation:020}.wal")
}

fn open(disk: &Ram) -> Result<(Wal<Ram, Sound>, Groups), Error> {
    let (wal, Recovered { groups, .. }) = Wal::open(disk.clone(), Sound, IDENTITY, OPTIONS)?;
    let groups = groups.into_iter().map(|(id, group)| (id, group.durable)).collect();
    Ok((wal, groups))
}

/// What is found, and that it stays found; none if the folder is refused.
fn found(files: &Files) -> Option<Groups> {
    let disk = Ram::with(files);
    let (mut wal, mut groups) = match open(&disk) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(disk.files() == *files, "a folder that is refused stays as it was: {error}");
            return None;
        }
    };
    let first = groups.clone();
    // It goes on, and what it writes now is there at the next start.
    let mut batch = Batch::new();
    let ids: Vec<GroupId> = groups.keys().copied().chain([GroupId(9)]).collect();
    for id in ids.into_iter().take(4) {
        let durable = groups.entry(id).or_default();
        let last = durable.terms.last();
        if last.index >= 1 << 62 || last.term >= 1 << 62 {
            continue;
        }
        let write = Write::Append { first: last.index + 1, term: last.term.max(1), count: 1 };
        let entry = Entry::Command(Bytes::from(&b"new"[..]));
        batch.push(id, &write, [&entry]).expect("it is small");
        durable.apply(&write, [entry].into_iter());
    }
    wal.commit(&mut batch).expect("a log that was opened goes on");
    drop(wal);
    let (_, again) = open(&disk).unwrap_or_else(|error| panic!("it opened before: {error}"));
    assert_eq!(again, groups, "what was found and what was written is found again");
    Some(first)
}

/// Every command came out of a batch with a right checksum.
fn is_written(groups: &Groups, files: &Files) {
    let written = second::commands(files);
    for (id, durable) in groups {
        for index in durable.terms.base().index + 1..=durable.log.last() {
            let Some(Entry::Command(bytes)) = durable.log.get(index) else { continue };
            let term = durable.terms.term_at(index).expect("it is in the log");
            let known = (id.0, index, term, bytes.to_vec());
            assert!(written.contains(&known), "{known:?} was never written");
        }
    }
}

/// Bytes as they are, in one file or two.
fn raw(bytes: &[u8], at: u8) -> bool {
    let (first, second) = bytes.split_at((usize::from(at) * 512).min(bytes.len()));
    let mut files = Files::new();
    files.insert(name(1), if first.is_empty() { second } else { first }.to_vec());
    if !first.is_empty() && !second.is_empty() {
        files.insert(name(2), second.to_vec());
    }
    let Some(groups) = found(&files) else { return false };
    is_written(&groups, &files);
    true
}

/// Any records under right checksums.
fn sealed(bytes: &[u8]) -> bool {
    let files = second::sealed(IDENTITY, &mut Choices::new(bytes));
    let Some(groups) = found(&files) else { return false };
    is_written(&groups, &files);
    true
}

/// A log that was written, and then changed behind its back.
fn edited(bytes: &[u8]) -> bool {
    let mut choices = Choices::new(bytes);
    let life = Life::of(&mut choices);
    let mut files = life.files.clone();
    for _ in 0..choices.below(6) {
        life::edit(&mut files, &mut choices);
    }
    let Some(groups) = found(&files) else { return false };
    is_written(&groups, &files);
    if second::batches(&files).is_subset(&second::batches(&life.files)) {
        assert!(life.states.contains(&groups), "{groups:?} is no state that the log was in");
    }
    if files == life.files {
        assert_eq!(Some(&groups), life.states.last(), "an unharmed log is found whole");
    }
    true
}

/// The last four bytes choose what is made of the rest: files, records, or a life of a log and its edits.
pub fn run(input: &[u8]) -> bool {
    let (bytes, [choice, at, ..]) = tail(input);
    match choice % 4 {
        0 => raw(bytes, at),
        1 => sealed(bytes),
        _ => edited(bytes),
    }
}

/// Records of a log as [`sealed`] takes them: a snapshot, a hard state and an append in an opening, then appends.
pub fn sealed_seed(seed: u8) -> Vec<u8> {
    let record = |kind: u8, numbers: &[u64], end: &[u8]| {
        let numbers: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        [&[0, 0, kind, u8::from(kind == 1)], &numbers[..], end].concat()
    };
    let append = |first: u64, term: u64| {
        record(2, &[first, term], &[2, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, b'a', b'b', seed])
    };
    let opening = [record(3, &[0, 0, 0], &[]), record(1, &[2], &[1]), append(1, 1)].concat();
    let batches = [opening, append(3, 2), record(3, &[2, 1, 1], &[]), append(5, 2)];
    // One segment, three batches behind its opening, each with its mark.
    let mut bytes = vec![seed % 3, 3];
    for batch in batches {
        bytes.extend((batch.len() as u16).to_le_bytes());
        bytes.extend(batch);
        bytes.extend([0, seed % 4]);
    }
    bytes
}

/// Files as a log writes them, each as an input.
pub fn files_seed() -> Vec<Vec<u8>> {
    let choices: Vec<u8> = (0..120_u8).map(|number| number.wrapping_mul(7)).collect();
    let life = Life::of(&mut Choices::new(&choices));
    let pairs = life.files.values().map(|file| [&file[..], &[0, 0, 0, 0]].concat());
    pairs.filter(|file| file.len() < 5000).take(3).collect()
}
