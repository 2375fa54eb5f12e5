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
    settle_every: 1_000,
};

/// Who leads may change once, and the client calls once more.
pub(super) const GIVER: Bounds = PLAIN;
pub(super) const TAKER: Bounds = Bounds { servers: [ONE, THREE], settle_every: 500, ..PLAIN };
/// The second server leads the second term, and the first one the third.
pub(super) const TURNS: Bounds = Bounds {
    servers: [
        ServerBounds { max_term: 3, in_turn: true, campaigners: NodeSet::first(2), ..THREE },
        ONE,
    ],
    sends: 0,
    settle_every: 1_000,
    ..PLAIN
};
const MAILBOX: Bounds = Bounds { mailbox: true, sends: 0, settle_every: 200, ..PLAIN };
/// Nobody campaigns; the third server may be behind, and is asked.
pub(super) const READS: Bounds = Bounds {
    servers: [ServerBounds { max_term: 1, readers: NodeSet::only(NodeId(2)), ..THREE }, ONE],
    reads: 1,
    settle_every: 1_000,
    ..PLAIN
};
/// The first server may crash between any two writes of its disk, and campaign again.
const RESTART: Bounds = Bounds {
    servers: [
        ONE,
        ServerBounds {
            campaigners: NodeSet::only(NodeId(0)),
            crashes: 1,
            victims: NodeSet::only(NodeId(0)),
            ..THREE
        },
    ],
    sends: 0,
    quick_disks: false,
    settle_every: 500,
    ..PLAIN
};

/// All of them.
pub const ESTATES: &[EstateRun] = &[
    Run {
        name: "shardraft-giver",
        about: "a group of three servers gives a slot to a group of one, and another server may come to lead it",
        bounds: GIVER,
        reaches: &[
            Corner::WhileGiving,
            Corner::RefusedFrozen,
            Corner::RefusedTaking,
            Corner::RepeatElsewhere,
            Corner::Installed,
            Corner::Deleted,
            Corner::LeaderWhileGiving,
            Corner::LeaderWhileFrozen,
            Corner::TwoMovers,
            Corner::OldMoverHeard,
            Corner::OldMoverSpoke,
            Corner::BySuccessor,
            Corner::NeverCommitted,
            Corner::SecondStream,
            Corner::LaterFinishes,
        ],
    },
    Run {
        name: "shardraft-taker",
        about: "a group of one server gives a slot to a group of three, and another server may come to lead that",
        bounds: TAKER,
        reaches: &[
            Corner::LeaderWhileTaking,
            Corner::TwoMovers,
            Corner::OldMoverHeard,
            Corner::OldMoverSpoke,
            Corner::BySuccessor,
            Corner::NeverCommitted,
            Corner::LaterInstalls,
        ],
    },
    Run {
        name: "shardraft-turns",
        about: "the giver's first leader is deposed, and leads again a term later",
        bounds: TURNS,
        reaches: &[Corner::OutcomeOfEarlier, Corner::OverAgain, Corner::NewLeaderBehind],
    },
    Run {
        name: "shardraft-mailbox",
        about: "what a mover proposes waits, and its server may be deposed meanwhile",
        bounds: MAILBOX,
        reaches: &[Corner::Mailbox, Corner::OverAgain],
    },
    Run {
        name: "shardraft-reads",
        about: "a server of the giver that does not lead, and may be behind, is asked while the slot goes",
        bounds: READS,
        reaches: &[Corner::ReadByFollower, Corner::ReadRefused, Corner::ReadLags],
    },
    Run {
        name: "shardraft-restart",
        about: "the taker's leader crashes between two writes of its disk, and leads again",
        bounds: RESTART,
        reaches: &[Corner::Restarted, Corner::LaterInstalls],
    },
];
