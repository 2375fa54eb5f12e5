//! Who takes part: the server with its store, and clients that run a program through clerk and lock.

use super::Bounds;
use super::client::Client;
use super::direct::{Ask, Told};
use super::event::Event;
use super::programs::Program;
use super::server::Server;
use super::user::{User, Watch};
use protocol::NodeId;
use protocol::kv::clerk::{self, Answer, Request};
use protocol::kv::lock::{self, State as LockState};
use protocol::kv::{Bytes, ClientId, Limits, Rules, Seq, Stamp, Store, Version};
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
    /// From a client, past its clerk.
    Ask {
        /// The client's number for it.
        seq: Seq,
        /// Which sending of it.
        attempt: u32,
        /// What is asked.
        ask: Ask,
    },
    /// From the server.
    Told {
        /// To which call past the clerk.
        seq: Seq,
        /// What is told.
        told: Told,
    },
}

/// What may happen besides a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stimulus {
    /// Its program goes on.
    Next,
    /// The clerk's timer fires: the answer is late.
    Retry,
    /// The lock's timer fires: it looks again.
    Look,
    /// A user of a lock with a time to live waits no longer for the answer to a write.
    GiveUp,
    /// Its time is over, by its own clock.
    End,
    /// It dies.
    Die,
    /// At the server: the leader, or another one, takes it to be this late.
    Estimate(Stamp),
    /// At the server: the leader proposes a tick.
    Tick,
    /// The server begins anew from a snapshot of all that it has applied.
    Restart,
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
        /// Whether there is a mirror.
        mirrored: bool,
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
    /// A user of a lock with a time to live.
    User {
        /// The clerk's and the lock's rules.
        rules: R,
        /// The clerk's configuration.
        config: clerk::Config,
        /// What it does.
        program: Program,
        /// How its timers go.
        watch: Watch,
    },
}

/// An actor's state.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Party<R> {
    /// The server.
    Server(Box<Server<R>>),
    /// A client.
    Client(Box<Client<R>>),
    /// A user of a lock with a time to live.
    User(Box<User<R>>),
}

/// The key of the lock.
pub fn lock_key() -> Bytes {
    Bytes::from("lock")
}

/// The only server's number.
pub(super) const SERVER: usize = 0;

impl<R: Rules> Party<R> {
    /// What was seen in the last step, taken out.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(match self {
            Self::Server(server) => &mut server.events,
            Self::Client(client) => &mut client.events,
            Self::User(user) => &mut user.events,
        })
    }

    /// Whether there is something to take.
    pub fn has_events(&self) -> bool {
        match self {
            Self::Server(server) => !server.events.is_empty(),
            Self::Client(client) => !client.events.is_empty(),
            Self::User(user) => !user.events.is_empty(),
        }
    }

    /// The fencing version, of a client that has a lock without a deadline.
    pub fn held(&self) -> Option<Version> {
        match self {
            Self::Server(_) | Self::User(_) => None,
            Self::Client(client) => client.lock.held(),
        }
    }

    /// What the leader's clock and the machine below it may do, within the bounds. Where users have timers, time goes
    /// on step by step, and a leader's clock does not jump ahead of it.
    pub fn server_stimuli(&self, bounds: &Bounds, restarts: u8, held_up: bool) -> Vec<Stimulus> {
        let Self::Server(server) = self else { return Vec::new() };
        let most = match (bounds.ttl_ms, held_up) {
            (0, _) => bounds.latest,
            (_, true) => server.estimate,
            (_, false) => bounds.latest.min(server.estimate + 1),
        };
        let least = if bounds.steady { server.estimate } else { 0 };
        let others = (least..=most).filter(|stamp| *stamp != server.estimate);
        let mut stimuli: Vec<_> = others.map(Stimulus::Estimate).collect();
        if bounds.latest > 0 {
            stimuli.push(Stimulus::Tick);
        }
        if restarts < bounds.restarts {
            stimuli.push(Stimulus::Restart);
        }
        stimuli
    }

    /// What the leader takes the time to be.
    pub const fn estimate(&self) -> Option<Stamp> {
        match self {
            Self::Server(server) => Some(server.estimate),
            Self::Client(_) | Self::User(_) => None,
        }
    }

    /// The store, of the server.
    pub const fn store(&self) -> Option<&Store<R>> {
        match self {
            Self::Server(server) => Some(&server.store),
            Self::Client(_) | Self::User(_) => None,
        }
    }

    /// The user of a lock with a time to live.
    pub const fn user(&self) -> Option<&User<R>> {
        match self {
            Self::User(user) => Some(user),
            Self::Server(_) | Self::Client(_) => None,
        }
    }

    /// Time goes on by a step, where there is a timer.
    pub fn grow_older(&mut self) {
        if let Self::User(user) = self {
            user.grow_older();
        }
    }

    /// Whether a program runs here that has not come to its end.
    pub fn is_under_way(&self) -> bool {
        match self {
            Self::Server(_) => false,
            Self::Client(client) => !client.is_done(),
            Self::User(user) => !user.is_done(),
        }
    }

    /// RED-ANSWER. Whether this message would change nothing here, now and for ever: an answer to a call that is over.
    /// A client's numbers only rise, and an answer to an earlier one is ignored.
    pub fn ignores(&self, message: &Message) -> bool {
        match (self, message) {
            (Self::Client(client), Message::Answer { seq, .. }) => {
                *seq < client.clerk.seq() || !client.clerk.is_busy()
            }
            (Self::Client(client), Message::Told { seq, .. }) => client.direct.ignores(*seq),
            (Self::User(user), Message::Answer { seq, .. }) => user.ignores(*seq),
            (Self::User(user), Message::Told { seq, .. }) => user.direct.ignores(*seq),
            _ => false,
        }
    }

    /// What may happen here besides messages, within the bounds.
    pub fn stimulus(&self, bounds: &Bounds) -> Option<Stimulus> {
        let client = match self {
            Self::Server(_) => return None,
            Self::User(user) => return user.stimulus(bounds),
            Self::Client(client) => client,
        };
        if client.clerk.is_busy() {
            (client.clerk.attempts() < bounds.attempts).then_some(Stimulus::Retry)
        } else if client.direct.is_busy() {
            let attempts = client.direct.attempts()?;
            (attempts < bounds.attempts).then_some(Stimulus::Retry)
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
            Self::Server { rules, limits, mirrored } => {
                Party::Server(Box::new(Server::new(*rules, *limits, *mirrored)))
            }
            Self::Client { rules, config, program } => {
                Party::Client(Box::new(Client::new(*rules, *config, *program)))
            }
            Self::User { rules, config, program, watch } => {
                Party::User(Box::new(User::new(*rules, *config, *program, *watch)))
            }
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
            (Party::Server(server), Message::Request(request)) => {
                let (seq, attempt) = (request.seq, request.attempt);
                let answer = Answer::Reply(server.request(usize::from(from), request));
                out.send(from, Message::Answer { seq, attempt, answer });
            }
            (Party::Server(server), Message::Ask { seq, ask, .. }) => {
                let told = server.ask(usize::from(from), seq, ask);
                out.send(from, Message::Told { seq, told });
            }
            (Party::Client(client), Message::Told { seq, told }) => client.told(seq, told),
            (Party::Client(client), Message::Answer { seq, attempt, answer }) => {
                client.clerk(clerk::Input::Answer { seq, attempt, answer }, None, out);
            }
            (Party::User(user), Message::Told { seq, told }) => user.told(seq, told),
            (Party::User(user), Message::Answer { seq, attempt, answer }) => {
                user.answer(seq, attempt, answer, out);
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
        if *stimulus == Stimulus::Tick {
            // One that changes nothing is no step.
            let mut party = state.clone().into_owned();
            if let Party::Server(server) = &mut party
                && server.tick()
            {
                *state = Cow::Owned(party);
            }
            return;
        }
        match (state.to_mut(), stimulus) {
            (Party::Server(server), Stimulus::Estimate(stamp)) => server.estimate = *stamp,
            (Party::Server(server), Stimulus::Restart) => server.restart(),
            (Party::Client(client), Stimulus::Next) => client.next(out),
            (Party::Client(client), Stimulus::Retry) if client.direct.is_busy() => {
                client.direct.send(out);
            }
            (Party::Client(client), Stimulus::Retry) => {
                client.clerk(clerk::Input::Retry, None, out);
            }
            (Party::Client(client), Stimulus::Look) => {
                client.looks = client.looks.saturating_add(1);
                client.lock(lock::Input::Retry, out);
            }
            (Party::User(user), Stimulus::Next) => user.next(out),
            (Party::User(user), Stimulus::Retry) => user.send_again(out),
            (Party::User(user), Stimulus::Look) => user.look(out),
            (Party::User(user), Stimulus::GiveUp) => user.give_up(out),
            (Party::User(user), Stimulus::End) => user.end(out),
            (Party::User(user), Stimulus::Die) => user.die(),
            _ => panic!("the clock is the server's, and programs are the clients'"),
        }
    }
}

impl<R: Rules> Person<R> {
    /// The client's id; of the server, the least.
    pub fn client(&self) -> ClientId {
        match self {
            Self::Server { .. } => ClientId::default(),
            Self::Client { config, .. } | Self::User { config, .. } => config.client,
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
            Self::Ask { seq, attempt, ask } => write!(f, "#{seq}.{attempt} {ask:?}"),
            Self::Told { seq, told } => write!(f, "#{seq}: {told:?}"),
        }
    }
}

impl fmt::Debug for Stimulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Next => f.write_str("goes on"),
            Self::Retry => f.write_str("sends again"),
            Self::Look => f.write_str("looks again"),
            Self::GiveUp => f.write_str("gives the call up"),
            Self::End => f.write_str("has held the lock for as long as it may"),
            Self::Die => f.write_str("dies"),
            Self::Estimate(stamp) => write!(f, "takes it to be {stamp}"),
            Self::Tick => f.write_str("proposes a tick"),
            Self::Restart => f.write_str("begins anew from its snapshot"),
        }
    }
}

impl<R: Rules> fmt::Debug for Party<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(server) => {
                let (clock, store) = (server.store.clock(), &server.store);
                if clock > 0 || server.estimate > 0 {
                    write!(f, "server at {clock}, stamps {} {store:?}", server.estimate)
                } else {
                    write!(f, "server {store:?}")
                }
            }
            Self::Client(client) => {
                let of = client.program.steps().len();
                write!(f, "{:?} · step {} of {of}", client.clerk, client.begun)?;
                match client.lock.state() {
                    LockState::Idle => Ok(()),
                    state => write!(f, " · lock {state:?}"),
                }
            }
            Self::User(user) if user.has_died() => f.write_str("dead"),
            Self::User(user) => {
                let of = user.program.steps().len();
                write!(f, "{:?} · step {} of {of} · lock {:?}", user.clerk, user.begun, user.lease)
            }
        }
    }
}
