//! Deadlines, on the largest stamp applied and on no other clock.

use super::{Bench, bulk, fault, key, no, set, yes};
use protocol::kv::{
    Command, Deadline, Exact, ExpireWhen, Fault, KeyOp, Limits, Op, Reply, Store, StringOp,
    TICK_KEYS,
};

fn expire(ms: u64, when: ExpireWhen) -> KeyOp {
    KeyOp::Expire { deadline: Deadline::In(ms), when }
}

fn expire_at(stamp: u64) -> KeyOp {
    KeyOp::Expire { deadline: Deadline::At(stamp), when: ExpireWhen::Always }
}

/// KV-EXPIRE-1, KV-EXPIRE-3.
#[test]
fn a_key_is_there_until_the_clock_reaches_its_deadline() {
    let mut b = Bench::new();
    assert_eq!(b.key("k", expire(5, ExpireWhen::Always)), no(), "no key, no deadline");
    b.put("k", "v");
    assert_eq!(b.key("k", expire(5, ExpireWhen::Always)), yes());
    b.now += 4;
    assert_eq!((b.get("k"), b.left_ms("k")), (bulk("v"), Reply::Int(1)));
    b.now += 1;
    assert_eq!((b.get("k"), b.left_ms("k")), (Reply::Nil, Reply::Int(-2)));
    b.now -= 5;
    assert_eq!(b.get("k"), Reply::Nil, "the clock does not go back with a stamp");
}

/// KV-EXPIRE-1.
#[test]
fn readers_see_the_clock_and_not_what_was_taken_out() {
    let mut b = Bench::new();
    b.put_until("{t}k", "v", Deadline::In(5));
    b.put("{t}other", "v");
    let late = Command { key: "{u}else".into(), op: Op::String(set("v")), once: None };
    b.store.apply(b.now + 5, &late);
    assert_eq!(b.store.nearest_deadline(), Some(b.now + 5), "it was not touched yet");
    assert_eq!(b.store.read(&key("{t}k"), &Op::String(StringOp::Get)), Some(Reply::Nil));
    assert_eq!(b.store.get(&key("{t}k")), None);
    assert_eq!((b.store.len(), b.store.keys().count()), (2, 2));
    assert_eq!(b.store.tick(0), 1, "a tick with an old stamp takes out what is due by the clock");
    assert_eq!((b.store.len(), b.store.nearest_deadline()), (2, None));
}

#[test]
fn a_deadline_that_has_come_takes_the_key_away() {
    let mut b = Bench::new();
    for deadline in [0, 1, b.now - 1, b.now] {
        b.put("k", "v");
        let version = b.version("k");
        assert_eq!(b.key("k", expire_at(deadline)), yes());
        assert_eq!(b.get("k"), Reply::Nil);
        b.put("k", "v");
        assert!(b.version("k") > version + 1, "the change had a version of its own");
        b.put_until("k", "w", Deadline::At(deadline));
        assert_eq!(b.get("k"), Reply::Nil);
        assert_eq!(b.store.nearest_deadline(), None);
    }
    b.put("k", "v");
    assert_eq!(b.key("k", expire(0, ExpireWhen::Always)), yes());
    assert_eq!(b.get("k"), Reply::Nil);
    b.put("k", "v");
    let too_late = expire(u64::MAX, ExpireWhen::Always);
    assert_eq!(b.key("k", too_late), fault(Fault::InvalidExpire));
    assert_eq!(b.left_ms("k"), Reply::Int(-1));
}

#[test]
fn expire_nx_xx_gt_lt() {
    use ExpireWhen::{Later, Missing, Present, PresentSooner, Sooner};
    let mut b = Bench::new();
    let mut expire_from = |old: Option<u64>, ms, when| {
        b.put_until("k", "v", old.map_or(Deadline::Never, Deadline::In));
        let reply = b.key("k", expire(ms, when));
        (reply, b.left_ms("k"))
    };
    let changed = |ms| (yes(), Reply::Int(ms));
    let kept = |ms| (no(), Reply::Int(ms));
    assert_eq!(expire_from(None, 200, Missing), changed(200));
    assert_eq!(expire_from(Some(100), 200, Missing), kept(100));
    assert_eq!(expire_from(None, 200, Present), kept(-1));
    assert_eq!(expire_from(Some(100), 200, Present), changed(200));
    assert_eq!(expire_from(None, 200, Later), kept(-1), "never is later");
    assert_eq!(expire_from(Some(100), 200, Later), changed(200));
    assert_eq!(expire_from(Some(100), 100, Later), kept(100));
    assert_eq!(expire_from(Some(100), 50, Later), kept(100));
    assert_eq!(expire_from(None, 200, Sooner), changed(200));
    assert_eq!(expire_from(Some(100), 200, Sooner), kept(100));
    assert_eq!(expire_from(Some(100), 100, Sooner), kept(100));
    assert_eq!(expire_from(Some(100), 50, Sooner), changed(50));
    assert_eq!(expire_from(None, 50, PresentSooner), kept(-1));
    assert_eq!(expire_from(Some(100), 50, PresentSooner), changed(50));
    assert_eq!(expire_from(Some(100), 200, PresentSooner), kept(100));
    assert_eq!(expire_from(Some(100), 0, Later), kept(100), "a condition also saves from the past");
}

#[test]
fn persist_is_expire_never() {
    let mut b = Bench::new();
    let persist = || KeyOp::Expire { deadline: Deadline::Never, when: ExpireWhen::Always };
    assert_eq!(b.key("k", persist()), no());
    b.put("k", "v");
    let version = b.version("k");
    assert_eq!(b.key("k", persist()), no());
    assert_eq!(b.version("k"), version);
    assert_eq!(b.key("k", expire(100, ExpireWhen::Always)), yes());
    assert_eq!(b.key("k", persist()), yes());
    assert_eq!((b.get("k"), b.left_ms("k")), (bulk("v"), Reply::Int(-1)));
    assert!(b.version("k") > version, "who watches a key watches its deadline");
    b.now += 1_000;
    assert_eq!(b.get("k"), bulk("v"));
}

#[test]
fn ttl_rounds_to_seconds() {
    let mut b = Bench::new();
    let ttl = |absolute, ms| KeyOp::Ttl { absolute, ms };
    for (left, seconds) in [(1, 0), (499, 0), (500, 1), (1_499, 1), (1_500, 2), (100_000, 100)] {
        b.put_until("k", "v", Deadline::In(left));
        assert_eq!(b.key("k", ttl(false, false)), Reply::Int(seconds));
        assert_eq!(b.key("k", ttl(false, true)), Reply::Int(left as i64));
        assert_eq!(b.key("k", ttl(true, true)), Reply::Int((b.now + left) as i64));
    }
    assert_eq!(b.key("k", ttl(true, false)), Reply::Int(1_100));
    b.put("k", "v");
    for form in [(false, false), (false, true), (true, false), (true, true)] {
        assert_eq!(b.key("k", ttl(form.0, form.1)), Reply::Int(-1));
        assert_eq!(b.key("none", ttl(form.0, form.1)), Reply::Int(-2));
    }
}

/// KV-EXPIRE-5.
#[test]
fn spans_count_from_the_clock_though_a_stamp_is_behind() {
    let mut b = Bench::new();
    b.put("other", "v");
    b.now -= 10_000;
    b.put_until("k", "v", Deadline::In(100));
    assert_eq!(b.left_ms("k"), Reply::Int(100));
    assert_eq!(b.store.nearest_deadline(), Some(1_000_100));
}

/// KV-EXPIRE-4.
#[test]
fn a_tick_takes_out_so_many_keys_and_no_more() {
    let mut b = Bench::new();
    let keys = TICK_KEYS + 10;
    for number in 0..keys {
        // Stamp 0 does not move the clock on, and the bench's own ticks would.
        let deadline = Deadline::At(1_000_001 + (number % 3) as u64);
        let when = protocol::kv::When::Always;
        let op = StringOp::Set { value: "v".into(), when, deadline, get: false };
        let key = format!("k{number}").as_str().into();
        b.store.apply(0, &Command { key, op: Op::String(op), once: None });
    }
    assert_eq!(b.store.len(), keys);
    assert_eq!(b.store.nearest_deadline(), Some(1_000_001));
    assert_eq!(b.store.tick(2_000_000), TICK_KEYS);
    assert_eq!(b.store.len(), 0, "the rest is there for nobody");
    assert!(b.store.is_empty() && b.store.keys().next().is_none());
    assert_eq!(b.store.nearest_deadline(), Some(1_000_003), "and asks for another tick");
    assert_eq!(b.store.tick(2_000_000), 10);
    assert_eq!((b.store.tick(2_000_000), b.store.nearest_deadline()), (0, None));
}

/// KV-EXPIRE-2: a key's versions go on where they ended, whether a tick took it out or the command that writes it anew.
#[test]
fn versions_survive_expiry() {
    for tick in [true, false] {
        let mut b = Bench::new();
        b.put("k", "v");
        b.put_until("k", "v", Deadline::In(5));
        assert_eq!(b.version("k"), 2);
        if tick {
            assert_eq!(b.store.tick(b.now + 5), 1);
        }
        let command = Command { key: "k".into(), op: Op::String(set("w")), once: None };
        b.store.apply(b.now + 5, &command);
        assert_eq!(b.version("k"), 3);
    }
}

/// KV-EXPIRE-4: how many is one of the store's limits.
#[test]
fn the_bound_of_a_tick_is_a_limit() {
    let limits = Limits { tick_keys: 2, ..Limits::default() };
    let mut b = Bench { store: Store::new(Exact, limits), now: 1 };
    for name in ["a", "b", "c"] {
        b.put_until(name, "v", Deadline::In(1));
    }
    assert_eq!([b.store.tick(2), b.store.tick(2), b.store.tick(2)], [2, 1, 0]);
}
