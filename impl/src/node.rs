//! A node: its folder, its ports, and the servers that run between them.

mod servers;

use crate::admin::Admin;
use crate::config::{Address, Config};
use crate::descriptors;
use crate::folder;
use crate::kv::Kv;
use crate::net::{Doors, Net, Views};
use crate::peer::{self, Secret};
use crate::raft::{self, Server};
use crate::resp;
use crate::session::{Password, SessionLimits};
use crate::view::Place;
use protocol::NodeId;
use servers::{Hosted, Servers};
use std::fs::File;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

/// Why a node can't start or go on. Each message says what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Its folder.
    #[error(transparent)]
    Folder(#[from] folder::Error),
    /// Its server.
    #[error(transparent)]
    Server(#[from] raft::Error),
    /// A port for the other nodes.
    #[error("{0}")]
    Peer(Arc<peer::Error>),
    /// A name that leads nowhere.
    #[error(
        "{address} leads nowhere: {why}. Write an IP address, or a name that this machine can resolve"
    )]
    Unknown {
        /// The address.
        address: String,
        /// What the system said.
        why: String,
    },
    /// A port can't be had.
    #[error("can't listen on {address}: {error}. {}", advice(error))]
    Listen {
        /// Where.
        address: String,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// The clients' side.
    #[error(
        "clients can't be served any more: {0}. What was acknowledged is on the disk: start again"
    )]
    Clients(Arc<io::Error>),
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "Another process listens there: stop it, or choose another port with --listen"
        }
        io::ErrorKind::PermissionDenied => {
            "Choose a port above 1023, or start it as a user who may"
        }
        io::ErrorKind::AddrNotAvailable => "Choose an address of this machine",
        _ => "Choose another address with --listen",
    }
}

/// A frame between nodes holds the largest command, which is a transaction.
const FRAME_BYTES: usize = 128 << 20;

/// A running node.
pub struct Node {
    servers: Servers,
    net: Net,
    admin: Admin,
    addresses: Ports,
    _lock: File,
}

/// Where a node listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ports {
    /// For any client.
    pub plain: SocketAddr,
    /// For cluster clients.
    pub cluster: SocketAddr,
    /// For those who watch over it.
    pub admin: SocketAddr,
}

fn resolve(address: &Address, port: u16) -> Result<SocketAddr, Error> {
    let text = address.with(port);
    let unknown = |why: String| Error::Unknown { address: text.clone(), why };
    let mut found = (address.host.as_str(), port)
        .to_socket_addrs()
        .map_err(|error| unknown(error.to_string()))?;
    found.next().ok_or_else(|| unknown("the name has no address".into()))
}

impl Node {
    /// Starts a node.
    ///
    /// # Errors
    /// What can't be used: the folder, a port, the log.
    pub fn start(config: &Config) -> Result<Self, Error> {
        let (identity, lock) = folder::take(config)?;
        let max_clients = descriptors::take(config.max_clients);
        let own = &config.nodes[usize::from(config.me.0)];
        let doors = Doors::open(resolve(own, own.plain)?, resolve(own, own.cluster)?).map_err(
            |(address, error)| Error::Listen { address: address.to_string(), error: error.into() },
        )?;
        let (plain, cluster) = doors.addresses().map_err(|error| Error::Clients(error.into()))?;
        let network = Self::network(config, identity.cluster, own)?;
        let servers = match &config.sharded {
            Some(sharded) => {
                Servers::Sharded(Hosted::start(config, sharded, identity, network, &doors)?)
            }
            None => {
                let (options, callers) = (config.raft.clone(), doors.callers());
                let (dir, kv) = (&config.dir, Kv::new());
                Servers::One(Server::start(dir, identity, options, network, kv, callers)?)
            }
        };
        folder::begin(config)?;
        // Ports that the system chose are known only now.
        let mut nodes = config.nodes.clone();
        let announced = &mut nodes[usize::from(config.me.0)];
        (announced.plain, announced.cluster) = (plain.port(), cluster.port());
        let views = Views::new(servers.source(), &config.cluster, &nodes, config.me, max_clients);
        let limits = SessionLimits {
            request: resp::Limits::DEFAULT.with_bulk_bytes(config.max_value_bytes),
            ..SessionLimits::default()
        };
        let options = crate::net::Options {
            max_clients,
            limits,
            password: config.password.as_deref().map(Password::new),
        };
        let net = doors
            .serve(servers.core(config.me, config.raft.park), views, options)
            .map_err(|error| Error::Clients(error.into()))?;
        let address = resolve(own, own.admin)?;
        let admin = Admin::start(address, servers.shared())
            .map_err(|error| Error::Listen { address: address.to_string(), error: error.into() })?;
        let addresses = Ports { plain, cluster, admin: admin.address() };
        Ok(Self { servers, net, admin, addresses, _lock: lock })
    }

    fn network(
        config: &Config,
        cluster: u128,
        own: &Address,
    ) -> Result<Option<peer::Options>, Error> {
        if config.nodes.len() == 1 {
            return Ok(None);
        }
        let failed = |error: peer::Error| Error::Peer(error.into());
        let listener = peer::bind(own.with(own.peer)).map_err(failed)?;
        let others = config
            .nodes
            .iter()
            .enumerate()
            .map(|(number, node)| (NodeId(number as u8), node.with(node.peer)));
        let peers = others.filter(|(node, _)| *node != config.me).collect();
        let secret = config.secret.as_deref().and_then(Secret::new);
        Ok(Some(peer::Options {
            me: config.me,
            cluster,
            listener,
            peers,
            secret,
            folder: config.dir.join("snapshots"),
            limits: peer::Limits {
                max_frame_bytes: FRAME_BYTES.max(4 * config.max_value_bytes),
                max_queue_bytes: 2 * FRAME_BYTES.max(4 * config.max_value_bytes),
                ..peer::Limits::default()
            },
        }))
    }

    /// Where it listens.
    pub const fn ports(&self) -> Ports {
        self.addresses
    }

    /// What each of its servers shows of itself, and of what it is one in a sharded cluster.
    pub fn shared(&self) -> Vec<(Option<Place>, Arc<raft::Shared>)> {
        self.servers.shared()
    }

    /// How it is told to stop, from another thread.
    pub fn stopper(&self) -> impl Fn() + Send + Sync + 'static {
        let all = self.servers.stoppers();
        move || all.iter().for_each(|stop| stop())
    }

    /// Waits until it has stopped, by itself or because it was told to.
    ///
    /// # Errors
    /// Why, if nobody told it to.
    pub fn wait(self) -> Result<(), Error> {
        let ended = self.servers.wait();
        drop(self.admin);
        self.net.stop();
        let net = self.net.wait().map_err(|error| Error::Clients(error.into()));
        ended?;
        net
    }
}
