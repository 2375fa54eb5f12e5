//! Who is killed at any moment leaves nothing behind that is wrong.

use crate::stage::{Running, Stage, gone};
use crate::support::process::wait_for;
use nix::sys::signal::{Signal, kill};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

/// Reads all, notes that it ran, and ends when it may.
const WAITS: &str =
    "cat; echo $mapreduce_task_partition >>ran; while [ -e $PWD -a ! -e go ]; do sleep 0.05; done";
/// The same, but for the first task, which ends at once.
const ALL_BUT_ONE: &str = "cat; echo $mapreduce_task_partition >>ran; \
    [ $mapreduce_task_partition = 0 ] || while [ -e $PWD -a ! -e go ]; do sleep 0.05; done";

fn stage() -> Stage {
    let stage = Stage::new();
    for name in ["a", "b", "c", "d"] {
        stage.write(name, format!("{name} 1\n{name} 2\nx\n"));
    }
    stage
}

const EXPECTED: [&str; 12] =
    ["a 1", "a 2", "b 1", "b 2", "c 1", "c 2", "d 1", "d 2", "x", "x", "x", "x"];

fn start<'a>(stage: &'a Stage, mapper: &'a str) -> Running {
    let job = ["run", "--workers", "2", "--reduces", "3", "--out", "o", "--mapper", mapper];
    stage.start("job", &[&job[..], &["a", "b", "c", "d"]].concat())
}

/// How often each map has run.
fn runs(stage: &Stage) -> [usize; 4] {
    let ran = stage.read("ran");
    ["0", "1", "2", "3"].map(|map| ran.lines().filter(|line| *line == map).count())
}

fn wait_for_runs(stage: &Stage, count: usize) {
    wait_for("maps to run", || (runs(stage).iter().sum::<usize>() >= count).then_some(()));
}

#[test]
fn a_worker() {
    let stage = stage();
    let job = start(&stage, WAITS);
    wait_for_runs(&stage, 2);
    let workers = job.children();
    assert_eq!(workers.len(), 2, "{}", job.stderr());
    kill(workers[0], Signal::SIGKILL).unwrap();
    job.says("it is started again");
    stage.write("go", "");
    let ended = job.end();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(stage.lines("o", 3), EXPECTED);
    let runs = runs(&stage);
    assert_eq!(runs.iter().sum::<usize>(), 5, "one map ran twice: {runs:?}");
}

#[test]
fn all_workers() {
    let stage = stage();
    let job = start(&stage, WAITS);
    wait_for_runs(&stage, 2);
    for worker in job.children() {
        kill(worker, Signal::SIGKILL).unwrap();
    }
    wait_for_runs(&stage, 4);
    stage.write("go", "");
    let ended = job.end();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(stage.lines("o", 3), EXPECTED);
}

#[test]
fn the_coordinator_and_the_job_goes_on() {
    let stage = stage();
    let job = start(&stage, ALL_BUT_ONE);
    let address = job.address();
    wait_for("the first map", || {
        let told = stage.done(&["status", "--connect", &address, "--json"]).stdout;
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        (told["map"]["completed"] == 1 && told["map"]["in_progress"] == 2).then_some(())
    });
    let journal = format!("o/{}/journal", stage.names("o")[0]);
    wait_for("the journal", || {
        let written = std::fs::read(stage.path(&journal)).unwrap();
        let counter = b"map.input_records";
        written.windows(counter.len()).any(|bytes| bytes == counter).then_some(())
    });
    let workers = job.children();
    job.signal(Signal::SIGKILL);
    drop(job);
    workers.into_iter().for_each(gone);
    assert!(stage.names("o").iter().all(|name| name.starts_with('.')), "no output is visible");
    stage.write("go", "");
    let ended = start(&stage, ALL_BUT_ONE).end();
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.contains("goes on with the job"), "{ended:?}");
    assert_eq!(stage.lines("o", 3), EXPECTED);
    assert_eq!(runs(&stage)[0], 1, "what was done is not done again");
}

#[test]
fn the_coordinator_and_its_workers_come_back_with_what_they_run() {
    let stage = stage();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = port.to_string();
    let words = ["coordinator", "--listen", &listen, "--reduces", "2", "--out", "o", "--mapper"];
    let start = || stage.start("job", &[&words, &[WAITS, "a"][..]].concat());
    let job = start();
    job.address();
    let worker = stage.start("worker", &["worker", "--connect", &listen]);
    wait_for_runs(&stage, 1);
    job.signal(Signal::SIGKILL);
    drop(job);
    let job = start();
    job.says("shows how far it is");
    stage.write("go", "");
    let ended = job.end();
    assert!(ended.status.success(), "{ended:?}");
    assert!(worker.end().status.success());
    assert_eq!(stage.lines("o", 2), ["a 1", "a 2", "x"]);
    assert_eq!(runs(&stage)[0], 1, "the attempt went on while there was no coordinator");
}

#[test]
fn ctrl_c_ends_all_and_leaves_a_job_that_goes_on() {
    let stage = stage();
    let job = start(&stage, WAITS);
    wait_for_runs(&stage, 2);
    let workers = job.children();
    job.signal(Signal::SIGINT);
    let ended = job.end();
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    assert!(ended.stderr.contains("The same command goes on with the job"), "{ended:?}");
    workers.into_iter().for_each(gone);
    stage.write("go", "");
    let ended = start(&stage, WAITS).end();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(stage.lines("o", 3), EXPECTED);
}

#[test]
fn a_worker_that_is_paused_is_not_waited_for() {
    let stage = stage();
    let words =
        ["run", "--workers", "2", "--reduces", "3", "--out", "o", "--backup-after", "1000s"];
    let job = stage.start("job", &[&words[..], &["--mapper", WAITS, "a", "b", "c", "d"]].concat());
    wait_for_runs(&stage, 2);
    kill(job.children()[0], Signal::SIGSTOP).unwrap();
    stage.write("go", "");
    let ended = job.end();
    assert!(ended.status.success(), "{ended:?}");
    // It said nothing, and its connection was let go: whichever was noticed first.
    let is_told =
        |line: &&str| line.contains("attempt 1.1 by 127.0.0.1:") && line.contains(": its worker");
    assert_eq!(ended.stderr.lines().filter(is_told).count(), 1, "{ended:?}");
    assert_eq!(stage.lines("o", 3), EXPECTED);
}

/// A little later each time, in whatever it does then: hands out, journals, publishes, clears up.
#[test]
fn the_coordinator_at_any_moment() {
    let stage = Stage::with_books();
    let job = ["--app", "wc", "--reduces", "5", "--split-bytes", "8K", "--out"];
    stage.sequential(&[&job[..], &["expected", "pg-*.txt"]].concat());
    let words = [&["run", "--workers", "2"], &job[..], &["o", "pg-*.txt"]].concat();
    for round in 0.. {
        let job = stage.start("job", &words);
        std::thread::sleep(Duration::from_millis(5 * round));
        let workers = job.children();
        job.signal(Signal::SIGKILL);
        let ended = job.end();
        workers.into_iter().for_each(gone);
        // The one before may have been killed when all was done but to say so.
        let was_done = ended.stderr.contains("exists and holds mr-out-0");
        if ended.status.success() || was_done {
            break;
        }
        assert_eq!(ended.status.signal(), Some(9), "{ended:?}");
    }
    assert_eq!(stage.outputs("o", 5), stage.outputs("expected", 5));
}

#[test]
fn a_straggler_is_run_a_second_time() {
    let stage = stage();
    // The first attempt of the first map sleeps for longer than anybody waits.
    let mapper = "cat; [ $mapreduce_task_partition = 0 ] && mkdir first && exec sleep 1000; true";
    let words =
        ["run", "--workers", "2", "--reduces", "3", "--out", "o", "--backup-after", "100ms"];
    let job = [&words[..], &["--task-timeout", "1000s", "--mapper", mapper, "--json"]].concat();
    let ended = stage.done(&[&job[..], &["a", "b", "c", "d"]].concat());
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&told["attempts"], &told["failures"]), (&8.into(), &0.into()), "{ended:?}");
    assert_eq!(told["counters"]["map.input_records"], 12, "what loses counts for nothing");
    assert_eq!(stage.lines("o", 3), EXPECTED);
}
