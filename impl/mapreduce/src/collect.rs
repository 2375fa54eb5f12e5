//! Where a map task's pairs go: memory, and the runs of its intermediate file when the memory is full.

mod buffer;
mod spill;
mod table;

use crate::app::{Application, Combiner};
use crate::counters::Counters;
use crate::error::Error;
use crate::task::{Place, Watch};

pub(crate) use buffer::SortBuffer;
pub use spill::Combined;
pub(crate) use spill::Spills;
use table::SumTable;

/// A key and a value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// Where the pairs are kept until they are written.
enum Memory {
    /// Sums by key: [`Combiner::Sum`].
    Sums(SumTable),
    /// Pairs, to be sorted.
    Pairs(SortBuffer),
    /// Pairs as they came, without bound: for [`crate::reference`].
    List(Vec<Pair>),
}

/// Takes what an application's map function gives.
///
/// Nothing that goes wrong here is told to the application: it is kept, what is emitted afterwards is dropped, and the
/// attempt ends after the record.
pub struct Emitter<'a> {
    app: &'a dyn Application,
    place: &'a Place,
    watch: &'a dyn Watch,
    memory: Memory,
    spills: Option<Spills>,
    failure: Option<Error>,
    counters: Counters,
    digits: String,
}

impl<'a> Emitter<'a> {
    pub(crate) fn new(
        app: &'a dyn Application,
        place: &'a Place,
        watch: &'a dyn Watch,
        memory_bytes: usize,
        spills: Spills,
    ) -> Self {
        let memory = match app.combiner() {
            Combiner::Sum => Memory::Sums(SumTable::new(memory_bytes)),
            Combiner::None | Combiner::Group => Memory::Pairs(SortBuffer::new(memory_bytes)),
        };
        let (failure, counters, digits) = (None, Counters::default(), String::new());
        Self { app, place, watch, memory, spills: Some(spills), failure, counters, digits }
    }

    /// Keeps everything in memory, in the order in which it is emitted.
    pub(crate) fn list(app: &'a dyn Application, place: &'a Place, watch: &'a dyn Watch) -> Self {
        let (failure, counters, digits) = (None, Counters::default(), String::new());
        let memory = Memory::List(Vec::new());
        Self { app, place, watch, memory, spills: None, failure, counters, digits }
    }

    /// What [`Emitter::list`] has kept.
    pub(crate) fn into_list(self) -> Result<Vec<Pair>, Error> {
        match (self.failure, self.memory) {
            (Some(failure), _) => Err(failure),
            (None, Memory::List(pairs)) => Ok(pairs),
            (None, _) => Ok(Vec::new()),
        }
    }

    /// Emits a pair. Both may be any bytes, and empty.
    #[inline]
    pub fn emit(&mut self, key: &[u8], value: &[u8]) {
        self.counters.output_records += 1;
        self.counters.output_bytes += (key.len() + value.len()) as u64;
        match &mut self.memory {
            Memory::Pairs(buffer) => {
                let partition = self.app.partition(key, self.place.reduces);
                if !buffer.push(partition, key, value) {
                    self.push_after_spill(partition, key, value);
                }
            }
            Memory::Sums(_) => match parse_integer(value) {
                Some(amount) => self.add(key, amount),
                None => self.fail(Error::application(format!(
                    "with Combiner::Sum a value must be a decimal integer of 64 bits, and {:?} is none",
                    String::from_utf8_lossy(&value[..value.len().min(40)])
                ))),
            },
            Memory::List(pairs) => pairs.push((key.to_vec(), value.to_vec())),
        }
    }

    /// Emits a pair whose value is an integer. With [`Combiner::Sum`] this is the fast way.
    #[inline]
    pub fn count(&mut self, key: &[u8], amount: i64) {
        if matches!(self.memory, Memory::Sums(_)) {
            self.counters.output_records += 1;
            // The digits of most amounts, which nobody writes unless it comes to that.
            self.counters.output_bytes += key.len() as u64 + 1;
            self.add(key, amount);
        } else {
            use std::fmt::Write as _;
            let mut digits = std::mem::take(&mut self.digits);
            digits.clear();
            // Writing to a string does not fail.
            let _ = write!(digits, "{amount}");
            self.emit(key, digits.as_bytes());
            self.digits = digits;
        }
    }

    #[inline]
    fn add(&mut self, key: &[u8], amount: i64) {
        let Memory::Sums(table) = &mut self.memory else { return };
        match table.add(key, amount) {
            table::Added::Yes => {}
            table::Added::Full => {
                self.spill();
                self.add_after_spill(key, amount);
            }
            table::Added::Overflow => self.fail(Error::application(overflow(key))),
        }
    }

    #[cold]
    fn add_after_spill(&mut self, key: &[u8], amount: i64) {
        if let Memory::Sums(table) = &mut self.memory
            && self.failure.is_none()
        {
            table.add_at_any_size(key, amount);
        }
    }

    #[cold]
    fn push_after_spill(&mut self, partition: u32, key: &[u8], value: &[u8]) {
        self.spill();
        let (Memory::Pairs(buffer), Some(spills), None) =
            (&mut self.memory, &mut self.spills, &self.failure)
        else {
            return;
        };
        if buffer.push(partition, key, value) {
            return;
        }
        // Larger than the bound: straight to the file, so that there is one copy of it and not two.
        if let Err(error) = spills.write_pair(partition, key, value) {
            self.fail(error);
        }
    }

    /// Adds to one of the application's own counters.
    pub fn counter(&mut self, group: &str, name: &str, amount: i64) {
        if let Err(error) = self.counters.add(group, name, amount) {
            self.fail(error);
        }
    }

    /// Says what the application is doing.
    pub fn status(&self, text: &str) {
        self.watch.status(text);
    }

    #[cold]
    fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    /// What went wrong, once.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Writes what the memory holds as runs, one a partition.
    #[cold]
    fn spill(&mut self) {
        if let Err(error) = self.write(true) {
            self.fail(error);
        }
    }

    fn write(&mut self, more_to_come: bool) -> Result<(), Error> {
        let Some(spills) = &mut self.spills else { return Ok(()) };
        let before = spills.bytes();
        match &mut self.memory {
            Memory::Sums(table) => spills.write_sums(table, self.app, self.place)?,
            Memory::Pairs(buffer) => {
                spills.write_pairs(buffer, self.app, self.place, self.watch, &mut self.counters)?;
            }
            Memory::List(_) => {}
        }
        if more_to_come {
            self.counters.spills += 1;
            self.counters.spilled_bytes += spills.bytes() - before;
        }
        Ok(())
    }

    /// Writes the rest, and hands over the runs.
    pub(crate) fn finish(mut self) -> Result<(Spills, Counters), Error> {
        self.check()?;
        self.write(false)?;
        let spills = self.spills.ok_or_else(|| Error::Usage("nothing to finish".to_owned()))?;
        let mut counters = self.counters;
        counters.combined_records = spills.records();
        Ok((spills, counters))
    }
}

/// A decimal integer of 64 bits, with a sign or without.
pub(crate) fn parse_integer(text: &[u8]) -> Option<i64> {
    if let [digit @ b'0'..=b'9'] = text {
        return Some(i64::from(digit - b'0'));
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

pub(crate) fn overflow(key: &[u8]) -> String {
    let key = String::from_utf8_lossy(&key[..key.len().min(40)]);
    format!("the sum of {key:?} needs more than 64 bits")
}
