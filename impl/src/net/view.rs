//! The view that sessions answer from, made of what the core shows.

use crate::config::Address;
use crate::raft::{Shared, Status};
use crate::view::{Counters, Node, Role, View};
use protocol::NodeId;
use protocol::raft::RoleName;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A view is made anew when the leader has changed, and else when it is older than this.
const FRESH: Duration = Duration::from_millis(100);

/// Makes views.
#[derive(Debug)]
pub struct Views {
    shared: Arc<Shared>,
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
        shared: Arc<Shared>,
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
        };
        let mut views = Self {
            shared,
            current: Arc::new(view),
            made: now,
            started: now,
            now_ms: wall_ms(),
            commands_then: 0,
            counters: Counters::default(),
        };
        let status = views.shared.get();
        views.make(&status, 0);
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

    /// At the beginning of a round.
    pub fn refresh(&mut self, clients: usize) {
        self.now_ms = wall_ms();
        let status = self.shared.get();
        let same = status.term == self.current.term
            && status.leader == self.current.leader
            && role(status.role) == self.current.role;
        if !same || self.made.elapsed() >= FRESH {
            self.make(&status, clients);
        }
    }

    fn make(&mut self, status: &Status, clients: usize) {
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
    }
}

const fn role(role: RoleName) -> Role {
    match role {
        RoleName::Leader => Role::Leader,
        RoleName::Follower => Role::Follower,
        RoleName::PreCandidate | RoleName::Candidate => Role::Candidate,
    }
}
