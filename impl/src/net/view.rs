//! The view that sessions answer from, made of what the core shows.

use crate::config::Address;
use crate::raft::{Shared, Status};
use crate::shardkv::Post;
use crate::view::{Counters, Node, Place, Role, Served, Shard, Shards, View};
use protocol::NodeId;
use protocol::kv::SlotId;
use protocol::raft::RoleName;
use protocol::shardctl::Num;
use protocol::shardkv::GroupId;
use protocol::shardkv::router::may_give;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A view is made anew when the leader has changed, and else when it is older than this.
const FRESH: Duration = Duration::from_millis(100);

/// Where views come from.
pub enum Source {
    /// The server of the one group.
    One(Arc<Shared>),
    /// The servers of a sharded cluster's groups here, and what the node knows of the others.
    Sharded {
        /// The controller's server.
        controller: Option<Arc<Shared>>,
        /// The groups' servers.
        groups: BTreeMap<GroupId, Arc<Shared>>,
        /// The node's post.
        post: Arc<Post>,
    },
}

/// What many servers show is looked at no more often than this.
const LOOKED: Duration = Duration::from_millis(1);

/// Makes views.
pub struct Views {
    source: Source,
    looked: Instant,
    current: Arc<View>,
    made: Instant,
    started: Instant,
    now_ms: u64,
    commands_then: u64,
    /// What was counted.
    pub counters: Counters,
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// 40 hexadecimal digits that stand for a text, as names in a cluster do.
pub fn name(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

/// What the process takes, in bytes; 0 where the system does not say.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

impl Views {
    /// Views of a node of a cluster with this name.
    pub fn new(
        source: Source,
        cluster: &str,
        nodes: &[Address],
        me: NodeId,
        max_clients: usize,
    ) -> Self {
        let node = |(number, address): (usize, &Address)| Node {
            id: NodeId(number as u8),
            name: name(&format!("{cluster}/{}", address.with(address.plain))),
            host: address.host.clone(),
            plain_port: address.plain,
            cluster_port: address.cluster,
            connected: false,
        };
        let now = Instant::now();
        let view = View {
            nodes: nodes.iter().enumerate().map(node).collect(),
            me,
            shard: name(cluster),
            role: Role::Follower,
            leader: None,
            term: 0,
            commit: 0,
            applied: 0,
            last_index: 0,
            snapshot_index: 0,
            keys: 0,
            expiring: 0,
            memory_bytes: 0,
            uptime_ms: 0,
            clients: 0,
            max_clients: max_clients as u64,
            counters: Counters::default(),
            clock: 0,
            version: env!("CARGO_PKG_VERSION").into(),
            loading: false,
            shards: matches!(source, Source::Sharded { .. }).then(Shards::unknown),
            servers: Vec::new(),
            place: None,
        };
        let mut views = Self {
            source,
            looked: now,
            current: Arc::new(view),
            made: now,
            started: now,
            now_ms: wall_ms(),
            commands_then: 0,
            counters: Counters::default(),
        };
        let looked = views.look(BTreeMap::new());
        views.make(looked, 0);
        views
    }

    /// The time of the day at the round's beginning, in Unix milliseconds.
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// How long the node has been up, in milliseconds: no jump of the wall clock makes anybody wait longer.
    pub fn up_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The view of this round.
    pub fn current(&self) -> Arc<View> {
        Arc::clone(&self.current)
    }

    /// The number of the configuration in the present view; 0 without one.
    pub fn configuration(&self) -> Num {
        self.current.shards.as_ref().map_or(0, |shards| shards.config.number)
    }

    /// Looks at the time of the day.
    pub fn note_time(&mut self) {
        self.now_ms = wall_ms();
    }

    /// Whether the servers are looked at now: several are not, again and again.
    pub fn is_due(&self) -> bool {
        matches!(self.source, Source::One(_)) || self.looked.elapsed() >= LOOKED
    }

    /// At the beginning of a round, if it is due. `found` are the slots of which the node knows better than the
    /// configuration.
    pub fn refresh(&mut self, clients: usize, found: BTreeMap<SlotId, GroupId>) {
        let looked = self.look(found);
        let Looked { status, shards, .. } = &looked;
        let (current, up) = (&self.current, |node: &Node| is_up(status, node.id));
        let same = status.term == current.term
            && status.leader.filter(|leader| is_up(status, *leader)) == current.leader
            && role(status.role) == current.role
            && *shards == current.shards
            && current.nodes.iter().all(|node| node.connected == up(node));
        if !same || self.made.elapsed() >= FRESH {
            self.make(looked, clients);
        }
    }

    /// What the servers show now. Of several it is that of the first that leads, or else of the first, with the keys of
    /// all groups.
    fn look(&mut self, found: BTreeMap<SlotId, GroupId>) -> Looked {
        self.looked = Instant::now();
        let (controller, groups, post) = match &self.source {
            Source::One(shared) => {
                let (shards, servers, place) = (None, Vec::new(), None);
                return Looked { status: shared.get(), shards, servers, place };
            }
            Source::Sharded { controller, groups, post } => (controller, groups, post),
        };
        let statuses = groups.iter().map(|(group, shared)| (*group, shared.get()));
        let statuses: BTreeMap<GroupId, Status> = statuses.collect();
        let controller = controller.as_ref().map(|shared| shared.get());
        let me = self.current.me;
        // By the connections themselves: a server that waits for its disk does not know of one that was lost.
        let is_up = |node: &NodeId| *node == me || post.is_up(*node);
        let nodes = self.current.nodes.iter().map(|node| node.id);
        let up = nodes.filter(is_up).fold(0, |up, node| up | 1 << node.0);
        let config = post.latest().unwrap_or_else(|| Shards::unknown().config);
        let known = config.groups.keys().chain(groups.keys());
        let shard = |group: &GroupId| {
            let status = statuses.get(group);
            let nodes = config.groups.get(group).into_iter().flatten();
            let nodes = nodes.filter_map(|it| post.number_of(it.as_ref())).collect();
            let leader = status.map_or_else(|| post.leader(*group), |status| status.leader);
            let (leader, here) = (leader.filter(is_up), status.is_some());
            let gives = status.is_some_and(|status| {
                let slots = status.gauges.slots;
                may_give(slots.going, slots.configuration, config.number)
            });
            let term = status.map_or(0, |status| status.term);
            (*group, Shard { nodes, leader, term, here, gives })
        };
        let shards = Shards {
            groups: known.map(shard).collect(),
            config: Arc::clone(&config),
            controllers: post.controllers(),
            found,
        };
        let places = statuses.iter().map(|(group, status)| (Place::Group(*group), *status));
        let places = || places.clone().chain(controller.map(|it| (Place::Controller, it)));
        let leads = |(_, status): &(Place, Status)| status.role == RoleName::Leader;
        let group = |(place, _): &(Place, Status)| *place != Place::Controller;
        let first = places().filter(group).find(leads).or_else(|| places().next());
        let mut status = first.map_or_else(|| Shared::new(me).get(), |(_, status)| status);
        status.up = up;
        status.gauges.keys = statuses.values().map(|status| status.gauges.keys).sum();
        status.gauges.bytes = statuses.values().map(|status| status.gauges.bytes).sum();
        let servers = places().map(|(place, status)| served(place, &status)).collect();
        Looked { status, shards: Some(shards), servers, place: first.map(|(place, _)| place) }
    }

    fn make(&mut self, looked: Looked, clients: usize) {
        let Looked { status, shards, servers, place } = looked;
        let passed = self.made.elapsed().as_millis().max(1) as u64;
        let commands = self.counters.commands.saturating_sub(self.commands_then);
        if passed >= FRESH.as_millis() as u64 {
            self.counters.commands_per_second = commands * 1000 / passed;
            self.commands_then = self.counters.commands;
            self.made = Instant::now();
        }
        let up_ms = self.up_ms();
        let view = Arc::make_mut(&mut self.current);
        for node in &mut view.nodes {
            node.connected = is_up(&status, node.id);
        }
        view.role = role(status.role);
        view.leader = status.leader.filter(|leader| is_up(&status, *leader));
        view.term = status.term;
        view.commit = status.commit;
        view.applied = status.applied;
        view.last_index = status.last;
        view.snapshot_index = status.snapshot;
        view.keys = status.gauges.keys;
        view.memory_bytes = resident().max(status.gauges.bytes);
        view.uptime_ms = up_ms;
        view.clients = clients as u64;
        view.counters = self.counters;
        view.clock = status.clock;
        view.shards = shards;
        (view.servers, view.place) = (servers, place);
    }
}

/// What the servers of a node show.
struct Looked {
    status: Status,
    shards: Option<Shards>,
    servers: Vec<Served>,
    place: Option<Place>,
}

/// Whether a node can be reached from here.
fn is_up(status: &Status, node: NodeId) -> bool {
    node == status.me || status.up & (1 << node.0) != 0
}

/// A server as people are shown it.
fn served(place: Place, status: &Status) -> Served {
    let Status { leader, term, commit, applied, snapshot, gauges, .. } = *status;
    let keys = if place == Place::Controller { 0 } else { gauges.keys };
    let (role, slots) = (role(status.role), gauges.slots);
    Served { place, role, leader, term, commit, applied, snapshot, keys, slots }
}

const fn role(role: RoleName) -> Role {
    match role {
        RoleName::Leader => Role::Leader,
        RoleName::Follower => Role::Follower,
        RoleName::PreCandidate | RoleName::Candidate => Role::Candidate,
    }
}
