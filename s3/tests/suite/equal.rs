//! The output is that of a job whose files are here, byte for byte.

use crate::stage::{Stage, text};

const REDUCES: usize = 3;

/// Runs a job of the files here, and the same of the objects.
fn compare(stage: &Stage, job: &[&str]) {
    let common = ["run", "--workers", "2", "--reduces", "3"];
    let here = [&common[..], job, &["--out", "out", "texts/*.txt"]].concat();
    let there =
        [&common[..], job, &["--out", "s3://bucket/out", "s3://bucket/texts/*.txt"]].concat();
    stage.done(&here);
    stage.done(&there);
    assert_eq!(stage.outputs("out", REDUCES), stage.outputs_here("out", REDUCES), "{job:?}");
}

#[test]
fn word_count() {
    let stage = Stage::with_texts();
    compare(&stage, &["--app", "wc", "--split-bytes", "5K"]);
}

#[test]
fn sort_whose_borders_are_a_sample_of_the_input() {
    let stage = Stage::with_texts();
    compare(&stage, &["--app", "sort", "--split-bytes", "5K", "--memory", "20K"]);
}

#[test]
fn executables() {
    let stage = Stage::with_texts();
    let mapper = "tr -s ' ' '\\n' | sed 's/$/\\t1/'";
    let sum = "awk -F'\\t' '{ sum[$1] += $2 } END { for (key in sum) print key \"\\t\" sum[key] }' | sort";
    let combiner = ["--mapper", mapper, "--combiner", sum, "--reducer", sum];
    compare(&stage, &[&combiner[..], &["--split-bytes", "10K"]].concat());
}

/// Their outputs bear the names of the files.
#[test]
fn grep_and_indexer() {
    let stage = Stage::with_texts();
    for job in [&["--app", "grep", "--arg", "whale whale whale"][..], &["--app", "indexer"]] {
        let common = [&["run", "--workers", "2", "--reduces", "1"], job].concat();
        stage.done(&[&common[..], &["--out", "out", "texts"]].concat());
        stage.done(&[&common[..], &["--out", "s3://bucket/out", "s3://bucket/texts/"]].concat());
        let here = stage.outputs_here("out", 1).concat();
        let here = String::from_utf8(here).expect("text").replace("texts/", "s3://bucket/texts/");
        assert!(here.contains("s3://bucket/texts/packed.txt"), "{here}");
        let mut here: Vec<_> = here.lines().map(str::to_owned).collect();
        here.sort();
        assert_eq!(stage.lines("out", 1), here, "{job:?}");
        std::fs::remove_dir_all(stage.here("out")).expect("it is there");
        std::fs::remove_dir_all(stage.object("out")).expect("it is there");
    }
}

/// Inputs and outputs may be here or there, each for itself.
#[test]
fn from_here_to_there_and_back() {
    let stage = Stage::with_texts();
    let wc = ["run", "--workers", "2", "--reduces", "3", "--app", "wc", "--out"];
    let run = |out: &str, words: &[&str]| stage.done(&[&wc[..], &[out], words].concat());
    run("out", &["texts"]);
    let expected = stage.outputs_here("out", REDUCES);
    run("s3://bucket/a/b", &["texts"]);
    assert_eq!(stage.outputs("a/b", REDUCES), expected);
    run("back", &["s3://bucket/texts"]);
    assert_eq!(stage.outputs_here("back", REDUCES), expected);
    run("s3://bucket/mixed", &["texts/[0-2].txt", "s3://bucket/texts/[!0-2]*"]);
    assert_eq!(stage.outputs("mixed", REDUCES), expected);
    stage.done(
        &[&["run", "--sequential"], &wc[3..], &["s3://bucket/one", "s3://bucket/texts"]].concat(),
    );
    assert_eq!(stage.outputs("one", REDUCES), expected);
    run("s3://bucket/shown", &["--debug-intermediate", "s3://bucket/texts"]);
    assert_eq!(stage.outputs("shown", REDUCES), expected);
}

#[test]
fn standard_input() {
    let stage = Stage::with_texts();
    let job =
        ["run", "--workers", "2", "--reduces", "3", "--app", "wc", "--split-bytes", "9K", "--out"];
    stage.done(&[&job[..], &["out", "texts/1.txt", "texts/2.txt"]].concat());
    let mut command = stage.command(&[&job[..], &["s3://bucket/out", "-", "texts/2.txt"]].concat());
    let file = std::fs::File::open(stage.here("texts/1.txt")).expect("it is there");
    let done = command.stdin(file).output().expect("it runs");
    assert!(done.status.success(), "{done:?}");
    assert_eq!(stage.outputs("out", REDUCES), stage.outputs_here("out", REDUCES));
}

#[test]
fn many_small_objects() {
    let stage = Stage::new();
    for number in 0..150 {
        stage.both(&format!("small/{}/{number}", number % 7), text(number, 2).as_bytes());
    }
    stage.both("small/_SUCCESS", b"not data\n");
    stage.both("small/.hidden/x", b"not data\n");
    let job = ["run", "--workers", "2", "--reduces", "2", "--app", "sort", "--out"];
    stage.done(&[&job[..], &["out", "small"]].concat());
    stage.done(&[&job[..], &["s3://bucket/out", "s3://bucket/small"]].concat());
    assert_eq!(stage.outputs("out", 2), stage.outputs_here("out", 2));
    stage.done(&[&job[..], &["s3://bucket/deep", "s3://bucket/**/[0-9]*"]].concat());
    assert_eq!(stage.outputs("deep", 2), stage.outputs_here("out", 2));
}

/// Larger than what is read, put and copied at once.
#[test]
fn large_objects() {
    let stage = Stage::new();
    stage.both("large", text(3, 200_000).as_bytes());
    let job = ["run", "--workers", "2", "--reduces", "1", "--app", "sort", "--split-bytes", "7M"];
    stage.done(&[&job[..], &["--out", "out", "large"]].concat());
    stage.done(&[&job[..], &["--out", "s3://bucket/out", "s3://bucket/large"]].concat());
    let [one, other] = [stage.outputs("out", 1), stage.outputs_here("out", 1)];
    assert!(one[0].len() > 8 << 20, "{}", one[0].len());
    assert!(one == other, "they are equal");
}

/// Machines that share nothing but the store.
#[test]
fn several_machines() {
    let stage = Stage::with_texts();
    stage.done(&["run", "--reduces", "3", "--app", "wc", "--out", "out", "texts"]);
    let job = ["--reduces", "3", "--split-bytes", "5K", "--app", "wc"];
    let places = ["--out", "s3://bucket/out", "s3://bucket/texts"];
    let words = [&["coordinator", "--listen", "127.0.0.1:0"], &job[..], &places].concat();
    let coordinator = stage.start("coordinator", &words);
    let address = coordinator.address();
    assert_eq!(stage.status(&address)["map"]["completed"], 0);
    let workers = ["one", "two"].map(|name| {
        let mut command = stage.command(&["worker", "--connect", &address]);
        for folder in [stage.here(name), stage.here(name).join("tmp")] {
            std::fs::create_dir_all(folder).expect("it can be made");
        }
        command.current_dir(stage.here(name)).env("TMPDIR", stage.here(name).join("tmp"));
        stage.start_as(name, command)
    });
    let ended = coordinator.end();
    assert!(ended.status.success(), "{ended:?}");
    for (worker, name) in workers.into_iter().zip(["one", "two"]) {
        let ended = worker.end();
        assert!(ended.status.success(), "{ended:?}");
        let left = std::fs::read_dir(stage.here(name).join("tmp")).expect("it is there").count();
        assert_eq!(left, 0, "nothing is left on the worker's machine");
    }
    assert_eq!(stage.outputs("out", REDUCES), stage.outputs_here("out", REDUCES));
}
