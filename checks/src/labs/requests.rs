//! Requests from outside to simulated servers, over the labs' network: they fail as the labs' calls do.

use super::bed::{Answered, Ticket};
use super::wire::Shared;
use crate::sim::env::Env;
use crate::sim::event::{Event, Mail, Sending};
use protocol::NodeId;
use protocol::kv::clerk::{Answer, Request};
use std::collections::BTreeMap;

/// Nobody waits for the answer to this one.
pub const NOBODY: usize = usize::MAX;
/// What a call of nobody takes until it fails, in microseconds.
const DEAD_US: u64 = 99_000;

/// Where a request is.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Fate {
    /// On its way, or at this server in this life.
    Open(NodeId, u32),
    /// It fails then.
    Fails(u64),
    /// Answered.
    Answered(Answered),
    /// And that was told.
    Told,
}

/// Requests by ticket.
#[derive(Debug, Default)]
pub struct Requests {
    fates: Vec<Fate>,
    /// The judge's number of each call.
    calls: BTreeMap<u64, usize>,
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
        let ticket = self.fates.len();
        let copy = env.copy();
        let call = *self.calls.entry(call).or_insert_with(|| env.judge.begins());
        env.judge.sends(copy, call);
        let us = wire.borrow_mut().takes_outside(to, env.now, &mut env.random);
        let exactly_once = request.command.once.is_some() || !request.command.op.writes();
        if let Some(us) = us
            && exactly_once
            && let Some(later) = wire.borrow_mut().copy_after()
        {
            let copy = env.copy();
            env.judge.sends(copy, call);
            let request = request.clone();
            let sending = Sending { client: NOBODY, copy, request, passes: false };
            env.after(us + later, Event::Arrives(to, Mail::Request(sending)));
        }
        self.fates.push(match us {
            None => Fate::Fails(env.now),
            Some(_) if !env.runs(to) => Fate::Fails(env.now + env.random.between(0, DEAD_US)),
            Some(us) => {
                let sending = Sending { client: ticket, copy, request, passes: false };
                env.after(us, Event::Arrives(to, Mail::Request(sending)));
                Fate::Open(to, env.boot(to))
            }
        });
        ticket
    }

    /// An answer has arrived, unless it is lost. None: the server does not know.
    pub fn answer(&mut self, ticket: Ticket, answer: Option<Answer>, wire: &Shared, env: &mut Env) {
        let Some(fate) = self.fates.get_mut(ticket) else { return };
        let Fate::Open(from, _) = *fate else { return };
        let arrives = wire.borrow_mut().answers_outside(from, env.now, &mut env.random);
        *fate = Fate::Answered(match answer {
            _ if !arrives => Answered::Failed,
            None => Answered::Unknown,
            Some(Answer::Reply(reply)) => Answered::Reply(reply),
            Some(Answer::NotExecuted { leader }) => {
                Answered::NotExecuted(leader.map(|leader| usize::from(leader.0)))
            }
        });
    }

    /// What became of a request, once.
    pub fn take(&mut self, ticket: Ticket, env: &Env) -> Option<Answered> {
        let fate = &mut self.fates[ticket];
        let answered = match fate {
            Fate::Open(node, boot) if env.boot(*node) == *boot && env.runs(*node) => return None,
            Fate::Fails(at) if env.now < *at => return None,
            Fate::Told => return None,
            Fate::Open(..) | Fate::Fails(_) => Answered::Failed,
            Fate::Answered(answered) => answered.clone(),
        };
        *fate = Fate::Told;
        Some(answered)
    }
}
