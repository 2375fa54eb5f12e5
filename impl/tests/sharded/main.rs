//! Nodes of a sharded cluster, as processes: `quorate admin` moves slots while clients write on all nodes.

#[path = "../support/mod.rs"]
mod support;

mod guests;
mod migrations;
mod redirects;
mod tools;

use quorate::resp::reply::write_command;
use quorate::resp::{Decoder, Frame};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use support::process::{Cluster, PATIENCE, ask, quorate, wait_for};

fn admin(cluster: &Cluster, words: &[&str]) -> Output {
    let address = cluster.plain()[0].to_string();
    quorate().args(["admin", "--addr", &address]).args(words).output().expect("it starts")
}

/// Nobody is deposed because this machine is busy.
const STEADY: [&str; 4] = ["--election-min-ms", "3000", "--election-max-ms", "5000"];

/// What a refused command says on stderr.
#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn done(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    let text = String::from_utf8_lossy(out).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(err));
    text
}

fn all(cluster: &Cluster) -> String {
    cluster.plain().iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
}

fn join(cluster: &Cluster, group: u16) -> Output {
    admin(cluster, &["join", &format!("{group}={}", all(cluster))])
}

/// A connection that sends and reads by itself.
struct Client {
    socket: TcpStream,
    decoder: Decoder,
}

impl Client {
    fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the node takes clients");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time to wait");
        Self { socket, decoder: Decoder::default() }
    }

    fn call(&mut self, words: &[&str]) -> Frame {
        self.send(&[words.iter().map(ToString::to_string).collect()]);
        self.receive()
    }

    fn send(&mut self, commands: &[Vec<String>]) {
        let mut bytes = Vec::new();
        commands.iter().for_each(|words| write_command(&mut bytes, words));
        self.socket.write_all(&bytes).expect("it is sent");
    }

    fn receive(&mut self) -> Frame {
        let mut buffer = [0; 4096];
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("the node speaks the protocol") {
                return frame;
            }
            let length = self.socket.read(&mut buffer).expect("an answer in time");
            assert!(length > 0, "the node has closed the connection");
            self.decoder.feed(&buffer[..length]);
        }
    }
}

/// Appends numbers to keys by one node's plain port until it is told to stop, each behind the answer to the one before.
/// What was refused for now is asked again: it was not executed. How many each key has.
fn write(address: SocketAddr, who: usize, stops: &AtomicBool) -> BTreeMap<String, u64> {
    let mut client = Client::open(address);
    let mut counts = BTreeMap::new();
    while !stops.load(Ordering::Relaxed) {
        for number in 0..30 {
            let key = format!("w{who}-{number}");
            let count = counts.entry(key.clone()).or_insert(0);
            *count += 1;
            loop {
                client.send(&[vec!["APPEND".into(), key.clone(), format!("{count} ")]]);
                match client.receive() {
                    Frame::Integer(_) => break,
                    Frame::Error(text) if text.starts_with(b"TRYAGAIN") => {}
                    other => panic!("{key} {count}: {other:?}"),
                }
            }
        }
    }
    counts
}

fn expected(count: u64) -> Vec<u8> {
    (1..=count).map(|number| format!("{number} ")).collect::<String>().into_bytes()
}

/// Lets threads stop when it goes.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Groups join and leave while a client writes on each node: nothing is lost, twice, or out of order, and nobody has
/// noticed more than that it was to try again.
#[test]
fn slots_move_while_clients_write_on_all_nodes() {
    let cluster = Cluster::sharded(3, 3, &STEADY);
    let nowhere = ask(cluster.plain()[0], &["SET", "k", "v"]).expect("an answer");
    assert!(matches!(&nowhere, Frame::Error(text) if text.starts_with(b"CLUSTERDOWN Hash slot")));
    assert!(done(&admin(&cluster, &["status"])).contains("no group has joined"));
    done(&join(&cluster, 1));
    for at in cluster.plain() {
        wait_for("the first SET on each node", || {
            let frame = ask(*at, &["SET", "k", "v"]).ok()?;
            (frame == Frame::Simple(b"OK".to_vec())).then_some(())
        });
    }
    let stops = AtomicBool::new(false);
    let counts: Vec<BTreeMap<String, u64>> = thread::scope(|scope| {
        let writes = |(who, at): (usize, &SocketAddr)| {
            let (at, stops) = (*at, &stops);
            scope.spawn(move || write(at, who, stops))
        };
        let writers: Vec<_> = cluster.plain().iter().enumerate().map(writes).collect();
        // Also when something is not as it should be: the writers would go on.
        let stop = Stop(&stops);
        done(&join(&cluster, 2));
        done(&admin(&cluster, &["move", "0-12000", "--to", "2"]));
        done(&admin(&cluster, &["rebalance"]));
        done(&join(&cluster, 3));
        done(&admin(&cluster, &["leave", "1"]));
        drop(stop);
        writers.into_iter().map(|writer| writer.join().expect("it does not panic")).collect()
    });
    assert!(counts.iter().all(|counts| counts.len() == 30), "everybody has written");
    for (key, count) in counts.iter().flatten() {
        for at in cluster.plain() {
            let found = ask(*at, &["GET", key]).expect("an answer");
            assert_eq!(found, Frame::Bulk(expected(*count)), "{key} on {at}");
        }
    }
    let status = done(&admin(&cluster, &["status", "--json"]));
    let status: serde_json::Value = serde_json::from_str(&status).expect("it is JSON");
    let groups = status["groups"].as_array().expect("groups");
    let counts: Vec<_> =
        groups.iter().map(|it| (it["group"].as_u64(), it["slots"].as_u64())).collect();
    assert_eq!(counts, [(Some(2), Some(8192)), (Some(3), Some(8192))]);
}

/// What a client sends on one connection without waiting is done in that order, or it is told that some was not.
#[test]
fn what_is_sent_at_once_keeps_its_order() {
    let cluster = Cluster::sharded(3, 2, &STEADY);
    done(&join(&cluster, 1));
    done(&join(&cluster, 2));
    let slot = ask(cluster.plain()[0], &["CLUSTER", "KEYSLOT", "k"]).expect("an answer");
    let Frame::Integer(slot) = slot else { panic!("{slot:?}") };
    let slot = slot.to_string();
    let stops = AtomicBool::new(false);
    let text = thread::scope(|scope| {
        let (at, stops) = (cluster.plain()[1], &stops);
        let writer = scope.spawn(move || {
            let mut client = Client::open(at);
            let mut done = Vec::new();
            // It goes on for as long as the slot moves.
            for chunk in 0.. {
                if stops.load(Ordering::Relaxed) {
                    break;
                }
                let numbers: Vec<u64> = (1..=50).map(|number| chunk * 50 + number).collect();
                let command =
                    |number: &u64| vec!["APPEND".into(), "k".into(), format!("{number} ")];
                client.send(&numbers.iter().map(command).collect::<Vec<_>>());
                for number in numbers {
                    match client.receive() {
                        Frame::Integer(_) => done.push(number),
                        Frame::Error(text) if text.starts_with(b"TRYAGAIN") => {}
                        other => panic!("{number}: {other:?}"),
                    }
                }
            }
            done.iter().map(|number| format!("{number} ")).collect::<String>()
        });
        let stop = Stop(stops);
        for to in ["1", "2", "1", "2"] {
            // The one that has it already says so.
            let output = admin(&cluster, &["move", &slot, "--to", to]);
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() || text.contains("so already"), "{text}");
        }
        drop(stop);
        writer.join().expect("it does not panic")
    });
    assert!(!text.is_empty(), "nothing was written");
    let found = Client::open(cluster.plain()[2]).call(&["GET", "k"]);
    assert_eq!(found, Frame::Bulk(text.into_bytes()));
}

/// A node's cluster port sends clients to the leader of the slot's group.
#[test]
fn cluster_clients_are_sent_to_the_leader() {
    let cluster = Cluster::sharded(3, 2, &STEADY);
    done(&join(&cluster, 1));
    done(&join(&cluster, 2));
    for key in ["a", "b", "c", "d"] {
        let answers: Vec<Frame> = wait_for("one node that takes it", || {
            let answers = cluster.cluster().into_iter().map(|at| ask(at, &["SET", key, "v"]));
            let answers: Vec<Frame> = answers.collect::<Result<_, _>>().ok()?;
            let takes = answers.iter().filter(|it| **it == Frame::Simple(b"OK".to_vec()));
            (takes.count() == 1).then_some(answers)
        });
        let at = answers.iter().position(|it| *it == Frame::Simple(b"OK".to_vec()));
        let at = cluster.cluster()[at.expect("one takes it")];
        for answer in answers.iter().filter(|it| **it != Frame::Simple(b"OK".to_vec())) {
            let Frame::Error(text) = answer else { panic!("{answer:?}") };
            let text = String::from_utf8_lossy(text);
            assert!(text.starts_with("MOVED ") && text.ends_with(&at.to_string()), "{text}");
        }
    }
    let slots = ask(cluster.cluster()[0], &["CLUSTER", "SLOTS"]).expect("an answer");
    let Frame::Array(runs) = slots else { panic!("{slots:?}") };
    assert_eq!(runs.len(), 2, "two groups with one run each");
    for what in ["NODES", "SHARDS", "INFO"] {
        let answer = ask(cluster.cluster()[0], &["CLUSTER", what]).expect("an answer");
        assert!(!matches!(answer, Frame::Error(_)), "{what}: {answer:?}");
    }
}

/// What is asked about all keys is asked of every group that the node has, and said once.
#[test]
fn questions_about_all_keys_go_to_all_groups() {
    const KEYS: usize = 300;
    let cluster = Cluster::sharded(3, 2, &STEADY);
    done(&join(&cluster, 1));
    done(&join(&cluster, 2));
    let mut client = Client::open(cluster.plain()[0]);
    let mut names: Vec<String> = (0..KEYS).map(|number| format!("name{number}")).collect();
    for name in &names {
        let set = wait_for("a SET", || match client.call(&["SET", name, "v"]) {
            Frame::Error(text) if text.starts_with(b"TRYAGAIN") => None,
            other => Some(other),
        });
        assert_eq!(set, Frame::Simple(b"OK".to_vec()), "{name}");
    }
    assert_eq!(client.call(&["DBSIZE"]), Frame::Integer(KEYS as i64));
    let (mut cursor, mut found, mut steps) = ("0".to_owned(), Vec::new(), 0);
    loop {
        let Frame::Array(parts) = client.call(&["SCAN", &cursor, "COUNT", "7"]) else {
            panic!("a SCAN has two parts");
        };
        let [Frame::Bulk(next), Frame::Array(keys)] = &parts[..] else { panic!("{parts:?}") };
        cursor = String::from_utf8(next.clone()).expect("a number");
        let text = |key: &Frame| match key {
            Frame::Bulk(key) => String::from_utf8(key.clone()).expect("they are words"),
            other => panic!("{other:?}"),
        };
        found.extend(keys.iter().map(text));
        steps += 1;
        if cursor == "0" {
            break;
        }
    }
    assert!(steps > 10, "{steps} steps");
    found.sort();
    names.sort();
    assert_eq!(found, names, "each once");
    let Frame::Array(keys) = client.call(&["KEYS", "*"]) else { panic!("KEYS are an array") };
    assert_eq!(keys.len(), KEYS);
    assert_eq!(client.call(&["FLUSHALL"]), Frame::Simple(b"OK".to_vec()));
    assert_eq!(client.call(&["DBSIZE"]), Frame::Integer(0));
}

/// A flush that is answered while slots move has taken what was on its way too. ROUTE-ALL-1.
#[test]
fn a_flush_takes_what_is_on_its_way() {
    const KEYS: usize = 2000;
    let steady = ["--election-min-ms", "3000", "--election-max-ms", "5000"];
    let cluster = Cluster::sharded(3, 2, &steady);
    done(&join(&cluster, 1));
    done(&join(&cluster, 2));
    let mut client = Client::open(cluster.plain()[0]);
    let mut flushed = 0;
    for to in ["1", "2", "1", "2"] {
        let command = |number| vec!["SET".into(), format!("name{number}"), "v".repeat(200)];
        client.send(&(0..KEYS).map(command).collect::<Vec<_>>());
        for number in 0..KEYS {
            assert_eq!(client.receive(), Frame::Simple(b"OK".to_vec()), "name{number}");
        }
        thread::scope(|scope| {
            let moves = scope.spawn(|| admin(&cluster, &["move", "0-16383", "--to", to]));
            let mut took_all = false;
            while !took_all && !moves.is_finished() {
                match client.call(&["FLUSHALL"]) {
                    Frame::Simple(_) => took_all = true,
                    // Some of it may be left.
                    Frame::Error(text) => assert!(text.starts_with(b"UNCERTAIN"), "{text:?}"),
                    other => panic!("{other:?}"),
                }
            }
            done(&moves.join().expect("it does not panic"));
            if took_all {
                flushed += 1;
                assert_eq!(client.call(&["DBSIZE"]), Frame::Integer(0), "to {to}");
            }
        });
    }
    assert!(flushed > 0, "no flush was answered while slots moved");
}
