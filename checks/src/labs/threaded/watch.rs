//! What a server tells: those who ask it, and what comes out of its service.
//!
//! The service is the product's store and nothing else, so that its trace can be replayed. A scenario's command is
//! appended to one key; what is new in its value is what was applied.

use super::hub::{Hub, Placed};
use crate::labs::bed::{self, Delivery, Number};
use crate::sim::kinds::Told;
use protocol::kv::Bytes;
use protocol::kv::clerk::Answer;
use protocol::terms::Terms;
use protocol::{Index, NodeId};
use quorate::kv::Kv;
use quorate::raft::{Callers, Outcome, What};
use quorate::session;
use std::sync::Arc;

/// The key that holds all commands.
pub const KEY: &str = "log";
/// Behind each of them.
pub const END: char = ';';

/// Who asks a server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Caller {
    /// The scenario, with a command: the proposal's number.
    Scenario(u64),
    /// A client.
    Client(bed::Ticket),
    /// A client whose request goes into the log.
    Writer(bed::Ticket),
}

impl Caller {
    /// The same, who asks this.
    pub const fn with<Q>(self, what: &What<Q>) -> Self {
        match (self, what) {
            (Self::Client(ticket), What::Command(_)) => Self::Writer(ticket),
            _ => self,
        }
    }

    /// Whether it is told that a command of its own was executed.
    pub const fn has_written<R>(self, outcome: &Outcome<R>) -> bool {
        matches!((self, outcome), (Self::Writer(_), Outcome::Done(_)))
    }
}

/// Listens to a life of a server.
pub struct Watch {
    hub: Arc<Hub>,
    me: NodeId,
    life: u64,
    /// Whether commands come out, as opposed to a store with clients.
    streams: bool,
    /// The value that was seen last, and how many commands are in it.
    seen: Bytes,
    count: Number,
}

/// Where a state came from, if not from commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Restored {
    AtStart,
    FromOther,
}

/// The commands in a text.
fn commands(text: &[u8]) -> impl Iterator<Item = bed::Command> {
    let text = std::str::from_utf8(text).expect("commands are text");
    text.split_terminator(END).map(bed::Command::from)
}

fn value(service: &Kv) -> Bytes {
    let value = service.0.get(&Bytes::from(KEY));
    value.map(|(value, _)| value.clone()).unwrap_or_default()
}

impl Watch {
    /// Of this life.
    pub fn new(hub: Arc<Hub>, me: NodeId, life: u64, streams: bool) -> Self {
        Self { hub, me, life, streams, seen: Bytes::default(), count: 0 }
    }

    fn place(&self) -> usize {
        usize::from(self.me.0)
    }

    /// Hands out commands, and the service if that is wanted.
    fn deliver(&mut self, service: &Kv, restored: Option<Restored>) {
        let mut deliveries = Vec::new();
        let mut wrong = None;
        if self.streams {
            let value = value(service);
            let new = value.as_ref().strip_prefix(self.seen.as_ref());
            match (restored, new) {
                (Some(how), _) => {
                    let log: Vec<_> = commands(value.as_ref()).collect();
                    self.count = log.len() as Number;
                    deliveries.push(match how {
                        Restored::AtStart => Delivery::Started(log),
                        Restored::FromOther => Delivery::Snapshot(log),
                    });
                }
                (None, Some(new)) => {
                    for command in commands(new) {
                        self.count += 1;
                        deliveries.push(Delivery::Command { number: self.count, command });
                    }
                }
                (None, None) => {
                    wrong = Some(format!("{:?} has applied something else before", self.me));
                }
            }
            self.seen = value;
        }
        let me = self.place();
        let Some(mut state) = self.hub.of_life(self.me, self.life) else { return };
        state.deliveries.extend(deliveries.into_iter().map(|delivery| (me, delivery)));
        state.commands = state.commands.max(self.count);
        state.snapshots += u64::from(matches!(restored, Some(Restored::FromOther)));
        if !self.streams {
            state.ends[me].service = Some(service.clone());
        }
        wrong.into_iter().for_each(|text| state.violate(text));
    }
}

impl Callers<Kv> for Watch {
    type Caller = Caller;

    fn tell(&mut self, caller: Caller, outcome: Outcome<session::Answer>) {
        let Some(mut state) = self.hub.of_life(self.me, self.life) else { return };
        let state = &mut *state;
        state.commands += u64::from(caller.has_written(&outcome));
        let answer = match outcome {
            Outcome::Done(session::Answer::Reply(reply)) => Some(Answer::Reply(reply)),
            Outcome::Done(answer) => {
                return state.violate(format!("a request is answered with {answer:?}"));
            }
            Outcome::NotExecuted { leader } => Some(Answer::NotExecuted { leader }),
            Outcome::Busy => Some(Answer::NotExecuted { leader: None }),
            Outcome::Unknown => None,
        };
        match caller {
            Caller::Scenario(proposal) => self.hub.place(state, proposal, None),
            Caller::Client(ticket) | Caller::Writer(ticket) => {
                let now = self.hub.now_us();
                let lost = state.wire.loses_answer(self.me, now, &mut state.random);
                state.fates.answer(ticket, answer.map(Told::Answer), lost);
            }
        }
    }

    fn logged(&mut self, caller: &Caller, index: Index, log: &Terms) {
        if let (Caller::Scenario(proposal), Some(term)) = (caller, log.term_at(index))
            && let Some(mut state) = self.hub.of_life(self.me, self.life)
        {
            let number = index - log.runs_through(index);
            self.hub.place(&mut state, *proposal, Some(Placed { number, term }));
        }
    }

    fn restored(&mut self, service: &Kv, from: Option<NodeId>) {
        let how = if from.is_some() { Restored::FromOther } else { Restored::AtStart };
        self.deliver(service, Some(how));
    }

    fn applied(&mut self, service: &Kv) {
        self.deliver(service, None);
    }

    fn flush(&mut self) {}
}

impl Drop for Watch {
    /// A core that ends in a life that nobody has ended has come to an end by itself.
    fn drop(&mut self) {
        if let Some(mut state) = self.hub.of_life(self.me, self.life) {
            state.violate(format!("{:?} has ended by itself", self.me));
        }
    }
}
