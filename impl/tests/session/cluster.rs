//! The group in the words of Redis Cluster, and who is sent where.

use super::Bench;
use protocol::NodeId;
use protocol::kv::slot::SLOTS;
use protocol::kv::{Bytes, ClientId, SlotId};
use protocol::shardctl::{Change, Config, Exact, GroupId, Limits, RequestId, next};
use quorate::session::{Call, Outcome, Query};
use quorate::view::{Shard, Shards};
use std::collections::BTreeMap;
use std::sync::Arc;

fn name(node: u8) -> String {
    char::from(b'a' + node).to_string().repeat(40)
}

#[test]
fn slots_name_the_leader_first() {
    let node = |node: u8| format!("*4 $8 10.0.0.{node} :750{node} $40 {} *0", name(node));
    let mut b = Bench::cluster();
    let told = |nodes: [u8; 3]| {
        let [first, second, third] = nodes.map(node);
        format!("*1 *5 :0 :16383 {first} {second} {third}")
    };
    assert_eq!(b.line("CLUSTER SLOTS"), told([0, 1, 2]));
    b.view.leader = Some(NodeId(2));
    assert_eq!(b.line("CLUSTER SLOTS"), told([2, 0, 1]));
    b.view.leader = None;
    assert_eq!(b.line("CLUSTER SLOTS"), told([0, 1, 2]), "somebody must be named");
    b.view.nodes[1].connected = false;
    assert_eq!(b.line("CLUSTER SLOTS"), format!("*1 *4 :0 :16383 {} {}", node(0), node(2)));
}

#[test]
fn shards() {
    let node = |header: &str, number: u8, role: &str, health: &str| {
        format!(
            "{header} $2 id $40 {} $2 ip $8 10.0.0.{number} $8 endpoint $8 10.0.0.{number} $4 port :750{number} \
             $4 role ${} {role} $18 replication-offset :100 $6 health ${} {health}",
            name(number),
            role.len(),
            health.len()
        )
    };
    let mut b = Bench::cluster();
    b.view.nodes[2].connected = false;
    for (version, array, map) in [(2, "*4", "*14"), (3, "%2", "%7")] {
        b.line(&format!("HELLO {version}"));
        let nodes = [("master", "online"), ("replica", "online"), ("replica", "fail")];
        let nodes = nodes.iter().zip(0..).map(|((role, health), at)| node(map, at, role, health));
        let nodes: Vec<String> = nodes.collect();
        let expected = format!("*1 {array} $5 slots *2 :0 :16383 $5 nodes *3 {}", nodes.join(" "));
        assert_eq!(b.line("CLUSTER SHARDS"), expected);
    }
}

#[test]
fn nodes_and_replicas() {
    let mut b = Bench::follower();
    b.view.nodes[2].connected = false;
    let (zero, one, two) = (name(0), name(1), name(2));
    let first = format!("{zero} 10.0.0.0:7500@0 myself,slave {one} 0 0 7 connected");
    let third = format!("{two} 10.0.0.2:7502@0 slave,fail? {one} 0 0 7 disconnected");
    let lines =
        format!("{first}\n{one} 10.0.0.1:7501@0 master - 0 0 7 connected 0-16383\n{third}\n");
    assert_eq!(b.line("CLUSTER NODES"), format!("${} {lines}", lines.len()));
    let lengths = (first.len(), third.len());
    assert_eq!(
        b.line(&format!("CLUSTER REPLICAS {one}")),
        format!("*2 ${} {first} ${} {third}", lengths.0, lengths.1)
    );
    assert_eq!(
        b.line(&format!("CLUSTER REPLICAS {two}")),
        "-ERR The specified node is not a master"
    );
    assert_eq!(b.line("CLUSTER REPLICAS x"), "-ERR Unknown node x");
}

#[test]
fn the_small_questions() {
    let mut b = Bench::cluster();
    b.told(&[
        ("CLUSTER MYID", &format!("$40 {}", name(0))),
        ("CLUSTER MYSHARDID", &format!("$40 {}", "5".repeat(40))),
        ("CLUSTER KEYSLOT foo", ":12182"),
        ("CLUSTER KEYSLOT {user1000}.x", ":3443"),
        ("CLUSTER COUNTKEYSINSLOT 12182", ":0"),
        ("SET foo v", "+OK"),
        ("CLUSTER COUNTKEYSINSLOT 12182", ":1"),
        ("CLUSTER GETKEYSINSLOT 12182 10", "*1 $3 foo"),
        ("CLUSTER GETKEYSINSLOT 12182 0", "*0"),
        ("CLUSTER GETKEYSINSLOT 12182 -1", "-ERR Invalid number of keys"),
        ("CLUSTER COUNTKEYSINSLOT 16384", "-ERR Invalid or out of range slot"),
        ("CLUSTER COUNTKEYSINSLOT a", "-ERR Invalid or out of range slot"),
        ("CLUSTER LINKS", "*0"),
        ("CLUSTER GETSLOTMIGRATIONS", "*0"),
        ("CLUSTER MIGRATION STATUS ALL", "*0"),
    ]);
    let told = b.line("CLUSTER INFO");
    for field in [
        "cluster_enabled:1",
        "cluster_state:ok",
        "cluster_slots_assigned:16384",
        "cluster_size:1",
        "cluster_known_nodes:3",
        "cluster_current_epoch:7",
    ] {
        assert!(told.contains(field), "{field} in {told}");
    }
    b.view.leader = None;
    assert!(b.line("CLUSTER INFO").contains("cluster_state:fail"));
}

#[test]
fn what_can_not_be_done_is_refused_with_the_reason() {
    let one_group = "-ERR there is one group, and it owns all slots: none can be moved";
    let mut b = Bench::cluster();
    b.told(&[
        ("CLUSTER MIGRATESLOTS SLOTSRANGE 0 1 NODE x", one_group),
        ("CLUSTER MIGRATION IMPORT 0 1", one_group),
        ("CLUSTER CANCELSLOTMIGRATIONS", "-ERR no slots are being moved"),
    ]);
    for (line, begin) in [
        ("CLUSTER FAILOVER", "-ERR leadership can't be handed over by command"),
        ("CLUSTER SETSLOT 1 NODE x", "-ERR slots are assigned by the controller"),
        ("CLUSTER ADDSLOTS 1", "-ERR slots are assigned by the controller"),
        ("CLUSTER MEET 1.2.3.4 5", "-ERR nodes don't meet by gossip"),
        ("CLUSTER FORGET x", "-ERR nodes are not forgotten one by one"),
        ("CLUSTER RESET", "-ERR unknown subcommand 'RESET'. Try CLUSTER HELP."),
    ] {
        let told = b.line(line);
        assert!(told.starts_with(begin), "{told}");
    }
}

/// On the cluster port a follower says who leads, before anything is asked.
#[test]
fn a_follower_redirects() {
    let mut b = Bench::follower();
    let moved = "-MOVED 12182 10.0.0.1:7501";
    for line in [
        "GET foo",
        "SET foo v",
        "MGET foo",
        "DEL foo",
        "ONCE foo 65536 1 SET foo v",
        "KV.WAIT foo 0 0",
        "WATCH foo",
        "EXPIRE foo 1",
        "OBJECT ENCODING foo",
    ] {
        assert_eq!(b.line(line), moved, "{line}");
        assert!(b.asked.is_empty(), "{line}");
    }
    assert_eq!(b.line("FLUSHALL"), "-MOVED 0 10.0.0.1:7501");
    // What has no key is for the node that is asked.
    b.told(&[("DBSIZE", ":0"), ("SCAN 0", "*2 $1 0 *0"), ("KEYS *", "*0"), ("PING", "+PONG")]);
    b.told(&[("CLUSTER COUNTKEYSINSLOT 12182", ":0"), ("RANDOMKEY", "$-1")]);
}

#[test]
fn after_readonly_a_follower_reads() {
    let mut b = Bench::follower();
    b.told(&[("READONLY", "+OK"), ("GET foo", "$-1"), ("SET foo v", "-MOVED 12182 10.0.0.1:7501")]);
    b.ask(&["GET", "foo"]);
    let key = Bytes::from("foo");
    assert!(matches!(&b.asked[0].call, Call::Read(Query::Op { key: asked, .. }) if *asked == key));
    b.settle();
    b.shown();
    b.told(&[
        ("MULTI", "+OK"),
        ("GET foo", "+QUEUED"),
        ("EXEC", "*1 $-1"),
        ("MULTI", "+OK"),
        ("SET foo v", "-MOVED 12182 10.0.0.1:7501"),
        ("EXEC", "-EXECABORT Transaction discarded because of previous errors."),
        ("READWRITE", "+OK"),
        ("GET foo", "-MOVED 12182 10.0.0.1:7501"),
    ]);
}

/// While nobody is known to lead the call is asked: the node waits for a leader before it says no.
#[test]
fn without_a_leader_it_is_asked() {
    let mut b = Bench::follower();
    b.view.leader = None;
    b.ask(&["GET", "foo"]);
    assert_eq!((b.asked.len(), b.shown().as_str()), (1, ""));
}

/// A node that is believed to lead, and does not know it yet, sends nobody to itself.
#[test]
fn nobody_is_sent_back_and_forth() {
    let mut b = Bench::follower();
    b.view.leader = Some(b.view.me);
    b.ask(&["SET", "foo", "v"]);
    assert_eq!((b.asked.len(), b.shown().as_str()), (1, ""));
}

/// On the plain port every node takes everything.
#[test]
fn the_plain_port_never_redirects() {
    let mut b = Bench::new();
    b.view = Bench::follower().view;
    b.told(&[("SET foo v", "+OK"), ("GET foo", "$1 v"), ("FLUSHALL", "+OK")]);
}

/// A leader that has just died is still taken for the leader, but can't be reached: nobody is sent there.
#[test]
fn nobody_is_sent_to_a_leader_that_is_gone() {
    let mut b = Bench::follower();
    (b.view.leader, b.view.nodes[1].connected) = (None, false);
    b.ask(&["GET", "foo"]);
    b.answer(0, Outcome::Moved { leader: NodeId(1) });
    assert!(b.shown().starts_with("-CLUSTERDOWN no leader is known: the command was not executed"));
    b.view.nodes[1].connected = true;
    b.ask(&["GET", "foo"]);
    b.answer(0, Outcome::Moved { leader: NodeId(1) });
    assert_eq!(b.shown(), "-MOVED 12182 10.0.0.1:7501");
}

/// Node 0 of three, which all have groups 1 and 2; node 1 leads group 1, node 0 group 2.
fn sharded() -> Bench {
    let mut b = Bench::cluster();
    let request = RequestId { client: ClientId(1), seq: 1 };
    let address = |node: u8| Bytes::from(format!("10.0.0.{node}:740{node}").as_str());
    let group = |id| (GroupId(id), (0..3).map(address).collect());
    let join = Change::Join(vec![group(1), group(2)]);
    let config = next(Exact, &Limits::DEFAULT, &Config::empty(SLOTS), request, &join);
    let shard = |leader| Shard {
        nodes: (0..3).map(NodeId).collect(),
        leader: Some(NodeId(leader)),
        term: 1,
        here: true,
        gives: false,
    };
    b.view.shards = Some(Shards {
        config: Arc::new(config.expect("they may join")),
        groups: [(GroupId(1), shard(1)), (GroupId(2), shard(0))].into(),
        controllers: vec![NodeId(0)],
        found: BTreeMap::new(),
    });
    b
}

/// Slots that are still with a group that leaves, and that has lost its leader, are told all the same: clients take a
/// table that does not cover all for a broken cluster.
#[test]
fn all_slots_are_told_while_a_group_leaves() {
    let mut b = sharded();
    let covered = |told: &str, slots: &str| assert!(told.contains(slots), "{slots} in {told}");
    let told = b.line("CLUSTER SLOTS");
    covered(&told, "*2 *5 :0 :8191 *4 $8 10.0.0.1 :7501");
    covered(&told, ":8192 :16383 *4 $8 10.0.0.0 :7500");
    let shards = b.view.shards.as_mut().expect("it is sharded");
    shards.found.insert(SlotId(7), GroupId(3));
    shards.groups.insert(GroupId(3), Shard { here: true, ..Shard::default() });
    let told = b.line("CLUSTER SLOTS");
    covered(&told, "*4 *5 :0 :6 *4 $8 10.0.0.1 :7501");
    covered(&told, "*3 :7 :7 *4 $8 10.0.0.0 :7500");
    covered(&told, "*5 :8 :8191 *4 $8 10.0.0.1 :7501");
}

/// On the cluster port the groups that are led here are asked, and not the configuration: only what they say redirects.
#[test]
fn groups_that_are_led_here_are_asked_first() {
    let mut b = sharded();
    let slot = |key: &str| protocol::kv::slot::slot(key.as_bytes());
    assert!(slot("foo") > 8191 && slot("b") < 8192);
    b.ask(&["GET", "foo"]);
    assert_eq!(b.asked.len(), 1, "it is led here");
    b.settle();
    assert_eq!(b.shown(), "$-1");
    // So is the server of a group that another node leads: it knows better than the view who that is.
    b.ask(&["GET", "b"]);
    b.answer(0, Outcome::Moved { leader: NodeId(2) });
    assert_eq!(b.shown(), "-MOVED 3300 10.0.0.2:7502");
    // What is queued is not asked: it is redirected by the view, but for a group here that may have the slot still.
    assert_eq!(b.line("MULTI"), "+OK");
    assert_eq!(b.line("GET b"), "-MOVED 3300 10.0.0.1:7501");
    assert_eq!(b.line("DISCARD"), "+OK");
    let shards = b.view.shards.as_mut().expect("it is sharded");
    shards.groups.get_mut(&GroupId(2)).expect("it is there").gives = true;
    assert_eq!(b.line("MULTI"), "+OK");
    assert_eq!(b.line("GET b"), "+QUEUED");
    assert_eq!(b.line("DISCARD"), "+OK");
    let shards = b.view.shards.as_mut().expect("it is sharded");
    shards.groups.get_mut(&GroupId(1)).expect("it is there").here = false;
    shards.groups.get_mut(&GroupId(2)).expect("it is there").gives = false;
    assert_eq!(b.line("GET b"), "-MOVED 3300 10.0.0.1:7501", "nobody here could be asked");
    // Whatever was found a moment ago: the slot's group is led here.
    let shards = b.view.shards.as_mut().expect("it is sharded");
    shards.found.insert(SlotId(slot("foo")), GroupId(1));
    b.ask(&["GET", "foo"]);
    assert_eq!(b.asked.len(), 1);
}

#[test]
fn replicas_of_a_master_in_a_sharded_cluster() {
    let mut b = sharded();
    let (zero, one, two) = (name(0), name(1), name(2));
    let told = b.line(&format!("CLUSTER REPLICAS {one}"));
    assert_eq!(told, format!("*1 $119 {two} 10.0.0.2:7502@0 slave {one} 0 0 1 connected"));
    assert_eq!(b.line(&format!("CLUSTER REPLICAS {zero}")), "*0");
    assert_eq!(
        b.line(&format!("CLUSTER REPLICAS {two}")),
        "-ERR The specified node is not a master"
    );
    assert_eq!(b.line("CLUSTER REPLICAS x"), "-ERR Unknown node x");
}
