//! Word count: the job that everybody measures.

use super::Words;
use crate::app::{Application, Combiner};
use crate::collect::{Emitter, overflow, parse_integer};
use crate::error::{Failure, Outcome};
use crate::groups::Values;
use crate::input::Record;
use crate::reduce::Output;

/// How often each word comes: see [`Words`].
#[derive(Clone, Debug, Default)]
pub struct Wc {
    words: Words,
}

impl Application for Wc {
    fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
        self.words.each(record.bytes, |word| out.count(word, 1));
        Ok(())
    }

    fn reduce(&self, key: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome {
        out.write(key, sum(key, values)?.to_string().as_bytes());
        Ok(())
    }

    fn combiner(&self) -> Combiner {
        Combiner::Sum
    }
}

/// The sum of decimal integers: what [`Combiner::Sum`] leaves to the reduce function.
///
/// # Errors
/// When a value is no integer, or the sum needs more than 64 bits.
pub fn sum(key: &[u8], values: &mut Values<'_>) -> Result<i64, Failure> {
    let mut sum: i64 = 0;
    while let Some(value) = values.next() {
        let amount = parse_integer(value).ok_or("a value is no integer")?;
        sum = sum.checked_add(amount).ok_or_else(|| overflow(key))?;
    }
    Ok(sum)
}
