//! A replicated counter: all that a service has to be, and one server of it.
//!
//! cargo run -p quorate --example counter -- FOLDER

use quorate::raft::Options;
use quorate::rsm::{Rsm, StateMachine};
use quorate::wal::Identity;
use std::error::Error;
use std::io::{self, Read, Write};

/// Counts what is added.
#[derive(Clone, Default)]
pub struct Counter(u64);

impl StateMachine for Counter {
    type Command = u64;
    type Query = ();
    type Reply = u64;

    fn apply(&mut self, _time: u64, more: u64) -> u64 {
        self.0 += more;
        self.0
    }

    fn read(&self, (): &()) -> u64 {
        self.0
    }

    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.0.to_le_bytes())
    }

    fn restore(bytes: &mut dyn Read) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut number = [0; 8];
        bytes.read_exact(&mut number)?;
        Ok(Self(u64::from_le_bytes(number)))
    }
}

/// Adds one, and says what the counter has then.
#[allow(dead_code)]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("which folder?")?;
    let identity = Identity { cluster: 1, node: 0 };
    let rsm = Rsm::start(folder.as_ref(), identity, Options::alone(), None, Counter::default())?;
    let count = rsm.submit(&1)?;
    println!("this is run {count}; a linearizable read says {}", rsm.read(())?);
    Ok(rsm.stop()?)
}
