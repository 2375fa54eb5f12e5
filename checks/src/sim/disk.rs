//! A server's disk: what it has for sure, what it is writing, and what a crash leaves.
//!
//! It keeps the promises of the real log (`impl/WAL.md`) and none beyond. Writes become durable in their order, each
//! wholly or not at all. A crash keeps what was synced, and of the batch that was being synced any beginning, torn in
//! the middle perhaps; nobody was told of that. Every record has a sum, and a start reads everything: a record that is
//! wrong in front of what is known to be durable is damage, and refused. As in the real log, damage in the very last
//! batch could not be told from a torn one, so that is where no bit flips.

use super::event::{Command, File};
use super::random::{Random, sum};
use super::server::size;
use model::node::DiskFault;
use protocol::log::{Durable, Entry};
use protocol::{HardState, LogId, NodeId, SnapshotId, Write};
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The log begins anew with an opening when it has so many records.
const RECORDS: usize = 256;

/// A write as it lies in the log.
#[derive(Clone, Debug)]
struct Record {
    words: [u64; 5],
    entries: Vec<Entry<Command>>,
    sum: u64,
}

/// A write that is on its way to the disk.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The write.
    pub write: Write,
    /// Its entries.
    pub entries: Vec<Entry<Command>>,
}

/// Why a server does not start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refused {
    /// What was written is not what is read.
    Damaged(String),
    /// The log needs a snapshot that is not there.
    Missing(LogId),
}

/// What a crash did to the writes that were not reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Loss {
    /// So many are gone.
    pub forgotten: usize,
    /// So many are durable, and nobody was told.
    pub kept: usize,
    /// Whether a batch was torn.
    pub torn: bool,
}

/// The disk.
pub struct Disk {
    fault: DiskFault,
    /// What the log began with, and a sum over it.
    opening: (Durable<Command>, u64),
    records: Vec<Record>,
    /// So many of the records were durable when the last batch was written: its mark.
    mark: usize,
    /// What the log says, if nothing is damaged.
    durable: Durable<Command>,
    files: BTreeMap<LogId, (File, u64)>,
    /// Being filled.
    filling: VecDeque<Pending>,
    /// Being synced.
    syncing: VecDeque<Pending>,
    /// Durable, and its driver was not told yet.
    unreported: usize,
    /// There is no room.
    pub full: bool,
    /// A bit has changed.
    pub flipped: bool,
}

fn entry_sum(entry: &Entry<Command>) -> u64 {
    match entry {
        Entry::NoOp => 1,
        Entry::Command(command) => sum(&(command.tag, command.stamp, command.copy)),
    }
}

impl Record {
    fn new(Pending { write, entries }: Pending) -> Self {
        let words = match write {
            Write::HardState(HardState { term, vote }) => {
                [1, term, vote.map_or(0, |vote| u64::from(vote.0) + 1), 0, 0]
            }
            Write::Append { first, term, count } => [2, first, term, u64::from(count), 0],
            Write::Snapshot { id, keep } => {
                [3, id.last.index, id.last.term, id.runs, u64::from(keep)]
            }
        };
        let mut record = Self { words, entries, sum: 0 };
        record.sum = record.sum();
        record
    }

    fn sum(&self) -> u64 {
        let entries: Vec<u64> = self.entries.iter().map(entry_sum).collect();
        sum(&(self.words, entries))
    }

    fn write(&self) -> Option<Write> {
        let [kind, a, b, c, d] = self.words;
        Some(match kind {
            _ if self.sum != self.sum() => return None,
            1 => {
                let vote = b.checked_sub(1).and_then(|vote| u8::try_from(vote).ok()).map(NodeId);
                Write::HardState(HardState { term: a, vote })
            }
            2 => Write::Append { first: a, term: b, count: u32::try_from(c).ok()? },
            3 => {
                let id = SnapshotId { last: LogId::new(b, a), runs: c };
                Write::Snapshot { id, keep: d == 1 }
            }
            _ => return None,
        })
    }
}

fn opening_sum(durable: &Durable<Command>) -> u64 {
    let first = durable.snapshot().last.index + 1;
    let entries = (first..).map_while(|index| durable.log.get(index)).map(entry_sum);
    sum(&(durable.hard, &durable.terms, entries.collect::<Vec<_>>()))
}

impl Disk {
    /// An empty disk.
    pub fn new(fault: DiskFault) -> Self {
        let durable = Durable::default();
        let opening = (durable.clone(), opening_sum(&durable));
        Self {
            fault,
            opening,
            records: Vec::new(),
            mark: 0,
            durable,
            files: BTreeMap::new(),
            filling: VecDeque::new(),
            syncing: VecDeque::new(),
            unreported: 0,
            full: false,
            flipped: false,
        }
    }

    /// Takes a write. Whether the disk is idle and must begin a batch.
    pub fn write(&mut self, pending: Pending) -> bool {
        self.filling.push_back(pending);
        self.syncing.is_empty()
    }

    /// Begins a batch of all that waits, if something does.
    pub fn begin(&mut self) -> bool {
        self.syncing = std::mem::take(&mut self.filling);
        !self.syncing.is_empty()
    }

    /// How many writes wait, those of the batch included.
    pub fn pending(&self) -> usize {
        self.filling.len() + self.syncing.len()
    }

    /// The batch is durable: how many writes it had, and the snapshot whose record is durable now.
    ///
    /// # Errors
    /// If the writes do not follow each other. That is not the disk's doing.
    pub fn synced(&mut self) -> Result<(usize, Option<SnapshotId>), String> {
        self.mark = self.records.len();
        let batch = std::mem::take(&mut self.syncing);
        let count = batch.len();
        let mut snapshot = None;
        for pending in batch {
            if let Write::Snapshot { id, .. } = pending.write {
                snapshot = Some(id);
            }
            self.put(pending)?;
        }
        self.unreported += count;
        self.open_anew();
        Ok((count, snapshot))
    }

    /// So many writes were reported to the server.
    pub const fn reported(&mut self, writes: usize) {
        self.unreported = self.unreported.saturating_sub(writes);
    }

    fn put(&mut self, mut pending: Pending) -> Result<(), String> {
        match (self.fault, &mut pending.write) {
            (DiskFault::LosesAppends, Write::Append { .. })
            | (DiskFault::LosesSnapshots, Write::Snapshot { .. }) => return Ok(()),
            (DiskFault::MiscountsRuns, Write::Snapshot { id, .. }) => id.runs = 0,
            _ => {}
        }
        let (write, entries) = (pending.write, pending.entries.clone());
        let durable = &mut self.durable;
        catch_unwind(AssertUnwindSafe(|| durable.apply(&write, entries.into_iter())))
            .map_err(|_| format!("{write:?} does not follow what the disk has"))?;
        self.records.push(Record::new(pending));
        Ok(())
    }

    /// A new segment begins with all that counts.
    fn open_anew(&mut self) {
        if self.records.len() > RECORDS && !self.flipped {
            self.opening = (self.durable.clone(), opening_sum(&self.durable));
            self.records.clear();
            self.mark = 0;
        }
    }

    /// The server is gone, and with it what the disk had not begun. Of what it had begun any beginning stays, if
    /// `tears`; else nothing.
    pub fn crash(&mut self, random: &mut Random, tears: bool) -> Loss {
        let batch = std::mem::take(&mut self.syncing);
        let next = batch.front().or(self.filling.front()).map(|pending| pending.write);
        let left = if tears { random.below(batch.len() as u64 + 1) as usize } else { 0 };
        let forgotten = batch.len() - left + self.filling.len();
        let torn = left > 0 && left < batch.len();
        self.filling.clear();
        for pending in batch.into_iter().take(left) {
            // A write that does not follow is noticed when a batch of them is synced.
            let _ = self.put(pending);
        }
        match self.fault {
            DiskFault::ForgetsHardState => self.durable.hard = HardState::default(),
            DiskFault::TearsSnapshots if matches!(next, Some(Write::Snapshot { .. })) => {
                self.durable = Durable { hard: self.durable.hard, ..Durable::default() };
            }
            _ => {}
        }
        if matches!(self.fault, DiskFault::ForgetsHardState | DiskFault::TearsSnapshots) {
            self.opening = (self.durable.clone(), opening_sum(&self.durable));
            self.records.clear();
            self.mark = 0;
        }
        let kept = left + std::mem::take(&mut self.unreported);
        Loss { forgotten, kept, torn }
    }

    /// What a start finds.
    ///
    /// # Errors
    /// If something is not what was written.
    pub fn read(&mut self) -> Result<Durable<Command>, Refused> {
        let (opening, expected) = &self.opening;
        if opening_sum(opening) != *expected {
            return Err(Refused::Damaged("the log's opening".into()));
        }
        let mut durable = opening.clone();
        for (number, record) in self.records.iter().enumerate() {
            let Some(write) = record.write() else {
                return Err(Refused::Damaged(format!("record {number} of the log")));
            };
            durable.apply(&write, record.entries.iter().cloned());
        }
        let last = durable.snapshot().last;
        if last != LogId::ZERO {
            let (file, expected) = self.files.get(&last).ok_or(Refused::Missing(last))?;
            if sum(&file[..]) != *expected {
                return Err(Refused::Damaged(format!("the snapshot {last:?}")));
            }
        }
        // A file without a record is deleted.
        self.files.retain(|id, _| *id == last);
        Ok(durable)
    }

    /// Changes a bit of what counts and is not the last thing written, if there is such a thing.
    pub fn flip(&mut self, random: &mut Random) -> bool {
        let last = self.durable.snapshot().last;
        let bit = 1u64 << random.below(64);
        let what = random.below(3);
        if what == 0
            && let Some((file, _)) = self.files.get_mut(&last)
        {
            let mut bytes = file.to_vec();
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << random.below(8);
            *file = bytes.into();
        } else if self.mark > 0 {
            let at = random.below(self.mark as u64) as usize;
            let record = &mut self.records[at];
            match random.below(6) as usize {
                5 => record.sum ^= bit,
                word => record.words[word] ^= bit,
            }
        } else {
            return false;
        }
        self.flipped = true;
        true
    }

    /// A snapshot's file is durable.
    pub fn keep_file(&mut self, last: LogId, file: File) {
        let sum = sum(&file[..]);
        self.files.entry(last).or_insert((file, sum));
    }

    /// The file of a snapshot.
    pub fn file(&self, last: LogId) -> Option<File> {
        self.files.get(&last).map(|(file, _)| File::clone(file))
    }

    /// How long the log is that is durable, in bytes: term, vote and the entries behind the snapshot.
    pub fn log_bytes(&self) -> u64 {
        let first = self.durable.snapshot().last.index + 1;
        let entries = (first..).map_while(|index| self.durable.log.get(index));
        16 + entries.map(size).sum::<u64>()
    }

    /// How long the snapshot is that the log needs, in bytes.
    pub fn snapshot_bytes(&self) -> u64 {
        let file = self.files.get(&self.durable.snapshot().last);
        file.map_or(0, |(file, _)| file.len() as u64)
    }

    /// The record of a snapshot is durable: older files go.
    pub fn keep_files_from(&mut self, last: LogId) {
        self.files.retain(|id, _| id.index >= last.index);
    }
}
