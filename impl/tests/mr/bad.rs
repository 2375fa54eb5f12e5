//! What goes wrong is said, with what to do about it, and leaves nothing half done.

use crate::stage::{Ended, Stage};
use crate::support::process::{quorate, wait_for};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

const JOB: [&str; 6] = ["run", "--workers", "2", "--reduces", "2", "--out"];

fn with(more: &[&'static str]) -> Vec<&'static str> {
    [&JOB[..], more].concat()
}

#[track_caller]
fn refuses(ended: &Ended, text: &str) {
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains(text), "{text}: {ended:?}");
}

#[test]
fn no_file_for_a_pattern() {
    let stage = Stage::new();
    refuses(&stage.run(&with(&["o", "--app", "wc", "*.txt"])), "no file matches \"*.txt\"");
    assert!(!stage.has("o"), "nothing was made");
    refuses(&stage.run(&with(&["o", "--app", "cw", "."])), "no application \"cw\"");
    assert!(!stage.has("o"), "nothing was made");
}

#[test]
fn an_object_store_in_a_build_without() {
    if cfg!(feature = "s3") {
        return;
    }
    let stage = Stage::with_books();
    let text = "this program was built without object stores: build with `--features s3`";
    refuses(&stage.run(&with(&["s3://bucket/o", "--app", "wc", "pg-*.txt"])), text);
    refuses(&stage.run(&with(&["o", "--app", "wc", "s3://bucket/pg-*.txt"])), text);
    assert!(!stage.has("o"), "nothing was made");
}

#[test]
fn an_output_directory_that_exists() {
    let stage = Stage::with_books();
    stage.done(&with(&["o", "--app", "wc", "pg-*.txt"]));
    let before = stage.outputs("o", 2);
    let again = stage.run(&with(&["o", "--app", "wc", "pg-*.txt"]));
    refuses(&again, "exists and holds mr-out-0: name another one, or remove it");
    assert_eq!(stage.outputs("o", 2), before);
    std::fs::create_dir(stage.path("mine")).unwrap();
    stage.write("mine/letter", "dear");
    refuses(&stage.run(&with(&["mine", "--app", "wc", "pg-*.txt"])), "holds letter");
    assert_eq!(stage.names("mine"), ["letter"]);
    refuses(&stage.run(&with(&["pg-grimm.txt", "--app", "wc", "pg-*.txt"])), "pg-grimm.txt");
}

#[test]
fn two_jobs_with_one_output_and_one_asked_for_otherwise() {
    let stage = Stage::new();
    stage.write("a", "a\n");
    let waits = "cat; while [ -e $PWD -a ! -e go ]; do sleep 0.05; done";
    let words = with(&["o", "--mapper", waits, "a"]);
    let job = stage.start("job", &words);
    job.address();
    refuses(&stage.run(&with(&["o", "--app", "wc", "a"])), "another job writes to");
    refuses(&stage.run(&words), "another job writes to");
    job.signal(nix::sys::signal::Signal::SIGKILL);
    drop(job);
    refuses(&stage.run(&with(&["o", "--app", "wc", "a"])), "begun with another mapper");
    let fewer = ["run", "--reduces", "1", "--out", "o", "--mapper", waits, "a"];
    refuses(&stage.run(&fewer), "begun with --reduces 2");
    stage.write("a", "a\nb\n");
    refuses(&stage.run(&words), "a was changed");
    let left = stage.names("o");
    assert!(left.len() == 1 && left[0].starts_with(".quorate-mr-"), "{left:?}");
}

#[test]
fn a_mapper_that_fails_until_it_is_mended() {
    let stage = Stage::new();
    stage.write("a", "a\n");
    stage.write("map.sh", "echo no such thing >&2; exit 7\n");
    let words = with(&["o", "--max-attempts", "3", "--mapper", "sh map.sh", "a"]);
    let ended = stage.run(&words);
    refuses(&ended, "no such thing");
    assert_eq!(ended.stderr.matches("map 0, attempt 1.").count(), 3, "{ended:?}");
    assert!(ended.stderr.contains("the same command goes on with it"), "{ended:?}");
    stage.write("map.sh", "cat\n");
    stage.done(&words);
    assert_eq!(stage.lines("o", 2), ["a"]);
}

#[test]
fn an_input_that_vanishes() {
    let stage = Stage::new();
    stage.write("a", "a\n");
    stage.write("b", "b\n");
    let waits = "cat; while [ -e $PWD -a ! -e go ]; do sleep 0.05; done";
    let one = ["run", "--workers", "1", "--reduces", "1", "--out", "o", "--max-attempts", "2"];
    let words = [&one[..], &["--mapper", waits, "a", "b"]].concat();
    let job = stage.start("job", &words);
    job.address();
    std::fs::remove_file(stage.path("b")).unwrap();
    stage.write("go", "");
    let ended = job.end();
    refuses(&ended, "input b: ");
    refuses(&stage.run(&words), "no file matches \"b\"");
    stage.write("b", "another\n");
    refuses(&stage.run(&words), "b was changed");
}

#[test]
fn a_mapper_that_hangs() {
    let stage = Stage::new();
    stage.write("a", "a\n");
    let hangs = "cat >/dev/null; exec sleep 1000";
    let words = ["o", "--task-timeout", "300ms", "--max-attempts", "2", "--mapper", hangs, "a"];
    refuses(&stage.run(&with(&words)), "it read and wrote nothing for 300ms (--task-timeout)");
}

/// MR-HOST-1: on one machine nothing works. Another does it, and no task fails twice.
#[test]
fn a_worker_on_which_nothing_works() {
    let stage = Stage::new();
    ["a", "b", "c", "d"].iter().for_each(|name| stage.write(name, format!("{name}\n")));
    let mapper =
        "cat; [ -z \"$BROKEN\" ] || exit 1; while [ -e $PWD -a ! -e go ]; do sleep 0.05; done";
    let job = ["--max-attempts", "2", "--mapper", mapper, "--reduces", "1", "--out", "o"];
    let serves = ["coordinator", "--listen", "127.0.0.1:0"];
    let words = [&serves[..], &job, &["a", "b", "c", "d"]].concat();
    let coordinator = stage.start("coordinator", &words);
    let address = coordinator.address();
    let joins = ["worker", "--connect", &address];
    let works = stage.start("works", &[&joins[..], &["--host", "works"]].concat());
    let told = |what: &str, fits: &dyn Fn(&serde_json::Value) -> bool| {
        wait_for(what, || {
            let told = stage.done(&["status", "--connect", &address, "--json"]).stdout;
            fits(&serde_json::from_str(&told).unwrap()).then_some(())
        });
    };
    told("the first map", &|told| told["map"]["in_progress"] == 1);
    let broken = stage.start_where("broken", &joins, &[("BROKEN", "1")]);
    told("the others to fail", &|told| told["failures"] == 3);
    stage.write("go", "");
    let ended = coordinator.end();
    assert!(ended.status.success(), "{ended:?}");
    assert!(works.end().status.success() && broken.end().status.success());
    let failed =
        ended.stderr.lines().filter_map(|line| line.split_once(" by ")?.1.split_once(": "));
    let by: BTreeSet<_> = failed.map(|(address, _)| address).collect();
    assert_eq!(by.len(), 1, "all by the same worker, which is named: {ended:?}");
    assert_eq!(stage.lines("o", 1), ["a", "b", "c", "d"]);
}

#[test]
fn a_mapper_that_kills_its_worker_and_one_that_floods_stderr() {
    let stage = Stage::new();
    stage.write("a", "a\n");
    refuses(&stage.run(&with(&["o", "--mapper", "kill -9 $PPID", "a"])), "its worker is gone");
    let floods = "cat; yes complaint | head -c 10000000 >&2";
    let ended = stage.done(&with(&["p", "--mapper", floods, "a"]));
    assert!(ended.stderr.len() < 2_000_000, "it is cut: {} bytes", ended.stderr.len());
    assert_eq!(stage.lines("p", 2), ["a"]);
}

#[test]
fn a_disk_that_is_full() {
    let stage = Stage::with_books();
    let words = with(&["o", "--max-attempts", "2", "--app", "sort", "pg-*.txt"]);
    // No file may be larger than 32 blocks of 512 bytes; who tries is told instead of killed.
    let mut command = std::process::Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 32; exec \"$0\" mr \"$@\"";
    command.args(["-c", script]).arg(quorate().get_program()).args(&words);
    command.current_dir(stage.path("")).stdin(std::process::Stdio::null());
    // Their own output goes through pipes: a file of it would be too large as well.
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("the limit on the size of a file is reached"), "{stderr}");
    assert!(stage.names("o").iter().all(|name| name.starts_with('.')), "no output is visible");
    stage.done(&words);
    stage.outputs("o", 2);
}

#[test]
fn a_worker_of_another_version_and_one_without_a_coordinator() {
    let stage = Stage::new();
    stage.write("a", "a\n");
    let words = ["coordinator", "--listen", "127.0.0.1:0", "--app", "wc", "--out", "o", "a"];
    let coordinator = stage.start("job", &words);
    let address = coordinator.address();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"quorate\0\xfe\x02\0").unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    assert_eq!(reply[..8], *b"quorate\0");
    assert_eq!(reply[9], 1, "it is told that the version is another");
    coordinator.says("it speaks another version");
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    // It is let go, with a reset if it has said more than was read.
    let _ = stream.read_to_end(&mut Vec::new());
    stage.done(&["status", "--connect", &address]);
    drop(coordinator);
    let alone = ["worker", "--patience", "100ms", "--connect", &address];
    refuses(&stage.run(&alone), "Start it, or correct --connect");
}

#[test]
fn a_damaged_journal() {
    let stage = Stage::with_books();
    let waits = "cat; [ $mapreduce_task_partition != 7 ] || while [ -e $PWD -a ! -e go ]; do sleep 0.05; done";
    let words = with(&["o", "--mapper", waits, "pg-*.txt"]);
    let job = stage.start("job", &words);
    let address = job.address();
    wait_for("seven maps", || {
        let told = stage.done(&["status", "--connect", &address, "--json"]).stdout;
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        (told["map"]["completed"] == 7).then_some(())
    });
    job.signal(nix::sys::signal::Signal::SIGKILL);
    drop(job);
    let journal = format!("o/{}/journal", stage.names("o")[0]);
    let mut bytes = std::fs::read(stage.path(&journal)).unwrap();
    bytes[12] ^= 1;
    stage.write(&journal, &bytes);
    refuses(&stage.run(&words), "damaged at byte 0");
    bytes[12] ^= 1;
    // A torn end is cut.
    bytes.extend([7; 21]);
    stage.write(&journal, &bytes);
    stage.write("go", "");
    let ended = stage.done(&words);
    assert!(ended.stderr.contains("goes on with the job"), "{ended:?}");
    stage.outputs("o", 2);
}
