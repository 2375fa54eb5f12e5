//! A job in one thread, without a coordinator: for debugging an application.

use super::counters;
use super::error::Error;
use super::folder::Claim;
use super::places::{self, Places};
use super::status::{Phase, Stage, Status};
use mapreduce::{Stores, Totals, Watch, output_path, run_sequential};
use protocol::mr::{AttemptId, Counters, Kind, TaskId};
use std::path::Path;
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
    let files = Places::new(&claim.work, &mut Stores::default())?;
    files.prepare(0)?;
    let out = claim.dir.local().map_or_else(|| files.aside(0), Path::to_owned);
    let plan = mapreduce::Job {
        name: format!("{:016x}", job.number),
        splits: job.splits.clone(),
        reduces: job.asked.reduces,
        folder: files.aside(0),
        out: out.clone(),
        limits: engine,
        debug_intermediate,
    };
    let Totals { map, reduce } = run_sequential(&plan, &*job.program.load()?, watch)?;
    if files.is_remote() {
        bring(claim, &files, &out, watch)?;
    }
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

/// Brings the outputs to where they belong, as attempts' first, so that each appears whole and once.
fn bring(claim: &Claim, files: &Places, out: &Path, watch: &dyn Watch) -> Result<(), Error> {
    let reduces = claim.job().asked.reduces;
    let attempt = |index| AttemptId { task: TaskId { kind: Kind::Reduce, index }, attempt: 0 };
    for index in 0..reduces {
        let whole = places::whole(&claim.work, attempt(index));
        files.store.put(&output_path(out, index), &whole, watch)?;
    }
    let attempts: Vec<AttemptId> = (0..reduces).map(attempt).collect();
    let done = places::publish(&*files.store, &claim.dir, &claim.work, &attempts);
    done.into_iter().collect::<Result<(), _>>().map_err(Error::from)
}
