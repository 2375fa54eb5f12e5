//! The decisions on which Raft's safety hangs, each with a name and an id in SPEC.md.
//!
//! The default methods are the paper's. [`Paper`] takes them all, and the product is `Raft<Paper>`. A
//! mutant is another implementation that gets one of them wrong; mutants live in `model/`, to show
//! that the checks would notice. No feature flag and no `cfg`: what is checked is what ships.

use super::message::Body;
use super::progress::Progress;
use crate::quorum::majority;
use crate::terms::Terms;
use crate::types::{HardState, Index, LogId, NodeId, SnapshotId, Term};
use core::fmt::Debug;
use core::hash::Hash;

/// Raft's rules. Every method is a pure predicate or a small choice.
pub trait Rules: Copy + Eq + Hash + Debug + Send + Sync + 'static {
    // --- terms -------------------------------------------------------------------------------------

    /// RAFT-TERM-1. What a server does on seeing a term later than its own: whether it stops leading or
    /// running, as it must (§5.1).
    fn must_step_down(&self) -> bool {
        true
    }

    /// RAFT-TERM-2. Whether a message of term `theirs` speaks of the receiver's term `mine`. An earlier
    /// one is void (§5.1); a later one was adopted before this question.
    fn is_current(&self, mine: Term, theirs: Term, _body: &Body) -> bool {
        mine == theirs
    }

    /// RAFT-TERM-3. The vote with which a later term begins: none.
    fn vote_in_new_term(&self, _old: HardState) -> Option<NodeId> {
        None
    }

    /// RAFT-TERM-4. The vote after a change of role within a term: what it was.
    fn vote_in_same_term(&self, vote: Option<NodeId>) -> Option<NodeId> {
        vote
    }

    // --- elections ---------------------------------------------------------------------------------

    /// RAFT-VOTE-1. One vote a term, first come first served (§5.2).
    fn may_vote(&self, vote: Option<NodeId>, candidate: NodeId) -> bool {
        vote.is_none_or(|given| given == candidate)
    }

    /// RAFT-VOTE-2. The election restriction: a vote only for a log at least as up-to-date (§5.4.1).
    fn is_up_to_date(&self, mine: LogId, theirs: LogId) -> bool {
        theirs >= mine
    }

    /// RAFT-VOTE-3. How many votes elect (§5.2).
    fn votes_needed(&self, voters: usize) -> usize {
        majority(voters)
    }

    /// RAFT-VOTE-4. The hard state that goes to disk: term and vote together, in one write (Figure 2).
    fn hard_state(&self, hard: HardState) -> HardState {
        hard
    }

    /// RAFT-VOTE-5. Whether a vote is in the disk's queue before the reply that promises it.
    fn vote_precedes_reply(&self) -> bool {
        true
    }

    /// RAFT-VOTE-6. Whether a server whose vote in this term is its own may give it away: never.
    fn may_vote_while_running(&self) -> bool {
        false
    }

    /// RAFT-PREVOTE-1. No pre-vote while a leader is heard, and none by a leader (dissertation §9.6). That
    /// a leader was known once is no reason: it may ask itself.
    fn may_pre_vote(&self, heard: bool, leads: bool, _leader: Option<NodeId>) -> bool {
        !heard && !leads
    }

    /// RAFT-PREVOTE-2. Whether granting a pre-vote counts as hearing a leader: no, or two servers that
    /// ask each other never elect anyone.
    fn pre_vote_is_contact(&self) -> bool {
        false
    }

    /// RAFT-PREVOTE-3. Whether a void request is answered with the later term, so that its sender learns.
    fn answers_outdated(&self, _body: &Body) -> bool {
        true
    }

    /// RAFT-TIMER-1. The election timer restarts for a granted vote or a leader's message, nothing else
    /// (Figure 2, "Followers").
    fn rearms_for_request(&self, granted: bool) -> bool {
        granted
    }

    // --- the disk ----------------------------------------------------------------------------------

    /// RAFT-DISK-1. Whether a message waits for the writes in front of it: whatever promises that the
    /// disk knows something, and a candidate's request, which speaks of its own vote.
    fn waits_for_disk(&self, body: &Body, _to_self: bool) -> bool {
        matches!(body, Body::RequestVote { .. } | Body::VoteGranted | Body::Accepted { .. })
    }

    // --- replication -------------------------------------------------------------------------------

    /// RAFT-LEAD-1. A leader's run begins with a no-op, or what it inherited may never commit (§5.4.2, §8).
    fn begins_with_no_op(&self) -> bool {
        true
    }

    /// RAFT-APPEND-1. The consistency check: entries only behind an entry that both logs have (§5.3).
    fn has_previous(&self, terms: &Terms, prev: LogId) -> bool {
        terms.contains(prev)
    }

    /// RAFT-APPEND-2. The first of `count` entries of term `run` from `first` on that the log lacks: what
    /// it already has is never truncated (§5.3: "conflicts"). None if it has them all.
    fn first_missing(&self, terms: &Terms, first: Index, run: Term, count: u32) -> Option<Index> {
        (first..first + Index::from(count)).find(|&index| terms.term_at(index) != Some(run))
    }

    /// RAFT-APPEND-3. How far a follower may commit: not beyond what it was just shown (Figure 2, 5).
    fn follower_commit(&self, leader_commit: Index, shown: Index) -> Index {
        leader_commit.min(shown)
    }

    /// RAFT-APPEND-4. The commit index that a heartbeat may carry: not beyond what the receiver has.
    fn heartbeat_commit(&self, commit: Index, matched: Index) -> Index {
        commit.min(matched)
    }

    /// RAFT-MATCH-1. A follower's match index only rises within a term.
    fn matched(&self, old: Index, acknowledged: Index) -> Index {
        old.max(acknowledged)
    }

    /// RAFT-NEXT-1. Where to go on after a rejection: behind the leader's last entry that could be in the
    /// follower's log, and never at or in front of what is known to match.
    fn next_after_rejection(
        &self,
        terms: &Terms,
        peer: &Progress,
        prev: Index,
        hint: LogId,
    ) -> Index {
        (terms.floor(hint).index + 1).min(prev).max(peer.matched + 1)
    }

    /// RAFT-NEXT-2. Whether a rejection speaks of the leader's present guess; late ones do not.
    fn is_fresh_rejection(&self, peer: &Progress, prev: Index) -> bool {
        peer.is_fresh_rejection(prev)
    }

    /// RAFT-NEXT-3. Whether a lost message is found out and sent again when the follower is alive.
    fn must_retry(&self) -> bool {
        true
    }

    /// RAFT-COMMIT-1. Only an entry of the leader's own term is committed by counting (§5.4.2).
    fn may_commit(&self, terms: &Terms, _commit: Index, index: Index, current: Term) -> bool {
        terms.term_at(index) == Some(current)
    }

    /// RAFT-COMMIT-2. How many disks must have an entry (§5.3).
    fn copies_needed(&self, voters: usize) -> usize {
        majority(voters)
    }

    /// RAFT-QUORUM-1. Whether a leader goes on, having heard `active` of `voters` servers in an election
    /// timeout, itself included (dissertation §6.2).
    fn may_go_on_leading(&self, active: usize, voters: usize) -> bool {
        active >= majority(voters)
    }

    /// RAFT-QUORUM-2. Whether a message from a follower shows that it is there: all do, also while it
    /// receives a snapshot.
    fn is_sign_of_life(&self, _peer: &Progress) -> bool {
        true
    }

    // --- snapshots ---------------------------------------------------------------------------------

    /// RAFT-SNAP-1. What may be compacted: what is committed, and not yet compacted (§7).
    fn may_compact(&self, through: Index, base: Index, commit: Index) -> bool {
        base < through && through <= commit
    }

    /// RAFT-SNAP-2. A snapshot of what is committed here anyway is refused (the labs' CondInstallSnapshot).
    fn is_stale_snapshot(&self, id: SnapshotId, commit: Index) -> bool {
        id.last.index <= commit
    }

    /// RAFT-SNAP-3. The entries behind a snapshot stay only if the log has its last entry, with index
    /// *and* term (§7).
    fn keeps_tail(&self, terms: &Terms, id: SnapshotId) -> bool {
        terms.contains(id.last)
    }

    /// RAFT-SNAP-4. The term after an install: the receiver's own, whatever the snapshot's entries had.
    fn term_after_install(&self, current: Term, _snapshot: Term) -> Term {
        current
    }

    /// RAFT-SNAP-5. How much of a batch lies behind the receiver's snapshot: what lies in front is
    /// committed and equal, no conflict.
    fn skips_compacted(&self) -> bool {
        true
    }

    // --- reads -------------------------------------------------------------------------------------

    /// RAFT-READ-1. A leader knows the commit index only once an entry of its own term is committed
    /// (dissertation §6.4).
    fn knows_commit(&self, commit: Index, first_of_term: Index) -> bool {
        commit >= first_of_term
    }

    /// RAFT-READ-2. How many servers must have heard the leader after the question came, itself included.
    fn reads_needed(&self, voters: usize) -> usize {
        majority(voters)
    }

    /// RAFT-READ-3. The round that confirms a read: one that began after the question came.
    fn read_round(&self, latest: u64) -> u64 {
        latest + 1
    }

    /// RAFT-READ-4. Whether a grant answers the read that waits under `waiting`: the very same id.
    fn answers_read(&self, granted: crate::ReadId, waiting: crate::ReadId) -> bool {
        granted == waiting
    }
}

/// The paper's rules. This is what ships.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Paper;

impl Rules for Paper {}
