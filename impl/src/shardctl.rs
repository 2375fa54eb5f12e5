//! The controller of the sharded store as a replicated service, and how it answers the groups.
//!
//! Nothing is decided here: what a change makes of a configuration, and what there is for a group, say
//! [`protocol::shardctl`] and [`protocol::shardkv`], the functions that the models check.

use crate::mailbox::Mailbox;
use crate::raft::{Callers, Handle, Outcome, Request, Requests, What};
use crate::rsm::{Gauges, StateMachine, encode};
use crate::shardkv::{Carrier, Letter};
use crate::trace::{self, Recorder};
use protocol::kv::Stamp;
use protocol::rsm::StateMachine as _;
use protocol::shardctl::{Command, Controller, Exact, GroupId, Limits, Num, Query, Reply};
use protocol::shardkv::Next;
use protocol::terms::Terms;
use protocol::{Index, NodeId, Term};
use std::error::Error;
use std::io::{self, Read, Write};
use std::sync::Arc;

/// They decide replies: every replica has the same, whatever its settings.
const LIMITS: Limits = Limits::DEFAULT;

/// The most letters that wait for the controller's server; what comes then is lost, and comes again.
const MAX_LETTERS: usize = 4096;

/// The replicated controller.
#[derive(Clone, Debug)]
pub struct Shardctl(pub Controller);

impl Shardctl {
    /// With configuration 0: no groups.
    pub fn new() -> Self {
        Self(Controller::new(Exact, LIMITS))
    }
}

impl Default for Shardctl {
    fn default() -> Self {
        Self::new()
    }
}

impl StateMachine for Shardctl {
    type Command = Command;
    type Query = Query;
    type Reply = Reply;

    fn apply(&mut self, _: Stamp, command: Command) -> Reply {
        self.0.apply(&command)
    }

    fn read(&self, query: &Query) -> Reply {
        self.0.read(query)
    }

    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut bytes = Vec::new();
        self.0.encode(&mut bytes);
        out.write_all(&bytes)
    }

    fn restore(bytes: &mut dyn Read) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut all = Vec::new();
        bytes.read_to_end(&mut all)?;
        Ok(Self(Controller::decode(Exact, LIMITS, &all)?))
    }

    /// Of all of it: there is little.
    fn print(&self) -> u64 {
        trace::of_hashed(&self.0)
    }

    fn gauges(&self) -> Gauges {
        Gauges { keys: self.0.configs().len() as u64, ..Gauges::default() }
    }
}

/// What groups and nodes ask the controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Question {
    /// What follows this configuration.
    Next(GroupId, Num),
    /// Whether it is known that this one is finished.
    Finished(GroupId, Num),
    /// Whether there is a later one, for a node.
    Show(NodeId, Num),
}

/// Who asks a server of the controller: a client, or a group that has finished a configuration.
#[derive(Clone, Debug)]
pub enum Asker<C> {
    /// A client.
    Client(C),
    /// A group.
    Group(GroupId),
}

/// Where letters for the controller are put in at one of its servers. Clones are handles of the same one.
#[derive(Clone)]
pub struct Door<C: Send + 'static> {
    questions: Mailbox<Question>,
    server: Handle<Shardctl, Asker<C>>,
}

impl<C: Send + 'static> Door<C> {
    /// Puts a letter in. One for somebody else is dropped, and so is one for which there is no room.
    pub fn put(&self, letter: &Letter) {
        let question = match *letter {
            Letter::Next { from, number } => Question::Next(from, number),
            Letter::Finished { from, number } => Question::Finished(from, number),
            Letter::Show { from, number } => Question::Show(from, number),
            _ => return,
        };
        if self.questions.post(question).is_ok() {
            self.server.wake();
        }
    }
}

/// The callers of one of the controller's servers: clients, and the groups.
pub struct Teller<K> {
    clients: K,
    carrier: Arc<dyn Carrier>,
    questions: Mailbox<Question>,
    taken: Vec<Question>,
    /// What [`Teller::attend`] has come to that leaves.
    answers: Vec<Letter>,
}

impl<K: Callers<Shardctl>> Teller<K> {
    /// With nobody waiting.
    pub fn new(clients: K, carrier: Arc<dyn Carrier>) -> Self {
        let (taken, answers) = (Vec::new(), Vec::new());
        Self { clients, carrier, questions: Mailbox::new(MAX_LETTERS), taken, answers }
    }

    /// What makes the door, when the server has started.
    pub fn door(
        &self,
    ) -> impl FnOnce(Handle<Shardctl, Asker<K::Caller>>) -> Door<K::Caller> + use<K> {
        let questions = self.questions.clone();
        move |server| Door { questions, server }
    }
}

impl<K: Callers<Shardctl>> Callers<Shardctl> for Teller<K> {
    type Caller = Asker<K::Caller>;

    fn tell(&mut self, caller: Self::Caller, outcome: Outcome<Reply>) {
        match (caller, outcome) {
            (Asker::Client(caller), outcome) => self.clients.tell(caller, outcome),
            (Asker::Group(to), Outcome::Done(Reply::Noted { finished: number })) => {
                self.carrier.carry(Letter::Noted { to, number });
            }
            (Asker::Group(group), Outcome::Done(reply)) => {
                tracing::debug!(?group, ?reply, "a report that was not noted");
            }
            // It reports again.
            (Asker::Group(_), _) => {}
        }
    }

    fn logged(&mut self, caller: &Self::Caller, index: Index, log: &Terms) {
        if let Asker::Client(caller) = caller {
            self.clients.logged(caller, index, log);
        }
    }

    fn restored(&mut self, service: &Shardctl, from: Option<NodeId>) {
        self.clients.restored(service, from);
    }

    fn applied(&mut self, service: &Shardctl) {
        self.clients.applied(service);
    }

    fn attend(
        &mut self,
        service: &Shardctl,
        leads: Option<Term>,
        mut trace: Option<&mut Recorder>,
    ) -> Requests<Shardctl, Self::Caller> {
        let of_client = |request: Request<Query, K::Caller>| {
            let Request { caller, what, forwards } = request;
            Request { caller: Asker::Client(caller), what, forwards }
        };
        let asks = self.clients.attend(service, leads, trace.as_deref_mut());
        let mut asks: Vec<_> = asks.into_iter().map(of_client).collect();
        // What nodes ask for themselves goes into no machine.
        let mut note = |letter: Letter, answered: bool| {
            if let Some(trace) = trace.as_deref_mut() {
                trace.letter(letter, answered);
            }
        };
        self.questions.try_take(&mut self.taken);
        for question in self.taken.drain(..) {
            match question {
                Question::Next(from, number) => {
                    let next = Next::of(&service.0, from, number);
                    note(Letter::Next { from, number }, next.is_some());
                    let told = next.map(|next| Letter::Told { to: from, next });
                    self.answers.extend(told);
                }
                Question::Show(to, number) => {
                    let latest = service.0.latest();
                    if latest.number > number {
                        self.answers.push(Letter::Shown { to, config: latest.clone() });
                    }
                }
                Question::Finished(group, number) => {
                    note(Letter::Finished { from: group, number }, false);
                    let command = encode(&Command::Finished { group, number });
                    let what = What::Command(command.expect("a command is plain data"));
                    asks.push(Request { caller: Asker::Group(group), what, forwards: true });
                }
            }
        }
        asks
    }

    fn carry(&mut self) {
        self.clients.carry();
        self.answers.drain(..).for_each(|letter| self.carrier.carry(letter));
    }

    fn proposal(&self, caller: &Self::Caller) -> Option<(Term, u64)> {
        match caller {
            Asker::Client(caller) => self.clients.proposal(caller),
            Asker::Group(_) => None,
        }
    }

    fn flush(&mut self) {
        self.clients.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::kv::{Bytes, ClientId};
    use protocol::shardctl::{Change, RequestId, SlotRange};

    fn change(controller: &mut Controller, seq: u64, change: Change) {
        let request = RequestId { client: ClientId(7), seq };
        let told = controller.apply(&Command::Change { request, based: None, change });
        assert_eq!(told, Reply::Changed { number: seq });
    }

    /// Each bit of the controller's bytes counts in its fingerprint.
    #[test]
    fn the_fingerprint_hangs_on_every_bit() {
        let mut controller = Controller::new(Exact, LIMITS);
        let group = |id, at: &str| (GroupId(id), vec![Bytes::from(at)]);
        change(&mut controller, 1, Change::Join(vec![group(1, "a:1"), group(2, "b:2")]));
        let slots = vec![SlotRange { first: 3, last: 9000 }];
        change(&mut controller, 2, Change::Move { slots, to: GroupId(1) });
        controller.apply(&Command::Finished { group: GroupId(1), number: 1 });
        change(&mut controller, 3, Change::Leave(vec![GroupId(2)]));
        let mut bytes = Vec::new();
        controller.encode(&mut bytes);
        let print = Shardctl(controller.clone()).print();
        let mut others = 0;
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let Ok(other) = Controller::decode(Exact, LIMITS, &flipped) else { continue };
            if other != controller {
                assert_ne!(Shardctl(other).print(), print, "bit {at}");
                others += 1;
            }
        }
        assert!(others > 100, "{others} of {} bits make another controller", bytes.len() * 8);
    }
}
