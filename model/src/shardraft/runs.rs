//! The named runs of groups on Raft.

use super::{Bounds, Corner, Links};
use crate::bounds::{Bounds as ServerBounds, Net};
use crate::runs::Run;
use protocol::NodeId;
use protocol::quorum::NodeSet;

/// A named exploration of groups on Raft that hand a slot over.
pub type EstateRun = Run<Bounds, Corner>;

/// One server, which leads for good.
const ONE: ServerBounds =
    ServerBounds { max_log: 0, campaigners: NodeSet::EMPTY, ..ServerBounds::plain(1) };

/// Three, of which the second may campaign once, with everything else as good as a network that is slow.
const THREE: ServerBounds = ServerBounds {
    max_term: 2,
    max_log: 0,
    campaigners: NodeSet::only(NodeId(1)),
    ..ServerBounds::plain(3)
};

const PLAIN: Bounds = Bounds {
    servers: [THREE, ONE],
    sends: 1,
    reads: 0,
    links: Links::FirstIsSlow,
    letters: Net::Duplicate,
    quick_disks: true,
    mailbox: false,
    settle_every: 100,
};

pub(super) const GIVER: Bounds = PLAIN;
pub(super) const TAKER: Bounds = Bounds { servers: [ONE, THREE], ..PLAIN };
pub(super) const READS: Bounds = Bounds { reads: 1, ..PLAIN };

/// All of them.
pub const ESTATES: &[EstateRun] = &[
    Run {
        name: "shardraft-giver",
        about: "a group of three servers gives a slot to a group of one, and another of its servers may come to lead",
        bounds: GIVER,
        reaches: &[Corner::Deleted],
    },
    Run {
        name: "shardraft-taker",
        about: "a group of one server gives a slot to a group of three",
        bounds: TAKER,
        reaches: &[Corner::Deleted],
    },
    Run {
        name: "shardraft-reads",
        about: "any server is asked while the slot goes",
        bounds: READS,
        reaches: &[Corner::ReadByFollower],
    },
];
