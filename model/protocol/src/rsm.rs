//! A service replicated by Raft: who submits, what is applied, and what every caller is told (labs 3 and 4).
//!
//! [`Rsm`] is a server, whole: the [`Replica`] (Raft, its commands, its queue), the service that applies what is
//! committed, and the callers who wait. Drivers see only its inputs and effects.
//!
//! **What a caller is told of a command** is its result, that it was not executed and never will be, or that nobody
//! knows. A proposal is an entry, *term.index*. It is decided by what is committed, and by nothing else:
//!
//! - An entry that is committed at its index is it, or is another one. If it is, the command was executed; if it is
//!   another, it never will be, for one index is committed once (State Machine Safety).
//! - If an entry of a later term is committed at a smaller index, the proposal is behind it in no log to come: every
//!   later leader has that entry (Leader Completeness), and terms never fall along a log. So nobody needs to wait for
//!   its index, which a shorter log may not reach for long.
//!
//! That this server's own log was truncated decides nothing: another server may still hold the entry, win, and commit
//! it (Raft Figure 8). Nor does it that the leader was deposed. A snapshot that was received hides what it covers: the
//! command may be in it or not. Only its last entry is known.
//!
//! **A read** has no place in the log. It is answered from this server's own state once a leader has confirmed, after
//! the read came, up to where that state must have come (ReadIndex, dissertation §6.4), and is asked again when its
//! confirmation is lost. It changes nothing, so nobody needs to be told that its fate is unknown.
//!
//! **Where no leader is known** callers are parked, in the order in which they came, until one is known or they have
//! waited long enough. A command whose caller lets it is passed on to the leader (`passing.rs`).
//!
//! **What is due** by the group's clock goes when a leader has proposed a tick (`ticks.rs`), and the answer to a read
//! that would still show it waits for that.

mod contract;
mod digest;
mod passing;
mod reads;
mod rules;
mod scratch;
mod ticks;
pub mod waiters;

pub use contract::{Effect, Input, Outcome, StateMachine};
pub use rules::{Decided, Rules};
pub use waiters::Caller;

use crate::Machine;
use crate::clock::Stamp;
use crate::log::{Durable, Entry};
use crate::raft::{self, Body, Config, Message, Paper, Refusal};
use crate::replica::{self, Replica};
use crate::types::{Index, LogId, NodeId};
use alloc::vec::Vec;
use core::fmt;
use passing::Passing;
use reads::Batch;
use scratch::Scratch;
use waiters::{Verdict, Waiters};

/// Names a caller who waits. The driver gives it, from 1 on and greater than all that it gave before; a caller who was
/// told [`Outcome::NotExecuted`] may be submitted again under the same.
pub type Ticket = u64;

/// The server itself, where it waits for a tick.
const TICK: Ticket = 0;

/// The most callers that wait on one server, for a command or a read. Above it they are told [`Outcome::Busy`].
pub const MAX_WAITING: usize = 1 << 16;

/// A server of a replicated service.
///
/// Invariants: nobody is parked while a leader is known; the service has applied exactly the entries up to `applied`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Rsm<S: StateMachine, R = Paper, W = Decided> {
    rules: W,
    replica: Replica<S::Command, R>,
    service: S,
    applied: Index,
    waiters: Waiters<W>,
    passing: Passing,
    /// Commands without a leader to go to.
    parked: Vec<(Caller, S::Command)>,
    /// Reads without a leader to ask.
    parked_reads: Vec<(Ticket, S::Query)>,
    batches: Vec<Batch<S::Query>>,
    next_read: u64,
    /// The estimate of the group's clock.
    now: Stamp,
    /// Whether a tick is under way.
    ticking: bool,
    /// Whose commands are being proposed. Empty between steps, as are the next two; kept for their capacity.
    proposing: Scratch<Caller>,
    effects: Scratch<raft::Effect>,
    told: Scratch<waiters::Effect>,
}

impl<S: StateMachine, R: raft::Rules, W: Rules> Rsm<S, R, W> {
    /// A server as it comes up: its replica from what its disk has, its service as the snapshot there has it. It
    /// numbers its reads from `first_read` on, and no earlier life of the server has reached that number.
    pub fn new(
        rules: (R, W),
        config: Config,
        durable: Durable<S::Command>,
        service: S,
        first_read: u64,
    ) -> Self {
        let last = durable.snapshot().last;
        Self {
            rules: rules.1,
            replica: Replica::new(rules.0, config, durable),
            service,
            applied: last.index,
            waiters: Waiters::new(rules.1, last),
            passing: Passing::default(),
            parked: Vec::new(),
            parked_reads: Vec::new(),
            batches: Vec::new(),
            next_read: first_read,
            now: 0,
            ticking: false,
            proposing: Scratch::default(),
            effects: Scratch::default(),
            told: Scratch::default(),
        }
    }

    /// Raft, its commands and its queue.
    pub const fn replica(&self) -> &Replica<S::Command, R> {
        &self.replica
    }

    /// The service.
    pub const fn service(&self) -> &S {
        &self.service
    }

    /// Index of the last entry that the service has applied.
    pub const fn applied(&self) -> Index {
        self.applied
    }

    /// How many callers wait.
    pub fn waiting(&self) -> usize {
        let read: usize = self.batches.iter().map(|batch| batch.reads.len()).sum();
        let parked = self.parked.len() + self.parked_reads.len();
        self.waiters.len() + self.passing.len() + parked + read
    }

    /// Whether the message is an InstallSnapshot that would replace the service's state: the driver lets it in only
    /// together with that state.
    pub fn needs_state(&self, message: &Message) -> bool {
        match message.body {
            Body::InstallSnapshot { id } => {
                message.term >= self.replica.raft().term() && id.last.index > self.applied
            }
            _ => false,
        }
    }

    /// The same server with every server's number changed by `name`: see [`raft::Raft::renamed`]. The service and who
    /// waits know no server's number, or `command` changes it.
    pub fn renamed(
        &self,
        name: &impl Fn(NodeId) -> NodeId,
        command: impl Fn(&S::Command) -> S::Command,
    ) -> Self
    where
        Self: Clone,
    {
        let parked = self.parked.iter().map(|(caller, parked)| (*caller, command(parked)));
        let (parked, passing) = (parked.collect(), self.passing.renamed(name));
        Self { parked, passing, replica: self.replica.renamed(name, command), ..self.clone() }
    }

    fn leader(&self) -> Option<NodeId> {
        self.replica.raft().leader()
    }

    /// Steps the replica and carries out what stays inside.
    fn step_replica(
        &mut self,
        input: replica::Input<'_, S::Command>,
        state: Option<&S>,
        out: &mut Vec<Effect<S::Reply>>,
    ) {
        let last = self.replica.raft().last().index;
        let mut effects = core::mem::take(&mut self.effects.0);
        self.replica.step(input, &mut effects);
        for effect in effects.drain(..) {
            match effect {
                raft::Effect::Commit { through } => self.apply(through, out),
                raft::Effect::Restore { id } => {
                    let state = state.expect("a snapshot is let in with its state");
                    self.service = state.clone();
                    self.applied = id.last.index;
                    self.waiters.step(waiters::Input::Restored { id }, &mut self.told.0);
                    self.tell(None, out);
                    self.answer_reads(out);
                }
                raft::Effect::Readable { id, index } if id.0 < self.next_read => {
                    self.confirmed(id, index, out);
                }
                raft::Effect::Refused(Refusal::ReadLost { id }) if id.0 < self.next_read => {
                    let reads = self.take_batch(id);
                    self.parked_reads.extend(reads);
                }
                raft::Effect::Refused(Refusal::TooManyReads { id }) if id.0 < self.next_read => {
                    let busy = |(ticket, _)| Effect::Tell { ticket, outcome: Outcome::Busy };
                    out.extend(self.take_batch(id).into_iter().map(busy));
                }
                raft::Effect::Proposed { first, .. } => {
                    for (caller, index) in self.proposing.0.drain(..).zip(first.index..) {
                        let id = LogId::new(first.term, index);
                        self.waiters
                            .step(waiters::Input::Proposed { caller, id }, &mut self.told.0);
                    }
                }
                raft::Effect::Refused(Refusal::NotLeader { leader }) => {
                    for caller in core::mem::take(&mut self.proposing.0) {
                        let outcome = Outcome::NotExecuted { leader };
                        self.pass_or_tell(caller, Verdict::NotExecuted, outcome, out);
                    }
                }
                raft::Effect::Role { leader, .. } => {
                    out.push(Effect::Raft(effect));
                    if leader.is_some() {
                        self.try_again(out);
                    }
                }
                raft::Effect::Write(write) => {
                    if let crate::Write::Append { first, .. } = write
                        && first <= last
                    {
                        self.waiters.step(waiters::Input::Truncated { first }, &mut self.told.0);
                        self.tell(None, out);
                    }
                    out.push(Effect::Raft(effect));
                }
                _ => out.push(Effect::Raft(effect)),
            }
        }
        self.effects.0 = effects;
    }

    /// RSM-APPLY-1.
    fn apply(&mut self, through: Index, out: &mut Vec<Effect<S::Reply>>) {
        assert!(through > self.applied, "every entry is applied once");
        while self.applied < through {
            let index = self.applied + 1;
            let entry = self.replica.log().get(index).expect("what is to be applied is in the log");
            let reply = match entry {
                Entry::NoOp => None,
                Entry::Command(command) => Some(self.service.apply(command)),
            };
            self.applied = index;
            let term = self.replica.raft().terms().term_at(index);
            let id = LogId::new(term.expect("what is in the log has a term"), index);
            self.waiters.step(waiters::Input::Applied { id }, &mut self.told.0);
            if !self.told.0.is_empty() {
                self.tell(reply, out);
            }
        }
        self.answer_reads(out);
    }

    /// Tells whom the waiters name. Only one of them was executed by the entry that gave `reply`.
    fn tell(&mut self, mut reply: Option<S::Reply>, out: &mut Vec<Effect<S::Reply>>) {
        let leader = self.leader();
        let mut told = core::mem::take(&mut self.told.0);
        for waiters::Effect::Tell { caller, verdict } in told.drain(..) {
            let outcome = match verdict {
                Verdict::Executed => {
                    Outcome::Done(reply.take().expect("an entry with a caller is a command"))
                }
                Verdict::NotExecuted => Outcome::NotExecuted { leader },
                Verdict::Unknown => Outcome::Unknown,
            };
            if caller.ticket == TICK {
                self.ticking = false;
            } else {
                self.pass_or_tell(caller, verdict, outcome, out);
            }
        }
        self.told.0 = told;
    }

    fn submit(&mut self, commands: Vec<(Caller, S::Command)>, out: &mut Vec<Effect<S::Reply>>) {
        let commands = self.within_bound(commands, |caller| caller.ticket, out);
        if commands.is_empty() {
            return;
        }
        if self.leader().is_none() {
            return self.parked.extend(commands);
        }
        let (callers, commands): (Vec<Caller>, Vec<S::Command>) = commands.into_iter().unzip();
        self.proposing.0 = callers;
        self.step_replica(replica::Input::Propose(&commands), None, out);
    }

    /// Turns away those for whom there is no room.
    fn within_bound<C, T>(
        &self,
        mut callers: Vec<(C, T)>,
        ticket: impl Fn(&C) -> Ticket,
        out: &mut Vec<Effect<S::Reply>>,
    ) -> Vec<(C, T)> {
        let room = MAX_WAITING.saturating_sub(self.waiting()).min(callers.len());
        for (caller, _) in callers.drain(room..) {
            out.push(Effect::Tell { ticket: ticket(&caller), outcome: Outcome::Busy });
        }
        callers
    }

    /// RSM-PARK-1. Those who were parked go on as soon as a leader is known.
    fn unpark(&mut self, out: &mut Vec<Effect<S::Reply>>) {
        if !self.rules.may_go_on(self.leader().is_some()) {
            return;
        }
        let commands = core::mem::take(&mut self.parked);
        self.submit(commands, out);
        let reads = core::mem::take(&mut self.parked_reads);
        self.read(reads, out);
    }

    fn give_up_parked(&mut self, below: Ticket, out: &mut Vec<Effect<S::Reply>>) {
        let leader = self.leader();
        self.give_up_here(below, out);
        let mut give_up = |ticket: Ticket| {
            let late = ticket < below;
            if late {
                out.push(Effect::Tell { ticket, outcome: Outcome::NotExecuted { leader } });
            }
            !late
        };
        self.parked.retain(|(caller, _)| give_up(caller.ticket));
        self.parked_reads.retain(|(ticket, _)| give_up(*ticket));
    }

    fn give_up(&mut self, below: Ticket, out: &mut Vec<Effect<S::Reply>>) {
        self.give_up_parked(below, out);
        self.give_up_elsewhere(below, out);
        self.give_up_reads(below, out);
        self.waiters.step(waiters::Input::Deadline { below }, &mut self.told.0);
        self.tell(None, out);
    }
}

impl<S: StateMachine, R: raft::Rules, W: Rules> Machine for Rsm<S, R, W> {
    type Input<'a>
        = Input<'a, S>
    where
        Self: 'a;
    type Effect = Effect<S::Reply>;

    fn step(&mut self, input: Input<'_, S>, out: &mut Vec<Effect<S::Reply>>) {
        let ticked = self.ticking;
        match input {
            Input::Replica(replica::Input::Message { message, .. })
            | Input::Replica(replica::Input::Raft(raft::Input::Message { message, .. }))
                if self.needs_state(&message) => {}
            Input::Replica(input) => self.step_replica(input, None, out),
            Input::Install { from, message, state } => {
                let input = replica::Input::Raft(raft::Input::Message { from, message });
                self.step_replica(input, Some(state), out);
            }
            Input::Submit(commands) => self.submit(commands, out),
            Input::Read(reads) => self.read(reads, out),
            Input::Clock { now } => self.keep_time(now, out),
            Input::NotPassed { ticket } => self.not_passed(ticket, out),
            Input::Answer { from, ticket, outcome } => self.answered(from, ticket, outcome, out),
            Input::Lost { node } => self.lost(node, out),
            Input::Retry => self.try_again(out),
            Input::GiveUpParked { below } => self.give_up_parked(below, out),
            Input::GiveUp { below } => self.give_up(below, out),
        }
        if ticked && !self.ticking {
            // It may have left some: the next one follows at once.
            self.keep_time(self.now, out);
        }
        self.unpark(out);
        self.answer_reads(out);
        let parked = self.parked.len() + self.parked_reads.len();
        assert!(parked == 0 || self.leader().is_none(), "who is parked waits for a leader");
        let commit = self.replica.raft().commit();
        assert_eq!(self.applied, commit, "what is committed is applied");
    }
}

impl<S, R, W> fmt::Debug for Rsm<S, R, W>
where
    S: StateMachine<Command: fmt::Debug, Query: fmt::Debug> + fmt::Debug,
    R: raft::Rules,
    W: Rules,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} applied {} {:?}", self.replica, self.applied, self.service)?;
        if !self.waiters.is_empty() {
            write!(f, " {:?}", self.waiters)?;
        }
        if !self.passing.is_empty() {
            write!(f, " {:?}", self.passing)?;
        }
        for (Caller { ticket, .. }, command) in &self.parked {
            write!(f, " parked {ticket} {command:?}")?;
        }
        for (ticket, query) in &self.parked_reads {
            write!(f, " parked {ticket} {query:?}")?;
        }
        for Batch { id, index, until, reads } in &self.batches {
            write!(f, " {id:?}")?;
            index.map_or(Ok(()), |index| write!(f, " at {index}"))?;
            if *until > 0 {
                write!(f, " asked at {until}")?;
            }
            reads.iter().try_for_each(|(ticket, query)| write!(f, " {ticket} {query:?}"))?;
        }
        if self.now > 0 {
            write!(f, " clock {}", self.now)?;
        }
        if self.ticking {
            f.write_str(" ticking")?;
        }
        Ok(())
    }
}
