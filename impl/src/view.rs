//! What a node knows of itself and its group, as plain data.
//!
//! A session answers questions such as INFO, CLUSTER SLOTS or ROLE, and says MOVED, from a view alone. The
//! runtime fills a new one from time to time and whenever the leader changes; an old view never makes an answer
//! wrong but only a redirection too many, for who leads is decided where the command is proposed.

mod shards;

pub use shards::{Place, Served, Shard, Shards};

use protocol::kv::{SlotId, Stamp};
use protocol::{Index, NodeId, Term};

/// A node of the group, as it is announced to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number within the group.
    pub id: NodeId,
    /// Its name in the words of a cluster: 40 hexadecimal digits.
    pub name: String,
    /// Where clients reach it.
    pub host: String,
    /// Its port on which every node answers for every key.
    pub plain_port: u16,
    /// Its port for cluster clients.
    pub cluster_port: u16,
    /// Whether it was heard of lately; a node is always connected to itself.
    pub connected: bool,
}

impl Node {
    /// Where it answers for every key, as one writes it.
    pub fn plain_address(&self) -> String {
        let Self { host, plain_port, .. } = self;
        if host.contains(':') {
            format!("[{host}]:{plain_port}")
        } else {
            format!("{host}:{plain_port}")
        }
    }
}

/// What a node is in its term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It proposes.
    Leader,
    /// It follows, whether it knows whom or not.
    Follower,
    /// It asks for votes.
    Candidate,
}

impl Role {
    /// Raft's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
        }
    }
}

/// What was counted since the start, or since CONFIG RESETSTAT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Commands that were answered.
    pub commands: u64,
    /// Commands a second, lately.
    pub commands_per_second: u64,
    /// Connections that were accepted.
    pub connections: u64,
    /// Connections that were turned away.
    pub rejected: u64,
    /// Bytes from clients.
    pub received_bytes: u64,
    /// Bytes to clients.
    pub sent_bytes: u64,
    /// Keys whose deadline has come.
    pub expired: u64,
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
}

/// What a node knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The nodes of the group, this one among them.
    pub nodes: Vec<Node>,
    /// Which of them this is.
    pub me: NodeId,
    /// The group's name in the words of a cluster: 40 hexadecimal digits.
    pub shard: String,
    /// What it is. In a sharded cluster this, and what follows up to the snapshot, is of [`View::place`].
    pub role: Role,
    /// Whom it believes to lead, itself included. Nobody, as long as there is no connection to it.
    pub leader: Option<NodeId>,
    /// Its term.
    pub term: Term,
    /// Up to where it knows the log to be committed.
    pub commit: Index,
    /// Up to where the log is applied.
    pub applied: Index,
    /// The last entry of its log.
    pub last_index: Index,
    /// What its snapshot covers.
    pub snapshot_index: Index,
    /// Keys that are there.
    pub keys: u64,
    /// Keys among them that have a deadline.
    pub expiring: u64,
    /// What the process takes, in bytes.
    pub memory_bytes: u64,
    /// For how long it runs, in milliseconds.
    pub uptime_ms: u64,
    /// Clients that are connected.
    pub clients: u64,
    /// How many may be.
    pub max_clients: u64,
    /// What was counted.
    pub counters: Counters,
    /// The group's clock.
    pub clock: Stamp,
    /// The program's version.
    pub version: String,
    /// Whether it still reads its log, and can't answer for keys.
    pub loading: bool,
    /// The groups of a sharded cluster. None: there is one group, and it has all slots.
    pub shards: Option<Shards>,
    /// The servers of a sharded cluster that are here; empty where there is one group.
    pub servers: Vec<Served>,
    /// Of which of them it is told: the first that leads, or else the first.
    pub place: Option<Place>,
}

impl View {
    /// A node of the group.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// This node.
    pub fn own(&self) -> Option<&Node> {
        self.node(self.me)
    }

    /// Whether this node leads.
    pub fn leads(&self) -> bool {
        self.role == Role::Leader
    }

    /// The node that cluster clients take for the master: the leader. While nobody is known to lead it is this
    /// one, for somebody must be named; it will redirect or ask for patience.
    pub fn master(&self) -> Option<&Node> {
        let leader = self.leader.and_then(|leader| self.node(leader));
        leader.or_else(|| self.own())
    }

    /// The node that takes a command on keys of a slot, if it is another than this one. `cluster` says whether the
    /// client looks for the leader, `any` whether a server that does not lead will do.
    pub fn elsewhere(&self, slot: u16, cluster: bool, any: bool) -> Option<NodeId> {
        if let Some(shards) = &self.shards {
            return shards.elsewhere(self.me, SlotId(slot), cluster, any);
        }
        let here = !cluster || self.leads() || any;
        self.leader.filter(|leader| !here && *leader != self.me)
    }

    /// Whether the group that may have a slot of a sharded cluster has a server here: then that is asked who leads, for
    /// it knows before this view does. Two nodes of which one has just come to lead send nobody to and fro.
    pub fn has_server_for(&self, slot: u16) -> bool {
        let group =
            self.shards.as_ref().and_then(|shards| shards.groups.get(&shards.of(SlotId(slot))?));
        group.is_some_and(|shard| shard.here)
    }

    /// The others; in a sharded cluster those that have a server of a group that this node leads.
    pub fn replicas(&self) -> impl Iterator<Item = &Node> {
        let master = self.master().map(|node| node.id);
        let shares = |node: &Node| match &self.shards {
            None => true,
            Some(shards) => shards
                .groups
                .values()
                .any(|shard| shard.leader == Some(self.me) && shard.nodes.contains(&node.id)),
        };
        self.nodes.iter().filter(move |node| Some(node.id) != master && shares(node))
    }

    /// How many nodes beside the one that took a write have it when it is answered, at least: a quorum's others. Of
    /// several groups the smallest counts.
    pub fn acknowledging(&self) -> usize {
        let shards = self.shards.iter().flat_map(|shards| shards.groups.values());
        let sizes = shards.map(|shard| shard.nodes.len()).filter(|size| *size > 0);
        sizes.min().unwrap_or(self.nodes.len()) / 2
    }
}
