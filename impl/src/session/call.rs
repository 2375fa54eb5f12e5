//! What a session asks of its node, and what it is told.

use super::clients::Filter;
use crate::glob;
use protocol::NodeId;
use protocol::kv::{
    Bytes, Op, Reply, Rules, Seen, SlotId, Store, StringOp, Transaction, Version, Work,
};
use protocol::shardctl::{self, SlotRange};
use protocol::shardkv::{Refusal, Step};

/// A call, and where in the session its answer belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// To be given back with the answer.
    pub place: u64,
    /// What is to be done.
    pub call: Call,
}

/// What a client wants that the session can't answer by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// To be proposed; the answer is [`Answer::Reply`] with what [`Store::work`] replied. Writes of one session are
    /// proposed in the order in which they were asked.
    Write(Work),
    /// To be answered by [`Query::answer`] once the store is known to be no older than the call.
    Read(Query),
    /// To be answered like a read, but not before the key has a version above this one. When the time is up, the
    /// answer is [`Answer::TimedOut`].
    Wait {
        /// The key.
        key: Bytes,
        /// The version that the client has seen.
        version: Version,
        /// How long it waits, in milliseconds; 0 is for ever.
        timeout_ms: u64,
    },
    /// To be answered by whoever owns the connections; it concerns this node alone.
    Node(NodeCall),
    /// For the controller of a sharded cluster. The answer is [`Answer::Control`].
    Control(shardctl::Asked),
}

/// What concerns the node and its connections, and no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeCall {
    /// CLIENT LIST. The answer is [`Answer::Text`]: [`super::Session::describe`] of each session that the filter
    /// admits, each with a line feed.
    ListClients(Filter),
    /// CLIENT KILL. [`super::Session::end`] of each session that the filter admits, be it this one; the answer is
    /// [`Reply::Int`], how many they were.
    KillClients(Filter),
    /// CONFIG RESETSTAT. The counters begin at 0 again; the answer is [`Reply::Ok`].
    ResetCounters,
}

/// What only reads.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Query {
    /// An operation that only reads.
    Op {
        /// The key.
        key: Bytes,
        /// The operation.
        op: Op,
    },
    /// Several.
    Transaction(Transaction),
    /// WATCH: how the keys are.
    Seen {
        /// Which.
        keys: Vec<Bytes>,
    },
    /// SCAN.
    Scan {
        /// Where it goes on; 0 at the beginning.
        cursor: u64,
        /// About how many keys are looked at.
        count: usize,
        /// Keys that don't fit are left out.
        pattern: Option<Bytes>,
        /// Whether strings are asked for: there is nothing else.
        strings: bool,
    },
    /// KEYS.
    Keys {
        /// What the keys fit.
        pattern: Bytes,
    },
    /// RANDOMKEY.
    RandomKey {
        /// Which.
        number: u64,
    },
    /// DBSIZE.
    Len,
    /// CLUSTER GETKEYSINSLOT.
    SlotKeys {
        /// The slot.
        slot: SlotId,
        /// How many at most.
        count: usize,
    },
    /// CLUSTER COUNTKEYSINSLOT.
    SlotCount {
        /// The slot.
        slot: SlotId,
    },
}

/// What a call has come to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Answer {
    /// The store's reply.
    Reply(Reply),
    /// Some keys, and where a SCAN goes on.
    Scan {
        /// The next cursor.
        cursor: u64,
        /// Keys.
        keys: Vec<Bytes>,
    },
    /// Keys.
    Keys(Vec<Bytes>),
    /// How watched keys are.
    Seen(Vec<Seen>),
    /// A text.
    Text(String),
    /// The time to wait is over.
    TimedOut,
    /// A group of the sharded store does not serve the slot: not executed. No session is told so.
    Refused(Refusal),
    /// A group of the sharded store has taken all keys of these slots away. No session is told so.
    Flushed(Vec<SlotRange>),
    /// What became of a step of a move. No session asks for one.
    Step(Step),
    /// What the controller has said, as [`crate::rsm::encode`] writes it.
    Control(Vec<u8>),
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out.
    Done(Answer),
    /// It was not and never will be; this node leads. Not for the plain port if it can be helped.
    Moved {
        /// Whom to ask.
        leader: NodeId,
    },
    /// It was not and never will be; nobody is known to lead, and the time to wait for a leader is over.
    NoLeader,
    /// It was not and never will be: this node has too much to do.
    Busy,
    /// It was not and never will be: the controller is not here.
    NoController,
    /// It was not and never will be: no group has the slot.
    Nowhere,
    /// It was not and never will be: the slot has been on its way from group to group for longer than a client waits.
    OnItsWay,
    /// Nobody knows whether it was or will be.
    Unknown,
}

/// What keeps its order with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Not before the reads in front of it are answered.
    Write,
    /// Not before the writes in front of it are answered.
    Read,
    /// At any time.
    Other,
}

impl Call {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Write(_) => Kind::Write,
            Self::Read(_) | Self::Wait { .. } => Kind::Read,
            Self::Node(_) | Self::Control(_) => Kind::Other,
        }
    }

    /// Whether cluster clients are to ask the leader. A question about many keys is for the node that is asked.
    pub(super) const fn is_routed(&self) -> bool {
        match self {
            Self::Write(_) | Self::Wait { .. } => true,
            Self::Read(query) => matches!(query, Query::Op { .. } | Query::Transaction(_)),
            Self::Node(_) | Self::Control(_) => false,
        }
    }

    /// The slot of its keys, if it is about keys.
    pub fn slot(&self) -> Option<SlotId> {
        match self {
            Self::Write(Work::Command(command)) => Some(command.key.slot()),
            Self::Write(Work::Transaction(transaction)) => transaction.slot().ok().flatten(),
            Self::Read(query) => query.slot(),
            Self::Wait { key, .. } => Some(key.slot()),
            Self::Write(Work::Tick | Work::Flush) | Self::Node(_) | Self::Control(_) => None,
        }
    }

    /// About how many bytes it holds.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Write(Work::Command(command)) => size(&command.key, &command.op),
            Self::Write(Work::Transaction(transaction))
            | Self::Read(Query::Transaction(transaction)) => {
                let ops = transaction.ops.iter().map(|(key, op)| size(key, op)).sum::<usize>();
                let watched = transaction.watched.iter();
                ops + watched.map(|(key, _)| FIXED + key.as_ref().len()).sum::<usize>()
            }
            Self::Read(Query::Op { key, op }) => size(key, op),
            Self::Read(Query::Seen { keys }) => {
                keys.iter().map(|key| FIXED + key.as_ref().len()).sum()
            }
            Self::Wait { key, .. } => FIXED + key.as_ref().len(),
            _ => FIXED,
        }
    }
}

/// What a key, an operation or a part of an answer takes beside its bytes.
const FIXED: usize = 32;

pub(super) fn size(key: &Bytes, op: &Op) -> usize {
    let value = match op {
        Op::Put { value, .. } | Op::Set { value } | Op::Append { value } => value.as_ref().len(),
        Op::String(
            StringOp::Set { value, .. }
            | StringOp::SetNx { value }
            | StringOp::SetRange { value, .. }
            | StringOp::Append { value },
        ) => value.as_ref().len(),
        Op::String(StringOp::SetAllNx { value, others }) => {
            let others =
                others.iter().map(|(key, value)| FIXED + key.as_ref().len() + value.as_ref().len());
            value.as_ref().len() + others.sum::<usize>()
        }
        _ => 0,
    };
    let other = match op {
        Op::String(StringOp::SetAllNx { .. }) => 0,
        op => op.others().map(|key| key.as_ref().len()).sum(),
    };
    FIXED + key.as_ref().len() + value + other
}

impl Query {
    /// The slot that it is about, if it is about one.
    pub fn slot(&self) -> Option<SlotId> {
        match self {
            Self::Op { key, .. } => Some(key.slot()),
            Self::Transaction(transaction) => transaction.slot().ok().flatten(),
            Self::Seen { keys } => keys.first().map(Bytes::slot),
            Self::SlotKeys { slot, .. } | Self::SlotCount { slot } => Some(*slot),
            Self::Scan { .. } | Self::Keys { .. } | Self::RandomKey { .. } | Self::Len => None,
        }
    }

    /// The answer from a store. A pure function: who asks it knows that the store is new enough.
    ///
    /// # Panics
    /// If an operation in it may write. A session asks such a one as [`Call::Write`].
    pub fn answer<R: Rules>(&self, store: &Store<R>) -> Answer {
        Answer::Reply(match self {
            Self::Op { key, op } => store.read(key, op).expect(READS),
            Self::Transaction(transaction) => store.read_all(transaction).expect(READS),
            Self::Seen { keys } => {
                return Answer::Seen(keys.iter().map(|key| store.seen(key)).collect());
            }
            Self::Scan { cursor, count, pattern, strings } => {
                let (cursor, mut keys) = store.scan(*cursor, *count);
                keys.retain(|key| {
                    let fits = |pattern: &Bytes| glob::matches(pattern.as_ref(), key.as_ref());
                    *strings && pattern.as_ref().is_none_or(fits)
                });
                return Answer::Scan { cursor, keys };
            }
            Self::Keys { pattern } => {
                let fits = |key: &&Bytes| glob::matches(pattern.as_ref(), key.as_ref());
                return Answer::Keys(store.keys().filter(fits).cloned().collect());
            }
            Self::RandomKey { number } => {
                let key = store.random_key(*number);
                key.map_or(Reply::Nil, |key| Reply::Bulk(key.clone()))
            }
            Self::Len => count(store.len()),
            Self::SlotKeys { slot, count } => {
                return Answer::Keys(store.keys_of(*slot).take(*count).cloned().collect());
            }
            Self::SlotCount { slot } => count(store.keys_of(*slot).count()),
        })
    }
}

const READS: &str = "a query only reads: what may write is asked as a write";

fn count(number: usize) -> Reply {
    Reply::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

impl Answer {
    /// About how many bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        let all = |keys: &[Bytes]| keys.iter().map(|key| FIXED + key.as_ref().len()).sum();
        match self {
            Self::Reply(reply) => reply_bytes(reply),
            Self::Scan { keys, .. } | Self::Keys(keys) => all(keys),
            Self::Seen(seen) => FIXED * seen.len(),
            Self::Text(text) => text.len(),
            Self::Control(bytes) => FIXED + bytes.len(),
            Self::Flushed(slots) => FIXED + size_of_val(slots.as_slice()),
            Self::TimedOut | Self::Refused(_) | Self::Step(_) => FIXED,
        }
    }
}

fn reply_bytes(reply: &Reply) -> usize {
    FIXED
        + match reply {
            Reply::Value { value, .. } | Reply::Appended { old: value, .. } => value.as_ref().len(),
            Reply::Bulk(value) => value.as_ref().len(),
            Reply::Many(parts) => parts.iter().map(reply_bytes).sum(),
            _ => 0,
        }
}
