//! `checks chaos`: a short run of real processes, and that its judge finds what is wrong.
#![cfg(unix)]

use checks::chaos::judge::{Final, compare_nodes, judge};
use linear::Budget;
use linear::history::Told;
use linear::kv::{Bytes, History, Op, Ret};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

#[path = "support/program.rs"]
mod program;

#[cfg(target_os = "linux")]
use program::quorate;

fn chaos(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_checks"));
    command.arg("chaos").args(arguments).output().expect("checks starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_can_not_be_tried() {
    let cases: [(&[&str], &str); 6] = [
        (&["--minutes", "1", "--quorate", "/nowhere/quorate"], "cargo build -p quorate"),
        (&["--minutes", "0"], "0.05 to 1440"),
        (&["--minutes", "soon"], "it is no number"),
        (&["--minutes", "1", "--clients", "3"], "12..=300"),
        (&["--minutes", "1", "--nodes", "2"], "3..=7"),
        (&["--minutes", "1", "--earthquakes"], "--earthquakes"),
    ];
    for (arguments, hint) in cases {
        let output = chaos(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        let text = stderr(&output);
        assert!(text.contains(hint), "{arguments:?} says `{text}` and not `{hint}`");
    }
}

/// Processes that have this in their command lines.
#[cfg(target_os = "linux")]
fn processes_with(text: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("processes can be listed").flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(text)).collect()
}

/// A run of seven seconds on loopback, by a seed.
#[cfg(target_os = "linux")]
fn short_run(out: &Path, program: &Path, seed: u64, more: &[&str]) -> Output {
    let _ = std::fs::remove_dir_all(out);
    let seed = format!("--seed={seed}");
    let short = ["--minutes=0.1", &seed, "--nodes=3", "--clients=12", "--network=loopback"];
    let (out, program) = (out.to_string_lossy(), program.to_string_lossy());
    let rest = ["--record", "--json", "--out", &out, "--quorate", &program];
    chaos(&[&short[..], &rest, more].concat())
}

/// Three processes, twelve clients, kills: judged to be right, and nothing is left but the picture.
#[cfg(target_os = "linux")]
#[test]
fn a_short_run() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos-short");
    let place = out.to_string_lossy();
    // Its first fault is a kill, however slow this machine is.
    let output = short_run(&out, &quorate(), 77, &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let faults = report["faults"].as_array().expect("a list of faults");
    let killed = |fault: &&serde_json::Value| {
        fault["kind"].as_str().is_some_and(|kind| kind.starts_with("kill"))
    };
    assert!(faults.iter().any(|fault| killed(&fault)), "somebody was killed: {text}");
    for told in report["told"].as_array().expect("a list of clients") {
        assert!(told[1]["replies"].as_u64() > Some(0), "each kind was answered: {text}");
    }
    assert!(report["acknowledged"].as_u64() > Some(0), "tags were looked for: {text}");
    assert!(report["not_tried"].to_string().contains("partitions"), "it says so: {text}");
    assert_eq!(report["problems"], serde_json::json!([]));
    let replayed = &report["replayed"];
    for node in replayed["nodes"].as_array().expect("all were recorded") {
        assert!(node["steps"].as_u64() > Some(100), "each has taken steps: {replayed}");
    }
    let lives = |node: &serde_json::Value| node["lives"].as_u64().unwrap_or_default();
    let nodes = replayed["nodes"].as_array().into_iter().flatten();
    assert_eq!(Some(nodes.map(lives).sum::<u64>()), report["starts"].as_u64(), "{replayed}");
    for what in ["messages", "entries", "reads", "passed"] {
        assert!(replayed[what].as_u64() > Some(100), "{what}: {replayed}");
    }
    let left: Vec<_> = std::fs::read_dir(&out).expect("there is a picture").flatten().collect();
    let names: Vec<_> = left.iter().map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["chaos-77.svg"], "nothing else is left");
    assert_eq!(processes_with(&place), Vec::<String>::new(), "no process is left");
}

/// The same of a sharded cluster, whose configuration changes meanwhile.
#[cfg(target_os = "linux")]
#[test]
fn a_short_run_of_a_sharded_cluster() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chaos-sharded");
    let output = short_run(&out, &quorate(), 71, &["--groups=2"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let faults = report["faults"].as_array().expect("a list of faults");
    assert!(faults.iter().any(|fault| fault["kind"] == "change"), "administrators asked: {text}");
    // Both groups have joined by the second.
    assert!(report["configurations"].as_u64() > Some(2), "something has changed: {text}");
    assert!(report["acknowledged"].as_u64() > Some(0), "tags were looked for: {text}");
    assert_eq!(report["problems"], serde_json::json!([]));
    let replayed = &report["replayed"];
    assert_eq!(replayed["groups"].as_array().map(Vec::len), Some(3), "{replayed}");
    for what in ["messages", "entries", "letters", "moves"] {
        assert!(replayed[what].as_u64() > Some(50), "{what}: {replayed}");
    }
}

/// A server that forgets everything whenever it is started: what was acknowledged is lost when all are killed. The run
/// fails, and the evidence is there.
#[cfg(target_os = "linux")]
#[test]
fn servers_that_forget_are_found() {
    use std::os::unix::fs::PermissionsExt;
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let forgetful = place.join("forgetful-quorate");
    let script = format!(
        "#!/bin/sh\nbefore=\nfor word; do [ \"$before\" = --dir ] && rm -rf \"$word\"; before=$word; done\n\
         exec '{}' \"$@\"\n",
        quorate().display()
    );
    std::fs::write(&forgetful, script).expect("the build's folder can be written");
    let allowed = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&forgetful, allowed).expect("it is this user's");
    let out = place.join("chaos-forgetful");
    let output = short_run(&out, &forgetful, 71, &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let problems = report["problems"].to_string();
    // A server that is told of what it has forgotten may end by a claim; then nobody can look for what is lost.
    let lost = ["acknowledged, and lost", "does not serve reads"];
    assert!(lost.iter().any(|lost| problems.contains(lost)), "{problems}");
    assert!(problems.contains("not linearizable"), "{problems}");
    assert!(problems.contains("replay: node "), "its traces are refused: {problems}");
    let history = report["histories"][0].as_str().expect("a history is kept");
    let mut again = Command::new(env!("CARGO_BIN_EXE_checks"));
    let again = again.args(["linearize", history]).output().expect("checks starts");
    assert_eq!(again.status.code(), Some(1), "judged again it is the same");
    let evidence = Path::new(report["evidence"].as_str().expect("a folder is kept"));
    for name in ["node-0.log", "node-0", "report.json"] {
        assert!(evidence.join(name).exists(), "{name} is kept");
    }
    assert_eq!(processes_with(&out.to_string_lossy()), Vec::<String>::new(), "none is left");
}

/// A history of appends and reads to one key: client, what, and what it was told.
fn history(calls: &[(u64, Op, Told<Ret>)]) -> History {
    let mut history = History::new();
    for (client, op, told) in calls {
        history.call(*client, 0, op.clone()).expect("one call at a time");
        history.end(*client, 0, told.clone()).expect("a call is open");
    }
    history
}

fn finals(value: &str) -> BTreeMap<Bytes, Final> {
    [(b"k".as_slice().into(), Some((value.as_bytes().into(), 9)))].into()
}

/// What the judge says of two appends, one acknowledged and one by a stock client that is sent again, and of what the
/// key holds in the end, which one more client has read.
fn verdict(second: &[Told<Ret>], value: &str, read: bool) -> Result<u64, String> {
    let mut calls = vec![(0, Op::append("k", "a;"), Told::Reply(Ret::OK))];
    calls.extend(second.iter().map(|told| (2, Op::append("k", "b;"), told.clone())));
    if read {
        calls.push((3, Op::get("k"), Told::Reply(Ret::value(value, None))));
    }
    let stock = BTreeSet::from([2]);
    let judgement = judge(&history(&calls), &finals(value), &stock, Budget::default());
    match judgement.problems.is_empty() {
        true => Ok(judgement.duplicates),
        false => Err(judgement.problems.join("\n")),
    }
}

#[test]
fn the_judge_finds_what_is_forged() {
    let (done, open, never) = ([Told::Reply(Ret::OK)], [Told::Unknown], [Told::NotExecuted]);
    let twice = [Told::Unknown, Told::Reply(Ret::OK)];
    // Right: all there; a stock client's second copy, or not; what nobody knows of, either way.
    for (second, value, duplicates) in [
        (&done[..], "a;b;", 0),
        (&twice, "a;b;", 0),
        (&twice, "a;b;b;", 1),
        (&open, "a;", 0),
        (&open, "a;b;", 0),
        (&never, "a;", 0),
    ] {
        assert_eq!(verdict(second, value, true), Ok(duplicates), "{second:?} {value}");
    }
    // Wrong, and found twice: by the tags alone, and where somebody has read it, by the order too.
    for (second, value, why) in [
        (&done[..], "a;", "acknowledged, and lost: b;"),
        (&done, "b;", "acknowledged, and lost: a;"),
        (&done, "a;b;b;", "executed too often: b;"),
        (&done, "a;a;b;", "executed too often: a;"),
        (&open, "a;b;b;", "executed too often: b;"),
        (&never, "a;b;", "refused, and executed: b;"),
        (&twice, "a;b;c;", "nobody wrote it: c;"),
    ] {
        for read in [false, true] {
            let problems = verdict(second, value, read).expect_err(value);
            assert!(problems.contains(why), "{problems} and not {why}");
            assert_eq!(problems.contains("not linearizable"), read, "{problems}");
        }
    }
}

/// What only an order shows: no tag is wrong, but a read was late.
#[test]
fn the_judge_finds_a_stale_read() {
    let done = Told::Reply(Ret::OK);
    let calls = [
        (0, Op::append("k", "a;"), done.clone()),
        (0, Op::append("k", "b;"), done),
        (1, Op::get("k"), Told::Reply(Ret::value("a;", None))),
    ];
    let nobody = BTreeSet::new();
    let judgement = judge(&history(&calls), &finals("a;b;"), &nobody, Budget::default());
    let problems = judgement.problems.join("\n");
    assert!(problems.contains("not linearizable"), "{problems}");
}

/// A write that was open when its client was last told anything, and a key nobody looked at.
#[test]
fn nodes_that_differ() {
    let one = finals("a;");
    assert_eq!(compare_nodes(&[one.clone(), one.clone()]), Vec::<String>::new());
    let problems = compare_nodes(&[one.clone(), one.clone(), finals("a;b;")]);
    assert_eq!(problems, ["k is \"a;\" v9 on n0 and \"a;b;\" v9 on n2"]);
    let problems = compare_nodes(&[one, BTreeMap::new()]);
    assert_eq!(problems, ["k is \"a;\" v9 on n0 and not told on n1"]);
}
