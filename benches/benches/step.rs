//! Single steps of the bare Raft machine, without commands, queue or driver.
//!
//! When the cost of a committed entry changes, these tell which step changed it. Each is taken in the
//! state in which it is usually taken. Where a step uses that state up (a proposal fills the window, an
//! acknowledgement commits), many steps are timed in one stretch and the state is put right between the
//! stretches, off the clock: a clock read costs as much as a step.

use benches::peers::{LEADER, Peers};
use criterion::Criterion;
use protocol::NodeId;
use protocol::raft::{Body, Effect, Input, Message, Timer};
use protocol::{LogId, ReadId};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Steps timed in one stretch. With 64 entries each they fit into a leader's window.
const STRETCH: u64 = 1024;

const FOLLOWER: NodeId = NodeId(1);

/// Times `iterations` of `step`, with `prepare` before every stretch of them.
fn in_stretches(
    peers: &mut Peers,
    iterations: u64,
    mut prepare: impl FnMut(&mut Peers),
    mut step: impl FnMut(&mut Peers, u64),
) -> Duration {
    let (mut left, mut total) = (iterations, Duration::ZERO);
    while left > 0 {
        let stretch = left.min(STRETCH);
        prepare(peers);
        let start = Instant::now();
        for number in 0..stretch {
            step(peers, number);
        }
        total += start.elapsed();
        left -= stretch;
    }
    total
}

/// A leader takes commands and sends them to all its followers.
fn propose(criterion: &mut Criterion) {
    for servers in [3, 5] {
        for count in [1, 64] {
            let mut peers = Peers::new(servers);
            let sends = |effects: &[Effect]| {
                effects.iter().filter(|effect| matches!(effect, Effect::Send { .. })).count()
            };
            peers.acknowledge();
            let sent = sends(peers.step(LEADER, Input::Propose { count }));
            assert_eq!(sent, servers - 1, "one message to each follower");
            let name = format!("step/leader proposes/{count} commands, {servers} servers");
            criterion.bench_function(&name, |bencher| {
                bencher.iter_custom(|iterations| {
                    in_stretches(&mut peers, iterations, Peers::acknowledge, |peers, _| {
                        black_box(peers.step(LEADER, Input::Propose { count }));
                    })
                });
            });
        }
    }
}

/// A follower takes entries behind its last one.
fn append(criterion: &mut Criterion) {
    for count in [1, 64] {
        let mut peers = Peers::new(3);
        let term = peers.server(FOLLOWER).term();
        let name = format!("step/follower appends/{count} entries");
        criterion.bench_function(&name, |bencher| {
            bencher.iter(|| {
                let LogId { index, .. } = peers.server(FOLLOWER).last();
                let prev = LogId::new(term, index);
                let body = Body::AppendEntries { prev, run: term, count, commit: index };
                let message = black_box(Message { term, body });
                black_box(peers.step(FOLLOWER, Input::Message { from: LEADER, message }));
            });
        });
    }
}

/// The leader's disk has the entries already; a follower's acknowledgement makes a majority.
fn accepted(criterion: &mut Criterion) {
    for servers in [3, 5] {
        let mut peers = Peers::new(servers);
        let mut first = 0;
        // All but the last of a majority: the leader itself and, of five servers, the last one.
        let others: Vec<NodeId> = (0..servers / 2)
            .map(|back| (servers - back) % servers)
            .map(|n| NodeId(n as u8))
            .collect();
        criterion.bench_function(&format!("step/accepted, commits/{servers} servers"), |bencher| {
            bencher.iter_custom(|iterations| {
                let prepare = |peers: &mut Peers| {
                    peers.acknowledge();
                    first = peers.server(LEADER).last().index + 1;
                    for _ in 0..STRETCH {
                        peers.step(LEADER, Input::Propose { count: 1 });
                    }
                    let matched = peers.server(LEADER).last().index;
                    for &other in &others {
                        peers.hear(other, Body::Accepted { matched });
                    }
                    assert!(peers.server(LEADER).commit() < first, "a majority is still lacking");
                };
                let mut committed = 0;
                let total = accepting(&mut peers, iterations, prepare, &mut committed);
                assert_eq!(committed, iterations, "each acknowledgement commits one entry");
                total
            });
        });
    }
}

/// Acknowledges one entry after the other.
fn accepting(
    peers: &mut Peers,
    iterations: u64,
    prepare: impl FnMut(&mut Peers),
    committed: &mut u64,
) -> Duration {
    in_stretches(peers, iterations, prepare, |peers, _| {
        let matched = peers.server(LEADER).commit() + 1;
        black_box(peers.hear(FOLLOWER, Body::Accepted { matched }));
        *committed += u64::from(peers.server(LEADER).commit() == matched);
    })
}

/// From the leader's timer to the last follower's answer: five steps of three servers.
fn heartbeat(criterion: &mut Criterion) {
    let mut peers = Peers::new(3);
    criterion.bench_function("step/heartbeat round/3 servers", |bencher| {
        bencher.iter(|| peers.settle(LEADER, Input::Timer(Timer::Heartbeat)));
    });
}

/// From the question to the last answer of its round. A follower's read asks the leader first.
fn read(criterion: &mut Criterion) {
    for (asker, name) in [(LEADER, "of the leader"), (FOLLOWER, "of a follower")] {
        let mut peers = Peers::new(3);
        let mut asked = 0;
        criterion.bench_function(&format!("step/read confirmed/{name}, 3 servers"), |bencher| {
            bencher.iter(|| {
                asked += 1;
                peers.settle(asker, Input::Read { id: ReadId(asked) });
            });
        });
        assert_eq!(peers.answered(), asked, "every read is answered");
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    propose(&mut criterion);
    append(&mut criterion);
    accepted(&mut criterion);
    heartbeat(&mut criterion);
    read(&mut criterion);
    criterion.final_summary();
}
