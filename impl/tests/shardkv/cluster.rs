//! Three nodes in one process: each has a server of the controller and of every group, on one log and the same
//! connections. Letters go by these connections too, or by a carrier that loses some and copies some.

use protocol::NodeId;
use protocol::kv::{Bytes, ClientId, Command as Call, Once, Op, Reply, Work};
use protocol::quorum::NodeSet;
use protocol::shardctl::{self, Change, RequestId};
use protocol::shardkv::mover::Settings;
use protocol::shardkv::{self, GroupId, Refusal, Whereabouts};
use quorate::peer::{self, Peers};
use quorate::raft::{
    Callers, Error, Handle, Host, Options, Outcome, Request, Server, Status, What,
};
use quorate::rsm::{StateMachine, encode};
use quorate::session::{Answer, Query};
use quorate::shardctl::{Asker as CtlAsker, Door as CtlDoor, Shardctl, Teller};
use quorate::shardkv::{Asker, Carrier, Door, Letter, Mover, Post, Shardkv, To};
use quorate::wal::{self, Identity};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub const NODES: u8 = 3;
/// No event takes longer, on however busy a machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// After this long without an answer a client asks another node.
const WAIT: Duration = Duration::from_secs(10);

/// Those who wait in threads of this test.
pub struct Threads;

impl<S: StateMachine> Callers<S> for Threads {
    type Caller = Sender<Outcome<S::Reply>>;

    fn tell(&mut self, caller: Self::Caller, outcome: Outcome<S::Reply>) {
        // Who does not wait any more does not want to know.
        let _ = caller.send(outcome);
    }

    fn flush(&mut self) {}
}

type CtlCaller = Sender<Outcome<shardctl::Reply>>;
type KvCaller = Sender<Outcome<Answer>>;

/// Carries letters within this process.
#[derive(Default)]
pub struct Lossy {
    controllers: Mutex<Vec<CtlDoor<CtlCaller>>>,
    groups: Mutex<BTreeMap<GroupId, Vec<Door<KvCaller>>>>,
    carried: AtomicU64,
}

impl Carrier for Lossy {
    /// One in seven is lost, one in five comes twice.
    fn carry(&self, letter: Letter) {
        let number = self.carried.fetch_add(1, Ordering::Relaxed);
        if number % 7 == 3 {
            return;
        }
        for _ in 0..1 + usize::from(number % 5 == 2) {
            match letter.to() {
                To::Node(_) => {}
                To::Controller => {
                    let controllers = self.controllers.lock().expect("nobody panics");
                    if !controllers.is_empty() {
                        controllers[number as usize % controllers.len()].put(&letter);
                    }
                }
                To::Group(to) => {
                    let groups = self.groups.lock().expect("nobody panics");
                    for door in groups.get(&to).into_iter().flatten() {
                        door.put(letter.clone());
                    }
                }
            }
        }
    }
}

/// By what letters go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By a carrier that loses one in seven, and copies one in five.
    Lossy,
    /// By the nodes' connections.
    Nodes,
}

/// What ticks.
#[derive(Clone)]
pub enum Ticks {
    Group(Door<KvCaller>),
    Node(Arc<Post>),
}

impl Ticks {
    pub fn tick(&self) {
        match self {
            Self::Group(door) => door.tick(),
            Self::Node(post) => post.look(),
        }
    }
}

pub type CtlServer = Server<Shardctl, Teller<Threads>>;
pub type KvServer = Server<Shardkv, Mover<Threads>>;

/// A node.
pub struct Node {
    controller: CtlServer,
    groups: BTreeMap<GroupId, KvServer>,
    log: JoinHandle<Result<(), Error>>,
}

/// A running cluster.
pub struct Cluster {
    pub nodes: Vec<Node>,
    stops: Arc<AtomicBool>,
    ticks: JoinHandle<()>,
}

pub fn options(me: u8) -> Options {
    Options {
        snapshot_bytes: 64 << 10,
        // A busy machine must not make leaders step down again and again.
        election: (Duration::from_secs(1), Duration::from_secs(2)),
        deadline: WAIT,
        ..Options::new(NodeId(me), NodeSet::first(NODES.into()))
    }
}

/// Parts so small that slots go in several.
pub const SETTINGS: Settings = Settings { part_bytes: 64, slots: 64, ..Settings::DEFAULT };

impl Cluster {
    /// Starts three nodes in folders of their own, with groups 1, 2, … each.
    pub fn start(folder: &Path, groups: u64, by: By) -> Self {
        let lossy = (by == By::Lossy).then(Arc::<Lossy>::default);
        let listeners: Vec<TcpListener> =
            (0..NODES).map(|_| peer::bind("127.0.0.1:0").expect("loopback has ports")).collect();
        let at = |listener: &TcpListener| listener.local_addr().expect("it listens").to_string();
        let addresses: Vec<String> = listeners.iter().map(at).collect();
        let mut ticking = Vec::new();
        let nodes = listeners.into_iter().zip(0..NODES).map(|(listener, me)| {
            let others = (0..NODES).zip(addresses.clone()).filter(|(node, _)| *node != me);
            let others = others.map(|(node, address)| (NodeId(node), address)).collect();
            let peers = peers(&folder.join(me.to_string()), me, listener, others);
            node(&folder.join(me.to_string()), me, &peers, groups, lossy.as_ref(), &mut ticking)
        });
        let nodes = nodes.collect();
        let stops = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stops);
        let ticks = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                ticking.iter().for_each(Ticks::tick);
                thread::park_timeout(Duration::from_millis(20));
            }
        });
        Self { nodes, stops, ticks }
    }

    /// Stops all of it.
    pub fn stop(self) {
        self.stops.store(true, Ordering::Relaxed);
        self.ticks.thread().unpark();
        self.ticks.join().expect("it does not panic");
        for Node { controller, groups, log } in self.nodes {
            for server in groups.into_values() {
                server.stop();
                server.wait().expect("nothing went wrong");
            }
            controller.stop();
            controller.wait().expect("nothing went wrong");
            log.join().expect("it does not panic").expect("nothing went wrong");
        }
    }

    /// How a group's servers are, by node; those that were stopped are not there.
    pub fn statuses(&self, gid: GroupId) -> Vec<Status> {
        let servers = self.nodes.iter().filter_map(|node| node.groups.get(&gid));
        servers.map(|server| server.shared().get()).collect()
    }

    /// Stops the server that leads a group, for good, as soon as one does.
    pub fn stop_leader(&mut self, gid: GroupId) {
        let leads = |node: &Node| {
            let status = node.groups.get(&gid).map(|server| server.shared().get());
            status.is_some_and(|status| status.leader == Some(status.me))
        };
        let begun = Instant::now();
        let at = loop {
            if let Some(at) = self.nodes.iter().position(leads) {
                break at;
            }
            assert!(begun.elapsed() < PATIENCE, "nobody leads {gid:?}");
            thread::park_timeout(Duration::from_millis(5));
        };
        let server = self.nodes[at].groups.remove(&gid).expect("it leads");
        server.stop();
        server.wait().expect("nothing went wrong");
    }

    /// What clients need.
    pub fn handles(&self) -> Handles {
        let of = |node: &Node| node.groups.iter().map(|(gid, it)| (*gid, it.handle())).collect();
        Handles {
            controllers: self.nodes.iter().map(|node| node.controller.handle()).collect(),
            groups: self.nodes.iter().map(of).collect(),
        }
    }
}

pub fn peers(
    folder: &Path,
    me: u8,
    listener: TcpListener,
    others: Vec<(NodeId, String)>,
) -> Arc<Peers> {
    let peers = Peers::open(peer::Options {
        me: NodeId(me),
        cluster: 7,
        listener,
        peers: others,
        secret: None,
        folder: folder.join("incoming"),
        limits: peer::Limits::default(),
    });
    Arc::new(peers.expect("it can be made"))
}

/// The name of a node, as the controller knows it.
pub fn name(node: u8) -> String {
    format!("node{node}:1")
}

fn node(
    folder: &Path,
    me: u8,
    peers: &Arc<Peers>,
    groups: u64,
    lossy: Option<&Arc<Lossy>>,
    ticking: &mut Vec<Ticks>,
) -> Node {
    let names = (0..NODES).map(name).collect();
    let all = (0..NODES).map(NodeId).collect();
    let post = Post::open(NodeId(me), names, all, Some(Arc::clone(peers)));
    let carrier: Arc<dyn Carrier> = match lossy {
        Some(lossy) => Arc::clone(lossy) as Arc<dyn Carrier>,
        None => Arc::clone(&post) as Arc<dyn Carrier>,
    };
    let identity = Identity { cluster: 7, node: me.into() };
    let (host, log) = Host::open(folder, identity, 3, 64 << 10).expect("it opens");
    let log = thread::spawn(|| log.run());
    let callers = Teller::new(Threads, Arc::clone(&carrier));
    let door = callers.door();
    let (group, network) = (wal::GroupId(0), Arc::clone(peers));
    let controller = host.start(group, options(me), network, Shardctl::new(), callers);
    let controller = controller.expect("it starts");
    let door = door(controller.handle());
    if let Some(lossy) = lossy {
        lossy.controllers.lock().expect("nobody panics").push(door.clone());
    }
    post.put_controller(Arc::new(move |letter| door.put(&letter)));
    let groups = (1..=groups).map(|number| {
        let (gid, service) = (GroupId(number), Shardkv::new(GroupId(number)));
        let callers = Mover::new(gid, SETTINGS, Threads, Arc::clone(&carrier));
        let door = callers.door();
        let (group, network) = (wal::GroupId(number as u16), Arc::clone(peers));
        let server = host.start(group, options(me), network, service, callers);
        let server = server.expect("it starts");
        let door = door(server.handle());
        ticking.push(Ticks::Group(door.clone()));
        if let Some(lossy) = lossy {
            let mut doors = lossy.groups.lock().expect("nobody panics");
            doors.entry(gid).or_default().push(door.clone());
        }
        post.put_group(gid, Arc::new(move |letter| door.put(letter)));
        (gid, server)
    });
    let groups = groups.collect();
    ticking.push(Ticks::Node(post));
    peers.go().expect("there are threads");
    Node { controller, groups, log }
}

/// How clients reach all servers.
#[derive(Clone)]
pub struct Handles {
    pub controllers: Vec<Handle<Shardctl, CtlAsker<CtlCaller>>>,
    pub groups: Vec<BTreeMap<GroupId, Handle<Shardkv, Asker<KvCaller>>>>,
}

impl Handles {
    /// A change of the configuration, until it is made; it must be one that can be.
    pub fn change(&self, seq: u64, change: &Change) -> u64 {
        let request = RequestId { client: ClientId(1 << 64), seq };
        let begun = Instant::now();
        for at in (0..self.controllers.len()).cycle() {
            assert!(begun.elapsed() < PATIENCE, "{change:?} is not made");
            let based = match self.ask_controller(at, shardctl::Query::Config(None)) {
                Some(shardctl::Reply::Config(config)) if config.request == Some(request) => {
                    return config.number;
                }
                Some(shardctl::Reply::Config(config)) => Some(config.number),
                _ => continue,
            };
            let command = shardctl::Command::Change { request, based, change: change.clone() };
            let what = What::Command(encode(&command).expect("plain data"));
            match self.call_controller(at, what) {
                Some(shardctl::Reply::Changed { number }) => return number,
                Some(shardctl::Reply::Refused(refusal)) => panic!("{change:?}: {refusal:?}"),
                _ => {}
            }
        }
        unreachable!("it goes round for ever")
    }

    /// Waits until every group has come to the latest configuration and has nothing on its way.
    pub fn settled(&self) {
        let begun = Instant::now();
        for at in (0..self.controllers.len()).cycle() {
            let reply = self.ask_controller(at, shardctl::Query::Status);
            if let Some(shardctl::Reply::Status(status)) = &reply
                && status.groups.values().all(|group| group.finished == status.latest)
                && status.groups.values().all(|group| group.left.is_none())
            {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{reply:?}");
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn ask_controller(&self, at: usize, query: shardctl::Query) -> Option<shardctl::Reply> {
        self.call_controller(at, What::Query(query))
    }

    fn call_controller(&self, at: usize, what: What<shardctl::Query>) -> Option<shardctl::Reply> {
        let (caller, answer) = channel();
        let caller = CtlAsker::Client(caller);
        self.controllers[at].post(vec![Request { caller, what, forwards: true }]).ok()?;
        match answer.recv_timeout(WAIT) {
            Ok(Outcome::Done(reply)) => Some(reply),
            _ => None,
        }
    }

    /// Asks a group by one of its servers; none if there is no answer, and then it may have been executed.
    pub fn ask(&self, at: usize, gid: GroupId, what: What<Query>) -> Option<Answer> {
        let (caller, answer) = channel();
        let caller = Asker::Client(caller);
        let handle = self.groups[at].get(&gid)?;
        handle.post(vec![Request { caller, what, forwards: true }]).ok()?;
        match answer.recv_timeout(WAIT) {
            Ok(Outcome::Done(answer)) => Some(answer),
            _ => None,
        }
    }
}

/// A client that asks wherever it is sent to, until it is answered.
pub struct Client {
    pub handles: Handles,
    pub id: u128,
    pub seq: u64,
    gid: GroupId,
    at: usize,
    /// How often it was told that a group does not serve its slot.
    pub refused: u64,
}

impl Client {
    pub fn new(handles: Handles, id: u128) -> Self {
        Self { handles, id, seq: 0, gid: GroupId(1), at: id as usize % 3, refused: 0 }
    }

    /// Puts a text behind a key's value, once.
    pub fn append(&mut self, key: &str, text: &str) {
        self.seq += 1;
        let once = Once { client: ClientId(self.id), seq: self.seq, acknowledged: self.seq - 1 };
        let call = Call {
            key: Bytes::from(key),
            op: Op::Append { value: Bytes::from(text) },
            once: Some(once),
        };
        let work = shardkv::Command::Work { work: Work::Command(call), value_bytes: 1 << 20 };
        let bytes = encode(&work).expect("plain data");
        let reply = self.until_answered(|| What::Command(bytes.clone()));
        assert!(matches!(reply, Reply::Appended { .. }), "{reply:?}");
    }

    /// Reads a key.
    pub fn get(&mut self, key: &str) -> Reply {
        let query = || Query::Op { key: Bytes::from(key), op: Op::Get };
        self.until_answered(|| What::Query(query()))
    }

    fn until_answered(&mut self, what: impl Fn() -> What<Query>) -> Reply {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "nobody answers client {}", self.id);
            match self.handles.ask(self.at, self.gid, what()) {
                Some(Answer::Reply(reply)) => return reply,
                Some(Answer::Refused(refusal)) => self.go_where(&refusal),
                Some(other) => panic!("a client is told {other:?}"),
                None => self.at = (self.at + 1) % 3,
            }
        }
    }

    fn go_where(&mut self, refusal: &Refusal) {
        self.refused += 1;
        self.gid = match refusal.whereabouts {
            Whereabouts::With(gid) | Whereabouts::GoingTo(gid) => gid,
            // It comes: here it is asked again, a little later.
            Whereabouts::ComingFrom(_) => self.gid,
            Whereabouts::Nowhere => GroupId(1 + self.gid.0 % 2),
        };
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// A folder of a test's own, empty.
pub fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shardkv-{name}"));
    // It is there only if a test was interrupted.
    let _ = std::fs::remove_dir_all(&path);
    path
}
