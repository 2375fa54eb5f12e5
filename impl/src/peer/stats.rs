//! What a person or a program may ask about the transport.

use super::link::Traffic;
use super::snapshot::Progress;
use super::{Peer, Shared};
use protocol::NodeId;

/// The transport, at a glance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Every peer, in the order in which they were given.
    pub peers: Vec<PeerStats>,
    /// How many connections were not let in.
    pub refused: u64,
    /// Why the last of them was not.
    pub last_refused: Option<String>,
}

/// One peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerStats {
    /// The peer.
    pub node: NodeId,
    /// Where it was said to be.
    pub address: String,
    /// Whether this server's connection to it is made.
    pub connected: bool,
    /// Whether its connection to this server is made.
    pub heard: bool,
    /// Why the connection to it was lost or not made, if it is not there.
    pub trouble: Option<String>,
    /// Messages, calls and answers that were queued for it.
    pub sent: Traffic,
    /// What came from it, signs of life included, snapshots not.
    pub received: Traffic,
    /// Messages, calls and answers that found no connection or no room.
    pub dropped: u64,
    /// The snapshot that is being sent to it.
    pub snapshot: Option<Progress>,
    /// How many snapshots it has taken.
    pub snapshots_sent: u64,
    /// How many transfers to it have failed.
    pub snapshots_failed: u64,
    /// Why the last transfer to it failed, if it did.
    pub snapshot_trouble: Option<String>,
    /// How many snapshots have come from it.
    pub snapshots_received: u64,
}

pub(super) fn of(shared: &Shared) -> Stats {
    let turned = shared.turned.lock().clone();
    let peers = shared.peers.iter().map(of_peer).collect();
    Stats { peers, refused: turned.count, last_refused: turned.last }
}

fn of_peer(peer: &Peer) -> PeerStats {
    let (out, dropped) = peer.out.traffic();
    let (back, unanswered) = peer.back.traffic();
    let done = peer.courier.done();
    let trouble = peer.trouble.lock().clone();
    let received = *peer.received.lock();
    let snapshots_received = *peer.snapshots_in.lock();
    PeerStats {
        node: peer.node,
        address: peer.address.clone(),
        connected: peer.out.is_open(),
        heard: peer.back.is_open(),
        trouble,
        sent: Traffic { frames: out.frames + back.frames, bytes: out.bytes + back.bytes },
        received,
        dropped: dropped + unanswered,
        snapshot: done.progress,
        snapshots_sent: done.sent,
        snapshots_failed: done.failed,
        snapshot_trouble: done.trouble,
        snapshots_received,
    }
}
