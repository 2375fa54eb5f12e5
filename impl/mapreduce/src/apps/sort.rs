//! Sorting more than fits into memory: the order is the engine's, the application only divides the keys.

use std::sync::Arc;
use std::thread;

use memchr::memchr;

use crate::app::Application;
use crate::bytes::prefix;
use crate::collect::Emitter;
use crate::error::{Error, Outcome};
use crate::groups::Values;
use crate::input::{Compression, Form, Record, Records, Split};
use crate::reduce::Output;
use crate::store::{Opened, Part, Store, Stores};
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
/// How many places are looked at at once in an object store, where that is mostly waiting.
const FAR_LANES: usize = 16;
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
    let (mut places, mut stores) = (Vec::new(), Stores::default());
    // How far behind the beginning of the split the next place is.
    let mut ahead = 0;
    for split in splits {
        let store = stores.of(&split.path)?;
        if split.compression != Compression::None {
            places.push(Spot { split, store, offset: None });
            continue;
        }
        while ahead < split.length {
            let (store, offset) = (Arc::clone(&store), Some(split.start + ahead));
            places.push(Spot { split, store, offset });
            ahead += step;
        }
        ahead -= split.length;
    }
    let far = splits.iter().any(|split| split.path.local().is_none());
    let each = places.len().div_ceil(if far { FAR_LANES } else { 1 }).max(1);
    let mut keys = thread::scope(|scope| {
        let lanes = places.chunks(each).map(|lane| scope.spawn(|| keys_at(lane)));
        let lanes: Vec<_> = lanes.collect();
        let end = |lane: thread::ScopedJoinHandle<'_, _>| {
            lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        lanes.into_iter().map(end).collect::<Result<Vec<_>, Error>>()
    })?
    .concat();
    keys.sort_unstable();
    let border = |index: u32| {
        let at = keys.len() as u64 * u64::from(index) / u64::from(reduces);
        keys.get(at as usize).cloned()
    };
    Ok((1..reduces).filter_map(border).collect())
}

/// A place that is looked at.
struct Spot<'a> {
    split: &'a Split,
    store: Arc<dyn Store>,
    /// None in a compressed file, of which only the beginning can be reached.
    offset: Option<u64>,
}

/// The lines there.
fn keys_at(spots: &[Spot<'_>]) -> Result<Vec<Vec<u8>>, Error> {
    let mut keys = Vec::new();
    for of_split in spots.chunk_by(|one, other| std::ptr::eq(one.split, other.split)) {
        let Spot { split, store, .. } = &of_split[0];
        let refused = |error: std::io::Error| {
            Error::input(&split.name, format!("can't be read to sample its lines: {error}"))
        };
        if split.compression != Compression::None {
            first_lines(&**store, split, &mut keys)?;
            continue;
        }
        let mut file = store.open(&split.path, Part::End, &Unwatched).map_err(refused)?;
        for offset in of_split.iter().filter_map(|spot| spot.offset) {
            lines_at(&mut *file, offset, &mut keys).map_err(refused)?;
        }
    }
    Ok(keys)
}

/// The lines that lie in the bytes at a place; where none is whole, what there is of one.
fn lines_at(file: &mut dyn Opened, offset: u64, keys: &mut Vec<Vec<u8>>) -> std::io::Result<()> {
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

fn first_lines(store: &dyn Store, split: &Split, keys: &mut Vec<Vec<u8>>) -> Result<(), Error> {
    let place = Place { job: String::new(), index: 0, attempt: 0, maps: 1, reduces: 1 };
    let task = MapTask {
        place,
        split: split.clone(),
        folder: std::path::PathBuf::new(),
        limits: Limits::default(),
        skip: Vec::new(),
        debug_intermediate: false,
    };
    let mut records = Records::open(store, &task, Form::RawLines, &Unwatched)?;
    let mut bytes = 0;
    while bytes < COMPRESSED_BYTES
        && let Some(record) = records.next()?
    {
        bytes += record.bytes.len() + 1;
        keys.push(record.bytes.to_vec());
    }
    Ok(())
}
