//! The named runs of MapReduce's model.

use super::{Bounds, Corner};
use crate::runs::Run;
use protocol::mr::Limits;

/// A named exploration of MapReduce.
pub type MillRun = Run<Bounds, Corner>;

/// So many workers and tasks; nothing goes wrong.
const fn plain(workers: u8, maps: u8, reduces: u8) -> Bounds {
    Bounds {
        workers,
        hosts: workers,
        maps,
        reduces,
        crashes: 0,
        restarts: 0,
        agains: 0,
        breaks: 0,
        silences: 0,
        straggles: 0,
        failures: 0,
        losses: 0,
        hangs: 0,
        reports: 0,
        stranger: false,
        bad: false,
        limits: Limits::DEFAULT,
        lazy: false,
        torn: false,
        settle_every: 10,
    }
}

const TWICE: Limits = Limits { own: 2, others: 2, skips: 0 };

pub(super) const ONE: Bounds = plain(2, 1, 1);
pub(super) const TORN: Bounds = Bounds { torn: true, ..ONE };
pub(super) const SLOW: Bounds = Bounds { straggles: 1, ..ONE };
pub(super) const SLOW_TORN: Bounds = Bounds { torn: true, ..SLOW };
pub(super) const THREE: Bounds = Bounds { straggles: 1, ..plain(3, 1, 1) };
pub(super) const THREE_BREAK: Bounds = Bounds { breaks: 1, ..THREE };
pub(super) const SILENT: Bounds = Bounds { silences: 1, reports: 1, ..ONE };
pub(super) const BREAK: Bounds = Bounds { breaks: 1, ..ONE };
pub(super) const ALONE: Bounds = Bounds { breaks: 1, ..plain(1, 0, 1) };
pub(super) const RESTART: Bounds = Bounds { restarts: 1, lazy: true, ..ONE };
pub(super) const OUTPUT: Bounds = Bounds { restarts: 1, lazy: true, ..plain(2, 0, 1) };
pub(super) const LOST: Bounds = Bounds { losses: 1, ..plain(2, 1, 2) };
pub(super) const LOST_SLOW: Bounds = Bounds { straggles: 1, ..LOST };
pub(super) const HUNG: Bounds = Bounds { hangs: 1, silences: 1, ..ONE };
pub(super) const STRANGER: Bounds = Bounds { stranger: true, ..ONE };
pub(super) const FAILS: Bounds = Bounds { failures: 1, crashes: 1, limits: TWICE, ..ONE };
pub(super) const FAILS_LATE: Bounds =
    Bounds { failures: 1, silences: 1, limits: Limits { own: 1, ..Limits::DEFAULT }, ..ONE };
pub(super) const FAILS_ALONE: Bounds = Bounds { failures: 1, limits: TWICE, ..plain(1, 1, 1) };
pub(super) const FAILS_HUNG: Bounds = Bounds {
    failures: 1,
    hangs: 1,
    silences: 1,
    limits: Limits { own: 2, ..Limits::DEFAULT },
    ..ONE
};
pub(super) const FAILS_HOSTS: Bounds = Bounds {
    hosts: 2,
    failures: 2,
    limits: Limits { own: 3, ..Limits::DEFAULT },
    ..plain(3, 1, 1)
};
pub(super) const AGAIN: Bounds =
    Bounds { agains: 1, failures: 1, limits: Limits { own: 1, ..Limits::DEFAULT }, ..RESTART };
pub(super) const BAD: Bounds = Bounds { bad: true, limits: TWICE, ..ONE };
pub(super) const SKIPS: Bounds =
    Bounds { bad: true, limits: Limits { own: 3, others: 3, skips: 1 }, ..ONE };

/// All of them.
pub const MILLS: &[MillRun] = &[
    Run {
        name: "mr-plain",
        about: "three maps and two reduces, and nothing goes wrong",
        bounds: plain(3, 3, 2),
        reaches: &[Corner::Done, Corner::Parked],
    },
    Run {
        name: "mr-empty",
        about: "a job without input",
        bounds: Bounds { settle_every: 1, ..plain(2, 0, 2) },
        reaches: &[Corner::Empty, Corner::Done],
    },
    Run {
        name: "mr-crash",
        about: "a worker dies, perhaps with half a file written",
        bounds: Bounds { crashes: 1, torn: true, settle_every: 50, ..plain(2, 2, 2) },
        reaches: &[Corner::Torn, Corner::Done],
    },
    Run {
        name: "mr-silent",
        about: "deadlines pass, of workers that are heard again later",
        bounds: Bounds { silences: 2, maps: 2, settle_every: 100, ..SILENT },
        reaches: &[Corner::Late, Corner::TooLate, Corner::CameBackSilent],
    },
    Run {
        name: "mr-slow",
        about: "attempts take long, and others are run beside them; files are written in steps",
        bounds: Bounds { straggles: 2, maps: 2, reduces: 2, settle_every: 100, ..SLOW_TORN },
        reaches: &[Corner::BackedUp, Corner::BackupWon, Corner::OriginalWon, Corner::TooLate],
    },
    Run {
        name: "mr-three",
        about: "three workers, and an attempt that takes long",
        bounds: Bounds { maps: 2, settle_every: 100, ..THREE },
        reaches: &[Corner::BackedUp, Corner::BackupWon, Corner::OriginalWon],
    },
    Run {
        name: "mr-three-break",
        about: "and a connection that breaks",
        bounds: Bounds { settle_every: 100, ..THREE_BREAK },
        reaches: &[Corner::Stopped, Corner::BackupWon, Corner::TooLate],
    },
    Run {
        name: "mr-break",
        about: "connections break, and workers come back",
        bounds: Bounds { breaks: 2, maps: 2, settle_every: 100, ..BREAK },
        reaches: &[Corner::WentOn, Corner::ToldAgain, Corner::LateGone, Corner::Alone],
    },
    Run {
        name: "mr-restart",
        about: "the coordinator dies between any two records of its disk",
        bounds: Bounds { maps: 2, settle_every: 100, ..RESTART },
        reaches: &[
            Corner::Recovered,
            Corner::Forgotten,
            Corner::EarlierLife,
            Corner::PublishedAgain,
            Corner::WentOn,
            Corner::Stopped,
            Corner::ToldAgain,
        ],
    },
    Run {
        name: "mr-restart-again",
        about: "the coordinator dies twice",
        bounds: Bounds { restarts: 2, settle_every: 100, ..RESTART },
        reaches: &[Corner::Recovered, Corner::Forgotten, Corner::EarlierLife],
    },
    Run {
        name: "mr-lost",
        about: "outputs of maps are lost before reduces have read them",
        bounds: Bounds { losses: 2, crashes: 1, settle_every: 100, ..LOST },
        reaches: &[Corner::LostOutput, Corner::Unneeded],
    },
    Run {
        name: "mr-fail",
        about: "an attempt fails and a worker dies, of which two are too many",
        bounds: Bounds { failures: 2, ..FAILS },
        reaches: &[Corner::JobFailed, Corner::Done, Corner::Elsewhere, Corner::SameAgain],
    },
    Run {
        name: "mr-fail-hung",
        about: "an attempt fails, and the other worker does nothing any more",
        bounds: FAILS_HUNG,
        reaches: &[Corner::Elsewhere, Corner::SameAgain, Corner::Hung],
    },
    Run {
        name: "mr-again",
        about: "a job that has failed is asked for again, and its coordinator may die",
        bounds: Bounds { settle_every: 20, ..AGAIN },
        reaches: &[Corner::TakenUp, Corner::JobFailed],
    },
    Run {
        name: "mr-fail-hosts",
        about: "attempts fail where two workers share a host",
        bounds: FAILS_HOSTS,
        reaches: &[Corner::Elsewhere, Corner::SameAgain, Corner::Done],
    },
    Run {
        name: "mr-bad",
        about: "no attempt survives one of a map's records",
        bounds: BAD,
        reaches: &[Corner::JobFailed],
    },
    Run {
        name: "mr-skip",
        about: "the same, and it is skipped",
        bounds: Bounds { crashes: 1, reports: 1, ..SKIPS },
        reaches: &[Corner::Skipped, Corner::Done],
    },
    Run {
        name: "mr-hung",
        about: "a worker does nothing any more, and its connection stays",
        bounds: HUNG,
        reaches: &[Corner::Hung],
    },
    Run {
        name: "mr-stranger",
        about: "a worker of another job comes",
        bounds: STRANGER,
        reaches: &[Corner::Refused, Corner::Done],
    },
    Run {
        name: "mr-lost-slow",
        about: "an output is lost, and an attempt takes long",
        bounds: LOST_SLOW,
        reaches: &[Corner::LostOutput, Corner::BackupWon],
    },
    Run {
        name: "mr-silent-break",
        about: "a deadline passes, and a connection breaks",
        bounds: Bounds { breaks: 1, settle_every: 50, ..SILENT },
        reaches: &[Corner::Late, Corner::CameBackSilent, Corner::LateGone],
    },
    Run {
        name: "mr-skip-break",
        about: "a record is skipped though a connection breaks",
        bounds: Bounds { breaks: 1, reports: 1, settle_every: 50, ..SKIPS },
        reaches: &[Corner::Skipped, Corner::WentOn],
    },
    Run {
        name: "mr-all",
        about: "a worker dies, one is silent, and one is slow",
        bounds: Bounds { crashes: 1, silences: 1, straggles: 1, settle_every: 100, ..ONE },
        reaches: &[Corner::BackupWon, Corner::Late],
    },
    Run {
        name: "mr-restart-break",
        about: "the coordinator dies, and a connection breaks",
        bounds: Bounds { breaks: 1, settle_every: 100, ..RESTART },
        reaches: &[Corner::EarlierLife, Corner::LateGone, Corner::WentOn],
    },
    Run {
        name: "mr-restart-silent",
        about: "the coordinator dies, and a deadline passes",
        bounds: Bounds { silences: 1, reports: 1, settle_every: 100, ..RESTART },
        reaches: &[Corner::EarlierLife, Corner::Late, Corner::CameBackSilent],
    },
    Run {
        name: "mr-restart-crash",
        about: "the coordinator dies, and a worker, perhaps with half a file written",
        bounds: Bounds { crashes: 1, torn: true, settle_every: 100, ..RESTART },
        reaches: &[Corner::EarlierLife, Corner::Torn, Corner::Forgotten],
    },
    Run {
        name: "mr-restart-lost",
        about: "the coordinator dies, and an output is lost",
        bounds: Bounds { losses: 1, ..RESTART },
        reaches: &[Corner::LostOutput, Corner::Recovered],
    },
    Run {
        name: "mr-restart-fail",
        about: "the coordinator dies, and attempts fail",
        bounds: Bounds { failures: 2, limits: TWICE, ..RESTART },
        reaches: &[Corner::JobFailed, Corner::Recovered],
    },
    Run {
        name: "mr-restart-skip",
        about: "the coordinator dies, and no attempt survives one of a map's records, which is skipped",
        bounds: Bounds { bad: true, limits: SKIPS.limits, ..RESTART },
        reaches: &[Corner::Skipped, Corner::Recovered],
    },
    Run {
        name: "mr-restart-hung",
        about: "the coordinator dies, and a worker does nothing any more",
        bounds: Bounds { hangs: 1, silences: 1, settle_every: 100, ..RESTART },
        reaches: &[Corner::Hung, Corner::EarlierLife],
    },
];

/// Larger ones, for `checks deep`.
pub const DEEP_MILLS: &[MillRun] = &[
    Run {
        name: "mr-restart-crash-two",
        about: "mr-restart-crash with two maps and two reduces",
        bounds: Bounds {
            crashes: 1,
            torn: true,
            maps: 2,
            reduces: 2,
            settle_every: 1_000,
            ..RESTART
        },
        reaches: &[Corner::EarlierLife, Corner::Torn, Corner::Forgotten, Corner::PublishedAgain],
    },
    Run {
        name: "mr-restart-lost-two",
        about: "mr-restart-lost with two maps and two reduces",
        bounds: Bounds { losses: 1, maps: 2, reduces: 2, settle_every: 1_000, ..RESTART },
        reaches: &[Corner::LostOutput, Corner::Recovered, Corner::Unneeded],
    },
    Run {
        name: "mr-restart-all",
        about: "the coordinator dies, a worker dies, one is silent, and one is slow",
        bounds: Bounds { crashes: 1, silences: 1, straggles: 1, settle_every: 1_000, ..RESTART },
        reaches: &[Corner::EarlierLife, Corner::BackupWon, Corner::Late, Corner::Forgotten],
    },
    Run {
        name: "mr-three-silent",
        about: "three workers and maps, two reduces: one is silent, and one is slow",
        bounds: Bounds { silences: 1, straggles: 1, settle_every: 1_000, ..plain(3, 3, 2) },
        reaches: &[Corner::Late, Corner::TooLate, Corner::BackupWon, Corner::OriginalWon],
    },
];
