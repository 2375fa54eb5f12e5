//! The write-ahead log: what a node's groups must still know after a crash, in one place.
//!
//! All groups of a node share one log, so one sync of one file makes durable what all of them wrote
//! meanwhile. A group's writes are the protocol's ([`Write`](protocol::Write)), and what the log holds
//! of a group is the protocol's [`Durable`]: memory, log and recovery follow the same writes by the same
//! rule, [`Durable::apply`].
//!
//! The log is a row of files, *segments*, numbered by *generation*. Each begins with an *opening*, which
//! repeats every group's state except the commands that are in earlier segments, and goes on with
//! *batches*. Four invariants carry everything else:
//!
//! 1. **A name is a promise.** A segment gets its name when its header and opening are durable, and is
//!    used when its name is. So only behind an opening, only in the last segment, can bytes be torn.
//! 2. **A mark is a promise.** Each batch says how much of its segment had been synced when it was
//!    written. Bad bytes in front of such a mark are damage, and the log refuses to open; behind the last
//!    mark they are what a crash leaves of writes that nobody was told of, and are cut off.
//! 3. **No byte of a generation is written twice.** Every start begins a new generation, and checksums
//!    begin with its number, so nothing that was cut off, or stood in a block before, can come back.
//! 4. **A segment stays while it has a live command.** An opening names the commands that it leaves in
//!    earlier segments. What a group has forgotten by the end of the log (snapshots, truncation) may be
//!    missing then; a live command may not, and the log refuses to open. If the segments become too many,
//!    an opening copies the commands of the oldest one.
//!
//! An error of the disk is final: after a failed sync nobody knows what the disk has, so the log answers
//! every later call with the same error, and the process must stop. `WAL.md` draws the format.

mod batch;
mod error;
mod format;
mod group;
mod recover;
mod rules;

pub use batch::Batch;
pub use error::Error;
pub use format::{SECTOR, VERSION};
pub use group::GroupId;
pub use rules::{Rules, Sound};

use crate::disk::{Disk, DiskFile};
use format::{Encoder, End, Header, Place, segment_name};
use group::{Group, Placed, commands, objection, rebuilt};
use protocol::log::Durable;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A command's bytes. The log does not look into them.
pub type Bytes = Arc<[u8]>;

/// So many bytes of room are taken ahead, if a segment is not shorter.
const RESERVE_BYTES: u64 = 1 << 20;

/// The largest batch, in bytes of its records: what one sync may have to carry.
pub const MAX_BATCH_BYTES: usize = 256 << 20;

/// Whose log it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The cluster's number, drawn when the cluster was made.
    pub cluster: u128,
    /// The node's number in the cluster, never used again for another node.
    pub node: u64,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} of cluster {:032x}", self.node, self.cluster)
    }
}

/// The log's bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// How many bytes of batches a segment takes before the next one begins. An opening may copy as
    /// much again.
    pub segment_bytes: u64,
    /// How many segments there may be before the commands in the oldest are copied, so that it can go.
    pub max_segments: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, max_segments: 8 }
    }
}

/// What recovery found.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// Every group that has ever written, as its server boots from it.
    pub groups: BTreeMap<GroupId, RecoveredGroup>,
    /// What was cut off the end: writes that a crash had torn, and of which nobody was told.
    pub cut: Option<Cut>,
}

/// What recovery found of one group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecoveredGroup {
    /// The state.
    pub durable: Durable<Bytes>,
    /// The generation of the oldest segment that the group needs, by the commands in it; none if it has
    /// no command behind its snapshot.
    pub oldest: Option<u64>,
}

/// A torn tail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cut {
    /// The segment.
    pub path: PathBuf,
    /// Where it ends now, in bytes.
    pub offset: u64,
    /// How many bytes went.
    pub bytes: u64,
}

/// The segment that is being written. Lengths and offsets are in bytes.
#[derive(Debug)]
struct Current<F> {
    generation: u64,
    file: F,
    path: PathBuf,
    /// Where the opening ends.
    opening_end: u64,
    /// Where the last batch ends.
    end: End,
    /// How far a sync has come.
    synced: u64,
    /// Up to where room was asked for, whether it was there or not.
    asked: u64,
    /// Whether it was: if not, no more is asked for.
    had: bool,
}

/// A node's write-ahead log.
///
/// Invariants: `current` is the last segment and `older` are the generations right in front of it; the
/// groups are what replay of all of them would find now; a log that has failed touches no file.
#[derive(Debug)]
pub struct Wal<D: Disk, R: Rules = Sound> {
    site: Site<D, R>,
    groups: BTreeMap<GroupId, Group>,
    /// The other segments, the oldest first.
    older: VecDeque<u64>,
    current: Current<D::File>,
    failed: Option<Error>,
    _lock: D::Lock,
}

impl<D: Disk, R: Rules> Wal<D, R> {
    /// Takes the folder, recovers what is in it, and begins a new segment.
    ///
    /// # Errors
    /// All but [`Error::Invalid`] and [`Error::TooLarge`]. A folder that is refused is left as it was.
    pub fn open(
        disk: D,
        rules: R,
        identity: Identity,
        options: Options,
    ) -> Result<(Self, Recovered), Error> {
        let lock = disk.lock().map_err(Error::io("lock the folder", disk.path("")))?;
        let lock = lock.ok_or_else(|| Error::Locked { path: disk.path("") })?;
        let found = recover::recover(&disk, rules, identity)?;
        let site = Site { disk, rules, identity, options };
        let (mut groups, mut older) = (found.groups, found.segments);
        if let Some(last) = older.back().copied() {
            site.remove_old(&groups, &mut older, last)?;
        }
        let generation = older.back().map_or(1, |last| last + 1);
        let next = Next { generation, previous: found.end };
        let current = site.begin(&mut groups, &mut older, next)?;
        let report = |group: &Group| RecoveredGroup {
            durable: rebuilt(group, |_, placed| placed.bytes.clone().expect("recovery saw it")),
            oldest: commands(group).map(|(_, placed)| placed.generation).min(),
        };
        let groups_found = groups.iter().map(|(&id, group)| (id, report(group))).collect();
        let recovered = Recovered { groups: groups_found, cut: found.cut };
        let wal = Self { site, groups, older, current, failed: None, _lock: lock };
        Ok((wal, recovered))
    }

    /// Writes a batch and empties it. It is durable after the next [`Wal::sync`].
    ///
    /// # Errors
    /// Those of the disk, and [`Error::Invalid`]; each is final, and the batch is not to be tried again.
    pub fn write(&mut self, batch: &mut Batch) -> Result<(), Error> {
        self.finally(|wal| wal.write_batch(batch))?;
        batch.clear();
        Ok(())
    }

    /// Makes everything that was written durable.
    ///
    /// # Errors
    /// Those of the disk; each is final.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.finally(Self::sync_current)
    }

    /// Writes a batch, makes it durable and empties it.
    ///
    /// # Errors
    /// As [`Wal::write`].
    pub fn commit(&mut self, batch: &mut Batch) -> Result<(), Error> {
        self.write(batch)?;
        self.sync()
    }

    /// Ends the log in order: an empty batch with a mark behind everything, so that bytes that go bad
    /// later are not taken for a torn tail. A log that is dropped instead is as safe as after a crash.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn close(mut self) -> Result<(), Error> {
        self.sync()?;
        if self.current.end.length > self.current.opening_end {
            self.finally(|wal| wal.append(&mut Batch::new()))?;
        }
        self.sync()?;
        self.finally(Self::cut_reserve)
    }

    /// The generations of the segments, the oldest first.
    pub fn generations(&self) -> impl Iterator<Item = u64> {
        self.older.iter().copied().chain([self.current.generation])
    }

    /// WAL-FATAL. The first error is the answer to every later call.
    fn finally(&mut self, act: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = act(self);
        if self.site.rules.stops_at_error() {
            self.failed = result.as_ref().err().cloned();
        }
        result
    }

    fn write_batch(&mut self, batch: &mut Batch) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.current.end.length - self.current.opening_end >= self.site.options.segment_bytes {
            self.roll()?;
        }
        let generation = self.current.generation;
        for (id, write, entries) in batch.writes() {
            let group = self.groups.entry(id).or_default();
            if let Some(why) = objection(group, write) {
                return Err(Error::Invalid { group: id, write: *write, why });
            }
            group.apply(write, entries.iter().map(|entry| Placed::entry(entry, generation)));
        }
        self.append(batch)
    }

    fn append(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let Current { generation, end, synced, .. } = self.current;
        let at = Place { generation, position: end.length, opening: false };
        let mark = self.site.rules.durable_mark(synced, end.length);
        let bytes = batch.seal(self.site.rules, at, mark);
        let current = &mut self.current;
        let behind = end.length + bytes.len() as u64;
        if current.had && current.asked < behind {
            current.asked = behind + self.site.options.segment_bytes.min(RESERVE_BYTES);
            // Without room to spare each write takes its own, and fails if there is none.
            current.had = current.file.reserve(current.asked).is_ok();
        }
        let failed = Error::io("write", current.path.clone());
        current.file.write_at(end.length, bytes).map_err(failed)?;
        current.end.add_sealed(bytes);
        Ok(())
    }

    fn sync_current(&mut self) -> Result<(), Error> {
        let current = &mut self.current;
        if current.synced < current.end.length {
            let synced = self.site.rules.sync_result(current.file.sync_data());
            synced.map_err(Error::io("sync", current.path.clone()))?;
            current.synced = current.end.length;
        }
        Ok(())
    }

    /// WAL-ROLL-4. The segment ends where its last batch does, which is durable.
    fn cut_reserve(&mut self) -> Result<(), Error> {
        let Current { file, path, end, asked, .. } = &mut self.current;
        if *asked > end.length && self.site.rules.cuts_reserve() {
            let failed = |action| Error::io(action, path.clone());
            file.set_len(end.length).map_err(failed("cut what was reserved of"))?;
            file.sync_all().map_err(failed("sync"))?;
        }
        Ok(())
    }

    /// Goes on in a new segment.
    fn roll(&mut self) -> Result<(), Error> {
        self.sync_current()?;
        self.cut_reserve()?;
        let next = Next { generation: self.current.generation + 1, previous: self.current.end };
        self.older.push_back(self.current.generation);
        self.current = self.site.begin(&mut self.groups, &mut self.older, next)?;
        Ok(())
    }
}

/// The segment to begin, and how the one before it ends.
#[derive(Clone, Copy)]
struct Next {
    generation: u64,
    previous: End,
}

/// What stays the same while the log lives: where it is, and whose.
#[derive(Debug)]
struct Site<D, R> {
    disk: D,
    rules: R,
    identity: Identity,
    options: Options,
}

impl<D: Disk, R: Rules> Site<D, R> {
    /// Begins a segment when everything in the older ones is durable, and removes those of them that nobody
    /// needs any more.
    fn begin(
        &self,
        groups: &mut BTreeMap<GroupId, Group>,
        older: &mut VecDeque<u64>,
        next: Next,
    ) -> Result<Current<D::File>, Error> {
        let Self { disk, rules, identity, options } = self;
        let Next { generation, previous } = next;
        let mut encoder = Encoder::default();
        let victim = (older.len() >= options.max_segments.max(1)).then(|| older.front()).flatten();
        let most = options.segment_bytes.clamp(1, MAX_BATCH_BYTES as u64);
        open_groups(groups, &mut encoder, generation, victim.copied(), most);
        let header = Header { identity: *identity, generation, previous };
        let mut end = header.end();
        let at = Place { generation, position: end.length, opening: true };
        let opening = encoder.seal(*rules, at, end.length);
        end.add_sealed(opening);
        let bytes = [&header.encode()[..], opening].concat();

        if !rules.removes_last() {
            self.remove_old(groups, older, generation)?;
        }
        let name = segment_name(generation);
        let draft = recover::draft_name(&name);
        let path = disk.path(&name);
        let mut file = disk.create(&draft).map_err(Error::io("create", disk.path(&draft)))?;
        file.write_at(0, &bytes).map_err(Error::io("write", disk.path(&draft)))?;
        if rules.syncs_before_name() {
            file.sync_all().map_err(Error::io("sync", disk.path(&draft)))?;
        }
        disk.rename(&draft, &name).map_err(Error::io("rename", disk.path(&draft)))?;
        if rules.syncs_folder() {
            disk.sync().map_err(Error::io("sync the folder of", path.clone()))?;
        }
        self.remove_old(groups, older, generation)?;
        let (opening_end, synced, asked) = (end.length, end.length, end.length);
        Ok(Current { generation, file, path, opening_end, end, synced, asked, had: true })
    }

    /// Removes the oldest segments as long as no live command is in them, but none from `keep` on. Each
    /// removal is made durable before the next, so a crash leaves no hole in the row.
    fn remove_old(
        &self,
        groups: &BTreeMap<GroupId, Group>,
        older: &mut VecDeque<u64>,
        keep: u64,
    ) -> Result<(), Error> {
        let Self { disk, rules, .. } = self;
        let live = groups.values().flat_map(|group| commands(group).map(|(_, placed)| placed));
        let pinned = live.map(|placed| placed.generation).min().unwrap_or(keep);
        while let Some(&oldest) = older.front() {
            if oldest >= keep || !rules.may_remove(oldest, pinned) {
                break;
            }
            let name = segment_name(oldest);
            disk.remove(&name).map_err(Error::io("remove", disk.path(&name)))?;
            older.pop_front();
            if rules.syncs_folder() {
                disk.sync().map_err(Error::io("sync the folder of", disk.path(&name)))?;
            }
        }
        Ok(())
    }
}

/// Encodes every group's state for an opening. Commands in the segment `victim` are copied, up to about
/// `most` bytes and at least one, and lie in `generation` from now on.
fn open_groups(
    groups: &mut BTreeMap<GroupId, Group>,
    encoder: &mut Encoder,
    generation: u64,
    victim: Option<u64>,
    most: u64,
) {
    let mut left = most;
    for (&id, group) in groups {
        let mut copied = 0;
        group::open(encoder, id, group, |placed| {
            let copies = Some(placed.generation) == victim && left > 0;
            if copies {
                let length = placed.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
                left = left.saturating_sub(length + 4);
                copied += 1;
            }
            copies
        });
        if copied > 0 {
            *group = rebuilt(group, |_, placed| {
                let moves = Some(placed.generation) == victim && copied > 0;
                copied -= u64::from(moves);
                let generation = if moves { generation } else { placed.generation };
                Placed { bytes: placed.bytes.clone(), generation }
            });
        }
    }
}
