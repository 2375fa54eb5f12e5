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

/// Two of which the same is true. The second leads with the first one's consent, so no two lead at a time.
const TWO: ServerBounds = ServerBounds { servers: 2, ..THREE };

const PLAIN: Bounds = Bounds {
    servers: [THREE, ONE],
    sends: 0,
    reads: 0,
    links: Links::FirstIsSlow,
    letters: Net::Duplicate,
    quick_disks: true,
    mailbox: false,
    settle_every: 1_000,
};

/// Who leads may change once.
pub(super) const GIVER: Bounds = Bounds { settle_every: 50, ..PLAIN };
pub(super) const TAKER: Bounds = Bounds { servers: [ONE, THREE], settle_every: 50, ..PLAIN };
/// The client calls once more.
pub(super) const CALLED: Bounds =
    Bounds { servers: [TWO, ONE], sends: 1, settle_every: 100, ..PLAIN };
const GIVER_CALLED: Bounds = Bounds { sends: 1, ..PLAIN };
const TAKER_CALLED: Bounds = Bounds { servers: [ONE, THREE], sends: 1, settle_every: 500, ..PLAIN };
/// The second server leads the second term, and the first one the third.
const TURNS: ServerBounds =
    ServerBounds { max_term: 3, in_turn: true, campaigners: NodeSet::first(2), ..THREE };
const MAILBOX: Bounds = Bounds { mailbox: true, settle_every: 200, ..PLAIN };
/// What is late keeps no order.
const OVERTAKEN: Bounds =
    Bounds { servers: [TWO, ONE], links: Links::FirstIsOvertaken, settle_every: 50, ..PLAIN };
/// Nobody campaigns; the last server may be behind, and is asked.
const READ: ServerBounds = ServerBounds { max_term: 1, readers: NodeSet::only(NodeId(2)), ..THREE };
pub(super) const READS: Bounds = Bounds {
    servers: [ServerBounds { servers: 2, readers: NodeSet::only(NodeId(1)), ..READ }, ONE],
    sends: 1,
    reads: 1,
    settle_every: 50,
    ..PLAIN
};
/// The first server may crash between any two writes of its disk, and campaign again.
const CRASH: ServerBounds = ServerBounds {
    campaigners: NodeSet::only(NodeId(0)),
    crashes: 1,
    victims: NodeSet::only(NodeId(0)),
    ..THREE
};

/// All of the standard ones.
pub const ESTATES: &[EstateRun] = &[
    Run {
        name: "shardraft-giver",
        about: "a group of three servers gives a slot to a group of one, and another server may come to lead it",
        bounds: GIVER,
        reaches: &[
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
        about: "a group of one server gives a slot to a group of three, and another server may come to lead that, while the client calls",
        bounds: TAKER_CALLED,
        reaches: &[
            Corner::WhileGiving,
            Corner::RefusedFrozen,
            Corner::RefusedTaking,
            Corner::RepeatElsewhere,
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
        name: "shardraft-called",
        about: "a group of two servers gives a slot, and the other server may come to lead it, while the client calls",
        bounds: CALLED,
        reaches: &[
            Corner::WhileGiving,
            Corner::RefusedFrozen,
            Corner::RefusedTaking,
            Corner::RepeatElsewhere,
            Corner::LeaderWhileGiving,
            Corner::LeaderWhileFrozen,
            Corner::OverAgain,
            Corner::SecondStream,
            Corner::LaterFinishes,
        ],
    },
    Run {
        name: "shardraft-turns",
        about: "the giver's first leader is deposed, and leads again a term later",
        bounds: Bounds {
            servers: [ServerBounds { servers: 2, ..TURNS }, ONE],
            settle_every: 50,
            ..PLAIN
        },
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
        bounds: Bounds {
            servers: [ONE, ServerBounds { servers: 2, ..CRASH }],
            quick_disks: false,
            settle_every: 20,
            ..PLAIN
        },
        reaches: &[Corner::Restarted, Corner::LaterInstalls],
    },
    Run {
        name: "shardraft-overtaken",
        about: "messages between the giver's servers overtake each other, or are lost",
        bounds: OVERTAKEN,
        reaches: &[Corner::LeaderWhileFrozen, Corner::BySuccessor, Corner::OverAgain],
    },
];

/// Larger ones, for `checks deep`.
pub const DEEP_ESTATES: &[EstateRun] = &[
    Run {
        name: "shardraft-giver-called",
        about: "shardraft-giver while the client calls",
        bounds: GIVER_CALLED,
        reaches: &[
            Corner::WhileGiving,
            Corner::RefusedFrozen,
            Corner::RefusedTaking,
            Corner::RepeatElsewhere,
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
        name: "shardraft-turns-three",
        about: "shardraft-turns with three servers, of which two may have movers at once",
        bounds: Bounds { servers: [TURNS, ONE], ..PLAIN },
        reaches: &[
            Corner::OutcomeOfEarlier,
            Corner::OverAgain,
            Corner::NewLeaderBehind,
            Corner::TwoMovers,
        ],
    },
    Run {
        name: "shardraft-reads-three",
        about: "shardraft-reads with three servers, of which the third is asked",
        bounds: Bounds { servers: [READ, ONE], settle_every: 1_000, ..READS },
        reaches: &[Corner::ReadByFollower, Corner::ReadRefused, Corner::ReadLags],
    },
    Run {
        name: "shardraft-restart-three",
        about: "shardraft-restart with three servers",
        bounds: Bounds { servers: [ONE, CRASH], quick_disks: false, settle_every: 500, ..PLAIN },
        reaches: &[Corner::Restarted, Corner::LaterInstalls],
    },
];
