//! `checks linearize` as a person meets it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn linearize(file: &Path, arguments: &[&str]) -> Output {
    let checks = Command::new(env!("CARGO_BIN_EXE_checks"))
        .arg("linearize")
        .arg(file)
        .args(arguments)
        .output();
    checks.expect("checks starts")
}

fn history(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories").join(name)
}

fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("checks ends by itself")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is text")
}

#[test]
fn legal() {
    let output = linearize(&history("legal.jsonl"), &[]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("OK: "), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("8 operations on 1 key, 3 pending, 0 not executed"));
    assert!(text(&output.stderr).contains("judged in "));
}

/// A stale read: the verdict, the order before it, the operation itself, and a picture of it all.
#[test]
fn illegal() {
    let picture = scratch("stale-read.svg");
    let output = linearize(&history("stale-read.jsonl"), &["--svg", &picture.to_string_lossy()]);
    assert_eq!(code(&output), 1, "{}", text(&output.stderr));
    let said = text(&output.stdout);
    for part in [
        "ILLEGAL: ",
        "no order gets past line 15, where client 2 is told: get k → \"a\" v1",
        "       4  c2    append k \"b<\" → unknown",
        "k = \"c\" v3",
        "✗",
    ] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
    let drawn = std::fs::read_to_string(picture).expect("a picture was drawn");
    assert!(drawn.starts_with("<svg") && drawn.trim_end().ends_with("</svg>"));
    assert!(drawn.contains("line 15") && drawn.contains("b&lt;") && !drawn.contains("b<\""));
}

/// What is spent before there is a verdict is no pass.
#[test]
fn unknown() {
    let output = linearize(&history("stale-read.jsonl"), &["--max-steps", "3"]);
    assert_eq!(code(&output), 2, "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("UNKNOWN: "), "{}", text(&output.stdout));
}

#[test]
fn json() {
    let once = linearize(&history("stale-read.jsonl"), &["--json"]);
    let again = linearize(&history("stale-read.jsonl"), &["--json"]);
    assert_eq!(code(&once), 1);
    assert_eq!(once.stdout, again.stdout);
    let value: serde_json::Value = serde_json::from_slice(&once.stdout).expect("it is JSON");
    assert_eq!(value["verdict"], "ILLEGAL");
    assert_eq!(value["places"][0]["stuck"], serde_json::json!({ "call": 13, "return": 15 }));
    assert_eq!(value["places"][0]["last"], serde_json::json!([1, 2, 4, 6, 8, 10]));
}

/// Exit code 64, and what would be right.
#[test]
fn bad_files() {
    let broken = scratch("broken.jsonl");
    let line = r#"{"time_us":0,"client":0,"event":"return","outcome":"ok"}"#;
    std::fs::write(&broken, line).expect("the build's folder can be written");
    let nowhere = scratch("no-such-folder").join("picture.svg").to_string_lossy().into_owned();
    for (file, arguments, hint) in [
        (scratch("missing.jsonl"), &[][..], "can't read"),
        (broken, &[], "line 1: client 0 returns, but has no call open"),
        (history("stale-read.jsonl"), &["--svg", &nowhere], "can't write"),
    ] {
        let output = linearize(&file, arguments);
        assert_eq!(code(&output), 64, "{}", file.display());
        assert!(text(&output.stderr).contains(hint), "{}", text(&output.stderr));
    }
}

/// The help has the format.
#[test]
fn help() {
    let output = linearize(Path::new("--help"), &[]);
    assert_eq!(code(&output), 0);
    assert!(text(&output.stdout).contains(linear::kv::file::FORMAT.trim_end()));
}
