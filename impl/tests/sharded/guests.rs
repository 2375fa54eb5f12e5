//! The plain port of any node answers for every key, wherever the key's group is.

use super::migrations::apart;
use super::support::process::{Cluster, ask, wait_for};
use super::{Client, STEADY, admin, done};
use quorate::resp::Frame;
use std::net::SocketAddr;

/// Keys of both groups: `f` and a number.
const KEYS: usize = 40;

fn ok() -> Frame {
    Frame::Simple(b"OK".to_vec())
}

fn say(at: SocketAddr, words: &[&str]) -> Frame {
    ask(at, words).expect("an answer")
}

/// Whatever a plain client wants of a group without a server on its node it gets by way of one that has it.
#[test]
fn any_node_answers_for_every_key() {
    let cluster = apart();
    let keys: Vec<String> = (0..KEYS).map(|key| format!("f{key}")).collect();
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(say(cluster.plain()[number % 4], &["SET", key, "v"]), ok(), "{key}");
    }
    let count = Frame::Integer(KEYS as i64);
    for at in cluster.plain() {
        for key in &keys {
            assert_eq!(say(*at, &["GET", key]), Frame::Bulk(b"v".to_vec()), "{key} on {at}");
        }
        assert_eq!(say(*at, &["DBSIZE"]), count, "on {at}");
        let Frame::Array(found) = say(*at, &["KEYS", "f*"]) else { panic!("keys") };
        assert_eq!(found.len(), KEYS, "on {at}");
    }
    // What is sent at once keeps its order.
    let mut client = Client::open(cluster.plain()[3]);
    let mut all: Vec<Vec<String>> = Vec::new();
    for key in &keys {
        all.extend((0..20).map(|it| vec!["APPEND".into(), key.clone(), format!("{it} ")]));
    }
    client.send(&all);
    for words in &all {
        assert!(matches!(client.receive(), Frame::Integer(_)), "{words:?}");
    }
    let expected: String = (0..20).map(|it| format!("{it} ")).collect();
    for key in &keys {
        let found = client.call(&["GET", key]);
        assert_eq!(found, Frame::Bulk(format!("v{expected}").into_bytes()), "{key}");
    }
    // A transaction, and what is exactly once.
    for key in &keys[..8] {
        assert_eq!(client.call(&["MULTI"]), ok());
        client.call(&["SET", key, "t"]);
        client.call(&["APPEND", key, "u"]);
        let told = client.call(&["EXEC"]);
        assert_eq!(told, Frame::Array(vec![ok(), Frame::Integer(2)]), "{key}");
    }
    assert_eq!(client.call(&["FLUSHALL"]), ok());
    for at in cluster.plain() {
        assert_eq!(say(*at, &["DBSIZE"]), Frame::Integer(0), "on {at}");
    }
}

/// A node that has nothing but the controller, or a group that has no slot, serves every key too; and when the only
/// node of a group is dead its clients are told so, until it is back.
#[test]
fn nodes_without_groups_serve_every_key() {
    let mut cluster = Cluster::start_by(3, |node, list| {
        let nodes: Vec<&str> = list.split(',').collect();
        let mut words = vec!["--controller".to_owned(), nodes[0].to_owned()];
        if node > 0 {
            words.extend(["--group".to_owned(), format!("{node}={}", nodes[node])]);
        }
        words.extend(STEADY.map(ToString::to_string));
        words
    });
    let (all, group) = (cluster.plain().to_vec(), cluster.plain()[1].to_string());
    done(&admin(&cluster, &["join", &format!("1={group}")]));
    for at in &all {
        wait_for("the first SET on each node", || {
            (ask(*at, &["SET", "k", "v"]).ok()? == ok()).then_some(())
        });
    }
    cluster.kill(1);
    for at in [all[0], all[2]] {
        wait_for("the bad news", || match ask(at, &["SET", "k", "w"]).ok()? {
            Frame::Error(text) => text.starts_with(b"CLUSTERDOWN").then_some(()),
            _ => None,
        });
    }
    cluster.start_node(1);
    for at in [all[0], all[2]] {
        wait_for("its return", || (ask(at, &["SET", "k", "x"]).ok()? == ok()).then_some(()));
        assert_eq!(say(at, &["GET", "k"]), Frame::Bulk(b"x".to_vec()));
    }
}
