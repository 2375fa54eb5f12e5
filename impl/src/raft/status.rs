//! What a server shows of itself.

use crate::rsm::Gauges;
use crate::sync::Mutex;
use protocol::kv::Stamp;
use protocol::raft::RoleName;
use protocol::{Index, NodeId, Term};
use std::sync::Arc;

/// A server as it was at the end of its core's last round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// This server.
    pub me: NodeId,
    /// Its role.
    pub role: RoleName,
    /// Its term.
    pub term: Term,
    /// Who leads the term, if it knows.
    pub leader: Option<NodeId>,
    /// The last entry known to be committed.
    pub commit: Index,
    /// The last entry that the service has applied.
    pub applied: Index,
    /// The last entry of its log.
    pub last: Index,
    /// The last entry that its snapshot covers.
    pub snapshot: Index,
    /// The commands behind the snapshot, in bytes.
    pub log_bytes: u64,
    /// How many callers wait.
    pub waiting: u64,
    /// The servers to which there is a connection, a bit each.
    pub up: u32,
    /// How many writes the disk has not finished.
    pub pending_writes: u64,
    /// The group's clock, in milliseconds since 1970.
    pub clock: Stamp,
    /// The service's figures.
    pub gauges: Gauges,
}

/// The latest [`Status`], for other threads.
#[derive(Clone, Debug)]
pub struct Shared {
    status: Arc<Mutex<Status>>,
}

impl Shared {
    /// A server that has not begun.
    pub fn new(me: NodeId) -> Self {
        let status = Status {
            me,
            role: RoleName::Follower,
            term: 0,
            leader: None,
            commit: 0,
            applied: 0,
            last: 0,
            snapshot: 0,
            log_bytes: 0,
            waiting: 0,
            up: 0,
            pending_writes: 0,
            clock: 0,
            gauges: Gauges::default(),
        };
        Self { status: Arc::new(Mutex::new(status)) }
    }

    /// The latest.
    pub fn get(&self) -> Status {
        *self.status.lock()
    }

    pub(super) fn set(&self, status: Status) {
        *self.status.lock() = status;
    }
}
