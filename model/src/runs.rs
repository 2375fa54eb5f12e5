//! The named runs: what is explored, within which bounds, and which corners each must reach.
//!
//! Together the standard runs cover election, replication, restarts with the split disk, duplication, loss,
//! snapshots and reads. A run that misses one of its corners fails, however green its properties are. The
//! exact number of states of each is pinned in the ledger of `checks`: another count is another protocol.

use crate::bounds::{ANY_NUMBER, Bounds, Net};
use crate::probes::Probe::{self, *};
use protocol::NodeId;
use protocol::quorum::NodeSet;

/// A named exploration.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Its name, as a person types it.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// What may happen in it.
    pub bounds: Bounds,
    /// What it must reach.
    pub reaches: &'static [Probe],
    /// Whether it takes long and belongs to `checks deep`.
    pub deep: bool,
}

const N0: NodeSet = NodeSet::only(NodeId(0));
const N01: NodeSet = NodeSet::first(2);
const N02: NodeSet = only_two(0, 2);

const fn only_two(one: u8, two: u8) -> NodeSet {
    let mut set = NodeSet::only(NodeId(one));
    set.insert(NodeId(two));
    set
}

const THREE: Bounds = Bounds { max_log: 0, ..Bounds::plain(3) };

/// Every run, the standard ones first.
pub const RUNS: &[Run] = &[
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
        deep: false,
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
        deep: false,
    },
    Run {
        name: "raft-election",
        about: "three servers may all campaign, two terms",
        bounds: Bounds { max_term: 2, converge_every: 200, ..THREE },
        reaches: &[TwoLeaders, Deposed, CommittedInherited, CommittedWithoutOwnDisk, VoteRefused],
        deep: false,
    },
    Run {
        name: "raft-figure-8",
        about: "three terms of two rivals: an old entry on a majority that must not be committed",
        bounds: Bounds { max_term: 3, campaigners: N02, converge_every: 2000, ..THREE },
        reaches: &[Figure8, SuffixOverwritten, Rejected, CommittedInherited],
        deep: true,
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
        deep: false,
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
        deep: false,
    },
    Run {
        name: "raft-restart-commands",
        about: "one of three servers crashes between any two writes of its disk, two terms, with commands",
        bounds: Bounds {
            max_term: 2,
            max_log: 2,
            crashes: 1,
            victims: N0,
            campaigners: N01,
            converge_every: 20_000,
            ..THREE
        },
        reaches: &[
            CrashedWithPendingWrite,
            CrashForgotEntries,
            CrashForgotVote,
            CrashForgotCommand,
            RecoveredLeaderLeadsAgain,
            SuffixOverwritten,
        ],
        deep: true,
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
        deep: false,
    },
    Run {
        name: "raft-overwrite",
        about: "two rivals with commands, two terms",
        bounds: Bounds { max_term: 2, max_log: 2, campaigners: N01, converge_every: 200, ..THREE },
        reaches: &[SuffixOverwritten, Rejected, TwoLeaders, DeliveredVoid],
        deep: false,
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
        deep: false,
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
        deep: false,
    },
    Run {
        name: "raft-snapshot",
        about: "snapshots by both rivals; followers that miss what was compacted, or have something else",
        bounds: Bounds {
            max_term: 2,
            max_log: 2,
            campaigners: N01,
            compactions: 1,
            compactors: only_two(1, 1),
            converge_every: 1000,
            ..THREE
        },
        reaches: &[Compacted, SnapshotPace, SnapshotInstalled, SnapshotOverConflict],
        deep: false,
    },
    Run {
        name: "raft-snapshot-lag",
        about: "one leader's snapshots and heartbeats reach followers that need them or have passed them",
        bounds: Bounds {
            max_term: 1,
            max_log: 1,
            heartbeats: true,
            crashes: 1,
            victims: only_two(2, 2),
            campaigners: N0,
            compactions: 1,
            compactors: N0,
            converge_every: 1000,
            ..THREE
        },
        reaches: &[Compacted, SnapshotPace, SnapshotInstalled, SnapshotStale],
        deep: false,
    },
    Run {
        name: "raft-reads",
        about: "a leader or its follower is asked for a read while a command is replicated",
        bounds: Bounds {
            max_term: 1,
            max_log: 2,
            reads: 1,
            readers: N02,
            campaigners: N0,
            converge_every: 1000,
            ..THREE
        },
        reaches: &[ReadConfirmed, ReadForwarded],
        deep: false,
    },
    Run {
        name: "raft-reads-again",
        about: "a follower's read under heartbeats: asked again when the answer is overdue",
        bounds: Bounds {
            max_term: 1,
            reads: 1,
            readers: only_two(1, 1),
            heartbeats: true,
            campaigners: N0,
            converge_every: 100,
            max_log: 0,
            ..Bounds::plain(2)
        },
        reaches: &[ReadForwarded, ReadAskedAgain],
        deep: true,
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
        deep: true,
    },
    Run {
        name: "raft-pre-vote",
        about: "two servers campaign by pre-votes, lead, lose their quorum, and ask again; one crash",
        bounds: Bounds {
            max_term: 2,
            max_log: 0,
            pre_vote: true,
            forced_elections: false,
            check_quorum: true,
            crashes: 1,
            victims: N0,
            converge_every: 200,
            ..Bounds::plain(2)
        },
        reaches: &[PreVoteGranted, PreVoteRefused, Elected, QuorumLost],
        deep: false,
    },
    Run {
        name: "raft-check-quorum",
        about: "a leader that no quorum answers stops leading",
        bounds: Bounds {
            max_term: 1,
            heartbeats: true,
            check_quorum: true,
            campaigners: N0,
            converge_every: 500,
            ..THREE
        },
        reaches: &[QuorumLost, Committed],
        deep: false,
    },
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
        deep: true,
    },
    Run {
        name: "raft-all-commands",
        about: "as raft-all with a client's command, loss being delay",
        bounds: Bounds {
            max_term: 2,
            max_log: 2,
            net: Net::Duplicate,
            crashes: 1,
            victims: N0,
            campaigners: N01,
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
            SnapshotKeptTail,
        ],
        deep: true,
    },
    Run {
        name: "raft-pre-vote-three",
        about: "two of three servers campaign by pre-votes",
        bounds: Bounds {
            max_term: 2,
            pre_vote: true,
            forced_elections: false,
            campaigners: N01,
            converge_every: 20_000,
            ..THREE
        },
        reaches: &[PreVoteGranted, PreVoteRefused, Elected, TwoLeaders],
        deep: true,
    },
];

/// The run of this name.
pub fn find(name: &str) -> Option<&'static Run> {
    RUNS.iter().find(|run| run.name == name)
}
