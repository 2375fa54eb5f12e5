//! The labs' own scenarios of MapReduce (LABS.md §3.2), by their names: a coordinator and workers as processes, ten
//! reduce tasks, the labs' applications. A second of theirs is shorter here.

use crate::stage::{Running, Stage};
use crate::support::process::wait_for;

const REDUCES: usize = 10;

/// What all have in common.
fn job<'a>(app: &'a str, out: &'a str) -> Vec<&'a str> {
    vec!["--app", app, "--reduces", "10", "--out", out]
}

/// Runs it with so many workers of its own.
fn run(stage: &Stage, workers: &str, app: &str, arguments: &[&str]) {
    let mut words = vec!["run", "--workers", workers];
    words.extend(job(app, "o"));
    arguments.iter().for_each(|argument| words.extend(["--arg", argument]));
    words.push("pg-*.txt");
    stage.done(&words);
}

fn sequential(stage: &Stage, app: &str) {
    stage.sequential(&[&job(app, "expected")[..], &["pg-*.txt"]].concat());
}

#[test]
fn wc() {
    let stage = Stage::with_books();
    sequential(&stage, "wc");
    run(&stage, "3", "wc", &[]);
    assert_eq!(stage.lines("o", REDUCES), stage.lines("expected", REDUCES));
}

#[test]
fn indexer() {
    let stage = Stage::with_books();
    sequential(&stage, "indexer");
    run(&stage, "2", "indexer", &[]);
    assert_eq!(stage.lines("o", REDUCES), stage.lines("expected", REDUCES));
    assert!(stage.lines("o", REDUCES).iter().any(|line| line.contains("pg-grimm.txt")));
}

#[test]
fn map_parallelism() {
    let stage = Stage::with_books();
    run(&stage, "2", "mtiming", &["second-ms=500"]);
    let lines = stage.lines("o", REDUCES);
    let times = lines.iter().filter(|line| line.starts_with("times-")).count();
    assert_eq!(times, 2, "two workers did maps: {lines:?}");
    let parallel = |line: &&String| {
        let values = line.strip_prefix("parallel-").and_then(|rest| rest.split_once('\t'));
        values.is_some_and(|(_, values)| values.split(' ').any(|value| value == "2"))
    };
    assert!(lines.iter().any(|line| parallel(&line)), "some maps overlap: {lines:?}");
}

#[test]
fn reduce_parallelism() {
    let stage = Stage::with_books();
    run(&stage, "2", "rtiming", &["second-ms=500"]);
    let lines = stage.lines("o", REDUCES);
    assert_eq!(lines.len(), 10, "{lines:?}");
    let met = lines.iter().filter(|line| line.ends_with("\t2")).count();
    assert!(met >= 2, "reduces overlap: {lines:?}");
}

#[test]
fn job_count() {
    let stage = Stage::with_books();
    run(&stage, "4", "jobcount", &["second-ms=100"]);
    assert_eq!(stage.lines("o", REDUCES), ["a\t8"], "no map is run twice");
}

#[test]
fn early_exit() {
    let stage = Stage::with_books();
    let mut words = vec!["coordinator", "--listen", "127.0.0.1:0"];
    words.extend(job("early_exit", "o"));
    words.extend(["--arg", "second-ms=200", "pg-*.txt"]);
    let coordinator = stage.start("coordinator", &words);
    let address = coordinator.address();
    let worker =
        |number: u32| stage.start(&format!("worker-{number}"), &["worker", "--connect", &address]);
    let mut all: Vec<Running> = (0..4).map(worker).collect();
    all.push(coordinator);
    wait_for("the first exit", || {
        let exited = |one: &mut Running| one.child.try_wait().unwrap().is_some();
        all.iter_mut().any(exited).then_some(())
    });
    let outputs = || -> Vec<String> {
        (0..REDUCES).map(|index| stage.read(&format!("o/mr-out-{index}"))).collect()
    };
    let first = outputs();
    for one in all {
        let ended = one.end();
        assert!(ended.status.success(), "{ended:?}");
    }
    assert_eq!(first, outputs(), "nobody leaves before the output is final");
    let lines = stage.lines("o", REDUCES);
    assert_eq!(lines.len(), 8, "{lines:?}");
    assert!(lines.iter().all(|line| line.ends_with("\t1")), "{lines:?}");
}

#[test]
fn crash() {
    let stage = Stage::with_books();
    sequential(&stage, "nocrash");
    run(&stage, "3", "crash", &["second-ms=50"]);
    assert_eq!(stage.lines("o", REDUCES), stage.lines("expected", REDUCES));
}
