//! A second store, as dumb as can be, that is told every entry in the order in which it was applied: one clock, one
//! list of keys, nothing kept of what is gone. What it takes on trust are versions, which the history watches.
//!
//! A call that was executed before is not executed again here; that is all that the mirror knows of records.

use super::history::Violation;
use super::probes::Corner;
use super::server::{Applied, Kept};
use protocol::kv::{
    Bytes, ClientId, Command, Deadline, Fault, KeyOp, Op, Reply, Seq, Stamp, StringOp, Transaction,
    When, Work,
};
use std::collections::{BTreeMap, BTreeSet};

/// What became of a key since a client watches it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Watch {
    was_there: bool,
    touched: bool,
    /// Whether some key of its slot went since.
    neighbour_gone: bool,
}

/// What a scan has to return, and what it has returned.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Scan {
    throughout: BTreeSet<Bytes>,
    found: BTreeSet<Bytes>,
    changed: bool,
}

/// The bounds that it has to know.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Known {
    /// How long a client's records are kept.
    pub idle_ms: u64,
    /// The most keys that a tick takes out.
    pub tick_keys: usize,
}

/// The mirror.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Mirror {
    known: Known,
    clock: Stamp,
    keys: BTreeMap<Bytes, Kept>,
    expired: BTreeSet<Bytes>,
    done: BTreeSet<(ClientId, Seq)>,
    watches: BTreeMap<(u8, Bytes), Watch>,
    scans: BTreeMap<u8, Scan>,
    /// When each client that has records made its last call. Empty where clients are never idle.
    used: BTreeMap<ClientId, Stamp>,
}

/// What was noticed.
#[derive(Debug, Default)]
pub struct Noticed {
    /// The first thing that does not hold.
    pub violation: Option<Violation>,
    /// What was reached.
    pub corners: Vec<Corner>,
}

impl Noticed {
    fn require(&mut self, holds: bool, violation: Violation) {
        if !holds {
            self.violation.get_or_insert(violation);
        }
    }

    fn reach(&mut self, on: bool, corner: Corner) {
        if on {
            self.corners.push(corner);
        }
    }
}

impl Mirror {
    /// An empty one.
    pub const fn new(known: Known) -> Self {
        Self {
            known,
            clock: 0,
            keys: BTreeMap::new(),
            expired: BTreeSet::new(),
            done: BTreeSet::new(),
            watches: BTreeMap::new(),
            scans: BTreeMap::new(),
            used: BTreeMap::new(),
        }
    }

    /// Takes an entry or a read in, and compares.
    pub fn apply(&mut self, applied: &Applied) -> Noticed {
        let mut noticed = Noticed::default();
        if let Some(stamp) = applied.stamp {
            noticed.reach(stamp < self.clock, Corner::StampBehind);
            self.advance(stamp);
        }
        noticed.require(applied.shown.clock == self.clock, Violation::ClockFell);
        noticed.require(applied.gone <= self.known.tick_keys, Violation::TickTooLong);
        noticed.reach(applied.gone > 0, Corner::Expired);
        noticed.reach(applied.gone > 0 && applied.shown.due, Corner::TickLeftSome);
        noticed.reach(applied.shown.due, Corner::DueAndNotTakenOut);
        self.note_use(applied, &mut noticed);
        if self.is_new(applied) {
            self.run(applied, &mut noticed);
        }
        self.compare(applied, &mut noticed);
        noticed
    }

    fn advance(&mut self, stamp: Stamp) {
        self.clock = self.clock.max(stamp);
        let due = |kept: &Kept| kept.ends.is_some_and(|ends| ends <= self.clock);
        let gone: Vec<_> =
            self.keys.iter().filter(|(_, kept)| due(kept)).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.remove(&key);
            self.expired.insert(key);
        }
    }

    /// Who is turned away was idle for too long, or is not known here. Room is never short where there is a mirror.
    fn note_use(&mut self, applied: &Applied, noticed: &mut Noticed) {
        let Some((client, _)) = applied.once else { return };
        if self.known.idle_ms == u64::MAX {
            return;
        }
        match applied.reply {
            Reply::SessionExpired => {
                let long_ago = |used: &Stamp| used.saturating_add(self.known.idle_ms) < self.clock;
                let idle = self.used.get(&client).is_none_or(long_ago);
                noticed.require(idle, Violation::TurnedAwayForNothing);
            }
            Reply::ClientAhead => {}
            _ => {
                self.used.insert(client, self.clock);
            }
        }
    }

    /// Whether it was to be executed: a call comes once, and one that is turned away is none.
    fn is_new(&mut self, applied: &Applied) -> bool {
        let turned_away = applied.reply.is_passing()
            || matches!(applied.reply, Reply::SeqReused | Reply::Acknowledged);
        !turned_away && applied.once.is_none_or(|call| self.done.insert(call))
    }

    fn run(&mut self, applied: &Applied, noticed: &mut Noticed) {
        let fits = match (&applied.work, &applied.reply) {
            (Work::Command(Command { key, op, .. }), reply) => self.op(key, op, reply, noticed),
            (Work::Transaction(transaction), reply) => {
                self.transact(applied.client, transaction, reply, noticed)
            }
            (Work::Tick, _) => true,
            (Work::Flush, reply) => {
                noticed.reach(!self.keys.is_empty(), Corner::Flushed);
                let keys: Vec<_> = self.keys.keys().cloned().collect();
                keys.iter().for_each(|key| self.remove(key));
                *reply == Reply::Ok
            }
        };
        noticed.require(fits, Violation::NotAsTheMirror);
    }

    fn transact(
        &mut self,
        client: u8,
        transaction: &Transaction,
        reply: &Reply,
        noticed: &mut Noticed,
    ) -> bool {
        let watches = transaction.watched.iter();
        let watches = watches.filter_map(|(key, _)| self.watches.remove(&(client, key.clone())));
        let watches: Vec<_> = watches.collect();
        let touched = watches.iter().any(|watch| watch.touched);
        let unsure = watches.iter().any(|watch| !watch.was_there && watch.neighbour_gone);
        let came = watches.iter().any(|watch| !watch.was_there && watch.touched);
        if *reply == Reply::WatchFailed {
            noticed.require(touched || unsure, Violation::WatchFailedForNothing);
            noticed.reach(touched && !came, Corner::WatchedChanged);
            noticed.reach(touched && came, Corner::WatchedCame);
            noticed.reach(!touched && unsure, Corner::NeighbourWent);
            return true;
        }
        noticed.require(!touched, Violation::WatchIgnored);
        noticed.reach(!watches.is_empty(), Corner::WatchHeld);
        let Reply::Many(replies) = reply else { return *reply == Reply::NotKept };
        let faults = replies.iter().take(transaction.ops.len().saturating_sub(1));
        noticed.reach(faults.into_iter().any(is_fault), Corner::FaultInside);
        let all = replies.len() == transaction.ops.len();
        let mut fits = transaction.ops.iter().zip(replies);
        fits.all(|((key, op), reply)| self.op(key, op, reply, noticed)) && all
    }

    /// Does it, and says whether the reply fits.
    fn op(&mut self, key: &Bytes, op: &Op, reply: &Reply, noticed: &mut Noticed) -> bool {
        let old = self.keys.get(key).cloned();
        match op {
            Op::Get => match (old, reply) {
                (Some(old), Reply::Value { value, version }) => {
                    old.value == *value && old.version == *version
                }
                (old, reply) => old.is_none() && *reply == Reply::NoKey,
            },
            Op::String(StringOp::Get) => {
                *reply == old.map_or(Reply::Nil, |old| Reply::Bulk(old.value))
            }
            Op::String(StringOp::Set { value, when, deadline, .. }) => {
                let goes_on = match when {
                    When::Equal(value) => old.is_some_and(|old| old.value == *value),
                    when => *when == When::Always || old.is_none(),
                };
                if goes_on {
                    noticed.reach(self.expired.remove(key), Corner::WrittenAfterExpiry);
                    let ends = match deadline {
                        Deadline::In(ms) => Some(self.clock + ms),
                        _ => None,
                    };
                    self.put(key, value.clone(), ends);
                }
                *reply == if goes_on { Reply::Ok } else { Reply::Nil }
            }
            Op::String(StringOp::IncrBy { by }) => {
                let (value, ends) =
                    old.map_or((Bytes::from("0"), None), |old| (old.value, old.ends));
                let number =
                    std::str::from_utf8(value.as_ref()).ok().and_then(|text| text.parse().ok());
                let sum = number.map(|number: i64| number + by);
                if let Some(sum) = sum {
                    self.put(key, sum.to_string().as_str().into(), ends);
                }
                *reply == sum.map_or(Reply::Fault(Fault::NotAnInteger), Reply::Int)
            }
            Op::Set { value } => {
                self.put(key, value.clone(), None);
                matches!(reply, Reply::Written { .. })
            }
            Op::Append { value } => {
                let (old, ends) = old.map_or_else(Default::default, |old| (old.value, old.ends));
                self.put(key, [old.as_ref(), value.as_ref()].concat().into(), ends);
                matches!(reply, Reply::Appended { old: told, .. } if *told == old)
            }
            Op::Put { value, expected } => {
                let version = old.as_ref().map_or(0, |old| old.version);
                if version == *expected {
                    self.put(key, value.clone(), None);
                    return matches!(reply, Reply::Written { .. });
                }
                *reply == if old.is_some() { Reply::VersionMismatch } else { Reply::NoKey }
            }
            Op::Delete { expected } => match old {
                None => *reply == Reply::NoKey,
                Some(old) if old.version != *expected => *reply == Reply::VersionMismatch,
                Some(old) => {
                    self.remove(key);
                    *reply == Reply::Written { version: old.version }
                }
            },
            Op::Key(KeyOp::Delete { .. }) => {
                self.remove(key);
                *reply == Reply::Int(i64::from(old.is_some()))
            }
            Op::String(_) | Op::Key(_) => unreachable!("no program has such an operation"),
        }
    }

    fn put(&mut self, key: &Bytes, value: Bytes, ends: Option<Stamp>) {
        self.keys.insert(key.clone(), Kept { value, version: 0, ends });
        self.touch(key);
    }

    fn remove(&mut self, key: &Bytes) {
        if self.keys.remove(key).is_none() {
            return;
        }
        for ((_, watched), watch) in &mut self.watches {
            watch.neighbour_gone |= watched.slot() == key.slot();
        }
        for scan in self.scans.values_mut() {
            scan.throughout.remove(key);
        }
        self.touch(key);
    }

    fn touch(&mut self, key: &Bytes) {
        for ((_, watched), watch) in &mut self.watches {
            watch.touched |= watched == key;
        }
        for scan in self.scans.values_mut() {
            scan.changed = true;
        }
    }

    /// The store shows what is here, and tells the versions.
    fn compare(&mut self, applied: &Applied, noticed: &mut Noticed) {
        let shown = &applied.shown.keys;
        let same = |(key, kept): &(Bytes, Kept)| {
            let here = self.keys.get(key);
            here.is_some_and(|here| here.value == kept.value && here.ends == kept.ends)
        };
        let all = shown.len() == self.keys.len() && shown.iter().all(same);
        noticed.require(all, Violation::NotAsTheMirror);
        for (key, kept) in shown {
            if let Some(here) = self.keys.get_mut(key) {
                here.version = kept.version;
            }
        }
    }

    /// A client begins to watch a key.
    pub fn watch(&mut self, client: u8, key: &Bytes) {
        let was_there = self.keys.contains_key(key);
        let watch = Watch { was_there, touched: false, neighbour_gone: false };
        self.watches.insert((client, key.clone()), watch);
    }

    /// A client makes a step of a scan.
    pub fn scan(&mut self, client: u8, begins: bool, ends: bool, found: &[Bytes]) -> Noticed {
        let mut noticed = Noticed::default();
        if begins {
            let throughout = self.keys.keys().cloned().collect();
            self.scans.insert(client, Scan { throughout, ..Scan::default() });
        }
        let Some(scan) = self.scans.get_mut(&client) else { return noticed };
        for key in found {
            let again = !scan.found.insert(key.clone());
            noticed.require(!(again && scan.throughout.contains(key)), Violation::ScanWrong);
        }
        if ends {
            noticed.require(scan.throughout.is_subset(&scan.found), Violation::ScanWrong);
            noticed.reach(scan.changed && !scan.throughout.is_empty(), Corner::ScannedAcrossChange);
            self.scans.remove(&client);
        }
        noticed
    }
}

const fn is_fault(reply: &Reply) -> bool {
    matches!(reply, Reply::Fault(_))
}
