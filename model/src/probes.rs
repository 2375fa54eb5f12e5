//! What a run has reached: the `sometimes` beside every `always`.
//!
//! A green run that never reached a corner says nothing about it. Probes are noted on every transition
//! that a checker takes, outside the states, so that they cost no states.

use crate::cluster::{Action, State};
use crate::node::{Event, Node, Recipe, Stimulus};
use protocol::raft::{Body, Pace};
use stateright::actor::ActorModelAction;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! probes {
    ($($name:ident $text:literal,)*) => {
        /// A corner that a run may be required to reach.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Probe {
            $(#[doc = $text] $name,)*
        }

        impl Probe {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The corner in words.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

probes! {
    Elected "a leader was elected",
    TwoLeaders "two servers lead, in different terms",
    Deposed "a leader stepped down for a later term",
    Committed "an entry was committed",
    CommittedInherited "a leader committed an entry of an earlier leader",
    CommittedWithoutOwnDisk "a leader committed what its own disk did not have yet",
    FollowerCommitted "a follower learned that an entry is committed",
    SuffixOverwritten "an uncommitted suffix was overwritten",
    Figure8 "an entry of an old term is on a majority of disks, not committed, and a later term's log lacks it",
    Rejected "a leader stepped back after a rejection",
    PipelineFull "a leader had a full window under way to a follower",
    CrashedWithPendingWrite "a server restarted while a write was pending",
    CrashForgotEntries "a crash forgot entries that were in memory",
    CrashForgotVote "a crash forgot a vote or a term that was in memory",
    RecoveredLeaderLeadsAgain "a server that had crashed was elected",
    MessageLost "a message was lost",
    DeliveredVoid "a message of a past term arrived",
    PreVoteRefused "a pre-vote was refused",
    PreVoteGranted "a pre-vote was granted",
    VoteRefused "a vote was refused",
    QuorumLost "a leader stopped leading because no quorum answered",
    Compacted "a log was compacted",
    SnapshotInstalled "a received snapshot was installed",
    SnapshotKeptTail "a snapshot was installed and the entries behind it stayed",
    SnapshotOverConflict "a snapshot was installed over a log that contradicted it",
    SnapshotStale "a received snapshot was not needed",
    SnapshotPace "a leader sent a snapshot because the entries were gone",
    ReadConfirmed "a read was confirmed",
    ReadForwarded "a follower's read was confirmed",
    ReadLost "a read was given up",
    ReadAskedAgain "a follower asked for a read once more",
    CrashForgotCommand "a crash forgot a client's command",
}

/// Which probes were reached so far, and from how many states convergence was shown.
#[derive(Default, Debug)]
pub struct Probes(AtomicU64, AtomicU64);

impl Probes {
    /// Notes that a probe was reached.
    pub fn reach(&self, probe: Probe) {
        let bit = 1 << probe as u64;
        if self.0.load(Ordering::Relaxed) & bit == 0 {
            self.0.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Whether it was.
    pub fn reached(&self, probe: Probe) -> bool {
        self.0.load(Ordering::Relaxed) & (1 << probe as u64) != 0
    }

    /// Notes that convergence was tried from one more state.
    pub(crate) fn note_converged(&self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }

    /// From how many states convergence was tried.
    pub fn converged(&self) -> u64 {
        self.1.load(Ordering::Relaxed)
    }

    pub(crate) fn note_event<Y>(&self, event: &Event<Y>) {
        if let Event::Restored { kept_tail, contradicted, .. } = *event {
            self.reach(Probe::SnapshotInstalled);
            if kept_tail {
                self.reach(Probe::SnapshotKeptTail);
            }
            if contradicted {
                self.reach(Probe::SnapshotOverConflict);
            }
        }
        self.reach(match event {
            Event::Asked { .. }
            | Event::Restored { .. }
            | Event::Told { .. }
            | Event::Passed { .. }
            | Event::Again { .. }
            | Event::CompactedLate { .. } => return,
            Event::Readable { .. } => Probe::ReadConfirmed,
            Event::ReadLost { .. } => Probe::ReadLost,
            Event::AskedAgain => Probe::ReadAskedAgain,
            Event::StaleSnapshot => Probe::SnapshotStale,
            Event::Overwrote => Probe::SuffixOverwritten,
            // RAFT-QUORUM-1: a run with the quorum timer must come here.
            Event::LostQuorum => Probe::QuorumLost,
            Event::Crashed { writes: 0 } => return,
            Event::Crashed { .. } => Probe::CrashedWithPendingWrite,
        });
    }

    /// A delivery that changed nothing.
    pub(crate) fn note_refusal<R: Recipe>(&self, state: &State<R>, action: &Action<R>) {
        let ActorModelAction::Deliver { dst, msg, .. } = action else { return };
        let term = state.actor_states[usize::from(*dst)].replica().raft().term();
        if msg.message.term != term {
            return;
        }
        match msg.message.body {
            Body::PreVote { .. } => self.reach(Probe::PreVoteRefused),
            Body::RequestVote { .. } => self.reach(Probe::VoteRefused),
            _ => {}
        }
    }

    pub(crate) fn note_step<R: Recipe>(
        &self,
        before: &Node<R>,
        after: &Node<R>,
        state: &State<R>,
        action: &Action<R>,
    ) {
        let (old, new) = (before.replica().raft(), after.replica().raft());
        let crashed = matches!(action, ActorModelAction::Timeout(_, Stimulus::Crash));
        if crashed {
            let commands = |node: &Node<R>| {
                let last = node.replica().raft().last().index;
                last - node.replica().raft().terms().runs_through(last)
            };
            if commands(before) > commands(after) {
                self.reach(Probe::CrashForgotCommand);
            }
            if old.last().index > new.last().index {
                self.reach(Probe::CrashForgotEntries);
            }
            if old.hard_state() != new.hard_state() {
                self.reach(Probe::CrashForgotVote);
            }
        }
        if new.leads() && !old.leads() {
            self.reach(Probe::Elected);
            if after.boots > 1 {
                self.reach(Probe::RecoveredLeaderLeadsAgain);
            }
            let leaders = state.actor_states.iter().filter(|node| node.replica().raft().leads());
            if leaders.count() > 1 {
                self.reach(Probe::TwoLeaders);
            }
        }
        if old.leads() && !new.leads() && new.term() > old.term() {
            self.reach(Probe::Deposed);
        }
        if new.commit() > old.commit() {
            self.note_commit(before, after);
        }
        if new.terms().base() != old.terms().base()
            && matches!(action, ActorModelAction::Timeout(_, Stimulus::Compact))
        {
            self.reach(Probe::Compacted);
        }
        if let ActorModelAction::Deliver { msg, .. } = action {
            match msg.message.body {
                _ if msg.message.term < old.term() => self.reach(Probe::DeliveredVoid),
                Body::PreVoteGranted => self.reach(Probe::PreVoteGranted),
                Body::Rejected { .. } if old.progress() != new.progress() => {
                    self.reach(Probe::Rejected)
                }
                Body::ReadGranted { .. } if before != after => self.reach(Probe::ReadForwarded),
                _ => {}
            }
        }
        for (one, two) in old.progress().iter().zip(new.progress()) {
            if one.pace != two.pace && two.pace == Pace::Snapshot {
                self.reach(Probe::SnapshotPace);
            }
            let window = u64::from(new.config().window);
            if two.pace == Pace::Replicate && two.next - 1 - two.matched >= window {
                self.reach(Probe::PipelineFull);
            }
        }
        if is_figure_8(state) {
            self.reach(Probe::Figure8);
        }
    }

    fn note_commit<R: Recipe>(&self, before: &Node<R>, after: &Node<R>) {
        let (old, new) = (before.replica().raft(), after.replica().raft());
        self.reach(Probe::Committed);
        if !new.leads() {
            self.reach(Probe::FollowerCommitted);
            return;
        }
        if after.disk.terms.last().index < new.commit() {
            self.reach(Probe::CommittedWithoutOwnDisk);
        }
        if new.terms().term_at(old.commit() + 1).is_some_and(|term| term < new.term()) {
            self.reach(Probe::CommittedInherited);
        }
    }
}

/// Figure 8 of the paper, (c): an entry of an old term is on a majority of disks and not committed, and a
/// server with a later term's entry at that index could still win.
fn is_figure_8<R: Recipe>(state: &State<R>) -> bool {
    let committed = state.history.committed.len() as u64;
    let index = committed + 1;
    let terms = |number: usize| state.actor_states[number].disk.terms.term_at(index);
    let servers = state.actor_states.len();
    (0..servers).filter_map(terms).any(|term| {
        let copies = (0..servers).filter(|&number| terms(number) == Some(term)).count();
        let leads = state.actor_states.iter().map(|node| node.replica().raft()).any(|raft| {
            raft.leads() && raft.term() > term && raft.terms().term_at(index) == Some(term)
        });
        leads && copies > servers / 2 && (0..servers).filter_map(terms).any(|other| other > term)
    })
}
