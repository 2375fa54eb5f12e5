//! What model and threads have in common, in the same words: messages, and a server's state.

use super::judge::Seen;
use super::scene::{MachineOf, Scene};
use super::wire::Sent;
use model::node::{Packet, PacketOf, Words};
use protocol::log::Entry;
use protocol::raft::{Body, Message, Raft, Rules};
use protocol::{NodeId, ReadId};
use stateright::actor::Id;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};

/// A message as model and threads both have it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter<X> {
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// Raft's message, with the model's numbers of reads.
    pub message: Message,
    /// Its entries.
    pub entries: Vec<Entry<X>>,
}

impl<X: Clone> Letter<X> {
    /// A message of the model.
    pub fn of_model<G: Scene<Word = X>>(src: Id, dst: Id, packet: &PacketOf<G::Recipe>) -> Self {
        let Packet { message, entries, .. } = packet;
        let entries = entries.iter().map(|entry| in_words(entry, G::word)).collect();
        let (from, to) = (NodeId(usize::from(src) as u8), NodeId(usize::from(dst) as u8));
        Self { from, to, message: *message, entries }
    }

    /// A message of the threads.
    pub fn of_threads<G: Scene<Word = X>>(from: NodeId, sent: &Sent) -> Self {
        let entries = sent.entries.iter().map(|entry| in_words(entry, G::word_of)).collect();
        Self { from, to: sent.to, message: named::<G>(sent.message), entries }
    }
}

impl<X: fmt::Debug> fmt::Debug for Letter<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Message { term, body } = self.message;
        write!(f, "{:?} → {:?}  t{term} {}", self.from, self.to, Words(body))?;
        if !self.entries.is_empty() {
            write!(f, " {:?}", self.entries)?;
        }
        Ok(())
    }
}

fn in_words<C, X>(entry: &Entry<C>, word: impl Fn(&C) -> X) -> Entry<X> {
    match entry {
        Entry::NoOp => Entry::NoOp,
        Entry::Command(command) => Entry::Command(word(command)),
    }
}

/// A read's number on the threads: its life is in the upper half.
fn model_read<G: Scene>(id: u64) -> u64 {
    G::read_id(id >> 32, id & u64::from(u32::MAX))
}

/// A message of the threads with the model's numbers of reads.
fn named<G: Scene>(mut message: Message) -> Message {
    if let Body::ReadIndex { id } | Body::ReadGranted { id, .. } = &mut message.body {
        *id = ReadId(model_read::<G>(id.0));
    }
    message
}

/// Raft's state in words.
pub fn in_full<R: Rules>(raft: &Raft<R>) -> String {
    format!("{raft:?} round {}", raft.round())
}

/// Raft's state in words, with the model's numbers of reads.
pub fn raft_text<G: Scene>(machine: &MachineOf<G>) -> String {
    let text = in_full(machine.replica().raft());
    let mut parts = text.split("read ");
    let mut named = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let id = part[..digits].parse().map_or(0, model_read::<G>);
        named += &format!("read {id}{}", &part[digits..]);
    }
    named
}

/// A fingerprint of all of Raft's state and of the queue in front of the disk.
pub fn protocol_of<C: Clone, R: Rules>(replica: &protocol::replica::Replica<C, R>) -> u64 {
    let mut hasher = DefaultHasher::new();
    replica.digest(&mut hasher);
    hasher.finish()
}

/// What is new of a server, in words.
pub fn news<X: Clone + Eq + fmt::Debug>(before: &Seen<X>, after: &Seen<X>) -> Vec<String> {
    let me = after.me;
    let mut lines = Vec::new();
    if before.boot != after.boot {
        lines.push(format!("{me:?} is in its life {}", after.boot));
    }
    if (before.role, before.term) != (after.role, after.term) {
        lines.push(format!("{me:?} is {:?} of term {}", after.role, after.term));
    }
    if before.memory != after.memory {
        lines.push(format!("{me:?}'s log is {:?} {:?}", after.memory.terms, after.memory.entries));
    }
    if before.pending < after.pending {
        let writes = after.pending - before.pending;
        lines.push(format!("{me:?} asks its disk for {writes} more, {} wait", after.pending));
    }
    if before.disk != after.disk {
        lines.push(format!("{me:?}'s disk has {:?} {:?}", after.disk.terms, after.disk.entries));
    }
    if before.commit != after.commit {
        lines.push(format!("{me:?} knows {} to be committed", after.commit));
    }
    lines
}
