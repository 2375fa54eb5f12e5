//! The slow lane: what it costs to have a message wait for its write.
//!
//! The queue is what group commit rests on. Under load many writes stand in it, one sync finishes them
//! all, and everything that waited leaves in one go; so the cost for each write should not grow with the
//! size of the group that is finished together. Each write has one acknowledgement behind it, of the shape
//! and size that a replica puts there.

use criterion::{BenchmarkId, Criterion, Throughput};
use protocol::NodeId;
use protocol::queue::Queue;
use protocol::raft::{Body, Message};
use std::hint::black_box;
use std::time::Duration;

fn acknowledgement(matched: u64) -> (NodeId, Message) {
    (NodeId(0), Message { term: 1, body: Body::Accepted { matched } })
}

/// `group` writes, each with something behind it, finished together.
fn cycles(criterion: &mut Criterion) {
    let mut benchmarks = criterion.benchmark_group("queue/write, after, durable");
    for group in [1_usize, 16, 256] {
        let (mut queue, mut released, mut matched) = (Queue::default(), Vec::new(), 0);
        benchmarks.throughput(Throughput::Elements(group as u64));
        benchmarks.bench_function(BenchmarkId::new("group", group), |bencher| {
            bencher.iter(|| {
                for _ in 0..group {
                    matched += 1;
                    queue.write();
                    let left = queue.after(black_box(acknowledgement(matched)));
                    assert_eq!(left, None, "it waits for its write");
                }
                queue.durable(group, &mut released);
                assert_eq!(released.len(), group, "the disk releases what waited");
                released.clear();
            });
        });
    }
    benchmarks.finish();
}

/// With no write pending, nothing waits.
fn passing(criterion: &mut Criterion) {
    let mut queue = Queue::default();
    criterion.bench_function("queue/after with no write pending", |bencher| {
        bencher.iter(|| queue.after(black_box(acknowledgement(1))));
    });
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    cycles(&mut criterion);
    passing(&mut criterion);
    criterion.final_summary();
}
