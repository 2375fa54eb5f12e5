//! Commands on keys, whatever their values.

use super::Bench;
use super::bench::{START_MS, both};

const SYNTAX: &str = "-ERR syntax error";
const NO_INTEGER: &str = "-ERR value is not an integer or out of range";
const CROSS_SLOT: &str = "-CROSSSLOT Keys in request don't hash to the same slot";

#[test]
fn which_keys_are_there() {
    both(&[
        ("MSET {t}a 1 {t}b 2 {t}c 3", "+OK", "+OK"),
        ("EXISTS {t}a {t}a {t}none {t}b", ":3", ":3"),
        ("EXISTS none", ":0", ":0"),
        ("TOUCH {t}a {t}none", ":1", ":1"),
        ("TYPE {t}a", "+string", "+string"),
        ("TYPE none", "+none", "+none"),
        ("DEL {t}a {t}a {t}none", ":1", ":1"),
        ("UNLINK {t}b", ":1", ":1"),
        ("DBSIZE", ":1", ":1"),
        ("RANDOMKEY", "$4 {t}c", "$4 {t}c"),
        ("FLUSHALL", "+OK", "+OK"),
        ("RANDOMKEY", "$-1", "_"),
        ("FLUSHDB ASYNC", "+OK", "+OK"),
        ("FLUSHALL SYNC", "+OK", "+OK"),
        ("FLUSHALL FOO", SYNTAX, SYNTAX),
    ]);
}

#[test]
fn delete_on_conditions() {
    let mut b = Bench::new();
    b.told(&[
        ("SET k a", "+OK"),
        ("DELEX k IFEQ b", ":0"),
        ("DELEX k IFNE a", ":0"),
        ("DELEX k IFEQ a", ":1"),
        ("SET k a", "+OK"),
        ("DELEX k IFNE b", ":1"),
        ("SET k a", "+OK"),
        ("DELEX k", ":1"),
        ("DELEX k", ":0"),
        ("SET k a", "+OK"),
        ("DELIFEQ k b", ":0"),
        ("DELIFEQ k a", ":1"),
        ("DELEX k NX", SYNTAX),
        ("DELEX k IFEQ", SYNTAX),
        ("DELEX k IFEQ a FOO", SYNTAX),
        ("DELEX k FOO bar", SYNTAX),
    ]);
}

#[test]
fn deadlines() {
    let mut b = Bench::new();
    b.told(&[
        ("EXPIRE k 10", ":0"),
        ("TTL k", ":-2"),
        ("PTTL k", ":-2"),
        ("SET k v", "+OK"),
        ("TTL k", ":-1"),
        ("EXPIRE k 10", ":1"),
        ("TTL k", ":10"),
        ("PTTL k", ":10000"),
        ("EXPIRE k 20 NX", ":0"),
        ("EXPIRE k 20 XX", ":1"),
        ("EXPIRE k 10 GT", ":0"),
        ("EXPIRE k 30 gt xx", ":1"),
        ("EXPIRE k 40 LT", ":0"),
        ("EXPIRE k 20 LT XX", ":1"),
        ("TTL k", ":20"),
        ("PEXPIRE k 1500", ":1"),
        ("PTTL k", ":1500"),
        ("EXPIREAT k 1700000100", ":1"),
        ("EXPIRETIME k", ":1700000100"),
        ("PEXPIRETIME k", ":1700000100000"),
        ("PEXPIREAT k 1700000100001", ":1"),
        ("PEXPIRETIME k", ":1700000100001"),
        ("PERSIST k", ":1"),
        ("PERSIST k", ":0"),
        ("EXPIRE k -1", ":1"),
        ("EXISTS k", ":0"),
        ("SET k v", "+OK"),
        ("EXPIREAT k -5", ":1"),
        ("EXISTS k", ":0"),
    ]);
    b.told(&[("SET k v PX 10", "+OK"), ("GET k", "$1 v")]);
    b.now_ms = START_MS + 10;
    // The group's clock goes on with the next write; a read moves nothing.
    b.told(&[("GET k", "$1 v"), ("SET other v", "+OK"), ("GET k", "$-1")]);
}

#[test]
fn deadlines_that_mean_nothing() {
    let clash = "-ERR NX and XX, GT or LT options at the same time are not compatible";
    let mut b = Bench::new();
    b.told(&[
        ("SET k v", "+OK"),
        ("EXPIRE k a", NO_INTEGER),
        ("EXPIRE k 1 NX XX", clash),
        ("EXPIRE k 1 NX GT", clash),
        ("EXPIRE k 1 GT LT", "-ERR GT and LT options at the same time are not compatible"),
        ("EXPIRE k 1 FOO", "-ERR Unsupported option FOO"),
        ("EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command"),
        ("EXPIRE k -9223372036854775807", "-ERR invalid expire time in 'expire' command"),
        ("PEXPIRE k 9223372036854775807", "-ERR invalid expire time in 'pexpire' command"),
        ("TTL k", ":-1"),
    ]);
}

#[test]
fn from_one_to_another() {
    let mut b = Bench::new();
    b.told(&[
        ("RENAME {t}a {t}b", "-ERR no such key"),
        ("SET {t}a 1 EX 10", "+OK"),
        ("RENAME {t}a {t}b", "+OK"),
        ("TTL {t}b", ":10"),
        ("SET {t}a 2", "+OK"),
        ("RENAMENX {t}a {t}b", ":0"),
        ("RENAMENX {t}a {t}c", ":1"),
        ("COPY {t}b {t}c", ":0"),
        ("COPY {t}b {t}c REPLACE", ":1"),
        ("GET {t}c", "$1 1"),
        ("COPY {t}b {t}d DB 0", ":1"),
        ("COPY {t}b {t}d DB 1", "-ERR DB index is out of range"),
        ("COPY {t}b {t}b", "-ERR source and destination objects are the same"),
        ("COPY {t}none {t}d", ":0"),
        ("COPY {t}b {t}d FOO", SYNTAX),
        ("COPY {t}b {t}d DB", SYNTAX),
    ]);
}

#[test]
fn keys_of_several_slots() {
    let mut b = Bench::new();
    for line in [
        "MSET a 1 b 2",
        "MSETNX a 1 b 2",
        "MGET a b",
        "DEL a b",
        "EXISTS a b",
        "RENAME a b",
        "COPY a b",
        "LCS a b",
        "WATCH a b",
    ] {
        assert_eq!(b.line(line), CROSS_SLOT, "{line}");
    }
    assert_eq!(b.line("DBSIZE"), ":0");
}

#[test]
fn patterns() {
    let mut b = Bench::new();
    b.told(&[
        ("KEYS *", "*0"),
        ("MSET {t}one 1 {t}two 2 {t}three 3", "+OK"),
        ("KEYS *two", "*1 $6 {t}two"),
        ("KEYS {t}t*", "*2 $8 {t}three $6 {t}two"),
        ("KEYS nothing", "*0"),
    ]);
}

#[test]
fn scan_sees_every_key_once() {
    let mut b = Bench::new();
    for number in 0..100 {
        b.say(&["SET", &format!("key:{number}"), "v"]);
    }
    let mut found = Vec::new();
    let mut cursor = "0".to_string();
    loop {
        let told = b.say(&["SCAN", &cursor, "COUNT", "7"]);
        let words: Vec<&str> = told.split(' ').collect();
        assert_eq!((words[0], words[3].as_bytes()[0]), ("*2", b'*'));
        found.extend(words[5..].iter().step_by(2).map(|word| (*word).to_string()));
        cursor = words[2].to_string();
        if cursor == "0" {
            break;
        }
    }
    found.sort_unstable();
    let mut expected: Vec<String> = (0..100).map(|number| format!("key:{number}")).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn scan_options() {
    let mut b = Bench::new();
    b.told(&[
        ("SCAN 0", "*2 $1 0 *0"),
        ("SET key v", "+OK"),
        ("SCAN 0", "*2 $1 0 *1 $3 key"),
        ("SCAN 0 MATCH k*", "*2 $1 0 *1 $3 key"),
        ("SCAN 0 MATCH x* COUNT 5", "*2 $1 0 *0"),
        ("SCAN 0 TYPE string", "*2 $1 0 *1 $3 key"),
        ("SCAN 0 TYPE hash", "*2 $1 0 *0"),
        ("SCAN a", "-ERR invalid cursor"),
        ("SCAN -1", "-ERR invalid cursor"),
        ("SCAN 18446744073709551615", "*2 $1 0 *0"),
        ("SCAN 0 COUNT 0", SYNTAX),
        ("SCAN 0 COUNT a", NO_INTEGER),
        ("SCAN 0 COUNT", SYNTAX),
        ("SCAN 0 FOO bar", SYNTAX),
    ]);
}
