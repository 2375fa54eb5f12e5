//! Wrong versions of the protocol, to show that the checks would notice.
//!
//! Each is one of Raft's named rules got wrong (or a disk that does not keep its word), taken from a bug
//! that a real system had; the rows are those of the bug zoo in SPEC.md. `checks mutants` hunts each within
//! its own bounds and fails if one survives. All rule mutants are one type, so that a hundred of them cost
//! one compilation; the product is `Raft<Paper>` and does not depend on this crate (tested).

use crate::bounds::Bounds;
use crate::cluster::Cluster;
use crate::node::DiskFault;
use crate::raft;
use protocol::quorum::majority;
use protocol::raft::{Body, Pace, Paper, Progress, Rules};
use protocol::terms::Terms;
use protocol::{HardState, Index, LogId, NodeId, ReadId, SnapshotId, Term};

mod places;
mod prefixes;
mod table;

pub use table::TABLE;

/// A wrong rule. What each does wrong is said in [`TABLE`], beside where it is hunted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(missing_docs, reason = "the table has the texts")]
pub enum Bug {
    None,
    LaterTermKeepsRole,
    OldVoteCounts,
    OldAcknowledgementCounts,
    OldLeaderObeyed,
    VoteCarriedOver,
    VoteForgottenOnStepDown,
    VotesForEveryone,
    LengthBeforeTerm,
    BothMustBeLonger,
    MinorityElects,
    VoteNotPersisted,
    TermAndVoteApart,
    VotesWhileRunning,
    LeaderGrantsPreVote,
    KnownLeaderBlocksPreVote,
    PreVoteIsContact,
    OutdatedIgnored,
    TimerRearmedByRefusal,
    RequestVoteBeforeDisk,
    VoteBeforeDisk,
    AcknowledgedBeforeDisk,
    OwnEntryBeforeDisk,
    NoNoOp,
    NoTermInConsistencyCheck,
    ZeroPrevAlwaysFits,
    TruncatesMatching,
    CommitsBeyondLog,
    HeartbeatCommitUnbounded,
    MatchGoesBack,
    NextBelowMatch,
    HintIgnored,
    RejectionInPipelineIgnored,
    NothingRetried,
    CountsOldTerms,
    StopsAtOldTerm,
    MinorityCommits,
    NoCheckQuorum,
    SnapshotTrafficIsSilence,
    CompactsUncommitted,
    StaleSnapshotTaken,
    KeepsConflictingTail,
    SnapshotTermBecomesTerm,
    CompactedPrevIsConflict,
    BaseNotRecognised,
    ReadsBeforeOwnCommit,
    ReadsWithoutQuorum,
    ReadsInOldRound,
    AnyGrantAnswers,
}

/// Raft's rules with one of them wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Mutant(pub Bug);

impl Mutant {
    fn is(self, bug: Bug) -> bool {
        self.0 == bug
    }
}

impl Rules for Mutant {
    fn must_step_down(&self) -> bool {
        !self.is(Bug::LaterTermKeepsRole)
    }

    fn is_current(&self, mine: Term, theirs: Term, body: &Body) -> bool {
        let late_is_welcome = match self.0 {
            Bug::OldVoteCounts => matches!(body, Body::VoteGranted),
            Bug::OldAcknowledgementCounts => matches!(body, Body::Accepted { .. }),
            Bug::OldLeaderObeyed => body.is_from_leader(),
            _ => false,
        };
        Paper.is_current(mine, theirs, body) || late_is_welcome
    }

    fn vote_in_new_term(&self, old: HardState) -> Option<NodeId> {
        old.vote.filter(|_| self.is(Bug::VoteCarriedOver))
    }

    fn vote_in_same_term(&self, vote: Option<NodeId>) -> Option<NodeId> {
        vote.filter(|_| !self.is(Bug::VoteForgottenOnStepDown))
    }

    fn may_vote(&self, vote: Option<NodeId>, candidate: NodeId) -> bool {
        self.is(Bug::VotesForEveryone) || Paper.may_vote(vote, candidate)
    }

    fn is_up_to_date(&self, mine: LogId, theirs: LogId) -> bool {
        match self.0 {
            Bug::LengthBeforeTerm => (theirs.index, theirs.term) >= (mine.index, mine.term),
            Bug::BothMustBeLonger => theirs.index >= mine.index && theirs.term >= mine.term,
            _ => Paper.is_up_to_date(mine, theirs),
        }
    }

    fn votes_needed(&self, voters: usize) -> usize {
        majority(voters) - usize::from(self.is(Bug::MinorityElects))
    }

    fn hard_state(&self, hard: HardState) -> HardState {
        let vote = hard.vote.filter(|_| !self.is(Bug::VoteNotPersisted));
        HardState { vote, ..hard }
    }

    fn vote_precedes_reply(&self) -> bool {
        !self.is(Bug::TermAndVoteApart)
    }

    fn may_vote_while_running(&self) -> bool {
        self.is(Bug::VotesWhileRunning)
    }

    fn may_pre_vote(&self, heard: bool, leads: bool, leader: Option<NodeId>) -> bool {
        match self.0 {
            Bug::LeaderGrantsPreVote => !heard,
            Bug::KnownLeaderBlocksPreVote => !heard && leader.is_none(),
            _ => Paper.may_pre_vote(heard, leads, leader),
        }
    }

    fn pre_vote_is_contact(&self) -> bool {
        self.is(Bug::PreVoteIsContact)
    }

    fn answers_outdated(&self, _: &Body) -> bool {
        !self.is(Bug::OutdatedIgnored)
    }

    fn rearms_for_request(&self, granted: bool) -> bool {
        granted || self.is(Bug::TimerRearmedByRefusal)
    }

    fn waits_for_disk(&self, body: &Body, to_self: bool) -> bool {
        let rushes = match self.0 {
            Bug::RequestVoteBeforeDisk => matches!(body, Body::RequestVote { .. }),
            Bug::VoteBeforeDisk => matches!(body, Body::VoteGranted) && !to_self,
            Bug::AcknowledgedBeforeDisk => matches!(body, Body::Accepted { .. }) && !to_self,
            Bug::OwnEntryBeforeDisk => matches!(body, Body::Accepted { .. }) && to_self,
            _ => false,
        };
        !rushes && Paper.waits_for_disk(body, to_self)
    }

    fn begins_with_no_op(&self) -> bool {
        !self.is(Bug::NoNoOp)
    }

    fn has_previous(&self, terms: &Terms, prev: LogId) -> bool {
        match self.0 {
            Bug::NoTermInConsistencyCheck => terms.term_at(prev.index).is_some(),
            Bug::ZeroPrevAlwaysFits => prev.index == 0 || Paper.has_previous(terms, prev),
            Bug::BaseNotRecognised => {
                Paper.has_previous(terms, prev) && (prev.index == 0 || prev != terms.base())
            }
            _ => Paper.has_previous(terms, prev),
        }
    }

    fn first_missing(&self, terms: &Terms, first: Index, run: Term, count: u32) -> Option<Index> {
        match self.0 {
            Bug::TruncatesMatching => (count > 0).then_some(first),
            _ => Paper.first_missing(terms, first, run, count),
        }
    }

    fn follower_commit(&self, leader_commit: Index, shown: Index) -> Index {
        match self.0 {
            Bug::CommitsBeyondLog => leader_commit,
            _ => Paper.follower_commit(leader_commit, shown),
        }
    }

    fn heartbeat_commit(&self, commit: Index, matched: Index) -> Index {
        match self.0 {
            Bug::HeartbeatCommitUnbounded => commit,
            _ => Paper.heartbeat_commit(commit, matched),
        }
    }

    fn matched(&self, old: Index, acknowledged: Index) -> Index {
        match self.0 {
            Bug::MatchGoesBack => acknowledged,
            _ => Paper.matched(old, acknowledged),
        }
    }

    fn next_after_rejection(
        &self,
        terms: &Terms,
        peer: &Progress,
        prev: Index,
        hint: LogId,
    ) -> Index {
        match self.0 {
            Bug::NextBelowMatch => prev.min(hint.index + 1),
            Bug::HintIgnored => peer.next,
            _ => Paper.next_after_rejection(terms, peer, prev, hint),
        }
    }

    fn is_fresh_rejection(&self, peer: &Progress, prev: Index) -> bool {
        match self.0 {
            Bug::NextBelowMatch => true,
            Bug::RejectionInPipelineIgnored => {
                peer.pace != Pace::Replicate && Paper.is_fresh_rejection(peer, prev)
            }
            _ => Paper.is_fresh_rejection(peer, prev),
        }
    }

    fn must_retry(&self) -> bool {
        !self.is(Bug::NothingRetried)
    }

    fn may_commit(&self, terms: &Terms, commit: Index, index: Index, current: Term) -> bool {
        match self.0 {
            Bug::CountsOldTerms => true,
            Bug::StopsAtOldTerm => terms.term_at(commit + 1) == Some(current),
            _ => Paper.may_commit(terms, commit, index, current),
        }
    }

    fn copies_needed(&self, voters: usize) -> usize {
        majority(voters) - usize::from(self.is(Bug::MinorityCommits))
    }

    fn may_go_on_leading(&self, active: usize, voters: usize) -> bool {
        self.is(Bug::NoCheckQuorum) || Paper.may_go_on_leading(active, voters)
    }

    fn is_sign_of_life(&self, peer: &Progress) -> bool {
        !(self.is(Bug::SnapshotTrafficIsSilence) && peer.pace == Pace::Snapshot)
    }

    fn may_compact(&self, through: Index, base: Index, commit: Index) -> bool {
        self.is(Bug::CompactsUncommitted) || Paper.may_compact(through, base, commit)
    }

    fn is_stale_snapshot(&self, id: SnapshotId, commit: Index) -> bool {
        !self.is(Bug::StaleSnapshotTaken) && Paper.is_stale_snapshot(id, commit)
    }

    fn keeps_tail(&self, terms: &Terms, id: SnapshotId) -> bool {
        match self.0 {
            Bug::KeepsConflictingTail => terms.last().index >= id.last.index,
            _ => Paper.keeps_tail(terms, id),
        }
    }

    fn term_after_install(&self, current: Term, snapshot: Term) -> Term {
        if self.is(Bug::SnapshotTermBecomesTerm) { snapshot } else { current }
    }

    fn skips_compacted(&self) -> bool {
        !matches!(self.0, Bug::CompactedPrevIsConflict | Bug::ZeroPrevAlwaysFits)
    }

    fn knows_commit(&self, commit: Index, first_of_term: Index) -> bool {
        self.is(Bug::ReadsBeforeOwnCommit) || Paper.knows_commit(commit, first_of_term)
    }

    fn reads_needed(&self, voters: usize) -> usize {
        if self.is(Bug::ReadsWithoutQuorum) { 1 } else { Paper.reads_needed(voters) }
    }

    fn read_round(&self, latest: u64) -> u64 {
        if self.is(Bug::ReadsInOldRound) { latest.max(1) } else { Paper.read_round(latest) }
    }

    fn answers_read(&self, granted: ReadId, waiting: ReadId) -> bool {
        self.is(Bug::AnyGrantAnswers) || Paper.answers_read(granted, waiting)
    }
}

/// How a mutant is hunted, and what must notice it.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    /// Its name: the zoo's row, or `Q…` for one of ours.
    pub id: &'static str,
    /// What is wrong with it.
    pub text: &'static str,
    /// The rule of SPEC.md that it breaks.
    pub rule: &'static str,
    /// The rule in code.
    pub bug: Bug,
    /// Or the disk.
    pub fault: DiskFault,
    /// What the model may do.
    pub bounds: Bounds,
    /// A path of allowed actions, in named parts, from whose end the hunt begins.
    pub prefix: &'static [&'static [&'static str]],
    /// The property that must die.
    pub property: &'static str,
}

impl Hunt {
    const fn new(
        id: &'static str,
        rule: &'static str,
        text: &'static str,
        bounds: Bounds,
        property: &'static str,
    ) -> Self {
        let (bug, fault) = (Bug::None, DiskFault::None);
        Self { id, text, rule, bug, fault, bounds, prefix: &[], property }
    }

    const fn bug(self, bug: Bug) -> Self {
        Self { bug, ..self }
    }

    const fn fault(self, fault: DiskFault) -> Self {
        Self { fault, ..self }
    }

    const fn from(self, prefix: &'static [&'static [&'static str]]) -> Self {
        Self { prefix, ..self }
    }

    /// The same hunt for a mutant that has nothing wrong: it must find nothing, or the hunt shows nothing.
    pub fn control(&self) -> Self {
        Self { bug: Bug::None, fault: DiskFault::None, ..*self }
    }

    /// The model in which the mutant is hunted. Convergence is checked on every state if it is to die by it.
    pub fn cluster(&self) -> Cluster<Mutant> {
        let converge_every = u64::from(self.property == raft::CONVERGENCE);
        Cluster::new(Bounds { converge_every, ..self.bounds }, Mutant(self.bug), self.fault)
    }
}

/// A property that only mutants' hunts know: a corner that the right rules reach was not reached.
pub const NEVER_REACHED: &str = "Reached";

/// All properties by which a mutant may die.
pub fn known_property(name: &str) -> bool {
    name == NEVER_REACHED || raft::ALL.contains(&name)
}
