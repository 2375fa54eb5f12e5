//! What may be answered without the log: ReadIndex, dissertation §6.4.
//!
//! A leader answers a read from its applied state once it knows that it still led *after* the question
//! came. It begins a round: a number that its heartbeats carry and the answers echo. A round is named by
//! term and number, so no answer to an older question can confirm a newer one. Reads that come while a
//! round is under way wait for the next one, so a thousand reads cost as many messages as one.
//!
//! A follower passes its reads to the leader under an id that it never uses again.

use super::message::{Body, Effect, Refusal};
use super::{Raft, Role, Rules, Turn};
use crate::types::{Index, NodeId, ReadId};
use core::fmt;

/// The most reads that one server keeps waiting. One id may stand for a driver's whole batch of reads.
pub const MAX_WAITING_READS: usize = 4096;

/// A read that a leader has not confirmed yet.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Waiting {
    /// Who asked.
    pub from: NodeId,
    /// The asker's name for it.
    pub id: ReadId,
    /// The round that confirms it; 0 until that round has begun.
    pub round: u64,
    /// The commit index when the round began.
    pub index: Index,
}

/// A read that a follower has passed on to its leader.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    /// Its name.
    pub id: ReadId,
    /// Whether a heartbeat has come since. The first one is, as a rule, the read's own round; at the second
    /// the question or its answer may be lost.
    pub overdue: bool,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, id, round, index } = self;
        write!(f, "{id:?} of {from:?} at {index} waits for round {round}")
    }
}

impl<R: Rules> Raft<R> {
    pub(super) fn on_read(&mut self, id: ReadId, turn: &mut Turn<'_>) {
        let me = self.me();
        match &mut self.role {
            Role::Leader(_) => self.await_round(me, id, turn),
            Role::Follower { leader: Some(_), asked } if asked.len() >= MAX_WAITING_READS => {
                turn.emit(Effect::Refused(Refusal::TooManyReads { id }));
            }
            Role::Follower { leader: Some(leader), asked } => {
                let leader = *leader;
                asked.push(Asked { id, overdue: false });
                self.say(leader, Body::ReadIndex { id }, turn);
            }
            _ => turn.emit(Effect::Refused(Refusal::ReadLost { id })),
        }
    }

    pub(super) fn on_read_index(&mut self, from: NodeId, id: ReadId, turn: &mut Turn<'_>) {
        if self.leads() {
            self.await_round(from, id, turn);
        }
    }

    fn await_round(&mut self, from: NodeId, id: ReadId, turn: &mut Turn<'_>) {
        let me = self.me();
        let Role::Leader(leader) = &mut self.role else { return };
        if leader.reads.iter().any(|waiting| waiting.from == from && waiting.id == id) {
            return;
        }
        if leader.reads.len() >= MAX_WAITING_READS {
            if from == me {
                turn.emit(Effect::Refused(Refusal::TooManyReads { id }));
            }
            return;
        }
        leader.reads.push(Waiting { from, id, round: 0, index: 0 });
        self.begin_round(turn);
    }

    /// Begins the round of the reads that wait for one, unless another is under way or the commit index
    /// is not known yet.
    pub(super) fn begin_round(&mut self, turn: &mut Turn<'_>) {
        let (rules, commit) = (self.rules, self.commit);
        let Role::Leader(leader) = &mut self.role else { return };
        let idle = leader.reads.iter().all(|waiting| waiting.round == 0);
        if leader.reads.is_empty() || !idle || !rules.knows_commit(commit, leader.first) {
            return;
        }
        let round = rules.read_round(leader.round);
        leader.round = round;
        for waiting in &mut leader.reads {
            (waiting.round, waiting.index) = (round, commit);
        }
        self.say_heartbeats(turn);
        self.grant_reads(turn);
    }

    /// Grants the reads whose round enough servers have answered, and begins the next round.
    pub(super) fn grant_reads(&mut self, turn: &mut Turn<'_>) {
        let (me, voters) = (self.me(), self.config.voters);
        let needed = self.rules.reads_needed(voters.len());
        let Role::Leader(leader) = &self.role else { return };
        let Some(round) = leader.reads.iter().map(|waiting| waiting.round).find(|&round| round > 0)
        else {
            return;
        };
        let answered =
            |node: &NodeId| *node == me || leader.progress[node.0 as usize].round >= round;
        if voters.iter().filter(answered).count() < needed {
            return;
        }
        for position in 0..leader.reads.len() {
            let Role::Leader(leader) = &self.role else { return };
            let Waiting { from, id, round: begun, index } = leader.reads[position];
            if begun == 0 {
                continue;
            }
            if from == me {
                turn.emit(Effect::Readable { id, index });
            } else {
                self.say(from, Body::ReadGranted { id, index }, turn);
            }
        }
        if let Role::Leader(leader) = &mut self.role {
            leader.reads.retain(|waiting| waiting.round == 0);
        }
        self.begin_round(turn);
    }

    pub(super) fn on_read_granted(&mut self, id: ReadId, index: Index, turn: &mut Turn<'_>) {
        let rules = self.rules;
        let Role::Follower { asked, .. } = &mut self.role else { return };
        if let Some(position) = asked.iter().position(|asked| rules.answers_read(id, asked.id)) {
            let Asked { id, .. } = asked.remove(position);
            turn.emit(Effect::Readable { id, index });
        }
    }

    /// A question or its answer may be lost: a follower asks again at its leader's second heartbeat. The
    /// same id is safe: any answer to it was found after it was first asked.
    pub(super) fn ask_again(&mut self, turn: &mut Turn<'_>) {
        let Role::Follower { leader: Some(leader), asked } = &mut self.role else { return };
        let leader = *leader;
        for position in 0..asked.len() {
            let Role::Follower { asked, .. } = &mut self.role else { return };
            let Asked { id, overdue } = asked[position];
            asked[position].overdue = true;
            if overdue {
                self.say(leader, Body::ReadIndex { id }, turn);
            }
        }
    }
}
