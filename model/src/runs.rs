//! The named runs: what is explored, within which bounds, and which corners each must reach.
//!
//! Together the standard runs cover election, replication, restarts with the split disk, duplication, loss,
//! snapshots and reads. A run that misses one of its corners fails, however green its properties are. The
//! exact number of states of each is pinned in the ledger of `checks`: another count is another protocol.

use crate::bounds::Bounds;
use crate::probes::Probe;
use protocol::NodeId;
use protocol::quorum::NodeSet;

mod deep;
mod standard;

pub use deep::DEEP;
pub use standard::STANDARD;

/// A named exploration.
#[derive(Clone, Copy, Debug)]
pub struct Run<B: 'static = Bounds, C: 'static = Probe> {
    /// Its name, as a person types it.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// What may happen in it.
    pub bounds: B,
    /// What it must reach.
    pub reaches: &'static [C],
}

const N0: NodeSet = NodeSet::only(NodeId(0));
const N01: NodeSet = NodeSet::first(2);
const N02: NodeSet = only_two(0, 2);

const fn only_two(one: u8, two: u8) -> NodeSet {
    let mut set = NodeSet::only(NodeId(one));
    set.insert(NodeId(two));
    set
}

const THREE: Bounds = Bounds { max_log: 0, ..Bounds::plain(3) };

/// Commands and a crash between any two writes of a disk, while two rivals campaign.
const RESTART_COMMANDS: Bounds =
    Bounds { max_term: 2, max_log: 2, crashes: 1, victims: N0, campaigners: N01, ..THREE };

/// Commands, and snapshots of one of two rivals.
const SNAPSHOTS: Bounds = Bounds {
    max_term: 2,
    max_log: 2,
    campaigners: N01,
    compactions: 1,
    compactors: NodeSet::only(NodeId(1)),
    ..THREE
};

/// Every run, the standard ones first.
pub fn all() -> impl Iterator<Item = &'static Run> {
    STANDARD.iter().chain(DEEP)
}

/// The run of this name.
pub fn find(name: &str) -> Option<&'static Run> {
    all().find(|run| run.name == name)
}
