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
//! waited long enough.

mod rules;
mod scratch;
pub mod waiters;

pub use rules::{Decided, Rules};

use crate::Machine;
use crate::log::{Durable, Entry};
use crate::raft::{self, Body, Config, Message, Paper, Refusal};
use crate::replica::{self, Replica};
use crate::types::{Index, LogId, NodeId, ReadId};
use alloc::vec::Vec;
use core::fmt;
use scratch::Scratch;
use waiters::{Verdict, Waiters};

/// Names a caller who waits. The driver gives it, greater than all that it gave before; a caller who was told
/// [`Outcome::NotExecuted`] may be submitted again under the same.
pub type Ticket = u64;

/// The most callers that wait on one server, for a command or a read. Above it they are told [`Outcome::Busy`].
pub const MAX_WAITING: usize = 1 << 16;

/// A deterministic service: the same commands in the same order give the same state and the same replies.
///
/// RSM-SNAP-1. A snapshot is all of it: whatever a later reply can depend on is in the snapshot.
pub trait StateMachine: Clone {
    /// What changes it.
    type Command: Clone;
    /// What only asks.
    type Query;
    /// What either is answered with.
    type Reply;

    /// Applies a committed command.
    fn apply(&mut self, command: &Self::Command) -> Self::Reply;

    /// Answers a query from the present state.
    fn read(&self, query: &Self::Query) -> Self::Reply;
}

/// What may happen to a server. Payloads are borrowed for the time of the step.
#[derive(Debug)]
pub enum Input<'a, S: StateMachine> {
    /// What happens to the replica. An InstallSnapshot in this form comes without its state; it is dropped if that is
    /// needed ([`Rsm::needs_state`]). Commands and reads have forms of their own.
    Replica(replica::Input<'a, S::Command>),
    /// A snapshot arrived, whole; its file is durable.
    Install {
        /// The sender, as the transport knows it.
        from: NodeId,
        /// The message.
        message: Message,
        /// The service as the snapshot has it.
        state: &'a S,
    },
    /// Clients' commands, in order.
    Submit(Vec<(Ticket, S::Command)>),
    /// Clients' reads. One confirmation serves them all.
    Read(Vec<(Ticket, S::Query)>),
    /// The callers with smaller tickets who are parked, because no leader is known, have waited long enough.
    GiveUpParked {
        /// The smallest ticket that may wait on.
        below: Ticket,
    },
    /// All callers with smaller tickets have waited long enough.
    GiveUp {
        /// The smallest ticket that may wait on.
        below: Ticket,
    },
}

/// What a caller is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome<Y> {
    /// It was executed, and this is the reply.
    Done(Y),
    /// It was not executed and never will be, unless the caller submits it again. (The labs' WrongLeader.)
    NotExecuted {
        /// Who leads, as far as this server knows.
        leader: Option<NodeId>,
    },
    /// It was not executed and never will be: too many wait here already.
    Busy,
    /// It may have been executed, or may be later, or never.
    Unknown,
}

/// What a server asks its driver to do, in order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect<Y> {
    /// What the replica asks for: to send, to write, to arm or disarm a timer, or to note a role, a refused snapshot,
    /// or what became of a read that the driver has asked Raft for itself, under a number that is not given here.
    Raft(raft::Effect),
    /// Tell a caller.
    Tell {
        /// Whom.
        ticket: Ticket,
        /// What.
        outcome: Outcome<Y>,
    },
}

/// Reads that share a confirmation.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Batch<Q> {
    id: ReadId,
    /// From which applied index on they are good; none while nobody has confirmed.
    index: Option<Index>,
    reads: Vec<(Ticket, Q)>,
}

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
    /// Commands without a leader to go to.
    parked: Vec<(Ticket, S::Command)>,
    /// Reads without a leader to ask.
    parked_reads: Vec<(Ticket, S::Query)>,
    batches: Vec<Batch<S::Query>>,
    next_read: u64,
    /// Whose commands are being proposed. Empty between steps, as are the next two; kept for their capacity.
    proposing: Scratch<Ticket>,
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
            parked: Vec::new(),
            parked_reads: Vec::new(),
            batches: Vec::new(),
            next_read: first_read,
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
        self.waiters.len() + self.parked.len() + self.parked_reads.len() + read
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
        let parked = self.parked.iter().map(|(ticket, parked)| (*ticket, command(parked)));
        let parked = parked.collect();
        Self { parked, replica: self.replica.renamed(name, command), ..self.clone() }
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
                    let batch = self.batches.iter_mut().find(|batch| batch.id == id);
                    batch.into_iter().for_each(|batch| batch.index = Some(index));
                    self.answer_reads(out);
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
                    for (ticket, index) in self.proposing.0.drain(..).zip(first.index..) {
                        let id = LogId::new(first.term, index);
                        self.waiters
                            .step(waiters::Input::Proposed { ticket, id }, &mut self.told.0);
                    }
                }
                raft::Effect::Refused(Refusal::NotLeader { leader }) => {
                    out.extend(self.proposing.0.drain(..).map(|ticket| Effect::Tell {
                        ticket,
                        outcome: Outcome::NotExecuted { leader },
                    }));
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
        for waiters::Effect::Tell { ticket, verdict } in self.told.0.drain(..) {
            let outcome = match verdict {
                Verdict::Executed => {
                    Outcome::Done(reply.take().expect("an entry with a caller is a command"))
                }
                Verdict::NotExecuted => Outcome::NotExecuted { leader },
                Verdict::Unknown => Outcome::Unknown,
            };
            out.push(Effect::Tell { ticket, outcome });
        }
    }

    fn take_batch(&mut self, id: ReadId) -> Vec<(Ticket, S::Query)> {
        let position = self.batches.iter().position(|batch| batch.id == id);
        position.map(|position| self.batches.remove(position).reads).unwrap_or_default()
    }

    fn answer_reads(&mut self, out: &mut Vec<Effect<S::Reply>>) {
        let (rules, applied) = (self.rules, self.applied);
        let may = |batch: &Batch<S::Query>| {
            batch.index.is_some_and(|index| rules.may_answer(applied, index))
        };
        while let Some(position) = self.batches.iter().position(may) {
            let Batch { reads, .. } = self.batches.remove(position);
            self.answer(reads, out);
        }
    }

    fn answer(&self, reads: Vec<(Ticket, S::Query)>, out: &mut Vec<Effect<S::Reply>>) {
        out.extend(reads.into_iter().map(|(ticket, query)| {
            let outcome = Outcome::Done(self.service.read(&query));
            Effect::Tell { ticket, outcome }
        }));
    }

    fn submit(&mut self, commands: Vec<(Ticket, S::Command)>, out: &mut Vec<Effect<S::Reply>>) {
        let commands = self.within_bound(commands, out);
        if commands.is_empty() {
            return;
        }
        if self.leader().is_none() {
            return self.parked.extend(commands);
        }
        let (tickets, commands): (Vec<Ticket>, Vec<S::Command>) = commands.into_iter().unzip();
        self.proposing.0 = tickets;
        self.step_replica(replica::Input::Propose(&commands), None, out);
    }

    fn read(&mut self, reads: Vec<(Ticket, S::Query)>, out: &mut Vec<Effect<S::Reply>>) {
        let reads = self.within_bound(reads, out);
        if reads.is_empty() {
            return;
        }
        if self.rules.answers_at_once(self.replica.raft().leads()) {
            return self.answer(reads, out);
        }
        if self.leader().is_none() {
            return self.parked_reads.extend(reads);
        }
        let id = ReadId(self.next_read);
        self.next_read += 1;
        self.batches.push(Batch { id, index: None, reads });
        self.step_replica(replica::Input::Raft(raft::Input::Read { id }), None, out);
    }

    /// Turns away those for whom there is no room.
    fn within_bound<T>(
        &self,
        mut callers: Vec<(Ticket, T)>,
        out: &mut Vec<Effect<S::Reply>>,
    ) -> Vec<(Ticket, T)> {
        let room = MAX_WAITING.saturating_sub(self.waiting()).min(callers.len());
        let away = callers.drain(room..);
        out.extend(away.map(|(ticket, _)| Effect::Tell { ticket, outcome: Outcome::Busy }));
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
        let mut give_up = |ticket: Ticket| {
            let late = ticket < below;
            if late {
                out.push(Effect::Tell { ticket, outcome: Outcome::NotExecuted { leader } });
            }
            !late
        };
        self.parked.retain(|(ticket, _)| give_up(*ticket));
        self.parked_reads.retain(|(ticket, _)| give_up(*ticket));
    }

    fn give_up(&mut self, below: Ticket, out: &mut Vec<Effect<S::Reply>>) {
        self.give_up_parked(below, out);
        let leader = self.leader();
        for batch in &mut self.batches {
            batch.reads.retain(|&(ticket, _)| {
                let late = ticket < below;
                if late {
                    out.push(Effect::Tell { ticket, outcome: Outcome::NotExecuted { leader } });
                }
                !late
            });
        }
        self.batches.retain(|batch| !batch.reads.is_empty());
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
            Input::GiveUpParked { below } => self.give_up_parked(below, out),
            Input::GiveUp { below } => self.give_up(below, out),
        }
        self.unpark(out);
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
        for (ticket, command) in &self.parked {
            write!(f, " parked {ticket} {command:?}")?;
        }
        for (ticket, query) in &self.parked_reads {
            write!(f, " parked {ticket} {query:?}")?;
        }
        for Batch { id, index, reads } in &self.batches {
            write!(f, " {id:?}")?;
            index.map_or(Ok(()), |index| write!(f, " at {index}"))?;
            reads.iter().try_for_each(|(ticket, query)| write!(f, " {ticket} {query:?}"))?;
        }
        Ok(())
    }
}
