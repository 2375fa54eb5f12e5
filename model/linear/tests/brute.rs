//! The checker against every permutation, on small random histories.
//!
//! The twin below shares nothing with the checker: values are bytes, versions are numbers, and where a new key's
//! version is free every number that could matter is tried. An order is any permutation in which nothing stands
//! before what had returned before its call; pending operations are in it or not.

use linear::history::Told;
use linear::kv::{self, History, Kv, Op, Ret};
use linear::{Budget, Model, Object, Verdict, check};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// A key is there with value and version, or was, and its floor is left.
type Keys = BTreeMap<Vec<u8>, (Option<Vec<u8>>, u64)>;

/// A twin of the store.
struct Twin {
    /// Whether a new key may get any version above its floor.
    free: bool,
    /// The largest version that anybody names.
    named: u64,
}

impl Twin {
    /// Every way in which this can go on: keys and reply.
    fn ways(&self, keys: &Keys, op: &Op) -> Vec<(Keys, Ret)> {
        if let Op::Multi(ops) = op {
            let mut ways = vec![(keys.clone(), vec![])];
            for op in ops {
                let on = |(keys, rets): (Keys, Vec<Ret>)| {
                    let with = move |(keys, ret)| (keys, [rets.clone(), vec![ret]].concat());
                    self.ways(&keys, op).into_iter().map(with).collect::<Vec<_>>()
                };
                ways = ways.into_iter().flat_map(on).collect();
            }
            return ways.into_iter().map(|(keys, rets)| (keys, Ret::Many(rets))).collect();
        }
        let key = op.key().expect("not a Multi").to_vec();
        let (old, version) = keys.get(&key).cloned().unwrap_or_default();
        let alone = |ret| vec![(keys.clone(), ret)];
        let put = |value: Option<Vec<u8>>, version: u64| {
            let mut keys = keys.clone();
            keys.insert(key.clone(), (value, version));
            keys
        };
        let write = |value: &[u8], shown: Option<Vec<u8>>| {
            let highest = (version + 1).max(self.named + 1);
            let to = if old.is_none() && self.free { highest } else { version + 1 };
            let one = |new: u64| {
                let value_shown = shown.as_ref().map(|shown| shown.as_slice().into());
                let length = shown.as_ref().map(|_| value.len() as u64);
                let ret = Ret::Done { value: value_shown, version: Some(new), length };
                (put(Some(value.to_vec()), new), ret)
            };
            (version + 1..=to).map(one).collect::<Vec<_>>()
        };
        match (op, &old) {
            (Op::Get { .. }, None) => alone(Ret::NoKey),
            (Op::Get { .. }, Some(value)) => alone(Ret::value(value, version)),
            (Op::Set { value, .. }, _) => write(value, None),
            (Op::Append { value, .. }, _) => {
                let old = old.clone().unwrap_or_default();
                write(&[&old[..], value].concat(), Some(old))
            }
            (Op::Put { value, expected: 0, .. }, None) => write(value, None),
            (Op::Put { value, expected, .. }, Some(_)) if *expected == version => {
                write(value, None)
            }
            (Op::Put { .. } | Op::Delete { .. }, None) => alone(Ret::NoKey),
            (Op::Delete { expected, .. }, Some(_)) if expected.is_none_or(|one| one == version) => {
                vec![(put(None, version), Ret::version(version))]
            }
            (Op::Put { .. } | Op::Delete { .. }, Some(_)) => alone(Ret::Mismatch),
            (Op::Cas { expected, value, .. }, Some(old)) if **old == **expected => {
                write(value, None)
            }
            (Op::Cas { .. }, _) => alone(Ret::Mismatch),
            (Op::Multi(_), _) => unreachable!("taken above"),
        }
    }

    /// Whether a reply says nothing that is not so.
    fn agrees(told: &Ret, truth: &Ret) -> bool {
        match (told, truth) {
            (
                Ret::Done { value, version, length },
                Ret::Done { value: old, version: new, length: long },
            ) => {
                (value.is_none() || value == old)
                    && (version.is_none() || version == new)
                    && (length.is_none() || length == long)
            }
            (Ret::Many(told), Ret::Many(truth)) => {
                told.len() == truth.len()
                    && told.iter().zip(truth).all(|(told, truth)| Self::agrees(told, truth))
            }
            _ => told == truth,
        }
    }
}

/// Whether some permutation explains the history.
fn brute(history: &History) -> bool {
    let twin = Twin { free: Kv::of(history).deletes, named: named(history) };
    let left: Vec<usize> = (0..history.operations().len())
        .filter(|number| !history.operations()[*number].was_dropped())
        .collect();
    permute(&twin, history, &Keys::new(), &left)
}

fn named(history: &History) -> u64 {
    fn of_op(op: &Op) -> u64 {
        match op {
            Op::Put { expected, .. } => *expected,
            Op::Delete { expected, .. } => expected.unwrap_or_default(),
            _ => 0,
        }
    }
    fn of_ret(ret: &Ret) -> u64 {
        match ret {
            Ret::Done { version, .. } => version.unwrap_or_default(),
            Ret::Many(rets) => rets.iter().map(of_ret).max().unwrap_or_default(),
            _ => 0,
        }
    }
    let one = |operation: &linear::Operation<Op, Ret>| {
        let op = operation.op.singles().map(of_op).max().unwrap_or_default();
        op.max(operation.reply().map_or(0, of_ret))
    };
    // Writes that nobody saw may lie between.
    history.operations().iter().map(one).max().unwrap_or_default()
        + history.operations().len() as u64
}

fn permute(twin: &Twin, history: &History, keys: &Keys, left: &[usize]) -> bool {
    let all = history.operations();
    if left.iter().all(|number| all[*number].is_pending()) {
        return true;
    }
    let returned = |number: &usize| {
        all[*number]
            .end
            .as_ref()
            .filter(|_| all[*number].reply().is_some())
            .map(|(end, _)| end.number)
    };
    let first = left.iter().filter_map(returned).min().unwrap_or(usize::MAX);
    left.iter().filter(|number| all[**number].call.number < first).any(|number| {
        let rest: Vec<usize> = left.iter().copied().filter(|other| other != number).collect();
        let told = all[*number].reply();
        let fits = |truth: &Ret| told.is_none_or(|told| Twin::agrees(told, truth));
        twin.ways(keys, &all[*number].op)
            .into_iter()
            .any(|(keys, truth)| fits(&truth) && permute(twin, history, &keys, &rest))
    })
}

/// What a client does next, in small numbers.
#[derive(Clone, Debug)]
struct Deed {
    client: u64,
    op: Op,
    /// How the call ends: after so many events of others, and how.
    lasts: usize,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// With what the twin says at some moment in between.
    Truth,
    /// With something made up.
    Lie(u64),
    Maybe,
    Unknown,
    Dropped,
    Open,
}

fn single() -> impl Strategy<Value = Op> {
    let key = prop_oneof![4 => Just("a"), 1 => Just("b")];
    let value = prop_oneof![Just("x"), Just("y"), Just("xy"), Just("")];
    (0..9_u8, key, value, 0..4_u64).prop_map(|(kind, key, value, number)| match kind {
        0..3 => Op::get(key),
        3 => Op::set(key, value),
        4 => Op::put(key, value, number),
        5 | 6 => Op::append(key, value),
        7 => Op::cas(key, ["", "x", "xy", "xx"][number as usize], value),
        _ => Op::delete(key, (number > 0).then_some(number)),
    })
}

fn op(deletes: bool) -> impl Strategy<Value = Op> {
    let multi = proptest::collection::vec(single(), 1..3).prop_map(Op::Multi);
    let kept = move |op: Op| if deletes || !op.deletes() { op } else { Op::set("a", "z") };
    prop_oneof![8 => single(), 1 => multi].prop_map(kept)
}

fn deeds() -> impl Strategy<Value = (Vec<Deed>, bool, u64)> {
    let end = prop_oneof![
        10 => Just(End::Truth),
        1 => (0..9_u64).prop_map(End::Lie),
        1 => Just(End::Maybe),
        1 => Just(End::Unknown),
        1 => Just(End::Dropped),
        1 => Just(End::Open),
    ];
    any::<bool>().prop_flat_map(move |deletes| {
        let deed = (0..4_u64, op(deletes), 0..4_usize, end.clone());
        let deed = deed.prop_map(|(client, op, lasts, end)| Deed { client, op, lasts, end });
        (proptest::collection::vec(deed, 1..8), any::<bool>(), any::<u64>())
    })
}

/// Plays the deeds: each takes effect when it ends or before, so what is true is linearizable; and lies are told.
fn play(deeds: &[Deed], shows: bool, seed: u64) -> History {
    let mut history = History::new();
    let twin = Twin { free: false, named: 0 };
    let mut keys = Keys::new();
    // By client: the event at which its call ends, what is said then, and whether it has taken effect.
    let mut open: BTreeMap<u64, (usize, Deed, Option<Ret>)> = BTreeMap::new();
    let mut random = seed;
    let mut effect = |keys: &mut Keys, deed: &Deed| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let uncertain = !matches!(deed.end, End::Truth | End::Lie(_));
        if deed.end == End::Dropped || uncertain && random >> 60 & 1 == 0 {
            return Ret::OK;
        }
        let (after, ret) = twin.ways(keys, &deed.op).swap_remove(0);
        *keys = after;
        ret
    };
    let mut queue = deeds.iter();
    let mut event = 0;
    loop {
        let due = open.iter().find(|(_, (until, ..))| *until <= event).map(|(client, _)| *client);
        event += 1;
        if let Some(client) = due {
            let (_, deed, ret) = open.remove(&client).expect("it was found");
            let ret = ret.unwrap_or_else(|| effect(&mut keys, &deed));
            let told = match deed.end {
                End::Truth => Told::Reply(blurred(ret, shows, event)),
                End::Lie(lie) => Told::Reply(changed(&deed.op, blurred(ret, shows, event), lie)),
                End::Maybe => Told::Maybe,
                End::Unknown => Told::Unknown,
                End::Dropped => Told::NotExecuted,
                End::Open => continue,
            };
            history.end(client, event as u64, told).expect("its call is open");
        } else if let Some(deed) = queue.next() {
            let gone = history.open(deed.client).is_some();
            let client = if gone { 10 + event as u64 } else { deed.client };
            history.call(client, event as u64, deed.op.clone()).expect("the client is free");
            // Every other takes effect at once, the rest when they end.
            let ret = (event % 2 == 0).then(|| effect(&mut keys, deed));
            open.insert(client, (event + deed.lasts, deed.clone(), ret));
        } else if open.is_empty() {
            return history;
        }
    }
}

/// A reply that says less.
fn blurred(ret: Ret, shows: bool, event: usize) -> Ret {
    match ret {
        Ret::Done { value, version, length } => Ret::Done {
            value,
            version: version.filter(|_| shows && !event.is_multiple_of(3)),
            length: length.filter(|_| event.is_multiple_of(5)),
        },
        Ret::Many(rets) => {
            Ret::Many(rets.into_iter().map(|ret| blurred(ret, shows, event)).collect())
        }
        other => other,
    }
}

fn changed(op: &Op, ret: Ret, lie: u64) -> Ret {
    match (ret, op) {
        (Ret::Many(mut rets), Op::Multi(ops)) => {
            let last = rets.pop().expect("a multi is not empty");
            let op = ops.last().expect("a multi is not empty");
            rets.push(changed(op, last, lie));
            Ret::Many(rets)
        }
        (Ret::Done { value, length, .. }, _) if lie < 3 => {
            Ret::Done { value, version: Some(lie), length }
        }
        (Ret::Done { value: Some(_), version, length }, _) => {
            let value = Some(["x", "y", "xx", "xy", "xyx", ""][lie as usize % 6].as_bytes().into());
            Ret::Done { value, version, length }
        }
        (Ret::Done { .. }, Op::Put { .. } | Op::Delete { .. }) if lie < 6 => Ret::NoKey,
        (Ret::Done { .. }, Op::Put { .. } | Op::Cas { .. }) => Ret::Mismatch,
        (_, Op::Get { .. } | Op::Append { .. }) => Ret::value(["x", "y"][lie as usize % 2], None),
        _ => Ret::OK,
    }
}

fn judge(history: &History) -> Verdict {
    kv::check(history, Budget::default()).verdict
}

/// Every verdict is the brute force's, and there are plenty of each.
#[test]
fn agrees_with_every_permutation() {
    let (legal, illegal, rescued) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let mut runner =
        TestRunner::new(Config { cases: 10_000, failure_persistence: None, ..Config::default() });
    let result = runner.run(&deeds(), |(deeds, shows, seed)| {
        let history = play(&deeds, shows, seed);
        let expected = if brute(&history) { Verdict::Ok } else { Verdict::Illegal };
        prop_assert_eq!(judge(&history), expected);
        let count = if expected == Verdict::Ok { &legal } else { &illegal };
        count.set(count.get() + 1);
        if expected == Verdict::Ok && judge(&without_pending(&history)) == Verdict::Illegal {
            rescued.set(rescued.get() + 1);
        }
        Ok(())
    });
    result.expect("the checker and the brute force agree");
    assert!(legal.get() > 2000, "only {} legal histories", legal.get());
    assert!(illegal.get() > 500, "only {} illegal histories", illegal.get());
    assert!(rescued.get() > 50, "only {} that pending operations explain", rescued.get());
}

/// The same without the operations of which nobody knows: a checker that is wrong.
fn without_pending(history: &History) -> History {
    let mut copy = History::new();
    let mut events = BTreeMap::new();
    for (number, operation) in history.operations().iter().enumerate() {
        if let (false, Some((end, told))) = (operation.is_pending(), &operation.end) {
            events.insert(operation.call.number, (number, None));
            events.insert(end.number, (number, Some(told.clone())));
        }
    }
    for (event, (number, told)) in events {
        let Some(operation) = history.operations().get(number) else { continue };
        let done = match told {
            None => copy.call(operation.client, event as u64, operation.op.clone()),
            Some(told) => copy.end(operation.client, event as u64, told),
        };
        done.expect("what is left is in order");
    }
    copy
}

/// The same with every operation open from the beginning to the end: a checker that knows no time.
fn without_time(history: &History) -> History {
    let mut copy = History::new();
    let all = || history.operations().iter().enumerate();
    for (client, operation) in all() {
        copy.call(client as u64, 0, operation.op.clone()).expect("each has a client of its own");
    }
    for (client, operation) in all() {
        if let Some((_, told)) = &operation.end {
            copy.end(client as u64, 1, told.clone()).expect("it was called");
        }
    }
    copy
}

/// A model whose states are all alike to the search's memory, or all of one hash.
struct Blunt<const EQUAL: bool>(Kv);
struct BluntPart<const EQUAL: bool>(kv::Part);
#[derive(Clone, Debug)]
struct BluntState<const EQUAL: bool>(kv::State);

impl<const EQUAL: bool> PartialEq for BluntState<EQUAL> {
    fn eq(&self, other: &Self) -> bool {
        EQUAL || self.0 == other.0
    }
}

impl<const EQUAL: bool> Eq for BluntState<EQUAL> {}

impl<const EQUAL: bool> Hash for BluntState<EQUAL> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl<const EQUAL: bool> Model for Blunt<EQUAL> {
    type Op = Op;
    type Ret = Ret;
    type Key = kv::Bytes;
    type Object = BluntPart<EQUAL>;

    fn keys(&self, op: &Op) -> Vec<kv::Bytes> {
        self.0.keys(op)
    }

    fn writes(&self, op: &Op) -> bool {
        self.0.writes(op)
    }

    fn part(
        &self,
        operations: &[linear::model::Asked<'_, Op, Ret>],
    ) -> (BluntPart<EQUAL>, linear::model::Steps<Self>) {
        let (part, steps) = self.0.part(operations);
        (BluntPart(part), steps)
    }
}

impl<const EQUAL: bool> Object for BluntPart<EQUAL> {
    type Step = <kv::Part as Object>::Step;
    type State = BluntState<EQUAL>;

    fn init(&self) -> Self::State {
        BluntState(self.0.init())
    }

    fn step(&self, state: &Self::State, step: &Self::Step, next: &mut Vec<Self::State>) {
        let mut states = Vec::new();
        self.0.step(&state.0, step, &mut states);
        next.extend(states.into_iter().map(BluntState));
    }
}

/// Checkers that are wrong in the usual ways disagree with the brute force, so it can tell; one whose states all have
/// one hash does not, for states are compared whole. It also does without the hints that a model may give.
#[test]
fn wrong_checkers_are_found_out() {
    let wrong = [(); 3].map(|()| Cell::new(0));
    let mut runner =
        TestRunner::new(Config { cases: 10_000, failure_persistence: None, ..Config::default() });
    let result = runner.run(&deeds(), |(deeds, shows, seed)| {
        let history = play(&deeds, shows, seed);
        let expected = if brute(&history) { Verdict::Ok } else { Verdict::Illegal };
        let kv = Kv::of(&history);
        let blunt = check(&Blunt::<false>(kv), &history, Budget::default()).verdict;
        prop_assert_eq!(blunt, expected, "one hash for all states");
        let verdicts = [
            judge(&without_pending(&history)),
            judge(&without_time(&history)),
            check(&Blunt::<true>(kv), &history, Budget::default()).verdict,
        ];
        for (verdict, wrong) in verdicts.into_iter().zip(&wrong) {
            wrong.set(wrong.get() + u32::from(verdict != expected));
        }
        Ok(())
    });
    result.expect("a hash is no name");
    let [pending, time, states] = wrong.map(|count| count.get());
    assert!(pending > 50, "without pending operations {pending} verdicts are wrong");
    assert!(time > 20, "without time {time} verdicts are wrong");
    assert!(states > 20, "with states that are all alike {states} verdicts are wrong");
}
