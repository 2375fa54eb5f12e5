//! Services other than the store, in one process: a counter and a bare log, on groups of one and of three servers.

use protocol::NodeId;
use protocol::quorum::NodeSet;
use quorate::peer;
use quorate::raft::{Applied, ApplyStream, Options, Raft};
use quorate::rsm::{NoReply, Rsm, StateMachine};
use quorate::wal::Identity;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

#[path = "../examples/counter.rs"]
mod counter;

use counter::Counter;

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("service-{name}"));
    // It is there only if a test was interrupted.
    let _ = std::fs::remove_dir_all(&path);
    path
}

fn identity(node: u8) -> Identity {
    Identity { cluster: 7, node: node.into() }
}

/// Three servers' ways to each other, on ports that the system chose.
fn networks(root: &Path) -> Vec<peer::Options> {
    let listeners: Vec<TcpListener> =
        (0..3).map(|_| peer::bind("127.0.0.1:0").expect("loopback has ports")).collect();
    let addresses: Vec<String> = listeners
        .iter()
        .map(|listener| listener.local_addr().expect("it listens").to_string())
        .collect();
    let options = listeners.into_iter().zip(0u8..).map(|(listener, me)| peer::Options {
        me: NodeId(me),
        cluster: 7,
        listener,
        peers: (0u8..3)
            .filter(|node| *node != me)
            .map(|node| (NodeId(node), addresses[usize::from(node)].clone()))
            .collect(),
        secret: None,
        folder: root.join(me.to_string()).join("snapshots"),
        limits: peer::Limits::default(),
    });
    options.collect()
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

#[test]
fn a_counter_goes_on_after_a_restart() {
    let folder = folder("counter");
    for run in 1..=3 {
        let rsm = Rsm::start(&folder, identity(0), Options::alone(), None, Counter::default())
            .expect("it starts");
        assert_eq!(add(&rsm, 5), 5 * run);
        assert_eq!(rsm.read(()).expect("it leads"), 5 * run);
        rsm.stop().expect("nothing went wrong");
    }
}

#[test]
fn three_counters_are_one() {
    let root = folder("counters");
    let servers = networks(&root).into_iter().zip(0u8..).map(|(network, me)| {
        let mut options = Options::new(NodeId(me), NodeSet::first(3));
        // Small, so that snapshots are taken all the time.
        options.snapshot_bytes = 64;
        let folder = root.join(me.to_string());
        Rsm::start(&folder, identity(me), options, Some(network), Counter::default())
            .expect("it starts")
    });
    let servers: Vec<Rsm<Counter>> = servers.collect();
    let mut last = 0;
    for round in 0..100 {
        let count = add(&servers[round % 3], 1);
        assert_eq!(count, last + 1, "each is counted once, whoever takes it");
        last = count;
        let read = loop {
            if let Ok(read) = servers[(round + 1) % 3].read(()) {
                break read;
            }
        };
        assert_eq!(read, last, "a read on any server sees what was told before");
    }
    let snapshots = servers.iter().filter(|server| server.status().snapshot > 0).count();
    assert!(snapshots > 0, "the log was cut somewhere");
    for server in servers {
        server.stop().expect("nothing went wrong");
    }
}

fn next(stream: &mut ApplyStream) -> Applied {
    stream.next().expect("the server runs")
}

#[test]
fn a_bare_log_hands_out_commands_and_snapshots() {
    let folder = folder("log");
    let start = || Raft::start(&folder, identity(0), Options::alone(), None).expect("it starts");
    let (raft, mut stream) = start();
    for (number, text) in (1..).zip(["a", "b", "c", "d"]) {
        assert_eq!(raft.propose(text.as_bytes()), Ok(number));
        let Applied::Command { number: came, command, .. } = next(&mut stream) else {
            panic!("a command was expected");
        };
        assert_eq!((came, command), (number, text.as_bytes().to_vec()));
    }
    raft.snapshot(3, b"abc".to_vec());
    while raft.status().snapshot == 0 {
        std::thread::yield_now();
    }
    raft.stop().expect("nothing went wrong");
    assert_eq!(stream.next(), None);

    let (raft, mut stream) = start();
    let snapshot = Applied::Snapshot { number: 3, state: b"abc".to_vec() };
    assert_eq!(next(&mut stream), snapshot);
    assert!(
        matches!(next(&mut stream), Applied::Command { number: 4, command, .. } if command == b"d")
    );
    assert_eq!(raft.propose(b"e"), Ok(5));
    raft.stop().expect("nothing went wrong");
}

/// Whether the callers of `the_log_stays_within_twice_its_bound` get on.
static STUCK: AtomicBool = AtomicBool::new(false);

const BOUND: u64 = 512 << 10;

/// Keeps the last text. Its snapshots are as slow as they can be: each ends when all callers wait for it.
#[derive(Clone, Default)]
struct Texts(String);

impl StateMachine for Texts {
    type Command = String;
    type Query = ();
    type Reply = usize;

    fn apply(&mut self, _time: u64, text: String) -> usize {
        self.0 = text;
        self.0.len()
    }

    fn read(&self, (): &()) -> usize {
        self.0.len()
    }

    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        while !STUCK.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        out.write_all(self.0.as_bytes())
    }

    fn restore(bytes: &mut dyn Read) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut text = String::new();
        bytes.read_to_string(&mut text)?;
        Ok(Self(text))
    }
}

/// How many bytes the files in a folder have; one may go while this looks.
fn bytes_in(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).expect("the server made it");
    files.map(|file| file.expect("it is listed").metadata().map_or(0, |data| data.len())).sum()
}

#[test]
fn the_log_stays_within_twice_its_bound() {
    let folder = folder("bound");
    // Nobody is told too early: callers here wait as long as the machine is busy.
    let park = Duration::from_secs(60);
    let options = Options { snapshot_bytes: BOUND, park, deadline: park, ..Options::alone() };
    let rsm = Rsm::start(&folder, identity(0), options, None, Texts::default()).expect("it starts");
    let (mut memory, mut disk, mut waits) = (0, 0, 0);
    let done = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let work = || {
            for _ in 0..1500 {
                assert_eq!(rsm.submit(&"x".repeat(500)), Ok(500));
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        let (mut last, mut looks) = (0, 0);
        while !callers.iter().all(|caller| caller.is_finished()) {
            let (log, files) = (rsm.status().log_bytes, bytes_in(&folder.join("wal")));
            (memory, disk) = (memory.max(log), disk.max(files));
            let now = done.load(Ordering::Relaxed);
            looks = if now == last { looks + 1 } else { 0 };
            last = now;
            let is_large = files > BOUND + BOUND / 2;
            let stuck = looks > 1000 && is_large;
            waits += u32::from(stuck && !STUCK.swap(stuck, Ordering::Relaxed));
            STUCK.store(stuck, Ordering::Relaxed);
        }
        STUCK.store(true, Ordering::Relaxed);
    });
    let snapshot = rsm.status().snapshot;
    rsm.stop().expect("nothing went wrong");
    assert!(snapshot > 1000, "snapshots were taken all the time: the last covers {snapshot}");
    assert!(waits > 2, "callers waited for {waits} snapshots");
    assert!(memory <= 2 * BOUND, "{memory} bytes of commands in memory");
    assert!(disk <= 2 * BOUND, "{disk} bytes on the disk");
}

/// How many bytes the log's files had when a snapshot of `OneByOne` began, at most.
static MOST: AtomicU64 = AtomicU64::new(0);

/// Counts. Its snapshots look at the log's files.
#[derive(Clone, Default)]
struct OneByOne {
    count: u64,
    files: PathBuf,
}

impl StateMachine for OneByOne {
    type Command = ();
    type Query = ();
    type Reply = u64;

    fn apply(&mut self, _time: u64, (): ()) -> u64 {
        self.count += 1;
        self.count
    }

    fn read(&self, (): &()) -> u64 {
        self.count
    }

    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        MOST.fetch_max(bytes_in(&self.files), Ordering::Relaxed);
        out.write_all(&self.count.to_le_bytes())
    }

    fn restore(_: &mut dyn Read) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Err("nobody starts again here".into())
    }
}

/// Each command is a batch of its own here, and takes a sector, many times its length: snapshots are taken all the
/// same before the files have twice the bound.
#[test]
fn commands_that_come_one_by_one_are_covered_in_time() {
    let folder = folder("one-by-one");
    let options = Options { snapshot_bytes: BOUND, ..Options::alone() };
    let service = OneByOne { count: 0, files: folder.join("wal") };
    let rsm = Rsm::start(&folder, identity(0), options, None, service).expect("it starts");
    for count in 1..=3500 {
        assert_eq!(rsm.submit(&()), Ok(count));
    }
    let status = rsm.status();
    rsm.stop().expect("nothing went wrong");
    let most = MOST.load(Ordering::Relaxed);
    assert!(status.snapshot > 1000, "the last snapshot covers {}", status.snapshot);
    assert!(most < BOUND + BOUND / 2, "a snapshot began when there were {most} bytes of files");
}

/// Set when the snapshots of `Held` may end.
static RELEASED: OnceLock<()> = OnceLock::new();

/// Counts texts. Its snapshots take until they are told.
#[derive(Clone, Default)]
struct Held(u64);

impl StateMachine for Held {
    type Command = String;
    type Query = ();
    type Reply = u64;

    fn apply(&mut self, _time: u64, _: String) -> u64 {
        self.0 += 1;
        self.0
    }

    fn read(&self, (): &()) -> u64 {
        self.0
    }

    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        RELEASED.wait();
        out.write_all(&self.0.to_le_bytes())
    }

    fn restore(bytes: &mut dyn Read) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut count = [0; 8];
        bytes.read_exact(&mut count)?;
        Ok(Self(u64::from_le_bytes(count)))
    }
}

/// A snapshot that does not end: the log is full then, and whoever waits for it is told that nothing was done, on the
/// leader and on those that pass on to it. When it ends all go on.
#[test]
fn who_is_held_back_is_told() {
    const BOUND: u64 = 32 << 10;
    let root = folder("held");
    let servers = networks(&root).into_iter().zip(0u8..).map(|(network, me)| {
        let mut options = Options::new(NodeId(me), NodeSet::first(3));
        options.snapshot_bytes = BOUND;
        options.park = Duration::from_millis(100);
        let folder = root.join(me.to_string());
        Rsm::start(&folder, identity(me), options, Some(network), Held::default())
            .expect("it starts")
    });
    let servers: Vec<Rsm<Held>> = servers.collect();
    let (done, unknown) = (AtomicU64::new(0), AtomicU64::new(0));
    let submit = |server: &Rsm<Held>| {
        let outcome = server.submit(&"x".repeat(500));
        match &outcome {
            Ok(_) => done.fetch_add(1, Ordering::Relaxed),
            Err(NoReply::Unknown) => unknown.fetch_add(1, Ordering::Relaxed),
            Err(_) => 0,
        };
        outcome
    };
    std::thread::scope(|scope| {
        for server in &servers {
            for _ in 0..4 {
                scope.spawn(move || while submit(server) != Err(NoReply::Busy) {});
            }
        }
    });
    let longest = servers.iter().map(|server| server.status().log_bytes).max();
    assert!(longest > Some(BOUND), "{longest:?} bytes of commands when they were refused");
    RELEASED.set(()).expect("it is set once");
    servers.iter().for_each(|server| while submit(server).is_err() {});
    let count = loop {
        if let Ok(count) = servers[0].read(()) {
            break count;
        }
    };
    let (done, unknown) = (done.load(Ordering::Relaxed), unknown.load(Ordering::Relaxed));
    assert!((done..=done + unknown).contains(&count), "{count} of {done} and perhaps {unknown}");
    for server in servers {
        server.stop().expect("nothing went wrong");
    }
}

/// Panics when a snapshot is taken.
#[derive(Clone, Default)]
struct Panics;

impl StateMachine for Panics {
    type Command = ();
    type Query = ();
    type Reply = ();

    fn apply(&mut self, _time: u64, (): ()) {}

    fn read(&self, (): &()) {}

    fn snapshot(&self, _: &mut dyn Write) -> io::Result<()> {
        panic!("this is the test's own")
    }

    fn restore(_: &mut dyn Read) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self)
    }
}

/// Nothing would make room any more, so all who wait are told, and so is whoever waits for the server's end.
#[test]
fn a_snapshot_that_panics_is_the_servers_end() {
    let options = Options { snapshot_bytes: 100, ..Options::alone() };
    let rsm = Rsm::start(&folder("panics"), identity(0), options, None, Panics).expect("it starts");
    while matches!(rsm.submit(&()), Ok(()) | Err(NoReply::Busy)) {}
    let error = rsm.stop().expect_err("it has panicked");
    assert!(error.to_string().contains("a thread of the server has panicked"), "{error}");
}
