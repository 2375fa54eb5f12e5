//! What people see of a sharded cluster: `quorate status` and `quorate admin`, figures over HTTP, INFO.

use super::support::process::{Cluster, ask, info, quorate, wait_for};
use super::{STEADY, admin, all, done, join, refused};
use quorate::resp::Frame;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

#[track_caller]
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A page of a node's port for figures: the first line, and what follows the head.
fn page(plain: SocketAddr, path: &str) -> (String, String) {
    let mut socket = TcpStream::connect((plain.ip(), plain.port() + 3_000)).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("it is sent");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("a page");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

fn status(cluster: &Cluster, node: usize) -> (Option<i32>, Value) {
    let address = cluster.plain()[node].to_string();
    let output = quorate().args(["status", "--json", "--addr", &address]).output();
    let output = output.expect("the program runs");
    (output.status.code(), json(&String::from_utf8_lossy(&output.stdout)))
}

/// The servers of all nodes that answer: node, group, and what is told.
fn servers(status: &Value) -> Vec<(u64, Option<u64>, Value)> {
    let nodes = status["nodes"].as_array().expect("nodes");
    let of = |node: &Value| {
        let number = node["node"].as_u64().expect("a number");
        let servers = node["servers"].as_array().expect("servers").clone();
        servers.into_iter().map(move |it| (number, it["group"].as_u64(), it))
    };
    nodes.iter().filter(|node| node["alive"] == true).flat_map(of).collect()
}

/// A row for every server of every node, of one that is dead too; and the exit code says whether all have leaders.
#[test]
fn status_is_told_group_by_group() {
    let mut cluster = Cluster::sharded(3, 2, &[]);
    done(&join(&cluster, 1));
    done(&join(&cluster, 2));
    for key in ["a", "b", "c"] {
        wait_for("a SET", || {
            let frame = ask(cluster.plain()[0], &["SET", key, "v"]).ok()?;
            (frame == Frame::Simple(b"OK".to_vec())).then_some(())
        });
    }
    let told = wait_for("nodes that agree", || {
        let (code, told) = status(&cluster, 1);
        let all = servers(&told);
        let keys = |node: u64| -> u64 {
            let own = all.iter().filter(|(at, ..)| *at == node);
            own.filter_map(|(_, _, server)| server["keys"].as_u64()).sum()
        };
        let agree = all.len() == 9 && (0..3).all(|node| keys(node) == 3);
        (code == Some(0) && agree).then_some(told)
    });
    let all = servers(&told);
    for group in [None, Some(1), Some(2)] {
        let own: Vec<&Value> =
            all.iter().filter(|it| it.1 == group).map(|(_, _, server)| server).collect();
        assert_eq!(own.len(), 3, "{told}");
        assert_eq!(own.iter().filter(|it| it["role"] == "leader").count(), 1, "{told}");
        let slots: Vec<Option<u64>> = own.iter().map(|it| it["slots"].as_u64()).collect();
        assert_eq!(slots, vec![group.map(|_| 8192); 3], "{told}");
    }
    let text = quorate().args(["status", "--addr", &cluster.plain()[0].to_string()]).output();
    let text = done(&text.expect("the program runs"));
    assert_eq!(text.lines().count(), 10, "{text}");
    let leader = all.iter().find(|(_, group, it)| *group == Some(1) && it["role"] == "leader");
    let leader = leader.expect("one leads").0 as usize;
    cluster.kill(leader);
    let alive = (leader + 1) % 3;
    let told = wait_for("leaders of all groups", || {
        let (code, told) = status(&cluster, alive);
        assert_eq!(code, Some(1), "a node is dead: {told}");
        (told["leads"] == true).then_some(told)
    });
    assert_eq!(told["nodes"][leader]["alive"], false, "{told}");
    assert_eq!(servers(&told).len(), 6, "{told}");
    // A majority is gone: the one that is left says so of each group.
    let other = (leader + 2) % 3;
    cluster.kill(other);
    let mut last = quorate();
    last.args(["status", "--addr", &cluster.plain()[alive].to_string()]);
    let text = wait_for("no leaders", || {
        let output = last.output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let none = ["of the controller leads", "of group 1 leads", "of group 2 leads"];
        none.iter().all(|it| text.contains(it)).then_some(text)
    });
    assert!(text.contains("Start the nodes that are dead"), "{text}");
    wait_for("nobody that is taken for a leader", || {
        let (line, why) = page(cluster.plain()[alive], "/readyz");
        (line.contains("503") && why.contains("no leader of group 2")).then_some(())
    });
    assert!(page(cluster.plain()[alive], "/healthz").0.contains("200 OK"));
}

/// The lines of a name stand together, each with the group that it is of.
#[test]
fn figures_have_the_group_for_a_label() {
    let cluster = Cluster::sharded(3, 2, &STEADY);
    done(&join(&cluster, 1));
    let at = cluster.plain()[2];
    wait_for("leaders of all", || page(at, "/readyz").0.contains("200 OK").then_some(()));
    let text = wait_for("the slots", || {
        let text = page(at, "/metrics").1;
        text.contains("quorate_slots{group=\"1\"} 16384\n").then_some(text)
    });
    assert!(text.contains("quorate_slots{group=\"2\"} 0\n"), "{text}");
    let of = |line: &str| line.split(['{', ' ']).next().unwrap_or_default().to_owned();
    let names: Vec<String> = text.lines().filter(|line| !line.starts_with('#')).map(of).collect();
    let mut once = names.clone();
    once.dedup();
    assert_eq!(once.len(), text.matches("# TYPE").count(), "lines of a name stand together");
    let terms = text.lines().filter(|line| line.starts_with("quorate_term{group=")).count();
    assert_eq!(terms, 3, "{text}");
    assert!(!text.contains("quorate_keys{group=\"controller\"}"), "{text}");
    let told = json(&page(at, "/status").1);
    let groups: Vec<&str> = told["servers"]
        .as_array()
        .expect("servers")
        .iter()
        .filter_map(|it| it["group"].as_str())
        .collect();
    assert_eq!(groups, ["1", "2", "controller"]);
    let line = info(at, "raft_group_1").expect("INFO has it");
    assert!(line.contains("slots=16384") && line.contains("configuration=1"), "{line}");
    assert!(info(at, "raft_controller").is_some_and(|line| line.starts_with("role=")));
}

/// A group gives everything away, stays without anything, and leaves.
#[test]
fn a_group_is_drained() {
    let cluster = Cluster::sharded(3, 3, &STEADY);
    for group in [1, 2, 3] {
        done(&join(&cluster, group));
    }
    let told = done(&admin(&cluster, &["drain", "2"]));
    assert!(
        told.ends_with("group 2 serves nothing: it may leave (quorate admin leave 2)\n"),
        "{told}"
    );
    let groups = |cluster: &Cluster| json(&done(&admin(cluster, &["groups", "--json"])));
    let slots = |told: &Value| -> Vec<(u64, u64)> {
        let groups = told["groups"].as_array().expect("groups").iter();
        groups
            .map(|it| (it["group"].as_u64().unwrap_or(0), it["assigned"].as_u64().unwrap_or(0)))
            .collect()
    };
    assert_eq!(slots(&groups(&cluster)), [(1, 8192), (2, 0), (3, 8192)]);
    let told = wait_for("a leader that has none", || {
        let told = groups(&cluster);
        (told["groups"][1]["slots"] == 0).then_some(told)
    });
    assert_eq!(
        (&told["groups"][1]["state"], &told["groups"][1]["servers"]),
        (&"there".into(), &3.into())
    );
    let text = refused(&admin(&cluster, &["drain", "2"]));
    assert!(text.contains("group 2 has no slots already: it may leave"), "{text}");
    let left = json(&done(&admin(&cluster, &["leave", "2", "--json"])));
    assert_eq!(left["moved"], true);
    wait_for("its end", || {
        let state = groups(&cluster)["groups"][1]["state"].clone();
        (state == "not joined").then_some(())
    });
    done(&admin(&cluster, &["drain", "3"]));
    assert_eq!(slots(&groups(&cluster)), [(1, 16384), (2, 0), (3, 0)]);
    let text = refused(&admin(&cluster, &["drain", "9"]));
    assert!(text.contains("there is no group 9"), "{text}");
    done(&admin(&cluster, &["leave", "3"]));
    let text = refused(&admin(&cluster, &["drain", "1"]));
    assert!(
        text.contains("no group would be left to keep the slots: let another join first"),
        "{text}"
    );
    let nodes = json(&done(&admin(&cluster, &["nodes", "--json"])));
    assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(3));
    for node in nodes["nodes"].as_array().expect("nodes") {
        assert_eq!((&node["alive"], &node["controller"]), (&true.into(), &true.into()), "{node}");
        assert_eq!(node["groups"], serde_json::json!([1, 2, 3]), "{node}");
    }
    assert_eq!(done(&admin(&cluster, &["nodes"])).lines().count(), 4);
    assert_eq!(done(&admin(&cluster, &["groups"])).lines().count(), 4);
}

/// What an administrator is told who wants what can't be.
#[test]
fn changes_that_can_not_be_are_refused_with_the_reason() {
    let cluster = Cluster::sharded(3, 2, &STEADY);
    let first = cluster.plain()[0];
    done(&join(&cluster, 1));
    for (words, says) in [
        (
            vec!["join".to_owned(), format!("1={}", all(&cluster))],
            "group 1 is there already: take another id",
        ),
        (
            vec!["join".to_owned(), format!("2={first},{first}")],
            "is named twice: a group has one server on a node",
        ),
        (vec!["join".to_owned(), "2=".to_owned()], "group 2 has no nodes: name their addresses"),
        (
            vec!["join".to_owned(), format!("0={first}")],
            "is no group's id: write a number from 1 to 65535",
        ),
        (
            vec!["leave".to_owned(), "1".to_owned()],
            "no group would be left to keep the slots: let another join first",
        ),
        (vec!["leave".to_owned(), "7".to_owned()], "there is no group 7"),
        (
            vec!["move".to_owned(), "5".to_owned(), "--to".to_owned(), "7".to_owned()],
            "there is no group 7",
        ),
        (
            vec!["move".to_owned(), "9-5".to_owned(), "--to".to_owned(), "1".to_owned()],
            "slots 9 to 5 are none: name the smaller first",
        ),
        (
            vec!["move".to_owned(), "16384".to_owned(), "--to".to_owned(), "1".to_owned()],
            "there is no slot 16384",
        ),
        (vec!["rebalance".to_owned()], "all is so already"),
    ] {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let text = refused(&admin(&cluster, &words));
        assert!(text.contains(says), "{words:?}: {text}");
    }
    // To a group that is gone.
    done(&join(&cluster, 2));
    done(&admin(&cluster, &["leave", "2"]));
    let text = refused(&admin(&cluster, &["move", "5", "--to", "2"]));
    assert!(text.contains("there is no group 2"), "{text}");
    let number = json(&done(&admin(&cluster, &["status", "--json"])))["configuration"].clone();
    assert_eq!(number, 3, "what was refused has changed nothing");
}

/// Two administrators want the opposite at once, again and again: each is told that it was done, that all is so
/// already, or that something else was changed first; and what stands in the end is what the last one was told that
/// was done.
#[test]
fn two_administrators_at_once() {
    let cluster = Cluster::sharded(3, 2, &STEADY);
    done(&join(&cluster, 1));
    done(&join(&cluster, 2));
    let tries = |to: &'static str| {
        let cluster = &cluster;
        move || -> Vec<(u64, &'static str)> {
            let one = |_| {
                let output = admin(cluster, &["move", "77", "--to", to, "--no-wait", "--json"]);
                if output.status.success() {
                    let number =
                        json(&String::from_utf8_lossy(&output.stdout))["configuration"].as_u64();
                    return number.map(|number| (number, to));
                }
                let text = refused(&output);
                let known =
                    ["so already", "something else was changed first, and this was not: look"];
                assert!(known.iter().any(|it| text.contains(it)), "{text}");
                None
            };
            (0..15).filter_map(one).collect()
        }
    };
    let mut changes = thread::scope(|scope| {
        let (one, other) = (scope.spawn(tries("1")), scope.spawn(tries("2")));
        let mut all = one.join().expect("it does not panic");
        all.extend(other.join().expect("it does not panic"));
        all
    });
    changes.sort_unstable();
    let numbers: Vec<u64> = changes.iter().map(|(number, _)| *number).collect();
    let expected: Vec<u64> = (3..3 + numbers.len() as u64).collect();
    assert_eq!(numbers, expected, "each configuration is one change of one administrator");
    let (_, last) = changes.last().expect("one of them has changed something");
    let told = json(&done(&admin(&cluster, &["status", "--json"])));
    let groups = told["groups"].as_array().expect("groups");
    let owner = groups.iter().find(|group| {
        let ranges = group["ranges"].as_array().expect("ranges").iter().filter_map(Value::as_str);
        ranges.map(|range| range.split_once('-').unwrap_or((range, range))).any(|(first, last)| {
            let [first, last] = [first, last].map(|slot| slot.parse::<u16>().expect("a slot"));
            (first..=last).contains(&77)
        })
    });
    assert_eq!(owner.expect("somebody has it")["group"].to_string(), *last, "{told}");
}
