//! The lock that frees itself, rule by rule against the store, and in random schedules of several users.

use protocol::Machine;
use protocol::kv::clerk::Outcome;
use protocol::kv::lease::{Effect, Input, Lease, State};
use protocol::kv::{
    ClientId, Command, Exact, KeyOp, Limits, Op, Reply, Rules as _, Stamp, Store, Version,
};

const TTL: u64 = 100;

fn store() -> Store {
    Store::new(Exact, Limits::DEFAULT)
}

fn lease(client: u64) -> Lease {
    Lease::new(Exact, ClientId(client.into()), TTL)
}

fn execute(store: &mut Store, stamp: Stamp, op: Op) -> Outcome {
    let command = Command { key: "lock".into(), op, once: None };
    Outcome::Reply(store.apply(stamp, &command))
}

/// Feeds the machine, and executes what it calls, until it asks for nothing more. What it said beside.
fn run(lease: &mut Lease, store: &mut Store, stamp: Stamp, input: Input) -> Vec<Effect> {
    let (mut said, mut out) = (Vec::new(), Vec::new());
    lease.step(input, &mut out);
    while !out.is_empty() {
        for effect in std::mem::take(&mut out) {
            match effect {
                Effect::Call { call, op } => {
                    let outcome = execute(store, stamp, op);
                    lease.step(Input::Outcome { call, outcome }, &mut out);
                }
                other => said.push(other),
            }
        }
    }
    said
}

fn acquired(said: &[Effect]) -> Version {
    match said {
        [Effect::Acquired { version }] => *version,
        other => panic!("{other:?}"),
    }
}

/// Feeds the machine, and what it calls, with its number. It says nothing else.
fn asks(lease: &mut Lease, input: Input) -> (u64, Op) {
    let mut out = Vec::new();
    lease.step(input, &mut out);
    match out.as_slice() {
        [Effect::Call { call, op }] => (*call, op.clone()),
        other => panic!("{other:?}"),
    }
}

/// The outcome of the latest call.
fn ends_in(lease: &Lease, outcome: Outcome) -> Input {
    Input::Outcome { call: lease.latest_call(), outcome }
}

/// What it says, and calls nothing.
fn says(lease: &mut Lease, input: Input) -> Effect {
    let mut out = Vec::new();
    lease.step(input, &mut out);
    match out.as_slice() {
        [effect] => effect.clone(),
        other => panic!("{other:?}"),
    }
}

fn value_and_end(store: &Store) -> Option<(Vec<u8>, i64)> {
    let until = Op::Key(KeyOp::Ttl { absolute: true, ms: true });
    let (value, _) = store.get(&"lock".into())?;
    match store.read(&"lock".into(), &until) {
        Some(Reply::Int(end)) => Some((value.as_ref().to_vec(), end)),
        other => panic!("{other:?}"),
    }
}

/// LEASE-TAKE-1, LEASE-HOLD-1, LEASE-FENCE-1, LEASE-RELEASE-1.
#[test]
fn one_after_the_other() {
    let (mut store, mut first, mut second) = (store(), lease(1), lease(2));
    let fence = acquired(&run(&mut first, &mut store, 0, Input::Acquire));
    assert_eq!(first.held(), Some(fence));
    assert_eq!(run(&mut second, &mut store, 1, Input::Acquire), [Effect::ArmRetry]);
    assert_eq!(run(&mut second, &mut store, 2, Input::Retry), [Effect::ArmRetry]);
    assert_eq!(run(&mut first, &mut store, 3, Input::Release), [Effect::Released]);
    assert!(acquired(&run(&mut second, &mut store, 4, Input::Retry)) > fence);
    assert_eq!(run(&mut first, &mut store, 5, Input::Release), [Effect::Ignored]);
}

/// LEASE-RENEW-1, LEASE-RENEW-2, LEASE-FENCE-1.
#[test]
fn it_frees_itself_unless_it_is_renewed() {
    let (mut store, mut first, mut second) = (store(), lease(1), lease(2));
    let fence = acquired(&run(&mut first, &mut store, 0, Input::Acquire));
    run(&mut second, &mut store, 1, Input::Acquire);
    assert_eq!(run(&mut first, &mut store, 60, Input::Renew), [Effect::Renewed]);
    assert_eq!(run(&mut second, &mut store, 159, Input::Retry), [Effect::ArmRetry]);
    assert_eq!(first.held(), Some(fence), "the fencing version stays");
    assert!(acquired(&run(&mut second, &mut store, 160, Input::Retry)) > fence);
    assert_eq!(run(&mut first, &mut store, 161, Input::Renew), [Effect::Lost]);
    assert_eq!((first.state(), first.held()), (State::Idle, None));
}

/// LEASE-RELEASE-1: a holder that frees its lock too late leaves the next one's alone.
#[test]
fn a_late_release() {
    let (mut store, mut first, mut second) = (store(), lease(1), lease(2));
    acquired(&run(&mut first, &mut store, 0, Input::Acquire));
    acquired(&run(&mut second, &mut store, 100, Input::Acquire));
    assert_eq!(run(&mut first, &mut store, 101, Input::Release), [Effect::Lost]);
    assert_eq!(run(&mut second, &mut store, 102, Input::Renew), [Effect::Renewed]);
}

/// LEASE-HOLD-1, LEASE-RENEW-2.
#[test]
fn what_was_not_answered_is_looked_at() {
    let (mut store, mut lease) = (store(), lease(1));
    asks(&mut lease, Input::Acquire);
    let free = ends_in(&lease, Outcome::Reply(Reply::NoKey));
    let (_, take) = asks(&mut lease, free);
    execute(&mut store, 0, take);
    let unknown = ends_in(&lease, Outcome::Maybe);
    acquired(&run(&mut lease, &mut store, 1, unknown));
    asks(&mut lease, Input::Renew);
    let unknown = ends_in(&lease, Outcome::Maybe);
    assert_eq!(says(&mut lease, unknown), Effect::ArmRenew, "the end stays where it was");
}

/// LEASE-TOKEN-1: a take that nobody answered is executed when the next one is asked for. What it wrote is not taken
/// for the next one's, whose time is reckoned from later.
#[test]
fn each_take_has_a_token_of_its_own() {
    let (mut store, mut lease) = (store(), lease(1));
    asks(&mut lease, Input::Acquire);
    let free = ends_in(&lease, Outcome::Reply(Reply::NoKey));
    let (_, late) = asks(&mut lease, free);
    let unknown = ends_in(&lease, Outcome::Maybe);
    asks(&mut lease, unknown);
    let free = ends_in(&lease, Outcome::Reply(Reply::NoKey));
    execute(&mut store, 0, late);
    assert_eq!(run(&mut lease, &mut store, 90, free), [Effect::ArmRetry]);
    assert_eq!(run(&mut lease, &mut store, 99, Input::Retry), [Effect::ArmRetry]);
    acquired(&run(&mut lease, &mut store, 100, Input::Retry));
    assert_eq!(value_and_end(&store).expect("it is held").1, 200);
}

/// LEASE-CALL-1, LEASE-END-1: a call that is given up says nothing, whatever becomes of it.
#[test]
fn what_is_given_up_is_over() {
    let (mut store, mut lease) = (store(), lease(1));
    acquired(&run(&mut lease, &mut store, 0, Input::Acquire));
    let (first, _) = asks(&mut lease, Input::Renew);
    let unknown = ends_in(&lease, Outcome::Maybe);
    assert_eq!(says(&mut lease, unknown), Effect::ArmRenew);
    let (second, _) = asks(&mut lease, Input::Renew);
    let executed = |call| Input::Outcome { call, outcome: Outcome::Reply(Reply::Ok) };
    assert_eq!(says(&mut lease, executed(first)), Effect::Ignored);
    assert_eq!(says(&mut lease, Input::End), Effect::Lost);
    assert_eq!(says(&mut lease, executed(second)), Effect::Ignored);
    assert_eq!((lease.state(), lease.held()), (State::Idle, None));
    asks(&mut lease, Input::Acquire);
    assert_eq!(says(&mut lease, executed(second)), Effect::Ignored);
    assert_eq!(lease.state(), State::Looking);
}

/// LEASE-END-1, LEASE-RELEASE-1: a release does not wait for a renewal, and at the end nobody waits for a release. The
/// lock can be acquired again.
#[test]
fn a_release_that_nobody_answers() {
    let (mut store, mut lease) = (store(), lease(1));
    acquired(&run(&mut lease, &mut store, 0, Input::Acquire));
    asks(&mut lease, Input::Renew);
    let (_, release) = asks(&mut lease, Input::Release);
    assert_eq!(lease.held(), None, "it stops before it asks");
    assert_eq!(says(&mut lease, Input::End), Effect::Lost);
    assert_eq!(lease.state(), State::Idle);
    assert_eq!(run(&mut lease, &mut store, 1, Input::Acquire), [Effect::ArmRetry]);
    execute(&mut store, 2, release);
    acquired(&run(&mut lease, &mut store, 3, Input::Retry));
}

/// LEASE-LEFT-1.
#[test]
fn nothing_stays_behind() {
    let (mut store, mut lease) = (store(), lease(1));
    acquired(&run(&mut lease, &mut store, 7, Input::Acquire));
    assert_eq!(value_and_end(&store).map(|(_, end)| end), Some(107));
    run(&mut lease, &mut store, 50, Input::Release);
    assert_eq!(value_and_end(&store), Some((Vec::new(), 150)));
    store.tick(150);
    assert_eq!(value_and_end(&store), None);
}

/// LEASE-CLOCK-1: the driver reckons from when it asked.
#[test]
fn time_is_reckoned_from_the_question() {
    assert_eq!(Exact.reckons_from(3, 5), 3);
}

/// LEASE-FAIL-1.
#[test]
fn a_client_that_is_turned_away() {
    let mut lease = lease(1);
    asks(&mut lease, Input::Acquire);
    let free = ends_in(&lease, Outcome::Reply(Reply::NoKey));
    asks(&mut lease, free);
    let refused = ends_in(&lease, Outcome::Reply(Reply::ClientAhead));
    assert_eq!(says(&mut lease, refused), Effect::Failed(Reply::ClientAhead));
    assert_eq!(lease.state(), State::Idle);
}

/// Numbers that look random, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

/// A user in a schedule: its machine, the call that is on its way, and when its belief ends.
struct User {
    lease: Lease,
    call: Option<(u64, Op)>,
    /// When the latest write was asked for.
    asked: Stamp,
    answer: Option<(u64, Outcome)>,
    end: Stamp,
    /// Calls that were given up and may be executed yet.
    strays: Vec<(u64, Op)>,
}

impl User {
    fn new(client: u64) -> Self {
        let lease = lease(client);
        Self { lease, call: None, asked: 0, answer: None, end: 0, strays: Vec::new() }
    }

    fn step(&mut self, now: Stamp, input: Input, seen: &mut Seen) {
        let mut out = Vec::new();
        self.lease.step(input, &mut out);
        for effect in out {
            match effect {
                Effect::Call { call, op } => {
                    if op.writes() {
                        self.asked = now;
                    }
                    self.strays.extend(self.call.replace((call, op)));
                    self.answer = None;
                }
                Effect::Acquired { version } => {
                    self.end = self.asked + TTL;
                    seen.acquired += 1;
                    // An answer that comes too late: the driver ends it before its user hears of it.
                    if now >= self.end {
                        return self.step(now, Input::End, seen);
                    }
                    seen.fences.push(version);
                }
                Effect::Renewed => {
                    self.end = self.asked + TTL;
                    seen.renewed += 1;
                }
                Effect::Lost => {
                    self.strays.extend(self.call.take());
                    self.answer = None;
                    seen.lost += 1;
                }
                Effect::Released => seen.released += 1,
                _ => {}
            }
        }
    }
}

#[derive(Default)]
struct Seen {
    acquired: u64,
    renewed: u64,
    lost: u64,
    released: u64,
    fences: Vec<Version>,
}

/// Three users, whose calls are executed late, answered late, or never answered. Whether two ever held the lock at
/// once.
fn schedule(seed: u64, ends: bool, seen: &mut Seen) -> bool {
    let mut random = Random(seed);
    let mut store = store();
    let mut users = [User::new(1), User::new(2), User::new(3)];
    let mut now = 0;
    for _ in 0..200 {
        now += random.below(12);
        // The driver's timer: no step is taken by who believes too long.
        for user in users.iter_mut().filter(|user| ends && now >= user.end) {
            if user.lease.held().is_some() {
                user.step(now, Input::End, seen);
            }
        }
        let user = &mut users[random.below(3) as usize];
        if random.below(4) == 0
            && let Some((call, op)) = user.strays.pop()
        {
            let outcome = execute(&mut store, now, op);
            user.step(now, Input::Outcome { call, outcome }, seen);
        }
        match (user.call.take(), user.answer.take(), random.below(8)) {
            (Some(call), _, 0) => user.call = Some(call),
            // It is given up, and executed later if at all.
            (Some((call, op)), _, 1) => {
                user.strays.push((call, op));
                user.step(now, Input::Outcome { call, outcome: Outcome::Maybe }, seen);
            }
            (Some((call, op)), _, _) => user.answer = Some((call, execute(&mut store, now, op))),
            (None, Some((call, _)), 0 | 1) => {
                user.step(now, Input::Outcome { call, outcome: Outcome::Maybe }, seen);
            }
            (None, Some((call, outcome)), _) => {
                user.step(now, Input::Outcome { call, outcome }, seen);
            }
            (None, None, choice) => {
                let input = match (user.lease.state(), choice) {
                    (State::Idle, _) => Input::Acquire,
                    (State::Waiting, _) => Input::Retry,
                    (_, 0 | 1) => Input::Release,
                    _ => Input::Renew,
                };
                user.step(now, input, seen);
            }
        }
        if users.iter().filter(|user| user.lease.held().is_some()).count() > 1 {
            return true;
        }
    }
    assert!(seen.fences.is_sorted_by(|first, second| first < second), "{:?}", seen.fences);
    seen.fences.clear();
    false
}

#[test]
fn no_two_hold_it_at_once() {
    let mut seen = Seen::default();
    for seed in 0..5_000 {
        assert!(!schedule(seed, true, &mut seen), "seed {seed}");
    }
    let Seen { acquired, renewed, lost, released, .. } = seen;
    let counts = [acquired, renewed, lost, released];
    assert!(counts.iter().all(|count| *count > 1_000), "all of it happens: {counts:?}");
}

/// What the timer `End` is for: without it two believe that they hold the lock.
#[test]
fn without_an_end_two_hold_it() {
    let mut seen = Seen::default();
    assert!((0..1_000).any(|seed| {
        seen.fences.clear();
        schedule(seed, false, &mut seen)
    }));
}
