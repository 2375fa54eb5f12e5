//! What the transcripts and the properties share: a group of servers with disks and a network, the
//! safety properties that are checked after each of its steps, and how its events are written down.

pub mod group;
pub mod safety;
pub mod server;
pub mod show;

use protocol::NodeId;
use protocol::log::Entry;
use protocol::raft::Message;
use std::fmt;

/// A client's command: a short name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub String);

impl Tag {
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the service has applied, from index 1 on. A snapshot's file holds the same.
pub type Applied = Vec<Entry<Tag>>;

/// A message on its way, with what its bytes would carry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    pub from: NodeId,
    pub to: NodeId,
    pub message: Message,
    /// The entries of an AppendEntries.
    pub entries: Vec<Entry<Tag>>,
    /// The file of an InstallSnapshot.
    pub file: Option<Applied>,
}
