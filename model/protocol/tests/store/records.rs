//! Exactly once, for Redis's commands; and clients that were idle too long.

use super::{Bench, bulk, yes};
use protocol::kv::{
    ClientId, Command, Exact, Limits, Once, Op, Reply, Stamp, Store, StringOp, TICK_SLOTS,
};

fn incr(client: u64, seq: u64, key: &str) -> Command {
    let once = Some(Once { client: ClientId(client.into()), seq, acknowledged: seq - 1 });
    Command { key: key.into(), op: Op::String(StringOp::IncrBy { by: 1 }), once }
}

fn store(idle_ms: Stamp) -> Bench {
    let limits = Limits { idle_ms, reply_bytes: 10, ..Limits::default() };
    Bench { store: Store::new(Exact, limits), now: 0 }
}

#[test]
fn a_command_sent_twice_is_executed_once() {
    let mut b = store(1_000);
    assert_eq!(b.store.apply(0, &incr(5, 1, "k")), yes());
    assert_eq!(b.store.apply(0, &incr(5, 1, "k")), yes());
    assert_eq!(b.store.apply(0, &incr(5, 2, "k")), Reply::Int(2));
    assert_eq!(b.store.apply(0, &incr(5, 1, "k")), Reply::Acknowledged);
    let other = StringOp::IncrBy { by: 2 };
    let reused = Command { op: Op::String(other), ..incr(5, 2, "k") };
    assert_eq!(b.store.apply(0, &reused), Reply::SeqReused);
    assert_eq!(b.get("k"), bulk("2"));
}

#[test]
fn faults_are_recorded_and_long_replies_are_not_kept() {
    let mut b = store(1_000);
    b.put("k", "not a number, but long");
    let fault = b.store.apply(0, &incr(5, 1, "k"));
    assert!(fault.is_refusal());
    b.put("k", "7");
    assert_eq!(b.store.apply(0, &incr(5, 1, "k")), fault, "a retry is told the same");
    b.put("k", "not a number, but long");
    let get_del = Command { op: Op::String(StringOp::GetDel), ..incr(5, 2, "k") };
    assert_eq!(b.store.apply(0, &get_del), bulk("not a number, but long"));
    assert_eq!(b.store.apply(0, &get_del), Reply::NotKept);
}

/// KV-IDLE-1.
#[test]
fn an_idle_client_is_forgotten_and_turned_away() {
    let mut b = store(1_000);
    b.store.apply(0, &incr(5, 1, "{t}k"));
    b.store.apply(900, &incr(6, 1, "{t}k"));
    assert_eq!(b.store.apply(1_000, &incr(5, 1, "{t}k")), yes(), "just in time");
    assert_eq!(b.store.apply(1_901, &incr(7, 1, "{t}k")), Reply::Int(3));
    let floors: Vec<_> = b.store.client_floors().map(|(_, floor)| floor).collect();
    assert_eq!(floors, [ClientId(6)], "6 was idle for 1,001 ms");
    assert_eq!(b.store.apply(1_901, &incr(6, 1, "{t}k")), Reply::SessionExpired);
    assert_eq!(b.store.apply(2_000, &incr(5, 2, "{t}k")), Reply::Int(4), "5 was not");
    assert_eq!(b.store.apply(4_000, &incr(5, 2, "{t}k")), Reply::SessionExpired);
    assert_eq!(b.get("{t}k"), bulk("4"));
}

#[test]
fn ticks_go_round_the_slots() {
    let mut b = store(1_000);
    let slots = 2 * TICK_SLOTS + 5;
    for number in 0..slots {
        b.store.apply(0, &incr(9, 1, &format!("{{{number}}}")));
    }
    let dropped =
        |b: &Bench| b.store.client_floors().filter(|(_, floor)| *floor == ClientId(9)).count();
    assert_eq!(b.store.client_floors().count(), slots, "one key each, if no two fell together");
    b.store.tick(1_000);
    assert_eq!(dropped(&b), 0);
    for expected in [2 * TICK_SLOTS, slots, slots] {
        b.store.tick(1_001);
        assert!(dropped(&b) <= expected);
    }
    b.store.tick(1_001);
    assert_eq!(dropped(&b), slots);
}

/// KV-FLUSH-1: what was executed before a flush is not executed after it, and who was dropped stays out.
#[test]
fn records_survive_a_flush() {
    let mut b = store(1_000);
    b.store.apply(0, &incr(5, 1, "k"));
    b.store.flush(1);
    assert_eq!(b.store.apply(2, &incr(5, 1, "k")), yes(), "from its record");
    assert!(b.store.is_empty());
    b.store.tick(2_000);
    b.store.flush(2_000);
    assert_eq!(b.store.apply(2_000, &incr(5, 1, "k")), Reply::SessionExpired);
}
