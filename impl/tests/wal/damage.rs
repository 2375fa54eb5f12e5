//! Every length and every flipped bit of a recorded log: the outcome is the state that a crash could have
//! left there, or a refusal; never anything else.
//!
//! One excuse is allowed, and it is the only one: *a batch behind the last mark can't be told from a torn
//! one*, for no later batch says that it was durable. In a log of commits that is the very last batch, and
//! in one that was closed it is the empty batch that closes it.

use super::cases::{Groups, IDENTITY, Step, resolve};
use super::sim::SimDisk;
use protocol::log::Durable;
use quorate::wal::{Batch, Error, GroupId, Options, Rules, SECTOR, Sound, Wal};
use std::collections::BTreeMap;

const OPTIONS: Options = Options { segment_bytes: 2048, max_bytes: 8192 };

type Files = BTreeMap<String, Vec<u8>>;

/// A log on a disk, and what its last segment says as it grows.
struct Recording {
    files: Files,
    /// Where the opening and each batch of the last segment end, and the state then.
    ends: Vec<(usize, Groups)>,
}

impl Recording {
    fn last(&self) -> &str {
        self.files.keys().next_back().expect("there is a segment")
    }

    /// The last of the ends that are within so many bytes.
    fn end_within(&self, bytes: usize) -> Option<&(usize, Groups)> {
        self.ends.iter().rfind(|(end, _)| *end <= bytes)
    }
}

/// Three groups commit batch by batch over some segments, of which the first are gone again.
fn record(rules: impl Rules, closes: bool) -> Recording {
    let disk = SimDisk::new(0);
    let (mut wal, _) = Wal::open(disk.clone(), rules, IDENTITY, OPTIONS).unwrap();
    let (mut now, mut batch, mut fresh) = (Groups::new(), Batch::new(), 0);
    let mut ends = Vec::new();
    let steps = [
        Step::HardState { rise: 1, vote: 2 },
        Step::Append { back: 9, rise: 0, count: 3, size: 20 },
        Step::Append { back: 9, rise: 2, count: 2, size: 90 },
        Step::Append { back: 1, rise: 0, count: 1, size: 5 },
        Step::Compact { at: 2 },
    ];
    for round in 0..18u16 {
        for group in 0..3 {
            let step = steps[usize::from(round * 2 + group) % steps.len()];
            // The first group never compacts, and pins what it has written.
            let step =
                if group == 0 && matches!(step, Step::Compact { .. }) { steps[1] } else { step };
            let durable: &mut Durable<_> = now.entry(GroupId(group)).or_default();
            let (write, entries) = resolve(step, durable, &mut fresh);
            batch.push(GroupId(group), &write, &entries).unwrap();
            durable.apply(&write, entries.into_iter());
        }
        let before = wal.generations().last();
        let opening = ends.last().map(|(_, groups): &(usize, Groups)| groups.clone());
        wal.commit(&mut batch).unwrap();
        let files = disk.files();
        let (_, bytes) = files.last_key_value().unwrap();
        if wal.generations().last() != before {
            // What the batch takes begins behind the opening.
            let opened = bytes.len() - batch_length(bytes);
            ends = vec![(opened, opening.unwrap_or_default())];
        }
        ends.push((bytes.len(), now.clone()));
    }
    if closes {
        wal.close().unwrap();
        let length = disk.files().last_key_value().unwrap().1.len();
        ends.push((length, now));
    } else {
        drop(wal);
    }
    Recording { files: disk.files(), ends }
}

/// The length of the one batch behind a segment's opening, from the opening's own length.
fn batch_length(bytes: &[u8]) -> usize {
    let records = u32::from_le_bytes(bytes[520..524].try_into().unwrap()) as usize;
    bytes.len() - 512 - (40 + records).next_multiple_of(512)
}

/// What is found in a folder of these files.
fn outcome(rules: impl Rules, files: &Files) -> Result<(Groups, u64), Error> {
    let disk = SimDisk::with(files);
    let opened = Wal::open(disk.clone(), rules, IDENTITY, OPTIONS);
    assert!(opened.is_ok() || disk.files() == *files, "a folder that is refused stays as it was");
    let (_, recovered) = opened?;
    let groups = recovered.groups.into_iter().map(|(id, group)| (id, group.durable)).collect();
    Ok((groups, recovered.cut.map_or(0, |cut| cut.bytes)))
}

fn must_be_refused(found: Result<(Groups, u64), Error>, place: &str) -> Result<(), String> {
    match found {
        Err(Error::Damaged { .. }) => Ok(()),
        Err(error) => Err(format!("{place} was refused as {error}")),
        Ok(found) => Err(format!("{place} was to be refused, and gave {found:?}")),
    }
}

/// Flips every bit of every file. The error is the first outcome that is not allowed.
pub fn flip_every_bit(rules: impl Rules) -> Result<usize, String> {
    let recording = record(rules, false);
    flip_bits(rules, &recording)
}

/// Whether a log with bad bytes that begin at an offset of a file is taken for what it is.
fn judge(
    rules: impl Rules,
    recording: &Recording,
    files: &Files,
    (name, offset): (&str, usize),
) -> Result<(), String> {
    let [.., (last_batch, before), (end, _)] = recording.ends.as_slice() else {
        panic!("there are two batches")
    };
    let found = outcome(rules, files);
    let place = format!("byte {offset} of {name}");
    if name != recording.last() || offset < *last_batch {
        return must_be_refused(found, &place);
    }
    // The one excuse: the batch is cut off as a torn one. If nothing of it is left, that is no more than room.
    let is_torn = files[name][*last_batch..].iter().any(|byte| *byte != 0);
    let cut = if is_torn { (end - last_batch) as u64 } else { 0 };
    match found {
        Ok((groups, bytes)) if groups == *before && bytes == cut => Ok(()),
        found => Err(format!("{place}, in the last batch, gave {found:?}")),
    }
}

fn flip_bits(rules: impl Rules, recording: &Recording) -> Result<usize, String> {
    let mut flipped = 0;
    let mut files = recording.files.clone();
    for (name, bytes) in &recording.files {
        for bit in 0..bytes.len() * 8 {
            let offset = bit / 8;
            files.get_mut(name).unwrap()[offset] ^= 1 << (bit % 8);
            judge(rules, recording, &files, (name, offset))?;
            files.get_mut(name).unwrap()[offset] = bytes[offset];
            flipped += 1;
        }
    }
    Ok(flipped)
}

fn shorten(recording: &Recording) -> usize {
    let mut lengths = 0;
    for (name, bytes) in &recording.files {
        let mut files = recording.files.clone();
        for length in 0..bytes.len() {
            files.insert(name.clone(), bytes[..length].to_vec());
            let found = outcome(Sound, &files);
            lengths += 1;
            match recording.end_within(length) {
                Some((end, groups)) if name == recording.last() => {
                    let found = found.expect("a crash can leave this");
                    assert_eq!(found, (groups.clone(), (length - end) as u64), "{length} bytes");
                }
                _ => must_be_refused(found, &format!("{length} bytes of {name}")).unwrap(),
            }
        }
    }
    lengths
}

#[test]
fn every_length_is_a_state_that_a_crash_could_leave_or_refused() {
    for closes in [false, true] {
        let recording = record(Sound, closes);
        assert!(recording.files.len() >= 3 && recording.ends.len() >= 3, "it has some of each");
        let found = outcome(Sound, &recording.files).expect("the whole log is good");
        assert_eq!(found, (recording.ends.last().unwrap().1.clone(), 0));
        println!("{} lengths of {} files", shorten(&recording), recording.files.len());
    }
}

/// WAL-MARK-1, WAL-MARK-2.
#[test]
fn every_flipped_bit_is_noticed() {
    println!("{} bits", flip_every_bit(Sound).unwrap());
}

/// In a log that was closed no batch with a write in it has the excuse.
#[test]
fn a_closed_log_has_no_excuse_for_a_write() {
    let recording = record(Sound, true);
    let [.., (_, before), (_, after)] = recording.ends.as_slice() else { panic!("two batches") };
    assert_eq!(before, after, "the last batch is empty");
    println!("{} bits", flip_bits(Sound, &recording).unwrap());
}

/// Writes that went to the wrong place, or nowhere: any sector in any other's place, and zeros.
#[test]
fn every_misplaced_sector_is_noticed() {
    let recording = record(Sound, false);
    let sectors = recording.files.values().flat_map(|bytes| bytes.chunks(SECTOR));
    let sectors: Vec<&[u8]> = sectors.chain([&[0; SECTOR][..]]).collect();
    let mut misplaced = 0;
    for (name, bytes) in &recording.files {
        for (number, right) in bytes.chunks(SECTOR).enumerate() {
            for wrong in sectors.iter().filter(|wrong| **wrong != right) {
                let mut files = recording.files.clone();
                let range = number * SECTOR..(number + 1) * SECTOR;
                files.get_mut(name).unwrap()[range].copy_from_slice(wrong);
                let found = judge(Sound, &recording, &files, (name, number * SECTOR));
                let misnamed = found.as_ref().is_err_and(|found| found.contains("renamed"));
                assert!(found.is_ok() || number == 0 && misnamed, "{found:?}");
                misplaced += 1;
            }
        }
    }
    println!("{misplaced} sectors");
}
