//! How the servers of a cluster reach each other.
//!
//! Every server dials every other one and keeps that connection: on it go its messages and its clients'
//! calls to that peer, and back comes what became of the calls. Snapshots go over connections of their own,
//! so that no heartbeat waits behind one. All of it is blocking sockets and threads: a cluster has few
//! servers, and each pair has two connections with a reader and a writer at both ends.
//!
//! One [`Peers`] serves all groups of a node: each has a [`Room`], and what is said in one is heard in no other. What
//! groups tell each other are letters, of the node as a whole.
//!
//! What the owner of a room may rely on:
//!
//! 1. **Messages are a network's**: whole or not at all, from whom they say, in order on one connection;
//!    but they may be lost at any moment, and between two connections overtake each other. Raft repeats.
//!    Sending never waits: what finds no connection or no room is dropped and counted.
//! 2. **A call is told apart from its echo.** [`Room::forward`] says whether a call surely stays here. If
//!    not, its [`Received::Answer`] comes, or [`Received::Down`], behind which no answer comes any more:
//!    then whether it was carried out is open. A server that can't send an answer ends the connection.
//! 3. **A snapshot is handed over complete**: its bytes are checked, its file is synced. Whose message it
//!    is the machine decides.
//! 4. **Who speaks was proved** by the cluster's secret, when the connection was made: `hello.rs`. Without
//!    a secret the port is open to this machine only.
//! 5. **Bad bytes end their connection**, with a reason in the log, and nothing else. Nobody makes this
//!    server take memory by saying a number: `frame.rs`.
//!
//! [`Peers::go`] starts the threads; [`Peers::stop`], and dropping, ends them all.

mod dial;
pub(crate) mod error;
pub(crate) mod frame;
#[doc(hidden)]
pub mod fuzzing;
pub(crate) mod hello;
mod link;
mod listen;
mod options;
mod room;
mod snapshot;
mod stats;
mod transport;

pub use error::Error;
pub use frame::Malformed;
pub use hello::{Secret, VERSION};
pub use link::Traffic;
pub use options::{Limits, Options, bind};
pub use room::Room;
pub use snapshot::Progress;
pub use stats::{PeerStats, Stats};
pub use transport::Transport;

use crate::sync::{Mutex, Parker, Unparker};
use crate::wal::GroupId;
use error::Trouble;
use frame::{Kind, Put};
use hello::Site;
use link::{Number, Outbox, Sockets};
use protocol::NodeId;
use protocol::log::Entry;
use protocol::raft::Message;
use snapshot::Courier;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What the transport tells its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// A message, with the entries it speaks of.
    Message {
        /// Who sent it.
        from: NodeId,
        /// The message, well formed.
        message: Message,
        /// As many entries as it says.
        entries: Vec<Entry<Arc<[u8]>>>,
    },
    /// A snapshot's file has come.
    Snapshot {
        /// Who sent it.
        from: NodeId,
        /// The message that it came with, an InstallSnapshot.
        message: Message,
        /// The file: complete, checked and synced, under a temporary name. It is the owner's now, who renames
        /// it and syncs the folder, or removes it.
        path: PathBuf,
    },
    /// A peer's call, to be carried out here and answered with [`Room::answer`].
    Forward {
        /// Who sent it.
        from: NodeId,
        /// What the answer must name.
        ticket: Ticket,
        /// The call.
        call: Vec<u8>,
    },
    /// What became of a call of [`Room::forward`].
    Answer {
        /// Who carried it out, or did not.
        from: NodeId,
        /// The call's number.
        ticket: u64,
        /// What became of it.
        outcome: Vec<u8>,
    },
    /// The connection to a peer is made: calls can go there.
    Up {
        /// The peer.
        node: NodeId,
    },
    /// The connection to a peer is lost. Every call that went over it and is not answered by now never will
    /// be; it may have been carried out or may be yet.
    Down {
        /// The peer.
        node: NodeId,
    },
}

/// A peer's call, by the connection on which it came and the peer's number for it. An answer goes back on
/// that connection or not at all: the peer may use the number again in its next life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket {
    connection: Number,
    number: u64,
}

impl Ticket {
    /// The peer's number for it.
    pub const fn number(self) -> u64 {
        self.number
    }
}

/// One peer, as all threads see it.
#[derive(Debug)]
struct Peer {
    node: NodeId,
    address: String,
    /// To the connection that this server made.
    out: Outbox,
    /// To the connection that the peer made.
    back: Outbox,
    courier: Courier,
    /// The newest connection on which the peer sends a snapshot.
    incoming: Mutex<Option<Number>>,
    received: Mutex<Traffic>,
    snapshots_in: Mutex<u64>,
    /// Why the last connection was lost or not made.
    trouble: Mutex<Option<String>>,
    /// Wakes the thread that dials.
    dialer: Unparker,
}

impl Peer {
    /// Counts a frame that came.
    fn count(&self, payload: usize) {
        let mut received = self.received.lock();
        received.frames += 1;
        received.bytes += frame::framed_bytes(payload);
    }
}

/// What all threads share.
struct Shared {
    site: Site,
    limits: Limits,
    folder: PathBuf,
    peers: Vec<Peer>,
    sockets: Sockets,
    turned: Mutex<Turned>,
    rooms: Mutex<BTreeMap<GroupId, Sink>>,
    letters: Mutex<Option<Letters>>,
}

/// Where what comes for a group goes.
type Sink = Arc<dyn Fn(Received) + Send + Sync>;

/// Where letters go: who sent it, and its bytes. It says whether they mean something.
type Letters = Arc<dyn Fn(NodeId, &[u8]) -> bool + Send + Sync>;

/// Connections that came and were not let in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Turned {
    count: u64,
    last: Option<String>,
}

impl Shared {
    /// Tells a group's room; whether there is one.
    fn tell(&self, group: GroupId, received: Received) -> bool {
        let sink = self.rooms.lock().get(&group).cloned();
        sink.map(|sink| sink(received)).is_some()
    }

    /// Tells all rooms.
    fn tell_all(&self, received: &Received) {
        let sinks: Vec<Sink> = self.rooms.lock().values().cloned().collect();
        sinks.iter().for_each(|sink| sink(received.clone()));
    }

    /// Whether a letter's bytes mean something, if anybody here reads letters.
    fn take_letter(&self, from: NodeId, bytes: &[u8]) -> bool {
        let letters = self.letters.lock().clone();
        letters.is_none_or(|letters| letters(from, bytes))
    }

    fn peer(&self, node: NodeId) -> Option<&Peer> {
        self.peers.iter().find(|peer| peer.node == node)
    }

    /// The connection to a peer is made.
    fn made(&self, peer: &Peer) {
        *peer.trouble.lock() = None;
        tracing::info!(peer = peer.node.0, address = peer.address, "connected");
    }

    /// The connection to a peer was lost or not made. The same reason again is not worth a person's time.
    fn lost(&self, peer: &Peer, trouble: &Trouble) {
        let text = trouble.to_string();
        let old = peer.trouble.lock().replace(text.clone());
        let (peer, address) = (peer.node.0, &peer.address);
        if old.as_ref() == Some(&text) {
            tracing::debug!(peer, address, trouble = text, "still no connection");
        } else {
            tracing::warn!(peer, address, trouble = text, "no connection");
        }
    }

    /// A connection was not let in.
    fn turned(&self, address: SocketAddr, trouble: &Trouble) {
        let text = trouble.to_string();
        let mut turned = self.turned.lock();
        turned.count += 1;
        let old = turned.last.replace(text.clone());
        drop(turned);
        if old.as_ref() == Some(&text) {
            tracing::debug!(%address, trouble = text, "another connection was not let in");
        } else {
            tracing::warn!(%address, trouble = text, "a connection was not let in");
        }
    }
}

/// The connections of one node with its peers. Each of the node's groups has a [`Room`] here.
///
/// Its methods may be called from any thread, and none of them waits for a peer; but only
/// [`stop`](Self::stop) and dropping must not be done within a room's sink.
pub struct Peers {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// What the threads are made of, until they run.
    idle: Mutex<Option<Idle>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Threads that do not run yet: where the one that accepts listens, and what each peer's two wait at.
struct Idle {
    listener: TcpListener,
    parkers: Vec<[Parker; 2]>,
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers").field("me", &self.shared.site.me).finish_non_exhaustive()
    }
}

impl Peers {
    /// Makes a node's transport. It listens and dials when it is told to go, behind which no room is added.
    ///
    /// # Errors
    /// If the options contradict each other, or the folder can't be used.
    pub fn open(options: Options) -> Result<Self, Error> {
        let unknown = |source| Error::Listen { address: "an unknown address".to_owned(), source };
        let address = options.listener.local_addr().map_err(unknown)?;
        options::check(&options, address)?;
        let Options { me, cluster, listener, peers, secret, folder, limits } = options;
        snapshot::clean(&folder)?;
        let nodes = peers.iter().map(|(node, _)| *node).collect();
        let patience = limits.handshake;
        let site = Site { version: VERSION, me, cluster, peers: nodes, secret, patience };
        let (peers, parkers) = peers.into_iter().map(|(node, at)| peer(node, at, &limits)).unzip();
        let shared = Arc::new(Shared {
            site,
            limits,
            folder,
            peers,
            sockets: Sockets::new(),
            turned: Mutex::new(Turned::default()),
            rooms: Mutex::new(BTreeMap::new()),
            letters: Mutex::new(None),
        });
        let idle = Mutex::new(Some(Idle { listener, parkers }));
        Ok(Self { shared, address, idle, threads: Mutex::new(Vec::new()) })
    }

    /// Begins to listen and to dial.
    ///
    /// # Errors
    /// If no threads can be had.
    pub fn go(&self) -> Result<(), Error> {
        let idle = self.idle.lock().take();
        let Some(Idle { listener, parkers }) = idle else { return Ok(()) };
        self.spawn(parkers, listener).map_err(|source| Error::Thread { source })
    }

    fn spawn(&self, parkers: Vec<[Parker; 2]>, listener: TcpListener) -> io::Result<()> {
        let spawn = |name: String, run: Box<dyn FnOnce(&Shared) + Send>| {
            let shared = Arc::clone(&self.shared);
            let thread = thread::Builder::new().name(name).spawn(move || run(&shared));
            thread.map(|thread| self.threads.lock().push(thread))
        };
        spawn("peers".to_owned(), Box::new(move |shared| listen::run(shared, &listener)))?;
        for (at, [dialer, courier]) in parkers.into_iter().enumerate() {
            let node = self.shared.peers[at].node.0;
            let run = move |shared: &Shared| dial::run(shared, &shared.peers[at], &dialer);
            spawn(format!("peer {node}"), Box::new(run))?;
            let run = move |shared: &Shared| snapshot::run(shared, &shared.peers[at], &courier);
            spawn(format!("peer {node} snapshots"), Box::new(run))?;
        }
        Ok(())
    }

    /// Who reads letters here. It is told who sent one, and its bytes, by several threads at once, and says whether
    /// they mean something; if not, the connection is ended.
    pub fn read_letters(&self, reads: impl Fn(NodeId, &[u8]) -> bool + Send + Sync + 'static) {
        *self.shared.letters.lock() = Some(Arc::new(reads));
    }

    /// Sends a letter: something that is of no group's log. Like a message it may be lost at any moment.
    pub fn send_letter(&self, to: NodeId, bytes: &[u8]) {
        let most = self.shared.limits.max_frame_bytes;
        let Some(peer) = self.shared.peer(to) else { return };
        peer.out.push(None, |out, room| {
            let length = frame::framed_bytes(bytes.len()) as usize;
            if bytes.len() >= most || out.len() + length > room {
                return Put::default();
            }
            frame::put(Kind::Letter, out, |out| out.extend_from_slice(bytes));
            Put { frames: 1, whole: true }
        });
    }

    /// Where peers connect to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the connection to a peer is made.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.shared.peer(node).is_some_and(|peer| peer.out.is_open())
    }

    /// What has gone and come so far.
    pub fn stats(&self) -> Stats {
        stats::of(&self.shared)
    }

    /// Ends all connections and joins all threads. Behind it no sink is called any more.
    ///
    /// # Panics
    /// If a thread has panicked, as a sink may have done.
    pub fn stop(&self) {
        if let Some(panic) = self.end().into_iter().find_map(Result::err) {
            std::panic::resume_unwind(panic);
        }
    }

    fn end(&self) -> Vec<thread::Result<()>> {
        let shared = &self.shared;
        shared.sockets.stop();
        for peer in &shared.peers {
            peer.dialer.unpark();
            peer.courier.wake();
        }
        let threads = std::mem::take(&mut *self.threads.lock());
        if let Some(accepting) = threads.first() {
            while !accepting.is_finished() {
                knock(self.address);
            }
        }
        let ended = threads.into_iter().map(JoinHandle::join).collect();
        let sinks = std::mem::take(&mut *shared.rooms.lock());
        let letters = shared.letters.lock().take();
        drop((sinks, letters));
        ended
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.end();
    }
}

/// A peer nobody has heard of, and what its two threads wait at.
fn peer(node: NodeId, address: String, limits: &Limits) -> (Peer, [Parker; 2]) {
    let (dialer, courier) = (Parker::new(), Parker::new());
    let outbox = || Outbox::new(limits.max_queue_bytes);
    let peer = Peer {
        node,
        address,
        out: outbox(),
        back: outbox(),
        courier: Courier::new(courier.unparker().clone()),
        incoming: Mutex::new(None),
        received: Mutex::new(Traffic::default()),
        snapshots_in: Mutex::new(0),
        trouble: Mutex::new(None),
        dialer: dialer.unparker().clone(),
    };
    (peer, [dialer, courier])
}

/// Wakes a thread that waits for a connection, by making one.
fn knock(mut address: SocketAddr) {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    // It fails if the thread has gone meanwhile, or if too many files are open; then that thread is awake.
    let _ = TcpStream::connect_timeout(&address, Duration::from_millis(100));
    thread::park_timeout(Duration::from_millis(1));
}
