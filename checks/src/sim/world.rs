//! The whole: servers, clients and what surrounds them, from the first event to the verdict.
//!
//! First everything goes wrong that may. Then nothing does any more, and within a bounded time the group must be one
//! again: one leader, equal logs, equal states, nothing due left, everybody told. Then every key is read once more, by
//! two clients, and the clients' history is judged.

use super::claims;
use super::client::Client;
use super::env::Env;
use super::event::Event;
use super::faults::{Fault, Faults};
use super::group;
use super::judge::{BOUNDED_WORK, CLAIMS, CONVERGENCE};
use super::kinds::Kind;
use super::kit::Kit;
use super::ops;
use super::plan::Plan;
use super::report::Report;
use super::server::Server;
use protocol::NodeId;
use protocol::kv::Bytes;
use protocol::rsm::StateMachine;

/// When nothing goes wrong any more, everything must be settled after so long, in microseconds.
const SETTLED_US: u64 = 40_000_000;
/// So often it is looked whether it is.
const LOOK_US: u64 = 100_000;

/// There are never more events than these, these in a millisecond, and these for each sending of a call: a tenth is
/// much of the first two. A sending takes forty of five servers, and fifty clients without faults send three in each
/// millisecond.
const EVENTS: u64 = 500_000;
const EVENTS_A_MS: u64 = 50;
const EVENTS_A_COPY: u64 = 200;

/// A simulation.
pub struct World<T: Kit> {
    /// What surrounds.
    pub env: Env,
    pub(super) servers: Vec<Server<T>>,
    pub(super) clients: Vec<Client<T::Kv>>,
    plan: Plan,
}

/// Simulates. With `tells` the last of what happened comes back as lines.
pub fn run<T: Kit>(kit: T, plan: &Plan, tells: bool) -> (Report, Vec<String>) {
    let mut world = World::new(kit, plan, tells);
    // A claim that does not hold outside of a step, such as that of a clerk.
    if let Err(text) = claims::caught(|| world.go()) {
        world.env.violate(CLAIMS, text);
    }
    let report = Report::of(plan, &world.env);
    (report, world.env.lines())
}

impl<T: Kit> World<T> {
    fn new(kit: T, plan: &Plan, tells: bool) -> Self {
        let mut env = Env::new(plan, tells);
        let server = |node| Server::new(kit, node, Kind::Store);
        let servers: Vec<Server<T>> = env.net.all().map(server).collect();
        for node in env.net.all() {
            env.soon(0, 5_000, Event::Start(node));
        }
        let clients = usize::from(env.habits.clients);
        let clients = (0..clients).map(|number| Client::new(kit.kv(), number, &mut env)).collect();
        env.soon(500_000, 1_500_000, Event::Mischief);
        if env.habits.hasty > 0 && env.faults.is_any() {
            env.change_weather();
        }
        Self { env, servers, clients, plan: *plan }
    }

    fn go(&mut self) {
        if !self.run_until(self.plan.ms * 1000) {
            return;
        }
        self.calm_down();
        if !self.settle() {
            return;
        }
        self.read_everything();
        if self.settle() {
            self.env.judged = Some(self.env.judge.linearizable(self.env.now));
        }
    }

    /// Whether no property is broken until then.
    fn run_until(&mut self, until: u64) -> bool {
        while self.env.judge.violation().is_none()
            && self.env.agenda.when().is_some_and(|at| at <= until)
        {
            if let Some((at, event)) = self.env.agenda.pop() {
                self.take(at, event);
            }
            let copies = EVENTS_A_COPY * self.env.copies();
            if self.env.events > EVENTS + self.env.now / 1000 * EVENTS_A_MS + copies {
                let text = format!("{} events in {} ms", self.env.events, self.env.now / 1000);
                self.env.violate(BOUNDED_WORK, text);
            }
        }
        self.env.now = self.env.now.max(until);
        self.env.judge.violation().is_none()
    }

    pub(super) fn server(&mut self, node: NodeId) -> (&mut Server<T>, &mut Env) {
        (&mut self.servers[usize::from(node.0)], &mut self.env)
    }

    fn take(&mut self, at: u64, event: Event) {
        self.env.event(at, event.kind());
        let Some(event) = group::take(&mut self.servers, &mut self.env, event) else { return };
        match event {
            Event::Reply { client, .. } | Event::Client { client, .. } => {
                self.client(client, event);
            }
            Event::Mischief => self.mischief(),
            Event::Heals { generation } => {
                if self.env.net.parts == generation {
                    self.env.tell(|| "-- the network is whole again".into());
                    self.env.net.heal();
                }
            }
            Event::Clears { generation } => {
                if self.env.net.weathers == generation {
                    self.env.tell(|| "-- messages arrive again".into());
                    self.env.net.weather = Default::default();
                }
            }
            other => unreachable!("{other:?} is the servers' business"),
        }
    }

    fn client(&mut self, number: usize, event: Event) {
        let (client, env) = (&mut self.clients[number], &mut self.env);
        if client.paused_until > env.now {
            return env.agenda.plan(client.paused_until, event);
        }
        match event {
            Event::Reply { copy, seq, attempt, answer, .. } => {
                client.answer(copy, (seq, attempt), answer, env);
            }
            Event::Client { generation, timer, .. } => client.timer(timer, generation, env),
            _ => {}
        }
    }

    /// From now on nothing goes wrong.
    fn calm_down(&mut self) {
        let env = &mut self.env;
        env.tell(|| "== nothing goes wrong any more".into());
        env.faults = Faults::NONE;
        env.net.heal();
        env.net.weather = Default::default();
        for server in &mut self.servers {
            (server.frozen_until, server.stalled_until, server.fuse) = (0, 0, None);
            server.disk.full = false;
            server.clock.drift(env.now, 0);
            env.soon(1_000, 100_000, Event::Start(server.me));
        }
        for client in &mut self.clients {
            client.finish(Vec::new(), env);
        }
    }

    /// Everything is read, and nothing written any more: from a leader that has just begun.
    fn read_everything(&mut self) {
        if let Some(node) = self.env.judge.leader() {
            let (server, env) = self.server(node);
            server.kill(env);
            server.start_again(env);
        }
        let keys: Vec<Bytes> = self.env.judge.keys().filter(ops::is_noted).collect();
        let count = self.clients.len();
        for (number, client) in self.clients.iter_mut().enumerate() {
            let mine =
                |(at, _): &(usize, &Bytes)| at % count == number || (at + 1) % count == number;
            let keys = keys.iter().enumerate().filter(mine).map(|(_, key)| key.clone());
            client.finish(keys.collect(), &mut self.env);
        }
    }

    /// Whether everything is settled in time.
    fn settle(&mut self) -> bool {
        let deadline = self.env.now + SETTLED_US;
        let mut unsettled = "nothing was looked at".into();
        while self.env.now < deadline {
            if !self.run_until(self.env.now + LOOK_US) {
                return false;
            }
            match self.unsettled() {
                None => return true,
                Some(text) => unsettled = text,
            }
        }
        self.env.violate(CONVERGENCE, unsettled);
        false
    }

    /// What is not as it must be at the end.
    fn unsettled(&self) -> Option<String> {
        let up: Vec<_> = self.servers.iter().filter(|server| !server.refused).collect();
        if let Some(down) = up.iter().find(|server| server.life.is_none()) {
            return Some(format!("{:?} is down", down.me));
        }
        let rsms: Vec<_> =
            up.iter().filter_map(|server| Some((server.me, &server.life.as_ref()?.rsm))).collect();
        let leaders: Vec<_> = rsms.iter().filter(|(_, rsm)| rsm.replica().raft().leads()).collect();
        let [(me, leader)] = leaders[..] else {
            return Some(format!("{} servers lead", leaders.len()));
        };
        let raft = leader.replica().raft();
        for (node, rsm) in &rsms {
            let other = rsm.replica().raft();
            let same = (other.term(), other.leader(), other.last(), other.commit(), rsm.applied())
                == (raft.term(), Some(*me), raft.last(), raft.last().index, raft.last().index);
            if !same || rsm.replica().pending_writes() > 0 {
                return Some(format!("{node:?} is {other:?}, its leader {me:?} is {raft:?}"));
            }
        }
        let clock = leader.time();
        let due = leader.service().deadline().filter(|due| *due <= clock);
        if let Some(due) = due {
            return Some(format!("what was due at {due} is still there at {clock}"));
        }
        if let Some(text) = self.clients.iter().find_map(Client::waits_for) {
            return Some(text);
        }
        if !self.clients.iter().all(Client::is_done) {
            return Some("a client has not read all it should".into());
        }
        let sums: Vec<u64> = rsms.iter().map(|(_, rsm)| rsm.service().sum()).collect();
        let equal = sums.iter().all(|sum| *sum == sums[0]);
        (!equal).then(|| format!("the states are not equal: {sums:x?}"))
    }

    /// A server crashes, now or in the middle of what it does next.
    pub(super) fn crash(&mut self, node: NodeId) {
        let (server, env) = self.server(node);
        if server.life.is_none() {
            return;
        }
        env.fault(Fault::Crash);
        if env.random.chance(600_000) {
            server.fuse = Some(env.random.skewed(1, 60) as u32 - 1);
        } else {
            server.kill(env);
            server.start_again(env);
        }
    }

    /// A bit changes on the disk of a server that is down. Only a minority is so damaged.
    pub(super) fn flip(&mut self, node: NodeId) {
        let damaged = self.servers.iter().filter(|server| server.disk.flipped).count();
        if 2 * (damaged + 1) >= self.servers.len() {
            return;
        }
        let (server, env) = self.server(node);
        if server.disk.flipped {
            return;
        }
        server.kill(env);
        if server.disk.flip(&mut env.random) {
            env.fault(Fault::Flip);
            env.tell(|| format!("{node:?}: a bit changes on its disk"));
        }
        env.soon(20_000, 1_000_000, Event::Start(node));
    }

    /// A disk fills up.
    pub(super) fn fill(&mut self, node: NodeId) {
        let (server, env) = self.server(node);
        if !server.disk.full {
            server.disk.full = true;
            env.fault(Fault::Full);
            env.soon(100_000, 4_000_000, Event::Empties(node));
        }
    }

    /// A client pauses.
    pub(super) fn pause(&mut self) {
        let count = self.clients.len() as u64;
        let number = self.env.random.below(count) as usize;
        let us = self.env.random.skewed(50_000, 5_000_000);
        self.env.fault(Fault::Pause);
        self.env.tell(|| format!("-- client {number} pauses for {} ms", us / 1000));
        self.clients[number].paused_until = self.env.now + us;
    }
}
