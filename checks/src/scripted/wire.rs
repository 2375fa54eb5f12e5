//! A transport that puts down what a server sends, for the script to deliver when the path says. Nothing is passed on:
//! a script's callers ask their server alone.

use protocol::NodeId;
use protocol::log::Entry;
use protocol::raft::Message;
use quorate::peer::Transport;
use quorate::wal::Bytes;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// A message that a server has sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// To whom.
    pub to: NodeId,
    /// Raft's message.
    pub message: Message,
    /// Its entries.
    pub entries: Vec<Entry<Bytes>>,
    /// The file, if it is a snapshot.
    pub file: Option<Vec<u8>>,
}

/// What was sent since it was looked at last. Clones are the same list.
#[derive(Clone, Debug, Default)]
pub struct Outbox(Arc<Mutex<Vec<Sent>>>);

impl Outbox {
    /// Takes what is there.
    pub fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.0.lock().expect("no holder of the lock panics"))
    }

    fn put(&self, sent: Sent) {
        self.0.lock().expect("no holder of the lock panics").push(sent);
    }
}

impl Transport for Outbox {
    fn send(
        &self,
        to: NodeId,
        message: &Message,
        entries: &mut dyn Iterator<Item = &Entry<Bytes>>,
    ) {
        let entries = entries.cloned().collect();
        self.put(Sent { to, message: *message, entries, file: None });
    }

    fn send_snapshot(&self, to: NodeId, message: Message, path: PathBuf) {
        let file = std::fs::read(path).expect("a snapshot that is sent has its file");
        self.put(Sent { to, message, entries: Vec::new(), file: Some(file) });
    }
}
