//! Clients with one call at a time, sent until it is answered, wherever the slot may be; and what they ask.

use super::random::Random;
use protocol::kv::{
    Bytes, ClientId, Command, Deadline, KeyOp, Once, Op, SlotId, Stamp, StringOp, Transaction,
    When, Work,
};

/// Keys of the world's slots: each slot has a few.
const TAGS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const KEYS: u64 = 3;

pub fn slot(number: usize) -> SlotId {
    Bytes::from(TAGS[number]).slot()
}

fn key(number: usize, random: &mut Random) -> Bytes {
    format!("{{{}}}{}", TAGS[number], random.below(KEYS)).as_str().into()
}

fn value(random: &mut Random) -> Bytes {
    vec![b'a' + random.below(26) as u8; random.index(24)].into()
}

fn op(now: Stamp, random: &mut Random) -> Op {
    match random.below(10) {
        0 => Op::Put { value: value(random), expected: random.below(3) },
        1 => Op::Set { value: value(random) },
        2..=4 => Op::Append { value: value(random) },
        5 => Op::String(StringOp::GetDel),
        6 => Op::Key(KeyOp::Delete { when: When::Always }),
        7 => Op::String(StringOp::SetNx { value: value(random) }),
        _ => {
            let deadline = Deadline::At(now + random.below(120));
            let value = value(random);
            Op::String(StringOp::Set { value, when: When::Always, deadline, get: true })
        }
    }
}

pub struct Client {
    id: ClientId,
    seq: u64,
    /// The number of the slot, and what is asked of it.
    pub call: Option<(usize, Work)>,
}

impl Client {
    pub const fn new(id: u64) -> Self {
        Self { id: ClientId(id as u128), seq: 0, call: None }
    }

    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Thinks of a call, if none is under way.
    pub fn think(&mut self, slots: usize, now: Stamp, random: &mut Random) {
        if self.call.is_some() {
            return;
        }
        self.seq += 1;
        let (client, seq) = (self.id, self.seq);
        let number = random.index(slots);
        let once = Some(Once { client, seq, acknowledged: seq - 1 });
        let work = if random.percent(20) {
            let ops = (0..2).map(|_| (key(number, random), op(now, random))).collect();
            Work::Transaction(Transaction { watched: vec![], ops, once })
        } else {
            Work::Command(Command { key: key(number, random), op: op(now, random), once })
        };
        self.call = Some((number, work));
    }

    /// An answer has come to the call with this number.
    pub fn answered(&mut self, seq: u64) {
        if seq == self.seq {
            self.call = None;
        }
    }

    /// Forgets who it was, between two calls.
    pub fn renew(&mut self, id: u64) {
        if self.call.is_none() {
            *self = Self { id: ClientId(u128::from(id)), seq: self.seq, call: None };
        }
    }
}

pub fn query(number: usize, random: &mut Random) -> (Bytes, Op) {
    (key(number, random), Op::Get)
}
