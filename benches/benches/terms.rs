//! The run-length list of terms: every rule of Raft asks it, most of them several times in a step.
//!
//! A log has one run for each leader that got entries into it. In a quiet cluster that is one run, after a
//! bad day ten; a hundred stands for what should never happen and must still not hurt. `term_at` searches
//! by halves; `floor` walks from the end and is asked only when two logs part.

use criterion::{Criterion, Throughput};
use protocol::terms::Terms;
use protocol::{Index, LogId, Term, Write};
use std::hint::black_box;
use std::time::Duration;

/// Entries in each run.
const RUN: u32 = 1000;

/// A log of `runs` runs of the terms `1..=runs`.
fn log_of(runs: u64) -> Terms {
    let mut terms = Terms::new();
    for term in 1..=runs {
        append(&mut terms, term, RUN);
    }
    terms
}

fn append(terms: &mut Terms, term: Term, count: u32) {
    let first = terms.last().index + 1;
    terms.follow(&Write::Append { first, term, count });
}

/// Indices all over the log, in an order that a branch predictor does not learn.
fn scattered(last: Index) -> Vec<Index> {
    let mut state = 0x9e37_79b9_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1 + (state >> 33) % last
    };
    (0..1024).map(|_| next()).collect()
}

fn appending(criterion: &mut Criterion) {
    let mut terms = log_of(10);
    criterion.bench_function("terms/append one entry", |bencher| {
        bencher.iter(|| append(black_box(&mut terms), 10, 1));
    });
}

fn asking(criterion: &mut Criterion) {
    for runs in [1, 10, 100] {
        let terms = log_of(runs);
        let indices = scattered(terms.last().index);
        let mut group = criterion.benchmark_group("terms");
        group.throughput(Throughput::Elements(1));
        let mut places = indices.iter().cycle();
        group.bench_function(format!("term_at/{runs} runs"), |bencher| {
            bencher.iter(|| terms.term_at(*places.next().expect("a cycle never ends")));
        });
        let mut places = indices.iter().cycle();
        group.bench_function(format!("floor/{runs} runs"), |bencher| {
            bencher.iter(|| {
                let index = *places.next().expect("a cycle never ends");
                terms.floor(black_box(LogId::new(runs / 2 + 1, index)))
            });
        });
        group.finish();
    }
}

/// A follower's log parts from its new leader's: each write drops a run and puts a later one there.
fn conflict(criterion: &mut Criterion) {
    let mut terms = log_of(10);
    let first = terms.last().index + 1;
    let mut term = 10;
    criterion.bench_function("terms/truncate and append at a conflict", |bencher| {
        bencher.iter(|| {
            term += 1;
            terms.follow(black_box(&Write::Append { first, term, count: 3 }));
        });
    });
}

/// Ten runs stay: each round appends one and compacts the oldest.
fn compaction(criterion: &mut Criterion) {
    let mut terms = log_of(10);
    criterion.bench_function("terms/append a run and compact the oldest of 10", |bencher| {
        bencher.iter(|| {
            let term = terms.last().term + 1;
            append(&mut terms, term, RUN);
            let through = terms.base().index + Index::from(RUN);
            let id = terms.snapshot_at(through).expect("the oldest run is in the log");
            terms.follow(black_box(&Write::Snapshot { id, keep: true }));
        });
    });
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    appending(&mut criterion);
    asking(&mut criterion);
    conflict(&mut criterion);
    compaction(&mut criterion);
    criterion.final_summary();
}
