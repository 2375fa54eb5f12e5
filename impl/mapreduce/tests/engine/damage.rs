//! A damaged intermediate file is an error that names its map task, never wrong output.

use std::fs;
use std::path::Path;

use mapreduce::apps::Program;
use mapreduce::{
    Application, Blame, Error, Intermediate, Job, Limits, Unwatched, for_each_pair, run_map,
    run_reduce,
};

use crate::support::{Scratch, Setting, job, names, planned};

const REDUCES: u32 = 2;

struct Made {
    scratch: Scratch,
    job: Job,
    app: Box<dyn Application>,
    inputs: Vec<Intermediate>,
}

/// A job whose maps are done: two tasks, several runs a partition.
fn made() -> Made {
    let scratch = Scratch::new();
    let text = "the quick brown fox jumps over the lazy dog again and again\n".repeat(12);
    let word = scratch.write("text", text);
    let limits = Limits { memory_bytes: 1 << 10, ..Limits::default() };
    let setting = Setting { reduces: REDUCES, split_bytes: 400, limits };
    let app = Program::built_in("indexer", &[]).load().expect("an application");
    let splits = planned(&*app, &[word], &setting).expect("a plan");
    assert_eq!(splits.len(), 2);
    let job = job(&scratch, splits, &setting);
    let run = |index| {
        let made = run_map(&job.map_task(index, 7), &*app, &Unwatched).expect("a map");
        assert_eq!((made.file.map, made.file.attempt), (index, 7));
        assert!(made.partition_bytes.iter().all(|bytes| *bytes > 0), "{made:?}");
        made.file
    };
    let inputs = (0..2).map(run).collect();
    Made { scratch, job, app, inputs }
}

impl Made {
    /// The output of each reduce task, or its error.
    fn reduce(&self) -> Vec<Result<Vec<u8>, Error>> {
        let one = |index| {
            let task = self.job.reduce_task(index, 3, self.inputs.clone());
            let done = run_reduce(&task, &*self.app, &Unwatched)?;
            let bytes = fs::read(&done.path).expect("an output");
            fs::remove_file(&done.path).expect("an output");
            Ok(bytes)
        };
        (0..REDUCES).map(one).collect()
    }

    fn check(&self, good: &[Vec<u8>], what: &str) {
        let mut seen = false;
        for (result, good) in self.reduce().into_iter().zip(good) {
            match result {
                Ok(bytes) => assert_eq!(&bytes, good, "{what}: wrong output"),
                Err(error) => {
                    let lost = Blame::MapOutput { map: 1, attempt: 7 };
                    assert_eq!(error.blame(), lost, "{what}: {error}");
                    seen = true;
                }
            }
        }
        assert!(seen, "{what}: nobody saw it");
        let left = names(&self.job.folder);
        assert!(left.iter().all(|name| name.starts_with("map-")), "{what}: {left:?}");
    }
}

fn damaged(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("the file can be written");
}

#[test]
fn every_byte_and_every_length() {
    let made = made();
    let good: Vec<_> = made.reduce().into_iter().map(|bytes| bytes.expect("a result")).collect();
    assert!(good.iter().all(|bytes| !bytes.is_empty()));
    let path = made.inputs[1].path.local().expect("a path");
    let whole = fs::read(path).expect("the file");
    for at in 0..whole.len() {
        for flip in [1 << (at % 8), 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            damaged(path, &bytes);
            made.check(&good, &format!("byte {at} with {flip:#x}"));
        }
    }
    for length in 0..whole.len() {
        damaged(path, &whole[..length]);
        made.check(&good, &format!("cut to {length}"));
    }
    damaged(path, &[&whole[..], b"\0"].concat());
    made.check(&good, "one byte more");
    damaged(path, &[&whole[..], &whole[..]].concat());
    made.check(&good, "twice");
    damaged(path, &fs::read(made.inputs[0].path.local().expect("a path")).expect("the file"));
    made.check(&good, "another task's file");
    fs::remove_file(path).expect("the file");
    made.check(&good, "gone");
    damaged(path, &whole);
    let again: Vec<_> = made.reduce().into_iter().map(|bytes| bytes.expect("a result")).collect();
    assert_eq!(again, good);
}

/// A whole block, with its checksum, in the place of another is damage too.
#[test]
fn blocks_in_each_others_place() {
    let scratch = Scratch::new();
    let lines: String = (1_000..1_400).map(|number| format!("{number}\n")).collect();
    let word = scratch.write("text", lines);
    let limits = Limits { memory_bytes: 16 << 10, ..Limits::default() };
    let setting = Setting { reduces: 1, limits, ..Setting::default() };
    let app = Program::built_in("sort", &[]).load().expect("an application");
    let splits = planned(&*app, &[word], &setting).expect("a plan");
    let job = job(&scratch, splits, &setting);
    let made = run_map(&job.map_task(0, 0), &*app, &Unwatched).expect("a map");
    let whole = fs::read(made.file.path.local().expect("a path")).expect("the file");
    let length =
        |at: usize| u32::from_le_bytes(whole[at..at + 4].try_into().expect("four")) as usize;
    // Behind the magic: two blocks of lines of equal length, each with a header of eight bytes.
    let (first, block) = (8, 8 + length(8));
    assert_eq!(length(first + block), length(first), "they are equally long");
    let mut swapped = whole.clone();
    let (one, two) = swapped[first..first + 2 * block].split_at_mut(block);
    one.swap_with_slice(two);
    damaged(made.file.path.local().expect("a path"), &swapped);
    let task = job.reduce_task(0, 0, vec![made.file.clone()]);
    let error = run_reduce(&task, &*app, &Unwatched).expect_err("it is seen");
    assert_eq!(error.blame(), Blame::MapOutput { map: 0, attempt: 0 });
    damaged(made.file.path.local().expect("a path"), &whole);
    run_reduce(&task, &*app, &Unwatched).expect("as it was, it can be read");
}

/// A reduce task has to be given what each map task made, once.
#[test]
fn inputs_must_be_complete() {
    let mut made = made();
    let first = made.inputs[0].clone();
    made.inputs.push(first);
    assert!(made.reduce().iter().all(|result| matches!(result, Err(Error::Usage(_)))));
    made.inputs.truncate(1);
    assert!(made.reduce().iter().all(|result| matches!(result, Err(Error::Usage(_)))));
}

/// What people read says what the engine reads.
#[test]
fn json_says_the_same() {
    let mut made = made();
    made.job.debug_intermediate = true;
    let made_again = run_map(&made.job.map_task(1, 8), &*made.app, &Unwatched).expect("a map");
    let json = made.scratch.path("work").join("map-1-8.json");
    let text = fs::read_to_string(json).expect("JSON lines");
    let mut lines = text.lines();
    let order = made.app.order();
    for_each_pair(&made_again.file, REDUCES, order, |partition, key, value| {
        let line: serde_json::Value =
            serde_json::from_str(lines.next().expect("a line")).expect("JSON");
        assert_eq!(line["partition"], partition);
        assert_eq!(line["key"], *String::from_utf8_lossy(key));
        assert_eq!(line["value"], *String::from_utf8_lossy(value));
        Ok(())
    })
    .expect("the file can be read");
    assert_eq!(lines.next(), None);
    assert!(text.lines().count() > 5);
}
