//! The runs of the standard set: seconds each, all in under four minutes on two cores.

use super::{N0, N01, N02, RESTART_COMMANDS, Run, SNAPSHOTS, THREE};
use crate::bounds::{ANY_NUMBER, Bounds, Net};
use crate::probes::Probe::*;
use protocol::NodeId;
use protocol::quorum::NodeSet;

const OVERWRITE: Bounds =
    Bounds { max_term: 2, max_log: 2, campaigners: N01, converge_every: 200, ..THREE };

const SNAPSHOT_LAG: Bounds = Bounds {
    max_term: 1,
    max_log: 1,
    heartbeats: true,
    crashes: 1,
    victims: NodeSet::only(NodeId(2)),
    campaigners: N0,
    compactions: 1,
    compactors: N0,
    converge_every: 1000,
    ..THREE
};

const READS: Bounds = Bounds {
    max_term: 1,
    max_log: 2,
    reads: 1,
    readers: N02,
    campaigners: N0,
    converge_every: 1000,
    ..THREE
};

const PRE_VOTE: Bounds = Bounds {
    max_term: 2,
    max_log: 0,
    pre_vote: true,
    forced_elections: false,
    check_quorum: true,
    crashes: 1,
    victims: N0,
    converge_every: 200,
    ..Bounds::plain(2)
};

const CHECK_QUORUM: Bounds = Bounds {
    max_term: 1,
    heartbeats: true,
    check_quorum: true,
    campaigners: N0,
    converge_every: 500,
    ..THREE
};

/// The standard runs.
pub const STANDARD: &[Run] = &[
    Run {
        name: "raft-one",
        about: "a group of one server: crashes, snapshots, reads; convergence from every state",
        bounds: Bounds {
            max_term: 3,
            max_log: 4,
            crashes: 2,
            victims: NodeSet::first(1),
            pre_vote: true,
            heartbeats: true,
            check_quorum: true,
            reads: 2,
            readers: NodeSet::first(1),
            compactions: 2,
            compactors: NodeSet::first(1),
            converge_every: 1,
            ..Bounds::plain(1)
        },
        reaches: &[Elected, Committed, CrashedWithPendingWrite, Compacted, ReadConfirmed],
    },
    Run {
        name: "raft-two",
        about: "two servers, a crash, losses, a snapshot; convergence from every state",
        bounds: Bounds {
            max_term: 2,
            max_log: 1,
            crashes: 1,
            victims: N0,
            campaigners: N01,
            heartbeats: true,
            losses: ANY_NUMBER,
            compactions: 1,
            compactors: N0,
            converge_every: 1,
            ..Bounds::plain(2)
        },
        reaches: &[CrashForgotEntries, CrashForgotVote, MessageLost, Compacted],
    },
    Run {
        name: "raft-election",
        about: "three servers may all campaign, two terms",
        bounds: Bounds { max_term: 2, converge_every: 200, ..THREE },
        reaches: &[TwoLeaders, Deposed, CommittedInherited, CommittedWithoutOwnDisk, VoteRefused],
    },
    Run {
        name: "raft-figure-8",
        about: "two rivals lead in turn for three terms: an old entry on a majority that must not be committed",
        bounds: Bounds {
            max_term: 3,
            campaigners: N02,
            in_turn: true,
            converge_every: 2000,
            ..THREE
        },
        reaches: &[Figure8, SuffixOverwritten, Rejected, CommittedInherited],
    },
    Run {
        name: "raft-restart",
        about: "one of three servers crashes between any two writes of its disk, two terms",
        bounds: Bounds {
            max_term: 2,
            crashes: 1,
            victims: N0,
            campaigners: N01,
            converge_every: 200,
            ..THREE
        },
        reaches: &[
            CrashedWithPendingWrite,
            CrashForgotEntries,
            CrashForgotVote,
            RecoveredLeaderLeadsAgain,
            SuffixOverwritten,
        ],
    },
    Run {
        name: "raft-restart-command",
        about: "any of three servers crashes while a leader replicates commands",
        bounds: Bounds {
            max_term: 1,
            max_log: 3,
            crashes: 1,
            victims: NodeSet::first(3),
            campaigners: N0,
            converge_every: 100,
            ..THREE
        },
        reaches: &[CrashForgotCommand, CrashedWithPendingWrite, CommittedWithoutOwnDisk],
    },
    Run {
        name: "raft-restart-turns",
        about: "a crash between any two writes, with commands, while two rivals campaign in turn",
        bounds: Bounds { in_turn: true, converge_every: 2000, ..RESTART_COMMANDS },
        reaches: &[CrashForgotEntries, CrashForgotVote, CrashForgotCommand, SuffixOverwritten],
    },
    Run {
        name: "raft-pipeline",
        about: "batches of one entry, a full window, acknowledgements and rejections in any order",
        bounds: Bounds {
            max_term: 1,
            max_log: 3,
            max_batch: 1,
            campaigners: N0,
            converge_every: 1000,
            ..THREE
        },
        reaches: &[PipelineFull, Rejected, FollowerCommitted],
    },
    Run {
        name: "raft-overwrite",
        about: "two rivals with commands, two terms",
        bounds: OVERWRITE,
        reaches: &[SuffixOverwritten, Rejected, TwoLeaders, DeliveredVoid],
    },
    Run {
        name: "raft-overwrite-twice",
        about: "as raft-overwrite with duplication, the rivals in turn",
        bounds: Bounds { net: Net::Duplicate, in_turn: true, ..OVERWRITE },
        reaches: &[SuffixOverwritten, Rejected, TwoLeaders],
    },
    Run {
        name: "raft-duplicates",
        about: "every message may arrive any number of times, one crash, two terms",
        bounds: Bounds {
            max_term: 2,
            net: Net::Duplicate,
            crashes: 1,
            victims: N0,
            campaigners: N01,
            converge_every: 200,
            ..THREE
        },
        reaches: &[TwoLeaders, CrashForgotVote, SuffixOverwritten],
    },
    Run {
        name: "raft-loss",
        about: "messages are lost for good and found missing by heartbeats",
        bounds: Bounds {
            max_term: 1,
            max_log: 1,
            losses: ANY_NUMBER,
            heartbeats: true,
            campaigners: N0,
            converge_every: 500,
            ..THREE
        },
        reaches: &[MessageLost, Committed, FollowerCommitted],
    },
    Run {
        name: "raft-snapshot",
        about: "snapshots of two rivals that campaign in turn; followers that miss what was compacted, or have something else",
        bounds: Bounds { in_turn: true, converge_every: 1000, ..SNAPSHOTS },
        reaches: &[Compacted, SnapshotPace, SnapshotInstalled, SnapshotOverConflict],
    },
    Run {
        name: "raft-snapshot-lag",
        about: "one leader's snapshots and heartbeats reach followers that need them or have passed them",
        bounds: SNAPSHOT_LAG,
        reaches: &[Compacted, SnapshotPace, SnapshotInstalled, SnapshotStale],
    },
    Run {
        name: "raft-snapshot-lag-twice",
        about: "as raft-snapshot-lag with duplication",
        bounds: Bounds { net: Net::Duplicate, converge_every: 100, ..SNAPSHOT_LAG },
        reaches: &[Compacted, SnapshotPace, SnapshotInstalled, SnapshotStale],
    },
    Run {
        name: "raft-reads",
        about: "a leader or its follower is asked for a read while a command is replicated",
        bounds: READS,
        reaches: &[ReadConfirmed, ReadForwarded],
    },
    Run {
        name: "raft-reads-twice",
        about: "a leader or its follower is asked for a read, with duplication and heartbeats",
        bounds: Bounds {
            net: Net::Duplicate,
            max_log: 0,
            heartbeats: true,
            converge_every: 100,
            ..READS
        },
        reaches: &[ReadConfirmed, ReadForwarded, ReadAskedAgain],
    },
    Run {
        name: "raft-reads-again",
        about: "a follower's read under heartbeats, asked again when the answer is overdue; convergence from every state",
        bounds: Bounds {
            max_term: 1,
            reads: 1,
            readers: NodeSet::only(NodeId(1)),
            heartbeats: true,
            campaigners: N0,
            converge_every: 1,
            max_log: 0,
            ..Bounds::plain(2)
        },
        reaches: &[ReadForwarded, ReadAskedAgain],
    },
    Run {
        name: "raft-reads-rival",
        about: "a leader is asked for a read while a rival takes over",
        bounds: Bounds {
            max_term: 2,
            reads: 1,
            readers: N0,
            campaigners: N01,
            converge_every: 2000,
            ..THREE
        },
        reaches: &[ReadConfirmed, ReadForwarded, ReadLost],
    },
    Run {
        name: "raft-pre-vote",
        about: "two servers campaign by pre-votes, lead, lose their quorum, and ask again; one crash",
        bounds: PRE_VOTE,
        reaches: &[PreVoteGranted, PreVoteRefused, Elected, QuorumLost],
    },
    Run {
        name: "raft-pre-vote-twice",
        about: "as raft-pre-vote with duplication",
        bounds: Bounds { net: Net::Duplicate, ..PRE_VOTE },
        reaches: &[PreVoteGranted, PreVoteRefused, Elected, QuorumLost],
    },
    Run {
        name: "raft-check-quorum",
        about: "a leader that no quorum answers stops leading",
        bounds: CHECK_QUORUM,
        reaches: &[QuorumLost, Committed],
    },
    Run {
        name: "raft-check-quorum-twice",
        about: "as raft-check-quorum with duplication",
        bounds: Bounds { net: Net::Duplicate, converge_every: 20, ..CHECK_QUORUM },
        reaches: &[QuorumLost, Committed],
    },
];
