//! A sharded cluster of processes that are recorded: groups come and go while clients write and nodes are killed; then
//! the traces of the controller's servers and of each group's are replayed.

use super::program::quorate;
use super::world::Place;
use checks::conform::{Network, Summary, replay};
use protocol::kv::Bytes;
use protocol::shardctl::{Change, Outcome, Refusal, SlotRange};
use protocol::shardkv::GroupId;
use quorate::client::admin::Admin;
use quorate::client::{Address, Connection, Options};
use quorate::resp::Frame;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// No event takes longer, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(120);
const NODES: usize = 3;

/// Nodes with a server of the controller and of every group each, and their folders.
pub struct Cluster {
    place: Place,
    addresses: Vec<SocketAddr>,
    groups: u16,
    nodes: Vec<Option<Child>>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.kill(node));
    }
}

/// A port such that the three that a node uses behind it are free too.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let ports = (0..10_000).map(|_| {
        // Tests that run at once begin at different places.
        let next = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_mul(7);
        let from = std::process::id().wrapping_mul(61).wrapping_add(next);
        10_000 + (from % 1_000) as u16 + 4_000 * ((from / 1_000) % 4) as u16
    });
    let mut ports = ports.filter(|port| (0..4).all(|door| free(port + 1_000 * door)));
    ports.next().expect("there are free ports between 10000 and 26000")
}

/// Asks again and again until there is an answer.
#[track_caller]
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::park_timeout(Duration::from_millis(20));
    }
}

impl Cluster {
    /// Three nodes with so many groups.
    pub fn start(groups: u16) -> Self {
        for _ in 0..20 {
            let addresses = (0..NODES).map(|_| (Ipv4Addr::LOCALHOST, free_port()).into());
            let (place, nodes) = (Place::new(), (0..NODES).map(|_| None).collect());
            let mut cluster = Self { place, addresses: addresses.collect(), groups, nodes };
            (0..NODES).for_each(|node| cluster.start_node(node));
            // Somebody else may have taken a port meanwhile.
            if (0..NODES).all(|node| cluster.is_up(node)) {
                return cluster;
            }
        }
        panic!("twenty times a port was taken before the node had it");
    }

    pub fn start_node(&mut self, node: usize) {
        let texts = self.addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>();
        let all = texts.join(",");
        let folder = self.place.0.join(format!("node-{node}"));
        let log = folder.with_extension("log");
        let log = File::options().create(true).append(true).open(log).expect("a log file");
        let mut command = Command::new(quorate());
        command.arg("server").arg("--dir").arg(&folder).args(["--listen", &texts[node]]);
        command.args(["--nodes", &all, "--controller", &all]);
        for group in 1..=self.groups {
            command.args(["--group", &format!("{group}={all}")]);
        }
        command.args(["--snapshot-bytes", "60000", "--record"]).arg(self.trace(node));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.nodes[node] = Some(command.spawn().expect("the program starts"));
    }

    fn trace(&self, node: usize) -> PathBuf {
        self.place.0.join(format!("trace-{node}"))
    }

    /// Whether a node answers; it may end instead.
    fn is_up(&mut self, node: usize) -> bool {
        let address = self.addresses[node];
        wait_for("a node that starts or ends", || {
            let child = self.nodes[node].as_mut().expect("it was started");
            let ended = child.try_wait().expect("it can be asked").map(|_| false);
            let answers = || Connection::open(&address.into(), &Options::default()).ok();
            ended.or_else(|| answers().map(|_| true))
        })
    }

    /// Kills a node as `kill -9` does.
    pub fn kill(&mut self, node: usize) {
        if let Some(mut child) = self.nodes[node].take() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Kills a node, and starts it again.
    pub fn restart(&mut self, node: usize) {
        self.kill(node);
        self.start_node(node);
    }

    fn admin(&self) -> Admin {
        let addresses: Vec<Address> = self.addresses.iter().copied().map(Address::from).collect();
        Admin::new(&addresses, Options { patience: Some(PATIENCE), ..Options::default() })
    }

    /// Has the configuration changed. The number of the one that has it.
    pub fn change(&self, change: &Change) -> u64 {
        wait_for("a change", || {
            match self.admin().change(change).expect("the controller answers") {
                Outcome::Done { number } => Some(number),
                // Somebody else's, or nobody knows: it is asked again; or it was done the time before.
                Outcome::Refused(
                    Refusal::InUse(_) | Refusal::NoChange | Refusal::NoSuchGroup(_),
                ) => {
                    let config = self.admin().config(None).expect("the controller answers");
                    config.map(|config| config.number)
                }
                Outcome::Stale | Outcome::Unknown => None,
                Outcome::Refused(refusal) => panic!("{change:?}: {refusal}"),
            }
        })
    }

    pub fn join(&self, group: u16) -> u64 {
        let names = self.addresses.iter().map(|node| Bytes::from(node.to_string().as_str()));
        self.change(&Change::Join(vec![(GroupId(group.into()), names.collect())]))
    }

    /// Waits until every slot is where it belongs by a configuration.
    pub fn settle(&self, number: u64) {
        wait_for("slots that move", || {
            let status = self.admin().status().expect("the controller answers")?;
            let there = |finished: u64, left: Option<u64>| finished >= left.unwrap_or(number);
            status.groups.values().all(|it| there(it.finished, it.left)).then_some(())
        });
    }

    /// Kills all nodes, and replays their traces.
    pub fn replayed(&mut self) -> Summary {
        (0..NODES).for_each(|node| self.kill(node));
        replay(&self.traces(), Network::Once).unwrap_or_else(|refusal| {
            let kept = std::env::temp_dir().join("quorate-refused");
            let _ = std::fs::remove_dir_all(&kept);
            let _ = std::fs::rename(&self.place.0, &kept);
            panic!("{refusal}; the folders are in {}", kept.display())
        })
    }

    /// The nodes' traces.
    pub fn traces(&self) -> Vec<PathBuf> {
        (0..NODES).map(|node| self.trace(node)).collect()
    }
}

/// Writes and reads by one node after the other until it is told to stop. What it is told is not judged here.
pub fn write(addresses: &[SocketAddr], who: usize, stops: &AtomicBool) {
    let mut at = who;
    while !stops.load(Ordering::Relaxed) {
        at = (at + 1) % addresses.len();
        let Ok(mut connection) = Connection::open(&addresses[at].into(), &Options::default())
        else {
            continue;
        };
        for number in 0..200 {
            let key = format!("w{who}-{}", number % 40);
            let value = "v".repeat(20 * (number % 40));
            let told = connection
                .call(&["APPEND", &key, &value])
                .and_then(|_| connection.call(&["SET", &key, "x", "PX", "300"]))
                .and_then(|_| connection.call(&["GET", &key]));
            if told.is_err() || stops.load(Ordering::Relaxed) {
                break;
            }
        }
    }
}

fn slots(first: u16, last: u16, to: u64) -> Change {
    Change::Move { slots: vec![SlotRange { first, last }], to: GroupId(to) }
}

/// Groups join and leave, slots move to and fro, and nodes are killed meanwhile.
fn live(cluster: &mut Cluster) {
    cluster.settle(cluster.join(1));
    let (stops, addresses) = (AtomicBool::new(false), cluster.addresses.clone());
    thread::scope(|scope| {
        let stop = Stop(&stops);
        for who in 0..NODES {
            let (addresses, stops) = (&addresses, &stops);
            scope.spawn(move || write(addresses, who, stops));
        }
        cluster.join(2);
        cluster.restart(0);
        cluster.settle(cluster.change(&slots(0, 9000, 2)));
        cluster.change(&slots(100, 400, 1));
        cluster.restart(1);
        // Taken back before they have come, or sent back.
        cluster.change(&slots(200, 300, 2));
        cluster.join(3);
        cluster.restart(2);
        cluster.settle(cluster.change(&Change::Rebalance));
        cluster.settle(cluster.change(&Change::Leave(vec![GroupId(1)])));
        drop(stop);
    });
    fall_behind(cluster, 2);
}

/// A node is away while so much is written to all groups that it gets their snapshots.
fn fall_behind(cluster: &mut Cluster, node: usize) {
    cluster.kill(node);
    let there = cluster.addresses[(node + 1) % NODES];
    let value = "v".repeat(1000);
    let keys: Vec<String> = (0..400).map(|number| format!("late{number}")).collect();
    for key in &keys {
        wait_for("a write without a node", || {
            let told = ask(there, &["SET", key, &value])?;
            (told == Frame::Simple(b"OK".to_vec())).then_some(())
        });
    }
    cluster.start_node(node);
    for key in keys.iter().rev().take(20) {
        wait_for("a node that was far behind", || {
            let told = ask(cluster.addresses[node], &["GET", key])?;
            (told == Frame::Bulk(value.clone().into_bytes())).then_some(())
        });
    }
}

/// What a node says; none if it does not answer.
fn ask(address: SocketAddr, words: &[&str]) -> Option<Frame> {
    let mut connection = Connection::open(&address.into(), &Options::default()).ok()?;
    connection.call(words).ok()
}

/// Lets writers stop when it goes, also when something is not as it should be.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn swap(one: &Path, other: &Path) {
    let between = one.with_extension("between");
    std::fs::rename(one, &between).expect("it can be moved");
    std::fs::rename(other, one).expect("it can be moved");
    std::fs::rename(between, other).expect("it can be moved");
}

#[test]
fn a_sharded_cluster_that_moves_slots_and_is_killed() {
    let mut cluster = Cluster::start(3);
    live(&mut cluster);
    let summary = cluster.replayed();
    println!("{}", checks::conform::text(&summary));
    let names: Vec<&str> = summary.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names, ["the controller", "group 1", "group 2", "group 3"]);
    for group in &summary.groups {
        let servers = &group.servers;
        assert_eq!(servers.nodes.len(), NODES, "{}", group.name);
        let lives: Vec<u64> = servers.nodes.iter().map(|node| node.lives).collect();
        assert_eq!(lives, [2, 2, 3], "{}: {servers:?}", group.name);
        assert!(servers.messages > 100 && servers.entries > 5, "{}: {servers:?}", group.name);
        assert!(servers.absent.is_empty(), "{}", group.name);
    }
    let snapshots =
        |nodes: &[checks::conform::NodeSummary]| nodes.iter().any(|it| it.snapshots > 0);
    assert!(summary.groups.iter().any(|it| snapshots(&it.servers.nodes)), "{summary:?}");
    // Another group's trace in its place is none of its own.
    let trace = &cluster.traces()[0];
    swap(&trace.join("group-1"), &trace.join("group-2"));
    let refusal = replay(&cluster.traces(), Network::Once).expect_err("it is another's");
    assert!(refusal.to_string().contains("has the trace of group 2 on node 0"), "{refusal}");
    swap(&trace.join("group-1"), &trace.join("group-2"));
    // One server's trace, as if it were a node's of the store.
    let mixed = [trace.join("group-1"), cluster.traces()[1].clone()];
    let refusal = replay(&mixed, Network::Once).expect_err("they are of two kinds");
    assert!(refusal.to_string().contains("name the folders of one"), "{refusal}");
}
