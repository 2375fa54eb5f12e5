//! Requests from outside to servers, over the labs' network: they fail as the labs' calls do.

use super::bed::{Answered, Ticket};
use super::wire::Shared;
use crate::sim::env::Env;
use crate::sim::event::{Event, Mail, Sending};
use crate::sim::kinds::{Ask, Told};
use crate::sim::random::Random;
use protocol::NodeId;
use protocol::kv::clerk::{Answer, Request};
use std::collections::BTreeMap;
use std::time::Duration;

/// Nobody waits for the answer to this one.
pub const NOBODY: usize = usize::MAX;
/// What a call of nobody takes until it fails, in microseconds.
const DEAD_US: u64 = 99_000;

/// Where a request is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// On its way, or at this server in this life.
    Open(NodeId, u64),
    /// It fails then.
    Fails(Duration),
    /// Answered.
    Answered(Answered),
    /// And that was told.
    Told,
}

/// What became of requests, by ticket.
#[derive(Debug, Default)]
pub struct Fates(Vec<Fate>);

impl Fates {
    /// The ticket of the next request.
    pub const fn next(&self) -> Ticket {
        self.0.len()
    }

    /// A request is sent.
    pub fn begin(&mut self, fate: Fate) -> Ticket {
        self.0.push(fate);
        self.0.len() - 1
    }

    /// The server at which a request is.
    pub fn server(&self, ticket: Ticket) -> Option<NodeId> {
        match self.0.get(ticket)? {
            Fate::Open(server, _) => Some(*server),
            _ => None,
        }
    }

    /// An answer has arrived, unless it is lost. None: the server does not know.
    pub fn answer(&mut self, ticket: Ticket, answer: Option<Told>, lost: bool) {
        let Some(fate) = self.0.get_mut(ticket) else { return };
        if !matches!(fate, Fate::Open(..)) {
            return;
        }
        *fate = Fate::Answered(match answer {
            _ if lost => Answered::Failed,
            None => Answered::Unknown,
            Some(Told::Answer(Answer::Reply(reply))) => Answered::Reply(reply),
            Some(Told::Refused(refusal)) => Answered::Refused(refusal),
            Some(Told::Control(reply)) => Answered::Control(reply),
            Some(Told::Answer(Answer::NotExecuted { leader })) => {
                Answered::NotExecuted(leader.map(|leader| usize::from(leader.0)))
            }
        });
    }

    /// What became of a request, once. `lives` says whether a server is still in a life.
    pub fn take(
        &mut self,
        ticket: Ticket,
        now: Duration,
        lives: impl Fn(NodeId, u64) -> bool,
    ) -> Option<Answered> {
        let fate = &mut self.0[ticket];
        let answered = match fate {
            Fate::Open(node, life) if lives(*node, *life) => return None,
            Fate::Fails(at) if now < *at => return None,
            Fate::Told => return None,
            Fate::Open(..) | Fate::Fails(_) => Answered::Failed,
            Fate::Answered(answered) => answered.clone(),
        };
        *fate = Fate::Told;
        Some(answered)
    }
}

/// Whether a copy of this request changes nothing. See [`super::harsh`].
pub fn is_executed_once(request: &Request) -> bool {
    request.command.once.is_some() || !request.command.op.writes()
}

/// When a call fails that nobody can take, if it is made now.
pub fn dead_end(now: Duration, random: &mut Random) -> Fate {
    Fate::Fails(now + Duration::from_micros(random.between(0, DEAD_US)))
}

/// Requests to simulated servers.
#[derive(Debug, Default)]
pub struct Requests {
    fates: Fates,
    /// The judge's number of each call.
    calls: BTreeMap<u64, usize>,
}

const fn time(us: u64) -> Duration {
    Duration::from_micros(us)
}

impl Requests {
    /// Sends a request.
    pub fn send(
        &mut self,
        to: NodeId,
        call: u64,
        request: Request,
        wire: &Shared,
        env: &mut Env,
    ) -> Ticket {
        let ticket = self.fates.next();
        let copy = env.copy();
        let call = *self.calls.entry(call).or_insert_with(|| env.judge.begins());
        env.judge.sends(copy, call);
        let us = wire.borrow_mut().takes_outside(to, env.now, &mut env.random);
        if let Some(us) = us
            && is_executed_once(&request)
            && let Some(later) = wire.borrow_mut().copy_after()
        {
            let copy = env.copy();
            env.judge.sends(copy, call);
            let ask = Ask::Store(request.clone());
            let sending = Sending { client: NOBODY, copy, ask, passes: false };
            env.after(us + later, Event::Arrives(to, Mail::Request(sending)));
        }
        self.fates.begin(match us {
            None => Fate::Fails(time(env.now)),
            Some(_) if !env.runs(to) => dead_end(time(env.now), &mut env.random),
            Some(us) => {
                let ask = Ask::Store(request);
                let sending = Sending { client: ticket, copy, ask, passes: false };
                env.after(us, Event::Arrives(to, Mail::Request(sending)));
                Fate::Open(to, env.boot(to).into())
            }
        })
    }

    /// An answer has arrived, unless it is lost. None: the server does not know.
    pub fn answer(&mut self, ticket: Ticket, answer: Option<Told>, wire: &Shared, env: &mut Env) {
        let Some(from) = self.fates.server(ticket) else { return };
        let lost = wire.borrow_mut().loses_answer(from, env.now, &mut env.random);
        self.fates.answer(ticket, answer, lost);
    }

    /// What became of a request, once.
    pub fn take(&mut self, ticket: Ticket, env: &Env) -> Option<Answered> {
        let lives = |node, life| u64::from(env.boot(node)) == life && env.runs(node);
        self.fates.take(ticket, time(env.now), lives)
    }
}
