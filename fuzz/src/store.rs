//! Commands on the store and on its twin, which is as dumb as can be: replies and states are equal, whatever the
//! stamps, deadlines, transactions, watches and repeated calls; and so after the store went through its bytes.
//!
//! The twin knows neither versions nor records. What it must be told of versions is taken from the store; what is
//! recorded is kept here in a plain list.

mod choose;

use super::bytes::Choices;
use super::twin::{Entry, Twin};
use choose::Chosen;
use protocol::kv::{
    Bytes, ClientId, Command, Exact, Fault, KeyOp, Limits, Once, Op, Reply, Seen, Seq, SlotId,
    Stamp, Store, StringOp, Transaction, When, Work,
};
use std::collections::BTreeMap;

/// Beyond this, in bytes, digits of numbers would end that the twin keeps.
const LONG: usize = 6;

fn limits() -> Limits {
    let never = u64::MAX;
    Limits { unacknowledged: 3, ahead_ms: never, idle_ms: never, ..Limits::DEFAULT }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.as_ref().to_vec()).expect("the commands are text")
}

/// A key as it was when somebody began to watch it.
#[derive(Clone)]
struct Watch {
    key: Bytes,
    seen: Seen,
    was: Option<(String, Option<u64>)>,
    /// How much had been touched by then.
    from: usize,
    /// Whether some key was due and still to be taken out: that raises its slot's floor later.
    due: bool,
}

#[derive(Default)]
struct Session {
    acknowledged: Seq,
    replies: Vec<(Seq, Work, Reply)>,
}

struct Both {
    store: Store,
    twin: Twin,
    sessions: BTreeMap<(SlotId, ClientId), Session>,
    watches: Vec<Watch>,
}

/// The call without whose it is.
fn plain(work: &Work) -> Work {
    let mut work = work.clone();
    match &mut work {
        Work::Command(command) => command.once = None,
        Work::Transaction(transaction) => transaction.once = None,
        Work::Tick | Work::Flush => {}
    }
    work
}

/// What is recorded of this: the slot, and whose call it is.
fn recorded(work: &Work) -> Option<(SlotId, Once)> {
    match work {
        Work::Command(Command { key, op, once }) => {
            once.filter(|_| op.writes()).map(|once| (key.slot(), once))
        }
        Work::Transaction(transaction) => {
            let slot = transaction.slot().ok().flatten()?;
            transaction.once.filter(|_| transaction.writes()).map(|once| (slot, once))
        }
        Work::Tick | Work::Flush => None,
    }
}

fn state(entry: &Entry) -> (String, Option<u64>) {
    (entry.value.clone(), entry.ends)
}

impl Both {
    /// What the records say to a call; none if it is new.
    fn lookup(&mut self, slot: SlotId, once: Once, work: &Work) -> Option<Reply> {
        let Once { client, seq, acknowledged } = once;
        let session = self.sessions.entry((slot, client)).or_default();
        session.acknowledged = session.acknowledged.max(acknowledged.min(seq.saturating_sub(1)));
        session.replies.retain(|(seq, ..)| *seq > session.acknowledged);
        if let Some((_, called, reply)) = session.replies.iter().find(|(at, ..)| *at == seq) {
            return Some(if *called == plain(work) { reply.clone() } else { Reply::SeqReused });
        }
        if seq <= session.acknowledged {
            return Some(Reply::Acknowledged);
        }
        let full = session.replies.len() >= limits().unacknowledged;
        full.then_some(Reply::TooManyUnacknowledged)
    }

    /// Whether the watched keys must be found unchanged, or changed; none if that is open.
    fn holds(&self, watched: &[(Bytes, Seen)]) -> Option<bool> {
        let mut open = false;
        for (key, seen) in watched {
            // A guess: nothing is known of it here.
            let watch = self.watches.iter().find(|watch| (&watch.key, watch.seen) == (key, *seen));
            let Watch { was, from, due, .. } = watch?;
            if self.twin.find(&text(key)).as_ref().map(state) != *was {
                return Some(false);
            }
            let since = &self.twin.touched[*from..];
            let touched = since.iter().any(|(name, _)| *name == text(key));
            let neighbour = since
                .iter()
                .any(|(name, gone)| *gone && Bytes::from(name.as_str()).slot() == key.slot());
            open |= touched || was.is_none() && (neighbour || *due);
        }
        (!open).then_some(true)
    }

    /// What the reply must be, and does the same to the twin; none where the reply is open.
    fn expect(&mut self, work: &Work, reply: &Reply) -> Option<Reply> {
        let stamp = self.twin.clock;
        match work {
            Work::Command(Command { key, op, .. }) => {
                if op.others().any(|other| other.slot() != key.slot()) {
                    return Some(Reply::Fault(Fault::CrossSlot));
                }
                self.versioned(key, op, reply).or_else(|| self.twin.work(stamp, work))
            }
            Work::Transaction(transaction) => {
                match transaction.slot() {
                    Ok(Some(_)) => {}
                    Ok(None) => return Some(Reply::Many(Vec::new())),
                    Err(fault) => return Some(Reply::Fault(fault)),
                }
                let failed = *reply == Reply::WatchFailed;
                let holds = self.holds(&transaction.watched);
                assert!(holds.is_none_or(|holds| holds != failed), "watches: {holds:?}, {reply:?}");
                if failed { Some(Reply::WatchFailed) } else { self.twin.work(stamp, work) }
            }
            Work::Tick | Work::Flush => self.twin.work(stamp, work),
        }
    }

    /// The replies that have a version in them, and what the twin can't do without one.
    fn versioned(&mut self, key: &Bytes, op: &Op, reply: &Reply) -> Option<Reply> {
        let old = self.twin.find(&text(key));
        let before = self.watches_version(key).unwrap_or(0);
        let then = |both: &mut Self, op: Op| {
            let command = Command { key: key.clone(), op, once: None };
            both.twin.work(both.twin.clock, &Work::Command(command));
        };
        match (op, reply) {
            (Op::Get, Reply::Value { value, .. }) => {
                assert_eq!(old.map(|old| old.value), Some(text(value)));
                Some(reply.clone())
            }
            (Op::Get, _) => Some(if old.is_none() { Reply::NoKey } else { Reply::Nil }),
            (Op::Append { .. }, Reply::Appended { old: told, .. }) => {
                assert_eq!(old.map(|old| old.value).unwrap_or_default(), text(told));
                None
            }
            (Op::Put { value, expected }, _) if *expected == before => {
                assert!(matches!(reply, Reply::Written { version } if *version > before));
                then(self, Op::Set { value: value.clone() });
                Some(reply.clone())
            }
            (Op::Delete { expected }, _) if before > 0 && *expected == before => {
                then(self, Op::Key(KeyOp::Delete { when: When::Always }));
                Some(Reply::Written { version: before })
            }
            (Op::Put { .. } | Op::Delete { .. }, _) => {
                Some(if before > 0 { Reply::VersionMismatch } else { Reply::NoKey })
            }
            _ => None,
        }
    }

    /// The version that a key of the twin's had before the work; it is at the end of the watches.
    fn watches_version(&self, key: &Bytes) -> Option<u64> {
        self.twin.find(&text(key))?;
        match self.watches.last() {
            Some(Watch { key: known, seen: Seen::At(version), .. }) if known == key => {
                Some(*version)
            }
            _ => None,
        }
    }

    fn watch(&mut self, key: &Bytes) {
        let seen = self.store.seen(key);
        let was = self.twin.find(&text(key)).as_ref().map(state);
        let from = self.twin.touched.len();
        let due = self.store.nearest_deadline().is_some_and(|at| at <= self.store.clock());
        self.watches.push(Watch { key: key.clone(), seen, was, from, due });
    }

    fn step(&mut self, stamp: Stamp, work: &Work) {
        // Both clocks go on first, so that what is due is due for whoever looks now.
        self.twin.work(stamp, &Work::Tick);
        self.store.transact(stamp, &Transaction { watched: vec![], ops: vec![], once: None });
        if let Work::Command(command) = work {
            self.watch(&command.key);
        }
        let known = recorded(work).map(|(slot, once)| (slot, once, self.lookup(slot, once, work)));
        let reply = self.store.work(stamp, work);
        if let Some((_, _, Some(answer))) = known {
            assert_eq!(reply, answer, "what is recorded of {work:?}");
            return;
        }
        if let Some(expected) = self.expect(work, &reply) {
            assert_eq!(reply, expected, "{work:?}");
        }
        if let Some((slot, once, None)) = known {
            let session = self.sessions.entry((slot, once.client)).or_default();
            session.replies.push((once.seq, plain(work), reply));
        }
    }

    fn compare(&mut self) {
        let Self { store, twin, .. } = self;
        twin.entries.sort_by_key(|entry| {
            let key = Bytes::from(entry.key.as_str());
            (key.slot(), key)
        });
        let keys: Vec<&Bytes> = store.keys().collect();
        assert_eq!((keys.len(), store.clock()), (twin.entries.len(), twin.clock));
        assert_eq!(store.len(), keys.len());
        for (entry, key) in twin.entries.iter().zip(keys) {
            let (value, _) = store.get(key).expect("a listed key is there");
            assert_eq!((&text(key), &text(value)), (&entry.key, &entry.value));
            let ttl = Op::Key(KeyOp::Ttl { absolute: true, ms: true });
            let ends = entry.ends.map_or(-1, |ends| ends as i64);
            assert_eq!(store.read(key, &ttl), Some(Reply::Int(ends)));
            assert_eq!(
                store.read(key, &Op::String(StringOp::Len)),
                Some(Reply::Int(entry.value.len() as i64))
            );
        }
        let mut swept = store.clone();
        swept.tick(0);
        let nearest = twin.entries.iter().filter_map(|entry| entry.ends).min();
        assert_eq!(swept.nearest_deadline(), nearest);
    }

    /// The store goes through its bytes.
    fn restart(&mut self) {
        let mut bytes = Vec::new();
        self.store.encode(&mut bytes);
        let read = Store::decode(Exact, limits(), &bytes).expect("a store's own bytes");
        assert!(read == self.store, "it is read as it was written");
        self.store = read;
    }
}

/// The input chooses commands, one after the other.
pub fn run(input: &[u8]) -> bool {
    let mut choices = Choices::new(input);
    let store = Store::new(Exact, limits());
    let mut both =
        Both { store, twin: Twin::default(), sessions: BTreeMap::new(), watches: Vec::new() };
    let (mut time, mut steps) = (0, 0);
    while !choices.is_empty() && steps < 200 {
        steps += 1;
        if both.twin.entries.iter().any(|entry| entry.value.len() > LONG) {
            both.step(0, &Work::Flush);
        }
        match choose::next(&mut choices, &mut time, &both.store, &both.watches) {
            Chosen::Work(stamp, work) => both.step(stamp, &work),
            Chosen::Watch(key) => both.watch(&key),
            Chosen::Restart => both.restart(),
        }
        both.compare();
    }
    steps > 1
}
