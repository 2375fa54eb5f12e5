//! The store as a replicated service: its commands as bytes, its snapshots as pieces.
//!
//! Nothing is decided here. Commands are applied and queries answered by [`protocol::kv`], the functions that the
//! models check.

use crate::rsm::{Gauges, StateMachine};
use crate::session::{Answer, Query};
use protocol::kv::{Decoder, Exact, Limits, PIECE_BYTES, Stamp, Store, Work};
use std::error::Error;
use std::io::{self, Read, Write};

/// The replicated store.
#[derive(Clone, Debug)]
pub struct Kv(pub Store);

impl Kv {
    /// An empty store.
    pub const fn new() -> Self {
        Self(Store::new(Exact, Limits::DEFAULT))
    }
}

impl Default for Kv {
    fn default() -> Self {
        Self::new()
    }
}

impl StateMachine for Kv {
    type Command = Work;
    type Query = Query;
    type Reply = Answer;

    fn apply(&mut self, time: Stamp, work: Work) -> Answer {
        Answer::Reply(self.0.work(time, &work))
    }

    fn read(&self, query: &Query) -> Answer {
        query.answer(&self.0)
    }

    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        self.0.pieces(PIECE_BYTES).try_for_each(|piece| out.write_all(&piece))
    }

    fn restore(bytes: &mut dyn Read) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut decoder = Decoder::new(Exact, Limits::DEFAULT);
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

    fn tick(&self) -> Option<Work> {
        Some(Work::Tick)
    }

    fn gauges(&self) -> Gauges {
        Gauges { keys: self.0.len() as u64, bytes: self.0.memory_bytes() as u64 }
    }
}
