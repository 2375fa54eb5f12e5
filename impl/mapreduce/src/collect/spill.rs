//! The runs that a map task writes, and the combiner on the way to them.

use std::fmt::Write as _;
use std::path::Path;

use super::buffer::{Partition, SortBuffer};
use super::table::SumTable;
use crate::app::{Application, Combiner};
use crate::bytes::{Order, prefix};
use crate::counters::Counters;
use crate::error::Error;
use crate::groups::Groups;
use crate::run::{Run, RunWriter};
use crate::task::{Place, Watch};

/// Runs by partition, in a file.
pub(crate) struct Spills {
    pub writer: RunWriter,
    pub partitions: Vec<Vec<Run>>,
}

impl Spills {
    /// Begins the file that will be `to`.
    pub fn new(to: &Path, reduces: u32, block_bytes: usize) -> Result<Self, Error> {
        let writer = RunWriter::new(to, block_bytes)?;
        Ok(Self { writer, partitions: vec![Vec::new(); reduces as usize] })
    }

    pub fn bytes(&self) -> u64 {
        self.writer.bytes()
    }

    /// How many pairs are in all runs.
    pub fn records(&self) -> u64 {
        self.partitions.iter().flatten().map(|run| run.records).sum()
    }

    /// The most runs that a partition has.
    pub fn most_runs(&self) -> usize {
        self.partitions.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Ends a run.
    pub fn end(&mut self, partition: u32) -> Result<(), Error> {
        let run = self.writer.end()?;
        let reduces = self.partitions.len();
        let runs = self.partitions.get_mut(partition as usize).ok_or_else(|| {
            Error::application(format!(
                "its partition function says {partition}, and there are {reduces} reduce tasks"
            ))
        })?;
        runs.extend(run);
        Ok(())
    }

    /// Writes the sums and empties the table.
    pub(super) fn write_sums(
        &mut self,
        table: &mut SumTable,
        app: &dyn Application,
        place: &Place,
    ) -> Result<(), Error> {
        let sorted = table.sorted(app.order(), |key| app.partition(key, place.reduces));
        let mut digits = String::new();
        for sums in sorted.chunk_by(|left, right| left.0 == right.0) {
            self.writer.begin();
            for (_, sum) in sums {
                digits.clear();
                // Writing to a string does not fail.
                let _ = write!(digits, "{}", sum.sum);
                self.writer.put(table.key(sum), digits.as_bytes())?;
            }
            self.end(sums[0].0)?;
        }
        table.clear();
        Ok(())
    }

    /// Writes a run of one pair.
    pub fn write_pair(&mut self, partition: u32, key: &[u8], value: &[u8]) -> Result<(), Error> {
        self.writer.begin();
        self.writer.put(key, value)?;
        self.end(partition)
    }

    /// Sorts the pairs, writes them, combined if the application combines, and empties the buffer.
    pub fn write_pairs(
        &mut self,
        buffer: &mut SortBuffer,
        app: &dyn Application,
        place: &Place,
        watch: &dyn Watch,
        counters: &mut Counters,
    ) -> Result<(), Error> {
        if buffer.is_empty() {
            return Ok(());
        }
        let mut sorted = buffer.sorted(app.order());
        while let Some((partition, mut pairs)) = sorted.next_partition() {
            if watch.cancelled() {
                return Err(Error::Cancelled);
            }
            self.writer.begin();
            if app.combiner() == Combiner::Group {
                self.combine(partition, &mut pairs, app, place, watch, counters)?;
            } else {
                for (key, value) in pairs.iter() {
                    self.writer.put(key, value)?;
                }
            }
            self.end(partition)?;
        }
        buffer.clear();
        Ok(())
    }

    fn combine(
        &mut self,
        partition: u32,
        pairs: &mut Partition<'_>,
        app: &dyn Application,
        place: &Place,
        watch: &dyn Watch,
        counters: &mut Counters,
    ) -> Result<(), Error> {
        let silent = Silent(watch);
        let mut groups = Groups::new(pairs, place, &silent, &[]);
        let mut out = Combined {
            writer: &mut self.writer,
            app,
            order: app.order(),
            partition,
            reduces: place.reduces,
            last: None,
            counters,
            watch,
            failure: None,
        };
        app.combine_run(&mut groups, &mut out)?;
        out.check()?;
        if watch.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// A combiner's groups are no records of the task: only calling off is passed on.
struct Silent<'a>(&'a dyn Watch);

impl Watch for Silent<'_> {
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }

    fn status(&self, text: &str) {
        self.0.status(text);
    }

    fn log(&self, line: &[u8]) {
        self.0.log(line);
    }
}

/// Takes what a combiner gives.
pub struct Combined<'a> {
    writer: &'a mut RunWriter,
    app: &'a dyn Application,
    order: Order,
    partition: u32,
    reduces: u32,
    last: Option<Vec<u8>>,
    counters: &'a mut Counters,
    watch: &'a dyn Watch,
    failure: Option<Error>,
}

impl Combined<'_> {
    /// A pair that takes the place of those that were combined. A combiner must keep the keys: it stands in the middle
    /// of a sorted run of one partition, and there a key of another place can't be put. One that comes out of order or
    /// belongs to another partition fails the task.
    pub fn pair(&mut self, key: &[u8], value: &[u8]) {
        if self.failure.is_some() {
            return;
        }
        if let Err(error) = self.put(key, value) {
            self.failure = Some(error);
        }
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        if self.last.as_deref() != Some(key) {
            let order = self.order;
            let follows = self
                .last
                .as_deref()
                .is_none_or(|last| order.compare((prefix(last), last), (prefix(key), key)).is_le());
            if !follows || self.app.partition(key, self.reduces) != self.partition {
                let key = String::from_utf8_lossy(&key[..key.len().min(40)]);
                return Err(Error::application(format!(
                    "its combiner gave the key {key:?}, which it was not given at this place: \
                     a combiner has to keep keys as they are"
                )));
            }
            let last = self.last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(key);
        }
        self.writer.put(key, value)
    }

    /// Adds to one of the application's own counters.
    pub fn counter(&mut self, group: &str, name: &str, amount: i64) {
        if let Err(error) = self.counters.add(group, name, amount) {
            self.failure.get_or_insert(error);
        }
    }

    /// Who watches the attempt.
    pub fn watch(&self) -> &dyn Watch {
        self.watch
    }

    /// What went wrong, once.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        self.failure.take().map_or(Ok(()), Err)
    }
}
