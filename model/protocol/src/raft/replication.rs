//! What is in the log and what is committed: §5.3 and §5.4.2 of the paper.

use super::message::{Body, Effect, Refusal, Timer};
use super::progress::{Pace, Progress};
use super::{Raft, Role, Rules, Turn};
use crate::quorum::reached_by;
use crate::types::{Index, LogId, NodeId, Term, Write};

impl<R: Rules> Raft<R> {
    /// A leader takes commands into its log and sends them at once; its own disk works meanwhile.
    pub(super) fn on_propose(&mut self, count: u32, turn: &mut Turn<'_>) {
        if !self.leads() {
            let leader = self.leader();
            turn.emit(Effect::Refused(Refusal::NotLeader { leader }));
            return;
        }
        if count == 0 {
            return;
        }
        let first = LogId::new(self.term(), self.last().index + 1);
        turn.emit(Effect::Proposed { first, count });
        self.write(Write::Append { first: first.index, term: first.term, count }, turn);
        self.acknowledge_own(turn);
        self.replicate_to_all(turn);
    }

    /// The leader's own disk counts like any other: by an acknowledgement, when it has the entry.
    pub(super) fn acknowledge_own(&self, turn: &mut Turn<'_>) {
        self.say(self.me(), Body::Accepted { matched: self.last().index }, turn);
    }

    pub(super) fn replicate_to_all(&mut self, turn: &mut Turn<'_>) {
        for peer in self.peers() {
            self.replicate_to(peer, turn);
        }
    }

    /// Sends a follower what it lacks, as far as its pace and window allow.
    pub(super) fn replicate_to(&mut self, to: NodeId, turn: &mut Turn<'_>) {
        let Some(mut peer) = self.peer(to) else { return };
        loop {
            if peer.next <= self.terms.base().index {
                if peer.pace != Pace::Snapshot {
                    peer.pace = Pace::Snapshot;
                    self.say(to, Body::InstallSnapshot { id: self.terms.snapshot() }, turn);
                }
                break;
            }
            let on_the_way = u32::try_from(peer.next - 1 - peer.matched).unwrap_or(u32::MAX);
            let room = match peer.pace {
                Pace::Probe { waiting: false } => self.config.max_batch.min(self.config.window),
                Pace::Probe { waiting: true } | Pace::Snapshot => break,
                Pace::Replicate => {
                    self.config.window.saturating_sub(on_the_way).min(self.config.max_batch)
                }
            };
            let count = self.batch_from(peer.next, room);
            if peer.pace == Pace::Replicate {
                if count == 0 {
                    break;
                }
                self.say_append(to, peer.next, count, turn);
                peer.next += Index::from(count);
            } else {
                self.say_append(to, peer.next, count, turn);
                peer.pace = Pace::Probe { waiting: true };
                break;
            }
        }
        self.set_peer(to, peer);
    }

    /// How many entries from `next` on fit into one message: all of one term.
    fn batch_from(&self, next: Index, room: u32) -> u32 {
        let Some(end) = self.terms.run_end(next) else { return 0 };
        u32::try_from(end + 1 - next).unwrap_or(u32::MAX).min(room)
    }

    fn say_append(&self, to: NodeId, next: Index, count: u32, turn: &mut Turn<'_>) {
        let prev = self.terms.id_at(next - 1).expect("a leader sends what its log has");
        let run =
            if count == 0 { prev.term } else { self.terms.term_at(next).expect("counted above") };
        self.say(to, Body::AppendEntries { prev, run, count, commit: self.commit }, turn);
    }

    /// A follower takes entries (Figure 2, "AppendEntries RPC", 2 to 5).
    pub(super) fn on_append(
        &mut self,
        from: NodeId,
        prev: LogId,
        run: Term,
        count: u32,
        commit: Index,
        turn: &mut Turn<'_>,
    ) {
        let (mut prev, mut count) = (prev, count);
        let base = self.terms.base();
        if prev.index < base.index && self.rules.skips_compacted() {
            let compacted = base.index - prev.index;
            count = count.saturating_sub(u32::try_from(compacted).unwrap_or(u32::MAX));
            prev = base;
        }
        if !self.rules.has_previous(&self.terms, prev) {
            let hint = self.terms.floor(prev);
            self.say(from, Body::Rejected { prev: prev.index, hint }, turn);
            return;
        }
        let shown = prev.index + Index::from(count);
        if let Some(first) = self.rules.first_missing(&self.terms, prev.index + 1, run, count) {
            assert!(first > self.commit, "a committed entry is never replaced");
            let count = u32::try_from(shown + 1 - first).expect("part of a count");
            self.write(Write::Append { first, term: run, count }, turn);
        }
        self.commit_through(self.rules.follower_commit(commit, shown), turn);
        self.say(from, Body::Accepted { matched: shown }, turn);
    }

    pub(super) fn on_accepted(&mut self, from: NodeId, matched: Index, turn: &mut Turn<'_>) {
        let Some(mut peer) = self.peer(from) else { return };
        assert!(matched <= self.last().index, "a follower matches only what its leader has");
        peer.matched = self.rules.matched(peer.matched, matched);
        match peer.pace {
            Pace::Replicate => peer.next = peer.next.max(peer.matched + 1),
            Pace::Snapshot if peer.matched < self.terms.base().index => {
                peer.next = peer.next.max(peer.matched + 1);
            }
            Pace::Probe { .. } | Pace::Snapshot => {
                peer.next = peer.matched + 1;
                peer.pace = Pace::Replicate;
            }
        }
        self.set_peer(from, peer);
        self.advance_commit(turn);
        if from != self.me() {
            self.replicate_to(from, turn);
        }
    }

    pub(super) fn on_rejected(
        &mut self,
        from: NodeId,
        prev: Index,
        hint: LogId,
        turn: &mut Turn<'_>,
    ) {
        let Some(mut peer) = self.peer(from) else { return };
        if !self.rules.is_fresh_rejection(&peer, prev) {
            return;
        }
        peer.next = self.rules.next_after_rejection(&self.terms, &peer, prev, hint);
        peer.pace = Pace::Probe { waiting: false };
        self.set_peer(from, peer);
        self.replicate_to(from, turn);
    }

    /// Commits what enough disks have, by an entry of the leader's own term (§5.4.2, Figure 8).
    fn advance_commit(&mut self, turn: &mut Turn<'_>) {
        let Role::Leader(leader) = &self.role else { return };
        let voters = self.config.voters;
        let needed = self.rules.copies_needed(voters.len());
        let reached = reached_by(needed, voters, |node| leader.progress[node.0 as usize].matched);
        if reached > self.commit
            && self.rules.may_commit(&self.terms, self.commit, reached, self.term())
        {
            self.commit_through(reached, turn);
            self.begin_round(turn);
        }
    }

    pub(super) fn on_heartbeat_timer(&mut self, turn: &mut Turn<'_>) {
        if self.leads() {
            turn.emit(Effect::Arm(Timer::Heartbeat));
            self.say_heartbeats(turn);
        }
    }

    pub(super) fn say_heartbeats(&self, turn: &mut Turn<'_>) {
        let Role::Leader(leader) = &self.role else { return };
        for peer in self.peers() {
            let matched = leader.progress[peer.0 as usize].matched;
            let commit = self.rules.heartbeat_commit(self.commit, matched);
            self.say(peer, Body::Heartbeat { commit, round: leader.round }, turn);
        }
    }

    pub(super) fn on_heartbeat(
        &mut self,
        from: NodeId,
        commit: Index,
        round: u64,
        turn: &mut Turn<'_>,
    ) {
        self.commit_through(commit, turn);
        self.say(from, Body::Alive { round }, turn);
        self.ask_again(turn);
    }

    /// A follower is there. If something sent to it may be lost, find out: nothing else would.
    pub(super) fn on_alive(&mut self, from: NodeId, round: u64, turn: &mut Turn<'_>) {
        let Some(mut peer) = self.peer(from) else { return };
        peer.round = peer.round.max(round);
        self.set_peer(from, peer);
        self.grant_reads(turn);
        if !self.rules.must_retry() {
            return;
        }
        match peer.pace {
            Pace::Probe { .. } => peer.pace = Pace::Probe { waiting: false },
            Pace::Snapshot => peer.pace = Pace::Probe { waiting: false },
            Pace::Replicate
                if peer.next > self.terms.base().index && peer.next > peer.matched + 1 =>
            {
                self.say_append(from, peer.next, 0, turn);
            }
            Pace::Replicate => {}
        }
        self.set_peer(from, peer);
        self.replicate_to(from, turn);
    }

    /// A leader's view of a server; none if this server does not lead.
    fn peer(&self, node: NodeId) -> Option<Progress> {
        match &self.role {
            Role::Leader(leader) => leader.progress.get(node.0 as usize).copied(),
            _ => None,
        }
    }

    fn set_peer(&mut self, node: NodeId, progress: Progress) {
        if let Role::Leader(leader) = &mut self.role {
            leader.progress[node.0 as usize] = progress;
        }
    }
}
