//! The table of mutants: what each breaks, where it is hunted, and by what it must die.

use super::{Bug, Hunt, NEVER_REACHED};
use crate::bounds::{ANY_NUMBER, Bounds, Net};
use crate::node::DiskFault;
use crate::raft::{
    CLAIMS, CONVERGENCE, DURABILITY, ELECTION_SAFETY, LEADER_COMPLETENESS, LOG_MATCHING, READS,
    STATE_MACHINE_SAFETY,
};
use protocol::NodeId;
use protocol::quorum::NodeSet;

const N0: NodeSet = NodeSet::only(NodeId(0));

const fn elections(max_term: u64) -> Bounds {
    Bounds { max_term, max_log: 0, ..Bounds::plain(3) }
}

const fn crash(max_term: u64, max_log: u64) -> Bounds {
    Bounds { max_term, max_log, crashes: 1, victims: NodeSet::first(3), ..Bounds::plain(3) }
}

const fn deep_election() -> Bounds {
    Bounds { max_term: 3, max_log: 2, campaigners: NodeSet::first(2), ..Bounds::plain(3) }
}

const fn figure8() -> Bounds {
    Bounds { max_term: 4, max_log: 0, ..Bounds::plain(3) }
}

const fn reorder() -> Bounds {
    Bounds { max_term: 1, max_log: 2, max_batch: 1, campaigners: N0, ..Bounds::plain(3) }
}

const fn retry() -> Bounds {
    Bounds { max_term: 1, max_log: 3, heartbeats: true, net: Net::Duplicate, ..reorder() }
}

const fn snapshots(servers: usize) -> Bounds {
    Bounds {
        max_term: 1,
        max_log: 2,
        campaigners: N0,
        compactions: 1,
        compactors: NodeSet::first(servers),
        heartbeats: true,
        ..Bounds::plain(servers)
    }
}

const fn snapshot_conflict() -> Bounds {
    Bounds { max_term: 2, campaigners: NodeSet::first(2), ..snapshots(3) }
}

const fn pre_votes(max_term: u64) -> Bounds {
    Bounds { max_term, max_log: 0, pre_vote: true, forced_elections: false, ..Bounds::plain(3) }
}

const fn reads(max_term: u64) -> Bounds {
    Bounds { max_term, max_log: 0, reads: 1, readers: NodeSet::first(3), ..Bounds::plain(3) }
}

impl Bounds {
    const fn log(self, max_log: u64) -> Self {
        Self { max_log, ..self }
    }

    const fn beats(self) -> Self {
        Self { heartbeats: true, ..self }
    }

    const fn losing(self) -> Self {
        Self { losses: ANY_NUMBER, ..self }
    }

    const fn quorum(self) -> Self {
        Self { check_quorum: true, ..self }
    }

    const fn asking(self, reads: u8) -> Self {
        Self { reads, ..self }
    }

    const fn crashing(self) -> Self {
        Self { crashes: 1, victims: NodeSet::first(self.servers), ..self }
    }
}

/// n0 gets n1's vote and leads term 1; its no-op is on no disk yet.
const N0_LEADS_1: &[&str] =
    &["n0 campaign", "n0 disk", "n0→n1 RequestVote", "n1 disk", "n1→n0 VoteGranted"];

/// n1 has the no-op of term 1 and says so.
const N1_HAS_NO_OP: &[&str] = &["n0→n1 t1 AppendEntries", "n1 disk", "n1→n0 Accepted"];

/// n2 as well.
const N2_HAS_NO_OP: &[&str] = &["n0→n2 t1 AppendEntries", "n2 disk", "n2 disk", "n2→n0 Accepted"];

/// n0 takes a command.
const N0_PROPOSES: &[&str] = &["n0 client proposes"];

/// A write of n0 becomes durable.
const N0_DISK: &[&str] = &["n0 disk"];

/// n1 gets n2's vote and leads term 2.
const N1_LEADS_2: &[&str] =
    &["n1 campaign", "n1 disk", "n1→n2 t2 RequestVote", "n2 disk", "n2→n1 t2 VoteGranted"];

/// n1 and n2 have the no-op of term 2, and n1 knows.
const N1_COMMITS_2: &[&str] =
    &["n1 disk", "n1→n2 t2 AppendEntries", "n2 disk", "n2→n1 t2 Accepted"];

/// Figure 8 (b): n2 leads term 2 with n1's vote and has an entry of its own.
const N2_LEADS_2: &[&str] = &[
    "n2 campaign",
    "n2 campaign",
    "n2 disk",
    "n2 disk",
    "n2→n1 t2 RequestVote",
    "n1 disk",
    "n1→n2 t2 VoteGranted",
    "n2 disk",
];

/// Figure 8 (c): n0 learns of term 2 and leads term 3 with n1's vote; n2's entry is on n2's disk alone.
const N0_LEADS_3: &[&str] = &[
    "n2→n0 t2 RequestVote",
    "n0 disk",
    "n0 campaign",
    "n0 disk",
    "n0→n1 t3 RequestVote",
    "n1 disk",
    "n1→n0 t3 VoteGranted",
];

/// Figure 8 (c), end: n1 has the old entry of term 1 as well, and n0 hears it.
const N0_SPREADS_OLD: &[&str] = &[
    "n0→n1 t3 AppendEntries prev 1.1",
    "n1→n0 t3 Rejected",
    "n0→n1 t3 AppendEntries prev 0.0",
    "n1 disk",
    "n1→n0 t3 Accepted",
];

/// Figure 8 (d): n2 asks for votes in term 4.
const N2_RUNS_4: &[&str] = &["n0→n2 t3 RequestVote", "n2 disk", "n2 campaign", "n2 disk"];

/// n0 tells n1 what is committed.
const N0_BEATS: &[&str] = &["n0 Heartbeat timer", "n0→n1 Heartbeat"];

/// n0's log of one entry becomes a snapshot; n2 has not seen the entry.
const N0_COMPACTS: &[&str] = &["n0 snapshot", "n0 disk"];

/// n2 gets the no-op and loses it again before its disk has it.
const N2_FORGETS_NO_OP: &[&str] = &["n0→n2 t1 AppendEntries", "n2 crash"];

/// As [`N1_LEADS_2`], its snapshot's record being pending.
const N1_LEADS_2_COMPACTED: &[&str] = &[
    "n1 disk",
    "n1 campaign",
    "n1 disk",
    "n1→n2 t2 RequestVote",
    "n2 disk",
    "n2→n1 t2 VoteGranted",
];

/// n0 leads term 1 after a pre-vote, and n1 and n2 follow it.
const N0_LEADS_1_ASKING: &[&str] = &[
    "n0 Election timer",
    "n0→n1 PreVote",
    "n1→n0 PreVoteGranted",
    "n0 disk",
    "n0→n1 RequestVote",
    "n1 disk",
    "n1→n0 VoteGranted",
    "n0→n1 AppendEntries",
    "n0→n2 AppendEntries",
];

/// n1's log of one entry becomes a snapshot.
const N1_COMPACTS: &[&str] = &["n1 snapshot"];

/// n0 reads, and n1 answers its round.
const N0_READS: &[&str] = &["n0 client reads", "n0→n1 Heartbeat round 1", "n1→n0 Alive round 1"];

/// n1 asks n0 for a read, and n2 confirms n0's round; the grant is under way.
const N1_ASKS: &[&str] = &[
    "n1 client reads",
    "n1→n0 ReadIndex",
    "n0→n2 t1 AppendEntries",
    "n0→n2 Heartbeat round 1",
    "n2→n0 Alive round 1",
];

/// Every mutant, by the sections of the zoo.
pub const TABLE: &[Hunt] = &[
    Hunt {
        id: "E1",
        text: "a vote of an earlier term counts",
        rule: "RAFT-TERM-2",
        bug: Bug::OldVoteCounts,
        fault: DiskFault::None,
        bounds: elections(2),
        prefix: &[],
        property: ELECTION_SAFETY,
    },
    Hunt {
        id: "E2",
        text: "the vote is forgotten when a server steps down within the term",
        rule: "RAFT-TERM-4",
        bug: Bug::VoteForgottenOnStepDown,
        fault: DiskFault::None,
        bounds: crash(1, 0),
        prefix: &[],
        property: ELECTION_SAFETY,
    },
    Hunt {
        id: "E3",
        text: "the vote is not on disk",
        rule: "RAFT-VOTE-4",
        bug: Bug::VoteNotPersisted,
        fault: DiskFault::None,
        bounds: crash(1, 0),
        prefix: &[],
        property: ELECTION_SAFETY,
    },
    Hunt {
        id: "E4",
        text: "term and vote are two writes, the reply between them",
        rule: "RAFT-VOTE-5",
        bug: Bug::TermAndVoteApart,
        fault: DiskFault::None,
        bounds: crash(1, 0),
        prefix: &[],
        property: ELECTION_SAFETY,
    },
    Hunt {
        id: "E5",
        text: "RequestVote leaves before its own term and vote are durable",
        rule: "RAFT-DISK-1",
        bug: Bug::RequestVoteBeforeDisk,
        fault: DiskFault::None,
        bounds: crash(1, 0),
        prefix: &[],
        property: ELECTION_SAFETY,
    },
    Hunt {
        id: "E6",
        text: "a restart finds no hard state and takes term 0 for granted",
        rule: "RAFT-VOTE-4",
        bug: Bug::None,
        fault: DiskFault::ForgetsHardState,
        bounds: crash(1, 0),
        prefix: &[],
        property: ELECTION_SAFETY,
    },
    Hunt {
        id: "E7",
        text: "the longer log counts as more up-to-date, whatever its terms",
        rule: "RAFT-VOTE-2",
        bug: Bug::LengthBeforeTerm,
        fault: DiskFault::None,
        bounds: deep_election(),
        prefix: &[N0_LEADS_1, N0_PROPOSES, N0_DISK, N0_DISK, N1_LEADS_2, N1_COMMITS_2],
        property: LEADER_COMPLETENESS,
    },
    Hunt {
        id: "E8",
        text: "a candidate's log must be at least as long and of as late a term",
        rule: "RAFT-VOTE-2",
        bug: Bug::BothMustBeLonger,
        fault: DiskFault::None,
        bounds: deep_election(),
        prefix: &[N0_LEADS_1, N0_PROPOSES, N0_DISK, N0_DISK, N1_LEADS_2],
        property: CONVERGENCE,
    },
    Hunt {
        id: "E9",
        text: "a leader or candidate gives its vote away",
        rule: "RAFT-VOTE-6",
        bug: Bug::VotesWhileRunning,
        fault: DiskFault::None,
        bounds: elections(1),
        prefix: &[],
        property: ELECTION_SAFETY,
    },
    Hunt {
        id: "E10",
        text: "a later term is taken over but the role stays",
        rule: "RAFT-TERM-1",
        bug: Bug::LaterTermKeepsRole,
        fault: DiskFault::None,
        bounds: elections(2),
        prefix: &[],
        property: ELECTION_SAFETY,
    },
    Hunt {
        id: "E12",
        text: "a refused request starts the election timer anew",
        rule: "RAFT-TIMER-1",
        bug: Bug::TimerRearmedByRefusal,
        fault: DiskFault::None,
        bounds: elections(1),
        prefix: &[],
        property: CLAIMS,
    },
    Hunt {
        id: "E13",
        text: "a leader begins without a no-op",
        rule: "RAFT-LEAD-1",
        bug: Bug::NoNoOp,
        fault: DiskFault::None,
        bounds: elections(2).log(1),
        prefix: &[],
        property: CONVERGENCE,
    },
    Hunt {
        id: "E14",
        text: "snapshot traffic does not count as a sign of life",
        rule: "RAFT-QUORUM-2",
        bug: Bug::SnapshotTrafficIsSilence,
        fault: DiskFault::None,
        bounds: snapshots(3).crashing(),
        prefix: &[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP, N0_COMPACTS, N2_FORGETS_NO_OP],
        property: CONVERGENCE,
    },
    Hunt {
        id: "Q1",
        text: "a minority of the votes elects",
        rule: "RAFT-VOTE-3",
        bug: Bug::MinorityElects,
        fault: DiskFault::None,
        bounds: elections(1),
        prefix: &[],
        property: ELECTION_SAFETY,
    },
    Hunt {
        id: "Q2",
        text: "a second vote in the same term",
        rule: "RAFT-VOTE-1",
        bug: Bug::VotesForEveryone,
        fault: DiskFault::None,
        bounds: elections(1),
        prefix: &[],
        property: ELECTION_SAFETY,
    },
    Hunt {
        id: "Q3",
        text: "a later term begins with the old term's vote",
        rule: "RAFT-TERM-3",
        bug: Bug::VoteCarriedOver,
        fault: DiskFault::None,
        bounds: crash(2, 1),
        prefix: &[],
        property: CONVERGENCE,
    },
    Hunt {
        id: "Q4",
        text: "a vote leaves before it is durable",
        rule: "RAFT-DISK-1",
        bug: Bug::VoteBeforeDisk,
        fault: DiskFault::None,
        bounds: crash(1, 0),
        prefix: &[],
        property: ELECTION_SAFETY,
    },
    Hunt {
        id: "Q6",
        text: "a leader of an earlier term is obeyed",
        rule: "RAFT-TERM-2",
        bug: Bug::OldLeaderObeyed,
        fault: DiskFault::None,
        bounds: elections(2),
        prefix: &[],
        property: CLAIMS,
    },
    Hunt {
        id: "L1",
        text: "entries of earlier terms are committed by counting",
        rule: "RAFT-COMMIT-1",
        bug: Bug::CountsOldTerms,
        fault: DiskFault::None,
        bounds: figure8(),
        prefix: &[N0_LEADS_1, N0_DISK, N2_LEADS_2, N0_LEADS_3, N0_SPREADS_OLD, N2_RUNS_4],
        property: LEADER_COMPLETENESS,
    },
    Hunt {
        id: "L2",
        text: "a log is truncated where it matches",
        rule: "RAFT-APPEND-2",
        bug: Bug::TruncatesMatching,
        fault: DiskFault::None,
        bounds: Bounds { net: Net::Duplicate, ..reorder() },
        prefix: &[],
        property: CLAIMS,
    },
    Hunt {
        id: "L5",
        text: "a follower commits beyond its log",
        rule: "RAFT-APPEND-3",
        bug: Bug::CommitsBeyondLog,
        fault: DiskFault::None,
        bounds: reorder().beats(),
        prefix: &[],
        property: CLAIMS,
    },
    Hunt {
        id: "L6",
        text: "an acknowledgement of an earlier term counts",
        rule: "RAFT-TERM-2",
        bug: Bug::OldAcknowledgementCounts,
        fault: DiskFault::None,
        bounds: Bounds { drop_void: false, ..crash(2, 0) },
        prefix: &[N0_LEADS_1, &["n0→n1 t1 AppendEntries", "n1 disk", "n0 crash"]],
        property: DURABILITY,
    },
    Hunt {
        id: "L7",
        text: "a late rejection takes next to or below match",
        rule: "RAFT-NEXT-1",
        bug: Bug::NextBelowMatch,
        fault: DiskFault::None,
        bounds: retry(),
        prefix: &[],
        property: CLAIMS,
    },
    Hunt {
        id: "L8",
        text: "the commit scan stops at an entry of an earlier term",
        rule: "RAFT-COMMIT-1",
        bug: Bug::StopsAtOldTerm,
        fault: DiskFault::None,
        bounds: elections(2),
        prefix: &[],
        property: CONVERGENCE,
    },
    Hunt {
        id: "L9",
        text: "an append that begins at the first entry always fits, compacted or not",
        rule: "RAFT-APPEND-1",
        bug: Bug::ZeroPrevAlwaysFits,
        fault: DiskFault::None,
        bounds: snapshots(3),
        prefix: &[],
        property: CLAIMS,
    },
    Hunt {
        id: "L10",
        text: "rejections in the pipeline are ignored, so what was lost is never sent again",
        rule: "RAFT-NEXT-2",
        bug: Bug::RejectionInPipelineIgnored,
        fault: DiskFault::None,
        bounds: reorder().log(3),
        prefix: &[],
        property: CONVERGENCE,
    },
    Hunt {
        id: "L11",
        text: "the hint of a rejection is ignored and the same guess repeated",
        rule: "RAFT-NEXT-1",
        bug: Bug::HintIgnored,
        fault: DiskFault::None,
        bounds: elections(2),
        prefix: &[],
        property: CONVERGENCE,
    },
    Hunt {
        id: "L14",
        text: "several writes are reported durable when one is",
        rule: "RAFT-DISK-2",
        bug: Bug::None,
        fault: DiskFault::ReportsEarly,
        bounds: crash(2, 1),
        prefix: &[],
        property: DURABILITY,
    },
    Hunt {
        id: "L15",
        text: "a write finished while others are pending is not reported",
        rule: "RAFT-DISK-2",
        bug: Bug::None,
        fault: DiskFault::DropsReports,
        bounds: elections(1).log(2),
        prefix: &[],
        property: CONVERGENCE,
    },
    Hunt {
        id: "L16",
        text: "a follower acknowledges before its disk has the entries",
        rule: "RAFT-DISK-1",
        bug: Bug::AcknowledgedBeforeDisk,
        fault: DiskFault::None,
        bounds: reorder(),
        prefix: &[],
        property: DURABILITY,
    },
    Hunt {
        id: "L16b",
        text: "a leader counts its own entry before its disk has it",
        rule: "RAFT-DISK-1",
        bug: Bug::OwnEntryBeforeDisk,
        fault: DiskFault::None,
        bounds: reorder(),
        prefix: &[],
        property: DURABILITY,
    },
    Hunt {
        id: "Q7",
        text: "the consistency check ignores the term",
        rule: "RAFT-APPEND-1",
        bug: Bug::NoTermInConsistencyCheck,
        fault: DiskFault::None,
        bounds: crash(3, 0),
        prefix: &[N0_LEADS_1, N0_DISK, N1_LEADS_2, &["n1 disk", "n1 crash"]],
        property: LOG_MATCHING,
    },
    Hunt {
        id: "Q9",
        text: "a heartbeat's commit index is not bounded by what the follower has",
        rule: "RAFT-APPEND-4",
        bug: Bug::HeartbeatCommitUnbounded,
        fault: DiskFault::None,
        bounds: reorder().beats(),
        prefix: &[],
        property: CLAIMS,
    },
    Hunt {
        id: "Q16",
        text: "as Q9, where the follower's log contradicts the leader's: it commits another entry",
        rule: "RAFT-APPEND-4",
        bug: Bug::HeartbeatCommitUnbounded,
        fault: DiskFault::None,
        bounds: elections(2).beats(),
        prefix: &[N0_LEADS_1, N1_LEADS_2, N1_COMMITS_2],
        property: STATE_MACHINE_SAFETY,
    },
    Hunt {
        id: "Q10",
        text: "a late acknowledgement takes match back",
        rule: "RAFT-MATCH-1",
        bug: Bug::MatchGoesBack,
        fault: DiskFault::None,
        bounds: reorder().log(3),
        prefix: &[],
        property: CLAIMS,
    },
    Hunt {
        id: "Q11",
        text: "a minority of the disks commits",
        rule: "RAFT-COMMIT-2",
        bug: Bug::MinorityCommits,
        fault: DiskFault::None,
        bounds: reorder(),
        prefix: &[],
        property: DURABILITY,
    },
    Hunt {
        id: "Q12",
        text: "what is lost is never sent again",
        rule: "RAFT-NEXT-3",
        bug: Bug::NothingRetried,
        fault: DiskFault::None,
        bounds: reorder().losing(),
        prefix: &[],
        property: CONVERGENCE,
    },
    Hunt {
        id: "P1",
        text: "an append is reported durable and was never made",
        rule: "RAFT-DISK-2",
        bug: Bug::None,
        fault: DiskFault::LosesAppends,
        bounds: crash(1, 1),
        prefix: &[],
        property: DURABILITY,
    },
    Hunt {
        id: "P1b",
        text: "a snapshot's record is reported durable and was never made",
        rule: "RAFT-DISK-2",
        bug: Bug::None,
        fault: DiskFault::LosesSnapshots,
        bounds: snapshots(3),
        prefix: &[],
        property: CONVERGENCE,
    },
    Hunt {
        id: "P6",
        text: "a restart resumes in front of its snapshot",
        rule: "RAFT-SNAP-6",
        bug: Bug::None,
        fault: DiskFault::RestartsBeforeSnapshot,
        bounds: snapshots(3).crashing(),
        prefix: &[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP],
        property: CLAIMS,
    },
    Hunt {
        id: "S1",
        text: "an install keeps the tail behind an entry of another term",
        rule: "RAFT-SNAP-3",
        bug: Bug::KeepsConflictingTail,
        fault: DiskFault::None,
        bounds: snapshot_conflict(),
        prefix: &[N0_LEADS_1, N0_PROPOSES, N0_DISK, N0_DISK, N1_LEADS_2, N1_COMMITS_2, N1_COMPACTS],
        property: CLAIMS,
    },
    Hunt {
        id: "S3",
        text: "the snapshot's term becomes the server's term",
        rule: "RAFT-SNAP-4",
        bug: Bug::SnapshotTermBecomesTerm,
        fault: DiskFault::None,
        bounds: snapshot_conflict(),
        prefix: &[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP, N0_BEATS, N1_COMPACTS, N1_LEADS_2_COMPACTED],
        property: CLAIMS,
    },
    Hunt {
        id: "S4",
        text: "a snapshot of what is applied anyway is taken over",
        rule: "RAFT-SNAP-2",
        bug: Bug::StaleSnapshotTaken,
        fault: DiskFault::None,
        bounds: snapshots(3),
        prefix: &[],
        property: CLAIMS,
    },
    Hunt {
        id: "S5",
        text: "a compacted previous entry counts as a conflict",
        rule: "RAFT-SNAP-5",
        bug: Bug::CompactedPrevIsConflict,
        fault: DiskFault::None,
        bounds: snapshots(3).losing(),
        prefix: &[N0_LEADS_1, N0_DISK, N2_HAS_NO_OP],
        property: CONVERGENCE,
    },
    Hunt {
        id: "S6",
        text: "a snapshot takes effect in two steps and a crash falls between",
        rule: "RAFT-SNAP-6",
        bug: Bug::None,
        fault: DiskFault::TearsSnapshots,
        bounds: snapshots(3).crashing(),
        prefix: &[],
        property: DURABILITY,
    },
    Hunt {
        id: "S7",
        text: "a follower does not know the entry at its own base",
        rule: "RAFT-APPEND-1",
        bug: Bug::BaseNotRecognised,
        fault: DiskFault::None,
        bounds: snapshots(3),
        prefix: &[],
        property: CONVERGENCE,
    },
    Hunt {
        id: "S10",
        text: "a snapshot is taken of what is not committed",
        rule: "RAFT-SNAP-1",
        bug: Bug::CompactsUncommitted,
        fault: DiskFault::SnapshotsUnapplied,
        bounds: snapshots(3),
        prefix: &[],
        property: CLAIMS,
    },
    Hunt {
        id: "V1",
        text: "who asks with an earlier term is not answered",
        rule: "RAFT-PREVOTE-3",
        bug: Bug::OutdatedIgnored,
        fault: DiskFault::None,
        bounds: elections(2),
        prefix: &[],
        property: CONVERGENCE,
    },
    Hunt {
        id: "V4",
        text: "a leader once known blocks pre-votes for ever",
        rule: "RAFT-PREVOTE-1",
        bug: Bug::KnownLeaderBlocksPreVote,
        fault: DiskFault::None,
        bounds: pre_votes(2),
        prefix: &[N0_LEADS_1_ASKING],
        property: CLAIMS,
    },
    Hunt {
        id: "V5",
        text: "granting a pre-vote counts as hearing a leader",
        rule: "RAFT-PREVOTE-2",
        bug: Bug::PreVoteIsContact,
        fault: DiskFault::None,
        bounds: pre_votes(1),
        prefix: &[],
        property: CLAIMS,
    },
    Hunt {
        id: "V6",
        text: "a leader grants pre-votes",
        rule: "RAFT-PREVOTE-1",
        bug: Bug::LeaderGrantsPreVote,
        fault: DiskFault::None,
        bounds: pre_votes(2),
        prefix: &[],
        property: CLAIMS,
    },
    Hunt {
        id: "V7",
        text: "a read is answered without asking a quorum",
        rule: "RAFT-READ-2",
        bug: Bug::ReadsWithoutQuorum,
        fault: DiskFault::None,
        bounds: reads(2),
        prefix: &[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP, N2_HAS_NO_OP, N1_LEADS_2],
        property: READS,
    },
    Hunt {
        id: "V8",
        text: "a read is confirmed by a round that began before it",
        rule: "RAFT-READ-3",
        bug: Bug::ReadsInOldRound,
        fault: DiskFault::None,
        bounds: reads(2).asking(2),
        prefix: &[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP, N2_HAS_NO_OP, N0_READS, N1_LEADS_2],
        property: READS,
    },
    Hunt {
        id: "V13",
        text: "a leader goes on without its quorum",
        rule: "RAFT-QUORUM-1",
        bug: Bug::NoCheckQuorum,
        fault: DiskFault::None,
        bounds: elections(1).quorum(),
        prefix: &[],
        property: NEVER_REACHED,
    },
    Hunt {
        id: "Q13",
        text: "a leader answers reads before an entry of its term is committed",
        rule: "RAFT-READ-1",
        bug: Bug::ReadsBeforeOwnCommit,
        fault: DiskFault::None,
        bounds: reads(2),
        prefix: &[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP, N1_LEADS_2],
        property: READS,
    },
    Hunt {
        id: "Q14",
        text: "any grant answers any read",
        rule: "RAFT-READ-4",
        bug: Bug::AnyGrantAnswers,
        fault: DiskFault::None,
        bounds: Bounds { net: Net::Duplicate, ..reads(1).asking(2).log(2) },
        prefix: &[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP, N1_ASKS],
        property: READS,
    },
    Hunt {
        id: "Q15",
        text: "the numbers of reads begin anew at a restart",
        rule: "RAFT-READ-4",
        bug: Bug::None,
        fault: DiskFault::ReusesReadIds,
        bounds: reads(1).asking(2).log(2).crashing(),
        prefix: &[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP, N1_ASKS],
        property: READS,
    },
];
