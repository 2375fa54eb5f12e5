//! The bed of the sharded store in real time: the product's own servers of the controller and of each group, as
//! [`crate::labs::threaded`] has them of one group, with letters between them on the same network.
//!
//! Each server is on a node of its own, with its folder, its log and its threads. What carries letters is here; what
//! drives a mover, and what answers a group, is the product's. Each group of servers is recorded by itself, and its
//! traces are replayed at the end of a scenario.

mod watch;

use super::{SERVERS, Sharded};
use crate::conform;
use crate::labs::bed::{Answered, Bed, Command, Delivery, Holding, Proposed, State, Ticket};
use crate::labs::catalog::Scenario;
use crate::labs::harsh::Harsh;
use crate::labs::requests::{Fate, NOBODY, dead_end, is_executed_once};
use crate::labs::threaded::disk::{self, Cached};
use crate::labs::threaded::hub::{Given, Hub, Inlet, Load};
use crate::labs::threaded::log;
use crate::labs::threaded::network::{self, Link};
use crate::labs::threaded::watch::Caller;
use crate::sim::kinds::Ask;
use crate::sim::kit::Kit;
use crate::sim::random::{Random, sum};
use model::node::DiskFault;
use protocol::NodeId;
use protocol::kv::clerk::Request;
use protocol::kv::{ClientId, Seq};
use protocol::quorum::NodeSet;
use protocol::raft::RoleName;
use protocol::shardctl::{Asked, Controller, Exact};
use quorate::mailbox::Mailbox;
use quorate::raft::{Ground, Network, Options, Server, Shared};
use quorate::shardctl::{Shardctl, Teller};
use quorate::shardkv::{Carrier, Mover, Shardkv};
use quorate::wal::Identity;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use watch::{Post, Watch};

/// The number of all clusters here.
const CLUSTER: u128 = 0x0073_6861_7264;
/// By how much a sync of a slow disk takes longer, at the most.
const SLOW_US: u64 = 10_000;
/// The product's time between two ticks of movers.
const TICK: Duration = Duration::from_millis(50);

/// A server that runs.
enum Running {
    Controller(Server<Shardctl, Teller<Watch>>),
    Group(Server<Shardkv, Mover<Watch>>),
}

impl Running {
    fn shared(&self) -> Arc<Shared> {
        match self {
            Self::Controller(server) => server.shared(),
            Self::Group(server) => server.shared(),
        }
    }

    /// Its threads end, and are waited for. It was made to end, so it says that its disk has failed, or nothing.
    fn kill(self) {
        match self {
            Self::Controller(server) => {
                server.kill();
                let _ = server.wait();
            }
            Self::Group(server) => {
                server.kill();
                let _ = server.wait();
            }
        }
    }
}

/// A server, whether it runs or not.
#[derive(Default)]
struct Seat {
    running: Option<(Running, Arc<Shared>)>,
    /// Its log, in its present life or its last one.
    disk: Option<Cached>,
}

/// The bed.
pub struct Threaded<T> {
    kit: T,
    hub: Arc<Hub>,
    seats: Vec<Seat>,
    folder: PathBuf,
    sharded: Sharded,
    disk_habits: disk::Habits,
    /// What the replay must expect of the network.
    network: conform::Network,
    clients: u64,
    losses: u64,
    threads: Vec<JoinHandle<()>>,
    /// When the servers were ended.
    ended: Option<Duration>,
}

fn name(server: usize) -> NodeId {
    NodeId(u8::try_from(server).expect("there are few servers"))
}

/// The name of a server within its set.
fn own_name(server: usize) -> NodeId {
    name(server % SERVERS)
}

/// The servers of one set are a cluster by themselves.
const fn identity(server: usize) -> Identity {
    let cluster = CLUSTER + (server / SERVERS) as u128;
    Identity { cluster, node: (server % SERVERS) as u64 }
}

impl<T: Kit> Threaded<T> {
    /// What a scenario begins with: its servers, just started. Each has a folder in this one. With an even seed disks
    /// are slow, so that crashes find something to lose.
    ///
    /// # Errors
    /// If there are no threads to be had.
    pub fn new(
        kit: T,
        scenario: &Scenario,
        sharded: Sharded,
        seed: u64,
        folder: &Path,
    ) -> std::io::Result<Self> {
        let count = (usize::from(sharded.groups) + 1) * SERVERS;
        let hub = Hub::new(count, Random::new(sum(&(scenario.name, seed))));
        {
            let mut state = hub.state();
            state.wire.reliable = scenario.reliable;
            for (server, end) in state.ends.iter_mut().enumerate() {
                end.first = name(server - server % SERVERS).0;
            }
        }
        let slow_us = if seed.is_multiple_of(2) { SLOW_US } else { 0 };
        let disk_habits = disk::Habits { slow_us, lies: kit.disk() == DiskFault::ReportsEarly };
        let mut bed = Self {
            kit,
            hub,
            seats: (0..count).map(|_| Seat::default()).collect(),
            folder: folder.to_owned(),
            sharded,
            disk_habits,
            network: conform::Network::Once,
            clients: 0,
            losses: 0,
            threads: Vec::new(),
            ended: None,
        };
        let parcels = Mailbox::new(1);
        let (hub, to) = (Arc::clone(&bed.hub), parcels.clone());
        bed.spawn("router", move || network::route(&hub, &to))?;
        let hub = Arc::clone(&bed.hub);
        bed.spawn("files", move || network::carry(&hub, &parcels))?;
        let hub = Arc::clone(&bed.hub);
        bed.spawn("ticks", move || tick(&hub))?;
        (0..count).for_each(|server| bed.start(server));
        Ok(bed)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        self.threads.push(thread::Builder::new().name(name.into()).spawn(run)?);
        Ok(())
    }

    fn folder(&self, server: usize) -> PathBuf {
        self.folder.join(format!("node-{server}"))
    }

    fn trace(&self, server: usize) -> PathBuf {
        self.folder.join(format!("trace-{server}"))
    }

    fn options(&self, server: usize) -> Options {
        let usual = Options::new(own_name(server), NodeSet::first(SERVERS));
        let bound = self.sharded.snapshot_bytes.filter(|_| server >= SERVERS);
        let snapshot_bytes = bound.unwrap_or(u64::MAX / 4);
        Options { snapshot_bytes, record: Some(self.trace(server)), ..usual }
    }

    fn controller(&self) -> Shardctl {
        Shardctl(Controller::new(Exact, self.sharded.limits()))
    }

    fn group(set: usize) -> Shardkv {
        Shardkv::new(Sharded::gid(set - 1))
    }

    fn try_start(&mut self, server: usize) -> Result<(), String> {
        let (hub, folder) = (Arc::clone(&self.hub), self.folder(server));
        let random = Random::new(hub.state().random.next());
        let disk = Cached::new(&folder.join("wal"), self.disk_habits, random)
            .map_err(|error| error.to_string())?;
        self.seats[server].disk = Some(disk.clone());
        let (life, first) = {
            let mut state = hub.state();
            let end = &mut state.ends[server];
            end.folder = folder.join("snapshots");
            end.life += 1;
            (end.life, end.first)
        };
        let me = name(server);
        let link = Link { hub: Arc::clone(&hub), me, first, life };
        let reach = Box::new(move |sink| {
            if let Some(mut state) = link.hub.of_life(me, life) {
                state.ends[server].sink = Some(Arc::new(sink));
            }
            Box::new(link) as Box<dyn quorate::peer::Transport>
        });
        let rules = (self.kit.raft(), self.kit.rsm());
        let ground = Ground { rules, disk, network: Network::Other(reach) };
        let watch = Watch::new(Arc::clone(&hub), me, life);
        let post = Arc::new(Post::new(Arc::clone(&hub), me, life));
        let (who, options) = (identity(server), self.options(server));
        let text = |error: quorate::raft::Error| error.to_string();
        let (running, inlet): (Running, Inlet) = if server < SERVERS {
            let callers = Teller::new(watch, Arc::clone(&post) as Arc<dyn Carrier>);
            let door = callers.door();
            let empty = self.controller();
            let server = Server::start_on(ground, &folder, who, options, empty, callers);
            let server = server.map_err(text)?;
            let inlet = watch::controller(server.handle(), door(server.handle()), post);
            (Running::Controller(server), inlet)
        } else {
            let set = server / SERVERS;
            let gid = Sharded::gid(set - 1);
            let carrier = Arc::clone(&post) as Arc<dyn Carrier>;
            let callers = Mover::new(gid, self.sharded.settings(), watch, carrier);
            let door = callers.door();
            let empty = Self::group(set);
            let server = Server::start_on(ground, &folder, who, options, empty, callers);
            let server = server.map_err(text)?;
            let inlet = watch::group(server.handle(), door(server.handle()), post);
            (Running::Group(server), inlet)
        };
        hub.state().ends[server].inlet = Some(inlet);
        let shared = running.shared();
        self.seats[server].running = Some((running, shared));
        Ok(())
    }

    /// Ends a server's life, and says what runs on nevertheless.
    fn cut(&mut self, server: usize) -> Option<Running> {
        let mut state = self.hub.state();
        let end = &mut state.ends[server];
        end.life += 1;
        (end.sink, end.inlet, end.holding) = (None, None, None);
        drop(state);
        self.seats[server].running.take().map(|(running, _)| running)
    }

    /// Ends the network and all servers. Their traces are complete then.
    fn end(&mut self) {
        self.ended.get_or_insert(self.hub.begun.elapsed());
        for server in 0..self.seats.len() {
            self.cut(server).into_iter().for_each(Running::kill);
        }
        self.hub.end();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.hub.state().violate("a thread of the network has panicked".into());
            }
        }
    }

    fn replay_of(&self, set: usize) -> Option<String> {
        let servers = set * SERVERS..(set + 1) * SERVERS;
        let folders: Vec<_> = servers.map(|server| self.trace(server)).collect();
        let (rules, network) = ((self.kit.raft(), self.kit.rsm()), self.network);
        let replayed = match set {
            0 => conform::replay_controller(&folders, &self.controller(), rules, network),
            _ => conform::replay_group(&folders, &Self::group(set), rules, network),
        };
        let refused = replayed.err()?;
        Some(format!("the replay of set {set} is refused: {refused}"))
    }

    /// Whether what the threads did is what the machines do; if not, where not.
    fn replay(&mut self) -> Option<String> {
        self.end();
        (0..=usize::from(self.sharded.groups)).find_map(|set| self.replay_of(set))
    }

    fn violate(&self, server: usize, what: &str, why: impl std::fmt::Display) {
        self.hub.state().violate(format!("server {server} {what}: {why}"));
    }

    /// Sends something to a server from outside.
    fn call(&mut self, server: usize, ask: Ask) -> Ticket {
        let (now, to) = (self.now(), name(server));
        let mut state = self.hub.state();
        let state = &mut *state;
        let (life, runs) = (state.ends[server].life, state.ends[server].inlet.is_some());
        let us = state.wire.takes_outside(to, self.hub.now_us(), &mut state.random);
        let Some(us) = us else { return state.fates.begin(Fate::Fails(now)) };
        if !runs {
            return state.fates.begin(dead_end(now, &mut state.random));
        }
        let copied = match &ask {
            Ask::Store(request) => is_executed_once(request),
            Ask::Control { .. } => true,
        };
        let caller = Caller::Client(state.fates.next());
        let load = Load::Request { caller, ask: ask.clone(), life };
        self.hub.post(state, us, to, None, load);
        if copied && let Some(later) = state.wire.copy_after() {
            let load = Load::Request { caller: Caller::Client(NOBODY), ask, life };
            self.hub.post(state, us + later, to, None, load);
        }
        state.fates.begin(Fate::Open(to, life))
    }
}

/// Says to all servers that time passes, until the end.
fn tick(hub: &Hub) {
    loop {
        let state = hub.state();
        if state.over {
            return;
        }
        let inlets: Vec<Inlet> = state.ends.iter().filter_map(|end| end.inlet.clone()).collect();
        drop(state);
        inlets.iter().for_each(|inlet| inlet(Given::Tick));
        drop(inlets);
        thread::sleep(TICK);
    }
}

impl<T> Drop for Threaded<T> {
    fn drop(&mut self) {
        self.hub.end();
        let running = self.seats.iter_mut().filter_map(|seat| seat.running.take());
        running.for_each(|(running, _)| running.kill());
    }
}

impl<T: Kit> Bed for Threaded<T> {
    fn servers(&self) -> usize {
        self.seats.len()
    }

    fn is_real(&self) -> bool {
        true
    }

    fn now(&self) -> Duration {
        self.ended.unwrap_or_else(|| self.hub.begun.elapsed())
    }

    fn sleep(&mut self, time: Duration) {
        thread::sleep(time);
    }

    fn link(&mut self, from: usize, to: usize, open: bool) {
        self.hub.state().wire.link(name(from), name(to), open);
    }

    fn set_reliable(&mut self, reliable: bool) {
        self.hub.state().wire.reliable = reliable;
    }

    fn set_long_reordering(&mut self, reordering: bool) {
        self.hub.state().wire.reordering = reordering;
    }

    fn set_harsh(&mut self, harsh: Option<Harsh>) -> bool {
        if harsh.is_some() {
            self.network = conform::Network::Copies;
        }
        self.hub.state().wire.harsh = harsh;
        true
    }

    fn crash(&mut self, server: usize) {
        let Some(running) = self.cut(server) else { return };
        let killed = self.seats[server].disk.as_ref().map(Cached::kill);
        running.kill();
        match killed {
            Some(Err(error)) => self.violate(server, "has a disk that can't be set back", error),
            lost => {
                self.losses += u64::from(lost.is_some_and(|lost| lost.is_ok_and(|lost| lost > 0)));
            }
        }
    }

    fn start(&mut self, server: usize) {
        if let Err(why) = self.try_start(server) {
            self.violate(server, "does not start", why);
        }
    }

    fn state(&self, server: usize) -> Option<State> {
        let (_, shared) = self.seats[server].running.as_ref()?;
        let status = shared.get();
        Some(State { term: status.term, leads: status.role == RoleName::Leader })
    }

    fn propose(&mut self, _: usize, _: Command) -> Proposed {
        unreachable!("nothing comes out of these servers")
    }

    fn take_deliveries(&mut self) -> Vec<(usize, Delivery)> {
        Vec::new()
    }

    fn requests_to(&self, server: usize) -> u64 {
        self.hub.state().wire.arrived[server]
    }

    fn requests(&self) -> u64 {
        self.hub.state().wire.requests
    }

    fn commands(&self) -> u64 {
        self.hub.state().commands
    }

    fn snapshots(&self) -> u64 {
        self.hub.state().snapshots
    }

    fn losses(&self) -> u64 {
        self.losses
    }

    fn bytes(&self) -> u64 {
        self.hub.state().wire.bytes
    }

    fn copies(&self) -> u64 {
        self.hub.state().wire.copies
    }

    fn new_client(&mut self) -> ClientId {
        self.clients += 1;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ClientId::new(u64::try_from(since.as_millis()).unwrap_or(0), self.clients.into())
    }

    fn send(&mut self, server: usize, _: u64, request: Request) -> Ticket {
        self.call(server, Ask::Store(request))
    }

    fn ask(&mut self, server: usize, _: u64, (seq, attempt): (Seq, u32), asked: Asked) -> Ticket {
        self.call(server, Ask::Control { seq, attempt, asked })
    }

    fn holding(&self, server: usize) -> Option<Holding> {
        self.hub.state().ends[server].holding
    }

    fn answer(&mut self, ticket: Ticket) -> Option<Answered> {
        let now = self.now();
        let mut state = self.hub.state();
        let state = &mut *state;
        let ends = &state.ends;
        state.fates.take(ticket, now, |node, life| ends[usize::from(node.0)].life == life)
    }

    fn number_at(&self, _: usize, _: &str) -> Option<i64> {
        None
    }

    fn log_bytes(&self, server: usize) -> u64 {
        let Some(files) = self.seats[server].disk.as_ref().map(Cached::files) else { return 0 };
        let files = files.map_err(|error| error.to_string());
        let bytes = files.and_then(|files| {
            log::live_bytes(files, identity(server)).map_err(|error| error.to_string())
        });
        bytes.unwrap_or_else(|why| {
            self.violate(server, "could not start from its log as it is now", why);
            0
        })
    }

    fn snapshot_bytes(&self, server: usize) -> u64 {
        crate::labs::threaded::newest_snapshot(&self.folder(server))
    }

    fn broken(&self) -> Option<String> {
        self.hub.state().broken.clone()
    }

    fn broken_at_end(&mut self, _: &[Vec<Command>]) -> Option<String> {
        let replayed = self.replay();
        replayed.or_else(|| self.broken())
    }
}
