//! Several groups' servers on one node: one log, one thread that syncs it, and each group for itself.

use protocol::NodeId;
use protocol::quorum::NodeSet;
use protocol::terms::Terms;
use quorate::disk::{Disk, DiskFile, Folder};
use quorate::peer::{self, Peers};
use quorate::raft::{
    Callers, Error, Handle, Host, Network, Options, Outcome, Request, Server, What,
};
use quorate::rsm::{NoReply, Rsm, encode};
use quorate::wal::{GroupId, Identity};
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

#[path = "../examples/counter.rs"]
mod counter;

use counter::Counter;

const SNAPSHOT_BYTES: u64 = 64 << 10;
/// No event takes longer, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("host-{name}"));
    // It is there only if a test was interrupted.
    let _ = std::fs::remove_dir_all(&path);
    path
}

const IDENTITY: Identity = Identity { cluster: 7, node: 0 };

fn options() -> Options {
    Options { snapshot_bytes: SNAPSHOT_BYTES, ..Options::alone() }
}

/// A host, and the thread of its log.
fn open(folder: &Path) -> (Host, JoinHandle<Result<(), Error>>) {
    let (host, log) = Host::open(folder, IDENTITY, 2, SNAPSHOT_BYTES).expect("it can be opened");
    (host, thread::spawn(|| log.run()))
}

fn counter(host: &Host, group: u16) -> Rsm<Counter> {
    Rsm::start_at(host, GroupId(group), options(), Network::Alone, Counter::default())
        .expect("it starts")
}

/// Submits until it is executed. Here a repeat is safe: only what was not executed is repeated.
fn add(rsm: &Rsm<Counter>, more: u64) -> u64 {
    loop {
        match rsm.submit(&more) {
            Ok(count) => return count,
            Err(NoReply::NotExecuted { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

fn joined(log: JoinHandle<Result<(), Error>>) {
    log.join().expect("it does not panic").expect("nothing went wrong");
}

/// Each adds up for itself, some with snapshots behind them, and finds its own again.
#[test]
fn groups_go_on_where_they_were() {
    const EACH: u64 = 3_000;
    let folder = folder("groups");
    for life in 1..=3 {
        let (host, log) = open(&folder);
        let counters: Vec<_> = (0..4).map(|group| counter(&host, group)).collect();
        thread::scope(|scope| {
            for (counter, more) in counters.iter().zip(1..) {
                scope.spawn(move || {
                    (1..=EACH).for_each(|_| {
                        add(counter, more);
                    });
                });
            }
        });
        for (counter, more) in counters.iter().zip(1..) {
            assert_eq!(counter.read(()), Ok(life * EACH * more));
        }
        drop(host);
        counters.into_iter().for_each(|counter| counter.stop().expect("nothing went wrong"));
        joined(log);
    }
    for name in ["snapshots", "snapshots-1", "snapshots-3"] {
        let files = std::fs::read_dir(folder.join(name)).expect("it is there").count();
        assert!(files > 0, "{name} has a snapshot");
    }
}

/// The log keeps what a group has written though nobody starts it, and however much the others write.
#[test]
fn a_group_that_is_not_started_stays() {
    let folder = folder("away");
    for life in 0..4 {
        let (host, log) = open(&folder);
        let other = counter(&host, 2);
        (0..2_000).for_each(|_| {
            add(&other, 1);
        });
        let counts = (life % 3 == 0).then(|| counter(&host, 1)).map(|counter| {
            let count = add(&counter, 5);
            counter.stop().expect("nothing went wrong");
            count
        });
        assert_eq!(counts, [Some(5), None, None, Some(10)][life]);
        drop(host);
        other.stop().expect("nothing went wrong");
        joined(log);
    }
}

/// A group that will never be here again pins the log by its commands, and its node says so, until it is told to
/// forget it. A server that is started all the same is refused: it can't know any more what it has acknowledged.
#[test]
fn a_group_that_is_forgotten_goes() {
    let folder = folder("forgotten");
    let (host, log) = open(&folder);
    let (stays, goes) = (counter(&host, 2), counter(&host, 1));
    assert_eq!((add(&stays, 1), add(&goes, 7)), (1, 7));
    drop(host);
    stays.stop().expect("nothing went wrong");
    goes.stop().expect("nothing went wrong");
    joined(log);
    let write_much = |host: &Host| {
        let stays = counter(host, 2);
        (0..600).for_each(|_| {
            add(&stays, 1);
        });
        stays.stop().expect("nothing went wrong");
    };

    let (host, log) = open(&folder);
    write_much(&host);
    let rest = host.rest();
    assert!(matches!(rest[..], [(GroupId(1), 1..=100)]), "{rest:?}");
    assert!(matches!(host.forget(GroupId(1)), Err(Error::Seated(GroupId(1)))), "it is let go");
    drop(host);
    joined(log);

    let (host, log) = open(&folder);
    let snapshots = folder.join("snapshots-1");
    assert!(snapshots.is_dir());
    host.forget(GroupId(1)).expect("it has no server here");
    write_much(&host);
    drop(host);
    joined(log);
    assert!(!snapshots.exists());

    let (host, log) = open(&folder);
    let again = Rsm::start_at(&host, GroupId(1), options(), Network::Alone, Counter::default());
    let error = again.err().expect("its snapshot is missing").to_string();
    assert!(error.contains("this snapshot is missing"), "{error}");
    assert_eq!(add(&counter(&host, 2), 0), 1201, "the other has all");
    drop(host);
    joined(log);

    let (host, log) = open(&folder);
    let rest = host.rest();
    assert!(rest.iter().all(|(group, _)| group.0 == 2), "none of its commands is left: {rest:?}");
    drop(host);
    joined(log);

    let (host, log) = open(&folder);
    host.forget(GroupId(1)).expect("once more does nothing");
    assert_eq!(add(&counter(&host, 2), 0), 1201);
    drop(host);
    joined(log);
}

/// One stops, the others go on; and what it has written since is only read by a start.
#[test]
fn one_stops_for_itself_and_comes_once() {
    let folder = folder("one");
    let (host, log) = open(&folder);
    let (stays, goes) = (counter(&host, 0), counter(&host, 1));
    assert_eq!((add(&stays, 1), add(&goes, 7)), (1, 7));
    goes.stop().expect("nothing went wrong");
    assert_eq!(add(&stays, 1), 2);
    let again = Rsm::start_at(&host, GroupId(1), options(), Network::Alone, Counter::default());
    let error = again.err().expect("it was started before");
    assert!(matches!(error, Error::Seated(GroupId(1))), "{error}");
    assert!(error.to_string().contains("Start the node again"), "{error}");
    drop(host);
    assert_eq!(add(&stays, 1), 3, "a server is a handle of its host");
    stays.stop().expect("nothing went wrong");
    joined(log);
    let (host, log) = open(&folder);
    assert_eq!(add(&counter(&host, 1), 0), 7);
    drop(host);
    joined(log);
}

/// Three nodes with a server of each of three groups, on the same connections: each group elects and counts for itself,
/// over restarts of all.
#[test]
fn three_nodes_with_three_groups() {
    let folder = folder("nodes");
    for life in 1..=2 {
        let listeners: Vec<TcpListener> =
            (0..3).map(|_| peer::bind("127.0.0.1:0").expect("loopback has ports")).collect();
        let at = |listener: &TcpListener| listener.local_addr().expect("it listens").to_string();
        let addresses: Vec<String> = listeners.iter().map(at).collect();
        let nodes = listeners.into_iter().zip(0u8..).map(|(listener, me)| {
            let own = folder.join(me.to_string());
            let others = (0u8..3).zip(&addresses).filter(|(node, _)| *node != me);
            let peers = Arc::new(
                Peers::open(peer::Options {
                    me: NodeId(me),
                    cluster: 7,
                    listener,
                    peers: others.map(|(node, address)| (NodeId(node), address.clone())).collect(),
                    secret: None,
                    folder: own.join("incoming"),
                    limits: peer::Limits::default(),
                })
                .expect("it can be made"),
            );
            let identity = Identity { cluster: 7, node: me.into() };
            let (host, log) = Host::open(&own, identity, 2, SNAPSHOT_BYTES).expect("it opens");
            let options = Options {
                snapshot_bytes: SNAPSHOT_BYTES,
                // A busy machine must not make a leader step down: nobody would know what became of a call.
                election: (Duration::from_secs(3), Duration::from_secs(6)),
                deadline: PATIENCE,
                ..Options::new(NodeId(me), NodeSet::first(3))
            };
            let servers: Vec<Rsm<Counter>> = (0..3)
                .map(|group| {
                    let (group, network) = (GroupId(group), Arc::clone(&peers));
                    Rsm::start_at(&host, group, options.clone(), network, Counter::default())
                        .expect("it starts")
                })
                .collect();
            let log = thread::spawn(|| log.run());
            peers.go().expect("there are threads");
            (servers, log)
        });
        let nodes: Vec<_> = nodes.collect();
        for round in 1..=50 {
            for group in 0..3 {
                let count = add(&nodes[round % 3].0[group], 1 + group as u64);
                assert_eq!(count, ((life - 1) * 50 + round as u64) * (1 + group as u64));
            }
        }
        let (servers, logs): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
        for server in servers.into_iter().flatten() {
            server.stop().expect("nothing went wrong");
        }
        logs.into_iter().for_each(joined);
    }
}

/// A disk whose syncs wait to be let go, one by one, once that is wanted.
#[derive(Clone)]
struct Slow {
    folder: Folder,
    /// How many syncs of files have begun.
    begun: Arc<AtomicU64>,
    /// A sync takes a line from here, if there is somebody at the other end.
    lets: Arc<std::sync::Mutex<Option<Receiver<()>>>>,
}

struct SlowFile {
    file: File,
    disk: Slow,
}

impl Disk for Slow {
    type File = SlowFile;
    type Lock = File;

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    fn lock(&self) -> io::Result<Option<File>> {
        self.folder.lock()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.folder.list()
    }

    fn open(&self, name: &str) -> io::Result<SlowFile> {
        Ok(SlowFile { file: self.folder.open(name)?, disk: self.clone() })
    }

    fn create(&self, name: &str) -> io::Result<SlowFile> {
        Ok(SlowFile { file: self.folder.create(name)?, disk: self.clone() })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.folder.sync()
    }
}

impl DiskFile for SlowFile {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        self.file.read()
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn set_len(&mut self, length: u64) -> io::Result<()> {
        DiskFile::set_len(&mut self.file, length)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.disk.begun.fetch_add(1, Ordering::SeqCst);
        if let Some(lets) = &*self.disk.lets.lock().expect("nobody panics") {
            // Nobody at the other end: nothing is waited for any more.
            let _ = lets.recv();
        }
        DiskFile::sync_data(&mut self.file)
    }

    fn sync_all(&mut self) -> io::Result<()> {
        DiskFile::sync_all(&mut self.file)
    }
}

/// What a caller hears.
#[derive(PartialEq, Eq, Debug)]
enum Heard {
    Logged(u16),
    Told(u16, Outcome<u64>),
}

/// Callers are groups' numbers.
struct Listens(Sender<Heard>);

impl Callers<Counter> for Listens {
    type Caller = u16;

    fn tell(&mut self, group: u16, outcome: Outcome<u64>) {
        let _ = self.0.send(Heard::Told(group, outcome));
    }

    fn logged(&mut self, group: &u16, _: protocol::Index, _: &Terms) {
        let _ = self.0.send(Heard::Logged(*group));
    }

    fn flush(&mut self) {}
}

fn submit(handle: &Handle<Counter, u16>, group: u16) {
    let what = What::Command(encode(&1u64).expect("a number"));
    let request = Request { caller: group, what, forwards: false };
    assert!(handle.post(vec![request]).is_ok(), "it runs");
}

/// While the disk syncs for one group, others write: the next sync is for all of them.
#[test]
fn one_sync_serves_all_that_wait() {
    const GROUPS: u16 = 4;
    let folder = folder("sync");
    let wal = Folder::new(folder.join("wal")).expect("the build's folder can be written");
    let lets = Arc::default();
    let disk = Slow { folder: wal, begun: Arc::default(), lets: Arc::clone(&lets) };
    let (host, log) =
        Host::open_on(disk.clone(), &folder, IDENTITY, (usize::from(GROUPS), SNAPSHOT_BYTES))
            .expect("it opens");
    let log = thread::spawn(|| log.run());
    let (heard, hears) = channel();
    let servers: Vec<Server<Counter, Listens>> = (0..GROUPS)
        .map(|group| {
            let callers = Listens(heard.clone());
            let options = options();
            let server = host.start(GroupId(group), options, None, Counter::default(), callers);
            server.expect("it starts")
        })
        .collect();
    let hear = || hears.recv_timeout(PATIENCE).expect("something happens");
    // Each leads, and nothing is under way.
    for (server, group) in servers.iter().zip(0..) {
        loop {
            submit(&server.handle(), group);
            let told = loop {
                if let Heard::Told(_, outcome) = hear() {
                    break outcome;
                }
            };
            if told == Outcome::Done(1) {
                break;
            }
        }
    }
    let (let_go, line) = channel();
    *lets.lock().expect("nobody panics") = Some(line);
    let before = disk.begun.load(Ordering::SeqCst);
    submit(&servers[0].handle(), 0);
    while disk.begun.load(Ordering::SeqCst) == before {
        thread::yield_now();
    }
    for (server, group) in servers.iter().zip(0..).skip(1) {
        submit(&server.handle(), group);
    }
    let first: Vec<Heard> = (0..GROUPS).map(|_| hear()).collect();
    assert!(first.iter().all(|heard| matches!(heard, Heard::Logged(_))), "{first:?}");
    let_go.send(()).expect("the disk waits");
    assert_eq!(hear(), Heard::Told(0, Outcome::Done(2)));
    let_go.send(()).expect("the disk waits");
    let mut told: Vec<u16> = (1..GROUPS)
        .map(|_| match hear() {
            Heard::Told(group, Outcome::Done(2)) => group,
            other => panic!("{other:?}"),
        })
        .collect();
    told.sort_unstable();
    assert_eq!(told, [1, 2, 3]);
    assert_eq!(
        disk.begun.load(Ordering::SeqCst),
        before + 2,
        "one for the first, one for the rest"
    );
    drop((let_go, host));
    servers.iter().for_each(Server::stop);
    servers.into_iter().for_each(|server| server.wait().expect("nothing went wrong"));
    joined(log);
}
