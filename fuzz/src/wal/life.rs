//! A log that is written, and all states that it was in; and what may be done to its files behind its back.

use super::super::bytes::Choices;
use super::ram::{Files, Ram};
use super::{Groups, open};
use protocol::log::{Durable, Entry};
use protocol::{HardState, LogId, NodeId, SnapshotId, Write};
use quorate::wal::{Batch, Bytes, GroupId};

/// What a log has written.
pub struct Life {
    /// Its files.
    pub files: Files,
    /// The states behind each batch, the last one last.
    pub states: Vec<Groups>,
}

/// A write that the state allows, and its entries.
fn write(durable: &Durable<Bytes>, choices: &mut Choices<'_>) -> (Write, Vec<Entry<Bytes>>) {
    let (base, last) = (durable.terms.base(), durable.terms.last());
    let write = match choices.below(8) {
        0 => {
            let (rise, vote) = (choices.below(2) as u64, choices.below(4) as u8);
            let vote = (vote > 0).then_some(NodeId(vote));
            Write::HardState(HardState { term: durable.hard.term + rise, vote })
        }
        1 => {
            let at = base.index + choices.byte() as u64 % (last.index - base.index + 1);
            let id = durable.terms.snapshot_at(at).expect("it is in the log");
            Write::Snapshot { id, keep: true }
        }
        2 => {
            let (beyond, rise) = (choices.below(4) as u64, choices.below(2) as u64);
            let to = LogId { index: last.index + beyond, term: last.term + rise };
            let runs = durable.terms.runs_through(last.index) + rise;
            Write::Snapshot { id: SnapshotId { last: to, runs }, keep: false }
        }
        kind => {
            let back = if kind == 3 { choices.byte().into() } else { 0 };
            let first = last.index + 1 - back % (last.index - base.index + 1);
            let before = durable.terms.term_at(first - 1).expect("it is in the log").max(1);
            let rise = choices.below(2) as u64;
            Write::Append { first, term: before + rise, count: choices.below(4) as u32 }
        }
    };
    let count = if let Write::Append { count, .. } = write { count } else { 0 };
    let entry = |_| {
        let size = usize::from(choices.byte());
        if size % 8 == 0 { Entry::NoOp } else { Entry::Command(choices.take(size).into()) }
    };
    (write, (0..count).map(entry).collect())
}

impl Life {
    /// The life that is chosen.
    pub fn of(choices: &mut Choices<'_>) -> Self {
        let disk = Ram::default();
        let (mut wal, mut now) = open(&disk).expect("an empty folder is a new log");
        let mut states = vec![now.clone()];
        for _ in 0..choices.below(24) {
            let mut batch = Batch::new();
            for _ in 0..=choices.below(3) {
                let id = GroupId(choices.below(3) as u16);
                let durable: &mut Durable<Bytes> = now.entry(id).or_default();
                let (write, entries) = write(durable, choices);
                batch.push(id, &write, &entries).expect("it is small");
                durable.apply(&write, entries.into_iter());
            }
            wal.write(&mut batch).expect("each write follows its state");
            states.push(now.clone());
            match choices.below(8) {
                0..5 => wal.sync().expect("the folder does what it is told"),
                5 => {
                    wal.close().expect("the folder does what it is told");
                    wal = open(&disk).expect("it was closed in order").0;
                }
                _ => {}
            }
        }
        drop(wal);
        Self { files: disk.files(), states }
    }
}

/// Changes the files in one place.
pub fn edit(files: &mut Files, choices: &mut Choices<'_>) {
    let names: Vec<String> = files.keys().cloned().collect();
    if names.is_empty() {
        return;
    }
    let name = &names[choices.below(names.len())];
    let other = files[&names[choices.below(names.len())]].clone();
    let sector =
        |choices: &mut Choices<'_>, length: usize| choices.below((length / 512).max(1)) * 512;
    let kind = choices.below(8);
    if kind == 0 {
        files.remove(name);
        return;
    }
    let Some(file) = files.get_mut(name) else { return };
    match kind {
        1 | 2 if !file.is_empty() => {
            let at = usize::from(choices.short()) % file.len();
            file[at] ^= choices.byte();
        }
        3 => file.truncate(usize::from(choices.short())),
        4 => {
            let (from, to) = (sector(choices, other.len()), sector(choices, file.len()));
            if let (Some(new), Some(old)) =
                (other.get(from..from + 512), file.get_mut(to..to + 512))
            {
                old.copy_from_slice(new);
            }
        }
        5 => {
            let at = sector(choices, file.len());
            let count = 512.min(file.len() - at);
            file[at..at + count].fill(0);
        }
        6 => {
            let from = sector(choices, other.len());
            file.extend_from_slice(&other[from..]);
        }
        _ => {
            let count = choices.byte().into();
            file.extend_from_slice(choices.take(count));
        }
    }
}
