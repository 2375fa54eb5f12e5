//! What the servers of a node have in common: one log for the groups of all of them, and one thread that syncs it.
//!
//! A server takes its *seat* here, for its group: it finds what the log has of it, and puts what it writes through the
//! same gate as the others. Whatever all of them have written while the disk was busy is one batch, and one sync.

use super::disk::LogThread;
use super::{Error, Filled, SnapshotError};
use crate::disk::{Disk, Folder};
use crate::gate::Gate;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::wal::{self, Bytes, GroupId, Identity, Wal};
use protocol::log::{Durable, Entry};
use protocol::{SnapshotId, Write};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A server, as the disk's thread knows it. Nothing here may wait.
pub trait Seat: Send + Sync {
    /// So many of its writes are durable, the oldest, which take so many bytes of the log's files.
    fn durable(&self, writes: usize, bytes: u64);

    /// The record of this snapshot is durable: older ones may go.
    fn keep(&self, id: SnapshotId);

    /// The disk has failed.
    fn broken(&self);
}

/// The servers of a node, by group.
pub struct Seats(Mutex<BTreeMap<GroupId, Arc<dyn Seat>>>);

impl Seats {
    fn none() -> Arc<Self> {
        Arc::new(Self(Mutex::new(BTreeMap::new())))
    }

    /// A group's server, unless it has left.
    pub fn of(&self, group: GroupId) -> Option<Arc<dyn Seat>> {
        self.0.lock().get(&group).cloned()
    }

    /// All that have not left.
    pub fn all(&self) -> Vec<Arc<dyn Seat>> {
        self.0.lock().values().cloned().collect()
    }
}

/// How a node's log is cut, and how much of it may be held by what.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How its files are cut.
    pub log: wal::Options,
    /// How many bytes of the files a group's commands may take before a snapshot of it is taken.
    pub share: u64,
    /// How many bytes the files may have before callers wait for a snapshot.
    pub most: u64,
}

impl Bounds {
    /// For so many groups whose snapshots are taken at so many bytes of commands.
    ///
    /// A group's log may grow well above its bound while a snapshot is taken, and all of it may be live. If the files
    /// had to be smaller than that, each segment would copy what a later one copies again, and all writes wait for it.
    /// If they could be larger than twice the bound of each group, nobody could say how large a disk has to be. What is
    /// left in between is for what a segment takes above its size: what it has reserved, the last batch, an opening
    /// with copies. It is commands of clients that are held back, by the server that leads: what followers append is
    /// not.
    ///
    /// A batch takes whole sectors, so commands that come one by one take many times their length. A snapshot that
    /// began when they have reached the bound by themselves would come too late for these files.
    pub fn new(groups: usize, snapshot_bytes: u64) -> Self {
        let segment_bytes = (snapshot_bytes / 10).clamp(16 << 10, 64 << 20);
        let twice = snapshot_bytes.saturating_mul(2).saturating_mul(groups.max(1) as u64);
        let below_twice = |segments: u64| twice.saturating_sub(segments * segment_bytes);
        let max_bytes = below_twice(5).max(8 * segment_bytes);
        Self {
            log: wal::Options { segment_bytes, max_bytes },
            share: snapshot_bytes.max(6 * segment_bytes),
            most: below_twice(3).max(10 * segment_bytes),
        }
    }
}

/// How much room the log's files take that may not go. The log's thread says so, the cores ask.
pub(super) struct Room {
    bounds: Bounds,
    /// In bytes.
    bytes: AtomicU64,
    /// How many there were at the start, and how many of them were commands.
    found: (u64, u64),
}

impl Room {
    pub fn set(&self, bytes: u64) {
        // It orders nothing: who reads an old number waits a batch later.
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Whether callers are to wait.
    pub fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.bounds.most
    }

    /// How many bytes of the files a group's commands may take.
    pub const fn share(&self) -> u64 {
        self.bounds.share
    }

    /// How many bytes of the files the commands of a group that have so many bytes took at the start, if all took as
    /// much as each other.
    pub fn taken_by(&self, commands: u64) -> u64 {
        let (files, all) = self.found;
        part_of(files, commands, all)
    }
}

/// `all * part / whole`: such a part of `all`, and nothing of what has no parts.
pub(super) fn part_of(all: u64, part: u64, whole: u64) -> u64 {
    let product = u128::from(all) * u128::from(part.min(whole));
    product.checked_div(whole.into()).map_or(0, |quotient| quotient as u64)
}

/// How many bytes a group's commands have.
fn bytes_of(durable: &Durable<Bytes>) -> u64 {
    let log = durable.terms.base().index + 1..=durable.terms.last().index;
    let length = |entry: &Entry<Bytes>| match entry {
        Entry::NoOp => 0,
        Entry::Command(bytes) => bytes.len() as u64,
    };
    log.filter_map(|index| durable.log.get(index)).map(length).sum()
}

/// A node's log, as its servers have it in common. Clones are handles of the same one; with the last of them, those of
/// servers included, its thread ends.
#[derive(Clone)]
pub struct Host(Arc<Common>);

struct Common {
    gate: Gate<Filled>,
    seats: Arc<Seats>,
    room: Arc<Room>,
    identity: Identity,
    folder: PathBuf,
    /// The number of the first read of this life.
    first_read: u64,
    found: Mutex<Found>,
}

/// What the log had of each group, and which groups have taken theirs.
struct Found {
    groups: BTreeMap<GroupId, Durable<Bytes>>,
    taken: BTreeSet<GroupId>,
}

impl Drop for Common {
    fn drop(&mut self) {
        self.gate.close();
    }
}

impl Host {
    /// Opens the log in a node's folder, or begins it, and gives the work of its thread, which is to be run. The log's
    /// files are cut for so many groups whose snapshots are taken at so many bytes, or for as many as have commands in
    /// it.
    ///
    /// # Errors
    /// If the folder can't be made, or the log can't be used, is damaged, or belongs to somebody else.
    pub fn open(
        folder: &Path,
        identity: Identity,
        groups: usize,
        snapshot_bytes: u64,
    ) -> Result<(Self, LogThread<Folder>), Error> {
        let wal = folder.join("wal");
        let disk = Folder::new(&wal).map_err(|error| Error::Folder {
            path: wal.display().to_string(),
            error: error.into(),
        })?;
        Self::open_on(disk, folder, identity, (groups, snapshot_bytes))
    }

    /// The same with the log somewhere else. Snapshots are in `folder` all the same.
    ///
    /// # Errors
    /// If the log can't be used, is damaged, or belongs to somebody else.
    #[doc(hidden)]
    pub fn open_on<D: Disk>(
        disk: D,
        folder: &Path,
        identity: Identity,
        (groups, snapshot_bytes): (usize, u64),
    ) -> Result<(Self, LogThread<D>), Error> {
        let bounds = Bounds::new(groups, snapshot_bytes);
        let (mut wal, recovered) = Wal::open(disk, wal::Sound, identity, bounds.log)?;
        let live = recovered.groups.values().filter(|group| group.oldest.is_some()).count();
        let bounds = Bounds::new(groups.max(live), snapshot_bytes);
        wal.set_options(bounds.log);
        if let Some(cut) = &recovered.cut {
            tracing::warn!(?cut, "a torn tail was cut off the log: writes that nobody was told of");
        }
        let first_read = wal.generations().last().unwrap_or(0) << 32;
        let commands = recovered.groups.values().map(|group| bytes_of(&group.durable)).sum();
        let groups = recovered.groups.into_iter().map(|(id, group)| (id, group.durable)).collect();
        let gate = Gate::new(Filled { apart: !D::SYNCS_TOGETHER, ..Filled::default() });
        let seats = Seats::none();
        let files = wal.bytes_needed();
        let room = Room { bounds, bytes: AtomicU64::new(files), found: (files, commands) };
        let room = Arc::new(room);
        let thread = LogThread {
            wal,
            gate: gate.clone(),
            seats: Arc::clone(&seats),
            room: Arc::clone(&room),
        };
        let found = Mutex::new(Found { groups, taken: BTreeSet::new() });
        let folder = folder.to_owned();
        let common = Common { gate, seats, room, identity, folder, first_read, found };
        Ok((Self(Arc::new(common)), thread))
    }

    /// What the log had of a group when it was opened; nothing if the group is new here.
    ///
    /// # Errors
    /// If it was taken before: behind that the server has written, and only a start reads it again.
    pub(super) fn take(&self, group: GroupId) -> Result<Durable<Bytes>, Error> {
        let mut found = self.0.found.lock();
        if !found.taken.insert(group) {
            return Err(Error::Seated(group));
        }
        Ok(found.groups.remove(&group).unwrap_or_default())
    }

    /// Has the log forget a group's commands, and removes its snapshots: no server of it will be started here again.
    /// Its term and its vote stay, and one that is started all the same does not vote anew, but is refused, for its
    /// snapshot is missing.
    ///
    /// # Errors
    /// If it was started or forgotten before, or its snapshots can't be removed.
    pub fn forget(&self, group: GroupId) -> Result<(), Error> {
        let terms = self.take(group)?.terms;
        let last = terms.last().index;
        if last > terms.base().index {
            let id = terms.snapshot_at(last).expect("it is in the log");
            let write = Write::Snapshot { id, keep: false };
            let filled = self.0.gate.fill(|filled| filled.push(group, &write, std::iter::empty));
            // A closed gate means that the node stops: the next start is asked for it again.
            filled.unwrap_or(Ok(()))?;
        }
        let path = self.snapshots(group);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(SnapshotError::Io { what: "remove", path, error: error.into() }.into())
            }
            _ => Ok(()),
        }
    }

    /// The groups that the log has and nobody has taken, with the bytes of their commands, if there are any. They can't
    /// be started any more, and what was found of them is let go; the log itself keeps it.
    pub fn rest(&self) -> Vec<(GroupId, u64)> {
        let mut found = self.0.found.lock();
        let rest = std::mem::take(&mut found.groups);
        found.taken.extend(rest.keys());
        let rest = rest.into_iter().map(|(group, durable)| (group, bytes_of(&durable)));
        rest.filter(|(_, bytes)| *bytes > 0).collect()
    }

    /// A group's server is there, until what is given back goes.
    pub(super) fn sit(&self, group: GroupId, seat: Arc<dyn Seat>) -> Seated {
        let old = self.0.seats.0.lock().insert(group, seat);
        assert!(old.is_none(), "a group was taken twice");
        Seated { host: self.clone(), group }
    }

    pub(super) fn gate(&self) -> &Gate<Filled> {
        &self.0.gate
    }

    pub(super) fn room(&self) -> Arc<Room> {
        Arc::clone(&self.0.room)
    }

    pub(super) fn first_read(&self) -> u64 {
        self.0.first_read
    }

    /// Whose log it is.
    pub fn identity(&self) -> Identity {
        self.0.identity
    }

    /// Where a group's snapshots are.
    pub(super) fn snapshots(&self, group: GroupId) -> PathBuf {
        let name = match group.0 {
            0 => "snapshots".to_owned(),
            number => format!("snapshots-{number}"),
        };
        self.0.folder.join(name)
    }
}

/// A server's place in a host. It leaves with this.
pub(super) struct Seated {
    host: Host,
    group: GroupId,
}

impl Drop for Seated {
    fn drop(&mut self) {
        let left = self.host.0.seats.0.lock().remove(&self.group);
        // Outside of the lock: what a seat has may have locks of its own.
        drop(left);
    }
}
