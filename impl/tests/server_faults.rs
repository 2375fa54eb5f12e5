//! Real processes, stock clients, and a leader that is killed or stopped: nothing that was acknowledged is lost, and
//! nothing is executed twice but what a client has sent twice.

#![allow(clippy::unwrap_used, reason = "a test says by a panic what it did not expect")]

mod support;

use redis::{Commands, RedisError, RedisResult, cmd, pipe};
use std::net::SocketAddr;
use std::thread;
use support::process::{Cluster, wait_for};
use support::suite::{
    Count, History, Progress, Told, clustered, log, plain, signal, told, value, write,
};

/// Runs writers while `faults` does its worst: four plain clients, at least one on each node, and two cluster clients.
/// Then checks what every node has, and says what it has counted: plain, cluster.
fn with_writers(
    cluster: &mut Cluster,
    faults: impl FnOnce(&mut Cluster, &Progress),
) -> (Vec<Count>, Vec<Count>) {
    let (plain_nodes, cluster_nodes) = (cluster.plain().to_vec(), cluster.cluster());
    let progress = Progress::default();
    let (plains, clusters) = thread::scope(|scope| {
        let progress = &progress;
        let plains: Vec<_> = (0..4)
            .map(|number: usize| {
                let nodes = plain_nodes.clone();
                scope.spawn(move || {
                    let mut tries = number..;
                    let mut next = || tries.next().map_or(0, |at| at % nodes.len());
                    let connect = || plain(nodes[next()]);
                    write(&format!("plain-{number}"), progress, connect, told)
                })
            })
            .collect();
        let clusters: Vec<_> = (0..2)
            .map(|number| {
                let nodes = cluster_nodes.clone();
                scope.spawn(move || {
                    // A cluster client sends again by itself, so an error says little of the first time.
                    let judge = |_: &RedisError| Told::Open;
                    write(&format!("cluster-{number}"), progress, || clustered(&nodes), judge)
                })
            })
            .collect();
        progress.wait_for(200);
        faults(cluster, progress);
        progress.wait_for(200);
        progress.stop();
        let join = |threads: Vec<thread::ScopedJoinHandle<'_, History>>| {
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.collect::<Result<Vec<_>, _>>().expect("no writer panics")
        };
        (join(plains), join(clusters))
    });
    let count = |histories: &[History]| -> Vec<Count> {
        let counts = histories.iter().map(|history| {
            let nodes = (0..3).filter(|&node| cluster.runs(node));
            let counts: Vec<Count> =
                nodes.map(|node| history.check(&value(cluster, node, &history.key))).collect();
            assert!(counts.windows(2).all(|pair| pair[0] == pair[1]), "nodes differ: {counts:?}");
            println!("{}: {:?} {:?}", history.key, counts[0], history.errors);
            counts[0]
        });
        counts.collect()
    };
    (count(&plains), count(&clusters))
}

fn none_twice(counts: &[Count]) {
    for count in counts {
        assert_eq!(count.duplicates, 0, "a plain client that does not send again: {counts:?}");
        assert!(count.done > 0, "every writer has written: {counts:?}");
    }
}

#[test]
fn a_killed_leader_loses_nothing_that_was_acknowledged() {
    let mut cluster = Cluster::start(3);
    let (plains, _) = with_writers(&mut cluster, |cluster, progress| {
        for _ in 0..3 {
            let leader = cluster.leader();
            cluster.kill(leader);
            progress.wait_for(200);
            cluster.start_node(leader);
            progress.wait_for(200);
        }
    });
    none_twice(&plains);
}

#[test]
fn a_leader_stopped_for_five_seconds_loses_and_repeats_nothing() {
    let mut cluster = Cluster::start(3);
    let (plains, clusters) = with_writers(&mut cluster, |cluster, progress| {
        let leader = cluster.leader();
        let pid = cluster.node(leader).pid();
        signal(pid, "STOP");
        progress.wait_for(200);
        // The time that the leader is stopped is the test's subject; nothing is asserted on it.
        thread::sleep(std::time::Duration::from_secs(5));
        signal(pid, "CONT");
        progress.wait_for(200);
    });
    none_twice(&plains);
    // No connection died and no client's patience ended, so not even cluster clients had a reason to send twice.
    let repeated: u64 = clusters.iter().map(|count| count.duplicates).sum();
    assert_eq!(repeated, 0, "{clusters:?}");
}

#[test]
fn all_nodes_killed_at_once_come_back_with_all_that_was_acknowledged() {
    let mut cluster = Cluster::start(3);
    let (plains, _) = with_writers(&mut cluster, |cluster, progress| {
        for _ in 0..2 {
            (0..3).for_each(|node| cluster.kill(node));
            (0..3).for_each(|node| cluster.start_node(node));
            progress.wait_for(200);
        }
    });
    none_twice(&plains);
}

#[test]
fn all_nodes_stopped_by_sigterm_come_back_with_all_that_was_acknowledged() {
    let mut cluster = Cluster::start(3);
    let (plains, _) = with_writers(&mut cluster, |cluster, progress| {
        for node in 0..3 {
            signal(cluster.node(node).pid(), "TERM");
        }
        let addresses = cluster.plain().to_vec();
        let gone = |address: &SocketAddr| plain(*address).is_err();
        wait_for("the end of all nodes", || addresses.iter().all(gone).then_some(()));
        (0..3).for_each(|node| cluster.kill(node));
        (0..3).for_each(|node| cluster.start_node(node));
        progress.wait_for(200);
    });
    none_twice(&plains);
    for node in 0..3 {
        let log = log(&cluster, node);
        assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
    }
}

fn snapshot_index(cluster: &Cluster, node: usize) -> Option<u64> {
    support::process::info(cluster.plain()[node], "raft_snapshot_index")?.parse().ok()
}

#[test]
fn a_follower_that_was_away_gets_a_snapshot() {
    let mut cluster = Cluster::start_with(3, &["--snapshot-bytes", "4096"]);
    let leader = cluster.leader();
    let away = (leader + 1) % 3;
    let mut client = plain(cluster.plain()[leader]).unwrap();
    client.set::<_, _, ()>("before", 1).unwrap();
    cluster.kill(away);
    for number in 0..600 {
        client.set::<_, _, ()>(format!("k{number}"), "v".repeat(number)).unwrap();
    }
    wait_for("a snapshot", || (snapshot_index(&cluster, leader)? > 300).then_some(()));
    cluster.start_node(away);
    wait_for("the snapshot", || (snapshot_index(&cluster, away)? > 300).then_some(()));
    assert!(log(&cluster, away).contains("snapshot received"), "{}", log(&cluster, away));
    // It has what it was told, and can lead without those who told it.
    let mut there = plain(cluster.plain()[away]).unwrap();
    assert_eq!(there.get::<_, String>("k599").unwrap(), "v".repeat(599));
    (0..3).for_each(|node| cluster.kill(node));
    cluster.start_node(away);
    cluster.start_node((away + 1) % 3);
    cluster.leader();
    for number in 0..600 {
        let found = value(&cluster, away, &format!("k{number}"));
        assert_eq!(found, "v".repeat(number), "k{number}");
    }
}

/// A key that was seen to be gone is gone for ever, whoever leads.
#[test]
fn keys_expire_once_whoever_leads() {
    let mut cluster = Cluster::start(3);
    let mut client = plain(cluster.plain()[0]).unwrap();
    for number in 0..50_u64 {
        client.pset_ex::<_, _, ()>(format!("soon-{number}"), "v", 100 + number * 20).unwrap();
    }
    client.set_ex::<_, _, ()>("late", "v", 3600).unwrap();
    let leader = cluster.leader();
    cluster.kill(leader);
    cluster.leader();
    let mut gone = [false; 50];
    let mut node = 0;
    wait_for("all keys to be gone", || {
        node = (node + 1) % 3;
        let mut client = plain(cluster.plain()[node]).ok()?;
        for (number, gone) in gone.iter_mut().enumerate() {
            let there: bool = client.exists(format!("soon-{number}")).ok()?;
            assert!(!(there && *gone), "soon-{number} has come back on node {node}");
            *gone |= !there;
        }
        gone.iter().all(|gone| *gone).then_some(())
    });
    cluster.start_node(leader);
    for node in 0..3 {
        let (size, left) = wait_for("an answer", || {
            let mut client = plain(cluster.plain()[node]).ok()?;
            let size: u64 = cmd("DBSIZE").query(&mut client).ok()?;
            Some((size, client.ttl::<_, i64>("late").ok()?))
        });
        assert_eq!(size, 1, "node {node}");
        assert!((1..=3600).contains(&left), "{left} seconds on node {node}");
    }
}

/// Two accounts and a leader that dies between WATCH and EXEC, and in EXEC: money is neither made nor lost.
#[test]
fn transactions_stay_whole_when_the_leader_dies() {
    let mut cluster = Cluster::start(3);
    let (from, to) = ("{bank}from", "{bank}to");
    let mut first = plain(cluster.plain()[0]).unwrap();
    first.mset::<_, _, ()>(&[(from, 1000), (to, 0)]).unwrap();
    let progress = Progress::default();
    let addresses = cluster.plain().to_vec();
    thread::scope(|scope| {
        for number in 0..3 {
            let (progress, addresses) = (&progress, &addresses);
            scope.spawn(move || {
                let transfer = |at: usize| -> RedisResult<()> {
                    let mut client = plain(addresses[at % 3])?;
                    for _ in 0..20 {
                        cmd("WATCH").arg(from).arg(to).exec(&mut client)?;
                        let (left, right): (i64, i64) = client.mget(&[from, to])?;
                        assert_eq!(left + right, 1000, "a transaction was seen in parts");
                        let mut both = pipe();
                        both.atomic().set(from, left - 1).set(to, right + 1);
                        let done: Option<(String, String)> = both.query(&mut client)?;
                        done.iter().for_each(|_| progress.count());
                    }
                    Ok(())
                };
                let mut at = number;
                while !progress.is_over() {
                    // What went wrong is another client's turn to find.
                    let _ = transfer(at);
                    at += 1;
                }
            });
        }
        for _ in 0..3 {
            progress.wait_for(20);
            let leader = cluster.leader();
            cluster.kill(leader);
            progress.wait_for(20);
            cluster.start_node(leader);
        }
        progress.stop();
    });
    for node in 0..3 {
        let [left, right] =
            [from, to].map(|key| value(&cluster, node, key).parse::<i64>().unwrap());
        assert_eq!(left + right, 1000, "node {node}");
        assert!(right >= 100, "{right} were transferred");
    }
}

/// Appends one number after the other to its key, each by an ONCE that it sends until it is answered, to any node. The
/// last number, and how often it has sent one again.
fn append_once(
    key: &str,
    client: u64,
    mut nodes: impl Iterator<Item = SocketAddr>,
    progress: &Progress,
) -> (u64, u64) {
    let (mut seq, mut again) = (0, 0);
    let mut connection = None;
    while !progress.is_over() {
        seq += 1;
        wait_for("an ONCE to be answered", || {
            if connection.is_none() {
                connection = plain(nodes.next()?).ok();
            }
            let sent = cmd("ONCE")
                .arg(key)
                .arg(client)
                .arg(seq)
                .arg("APPEND")
                .arg(key)
                .arg(format!("{seq};"))
                .query::<u64>(connection.as_mut()?);
            match sent {
                Ok(_) => return Some(()),
                Err(error) if error.code() == Some("TRYAGAIN") => {}
                Err(error) if error.code() == Some("CLUSTERDOWN") => {}
                Err(error) if error.is_io_error() => connection = None,
                Err(error) => panic!("ONCE is answered with {error}"),
            }
            again += 1;
            None
        });
        progress.count();
    }
    (seq, again)
}

/// Kills the leader and starts it again, or stops it until there is another one.
fn lose_leader(cluster: &mut Cluster, progress: &Progress, kills: bool) {
    let leader = cluster.leader();
    if kills {
        cluster.kill(leader);
        progress.wait_for(100);
        cluster.start_node(leader);
        return;
    }
    let pid = cluster.node(leader).pid();
    signal(pid, "STOP");
    wait_for("another leader", || {
        let others = (0..3).filter(|&node| node != leader);
        let at = |node| support::process::info(cluster.plain()[node], "raft_role");
        others.filter_map(at).find(|role| role == "leader")
    });
    signal(pid, "CONT");
}

/// ONCE: whatever happens to a reply, the command is sent again, and executed once.
#[test]
fn once_is_once_when_the_leader_dies_or_stops() {
    let mut cluster = Cluster::start(3);
    let progress = Progress::default();
    let addresses = cluster.plain().to_vec();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let first_id = (now.as_millis() as u64) << 16;
    let written: Vec<(String, u64, u64)> = thread::scope(|scope| {
        let writers: Vec<_> = (0..3_u64)
            .map(|number| {
                let (progress, addresses) = (&progress, &addresses);
                scope.spawn(move || {
                    let key = format!("once-{number}");
                    let nodes = (number as usize..).map(|at| addresses[at % 3]);
                    let (last, again) = append_once(&key, first_id + number, nodes, progress);
                    (key, last, again)
                })
            })
            .collect();
        for round in 0..4 {
            progress.wait_for(100);
            lose_leader(&mut cluster, &progress, round % 2 == 0);
        }
        progress.wait_for(100);
        progress.stop();
        writers.into_iter().map(|writer| writer.join().expect("no writer panics")).collect()
    });
    for (key, last, again) in written {
        println!("{key}: {last} commands, sent again {again} times");
        let expected: String = (1..=last).map(|seq| format!("{seq};")).collect();
        for node in 0..3 {
            assert_eq!(value(&cluster, node, &key), expected, "{key} on node {node}");
        }
    }
}
