//! Lab 1: MapReduce. The names are those of its tests in Go, of 2026.

use super::{Run, Scenario, Service};
use crate::labs::mapreduce::Job;
use crate::labs::mapreduce::apps::App;

/// The lab.
const LAB: &str = "1 MapReduce";

/// Of an application, with so many workers.
const fn job(name: &'static str, about: &'static str, workers: u8, app: App) -> Scenario {
    let (serves, run) = (Service::Workers, Run::Job(Job { app }));
    Scenario { name, lab: LAB, about, servers: workers, reliable: true, serves, run }
}

/// All of them.
pub(super) static ALL: &[Scenario] = &[
    job("Wc", "wc", 3, App::Wc),
    job("Indexer", "indexer", 2, App::Indexer),
    job("MapParallel", "map parallelism", 2, App::MapTiming),
    job("ReduceParallel", "reduce parallelism", 2, App::ReduceTiming),
    job("JobCount", "job count", 4, App::JobCount),
    job("EarlyExit", "early exit", 4, App::EarlyExit),
    job("CrashWorker", "crash", 3, App::Crash),
];
