//! Intermediate files that lie in an object store: a reduce task brings its partition of each to this machine, and
//! merges it here.
//!
//! Of a file its end is read first, which holds the index and, if the file is small, all of it; then the runs of the
//! partition, a range of bytes each. They go into scratch files without names, one behind the other, and are read there
//! as in the file that they come from: each block's checksum covers its place in that file, so nothing that came from
//! elsewhere, or not as it was written, is taken for it. Several files are fetched at once, for what it takes is mostly
//! waiting.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use crate::error::{Error, storage};
use crate::passes::{At, Piece};
use crate::reduce::of_partition;
use crate::run::{Origin, Source, read_index};
use crate::store::{Part, Store};
use crate::task::{Intermediate, ReduceTask, Watch};

/// How many files are fetched at once.
const AT_ONCE: usize = 8;
/// The least and the most that is asked for at once, in bytes.
const ASKED: (usize, usize) = (64 << 10, 4 << 20);

/// The runs of the partition in all inputs, in their order.
pub(crate) fn fetch(
    store: &dyn Store,
    inputs: &[&Intermediate],
    task: &ReduceTask,
    watch: &dyn Watch,
) -> Result<Vec<Piece>, Error> {
    let lanes = AT_ONCE.min(inputs.len());
    let lane = |lane: usize| -> Result<Vec<Vec<Piece>>, Error> {
        let mut scratch = Scratch::new(task, lane)?;
        let mine = inputs.iter().skip(lane).step_by(lanes);
        mine.map(|input| one(store, input, task, watch, &mut scratch)).collect()
    };
    let lane = &lane;
    let mut fetched = thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes).map(|number| scope.spawn(move || lane(number))).collect();
        let end = |lane: thread::ScopedJoinHandle<'_, _>| {
            lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        lanes.into_iter().map(end).collect::<Result<Vec<_>, Error>>()
    })?;
    watch.status("");
    let mut pieces = Vec::new();
    for index in 0..inputs.len() {
        pieces.append(&mut fetched[index % lanes][index / lanes]);
    }
    Ok(pieces)
}

/// A file of this machine without a name.
struct Scratch {
    path: PathBuf,
    file: Arc<File>,
    bytes: u64,
}

impl Scratch {
    fn new(task: &ReduceTask, lane: usize) -> Result<Self, Error> {
        let path = task.path().with_extension(format!("fetch{lane}"));
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.open(&path).map_err(storage("create", &path))?;
        fs::remove_file(&path).map_err(storage("remove", &path))?;
        Ok(Self { path, file: Arc::new(file), bytes: 0 })
    }
}

/// The runs of the partition in one input.
fn one(
    store: &dyn Store,
    input: &Intermediate,
    task: &ReduceTask,
    watch: &dyn Watch,
    scratch: &mut Scratch,
) -> Result<Vec<Piece>, Error> {
    if watch.cancelled() {
        return Err(Error::Cancelled);
    }
    let origin = Arc::new(Origin::Map(input.clone()));
    let failed = |error: std::io::Error| match error.kind() {
        _ if watch.cancelled() => Error::Cancelled,
        ErrorKind::NotFound => origin.error("it is gone"),
        ErrorKind::UnexpectedEof => origin.error("it is cut off"),
        _ => Error::Store { doing: "read", at: input.path.clone(), problem: error.to_string() },
    };
    let mut opened = store.open(&input.path, Part::End, watch).map_err(failed)?;
    let length = opened.bytes();
    let mut read = |bytes: &mut [u8], offset| opened.read_exact_at(bytes, offset).map_err(failed);
    let mut partitions = read_index(&mut read, length, &origin, input, task.place.reduces)?;
    let asked = (task.limits.memory_bytes / 32).clamp(ASKED.0, ASKED.1);
    let mut buffer = vec![0; asked];
    let mut pieces = Vec::new();
    for run in of_partition(&mut partitions, task)?.drain(..) {
        let shift = scratch.bytes.wrapping_sub(run.offset);
        let mut done = 0;
        while done < run.bytes {
            let bytes = &mut buffer[..asked.min((run.bytes - done) as usize)];
            read(bytes, run.offset + done)?;
            let written = scratch.file.write_all_at(bytes, scratch.bytes);
            written.map_err(storage("write", &scratch.path))?;
            scratch.bytes += bytes.len() as u64;
            done += bytes.len() as u64;
            // A sign of life, too.
            watch.status("fetches its partition");
        }
        let source = Source::fetched(Arc::clone(&scratch.file), shift, Arc::clone(&origin));
        pieces.push(Piece { file: At::Open(source), run });
    }
    Ok(pieces)
}
