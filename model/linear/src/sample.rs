//! Histories to try a checker on: clients who overlap, and a store that does one thing after the other.
//!
//! Every operation takes effect at some moment between its call and its return, so the history is linearizable. If
//! nobody knows how a call ended, it took effect at some time after its call, perhaps long after its client was told,
//! or never. The same seed is the same history.

use crate::history::{History, Told};
use crate::kv::{self, Op, Ret};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// What the clients of a sample do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// How many there are.
    pub clients: u64,
    /// How many operations each has.
    pub operations: u64,
    /// On how many keys.
    pub keys: u64,
    /// Of which kind.
    pub mix: Mix,
    /// Of how many thousand calls nobody ever knows what became of them.
    pub unknown: u64,
    /// Where the random numbers begin.
    pub seed: u64,
}

/// Which operations there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mix {
    /// Gets, Sets and Puts over the version that was seen last, with versions in the replies (lab 2 of 2025).
    Versions,
    /// Gets and Sets without versions, as Redis has them.
    Values,
    /// Gets and Appends; a Set begins anew when a value has some thousand bytes (lab 2 of 2024).
    Appends,
    /// All of them, with deletions, and Multis over two keys.
    All,
}

/// How long a value may become before it is begun anew.
const LONG: usize = 4000;

/// What happens next to a client.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Next {
    Call,
    /// Its operation takes effect, and it is told so or not.
    Effect {
        told: bool,
    },
    Return,
    /// It gives up.
    GiveUp,
}

/// When it happens, a number that keeps equal times apart, the client, what, and with which operation.
type Due = (u64, u64, u64, Next, usize);

#[derive(Default)]
struct Key {
    value: Option<Vec<u8>>,
    version: u64,
}

struct Play {
    sample: Sample,
    random: u64,
    keys: BTreeMap<Vec<u8>, Key>,
    /// The version that each client saw last, of each key.
    seen: BTreeMap<(u64, u64), u64>,
    /// By client, the reply on its way.
    replies: BTreeMap<u64, Ret>,
    history: kv::History,
    agenda: BinaryHeap<Reverse<Due>>,
    serial: u64,
}

impl Sample {
    /// The history.
    pub fn history(self) -> kv::History {
        let mut play = Play {
            sample: self,
            random: self.seed ^ 0x5851_f42d_4c95_7f2d,
            keys: BTreeMap::new(),
            seen: BTreeMap::new(),
            replies: BTreeMap::new(),
            history: History::new(),
            agenda: BinaryHeap::new(),
            serial: 0,
        };
        for client in 0..self.clients {
            play.soon(0, client, Next::Call, 0);
        }
        let mut left = vec![self.operations; self.clients as usize];
        while let Some(Reverse((now, _, client, next, operation))) = play.agenda.pop() {
            match next {
                Next::Call => {
                    let calls = &mut left[client as usize];
                    if *calls > 0 {
                        *calls -= 1;
                        play.call(now, client);
                    }
                }
                Next::Effect { told } => play.effect(now, client, told, operation),
                Next::Return => {
                    let ret = play.replies.remove(&client).expect("it took effect before");
                    play.end(now, client, Told::Reply(ret));
                }
                Next::GiveUp => play.end(now, client, Told::Unknown),
            }
        }
        play.history
    }
}

impl Play {
    /// A number below this one.
    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn soon(&mut self, now: u64, client: u64, next: Next, operation: usize) {
        let time = now + 1 + self.random(200);
        self.serial += 1;
        self.agenda.push(Reverse((time, self.serial, client, next, operation)));
    }

    fn call(&mut self, now: u64, client: u64) {
        let op = self.op(client);
        let called = self.history.call(client, now, op);
        let operation = called.expect("a client calls when its last call has ended");
        if self.random(1000) >= self.sample.unknown {
            return self.soon(now, client, Next::Effect { told: true }, operation);
        }
        self.soon(now + 200, client, Next::GiveUp, operation);
        if self.random(2) == 0 {
            let late = now + self.random(600);
            self.soon(late, client, Next::Effect { told: false }, operation);
        }
    }

    fn end(&mut self, now: u64, client: u64, told: kv::Told) {
        self.history.end(client, now, told).expect("a client is told once");
        self.soon(now, client, Next::Call, 0);
    }

    fn effect(&mut self, now: u64, client: u64, told: bool, operation: usize) {
        let op = self.history.operations()[operation].op.clone();
        let rets: Vec<Ret> = op.singles().map(|single| self.apply(client, single)).collect();
        if told {
            let whole = matches!(op, Op::Multi(_));
            let first = rets.first().cloned();
            let ret = first.filter(|_| !whole).unwrap_or(Ret::Many(rets));
            self.replies.insert(client, ret);
            self.soon(now, client, Next::Return, operation);
        }
    }

    fn op(&mut self, client: u64) -> Op {
        let number = self.random(self.sample.keys);
        let key = format!("k{number}");
        let value = format!("{client}.{};", self.history.operations().len());
        let seen = self.seen.get(&(client, number)).copied().unwrap_or_default();
        let dice = self.random(100);
        match self.sample.mix {
            _ if dice < 45 => Op::get(key),
            Mix::Values => Op::set(key, value),
            Mix::Versions if dice < 60 => Op::set(key, value),
            Mix::Versions => Op::put(key, value, seen),
            Mix::Appends => {
                let stored = self.keys.get(key.as_bytes()).and_then(|key| key.value.as_ref());
                let long = stored.is_some_and(|value| value.len() > LONG);
                if long { Op::set(key, value) } else { Op::append(key, value) }
            }
            Mix::All => match dice {
                45..60 => Op::put(key, value, seen),
                60..75 => Op::append(key, value),
                75..80 => Op::delete(key, dice.is_multiple_of(2).then_some(seen)),
                80..85 => {
                    let stored = self.keys.get(key.as_bytes()).and_then(|key| key.value.clone());
                    Op::cas(key, stored.unwrap_or_default(), value)
                }
                85..88 => {
                    // Keys in pairs, or one Multi after the other joins them all.
                    let other = format!("k{}", number ^ 1);
                    Op::Multi(vec![Op::set(key, &value), Op::append(&other, value), Op::get(other)])
                }
                _ => Op::set(key, value),
            },
        }
    }

    fn apply(&mut self, client: u64, op: &Op) -> Ret {
        let name = op.key().expect("a single operation has a key");
        let key = self.keys.entry(name.to_vec()).or_default();
        let there = key.value.is_some();
        let versions = matches!(self.sample.mix, Mix::Versions | Mix::All);
        let refused = if there { Ret::Mismatch } else { Ret::NoKey };
        let fits = |expected: u64| expected == if there { key.version } else { 0 };
        let old = key.value.clone();
        let new = match op {
            Op::Set { value, .. } => value.to_vec(),
            Op::Put { value, expected, .. } if fits(*expected) => value.to_vec(),
            Op::Put { .. } => return refused,
            Op::Cas { expected, value, .. } if old.as_deref() == Some(expected) => value.to_vec(),
            Op::Cas { .. } => return Ret::Mismatch,
            Op::Append { value, .. } => [old.as_deref().unwrap_or_default(), value].concat(),
            Op::Delete { expected, .. } if there && expected.is_none_or(fits) => {
                key.value = None;
                return Ret::version(key.version);
            }
            Op::Delete { .. } => return refused,
            Op::Get { .. } | Op::Multi(_) => {
                let Some(value) = old else { return Ret::NoKey };
                let version = versions.then_some(key.version);
                let number = name.get(1..).and_then(|number| std::str::from_utf8(number).ok());
                if let Some(number) = number.and_then(|number| number.parse().ok()) {
                    self.seen.insert((client, number), key.version);
                }
                return Ret::value(value, version);
            }
        };
        let shows_old = matches!(op, Op::Append { .. }) && self.sample.mix == Mix::All;
        let old = shows_old.then(|| old.unwrap_or_default().into());
        key.value = Some(new);
        key.version += 1;
        Ret::Done { value: old, version: versions.then_some(key.version), length: None }
    }
}
