//! What a start makes of the files that it finds.
//!
//! Segments are replayed from the oldest on. The first opening is taken at its word; every later one
//! must say what replay has found, so a segment that is missing, stale or shorter than it was is noticed
//! by the next. Only the end of the last segment may be torn. It is cut there, what is kept behind the
//! last mark is written anew and synced, and only then does anything count.

use super::error::Error;
use super::format::{
    End, Header, HeaderFault, Place, Record, SECTOR, Sealed, generation_of, segment_name,
};
use super::group::{Group, GroupId, follow, reconcile};
use super::older::Segment;
use super::rules::Rules;
use super::{Cut, Identity};
use crate::disk::{Disk, DiskFile};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

/// What the files hold, and it is durable.
pub struct Found {
    /// Every group's state, without holes.
    pub groups: BTreeMap<GroupId, Group>,
    /// The segments, the oldest first, without gaps.
    pub segments: VecDeque<Segment>,
    /// How the last segment ends; zeros if there is none.
    pub end: End,
    /// What was cut off.
    pub cut: Option<Cut>,
}

/// The name of a segment that is not complete yet.
pub fn draft_name(segment: &str) -> String {
    format!("{segment}.new")
}

/// Reads the folder. Nothing in it is changed before everything has been found good.
pub fn recover<D: Disk, R: Rules>(disk: &D, rules: R, identity: Identity) -> Result<Found, Error> {
    let names = disk.list().map_err(Error::io("list the folder", disk.path("")))?;
    let generations = row(disk, &names)?;
    let mut segments = VecDeque::with_capacity(generations.len());
    let mut replay = Replay { rules, groups: BTreeMap::new() };
    let mut end = End::default();
    let mut tail = None;
    for (position, &generation) in generations.iter().enumerate() {
        let path = disk.path(&segment_name(generation));
        let mut file = open(disk, generation)?;
        let bytes = file.read().map_err(Error::io("read", path.clone()))?;
        let segment = Read { generation, path, bytes };
        let header = segment.header(disk, identity)?;
        if position > 0 && header.previous != end {
            let what = "the next segment follows one that ends otherwise";
            let path = disk.path(&segment_name(generation - 1));
            let offset = end.length.min(header.previous.length);
            return Err(Error::Damaged { path, offset, what });
        }
        let last = position + 1 == generations.len();
        let kept = replay.segment(&segment, header.end(), position == 0, last)?;
        end = kept.end;
        segments.push_back(Segment { generation, bytes: end.length });
        tail = last.then_some((file, segment, kept));
    }
    replay.has_everything(disk, generations.first().copied().unwrap_or(0))?;
    let cut = match tail {
        Some((file, segment, kept)) => settle(rules, file, &segment, kept)?,
        None => None,
    };
    tidy(disk, &names)?;
    Ok(Found { groups: replay.groups, segments, end, cut })
}

fn open<D: Disk>(disk: &D, generation: u64) -> Result<D::File, Error> {
    let name = segment_name(generation);
    disk.open(&name).map_err(Error::io("open", disk.path(&name)))
}

/// The generations that are there, which must follow each other.
fn row<D: Disk>(disk: &D, names: &[String]) -> Result<Vec<u64>, Error> {
    let mut segments: Vec<u64> = names.iter().filter_map(|name| generation_of(name)).collect();
    segments.sort_unstable();
    for pair in segments.windows(2) {
        if pair[0] + 1 != pair[1] {
            let path = disk.path(&segment_name(pair[0] + 1));
            let why = format!("{} and {} are there", segment_name(pair[0]), segment_name(pair[1]));
            return Err(Error::Missing { path, why });
        }
    }
    Ok(segments)
}

/// Makes the end of the log durable: what is kept of it is written anew behind the last mark.
fn settle<R: Rules>(
    rules: R,
    mut file: impl DiskFile,
    segment: &Read,
    kept: Kept,
) -> Result<Option<Cut>, Error> {
    let failed = |action| Error::io(action, segment.path.clone());
    let length = segment.bytes.len() as u64;
    let end = kept.end.length;
    if rules.rewrites_tail() && kept.mark < end {
        let tail = &segment.bytes[kept.mark as usize..end as usize];
        file.write_at(kept.mark, tail).map_err(failed("write"))?;
    }
    if end < length {
        file.set_len(end).map_err(failed("cut the torn end off"))?;
    }
    if rules.syncs_tail() {
        file.sync_all().map_err(failed("sync"))?;
    }
    // What was reserved was never written.
    let is_torn = segment.bytes[end as usize..].iter().any(|byte| *byte != 0);
    Ok(is_torn.then(|| Cut { path: segment.path.clone(), offset: end, bytes: length - end }))
}

/// Removes segments that were never finished. The sync is for names, too, that a process that was
/// killed did not live to sync.
fn tidy<D: Disk>(disk: &D, names: &[String]) -> Result<(), Error> {
    for name in names {
        if name.strip_suffix(".new").and_then(generation_of).is_some() {
            disk.remove(name).map_err(Error::io("remove", disk.path(name)))?;
        }
    }
    disk.sync().map_err(Error::io("sync the folder", disk.path("")))
}

/// A segment's file, as it was read.
struct Read {
    generation: u64,
    path: PathBuf,
    bytes: Vec<u8>,
}

/// How much of a segment is good.
struct Kept {
    /// Where its last good batch ends.
    end: End,
    /// The last offset, in bytes, that a good batch says to be durable.
    mark: u64,
}

impl Read {
    fn damaged(&self, offset: u64, what: &'static str) -> Error {
        Error::Damaged { path: self.path.clone(), offset, what }
    }

    fn header<D: Disk>(&self, disk: &D, expected: Identity) -> Result<Header, Error> {
        let header = Header::decode(&self.bytes).map_err(|fault| match fault {
            HeaderFault::Bad(what) => self.damaged(0, what),
            HeaderFault::Version(found) => Error::Version { path: self.path.clone(), found },
        })?;
        let (path, found) = (self.path.clone(), header.identity);
        if found != expected {
            return Err(Error::Foreign { path, found, expected });
        }
        if header.generation != self.generation {
            let right = disk.path(&segment_name(header.generation));
            let (named, found) = (self.generation, header.generation);
            return Err(Error::Misnamed { path, named, found, right });
        }
        Ok(header)
    }

    fn batch(&self, rules: impl Rules, position: u64) -> Result<Sealed<'_>, &'static str> {
        let opening = position == SECTOR as u64;
        let at = Place { generation: self.generation, position, opening };
        Sealed::read(rules, &self.bytes, at)
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

struct Replay<R> {
    rules: R,
    groups: BTreeMap<GroupId, Group>,
}

impl<R: Rules> Replay<R> {
    /// Follows a segment from behind its header to its end, or to where the last one is torn.
    fn segment(
        &mut self,
        segment: &Read,
        header: End,
        first: bool,
        last: bool,
    ) -> Result<Kept, Error> {
        let (mut end, start) = (header, header.length);
        // A segment has its name because its opening was durable.
        let opening =
            segment.batch(self.rules, start).map_err(|what| segment.damaged(start, what))?;
        let records = opening.records();
        let opened = records.and_then(|records| self.open(records, segment.generation, first));
        opened.map_err(|what| segment.damaged(start, what))?;
        end.add_read(&opening);

        let mut mark = end.length;
        while end.length < segment.len() {
            let at = end.length;
            let batch = match segment.batch(self.rules, at) {
                Ok(batch) => batch,
                Err(_) if last && !self.was_durable(segment, at) => break,
                Err(what) => return Err(segment.damaged(at, what)),
            };
            let records = batch.records();
            let applied = records.and_then(|records| self.apply(records, segment.generation));
            applied.map_err(|what| segment.damaged(at, what))?;
            end.add_read(&batch);
            mark = mark.max(batch.durable);
        }
        // Nobody waits, and nothing may come for long.
        self.groups.values_mut().for_each(|group| group.free(usize::MAX));
        Ok(Kept { end, mark })
    }

    /// Whether a batch behind the bad bytes at `bad` says that they were durable.
    fn was_durable(&self, segment: &Read, bad: u64) -> bool {
        let mut later = (bad..segment.len()).step_by(SECTOR).skip(1);
        later.any(|position| {
            let batch = segment.batch(self.rules, position);
            batch.is_ok_and(|batch| self.rules.is_damage(bad, batch.durable))
        })
    }

    fn open(
        &mut self,
        records: Vec<Record>,
        generation: u64,
        first: bool,
    ) -> Result<(), &'static str> {
        let found = std::mem::take(&mut self.groups);
        self.apply(records, generation)?;
        if first {
            return Ok(());
        }
        if !found.keys().eq(self.groups.keys()) {
            return Err("the opening has other groups than the segment before it");
        }
        for (found, said) in found.into_values().zip(self.groups.values_mut()) {
            *said = reconcile(found, said)?;
        }
        Ok(())
    }

    fn apply(&mut self, records: Vec<Record>, generation: u64) -> Result<(), &'static str> {
        for record in records {
            let group = self.groups.entry(record.group).or_default();
            follow(group, record, generation)?;
        }
        Ok(())
    }

    /// A command that is still live and that no segment had was in one in front of the `oldest`.
    fn has_everything<D: Disk>(&self, disk: &D, oldest: u64) -> Result<(), Error> {
        for (id, group) in &self.groups {
            if let Some(index) = group.missing() {
                let path = disk.path(&segment_name(oldest.saturating_sub(1)));
                let why = format!("group {id} needs entry {index}, which was in it or before it");
                return Err(Error::Missing { path, why });
            }
        }
        Ok(())
    }
}
