//! The store as a replicated service: its commands as bytes, its snapshots as pieces.
//!
//! Nothing is decided here. Commands are applied and queries answered by [`protocol::kv`], the functions that the
//! models check.

use crate::rsm::{Gauges, StateMachine};
use crate::session::{Answer, Query};
use protocol::kv::{Decoder, Exact, Limits, PIECE_BYTES, Stamp, Store, Work};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::io::{self, Read, Write};

/// The most that any node's `--max-value-bytes` may be.
pub const MAX_VALUE_BYTES: usize = 64 << 20;

/// They decide replies: every replica has the same, whatever its settings.
const LIMITS: Limits = Limits { value_bytes: MAX_VALUE_BYTES, ..Limits::DEFAULT };

/// What is in the log: what a client has asked, and what the node that it asked allows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Admitted {
    /// What is done.
    pub work: Work,
    /// The longest value that it may make of a shorter one, in bytes: that node's `--max-value-bytes`. It goes with
    /// the command, so that all replicas do the same whatever they are told themselves.
    pub value_bytes: u32,
}

/// The replicated store.
#[derive(Clone, Debug)]
pub struct Kv(pub Store);

impl Kv {
    /// An empty store.
    pub const fn new() -> Self {
        Self(Store::new(Exact, LIMITS))
    }
}

impl Default for Kv {
    fn default() -> Self {
        Self::new()
    }
}

impl StateMachine for Kv {
    type Command = Admitted;
    type Query = Query;
    type Reply = Answer;

    fn apply(&mut self, time: Stamp, admitted: Admitted) -> Answer {
        Answer::Reply(self.0.work_within(time, &admitted.work, admitted.value_bytes as usize))
    }

    fn read(&self, query: &Query) -> Answer {
        query.answer(&self.0)
    }

    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        self.0.pieces(PIECE_BYTES).try_for_each(|piece| out.write_all(&piece))
    }

    fn restore(bytes: &mut dyn Read) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut decoder = Decoder::new(Exact, LIMITS);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match bytes.read(&mut piece)? {
                0 => return Ok(Self(decoder.finish()?)),
                count => decoder.push(&piece[..count])?,
            }
        }
    }

    fn deadline(&self) -> Option<Stamp> {
        self.0.nearest_deadline()
    }

    fn tick(&self) -> Option<Admitted> {
        Some(Admitted { work: Work::Tick, value_bytes: 0 })
    }

    fn print(&self) -> u64 {
        self.0.print()
    }

    fn gauges(&self) -> Gauges {
        Gauges {
            keys: self.0.len() as u64,
            bytes: self.0.memory_bytes() as u64,
            ..Gauges::default()
        }
    }
}
