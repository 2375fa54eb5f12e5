//! The servers of a node: that of the one group, or those of a sharded cluster's controller and groups.

use super::Error;
use crate::config::{Config, Sharded, log_of};
use crate::kv::Kv;
use crate::net::{ControllerHandle, Core, Doors, GroupHandle, Guests, NetCallers, Router, Source};
use crate::peer::{self, Peers};
use crate::raft::{self, Host, Network, Options, Server, Shared};
use crate::shardctl::{Shardctl, Teller};
use crate::shardkv::{Carrier, Mover, Post, Shardkv};
use crate::sync::{AtomicBool, Ordering, Parker, Unparker};
use crate::trace;
use crate::view::Place;
use crate::wal::{GroupId as LogId, Identity};
use protocol::NodeId;
use protocol::quorum::NodeSet;
use protocol::shardkv::GroupId;
use protocol::shardkv::mover::Settings;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the leaders of groups send again what was not answered, and the node looks for a later configuration.
const TICK: Duration = Duration::from_millis(50);

/// The servers of a node.
pub enum Servers {
    /// That of the one group.
    One(Server<Kv, NetCallers>),
    /// Those of a sharded cluster.
    Sharded(Hosted),
}

/// The servers of a node in a sharded cluster.
pub struct Hosted {
    controller: Option<Server<Shardctl, Teller<NetCallers>>>,
    groups: BTreeMap<GroupId, Server<Shardkv, Mover<NetCallers>>>,
    post: Arc<Post>,
    guests: Arc<Guests>,
    peers: Option<Arc<Peers>>,
    log: JoinHandle<Result<(), raft::Error>>,
    ticker: Ticker,
}

/// The thread that says that time passes.
struct Ticker {
    stops: Arc<AtomicBool>,
    waker: Unparker,
    thread: JoinHandle<()>,
}

impl Hosted {
    /// Starts the servers that the settings name for this node.
    pub(super) fn start(
        config: &Config,
        sharded: &Sharded,
        identity: Identity,
        network: Option<peer::Options>,
        doors: &Doors,
    ) -> Result<Self, Error> {
        let peers = match network {
            Some(options) => {
                let peers = Peers::open(options).map_err(|error| Error::Peer(error.into()))?;
                Some(Arc::new(peers))
            }
            None => None,
        };
        let nodes = config.nodes.iter().map(|node| node.with(node.plain)).collect();
        let controllers = sharded.controllers.iter().collect();
        let post = Post::open(config.me, nodes, controllers, peers.clone());
        let count = u8::try_from(config.nodes.len()).unwrap_or(u8::MAX);
        let others = (0..count).map(NodeId).filter(|node| *node != config.me);
        let guests = doors.guests(others.collect(), peers.as_ref());
        let carrier = || Arc::clone(&post) as Arc<dyn Carrier>;
        let here = sharded.groups.values().filter(|on| on.contains(config.me)).count();
        let here = here + usize::from(sharded.controllers.contains(config.me));
        let (host, log) = Host::open(&config.dir, identity, here, config.raft.snapshot_bytes)?;
        for group in &sharded.forgotten {
            host.forget(log_of(*group))?;
            tracing::info!(group = group.0, "nothing of this group stays here");
        }
        let log = thread::Builder::new().name("disk".into()).spawn(|| log.run());
        let log = log.map_err(|error| raft::Error::Thread(error.into()))?;
        let options = |log: LogId, voters: NodeSet| {
            let record = config.raft.record.as_deref();
            let record = record.map(|folder| trace::place(folder, log.0.into()));
            Options { voters, record, ..config.raft.clone() }
        };
        let network = || peers.clone().map_or(Network::Alone, Network::Shared);
        let mut controller = None;
        if sharded.controllers.contains(config.me) {
            let callers = Teller::new(doors.callers(), carrier());
            let door = callers.door();
            let log = LogId(0);
            let options = options(log, sharded.controllers);
            let server = host.start(log, options, network(), Shardctl::new(), callers)?;
            let door = door(server.handle());
            post.put_controller(Arc::new(move |letter| door.put(&letter)));
            controller = Some(server);
        }
        let mut groups = BTreeMap::new();
        let mut ticked = Vec::new();
        for (group, voters) in sharded.groups.iter().filter(|(_, on)| on.contains(config.me)) {
            let callers = doors.callers_of(*group, Arc::clone(&guests));
            let callers = Mover::new(*group, Settings::DEFAULT, callers, carrier());
            let door = callers.door();
            let log = log_of(*group);
            let options = options(log, *voters);
            let service = Shardkv::new(*group);
            let server = host.start(log, options, network(), service, callers)?;
            let door = door(server.handle());
            ticked.push(door.clone());
            post.put_group(*group, Arc::new(move |letter| door.put(letter)));
            guests.put_group(*group, server.handle(), server.shared());
            groups.insert(*group, server);
        }
        for (log, bytes) in host.rest() {
            let of = match log {
                LogId(0) => "the controller".to_owned(),
                LogId(id) => format!(
                    "group {id} (if it will never be here again: start with --forget-group {id})"
                ),
            };
            tracing::warn!(
                bytes,
                "the log has commands of a server that is not started, and keeps them: of {of}"
            );
        }
        let looks = Arc::clone(&post);
        let tick = move || {
            ticked.iter().for_each(|door| door.tick());
            looks.look();
        };
        let ticker = Ticker::start(tick)?;
        if let Some(peers) = &peers {
            peers.go().map_err(|error| Error::Peer(error.into()))?;
        }
        Ok(Self { controller, groups, post, guests, peers, log, ticker })
    }

    fn core(&self, me: NodeId, patience: Duration) -> Core {
        let handle = |(group, server): (&GroupId, &Server<Shardkv, Mover<NetCallers>>)| {
            let handle: GroupHandle = server.handle();
            (*group, handle)
        };
        let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let controller: Option<ControllerHandle> = self.controller.as_ref().map(Server::handle);
        let groups = self.groups.iter().map(handle).collect();
        let guests = Arc::clone(&self.guests);
        Core::Sharded(Box::new(Router::new(me, controller, (groups, guests), patience_ms)))
    }

    fn source(&self) -> Source {
        let groups = self.groups.iter().map(|(group, server)| (*group, server.shared()));
        let controller = self.controller.as_ref().map(Server::shared);
        Source::Sharded { controller, groups: groups.collect(), post: Arc::clone(&self.post) }
    }

    /// What each of the servers shows.
    fn shared(&self) -> Vec<(Option<Place>, Arc<Shared>)> {
        let of = |(group, server): (&GroupId, &Server<_, _>)| {
            (Some(Place::Group(*group)), Server::<Shardkv, Mover<NetCallers>>::shared(server))
        };
        let controller = self.controller.iter();
        let controller = controller.map(|server| (Some(Place::Controller), server.shared()));
        self.groups.iter().map(of).chain(controller).collect()
    }

    fn stoppers(&self) -> Vec<Box<dyn Fn() + Send + Sync>> {
        let mut all: Vec<Box<dyn Fn() + Send + Sync>> = Vec::new();
        for server in self.groups.values() {
            all.push(Box::new(server.stopper()));
        }
        if let Some(server) = &self.controller {
            all.push(Box::new(server.stopper()));
        }
        all
    }

    /// Waits until all have stopped: when one does, the others are told to.
    fn wait(self) -> Result<(), raft::Error> {
        let stop_all = self.stoppers();
        let stop_all = || stop_all.iter().for_each(|stop| stop());
        let Self { controller, groups, post: _, guests: _, peers, log, ticker } = self;
        let mut waits: Vec<Box<dyn FnOnce() -> Result<(), raft::Error> + Send>> = Vec::new();
        for server in groups.into_values() {
            waits.push(Box::new(|| server.wait()));
        }
        if let Some(server) = controller {
            waits.push(Box::new(|| server.wait()));
        }
        let ended = thread::scope(|scope| {
            let wait = |wait: Box<dyn FnOnce() -> Result<(), raft::Error> + Send>| {
                let stop_all = &stop_all;
                scope.spawn(move || {
                    let ended = wait();
                    stop_all();
                    ended
                })
            };
            let threads: Vec<_> = waits.into_iter().map(wait).collect();
            let mut all = Ok(());
            for thread in threads {
                all = all.and(thread.join().unwrap_or(Err(raft::Error::Panicked)));
            }
            all
        });
        ticker.stop();
        // Not by whoever has them last, who may be a thread of theirs.
        if let Some(peers) = peers {
            peers.stop();
        }
        ended.and(log.join().unwrap_or(Err(raft::Error::Panicked)))
    }
}

impl Ticker {
    fn start(tick: impl Fn() + Send + 'static) -> Result<Self, Error> {
        let parker = Parker::new();
        let (stops, waker) = (Arc::new(AtomicBool::new(false)), parker.unparker().clone());
        let stopped = Arc::clone(&stops);
        let run = move || {
            while !stopped.load(Ordering::Acquire) {
                tick();
                parker.park_timeout(TICK);
            }
        };
        let thread = thread::Builder::new().name("ticks".into()).spawn(run);
        let thread = thread.map_err(|error| raft::Error::Thread(error.into()))?;
        Ok(Self { stops, waker, thread })
    }

    fn stop(self) {
        self.stops.store(true, Ordering::Release);
        self.waker.unpark();
        // It has nothing to panic at but a door, which has not.
        let _ = self.thread.join();
    }
}

impl Servers {
    /// By whom this node's clients are served; `patience` is for how long a call is taken from group to group.
    pub(super) fn core(&self, me: NodeId, patience: Duration) -> Core {
        match self {
            Self::One(server) => Core::One(server.handle()),
            Self::Sharded(hosted) => hosted.core(me, patience),
        }
    }

    /// Where views come from.
    pub(super) fn source(&self) -> Source {
        match self {
            Self::One(server) => Source::One(server.shared()),
            Self::Sharded(hosted) => hosted.source(),
        }
    }

    /// What each server shows of itself, and of what it is one in a sharded cluster.
    pub(super) fn shared(&self) -> Vec<(Option<Place>, Arc<Shared>)> {
        match self {
            Self::One(server) => vec![(None, server.shared())],
            Self::Sharded(hosted) => hosted.shared(),
        }
    }

    pub(super) fn stoppers(&self) -> Vec<Box<dyn Fn() + Send + Sync>> {
        match self {
            Self::One(server) => vec![Box::new(server.stopper())],
            Self::Sharded(hosted) => hosted.stoppers(),
        }
    }

    pub(super) fn wait(self) -> Result<(), raft::Error> {
        match self {
            Self::One(server) => server.wait(),
            Self::Sharded(hosted) => hosted.wait(),
        }
    }
}
