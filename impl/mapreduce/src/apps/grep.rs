//! Distributed grep, the paper's first example (§2.3).

use regex::bytes::Regex;

use crate::app::Application;
use crate::collect::Emitter;
use crate::error::{Error, Outcome};
use crate::groups::Values;
use crate::input::Record;
use crate::reduce::Output;

/// The lines that match a regular expression, as `file TAB line`, in the order in which they stand in the file.
#[derive(Clone, Debug)]
pub struct Grep {
    pattern: Regex,
}

impl Grep {
    /// The only argument is the pattern, in the syntax of the crate `regex`: `(?i)` at its beginning ignores case.
    ///
    /// # Errors
    /// When there is no pattern, or more than one, or it is none.
    pub fn new(arguments: &[String]) -> Result<Self, Error> {
        let [pattern] = arguments else {
            return Err(Error::Usage("grep takes one argument, the pattern".to_owned()));
        };
        let pattern = Regex::new(pattern).map_err(|error| Error::Usage(error.to_string()))?;
        Ok(Self { pattern })
    }
}

impl Application for Grep {
    fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
        if self.pattern.is_match(record.bytes) {
            out.emit(record.file.as_bytes(), record.bytes);
        }
        Ok(())
    }

    fn reduce(&self, key: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome {
        while let Some(line) = values.next() {
            out.write(key, line);
        }
        Ok(())
    }
}
