//! The bed in virtual time: the simulator's servers, disks and clocks, the labs' network, and no mischief but what a
//! scenario does.
//!
//! The servers are whole: Raft, the replicated store, its snapshots. A scenario's command is appended to one key, so
//! the store's value is the log, whole, and a snapshot holds all that was applied, as that of the labs' tester does.
//! The simulator's judge watches too: one leader a term, one history, equal states.

use super::bed::{Answered, Bed, Command, Delivery, Proposed, State, Ticket};
use super::catalog::{Scenario, Service as Serves};
use super::harsh::Harsh;
use super::requests::{NOBODY, Requests};
use super::wire::{End, Shared, Wire};
use crate::sim::clock::BEGINNING_MS;
use crate::sim::env::{Delivered, Env};
use crate::sim::event::{Event, Sending};
use crate::sim::faults::Corner;
use crate::sim::group;
use crate::sim::judge::BOUNDED_WORK;
use crate::sim::kinds::{Ask, Kind};
use crate::sim::kit::Kit;
use crate::sim::plan::Habits;
use crate::sim::random::Random;
use crate::sim::server::Server;
use crate::sim::service::Service;
use protocol::NodeId;
use protocol::kv::clerk::Request;
use protocol::kv::{Bytes, ClientId, Command as KvCommand, Limits, Op};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// The key that holds all commands.
const KEY: &str = "log";
/// Between two commands.
const END: char = ';';
/// There are never more events than these, and these in a millisecond: a tenth is much.
pub(super) const EVENTS: u64 = 500_000;
pub(super) const EVENTS_A_MS: u64 = 200;

/// The bed in virtual time.
pub struct Simulated<T: Kit> {
    kit: T,
    env: Env,
    servers: Vec<Server<T>>,
    wire: Shared,
    /// By the number of the sending, from the first on.
    commands: Vec<Command>,
    first_copy: u64,
    requests: Requests,
}

/// What of a bed is not said by its scenario: the product's bounds, and a disk that takes some milliseconds for a sync,
/// as those do on which people run servers.
pub(super) fn habits(scenario: &Scenario) -> Habits {
    let (snapshot_every, snapshot_bytes) = match scenario.serves {
        Serves::Log { snapshot_every } => (snapshot_every, None),
        Serves::Store { snapshot_bytes } => (0, snapshot_bytes),
        Serves::Single | Serves::Sharded(_) | Serves::Workers => (0, None),
    };
    Habits {
        nodes: scenario.servers,
        clients: 0,
        snapshot_bytes: snapshot_bytes.unwrap_or(u64::MAX / 4),
        snapshot_every,
        file_us: 5_000,
        max_batch: 1024,
        window: 8192,
        max_waiting: 1 << 16,
        limits: Limits { value_bytes: usize::MAX, ..Limits::DEFAULT },
        think_us: 1_000,
        calm_us: 1_000,
        sync_us: 10_000,
        nervous: 0,
        down_us: 1_000,
        keys: 1,
        one_slot: true,
        hasty: 0,
    }
}

fn name(server: usize) -> NodeId {
    NodeId(u8::try_from(server).expect("there are few servers"))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl<T: Kit> Simulated<T> {
    /// What a scenario begins with: its servers, just started.
    pub fn new(kit: T, scenario: &Scenario, seed: u64) -> Self {
        let mut env = Env::with(habits(scenario), Random::new(seed), false);
        let wire = Rc::new(RefCell::new(Wire::new(usize::from(scenario.servers))));
        wire.borrow_mut().reliable = scenario.reliable;
        env.net.carrier = Some(Box::new(End::new(&wire)));
        env.delivered = matches!(scenario.serves, Serves::Log { .. }).then(Vec::new);
        let servers = env.net.all().map(|node| Server::new(kit, node, Kind::Store)).collect();
        let (commands, requests) = (Vec::new(), Requests::default());
        let mut bed = Self { kit, env, servers, wire, commands, first_copy: 0, requests };
        for server in 0..bed.servers.len() {
            bed.start(server);
        }
        bed
    }

    fn run_until(&mut self, until: u64) {
        while self.env.judge.violation().is_none()
            && self.env.agenda.when().is_some_and(|at| at <= until)
        {
            let Some((at, event)) = self.env.agenda.pop() else { break };
            self.env.event(at, event.kind());
            let other = group::take(&mut self.servers, &mut self.env, event);
            if let Some(Event::Reply { client, answer, .. }) = other {
                self.requests.answer(client, answer, &self.wire, &mut self.env);
            }
            if self.env.events > EVENTS + self.env.now / 1000 * EVENTS_A_MS {
                let text = format!("{} events in {} ms", self.env.events, self.env.now / 1000);
                self.env.violate(BOUNDED_WORK, text);
            }
        }
        self.env.now = self.env.now.max(until);
    }

    /// The commands that a snapshot holds.
    fn log_of(&self, file: &[u8]) -> Vec<Command> {
        let limits = self.env.habits.limits;
        let seen = Rc::default();
        let service = Service::decode(self.kit, Kind::Store, limits, seen, file);
        self.log_in(&service.expect("a service reads what it has written"))
    }

    fn log_in(&self, service: &Service<T>) -> Vec<Command> {
        let value = service.store().and_then(|store| store.get(&Bytes::from(KEY)));
        let text = value.map_or("", |(value, _)| {
            std::str::from_utf8(value.as_ref()).expect("commands are text")
        });
        text.split_terminator(END).map(Command::from).collect()
    }

    fn delivery(&self, delivered: Delivered) -> Delivery {
        match delivered {
            Delivered::Started(file) => Delivery::Started(self.log_of(&file)),
            Delivered::Restored(file) => Delivery::Snapshot(self.log_of(&file)),
            Delivered::Applied { count: number, copy } => {
                let command = self.commands[(copy - self.first_copy) as usize].clone();
                Delivery::Command { number, command }
            }
        }
    }
}

impl<T: Kit> Bed for Simulated<T> {
    fn servers(&self) -> usize {
        self.servers.len()
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.env.now)
    }

    fn sleep(&mut self, time: Duration) {
        self.run_until(self.env.now + micros(time));
    }

    fn link(&mut self, from: usize, to: usize, open: bool) {
        self.wire.borrow_mut().link(name(from), name(to), open);
        self.env.net.cut(name(from), name(to), !open);
    }

    fn set_reliable(&mut self, reliable: bool) {
        self.wire.borrow_mut().reliable = reliable;
    }

    fn set_long_reordering(&mut self, reordering: bool) {
        self.wire.borrow_mut().reordering = reordering;
    }

    fn set_harsh(&mut self, harsh: Option<Harsh>) -> bool {
        self.wire.borrow_mut().harsh = harsh;
        true
    }

    fn crash(&mut self, server: usize) {
        self.servers[server].kill(&mut self.env);
    }

    fn start(&mut self, server: usize) {
        self.servers[server].start(&mut self.env);
    }

    fn state(&self, server: usize) -> Option<State> {
        let life = self.servers[server].life.as_ref()?;
        let raft = life.rsm.replica().raft();
        Some(State { term: raft.term(), leads: raft.leads() })
    }

    fn propose(&mut self, server: usize, command: Command) -> Proposed {
        let Some(State { term, leads }) = self.state(server) else {
            return Proposed { number: 0, term: 0, leads: false };
        };
        if !leads || self.broken().is_some() {
            return Proposed { number: 0, term, leads: false };
        }
        let copy = self.env.copy();
        if self.commands.is_empty() {
            self.first_copy = copy;
        }
        let call = self.env.judge.begins();
        self.env.judge.sends(copy, call);
        let op = Op::Append { value: Bytes::from(format!("{command}{END}").as_str()) };
        self.commands.push(command);
        let command = KvCommand { key: Bytes::from(KEY), op, once: None };
        let ask = Ask::Store(Request { seq: copy, attempt: 1, command });
        let sending = Sending { client: NOBODY, copy, ask, passes: false };
        self.servers[server].propose(sending, &mut self.env);
        let Some(life) = &self.servers[server].life else {
            return Proposed { number: 0, term, leads: false };
        };
        let terms = life.rsm.replica().raft().terms();
        let last = terms.last();
        let leads = life.rsm.replica().raft().leads();
        Proposed { number: last.index - terms.runs_through(last.index), term: last.term, leads }
    }

    fn take_deliveries(&mut self) -> Vec<(usize, Delivery)> {
        let delivered = self.env.delivered.as_mut().map(std::mem::take).unwrap_or_default();
        let named = |(node, what): (NodeId, _)| (usize::from(node.0), self.delivery(what));
        delivered.into_iter().map(named).collect()
    }

    fn requests_to(&self, server: usize) -> u64 {
        self.wire.borrow().arrived[server]
    }

    fn requests(&self) -> u64 {
        self.wire.borrow().requests
    }

    fn commands(&self) -> u64 {
        self.env.judge.commands() as u64
    }

    fn snapshots(&self) -> u64 {
        self.env.corners.of(Corner::SnapshotInstalled)
    }

    fn losses(&self) -> u64 {
        self.env.corners.of(Corner::Forgotten)
    }

    fn bytes(&self) -> u64 {
        self.wire.borrow().bytes
    }

    fn copies(&self) -> u64 {
        self.wire.borrow().copies
    }

    fn new_client(&mut self) -> ClientId {
        ClientId::new(BEGINNING_MS + self.env.now / 1000, self.env.tag().into())
    }

    fn send(&mut self, server: usize, call: u64, request: Request) -> Ticket {
        self.requests.send(name(server), call, request, &self.wire, &mut self.env)
    }

    fn answer(&mut self, ticket: Ticket) -> Option<Answered> {
        self.requests.take(ticket, &self.env)
    }

    fn number_at(&self, server: usize, key: &str) -> Option<i64> {
        let life = self.servers[server].life.as_ref()?;
        let value = life.rsm.service().store()?.get(&Bytes::from(key));
        value.map_or(Some(0), |(value, _)| std::str::from_utf8(value.as_ref()).ok()?.parse().ok())
    }

    fn log_bytes(&self, server: usize) -> u64 {
        self.servers[server].disk.log_bytes()
    }

    fn snapshot_bytes(&self, server: usize) -> u64 {
        self.servers[server].disk.snapshot_bytes()
    }

    fn broken(&self) -> Option<String> {
        let violation = self.env.judge.violation()?;
        Some(format!("{} does not hold: {}", violation.property, violation.text))
    }

    fn broken_at_end(&mut self, logs: &[Vec<Command>]) -> Option<String> {
        self.env.delivered.as_ref()?;
        for (server, log) in self.servers.iter().zip(logs) {
            let Some(life) = &server.life else { continue };
            if self.log_in(life.rsm.service()) != *log {
                return Some(format!("the store of {:?} is not what it has applied", server.me));
            }
        }
        None
    }
}
