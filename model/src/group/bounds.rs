//! What a run of the replicated store may do.

use super::Program;
use crate::bounds::Bounds as ServerBounds;
use protocol::clock::Stamp;
use protocol::quorum::NodeSet;
use serde::{Deserialize, Serialize};

/// What may happen in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bounds {
    /// To the servers. They take no commands but the clients'.
    #[serde(flatten)]
    pub servers: ServerBounds,
    /// What each client does.
    pub programs: [Program; 3],
    /// How often a call may be sent.
    pub attempts: u32,
    /// Which servers are called.
    pub contacts: NodeSet,
    /// Whether each client calls one of these only: the first the first, and so on.
    pub each_its_own: bool,
    /// Whether Puts are recorded.
    pub record_puts: bool,
    /// How many deadlines there may be.
    pub deadlines: u8,
    /// Whether only a server that leads, or thinks so, is called.
    pub at_leaders: bool,
    /// From which term on leaders send heartbeats, if they do.
    pub beats_from: u64,
    /// How often a leader sends them, in all.
    pub beats: u8,
    /// Whether a snapshot is taken of what was copied some steps before.
    pub background: bool,
    /// Whether every reply is held against an order of the calls. It tells many states apart; where it is left out
    /// (RED-HISTORY), the other properties stand.
    pub linearizable: bool,
    /// Whether servers pass commands on to the leader.
    pub passes: bool,
    /// How often what is passed on does not leave, or a connection between servers is lost.
    pub lost: u8,
    /// The latest time that a server's clock shows, from 0: each may jump to any at any moment. 0: none has a clock.
    pub latest: Stamp,
    /// Whether answers that change nothing but their client's rest are kept all the same (RED-HEARD).
    pub keep_heard: bool,
}
