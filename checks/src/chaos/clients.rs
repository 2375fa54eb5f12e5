//! The clients: threads that call, are told something, and note both.
//!
//! Keys change every few seconds, so that values stay short and each key's part of the history can be judged quickly.
//! Of some keys clients only append and read: there the value itself is the history of its writes. Others see every
//! kind of write. Two keys of one slot are written together. Every value that is written is a tag of its own, so
//! whoever reads knows whose write it was.

pub mod clerk;
pub mod once;
pub mod stock;

use super::tally::{Kind, Tally};
use crate::walk::Random;
use linear::history::Told;
use linear::kv::{Bytes, Op, Ret};
use quorate::client::Version;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the same keys are used.
const EPOCH: Duration = Duration::from_secs(4);
/// Keys of each sort at a time.
const KEYS: usize = 10;
/// In how many slots a chapter's keys lie.
const SLOTS: usize = 4;
/// How often a stock client sends what may have been lost.
const AGAIN: usize = 3;
/// The most that a client pauses between calls, in milliseconds.
const PAUSE_MS: usize = 24;

/// What the clients of a chapter share.
#[derive(Debug)]
pub struct Stage<'a> {
    /// The chapter's number.
    pub chapter: usize,
    /// When it began.
    pub begun: Instant,
    /// The nodes, for any client.
    pub nodes: &'a [SocketAddr],
    /// Their password.
    pub password: &'a str,
    /// Counts it.
    pub tally: &'a Tally,
    /// Tells them to end.
    pub stop: &'a AtomicBool,
    /// What they do follows from it, as far as answers allow.
    pub seed: u64,
    /// Every key that was used.
    pub keys: Mutex<BTreeSet<Bytes>>,
}

/// One client's part of the history.
pub type Pen = linear::recorder::Client<Op, Ret>;

impl Stage<'_> {
    fn note_keys(&self, op: &Op) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        for key in op.singles().filter_map(Op::key) {
            if !keys.contains(key) {
                keys.insert(Bytes::clone(key));
            }
        }
    }
}

/// What came of a call.
pub struct Answer {
    /// In the words of the history.
    pub told: Told<Ret>,
    /// The client's patience or its connection has ended: a stock client would send the call again.
    pub broken: bool,
}

impl Answer {
    /// A reply.
    pub const fn reply(ret: Ret) -> Self {
        Self { told: Told::Reply(ret), broken: false }
    }

    /// Something else.
    pub const fn told(told: Told<Ret>) -> Self {
        Self { told, broken: false }
    }
}

/// A client, whatever it is made of.
pub trait Caller {
    /// Which.
    fn kind(&self) -> Kind;

    /// Makes sure that a call can be sent, or says that it can't just now. Nothing is noted for that.
    fn ready(&mut self) -> bool {
        true
    }

    /// Makes a call.
    fn call(&mut self, op: &Op) -> Answer;

    /// Whether it may be asked this.
    fn can(&self, op: &Op) -> bool;
}

/// What a client has last seen of the keys of now.
#[derive(Debug, Default)]
struct Seen {
    epoch: u128,
    keys: HashMap<Bytes, (Option<Bytes>, Option<Version>)>,
}

impl Seen {
    fn note(&mut self, op: &Op, told: &Told<Ret>) {
        let (Op::Get { key }, Told::Reply(ret)) = (op, told) else { return };
        let seen = match ret {
            Ret::Done { value, version, .. } => (value.clone(), *version),
            _ => (None, Some(0)),
        };
        self.keys.insert(Bytes::clone(key), seen);
    }
}

/// A client's thread: calls until the chapter is over.
pub fn act(stage: &Stage<'_>, number: usize, mut pen: Pen, caller: &mut dyn Caller) {
    let mixed = stage.seed ^ ((stage.chapter as u64) << 32) ^ ((number as u64) << 48);
    let mut random = Random(mixed);
    let mut seen = Seen::default();
    let mut tags = 0;
    while !stage.stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(1 + random.below(PAUSE_MS) as u64));
        if !caller.ready() {
            continue;
        }
        let epoch = stage.begun.elapsed().as_millis() / EPOCH.as_millis();
        if seen.epoch != epoch {
            seen = Seen { epoch, ..Seen::default() };
        }
        let mut tag = || {
            tags += 1;
            format!("{number}.{tags};")
        };
        let op = next(stage.chapter, &seen, &mut random, &mut tag);
        if !caller.can(&op) {
            continue;
        }
        stage.note_keys(&op);
        for round in 0..AGAIN {
            if round > 0 {
                // A stock client, and its library or user who takes an append that was not answered for lost.
                if !wait_until_ready(stage, caller) {
                    break;
                }
                stage.tally.again(caller.kind());
            }
            let open = pen.call(op.clone());
            let Answer { told, broken } = caller.call(&op);
            stage.tally.end(caller.kind(), &told);
            seen.note(&op, &told);
            open.end(told);
            if !broken || !matches!(op, Op::Append { .. }) {
                break;
            }
        }
    }
}

fn wait_until_ready(stage: &Stage<'_>, caller: &mut dyn Caller) -> bool {
    while !stage.stop.load(Ordering::Relaxed) {
        if caller.ready() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// The next call. What it needs to have seen is asked first.
fn next(chapter: usize, seen: &Seen, random: &mut Random, tag: &mut dyn FnMut() -> String) -> Op {
    let at = random.below(KEYS);
    // A chapter's keys lie in a few slots: each slot keeps records of every client that wrote there.
    let name =
        |sort: char, at: usize| format!("{{{chapter}.{}}}{}.{sort}{at}", at % SLOTS, seen.epoch);
    let sort = random.below(10);
    if sort < 4 {
        let key = name('a', at);
        return if random.below(10) < 6 { Op::append(key, tag()) } else { Op::get(key) };
    }
    if sort < 5 {
        let (left, right) = (name('l', at / 3), name('r', at / 3));
        return match random.below(5) {
            0 => Op::get(left),
            1 => Op::get(right),
            2 => Op::Multi(vec![Op::get(left), Op::get(right)]),
            3 => Op::Multi(vec![Op::append(left, tag()), Op::append(right, tag())]),
            _ => Op::Multi(vec![Op::set(left, tag()), Op::append(right, tag())]),
        };
    }
    let key = name('m', at);
    let known = seen.keys.get(key.as_bytes());
    match (random.below(12), known) {
        (0..=3, _) => Op::get(key),
        (4 | 5, _) => Op::append(key, tag()),
        (6, _) => Op::set(key, tag()),
        (7, _) => Op::delete(key, None),
        (8 | 9, Some((_, Some(version)))) => Op::put(key, tag(), *version),
        (10 | 11, Some((Some(value), _))) => Op::cas(key, value, tag()),
        _ => Op::get(key),
    }
}

/// The reply of an APPEND.
fn length(length: i64) -> Option<Ret> {
    let length = Some(u64::try_from(length).ok()?);
    Some(Ret::Done { value: None, version: None, length })
}
