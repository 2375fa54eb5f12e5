//! A job in one thread, without a coordinator: for debugging an application.

use super::error::Error;
use super::folder::Claim;
use super::status::{Phase, Stage, Status};
use super::{counters, places};
use mapreduce::{Totals, Watch, run_sequential};
use protocol::mr::{Counters, Kind};
use std::time::Instant;

/// Runs the job of an output directory in the calling thread. There is no second attempt: the first error ends it.
///
/// # Errors
/// The first error of a task.
pub fn sequential(
    claim: &Claim,
    engine: mapreduce::Limits,
    debug_intermediate: bool,
    watch: &dyn Watch,
) -> Result<Status, Error> {
    let (begun, job) = (Instant::now(), claim.job());
    // No life of a coordinator has this number.
    places::make(&claim.work, 0)?;
    let plan = mapreduce::Job {
        name: format!("{:016x}", job.number),
        splits: job.splits.clone(),
        reduces: job.asked.reduces,
        folder: places::aside(&claim.work, 0),
        out: claim.dir.clone(),
        limits: engine,
        debug_intermediate,
    };
    let Totals { map, reduce } = run_sequential(&plan, &*job.program.load()?, watch)?;
    let mut all = Counters::NONE;
    for (kind, counted) in [(Kind::Map, map), (Kind::Reduce, reduce)] {
        for (name, amount) in counters::named(kind, &counted).iter() {
            all.add(name, amount);
        }
    }
    let bytes = job.splits.iter().map(|split| split.length).sum();
    let stage = |done, bytes| Stage { idle: 0, running: 0, done, bytes_done: bytes, bytes };
    let (maps, reduces) = (job.splits.len() as u32, job.asked.reduces);
    Ok(Status {
        job: job.number,
        life: 0,
        phase: Phase::Done,
        map: stage(maps, bytes),
        reduce: stage(reduces, 0),
        attempts: u64::from(maps) + u64::from(reduces),
        failures: 0,
        workers: Vec::new(),
        counters: all.iter().map(|(name, sum)| (name.to_owned(), sum)).collect(),
        elapsed_ms: begun.elapsed().as_millis() as u64,
        eta_ms: None,
    })
}
