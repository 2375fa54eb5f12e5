//! The Redis protocol: what a command costs before anything is done for it, and what an answer costs.
//!
//! A small SET is what most clients send most of the time: three arguments, 33 bytes. Sixteen of them in one
//! piece are a pipeline. The commands lie in one buffer, as on a connection; the parser is the connection's.

use criterion::{Criterion, Throughput};
use quorate::commands::resolve;
use quorate::resp::reply::write_command;
use quorate::resp::{Decoder, Limits, Parser, Protocol, Step, Writer};
use std::hint::black_box;
use std::time::Duration;

/// So many SET commands, one behind the other.
fn sets(count: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..count {
        write_command(&mut bytes, &[b"SET", &b"key:1"[..], value]);
    }
    bytes
}

/// Takes all commands out of the bytes. Returns how many arguments they had.
fn drain(parser: &mut Parser, bytes: &[u8]) -> usize {
    let (mut start, mut arguments) = (0, 0);
    while let Ok(Step::Request(request)) = parser.next(&bytes[start..]) {
        arguments += black_box(request).len();
        start += request.consumed();
    }
    arguments
}

fn parsing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resp/parse");
    for (name, count, bytes) in [
        ("1 small SET", 1, sets(1, b"value")),
        ("16 small SETs in one piece", 16, sets(16, b"value")),
        ("1 SET of 4 KiB", 1, sets(1, &[b'v'; 4096])),
        ("1 SET, inline", 1, b"SET key:1 value\r\n".to_vec()),
        ("1 MSET of 1000 pairs", 1, {
            let mut bytes = Vec::new();
            write_command(&mut bytes, &[&["MSET"][..], &["key:1", "value"].repeat(1000)].concat());
            bytes
        }),
    ] {
        let mut parser = Parser::new(Limits::DEFAULT);
        group.throughput(Throughput::Elements(count));
        group.bench_function(name, |bencher| {
            bencher.iter(|| drain(&mut parser, black_box(&bytes)));
        });
    }
    group.finish();
}

/// From the bytes to the row of the table and the slot of the key.
fn routing(criterion: &mut Criterion) {
    let bytes = sets(1, b"value");
    let mut parser = Parser::new(Limits::DEFAULT);
    criterion.bench_function("resp/parse, resolve and slot of 1 small SET", |bencher| {
        bencher.iter(|| {
            let Ok(Step::Request(request)) = parser.next(black_box(&bytes)) else {
                return None;
            };
            resolve(&request).ok()?.slot(&request).ok()?
        });
    });
}

fn answering(criterion: &mut Criterion) {
    let mut out = Vec::with_capacity(4096);
    criterion.bench_function("resp/write 16 answers", |bencher| {
        bencher.iter(|| {
            out.clear();
            let mut writer = Writer::new(&mut out, Protocol::Resp3);
            for _ in 0..4 {
                writer.ok();
                writer.bulk(black_box("value"));
                writer.integer(black_box(123_456));
                writer.null();
            }
            out.len()
        });
    });
    let mut decoder = Decoder::default();
    criterion.bench_function("resp/read 16 answers", |bencher| {
        bencher.iter(|| {
            decoder.feed(black_box(&out));
            let mut answers = 0;
            while let Ok(Some(_)) = decoder.next_frame() {
                answers += 1;
            }
            answers
        });
    });
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    parsing(&mut criterion);
    routing(&mut criterion);
    answering(&mut criterion);
    criterion.final_summary();
}
