//! The runs of `checks deep`: minutes each.

use super::{N0, N01, RESTART_COMMANDS, Run, SNAPSHOTS, THREE};
use crate::bounds::{Bounds, Net};
use crate::probes::Probe::*;

/// The deep runs.
pub const DEEP: &[Run] = &[
    Run {
        name: "raft-all",
        about: "three servers with restarts, split disk, loss, duplication and snapshots all on; the entries are leaders' no-ops",
        bounds: Bounds {
            max_term: 2,
            max_log: 1,
            net: Net::Duplicate,
            losses: 1,
            crashes: 1,
            victims: N0,
            campaigners: N01,
            compactions: 1,
            compactors: N0,
            converge_every: 20_000,
            ..THREE
        },
        reaches: &[
            MessageLost,
            CrashedWithPendingWrite,
            CrashForgotVote,
            Compacted,
            TwoLeaders,
            SuffixOverwritten,
            SnapshotInstalled,
        ],
    },
    Run {
        name: "raft-all-commands",
        about: "as raft-all with a client's command; two rivals campaign in turn, loss is delay",
        bounds: Bounds {
            max_term: 2,
            max_log: 2,
            net: Net::Duplicate,
            crashes: 1,
            victims: N0,
            campaigners: N01,
            in_turn: true,
            compactions: 1,
            compactors: N0,
            converge_every: 20_000,
            ..THREE
        },
        reaches: &[
            CrashForgotCommand,
            CrashedWithPendingWrite,
            CrashForgotVote,
            Compacted,
            TwoLeaders,
            SuffixOverwritten,
            SnapshotInstalled,
        ],
    },
    Run {
        name: "raft-restart-commands",
        about: "one of three servers crashes between any two writes of its disk, two terms, with commands",
        bounds: Bounds { converge_every: 20_000, ..RESTART_COMMANDS },
        reaches: &[
            CrashedWithPendingWrite,
            CrashForgotEntries,
            CrashForgotVote,
            CrashForgotCommand,
            RecoveredLeaderLeadsAgain,
            SuffixOverwritten,
        ],
    },
    Run {
        name: "raft-pre-vote-three",
        about: "two of three servers campaign in turn by pre-votes",
        bounds: Bounds {
            max_term: 2,
            pre_vote: true,
            forced_elections: false,
            campaigners: N01,
            in_turn: true,
            converge_every: 20_000,
            ..THREE
        },
        reaches: &[PreVoteGranted, PreVoteRefused, Elected, TwoLeaders],
    },
    Run {
        name: "raft-snapshot-rivals",
        about: "snapshots by both rivals; followers that miss what was compacted, or have something else",
        bounds: Bounds { converge_every: 20_000, ..SNAPSHOTS },
        reaches: &[Compacted, SnapshotPace, SnapshotInstalled, SnapshotOverConflict],
    },
];
