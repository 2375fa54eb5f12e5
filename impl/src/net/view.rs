//! The view that sessions answer from, made of what the core shows.

use crate::config::Address;
use crate::raft::{Shared, Status};
use crate::shardkv::Post;
use crate::view::{Counters, Node, Role, Shard, Shards, View};
use protocol::NodeId;
use protocol::kv::SlotId;
use protocol::raft::RoleName;
use protocol::shardctl::Num;
use protocol::shardkv::GroupId;
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
        let (status, shards) = views.look(BTreeMap::new());
        views.make(&status, shards, 0);
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
        let (status, shards) = self.look(found);
        let same = status.term == self.current.term
            && status.leader == self.current.leader
            && role(status.role) == self.current.role
            && shards == self.current.shards;
        if !same || self.made.elapsed() >= FRESH {
            self.make(&status, shards, clients);
        }
    }

    /// What the servers show now. Of several it is that of the first, with the keys of all; it leads if any does.
    fn look(&mut self, found: BTreeMap<SlotId, GroupId>) -> (Status, Option<Shards>) {
        self.looked = Instant::now();
        let (groups, post) = match &self.source {
            Source::One(shared) => return (shared.get(), None),
            Source::Sharded { groups, post } => (groups, post),
        };
        let statuses = groups.iter().map(|(group, shared)| (*group, shared.get()));
        let statuses: BTreeMap<GroupId, Status> = statuses.collect();
        let config = post.latest().unwrap_or_else(|| Shards::unknown().config);
        let all = config.groups.keys().chain(groups.keys());
        let shard = |group: &GroupId| {
            let status = statuses.get(group);
            let nodes = config.groups.get(group);
            let shard = Shard {
                nodes: nodes
                    .into_iter()
                    .flatten()
                    .filter_map(|it| post.number_of(it.as_ref()))
                    .collect(),
                leader: status.map_or_else(|| post.leader(*group), |status| status.leader),
                term: status.map_or(0, |status| status.term),
                here: status.is_some(),
            };
            (*group, shard)
        };
        let shards = Shards {
            groups: all.map(shard).collect(),
            config: Arc::clone(&config),
            controllers: post.controllers(),
            found,
        };
        let lead = statuses.values().find(|status| status.role == RoleName::Leader);
        let first = lead.or_else(|| statuses.values().next());
        let mut status = first.copied().unwrap_or_else(|| Shared::new(self.current.me).get());
        status.up = statuses.values().fold(0, |up, status| up | status.up);
        status.gauges.keys = statuses.values().map(|status| status.gauges.keys).sum();
        status.gauges.bytes = statuses.values().map(|status| status.gauges.bytes).sum();
        (status, Some(shards))
    }

    fn make(&mut self, status: &Status, shards: Option<Shards>, clients: usize) {
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
            node.connected = node.id == status.me || status.up & (1 << node.id.0) != 0;
        }
        view.role = role(status.role);
        view.leader = status.leader;
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
    }
}

const fn role(role: RoleName) -> Role {
    match role {
        RoleName::Leader => Role::Leader,
        RoleName::Follower => Role::Follower,
        RoleName::PreCandidate | RoleName::Candidate => Role::Candidate,
    }
}
