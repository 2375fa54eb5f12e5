//! The named runs of the groups' model.

use super::plans::Plan::{self, *};
use super::plans::Program::{self, *};
use super::{Bounds, Corner};
use crate::bounds::Net;
use crate::runs::Run;

/// A named exploration of groups that hand slots over.
pub type RelayRun = Run<Bounds, Corner>;

/// Each group may have two leaders, one after the other.
const TWO: [u64; 3] = [2; 3];

/// Every message may come any number of times, a slot goes as it is in one part, and is stopped behind that.
const fn plain(plan: Plan, programs: [Program; 2]) -> Bounds {
    Bounds {
        plan,
        programs,
        begun: true,
        net: Net::Duplicate,
        leaders: [1; 3],
        behind: 0,
        losses: 0,
        repeats: [0; 3],
        restarts: 0,
        part_bytes: 1 << 20,
        parts: 1,
        copies: 0,
        slots: 1,
        stamps: [0; 3],
        late: false,
        settle_every: 100,
    }
}

pub(super) const THERE: Bounds =
    Bounds { leaders: TWO, settle_every: 10, ..plain(There, [Twice, Nothing]) };
pub(super) const UNSURE: Bounds =
    Bounds { losses: 1, repeats: [1; 3], ..plain(There, [Twice, Nothing]) };
pub(super) const BACK: Bounds = Bounds { settle_every: 1, ..plain(Back, [Twice, Nothing]) };
pub(super) const AGAIN: Bounds = Bounds { settle_every: 10, ..plain(Again, [Once, Nothing]) };
pub(super) const STALE_GIVER: Bounds = Bounds { repeats: [1, 0, 0], settle_every: 100, ..AGAIN };
pub(super) const STALE_TAKER: Bounds = Bounds { repeats: [0, 1, 0], settle_every: 100, ..AGAIN };
pub(super) const SWAP: Bounds = Bounds { leaders: [2, 1, 1], ..plain(Swap, [OneEach, Nothing]) };
pub(super) const PARTS: Bounds =
    Bounds { part_bytes: 1, parts: 2, copies: 2, leaders: TWO, ..plain(There, [Twice, Nothing]) };
pub(super) const RESTART: Bounds = Bounds { restarts: 2, ..plain(There, [Twice, Nothing]) };
pub(super) const LAGS: Bounds = Bounds { behind: 2, leaders: TWO, ..plain(There, [Once, Nothing]) };
pub(super) const CLOCK: Bounds =
    Bounds { stamps: [20, 5, 0], leaders: TWO, ..plain(There, [Leases, Nothing]) };
pub(super) const VERSIONS: Bounds = Bounds { leaders: TWO, ..plain(There, [Remakes, Nothing]) };
pub(super) const LATE: Bounds = Bounds {
    late: true,
    losses: 1,
    repeats: [0, 1, 0],
    leaders: [1, 2, 1],
    behind: 1,
    ..plain(Late, [Once, Nothing])
};
pub(super) const RETURN: Bounds =
    Bounds { late: true, repeats: [0, 1, 0], ..plain(Return, [Once, Nothing]) };

/// All of them.
pub const RELAYS: &[RelayRun] = &[
    Run {
        name: "shard-there",
        about: "a slot goes to another group while a client writes, and any leader may be replaced",
        bounds: THERE,
        reaches: &[
            Corner::WhileGiving,
            Corner::RefusedFrozen,
            Corner::RefusedTaking,
            Corner::RefusedElsewhere,
            Corner::RepeatElsewhere,
            Corner::Installed,
            Corner::Deleted,
            Corner::LeaderWhileGiving,
            Corner::LeaderWhileTaking,
            Corner::SecondStream,
        ],
    },
    Run {
        name: "shard-clients",
        about: "two clients write one slot, and it moves",
        bounds: Bounds { begun: false, leaders: TWO, ..plain(There, [Twice, Once]) },
        reaches: &[Corner::WhileGiving, Corner::RepeatElsewhere, Corner::RefusedFrozen],
    },
    Run {
        name: "shard-unsure",
        about: "proposals come to nothing, or into the log twice",
        bounds: UNSURE,
        reaches: &[Corner::ProposalLost, Corner::EntryAgain, Corner::EntryOver],
    },
    Run {
        name: "shard-back",
        about: "a slot goes there and back, or does not go at all",
        bounds: BACK,
        reaches: &[Corner::CalledOff, Corner::GivenUp, Corner::Deleted],
    },
    Run {
        name: "shard-again",
        about: "a slot goes there, back, and there again; whatever was said before may be heard later",
        bounds: AGAIN,
        reaches: &[Corner::CalledOff, Corner::GivenUp, Corner::RepeatElsewhere],
    },
    Run {
        name: "shard-stale-giver",
        about: "the same, and an entry of the first giver comes again at any time",
        bounds: STALE_GIVER,
        reaches: &[Corner::EntryOver, Corner::EntryAgain],
    },
    Run {
        name: "shard-stale-taker",
        about: "the same, and an entry of the first taker comes again at any time",
        bounds: STALE_TAKER,
        reaches: &[Corner::EntryOver, Corner::EntryAgain],
    },
    Run {
        name: "shard-swap",
        about: "two groups give each other a slot",
        bounds: SWAP,
        reaches: &[Corner::BothFrozen, Corner::WhileGiving],
    },
    Run {
        name: "shard-both",
        about: "two slots go, one after the other: the first is served before the second has come",
        bounds: Bounds { begun: false, leaders: TWO, ..plain(Both, [Once, Other]) },
        reaches: &[Corner::ArrivedFirst],
    },
    Run {
        name: "shard-overtaken",
        about: "a configuration does not wait for a slot that it does not change",
        bounds: Bounds { leaders: [2, 1, 1], ..plain(Overtaken, [OneEach, Nothing]) },
        reaches: &[Corner::Overtaken],
    },
    Run {
        name: "shard-onward",
        about: "a slot goes on to a third group",
        bounds: Bounds { leaders: [1, 2, 1], ..plain(Onward, [Twice, Nothing]) },
        reaches: &[Corner::Onward, Corner::RepeatElsewhere],
    },
    Run {
        name: "shard-round",
        about: "three groups: one gives, one gives and takes, one takes",
        bounds: Bounds { leaders: [1, 2, 1], ..plain(Round, [OneEach, Nothing]) },
        reaches: &[Corner::BothFrozen],
    },
    Run {
        name: "shard-parts",
        about: "a slot goes in several parts, and what is written meanwhile behind them",
        bounds: PARTS,
        reaches: &[Corner::ManyParts, Corner::PartBehindFreeze],
    },
    Run {
        name: "shard-lags",
        about: "a leader, and the one that follows it, may know less than its group has committed",
        bounds: LAGS,
        reaches: &[Corner::LeaderBehind],
    },
    Run {
        name: "shard-restart",
        about: "a group begins anew from its bytes",
        bounds: RESTART,
        reaches: &[Corner::Restarted, Corner::SecondStream],
    },
    Run {
        name: "shard-late",
        about: "a group comes when there were configurations already, and its leader may be replaced or behind",
        bounds: LATE,
        reaches: &[Corner::Begun, Corner::EntryOver, Corner::LeaderBehind, Corner::Installed],
    },
    Run {
        name: "shard-return",
        about: "a group comes late, leaves and comes back, and an entry of it comes again at any time",
        bounds: RETURN,
        reaches: &[Corner::Begun, Corner::BegunAgain, Corner::EntryOver],
    },
    Run {
        name: "shard-clock",
        about: "a slot goes to a group whose clock is behind",
        bounds: CLOCK,
        reaches: &[Corner::ClockWentOn],
    },
    Run {
        name: "shard-versions",
        about: "a key is made, taken away and made again while its slot moves",
        bounds: VERSIONS,
        reaches: &[Corner::VersionsWentOn],
    },
];
