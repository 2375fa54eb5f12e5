//! Raft: the extended paper's Figure 2 and §7, with the dissertation's PreVote, CheckQuorum and ReadIndex.
//!
//! The machine carries no payload. Its rules need only which *terms* the log holds, so its state is a
//! short list of runs ([`Terms`]) and its messages, inputs and effects are `Copy`; the commands travel
//! beside it ([`crate::replica`]). It knows no time either: it arms named timers, and *any* of them may
//! fire at *any* moment as far as safety goes.
//!
//! **Two lanes.** What a sitting leader sends, and what promises nothing about the disk, leaves at once
//! ([`Effect::Send`]). A vote, an acknowledgement, a candidate's request waits behind the writes in front
//! of it ([`Effect::AfterDisk`]). A server's own vote and its leader's own acknowledgement are messages
//! to itself in that lane: a leader counts its own copy of an entry exactly when its disk has it, and so
//! may commit by a majority of the others before.
//!
//! Where this departs from the paper: SPEC.md, "Departures".
//!
//! In the order of the story: `election.rs` (who leads), `replication.rs` (what is in the log and what
//! is committed), `snapshot.rs` (what is forgotten), `read.rs` (what may be answered without the log).

mod election;
mod message;
mod progress;
mod read;
mod replication;
mod rules;
mod snapshot;

pub use message::{Body, Effect, Input, Message, Refusal, RoleName, Timer};
pub use progress::{Pace, Progress};
pub use read::MAX_WAITING_READS;
pub use rules::{Paper, Rules};

use crate::Machine;
use crate::quorum::{MAX_NODES, NodeSet};
use crate::terms::Terms;
use crate::types::{HardState, Index, LogId, NodeId, Term, Write};
use alloc::vec::Vec;
use core::fmt;
use read::{Asked, Waiting};

/// What a server is told at its start and never changes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Config {
    /// This server.
    pub me: NodeId,
    /// All servers of the group.
    pub voters: NodeSet,
    /// The most entries in one message, at least 1.
    pub max_batch: u32,
    /// The most entries on their way to one follower, at least 1.
    pub window: u32,
}

/// A server's role, with what only that role knows: a stale field cannot exist.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Follower { leader: Option<NodeId>, asked: Vec<Asked> },
    PreCandidate { granted: NodeSet },
    Candidate { granted: NodeSet },
    Leader(Leader),
}

/// What a leader keeps in memory for the time of its term.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Leader {
    /// Index of the first entry of its run, the no-op.
    first: Index,
    /// By server number. Its own holds what its own disk has.
    progress: Vec<Progress>,
    /// Who was heard since the last `Quorum` timer.
    active: NodeSet,
    /// The latest round of reads.
    round: u64,
    /// Reads that are not confirmed yet, in the order in which they came.
    reads: Vec<Waiting>,
}

/// One Raft server. `R` are its rules: [`Paper`], or a mutant's.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Raft<R = Paper> {
    rules: R,
    config: Config,
    hard: HardState,
    terms: Terms,
    commit: Index,
    heard: bool,
    role: Role,
}

/// One step's list of effects, and the hard state that its last write carried.
struct Turn<'a> {
    out: &'a mut Vec<Effect>,
    written: HardState,
}

impl Turn<'_> {
    /// Inlined with [`Raft::say`], so that an effect is built where it stays. Through a call it is written
    /// to the stack field by field and read back in wide pieces; a profile shows the processor waiting
    /// there, for an eighth of a commit's time.
    #[inline(always)]
    fn emit(&mut self, effect: Effect) {
        self.out.push(effect);
    }
}

impl<R: Rules> Raft<R> {
    /// A server as it comes up from its disk: a follower that knows nothing but its hard state and log.
    /// What its snapshot covers is committed.
    ///
    /// # Panics
    /// If the configuration has no such server, or a zero batch or window.
    pub fn new(rules: R, config: Config, hard: HardState, terms: Terms) -> Self {
        assert!(config.voters.contains(config.me), "a server is one of its group's voters");
        assert!(
            config.max_batch > 0 && config.window > 0,
            "a batch and a window hold at least one entry"
        );
        let commit = terms.base().index;
        let role = Role::Follower { leader: None, asked: Vec::new() };
        Self { rules, config, hard, terms, commit, heard: false, role }
    }

    /// This server's number.
    pub const fn me(&self) -> NodeId {
        self.config.me
    }

    /// What the server was told at its start.
    pub const fn config(&self) -> Config {
        self.config
    }

    /// Term and vote as this server sees them; the disk may be behind.
    pub const fn hard_state(&self) -> HardState {
        self.hard
    }

    /// The terms of the log; the disk may be behind.
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Index of the last entry known to be committed.
    pub const fn commit(&self) -> Index {
        self.commit
    }

    /// Whether a leader was heard within the minimum election timeout.
    pub const fn heard(&self) -> bool {
        self.heard
    }

    /// The server's role.
    pub const fn role(&self) -> RoleName {
        match self.role {
            Role::Follower { .. } => RoleName::Follower,
            Role::PreCandidate { .. } => RoleName::PreCandidate,
            Role::Candidate { .. } => RoleName::Candidate,
            Role::Leader(_) => RoleName::Leader,
        }
    }

    /// Whether the server leads its term.
    pub const fn leads(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// The term in which the server leads, if it does.
    pub const fn leads_in(&self) -> Option<Term> {
        if self.leads() { Some(self.hard.term) } else { None }
    }

    /// The leader of the server's term, if it knows one.
    pub const fn leader(&self) -> Option<NodeId> {
        match self.role {
            Role::Follower { leader, .. } => leader,
            Role::Leader(_) => Some(self.config.me),
            _ => None,
        }
    }

    /// A leader's view of each server, by number; empty for others.
    pub fn progress(&self) -> &[Progress] {
        match &self.role {
            Role::Leader(leader) => &leader.progress,
            _ => &[],
        }
    }

    /// Whether a read waits here for its confirmation.
    pub const fn awaits_read(&self) -> bool {
        match &self.role {
            Role::Follower { asked, .. } => !asked.is_empty(),
            Role::Leader(leader) => !leader.reads.is_empty(),
            _ => false,
        }
    }

    /// A leader's latest round of reads; 0 for others.
    pub const fn round(&self) -> u64 {
        match &self.role {
            Role::Leader(leader) => leader.round,
            _ => 0,
        }
    }

    fn receive(&mut self, from: NodeId, message: Message, turn: &mut Turn<'_>) {
        let Message { term, body } = message;
        if !message.is_well_formed() {
            return;
        }
        let to_itself = matches!(body, Body::VoteGranted | Body::Accepted { .. });
        if !self.config.voters.contains(from) || (from == self.me() && !to_itself) {
            return;
        }
        if term > self.hard.term {
            self.adopt(term, turn);
        }
        if !self.rules.is_current(self.hard.term, term, &body) {
            if from != self.me() && body.is_request() && self.rules.answers_outdated(&body) {
                self.say(from, Body::Outdated, turn);
            }
            return;
        }
        if body.is_from_leader() {
            self.hear_leader(from, turn);
        } else {
            self.note_sign_of_life(from);
        }
        match body {
            Body::PreVote { last } => self.on_pre_vote(from, last, turn),
            Body::PreVoteGranted => self.on_pre_vote_granted(from, turn),
            Body::RequestVote { last } => self.on_request_vote(from, last, turn),
            Body::VoteGranted => self.on_vote_granted(from, turn),
            Body::AppendEntries { prev, run, count, commit } => {
                self.on_append(from, prev, run, count, commit, turn);
            }
            Body::Accepted { matched } => self.on_accepted(from, matched, turn),
            Body::Rejected { prev, hint } => self.on_rejected(from, prev, hint, turn),
            Body::Heartbeat { commit, round } => self.on_heartbeat(from, commit, round, turn),
            Body::Alive { round } => self.on_alive(from, round, turn),
            Body::InstallSnapshot { id } => self.on_install(from, id, turn),
            Body::ReadIndex { id } => self.on_read_index(from, id, turn),
            Body::ReadGranted { id, index } => self.on_read_granted(id, index, turn),
            Body::Outdated => {}
        }
    }

    fn on_timer(&mut self, timer: Timer, turn: &mut Turn<'_>) {
        match timer {
            Timer::Election => self.on_election_timeout(turn),
            Timer::Contact => self.heard = false,
            Timer::Heartbeat => self.on_heartbeat_timer(turn),
            Timer::Quorum => self.on_quorum_timer(turn),
        }
    }

    /// Sends in the lane that the rules name. Inlined: see [`Turn::emit`].
    #[inline(always)]
    fn say(&self, to: NodeId, body: Body, turn: &mut Turn<'_>) {
        let message = Message { term: self.hard.term, body };
        if self.rules.waits_for_disk(&body, to == self.me()) {
            self.persist(turn);
            turn.emit(Effect::AfterDisk { to, message });
        } else {
            turn.emit(Effect::Send { to, message });
        }
    }

    /// Asks for a write of the hard state, if it differs from the last one asked for.
    fn persist(&self, turn: &mut Turn<'_>) {
        if self.hard != turn.written {
            turn.written = self.hard;
            turn.emit(Effect::Write(Write::HardState(self.rules.hard_state(self.hard))));
        }
    }

    /// Changes the log, here and (in its turn) on the disk. The hard state in front of it first.
    fn write(&mut self, write: Write, turn: &mut Turn<'_>) {
        self.persist(turn);
        self.terms.follow(&write);
        turn.emit(Effect::Write(write));
    }

    /// Raises the commit index; it never falls.
    fn commit_through(&mut self, index: Index, turn: &mut Turn<'_>) {
        if index > self.commit {
            assert!(index <= self.terms.last().index, "only what is in the log is committed");
            self.commit = index;
            turn.emit(Effect::Commit { through: index });
        }
    }

    fn peers(&self) -> impl Iterator<Item = NodeId> + use<R> {
        let me = self.me();
        self.config.voters.iter().filter(move |&node| node != me)
    }

    /// The same server with every server's number changed by `name`. The machine treats all numbers
    /// alike, so a step commutes with this (tested); models use it to explore one of several equal states.
    pub fn renamed(&self, name: &impl Fn(NodeId) -> NodeId) -> Self {
        let mut twin = self.clone();
        twin.config.me = name(self.config.me);
        twin.config.voters = self.config.voters.renamed(name);
        twin.hard.vote = self.hard.vote.map(name);
        match &mut twin.role {
            Role::Follower { leader, .. } => *leader = leader.map(name),
            Role::PreCandidate { granted } | Role::Candidate { granted } => {
                *granted = granted.renamed(name)
            }
            Role::Leader(leader) => {
                let old = leader.progress.clone();
                for (number, progress) in old.into_iter().enumerate() {
                    leader.progress[name(NodeId(number as u8)).0 as usize] = progress;
                }
                leader.active = leader.active.renamed(name);
                leader.reads.iter_mut().for_each(|waiting| waiting.from = name(waiting.from));
            }
        }
        twin
    }
}

impl<R: Rules> Machine for Raft<R> {
    type Input<'a>
        = Input
    where
        Self: 'a;
    type Effect = Effect;

    fn step(&mut self, input: Input, out: &mut Vec<Effect>) {
        let before = (self.role(), self.hard.term, self.leader());
        let mut turn = Turn { out, written: self.hard };
        match input {
            // Nobody else could win, so there is nothing to wait for.
            Input::Start if self.config.voters == NodeSet::only(self.me()) => {
                self.campaign(&mut turn);
            }
            Input::Start => turn.emit(Effect::Arm(Timer::Election)),
            Input::Message { from, message } => self.receive(from, message, &mut turn),
            Input::Timer(timer) => self.on_timer(timer, &mut turn),
            Input::Propose { count } => self.on_propose(count, &mut turn),
            Input::Read { id } => self.on_read(id, &mut turn),
            Input::Compact { through } => self.on_compact(through, &mut turn),
            Input::Campaign if self.leads() => {}
            Input::Campaign => self.campaign(&mut turn),
        }
        self.persist(&mut turn);
        let (role, term, leader) = (self.role(), self.hard.term, self.leader());
        if (role, term, leader) != before {
            turn.emit(Effect::Role { role, term, leader });
        }
        self.assert_invariants();
    }
}

impl<R: Rules> Raft<R> {
    fn assert_invariants(&self) {
        assert!(self.commit >= self.terms.base().index, "what is compacted is committed");
        assert!(self.commit <= self.terms.last().index, "what is committed is in the log");
        if let Role::Leader(leader) = &self.role {
            for progress in &leader.progress {
                assert!(progress.matched < progress.next, "next is behind match");
                assert!(
                    progress.next <= self.terms.last().index + 1,
                    "next is at most one behind the log"
                );
            }
        }
    }
}

impl<R> fmt::Debug for Raft<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hard, terms, commit, .. } = self;
        match &self.role {
            Role::Follower { leader: Some(leader), .. } => write!(f, "follower of {leader:?}")?,
            Role::Follower { leader: None, .. } => write!(f, "follower")?,
            Role::PreCandidate { granted } => write!(f, "pre-candidate {granted:?}")?,
            Role::Candidate { granted } => write!(f, "candidate {granted:?}")?,
            Role::Leader(_) => write!(f, "LEADER")?,
        }
        let heard = if self.heard { " heard" } else { "" };
        write!(f, " {hard:?} log {terms:?} commit {commit}{heard}")?;
        if let Role::Leader(leader) = &self.role {
            for (number, progress) in leader.progress.iter().enumerate().take(MAX_NODES) {
                write!(f, " · n{number} {progress:?}")?;
            }
            for waiting in &leader.reads {
                write!(f, " · {waiting:?}")?;
            }
        }
        if let Role::Follower { asked, .. } = &self.role {
            asked.iter().try_for_each(|asked| write!(f, " · asked {:?}", asked.id))?;
        }
        Ok(())
    }
}

impl<R: Rules> Raft<R> {
    /// The identity of the last entry, compacted or not.
    pub fn last(&self) -> LogId {
        self.terms.last()
    }

    /// The current term.
    pub const fn term(&self) -> Term {
        self.hard.term
    }
}
