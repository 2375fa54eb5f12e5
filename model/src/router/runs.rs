//! The named runs of the router's model.

use super::bounds::Program::{self, *};
use super::{Bounds, Corner};
use crate::runs::Run;
use crate::shardkv::Plan::{self, *};

/// A named exploration of the router.
pub type DeskRun = Run<Bounds, Corner>;

const fn plain(plan: Plan, programs: [Program; 2]) -> Bounds {
    Bounds {
        plan,
        programs,
        first_elsewhere: 0,
        new: false,
        failures: 0,
        unknown: 0,
        strays: 0,
        ways: 1,
        leads: 0,
        lates: 0,
        stays: false,
        goes: false,
        settle_every: 10,
    }
}

pub(super) const THERE: Bounds = Bounds { settle_every: 1, ..plain(There, [Thrice, Nothing]) };
pub(super) const AGAIN: Bounds = plain(Again, [Twice, Nothing]);
pub(super) const FAILS: Bounds =
    Bounds { failures: 1, unknown: 1, lates: 1, ..plain(There, [Thrice, Nothing]) };
pub(super) const UNSURE: Bounds = Bounds { unknown: 1, ..plain(Back, [Twice, Nothing]) };
pub(super) const LATE: Bounds = Bounds { lates: 1, ..plain(There, [Twice, Nothing]) };
pub(super) const AWAY: Bounds =
    Bounds { first_elsewhere: 2, stays: true, settle_every: 1, ..plain(There, [Twice, Nothing]) };
pub(super) const GUEST: Bounds =
    Bounds { first_elsewhere: 1, strays: 1, ..plain(There, [Thrice, Nothing]) };
pub(super) const WAYS: Bounds = Bounds { ways: 2, leads: 1, ..GUEST };
pub(super) const GOES: Bounds = Bounds { goes: true, ..plain(There, [Twice, Once]) };
pub(super) const FLUSH: Bounds = Bounds { settle_every: 1, ..plain(Back, [Flushes, Nothing]) };
pub(super) const FLUSH_FAILS: Bounds = Bounds { failures: 1, ..FLUSH };
pub(super) const BETWEEN: Bounds = plain(There, [FlushesBetween, Nothing]);
pub(super) const COUNT: Bounds = plain(There, [Counts, Nothing]);

/// All of them.
pub const DESKS: &[DeskRun] = &[
    Run {
        name: "route-there",
        about: "a slot goes to another group while a session asks three times for it",
        bounds: THERE,
        reaches: &[Corner::Waits, Corner::Later, Corner::Released, Corner::Overtaken],
    },
    Run {
        name: "route-again",
        about: "a slot goes there, back, and there again",
        bounds: AGAIN,
        reaches: &[Corner::Waits, Corner::Later, Corner::Released, Corner::Overtaken],
    },
    Run {
        name: "route-new",
        about: "a group is asked that was told of no configuration yet",
        bounds: Bounds { new: true, ..plain(There, [Twice, Nothing]) },
        reaches: &[Corner::Later],
    },
    Run {
        name: "route-onward",
        about: "a slot goes on to a third group",
        bounds: plain(Onward, [Twice, Nothing]),
        reaches: &[Corner::Later, Corner::Released],
    },
    Run {
        name: "route-fails",
        about: "a group does not execute a call, nobody knows of another, and a client has waited long enough",
        bounds: FAILS,
        reaches: &[Corner::Failed, Corner::Unknown, Corner::Late, Corner::Overtaken],
    },
    Run {
        name: "route-elsewhere",
        about: "a slot goes to a group that has no server here, and its clients go to leaders by themselves",
        bounds: AWAY,
        reaches: &[Corner::Elsewhere],
    },
    Run {
        name: "route-guest",
        about: "a node without any group passes calls on; one is given up on the way, and comes late or never",
        bounds: GUEST,
        reaches: &[Corner::PassedOn, Corner::Stray, Corner::Later, Corner::Released],
    },
    Run {
        name: "route-ways",
        about: "and its groups have servers on two nodes, of which another comes to lead; a connection is lost",
        bounds: WAYS,
        reaches: &[Corner::Stray, Corner::OtherWay, Corner::Released],
    },
    Run {
        name: "route-guest-flush",
        about: "all keys are taken away, also those of a group that has no server here, while a slot moves",
        bounds: Bounds { first_elsewhere: 2, ..FLUSH },
        reaches: &[Corner::PassedOn, Corner::Later],
    },
    Run {
        name: "route-stays",
        about: "a slot goes there and back, and its clients wait where it was stopped",
        bounds: Bounds { stays: true, ..plain(Back, [Thrice, Nothing]) },
        reaches: &[Corner::Later, Corner::Released, Corner::Overtaken],
    },
    Run {
        name: "route-swap",
        about: "two groups give each other a slot, and a session asks for both",
        bounds: plain(Swap, [Apart, Nothing]),
        reaches: &[Corner::Later, Corner::Released],
    },
    Run {
        name: "route-gone",
        about: "a session goes while its calls are under way",
        bounds: GOES,
        reaches: &[Corner::Gone, Corner::Later],
    },
    Run {
        name: "route-flush",
        about: "all keys are taken away while a slot goes there and back; a group may fail, a client wait too long",
        bounds: Bounds { failures: 1, lates: 1, ..FLUSH },
        reaches: &[Corner::Later, Corner::Failed, Corner::ToldUnknown],
    },
    Run {
        name: "route-flush-between",
        about: "a session takes all keys away between two calls, while a slot moves",
        bounds: BETWEEN,
        reaches: &[Corner::WaitsForAll, Corner::Later],
    },
    Run { name: "route-count", about: "all keys are counted", bounds: COUNT, reaches: &[] },
];
