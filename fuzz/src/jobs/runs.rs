//! The intermediate file: what a map task has written, by partition and sorted.

use super::super::bytes::Choices;
use super::super::scratch;
use super::super::wal::crc32c;
use super::{edit, put};
use mapreduce::input::{Compression, Form};
use mapreduce::{
    Application, Emitter, Error, Intermediate, Limits, MapTask, Order, Outcome, Output, Place,
    Record, ReduceTask, Split, Unwatched, Values, default_partition, for_each_pair, reference,
    run_map, run_reduce,
};
use std::path::Path;

const REDUCES: u32 = 3;
/// Little memory, so that there are several runs.
const LIMITS: Limits = Limits { memory_bytes: 1 << 10, record_bytes: 1 << 20, open_files: 4 };

/// Lines are pairs, with a tab between key and value.
struct Lines;

impl Application for Lines {
    fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
        let mut parts = record.bytes.splitn(2, |byte| *byte == b'\t');
        let [key, value] = [parts.next(), parts.next()].map(Option::unwrap_or_default);
        out.emit(key, value);
        Ok(())
    }

    fn reduce(&self, key: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome {
        while let Some(value) = values.next() {
            out.write(key, value);
        }
        Ok(())
    }

    fn form(&self) -> Form {
        Form::RawLines
    }
}

/// A pair and its partition.
type Pair = (u32, Vec<u8>, Vec<u8>);

fn place(index: u32) -> Place {
    Place { job: "fuzz".into(), index, attempt: 1, maps: 1, reduces: REDUCES }
}

fn id(path: &Path) -> Intermediate {
    Intermediate { map: 0, attempt: 1, path: path.to_owned().into() }
}

/// The pairs of a file; none if it is refused, for what it says.
fn read(file: &[u8]) -> Option<Vec<Pair>> {
    let dir = scratch("runs");
    put(&dir, "map-0-1", file);
    let id = id(&dir.join("map-0-1"));
    let mut pairs = Vec::new();
    let read = for_each_pair(&id, REDUCES, Order::Bytes, |partition, key, value| {
        pairs.push((partition, key.to_vec(), value.to_vec()));
        Ok(())
    });
    if let Err(error) = &read {
        assert!(matches!(error, Error::Intermediate { map: 0, attempt: 1, .. }), "{error}");
    }
    reduce(&dir, &id, read.is_ok());
    read.is_ok().then_some(pairs)
}

/// A reduce of the file ends too, and with an output if it is good.
fn reduce(dir: &Path, input: &Intermediate, is_good: bool) {
    for index in 0..REDUCES {
        let (place, folder) = (place(index), dir.to_owned());
        let inputs = vec![input.clone()];
        let task = ReduceTask { place, inputs, folder, limits: LIMITS, skip: Vec::new() };
        let reduced = run_reduce(&task, &Lines, &Unwatched);
        assert_eq!(task.path().exists(), reduced.is_ok(), "there is an output or an error");
        if let Err(error) = &reduced {
            assert!(!is_good || matches!(error, Error::Application { .. }), "{error}");
        }
    }
}

/// Bytes as they are. Whether they are pairs.
pub(super) fn raw(bytes: &[u8]) -> bool {
    read(bytes).is_some_and(|pairs| !pairs.is_empty())
}

/// A text of pairs.
fn text(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..choices.below(30) {
        for (bytes, end) in [(choices.below(3), b'\t'), (choices.below(60), b'\n')] {
            text.extend(choices.take(bytes).iter().filter(|byte| !b"\t\n".contains(byte)));
            text.push(end);
        }
    }
    text
}

/// What a map task makes of a text, and the pairs that must be in it.
fn written(text: &[u8]) -> (Vec<u8>, Vec<Pair>) {
    let dir = scratch("runs");
    put(&dir, "text", text);
    let (name, path) = ("text".to_owned(), dir.join("text").into());
    let (start, length, compression) = (0, text.len() as u64, Compression::None);
    let split = Split { name, path, start, length, file_bytes: length, compression };
    let task = MapTask {
        place: place(0),
        split,
        folder: dir.to_owned(),
        limits: LIMITS,
        skip: Vec::new(),
        debug_intermediate: false,
    };
    let made = run_map(&task, &Lines, &Unwatched).expect("a text can be mapped");
    let file = std::fs::read(made.file.path.local().expect("a path")).expect("the file is there");
    let pairs = reference::map(&Lines, "text", text).expect("a text can be mapped");
    let of = |(key, value): (Vec<u8>, Vec<u8>)| (default_partition(&key, REDUCES), key, value);
    let mut pairs: Vec<Pair> = pairs.into_iter().map(of).collect();
    pairs.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
    (file, pairs)
}

/// A file that was written, and then changed behind its back.
pub(super) fn edited(bytes: &[u8]) -> bool {
    let mut choices = Choices::new(bytes);
    let (mut file, pairs) = written(&text(&mut choices));
    let changed = edit(&mut file, &mut choices);
    let found = read(&file);
    match changed {
        true => assert_eq!(found, None, "what was changed is refused"),
        false => assert_eq!(found, Some(pairs), "what was written is read"),
    }
    true
}

/// Blocks and an index of anything, under right checksums.
pub(super) fn sealed(bytes: &[u8]) -> bool {
    let mut choices = Choices::new(bytes);
    let mut file = b"quoMRf1\n".to_vec();
    let mut starts = Vec::new();
    for _ in 0..choices.below(5) {
        let length = choices.below(100);
        let payload = choices.take(length);
        starts.push((file.len() as u64, payload.len() as u64 + 8));
        let (offset, length) = (file.len() as u64, payload.len() as u32);
        let place = [&offset.to_le_bytes()[..], &length.to_le_bytes()].concat();
        file.extend(length.to_le_bytes());
        file.extend(crc32c(crc32c(0, &place), payload).to_le_bytes());
        file.extend_from_slice(payload);
    }
    let offset = file.len() as u64;
    let mut index = Vec::new();
    for number in [0, 1, REDUCES] {
        index.extend((number ^ u32::from(choices.byte() / 250)).to_le_bytes());
    }
    for _ in 0..REDUCES {
        let runs = choices.below(4);
        index.extend((runs as u32).to_le_bytes());
        for _ in 0..runs {
            let (start, bytes) = if starts.is_empty() { (8, 0) } else { choices.pick(&starts) };
            for right in [start, bytes, u64::from(choices.byte()), bytes] {
                let wrong = choices.byte();
                let number = match wrong {
                    0..200 => right,
                    200..230 => u64::from(wrong),
                    _ => u64::MAX - u64::from(choices.byte()),
                };
                index.extend(number.to_le_bytes());
            }
        }
    }
    index.extend_from_slice(choices.take(usize::from(choices.clone().byte() / 200)));
    let length = index.len() as u32;
    index.extend(offset.to_le_bytes());
    index.extend(length.to_le_bytes());
    file.extend_from_slice(&index);
    file.extend(crc32c(0, &index).to_le_bytes());
    file.extend(b"quoMRend");
    raw(&file)
}

/// A file.
pub(super) fn file(choices: &[u8]) -> Vec<u8> {
    written(&text(&mut Choices::new(choices))).0
}

/// One block of two pairs, and an index that has it in each partition.
pub(super) fn sealed_seed(choices: &[u8]) -> Vec<u8> {
    let value = choices.first().copied().unwrap_or(0);
    let block = [2, 1, b'k', value, 3, 1, b'w'];
    // One run, of the one block, with two records; nothing is wrong with its four numbers.
    let index = [1, 0, 2, 0, 0, 0, 0].repeat(REDUCES as usize);
    [&[1, block.len() as u8][..], &block, &[0, 0, 0], &index].concat()
}
