//! A transport that puts down what a server sends, for the script to deliver when the path says.

use protocol::NodeId;
use protocol::log::Entry;
use protocol::raft::Message;
use quorate::peer::{Ticket, Transport};
use quorate::wal::Bytes;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// What a server has sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sent {
    /// A message.
    Message {
        /// To whom.
        to: NodeId,
        /// Raft's message.
        message: Message,
        /// Its entries.
        entries: Vec<Entry<Bytes>>,
        /// The file, if it is a snapshot.
        file: Option<Vec<u8>>,
    },
    /// A command is passed on.
    Call {
        /// To whom.
        to: NodeId,
        /// The sender's number for it.
        ticket: u64,
        /// The command.
        call: Vec<u8>,
    },
    /// An answer to a command that was passed on.
    Answer {
        /// To whom.
        to: NodeId,
        /// Its name for it.
        ticket: Ticket,
        /// What became of it.
        outcome: Vec<u8>,
    },
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
        self.put(Sent::Message { to, message: *message, entries, file: None });
    }

    fn forward(&self, to: NodeId, ticket: u64, call: &[u8]) -> bool {
        self.put(Sent::Call { to, ticket, call: call.into() });
        true
    }

    fn fits(&self, _: usize) -> bool {
        true
    }

    fn answer(&self, to: NodeId, ticket: Ticket, outcome: &[u8]) {
        self.put(Sent::Answer { to, ticket, outcome: outcome.into() });
    }

    fn send_snapshot(&self, to: NodeId, message: Message, path: PathBuf) {
        let file = std::fs::read(path).expect("a snapshot that is sent has its file");
        self.put(Sent::Message { to, message, entries: Vec::new(), file: Some(file) });
    }
}
