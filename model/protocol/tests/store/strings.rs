//! Redis's commands on strings.

use super::{Bench, bulk, fault, no, set, yes};
use protocol::kv::{
    Bytes, ClientId, Command, Deadline, Exact, Fault, Limits, Once, Op, Reply, Store, StringOp,
    Transaction, When, Work,
};

fn set_when(value: &str, when: When, get: bool) -> StringOp {
    StringOp::Set { value: value.into(), when, deadline: Deadline::Never, get }
}

#[test]
fn set_nx_and_xx_look_whether_the_key_is_there() {
    let mut b = Bench::new();
    assert_eq!(b.string("k", set_when("1", When::Present, false)), Reply::Nil);
    assert_eq!(b.get("k"), Reply::Nil);
    assert_eq!(b.string("k", set_when("1", When::Missing, false)), Reply::Ok);
    assert_eq!(b.string("k", set_when("2", When::Missing, false)), Reply::Nil);
    assert_eq!(b.string("k", set_when("3", When::Present, false)), Reply::Ok);
    assert_eq!(b.get("k"), bulk("3"));
}

#[test]
fn set_with_get_replies_the_old_value_written_or_not() {
    let mut b = Bench::new();
    assert_eq!(b.string("k", set_when("a", When::Present, true)), Reply::Nil);
    assert_eq!(b.get("k"), Reply::Nil, "XX writes no new key");
    assert_eq!(b.string("k", set_when("a", When::Missing, true)), Reply::Nil);
    assert_eq!(b.get("k"), bulk("a"), "NX did");
    assert_eq!(b.string("k", set_when("b", When::Missing, true)), bulk("a"));
    assert_eq!(b.get("k"), bulk("a"));
    assert_eq!(b.string("k", set_when("b", When::Present, true)), bulk("a"));
    assert_eq!(b.string("k", set_when("c", When::Always, true)), bulk("b"), "GETSET");
}

#[test]
fn set_compares_values() {
    let mut b = Bench::new();
    let equal = |value: &str| When::Equal(value.into());
    let other = |value: &str| When::NotEqual(value.into());
    assert_eq!(b.string("k", set_when("a", equal(""), false)), Reply::Nil, "nothing is not empty");
    assert_eq!(b.string("k", set_when("a", other("a"), false)), Reply::Ok, "nothing is not a");
    assert_eq!(b.string("k", set_when("b", other("a"), false)), Reply::Nil);
    assert_eq!(b.string("k", set_when("b", equal("x"), true)), bulk("a"));
    assert_eq!(b.get("k"), bulk("a"));
    assert_eq!(b.string("k", set_when("b", equal("a"), false)), Reply::Ok);
    assert_eq!(b.string("k", set_when("c", other("a"), true)), bulk("b"));
    assert_eq!(b.get("k"), bulk("c"));
}

#[test]
fn set_ends_an_old_deadline_unless_it_keeps_it() {
    let mut b = Bench::new();
    b.put_until("k", "a", Deadline::In(10_000));
    b.put_until("k", "b", Deadline::Keep);
    assert_eq!(b.left_ms("k"), Reply::Int(10_000));
    b.put("k", "c");
    assert_eq!(b.left_ms("k"), Reply::Int(-1));
    b.put_until("new", "a", Deadline::Keep);
    assert_eq!(b.left_ms("new"), Reply::Int(-1));
}

#[test]
fn set_refuses_deadlines_that_clients_could_not_read() {
    let mut b = Bench::new();
    let most = i64::MAX.cast_unsigned();
    for deadline in [Deadline::At(most + 1), Deadline::In(most), Deadline::In(u64::MAX)] {
        let op = StringOp::Set { value: "v".into(), when: When::Always, deadline, get: false };
        assert_eq!(b.string("k", op), fault(Fault::InvalidExpire));
        assert_eq!(b.string("k", StringOp::GetEx { deadline }), fault(Fault::InvalidExpire));
    }
    assert_eq!(b.version("k"), 0);
    b.put_until("k", "v", Deadline::At(most));
    assert_eq!(b.left_ms("k"), Reply::Int(i64::MAX - 1_000_000));
}

#[test]
fn setnx_and_msetnx_write_all_or_nothing() {
    let mut b = Bench::new();
    assert_eq!(b.string("{t}a", StringOp::SetNx { value: "1".into() }), yes());
    assert_eq!(b.string("{t}a", StringOp::SetNx { value: "2".into() }), no());
    let all = |others: &[(&str, &str)]| StringOp::SetAllNx {
        value: "x".into(),
        others: others.iter().map(|&(key, value)| (key.into(), value.into())).collect(),
    };
    assert_eq!(b.string("{t}b", all(&[("{t}c", "y"), ("{t}a", "z")])), no());
    assert_eq!((b.get("{t}b"), b.get("{t}a")), (Reply::Nil, bulk("1")));
    assert_eq!(b.string("{t}b", all(&[("{t}c", "y"), ("{t}c", "z")])), yes());
    assert_eq!((b.get("{t}b"), b.get("{t}c")), (bulk("x"), bulk("z")), "the last of a kind stays");
    assert_eq!(b.string("{t}d", all(&[("{u}e", "y")])), fault(Fault::CrossSlot));
    assert_eq!(b.get("{t}d"), Reply::Nil);
}

#[test]
fn getdel_and_getex_reply_the_value() {
    let mut b = Bench::new();
    let in_ms = |ms| StringOp::GetEx { deadline: Deadline::In(ms) };
    assert_eq!(b.string("k", StringOp::GetDel), Reply::Nil);
    assert_eq!(b.string("k", in_ms(5)), Reply::Nil);
    b.put("k", "v");
    assert_eq!(b.string("k", in_ms(5_000)), bulk("v"));
    assert_eq!(b.string("k", StringOp::GetEx { deadline: Deadline::Keep }), bulk("v"));
    assert_eq!(b.left_ms("k"), Reply::Int(5_000));
    assert_eq!(b.string("k", StringOp::GetEx { deadline: Deadline::Never }), bulk("v"));
    assert_eq!(b.left_ms("k"), Reply::Int(-1));
    let version = b.version("k");
    assert_eq!(b.string("k", StringOp::GetEx { deadline: Deadline::Never }), bulk("v"));
    assert_eq!(b.version("k"), version, "what changes nothing has no version");
    assert_eq!(b.string("k", StringOp::GetEx { deadline: Deadline::At(1) }), bulk("v"));
    assert_eq!(b.get("k"), Reply::Nil, "a deadline in the past takes it away");
    b.put("k", "w");
    assert_eq!(b.string("k", StringOp::GetDel), bulk("w"));
    assert_eq!(b.get("k"), Reply::Nil);
}

#[test]
fn getrange_counts_from_both_ends() {
    let mut b = Bench::new();
    b.put("k", "Hello World");
    let mut range = |key: &str, start, end| b.string(key, StringOp::GetRange { start, end });
    for (start, end, part) in [
        (0, 3, "Hell"),
        (0, -1, "Hello World"),
        (-4, -1, "orld"),
        (5, 3, ""),
        (5, 5000, " World"),
        (-5000, 10_000, "Hello World"),
        (0, -100, "H"),
        (1, -100, ""),
        (-1, -100, ""),
        (-100, -99, "H"),
        (-100, -100, "H"),
        (-100, -101, ""),
        (11, 11, ""),
        (0, 4_294_967_297, "Hello World"),
        (i64::MIN, i64::MAX, "Hello World"),
        (i64::MAX, i64::MAX, ""),
        (i64::MIN, i64::MIN, "H"),
    ] {
        assert_eq!(range("k", start, end), bulk(part), "{start} {end}");
    }
    assert_eq!(range("none", 0, -1), bulk(""));
}

#[test]
fn setrange_fills_with_zeros_and_makes_no_empty_key() {
    let mut b = Bench::new();
    let at = |offset, value: &str| StringOp::SetRange { offset, value: value.into() };
    assert_eq!(b.string("k", at(0, "")), no());
    assert_eq!(b.string("k", at(9, "")), no());
    assert_eq!(b.version("k"), 0);
    assert_eq!(b.string("k", at(1, "foo")), Reply::Int(4));
    assert_eq!(b.get("k"), bulk("\0foo"));
    assert_eq!(b.string("k", at(1, "ba")), Reply::Int(4));
    assert_eq!(b.string("k", at(6, "!")), Reply::Int(7));
    assert_eq!(b.get("k"), bulk("\0bao\0\0!"));
    let version = b.version("k");
    assert_eq!(b.string("k", at(1_000, "")), Reply::Int(7));
    assert_eq!(b.version("k"), version, "nothing written, no new version");
    let most = Limits::default().value_bytes as u64;
    for offset in [most - 3, u64::MAX, u64::MAX - 3, i64::MAX.cast_unsigned()] {
        assert_eq!(b.string("k", at(offset, "world")), fault(Fault::TooLong));
    }
    assert_eq!(b.string("k", at(most - 5, "world")), Reply::Int(most as i64));
}

#[test]
fn append_and_setrange_keep_the_deadline_and_the_bound() {
    let limits = Limits { value_bytes: 4, ..Limits::default() };
    let mut b = Bench::new();
    b.store = Store::new(Exact, limits);
    let append = |value: &str| StringOp::Append { value: value.into() };
    assert_eq!(b.string("k", append("ab")), Reply::Int(2));
    b.put_until("k", "ab", Deadline::In(1_000));
    assert_eq!(b.string("k", append("c")), Reply::Int(3));
    assert_eq!(b.string("k", append("de")), fault(Fault::TooLong));
    let lab = Op::Append { value: "de".into() };
    assert_eq!(b.op("k", lab), fault(Fault::TooLong));
    assert_eq!(b.string("k", StringOp::SetRange { offset: 3, value: "d".into() }), Reply::Int(4));
    assert_eq!(b.string("k", StringOp::Len), Reply::Int(4));
    assert_eq!(b.string("none", StringOp::Len), no());
    assert_eq!((b.get("k"), b.left_ms("k")), (bulk("abcd"), Reply::Int(1_000)));
}

/// The bound that goes with an entry holds for it, as far as the store's own.
#[test]
fn an_entry_brings_its_own_bound() {
    let mut b = Bench::new();
    b.store = Store::new(Exact, Limits { value_bytes: 6, ..Limits::default() });
    let ask = |op: StringOp| -> (Bytes, Op) { ("k".into(), Op::String(op)) };
    let append = |value: &str| StringOp::Append { value: value.into() };
    let at = |offset, value: &str| StringOp::SetRange { offset, value: value.into() };
    let too_long = || fault(Fault::TooLong);
    for (op, bound, expected) in [
        (append("abc"), 2, too_long()),
        (append("abc"), 3, Reply::Int(3)),
        (at(3, "d"), 3, too_long()),
        (at(3, "d"), 4, Reply::Int(4)),
        // What is there may be longer than the bound of who asks.
        (at(0, "A"), 2, Reply::Int(4)),
        (at(6, "g"), 100, too_long()),
        (append("efg"), usize::MAX, too_long()),
    ] {
        let (key, op) = ask(op);
        let command = Work::Command(Command { key, op, once: None });
        assert_eq!(b.store.work_within(b.now, &command, bound), expected, "{command:?} {bound}");
    }
    let ops = vec![ask(append("e")), ask(append("f"))];
    let both = Work::Transaction(Transaction { watched: Vec::new(), ops, once: None });
    let replies = Reply::Many(vec![Reply::Int(5), too_long()]);
    assert_eq!(b.store.work_within(b.now, &both, 5), replies);
    assert_eq!(b.get("k"), bulk("Abcde"));
}

/// Sent again through a server with another bound, a call is the same call.
#[test]
fn a_call_is_the_same_whatever_its_bound() {
    let mut b = Bench::new();
    let op = Op::String(StringOp::Append { value: "abc".into() });
    let once = Once { client: ClientId(7), seq: 1, acknowledged: 0 };
    let command = Work::Command(Command { key: "k".into(), op, once: Some(once) });
    assert_eq!(b.store.work_within(b.now, &command, 3), Reply::Int(3));
    assert_eq!(b.store.work_within(b.now, &command, 2), Reply::Int(3), "the record's answer");
    assert_eq!(b.get("k"), bulk("abc"));
}

#[test]
fn a_refusal_says_that_nothing_was_written() {
    let refusals = [fault(Fault::Overflow), Reply::WatchFailed];
    assert!(refusals.iter().all(|reply| reply.is_refusal() && !reply.is_passing()));
    let answers =
        [Reply::Ok, Reply::Nil, yes(), bulk(""), Reply::Many(vec![fault(Fault::TooLong)])];
    assert!(answers.iter().all(|reply| !reply.is_refusal() && !reply.is_passing()));
}

#[test]
fn the_labs_operations_and_redis_s_see_the_same_values() {
    let mut b = Bench::new();
    b.put_until("k", "a", Deadline::In(1_000));
    assert_eq!(b.op("k", Op::Get), Reply::Value { value: "a".into(), version: 1 });
    let appended = Reply::Appended { old: "a".into(), version: 2 };
    assert_eq!(b.op("k", Op::Append { value: "b".into() }), appended);
    assert_eq!(b.left_ms("k"), Reply::Int(1_000), "an Append goes on with the value");
    assert_eq!(b.op("k", Op::Set { value: "c".into() }), Reply::Written { version: 3 });
    assert_eq!(b.left_ms("k"), Reply::Int(-1), "a Set begins anew");
    b.put_until("k", "d", Deadline::In(1_000));
    b.now += 1_000;
    let put = Op::Put { value: "e".into(), expected: 4 };
    assert_eq!(b.op("k", put), Reply::NoKey, "what is due is at version 0");
    let put = Op::Put { value: "e".into(), expected: 0 };
    assert_eq!(b.op("k", put), Reply::Written { version: 5 });
    assert_eq!(b.op("k", Op::Delete { expected: 4 }), Reply::VersionMismatch);
    assert_eq!(b.op("k", Op::Delete { expected: 5 }), Reply::Written { version: 5 });
}

#[test]
fn an_untouched_store_reads_as_empty() {
    let store: Store = Store::new(Exact, Limits::default());
    let read = |op| store.read(&Bytes::from("k"), &Op::String(op));
    assert_eq!(read(StringOp::Get), Some(Reply::Nil));
    assert_eq!(read(set("v")), None);
    let mut other = store.clone();
    let command = Command { key: "k".into(), op: Op::String(set("v")), once: None };
    other.apply(0, &command);
    assert_ne!(other, store);
}
