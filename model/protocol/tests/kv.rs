//! The store, its clerk and the lock, rule by rule.

use protocol::kv::clerk::{Answer, Clerk, Config, Effect, Input, Outcome, Request};
use protocol::kv::lock::{self, Fence, Lock};
use protocol::kv::{Bytes, ClientId, Command, Exact, Limits, Once, Op, Reply, Store, Version};
use protocol::{Machine, NodeId};

const LIMITS: Limits =
    Limits { clients: 2, unacknowledged: 2, reply_bytes: 4, ahead_ms: 1_000, ..Limits::DEFAULT };

fn store() -> Store {
    Store::new(Exact, LIMITS)
}

fn once(client: u128, seq: u64, acknowledged: u64) -> Option<Once> {
    Some(Once { client: ClientId(client), seq, acknowledged })
}

fn append(value: &str, once: Option<Once>) -> Command {
    Command { key: "k".into(), op: Op::Append { value: value.into() }, once }
}

fn put(value: &str, expected: Version) -> Command {
    Command { key: "k".into(), op: Op::Put { value: value.into(), expected }, once: None }
}

fn delete(expected: Version) -> Command {
    Command { key: "k".into(), op: Op::Delete { expected }, once: None }
}

fn value(store: &Store) -> Option<(Vec<u8>, Version)> {
    store.get(&"k".into()).map(|(value, version)| (value.as_ref().to_vec(), version))
}

/// KV-ONCE-1, KV-ONCE-2: the second copy is answered with the first one's reply, and nothing happens.
#[test]
fn a_copy_gets_the_record() {
    let mut store = store();
    let command = append("a", once(1, 1, 0));
    let first = store.apply(0, &command);
    assert_eq!(first, Reply::Appended { old: Bytes::default(), version: 1 });
    assert_eq!(store.apply(0, &command), first);
    assert_eq!(value(&store), Some((b"a".to_vec(), 1)));
}

/// A write without a record is executed as often as it comes, and a reply too long to be kept says so.
#[test]
fn what_is_not_kept() {
    let mut store = store();
    store.apply(0, &append("12345", None));
    store.apply(0, &append("6", None));
    assert_eq!(value(&store), Some((b"123456".to_vec(), 2)));
    let long = append("7", once(1, 1, 0));
    let first = store.apply(0, &long);
    assert_eq!(first, Reply::Appended { old: "123456".into(), version: 3 });
    assert_eq!(store.apply(0, &long), Reply::NotKept);
    assert_eq!(value(&store), Some((b"1234567".to_vec(), 3)));
}

/// KV-ONCE-3: what was acknowledged is over, recorded or not.
#[test]
fn the_acknowledged_is_over() {
    let mut store = store();
    store.apply(0, &append("a", once(1, 1, 0)));
    store.apply(0, &append("b", once(1, 2, 1)));
    assert_eq!(store.apply(0, &append("a", once(1, 1, 0))), Reply::Acknowledged);
    assert_eq!(value(&store), Some((b"ab".to_vec(), 2)));
}

/// KV-ONCE-4, KV-ONCE-5: room for two; the one that was idle longest goes, and is turned away when it is back.
#[test]
fn the_idle_expire() {
    let mut store = store();
    for (stamp, client) in [(1, 5), (2, 6), (3, 7)] {
        store.apply(stamp, &append("x", once(client, 1, 0)));
    }
    assert_eq!(store.apply(4, &append("x", once(5, 1, 0))), Reply::SessionExpired);
    assert_eq!(
        store.apply(4, &append("x", once(4, 1, 0))),
        Reply::SessionExpired,
        "it may have been here"
    );
    let floors: Vec<_> = store.client_floors().map(|(_, floor)| floor).collect();
    assert_eq!(floors, [ClientId(5)]);
    assert!(matches!(store.apply(4, &append("x", once(8, 1, 0))), Reply::Appended { .. }));
}

/// KV-ONCE-6, and the bound on what one client may leave unacknowledged.
#[test]
fn a_number_is_used_once() {
    let mut store = store();
    store.apply(0, &append("a", once(1, 1, 0)));
    assert_eq!(store.apply(0, &append("b", once(1, 1, 0))), Reply::SeqReused);
    store.apply(0, &append("b", once(1, 2, 0)));
    assert_eq!(store.apply(0, &append("c", once(1, 3, 0))), Reply::TooManyUnacknowledged);
    assert!(matches!(store.apply(0, &append("c", once(1, 3, 2))), Reply::Appended { .. }));
}

/// KV-ONCE-7: a client made 1,001 ms after the group's clock is refused, one of 1,000 ms is taken.
#[test]
fn nobody_comes_from_the_future() {
    let mut store = store();
    let made = |ms: u64| ClientId::new(ms, 7).0;
    assert_eq!(store.apply(5, &append("a", once(made(1_006), 1, 0))), Reply::ClientAhead);
    assert!(matches!(
        store.apply(5, &append("a", once(made(1_005), 1, 0))),
        Reply::Appended { .. }
    ));
    assert_eq!(store.clock(), 5);
    store.apply(3, &append("b", None));
    assert_eq!(store.clock(), 5, "the clock never goes back");
}

/// KV-PUT-1: the lab's Put, and what it is refused with.
#[test]
fn puts_expect_a_version() {
    let mut store = store();
    assert_eq!(store.apply(0, &put("a", 1)), Reply::NoKey);
    assert_eq!(store.apply(0, &put("a", 0)), Reply::Written { version: 1 });
    assert_eq!(store.apply(0, &put("b", 0)), Reply::VersionMismatch);
    assert_eq!(store.apply(0, &put("b", 1)), Reply::Written { version: 2 });
    assert_eq!(value(&store), Some((b"b".to_vec(), 2)));
    assert_eq!(store.apply(0, &delete(1)), Reply::VersionMismatch);
}

/// KV-VERSION-1, KV-VERSION-2: versions go on where they ended; there is nothing to delete at version 0.
#[test]
fn versions_survive_deletion() {
    let mut store = store();
    assert_eq!(store.apply(0, &delete(0)), Reply::NoKey);
    store.apply(0, &put("a", 0));
    store.apply(0, &put("b", 1));
    assert_eq!(store.apply(0, &delete(2)), Reply::Written { version: 2 });
    assert_eq!(value(&store), None);
    assert_eq!(store.apply(0, &put("c", 0)), Reply::Written { version: 3 });
}

fn steps(clerk: &mut Clerk, input: Input) -> Vec<Effect> {
    let mut effects = Vec::new();
    clerk.step(input, &mut effects);
    effects
}

fn sent(effects: &[Effect]) -> Vec<(NodeId, Request)> {
    let send = |effect: &Effect| match effect {
        Effect::Send { to, request } => Some((*to, request.clone())),
        _ => None,
    };
    effects.iter().filter_map(send).collect()
}

fn answer(seq: u64, attempt: u32, answer: Answer) -> Input {
    Input::Answer { seq, attempt, answer }
}

/// CLERK-RETRY-1, CLERK-SEQ-1: the same command goes to the next server, and only its answer ends the call.
#[test]
fn calls_are_sent_until_answered() {
    let config = Config { servers: 3, ..Config::default() };
    let mut clerk: Clerk = Clerk::new(Exact, config);
    let get = || Input::Call { key: "k".into(), op: Op::Get };
    let first = sent(&steps(&mut clerk, get()));
    assert_eq!(steps(&mut clerk, get()), [Effect::Busy]);
    let second = sent(&steps(&mut clerk, Input::Retry));
    assert_eq!((first[0].0, second[0].0), (NodeId(0), NodeId(1)));
    assert_eq!(first[0].1.command, second[0].1.command);
    assert_eq!((first[0].1.attempt, second[0].1.attempt), (1, 2));
    assert_eq!(steps(&mut clerk, answer(0, 1, Answer::Reply(Reply::NoKey))), []);
    let moved = Answer::NotExecuted { leader: Some(NodeId(2)) };
    assert_eq!(sent(&steps(&mut clerk, answer(1, 2, moved)))[0].0, NodeId(2));
    let done = steps(&mut clerk, answer(1, 3, Answer::Reply(Reply::NoKey)));
    assert_eq!(done, [Effect::DisarmRetry, Effect::Done(Outcome::Reply(Reply::NoKey))]);
    assert_eq!(steps(&mut clerk, answer(1, 1, Answer::Reply(Reply::NoKey))), []);
    assert_eq!(steps(&mut clerk, Input::Retry), [], "nothing is under way");
}

/// CLERK-CREATE-1: of the Puts, those over version 0 are recorded; appends always.
#[test]
fn creations_are_recorded() {
    let recorded = |op: Op| {
        let mut clerk: Clerk = Clerk::new(Exact, Config::default());
        sent(&steps(&mut clerk, Input::Call { key: "k".into(), op }))[0].1.command.once
    };
    let put = |expected| Op::Put { value: "v".into(), expected };
    assert_eq!(recorded(put(0)), once(1, 1, 0));
    assert_eq!(recorded(put(7)), None);
    assert_eq!(recorded(Op::Append { value: "v".into() }), once(1, 1, 0));
    assert_eq!(recorded(Op::Get), None);
}

/// CLERK-MAYBE-1: refused at the first sending is refused; refused with another copy about is Maybe, unless that
/// copy is known never to be executed.
#[test]
fn refused_is_maybe_when_a_copy_is_about() {
    let refused = || Answer::Reply(Reply::VersionMismatch);
    let begin = || {
        let mut clerk: Clerk = Clerk::new(Exact, Config { servers: 2, ..Config::default() });
        steps(&mut clerk, Input::Call { key: "k".into(), op: put("v", 7).op });
        clerk
    };
    let outcome = |effects: Vec<Effect>| match effects.as_slice() {
        [.., Effect::Done(outcome)] => outcome.clone(),
        other => panic!("not done: {other:?}"),
    };
    let mut clerk = begin();
    let alone = outcome(steps(&mut clerk, answer(1, 1, refused())));
    assert_eq!(alone, Outcome::Reply(Reply::VersionMismatch));
    let mut clerk = begin();
    steps(&mut clerk, Input::Retry);
    assert_eq!(outcome(steps(&mut clerk, answer(1, 2, refused()))), Outcome::Maybe);
    let mut clerk = begin();
    steps(&mut clerk, Input::Retry);
    steps(&mut clerk, answer(1, 1, Answer::NotExecuted { leader: None }));
    let settled = outcome(steps(&mut clerk, answer(1, 2, refused())));
    assert_eq!(settled, Outcome::Reply(Reply::VersionMismatch));
}

/// LOCK-TOKEN-1, LOCK-TAKE-1, LOCK-MAYBE-1, LOCK-RELEASE-1.
#[test]
fn a_lock_is_taken_looked_at_and_freed() {
    let mut lock: Lock = Lock::new(Exact, ClientId(1));
    let mut step = |input| {
        let mut effects = Vec::new();
        lock.step(input, &mut effects);
        effects
    };
    let reply = |reply| lock::Input::Outcome(Outcome::Reply(reply));
    assert_eq!(step(lock::Input::Acquire), [lock::Effect::Call(Op::Get)]);
    let held = Reply::Value { value: "another's".into(), version: 4 };
    assert_eq!(step(reply(held)), [lock::Effect::ArmRetry]);
    assert_eq!(step(lock::Input::Retry), [lock::Effect::Call(Op::Get)]);
    let taken = step(reply(Reply::Value { value: Bytes::default(), version: 5 }));
    let [lock::Effect::Call(Op::Put { value: token, expected: 5 })] = taken.as_slice() else {
        panic!("it takes the version that it saw: {taken:?}");
    };
    assert_eq!(step(lock::Input::Outcome(Outcome::Maybe)), [lock::Effect::Call(Op::Get)]);
    let mine = Reply::Value { value: token.clone(), version: 6 };
    assert_eq!(step(reply(mine)), [lock::Effect::Acquired { version: 6 }]);
    let freed = [lock::Effect::Call(Op::Put { value: Bytes::default(), expected: 6 })];
    assert_eq!(step(lock::Input::Release), freed);
    assert_eq!(step(lock::Input::Outcome(Outcome::Maybe)), [lock::Effect::Call(Op::Get)]);
    let still = Reply::Value { value: token.clone(), version: 6 };
    assert_eq!(step(reply(still)), freed, "it was not executed, so it is sent anew");
    assert_eq!(step(reply(Reply::Written { version: 7 })), [lock::Effect::Released]);
    step(lock::Input::Acquire);
    let again = step(reply(Reply::Value { value: Bytes::default(), version: 7 }));
    let [lock::Effect::Call(Op::Put { value, .. })] = again.as_slice() else { panic!("{again:?}") };
    assert_ne!(value, token, "each acquire has a token of its own");
}

/// LOCK-FENCE-1: the same holder may come again, a later one takes over, and then the earlier one is late.
#[test]
fn a_fence_turns_late_holders_away() {
    let mut fence: Fence = Fence::new(Exact);
    let admitted: Vec<_> = [4, 4, 9, 4, 8, 9, 10].map(|version| fence.admit(version)).into();
    assert_eq!(admitted, [true, true, true, false, false, true, true]);
    let mut unused: Fence = Fence::default();
    assert!(unused.admit(0), "one who holds nothing is no late holder");
}

/// Slots are Redis Cluster's: CRC-16 of the key or of its hash tag.
#[test]
fn slots_are_those_of_redis() {
    let slot = |key: &str| Bytes::from(key).slot().0;
    assert_eq!(slot("123456789"), 0x31C3);
    assert_eq!(slot("foo"), 12_182);
    assert_eq!(slot("{user1000}.following"), slot("{user1000}.followers"));
    assert_eq!(slot("foo{}{bar}"), Bytes::from("foo{}{bar}").slot().0);
    assert_eq!(slot("foo{{bar}}zap"), slot("{{bar}"));
    assert_ne!(slot("foo{}{bar}"), slot("bar"));
}

/// A clerk's default is one server and unrecorded Puts, as in lab 2.
#[test]
fn the_default_clerk() {
    let expected = Config { client: ClientId(1), servers: 1, record_puts: false };
    assert_eq!(Config::default(), expected);
}

/// More copies than are told apart: that the tracked ones were not executed says nothing of the others.
#[test]
fn untracked_copies_are_about() {
    let mut clerk: Clerk = Clerk::new(Exact, Config { servers: 2, ..Config::default() });
    steps(&mut clerk, Input::Call { key: "k".into(), op: put("v", 7).op });
    for _ in 0..65 {
        steps(&mut clerk, Input::Retry);
    }
    for attempt in 1..=64 {
        steps(&mut clerk, answer(1, attempt, Answer::NotExecuted { leader: None }));
    }
    let refused = answer(1, 66, Answer::Reply(Reply::VersionMismatch));
    let expected = [Effect::DisarmRetry, Effect::Done(Outcome::Maybe)];
    assert_eq!(steps(&mut clerk, refused), expected);
}

/// A lock's user whose client is turned away is told, and knows what it has.
#[test]
fn a_lock_whose_client_expired() {
    let mut lock: Lock = Lock::new(Exact, ClientId(1));
    let mut step = |input| {
        let mut effects = Vec::new();
        lock.step(input, &mut effects);
        (effects, lock.held())
    };
    let reply = |reply| lock::Input::Outcome(Outcome::Reply(reply));
    let failed = || vec![lock::Effect::Failed(Reply::SessionExpired)];
    step(lock::Input::Acquire);
    step(reply(Reply::NoKey));
    assert_eq!(step(reply(Reply::SessionExpired)), (failed(), None));
    step(lock::Input::Acquire);
    step(reply(Reply::NoKey));
    assert_eq!(step(reply(Reply::Written { version: 1 })).1, Some(1));
    step(lock::Input::Release);
    assert_eq!(step(reply(Reply::SessionExpired)), (failed(), Some(1)));
    step(lock::Input::Release);
    assert_eq!(step(reply(Reply::Written { version: 2 })), (vec![lock::Effect::Released], None));
}
