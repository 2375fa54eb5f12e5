//! The driver of a group's mover: in the thread of the core, at the end of each round.

use super::{Carrier, Letter, Shardkv, Wanted};
use crate::mailbox::Mailbox;
use crate::raft::{Callers, Handle, Outcome, Request, Requests, What};
use crate::rsm::encode;
use crate::session::{Answer, Query};
use crate::trace::{Moved, Recorder};
use protocol::shardkv::mover::{Duty, Effect, Input, Settings};
use protocol::shardkv::{self as machine, Command, Group, GroupId, InOrder, Step};
use protocol::terms::Terms;
use protocol::{Index, NodeId, Term};
use std::sync::Arc;

/// The most inputs that wait for a mover; what comes then is lost, and comes again.
const MAX_INPUTS: usize = 4096;

/// Who asks a server of a group: a client, or its own mover.
#[derive(Clone, Debug)]
pub enum Asker<C> {
    /// A client.
    Client(C),
    /// The mover of this term, with this proposal.
    Mover {
        /// The term.
        term: Term,
        /// The proposal's number.
        proposal: u64,
    },
}

/// Where letters for a group are put in at one of its servers. Clones are handles of the same one.
#[derive(Clone)]
pub struct Door<C: Send + 'static> {
    inputs: Mailbox<Input>,
    server: Handle<Shardkv, Asker<C>>,
}

impl<C: Send + 'static> Door<C> {
    /// Puts a letter in. One that is for no group is dropped, and so is one for which there is no room.
    pub fn put(&self, letter: Letter) {
        match letter {
            Letter::Move { from, message, .. } => self.input(Input::Message { from, message }),
            Letter::Told { next, .. } => self.input(Input::Next(next)),
            Letter::Noted { number, .. } => self.input(Input::Reported { number }),
            _ => {}
        }
    }

    /// Some time has passed: what was not answered is sent again.
    pub fn tick(&self) {
        self.input(Input::Tick);
    }

    fn input(&self, input: Input) {
        if self.inputs.post(input).is_ok() {
            self.server.wake();
        }
    }
}

/// The callers of one of a group's servers: clients, and the mover while it leads.
pub struct Mover<K> {
    clients: K,
    gid: GroupId,
    duty: Duty,
    carrier: Arc<dyn Carrier>,
    inputs: Mailbox<Input>,
    taken: Vec<Input>,
    /// What became of proposals, by their movers' terms and their numbers.
    told: Vec<((Term, u64), Option<Step>)>,
    effects: Vec<Effect>,
    /// What [`Mover::attend`] has come to that leaves.
    letters: Vec<Letter>,
    settings: Settings,
}

impl<K: Callers<Shardkv>> Mover<K> {
    /// Of a server that does not lead.
    pub fn new(gid: GroupId, settings: Settings, clients: K, carrier: Arc<dyn Carrier>) -> Self {
        Self {
            clients,
            gid,
            duty: Duty::new(InOrder, settings),
            carrier,
            inputs: Mailbox::new(MAX_INPUTS),
            taken: Vec::new(),
            told: Vec::new(),
            effects: Vec::new(),
            letters: Vec::new(),
            settings,
        }
    }

    /// What makes the door, when the server has started.
    pub fn door(
        &self,
    ) -> impl FnOnce(Handle<Shardkv, Asker<K::Caller>>) -> Door<K::Caller> + use<K> {
        let inputs = self.inputs.clone();
        move |server| Door { inputs, server }
    }

    /// Gives the mover what has come for it; who does not lead has none, and drops it.
    fn take(&mut self, group: &Group, leads: Option<Term>, mut trace: Option<&mut Recorder>) {
        let mut noted = false;
        let mut note = |moved: &dyn Fn() -> Moved| {
            if let Some(trace) = trace.as_deref_mut() {
                trace.moved(moved());
                noted = true;
            }
        };
        if self.duty.term() != leads {
            let settings = self.settings;
            note(&|| leads.map_or(Moved::Rests, |term| Moved::Leads { term, settings }));
        }
        self.duty.lead(leads, group);
        for ((term, proposal), step) in self.told.drain(..) {
            if leads == Some(term) {
                note(&|| Moved::Told { proposal, step });
            }
            let answer = step.map(machine::Answer::Step);
            self.duty.tell(group, (term, proposal), answer, &mut self.effects);
        }
        self.inputs.try_take(&mut self.taken);
        for input in self.taken.drain(..) {
            if leads.is_some() {
                note(&|| Moved::of(&input));
            }
            self.duty.step(group, input, &mut self.effects);
        }
        if let Some(trace) = trace.filter(|_| noted) {
            trace.moves(&self.duty, &self.effects);
        }
    }

    /// Makes letters of the effects; the proposals are asked.
    fn write(&mut self, asks: &mut Requests<Shardkv, Asker<K::Caller>>) {
        let Some(term) = self.duty.term() else { return };
        for effect in self.effects.drain(..) {
            match Letter::of(self.gid, effect) {
                Wanted::Letter(letter) => self.letters.push(letter),
                Wanted::Proposal(proposal, command) => {
                    asks.push(propose(term, proposal, &command));
                }
            }
        }
    }
}

/// Only this server's log will do: who does not lead any more has nothing to propose.
fn propose<C>(term: Term, proposal: u64, command: &Command) -> Request<Query, Asker<C>> {
    let what = What::Command(encode(command).expect("a command is plain data"));
    Request { caller: Asker::Mover { term, proposal }, what, forwards: false }
}

impl<K: Callers<Shardkv>> Callers<Shardkv> for Mover<K> {
    type Caller = Asker<K::Caller>;

    fn tell(&mut self, caller: Self::Caller, outcome: Outcome<Answer>) {
        match caller {
            Asker::Client(caller) => self.clients.tell(caller, outcome),
            Asker::Mover { term, proposal } => {
                let step = match outcome {
                    Outcome::Done(Answer::Step(step)) => Some(step),
                    _ => None,
                };
                self.told.push(((term, proposal), step));
            }
        }
    }

    fn logged(&mut self, caller: &Self::Caller, index: Index, log: &Terms) {
        if let Asker::Client(caller) = caller {
            self.clients.logged(caller, index, log);
        }
    }

    fn restored(&mut self, service: &Shardkv, from: Option<NodeId>) {
        self.clients.restored(service, from);
    }

    fn applied(&mut self, service: &Shardkv) {
        self.clients.applied(service);
    }

    fn attend(
        &mut self,
        service: &Shardkv,
        leads: Option<Term>,
        mut trace: Option<&mut Recorder>,
    ) -> Requests<Shardkv, Self::Caller> {
        let of_client = |request: Request<Query, K::Caller>| {
            let Request { caller, what, forwards } = request;
            Request { caller: Asker::Client(caller), what, forwards }
        };
        let asks = self.clients.attend(service, leads, trace.as_deref_mut());
        let mut asks: Vec<_> = asks.into_iter().map(of_client).collect();
        self.take(&service.0, leads, trace);
        self.write(&mut asks);
        asks
    }

    fn carry(&mut self) {
        self.clients.carry();
        self.letters.drain(..).for_each(|letter| self.carrier.carry(letter));
    }

    fn proposal(&self, caller: &Self::Caller) -> Option<(Term, u64)> {
        match caller {
            Asker::Client(caller) => self.clients.proposal(caller),
            Asker::Mover { term, proposal } => Some((*term, *proposal)),
        }
    }

    fn flush(&mut self) {
        self.clients.flush();
    }
}
