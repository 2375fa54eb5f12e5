//! Jobs that go well, and what is told of them.

use crate::stage::Stage;
use serde_json::Value;
use std::process::Stdio;

#[test]
fn word_count_is_that_of_the_sequential_run() {
    let stage = Stage::with_books();
    let job = ["--app", "wc", "--reduces", "3", "--split-bytes", "8K", "--out"];
    stage.sequential(&[&job[..], &["expected", "pg-*.txt"]].concat());
    let ended = stage.done(&[&["run", "--workers", "3"], &job[..], &["out", "pg-*.txt"]].concat());
    assert_eq!(stage.outputs("out", 3), stage.outputs("expected", 3));
    assert!(ended.stdout.contains("done in"), "{ended:?}");
    let whale = stage.lines("out", 3).into_iter().find(|line| line.starts_with("whale\t"));
    assert!(whale.is_some(), "the words are counted");
}

#[test]
fn figures_are_those_of_the_input_and_told_as_json() {
    let stage = Stage::new();
    stage.write("a", "one two\ntwo\n");
    stage.write("b", "two\n");
    let ended = stage.done(&[
        "run",
        "--workers",
        "2",
        "--app",
        "wc",
        "--reduces",
        "2",
        "--out",
        "o",
        "--json",
        "a",
        "b",
    ]);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["phase"], "done");
    assert_eq!((&told["map"]["tasks"], &told["map"]["completed"]), (&2.into(), &2.into()));
    assert_eq!(told["counters"]["map.input_records"], 3);
    assert_eq!(told["counters"]["map.input_bytes"], 13);
    assert_eq!(told["counters"]["map.output_records"], 4);
    assert_eq!(told["counters"]["reduce.groups"], 2);
    assert_eq!(told["attempts"], 4);
    assert_eq!(stage.lines("o", 2), ["one\t1", "two\t3"]);
}

#[test]
fn standard_input_is_read() {
    let stage = Stage::new();
    stage.write("text", "b\na\nb\n");
    let mut command = crate::support::process::quorate();
    command.args([
        "mr",
        "run",
        "--workers",
        "1",
        "--app",
        "wc",
        "--reduces",
        "1",
        "--out",
        "o",
        "-",
    ]);
    command.current_dir(stage.path("")).stdin(std::fs::File::open(stage.path("text")).unwrap());
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert!(stage.running("stdin", child).end().status.success());
    assert_eq!(stage.lines("o", 1), ["a\t1", "b\t2"]);
}

#[test]
fn an_empty_file_gives_empty_output() {
    let stage = Stage::new();
    stage.write("empty", "");
    for (out, words) in [("o", &["--workers", "1"][..]), ("p", &["--sequential"])] {
        let job = ["--app", "wc", "--reduces", "2", "--out", out, "empty"];
        stage.done(&[&["run"], words, &job].concat());
        assert_eq!(stage.outputs(out, 2), ["", ""]);
    }
}

#[test]
fn outputs_of_sort_are_in_order() {
    let stage = Stage::with_books();
    let job = ["--app", "sort", "--reduces", "4", "--split-bytes", "8K", "--out", "o", "pg-*.txt"];
    stage.done(&[&["run", "--workers", "2"], &job[..]].concat());
    let all = stage.outputs("o", 4).concat();
    let lines: Vec<_> = all.lines().collect();
    assert!(lines.is_sorted_by(|a, b| a.as_bytes() <= b.as_bytes()));
    let names = stage.names("").into_iter().filter(|name| name.starts_with("pg-"));
    assert_eq!(lines.len(), names.map(|name| stage.read(&name).lines().count()).sum::<usize>());
}

#[test]
fn the_status_is_told_while_it_runs_and_workers_join_from_elsewhere() {
    let stage = Stage::new();
    stage.write("text", "a\n");
    let mapper = "cat; while [ -e $PWD -a ! -e go ]; do sleep 0.05; done";
    let job = ["--mapper", mapper, "--reduces", "1", "--out", "o", "text"];
    let coordinator = stage
        .start("coordinator", &[&["coordinator", "--listen", "127.0.0.1:0"], &job[..]].concat());
    let address = coordinator.address();
    let ask = || -> Value {
        let ended = stage.done(&["status", "--connect", &address, "--json"]);
        serde_json::from_str(&ended.stdout).unwrap()
    };
    let told = ask();
    assert_eq!((&told["phase"], &told["map"]["idle"]), (&"map".into(), &1.into()));
    let worker = stage.start("worker", &["worker", "--connect", &address]);
    crate::support::process::wait_for("the worker's task", || {
        (ask()["map"]["in_progress"] == 1).then_some(())
    });
    let told = ask();
    assert_eq!(told["workers"][0]["runs"], "map 0, attempt 1.1");
    let table = stage.done(&["status", "--connect", &address]).stdout;
    assert!(table.contains("map 0, attempt 1.1"), "{table}");
    stage.write("go", "");
    assert!(worker.end().status.success(), "it leaves when the job is over");
    assert!(coordinator.end().status.success());
    assert_eq!(stage.lines("o", 1), ["a"]);
}

#[test]
fn a_secret_is_asked_for() {
    let stage = Stage::new();
    stage.write("text", "a\n");
    stage.write("secret", "sixteen bytes or more\n");
    stage.write("wrong", "other sixteen bytes\n");
    let job = ["--app", "wc", "--reduces", "1", "--out", "o", "text"];
    let refused = stage.run(&[&["coordinator", "--listen", "0.0.0.0:0"], &job[..]].concat());
    assert!(refused.stderr.contains("--secret-file"), "{refused:?}");
    let words = ["coordinator", "--listen", "127.0.0.1:0", "--secret-file", "secret"];
    let coordinator = stage.start("coordinator", &[&words, &job[..]].concat());
    let address = coordinator.address();
    for secret in [&["--secret-file", "wrong"][..], &[]] {
        let worker = stage.run(&[&["worker", "--connect", &address], secret].concat());
        assert!(worker.status.code() == Some(1) && worker.stderr.contains("secret"), "{worker:?}");
    }
    let right = ["worker", "--connect", &address, "--secret-file", "secret"];
    stage.done(&right);
    assert!(coordinator.end().status.success());
}
