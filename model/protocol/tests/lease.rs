//! The lock that frees itself, against the store: step by step, and in random schedules of several users.

use protocol::Machine;
use protocol::kv::clerk::Outcome;
use protocol::kv::lease::{Effect, Input, Lease, State};
use protocol::kv::{ClientId, Command, Exact, Limits, Op, Reply, Stamp, Store, Version};

const TTL: u64 = 100;

fn store() -> Store {
    Store::new(Exact, Limits::DEFAULT)
}

fn lease(client: u64) -> Lease {
    Lease::new(Exact, ClientId(client), TTL)
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
                Effect::Call(op) => {
                    let outcome = execute(store, stamp, op);
                    lease.step(Input::Outcome(outcome), &mut out);
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

/// A holder that frees its lock too late leaves the next one's alone.
#[test]
fn a_late_release() {
    let (mut store, mut first, mut second) = (store(), lease(1), lease(2));
    acquired(&run(&mut first, &mut store, 0, Input::Acquire));
    acquired(&run(&mut second, &mut store, 100, Input::Acquire));
    assert_eq!(run(&mut first, &mut store, 101, Input::Release), [Effect::Lost]);
    assert_eq!(run(&mut second, &mut store, 102, Input::Renew), [Effect::Renewed]);
}

#[test]
fn what_was_not_answered_is_looked_at() {
    let (mut store, mut lease, mut out) = (store(), lease(1), Vec::new());
    lease.step(Input::Acquire, &mut out);
    lease.step(Input::Outcome(Outcome::Reply(Reply::NoKey)), &mut out);
    let Some(Effect::Call(take)) = out.pop() else { panic!("it takes what it saw free") };
    execute(&mut store, 0, take);
    acquired(&run(&mut lease, &mut store, 1, Input::Outcome(Outcome::Maybe)));
    out.clear();
    lease.step(Input::Renew, &mut out);
    out.clear();
    lease.step(Input::Outcome(Outcome::Maybe), &mut out);
    assert_eq!(out, [Effect::ArmRenew], "the end stays where it was");
}

#[test]
fn a_client_that_is_turned_away() {
    let (mut lease, mut out) = (lease(1), Vec::new());
    lease.step(Input::Acquire, &mut out);
    lease.step(Input::Outcome(Outcome::Reply(Reply::NoKey)), &mut out);
    out.clear();
    lease.step(Input::Outcome(Outcome::Reply(Reply::ClientAhead)), &mut out);
    assert_eq!(out, [Effect::Failed(Reply::ClientAhead)]);
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
    call: Option<Op>,
    sent: Stamp,
    answer: Option<Outcome>,
    end: Stamp,
    /// Calls that were given up and may be executed yet.
    strays: Vec<Op>,
}

impl User {
    fn new(client: u64) -> Self {
        Self { lease: lease(client), call: None, sent: 0, answer: None, end: 0, strays: Vec::new() }
    }

    fn step(&mut self, now: Stamp, input: Input, seen: &mut Seen) {
        let mut out = Vec::new();
        self.lease.step(input, &mut out);
        for effect in out {
            match effect {
                Effect::Call(op) => {
                    if op.writes() {
                        self.sent = now;
                    }
                    self.call = Some(op);
                }
                Effect::Acquired { version } => {
                    self.end = self.sent + TTL;
                    seen.acquired += 1;
                    // An answer that comes too late: the driver ends it before its user hears of it.
                    if now >= self.end {
                        return self.step(now, Input::End, seen);
                    }
                    seen.fences.push(version);
                }
                Effect::Renewed => {
                    self.end = self.sent + TTL;
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
        if random.below(4) == 0 {
            let stray = user.strays.pop();
            stray.map(|op| execute(&mut store, now, op));
        }
        match (user.call.take(), user.answer.take(), random.below(4)) {
            (Some(op), _, 0) => user.call = Some(op),
            (Some(op), _, _) => user.answer = Some(execute(&mut store, now, op)),
            (None, Some(_), 0) => user.step(now, Input::Outcome(Outcome::Maybe), seen),
            (None, Some(outcome), _) => user.step(now, Input::Outcome(outcome), seen),
            (None, None, choice) => {
                let input = match (user.lease.state(), choice) {
                    (State::Idle, _) => Input::Acquire,
                    (State::Waiting, _) => Input::Retry,
                    (_, 0) => Input::Release,
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
