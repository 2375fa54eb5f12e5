//! What the servers of a node have in common: one log for the groups of all of them, and one thread that syncs it.
//!
//! A server takes its *seat* here, for its group: it finds what the log has of it, and puts what it writes through the
//! same gate as the others. Whatever all of them have written while the disk was busy is one batch, and one sync.

use super::disk::LogThread;
use super::{Error, Filled};
use crate::disk::{Disk, Folder};
use crate::gate::Gate;
use crate::sync::Mutex;
use crate::wal::{self, Bytes, GroupId, Identity, Wal};
use protocol::SnapshotId;
use protocol::log::Durable;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A server, as the disk's thread knows it. Nothing here may wait.
pub trait Seat: Send + Sync {
    /// So many of its writes are durable, the oldest.
    fn durable(&self, writes: usize);

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

/// A node's log, as its servers have it in common. Clones are handles of the same one; with the last of them, those of
/// servers included, its thread ends.
#[derive(Clone)]
pub struct Host(Arc<Common>);

struct Common {
    gate: Gate<Filled>,
    seats: Arc<Seats>,
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
    /// files are cut for so many groups whose snapshots are taken at so many bytes.
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
        let segment_bytes = (snapshot_bytes / 10).clamp(16 << 10, 64 << 20);
        // A group's log may grow to twice its bound while a snapshot is taken, so that all of these may be live from
        // end to end. With fewer, each opening would copy what a later one copies again, and all writes wait for that.
        let each = (snapshot_bytes.saturating_mul(2)).div_ceil(segment_bytes);
        let all = each.saturating_mul(groups.max(1) as u64).saturating_add(4);
        let max_segments = usize::try_from(all).unwrap_or(usize::MAX);
        let options = wal::Options { segment_bytes, max_segments };
        let (wal, recovered) = Wal::open(disk, wal::Sound, identity, options)?;
        if let Some(cut) = &recovered.cut {
            tracing::warn!(?cut, "a torn tail was cut off the log: writes that nobody was told of");
        }
        let first_read = wal.generations().last().unwrap_or(0) << 32;
        let groups = recovered.groups.into_iter().map(|(id, group)| (id, group.durable)).collect();
        let gate = Gate::new(Filled { apart: !D::SYNCS_TOGETHER, ..Filled::default() });
        let seats = Seats::none();
        let thread = LogThread { wal, gate: gate.clone(), seats: Arc::clone(&seats) };
        let found = Mutex::new(Found { groups, taken: BTreeSet::new() });
        let folder = folder.to_owned();
        let common = Common { gate, seats, identity, folder, first_read, found };
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

    /// A group's server is there, until what is given back goes.
    pub(super) fn sit(&self, group: GroupId, seat: Arc<dyn Seat>) -> Seated {
        let old = self.0.seats.0.lock().insert(group, seat);
        assert!(old.is_none(), "a group was taken twice");
        Seated { host: self.clone(), group }
    }

    pub(super) fn gate(&self) -> &Gate<Filled> {
        &self.0.gate
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
