//! What the coordinator of a MapReduce job costs for each task, as the tasks become many: it must not grow with them.
//!
//! A whole job by two workers that do their work at once, on a disk that is fast: what is measured are the machine's
//! steps and its records, not files, frames or syncs.

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use protocol::Machine;
use protocol::mr::{
    AttemptId, Coordinator, Counters, Effect, Hello, Input, Limits, Order, Paper, Record, Report,
    Session, Spec, WorkerId,
};
use std::time::Duration;

/// What a map counts in the engine.
fn counted() -> Counters {
    let mut counters = Counters::NONE;
    for name in ["map.input_records", "map.input_bytes", "map.output_records", "map.output_bytes"] {
        counters.add(name, 1_000);
    }
    counters
}

/// Runs a job of so many maps, and a tenth as many reduces; how many records it has written.
fn run(maps: u32, counters: &Counters) -> u64 {
    let spec = Spec { job: 7, version: 3, maps, reduces: maps / 10, limits: Limits::DEFAULT };
    let mut out: Vec<Effect<()>> = Vec::new();
    let mut head = Coordinator::recover(Paper, spec, Vec::<Record<()>>::new(), false, &mut out)
        .expect("nothing is no other job's");
    let workers = [1, 2].map(|id| Session { worker: WorkerId(id), incarnation: 1 });
    let mut inputs: Vec<Input<()>> = workers
        .iter()
        .map(|worker| {
            let hello = Hello { job: 7, version: 3, host: 1, running: None, reports: Vec::new() };
            Input::Hello(*worker, hello)
        })
        .collect();
    let (mut records, mut durable) = (0, 0);
    while head.ending().is_none() {
        let mut finished: Vec<(Session, AttemptId)> = Vec::new();
        for effect in out.drain(..) {
            match effect {
                Effect::Journal(_) => records += 1,
                Effect::Publish(attempt) => inputs.push(Input::Published(attempt)),
                Effect::Send(session, Order::Run { attempt, .. }) => {
                    finished.push((session, attempt));
                }
                _ => {}
            }
        }
        inputs.extend(finished.into_iter().map(|(session, attempt)| {
            Input::Report(session, Report::Finished { attempt, counters: counters.clone() })
        }));
        if durable < records {
            inputs.push(Input::Durable(records));
            durable = records;
        }
        for input in inputs.drain(..) {
            head.step(input, &mut out);
        }
    }
    records
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .sample_size(10)
        .configure_from_args();
    let counters = counted();
    let mut group = criterion.benchmark_group("mr/a job, for each task");
    group.sampling_mode(SamplingMode::Flat);
    for maps in [10_u32, 100, 1_000, 10_000, 100_000] {
        group.throughput(Throughput::Elements(u64::from(maps + maps / 10)));
        group.bench_function(BenchmarkId::new("maps", maps), |bencher| {
            bencher.iter(|| {
                let records = run(maps, &counters);
                assert!(records > u64::from(maps), "each winner has its record");
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
