//! Where mutants are hunted: the bounds of each kind of hunt.

use crate::bounds::{ANY_NUMBER, Bounds, Net};
use protocol::NodeId;
use protocol::quorum::NodeSet;

pub(super) const N0: NodeSet = NodeSet::only(NodeId(0));

pub(super) const fn elections(max_term: u64) -> Bounds {
    Bounds { max_term, max_log: 0, ..Bounds::plain(3) }
}

pub(super) const fn crash(max_term: u64, max_log: u64) -> Bounds {
    Bounds { max_term, max_log, crashes: 1, victims: NodeSet::first(3), ..Bounds::plain(3) }
}

pub(super) const fn deep_election() -> Bounds {
    Bounds { max_term: 3, max_log: 2, campaigners: NodeSet::first(2), ..Bounds::plain(3) }
}

pub(super) const fn figure8() -> Bounds {
    Bounds { max_term: 4, max_log: 0, ..Bounds::plain(3) }
}

pub(super) const fn reorder() -> Bounds {
    Bounds { max_term: 1, max_log: 2, max_batch: 1, campaigners: N0, ..Bounds::plain(3) }
}

pub(super) const fn retry() -> Bounds {
    Bounds { max_term: 1, max_log: 3, heartbeats: true, net: Net::Duplicate, ..reorder() }
}

pub(super) const fn snapshots(servers: usize) -> Bounds {
    Bounds {
        max_term: 1,
        max_log: 2,
        campaigners: N0,
        compactions: 1,
        compactors: NodeSet::first(servers),
        heartbeats: true,
        ..Bounds::plain(servers)
    }
}

pub(super) const fn snapshot_conflict() -> Bounds {
    Bounds { max_term: 2, campaigners: NodeSet::first(2), ..snapshots(3) }
}

pub(super) const fn pre_votes(max_term: u64) -> Bounds {
    Bounds { max_term, max_log: 0, pre_vote: true, forced_elections: false, ..Bounds::plain(3) }
}

pub(super) const fn reads(max_term: u64) -> Bounds {
    Bounds { max_term, max_log: 0, reads: 1, readers: NodeSet::first(3), ..Bounds::plain(3) }
}

impl Bounds {
    pub(super) const fn log(self, max_log: u64) -> Self {
        Self { max_log, ..self }
    }

    pub(super) const fn beats(self) -> Self {
        Self { heartbeats: true, ..self }
    }

    pub(super) const fn losing(self) -> Self {
        Self { losses: ANY_NUMBER, ..self }
    }

    pub(super) const fn quorum(self) -> Self {
        Self { check_quorum: true, ..self }
    }

    pub(super) const fn asking(self, reads: u8) -> Self {
        Self { reads, ..self }
    }

    pub(super) const fn crashing(self) -> Self {
        Self { crashes: 1, victims: NodeSet::first(self.servers), ..self }
    }
}
