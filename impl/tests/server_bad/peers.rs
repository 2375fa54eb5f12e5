//! The port for other nodes, and strangers at it. They are turned away, both sides say why, and the cluster goes on.

use super::tools::{connect, is_closed};
use crate::support::process::{Cluster, Folder, Node, wait_for};
use crate::support::suite::log;
use redis::Commands;
use std::io::{Read, Write};
use std::net::SocketAddr;

fn peer_port(cluster: &Cluster, node: usize) -> SocketAddr {
    let address = cluster.plain()[node];
    SocketAddr::new(address.ip(), address.port() + 2_000)
}

fn wait_for_log(cluster: &Cluster, node: usize, text: &str) {
    wait_for(text, || log(cluster, node).contains(text).then_some(()));
}

fn still_works(cluster: &Cluster) {
    let leader = cluster.leader();
    for node in (0..cluster.plain().len()).filter(|&node| cluster.runs(node)) {
        let mut client = crate::support::suite::plain(cluster.plain()[node]).unwrap();
        client.set::<_, _, ()>("k", node).unwrap();
        assert_eq!(client.get::<_, usize>("k").unwrap(), node);
    }
    assert_eq!(cluster.leader(), leader, "strangers unseat nobody");
}

#[test]
fn garbage_at_the_peer_port_is_turned_away() {
    let cluster = Cluster::start(3);
    for garbage in
        [&b"*1\r\n$4\r\nPING\r\n"[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 100_000], b"quorat"]
    {
        let mut socket = connect(peer_port(&cluster, 0));
        let _ = socket.write_all(garbage);
        socket.shutdown(std::net::Shutdown::Write).ok();
        wait_for("its end", || is_closed(&mut socket).then_some(()));
    }
    wait_for_log(&cluster, 0, "a connection was not let in");
    let text = "what came is not this protocol. Is something else there, or the clients' port?";
    wait_for_log(&cluster, 0, text);
    // Those who say nothing take no room from those who belong here.
    let silent: Vec<_> = (0..200).map(|_| connect(peer_port(&cluster, 0))).collect();
    still_works(&cluster);
    drop(silent);
}

#[test]
fn a_peer_of_another_version_is_told_so() {
    let cluster = Cluster::start(3);
    let mut socket = connect(peer_port(&cluster, 0));
    socket.write_all(b"quorate\0\x63").unwrap();
    let mut answer = [0; 10];
    socket.read_exact(&mut answer).unwrap();
    let (version, refused_for_its_version) = (3, 1);
    assert_eq!(answer, *[&b"quorate\0"[..], &[version, refused_for_its_version]].concat());
    wait_for_log(&cluster, 0, "it speaks another version. Run the same release on every server");
    wait_for_log(&cluster, 0, "its version 99, this one's 3");
    still_works(&cluster);
}

/// A node of another cluster, by its name, takes the third node's place.
#[test]
fn a_peer_of_another_cluster_is_told_so() {
    let mut cluster = Cluster::start(3);
    let stranger = replace(&mut cluster, &["--cluster", "another"]);
    let text = "it belongs to another cluster. Correct";
    wait_for_log(&cluster, 0, text);
    wait_for("the stranger's complaint", || stranger.says(text).then_some(()));
    still_works(&cluster);
}

#[test]
fn a_peer_without_the_secret_is_told_so() {
    let secrets = Folder::new();
    let file = |name: &str, text: &str| {
        let path = secrets.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let right = file("right", "a secret that is long enough\n");
    let wrong = file("wrong", "another one that is long enough\n");
    let mut cluster = Cluster::start_with(3, &["--secret-file", &right]);
    let stranger = replace(&mut cluster, &[]);
    wait_for_log(&cluster, 0, "it has no secret, and this server has");
    let text = "it asks for a secret. Give this server --secret-file with the cluster's secret";
    wait_for("the stranger's complaint", || stranger.says(text).then_some(()));
    still_works(&cluster);
    drop(stranger);
    let stranger = replace(&mut cluster, &["--secret-file", &wrong]);
    let text = "its secret is another one. Give every server the same --secret-file";
    wait_for_log(&cluster, 0, text);
    wait_for("the stranger's complaint", || stranger.says(text).then_some(()));
    still_works(&cluster);
}

struct Stranger {
    _node: Node,
    folder: Folder,
}

impl Stranger {
    fn says(&self, text: &str) -> bool {
        let log = std::fs::read_to_string(self.folder.path().join("d.log"));
        log.is_ok_and(|log| log.contains(text))
    }
}

/// A node with a new folder and other arguments at the address of one that does not lead.
fn replace(cluster: &mut Cluster, more: &[&str]) -> Stranger {
    let leader = cluster.leader();
    let away = if leader == 2 { 1 } else { 2 };
    if cluster.runs(away) {
        cluster.kill(away);
    }
    let addresses: Vec<String> = cluster.plain().iter().map(ToString::to_string).collect();
    let nodes = addresses.join(",");
    let words = ["--listen", &addresses[away], "--nodes", &nodes];
    let arguments: Vec<String> = words.iter().chain(more).map(ToString::to_string).collect();
    let folder = Folder::new();
    let node = Node::start(&folder.path().join("d"), &arguments).expect("it starts");
    Stranger { _node: node, folder }
}
