//! The labs' network between threads: what servers send is lost, held or copied by the rules of [`Wire`], and a router
//! hands it over when its time has come.
//!
//! There are no connections here, so no command is passed on to a leader. A snapshot is a message whose file is copied
//! when it arrives, by a thread of its own, for that takes a sync: complete, under a temporary name, as the
//! product's transport hands it over.
//!
//! [`Wire`]: crate::labs::wire::Wire

use super::hub::{Due, Given, Hub, Load};
use crate::labs::wire::Letter;
use protocol::NodeId;
use protocol::log::Entry;
use protocol::raft::Message;
use quorate::mailbox::Mailbox;
use quorate::peer::{Received, Transport};
use quorate::rsm::encode;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So much of a snapshot's file is in a frame.
const CHUNK_BYTES: u64 = 256 << 10;
/// What a frame has beside its payload, and the length of the message in it.
const FRAME_BYTES: u64 = 10;

/// A life's way to the others.
pub struct Link {
    /// What all share.
    pub hub: Arc<Hub>,
    /// Whose it is.
    pub me: NodeId,
    /// The number of the first server of its group: for the others there it is server 0.
    pub first: u8,
    /// Which life's.
    pub life: u64,
}

/// How long the product's frame of a message is, without what it carries.
fn frame_bytes(message: &Message) -> u64 {
    FRAME_BYTES + encode(message).map_or(0, |bytes| bytes.len() as u64)
}

fn entry_bytes(entry: &Entry<Arc<[u8]>>) -> u64 {
    match entry {
        Entry::NoOp => 1,
        Entry::Command(payload) => 5 + payload.len() as u64,
    }
}

impl Link {
    fn post(&self, to: NodeId, message: &Message, bytes: u64, load: Load) {
        let (from, is_request) = (self.me, message.body.is_request());
        let letter = Letter { from, to, is_request, bytes: frame_bytes(message) + bytes };
        let Some(mut state) = self.hub.of_life(self.me, self.life) else { return };
        let (state, now) = (&mut *state, self.hub.now_us());
        if message.body.is_from_leader() {
            state.leads(message.term, self.me);
        }
        // One that is under way is not begun again.
        if state.files.contains(&(from, to, *message)) {
            return;
        }
        let Some(us) = state.wire.carries(letter, now, &mut state.random) else { return };
        if let Load::Snapshot { .. } = load {
            state.files.push((from, to, *message));
        }
        let copy = state.wire.copy_after().map(|later| (later, load.clone()));
        self.hub.post(state, us, to, Some(letter), load);
        if let Some((later, load)) = copy {
            self.hub.post(state, us + later, to, Some(letter), load);
        }
    }
}

impl Transport for Link {
    fn send(
        &self,
        to: NodeId,
        message: &Message,
        entries: &mut dyn Iterator<Item = &Entry<Arc<[u8]>>>,
    ) {
        let to = NodeId(self.first + to.0);
        let entries: Vec<_> = entries.cloned().collect();
        let bytes = entries.iter().map(entry_bytes).sum();
        self.post(to, message, bytes, Load::Message { message: *message, entries });
    }

    fn send_snapshot(&self, to: NodeId, message: Message, path: PathBuf) {
        // Gone already: a newer one will be sent.
        let Ok(length) = std::fs::metadata(&path).map(|file| file.len()) else { return };
        // Its length, frames for its pieces, and the checksum behind them.
        let bytes = 8 + length + 9 * length.div_ceil(CHUNK_BYTES) + 13;
        let to = NodeId(self.first + to.0);
        self.post(to, &message, bytes, Load::Snapshot { message, path, length });
    }
}

/// A file that has arrived.
pub struct Parcel {
    from: NodeId,
    to: NodeId,
    /// The receiver's life.
    life: u64,
    message: Message,
    path: PathBuf,
    length: u64,
}

/// Hands over what arrives, until the end.
pub fn route(hub: &Hub, parcels: &Mailbox<Parcel>) {
    while let Some((mut state, Due { to, letter, load, .. })) = hub.arrives() {
        let arrives = letter.is_none_or(|letter| state.wire.lets_in(letter));
        let from = letter.map_or(to, |letter| letter.from);
        let end = &state.ends[usize::from(to.0)];
        let (life, sink, first) = (end.life, end.sink.clone(), end.first);
        match load {
            Load::Message { message, entries } => {
                drop(state);
                if let Some(sink) = sink.filter(|_| arrives) {
                    let from = NodeId(from.0 - first);
                    sink(Received::Message { from, message, entries });
                }
            }
            Load::Snapshot { message, path, length } if arrives && sink.is_some() => {
                drop(state);
                // Closed only at the end.
                let _ = parcels.post_always(Parcel { from, to, life, message, path, length });
            }
            Load::Snapshot { message, .. } => {
                state.files.retain(|file| *file != (from, to, message));
            }
            Load::Request { caller, ask, life: meant } => {
                let inlet = end.inlet.clone().filter(|_| life == meant);
                drop(state);
                inlet.into_iter().for_each(|inlet| inlet(Given::Request(caller, ask.clone())));
            }
            Load::Letter(letter) => {
                let inlet = end.inlet.clone().filter(|_| arrives);
                drop(state);
                inlet.into_iter().for_each(|inlet| inlet(Given::Letter(from, letter.clone())));
            }
        }
    }
    parcels.close();
}

/// Brings the files of snapshots, until the end.
pub fn carry(hub: &Hub, parcels: &Mailbox<Parcel>) {
    let (mut taken, mut number) = (Vec::new(), 0);
    while parcels.take(&mut taken) {
        for Parcel { from, to, life, message, path, length } in taken.drain(..) {
            number += 1;
            let folder = hub.state().ends[usize::from(to.0)].folder.clone();
            let copied = copy(&path, length, &folder, format!("incoming-{}-{number}.part", from.0));
            let mut state = hub.state();
            state.files.retain(|file| *file != (from, to, message));
            let end = &state.ends[usize::from(to.0)];
            let sink = end.sink.clone().filter(|_| end.life == life);
            let from = NodeId(from.0 - end.first);
            drop(state);
            // A source that is gone is a transfer that broke off.
            let Ok(path) = copied else { continue };
            match sink {
                Some(sink) => sink(Received::Snapshot { from, message, path }),
                // What can't be removed goes at the next start.
                None => drop(std::fs::remove_file(path)),
            }
        }
    }
}

/// Copies a file, whole and durable, under a new name.
fn copy(source: &Path, length: u64, folder: &Path, name: String) -> io::Result<PathBuf> {
    let content = std::fs::read(source)?;
    if content.len() as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let path = folder.join(name);
    let mut file = File::create_new(&path)?;
    let written = file.write_all(&content).and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(std::fs::remove_file(&path)))?;
    Ok(path)
}
