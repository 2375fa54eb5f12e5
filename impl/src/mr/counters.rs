//! What an attempt has counted, under the names by which the job sums it up.
//!
//! An application's own counters are `GROUP,NAME`, as streaming's programs write them. The engine's have no comma, so
//! no application's counter can be mistaken for one.

use mapreduce::Counters as Counted;
use protocol::mr::{Counters, Kind};

/// The names of the engine's counters, and what to call them for people.
pub const COUNTERS: [(&str, &str); 9] = [
    ("input_records", "records read"),
    ("input_bytes", "bytes read"),
    ("output_records", "records written"),
    ("output_bytes", "bytes written"),
    ("combined_records", "records after combining"),
    ("groups", "keys"),
    ("skipped_records", "records skipped"),
    ("spills", "spills"),
    ("spilled_bytes", "bytes spilled"),
];

fn of_engine(counted: &Counted) -> [u64; 9] {
    [
        counted.input_records,
        counted.input_bytes,
        counted.output_records,
        counted.output_bytes,
        counted.combined_records,
        counted.groups,
        counted.skipped_records,
        counted.spills,
        counted.spilled_bytes,
    ]
}

/// The name of an engine's counter of the map tasks.
pub fn map_counter(name: &str) -> String {
    format!("map.{name}")
}

/// The name of an engine's counter of the reduce tasks.
pub fn reduce_counter(name: &str) -> String {
    format!("reduce.{name}")
}

/// An attempt's counters.
pub(super) fn named(kind: Kind, counted: &Counted) -> Counters {
    let mut counters = Counters::NONE;
    for ((name, _), amount) in COUNTERS.iter().zip(of_engine(counted)) {
        let name = match kind {
            Kind::Map => map_counter(name),
            Kind::Reduce => reduce_counter(name),
        };
        if amount > 0 {
            counters.add(&name, amount as i64);
        }
    }
    for (group, names) in &counted.own {
        for (name, amount) in names {
            counters.add(&format!("{group},{name}"), *amount);
        }
    }
    counters
}
