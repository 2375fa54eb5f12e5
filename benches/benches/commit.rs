//! What one committed entry costs a whole group: time, and allocations.
//!
//! This is the figure on which the shape of the protocol was chosen: a payload-free core with `Copy`
//! messages against one that owns its entries. It counts everything that every server does for an entry,
//! until the leader has committed it and the followers know; only sockets and the disk's time are left
//! out. The allocations are a claim and not a figure: if there is one, the program fails.
//!
//! `tests/allocations.rs` makes the same claim where continuous integration sees it. The time is taken by
//! hand and not by criterion, because it is divided by the entries that really became committed.

use benches::group::Group;
use counting::{Counting, allocations};
use std::process::ExitCode;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SERVERS: usize = 3;

/// How much to measure.
struct Effort {
    samples: usize,
    entries_per_sample: u64,
}

/// `cargo bench` passes `--bench`; without it (`cargo test --benches`) a glance is enough.
fn effort() -> Effort {
    if std::env::args().any(|argument| argument == "--bench") {
        Effort { samples: 31, entries_per_sample: 200_000 }
    } else {
        Effort { samples: 1, entries_per_sample: 20_000 }
    }
}

/// What committing took.
struct Cost {
    median_ns: f64,
    fastest_ns: f64,
    slowest_ns: f64,
    allocations: u64,
    entries: u64,
}

fn measure(batch: usize, effort: &Effort) -> Cost {
    let mut group = Group::new(SERVERS);
    group.commit(effort.entries_per_sample, batch);
    let mut samples_ns = Vec::with_capacity(effort.samples);
    let (mut counted, mut entries) = (0, 0);
    for _ in 0..effort.samples {
        let (before, start) = (allocations(), Instant::now());
        let committed = group.commit(effort.entries_per_sample, batch);
        let (elapsed, after) = (start.elapsed(), allocations());
        samples_ns.push(elapsed.as_nanos() as f64 / committed as f64);
        counted += after - before;
        entries += committed;
    }
    samples_ns.sort_by(f64::total_cmp);
    Cost {
        median_ns: samples_ns[samples_ns.len() / 2],
        fastest_ns: samples_ns[0],
        slowest_ns: samples_ns[samples_ns.len() - 1],
        allocations: counted,
        entries,
    }
}

fn main() -> ExitCode {
    let effort = effort();
    let mut allocates = false;
    for batch in [1, 8, 64] {
        let cost = measure(batch, &effort);
        println!(
            "commit/{SERVERS} servers/batch {batch}: {:.0} ns and {} allocations per committed entry \
             (samples from {:.0} to {:.0} ns)",
            cost.median_ns,
            cost.allocations as f64 / cost.entries as f64,
            cost.fastest_ns,
            cost.slowest_ns,
        );
        if cost.allocations > 0 {
            allocates = true;
            eprintln!(
                "error: the steady state allocated {} times for {} entries in batches of {batch}; it must \
                 not allocate. Look for a buffer that is built anew in a step instead of being reused.",
                cost.allocations, cost.entries,
            );
        }
    }
    if allocates { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
