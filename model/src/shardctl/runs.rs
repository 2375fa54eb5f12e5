//! The named runs of the controller's model.

use super::programs::Program::{self, *};
use super::{Bounds, Corner};
use crate::bounds::Net;
use crate::runs::Run;

/// A named exploration of the controller.
pub type OfficeRun = Run<Bounds, Corner>;

const fn bounds(programs: [Program; 2]) -> Bounds {
    Bounds {
        programs,
        slots: 4,
        walkers: 0,
        kept: 9,
        open: 9,
        net: Net::Reorder,
        losses: 0,
        attempts: 2,
        again: 1,
        reports: 1,
        lags: false,
        asks_behind: false,
        saves: 0,
        restarts: 0,
        deaths: 0,
        rovers: false,
        drop_void: true,
        settle_every: 1,
    }
}

/// Each call is sent once.
const fn once(programs: [Program; 2]) -> Bounds {
    Bounds { attempts: 1, ..bounds(programs) }
}

/// Groups walk, and nothing is kept that nobody needs.
const fn walking(programs: [Program; 2], walkers: u8) -> Bounds {
    Bounds { walkers, kept: 0, again: 0, ..once(programs) }
}

pub(super) const FENCE: Bounds = Bounds { settle_every: 100, ..bounds([JoinsTwo, JoinsThird]) };
pub(super) const MANY: Bounds = Bounds { lags: true, ..once([JoinsFive, LeavesFirst]) };
pub(super) const MOVES: Bounds =
    Bounds { lags: true, settle_every: 10, ..once([Moved, MovesBack]) };
pub(super) const SKEWS: Bounds = once([Skews, Nothing]);
pub(super) const REFUSED: Bounds = once([JoinsTwo, LeavesBoth]);
pub(super) const IN_USE: Bounds = once([JoinsBoth, TakesFirst]);
pub(super) const RIVALS: Bounds = once([JoinsOne, JoinsThird]);
pub(super) const LEAVES: Bounds = once([JoinsThree, LeavesFirst]);
pub(super) const AWAY: Bounds = once([JoinsThree, MovesAway]);
pub(super) const BEHIND: Bounds = Bounds {
    lags: true,
    asks_behind: true,
    again: 0,
    settle_every: 10,
    ..bounds([JoinsOne, JoinsThird])
};
pub(super) const DROPPED: Bounds = Bounds { settle_every: 10, ..walking([Swaps, JoinsThird], 2) };
pub(super) const BACK: Bounds = walking([ComesBack, Nothing], 2);
pub(super) const HELD_UP: Bounds = Bounds { open: 2, ..walking([Swaps, Nothing], 2) };
pub(super) const REPORTS: Bounds = Bounds { reports: 2, ..walking([Swaps, Nothing], 2) };
pub(super) const ROVERS: Bounds = Bounds { rovers: true, ..walking([Replaces, Nothing], 2) };
pub(super) const RESTART: Bounds =
    Bounds { lags: true, saves: 1, restarts: 1, settle_every: 100, ..walking([Swaps, Nothing], 1) };

pub(super) const UNKNOWN: Bounds =
    Bounds { attempts: 2, settle_every: 10, ..walking([JoinsOne, JoinsSecond], 2) };
pub(super) const LOST: Bounds = Bounds { losses: 2, ..bounds([JoinsTwo, Nothing]) };

/// All of them.
pub const OFFICES: &[OfficeRun] = &[
    Run {
        name: "ctl-fence",
        about: "two administrators change the same, each may ask twice: the second has to look",
        bounds: FENCE,
        reaches: &[
            Corner::Joined,
            Corner::Stale,
            Corner::SecondCopy,
            Corner::FoundOwn,
            Corner::FoundOthers,
            Corner::BegunAnew,
        ],
    },
    Run {
        name: "ctl-doubled",
        about: "every message may come any number of times",
        bounds: Bounds { net: Net::Duplicate, ..once([JoinsTwo, JoinsThird]) },
        reaches: &[Corner::SecondCopy, Corner::FoundOthers, Corner::BegunAnew],
    },
    Run {
        name: "ctl-lost",
        about: "two messages are lost for good",
        bounds: LOST,
        reaches: &[Corner::MessageLost, Corner::SecondCopy, Corner::FoundOwn],
    },
    Run {
        name: "ctl-many",
        about: "several groups come and go at once, more than there are slots",
        bounds: MANY,
        reaches: &[Corner::Joined, Corner::JoinedBeyondSlots, Corner::Left],
    },
    Run {
        name: "ctl-moves",
        about: "slots are moved, and what that did is evened out",
        bounds: MOVES,
        reaches: &[
            Corner::Moved,
            Corner::Rebalanced,
            Corner::BalancedAfterMove,
            Corner::RefusedNoChange,
        ],
    },
    Run {
        name: "ctl-refused",
        about: "the last groups cannot leave",
        bounds: REFUSED,
        reaches: &[Corner::RefusedLast, Corner::RefusedNoGroup],
    },
    Run {
        name: "ctl-in-use",
        about: "a group joins that is there, and is refused",
        bounds: IN_USE,
        reaches: &[Corner::RefusedInUse],
    },
    Run {
        name: "ctl-away",
        about: "slots go to a group that may not be there",
        bounds: AWAY,
        reaches: &[Corner::RefusedNoGroup, Corner::Moved],
    },
    Run {
        name: "ctl-behind",
        about: "questions go to a replica that may be behind",
        bounds: BEHIND,
        reaches: &[Corner::ReplicaBehind, Corner::NotThereYet, Corner::FoundOwn],
    },
    Run {
        name: "ctl-dropped",
        about: "groups walk, and what they have behind them is dropped",
        bounds: DROPPED,
        reaches: &[Corner::Dropped, Corner::KeptForOneThatLeft, Corner::LateReport],
    },
    Run {
        name: "ctl-three",
        about: "three groups walk by what either replica has, while one of them leaves",
        bounds: Bounds { lags: true, settle_every: 100, ..walking([JoinsThree, LeavesFirst], 3) },
        reaches: &[Corner::Dropped, Corner::KeptForOneThatLeft, Corner::WalkedByReplicaBehind],
    },
    Run {
        name: "ctl-unknown",
        about: "what would tell a request's fate is dropped before its administrator looks",
        bounds: UNKNOWN,
        reaches: &[Corner::AskedForDropped, Corner::UnknownExecuted],
    },
    Run {
        name: "ctl-unknown-others",
        about: "another's configuration is dropped before an administrator looks whose it is",
        bounds: walking([JoinsTwo, JoinsOne], 2),
        reaches: &[Corner::AskedForDropped, Corner::UnknownNotExecuted],
    },
    Run {
        name: "ctl-comes-back",
        about: "a group leaves and comes back, when it has given all away and not before",
        bounds: Bounds { reports: 2, settle_every: 10, ..BACK },
        reaches: &[Corner::CameBack, Corner::RefusedLeaving, Corner::LateReport],
    },
    Run {
        name: "ctl-held-up",
        about: "a group that is behind holds up changes",
        bounds: HELD_UP,
        reaches: &[Corner::RefusedBehind, Corner::Dropped],
    },
    Run {
        name: "ctl-rovers",
        about: "a group that has left goes on walking and reporting",
        bounds: ROVERS,
        reaches: &[Corner::ReportRefused, Corner::KeptForOneThatLeft],
    },
    Run {
        name: "ctl-restart",
        about: "replicas begin anew from what they have saved, and groups walk by what they have then",
        bounds: RESTART,
        reaches: &[Corner::Restarted, Corner::WalkedByReplicaBehind],
    },
    Run {
        name: "ctl-dies",
        about: "an administrator dies with its request under way: the other one goes on",
        bounds: Bounds { deaths: 1, ..FENCE },
        reaches: &[Corner::AdminDied, Corner::FoundOwn],
    },
];
