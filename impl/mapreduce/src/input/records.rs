//! The records of a split.

use std::io::Read;

use memchr::{memchr, memchr_iter};

use super::source::{Source, changed, refused};
use super::{Compression, Form, Split};
use crate::error::Error;
use crate::groups::Met;
use crate::store::Store;
use crate::task::{MapTask, Place, Watch};

/// A line of an input file, or a file.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What the file is called.
    pub file: &'a str,
    /// Where the record begins in it, in bytes; of the text, if the file is compressed.
    pub offset: u64,
    /// Its number within the split, from 0.
    pub number: u64,
    /// Its bytes, which may be any: text in any encoding, or none.
    pub bytes: &'a [u8],
}

/// The smallest and the largest buffer to begin with. It grows with the longest line.
const BUFFER: (usize, usize) = (4 << 10, 256 << 10);

/// The records of a split, one after the other.
pub struct Records<'a> {
    task: &'a MapTask,
    form: Form,
    watch: &'a dyn Watch,
    source: Source<'a>,
    buffer: Vec<u8>,
    /// What is in the buffer and was not given out.
    start: usize,
    filled: usize,
    at_end: bool,
    /// Where in the text `buffer[start]` is, and where lines begin that are the next split's.
    position: u64,
    end: u64,
    /// Of the record that comes next.
    number: u64,
    /// Whether the last piece ended within a line: [`Records::piece`].
    within_line: bool,
    ahead: bool,
    pub(crate) met: Met,
}

impl<'a> Records<'a> {
    /// Opens the split of a task, whose file is in `store`.
    pub(crate) fn open(
        store: &dyn Store,
        task: &'a MapTask,
        form: Form,
        watch: &'a dyn Watch,
    ) -> Result<Self, Error> {
        let split = &task.split;
        let plain = split.compression == Compression::None;
        // Of the split before, the last byte: it says whether a line begins here.
        let position = if plain { split.start.saturating_sub(1) } else { 0 };
        let size = (task.limits.memory_bytes / 8).clamp(BUFFER.0, BUFFER.1);
        let mut records = Self {
            task,
            form,
            watch,
            source: Source::open(split, position, store, watch)?,
            buffer: vec![0; size],
            start: 0,
            filled: 0,
            at_end: false,
            position,
            end: if plain { split.start + split.length } else { u64::MAX },
            number: 0,
            within_line: false,
            ahead: false,
            met: Default::default(),
        };
        if plain && split.start > 0 {
            records.find_line()?;
        }
        Ok(records)
    }

    /// Which attempt this is.
    pub fn place(&self) -> &'a Place {
        &self.task.place
    }

    /// What is read.
    pub fn split(&self) -> &'a Split {
        &self.task.split
    }

    /// Who watches the attempt.
    pub fn watch(&self) -> &'a dyn Watch {
        self.watch
    }

    /// Whether the task leaves out records, so that they have to be taken one by one.
    pub fn skips(&self) -> bool {
        !self.task.skip.is_empty()
    }

    /// The longest record that the task allows.
    pub(crate) fn record_bytes(&self) -> usize {
        self.task.limits.record_bytes
    }

    /// The number of the record that was given out last, unless the application reads ahead.
    pub(crate) fn last(&self) -> Option<u64> {
        self.number.checked_sub(1).filter(|_| !self.ahead)
    }

    /// What is read from here on is no sign of what the application is at.
    pub(crate) fn reads_ahead(&mut self) {
        self.ahead = true;
    }

    /// The number of a record that was the `count`-th to be given out, counted from 0.
    pub(crate) fn nth_given(&self, count: u64) -> u64 {
        self.task.skip.iter().fold(count, |number, range| {
            if range.start <= number { number + (range.end - range.start) } else { number }
        })
    }

    /// Goes to where the first line begins that is this split's.
    fn find_line(&mut self) -> Result<(), Error> {
        while self.position < self.end {
            if self.start == self.filled && !self.fill()? {
                self.position = self.end;
                return Ok(());
            }
            let text = &self.buffer[self.start..self.filled];
            let (consumed, found) = match memchr(b'\n', text) {
                Some(at) => (at + 1, true),
                None => (text.len(), false),
            };
            self.consume(consumed);
            if found {
                return Ok(());
            }
        }
        Ok(())
    }

    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.position += bytes as u64;
    }

    /// Reads more behind what is in the buffer; false at the end.
    fn fill(&mut self) -> Result<bool, Error> {
        if self.watch.cancelled() {
            return Err(Error::Cancelled);
        }
        if self.at_end {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.start = 0;
        }
        if self.filled == self.buffer.len() {
            self.grow()?;
        }
        let split = &self.task.split;
        let read = loop {
            match self.source.read(&mut self.buffer[self.filled..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let read = read.map_err(|error| match split.compression {
            _ if self.watch.cancelled() => Error::Cancelled,
            Compression::None => refused(&split.name, &error),
            how => {
                let at = self.position + self.filled as u64;
                let problem =
                    format!("its {how:?} data is damaged after {at} bytes of text: {error}");
                Error::input(&split.name, problem)
            }
        })?;
        self.filled += read;
        self.at_end = read == 0;
        if self.at_end && self.source.missing() > 0 {
            return Err(changed(split, split.file_bytes - self.source.missing()));
        }
        let done = match split.compression {
            Compression::None => self.position.saturating_sub(split.start).min(split.length),
            _ => self.source.compressed_done(),
        };
        self.watch.progress(done, split.length);
        Ok(!self.at_end)
    }

    fn grow(&mut self) -> Result<(), Error> {
        // Its end, too, must fit.
        let most = self.most() + 2;
        if self.buffer.len() >= most {
            return Err(self.too_long(self.position));
        }
        let size = self.buffer.len().saturating_mul(2).min(most);
        self.buffer.reserve_exact(size - self.buffer.len());
        self.buffer.resize(size, 0);
        Ok(())
    }

    fn most(&self) -> usize {
        self.task.limits.record_bytes.min(1 << 30)
    }

    fn too_long(&self, at: u64) -> Error {
        let most = self.most();
        let problem = format!(
            "the record at byte {at} is longer than {most} bytes: is the file what you think it is? \
             If so, raise the limit on a record's size"
        );
        Error::input(&self.task.split.name, problem)
    }

    /// The next record; none at the end of the split.
    ///
    /// # Errors
    /// When the file can't be read or has changed, a record is too long, or the attempt was called off.
    #[expect(clippy::should_implement_trait, reason = "what it returns borrows from it")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Error> {
        let (offset, from, to) = loop {
            let offset = self.position;
            let Some((from, to)) = self.advance()? else {
                return Ok(None);
            };
            let number = self.number;
            self.number += 1;
            if self.task.skip.iter().any(|range| range.contains(&number)) {
                self.met.skipped += 1;
                continue;
            }
            break (offset, from, to);
        };
        if to - from > self.most() {
            return Err(self.too_long(offset));
        }
        if self.watch.cancelled() {
            return Err(Error::Cancelled);
        }
        let number = self.number - 1;
        self.watch.record(number);
        self.met.records += 1;
        self.met.bytes += (to - from) as u64;
        let bytes = &self.buffer[from..to];
        Ok(Some(Record { file: &self.task.split.name, offset, number, bytes }))
    }

    /// Where in the buffer the next record is.
    #[inline]
    fn advance(&mut self) -> Result<Option<(usize, usize)>, Error> {
        if self.form == Form::Files {
            return self.whole();
        }
        if self.position >= self.end {
            return Ok(None);
        }
        let mut searched = 0;
        let (line, consumed) = loop {
            let text = &self.buffer[self.start..self.filled];
            if let Some(at) = memchr(b'\n', &text[searched..]) {
                break (searched + at, searched + at + 1);
            }
            searched = text.len();
            if !self.fill()? {
                if searched == 0 {
                    return Ok(None);
                }
                break (searched, searched);
            }
        };
        let from = self.start;
        let mut to = from + line;
        let crlf = consumed > line && line > 0 && self.buffer[to - 1] == b'\r';
        if crlf && self.form == Form::Lines {
            to -= 1;
        }
        self.consume(consumed);
        Ok(Some((from, to)))
    }

    fn whole(&mut self) -> Result<Option<(usize, usize)>, Error> {
        if self.number > 0 {
            return Ok(None);
        }
        while self.fill()? {}
        let (from, to) = (self.start, self.filled);
        self.consume(to - from);
        Ok(Some((from, to)))
    }

    /// The next bytes of the split's lines, as many as are at hand, for programs that find the lines themselves; all
    /// pieces together are the split's lines. A line feed is added where the file's last line has none. Not to be
    /// mixed with [`Records::next`]. The skip list is not heeded: [`Records::skips`].
    ///
    /// # Errors
    /// As [`Records::next`], except that no line is too long.
    pub fn piece(&mut self) -> Result<Option<&[u8]>, Error> {
        if !self.within_line && self.position >= self.end {
            return Ok(None);
        }
        if self.start == self.filled && !self.fill()? {
            let missing = std::mem::take(&mut self.within_line);
            return Ok(missing.then_some(b"\n".as_slice()));
        }
        let text = &self.buffer[self.start..self.filled];
        let left = self.end.saturating_sub(self.position);
        let mut bytes = text.len();
        if bytes as u64 >= left {
            // The line that holds the split's last byte is the last one.
            let last = (left as usize).saturating_sub(1);
            if let Some(at) = memchr(b'\n', &text[last..]) {
                bytes = last + at + 1;
            }
        }
        let text = &text[..bytes];
        let lines = memchr_iter(b'\n', text).count() as u64;
        let unended = text[bytes - 1] != b'\n';
        // A line counts when it begins.
        let begun = lines + u64::from(unended) - u64::from(self.within_line);
        self.within_line = unended;
        self.number += begun;
        self.met.records += begun;
        self.met.bytes += bytes as u64;
        self.watch.record(self.number.saturating_sub(1));
        let from = self.start;
        self.consume(bytes);
        Ok(Some(&self.buffer[from..from + bytes]))
    }
}
