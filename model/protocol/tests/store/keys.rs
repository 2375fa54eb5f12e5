//! Redis's commands on keys.

use super::{Bench, bulk, fault, no, yes};
use protocol::kv::{Deadline, Fault, KeyOp, Kind, Reply, When};

fn rename(to: &str, if_missing: bool) -> KeyOp {
    KeyOp::Rename { to: to.into(), if_missing }
}

fn copy(to: &str, replace: bool) -> KeyOp {
    KeyOp::Copy { to: to.into(), replace }
}

fn delete(when: When) -> KeyOp {
    KeyOp::Delete { when }
}

#[test]
fn del_exists_and_type() {
    let mut b = Bench::new();
    assert_eq!(b.key("k", KeyOp::Exists), no());
    assert_eq!(b.key("k", KeyOp::Kind), Reply::Kind(Kind::None));
    assert_eq!(b.key("k", delete(When::Always)), no());
    b.put("k", "");
    assert_eq!(b.key("k", KeyOp::Exists), yes(), "an empty value is a value");
    assert_eq!(b.key("k", KeyOp::Kind), Reply::Kind(Kind::String));
    assert_eq!(b.key("k", delete(When::Always)), yes());
    assert_eq!(b.key("k", KeyOp::Exists), no());
}

#[test]
fn delex_and_delifeq_compare_the_value() {
    let mut b = Bench::new();
    assert_eq!(b.key("k", delete(When::Equal("".into()))), no());
    assert_eq!(b.key("k", delete(When::NotEqual("a".into()))), no(), "nothing cannot go");
    b.put("k", "a");
    assert_eq!(b.key("k", delete(When::Equal("b".into()))), no());
    assert_eq!(b.key("k", delete(When::NotEqual("a".into()))), no());
    assert_eq!(b.key("k", delete(When::Missing)), no());
    assert_eq!(b.get("k"), bulk("a"));
    assert_eq!(b.key("k", delete(When::NotEqual("b".into()))), yes());
    b.put("k", "a");
    assert_eq!(b.key("k", delete(When::Equal("a".into()))), yes());
    assert_eq!(b.get("k"), Reply::Nil);
}

#[test]
fn rename_moves_value_and_deadline() {
    let mut b = Bench::new();
    assert_eq!(b.key("{t}a", rename("{t}b", false)), fault(Fault::NoSuchKey));
    assert_eq!(b.key("{t}a", rename("{t}a", false)), fault(Fault::NoSuchKey));
    b.put_until("{t}a", "1", Deadline::In(500));
    b.put_until("{t}b", "2", Deadline::In(900));
    assert_eq!(b.key("{t}a", rename("{t}b", false)), Reply::Ok);
    assert_eq!((b.get("{t}a"), b.get("{t}b")), (Reply::Nil, bulk("1")));
    assert_eq!(b.left_ms("{t}b"), Reply::Int(500));
    b.put("{t}c", "3");
    assert_eq!(b.key("{t}c", rename("{t}b", false)), Reply::Ok);
    assert_eq!(b.left_ms("{t}b"), Reply::Int(-1), "the old one's deadline is not inherited");
    let version = b.version("{t}b");
    assert_eq!(b.key("{t}b", rename("{t}b", false)), Reply::Ok);
    assert_eq!((b.get("{t}b"), b.version("{t}b")), (bulk("3"), version));
    assert_eq!(b.key("{t}b", rename("{u}b", false)), fault(Fault::CrossSlot));
    assert_eq!(b.get("{t}b"), bulk("3"));
}

#[test]
fn renamenx_leaves_what_has_the_name() {
    let mut b = Bench::new();
    assert_eq!(b.key("{t}a", rename("{t}b", true)), fault(Fault::NoSuchKey));
    b.put("{t}a", "1");
    b.put_until("{t}b", "2", Deadline::In(10));
    assert_eq!(b.key("{t}a", rename("{t}b", true)), no());
    assert_eq!(b.key("{t}a", rename("{t}a", true)), no());
    assert_eq!((b.get("{t}a"), b.get("{t}b")), (bulk("1"), bulk("2")));
    b.now += 10;
    assert_eq!(b.key("{t}a", rename("{t}b", true)), yes(), "what is due has no name");
    assert_eq!((b.get("{t}a"), b.get("{t}b")), (Reply::Nil, bulk("1")));
    assert_eq!(b.left_ms("{t}b"), Reply::Int(-1));
}

#[test]
fn copy_leaves_the_source() {
    let mut b = Bench::new();
    assert_eq!(b.key("{t}a", copy("{t}b", false)), no());
    assert_eq!(b.key("{t}a", copy("{t}a", false)), fault(Fault::SameKey));
    b.put_until("{t}a", "1", Deadline::In(700));
    assert_eq!(b.key("{t}a", copy("{t}b", false)), yes());
    assert_eq!((b.get("{t}a"), b.get("{t}b")), (bulk("1"), bulk("1")));
    assert_eq!((b.left_ms("{t}a"), b.left_ms("{t}b")), (Reply::Int(700), Reply::Int(700)));
    b.put("{t}a", "2");
    assert_eq!(b.key("{t}a", copy("{t}b", false)), no());
    assert_eq!(b.get("{t}b"), bulk("1"));
    assert_eq!(b.key("{t}a", copy("{t}b", true)), yes());
    assert_eq!((b.get("{t}b"), b.left_ms("{t}b")), (bulk("2"), Reply::Int(-1)));
    assert_eq!(b.key("{t}none", copy("{t}b", true)), no());
    assert_eq!(b.get("{t}b"), bulk("2"), "nothing replaces nothing");
    assert_eq!(b.key("{t}a", copy("{u}b", true)), fault(Fault::CrossSlot));
}

#[test]
fn names_come_back_with_greater_versions() {
    let mut b = Bench::new();
    for _ in 0..5 {
        b.put("{t}a", "x");
    }
    assert_eq!(b.key("{t}a", rename("{t}b", false)), Reply::Ok);
    let renamed = b.version("{t}b");
    b.put("{t}a", "y");
    assert!(b.version("{t}a") > 5, "the old name begins above its versions");
    assert_eq!(b.key("{t}b", rename("{t}a", false)), Reply::Ok);
    assert!(b.version("{t}a") > 6);
    b.put("{t}b", "z");
    assert!(b.version("{t}b") > renamed);
}
