//! The inverted index of the labs.

use super::Words;
use crate::app::{Application, Combiner};
use crate::collect::{Combined, Emitter};
use crate::error::{Error, Outcome};
use crate::groups::Values;
use crate::input::{Record, Records};
use crate::reduce::Output;

use hashbrown::HashSet;

/// For each word, `number of files, space, their names with commas`, the names in order.
#[derive(Clone, Debug, Default)]
pub struct Indexer {
    words: Words,
}

/// How many bytes of words a map task remembers, so that it need not emit them again. To forget is allowed: the
/// reduce function takes a file once.
const REMEMBERED_BYTES: usize = 8 << 20;

impl Application for Indexer {
    fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
        self.words.each(record.bytes, |word| out.emit(word, record.file.as_bytes()));
        Ok(())
    }

    fn map_task(&self, records: &mut Records<'_>, out: &mut Emitter<'_>) -> Result<(), Error> {
        let hasher = foldhash::fast::RandomState::default();
        let mut known: HashSet<Box<[u8]>, _> = HashSet::with_hasher(hasher);
        let mut bytes = 0;
        while let Some(record) = records.next()? {
            self.words.each(record.bytes, |word| {
                if known.contains(word) {
                    return;
                }
                if bytes > REMEMBERED_BYTES {
                    known.clear();
                    bytes = 0;
                }
                bytes += word.len() + 32;
                known.insert(word.into());
                out.emit(word, record.file.as_bytes());
            });
            out.check()?;
        }
        Ok(())
    }

    fn reduce(&self, key: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome {
        let files = files(values);
        let mut line = files.len().to_string().into_bytes();
        line.push(b' ');
        line.extend_from_slice(&files.join(&b","[..]));
        out.write(key, &line);
        Ok(())
    }

    fn combiner(&self) -> Combiner {
        Combiner::Group
    }

    fn combine(&self, key: &[u8], values: &mut Values<'_>, out: &mut Combined<'_>) -> Outcome {
        for file in files(values) {
            out.pair(key, &file);
        }
        Ok(())
    }
}

/// Which different files there are, in order. The same file usually comes several times in a row.
fn files(values: &mut Values<'_>) -> Vec<Vec<u8>> {
    let mut files: Vec<Vec<u8>> = Vec::new();
    while let Some(file) = values.next() {
        if files.last().is_none_or(|last| last != file) {
            files.push(file.to_vec());
        }
    }
    files.sort_unstable();
    files.dedup();
    files
}
