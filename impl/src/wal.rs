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
//!    missing then; a live command may not, and the log refuses to open. If the segments become too large,
//!    an opening copies the commands of the oldest ones.
//!
//! An error of the disk is final: after a failed sync nobody knows what the disk has, so the log answers
//! every later call with the same error, and the process must stop. `WAL.md` draws the format.

mod batch;
mod error;
mod format;
mod group;
mod older;
mod recover;
mod rules;

pub use batch::Batch;
pub(crate) use batch::size;
pub use error::Error;
pub use format::{SECTOR, VERSION};
pub use group::GroupId;
pub use rules::{Rules, Sound};

use crate::disk::{Disk, DiskFile};
use format::{Encoder, End, Header, Place, segment_name};
use group::{Group, Placed, objection};
use older::{Older, Segment};
use protocol::log::Durable;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A command's bytes. The log does not look into them.
pub type Bytes = Arc<[u8]>;

/// So many bytes of room are taken ahead, if a segment is not shorter.
const RESERVE_BYTES: u64 = 1 << 20;

/// So many old segments may go while one is written.
const REMOVALS: u64 = 8;

/// So many commands that a group has forgotten are freed with each batch at least, unless there are fewer.
const FREED: usize = 1024;

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
    /// How many bytes the older segments may have before the commands in the oldest are copied, so that
    /// these can go.
    pub max_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, max_bytes: 512 << 20 }
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
    older: Older,
    current: Current<D::File>,
    /// So many bytes were written since an old segment went or there was none to go.
    waited: u64,
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
        let mut groups = found.groups;
        let generation = found.segments.back().map_or(1, |last| last.generation + 1);
        let mut older = Older { segments: found.segments, needed: 0 };
        site.release(&groups, &mut older, generation.saturating_sub(1));
        site.remove_all(&mut older)?;
        let next = Next { generation, previous: found.end };
        let current = site.begin(&mut groups, &mut older, next)?;
        site.remove_all(&mut older)?;
        let report =
            |group: &Group| RecoveredGroup { durable: group.whole(), oldest: group.oldest() };
        let groups_found = groups.iter().map(|(&id, group)| (id, report(group))).collect();
        let recovered = Recovered { groups: groups_found, cut: found.cut };
        let wal = Self { site, groups, older, current, waited: 0, failed: None, _lock: lock };
        Ok((wal, recovered))
    }

    /// Has other bounds from the next segment on.
    pub fn set_options(&mut self, options: Options) {
        self.site.options = options;
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
        self.older
            .segments
            .iter()
            .map(|segment| segment.generation)
            .chain([self.current.generation])
    }

    /// How many commands are still in memory that writes have made their groups forget.
    #[doc(hidden)]
    pub fn forgotten(&self) -> usize {
        self.groups.values().map(Group::forgotten).sum()
    }

    /// How many bytes the segments have, with what is reserved behind the last one's end.
    pub fn bytes(&self) -> u64 {
        self.older.bytes() + self.current.end.length.max(self.current.asked)
    }

    /// The same from the first segment on in which a live command lies.
    pub fn bytes_needed(&self) -> u64 {
        let oldest = self.groups.values().filter_map(Group::oldest).min();
        self.bytes() - self.older.bytes() + oldest.map_or(0, |oldest| self.older.bytes_from(oldest))
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
        self.remove_some()?;
        let generation = self.current.generation;
        for (id, write, entries) in batch.writes() {
            let group = self.groups.entry(id).or_default();
            if let Some(why) = objection(group.shape(), write) {
                return Err(Error::Invalid { group: id, write: *write, why });
            }
            group.apply(write, entries.iter().map(|entry| Placed::entry(entry, generation)));
            // More than come, or those that wait would become more and more.
            group.free(2 * entries.len());
        }
        for group in self.groups.values_mut() {
            group.free(FREED);
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
        self.waited += bytes.len() as u64;
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
        let Current { generation, end, .. } = self.current;
        self.older.segments.push_back(Segment { generation, bytes: end.length });
        let next = Next { generation: generation + 1, previous: end };
        self.current = self.site.begin(&mut self.groups, &mut self.older, next)?;
        Ok(())
    }

    /// Removes old segments that nobody needs, as many as go with what was written. A snapshot frees many at once, and
    /// all writes would wait while all of these go. If there are too many already, one goes with each batch.
    fn remove_some(&mut self) -> Result<(), Error> {
        let Options { segment_bytes, max_bytes } = self.site.options;
        let each = segment_bytes / REMOVALS;
        if self.older.has_free() && self.older.bytes() > max_bytes {
            self.waited = self.waited.max(each);
        }
        while self.older.has_free() && self.waited >= each {
            self.site.remove(&mut self.older)?;
            self.waited -= each;
        }
        if !self.older.has_free() {
            self.waited = 0;
        }
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
    /// Begins a segment when everything in the older ones is durable, and says which of them nobody needs any more.
    fn begin(
        &self,
        groups: &mut BTreeMap<GroupId, Group>,
        older: &mut Older,
        next: Next,
    ) -> Result<Current<D::File>, Error> {
        let Self { disk, rules, identity, .. } = self;
        let Next { generation, previous } = next;
        self.copy(groups, older, generation);
        let mut encoder = Encoder::default();
        for (&id, group) in &*groups {
            group::open(&mut encoder, id, group, generation);
        }
        let header = Header { identity: *identity, generation, previous };
        let mut end = header.end();
        let at = Place { generation, position: end.length, opening: true };
        let opening = encoder.seal(*rules, at, end.length);
        end.add_sealed(opening);
        let bytes = [&header.encode()[..], opening].concat();

        self.release(groups, older, generation);
        if !rules.removes_last() {
            self.remove_all(older)?;
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
        let (opening_end, synced, asked) = (end.length, end.length, end.length);
        Ok(Current { generation, file, path, opening_end, end, synced, asked, had: true })
    }

    /// If the older segments have become too large, moves commands from the oldest ones to `generation`: up to about
    /// as many bytes as a segment has, and at least one command.
    fn copy(&self, groups: &mut BTreeMap<GroupId, Group>, older: &Older, generation: u64) {
        let Options { segment_bytes, max_bytes } = self.options;
        let mut left = segment_bytes.clamp(1, MAX_BATCH_BYTES as u64);
        let mut bytes = older.bytes();
        for victim in &older.segments {
            if bytes <= max_bytes || left == 0 {
                break;
            }
            for group in groups.values_mut() {
                group.copy(victim.generation, generation, &mut left);
            }
            bytes -= victim.bytes;
        }
    }

    /// Says that the segments may go in which, and in front of which, no live command is; none from `keep` on. What has
    /// overwritten or covered the others is durable.
    fn release(&self, groups: &BTreeMap<GroupId, Group>, older: &mut Older, keep: u64) {
        let pinned = groups.values().filter_map(Group::oldest).min().unwrap_or(keep);
        let generations = older.segments.iter().map(|segment| segment.generation);
        let free = generations.take_while(|&old| old < keep && self.rules.may_remove(old, pinned));
        older.needed = free.last().map_or(older.needed, |last| last + 1);
    }

    /// Removes all segments that nobody needs.
    fn remove_all(&self, older: &mut Older) -> Result<(), Error> {
        while older.has_free() {
            self.remove(older)?;
        }
        Ok(())
    }

    /// Removes the oldest segment. That is made durable before the next goes, so a crash leaves no hole in the row.
    fn remove(&self, older: &mut Older) -> Result<(), Error> {
        let Self { disk, rules, .. } = self;
        let Some(Segment { generation, .. }) = older.segments.pop_front() else { return Ok(()) };
        let name = segment_name(generation);
        disk.remove(&name).map_err(Error::io("remove", disk.path(&name)))?;
        if rules.syncs_folder() {
            disk.sync().map_err(Error::io("sync the folder of", disk.path(&name)))?;
        }
        Ok(())
    }
}
