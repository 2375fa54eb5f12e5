//! The program as a person meets it: arguments, exit codes, what is written.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn checks(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_checks")).args(arguments).output().expect("checks starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("checks ends by itself")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("output is text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("output is text")
}

/// A folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).expect("the build's folder can be written");
    folder
}

/// Wrong arguments and files: exit code 64 and a message that says what would be right.
#[test]
fn bad_arguments() {
    let missing = folder("cli").join("missing.json");
    let garbage = folder("cli").join("garbage.json");
    std::fs::write(&garbage, "{ \"name\": \"raft").expect("the build's folder can be written");
    let (missing, garbage) = (missing.to_string_lossy(), garbage.to_string_lossy());
    let cases: [(&[&str], &str); 20] = [
        (&["run", "raft-one", "--pin", "--set", "max_term=1"], "own bounds"),
        (&["run", "raft-one", "--strategy", "walk", "--mutant", "E5"], "leave out"),
        (&["run", "raft-one", "--max-memory", "0"], "max-memory"),
        (&["run", "raft-moon"], "raft-election"),
        (&["explore", "raft-moon"], "raft-election"),
        (&["mutants", "E99"], "E5"),
        (&["run", "raft-one", "--mutant", "E99"], "E5"),
        (&["run", "raft-one", "--set", "moons=3"], "max_term"),
        (&["run", "raft-one", "--set", "max_term"], "field=value"),
        (&["run", "raft-one", "--set", "max_term=many"], "max_term"),
        (&["run", "raft-one", "--set", "servers=0"], "1 to 7"),
        (&["run", "raft-one", "--set", "servers=99"], "1 to 7"),
        (&["run", "raft-two", "--set", "victims=n7"], "n0 to n1"),
        (&["replay", &missing], "can't read"),
        (&["replay", &garbage], "no saved path"),
        (&["play", &garbage], "no saved path"),
        (&["play", "E99"], "E5"),
        (&["play", "E6"], "choose a mutant of the rules"),
        (&["play", "K1"], "choose a path of raft or group"),
        (&["play", "raft-one/Moon"], "Compacted"),
    ];
    for (arguments, hint) in cases {
        let output = checks(arguments);
        assert_eq!(code(&output), 64, "{arguments:?}");
        let text = stderr(&output);
        assert!(text.contains(hint), "{arguments:?} says `{text}` and not `{hint}`");
    }
    assert_eq!(code(&checks(&["fly"])), 64);
    assert_eq!(code(&checks(&["--help"])), 0);
}

/// A run within its bounds passes; cut off by a limit, it is not exhausted and says so.
#[test]
fn exhausted_or_not() {
    let whole = checks(&["run", "raft-one"]);
    assert_eq!(code(&whole), 0, "{}{}", stdout(&whole), stderr(&whole));
    let cut = checks(&["run", "raft-one", "--max-states", "1000"]);
    assert_eq!(code(&cut), 2);
    assert!(stdout(&cut).contains("not exhausted"), "{}", stdout(&cut));
}

/// With a mutant's rules the run fails, and what it leaves can be replayed.
#[test]
fn violation_is_saved_and_replayed() {
    let out = folder("cli-mutant");
    let out = out.to_string_lossy();
    // One thread, and no fair schedules, which the mutant breaks too: else either may be found first.
    let alone = ["--threads", "1", "--set", "converge_every=0"];
    let arguments = ["run", "raft-restart", "--mutant", "E3", "--out", &out];
    let output = checks(&[&arguments[..], &alone].concat());
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains("VIOLATED: Election Safety"), "{}", stderr(&output));
    let picture = std::fs::read_to_string(format!("{out}/raft-restart-E3.svg"));
    assert!(picture.expect("a diagram lies beside the path").starts_with("<svg"));
    let again = checks(&["replay", &format!("{out}/raft-restart-E3.json")]);
    assert_eq!(code(&again), 1);
    assert!(stderr(&again).contains("Election Safety does not hold"), "{}", stderr(&again));
    assert!(stdout(&again).contains("crash and reboot"), "{}", stdout(&again));
}

/// JSON is pure, and the same twice.
#[test]
fn json_is_deterministic() {
    for arguments in [
        &["run", "raft-one", "--json"][..],
        &["run", "raft-one", "--json", "--max-states", "500", "--threads", "1"],
        &["mutants", "E5", "--json", "--out", &folder("cli-json").to_string_lossy()],
        &["run", "raft-two", "--strategy", "walk", "--seed", "7", "--paths", "50", "--json"],
        &["list", "--json"],
        &["spec", "--json"],
        &["deep", "--list", "--json"],
    ] {
        let (one, two) = (checks(arguments), checks(arguments));
        let text = stdout(&one);
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&text);
        assert!(parsed.is_ok(), "{arguments:?} printed no JSON: {text}");
        if !arguments.contains(&"--max-states") {
            assert_eq!(text, stdout(&two), "{arguments:?}");
        }
    }
}

/// SPEC.md's matrix has no gap.
#[test]
fn matrix_is_whole() {
    let output = checks(&["spec"]);
    assert_eq!(code(&output), 0, "{}", stdout(&output));
}

/// Ctrl-C: the table, the words, exit code 2.
#[cfg(unix)]
#[test]
fn interrupted() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_checks"))
        .args(["run", "raft-election", "--set", "max_term=4"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("checks starts");
    // The first line of progress says that it is under way.
    let mut reader = std::io::BufReader::new(child.stderr.take().expect("it was piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut reader, &mut line).expect("progress is text");
    assert!(line.contains("raft-election"), "{line}");
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(code(&output), 2);
    assert!(stdout(&output).contains("not exhausted: interrupted"), "{}", stdout(&output));
}

/// A saved path is played on threads with the rules that it was found with, or with the right ones.
#[test]
fn a_counterexample_is_played_on_threads() {
    let out = folder("cli-play");
    let path = out.join("mutant-L16.json");
    let out = out.to_string_lossy();
    assert_eq!(code(&checks(&["mutants", "L16", "--out", &out])), 0);
    let path = path.to_string_lossy();

    let wrong = checks(&["play", &path]);
    assert_eq!(code(&wrong), 0, "{}", stderr(&wrong));
    assert!(stdout(&wrong).contains("violated by the threads: Committed Is Durable"));

    let right = checks(&["play", &path, "--right", "--json"]);
    assert_eq!(code(&right), 0, "{}", stderr(&right));
    let report: serde_json::Value =
        serde_json::from_str(&stdout(&right)).expect("--json prints JSON");
    assert_eq!(report["violated"], serde_json::json!([]));
    assert!(report["played"].as_u64() < report["steps"].as_u64(), "the path ends early: {report}");
}
