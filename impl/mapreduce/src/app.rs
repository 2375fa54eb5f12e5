//! What a job does to its data: the one trait that an application implements.

use crate::bytes::{Order, default_partition};
use crate::collect::{Combined, Emitter};
use crate::error::{Error, Outcome};
use crate::groups::{Groups, Values};
use crate::input::{Form, Record, Records};
use crate::reduce::Output;

/// What may be done to the values of a key before they leave the map task, so that less is written, sorted and sent.
/// It may be done never, once, or several times to a key, so it must not show in the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Combiner {
    /// Nothing.
    #[default]
    None,
    /// Values are decimal integers (64 bits) and only their sum counts. The fastest by far: keys stay in a hash table,
    /// and nothing is sorted before it is full.
    Sum,
    /// [`Application::combine`].
    Group,
}

/// A map and a reduce function, and what else there is to say of a job.
///
/// Keys and values are bytes. The same application runs in every worker, on several threads perhaps, and an attempt
/// may run twice or be thrown away: functions must give the same result for the same input, and must not remember.
///
/// ```
/// use mapreduce::{Application, Combiner, Emitter, Outcome, Output, Record, Values};
///
/// /// The longest line that begins with each letter.
/// struct Longest;
///
/// impl Application for Longest {
///     fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
///         if let Some(first) = record.bytes.get(..1) {
///             out.emit(first, record.bytes);
///         }
///         Ok(())
///     }
///
///     fn reduce(&self, key: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome {
///         let longest = values.collect().into_iter().max_by_key(Vec::len).ok_or("no line")?;
///         out.write(key, &longest);
///         Ok(())
///     }
/// }
///
/// let out = mapreduce::reference::run(&Longest, &[("a.txt", b"to\ntell\nbe\n")], 1).unwrap();
/// assert_eq!(out[0], b"b\tbe\nt\ttell\n");
/// ```
pub trait Application: Send + Sync {
    /// Emits the pairs that a record gives.
    ///
    /// # Errors
    /// Fails the attempt; the record becomes a candidate for the skip list. A panic does the same.
    fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome;

    /// Writes the lines that a key with all its values gives.
    ///
    /// # Errors
    /// As [`Application::map`].
    fn reduce(&self, key: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome;

    /// Whether and how a map task combines.
    fn combiner(&self) -> Combiner {
        Combiner::None
    }

    /// For [`Combiner::Group`]: gives fewer values for a key. Keys must not change: see [`Combined::pair`].
    ///
    /// # Errors
    /// As [`Application::map`].
    fn combine(&self, key: &[u8], values: &mut Values<'_>, out: &mut Combined<'_>) -> Outcome {
        while let Some(value) = values.next() {
            out.pair(key, value);
        }
        Ok(())
    }

    /// Which reduce task gets a key, less than `reduces`. It depends on nothing else.
    fn partition(&self, key: &[u8], reduces: u32) -> u32 {
        default_partition(key, reduces)
    }

    /// In which order a reduce task meets its keys.
    fn order(&self) -> Order {
        Order::Bytes
    }

    /// What a record is.
    fn form(&self) -> Form {
        Form::Lines
    }

    /// A whole map task, for applications that want more than one record at a time.
    ///
    /// # Errors
    /// What ends the attempt.
    fn map_task(&self, records: &mut Records<'_>, out: &mut Emitter<'_>) -> Result<(), Error> {
        while let Some(record) = records.next()? {
            self.map(&record, out)?;
            out.check()?;
        }
        Ok(())
    }

    /// Combines a whole run.
    ///
    /// # Errors
    /// What ends the attempt.
    fn combine_run(&self, groups: &mut Groups<'_>, out: &mut Combined<'_>) -> Result<(), Error> {
        while let Some((key, mut values)) = groups.next() {
            self.combine(key, &mut values, out)?;
            out.check()?;
        }
        Ok(())
    }

    /// A whole reduce task.
    ///
    /// # Errors
    /// What ends the attempt.
    fn reduce_task(&self, groups: &mut Groups<'_>, out: &mut Output<'_>) -> Result<(), Error> {
        while let Some((key, mut values)) = groups.next() {
            self.reduce(key, &mut values, out)?;
            out.check()?;
        }
        Ok(())
    }
}

impl From<crate::error::Failure> for Error {
    fn from(failure: crate::error::Failure) -> Self {
        Self::Application { message: failure.0, record: None }
    }
}
