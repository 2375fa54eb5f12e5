//! The controller of the sharded store as a replicated service, and how it answers the groups.
//!
//! Nothing is decided here: what a change makes of a configuration, and what there is for a group, say
//! [`protocol::shardctl`] and [`protocol::shardkv`], the functions that the models check.

use crate::mailbox::Mailbox;
use crate::raft::{Callers, Handle, Outcome, Request, Requests, What};
use crate::rsm::{Gauges, StateMachine, encode};
use crate::shardkv::{Carrier, Letter};
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
}

impl<K: Callers<Shardctl>> Teller<K> {
    /// With nobody waiting.
    pub fn new(clients: K, carrier: Arc<dyn Carrier>) -> Self {
        Self { clients, carrier, questions: Mailbox::new(MAX_LETTERS), taken: Vec::new() }
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
    ) -> Requests<Shardctl, Self::Caller> {
        let of_client = |request: Request<Query, K::Caller>| {
            let Request { caller, what, forwards } = request;
            Request { caller: Asker::Client(caller), what, forwards }
        };
        let mut asks: Vec<_> =
            self.clients.attend(service, leads).into_iter().map(of_client).collect();
        self.questions.try_take(&mut self.taken);
        for question in self.taken.drain(..) {
            match question {
                Question::Next(to, number) => {
                    if let Some(next) = Next::of(&service.0, to, number) {
                        self.carrier.carry(Letter::Told { to, next });
                    }
                }
                Question::Show(to, number) => {
                    let latest = service.0.latest();
                    if latest.number > number {
                        self.carrier.carry(Letter::Shown { to, config: latest.clone() });
                    }
                }
                Question::Finished(group, number) => {
                    let command = encode(&Command::Finished { group, number });
                    let what = What::Command(command.expect("a command is plain data"));
                    asks.push(Request { caller: Asker::Group(group), what, forwards: true });
                }
            }
        }
        asks
    }

    fn flush(&mut self) {
        self.clients.flush();
    }
}
