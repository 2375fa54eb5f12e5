//! Slots moved by the commands of Valkey 9 and Redis 8.4, in a sharded cluster.

use super::support::process::{Cluster, ask, wait_for};
use super::{STEADY, admin, done, join};
use quorate::resp::Frame;
use std::collections::BTreeMap;

fn text(frame: &Frame) -> String {
    match frame {
        Frame::Bulk(text) | Frame::Simple(text) | Frame::Error(text) | Frame::Verbatim(_, text) => {
            String::from_utf8_lossy(text).into_owned()
        }
        Frame::Integer(number) => number.to_string(),
        other => panic!("{other:?}"),
    }
}

/// What a node's cluster port says to words with blanks between them.
#[track_caller]
fn say(cluster: &Cluster, node: usize, line: &str) -> Frame {
    let words: Vec<&str> = line.split(' ').collect();
    ask(cluster.cluster()[node], &words).expect("an answer")
}

/// Migrations as maps, the latest first.
#[track_caller]
fn told(frame: &Frame) -> Vec<BTreeMap<String, String>> {
    let Frame::Array(all) = frame else { panic!("{frame:?}") };
    let one = |it: &Frame| {
        let Frame::Array(words) = it else { panic!("{it:?}") };
        words.chunks(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
    };
    all.iter().map(one).collect()
}

fn owner(cluster: &Cluster, slot: u16) -> u64 {
    let status = done(&admin(cluster, &["status", "--json"]));
    let status: serde_json::Value = serde_json::from_str(&status).expect("it is JSON");
    let has = |group: &&serde_json::Value| {
        let ranges = group["ranges"].as_array().expect("ranges").iter();
        ranges.filter_map(|range| range.as_str()).any(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let [first, last] = [first, last].map(|it| it.parse::<u16>().expect("a slot"));
            (first..=last).contains(&slot)
        })
    };
    let groups = status["groups"].as_array().expect("groups");
    groups.iter().find(has).expect("somebody has it")["group"].as_u64().expect("a number")
}

/// Waits until nothing is on its way.
fn settled(cluster: &Cluster) -> Vec<BTreeMap<String, String>> {
    wait_for("the end of the moves", || {
        let all = told(&say(cluster, 0, "CLUSTER GETSLOTMIGRATIONS"));
        all.iter().all(|it| it["state"] == "success").then_some(all)
    })
}

#[test]
fn slots_are_moved_as_valkey_does() {
    let cluster = Cluster::sharded(3, 2, &STEADY);
    done(&join(&cluster, 1));
    done(&join(&cluster, 2));
    settled(&cluster);
    assert_eq!(owner(&cluster, 12_000), 2);
    let ok = Frame::Simple(b"OK".to_vec());
    let words = "CLUSTER MIGRATESLOTS SLOTSRANGE 12000 12099 13000 13000 NODE 1";
    assert_eq!(say(&cluster, 1, words), ok);
    let all = settled(&cluster);
    let last = &all[0];
    assert_eq!(
        (owner(&cluster, 12_000), owner(&cluster, 13_000), owner(&cluster, 13_001)),
        (1, 1, 2)
    );
    assert_eq!(last["slot_ranges"], "12000-12099 13000-13000");
    assert_eq!(
        (&*last["source_group"], &*last["target_group"], &*last["remaining_slots"]),
        ("2", "1", "0")
    );
    assert_eq!(last["name"], format!("{:040x}", 3));
    for (line, says) in [
        ("CLUSTER MIGRATESLOTS SLOTSRANGE 0 1 NODE x", "ERR Unknown node x"),
        ("CLUSTER MIGRATESLOTS SLOTSRANGE 0 1 NODE 9", "ERR there is no group 9"),
        (
            "CLUSTER MIGRATESLOTS SLOTSRANGE 5 1 NODE 1",
            "ERR start slot number 5 is greater than end slot number 1",
        ),
        ("CLUSTER MIGRATESLOTS SLOTSRANGE 0 16384 NODE 1", "ERR Invalid or out of range slot"),
        ("CLUSTER MIGRATESLOTS SLOTSRANGE 0 NODE 1", "ERR syntax error"),
        (
            "CLUSTER MIGRATESLOTS SLOTSRANGE 0 1 NODE 1 SLOTSRANGE 2 3 NODE 2",
            "ERR slots go to one group at a time",
        ),
        ("CLUSTER CANCELSLOTMIGRATIONS", "ERR no slots are being moved"),
        ("CLUSTER SETSLOT 1 MIGRATING x", "ERR slots are assigned by the controller"),
        (
            "CLUSTER ADDSLOTS 1",
            "ERR slots are assigned by the controller when a group joins (quorate admin join)",
        ),
        ("CLUSTER MEET 127.0.0.1 1", "ERR nodes don't meet by gossip"),
        (
            "CLUSTER FORGET x",
            "ERR nodes are not forgotten one by one: let the group leave (quorate admin leave)",
        ),
        ("CLUSTER FAILOVER", "ERR leadership can't be handed over by command"),
    ] {
        let told = text(&say(&cluster, 2, line));
        assert!(told.starts_with(says), "{line}: {told}");
    }
}

/// Four nodes: group 1 is on the first three and group 2 on the last, which so leads it; the controller is not on the
/// third.
pub fn apart() -> Cluster {
    let cluster = Cluster::start_by(4, |node, list| {
        let nodes: Vec<&str> = list.split(',').collect();
        let controller = [nodes[0], nodes[1], nodes[3]].join(",");
        let group = if node < 3 {
            format!("1={}", nodes[..3].join(","))
        } else {
            format!("2={}", nodes[3])
        };
        let words = ["--controller", &controller, "--group", &group];
        words.iter().chain(&STEADY).map(ToString::to_string).collect()
    });
    let addresses: Vec<String> = cluster.plain().iter().map(ToString::to_string).collect();
    done(&admin(&cluster, &["join", &format!("1={}", addresses[..3].join(","))]));
    done(&admin(&cluster, &["join", &format!("2={}", addresses[3])]));
    settled(&cluster);
    cluster
}

#[test]
fn slots_are_moved_as_redis_does() {
    let cluster = apart();
    assert_eq!(owner(&cluster, 150), 1);
    let id = text(&say(&cluster, 3, "CLUSTER MIGRATION IMPORT 100 199"));
    assert_eq!(id, format!("{:040x}", 3));
    let status = format!("CLUSTER MIGRATION STATUS ID {id}");
    let all = wait_for("its end", || {
        let all = told(&say(&cluster, 3, &status));
        (all[0]["state"] == "completed").then_some(all)
    });
    assert_eq!((&*all[0]["id"], &*all[0]["slots"], all.len()), (&*id, "100-199", 1));
    assert_eq!((&*all[0]["operation"], &*all[0]["remaining_slots"]), ("import", "0"));
    let name = text(&say(&cluster, 3, "CLUSTER MYID"));
    assert_eq!(all[0]["dest"], name);
    assert_eq!(owner(&cluster, 150), 2);
    // The node for the group that it leads, and a node that leads none.
    let words = format!("CLUSTER MIGRATESLOTS SLOTSRANGE 200 299 NODE {name}");
    assert_eq!(say(&cluster, 0, &words), Frame::Simple(b"OK".to_vec()));
    assert_eq!(owner(&cluster, 250), 2);
    settled(&cluster);
    for (node, line, says) in [
        (3, format!("CLUSTER MIGRATION CANCEL ID {id}"), "0"),
        (0, "CLUSTER MIGRATION CANCEL ALL".into(), "0"),
        (0, "CLUSTER MIGRATION STATUS ID zz".into(), "ERR no migration has the id zz"),
        (0, "CLUSTER MIGRATION STATUS SOME".into(), "ERR syntax error"),
        (3, "CLUSTER MIGRATION IMPORT 100 199".into(), "ERR all is so already"),
        (3, "CLUSTER MIGRATION IMPORT 1".into(), "ERR syntax error"),
        (
            2,
            "CLUSTER MIGRATION STATUS ALL".into(),
            "ERR this node has no server of the controller: ask one of 127.0.0.1:",
        ),
    ] {
        let told = text(&say(&cluster, node, &line));
        assert!(told.starts_with(says), "{line}: {told}");
    }
    assert!(told(&say(&cluster, 3, "CLUSTER MIGRATION STATUS ALL")).len() > 1);
}

/// A migration that can't come to its end, for the nodes of the group that takes are dead: it is told with what is
/// left, and what calls it off needs nothing from them.
#[test]
fn a_migration_is_called_off() {
    let mut cluster = apart();
    cluster.kill(3);
    let ok = Frame::Simple(b"OK".to_vec());
    assert_eq!(say(&cluster, 0, "CLUSTER MIGRATESLOTS SLOTSRANGE 100 199 NODE 2"), ok);
    assert_eq!(owner(&cluster, 150), 2);
    let all = wait_for("the giver to begin", || {
        let all = told(&say(&cluster, 0, "CLUSTER GETSLOTMIGRATIONS"));
        (all[0]["state"] == "in-progress" && all[0]["remaining_slots"] == "100").then_some(all)
    });
    let id = all[0]["name"].clone();
    assert_eq!((&*all[0]["source_group"], &*all[0]["target_group"]), ("1", "2"));
    let cancel = format!("CLUSTER MIGRATION CANCEL ID {id}");
    assert_eq!(say(&cluster, 1, &cancel), Frame::Integer(1));
    assert_eq!(owner(&cluster, 150), 1);
    // It serves them all the time, and has nothing to give any more.
    let key = (0..)
        .map(|number| format!("k{number}"))
        .find(|key| (100..200).contains(&protocol::kv::slot::slot(key.as_bytes())));
    let key = key.expect("some key lies there");
    let set = wait_for("a SET", || {
        let frame = ask(cluster.plain()[0], &["SET", &key, "v"]).ok()?;
        (frame == ok).then_some(frame)
    });
    assert_eq!(set, ok);
    cluster.start_node(3);
    settled(&cluster);
}
