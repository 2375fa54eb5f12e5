//! The processes that other tests run on: they start, lead, die and come back with what they have acknowledged.

mod support;

use quorate::resp::Frame;
use support::process::{Cluster, Folder, Node, ask, wait_for};

#[test]
fn a_node_alone_takes_any_port() {
    let folder = Folder::new();
    let arguments = ["--listen".to_owned(), "127.0.0.1:0".to_owned()];
    let node = Node::start(&folder.path().join("d"), &arguments).expect("it starts");
    let set = wait_for("a SET", || {
        let frame = ask(node.plain, &["SET", "k", "v"]).ok()?;
        (!matches!(frame, Frame::Error(_))).then_some(frame)
    });
    assert_eq!(set, Frame::Simple(b"OK".to_vec()));
    assert_eq!(ask(node.plain, &["GET", "k"]).expect("an answer"), Frame::Bulk(b"v".to_vec()));
}

#[test]
fn three_nodes_lose_a_leader_and_get_it_back() {
    let mut cluster = Cluster::start(3);
    let old = cluster.leader();
    let set = |at, value: &str| {
        let frame = ask(at, &["SET", "k", value]).ok()?;
        matches!(frame, Frame::Simple(_)).then_some(())
    };
    wait_for("the first SET", || set(cluster.plain()[old], "1"));
    cluster.kill(old);
    let new = cluster.leader();
    assert_ne!(new, old);
    wait_for("the second SET", || set(cluster.plain()[new], "2"));
    cluster.start_node(old);
    let at = cluster.plain()[old];
    wait_for("the old leader's answer", || {
        (ask(at, &["GET", "k"]).ok()? == Frame::Bulk(b"2".to_vec())).then_some(())
    });
}
