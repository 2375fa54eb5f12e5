//! Groups of the sharded store on real threads, disks and connections: slots move while clients write.

mod apart;
mod cluster;

use cluster::{By, Client, Cluster, NODES, folder, name};
use protocol::kv::{Bytes, Reply};
use protocol::shardctl::{Change, SlotRange};
use protocol::shardkv::GroupId;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const CLIENTS: u128 = 3;
const KEYS: usize = 24;

fn join(gid: u64) -> Change {
    let nodes = (0..NODES).map(|node| Bytes::from(name(node).as_str())).collect();
    Change::Join(vec![(GroupId(gid), nodes)])
}

fn key(number: usize) -> String {
    format!("key{number}")
}

/// Lets threads stop when it goes.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Each client appends its own texts to all keys until it is told to stop; what was appended is there once, in order.
struct Writers {
    clients: Vec<(Client, Vec<u64>)>,
}

impl Writers {
    fn of(cluster: &Cluster) -> Self {
        let client = |id| (Client::new(cluster.handles(), id), vec![0; KEYS]);
        Self { clients: (1..=CLIENTS).map(client).collect() }
    }

    /// Writes while `meanwhile` runs, and one round more.
    fn write_while(&mut self, meanwhile: impl FnOnce()) {
        let stops = AtomicBool::new(false);
        thread::scope(|scope| {
            for (client, counts) in &mut self.clients {
                let stops = &stops;
                scope.spawn(move || {
                    let mut last_round = false;
                    while !last_round {
                        last_round = stops.load(Ordering::Relaxed);
                        for (number, count) in counts.iter_mut().enumerate() {
                            *count += 1;
                            client.append(&key(number), &format!("{}.{count} ", client.id));
                        }
                    }
                });
            }
            // Also when something is not as it should be: the writers would go on.
            let stop = Stop(&stops);
            meanwhile();
            drop(stop);
        });
    }

    /// Reads everything back.
    fn check(&mut self) {
        for number in 0..KEYS {
            let Reply::Value { value, .. } = self.clients[0].0.get(&key(number)) else {
                panic!("{} is not there", key(number));
            };
            let text = String::from_utf8(value.as_ref().to_vec()).expect("they wrote words");
            for (client, counts) in &self.clients {
                let own = format!("{}.", client.id);
                let own: Vec<&str> =
                    text.split(' ').filter(|word| word.starts_with(&own)).collect();
                let expected: Vec<String> =
                    (1..=counts[number]).map(|count| format!("{}.{count}", client.id)).collect();
                assert_eq!(own, expected, "{} of client {}", key(number), client.id);
            }
        }
    }
}

/// Groups come and go, slots move by hand, and a leader stops in the middle, while clients write (labs 4B and 5).
fn slots_move_while_clients_write(by: By, place: &str) {
    let mut cluster = Cluster::start(&folder(place), 3, by);
    let handles = cluster.handles();
    assert_eq!(handles.change(1, &join(1)), 1);
    let mut writers = Writers::of(&cluster);
    writers.write_while(|| {
        assert_eq!(handles.change(2, &join(2)), 2);
        handles.settled();
        // It has given half of its slots.
        cluster.stop_leader(GroupId(1));
        let first_half = SlotRange { first: 0, last: 8191 };
        let to = |gid| Change::Move { slots: vec![first_half], to: GroupId(gid) };
        handles.change(3, &to(2));
        handles.change(4, &to(1));
        handles.settled();
        handles.change(5, &join(3));
        handles.change(6, &Change::Leave(vec![GroupId(1)]));
        handles.settled();
    });
    writers.check();
    let refused: u64 = writers.clients.iter().map(|(client, _)| client.refused).sum();
    assert!(refused > 0, "no client has noticed anything");
    for status in cluster.statuses(GroupId(1)) {
        assert_eq!(status.gauges.keys, 0, "who has left keeps something");
    }
    cluster.stop();
}

#[test]
fn slots_move_by_letters_that_are_lost_or_come_twice() {
    slots_move_while_clients_write(By::Lossy, "lossy");
}

#[test]
fn slots_move_by_the_nodes_connections() {
    slots_move_while_clients_write(By::Nodes, "nodes");
}

/// All nodes stop while slots are on their way, and go on from their disks.
#[test]
fn a_restart_goes_on_with_what_was_on_its_way() {
    let folder = folder("restart");
    let cluster = Cluster::start(&folder, 2, By::Nodes);
    let handles = cluster.handles();
    handles.change(1, &join(1));
    let mut writers = Writers::of(&cluster);
    writers.write_while(|| handles.settled());
    handles.change(2, &join(2));
    cluster.stop();

    let cluster = Cluster::start(&folder, 2, By::Nodes);
    for (client, _) in &mut writers.clients {
        client.handles = cluster.handles();
    }
    let handles = cluster.handles();
    writers.write_while(|| handles.settled());
    writers.check();
    let keys = |gid| cluster.statuses(GroupId(gid)).iter().map(|it| it.gauges.keys).max();
    let (one, two) = (keys(1).unwrap_or(0), keys(2).unwrap_or(0));
    assert!(one > 0 && two > 0 && one + two == KEYS as u64, "{one} and {two}");
    cluster.stop();
}

/// A group joins and leaves again before anybody has told it anything: what it was to get it still gets, and passes on,
/// though no latest configuration has its nodes any more.
#[test]
fn who_has_left_already_gets_what_it_is_to_pass_on() {
    let cluster = apart::Apart::start(&folder("apart"), 3);
    let handles = cluster.handles();
    handles.change(1, &apart::join(1));
    handles.settled();
    cluster.pauses.store(true, Ordering::Relaxed);
    handles.change(2, &apart::join(2));
    handles.change(3, &apart::join(3));
    handles.change(4, &Change::Leave(vec![GroupId(2)]));
    cluster.pauses.store(false, Ordering::Relaxed);
    handles.settled();
    cluster.stop();
}
