//! What carries a server's messages: [`Room`] in the product, a script or a bad network in tests.

use super::{Room, Ticket};
use protocol::NodeId;
use protocol::log::Entry;
use protocol::raft::Message;
use std::path::PathBuf;
use std::sync::Arc;

/// Carries what a server sends. What it may rely on is said in [`crate::peer`]; each method is the one of [`Room`]. A
/// transport that has no connections carries no calls, and needs none of the methods that are given.
pub trait Transport: Send {
    /// Sends a message with its entries.
    fn send(
        &self,
        to: NodeId,
        message: &Message,
        entries: &mut dyn Iterator<Item = &Entry<Arc<[u8]>>>,
    );

    /// Sends a call to be carried out by a peer; whether it may have left.
    #[must_use]
    fn forward(&self, to: NodeId, ticket: u64, call: &[u8]) -> bool {
        let _ = (to, ticket, call);
        false
    }

    /// Whether a call or an answer of so many bytes can be carried.
    fn fits(&self, bytes: usize) -> bool {
        let _ = bytes;
        true
    }

    /// Answers a peer's call.
    fn answer(&self, to: NodeId, ticket: Ticket, outcome: &[u8]) {
        let _ = (to, ticket, outcome);
    }

    /// Sends a snapshot's file, with the InstallSnapshot that it belongs to.
    fn send_snapshot(&self, to: NodeId, message: Message, path: PathBuf);
}

impl Transport for Room {
    fn send(
        &self,
        to: NodeId,
        message: &Message,
        entries: &mut dyn Iterator<Item = &Entry<Arc<[u8]>>>,
    ) {
        Self::send(self, to, message, entries);
    }

    fn forward(&self, to: NodeId, ticket: u64, call: &[u8]) -> bool {
        Self::forward(self, to, ticket, call)
    }

    fn fits(&self, bytes: usize) -> bool {
        Self::fits(self, bytes)
    }

    fn answer(&self, to: NodeId, ticket: Ticket, outcome: &[u8]) {
        Self::answer(self, to, ticket, outcome);
    }

    fn send_snapshot(&self, to: NodeId, message: Message, path: PathBuf) {
        Self::send_snapshot(self, to, message, path);
    }
}
