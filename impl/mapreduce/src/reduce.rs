//! A reduce task: a partition of all intermediate files goes in, an output file comes out.

use std::sync::Arc;

use memchr::{memchr, memchr_iter, memchr2};

use crate::app::Application;
use crate::counters::Counters;
use crate::error::Error;
use crate::fetch::fetch;
use crate::files::{BUFFER_BYTES, Draft};
use crate::groups::Groups;
use crate::map::{at, block_bytes, guarded};
use crate::merge::{Gauge, Merge};
use crate::passes::{At, Means, Piece, Spilled, open};
use crate::run::{Run, Source};
use crate::store::{Local, Store, Stores};
use crate::task::{ReduceOutput, ReduceTask, Watch};

/// Runs an attempt of a reduce task. When it returns, there is a whole output under the attempt's name, for nobody to
/// see before it is published, or an error and no file.
///
/// # Errors
/// What ended the attempt: see [`Error`] and [`Error::blame`]. [`Error::Intermediate`] names the map task whose output
/// is lost.
pub fn run_reduce(
    task: &ReduceTask,
    app: &dyn Application,
    watch: &dyn Watch,
) -> Result<ReduceOutput, Error> {
    let first = task.inputs.first().map(|input| Stores::default().of(&input.path));
    run_reduce_from(&*first.unwrap_or_else(|| Ok(Arc::new(Local)))?, task, app, watch)
}

/// The same; the intermediate files are in this store.
///
/// # Errors
/// As [`run_reduce`].
pub fn run_reduce_from(
    store: &dyn Store,
    task: &ReduceTask,
    app: &dyn Application,
    watch: &dyn Watch,
) -> Result<ReduceOutput, Error> {
    let path = task.path();
    let mut gauge = Gauge { watch, done: 0, total: 0 };
    let pieces = pieces(store, task, watch)?;
    gauge.total = pieces.iter().map(|piece| piece.run.bytes).sum();
    let block_bytes = block_bytes(task.limits.memory_bytes);
    // The passes' scratch files need another name than the output.
    let scratch = path.with_extension("pass");
    let means = Means { limits: task.limits, block_bytes, order: app.order(), path: &scratch };
    let mut spilled = Spilled::default();
    let pieces = means.shrink(pieces, &mut gauge, &mut spilled)?;
    let mut merge = Merge::new(open(pieces)?, app.order(), gauge);
    let mut groups = Groups::new(&mut merge, &task.place, watch, &task.skip);
    let mut out = Output::new(Some(Draft::new(&path)?), watch);
    let reduced = guarded(|| app.reduce_task(&mut groups, &mut out));
    let (met, number) = (groups.met, groups.number());
    // The application may have failed because its input ended too early.
    merge.failure().map_or(Ok(()), Err)?;
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    reduced.map_err(|error| at(error, number))?;
    let (bytes, mut counters) = out.finish(&path)?;
    counters.input_records = met.records;
    counters.input_bytes = met.bytes;
    counters.groups = met.groups - met.skipped;
    counters.skipped_records = met.skipped;
    counters.spills = spilled.passes;
    counters.spilled_bytes = spilled.bytes;
    let (reduce, attempt) = (task.place.index, task.place.attempt);
    Ok(ReduceOutput { reduce, attempt, path, bytes, counters })
}

/// The runs of the partition in all inputs, in the order of the map tasks.
fn pieces(store: &dyn Store, task: &ReduceTask, watch: &dyn Watch) -> Result<Vec<Piece>, Error> {
    let mut inputs: Vec<_> = task.inputs.iter().collect();
    inputs.sort_by_key(|input| input.map);
    let expected = 0..task.place.maps;
    if !inputs.iter().map(|input| input.map).eq(expected) {
        let (given, maps) = (inputs.len(), task.place.maps);
        return Err(Error::Usage(format!(
            "a reduce task needs the output of each of the {maps} map tasks once, and was given {given} files"
        )));
    }
    if inputs.iter().any(|input| input.path.local().is_none()) {
        return fetch(store, &inputs, task, watch);
    }
    let keep = inputs.len() <= task.limits.open_files;
    let mut pieces = Vec::new();
    for input in inputs {
        if watch.cancelled() {
            return Err(Error::Cancelled);
        }
        let (source, mut partitions) = Source::open(input, task.place.reduces)?;
        for run in of_partition(&mut partitions, task)?.drain(..) {
            let file = if keep { At::Open(source.clone()) } else { At::Closed(input.clone()) };
            pieces.push(Piece { file, run });
        }
    }
    Ok(pieces)
}

/// The runs of the task's partition.
pub(crate) fn of_partition<'a>(
    partitions: &'a mut [Vec<Run>],
    task: &ReduceTask,
) -> Result<&'a mut Vec<Run>, Error> {
    let wrong = || Error::Usage(format!("there is no partition {}", task.place.index));
    partitions.get_mut(task.place.index as usize).ok_or_else(wrong)
}

/// Takes what an application's reduce function writes.
///
/// Nothing that goes wrong here is told to the application: it is kept, and the attempt ends after the group.
pub struct Output<'a> {
    /// None keeps all in the buffer: for [`crate::reference`].
    draft: Option<Draft>,
    buffer: Vec<u8>,
    watch: &'a dyn Watch,
    failure: Option<Error>,
    counters: Counters,
    /// The last of [`Output::raw`]'s bytes did not end a line.
    within_line: bool,
}

impl<'a> Output<'a> {
    pub(crate) fn new(draft: Option<Draft>, watch: &'a dyn Watch) -> Self {
        let (buffer, counters) = (Vec::new(), Counters::default());
        Self { draft, buffer, watch, failure: None, counters, within_line: false }
    }

    /// Writes a line: the key, a tab, the value.
    ///
    /// So that the line can be read back, a key with a tab or a line feed, or a value with a line feed, fails the
    /// task: escaping it silently would give a result that nobody asked for. An application that has such keys
    /// escapes them as its readers expect, or writes whole lines.
    #[inline]
    pub fn write(&mut self, key: &[u8], value: &[u8]) {
        if memchr2(b'\t', b'\n', key).is_some() || memchr(b'\n', value).is_some() {
            self.refuse(key, "a tab or a line feed, or its value has a line feed");
            return;
        }
        self.put(key);
        self.buffer.push(b'\t');
        self.put(value);
        self.end_line(key.len() + value.len() + 2);
    }

    /// Writes a line that is no pair. A line feed in it fails the task.
    #[inline]
    pub fn line(&mut self, line: &[u8]) {
        if memchr(b'\n', line).is_some() {
            self.refuse(line, "a line feed");
            return;
        }
        self.put(line);
        self.end_line(line.len() + 1);
    }

    #[inline]
    fn end_line(&mut self, bytes: usize) {
        self.buffer.push(b'\n');
        self.counters.output_records += 1;
        self.counters.output_bytes += bytes as u64;
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    /// Writes bytes that are lines already, or parts of them. The last one is ended at the end.
    pub fn raw(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        self.within_line = *last != b'\n';
        self.counters.output_records += memchr_iter(b'\n', bytes).count() as u64;
        self.counters.output_bytes += bytes.len() as u64;
        self.put(bytes);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if bytes.len() >= BUFFER_BYTES && self.draft.is_some() {
            // Not through the buffer: it would grow to the size of the largest record.
            self.flush();
            self.write_through(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    fn write_through(&mut self, bytes: &[u8]) {
        if self.failure.is_none()
            && let Some(draft) = &mut self.draft
            && let Err(error) = draft.write(bytes)
        {
            self.failure = Some(error);
        }
    }

    #[cold]
    fn refuse(&mut self, key: &[u8], what: &str) {
        let key = String::from_utf8_lossy(&key[..key.len().min(40)]);
        self.failure.get_or_insert(Error::application(format!(
            "it writes {key:?}, which has {what}: the output has a line a pair, key TAB value; \
             escape it in the application"
        )));
    }

    #[cold]
    fn flush(&mut self) {
        if self.draft.is_some() {
            let mut buffer = std::mem::take(&mut self.buffer);
            self.write_through(&buffer);
            buffer.clear();
            self.buffer = buffer;
        }
    }

    /// Adds to one of the application's own counters.
    pub fn counter(&mut self, group: &str, name: &str, amount: i64) {
        if let Err(error) = self.counters.add(group, name, amount) {
            self.failure.get_or_insert(error);
        }
    }

    /// Says what the application is doing.
    pub fn status(&self, text: &str) {
        self.watch.status(text);
    }

    /// What went wrong, once.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn end_raw(&mut self) {
        if std::mem::take(&mut self.within_line) {
            self.end_line(1);
        }
    }

    /// Gives the file its name.
    fn finish(mut self, path: &std::path::Path) -> Result<(u64, Counters), Error> {
        self.end_raw();
        self.flush();
        self.check()?;
        let draft = self.draft.take();
        let bytes = draft.map_or(Ok(0), |draft| draft.finish(path))?;
        Ok((bytes, self.counters))
    }

    /// What was written, when it was kept.
    pub(crate) fn into_bytes(mut self) -> Result<Vec<u8>, Error> {
        self.end_raw();
        self.check()?;
        Ok(self.buffer)
    }
}
