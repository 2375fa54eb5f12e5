//! The store: applying commands, and snapshots while writes go on.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use protocol::kv::{
    Bytes, ClientId, Command, Decoder, Exact, Limits, Once, Op, PIECE_BYTES, Store, StringOp, When,
};
use std::hint::black_box;

const KEYS: u64 = 1_000_000;
const STAMP: u64 = 1_800_000_000_000;

fn key(number: u64) -> Bytes {
    Bytes::from(format!("key:{:012}", number % KEYS).as_bytes())
}

fn set(number: u64) -> Op {
    Op::String(StringOp::Set {
        value: Bytes::from(format!("{number:064}").as_bytes()),
        when: When::Always,
        deadline: protocol::kv::Deadline::Never,
        get: false,
    })
}

fn command(number: u64, op: Op, once: bool) -> Command {
    let client = ClientId::new(STAMP, 7 << 76 | 2 << 62 | u128::from(number % 64));
    let seq = number / 64 + 1;
    let once = once.then_some(Once { client, seq, acknowledged: seq - 1 });
    Command { key: key(number), op, once }
}

/// A million keys of 16 bytes, each with a value of 64.
fn full() -> Store {
    let mut store = Store::new(Exact, Limits::DEFAULT);
    for number in 0..KEYS {
        store.apply(STAMP, &command(number, set(number), false));
    }
    store
}

/// Keys in an order that no cache likes.
fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

fn apply(c: &mut Criterion) {
    let mut store = full();
    let mut group = c.benchmark_group("apply");
    group.throughput(Throughput::Elements(1));
    let mut number = 0;
    let mut next = || {
        number += 1;
        scattered(number)
    };
    let mut bench = |name: &str, make: &dyn Fn(u64) -> Command| {
        group.bench_function(name, |b| {
            b.iter_batched(
                || make(next()),
                |command| black_box(store.apply(STAMP, &command)),
                BatchSize::SmallInput,
            );
        });
    };
    bench("set", &|number| command(number, set(number), false));
    bench("set once", &|number| command(number, set(number), true));
    bench("append of 1 byte", &|number| {
        command(number % 1000, Op::String(StringOp::Append { value: "x".into() }), false)
    });
    bench("get", &|number| command(number, Op::String(StringOp::Get), false));
    group.finish();
}

fn snapshot(c: &mut Criterion) {
    let store = full();
    let bytes: usize = store.pieces(PIECE_BYTES).map(|piece| piece.len()).sum();
    let mut group = c.benchmark_group("snapshot of a million keys");
    group.sample_size(10);
    group.bench_function("clone", |b| b.iter(|| black_box(store.clone())));
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("write out", |b| {
        b.iter(|| store.pieces(PIECE_BYTES).map(|piece| black_box(piece).len()).sum::<usize>());
    });
    let pieces: Vec<Vec<u8>> = store.pieces(PIECE_BYTES).collect();
    group.bench_function("read in", |b| {
        b.iter(|| {
            let mut decoder = Decoder::new(Exact, Limits::DEFAULT);
            for piece in &pieces {
                decoder.push(piece).expect("it was written so");
            }
            decoder.finish().expect("it was written so")
        });
    });
    group.finish();

    let mut group = c.benchmark_group("a write beside a snapshot");
    group.sample_size(20);
    for (name, keeps) in [("without", false), ("with", true)] {
        let store = std::cell::RefCell::new(store.clone());
        let mut number = 0;
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || keeps.then(|| store.borrow().clone()),
                |_kept| {
                    for _ in 0..1000 {
                        number += 1;
                        let at = scattered(number);
                        black_box(store.borrow_mut().apply(STAMP, &command(at, set(at), false)));
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, apply, snapshot);
criterion_main!(benches);
