//! The commands that people type, as processes: what they print, and with what they end.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use quorate::resp::Frame;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use support::process::{Cluster, Folder, Node, ask, quorate, wait_for};

fn node() -> (Folder, Node) {
    let folder = Folder::new();
    let arguments = ["--listen".to_owned(), "127.0.0.1:0".to_owned()];
    let node = Node::start(&folder.path().join("d"), &arguments).expect("it starts");
    (folder, node)
}

fn command(words: &[&str], address: SocketAddr) -> Command {
    let mut command = quorate();
    // Options stand before what is passed on as it is.
    command.arg(words[0]).arg("--addr").arg(address.to_string()).args(&words[1..]);
    command
}

fn output(words: &[&str], address: SocketAddr) -> Output {
    command(words, address).output().expect("the program runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn ends(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}{}", out(output), err(output));
}

#[test]
fn cli_of_one_command() {
    let (_folder, node) = node();
    let set = output(&["cli", "SET", "k", "a b"], node.plain);
    ends(&set, 0);
    assert_eq!(out(&set), "OK\n");
    assert_eq!(out(&output(&["cli", "GET", "k"], node.plain)), "a b\n");
    assert_eq!(out(&output(&["cli", "--form", "pretty", "GET", "k"], node.plain)), "\"a b\"\n");
    let many = output(&["cli", "--form", "pretty", "MGET", "k", "{k}none"], node.plain);
    assert_eq!(out(&many), "1) \"a b\"\n2) (nil)\n");
    // What looks like an option belongs to the command.
    ends(&output(&["cli", "SET", "k", "--json"], node.plain), 0);
    assert_eq!(out(&output(&["cli", "GET", "k"], node.plain)), "--json\n");
    let wrong = output(&["cli", "INCR", "k"], node.plain);
    ends(&wrong, 1);
    assert_eq!(out(&wrong), "ERR value is not an integer or out of range\n");
    let hello =
        output(&["cli", "-3", "--form", "pretty", "CONFIG", "GET", "maxmemory"], node.plain);
    assert!(out(&hello).contains(" => "), "RESP3 has maps: {}", out(&hello));
}

#[test]
fn cli_of_many_lines() {
    let (_folder, node) = node();
    let mut child = command(&["cli"], node.plain)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(b"SET k 'a b'\n\nGET k\nset 'k\nquit\nGET k\n").expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    ends(&output, 0);
    assert_eq!(out(&output), "OK\na b\n");
}

#[test]
fn cli_follows_the_leader() {
    let cluster = Cluster::start(3);
    let follower = (0..3).find(|node| *node != cluster.leader()).expect("there are two");
    let set = output(&["cli", "SET", "k", "v"], cluster.cluster()[follower]);
    ends(&set, 0);
    assert_eq!(out(&set), "OK\n");
    assert!(err(&set).contains("leads"), "{}", err(&set));
}

#[test]
fn nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("it listens");
    drop(free);
    for (words, code) in
        [(vec!["cli", "PING"], 1), (vec!["status"], 2), (vec!["bench", "--requests", "1"], 1)]
    {
        let output = output(&words, address);
        ends(&output, code);
        assert!(err(&output).contains("quorate server"), "{words:?}: {}", err(&output));
    }
}

#[test]
fn status_of_three() {
    let mut cluster = Cluster::start(3);
    assert_eq!(
        ask(cluster.plain()[0], &["SET", "k", "v"]).expect("an answer"),
        Frame::Simple(b"OK".to_vec())
    );
    let at = cluster.plain()[0];
    let healthy = wait_for("three nodes that know a leader", || {
        let output = output(&["status", "--json"], at);
        (output.status.code() == Some(0)).then(|| out(&output))
    });
    let healthy: Value = serde_json::from_str(&healthy).expect("it is JSON");
    assert_eq!(healthy["nodes"].as_array().map(Vec::len), Some(3));
    assert_eq!(healthy["leads"], true);
    let leader = cluster.leader();
    cluster.kill(leader);
    let alive = (0..3).find(|node| cluster.runs(*node)).expect("two run");
    let at = cluster.plain()[alive];
    let status = wait_for("another leader", || {
        let output = output(&["status", "--json"], at);
        ends(&output, 1);
        let status: Value = serde_json::from_str(&out(&output)).expect("it is JSON");
        (status["leads"] == true).then_some(status)
    });
    let nodes = status["nodes"].as_array().expect("a list");
    let dead: Vec<usize> = (0..3).filter(|node| nodes[*node]["alive"] == false).collect();
    assert_eq!(dead, [leader], "{status}");
    assert!(nodes[leader]["error"].is_string());
    assert_eq!(nodes.iter().filter(|node| node["role"] == "leader").count(), 1);
    for node in nodes.iter().filter(|node| node["alive"] == true) {
        assert!(node["commit"].as_u64() > Some(0) && node["term"].as_u64() > Some(0), "{node}");
    }
    // The same for people; any node that lives can be asked, behind one that does not.
    let both = format!("{},{}", cluster.plain()[leader], cluster.plain()[alive]);
    let table = quorate().args(["status", "--addr", &both]).output().expect("the program runs");
    ends(&table, 1);
    let text = out(&table);
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.lines().nth(leader + 1).is_some_and(|line| line.contains("dead")), "{text}");
    assert!(err(&table).contains("can't connect"), "{}", err(&table));
}

#[test]
fn bench_checks_every_answer() {
    let (_folder, node) = node();
    for workload in ["set", "get", "mixed", "append", "once"] {
        let words = ["bench", "--json", "--requests", "1000", "--clients", "7", "--keys", "100"];
        let words = [&words[..], &["--pipeline", "3", "--workload", workload]].concat();
        let output = output(&words, node.plain);
        ends(&output, 0);
        let report: Value = serde_json::from_str(&out(&output)).expect("it is JSON");
        assert_eq!((&report["requests"], &report["wrong"]), (&1000.into(), &0.into()), "{report}");
        assert_eq!(report["workload"], workload);
        let [p50, p99] = ["p50", "p99"].map(|name| report["latency_us"][name].as_u64());
        assert!(p50 > Some(0) && p50 <= p99, "{report}");
    }
    assert_eq!(
        ask(node.plain, &["DBSIZE"]).expect("an answer"),
        Frame::Integer(0),
        "nothing stays"
    );
    let table = output(&["bench", "--requests", "100"], node.plain);
    ends(&table, 0);
    assert_eq!(out(&table).lines().count(), 2, "{}", out(&table));
}

/// A follower's cluster port answers MOVED: no answer that a SET has.
#[test]
fn bench_fails_on_a_wrong_answer() {
    let cluster = Cluster::start(3);
    let follower = (0..3).find(|node| *node != cluster.leader()).expect("there are two");
    let words = ["bench", "--json", "--requests", "10", "--clients", "1", "--keys", "1"];
    let output = output(&words, cluster.cluster()[follower]);
    ends(&output, 1);
    assert!(err(&output).contains("MOVED"), "{}", err(&output));
}

fn locked(name: &str, options: &[&str], script: &str, address: SocketAddr) -> Command {
    let words = [&["lock", name], options, &["--", "sh", "-c", script]].concat();
    command(&words, address)
}

fn is_free(name: &str, address: SocketAddr) -> bool {
    matches!(ask(address, &["GET", name]).expect("an answer"), Frame::Null)
        || ask(address, &["GET", name]).expect("an answer") == Frame::Bulk(Vec::new())
}

#[test]
fn lock_ends_as_its_command_does() {
    let (_folder, node) = node();
    let run = |options: &[&str], script: &str| {
        locked("l", options, script, node.plain).output().expect("the program runs")
    };
    ends(&run(&[], "exit 0"), 0);
    ends(&run(&[], "exit 7"), 7);
    ends(&run(&[], "kill -KILL $$"), 128 + 9);
    let mut last = 0;
    for options in [&[][..], &["--ttl", "0"], &["--ttl", "5s"]] {
        let output = run(options, "printf %s \"$QUORATE_FENCE $QUORATE_LOCK\"");
        ends(&output, 0);
        let text = out(&output);
        let fence: u64 = text.strip_suffix(" l").expect("its name").parse().expect("a version");
        assert!(fence > last, "fencing versions rise: {fence} after {last}");
        last = fence;
        assert!(is_free("l", node.plain));
    }
    let words = ["lock", "l", "--", "/no/such/program"];
    let missing = output(&words, node.plain);
    ends(&missing, 127);
    assert!(is_free("l", node.plain), "what can't be run holds nothing");
}

/// A process that is killed if the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it, and waits until the command under the lock has said a word.
fn begin(mut command: Command) -> Running {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut running = Running(child.expect("the program runs"));
    let stdout = running.0.stdout.as_mut().expect("it is piped");
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    running
}

fn end(mut running: Running) -> (Option<i32>, String) {
    let status = running.0.wait().expect("it ends");
    let mut text = String::new();
    let stderr = running.0.stderr.as_mut().expect("it is piped");
    stderr.read_to_string(&mut text).expect("it is a text");
    (status.code(), text)
}

const WAITS: &str =
    "trap 'exit 7' TERM; trap 'exit 8' INT; echo ready; while :; do sleep 0.05; done";

#[test]
fn lock_passes_signals_on() {
    let (_folder, node) = node();
    for (signal, code) in [(Signal::SIGTERM, 7), (Signal::SIGINT, 8)] {
        let running = begin(locked("l", &[], WAITS, node.plain));
        assert!(!is_free("l", node.plain));
        let pid = i32::try_from(running.0.id()).map(Pid::from_raw).expect("a number");
        kill(pid, signal).expect("it runs");
        assert_eq!(end(running).0, Some(code));
        assert!(is_free("l", node.plain), "it was given back");
    }
}

#[test]
fn lock_waits_for_others() {
    let (_folder, node) = node();
    let running = begin(locked("l", &[], WAITS, node.plain));
    let refused = locked("l", &["--wait", "100ms"], "exit 0", node.plain).output();
    let refused = refused.expect("the program runs");
    ends(&refused, 124);
    assert!(err(&refused).contains("another holds l"), "{}", err(&refused));
    // Who waits can be told to stop.
    let waits = locked("l", &[], "exit 0", node.plain).spawn().map(Running).expect("it runs");
    let pid = i32::try_from(waits.0.id()).map(Pid::from_raw).expect("a number");
    wait_for("its signal handlers", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
        (caught & (1 << (Signal::SIGTERM as i32 - 1)) != 0).then_some(())
    });
    kill(pid, Signal::SIGTERM).expect("it runs");
    let mut waits = waits;
    assert_eq!(waits.0.wait().expect("it ends").code(), Some(128 + 15));
    // And who waits gets it in the end.
    let mut next = Running(locked("l", &[], "exit 3", node.plain).spawn().expect("it runs"));
    let pid = i32::try_from(running.0.id()).map(Pid::from_raw).expect("a number");
    kill(pid, Signal::SIGTERM).expect("it runs");
    assert_eq!(end(running).0, Some(7));
    assert_eq!(next.0.wait().expect("it ends").code(), Some(3));
}

/// The only server dies: the lock can't be renewed, and its command is told to stop before it frees itself.
#[test]
fn lock_says_that_it_was_lost() {
    let (_folder, node) = node();
    let running = begin(locked("l", &["--ttl", "2s"], WAITS, node.plain));
    drop(node);
    let (code, text) = end(running);
    assert_eq!(code, Some(125), "{text}");
    assert!(text.contains("the lock was lost") && text.contains("SIGTERM"), "{text}");
}

/// A holder that dies without a word frees the lock when its time is over.
#[test]
fn lock_of_a_dead_holder_frees_itself() {
    let (_folder, node) = node();
    let script = "echo ready; exec sleep 0.2";
    let mut running = begin(locked("l", &["--ttl", "1s"], script, node.plain));
    running.0.kill().expect("it runs");
    running.0.wait().expect("it ends");
    let next = locked("l", &[], "exit 0", node.plain).output().expect("the program runs");
    ends(&next, 0);
}
