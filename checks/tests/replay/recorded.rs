//! Real servers, threads, files and all, that are recorded from some start on: their traces are replayed.

use checks::conform::{Network, Summary, replay};
use protocol::NodeId;
use protocol::kv::{Bytes, Command, Op, Work};
use protocol::quorum::NodeSet;
use quorate::kv::{Admitted, Kv};
use quorate::peer;
use quorate::raft::Options;
use quorate::rsm::{NoReply, Rsm};
use quorate::session::{Answer, Query};
use quorate::trace::{Next, Reader};
use quorate::wal::Identity;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("recorded-{name}"));
    let _ = std::fs::remove_dir_all(&path);
    path
}

/// So many servers on loopback, each with a folder below the root; recorded if it is said where.
fn start(root: &Path, nodes: usize, record: bool) -> Vec<Rsm<Kv>> {
    let listeners: Vec<TcpListener> =
        (0..nodes).map(|_| peer::bind("127.0.0.1:0").expect("loopback has ports")).collect();
    let address = |listener: &TcpListener| listener.local_addr().expect("it listens").to_string();
    let addresses: Vec<String> = listeners.iter().map(address).collect();
    let servers = listeners.into_iter().zip(0u8..).map(|(listener, me)| {
        let folder = root.join(me.to_string());
        let mut options = Options::new(NodeId(me), NodeSet::first(nodes));
        options.snapshot_bytes = 400_000;
        options.record = record.then(|| trace(root, me));
        let others = (0u8..).zip(&addresses).filter(|(node, _)| *node != me);
        let network = (nodes > 1).then(|| peer::Options {
            me: NodeId(me),
            cluster: 7,
            listener,
            peers: others.map(|(node, address)| (NodeId(node), address.clone())).collect(),
            secret: None,
            folder: folder.join("snapshots"),
            limits: peer::Limits::default(),
        });
        let identity = Identity { cluster: 7, node: me.into() };
        Rsm::start(&folder, identity, options, network, Kv::new()).expect("it starts")
    });
    servers.collect()
}

fn trace(root: &Path, node: u8) -> PathBuf {
    root.join(format!("trace-{node}"))
}

fn set(rsm: &Rsm<Kv>, number: usize) {
    let op = Op::Set { value: Bytes::from("v".repeat(50_000).as_str()) };
    let key = Bytes::from(format!("k{number}").as_str());
    let work = Work::Command(Command { key, op, once: None });
    let command = Admitted { work, value_bytes: 1 << 20 };
    loop {
        match rsm.submit(&command) {
            Ok(_) => return,
            // To set it twice makes no difference.
            Err(NoReply::Stopped) => panic!("the server has stopped"),
            Err(_) => {}
        }
    }
}

fn keys(rsm: &Rsm<Kv>) -> Answer {
    loop {
        if let Ok(answer) = rsm.read(Query::Len) {
            return answer;
        }
    }
}

/// A life: so many keys are set, by each server in turn, and counted by all.
fn live(root: &Path, nodes: usize, record: bool, numbers: std::ops::Range<usize>) {
    let servers = start(root, nodes, record);
    let all = numbers.end as i64;
    numbers.for_each(|number| set(&servers[number % nodes], number));
    for server in &servers {
        assert_eq!(keys(server), Answer::Reply(protocol::kv::Reply::Int(all)));
    }
    servers.into_iter().for_each(|server| server.stop().expect("nothing went wrong"));
}

fn replayed(root: &Path, nodes: u8) -> Summary {
    let folders: Vec<PathBuf> = (0..nodes).map(|node| trace(root, node)).collect();
    replay(&folders, Network::Once).unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// It has run, with a snapshot and a log behind it, when it is recorded for the first time; then it is started again.
#[test]
fn a_node_that_has_run_before() {
    let root = folder("alone");
    live(&root, 1, false, 0..40);
    live(&root, 1, true, 40..60);
    let first = replayed(&root, 1);
    assert_eq!((first.nodes[0].lives, first.nodes[0].torn), (1, 0));
    assert!(first.nodes[0].snapshots > 0 && first.reads > 0, "{first:?}");
    live(&root, 1, true, 60..70);
    let both = replayed(&root, 1);
    assert_eq!(both.nodes[0].lives, 2);
    assert!(both.entries > first.entries && both.reads > first.reads, "{both:?}");
    // It began with more than fits into one batch.
    let path = trace(&root, 0).join("life-00000001.trace");
    let honest = std::fs::read(&path).expect("a trace");
    assert!(honest.len() > 40 * 50_000, "all that it had is there: {} bytes", honest.len());
    let mut reader = Reader::open(&path).expect("a trace");
    let mut next = || match reader.next_batch() {
        Ok(Next::Batch(batch)) => batch.offset as usize,
        other => panic!("there is a batch: {:?}", other.err()),
    };
    let (first_at, second_at) = (next(), next());
    // A byte of it is changed, in the first batch and in the second.
    for at in [first_at + 10_000, second_at + 10_000] {
        let mut bad = honest.clone();
        bad[at] ^= 1;
        std::fs::write(&path, bad).expect("a trace");
        let refusal =
            replay(&[trace(&root, 0)], Network::Once).expect_err("it is damaged").to_string();
        assert!(refusal.contains("life-00000001.trace is damaged at byte "), "{refusal}");
    }
    // It ends within its beginning: no server has begun so.
    std::fs::write(&path, &honest[..second_at + 10_000]).expect("a trace");
    let refusal =
        replay(&[trace(&root, 0)], Network::Once).expect_err("it is cut short").to_string();
    println!("{refusal}");
    assert!(refusal.contains("node 0 life 2 step 0"), "{refusal}");
    // Without the second life nothing was done, and nothing can be said against it.
    std::fs::remove_file(trace(&root, 0).join("life-00000002.trace")).expect("it is there");
    let cut = replayed(&root, 1);
    assert_eq!((cut.nodes[0].steps, cut.nodes[0].torn), (0, 1));
    // Who was killed before its first batch was whole has said nothing at all.
    std::fs::write(&path, &honest[..first_at + 10_000]).expect("a trace");
    let refusal = replay(&[trace(&root, 0)], Network::Once).expect_err("it is empty").to_string();
    assert!(refusal.contains("ends within its first batch"), "{refusal}");
}

#[test]
fn a_cluster_that_has_run_before() {
    let root = folder("three");
    live(&root, 3, false, 0..20);
    live(&root, 3, true, 20..40);
    let first = replayed(&root, 3);
    assert!(first.messages > 20 && first.passed > 10 && first.reads > 0, "{first:?}");
    live(&root, 3, true, 40..50);
    let both = replayed(&root, 3);
    assert!(both.nodes.iter().all(|node| node.lives == 2), "{both:?}");
    assert!(both.entries > first.entries, "{both:?}");
}
