//! The thread in which the engine works for an attempt, and how it is watched and stopped.

use super::Mail;
use crate::mailbox::Mailbox;
use crate::mr::Notice;
use crate::mr::error::Error;
use crate::mr::places::{self, Places};
use crate::mr::wire::Sheet;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering};
use mapreduce::{
    Application, Counters, Intermediate, MapTask, Place, ReduceTask, Split, Store, Watch,
    run_map_from, run_reduce_from,
};
use protocol::mr::{AttemptId, Kind, TaskId};
use std::collections::BTreeSet;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

/// How long an application may take to notice that it is called off, before the process ends.
const STOPS_WITHIN: Duration = Duration::from_secs(15);
/// No record.
const NONE: u64 = u64::MAX;

/// What a worker runs attempts of.
pub(super) struct Job {
    pub app: Box<dyn Application>,
    pub notice: Notice,
}

/// What the engine is told.
pub(super) struct Work {
    id: AttemptId,
    task: Task,
    places: Places,
}

enum Task {
    Map(MapTask, Arc<dyn Store>),
    Reduce(ReduceTask),
}

impl Work {
    pub(super) fn new(
        attempt: AttemptId,
        sheet: &Sheet,
        places: &Places,
        inputs: &[u64],
        skip: &BTreeSet<u64>,
        split: Option<(Arc<dyn Store>, Split)>,
    ) -> Option<Self> {
        let place = Place {
            job: format!("{:016x}", sheet.job),
            index: attempt.task.index,
            attempt: attempt.number(),
            maps: sheet.maps,
            reduces: sheet.reduces,
        };
        let folder = places.aside(attempt.life());
        let skip = skip.iter().map(|record| *record..*record + 1).collect();
        let limits = sheet.limits;
        let task = match attempt.task.kind {
            Kind::Map => {
                let debug_intermediate = sheet.debug_intermediate;
                let (store, split) = split?;
                let task = MapTask { place, split, folder, limits, skip, debug_intermediate };
                Task::Map(task, store)
            }
            Kind::Reduce => {
                let input = |(index, number): (usize, &u64)| {
                    let task = TaskId { kind: Kind::Map, index: index as u32 };
                    let id = AttemptId { task, attempt: *number };
                    let path = places::whole(&places.work, id);
                    Intermediate { map: index as u32, attempt: id.number(), path }
                };
                let inputs = inputs.iter().enumerate().map(input).collect();
                Task::Reduce(ReduceTask { place, inputs, folder, limits, skip })
            }
        };
        Some(Self { id: attempt, task, places: places.clone() })
    }

    /// Runs it: what it has counted.
    fn run(&self, app: &dyn Application, watch: &dyn Watch) -> Result<Counters, mapreduce::Error> {
        let counters = match &self.task {
            Task::Map(task, store) => run_map_from(&**store, task, app, watch)?.counters,
            Task::Reduce(task) => {
                let output = run_reduce_from(&*self.places.store, task, app, watch)?;
                if !self.places.is_remote() {
                    sync(&output.path)?;
                }
                output.counters
            }
        };
        if self.places.is_remote() {
            self.places.keep(self.id, watch)?;
        }
        Ok(counters)
    }
}

/// An output is on the disk before it gets a name by which it may be published.
fn sync(path: &Path) -> Result<(), mapreduce::Error> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    let (doing, path) = ("make durable", path.to_owned());
    synced.map_err(|source| mapreduce::Error::Storage { doing, path, source })
}

/// What an attempt's thread and the main thread have in common.
struct Watched {
    job: Arc<Job>,
    cancelled: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
    record: AtomicU64,
    /// Grows with every sign of life.
    moves: AtomicU64,
    text: Mutex<String>,
}

impl Watched {
    fn moved(&self) {
        // One thread writes most of the time; a sign that is lost to another one is as good as that one.
        let moves = self.moves.load(Ordering::Relaxed);
        self.moves.store(moves.wrapping_add(1), Ordering::Relaxed);
    }
}

impl Watch for Watched {
    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn progress(&self, done: u64, total: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.moved();
    }

    fn record(&self, number: u64) {
        self.record.store(number, Ordering::Relaxed);
        self.moved();
    }

    fn status(&self, text: &str) {
        text.clone_into(&mut self.text.lock());
        self.moved();
    }

    fn log(&self, line: &[u8]) {
        (self.job.notice)(&String::from_utf8_lossy(line));
    }
}

/// An attempt that runs.
pub(super) struct Attempt {
    pub id: AttemptId,
    /// Of a reduce: of each map the number of the attempt whose output it reads.
    pub inputs: Vec<u64>,
    watched: Arc<Watched>,
    thread: JoinHandle<()>,
    /// What was seen of its moves, and when they were others.
    seen: u64,
    since: Instant,
}

impl Attempt {
    /// Begins it. [`Mail::Ended`] tells of its end.
    pub(super) fn start(
        id: AttemptId,
        work: Option<Work>,
        inputs: &[u64],
        job: Arc<Job>,
        mail: Mailbox<Mail>,
    ) -> Result<Self, Error> {
        let watched = Arc::new(Watched {
            job,
            cancelled: AtomicBool::new(false),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
            record: AtomicU64::new(NONE),
            moves: AtomicU64::new(0),
            text: Mutex::new(String::new()),
        });
        let watch = Arc::clone(&watched);
        let run = move || {
            let refused = |text: &str| Err(mapreduce::Error::Usage(text.to_owned()));
            let result = match work {
                None => refused("the coordinator did not say what to read"),
                Some(work) => {
                    // The thread's end is told in any case; what it held goes with it.
                    let run = AssertUnwindSafe(|| work.run(&*watch.job.app, &*watch));
                    catch_unwind(run).unwrap_or_else(|_| refused("the engine panicked"))
                }
            };
            // Who takes no mail any more has left.
            let _ = mail.post_always(Mail::Ended(id, result));
        };
        let thread = Builder::new().name("mr attempt".into()).spawn(run).map_err(Error::thread)?;
        let since = Instant::now();
        Ok(Self { id, inputs: inputs.to_vec(), watched, thread, seen: NONE, since })
    }

    /// Calls it off and waits until nothing of it is written any more.
    ///
    /// # Errors
    /// If the application does not notice.
    pub(super) fn stop(self) -> Result<(), Error> {
        self.watched.cancelled.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        while !self.thread.is_finished() {
            if begun.elapsed() > STOPS_WITHIN {
                return Err(Error::Stuck);
            }
            thread::park_timeout(Duration::from_millis(1));
        }
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok(())
    }

    /// For how long it has given no sign of life, as far as it was asked.
    pub(super) fn still_for(&mut self) -> Duration {
        let moves = self.watched.moves.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.seen, moves) != moves {
            self.since = Instant::now();
        }
        self.since.elapsed()
    }

    /// The record that it works at.
    pub(super) fn record(&self) -> Option<u64> {
        Some(self.watched.record.load(Ordering::Relaxed)).filter(|record| *record != NONE)
    }

    /// Bytes done, of so many, and what the application says.
    pub(super) fn gauge(&self) -> (u64, u64, String) {
        let Watched { done, total, text, .. } = &*self.watched;
        let text = text.lock().clone();
        (done.load(Ordering::Relaxed), total.load(Ordering::Relaxed), text)
    }
}
