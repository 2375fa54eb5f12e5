//! Commands on values.

use super::Bench;
use super::bench::both;

const SYNTAX: &str = "-ERR syntax error";
const NO_INTEGER: &str = "-ERR value is not an integer or out of range";

#[test]
fn set_and_get() {
    both(&[
        ("GET k", "$-1", "_"),
        ("SET k hello", "+OK", "+OK"),
        ("GET k", "$5 hello", "$5 hello"),
        ("SET k ''", "+OK", "+OK"),
        ("GET k", "$0 ", "$0 "),
        ("STRLEN k", ":0", ":0"),
        ("STRLEN none", ":0", ":0"),
    ]);
}

#[test]
fn set_with_conditions() {
    both(&[
        ("SET k 1 XX", "$-1", "_"),
        ("SET k 1 NX", "+OK", "+OK"),
        ("SET k 2 nx", "$-1", "_"),
        ("SET k 2 NX GET", "$1 1", "$1 1"),
        ("SET k 2 XX GET", "$1 1", "$1 1"),
        ("SET new 1 GET", "$-1", "_"),
        ("SET k 3 IFEQ 1", "$-1", "_"),
        ("SET k 3 IFEQ 2", "+OK", "+OK"),
        ("SET k 4 IFNE 3", "$-1", "_"),
        ("SET k 4 IFNE 5", "+OK", "+OK"),
        ("SET missing 4 IFNE 5", "+OK", "+OK"),
        ("GET k", "$1 4", "$1 4"),
    ]);
}

#[test]
fn set_with_times() {
    let mut b = Bench::new();
    b.told(&[
        ("SET k v EX 10", "+OK"),
        ("TTL k", ":10"),
        ("SET k v PX 1500", "+OK"),
        ("PTTL k", ":1500"),
        ("SET k v KEEPTTL", "+OK"),
        ("PTTL k", ":1500"),
        ("SET k v EXAT 1700000100", "+OK"),
        ("EXPIRETIME k", ":1700000100"),
        ("SET k v PXAT 1700000100123", "+OK"),
        ("PEXPIRETIME k", ":1700000100123"),
        ("SET k v", "+OK"),
        ("TTL k", ":-1"),
        ("SETEX k 20 v", "+OK"),
        ("TTL k", ":20"),
        ("PSETEX k 2500 v", "+OK"),
        ("PTTL k", ":2500"),
        ("SET k v EXAT 1", "+OK"),
        ("GET k", "$-1"),
    ]);
}

#[test]
fn set_refuses_what_means_nothing() {
    let expire = "-ERR invalid expire time in 'set' command";
    let mut b = Bench::new();
    b.told(&[
        ("SET k", "-ERR wrong number of arguments for 'set' command"),
        ("SET k v NX XX", SYNTAX),
        ("SET k v NX NX", SYNTAX),
        ("SET k v IFEQ", SYNTAX),
        ("SET k v IFEQ a NX", SYNTAX),
        ("SET k v EX", SYNTAX),
        ("SET k v EX 1 PX 1", SYNTAX),
        ("SET k v EX 1 KEEPTTL", SYNTAX),
        ("SET k v PERSIST", SYNTAX),
        ("SET k v FOO", SYNTAX),
        ("SET k v EX a", NO_INTEGER),
        ("SET k v EX 0", expire),
        ("SET k v EX -1", expire),
        ("SET k v PXAT 0", expire),
        ("SET k v EX 9223372036854775807", expire),
        ("SET k v PX 9223372036854775807", expire),
        ("SETEX k 0 v", "-ERR invalid expire time in 'setex' command"),
        ("PSETEX k -5 v", "-ERR invalid expire time in 'psetex' command"),
        ("SETEX k a v", NO_INTEGER),
        ("GET k", "$-1"),
    ]);
}

#[test]
fn the_other_ways_to_write_one() {
    both(&[
        ("SETNX k 1", ":1", ":1"),
        ("SETNX k 2", ":0", ":0"),
        ("GETSET k 2", "$1 1", "$1 1"),
        ("GETSET new 2", "$-1", "_"),
        ("GETDEL k", "$1 2", "$1 2"),
        ("GETDEL k", "$-1", "_"),
        ("APPEND k abc", ":3", ":3"),
        ("APPEND k def", ":6", ":6"),
        ("SETRANGE k 1 XY", ":6", ":6"),
        ("GET k", "$6 aXYdef", "$6 aXYdef"),
        ("GETRANGE k 1 -2", "$4 XYde", "$4 XYde"),
        ("SUBSTR k 0 1", "$2 aX", "$2 aX"),
        ("GETRANGE none 0 1", "$0 ", "$0 "),
        ("GETRANGE k a 1", NO_INTEGER, NO_INTEGER),
        ("SETRANGE k -1 x", "-ERR offset is out of range", "-ERR offset is out of range"),
        ("SETRANGE k a x", NO_INTEGER, NO_INTEGER),
        (
            "SETRANGE k 8388608 x",
            "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
        ),
    ]);
}

#[test]
fn getex() {
    let mut b = Bench::new();
    b.told(&[
        ("GETEX k EX 10", "$-1"),
        ("SET k v", "+OK"),
        ("GETEX k", "$1 v"),
        ("TTL k", ":-1"),
        ("GETEX k EX 10", "$1 v"),
        ("GETEX k", "$1 v"),
        ("TTL k", ":10"),
        ("GETEX k PERSIST", "$1 v"),
        ("TTL k", ":-1"),
        ("GETEX k PXAT 1700000100123", "$1 v"),
        ("PEXPIRETIME k", ":1700000100123"),
        ("GETEX k PERSIST EX 1", SYNTAX),
        ("GETEX k NX", SYNTAX),
        ("GETEX k PX 0", "-ERR invalid expire time in 'getex' command"),
    ]);
}

#[test]
fn counting() {
    let overflow = "-ERR increment or decrement would overflow";
    let mut b = Bench::new();
    b.told(&[
        ("INCR k", ":1"),
        ("INCRBY k 41", ":42"),
        ("DECR k", ":41"),
        ("DECRBY k 40", ":1"),
        ("INCRBY k a", NO_INTEGER),
        ("INCRBY k 9223372036854775808", NO_INTEGER),
        ("INCRBY k 9223372036854775807", overflow),
        ("DECRBY k -9223372036854775808", "-ERR decrement would overflow"),
        ("SET k a", "+OK"),
        ("INCR k", NO_INTEGER),
        ("GET k", "$1 a"),
    ]);
}

#[test]
fn counting_in_fractions() {
    let mut b = Bench::new();
    b.told(&[
        ("INCRBYFLOAT k 10.5", "$4 10.5"),
        ("INCRBYFLOAT k 0.1", "$4 10.6"),
        ("INCRBYFLOAT k -5", "$3 5.6"),
        ("INCRBYFLOAT k 2.0e2", "$5 205.6"),
        ("INCRBYFLOAT k a", "-ERR value is not a valid float"),
        ("INCRBYFLOAT k inf", "-ERR increment would produce NaN or Infinity"),
        ("INCRBYFLOAT k 1e22", "-ERR number is out of range: at most 1.7e21 and 17 decimals"),
        ("SET k a", "+OK"),
        ("INCRBYFLOAT k 1", "-ERR value is not a valid float"),
    ]);
}

#[test]
fn several_at_once() {
    both(&[
        ("MSET {t}a 1 {t}b 2", "+OK", "+OK"),
        ("MGET {t}a {t}none {t}b", "*3 $1 1 $-1 $1 2", "*3 $1 1 _ $1 2"),
        ("MGET {t}a", "*1 $1 1", "*1 $1 1"),
        ("MSETNX {t}c 3 {t}a 4", ":0", ":0"),
        ("MSETNX {t}c 3 {t}d 4 {t}c 5", ":1", ":1"),
        ("MGET {t}c {t}d", "*2 $1 5 $1 4", "*2 $1 5 $1 4"),
        (
            "MSET a",
            "-ERR wrong number of arguments for 'mset' command",
            "-ERR wrong number of arguments for 'mset' command",
        ),
    ]);
}

#[test]
fn longest_common_subsequence() {
    let matches = "*3 *2 :4 :7 *2 :5 :8 :4";
    let short = "*2 *2 :2 :3 *2 :0 :1";
    both(&[
        ("MSET {t}a ohmytext {t}b mynewtext", "+OK", "+OK"),
        ("LCS {t}a {t}b", "$6 mytext", "$6 mytext"),
        ("LCS {t}a {t}b LEN", ":6", ":6"),
        (
            "LCS {t}a {t}b IDX WITHMATCHLEN MINMATCHLEN 4",
            &format!("*4 $7 matches *1 {matches} $3 len :6"),
            &format!("%2 $7 matches *1 {matches} $3 len :6"),
        ),
        (
            "LCS {t}a {t}b IDX",
            &format!("*4 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 {short} $3 len :6"),
            &format!("%2 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 {short} $3 len :6"),
        ),
        (
            "LCS {t}a {t}b IDX LEN",
            "-ERR LEN and IDX exclude each other: IDX tells both",
            "-ERR LEN and IDX exclude each other: IDX tells both",
        ),
        ("LCS {t}a {t}b FOO", SYNTAX, SYNTAX),
        ("LCS {t}a {t}b MINMATCHLEN a", NO_INTEGER, NO_INTEGER),
    ]);
    let mut b = Bench::new();
    b.store = {
        let long = "x".repeat(5_000);
        b.say(&["MSET", "{t}a", &long, "{t}b", &long]);
        b.store
    };
    let mut again = Bench::new();
    again.store = b.store;
    again.told(&[("LCS {t}a {t}b", "-ERR the two values are too long to be compared")]);
}

#[test]
fn what_a_value_takes_and_how_it_is_held() {
    both(&[
        ("OBJECT ENCODING k", "$-1", "_"),
        ("SET k 12", "+OK", "+OK"),
        ("OBJECT ENCODING k", "$3 int", "$3 int"),
        ("SET k 012", "+OK", "+OK"),
        ("OBJECT ENCODING k", "$6 embstr", "$6 embstr"),
        ("SETRANGE k 44 x", ":45", ":45"),
        ("OBJECT ENCODING k", "$3 raw", "$3 raw"),
        ("OBJECT REFCOUNT k", ":1", ":1"),
        ("OBJECT REFCOUNT none", "$-1", "_"),
        (
            "OBJECT FREQ k",
            "-ERR access frequency is not tracked",
            "-ERR access frequency is not tracked",
        ),
        ("OBJECT IDLETIME k", "-ERR idle time is not tracked", "-ERR idle time is not tracked"),
        ("MEMORY USAGE k", ":142", ":142"),
        ("MEMORY USAGE k SAMPLES 5", ":142", ":142"),
        ("MEMORY USAGE none", "$-1", "_"),
        ("MEMORY USAGE k FOO", SYNTAX, SYNTAX),
    ]);
}

/// The labs' operations.
#[test]
fn versions() {
    let mismatch = "-VERSIONMISMATCH the key has another version: nothing was written";
    let no_key = "-NOKEY the key is not there, so it has version 0: nothing was written";
    let no_version = "-ERR version is not an integer or out of range";
    both(&[
        ("KV.GET k", "*2 $-1 :0", "*2 _ :0"),
        ("KV.PUT k a 1", no_key, no_key),
        ("KV.PUT k a 0", "+OK", "+OK"),
        ("KV.PUT k b 0", mismatch, mismatch),
        ("KV.GET k", "*2 $1 a :1", "*2 $1 a :1"),
        ("KV.PUT k b 1", "+OK", "+OK"),
        ("KV.SET k c", "+OK", "+OK"),
        ("KV.APPEND k d", "$1 c", "$1 c"),
        ("KV.APPEND new d", "$0 ", "$0 "),
        ("KV.GET k", "*2 $2 cd :4", "*2 $2 cd :4"),
        ("KV.PUT k a -1", no_version, no_version),
        ("KV.PUT k a x", no_version, no_version),
        ("KV.WAIT k 3 1000", "*2 $2 cd :4", "*2 $2 cd :4"),
        ("KV.WAIT k 4 1000", "*-1", "_"),
        ("KV.WAIT k 4 -1", "-ERR timeout is negative", "-ERR timeout is negative"),
        ("KV.WAIT k 4 a", NO_INTEGER, NO_INTEGER),
        ("KV.WAIT k a 1", no_version, no_version),
    ]);
}
