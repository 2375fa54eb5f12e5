//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use super::bench::both;
use super::{Bench, access};
use protocol::kv::Work;
use quorate::session::{Call, Outcome, Port, Query, SessionLimits};

const ABORT: &str = "-EXECABORT Transaction discarded because of previous errors.";

#[test]
fn commands_are_executed_together() {
    both(&[
        ("MULTI", "+OK", "+OK"),
        ("SET {t}a 1", "+QUEUED", "+QUEUED"),
        ("INCR {t}a", "+QUEUED", "+QUEUED"),
        ("MGET {t}a {t}b", "+QUEUED", "+QUEUED"),
        ("DEL {t}a {t}b", "+QUEUED", "+QUEUED"),
        ("PING", "+QUEUED", "+QUEUED"),
        ("KV.GET {t}a", "+QUEUED", "+QUEUED"),
        (
            "EXEC",
            "*6 +OK :2 *2 $1 2 $-1 :1 +PONG *2 $-1 :0",
            "*6 +OK :2 *2 $1 2 _ :1 +PONG *2 _ :0",
        ),
        ("EXEC", "-ERR EXEC without MULTI", "-ERR EXEC without MULTI"),
    ]);
}

#[test]
fn a_transaction_is_one_entry_of_the_log() {
    let mut b = Bench::new();
    b.line("MULTI");
    b.line("SET {t}a 1");
    b.line("DEL {t}a {t}b");
    b.ask(&["EXEC"]);
    let [asked] = &b.asked[..] else { panic!("one call is asked, not {:?}", b.asked) };
    let Call::Write(Work::Transaction(transaction)) = &asked.call else { panic!("{asked:?}") };
    assert_eq!((transaction.ops.len(), transaction.watched.len()), (3, 0));
    b.settle();
    assert_eq!(b.shown(), "*2 +OK :1");
    b.line("MULTI");
    b.line("GET {t}a");
    b.ask(&["EXEC"]);
    assert!(matches!(b.asked[0].call, Call::Read(Query::Transaction(_))), "reads need no entry");
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    let mut b = Bench::new();
    b.told(&[
        ("SET {t}a text", "+OK"),
        ("MULTI", "+OK"),
        ("INCR {t}a", "+QUEUED"),
        ("SET {t}a v FOO", "+QUEUED"),
        ("KV.PUT {t}a v 9", "+QUEUED"),
        ("SET {t}b v", "+QUEUED"),
    ]);
    let told = b.line("EXEC");
    let expected =
        "*4 -ERR value is not an integer or out of range -ERR syntax error -VERSIONMISMATCH ";
    assert!(told.starts_with(expected) && told.ends_with(" +OK"), "{told}");
    assert_eq!(b.line("MGET {t}a {t}b"), "*2 $4 text $1 v");
}

#[test]
fn what_is_wrong_at_once_spoils_all() {
    let request = quorate::resp::Limits::DEFAULT.with_bulk_bytes(100);
    let limits = SessionLimits { request, ..SessionLimits::default() };
    let long = format!("SET k {}", "x".repeat(101));
    for (line, begin) in [
        ("FOO", "-ERR unknown command"),
        ("GET", "-ERR wrong number of arguments"),
        ("MGET a b", "-CROSSSLOT "),
        ("EVAL x 0", "-ERR scripts are not supported"),
        ("DBSIZE", "-ERR Command not allowed inside a transaction"),
        ("SCAN 0", "-ERR Command not allowed inside a transaction"),
        ("FLUSHALL", "-ERR Command not allowed inside a transaction"),
        ("HELLO 3", "-ERR Command not allowed inside a transaction"),
        ("AUTH x", "-ERR Command not allowed inside a transaction"),
        ("CLIENT REPLY OFF", "-ERR Command not allowed inside a transaction"),
        ("CLIENT LIST", "-ERR Command not allowed inside a transaction"),
        ("ONCE k 65536 1 SET k v", "-ERR Command not allowed inside a transaction"),
        ("KV.WAIT k 1 1", "-ERR Command not allowed inside a transaction"),
        (long.as_str(), "-ERR string exceeds maximum allowed size"),
    ] {
        let mut b = Bench::with(access(Port::Plain), limits);
        b.told(&[("MULTI", "+OK"), ("SET k v", "+QUEUED")]);
        let told = b.line(line);
        assert!(told.starts_with(begin), "{told}");
        b.told(&[("SET k v", "+QUEUED"), ("EXEC", ABORT), ("GET k", "$-1")]);
    }
}

#[test]
fn nesting() {
    let mut b = Bench::new();
    b.told(&[
        ("DISCARD", "-ERR DISCARD without MULTI"),
        ("MULTI", "+OK"),
        ("MULTI", "-ERR MULTI calls can not be nested"),
        ("WATCH k", "-ERR WATCH inside MULTI is not allowed"),
        ("UNWATCH", "+QUEUED"),
        ("SET k v", "+QUEUED"),
        ("EXEC", "*2 +OK +OK"),
        ("MULTI", "+OK"),
        ("EXEC", "*0"),
        ("MULTI", "+OK"),
        ("DEL k", "+QUEUED"),
        ("DISCARD", "+OK"),
        ("GET k", "$1 v"),
    ]);
}

#[test]
fn keys_of_several_slots() {
    let mut b = Bench::new();
    b.told(&[
        ("MULTI", "+OK"),
        ("SET a 1", "+QUEUED"),
        ("SET b 1", "+QUEUED"),
        ("EXEC", "-CROSSSLOT Keys in request don't hash to the same slot"),
        ("EXISTS a", ":0"),
        ("WATCH a", "+OK"),
        ("MULTI", "+OK"),
        ("SET b 1", "+QUEUED"),
        ("EXEC", "-CROSSSLOT Keys in request don't hash to the same slot"),
        ("MULTI", "+OK"),
        ("SET b 1", "+QUEUED"),
        ("EXEC", "*1 +OK"),
    ]);
}

/// Runs EXEC of a SET after a WATCH, with other commands in between.
fn watched(between: &[&str]) -> String {
    let mut b = Bench::new();
    b.told(&[("SET {t}k old", "+OK"), ("WATCH {t}k {t}none", "+OK")]);
    let mut other = Bench::new();
    std::mem::swap(&mut b.store, &mut other.store);
    for line in between {
        other.line(line);
    }
    std::mem::swap(&mut b.store, &mut other.store);
    b.told(&[("MULTI", "+OK"), ("SET {t}mine v", "+QUEUED")]);
    let told = b.line("EXEC");
    let executed = if told == "*1 +OK" { "$1 v" } else { "$-1" };
    assert_eq!(b.line("GET {t}mine"), executed);
    b.told(&[("MULTI", "+OK"), ("SET {t}mine v", "+QUEUED"), ("EXEC", "*1 +OK")]);
    told
}

#[test]
fn watch_guards_what_was_read() {
    assert_eq!(watched(&[]), "*1 +OK");
    assert_eq!(watched(&["GET {t}k", "SET {t}other v"]), "*1 +OK");
    for between in [
        &["SET {t}k new"][..],
        &["SET {t}k old"],
        &["SET {t}none v"],
        &["DEL {t}k"],
        &["DEL {t}k", "SET {t}k old"],
        &["EXPIRE {t}k 100"],
    ] {
        assert_eq!(watched(between), "*-1", "{between:?}");
    }
}

#[test]
fn watch_ends() {
    both(&[
        ("WATCH k", "+OK", "+OK"),
        ("SET k 1", "+OK", "+OK"),
        ("MULTI", "+OK", "+OK"),
        ("GET k", "+QUEUED", "+QUEUED"),
        ("EXEC", "*-1", "_"),
        ("WATCH k", "+OK", "+OK"),
        ("SET k 2", "+OK", "+OK"),
        ("MULTI", "+OK", "+OK"),
        ("EXEC", "*-1", "_"),
        ("WATCH k", "+OK", "+OK"),
        ("SET k 2", "+OK", "+OK"),
        ("UNWATCH", "+OK", "+OK"),
        ("MULTI", "+OK", "+OK"),
        ("EXEC", "*0", "*0"),
        ("WATCH k", "+OK", "+OK"),
        ("SET k 3", "+OK", "+OK"),
        ("MULTI", "+OK", "+OK"),
        ("DISCARD", "+OK", "+OK"),
        ("MULTI", "+OK", "+OK"),
        ("GET k", "+QUEUED", "+QUEUED"),
        ("EXEC", "*1 $1 3", "*1 $1 3"),
    ]);
}

/// All in one piece: EXEC waits until it knows what WATCH has seen, and nothing behind it goes ahead.
#[test]
fn a_pipeline_with_watch() {
    let mut b = Bench::new();
    b.receive(b"SET k 1\r\nWATCH k\r\nMULTI\r\nINCR k\r\nEXEC\r\nGET k\r\n");
    assert_eq!(b.asked.len(), 1, "the SET");
    b.carry_out(0);
    assert_eq!(b.asked.len(), 1, "the WATCH");
    b.carry_out(0);
    assert!(
        matches!(&b.asked[0].call, Call::Write(Work::Transaction(asked)) if asked.watched.len() == 1)
    );
    b.settle();
    assert_eq!(b.shown(), "+OK +OK +OK +QUEUED *1 :2 $1 2");
    // A WATCH that is over before it is answered guards nothing and harms nothing.
    b.receive(b"WATCH k\r\nUNWATCH\r\nMULTI\r\nINCR k\r\nEXEC\r\n");
    b.settle();
    assert_eq!(b.shown(), "+OK +OK +OK +QUEUED *1 :3");
}

/// An EXEC behind a WATCH that failed would be unguarded.
#[test]
fn a_watch_that_failed_aborts() {
    for outcome in [Outcome::NoLeader, Outcome::Busy, Outcome::Unknown] {
        let mut b = Bench::new();
        b.receive(b"WATCH k\r\nMULTI\r\nSET k v\r\nEXEC\r\n");
        b.answer(0, outcome);
        let told = b.shown();
        assert!(told.ends_with(&format!(" +OK +QUEUED {ABORT}")) && b.asked.is_empty(), "{told}");
        b.told(&[("MULTI", "+OK"), ("SET k v", "+QUEUED"), ("EXEC", "*1 +OK")]);
    }
    let mut b = Bench::new();
    b.receive(b"WATCH a b\r\nMULTI\r\nSET a v\r\nEXEC\r\n");
    assert!(b.shown().ends_with(ABORT));
}

#[test]
fn a_transaction_has_a_bound() {
    let limits = SessionLimits { transaction_bytes: 1_000, ..SessionLimits::default() };
    let mut b = Bench::with(access(Port::Plain), limits);
    b.line("MULTI");
    let long = "x".repeat(400);
    assert_eq!(b.say(&["SET", "k", &long]), "+QUEUED");
    assert_eq!(b.say(&["SET", "k", &long]), "+QUEUED");
    let told = b.say(&["SET", "k", &long]);
    assert_eq!(told, "-ERR transaction is too large: this server takes 1000 bytes");
    b.told(&[("EXEC", ABORT), ("EXISTS k", ":0")]);
    for _ in 0..20 {
        b.say(&["WATCH", &long]);
    }
    assert!(b.say(&["WATCH", &long]).starts_with("-ERR transaction is too large"));
    b.told(&[("MULTI", "+OK"), ("EXEC", ABORT), ("WATCH k", "+OK")]);
}

/// A small command may have a large answer.
#[test]
fn replies_of_a_transaction_have_a_bound() {
    let limits = SessionLimits { reply_bytes: 10_000, ..SessionLimits::default() };
    let mut b = Bench::with(access(Port::Plain), limits);
    b.line("MULTI");
    for _ in 0..100 {
        b.line("COMMAND");
    }
    b.line("SET k v");
    let told = b.line("EXEC");
    let refused = told.matches("-ERR not executed: the replies before are too long").count();
    assert!((90..100).contains(&refused) && told.ends_with(" +OK"), "{refused} of 100");
}

#[test]
fn executed_for_a_silent_client() {
    let mut b = Bench::new();
    b.told(&[
        ("CLIENT REPLY OFF", ""),
        ("MULTI", ""),
        ("SET k v", ""),
        ("EXEC", ""),
        ("CLIENT REPLY ON", "+OK"),
        ("GET k", "$1 v"),
    ]);
}
