//! What the transport is told at its start.

use super::{Error, Secret};
use protocol::NodeId;
use std::fmt;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

/// The least bound of a frame: some messages and a useful piece of a snapshot.
const LEAST_FRAME_BYTES: usize = 1 << 10;

/// Bounds and durations. All servers of a cluster should have the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The largest frame, in bytes. A batch of entries may be larger, an entry or a call may not.
    pub max_frame_bytes: usize,
    /// How many bytes may wait for one peer. What does not fit is dropped.
    pub max_queue_bytes: usize,
    /// How many connections there may be that have not proved anything yet.
    pub max_unproven: usize,
    /// How long dialing may take, and then a handshake.
    pub handshake: Duration,
    /// How long to wait before a lost connection is made again, at first.
    pub retry: Duration,
    /// How long to wait at most, when it can't be made again and again.
    pub retry_most: Duration,
    /// After how long without a sign of life a connection is given up.
    pub silence: Duration,
    /// How long a snapshot is not sent to a peer again after its transfer has ended.
    pub snapshot_rest: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame_bytes: 16 << 20,
            max_queue_bytes: 64 << 20,
            max_unproven: 64,
            handshake: Duration::from_secs(5),
            retry: Duration::from_millis(50),
            retry_most: Duration::from_secs(2),
            silence: Duration::from_secs(5),
            snapshot_rest: Duration::from_secs(1),
        }
    }
}

/// What the transport of one server needs to know.
#[derive(Debug)]
pub struct Options {
    /// This server.
    pub me: NodeId,
    /// The cluster's number.
    pub cluster: u128,
    /// Where peers connect to: see [`bind`].
    pub listener: TcpListener,
    /// Every other server, with its `host:port`.
    pub peers: Vec<(NodeId, String)>,
    /// What proves that a peer is one. Without it the listener must be on loopback.
    pub secret: Option<Secret>,
    /// Where received snapshots go, on the file system on which they stay. The transport makes and removes
    /// files there whose names begin with `incoming-` and end with `.part`.
    pub folder: PathBuf,
    /// Bounds and durations.
    pub limits: Limits,
}

/// Listens on an address, such as `127.0.0.1:7401`.
///
/// # Errors
/// If the address can't be had.
pub fn bind(address: impl ToSocketAddrs + fmt::Display) -> Result<TcpListener, Error> {
    let failed = |source| Error::Listen { address: address.to_string(), source };
    TcpListener::bind(&address).map_err(failed)
}

/// Whether the options contradict each other.
pub(super) fn check(options: &Options, address: SocketAddr) -> Result<(), Error> {
    let Options { me, peers, secret, limits, .. } = options;
    if secret.is_none() && !address.ip().to_canonical().is_loopback() {
        return Err(Error::Unprotected { address });
    }
    for (at, &(node, _)) in peers.iter().enumerate() {
        if node == *me {
            return Err(Error::Peers { node, why: "is this server" });
        }
        if peers[..at].iter().any(|(other, _)| *other == node) {
            return Err(Error::Peers { node, why: "stands there twice" });
        }
    }
    let least = |name, value, least| {
        if value < least { Err(Error::Bound { name, value, least }) } else { Ok(()) }
    };
    least("max_frame_bytes", limits.max_frame_bytes, LEAST_FRAME_BYTES)?;
    least("max_queue_bytes", limits.max_queue_bytes, limits.max_frame_bytes)?;
    least("max_unproven", limits.max_unproven, 1)
}
