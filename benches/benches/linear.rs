//! Judging histories: 20 clients with 10,000 operations each on 10 keys, one thread.
//!
//! Reading a file is not in it, nor is making the history; but everything from the bytes of operations and replies to
//! the verdict is. The histories are those of `linear::sample`: calls and returns of all clients interleave, about
//! two thirds of a client's time it has a call open.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use linear::kv;
use linear::sample::{Mix, Sample};
use linear::{Budget, Verdict};
use std::hint::black_box;

const CLIENTS: u64 = 20;
const OPERATIONS: u64 = 10_000;

fn judging(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("linear");
    group.sample_size(10);
    group.throughput(Throughput::Elements(CLIENTS * OPERATIONS));
    for (name, mix, unknown) in [
        ("get and set", Mix::Values, 0),
        ("get, set and put over a version", Mix::Versions, 0),
        ("get, set and put, 0.5 % unknown", Mix::Versions, 5),
        ("get and append", Mix::Appends, 0),
        ("get and append, 0.5 % unknown", Mix::Appends, 5),
        ("all, with delete, cas and multi", Mix::All, 0),
    ] {
        let sample =
            Sample { clients: CLIENTS, operations: OPERATIONS, keys: 10, mix, unknown, seed: 1 };
        let history = sample.history();
        group.bench_with_input(BenchmarkId::from_parameter(name), &history, |bencher, history| {
            bencher.iter(|| {
                let report = kv::check(black_box(history), Budget::default());
                assert_eq!(report.verdict, Verdict::Ok);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, judging);
criterion_main!(benches);
