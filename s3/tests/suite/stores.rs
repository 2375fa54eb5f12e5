//! Stores that go wrong.

use crate::stage::{Stage, text, wait_for};
use s3::Spoil;
use std::sync::atomic::Ordering;
use std::time::Duration;

const WC: [&str; 7] = ["run", "--workers", "2", "--reduces", "3", "--app", "wc"];

fn words<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let places = ["--split-bytes", "5K", "--out", "s3://bucket/out", "s3://bucket/texts"];
    [&WC[..], more, &places].concat()
}

fn expected(stage: &Stage) -> Vec<Vec<u8>> {
    stage.done(&[&WC[..], &["--out", "out", "texts"]].concat());
    stage.outputs_here("out", 3)
}

/// An intermediate file that comes back otherwise, or not at all: its map is run again.
#[test]
fn an_intermediate_object_that_is_damaged_or_lost() {
    let stage = Stage::with_texts();
    let expected = expected(&stage);
    stage.server.faults.spoil("/map-0-1", Spoil::Flip);
    stage.server.faults.spoil("/map-3-1", Spoil::Lose);
    let ended = stage.done(&words(&[]));
    assert_eq!(stage.server.faults.spoilt.load(Ordering::Acquire), 2);
    for map in ["map 0, attempt 1.1", "map 3, attempt 1.1"] {
        let lost = format!("{map}: its output can't be read any more");
        assert!(ended.stderr.contains(&lost), "{lost}: {ended:?}");
    }
    assert_eq!(stage.outputs("out", 3), expected);
}

/// What was put is there, and who put it was told otherwise: objects of attempts, the journal, outputs.
#[test]
fn answers_that_are_lost() {
    let stage = Stage::with_texts();
    let expected = expected(&stage);
    let keys = [
        ".quorate-mr/job",
        "/journal/0000000001",
        "/journal/0000000002",
        "/journal/0000000004",
        "/map-0-1",
        "/reduce-1-1",
        "/mr-out-0",
        "/mr-out-2",
        ".over",
    ];
    keys.iter().for_each(|key| stage.server.faults.spoil(key, Spoil::Answer));
    stage.done(&words(&[]));
    assert_eq!(stage.server.faults.spoilt.load(Ordering::Acquire), keys.len() as u32);
    assert_eq!(stage.outputs("out", 3), expected);
}

/// The same for an output that the store copies.
#[test]
fn an_answer_that_is_lost_for_a_copy() {
    let stage = Stage::new();
    stage.both("large", text(3, 200_000).as_bytes());
    let job = ["run", "--workers", "2", "--reduces", "1", "--app", "sort"];
    stage.done(&[&job[..], &["--out", "out", "large"]].concat());
    stage.server.faults.spoil("/mr-out-0", Spoil::Answer);
    stage.server.faults.spoil("/reduce-0-1", Spoil::Answer);
    stage.done(&[&job[..], &["--out", "s3://bucket/out", "s3://bucket/large"]].concat());
    assert_eq!(stage.server.faults.spoilt.load(Ordering::Acquire), 2);
    let [one, other] = [stage.outputs("out", 1), stage.outputs_here("out", 1)];
    assert!(one[0].len() > 8 << 20, "it is copied: {}", one[0].len());
    assert!(one == other, "they are equal");
}

/// An output that is there already, and is not the attempt's, stays as it is.
#[test]
fn an_output_that_somebody_else_has_made_meanwhile() {
    let stage = Stage::with_texts();
    let waits = "cat; while [ ! -e go ]; do sleep 0.05; done";
    let job = ["run", "--workers", "2", "--reduces", "1", "--max-attempts", "2", "--mapper", waits];
    let job = [&job[..], &["--out", "s3://bucket/out", "s3://bucket/texts"]].concat();
    let running = stage.start("job", &job);
    running.address();
    stage.write(&stage.object("out/mr-out-0"), "dear");
    stage.write(&stage.here("go"), "");
    running.end().refuses("an object is there that this job has not made");
    assert_eq!(std::fs::read(stage.object("out/mr-out-0")).expect("it is there"), b"dear");
    std::fs::remove_file(stage.object("out/mr-out-0")).expect("it is there");
    stage.done(&job);
    assert!(stage.outputs("out", 1)[0].len() > 10_000);
}

/// It is gone while maps are run, while reduces are, and in front of all that is left to do.
#[test]
fn a_server_that_dies_and_comes_back() {
    let mut stage = Stage::with_texts();
    let expected = expected(&stage);
    let waits = "cat >/dev/null; while [ ! -e go ]; do sleep 0.05; done";
    let maps = ["run", "--workers", "2", "--reduces", "1", "--mapper", waits, "--out"];
    let job =
        stage.start("waits", &[&maps[..], &["s3://bucket/none", "s3://bucket/texts"]].concat());
    let other = stage.start("job", &words(&[]));
    let address = job.address();
    wait_for("maps to run", || (stage.status(&address)["map"]["in_progress"] == 2).then_some(()));
    other.address();
    for _ in 0..3 {
        stage.server.down();
        std::thread::sleep(Duration::from_millis(700));
        stage.server.up();
        std::thread::sleep(Duration::from_millis(300));
    }
    stage.server.down();
    stage.write(&stage.here("go"), "");
    std::thread::sleep(Duration::from_millis(1000));
    stage.server.up();
    for job in [job, other] {
        let ended = job.end();
        assert!(ended.status.success(), "{ended:?}");
    }
    assert_eq!(stage.outputs("none", 1), [b""]);
    assert_eq!(stage.outputs("out", 3), expected);
}

/// All that a job does once rests on them.
#[test]
fn a_store_that_ignores_conditions() {
    let stage = Stage::with_texts();
    for (fault, what) in [
        (&stage.server.faults.ignores_puts, "ignores conditional puts"),
        (&stage.server.faults.ignores_copies, "ignores conditional copies"),
    ] {
        fault.store(true, Ordering::Release);
        stage.refuses(&words(&[]), what);
        assert_eq!(stage.keys("out"), [""; 0], "nothing was made");
        fault.store(false, Ordering::Release);
    }
    stage.done(&words(&[]));
    stage.outputs("out", 3);
}

/// Its splits are read one after the other, and it is not what was planned for any more.
#[test]
fn an_input_that_changes_or_vanishes() {
    let stage = Stage::new();
    stage.write(&stage.object("in/a"), "a\n");
    stage.write(&stage.object("in/b"), text(1, 10));
    let waits = "cat; while [ ! -e go ]; do sleep 0.05; done";
    let job = ["run", "--workers", "1", "--reduces", "1", "--max-attempts", "2", "--mapper", waits];
    for (out, change) in [("s3://bucket/one", Some("short\n")), ("s3://bucket/two", None)] {
        let words = [&job[..], &["--out", out, "s3://bucket/in"]].concat();
        let running = stage.start("job", &words);
        let address = running.address();
        wait_for("a map", || (stage.status(&address)["map"]["in_progress"] == 1).then_some(()));
        match change {
            Some(text) => stage.write(&stage.object("in/b"), text),
            None => std::fs::remove_file(stage.object("in/b")).expect("it is there"),
        }
        stage.write(&stage.here("go"), "");
        let ended = running.end();
        ended.refuses(if change.is_some() {
            "when the job was planned"
        } else {
            "it is not there"
        });
        ended.refuses("s3://bucket/in/b");
        std::fs::remove_file(stage.here("go")).expect("it is there");
    }
}
