//! The store's commands: facts that Redis's users know, one by one, and random commands against a dumb twin.

mod expiry;
mod keys;
mod lcs;
mod numbers;
mod pages;
mod parts;
mod random;
mod records;
mod snapshot;
mod strings;
mod transactions;
mod twin;
mod whole;

use proptest::test_runner::Config;
use protocol::kv::{
    Bytes, Command, Deadline, Exact, Fault, KeyOp, Limits, Op, Reply, Seen, Stamp, Store, StringOp,
    When,
};

/// So many cases, and no files of old failures: a failure becomes a test of its own.
fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// A store and the time at which it is asked.
struct Bench {
    store: Store,
    now: Stamp,
}

impl Bench {
    fn new() -> Self {
        Self { store: Store::new(Exact, Limits::default()), now: 1_000_000 }
    }

    /// Applies an operation, and asks it without the log first if it only reads: both say the same.
    fn op(&mut self, key: &str, op: Op) -> Reply {
        self.store.tick(self.now);
        let read = self.store.read(&key.into(), &op);
        assert_eq!(read.is_none(), op.writes(), "{op:?}");
        let command = Command { key: key.into(), op, once: None };
        let reply = self.store.apply(self.now, &command);
        assert!(read.is_none_or(|read| read == reply), "{command:?} is read as it is applied");
        reply
    }

    fn string(&mut self, key: &str, op: StringOp) -> Reply {
        self.op(key, Op::String(op))
    }

    fn key(&mut self, key: &str, op: KeyOp) -> Reply {
        self.op(key, Op::Key(op))
    }

    fn get(&mut self, key: &str) -> Reply {
        self.string(key, StringOp::Get)
    }

    fn put(&mut self, key: &str, value: &str) {
        assert_eq!(self.string(key, set(value)), Reply::Ok);
    }

    fn put_until(&mut self, key: &str, value: &str, deadline: Deadline) {
        let op = StringOp::Set { value: value.into(), when: When::Always, deadline, get: false };
        assert_eq!(self.string(key, op), Reply::Ok);
    }

    /// What is left, in milliseconds.
    fn left_ms(&mut self, key: &str) -> Reply {
        self.key(key, KeyOp::Ttl { absolute: false, ms: true })
    }

    fn seen(&self, key: &str) -> Seen {
        self.store.seen(&key.into())
    }

    fn version(&self, key: &str) -> u64 {
        self.store.get(&key.into()).map_or(0, |(_, version)| version)
    }
}

fn set(value: &str) -> StringOp {
    StringOp::Set { value: value.into(), when: When::Always, deadline: Deadline::Never, get: false }
}

fn bulk(text: &str) -> Reply {
    Reply::Bulk(text.into())
}

fn fault(fault: Fault) -> Reply {
    Reply::Fault(fault)
}

fn yes() -> Reply {
    Reply::Int(1)
}

fn no() -> Reply {
    Reply::Int(0)
}

fn key(name: &str) -> Bytes {
    name.into()
}
