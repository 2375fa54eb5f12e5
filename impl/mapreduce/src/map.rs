//! A map task: a split goes in, an intermediate file comes out.

use std::any::Any;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::app::Application;
use crate::bytes::Order;
use crate::collect::{Emitter, Spills};
use crate::error::{Error, storage};
use crate::files::{BUFFER_BYTES, Draft};
use crate::groups::Pairs;
use crate::input::Records;
use crate::merge::{Gauge, Merge};
use crate::passes::{At, Means, Piece, Spilled};
use crate::run::{BLOCK_BYTES, Run, RunReader, Source, Step};
use crate::store::{Store, Stores};
use crate::task::{Intermediate, MapOutput, MapTask, Watch};

/// How many runs a partition of an intermediate file may have. Reduce tasks merge runs anyway, so a few more cost
/// them nothing, while merging them here would write everything once more; but not without bound.
const MOST_RUNS: usize = 16;

/// Below this a bound of memory is not taken at its word.
const LEAST_MEMORY_BYTES: usize = 1 << 10;

/// How large blocks are when a merge must get by with so much memory.
pub(crate) fn block_bytes(memory_bytes: usize) -> usize {
    (memory_bytes / 64).clamp(256, BLOCK_BYTES)
}

/// Runs an attempt of a map task. When it returns, there is a whole intermediate file under the attempt's name, or an
/// error and no file.
///
/// # Errors
/// What ended the attempt: see [`Error`] and [`Error::blame`].
pub fn run_map(
    task: &MapTask,
    app: &dyn Application,
    watch: &dyn Watch,
) -> Result<MapOutput, Error> {
    run_map_from(&*Stores::default().of(&task.split.path)?, task, app, watch)
}

/// The same; the split's file is in this store.
///
/// # Errors
/// As [`run_map`].
pub fn run_map_from(
    store: &dyn Store,
    task: &MapTask,
    app: &dyn Application,
    watch: &dyn Watch,
) -> Result<MapOutput, Error> {
    if task.place.reduces == 0 {
        return Err(Error::Usage("a job needs a reduce task at least".to_owned()));
    }
    let memory_bytes = task.limits.memory_bytes.max(LEAST_MEMORY_BYTES);
    let mut records = Records::open(store, task, app.form(), watch)?;
    let path = task.path();
    let reduces = task.place.reduces;
    let spills = Spills::new(&path, reduces, block_bytes(memory_bytes))?;
    let mut out = Emitter::new(app, &task.place, watch, memory_bytes, spills);
    let mapped = guarded(|| app.map_task(&mut records, &mut out));
    mapped.map_err(|error| at(error, records.last()))?;
    let (spills, mut counters) = out.finish()?;
    watch.progress(task.split.length, task.split.length);
    counters.input_records = records.met.records;
    counters.input_bytes = records.met.bytes;
    counters.skipped_records = records.met.skipped;
    let mut spilled = Spilled::default();
    let spills = fewer_runs(spills, task, app, watch, &mut spilled)?;
    counters.spills += spilled.passes;
    counters.spilled_bytes += spilled.bytes;
    let Spills { writer, partitions } = spills;
    let (map, attempt) = (task.place.index, task.place.attempt);
    let file = Intermediate { map, attempt, path: path.clone().into() };
    let bytes = |runs: &Vec<Run>| runs.iter().map(|run| run.bytes).sum::<u64>();
    let partition_bytes = partitions.iter().map(bytes).collect();
    writer.finish(&file, &path, &partitions)?;
    if task.debug_intermediate {
        write_json(&file, &path, reduces, app.order())?;
    }
    Ok(MapOutput { file, partition_bytes, counters })
}

/// Merges the runs of each partition if one has too many.
fn fewer_runs(
    spills: Spills,
    task: &MapTask,
    app: &dyn Application,
    watch: &dyn Watch,
    spilled: &mut Spilled,
) -> Result<Spills, Error> {
    if spills.most_runs() <= MOST_RUNS {
        return Ok(spills);
    }
    let memory_bytes = task.limits.memory_bytes.max(LEAST_MEMORY_BYTES);
    let block_bytes = block_bytes(memory_bytes);
    let path = task.path();
    let Spills { writer, partitions } = spills;
    let source = writer.into_scratch()?;
    let mut merged = Spills::new(&path, task.place.reduces, block_bytes)?;
    // The passes' own scratch files need another name.
    let scratch = path.with_extension("pass");
    let means = Means { limits: task.limits, block_bytes, order: app.order(), path: &scratch };
    // To the watcher the reading of the split is the task.
    let mut gauge = Gauge { watch: &Quiet(watch), done: 0, total: 0 };
    for (partition, runs) in partitions.into_iter().enumerate() {
        let piece = |run| Piece { file: At::Open(source.clone()), run };
        let pieces = runs.into_iter().map(piece).collect();
        let pieces = means.shrink(pieces, &mut gauge, spilled)?;
        merged.writer.begin();
        means.merge(pieces, &mut gauge, &mut merged.writer)?;
        merged.end(partition as u32)?;
    }
    spilled.passes += 1;
    spilled.bytes += merged.bytes();
    Ok(merged)
}

struct Quiet<'a>(&'a dyn Watch);

impl Watch for Quiet<'_> {
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

/// An intermediate file as JSON lines, beside it. Bytes that are no UTF-8 are shown as replacement characters.
fn write_json(file: &Intermediate, path: &Path, reduces: u32, order: Order) -> Result<(), Error> {
    let path = path.with_extension("json");
    let mut draft = Draft::new(&path)?;
    let mut text = Vec::new();
    for_each_pair(file, reduces, order, |partition, key, value| {
        let [key, value] = [key, value].map(String::from_utf8_lossy);
        let line = serde_json::json!({ "partition": partition, "key": key, "value": value });
        writeln!(text, "{line}").map_err(storage("write", &path))?;
        if text.len() >= BUFFER_BYTES {
            draft.write(&text)?;
            text.clear();
        }
        Ok(())
    })?;
    draft.write(&text)?;
    draft.finish(&path)?;
    Ok(())
}

/// All pairs of an intermediate file of this machine, partition by partition, each in the application's order.
///
/// # Errors
/// [`Error::Intermediate`] when it is missing or damaged, and what `each` says.
pub fn for_each_pair(
    file: &Intermediate,
    reduces: u32,
    order: Order,
    mut each: impl FnMut(u32, &[u8], &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let (source, partitions) = Source::open(file, reduces)?;
    for (partition, runs) in partitions.into_iter().enumerate() {
        let readers = runs.into_iter().map(|run| RunReader::new(source.clone(), run)).collect();
        let gauge = Gauge { watch: &crate::task::Unwatched, done: 0, total: 0 };
        let mut merge = Merge::new(readers, order, gauge);
        while merge.advance() != Step::End {
            each(partition as u32, merge.key(), merge.value())?;
        }
        merge.failure().map_or(Ok(()), Err)?;
    }
    Ok(())
}

/// Calls an application's code; a panic is an error.
pub(crate) fn guarded(run: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    // What the application held is thrown away with the attempt.
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|payload| Err(Error::application(format!("panic: {}", words(&*payload)))))
}

fn words(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("of unknown cause")
}

/// An application's error with the record that it was at, if it did not say so.
pub(crate) fn at(error: Error, number: Option<u64>) -> Error {
    match error {
        Error::Application { message, record } => {
            Error::Application { message, record: record.or(number) }
        }
        other => other,
    }
}
