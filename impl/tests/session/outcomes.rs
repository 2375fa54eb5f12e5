//! What clients are told of calls that were not carried out, or perhaps were: the first word decides whether they
//! send the command again.

use super::{Bench, access};
use protocol::NodeId;
use protocol::kv::Reply;
use quorate::session::{Answer, Outcome, Port, SessionLimits};

/// What a command is told if its call ends so.
fn told(mut bench: Bench, line: &str, outcome: Outcome) -> String {
    bench.ask(&line.split(' ').collect::<Vec<_>>());
    assert_eq!(bench.asked.len(), 1, "{line} is asked");
    bench.answer(0, outcome);
    assert_eq!(bench.session.in_flight(), 0);
    assert!(
        !bench.session.closes(),
        "nobody is cut off, which would say that it may be sent again"
    );
    bench.shown()
}

fn moved() -> Outcome {
    Outcome::Moved { leader: NodeId(2) }
}

const WRITES: [&str; 4] = ["SET foo v", "DEL foo", "FLUSHALL", "MSET foo 1 foo 2"];
const READS: [&str; 4] = ["GET foo", "MGET foo foo", "DBSIZE", "KV.WAIT foo 1 0"];
const ONCE: &str = "ONCE foo 65536 1 SET foo v";

#[test]
fn cluster_clients_are_sent_to_the_leader() {
    for line in WRITES.iter().chain(&READS).chain([&ONCE]) {
        let slot = if ["FLUSHALL", "DBSIZE"].contains(line) { 0 } else { 12182 };
        let expected = format!("-MOVED {slot} 10.0.0.2:7502");
        assert_eq!(told(Bench::cluster(), line, moved()), expected, "{line}");
    }
    let unknown = Outcome::Moved { leader: NodeId(9) };
    assert!(told(Bench::cluster(), "GET foo", unknown).starts_with("-CLUSTERDOWN "));
}

#[test]
fn other_clients_are_asked_to_try_again() {
    for line in WRITES.iter().chain(&READS).chain([&ONCE]) {
        let text = told(Bench::new(), line, moved());
        assert!(text.starts_with("-TRYAGAIN ") && text.ends_with("was not executed"), "{text}");
    }
}

#[test]
fn what_was_not_executed_may_be_sent_again() {
    for line in WRITES.iter().chain(&READS).chain([&ONCE]) {
        for bench in [Bench::new, Bench::cluster] {
            assert!(told(bench(), line, Outcome::NoLeader).starts_with("-CLUSTERDOWN "), "{line}");
            assert!(told(bench(), line, Outcome::Busy).starts_with("-TRYAGAIN "), "{line}");
        }
    }
}

/// Only what is harmless twice.
#[test]
fn what_may_have_been_executed_is_not_sent_again() {
    for bench in [Bench::new, Bench::cluster] {
        for line in WRITES {
            assert!(told(bench(), line, Outcome::Unknown).starts_with("-UNCERTAIN "), "{line}");
        }
        for line in READS.iter().chain([&ONCE]) {
            assert!(told(bench(), line, Outcome::Unknown).starts_with("-TRYAGAIN "), "{line}");
        }
        let mut exec = bench();
        exec.told(&[("MULTI", "+OK"), ("SET foo v", "+QUEUED")]);
        assert!(told(exec, "EXEC", Outcome::Unknown).starts_with("-UNCERTAIN "));
        let mut exec = bench();
        exec.told(&[("MULTI", "+OK"), ("GET foo", "+QUEUED")]);
        assert!(told(exec, "EXEC", Outcome::Unknown).starts_with("-TRYAGAIN "));
    }
}

/// A reply that is too long to be sent is not a reason to do it again.
#[test]
fn replies_have_a_bound() {
    let limits = SessionLimits { reply_bytes: 1_000, ..SessionLimits::default() };
    let mut b = Bench::with(access(Port::Plain), limits);
    b.say(&["SET", "k", &"x".repeat(600)]);
    assert_eq!(b.line("GET k").len(), 605);
    let told = b.line("MGET k k");
    assert!(told.starts_with("-ERR the command was executed, but its reply of about "), "{told}");
    b.told(&[("PING", "+PONG")]);
}

/// Answers to calls that nobody made, or that come twice, change nothing.
#[test]
fn answers_that_nobody_waits_for() {
    let mut b = Bench::new();
    b.ask(&["GET", "k"]);
    b.ask(&["GET", "k"]);
    let place = b.asked[0].place;
    let nothing = || Outcome::Done(Answer::Reply(Reply::Nil));
    let mut calls = Vec::new();
    for place in [place, place, 77, u64::MAX] {
        b.session.answer(place, nothing(), &b.view, b.now_ms, &mut calls);
    }
    assert_eq!((b.shown().as_str(), b.session.in_flight()), ("$-1", 1));
}
