//! Attempts that fail, are called off, skip records, and are published.

use std::fs;
use std::sync::atomic::Ordering;

use mapreduce::apps::Program;
use mapreduce::apps::sort::{Sort, sample};
use mapreduce::{
    Application, Blame, Combiner, Counters, Durability, Emitter, Error, Limits, Outcome, Output,
    Record, Unwatched, Values, output_path, publish, run_map, run_reduce,
};

use crate::support::{Scratch, Setting, Witness, job, names, planned};

/// Does not like some words.
struct Picky;

impl Application for Picky {
    fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
        match record.bytes {
            b"panic" => panic!("it is {}", "unbearable"),
            b"fail" => return Err("not this".into()),
            _ => {}
        }
        out.counter("lines", "seen", 1);
        out.status("mapping");
        out.count(record.bytes, 1);
        Ok(())
    }

    fn reduce(&self, key: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome {
        if key == b"burn" {
            return Err(std::io::Error::other("burnt").into());
        }
        out.counter("keys", "seen", 1);
        out.write(key, values.collect().len().to_string().as_bytes());
        Ok(())
    }
}

#[test]
fn bad_records_are_named_and_skipped() {
    let scratch = Scratch::new();
    let word = scratch.write("text", "a\npanic\nb\nfail\nb\nburn\nc\n");
    let setting = Setting { reduces: 1, ..Setting::default() };
    let splits = planned(&Picky, &[word], &setting).expect("a plan");
    let job = job(&scratch, splits, &setting);
    let mut task = job.map_task(0, 0);
    let witness = Witness::default();
    let error = run_map(&task, &Picky, &witness).expect_err("it panics");
    assert_eq!((error.blame(), error.record()), (Blame::Application, Some(1)));
    assert!(error.to_string().contains("at record 1: panic: it is unbearable"), "{error}");
    assert_eq!(witness.record.load(Ordering::Relaxed), 1, "told before the application was called");
    task.skip.push(1..2);
    let error = run_map(&task, &Picky, &Unwatched).expect_err("it fails");
    assert_eq!(error.record(), Some(3), "skipped records keep their numbers");
    assert!(error.to_string().contains("not this"), "{error}");
    task.skip = vec![1..2, 3..4];
    let made = run_map(&task, &Picky, &witness).expect("nothing bad is left");
    assert_eq!(witness.said(), ["status mapping"; 6], "one of them before the panic");
    assert_eq!((made.counters.input_records, made.counters.skipped_records), (5, 2));
    assert_eq!(made.counters.own["lines"]["seen"], 5);
    let mut task = job.reduce_task(0, 0, vec![made.file]);
    let error = run_reduce(&task, &Picky, &Unwatched).expect_err("it fails");
    assert_eq!((error.blame(), error.record()), (Blame::Application, Some(2)));
    assert!(error.to_string().contains("burnt"), "{error}");
    task.skip.push(2..3);
    let done = run_reduce(&task, &Picky, &witness).expect("nothing bad is left");
    assert_eq!(fs::read(&done.path).expect("an output"), b"a\t1\nb\t2\nc\t1\n");
    let Counters { groups, skipped_records, output_records, output_bytes, own, .. } = done.counters;
    assert_eq!((groups, skipped_records, output_records, output_bytes), (3, 1, 3, done.bytes));
    assert_eq!(own["keys"]["seen"], 3);
}

#[test]
fn attempts_that_are_called_off() {
    let scratch = Scratch::new();
    let word = scratch.write("text", "some words\n".repeat(5_000));
    let limits = Limits { memory_bytes: 16 << 10, open_files: 2, ..Limits::default() };
    let setting = Setting { reduces: 1, split_bytes: 20_000, limits };
    let app = Sort::new(Vec::new());
    let splits = planned(&app, &[word], &setting).expect("a plan");
    let job = job(&scratch, splits, &setting);
    let maps = 0..job.splits.len() as u32;
    let made = |index| run_map(&job.map_task(index, 0), &app, &Unwatched).expect("a map").file;
    let inputs: Vec<_> = maps.map(made).collect();
    let before = names(&job.folder);
    let (mut map_ended, mut reduce_ended) = (false, false);
    for patience in (1..60).chain((60..).step_by(97)) {
        let witness = || Witness { patience, ..Witness::default() };
        let map = run_map(&job.map_task(0, 9), &app, &witness());
        let reduce = run_reduce(&job.reduce_task(0, 9, inputs.clone()), &app, &witness());
        if let Ok(made) = &map {
            fs::remove_file(made.file.path.local().expect("a path")).expect("the file");
        }
        if let Ok(made) = &reduce {
            fs::remove_file(&made.path).expect("the file");
        }
        assert_eq!(names(&job.folder), before, "after {patience}");
        map_ended = ended(map);
        reduce_ended = ended(reduce);
        if map_ended && reduce_ended {
            assert!(patience > 1_000);
            break;
        }
    }
    assert!(map_ended && reduce_ended);
}

fn ended<T>(result: Result<T, Error>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.blame(), Blame::Nobody, "{error}");
            false
        }
    }
}

#[test]
fn progress_reaches_the_end() {
    let scratch = Scratch::new();
    let word = scratch.write("text", "some words\n".repeat(50_000));
    let setting = Setting { reduces: 1, split_bytes: 1 << 40, ..Setting::default() };
    let app = Sort::new(Vec::new());
    let splits = planned(&app, &[word], &setting).expect("a plan");
    let job = job(&scratch, splits, &setting);
    let witness = Witness::default();
    let made = run_map(&job.map_task(0, 0), &app, &witness).expect("a map");
    let far = |witness: &Witness| {
        (witness.done.load(Ordering::Relaxed), witness.total.load(Ordering::Relaxed))
    };
    assert_eq!(far(&witness), (550_000, 550_000));
    let witness = Witness::default();
    run_reduce(&job.reduce_task(0, 0, vec![made.file]), &app, &witness).expect("a reduce");
    assert_eq!(far(&witness), (made.partition_bytes[0], made.partition_bytes[0]));
}

/// Breaks what an application promises.
#[derive(Clone, Copy)]
enum Wrong {
    Value,
    Sum,
    Partition,
}

impl Application for Wrong {
    fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
        match self {
            Self::Value => out.emit(b"key", record.bytes),
            Self::Sum => out.count(b"key", i64::MAX),
            Self::Partition => out.count(record.bytes, 1),
        }
        Ok(())
    }

    fn reduce(&self, _: &[u8], _: &mut Values<'_>, _: &mut Output<'_>) -> Outcome {
        Ok(())
    }

    fn combiner(&self) -> Combiner {
        Combiner::Sum
    }

    fn partition(&self, _: &[u8], reduces: u32) -> u32 {
        if matches!(self, Self::Partition) { reduces } else { 0 }
    }
}

#[test]
fn applications_that_break_their_promise() {
    for (wrong, record, words) in [
        (Wrong::Value, Some(1), "decimal integer of 64 bits, and \"two\" is none"),
        (Wrong::Sum, Some(1), "the sum of \"key\" needs more than 64 bits"),
        (Wrong::Partition, None, "its partition function says 3, and there are 3"),
    ] {
        let scratch = Scratch::new();
        let word = scratch.write("text", "1\ntwo\n");
        let splits = planned(&wrong, &[word], &Setting::default()).expect("a plan");
        let job = job(&scratch, splits, &Setting::default());
        let error = run_map(&job.map_task(0, 0), &wrong, &Unwatched).expect_err("refused");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!((error.blame(), error.record()), (Blame::Application, record));
        assert_eq!(names(&job.folder), [""; 0]);
    }
}

/// Tasks, programs and results can be sent and kept as data.
#[test]
fn tasks_as_data() {
    fn there_and_back<T>(value: &T)
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        let text = serde_json::to_string(value).expect("JSON");
        assert_eq!(&serde_json::from_str::<T>(&text).expect("JSON"), value);
    }
    let scratch = Scratch::new();
    let word = scratch.write("text", "a b\nc\n");
    let setting = Setting { reduces: 1, ..Setting::default() };
    let splits = planned(&Picky, &[word], &setting).expect("a plan");
    let mut job = job(&scratch, splits, &setting);
    let mut task = job.map_task(0, 3);
    task.skip.push(4..5);
    there_and_back(&task);
    let made = run_map(&task, &Picky, &Unwatched).expect("a map");
    there_and_back(&made);
    let task = job.reduce_task(0, 2, vec![made.file]);
    there_and_back(&task);
    there_and_back(&run_reduce(&task, &Picky, &Unwatched).expect("a reduce"));
    there_and_back(&Program::built_in("grep", &["x".to_owned()]));
    let environment = vec![("A".to_owned(), "b".to_owned())];
    let streaming = mapreduce::streaming::Streaming { environment, ..Default::default() };
    there_and_back(&Program::Streaming(streaming));
    job.reduces = 0;
    let error = run_map(&job.map_task(0, 4), &Picky, &Unwatched).expect_err("for nobody");
    assert_eq!(error.blame(), Blame::Job);
}

#[test]
fn publishing() {
    let scratch = Scratch::new();
    let folder = scratch.folder("out");
    for durability in [Durability::Process, Durability::Power] {
        let attempt = scratch.path("work-reduce-1-4");
        fs::write(&attempt, "first").expect("a file");
        let to = output_path(&folder, 1);
        publish(&attempt, &to, durability).expect("it is published");
        publish(&attempt, &to, durability).expect("and was already");
        assert_eq!(fs::read(&to).expect("an output"), b"first");
        assert_eq!(names(&folder), ["mr-out-1"]);
    }
    let error = publish(&scratch.path("none"), &folder.join("mr-out-2"), Durability::Process);
    assert!(error.expect_err("there is nothing").to_string().contains("mr-out-2"));
}

/// A sample divides lines of any distribution about evenly, and is always the same.
#[test]
fn sampled_borders() {
    let scratch = Scratch::new();
    let mut text = String::new();
    for line in 0_u64..60_000 {
        // Most keys are small ones.
        let key = (line * line * line) % 1_000_003 / (1 + line % 50);
        text.push_str(&format!("{key:07} of {line}\n"));
    }
    let word = scratch.write("text", &text);
    let setting = Setting { reduces: 5, split_bytes: 100_000, ..Setting::default() };
    let mut program = Program::built_in("sort", &[]);
    let splits = planned(&*program.load().expect("sort"), &[word], &setting).expect("a plan");
    program.prepare(&splits, 5).expect("a sample");
    assert_eq!(sample(&splits, 5).expect("a sample"), sample(&splits, 5).expect("a sample"));
    let sort = program.load().expect("sort");
    let job = job(&scratch, splits, &setting);
    mapreduce::run_sequential(&job, &*sort, &Unwatched).expect("the job runs");
    let mut output = String::new();
    for reduce in 0..5 {
        let part = fs::read_to_string(output_path(&job.out, reduce)).expect("an output");
        let lines = part.lines().count();
        assert!((8_000..17_000).contains(&lines), "output {reduce} has {lines} of 60000 lines");
        output.push_str(&part);
    }
    let mut expected: Vec<_> = text.lines().collect();
    expected.sort_unstable();
    assert!(output.lines().eq(expected));
}

#[test]
fn counters_are_bounded() {
    let mut counters = Counters::default();
    for name in 0..Counters::MOST {
        counters.add("group", &name.to_string(), 1).expect("there is room");
    }
    counters.add("group", "0", i64::MAX).expect("an old one");
    assert_eq!(counters.own["group"]["0"], i64::MAX);
    assert!(counters.add("group", "one more", 1).is_err());
    assert!(Counters::default().add("group", &"x".repeat(257), 1).is_err());
    let mut sum = Counters { input_records: 1, ..Counters::default() };
    sum.merge(&counters);
    sum.merge(&counters);
    assert_eq!((sum.own["group"]["1"], sum.input_records), (2, 1));
}
