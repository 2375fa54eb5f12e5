//! The bed of threads, in real time: the product's own servers, each with its core, disk, snapshot and timer
//! threads and its folder, on the labs' network in this process.
//!
//! Nothing is simulated but the network (`network.rs`) and what a crash does to a disk (`disk.rs`). The servers are
//! whole, as `quorate server` runs them behind its clients' port: Raft, the log, snapshots, the store. As in virtual
//! time a scenario's command is appended to one key, and a snapshot holds all that was applied.
//!
//! Every server is recorded, from its first life to its last, and at the end of a scenario the traces are replayed
//! ([`crate::conform`]): what the threads did must be what the machine does. So a scenario that passes has passed
//! twice.
//!
//! **A crash** is as hard as a thread allows: the server's links are cut first, nothing that it sends or reports
//! afterwards counts, and its disk forgets what was not synced. Then its threads are told to end at once, and waited
//! for.

pub(super) mod disk;
pub(super) mod hub;
pub(super) mod log;
pub(super) mod network;
pub(super) mod watch;

use super::bed::{Answered, Bed, Command, Delivery, Proposed, State, Ticket};
use super::catalog::{Scenario, Service};
use super::harsh::Harsh;
use super::requests::{Fate, NOBODY, dead_end, is_executed_once};
use crate::conform;
use crate::sim::kinds::Ask;
use crate::sim::kit::Kit;
use crate::sim::random::{Random, sum};
use disk::Cached;
use hub::{Given, Hub, Load};
use model::node::DiskFault;
use network::Link;
use protocol::NodeId;
use protocol::kv::clerk::Request;
use protocol::kv::{Bytes, ClientId, Command as KvCommand, Op, Work};
use protocol::quorum::NodeSet;
use protocol::raft::RoleName;
use quorate::kv::{Admitted, Kv};
use quorate::mailbox::Mailbox;
use quorate::raft::{Ground, Handle, Network, Options, Server, Shared, What};
use quorate::rsm::encode;
use quorate::session::Query;
use quorate::wal::Identity;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use watch::{Caller, END, KEY, Watch};

/// The number of all clusters here.
const CLUSTER: u128 = 0x006c_6162_7300;
/// A command of a scenario in the log, with its stamp and what it is wrapped in, is hardly longer, in bytes.
const COMMAND_BYTES: u64 = 27;
/// A core that takes a command says so at once, unless it has no time; then the scenario goes on without it.
const PATIENCE: Duration = Duration::from_secs(2);
/// By how much a sync of a slow disk takes longer, at the most.
const SLOW_US: u64 = 10_000;
/// In a scenario of commands nobody waits to be told what became of one.
const NO_PATIENCE: Duration = Duration::from_millis(50);

/// A server that runs.
struct Running {
    server: Server<Kv, Watch>,
    shared: Arc<Shared>,
    handle: Handle<Kv, Caller>,
}

/// A server, whether it runs or not.
struct Seat {
    running: Option<Running>,
    /// Its log, in its present life or its last one.
    disk: Option<Cached>,
}

/// The bed of threads.
pub struct Threaded<T> {
    kit: T,
    hub: Arc<Hub>,
    seats: Vec<Seat>,
    folder: PathBuf,
    serves: Service,
    disk_habits: disk::Habits,
    /// What the replay must expect of the network.
    network: conform::Network,
    proposals: u64,
    clients: u64,
    losses: u64,
    threads: Vec<JoinHandle<()>>,
    /// When the servers were ended.
    ended: Option<Duration>,
}

fn name(server: usize) -> NodeId {
    NodeId(u8::try_from(server).expect("there are few servers"))
}

const fn identity(server: usize) -> Identity {
    Identity { cluster: CLUSTER, node: server as u64 }
}

impl<T: Kit> Threaded<T> {
    /// What a scenario begins with: its servers, just started. Each has a folder in this one. With an even seed disks
    /// are slow, so that crashes find something to lose.
    ///
    /// # Errors
    /// If there are no threads to be had.
    pub fn new(kit: T, scenario: &Scenario, seed: u64, folder: &Path) -> std::io::Result<Self> {
        let count = usize::from(scenario.servers);
        let hub = Hub::new(count, Random::new(sum(&(scenario.name, seed))));
        hub.state().wire.reliable = scenario.reliable;
        let seats = (0..count).map(|_| Seat { running: None, disk: None }).collect();
        let (folder, serves) = (folder.to_owned(), scenario.serves);
        let slow_us = if seed.is_multiple_of(2) { SLOW_US } else { 0 };
        let disk_habits = disk::Habits { slow_us, lies: kit.disk() == DiskFault::ReportsEarly };
        let (network, threads) = (conform::Network::Once, Vec::new());
        let mut bed = Self {
            kit,
            hub,
            seats,
            folder,
            serves,
            disk_habits,
            network,
            proposals: 0,
            clients: 0,
            losses: 0,
            threads,
            ended: None,
        };
        let parcels = Mailbox::new(1);
        let (hub, to) = (Arc::clone(&bed.hub), parcels.clone());
        bed.spawn("router", move || network::route(&hub, &to))?;
        let hub = Arc::clone(&bed.hub);
        bed.spawn("files", move || network::carry(&hub, &parcels))?;
        for server in 0..count {
            bed.start(server);
        }
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
        let usual = Options::new(name(server), NodeSet::first(self.seats.len()));
        let never = u64::MAX / 4;
        let (snapshot_bytes, park, deadline) = match self.serves {
            Service::Single | Service::Sharded(_) | Service::Workers => {
                unreachable!("it has a bed of its own")
            }
            Service::Log { snapshot_every: 0 } => (never, NO_PATIENCE, NO_PATIENCE),
            Service::Log { snapshot_every } => {
                ((snapshot_every - 1) * COMMAND_BYTES, NO_PATIENCE, NO_PATIENCE)
            }
            Service::Store { snapshot_bytes } => {
                (snapshot_bytes.unwrap_or(never), usual.park, usual.deadline)
            }
        };
        Options { snapshot_bytes, park, deadline, record: Some(self.trace(server)), ..usual }
    }

    fn try_start(&mut self, server: usize) -> Result<(), String> {
        let (hub, me, folder) = (Arc::clone(&self.hub), name(server), self.folder(server));
        let random = Random::new(hub.state().random.next());
        let streams = matches!(self.serves, Service::Log { .. });
        let disk = Cached::new(&folder.join("wal"), self.disk_habits, random)
            .map_err(|error| error.to_string())?;
        self.seats[server].disk = Some(disk.clone());
        let life = {
            let mut state = hub.state();
            if streams {
                state.deliveries.push((server, Delivery::Started(Vec::new())));
            }
            let end = &mut state.ends[server];
            end.folder = folder.join("snapshots");
            end.service = (!streams).then(Kv::new);
            end.life += 1;
            end.life
        };
        let link = Link { hub: Arc::clone(&hub), me, first: 0, life };
        let reach = Box::new(move |sink| {
            if let Some(mut state) = link.hub.of_life(me, life) {
                state.ends[server].sink = Some(Arc::new(sink));
            }
            Box::new(link) as Box<dyn quorate::peer::Transport>
        });
        let rules = (self.kit.raft(), self.kit.rsm());
        let ground = Ground { rules, disk, network: Network::Other(reach) };
        let watch = Watch::new(Arc::clone(&hub), me, life, streams);
        let options = self.options(server);
        let started =
            Server::start_on(ground, &folder, identity(server), options, Kv::new(), watch);
        let started = started.map_err(|error| error.to_string())?;
        let (handle, shared) = (started.handle(), started.shared());
        let inlet = handle.clone();
        let put = move |given| {
            if let Given::Request(caller, Ask::Store(request)) = given {
                let what = asked(request.command);
                let caller = caller.with(&what);
                // One that is refused was killed meanwhile.
                let _ = inlet.post(vec![quorate::raft::Request { caller, what, forwards: false }]);
            }
        };
        hub.state().ends[server].inlet = Some(Arc::new(put));
        self.seats[server].running = Some(Running { server: started, shared, handle });
        Ok(())
    }

    /// Ends a server's life, and says what runs on nevertheless.
    fn cut(&mut self, server: usize) -> Option<Running> {
        let mut state = self.hub.state();
        let end = &mut state.ends[server];
        end.life += 1;
        (end.sink, end.inlet, end.service) = (None, None, None);
        drop(state);
        self.seats[server].running.take()
    }

    /// Ends the network and all servers. Their traces are complete then.
    fn end(&mut self) {
        self.ended.get_or_insert(self.hub.begun.elapsed());
        for server in 0..self.seats.len() {
            if let Some(running) = self.cut(server) {
                running.server.kill();
                // It was made to end.
                let _ = running.server.wait();
            }
        }
        self.hub.end();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.hub.state().violate("a thread of the network has panicked".into());
            }
        }
    }

    /// Whether what the threads did is what the machine does; if not, where not.
    pub fn replay(&mut self) -> Option<String> {
        self.end();
        let folders: Vec<_> = (0..self.seats.len()).map(|server| self.trace(server)).collect();
        let rules = (self.kit.raft(), self.kit.rsm());
        let refused = conform::replay_by(&folders, &Kv::new(), rules, self.network).err()?;
        Some(format!("the replay is refused: {refused}"))
    }

    fn violate(&self, server: usize, what: &str, why: impl std::fmt::Display) {
        self.hub.state().violate(format!("server {server} {what}: {why}"));
    }
}

impl<T> Drop for Threaded<T> {
    fn drop(&mut self) {
        self.hub.end();
        let running = self.seats.iter_mut().filter_map(|seat| seat.running.take());
        running.for_each(|running| running.server.kill());
    }
}

/// How long the newest snapshot in a server's folder is, in bytes.
pub(super) fn newest_snapshot(folder: &Path) -> u64 {
    let Ok(files) = std::fs::read_dir(folder.join("snapshots")) else { return 0 };
    let complete = |name: &str| name.starts_with("snapshot-") && !name.contains('.');
    let newest = files
        .flatten()
        .filter(|file| complete(&file.file_name().to_string_lossy()))
        .max_by_key(std::fs::DirEntry::file_name);
    newest.and_then(|file| file.metadata().ok()).map_or(0, |file| file.len())
}

/// What the store is asked for.
fn asked(command: KvCommand) -> What<Query> {
    if command.op.writes() {
        let work = Work::Command(command);
        let admitted = Admitted { work, value_bytes: u32::MAX };
        What::Command(encode(&admitted).expect("a command is plain data"))
    } else {
        What::Query(Query::Op { key: command.key, op: command.op })
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
        running.server.kill();
        // It was made to end, so it says that its disk has failed, or nothing.
        let _ = running.server.wait();
        match killed {
            Some(Err(error)) => self.violate(server, "has a disk that can't be set back", error),
            lost => {
                self.losses += u64::from(lost.is_some_and(|lost| lost.is_ok_and(|lost| lost > 0)))
            }
        }
    }

    fn start(&mut self, server: usize) {
        if let Err(why) = self.try_start(server) {
            self.violate(server, "does not start", why);
        }
    }

    fn state(&self, server: usize) -> Option<State> {
        let status = self.seats[server].running.as_ref()?.shared.get();
        Some(State { term: status.term, leads: status.role == RoleName::Leader })
    }

    fn propose(&mut self, server: usize, command: Command) -> Proposed {
        let Some(State { term, leads }) = self.state(server) else {
            return Proposed { number: 0, term: 0, leads: false };
        };
        let not_taken = Proposed { number: 0, term, leads: false };
        let Some(running) = self.seats[server].running.as_ref().filter(|_| leads) else {
            return not_taken;
        };
        self.proposals += 1;
        let op = Op::Append { value: Bytes::from(format!("{command}{END}").as_str()) };
        let command = KvCommand { key: Bytes::from(KEY), op, once: None };
        let caller = Caller::Scenario(self.proposals);
        let request = quorate::raft::Request { caller, what: asked(command), forwards: false };
        if running.handle.post(vec![request]).is_err() {
            return not_taken;
        }
        match self.hub.placed(self.proposals, PATIENCE) {
            Some(placed) => Proposed { number: placed.number, term: placed.term, leads: true },
            None => not_taken,
        }
    }

    fn take_deliveries(&mut self) -> Vec<(usize, Delivery)> {
        std::mem::take(&mut self.hub.state().deliveries)
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
        let (now, to) = (self.now(), name(server));
        let mut state = self.hub.state();
        let state = &mut *state;
        let (life, runs) = (state.ends[server].life, state.ends[server].inlet.is_some());
        let caller = Caller::Client(state.fates.next());
        let once = is_executed_once(&request);
        let us = state.wire.takes_outside(to, self.hub.now_us(), &mut state.random);
        match us {
            None => state.fates.begin(Fate::Fails(now)),
            Some(_) if !runs => state.fates.begin(dead_end(now, &mut state.random)),
            Some(us) => {
                let ask = Ask::Store(request);
                let load = Load::Request { caller, ask: ask.clone(), life };
                self.hub.post(state, us, to, None, load);
                // Behind it, however long this thread is held up here: who comes first is told what was read, and the
                // record of a long reply says only that the call was executed.
                if once && let Some(later) = state.wire.copy_after() {
                    let load = Load::Request { caller: Caller::Client(NOBODY), ask, life };
                    self.hub.post(state, us + later, to, None, load);
                }
                state.fates.begin(Fate::Open(to, life))
            }
        }
    }

    fn answer(&mut self, ticket: Ticket) -> Option<Answered> {
        let now = self.now();
        let mut state = self.hub.state();
        let hub::State { fates, ends, .. } = &mut *state;
        fates.take(ticket, now, |node, life| ends[usize::from(node.0)].life == life)
    }

    fn number_at(&self, server: usize, key: &str) -> Option<i64> {
        let service = self.hub.state().ends[server].service.clone()?;
        let value = service.0.get(&Bytes::from(key));
        value.map_or(Some(0), |(value, _)| std::str::from_utf8(value.as_ref()).ok()?.parse().ok())
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
        newest_snapshot(&self.folder(server))
    }

    fn broken(&self) -> Option<String> {
        self.hub.state().broken.clone()
    }

    fn broken_at_end(&mut self, _: &[Vec<Command>]) -> Option<String> {
        let replayed = self.replay();
        replayed.or_else(|| self.broken())
    }
}
