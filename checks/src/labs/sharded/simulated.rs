//! The bed of the sharded store in virtual time: a group of the simulator's servers for the controller, one for each
//! group of the store, and letters between them.
//!
//! Each group of servers is a simulation by itself, with its own agenda, its own chance and its own judge; whichever of
//! them has something to do next goes on. All are on one network of the labs', and on it are the letters too: a letter
//! counts as a request. It goes where its reader was last heard of, or else to all that may be it, as the product's
//! post does it (`impl/src/shardkv/post.rs`); but that knows only the groups of the latest configuration, and this one
//! where each group is, also one that has left and has yet to pass on what it gets.
//!
//! Servers have numbers from 0 on: first those of the controller, then those of each group.

use super::{SERVERS, Sharded};
use crate::labs::bed::{Answered, Bed, Command, Delivery, Holding, Proposed, State, Ticket};
use crate::labs::catalog::Scenario;
use crate::labs::harsh::Harsh;
use crate::labs::requests::{Fate, Fates, NOBODY, dead_end, is_executed_once};
use crate::labs::simulated::{EVENTS, EVENTS_A_MS, habits};
use crate::labs::wire::{End, Letter as Noted, Shared, Wire};
use crate::sim::clock::BEGINNING_MS;
use crate::sim::env::Env;
use crate::sim::event::{Event, Mail, Sending};
use crate::sim::faults::Corner;
use crate::sim::group;
use crate::sim::judge::BOUNDED_WORK;
use crate::sim::kinds::{Ask, Kind};
use crate::sim::kit::Kit;
use crate::sim::plan::Habits;
use crate::sim::random::{Random, sum};
use crate::sim::server::Server;
use protocol::NodeId;
use protocol::kv::clerk::Request;
use protocol::kv::{self, ClientId, Seq, SlotId};
use protocol::shardctl::Asked;
use protocol::shardkv::{Group, GroupId, Move, Rules};
use quorate::rsm::encode;
use quorate::shardkv::{Letter, To};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// For how long a group's leader is taken to be where it was when it was last heard of, in microseconds.
const REMEMBERED_US: u64 = 1_000_000;
/// What a letter has beside itself on its way, in bytes.
const FRAME_BYTES: u64 = 10;
/// At most one group serves a slot.
const ONE_GROUP: &str = "One Group Serves A Slot";

/// A group without its keys, for people.
struct Standing<'a, R, K>(&'a Group<R, K>);

impl<R: Rules, K: kv::Rules> fmt::Debug for Standing<'_, R, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = self.0;
        write!(f, "at {} finished {}", group.number(), group.finished())?;
        for (slot, Move { number, other, state }) in group.moves() {
            let way = match state {
                protocol::shardkv::State::Giving => "gives to",
                protocol::shardkv::State::Frozen(_) => "has stopped for",
                protocol::shardkv::State::Taking(_) => "takes from",
            };
            write!(f, ", {way} {other:?} {slot:?} by {number}")?;
        }
        Ok(())
    }
}

/// The servers of the controller, or of one group.
struct Set<T: Kit> {
    env: Env,
    servers: Vec<Server<T>>,
    /// The judge's number of each call.
    calls: BTreeMap<u64, usize>,
}

/// A letter on its way.
struct OnItsWay {
    from: usize,
    to: usize,
    letter: Rc<Letter>,
    bytes: u64,
}

/// The bed.
pub struct Simulated<T: Kit> {
    now: u64,
    sets: Vec<Set<T>>,
    slots: u16,
    random: Random,
    wire: Shared,
    /// By the time of their arrival and a number.
    letters: BTreeMap<(u64, u64), OnItsWay>,
    sent: u64,
    /// By server, where it has last heard of a group's leader, and when.
    heard: BTreeMap<(usize, GroupId), (usize, u64)>,
    /// Whose turn it is among the controller's servers.
    turn: usize,
    fates: Fates,
    clients: u64,
    broken: Option<String>,
    /// How many commands each group had applied when its slots were looked at last, if a server of it had all.
    looked: Vec<Option<u64>>,
}

fn name(server: usize) -> NodeId {
    NodeId(u8::try_from(server).expect("there are few servers"))
}

/// The name of a server within its set.
fn own_name(server: usize) -> NodeId {
    name(server % SERVERS)
}

impl<T: Kit> Set<T> {
    fn new(kit: T, kind: Kind, habits: Habits, first: usize, wire: &Shared, seed: u64) -> Self {
        let mut env = Env::with(habits, Random::new(seed), false);
        env.net.carrier = Some(Box::new(End::behind(wire, name(first).0)));
        let servers = env.net.all().map(|node| Server::new(kit, node, kind)).collect();
        Self { env, servers, calls: BTreeMap::new() }
    }

    /// It goes on to this time, before which it has nothing to do.
    fn at(&mut self, now: u64) -> &mut Self {
        self.env.now = self.env.now.max(now);
        self
    }

    /// A copy of a call is sent.
    fn sends(&mut self, call: u64) -> u64 {
        let copy = self.env.copy();
        let judge = &mut self.env.judge;
        let call = *self.calls.entry(call).or_insert_with(|| judge.begins());
        judge.sends(copy, call);
        copy
    }

    /// A server that has applied all that is known to be applied, if it is one of a group.
    fn foremost(&self) -> Option<&Server<T>> {
        let known = self.env.judge.commands() as u64;
        self.servers.iter().find(|server| {
            let life = server.life.as_ref();
            life.is_some_and(|life| life.rsm.service().history().0 == known)
        })
    }
}

impl<T: Kit> Simulated<T> {
    /// What a scenario begins with: its servers, just started.
    pub fn new(kit: T, scenario: &Scenario, sharded: Sharded, seed: u64) -> Self {
        let sets = usize::from(sharded.groups) + 1;
        let wire = Rc::new(RefCell::new(Wire::new(sets * SERVERS)));
        wire.borrow_mut().reliable = scenario.reliable;
        let never = u64::MAX / 4;
        let set = |place: usize| {
            let (kind, bytes) = match place {
                0 => (Kind::Controller(sharded.limits()), never),
                _ => (
                    Kind::Group(Sharded::gid(place - 1), sharded.settings()),
                    sharded.snapshot_bytes.unwrap_or(never),
                ),
            };
            let nodes = own_name(SERVERS - 1).0 + 1;
            let habits = Habits { nodes, snapshot_bytes: bytes, ..habits(scenario) };
            Set::new(kit, kind, habits, place * SERVERS, &wire, sum(&(seed, place)))
        };
        let mut bed = Self {
            now: 0,
            sets: (0..sets).map(set).collect(),
            slots: sharded.slots,
            random: Random::new(seed),
            wire: Rc::clone(&wire),
            letters: BTreeMap::new(),
            sent: 0,
            heard: BTreeMap::new(),
            turn: 0,
            fates: Fates::default(),
            clients: 0,
            broken: None,
            looked: Vec::new(),
        };
        (0..bed.servers()).for_each(|server| bed.start(server));
        bed
    }

    fn seat(&self, server: usize) -> &Server<T> {
        &self.sets[server / SERVERS].servers[server % SERVERS]
    }

    fn run_until(&mut self, until: u64) {
        while self.broken().is_none() {
            let next = self.sets.iter().enumerate();
            let next = next.filter_map(|(set, it)| Some((it.env.agenda.when()?, set))).min();
            let letter = self.letters.keys().next().map(|(at, _)| *at);
            let due = next.map(|(at, _)| at).into_iter().chain(letter).min();
            let Some(due) = due.filter(|due| *due <= until) else { break };
            self.now = due;
            match next {
                Some((at, set)) if letter.is_none_or(|letter| at <= letter) => self.take(set),
                _ => self.deliver(),
            }
        }
        self.now = self.now.max(until);
        self.look_at_slots();
    }

    /// What happens next in a set.
    fn take(&mut self, place: usize) {
        let Set { env, servers, .. } = &mut self.sets[place];
        let Some((at, event)) = env.agenda.pop() else { return };
        env.event(at, event.kind());
        let other = group::take(servers, env, event);
        if env.events > EVENTS + env.now / 1000 * EVENTS_A_MS {
            let text = format!("{} events in {} ms", env.events, env.now / 1000);
            env.violate(BOUNDED_WORK, text);
        }
        let written = std::mem::take(&mut env.letters);
        if let Some(Event::Reply { client, answer, .. }) = other
            && let Some(from) = self.fates.server(client)
        {
            let lost = self.wire.borrow_mut().loses_answer(from, self.now, &mut self.random);
            self.fates.answer(client, answer, lost);
        }
        for (from, letter) in written {
            self.post(place * SERVERS + usize::from(from.0), letter);
        }
    }

    /// A server sends a letter.
    fn post(&mut self, from: usize, letter: Letter) {
        let bytes = FRAME_BYTES + encode(&letter).expect("a letter is plain data").len() as u64;
        let letter = Rc::new(letter);
        for to in self.destinations(from, letter.to()) {
            let noted = Noted { from: name(from), to: name(to), is_request: true, bytes };
            let mut wire = self.wire.borrow_mut();
            let Some(us) = wire.carries(noted, self.now, &mut self.random) else { continue };
            let copy = wire.copy_after();
            drop(wire);
            for later in [Some(0), copy].into_iter().flatten() {
                self.sent += 1;
                let letter = Rc::clone(&letter);
                let on_its_way = OnItsWay { from, to, letter, bytes };
                self.letters.insert((self.now + us + later, self.sent), on_its_way);
            }
        }
    }

    /// To which servers a letter goes.
    fn destinations(&mut self, from: usize, to: To) -> Vec<usize> {
        match to {
            To::Node(_) => Vec::new(),
            To::Controller => {
                self.turn += 1;
                vec![self.turn % SERVERS]
            }
            To::Group(group) => {
                let heard = self.heard.get(&(from, group));
                let heard = heard.filter(|(_, at)| self.now < at + REMEMBERED_US);
                let of_group = || {
                    let set = Sharded::place(group);
                    let known = set.filter(|place| place + 1 < self.sets.len());
                    known.map_or(0..0, |place| (place + 1) * SERVERS..(place + 2) * SERVERS)
                };
                heard.map_or_else(|| of_group().collect(), |(server, _)| vec![*server])
            }
        }
    }

    /// A letter arrives.
    fn deliver(&mut self) {
        let Some((_, on_its_way)) = self.letters.pop_first() else { return };
        let OnItsWay { from, to, letter, bytes } = on_its_way;
        let noted = Noted { from: name(from), to: name(to), is_request: true, bytes };
        if !self.wire.borrow_mut().lets_in(noted) || self.seat(to).life.is_none() {
            return;
        }
        if let Some(group) = letter.from() {
            self.heard.insert((to, group), (from, self.now));
        }
        let set = self.sets[to / SERVERS].at(self.now);
        set.servers[to % SERVERS].post(Mail::Letter((*letter).clone()), &mut set.env);
    }

    /// At most one group serves a slot, by the foremost of its servers.
    fn look_at_slots(&mut self) {
        let known = |set: &Set<T>| set.foremost().map(|_| set.env.judge.commands() as u64);
        let known = self.sets.iter().map(known);
        if known.clone().eq(self.looked.iter().copied()) {
            return;
        }
        self.looked = known.collect();
        let groups: Vec<_> = self.sets.iter().filter_map(Set::foremost).collect();
        let groups = groups.iter().filter_map(|server| server.life.as_ref()?.rsm.service().group());
        let groups: Vec<_> = groups.collect();
        for slot in (0..self.slots).map(SlotId) {
            let mut serving = groups.iter().filter(|group| group.serves(slot).is_ok());
            if let (Some(one), Some(other)) = (serving.next(), serving.next()) {
                let (one, other) = (one.gid(), other.gid());
                let text = format!("{ONE_GROUP} does not hold: {one:?} and {other:?} {slot:?}");
                self.broken.get_or_insert(text);
            }
        }
    }

    /// Sends something to a server from outside.
    fn call(&mut self, server: usize, call: u64, ask: Ask) -> Ticket {
        let now = Duration::from_micros(self.now);
        let ticket = self.fates.next();
        let us = self.wire.borrow_mut().takes_outside(name(server), self.now, &mut self.random);
        let set = self.sets[server / SERVERS].at(self.now);
        let Some(us) = us else { return self.fates.begin(Fate::Fails(now)) };
        let to = own_name(server);
        let copied = match &ask {
            Ask::Store(request) => is_executed_once(request),
            // A change is executed once, by the number on which it is based.
            Ask::Control { .. } => true,
        };
        if copied && let Some(later) = self.wire.borrow_mut().copy_after() {
            let copy = set.sends(call);
            let sending = Sending { client: NOBODY, copy, ask: ask.clone(), passes: false };
            set.env.after(us + later, Event::Arrives(to, Mail::Request(sending)));
        }
        if !set.env.runs(to) {
            return self.fates.begin(dead_end(now, &mut self.random));
        }
        let copy = set.sends(call);
        let sending = Sending { client: ticket, copy, ask, passes: false };
        set.env.after(us, Event::Arrives(to, Mail::Request(sending)));
        self.fates.begin(Fate::Open(name(server), set.env.boot(to).into()))
    }

    fn corners(&self, corner: Corner) -> u64 {
        self.sets.iter().map(|set| set.env.corners.of(corner)).sum()
    }
}

impl<T: Kit> Bed for Simulated<T> {
    fn servers(&self) -> usize {
        self.sets.len() * SERVERS
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.now)
    }

    fn sleep(&mut self, time: Duration) {
        self.run_until(self.now + u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    fn link(&mut self, from: usize, to: usize, open: bool) {
        self.wire.borrow_mut().link(name(from), name(to), open);
        if from / SERVERS == to / SERVERS {
            self.sets[from / SERVERS].env.net.cut(own_name(from), own_name(to), !open);
        }
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
        let set = self.sets[server / SERVERS].at(self.now);
        set.servers[server % SERVERS].kill(&mut set.env);
    }

    fn start(&mut self, server: usize) {
        let set = self.sets[server / SERVERS].at(self.now);
        set.servers[server % SERVERS].start(&mut set.env);
    }

    fn state(&self, server: usize) -> Option<State> {
        let raft = self.seat(server).life.as_ref()?.rsm.replica().raft();
        Some(State { term: raft.term(), leads: raft.leads() })
    }

    fn propose(&mut self, _: usize, _: Command) -> Proposed {
        unreachable!("nothing comes out of these servers")
    }

    fn take_deliveries(&mut self) -> Vec<(usize, Delivery)> {
        Vec::new()
    }

    fn requests_to(&self, server: usize) -> u64 {
        self.wire.borrow().arrived[server]
    }

    fn requests(&self) -> u64 {
        self.wire.borrow().requests
    }

    fn commands(&self) -> u64 {
        self.sets.iter().map(|set| set.env.judge.commands() as u64).sum()
    }

    fn snapshots(&self) -> u64 {
        self.corners(Corner::SnapshotInstalled)
    }

    fn losses(&self) -> u64 {
        self.corners(Corner::Forgotten)
    }

    fn bytes(&self) -> u64 {
        self.wire.borrow().bytes
    }

    fn copies(&self) -> u64 {
        self.wire.borrow().copies
    }

    fn new_client(&mut self) -> ClientId {
        self.clients += 1;
        ClientId::new(BEGINNING_MS + self.now / 1000, self.clients.into())
    }

    fn send(&mut self, server: usize, call: u64, request: Request) -> Ticket {
        self.call(server, call, Ask::Store(request))
    }

    fn ask(
        &mut self,
        server: usize,
        call: u64,
        (seq, attempt): (Seq, u32),
        asked: Asked,
    ) -> Ticket {
        self.call(server, call, Ask::Control { seq, attempt, asked })
    }

    fn holding(&self, server: usize) -> Option<Holding> {
        let group = self.seat(server).life.as_ref()?.rsm.service().group()?;
        Some(Holding { keys: group.store().len() as u64, bytes: group.memory_bytes() as u64 })
    }

    fn describe(&self, server: usize) -> String {
        let Some(life) = &self.seat(server).life else { return "is down".into() };
        let (raft, service) = (life.rsm.replica().raft(), life.rsm.service());
        let leads = if raft.leads() { ", leads" } else { "" };
        let group = service.group().map(|group| format!(" {:?}", Standing(group)));
        format!("term {}{leads}:{}", raft.term(), group.unwrap_or_default())
    }

    fn answer(&mut self, ticket: Ticket) -> Option<Answered> {
        let sets = &self.sets;
        let lives = |node: NodeId, life| {
            let (server, own) = (usize::from(node.0), own_name(node.0.into()));
            let env = &sets[server / SERVERS].env;
            u64::from(env.boot(own)) == life && env.runs(own)
        };
        self.fates.take(ticket, Duration::from_micros(self.now), lives)
    }

    fn number_at(&self, _: usize, _: &str) -> Option<i64> {
        None
    }

    fn log_bytes(&self, server: usize) -> u64 {
        self.seat(server).disk.log_bytes()
    }

    fn snapshot_bytes(&self, server: usize) -> u64 {
        self.seat(server).disk.snapshot_bytes()
    }

    fn broken(&self) -> Option<String> {
        let mut violations = self.sets.iter().enumerate();
        let found = violations.find_map(|(set, it)| Some((set, it.env.judge.violation()?)));
        let told = found.map(|(set, violation)| {
            let of = if set == 0 { "the controller".into() } else { format!("group {set}") };
            format!("{} does not hold of {of}: {}", violation.property, violation.text)
        });
        told.or_else(|| self.broken.clone())
    }

    fn broken_at_end(&mut self, _: &[Vec<Command>]) -> Option<String> {
        self.broken()
    }
}
