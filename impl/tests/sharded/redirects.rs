//! Where clients of the cluster port are sent while slots move: to who serves the slot, and not to and fro.

use super::migrations::apart;
use super::support::process::{Cluster, ask, wait_for};
use super::{Client, Stop, admin, done};
use quorate::resp::Frame;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// More are a circle: a client that knows nothing needs one, one to whom the slot has gone meanwhile another, and as
/// many again if it goes back in that moment; each may lead by a node that does not lead.
const MOST: usize = 6;

/// Appends numbers to a few keys, following redirections from wherever the last one has led, until it is told to stop.
/// How many redirections the worst of them took, and what each key should be.
fn follow(cluster: &Cluster, stops: &AtomicBool) -> (usize, Vec<(String, String)>) {
    let mut clients: Vec<(SocketAddr, Client)> =
        cluster.cluster().into_iter().map(|at| (at, Client::open(at))).collect();
    let mut keys: Vec<(String, String)> =
        (0..20).map(|key| (format!("f{key}"), String::new())).collect();
    let (mut at, mut worst) = (0, 0);
    for number in 0.. {
        if stops.load(Ordering::Relaxed) {
            break;
        }
        let (key, value) = &mut keys[number % 20];
        let piece = format!("{number} ");
        value.push_str(&piece);
        let mut redirected = 0;
        loop {
            match clients[at].1.call(&["APPEND", key, &piece]) {
                Frame::Integer(_) => break,
                Frame::Error(text) if text.starts_with(b"TRYAGAIN") => {}
                Frame::Error(text) if text.starts_with(b"MOVED ") => {
                    let text = String::from_utf8_lossy(&text).into_owned();
                    let to = text.rsplit(' ').next().and_then(|it| it.parse::<SocketAddr>().ok());
                    let to = clients.iter().position(|(address, _)| Some(*address) == to);
                    at = to.expect("to one of the nodes");
                    redirected += 1;
                    assert!(redirected <= MOST, "{key} is sent to and fro: {text}");
                }
                other => panic!("{key} {number}: {other:?}"),
            }
        }
        worst = worst.max(redirected);
    }
    (worst, keys)
}

/// The giver and the taker are led by different nodes. While all slots go from one to the other and back, whoever
/// follows redirections comes to an end after a few; and a client that has slept through all of it is sent once.
#[test]
fn redirections_end_while_slots_move() {
    let cluster = apart();
    let stops = AtomicBool::new(false);
    let (worst, keys) = thread::scope(|scope| {
        let (cluster, stops) = (&cluster, &stops);
        let follower = scope.spawn(move || follow(cluster, stops));
        let stop = Stop(stops);
        for to in ["1", "2", "1", "2", "1"] {
            done(&admin(cluster, &["move", "0-16383", "--to", to]));
        }
        drop(stop);
        follower.join().expect("it does not panic")
    });
    assert!(worst > 0, "nobody was redirected");
    for (key, value) in &keys {
        let found = wait_for("a GET", || match ask(cluster.plain()[0], &["GET", key]) {
            Ok(Frame::Bulk(found)) => Some(found),
            _ => None,
        });
        assert_eq!(String::from_utf8_lossy(&found), *value, "{key}");
    }
    // Node 3 has the other group: its topology of ten configurations ago says that all is there.
    wait_for("one redirection", || {
        let Ok(Frame::Error(text)) = ask(cluster.cluster()[3], &["GET", "f0"]) else { return None };
        let text = String::from_utf8_lossy(&text).into_owned();
        let to: SocketAddr = text.strip_prefix("MOVED ")?.rsplit(' ').next()?.parse().ok()?;
        matches!(ask(to, &["GET", "f0"]), Ok(Frame::Bulk(_))).then_some(())
    });
    // Keys of several slots are refused wherever these are.
    for at in [cluster.plain()[0], cluster.cluster()[0], cluster.cluster()[3]] {
        let Ok(Frame::Error(text)) = ask(at, &["MSET", "f0", "v", "f1", "v"]) else {
            panic!("two slots")
        };
        assert!(text.starts_with(b"CROSSSLOT "), "{}", String::from_utf8_lossy(&text));
    }
}
