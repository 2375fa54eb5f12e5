//! ONCE: a command that is executed once, however often it is sent.

use super::Bench;
use super::bench::START_MS;
use protocol::kv::Limits;

/// A client that was made when the bench's time began, in decimal.
fn client(number: u64) -> String {
    ((START_MS << 16) + number).to_string()
}

/// Sends a command as the first client's call number `seq`, with options.
fn once(b: &mut Bench, seq: &str, inner: &str) -> String {
    b.line(&format!("ONCE k {} {seq} {inner}", client(1)))
}

#[test]
fn a_retry_returns_the_recorded_reply() {
    let mut b = Bench::new();
    for _ in 0..3 {
        assert_eq!(once(&mut b, "1", "INCR k"), ":1");
    }
    assert_eq!(once(&mut b, "2", "APPEND k x"), ":2");
    assert_eq!(once(&mut b, "2", "APPEND k x"), ":2");
    assert_eq!(once(&mut b, "3", "SET k v NX"), "$-1");
    assert_eq!(b.line("DEL k"), ":1");
    assert_eq!(once(&mut b, "3", "SET k v NX"), "$-1", "as it was then");
    assert_eq!(once(&mut b, "3", "set k v nx"), "$-1", "the same command in other letters");
    assert_eq!(b.line("EXISTS k"), ":0");
}

#[test]
fn every_write_on_keys_may_be_made_so() {
    let lines = [
        ("SET k v EX 100", "+OK"),
        ("MSET k 1 {k}b 2", "+OK"),
        ("DEL k {k}b", ":2"),
        ("MSETNX k 1 {k}b 2", ":1"),
        ("RENAME k {k}c", "+OK"),
        ("GETSET k v", "$-1"),
        ("KV.SET k v", "+OK"),
        ("KV.APPEND k w", "$1 v"),
        ("KV.PUT k x 6", "+OK"),
        ("EXPIRE k 100", ":1"),
        ("INCRBYFLOAT {k}n 0.5", "$3 0.5"),
    ];
    let mut b = Bench::new();
    for (seq, (line, expected)) in (1..).zip(lines) {
        for _ in 0..2 {
            assert_eq!(once(&mut b, &seq.to_string(), line), expected, "{line}");
        }
    }
    // Reads need no record, and see what is there now.
    assert_eq!(once(&mut b, "1", "GET k"), "$1 x");
    assert_eq!(once(&mut b, "1", "MGET k {k}b"), "*2 $1 x $1 2");
    assert_eq!(once(&mut b, "1", "KV.GET k"), "*2 $1 x :8");
}

#[test]
fn replies_are_kept_until_they_are_acknowledged() {
    let mut b = Bench::new();
    assert_eq!(once(&mut b, "1 ACK 0", "INCR k"), ":1");
    assert_eq!(once(&mut b, "2 ACK 0", "INCR k"), ":2");
    assert_eq!(once(&mut b, "1 ACK 0", "INCR k"), ":1", "both are kept");
    assert_eq!(once(&mut b, "3 ACK 1", "INCR k"), ":3");
    let told = once(&mut b, "1 ACK 0", "INCR k");
    assert!(told.starts_with("-ACKNOWLEDGED "), "{told}");
    assert_eq!(once(&mut b, "2 ACK 1", "INCR k"), ":2");
    assert_eq!(once(&mut b, "4", "INCR k"), ":4", "without ACK the lower ones are acknowledged");
    assert!(once(&mut b, "2", "INCR k").starts_with("-ACKNOWLEDGED "));
    assert_eq!(b.line("GET k"), "$1 4");
}

#[test]
fn what_the_records_refuse() {
    let mut b = Bench::new();
    once(&mut b, "1", "SET k v");
    assert!(once(&mut b, "1", "SET k w").starts_with("-SEQREUSED "));
    assert!(once(&mut b, "1", "INCR k").starts_with("-SEQREUSED "));
    let ahead = ((START_MS + Limits::DEFAULT.ahead_ms + 1) << 16).to_string();
    let told = b.line(&format!("ONCE k {ahead} 1 SET k w"));
    assert!(told.starts_with("-CLIENTAHEAD "), "{told}");
    let long = "x".repeat(5_000);
    once(&mut b, "2", &format!("SET k {long}"));
    assert_eq!(once(&mut b, "3", "GETSET k v"), format!("$5000 {long}"));
    let told = once(&mut b, "3", "GETSET k v");
    assert!(told.starts_with("-NOTKEPT "), "{told}");
    assert_eq!(b.line("GET k"), "$1 v");
}

#[test]
fn too_many_unacknowledged() {
    let mut b = Bench::new();
    for seq in 1..=Limits::DEFAULT.unacknowledged {
        assert_eq!(once(&mut b, &format!("{seq} ACK 0"), "APPEND k x"), format!(":{seq}"));
    }
    let told = once(&mut b, &format!("{} ACK 0", Limits::DEFAULT.unacknowledged + 1), "APPEND k x");
    assert!(told.starts_with("-UNACKNOWLEDGED "), "{told}");
    assert_eq!(once(&mut b, "1 ACK 0", "APPEND k x"), ":1");
}

#[test]
fn a_client_that_was_away_too_long() {
    let mut b = Bench::new();
    once(&mut b, "1", "INCR k");
    b.now_ms += Limits::DEFAULT.idle_ms + 1;
    let told = once(&mut b, "1", "INCR k");
    assert!(told.starts_with("-SESSIONEXPIRED "), "{told}");
    assert_eq!(b.line("GET k"), "$1 1");
    let fresh = (b.now_ms << 16).to_string();
    assert_eq!(b.line(&format!("ONCE k {fresh} 1 INCR k")), ":2");
}

#[test]
fn arguments_that_mean_nothing() {
    let mut b = Bench::new();
    let client_id = "-ERR client id is neither a UUID of version 7 nor an integer above 0 whose first 48 bits are Unix milliseconds";
    let seq = "-ERR seq is not an integer or out of range: it begins with 1";
    b.told(&[
        ("ONCE k x 1 SET k v", client_id),
        ("ONCE k 0 1 SET k v", client_id),
        ("ONCE k -1 1 SET k v", client_id),
        ("ONCE k 019ab7c5-2d00-4abc-8def-0123456789ab 1 SET k v", client_id),
        ("ONCE k 1 0 SET k v", seq),
        ("ONCE k 1 a SET k v", seq),
        ("ONCE k 1 2 ACK 2 SET k v", "-ERR ACK is not an integer below seq"),
        ("ONCE k 1 2 ACK a SET k v", "-ERR ACK is not an integer below seq"),
        ("ONCE k 1 1", "-ERR wrong number of arguments for 'once' command"),
        ("ONCE k 1 2 ACK 1", "-ERR wrong number of arguments for 'once' command"),
        ("ONCE k 1 1 FOO", "-ERR unknown command 'FOO', with args beginning with: "),
        ("ONCE k 1 1 SET k", "-ERR wrong number of arguments for 'set' command"),
        ("ONCE k 1 1 SET k v EX 0", "-ERR invalid expire time in 'set' command"),
        ("ONCE k 1 1 SET other v", "-CROSSSLOT Keys in request don't hash to the same slot"),
        ("ONCE k 1 1 MSET k v other v", "-CROSSSLOT Keys in request don't hash to the same slot"),
        ("ONCE k 1 1 ONCE k 1 1 SET k v", "-ERR ONCE can't be used inside ONCE"),
        ("ONCE k 1 1 PING", "-ERR ONCE can't be used with 'ping'"),
        ("ONCE k 1 1 MULTI", "-ERR ONCE can't be used with 'multi'"),
        ("ONCE k 1 1 WATCH k", "-ERR ONCE can't be used with 'watch'"),
        ("ONCE k 1 1 FLUSHALL", "-ERR ONCE can't be used with 'flushall'"),
        ("ONCE k 1 1 EVAL x 0", "-ERR ONCE can't be used with 'eval'"),
        ("DBSIZE", ":0"),
    ]);
}
