//! Would the random groups notice? Each mutant gets one rule wrong, and some run must show it: by a
//! safety property, by an assert in the machine, or by a group that never agrees. (Not all rules
//! are here: Figure 8 takes more exact steps than random ones find. Two transcripts go through it,
//! and the models do.)

use super::random::{Reached, fixed_runs, play};
use protocol::raft::{Body, Paper, Rules};
use protocol::terms::Terms;
use protocol::{HardState, Index, LogId, NodeId, SnapshotId, Term};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Which rule is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Mutant {
    StaysInOffice,
    HearsTheOld,
    KeepsItsVote,
    VotesTwice,
    VotesForAnyLog,
    VotesForTheLongerLog,
    WinsByHalf,
    ForgetsItsVote,
    VoteLeavesAtOnce,
    RequestLeavesAtOnce,
    AcceptsAtOnce,
    ChecksIndexOnly,
    TruncatesAlways,
    CommitsByHalf,
    HeartbeatCommitsAll,
    NoNoOp,
    NeverRetries,
    KeepsTailByIndex,
    TakesStaleSnapshots,
    ReadsBeforeNoOp,
    ReadsAlone,
    ReadsInAnOldRound,
    PreVoteIsContact,
}

use Mutant::*;

const ALL: [Mutant; 23] = [
    StaysInOffice,
    HearsTheOld,
    KeepsItsVote,
    VotesTwice,
    VotesForAnyLog,
    VotesForTheLongerLog,
    WinsByHalf,
    ForgetsItsVote,
    VoteLeavesAtOnce,
    RequestLeavesAtOnce,
    AcceptsAtOnce,
    ChecksIndexOnly,
    TruncatesAlways,
    CommitsByHalf,
    HeartbeatCommitsAll,
    NoNoOp,
    NeverRetries,
    KeepsTailByIndex,
    TakesStaleSnapshots,
    ReadsBeforeNoOp,
    ReadsAlone,
    ReadsInAnOldRound,
    PreVoteIsContact,
];

impl Rules for Mutant {
    fn must_step_down(&self) -> bool {
        *self != StaysInOffice
    }

    fn is_current(&self, mine: Term, theirs: Term, body: &Body) -> bool {
        *self == HearsTheOld || Paper.is_current(mine, theirs, body)
    }

    fn vote_in_new_term(&self, old: HardState) -> Option<NodeId> {
        if *self == KeepsItsVote { old.vote } else { Paper.vote_in_new_term(old) }
    }

    fn may_vote(&self, vote: Option<NodeId>, candidate: NodeId) -> bool {
        *self == VotesTwice || Paper.may_vote(vote, candidate)
    }

    fn is_up_to_date(&self, mine: LogId, theirs: LogId) -> bool {
        match self {
            VotesForAnyLog => true,
            VotesForTheLongerLog => theirs.index >= mine.index,
            _ => Paper.is_up_to_date(mine, theirs),
        }
    }

    fn votes_needed(&self, voters: usize) -> usize {
        Paper.votes_needed(voters) - usize::from(*self == WinsByHalf)
    }

    fn hard_state(&self, hard: HardState) -> HardState {
        if *self == ForgetsItsVote { HardState { vote: None, ..hard } } else { hard }
    }

    fn waits_for_disk(&self, body: &Body, to_self: bool) -> bool {
        let hurries = match body {
            Body::VoteGranted => *self == VoteLeavesAtOnce && !to_self,
            Body::RequestVote { .. } => *self == RequestLeavesAtOnce,
            Body::Accepted { .. } => *self == AcceptsAtOnce && !to_self,
            _ => false,
        };
        !hurries && Paper.waits_for_disk(body, to_self)
    }

    fn begins_with_no_op(&self) -> bool {
        *self != NoNoOp
    }

    fn has_previous(&self, terms: &Terms, prev: LogId) -> bool {
        let index_only = *self == ChecksIndexOnly && terms.term_at(prev.index).is_some();
        index_only || Paper.has_previous(terms, prev)
    }

    fn first_missing(&self, terms: &Terms, first: Index, run: Term, count: u32) -> Option<Index> {
        let always = *self == TruncatesAlways && count > 0;
        if always { Some(first) } else { Paper.first_missing(terms, first, run, count) }
    }

    fn heartbeat_commit(&self, commit: Index, matched: Index) -> Index {
        if *self == HeartbeatCommitsAll { commit } else { commit.min(matched) }
    }

    fn must_retry(&self) -> bool {
        *self != NeverRetries
    }

    fn copies_needed(&self, voters: usize) -> usize {
        Paper.copies_needed(voters) - usize::from(*self == CommitsByHalf)
    }

    fn keeps_tail(&self, terms: &Terms, id: SnapshotId) -> bool {
        let has_index = terms.term_at(id.last.index).is_some();
        (*self == KeepsTailByIndex && has_index) || Paper.keeps_tail(terms, id)
    }

    fn is_stale_snapshot(&self, id: SnapshotId, commit: Index) -> bool {
        *self != TakesStaleSnapshots && Paper.is_stale_snapshot(id, commit)
    }

    fn knows_commit(&self, commit: Index, first_of_term: Index) -> bool {
        *self == ReadsBeforeNoOp || Paper.knows_commit(commit, first_of_term)
    }

    fn reads_needed(&self, voters: usize) -> usize {
        if *self == ReadsAlone { 1 } else { Paper.reads_needed(voters) }
    }

    fn read_round(&self, latest: u64) -> u64 {
        if *self == ReadsInAnOldRound { latest.max(1) } else { Paper.read_round(latest) }
    }

    fn pre_vote_is_contact(&self) -> bool {
        *self == PreVoteIsContact
    }
}

#[test]
fn random_groups_notice_a_wrong_rule() {
    let survivors: Vec<Mutant> = ALL
        .into_iter()
        .filter(|mutant| {
            let killed = fixed_runs().take(4_000).position(|(shape, ops)| {
                let run = || play(*mutant, shape, &ops, &mut Reached::new());
                catch_unwind(AssertUnwindSafe(run)).is_err()
            });
            println!("{mutant:?} {killed:?}");
            killed.is_none()
        })
        .collect();
    assert_eq!(survivors, [], "mutants that no run notices");
}
