//! Real processes and the `redis` crate: what a client of one node and of three sees while all is well.

#![allow(clippy::unwrap_used, reason = "a test says by a panic what it did not expect")]

mod support;

use redis::{Commands, RedisError, RedisResult, cmd, pipe};
use support::process::{Cluster, Folder, Node, wait_for};
use support::suite::{clustered, log, plain, signal};

fn one(folder: &Folder) -> Node {
    let arguments = ["--listen".to_owned(), "127.0.0.1:0".to_owned()];
    let node = Node::start(&folder.path().join("d"), &arguments).expect("it starts");
    wait_for("a leader", || ready(&node));
    node
}

fn ready(node: &Node) -> Option<()> {
    let mut connection = plain(node.plain).ok()?;
    connection.set::<_, _, ()>("ready", 1).ok()
}

/// The daily work of a client, whichever it is.
fn works<C: redis::ConnectionLike + Commands>(client: &mut C) -> RedisResult<()> {
    client.set::<_, _, ()>("{s}a", "1")?;
    assert_eq!(client.incr::<_, _, i64>("{s}a", 41)?, 42);
    assert_eq!(client.append::<_, _, i64>("{s}b", "xyz")?, 3);
    client.mset::<_, _, ()>(&[("{s}c", b"\0\r\n\xff".as_slice()), ("{s}d", b"")])?;
    let many: Vec<Option<Vec<u8>>> = client.mget(&["{s}c", "{s}d", "{s}none"])?;
    assert_eq!(many, [Some(b"\0\r\n\xff".to_vec()), Some(Vec::new()), None]);
    assert!(!client.set_nx::<_, _, bool>("{s}b", "other")?);
    assert!(client.expire::<_, bool>("{s}b", 1000)?);
    assert!((1..=1000).contains(&client.ttl::<_, i64>("{s}b")?));
    assert_eq!(client.del::<_, i64>(&["{s}a", "{s}b", "{s}c", "{s}d", "{s}none"])?, 4);
    let error = cmd("INCR").arg("{s}e").arg("too").arg("many").query::<()>(client).unwrap_err();
    assert_eq!(error.detail(), Some("wrong number of arguments for 'incr' command"));
    Ok(())
}

#[test]
fn one_node_serves_plain_and_cluster_clients() {
    let folder = Folder::new();
    let node = one(&folder);
    works(&mut plain(node.plain).unwrap()).unwrap();
    works(&mut clustered(&[node.cluster]).unwrap()).unwrap();
}

#[test]
fn three_nodes_serve_plain_and_cluster_clients() {
    let cluster = Cluster::steady(3);
    for address in cluster.plain() {
        works(&mut plain(*address).unwrap()).unwrap();
    }
    works(&mut clustered(&cluster.cluster()).unwrap()).unwrap();
    // Each node alone leads a cluster client to all of them.
    for address in cluster.cluster() {
        works(&mut clustered(&[address]).unwrap()).unwrap();
    }
}

/// What one client has written every other client reads, on any node, at once.
#[test]
fn a_read_sees_every_write_before_it() {
    let cluster = Cluster::steady(3);
    let mut clients: Vec<_> =
        cluster.plain().iter().map(|address| plain(*address).unwrap()).collect();
    for round in 0..200_usize {
        clients[round % 3].set::<_, _, ()>("k", round).unwrap();
        for client in &mut clients {
            assert_eq!(client.get::<_, usize>("k").unwrap(), round);
        }
    }
}

#[test]
fn a_transaction_is_whole_and_a_watch_sees_what_others_did() {
    let cluster = Cluster::steady(3);
    let mut here = plain(cluster.plain()[0]).unwrap();
    let mut there = plain(cluster.plain()[1]).unwrap();
    here.set::<_, _, ()>("{t}a", 10).unwrap();
    cmd("WATCH").arg("{t}a").exec(&mut here).unwrap();
    let taken: Option<(i64,)> = pipe().atomic().decr("{t}a", 1).query(&mut here).unwrap();
    assert_eq!(taken, Some((9,)));
    cmd("WATCH").arg("{t}a").exec(&mut here).unwrap();
    there.set::<_, _, ()>("{t}a", 10).unwrap();
    let taken: Option<(i64,)> = pipe().atomic().decr("{t}a", 1).query(&mut here).unwrap();
    assert_eq!(taken, None, "another client has written between WATCH and EXEC");
    assert_eq!(there.get::<_, i64>("{t}a").unwrap(), 10);
    let error: RedisError = pipe()
        .atomic()
        .set("{t}a", "no number")
        .incr("{t}a", 1)
        .query::<(String, i64)>(&mut here)
        .unwrap_err();
    assert!(error.to_string().contains("value is not an integer or out of range"), "{error}");
    assert_eq!(there.get::<_, String>("{t}a").unwrap(), "no number", "as Redis: nothing is undone");
}

/// 136 MiB from the leader to a follower, for one client: that client is told, and nobody else notices.
#[test]
fn a_reply_too_long_to_be_passed_on_costs_no_connection() {
    let cluster = Cluster::steady(3);
    let follower = (cluster.leader() + 1) % 3;
    let mut client = plain(cluster.plain()[follower]).unwrap();
    client.set::<_, _, ()>("{l}big", vec![b'v'; 8 << 20]).unwrap();
    cmd("MULTI").exec(&mut client).unwrap();
    cmd("SET").arg("{l}done").arg(1).exec(&mut client).unwrap();
    for _ in 0..17 {
        cmd("GET").arg("{l}big").exec(&mut client).unwrap();
    }
    let error = cmd("EXEC").query::<redis::Value>(&mut client).unwrap_err();
    assert!(error.to_string().contains("the command was executed"), "{error}");
    assert_eq!(client.get::<_, i64>("{l}done").unwrap(), 1, "the connection goes on");
    for node in 0..3 {
        let log = log(&cluster, node);
        assert!(!log.contains("ended"), "{log}");
    }
}

/// The longest value is that of the node that is asked, also where APPEND or SETRANGE makes it; all nodes agree on what
/// came of it.
#[test]
fn a_longer_value_is_for_the_node_that_is_asked() {
    let mut cluster = Cluster::steady(3);
    cluster.restart_with(1, &["--max-value-bytes", "100"]);
    cluster.restart_with(2, &["--max-value-bytes", "9000000"]);
    cluster.leader();
    let mut clients: Vec<_> = cluster.plain().iter().map(|&node| plain(node).unwrap()).collect();
    let mut length = |node: usize, words: &[&str]| {
        let asked = redis::Cmd::new().arg(words).to_owned();
        wait_for("an answer", || match asked.query::<u64>(&mut clients[node]) {
            Ok(length) => Some(Ok(length)),
            Err(error) if matches!(error.code(), Some("TRYAGAIN" | "CLUSTERDOWN")) => None,
            Err(error) => Some(Err(error.to_string())),
        })
    };
    let too_long = |said: Result<u64, String>| {
        let said = said.expect_err("it is too long");
        assert!(said.contains("string exceeds maximum allowed size"), "{said}");
    };
    let sixty = "v".repeat(60);
    assert_eq!(length(1, &["APPEND", "short", &sixty]), Ok(60));
    too_long(length(1, &["APPEND", "short", &sixty]));
    too_long(length(1, &["SETRANGE", "short", "41", &sixty]));
    assert_eq!(length(0, &["APPEND", "short", &sixty]), Ok(120));
    too_long(length(0, &["SETRANGE", "long", "8388608", "v"]));
    assert_eq!(length(2, &["SETRANGE", "long", "8388608", "v"]), Ok(8_388_609));
    too_long(length(0, &["APPEND", "long", "v"]));
    assert_eq!(length(2, &["APPEND", "long", "v"]), Ok(8_388_610));
    too_long(length(2, &["SETRANGE", "long", "9000000", "v"]));
    for node in 0..3 {
        assert_eq!(length(node, &["STRLEN", "short"]), Ok(120), "node {node}");
        assert_eq!(length(node, &["STRLEN", "long"]), Ok(8_388_610), "node {node}");
    }
}

/// SIGTERM: what was acknowledged is there afterwards, and the node says that it stops.
#[test]
fn a_node_stops_when_it_is_told_and_starts_again() {
    let folder = Folder::new();
    for life in 0..4_i64 {
        let node = one(&folder);
        let mut client = plain(node.plain).unwrap();
        assert_eq!(client.incr::<_, _, i64>("lives", 1).unwrap(), life + 1);
        signal(node.pid(), "TERM");
        wait_for("the end of its connections", || client.get::<_, i64>("lives").err());
        wait_for("its end", || plain(node.plain).err());
        let log = std::fs::read_to_string(folder.path().join("d.log")).unwrap();
        assert!(log.contains("stopping; once more to stop at once"), "{log}");
        assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
    }
}
