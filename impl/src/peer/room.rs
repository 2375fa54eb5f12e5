//! A group's way to its other servers.

use super::frame::{self, Kind, Put};
use super::link::{Number, Outbox, Pushed};
use super::{Peers, Received, Ticket};
use crate::wal::GroupId;
use protocol::NodeId;
use protocol::log::Entry;
use protocol::raft::{Body, Message};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// What a group's server says to the others, and what it hears of them. The transport ends with its last room, unless
/// somebody else has it too.
pub struct Room {
    peers: Arc<Peers>,
    group: GroupId,
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("group", &self.group).finish_non_exhaustive()
    }
}

impl Room {
    /// Opens a group's room. `sink` gets everything that comes for the group, from several threads at once, but from
    /// one peer's connection one after the other. As long as it does not return nothing more is read from
    /// that connection; so it may hold back a peer that sends too much, if not for as long as the time of
    /// silence. When the transport stops it must return.
    ///
    /// # Panics
    /// If the group has one, or the transport goes already.
    pub fn open(
        peers: &Arc<Peers>,
        group: GroupId,
        sink: impl Fn(Received) + Send + Sync + 'static,
    ) -> Self {
        assert!(peers.idle.lock().is_some(), "a room is opened before the transport goes");
        let old = peers.shared.rooms.lock().insert(group, Arc::new(sink));
        assert!(old.is_none(), "{group} has a room");
        Self { peers: Arc::clone(peers), group }
    }

    /// Sends a message with its entries, in order. A batch that is too large for one frame goes as several,
    /// each a message that its leader could have sent.
    pub fn send<'a>(
        &self,
        to: NodeId,
        message: &Message,
        entries: impl Iterator<Item = &'a Entry<Arc<[u8]>>>,
    ) {
        let shared = &self.peers.shared;
        let Some(peer) = shared.peer(to) else { return };
        let (most, message) = (shared.limits.max_frame_bytes, (self.group, message));
        peer.out.push(None, |out, room| frame::put_message(message, entries, most, room, out));
    }

    /// Sends a call to be carried out by a peer. `ticket` is the caller's number for it, unique among the group's calls
    /// to that peer for as long as the connection is up. If this says no, the call surely has not left.
    #[must_use]
    pub fn forward(&self, to: NodeId, ticket: u64, call: &[u8]) -> bool {
        let Some(peer) = self.peers.shared.peer(to) else { return false };
        self.push_numbered(&peer.out, None, Kind::Forward, ticket, call) == Pushed::Queued
    }

    /// Whether a call or an answer of so many bytes has room in a frame.
    pub fn fits(&self, bytes: usize) -> bool {
        frame::numbered_bytes(bytes) <= self.peers.shared.limits.max_frame_bytes
    }

    /// Answers a peer's call. If there is no room for the answer the connection ends, so that the peer does not
    /// wait for it.
    pub fn answer(&self, to: NodeId, ticket: Ticket, outcome: &[u8]) {
        let shared = &self.peers.shared;
        let Some(peer) = shared.peer(to) else { return };
        let Ticket { connection, number } = ticket;
        let pushed =
            self.push_numbered(&peer.back, Some(connection), Kind::Answer, number, outcome);
        if pushed == Pushed::Full {
            let bytes = outcome.len();
            tracing::warn!(peer = to.0, bytes, "no room for an answer; its connection is ended");
            shared.sockets.shut(connection);
        }
    }

    fn push_numbered(
        &self,
        outbox: &Outbox,
        connection: Option<Number>,
        kind: Kind,
        number: u64,
        bytes: &[u8],
    ) -> Pushed {
        let most = self.peers.shared.limits.max_frame_bytes;
        outbox.push(connection, |out, room| {
            let length = frame::numbered_bytes(bytes.len());
            if length > most || out.len() + length + frame::HEAD_BYTES > room {
                return Put::default();
            }
            frame::put_numbered(kind, (self.group, number), bytes, out);
            Put { frames: 1, whole: true }
        })
    }

    /// Sends a snapshot's file, with the InstallSnapshot that it belongs to. The file must stay as it is until
    /// the transfer has ended, or is removed: then the transfer may end early, or go on. One transfer to a
    /// peer at a time: the same again is ignored while it lasts and shortly after, another of this group waits for its
    /// turn and replaces the one that waits. A peer that is not connected gets nothing.
    pub fn send_snapshot(&self, to: NodeId, message: Message, path: PathBuf) {
        let shared = &self.peers.shared;
        let Some(peer) = shared.peer(to) else { return };
        if matches!(message.body, Body::InstallSnapshot { .. }) && peer.out.is_open() {
            peer.courier.ask(self.group, message, path, shared.limits.snapshot_rest);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let sink = self.peers.shared.rooms.lock().remove(&self.group);
        // Outside of the lock: it may have locks of its own.
        drop(sink);
    }
}
