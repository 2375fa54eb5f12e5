//! What a scenario stands on: some servers, a network that can be made worse, and time.
//!
//! Everything that takes time goes through here, so a scenario is ordinary code that blocks: in virtual time a sleep
//! carries out what happens meanwhile, on threads it is a sleep. Whoever waits for something sleeps a little and looks
//! again, as the labs' own testers do.

use super::harsh::Harsh;
use protocol::kv::clerk::Request;
use protocol::kv::{ClientId, Reply, Seq};
use protocol::shardctl::{self, Asked};
use protocol::shardkv::Refusal;
use std::sync::Arc;
use std::time::Duration;

/// A command's number among all commands, from 1 on: the labs' index.
///
/// The labs' first command has index 1 and later ones follow without a gap, which a no-op at each election would
/// break. A bed counts commands and not entries: an entry's index less the number of no-ops up to it.
pub type Number = u64;

/// What is replicated. No `;` in it.
pub type Command = Arc<str>;

/// Role and term of a server, as it sees them itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// Its term.
    pub term: u64,
    /// Whether it believes that it leads.
    pub leads: bool,
}

/// What a server says to a command (the labs' Start).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Proposed {
    /// Where the command will stand if it is ever committed; means nothing unless the server leads.
    pub number: Number,
    /// The server's term.
    pub term: u64,
    /// Whether it took the command.
    pub leads: bool,
}

/// What comes out of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// It has started with the snapshot that its disk has, or with nothing: every command that is in it.
    Started(Vec<Command>),
    /// The state was replaced by another server's snapshot: every command that is in it.
    Snapshot(Vec<Command>),
    /// The next command.
    Command {
        /// Its number.
        number: Number,
        /// The command.
        command: Command,
    },
}

/// Names a request that was sent to a server from outside.
pub type Ticket = usize;

/// What became of a request that was sent to a server from outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answered {
    /// It was executed.
    Reply(Reply),
    /// It was not executed and never will be (the labs' ErrWrongLeader); perhaps this server leads.
    NotExecuted(Option<usize>),
    /// It was not executed: the server's group does not serve the slot (the labs' ErrWrongGroup).
    Refused(Refusal),
    /// What the controller says.
    Control(shardctl::Reply),
    /// The server does not know what became of it.
    Unknown,
    /// There is no answer, and nobody knows whether the request has arrived (the labs' Call returned false).
    Failed,
}

/// What a group of the sharded store has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holding {
    /// Keys that are served.
    pub keys: u64,
    /// About how many bytes of memory they take, and what is on its way too.
    pub bytes: u64,
}

/// Some servers, their network and their time. Servers have numbers from 0 on.
pub trait Bed {
    /// How many servers there are.
    fn servers(&self) -> usize;

    /// Whether time is real, so that a busy machine is seen in it.
    fn is_real(&self) -> bool {
        false
    }

    /// The time since the beginning.
    fn now(&self) -> Duration;

    /// Lets time pass.
    fn sleep(&mut self, time: Duration);

    /// Opens or cuts the way from one server to another.
    fn link(&mut self, from: usize, to: usize, open: bool);

    /// Whether requests and replies always arrive, and at once. See LABS' network in [`super::wire`].
    fn set_reliable(&mut self, reliable: bool);

    /// Whether most replies are held for long.
    fn set_long_reordering(&mut self, reordering: bool);

    /// From now on the network is harsh, or no longer. Whether this bed can do that.
    fn set_harsh(&mut self, _: Option<Harsh>) -> bool {
        false
    }

    /// Kills a server that runs. What its disk has stays.
    fn crash(&mut self, server: usize);

    /// Starts a server that does not run, from what its disk has.
    fn start(&mut self, server: usize);

    /// Role and term of a server; None: it does not run.
    fn state(&self, server: usize) -> Option<State>;

    /// Gives a command to a server, which takes it if it leads, and returns at once.
    fn propose(&mut self, server: usize, command: Command) -> Proposed;

    /// Takes what has come out of servers since it was last asked, in order.
    fn take_deliveries(&mut self) -> Vec<(usize, Delivery)>;

    /// How many requests have arrived at a server, in all its lives.
    fn requests_to(&self, server: usize) -> u64;

    /// How many requests were sent in all, those that went nowhere included.
    fn requests(&self) -> u64;

    /// How many commands were applied somewhere.
    fn commands(&self) -> u64;

    /// How often a server took another's snapshot over.
    fn snapshots(&self) -> u64;

    /// How many crashes have lost something that was under way to a disk.
    fn losses(&self) -> u64;

    /// How many bytes were sent: of requests when they leave, of replies when they arrive.
    fn bytes(&self) -> u64;

    /// How many messages and requests a harsh network has made from others.
    fn copies(&self) -> u64;

    /// Somebody outside who calls servers.
    fn new_client(&mut self) -> ClientId;

    /// Sends a request to a server from outside, on the same network. Requests with the same `call` are copies of one.
    fn send(&mut self, server: usize, call: u64, request: Request) -> Ticket;

    /// Asks a server of the controller. Those with the same `call` are copies of one: this one is the sending
    /// `attempt` of the client's call `seq`.
    fn ask(&mut self, _server: usize, _call: u64, _copy: (Seq, u32), _asked: Asked) -> Ticket {
        unreachable!("there is no controller here")
    }

    /// What the group of a server has by what the server itself has applied; None: it has no part in the sharded store,
    /// or does not run.
    fn holding(&self, _server: usize) -> Option<Holding> {
        None
    }

    /// How a server of the sharded store stands, for people who look for what is wrong.
    fn describe(&self, _server: usize) -> String {
        String::new()
    }

    /// What became of a request, once that is known. It is told once.
    fn answer(&mut self, ticket: Ticket) -> Option<Answered>;

    /// The number that the service of a server has at a key, by itself and without asking others.
    fn number_at(&self, server: usize, key: &str) -> Option<i64>;

    /// How long the log is that a server's disk has, in bytes, without its snapshot.
    fn log_bytes(&self, server: usize) -> u64;

    /// How long the snapshot is that a server's disk has, in bytes.
    fn snapshot_bytes(&self, server: usize) -> u64;

    /// What a server alone has asked for in memory and not given back, in bytes. None: nobody counts here.
    fn heap_bytes(&self) -> Option<u64> {
        None
    }

    /// What this bed itself has seen that must not be, if anything.
    fn broken(&self) -> Option<String>;

    /// What must not be at the end of a scenario, and only this bed can see: `logs` are the commands that have come
    /// out of each server.
    fn broken_at_end(&mut self, logs: &[Vec<Command>]) -> Option<String>;
}
