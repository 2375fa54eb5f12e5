//! Who is killed at any moment leaves nothing behind that is wrong.

use crate::stage::{Running, Stage, text, wait_for};
use nix::sys::signal::{Signal, kill};
use std::time::Duration;

/// Reads all, notes that it ran, and ends when it may.
const WAITS: &str =
    "cat; echo $mapreduce_task_partition >>ran; while [ ! -e go ]; do sleep 0.05; done";
/// The same, but for the first task, which ends at once.
const ALL_BUT_ONE: &str = "cat; echo $mapreduce_task_partition >>ran; \
    [ $mapreduce_task_partition = 0 ] || while [ ! -e go ]; do sleep 0.05; done";

const EXPECTED: [&str; 12] =
    ["a 1", "a 2", "b 1", "b 2", "c 1", "c 2", "d 1", "d 2", "x", "x", "x", "x"];

fn stage() -> Stage {
    let stage = Stage::new();
    for name in ["a", "b", "c", "d"] {
        stage.write(&stage.object(&format!("in/{name}")), format!("{name} 1\n{name} 2\nx\n"));
    }
    stage
}

fn start(stage: &Stage, name: &str, mapper: &str) -> Running {
    let job = ["run", "--workers", "2", "--reduces", "3", "--out", "s3://bucket/out", "--mapper"];
    stage.start(name, &[&job[..], &[mapper, "s3://bucket/in"]].concat())
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
fn a_worker_and_all_workers() {
    let stage = stage();
    let job = start(&stage, "job", WAITS);
    wait_for_runs(&stage, 2);
    let workers = job.children();
    kill(workers[0], Signal::SIGKILL).expect("it runs");
    job.says("it is started again");
    wait_for_runs(&stage, 3);
    for worker in job.children() {
        kill(worker, Signal::SIGKILL).expect("it runs");
    }
    wait_for_runs(&stage, 5);
    stage.write(&stage.here("go"), "");
    let ended = job.end();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(stage.lines("out", 3), EXPECTED);
}

#[test]
fn the_coordinator_and_the_job_goes_on() {
    let stage = stage();
    let job = start(&stage, "job", ALL_BUT_ONE);
    let address = job.address();
    wait_for("the first map", || {
        let told = stage.status(&address);
        (told["map"]["completed"] == 1 && told["map"]["in_progress"] == 2).then_some(())
    });
    // Whoever is told so may not be told before the journal has it; here nobody was, but the batch comes.
    wait_for("the journal", || {
        let keys = stage.keys("out/.quorate-mr");
        (keys.iter().filter(|key| key.contains("/journal/")).count() == 2).then_some(())
    });
    job.kill();
    assert!(stage.keys("out").iter().all(|key| key.starts_with('.')), "no output is visible");
    stage.write(&stage.here("go"), "");
    let ended = start(&stage, "again", ALL_BUT_ONE).end();
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.contains("goes on with the job in s3://bucket/out"), "{ended:?}");
    assert_eq!(stage.lines("out", 3), EXPECTED);
    assert_eq!(runs(&stage)[0], 1, "what was done is not done again");
}

/// A little later each time, in whatever it does then: begins, hands out, journals, publishes, clears up.
#[test]
fn the_coordinator_at_any_moment() {
    let stage = Stage::with_texts();
    let job = ["--app", "wc", "--reduces", "4", "--split-bytes", "3K", "--out"];
    stage.done(&[&["run", "--sequential"], &job[..], &["out", "texts"]].concat());
    let words = [&["run", "--workers", "2"], &job[..], &["s3://bucket/out", "s3://bucket/texts"]];
    let words = words.concat();
    for round in 0.. {
        let job = stage.start("job", &words);
        std::thread::sleep(Duration::from_millis(60 * round * round));
        job.kill();
        let said = std::fs::read_to_string(stage.here("../job.stderr")).expect("it is there");
        let keys = stage.keys("out");
        if said.contains("exists and holds mr-out-0")
            || keys.iter().any(|key| key == "mr-out-0") && !keys[0].starts_with('.')
        {
            break;
        }
    }
    // Whoever was killed in front of the last step has left the rest to the next.
    let ended = stage.run(&words);
    assert!(ended.stderr.contains("exists and holds mr-out-0"), "{ended:?}");
    assert_eq!(stage.outputs("out", 4), stage.outputs_here("out", 4));
}

#[test]
fn the_coordinator_and_its_workers_come_back_with_what_they_run() {
    let stage = stage();
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let listen = port.expect("there is one").to_string();
    let job = ["coordinator", "--listen", &listen, "--reduces", "1", "--out", "s3://bucket/out"];
    let words = [&job[..], &["--mapper", WAITS, "s3://bucket/in/a"]].concat();
    let first = stage.start("first", &words);
    first.address();
    let worker = stage.start("worker", &["worker", "--connect", &listen]);
    wait_for_runs(&stage, 1);
    first.kill();
    let second = stage.start("second", &words);
    second.address();
    stage.write(&stage.here("go"), "");
    let ended = second.end();
    assert!(ended.status.success(), "{ended:?}");
    let left = worker.end();
    assert!(left.status.success(), "{left:?}");
    assert_eq!(stage.lines("out", 1), ["a 1", "a 2", "x"]);
    assert_eq!(runs(&stage)[0], 1, "the attempt went on while there was no coordinator");
}

#[test]
fn ctrl_c_ends_all_and_leaves_a_job_that_goes_on() {
    let stage = stage();
    let job = start(&stage, "job", WAITS);
    wait_for_runs(&stage, 2);
    job.signal(Signal::SIGINT);
    let ended = job.end();
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    assert!(ended.stderr.contains("aws s3 rm --recursive s3://bucket/out/"), "{ended:?}");
    assert!(stage.keys("out").iter().all(|key| key.starts_with('.')), "no output is visible");
    stage.write(&stage.here("go"), "");
    let ended = start(&stage, "again", WAITS).end();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(stage.lines("out", 3), EXPECTED);
}

/// Nobody can see whether the first still runs; the second lets it write no more.
#[test]
fn two_coordinators_of_one_job() {
    let stage = stage();
    let waits = WAITS.replace("-e go", "-e $GO");
    let job = ["run", "--workers", "2", "--reduces", "3", "--out", "s3://bucket/out", "--mapper"];
    let words = [&job[..], &[&waits, "s3://bucket/in"]].concat();
    let start = |name: &str| {
        let mut command = stage.command(&words);
        command.env("GO", name);
        stage.start_as(&format!("{name}-job"), command)
    };
    let first = start("first");
    wait_for_runs(&stage, 2);
    let second = start("second");
    second.says("goes on with the job");
    wait_for_runs(&stage, 4);
    // Its maps end, while those of the second are still run.
    stage.write(&stage.here("first"), "");
    first.end().refuses("another coordinator of this job is at work");
    assert!(stage.keys("out").iter().all(|key| key.starts_with('.')), "no output is visible");
    stage.write(&stage.here("second"), "");
    let ended = second.end();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(stage.lines("out", 3), EXPECTED);
}

#[test]
fn two_jobs_with_one_output_and_one_asked_for_otherwise() {
    let stage = stage();
    let job = start(&stage, "job", WAITS);
    job.address();
    let refuses = |words: &[&str], text: &str| {
        let common = ["run", "--workers", "1", "--reduces", "3", "--out", "s3://bucket/out"];
        stage.refuses(&[&common[..], words].concat(), text);
    };
    refuses(&["--app", "wc", "s3://bucket/in"], "begun with another mapper");
    refuses(&["--mapper", WAITS, "s3://bucket/in/a"], "begun with the inputs s3://bucket/in");
    stage.write(&stage.object("in/e"), "e\n");
    refuses(&["--mapper", WAITS, "s3://bucket/in"], "begun without s3://bucket/in/e");
    std::fs::remove_file(stage.object("in/e")).expect("it is there");
    stage.write(&stage.object("in/d"), "d 1\nd 2\nx\nmore\n");
    refuses(&["--mapper", WAITS, "s3://bucket/in"], "in/d was changed");
    stage.write(&stage.here("go"), "");
    // It was planned with another one, and says so.
    job.end().refuses("when the job was planned");
}

/// A text that is long enough for its worker to be killed in the middle of it.
#[test]
fn a_worker_in_the_middle_of_what_it_reads_and_writes() {
    let stage = Stage::new();
    stage.both("large", text(5, 90_000).as_bytes());
    let sort = ["run", "--workers", "2", "--reduces", "2", "--app", "sort", "--split-bytes", "2M"];
    stage.done(&[&sort[..], &["--out", "out", "large"]].concat());
    let there = [&sort[..], &["--out", "s3://bucket/out", "s3://bucket/large"]].concat();
    let job = stage.start("job", &there);
    job.address();
    for round in 0..5 {
        std::thread::sleep(Duration::from_millis(150 + 40 * round));
        if let Some(worker) = job.children().first() {
            // It may have ended by itself.
            let _ = kill(*worker, Signal::SIGKILL);
        }
    }
    let ended = job.end();
    assert!(ended.status.success(), "{ended:?}");
    // A worker that was killed has left its temporary files to the next one.
    stage.done(&[&sort[..], &["--out", "s3://bucket/other", "s3://bucket/large"]].concat());
    let [one, other] = [stage.outputs("out", 2), stage.outputs("other", 2)];
    assert!(one == stage.outputs_here("out", 2) && one == other, "they are equal");
}
