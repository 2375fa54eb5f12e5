//! Servers with their mail.

use protocol::log::Entry;
use protocol::raft::{Body, Message};
use protocol::{LogId, NodeId, SnapshotId};
use quorate::peer::{Limits, Options, PeerStats, Peers, Received, Room, Secret, Stats, bind};
use quorate::wal::GroupId;
use std::fmt::Debug;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// How long a test waits for what must come before it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The group that is tested, unless others are named.
pub const GROUP: GroupId = GroupId(0x0201);

pub const CLUSTER: u128 = 0x1234_5678_9abc_def0_1122_3344_5566_7788;

/// Limits under which nothing waits long that is repeated, and nobody is given up only because the machine
/// is busy.
pub fn quick() -> Limits {
    let (least, most) = (Duration::from_millis(1), Duration::from_secs(600));
    Limits {
        retry: least,
        retry_most: 20 * least,
        snapshot_rest: least,
        handshake: most,
        silence: most,
        ..Limits::default()
    }
}

/// A folder of one test's own, gone at its end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("quorate-peer-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn names(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.0).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn listener() -> TcpListener {
    bind("127.0.0.1:0").unwrap()
}

pub fn secret() -> Option<Secret> {
    Secret::new(b"a secret of the tests' own")
}

/// A server's transport, and what it has told.
pub struct Server {
    pub peers: Arc<Peers>,
    pub room: Room,
    pub mail: Receiver<Received>,
    pub folder: Folder,
}

/// What a server is made with; see [`Plan::start`].
pub struct Plan {
    pub me: u8,
    pub cluster: u128,
    pub peers: Vec<(u8, SocketAddr)>,
    pub secret: Option<Secret>,
    pub limits: Limits,
}

impl Plan {
    pub fn new(me: u8, peers: &[(u8, SocketAddr)]) -> Self {
        let limits = quick();
        Self { me, cluster: CLUSTER, peers: peers.to_vec(), secret: secret(), limits }
    }

    pub fn start(self, listener: TcpListener) -> Server {
        let (sender, mail) = channel();
        let tell = move |received| deliver(&sender, received);
        self.start_with(listener, mail, tell)
    }

    pub fn start_with(
        self,
        listener: TcpListener,
        mail: Receiver<Received>,
        sink: impl Fn(Received) + Send + Sync + 'static,
    ) -> Server {
        self.start_in(Folder::new(), listener, mail, sink)
    }

    pub fn start_in(
        self,
        folder: Folder,
        listener: TcpListener,
        mail: Receiver<Received>,
        sink: impl Fn(Received) + Send + Sync + 'static,
    ) -> Server {
        self.start_all(folder, listener, mail, sink, |_| {})
    }

    fn start_all(
        self,
        folder: Folder,
        listener: TcpListener,
        mail: Receiver<Received>,
        sink: impl Fn(Received) + Send + Sync + 'static,
        beside: impl FnOnce(&Arc<Peers>),
    ) -> Server {
        let peers = self.peers.iter().map(|(node, at)| (NodeId(*node), at.to_string())).collect();
        let options = Options {
            me: NodeId(self.me),
            cluster: self.cluster,
            listener,
            peers,
            secret: self.secret,
            folder: folder.0.clone(),
            limits: self.limits,
        };
        let peers = Arc::new(Peers::open(options).unwrap());
        let room = Room::open(&peers, GROUP, sink);
        beside(&peers);
        peers.go().unwrap();
        Server { peers, room, mail, folder }
    }

    /// With other rooms beside that of the group that is tested.
    pub fn start_beside(self, listener: TcpListener, beside: impl FnOnce(&Arc<Peers>)) -> Server {
        let (sender, mail) = channel();
        let tell = move |received| deliver(&sender, received);
        self.start_all(Folder::new(), listener, mail, tell, beside)
    }
}

pub fn deliver(sender: &Sender<Received>, received: Received) {
    // A test that has seen enough has gone.
    let _ = sender.send(received);
}

impl Server {
    /// The first thing told from now on that `pick` wants; the rest is thrown away.
    #[track_caller]
    pub fn expect<T>(&self, what: &str, mut pick: impl FnMut(Received) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.mail.recv_timeout(left) {
                Ok(received) => {
                    if let Some(found) = pick(received) {
                        return found;
                    }
                }
                Err(_) => panic!("{what} did not come; {:#?}", self.peers.stats()),
            }
        }
    }

    #[track_caller]
    pub fn expect_up(&self, node: u8) {
        self.expect("Up", |received| {
            (received == Received::Up { node: NodeId(node) }).then_some(())
        });
    }

    #[track_caller]
    pub fn expect_down(&self, node: u8) {
        let down = Received::Down { node: NodeId(node) };
        self.expect("Down", |received| (received == down).then_some(()));
    }

    #[track_caller]
    pub fn expect_message(&self) -> (NodeId, Message, Vec<Entry<Arc<[u8]>>>) {
        self.expect("a message", |received| match received {
            Received::Message { from, message, entries } => Some((from, message, entries)),
            _ => None,
        })
    }

    pub fn send(&self, to: u8, message: &Message, entries: &[Entry<Arc<[u8]>>]) {
        self.room.send(NodeId(to), message, entries.iter());
    }

    /// Waits until the statistics say something.
    #[track_caller]
    pub fn until<T: Debug>(&self, what: &str, pick: impl Fn(&Stats) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            let stats = self.peers.stats();
            if let Some(found) = pick(&stats) {
                return found;
            }
            assert!(Instant::now() < end, "{what} did not happen; {stats:#?}");
            std::thread::yield_now();
        }
    }

    #[track_caller]
    pub fn until_peer(&self, what: &str, node: u8, pick: impl Fn(&PeerStats) -> bool) {
        self.until(what, |stats| of(stats, node).filter(|peer| pick(peer)).map(|_| ()));
    }
}

fn of(stats: &Stats, node: u8) -> Option<&PeerStats> {
    stats.peers.iter().find(|peer| peer.node.0 == node)
}

/// Two servers, 0 and 1, that are up.
pub fn pair() -> (Server, Server) {
    pair_with(quick())
}

pub fn pair_with(limits: Limits) -> (Server, Server) {
    let (a, b) = (listener(), listener());
    let (at_a, at_b) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    let a = Plan { limits, ..Plan::new(0, &[(1, at_b)]) }.start(a);
    let b = Plan { limits, ..Plan::new(1, &[(0, at_a)]) }.start(b);
    a.expect_up(1);
    b.expect_up(0);
    (a, b)
}

/// Two servers, 0 and 1, that are up. Server 0 has also a peer 2, whose part the test plays.
pub fn pair_and_one(limits: Limits) -> (Server, Server) {
    let nobody = { listener().local_addr().unwrap() };
    let (a, b) = (listener(), listener());
    let (at_a, at_b) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    let a = Plan { limits, ..Plan::new(0, &[(1, at_b), (2, nobody)]) }.start(a);
    let b = Plan { limits, ..Plan::new(1, &[(0, at_a)]) }.start(b);
    a.expect_up(1);
    b.expect_up(0);
    (a, b)
}

pub fn heartbeat(round: u64) -> Message {
    Message { term: 7, body: Body::Heartbeat { commit: 3, round } }
}

pub fn append(prev: u64, count: u32) -> Message {
    let prev = LogId { term: if prev == 0 { 0 } else { 2 }, index: prev };
    let run = if count == 0 { prev.term } else { 3 };
    Message { term: 7, body: Body::AppendEntries { prev, run, count, commit: 1 } }
}

pub fn snapshot(index: u64) -> Message {
    let id = SnapshotId { last: LogId { term: 5, index }, runs: 1 };
    Message { term: 7, body: Body::InstallSnapshot { id } }
}

pub fn command(bytes: &[u8]) -> Entry<Arc<[u8]>> {
    Entry::Command(Arc::from(bytes))
}

/// Bytes that look like nothing, the same for the same seed.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}
