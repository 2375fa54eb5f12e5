//! What a node is told at its start: from flags, from a TOML file, or from nobody.
//!
//! Everything has a default that suits one node on one machine. What does not fit together is refused before any port
//! is opened or any file is made, and the message says what to write instead.

mod sharded;

pub use sharded::{Sharded, ShardedError, group_flag, log_of};

use crate::raft::Options;
use protocol::NodeId;
use protocol::quorum::{MAX_NODES, NodeSet};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The port for clients, if nobody names another.
pub const PORT: u16 = 7400;

/// The settings as people write them: each may be left out. The file has these names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Settings {
    /// The node's folder.
    pub dir: Option<PathBuf>,
    /// Where any client is served: host and port. It names this node among `nodes`.
    pub listen: Option<String>,
    /// All nodes of the cluster by the address at which clients reach them, the same list in the same order for every
    /// node. Empty: this node alone.
    pub nodes: Vec<String>,
    /// The nodes of the controller of a sharded cluster, the same for every node. Empty: there is one group, and it has
    /// all slots.
    pub controller: Vec<String>,
    /// The nodes of groups, by the groups' ids: those that this node is in, or all.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Groups that this node was in and will never be in again, by their ids: what it has of them goes.
    pub forget_groups: Vec<String>,
    /// The cluster's name, the same for every node.
    pub cluster: Option<String>,
    /// How far behind the port of a node its other ports are.
    pub ports: Ports,
    /// The file with the secret that the nodes of the cluster share.
    pub secret_file: Option<PathBuf>,
    /// The file with the password that clients must give.
    pub password_file: Option<PathBuf>,
    /// The period of a leader's heartbeats, in milliseconds.
    pub heartbeat_ms: Option<u64>,
    /// The least election timeout, in milliseconds.
    pub election_min_ms: Option<u64>,
    /// The most election timeout, in milliseconds.
    pub election_max_ms: Option<u64>,
    /// How long a write waits to be decided, in milliseconds.
    pub deadline_ms: Option<u64>,
    /// A snapshot is taken when the log exceeds this, in bytes.
    pub snapshot_bytes: Option<u64>,
    /// The longest key or value, in bytes.
    pub max_value_bytes: Option<usize>,
    /// The most clients.
    pub max_clients: Option<usize>,
    /// The folder for this node's trace, which `checks replay` reads; of several servers it has a folder for each.
    pub record: Option<PathBuf>,
}

/// How far behind the port of a node its other ports are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Ports {
    /// The port for cluster clients.
    pub cluster: u16,
    /// The port for the other nodes.
    pub peer: u16,
    /// The port for those who watch over it.
    pub admin: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self { cluster: 1000, peer: 2000, admin: 3000 }
    }
}

/// A node's address: the host as it was written, and its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address.
    pub host: String,
    /// For any client.
    pub plain: u16,
    /// For cluster clients.
    pub cluster: u16,
    /// For other nodes.
    pub peer: u16,
    /// For those who watch over it.
    pub admin: u16,
}

impl Address {
    /// Host and port, as one writes them.
    pub fn with(&self, port: u16) -> String {
        if self.host.contains(':') {
            format!("[{}]:{port}", self.host)
        } else {
            format!("{}:{port}", self.host)
        }
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

/// Settings that fit together.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's folder.
    pub dir: PathBuf,
    /// The cluster's name.
    pub cluster: String,
    /// All nodes; one is this.
    pub nodes: Vec<Address>,
    /// Which.
    pub me: NodeId,
    /// Where the controller and the groups of a sharded cluster are.
    pub sharded: Option<Sharded>,
    /// What the nodes share.
    pub secret: Option<Vec<u8>>,
    /// What clients must give.
    pub password: Option<Vec<u8>>,
    /// How the server runs.
    pub raft: Options,
    /// The longest key or value, in bytes.
    pub max_value_bytes: usize,
    /// The most clients.
    pub max_clients: usize,
}

/// What is wrong with the settings. Each message says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("can't read {}: {why}. Name a file that this user may read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The file is no settings.
    #[error("{}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the reader said.
        why: String,
    },
    /// An address is none.
    #[error(
        "{what} is {text:?}, which is no address: {why}. Write HOST:PORT, for example 127.0.0.1:{PORT}"
    )]
    Address {
        /// Which setting.
        what: &'static str,
        /// As it was written.
        text: String,
        /// What is wrong.
        why: String,
    },
    /// This node is not in the list.
    #[error(
        "nodes are {nodes}, and {listen} is not one of them. Give listen exactly as it stands in nodes: \
        it says which of them this one is"
    )]
    NotListed {
        /// This node.
        listen: String,
        /// The list.
        nodes: String,
    },
    /// Two nodes, or two ports of one, are the same.
    #[error(
        "{0} is used twice. Give each node an address of its own, and ports such that no two are the same"
    )]
    Twice(String),
    /// What was said of groups.
    #[error(transparent)]
    Sharded(#[from] ShardedError),
    /// A number is out of its range.
    #[error("{what} is {value}; it must be {range}")]
    Range {
        /// Which setting.
        what: &'static str,
        /// Its value.
        value: u64,
        /// What it may be.
        range: String,
    },
    /// Others can reach the nodes' ports, and nothing protects them.
    #[error(
        "{0} can be reached from other machines, so the nodes must prove to each other that they belong together. \
        Put the same secret of at least 16 bytes into a file on each node and name it with --secret-file"
    )]
    NoSecret(String),
    /// A secret is too short.
    #[error("{}: the {what} has {found} bytes; give it at least {least}", path.display())]
    TooShort {
        /// Which.
        what: &'static str,
        /// Its file.
        path: PathBuf,
        /// Its length.
        found: usize,
        /// The least.
        least: usize,
    },
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path)
        .map_err(|error| Error::Unreadable { path: path.to_owned(), why: error.to_string() })
}

/// A secret's bytes: the file's, without line ends behind them.
fn secret(path: &Path, what: &'static str, least: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = read(path)?;
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    if bytes.len() < least {
        return Err(Error::TooShort { what, path: path.to_owned(), found: bytes.len(), least });
    }
    Ok(bytes)
}

fn within(what: &'static str, value: u64, least: u64, most: u64) -> Result<u64, Error> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(Error::Range { what, value, range: format!("{least} to {most}") })
}

impl Settings {
    /// The settings in a TOML file.
    ///
    /// # Errors
    /// If there is no such file, or it has other things in it.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        Self::from_bytes(path, read(path)?)
    }

    /// The settings in the bytes of a TOML file.
    ///
    /// # Errors
    /// If there are other things in it.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        let file = |why: String| Error::File { path: path.to_owned(), why };
        let text = String::from_utf8(bytes).map_err(|error| file(error.to_string()))?;
        toml::from_str(&text).map_err(|error| file(error.to_string()))
    }

    /// These, and where they say nothing, the others.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let ports = if self.ports == Ports::default() { other.ports } else { self.ports };
        Self {
            dir: self.dir.or(other.dir),
            listen: self.listen.or(other.listen),
            nodes: if self.nodes.is_empty() { other.nodes } else { self.nodes },
            controller: if self.controller.is_empty() { other.controller } else { self.controller },
            groups: if self.groups.is_empty() { other.groups } else { self.groups },
            forget_groups: [self.forget_groups, other.forget_groups].concat(),
            cluster: self.cluster.or(other.cluster),
            ports,
            secret_file: self.secret_file.or(other.secret_file),
            password_file: self.password_file.or(other.password_file),
            heartbeat_ms: self.heartbeat_ms.or(other.heartbeat_ms),
            election_min_ms: self.election_min_ms.or(other.election_min_ms),
            election_max_ms: self.election_max_ms.or(other.election_max_ms),
            deadline_ms: self.deadline_ms.or(other.deadline_ms),
            snapshot_bytes: self.snapshot_bytes.or(other.snapshot_bytes),
            max_value_bytes: self.max_value_bytes.or(other.max_value_bytes),
            max_clients: self.max_clients.or(other.max_clients),
            record: self.record.or(other.record),
        }
    }

    fn address(&self, what: &'static str, text: &str) -> Result<Address, Error> {
        let wrong = |why: &str| Error::Address { what, text: text.into(), why: why.into() };
        let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("it has no port"))?;
        let plain: u16 = port.parse().map_err(|_| wrong("its port is no number up to 65535"))?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(wrong("it has no host"));
        }
        let behind = |more: u16| match plain {
            // The system chooses all of them.
            0 => Ok(0),
            _ => plain
                .checked_add(more)
                .ok_or_else(|| wrong(&format!("a port {more} behind it would be beyond 65535"))),
        };
        let Ports { cluster, peer, admin } = self.ports;
        let (cluster, peer, admin) = (behind(cluster)?, behind(peer)?, behind(admin)?);
        Ok(Address { host: host.into(), plain, cluster, peer, admin })
    }

    fn addresses(&self) -> Result<(Vec<Address>, NodeId), Error> {
        let default = format!("127.0.0.1:{PORT}");
        let listen = self.listen.as_deref().unwrap_or(&default);
        let own = self.address("listen", listen)?;
        let nodes: Vec<Address> = if self.nodes.is_empty() {
            vec![own.clone()]
        } else {
            within("the number of nodes", self.nodes.len() as u64, 1, MAX_NODES as u64)?;
            let all = self.nodes.iter().map(|text| self.address("nodes", text));
            all.collect::<Result<_, _>>()?
        };
        let mut seen = std::collections::BTreeSet::new();
        for node in &nodes {
            for port in [node.plain, node.cluster, node.peer, node.admin] {
                if port != 0 && !seen.insert(node.with(port)) {
                    return Err(Error::Twice(node.with(port)));
                }
            }
        }
        let position = nodes.iter().position(|node| *node == own);
        let me = position.ok_or_else(|| Error::NotListed {
            listen: listen.into(),
            nodes: self.nodes.join(", "),
        })?;
        Ok((nodes, NodeId(me as u8)))
    }

    /// The settings with the defaults where they say nothing, if they fit together.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(self) -> Result<Config, Error> {
        let (nodes, me) = self.addresses()?;
        let sharded = self.sharded(&nodes, me)?;
        let mut raft = Options::new(me, NodeSet::first(nodes.len()));
        let heartbeat = within("heartbeat-ms", self.heartbeat_ms.unwrap_or(50), 1, 60_000)?;
        let least = self.election_min_ms.unwrap_or(250);
        let least = within("election-min-ms", least, 2 * heartbeat, 600_000)?;
        let most = self.election_max_ms.unwrap_or_else(|| (2 * least).max(500));
        let most = within("election-max-ms", most, least + 1, 600_000)?;
        raft.heartbeat = Duration::from_millis(heartbeat);
        raft.election = (Duration::from_millis(least), Duration::from_millis(most));
        raft.park = Duration::from_millis(2 * most);
        let deadline = self.deadline_ms.unwrap_or((3 * most).max(1500));
        let deadline = within("deadline-ms", deadline, 2 * most, 3_600_000)?;
        raft.deadline = Duration::from_millis(deadline);
        let snapshot_bytes = self.snapshot_bytes.unwrap_or(raft.snapshot_bytes);
        raft.snapshot_bytes = within("snapshot-bytes", snapshot_bytes, 1, 1 << 40)?;
        raft.record = self.record;
        let value_bytes = self.max_value_bytes.unwrap_or(8 << 20) as u64;
        let bound = crate::kv::MAX_VALUE_BYTES as u64;
        let max_value_bytes = within("max-value-bytes", value_bytes, 1, bound)? as usize;
        let clients = self.max_clients.unwrap_or(10_000) as u64;
        let max_clients = within("max-clients", clients, 1, 1_000_000)? as usize;
        let own = &nodes[usize::from(me.0)];
        if nodes.len() > 1 && !own.is_loopback() && self.secret_file.is_none() {
            return Err(Error::NoSecret(own.with(own.peer)));
        }
        let secret_of = |path: &Option<PathBuf>, what, least| {
            path.as_deref().map(|path| secret(path, what, least)).transpose()
        };
        Ok(Config {
            dir: self.dir.unwrap_or_else(|| PathBuf::from("quorate-data")),
            cluster: self.cluster.unwrap_or_else(|| "quorate".into()),
            secret: secret_of(&self.secret_file, "secret", 16)?,
            password: secret_of(&self.password_file, "password", 1)?,
            nodes,
            me,
            sharded,
            raft,
            max_value_bytes,
            max_clients,
        })
    }
}
