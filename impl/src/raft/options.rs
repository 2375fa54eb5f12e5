//! How a server of a group is set up.

use super::{Clocks, SystemClocks};
use protocol::NodeId;
use protocol::quorum::NodeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Times and bounds of a server. All servers of a group should have the same.
#[derive(Clone, Debug)]
pub struct Options {
    /// This server.
    pub me: NodeId,
    /// All servers of the group.
    pub voters: NodeSet,
    /// The period of a leader's heartbeats.
    pub heartbeat: Duration,
    /// An election timeout is drawn from these two: the least and the most.
    pub election: (Duration, Duration),
    /// The most entries in one message.
    pub max_batch: u32,
    /// The most entries on their way to one follower.
    pub window: u32,
    /// A snapshot is taken when the commands in the log, or what they take of its files, exceed this, in bytes.
    pub snapshot_bytes: u64,
    /// How long a caller waits for a leader to be known, or for room in the log.
    pub park: Duration,
    /// How long a caller waits, for a leader and a decision.
    pub deadline: Duration,
    /// The most callers that wait.
    pub max_waiting: usize,
    /// The most bytes of commands whose callers wait.
    pub max_waiting_bytes: usize,
    /// The folder for this server's trace ([`crate::trace`]), if it is to be recorded.
    pub record: Option<PathBuf>,
    /// Where it reads the time.
    pub clocks: Arc<dyn Clocks>,
}

impl Options {
    /// The only server of its group.
    pub fn alone() -> Self {
        Self::new(NodeId(0), NodeSet::first(1))
    }

    /// A server with the usual times and bounds.
    pub fn new(me: NodeId, voters: NodeSet) -> Self {
        Self {
            me,
            voters,
            heartbeat: Duration::from_millis(50),
            election: (Duration::from_millis(250), Duration::from_millis(500)),
            max_batch: 1024,
            window: 8192,
            snapshot_bytes: 64 << 20,
            park: Duration::from_millis(1000),
            deadline: Duration::from_millis(1500),
            max_waiting: 1 << 16,
            max_waiting_bytes: 256 << 20,
            record: None,
            clocks: Arc::new(SystemClocks::new()),
        }
    }
}
