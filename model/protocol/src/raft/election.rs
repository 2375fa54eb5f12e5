//! Who leads: §5.1, §5.2 and §5.4.1 of the paper, PreVote (dissertation §9.6), CheckQuorum (§6.2).

use super::message::{Body, Effect, Refusal, Timer};
use super::progress::Progress;
use super::read::Asked;
use super::{Leader, Raft, Role, Rules, Turn};
use crate::quorum::NodeSet;
use crate::types::{HardState, LogId, NodeId, Term, Write};
use alloc::vec::Vec;

impl<R: Rules> Raft<R> {
    /// Takes over a later term (§5.1, "All servers"): a follower of it, without a vote.
    pub(super) fn adopt(&mut self, term: Term, turn: &mut Turn<'_>) {
        self.hard = HardState { term, vote: self.rules.vote_in_new_term(self.hard) };
        if self.rules.must_step_down() {
            self.turn_into(Role::Follower { leader: None, asked: Vec::new() }, turn);
        }
    }

    /// Changes the role and ends what belonged to the old one.
    pub(super) fn turn_into(&mut self, role: Role, turn: &mut Turn<'_>) {
        let leads = matches!(role, Role::Leader(_));
        match core::mem::replace(&mut self.role, role) {
            Role::Follower { asked, .. } => {
                for Asked { id, .. } in asked {
                    turn.emit(Effect::Refused(Refusal::ReadLost { id }));
                }
            }
            Role::PreCandidate { .. } | Role::Candidate { .. } => {}
            Role::Leader(old) => {
                for waiting in old.reads.iter().filter(|waiting| waiting.from == self.config.me) {
                    turn.emit(Effect::Refused(Refusal::ReadLost { id: waiting.id }));
                }
                if !leads {
                    turn.emit(Effect::Disarm(Timer::Heartbeat));
                    turn.emit(Effect::Disarm(Timer::Quorum));
                    turn.emit(Effect::Arm(Timer::Election));
                }
            }
        }
    }

    /// A message of the current term's leader came: follow it, and start the timers anew.
    pub(super) fn hear_leader(&mut self, from: NodeId, turn: &mut Turn<'_>) {
        assert!(!self.leads() || from == self.me(), "one leader a term");
        if self.leader() != Some(from) {
            self.turn_into(Role::Follower { leader: Some(from), asked: Vec::new() }, turn);
            self.hard.vote = self.rules.vote_in_same_term(self.hard.vote);
        }
        self.heard = true;
        turn.emit(Effect::Arm(Timer::Contact));
        turn.emit(Effect::Arm(Timer::Election));
    }

    /// A leader notes who is there.
    pub(super) fn note_sign_of_life(&mut self, from: NodeId) {
        if let Role::Leader(leader) = &mut self.role
            && self.rules.is_sign_of_life(&leader.progress[from.0 as usize])
        {
            leader.active.insert(from);
        }
    }

    /// No leader for an election timeout: ask whether an election could succeed before disturbing anyone.
    pub(super) fn on_election_timeout(&mut self, turn: &mut Turn<'_>) {
        if self.leads() {
            return;
        }
        self.forget_contact(turn);
        self.turn_into(Role::PreCandidate { granted: NodeSet::EMPTY }, turn);
        turn.emit(Effect::Arm(Timer::Election));
        for peer in self.peers() {
            self.say(peer, Body::PreVote { last: self.last() }, turn);
        }
        self.on_pre_vote_granted(self.me(), turn);
    }

    pub(super) fn on_pre_vote(&mut self, from: NodeId, last: LogId, turn: &mut Turn<'_>) {
        let granted = self.rules.may_pre_vote(self.heard, self.leads(), self.leader())
            && self.rules.is_up_to_date(self.last(), last);
        if granted {
            if self.rules.pre_vote_is_contact() {
                self.heard = true;
            }
            self.say(from, Body::PreVoteGranted, turn);
        } else if self.rules.rearms_for_request(granted) {
            turn.emit(Effect::Arm(Timer::Election));
        }
    }

    pub(super) fn on_pre_vote_granted(&mut self, from: NodeId, turn: &mut Turn<'_>) {
        if let Role::PreCandidate { granted } = &mut self.role {
            granted.insert(from);
            if granted.len() >= self.rules.votes_needed(self.config.voters.len()) {
                self.campaign(turn);
            }
        }
    }

    /// Begins a term and asks for votes (§5.2). Its own vote counts when its disk has it.
    pub(super) fn campaign(&mut self, turn: &mut Turn<'_>) {
        self.forget_contact(turn);
        self.hard = HardState { term: self.hard.term + 1, vote: Some(self.me()) };
        self.turn_into(Role::Candidate { granted: NodeSet::EMPTY }, turn);
        turn.emit(Effect::Arm(Timer::Election));
        for peer in self.peers() {
            self.say(peer, Body::RequestVote { last: self.last() }, turn);
        }
        self.say(self.me(), Body::VoteGranted, turn);
    }

    pub(super) fn on_request_vote(&mut self, from: NodeId, last: LogId, turn: &mut Turn<'_>) {
        let runs = matches!(self.role, Role::Candidate { .. } | Role::Leader(_));
        let granted = (!runs || self.rules.may_vote_while_running())
            && (runs || self.rules.may_vote(self.hard.vote, from))
            && self.rules.is_up_to_date(self.last(), last);
        if self.rules.rearms_for_request(granted) {
            turn.emit(Effect::Arm(Timer::Election));
        }
        if !granted {
            return;
        }
        if !runs && !matches!(self.role, Role::Follower { .. }) {
            self.turn_into(Role::Follower { leader: None, asked: Vec::new() }, turn);
        }
        if self.rules.vote_precedes_reply() {
            self.hard.vote = Some(from);
        } else {
            self.persist(turn);
        }
        self.say(from, Body::VoteGranted, turn);
        self.hard.vote = Some(from);
    }

    pub(super) fn on_vote_granted(&mut self, from: NodeId, turn: &mut Turn<'_>) {
        if let Role::Candidate { granted } = &mut self.role {
            granted.insert(from);
            if granted.len() >= self.rules.votes_needed(self.config.voters.len()) {
                self.lead(turn);
            }
        }
    }

    /// Won. The run begins with a no-op, and the first messages tell everyone who leads.
    fn lead(&mut self, turn: &mut Turn<'_>) {
        let next = self.last().index + 1;
        let count = usize::from(self.config.voters.iter().last().map_or(0, |node| node.0)) + 1;
        self.turn_into(
            Role::Leader(Leader {
                first: next,
                progress: alloc::vec![Progress::unknown(next); count],
                active: self.config.voters,
                round: 0,
                reads: Vec::new(),
            }),
            turn,
        );
        turn.emit(Effect::Disarm(Timer::Election));
        turn.emit(Effect::Arm(Timer::Heartbeat));
        turn.emit(Effect::Arm(Timer::Quorum));
        if self.rules.begins_with_no_op() {
            self.write(Write::Append { first: next, term: self.term(), count: 1 }, turn);
        }
        self.acknowledge_own(turn);
        self.replicate_to_all(turn);
    }

    /// A leader that no quorum answered for an election timeout stops leading: clients go elsewhere.
    pub(super) fn on_quorum_timer(&mut self, turn: &mut Turn<'_>) {
        let (me, voters) = (self.me(), self.config.voters);
        let Role::Leader(leader) = &mut self.role else { return };
        leader.active.insert(me);
        if self.rules.may_go_on_leading(leader.active.and(voters).len(), voters.len()) {
            leader.active = NodeSet::only(me);
            turn.emit(Effect::Arm(Timer::Quorum));
        } else {
            self.turn_into(Role::Follower { leader: None, asked: Vec::new() }, turn);
            self.hard.vote = self.rules.vote_in_same_term(self.hard.vote);
        }
    }

    fn forget_contact(&mut self, turn: &mut Turn<'_>) {
        if self.heard {
            self.heard = false;
            turn.emit(Effect::Disarm(Timer::Contact));
        }
    }
}
