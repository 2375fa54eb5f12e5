//! The table of mutants: what each breaks, where it is hunted, and by what it must die.

use super::places::{
    crash, deep_election, elections, figure8, pre_votes, reads, reorder, retry, snapshot_conflict,
    snapshots,
};
use super::prefixes::*;
use super::{Bug, Hunt, NEVER_REACHED};
use crate::bounds::{Bounds, Net};
use crate::node::DiskFault;
use crate::raft::{
    CLAIMS, CONVERGENCE, DURABILITY, ELECTION_SAFETY, LEADER_COMPLETENESS, LOG_MATCHING, READS,
    STATE_MACHINE_SAFETY,
};

/// Every mutant, by the sections of the zoo.
pub const TABLE: &[Hunt] = &[
    Hunt::new(
        "E1",
        "RAFT-TERM-2",
        "a vote of an earlier term counts",
        elections(2),
        ELECTION_SAFETY,
    )
    .bug(Bug::OldVoteCounts),
    Hunt::new(
        "E2",
        "RAFT-TERM-4",
        "the vote is forgotten when a server steps down within the term",
        crash(1, 0),
        ELECTION_SAFETY,
    )
    .bug(Bug::VoteForgottenOnStepDown),
    Hunt::new("E3", "RAFT-VOTE-4", "the vote is not on disk", crash(1, 0), ELECTION_SAFETY)
        .bug(Bug::VoteNotPersisted),
    Hunt::new(
        "E4",
        "RAFT-VOTE-5",
        "term and vote are two writes, the reply between them",
        crash(1, 0),
        ELECTION_SAFETY,
    )
    .bug(Bug::TermAndVoteApart),
    Hunt::new(
        "E5",
        "RAFT-DISK-1",
        "RequestVote leaves before its own term and vote are durable",
        crash(1, 0),
        ELECTION_SAFETY,
    )
    .bug(Bug::RequestVoteBeforeDisk),
    Hunt::new(
        "E6",
        "RAFT-VOTE-4",
        "a restart finds no hard state and takes term 0 for granted",
        crash(1, 0),
        ELECTION_SAFETY,
    )
    .fault(DiskFault::ForgetsHardState),
    Hunt::new(
        "E7",
        "RAFT-VOTE-2",
        "the longer log counts as more up-to-date, whatever its terms",
        deep_election(),
        LEADER_COMPLETENESS,
    )
    .bug(Bug::LengthBeforeTerm)
    .from(&[N0_LEADS_1, N0_PROPOSES, N0_DISK, N0_DISK, N1_LEADS_2, N1_COMMITS_2]),
    Hunt::new(
        "E8",
        "RAFT-VOTE-2",
        "a candidate's log must be at least as long and of as late a term",
        deep_election(),
        CONVERGENCE,
    )
    .bug(Bug::BothMustBeLonger)
    .from(&[N0_LEADS_1, N0_PROPOSES, N0_DISK, N0_DISK, N1_LEADS_2]),
    Hunt::new(
        "E9",
        "RAFT-VOTE-6",
        "a leader or candidate gives its vote away",
        elections(1),
        ELECTION_SAFETY,
    )
    .bug(Bug::VotesWhileRunning),
    Hunt::new(
        "E10",
        "RAFT-TERM-1",
        "a later term is taken over but the role stays",
        elections(2),
        ELECTION_SAFETY,
    )
    .bug(Bug::LaterTermKeepsRole),
    Hunt::new(
        "E12",
        "RAFT-TIMER-1",
        "a refused request starts the election timer anew",
        elections(1),
        CLAIMS,
    )
    .bug(Bug::TimerRearmedByRefusal),
    Hunt::new(
        "E13",
        "RAFT-LEAD-1",
        "a leader begins without a no-op",
        elections(2).log(1),
        CONVERGENCE,
    )
    .bug(Bug::NoNoOp),
    Hunt::new(
        "E14",
        "RAFT-QUORUM-2",
        "snapshot traffic does not count as a sign of life",
        snapshots(3).crashing(),
        CONVERGENCE,
    )
    .bug(Bug::SnapshotTrafficIsSilence)
    .from(&[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP, N0_COMPACTS, N2_FORGETS_NO_OP]),
    Hunt::new("Q1", "RAFT-VOTE-3", "a minority of the votes elects", elections(1), ELECTION_SAFETY)
        .bug(Bug::MinorityElects),
    Hunt::new("Q2", "RAFT-VOTE-1", "a second vote in the same term", elections(1), ELECTION_SAFETY)
        .bug(Bug::VotesForEveryone),
    Hunt::new(
        "Q3",
        "RAFT-TERM-3",
        "a later term begins with the old term's vote",
        crash(2, 1),
        CONVERGENCE,
    )
    .bug(Bug::VoteCarriedOver),
    Hunt::new(
        "Q4",
        "RAFT-DISK-1",
        "a vote leaves before it is durable",
        crash(1, 0),
        ELECTION_SAFETY,
    )
    .bug(Bug::VoteBeforeDisk),
    Hunt::new("Q6", "RAFT-TERM-2", "a leader of an earlier term is obeyed", elections(2), CLAIMS)
        .bug(Bug::OldLeaderObeyed),
    Hunt::new(
        "L1",
        "RAFT-COMMIT-1",
        "entries of earlier terms are committed by counting",
        figure8(),
        LEADER_COMPLETENESS,
    )
    .bug(Bug::CountsOldTerms)
    .from(&[N0_LEADS_1, N0_DISK, N2_LEADS_2, N0_LEADS_3, N0_SPREADS_OLD, N2_RUNS_4]),
    Hunt::new(
        "L2",
        "RAFT-APPEND-2",
        "a log is truncated where it matches",
        Bounds { net: Net::Duplicate, ..reorder() },
        CLAIMS,
    )
    .bug(Bug::TruncatesMatching),
    Hunt::new(
        "L5",
        "RAFT-APPEND-3",
        "a follower commits beyond its log",
        reorder().beats(),
        CLAIMS,
    )
    .bug(Bug::CommitsBeyondLog),
    Hunt::new(
        "L6",
        "RAFT-TERM-2",
        "an acknowledgement of an earlier term counts",
        Bounds { drop_void: false, ..crash(2, 0) },
        DURABILITY,
    )
    .bug(Bug::OldAcknowledgementCounts)
    .from(&[N0_LEADS_1, &["n0→n1 t1 AppendEntries", "n1 disk", "n0 crash"]]),
    Hunt::new(
        "L7",
        "RAFT-NEXT-1",
        "a late rejection takes next to or below match",
        retry(),
        CLAIMS,
    )
    .bug(Bug::NextBelowMatch),
    Hunt::new(
        "L8",
        "RAFT-COMMIT-1",
        "the commit scan stops at an entry of an earlier term",
        elections(2),
        CONVERGENCE,
    )
    .bug(Bug::StopsAtOldTerm),
    Hunt::new(
        "L9",
        "RAFT-APPEND-1",
        "an append that begins at the first entry always fits, compacted or not",
        snapshots(3),
        CLAIMS,
    )
    .bug(Bug::ZeroPrevAlwaysFits),
    Hunt::new(
        "L10",
        "RAFT-NEXT-2",
        "rejections in the pipeline are ignored, so what was lost is never sent again",
        reorder().log(3),
        CONVERGENCE,
    )
    .bug(Bug::RejectionInPipelineIgnored),
    Hunt::new(
        "L11",
        "RAFT-NEXT-1",
        "the hint of a rejection is ignored and the same guess repeated",
        elections(2),
        CONVERGENCE,
    )
    .bug(Bug::HintIgnored),
    Hunt::new(
        "L14",
        "RAFT-DISK-2",
        "several writes are reported durable when one is",
        crash(2, 1),
        DURABILITY,
    )
    .fault(DiskFault::ReportsEarly),
    Hunt::new(
        "L15",
        "RAFT-DISK-2",
        "a write finished while others are pending is not reported",
        elections(1).log(2),
        CONVERGENCE,
    )
    .fault(DiskFault::DropsReports),
    Hunt::new(
        "L16",
        "RAFT-DISK-1",
        "a follower acknowledges before its disk has the entries",
        reorder(),
        DURABILITY,
    )
    .bug(Bug::AcknowledgedBeforeDisk),
    Hunt::new(
        "L16b",
        "RAFT-DISK-1",
        "a leader counts its own entry before its disk has it",
        reorder(),
        DURABILITY,
    )
    .bug(Bug::OwnEntryBeforeDisk),
    Hunt::new(
        "Q7",
        "RAFT-APPEND-1",
        "the consistency check ignores the term",
        crash(3, 0),
        LOG_MATCHING,
    )
    .bug(Bug::NoTermInConsistencyCheck)
    .from(&[N0_LEADS_1, N0_DISK, N1_LEADS_2, &["n1 disk", "n1 crash"]]),
    Hunt::new(
        "Q9",
        "RAFT-APPEND-4",
        "a heartbeat's commit index is not bounded by what the follower has",
        reorder().beats(),
        CLAIMS,
    )
    .bug(Bug::HeartbeatCommitUnbounded),
    Hunt::new(
        "Q16",
        "RAFT-APPEND-4",
        "as Q9, where the follower's log contradicts the leader's: it commits another entry",
        elections(2).beats(),
        STATE_MACHINE_SAFETY,
    )
    .bug(Bug::HeartbeatCommitUnbounded)
    .from(&[N0_LEADS_1, N1_LEADS_2, N1_COMMITS_2]),
    Hunt::new(
        "Q10",
        "RAFT-MATCH-1",
        "a late acknowledgement takes match back",
        reorder().log(3),
        CLAIMS,
    )
    .bug(Bug::MatchGoesBack),
    Hunt::new("Q11", "RAFT-COMMIT-2", "a minority of the disks commits", reorder(), DURABILITY)
        .bug(Bug::MinorityCommits),
    Hunt::new(
        "Q12",
        "RAFT-NEXT-3",
        "what is lost is never sent again",
        reorder().losing(),
        CONVERGENCE,
    )
    .bug(Bug::NothingRetried),
    Hunt::new(
        "P1",
        "RAFT-DISK-2",
        "an append is reported durable and was never made",
        crash(1, 1),
        DURABILITY,
    )
    .fault(DiskFault::LosesAppends),
    Hunt::new(
        "P1b",
        "RAFT-DISK-2",
        "a snapshot's record is reported durable and was never made",
        snapshots(3),
        CONVERGENCE,
    )
    .fault(DiskFault::LosesSnapshots),
    Hunt::new(
        "Q17",
        "RAFT-SNAP-6",
        "a snapshot's record does not have the number of leaders that it covers",
        snapshots(3).crashing(),
        STATE_MACHINE_SAFETY,
    )
    .fault(DiskFault::MiscountsRuns)
    .from(&[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP]),
    Hunt::new(
        "S1",
        "RAFT-SNAP-3",
        "an install keeps the tail behind an entry of another term",
        snapshot_conflict(),
        CLAIMS,
    )
    .bug(Bug::KeepsConflictingTail)
    .from(&[N0_LEADS_1, N0_PROPOSES, N0_DISK, N0_DISK, N1_LEADS_2, N1_COMMITS_2, N1_COMPACTS]),
    Hunt::new(
        "S3",
        "RAFT-SNAP-4",
        "the snapshot's term becomes the server's term",
        snapshot_conflict(),
        CLAIMS,
    )
    .bug(Bug::SnapshotTermBecomesTerm)
    .from(&[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP, N0_BEATS, N1_COMPACTS, N1_LEADS_2_COMPACTED]),
    Hunt::new(
        "S4",
        "RAFT-SNAP-2",
        "a snapshot of what is applied anyway is taken over",
        snapshots(3),
        CLAIMS,
    )
    .bug(Bug::StaleSnapshotTaken),
    Hunt::new(
        "S5",
        "RAFT-SNAP-5",
        "a compacted previous entry counts as a conflict",
        snapshots(3).losing(),
        CONVERGENCE,
    )
    .bug(Bug::CompactedPrevIsConflict)
    .from(&[N0_LEADS_1, N0_DISK, N2_HAS_NO_OP]),
    Hunt::new(
        "S6",
        "RAFT-SNAP-6",
        "a snapshot takes effect in two steps and a crash falls between",
        snapshots(3).crashing(),
        DURABILITY,
    )
    .fault(DiskFault::TearsSnapshots),
    Hunt::new(
        "S7",
        "RAFT-APPEND-1",
        "a follower does not know the entry at its own base",
        snapshots(3),
        CONVERGENCE,
    )
    .bug(Bug::BaseNotRecognised),
    Hunt::new(
        "S10",
        "RAFT-SNAP-1",
        "a snapshot is taken of what is not committed",
        snapshots(3),
        CLAIMS,
    )
    .bug(Bug::CompactsUncommitted)
    .fault(DiskFault::SnapshotsUnapplied),
    Hunt::new(
        "V1",
        "RAFT-PREVOTE-3",
        "who asks with an earlier term is not answered",
        elections(2),
        CONVERGENCE,
    )
    .bug(Bug::OutdatedIgnored),
    Hunt::new(
        "V4",
        "RAFT-PREVOTE-1",
        "a leader once known blocks pre-votes for ever",
        pre_votes(2),
        CLAIMS,
    )
    .bug(Bug::KnownLeaderBlocksPreVote)
    .from(&[N0_LEADS_1_ASKING]),
    Hunt::new(
        "V5",
        "RAFT-PREVOTE-2",
        "granting a pre-vote counts as hearing a leader",
        pre_votes(1),
        CLAIMS,
    )
    .bug(Bug::PreVoteIsContact),
    Hunt::new("V6", "RAFT-PREVOTE-1", "a leader grants pre-votes", pre_votes(2), CLAIMS)
        .bug(Bug::LeaderGrantsPreVote),
    Hunt::new("V7", "RAFT-READ-2", "a read is answered without asking a quorum", reads(2), READS)
        .bug(Bug::ReadsWithoutQuorum)
        .from(&[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP, N2_HAS_NO_OP, N1_LEADS_2]),
    Hunt::new(
        "V8",
        "RAFT-READ-3",
        "a read is confirmed by a round that began before it",
        reads(2).asking(2),
        READS,
    )
    .bug(Bug::ReadsInOldRound)
    .from(&[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP, N2_HAS_NO_OP, N0_READS, N1_LEADS_2]),
    Hunt::new(
        "V13",
        "RAFT-QUORUM-1",
        "a leader goes on without its quorum",
        elections(1).quorum(),
        NEVER_REACHED,
    )
    .bug(Bug::NoCheckQuorum),
    Hunt::new(
        "Q13",
        "RAFT-READ-1",
        "a leader answers reads before an entry of its term is committed",
        reads(2),
        READS,
    )
    .bug(Bug::ReadsBeforeOwnCommit)
    .from(&[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP, N1_LEADS_2]),
    Hunt::new(
        "Q14",
        "RAFT-READ-4",
        "any grant answers any read",
        Bounds { net: Net::Duplicate, ..reads(1).asking(2).log(2) },
        READS,
    )
    .bug(Bug::AnyGrantAnswers)
    .from(&[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP, N1_ASKS]),
    Hunt::new(
        "Q15",
        "RAFT-READ-4",
        "the numbers of reads begin anew at a restart",
        reads(1).asking(2).log(2).crashing(),
        READS,
    )
    .fault(DiskFault::ReusesReadIds)
    .from(&[N0_LEADS_1, N0_DISK, N1_HAS_NO_OP, N1_ASKS]),
];
