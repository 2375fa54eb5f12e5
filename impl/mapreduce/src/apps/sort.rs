//! Sorting more than fits into memory: the order is the engine's, the application only divides the keys.

use std::fs::File;
use std::os::unix::fs::FileExt;

use memchr::memchr;

use crate::app::Application;
use crate::bytes::prefix;
use crate::collect::Emitter;
use crate::error::{Error, Outcome};
use crate::groups::Values;
use crate::input::{Compression, Form, Record, Records, Split};
use crate::reduce::Output;
use crate::task::{Limits, MapTask, Place, Unwatched};

/// All lines in the order of their bytes, as often as they come. The outputs of the reduce tasks, one behind the other,
/// are sorted: each reduce task has the keys between two borders, which divide a sample evenly.
#[derive(Clone, Debug)]
pub struct Sort {
    borders: Vec<Vec<u8>>,
    prefixes: Vec<u64>,
}

impl Sort {
    /// `borders` in order: of n reduce tasks, n − 1. With fewer, the last reduce tasks get nothing.
    pub fn new(mut borders: Vec<Vec<u8>>) -> Self {
        borders.sort();
        let prefixes = borders.iter().map(|border| prefix(border)).collect();
        Self { borders, prefixes }
    }
}

impl Application for Sort {
    fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
        out.emit(record.bytes, b"");
        Ok(())
    }

    fn reduce(&self, key: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome {
        while values.next().is_some() {
            out.line(key);
        }
        Ok(())
    }

    /// The number of borders that are not greater.
    fn partition(&self, key: &[u8], reduces: u32) -> u32 {
        let first = prefix(key);
        let mut below = self.prefixes.partition_point(|border| *border < first);
        while self.prefixes.get(below) == Some(&first) && *self.borders[below] <= *key {
            below += 1;
        }
        (below as u32).min(reduces.saturating_sub(1))
    }

    /// Nothing of a line may be lost.
    fn form(&self) -> Form {
        Form::RawLines
    }
}

/// At how many places the input is looked at for each reduce task, and at most in all.
const PLACES: (u64, u64) = (64, 8_192);
/// How much is read at a place.
const PLACE_BYTES: u64 = 4 << 10;
/// How much is read of the beginning of a compressed file, whose middle can't be reached.
const COMPRESSED_BYTES: usize = 1 << 20;

/// The keys that divide the input evenly among the reduce tasks, as far as lines at evenly spaced places tell. The same
/// input gives the same keys.
///
/// # Errors
/// When the input can't be read.
pub fn sample(splits: &[Split], reduces: u32) -> Result<Vec<Vec<u8>>, Error> {
    let total: u64 = splits.iter().map(|split| split.length).sum();
    let places = (u64::from(reduces) * PLACES.0).min(PLACES.1);
    let step = (total / places).max(PLACE_BYTES);
    let mut keys = Vec::new();
    // How far behind the beginning of the split the next place is.
    let mut ahead = 0;
    for split in splits {
        if split.compression != Compression::None {
            first_lines(split, &mut keys)?;
            continue;
        }
        let refused = |error: std::io::Error| {
            Error::input(&split.name, format!("can't be read to sample its lines: {error}"))
        };
        if ahead < split.length {
            let file = File::open(&split.path).map_err(refused)?;
            while ahead < split.length {
                lines_at(&file, split.start + ahead, &mut keys).map_err(refused)?;
                ahead += step;
            }
        }
        ahead -= split.length;
    }
    keys.sort_unstable();
    let border = |index: u32| {
        let at = keys.len() as u64 * u64::from(index) / u64::from(reduces);
        keys.get(at as usize).cloned()
    };
    Ok((1..reduces).filter_map(border).collect())
}

/// The lines that lie in the bytes at a place; where none is whole, what there is of one.
fn lines_at(file: &File, offset: u64, keys: &mut Vec<Vec<u8>>) -> std::io::Result<()> {
    let mut bytes = vec![0; PLACE_BYTES as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    let mut text = &bytes[..filled];
    if offset > 0
        && let Some(at) = memchr(b'\n', text)
    {
        text = &text[at + 1..];
    }
    if memchr(b'\n', text).is_none() && !text.is_empty() {
        keys.push(text.to_vec());
    }
    while let Some(at) = memchr(b'\n', text) {
        keys.push(text[..at].to_vec());
        text = &text[at + 1..];
    }
    Ok(())
}

fn first_lines(split: &Split, keys: &mut Vec<Vec<u8>>) -> Result<(), Error> {
    let place = Place { job: String::new(), index: 0, attempt: 0, maps: 1, reduces: 1 };
    let task = MapTask {
        place,
        split: split.clone(),
        folder: std::path::PathBuf::new(),
        limits: Limits::default(),
        skip: Vec::new(),
        debug_intermediate: false,
    };
    let mut records = Records::open(&task, Form::RawLines, &Unwatched)?;
    let mut bytes = 0;
    while bytes < COMPRESSED_BYTES
        && let Some(record) = records.next()?
    {
        bytes += record.bytes.len() + 1;
        keys.push(record.bytes.to_vec());
    }
    Ok(())
}
