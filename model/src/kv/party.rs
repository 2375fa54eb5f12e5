//! Who takes part: the server with its store, and clients that run a program through clerk and lock.

use super::Bounds;
use super::programs::{Do, Expect, Program};
use protocol::kv::clerk::{self, Answer, Clerk, Outcome, Request};
use protocol::kv::lock::{self, Lock, State as LockState};
use protocol::kv::{Bytes, ClientId, Limits, Op, Reply, Rules, Seq, Stamp, Store, Version};
use protocol::{Machine, NodeId};
use serde::{Deserialize, Serialize};
use stateright::actor::{Actor, Id, Out};
use std::borrow::Cow;
use std::fmt;

/// What travels.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// From a client.
    Request(Request),
    /// From the server.
    Answer {
        /// To which call of the client.
        seq: Seq,
        /// To which sending of it.
        attempt: u32,
        /// The answer.
        answer: Answer,
    },
}

/// What may happen to a client besides an answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stimulus {
    /// Its program goes on.
    Next,
    /// The clerk's timer fires: the answer is late.
    Retry,
    /// The lock's timer fires: it looks again.
    Look,
}

/// What was seen in one step. The history reads it; it is no part of a state.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    /// A client has begun a call.
    Called {
        /// Which of its calls.
        seq: Seq,
        /// On which key.
        key: Bytes,
        /// To do what.
        op: Op,
    },
    /// A client's call is over.
    Returned {
        /// Which.
        seq: Seq,
        /// With this.
        outcome: Outcome,
        /// Whether there would be a reason for Maybe: it writes, it was sent more than once, and it is not recorded
        /// or its refusal is not.
        may_be_maybe: bool,
    },
    /// A client sent a call once more.
    SentAgain,
    /// The server changed a key.
    Executed {
        /// For whom.
        client: usize,
        /// For which of their calls.
        seq: Seq,
        /// The key.
        key: Bytes,
        /// The version that it has now; none if it is gone.
        version: Option<Version>,
    },
    /// The server answered a write that it did not execute in this step.
    Unchanged {
        /// The answer.
        reply: Reply,
    },
    /// A client has the lock.
    Acquired {
        /// With this fencing version.
        version: Version,
        /// Only after it had looked whose Put it was that came through.
        looked: bool,
    },
    /// A client saw that another has the lock.
    Waits,
    /// A client has freed the lock.
    Released,
}

/// How an actor begins.
#[derive(Clone, Debug)]
pub enum Person<R> {
    /// The server.
    Server {
        /// The store's rules.
        rules: R,
        /// The store's limits.
        limits: Limits,
    },
    /// A client.
    Client {
        /// The clerk's and the lock's rules.
        rules: R,
        /// The clerk's configuration.
        config: clerk::Config,
        /// What it does.
        program: Program,
    },
}

/// An actor's state.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Party<R> {
    /// The server.
    Server {
        /// The shared machine.
        store: Store<R>,
        /// See [`Event`]. Empty in every state that a checker sees.
        events: Vec<Event>,
    },
    /// A client.
    Client(Client<R>),
}

/// A client's state.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Client<R> {
    clerk: Clerk<R>,
    lock: Lock<R>,
    program: Program,
    /// How many steps of the program have begun.
    begun: usize,
    /// The version that the last Get or Put showed.
    seen: Version,
    /// How often it has looked at a lock that another held.
    looks: u8,
    /// See [`Event`]. Empty in every state that a checker sees.
    events: Vec<Event>,
}

/// The key of the lock.
pub fn lock_key() -> Bytes {
    Bytes::from("lock")
}

/// All requests are stamped with it: this model's clock stands still.
const NOW: Stamp = 0;

const SERVER: usize = 0;

impl<R: Rules> Client<R> {
    /// Whether nothing is under way.
    fn is_idle(&self) -> bool {
        !self.clerk.is_busy()
            && matches!(self.lock.state(), LockState::Idle | LockState::Held { .. })
    }

    /// Whether its program has come to its end.
    pub fn is_done(&self) -> bool {
        self.is_idle() && self.begun >= self.program.steps().len()
    }

    fn call(&mut self, key: Bytes, op: Op, out: &mut Out<Person<R>>) {
        self.clerk(clerk::Input::Call { key: key.clone(), op: op.clone() }, Some((key, op)), out);
    }

    fn clerk(
        &mut self,
        input: clerk::Input,
        called: Option<(Bytes, Op)>,
        out: &mut Out<Person<R>>,
    ) {
        let retried = input == clerk::Input::Retry;
        let passing = matches!(&input, clerk::Input::Answer { answer: Answer::Reply(reply), .. }
            if reply.is_passing());
        let sent_again = self.clerk.writes() && self.clerk.attempts() > 1;
        let may_be_maybe = sent_again && (passing || !self.clerk.is_recorded());
        let mut effects = Vec::new();
        self.clerk.step(input, &mut effects);
        if let Some((key, op)) = called {
            self.events.push(Event::Called { seq: self.clerk.seq(), key, op });
        }
        for effect in effects {
            match effect {
                clerk::Effect::Send { request, .. } => {
                    if retried {
                        self.events.push(Event::SentAgain);
                    }
                    out.send(Id::from(SERVER), Message::Request(request));
                }
                clerk::Effect::Done(outcome) => {
                    let seq = self.clerk.seq();
                    let told = outcome.clone();
                    self.events.push(Event::Returned { seq, outcome: told, may_be_maybe });
                    self.finished(outcome, out);
                }
                clerk::Effect::ArmRetry | clerk::Effect::DisarmRetry => {}
                clerk::Effect::Busy => panic!("a client makes one call at a time"),
            }
        }
    }

    fn finished(&mut self, outcome: Outcome, out: &mut Out<Person<R>>) {
        if !matches!(self.lock.state(), LockState::Idle | LockState::Held { .. }) {
            return self.lock(lock::Input::Outcome(outcome), out);
        }
        match outcome {
            Outcome::Reply(Reply::Value { version, .. } | Reply::Written { version }) => {
                self.seen = version;
            }
            Outcome::Reply(Reply::NoKey) => self.seen = 0,
            _ => {}
        }
    }

    fn lock(&mut self, input: lock::Input, out: &mut Out<Person<R>>) {
        let looked = self.lock.state() == LockState::Looking;
        let mut effects = Vec::new();
        self.lock.step(input, &mut effects);
        for effect in effects {
            match effect {
                lock::Effect::Call(op) => self.call(lock_key(), op, out),
                lock::Effect::Acquired { version } => {
                    self.events.push(Event::Acquired { version, looked });
                }
                lock::Effect::Released => self.events.push(Event::Released),
                // Its user would make a new client; here its program is over.
                lock::Effect::Failed(_) => self.begun = self.program.steps().len(),
                lock::Effect::ArmRetry => self.events.push(Event::Waits),
                lock::Effect::Ignored => panic!("a program acquires and releases in turn"),
            }
        }
    }

    fn next(&mut self, out: &mut Out<Person<R>>) {
        let step = self.program.steps()[self.begun];
        self.begun += 1;
        let seen = self.seen;
        let version = |expect: Expect| match expect {
            Expect::Version(version) => version,
            Expect::Seen => seen,
        };
        match step {
            Do::Get(key) => self.call(key.into(), Op::Get, out),
            Do::Set(key, value) => self.call(key.into(), Op::Set { value: value.into() }, out),
            Do::Append(key, value) => {
                self.call(key.into(), Op::Append { value: value.into() }, out);
            }
            Do::Put(key, value, expect) => {
                let op = Op::Put { value: value.into(), expected: version(expect) };
                self.call(key.into(), op, out);
            }
            Do::Delete(key, expect) => {
                self.call(key.into(), Op::Delete { expected: version(expect) }, out);
            }
            Do::Acquire => self.lock(lock::Input::Acquire, out),
            Do::Release => self.lock(lock::Input::Release, out),
        }
    }
}

impl<R: Rules> Party<R> {
    /// What was seen in the last step, taken out.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(match self {
            Self::Server { events, .. } => events,
            Self::Client(client) => &mut client.events,
        })
    }

    /// Whether there is something to take.
    pub fn has_events(&self) -> bool {
        match self {
            Self::Server { events, .. } => !events.is_empty(),
            Self::Client(client) => !client.events.is_empty(),
        }
    }

    /// The fencing version, of a client that has the lock.
    pub fn held(&self) -> Option<Version> {
        match self {
            Self::Server { .. } => None,
            Self::Client(client) => client.lock.held(),
        }
    }

    /// The store, of the server.
    pub const fn store(&self) -> Option<&Store<R>> {
        match self {
            Self::Server { store, .. } => Some(store),
            Self::Client(_) => None,
        }
    }

    /// Whether a program runs here that has not come to its end.
    pub fn is_under_way(&self) -> bool {
        matches!(self, Self::Client(client) if !client.is_done())
    }

    /// RED-ANSWER. Whether this message would change nothing here, now and for ever: an answer to a call that is over.
    /// A client's numbers only rise, and an answer to an earlier one is ignored.
    pub fn ignores(&self, message: &Message) -> bool {
        match (self, message) {
            (Self::Client(client), Message::Answer { seq, .. }) => {
                *seq < client.clerk.seq() || !client.clerk.is_busy()
            }
            _ => false,
        }
    }

    /// What may happen here besides messages, within the bounds.
    pub fn stimulus(&self, bounds: &Bounds) -> Option<Stimulus> {
        let Self::Client(client) = self else { return None };
        if client.clerk.is_busy() {
            (client.clerk.attempts() < bounds.attempts).then_some(Stimulus::Retry)
        } else if client.lock.state() == LockState::Waiting {
            (client.looks < bounds.looks).then_some(Stimulus::Look)
        } else {
            (!client.is_done()).then_some(Stimulus::Next)
        }
    }
}

impl<R: Rules> Actor for Person<R> {
    type Msg = Message;
    type State = Party<R>;
    type Timer = Stimulus;
    type Storage = ();
    type Random = ();

    fn on_start(&self, _: Id, _: &Option<()>, _: &mut Out<Self>) -> Party<R> {
        match self {
            Self::Server { rules, limits } => {
                Party::Server { store: Store::new(*rules, *limits), events: Vec::new() }
            }
            Self::Client { rules, config, program } => Party::Client(Client {
                clerk: Clerk::new(*rules, *config),
                lock: Lock::new(*rules, config.client),
                program: *program,
                begun: 0,
                seen: 0,
                looks: 0,
                events: Vec::new(),
            }),
        }
    }

    fn on_msg(
        &self,
        _: Id,
        state: &mut Cow<'_, Party<R>>,
        from: Id,
        message: Message,
        out: &mut Out<Self>,
    ) {
        match (state.to_mut(), message) {
            (Party::Server { store, events }, Message::Request(request)) => {
                let Request { seq, attempt, command } = request;
                let key = command.key.clone();
                let there = |store: &Store<R>| {
                    store.get(&key).map(|(value, version)| (value.clone(), version))
                };
                let before = there(store);
                let reply = store.apply(NOW, &command);
                let after = there(store);
                if before != after {
                    let client = usize::from(from);
                    let key = command.key;
                    let after = after.map(|(_, version)| version);
                    events.push(Event::Executed { client, seq, key, version: after });
                } else if command.op.writes() {
                    events.push(Event::Unchanged { reply: reply.clone() });
                }
                out.send(from, Message::Answer { seq, attempt, answer: Answer::Reply(reply) });
            }
            (Party::Client(client), Message::Answer { seq, attempt, answer }) => {
                client.clerk(clerk::Input::Answer { seq, attempt, answer }, None, out);
            }
            _ => panic!("clients ask and the server answers"),
        }
    }

    fn on_timeout(
        &self,
        _: Id,
        state: &mut Cow<'_, Party<R>>,
        stimulus: &Stimulus,
        out: &mut Out<Self>,
    ) {
        let Party::Client(client) = state.to_mut() else { return };
        match stimulus {
            Stimulus::Next => client.next(out),
            Stimulus::Retry => client.clerk(clerk::Input::Retry, None, out),
            Stimulus::Look => {
                client.looks = client.looks.saturating_add(1);
                client.lock(lock::Input::Retry, out);
            }
        }
    }
}

impl<R: Rules> Person<R> {
    /// The client's id; of the server, the least.
    pub fn client(&self) -> ClientId {
        match self {
            Self::Server { .. } => ClientId::default(),
            Self::Client { config, .. } => config.client,
        }
    }

    /// The only server's number.
    pub const fn server() -> NodeId {
        NodeId(SERVER as u8)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(request) => write!(f, "{request:?}"),
            Self::Answer { seq, attempt, answer } => write!(f, "#{seq}.{attempt}: {answer:?}"),
        }
    }
}

impl fmt::Debug for Stimulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Next => "goes on",
            Self::Retry => "sends again",
            Self::Look => "looks again",
        })
    }
}

impl<R: Rules> fmt::Debug for Party<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { store, .. } => write!(f, "server {store:?}"),
            Self::Client(client) => {
                let of = client.program.steps().len();
                write!(f, "{:?} · step {} of {of}", client.clerk, client.begun)?;
                match client.lock.state() {
                    LockState::Idle => Ok(()),
                    state => write!(f, " · lock {state:?}"),
                }
            }
        }
    }
}
