//! A replicated service: what it must be able to do, and how it stands in the log and in snapshots.
//!
//! A [`StateMachine`] is anything deterministic. [`Coded`] makes of it what the protocol replicates: commands are
//! bytes, each with the stamp that its leader gave it, and the largest stamp applied is the group's clock. [`Rsm`] runs
//! one server of it inside a program.

mod service;

pub use service::{NoReply, Rsm};

use protocol::kv::Stamp;
use protocol::rsm as machine;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::error::Error;
use std::io::{self, Read, Write};

/// A deterministic service: the same commands, with the same times, in the same order give the same state and the same
/// replies. Nothing but its arguments may decide: no clock, no random number, no address, no order of a hash map.
pub trait StateMachine: Clone + Send + Sync + 'static {
    /// What changes it.
    type Command: Serialize + DeserializeOwned;
    /// What only asks. A server that is recorded writes it down.
    type Query: Serialize + DeserializeOwned + Send + 'static;
    /// What either is answered with. A server that does not lead passes replies on, so they can be written down.
    type Reply: Serialize + DeserializeOwned + Send + 'static;

    /// Applies a committed command. `time` is its stamp on the group's clock, in milliseconds since 1970; it can be
    /// smaller than the one before.
    fn apply(&mut self, time: Stamp, command: Self::Command) -> Self::Reply;

    /// Answers a query from the present state.
    fn read(&self, query: &Self::Query) -> Self::Reply;

    /// Writes the whole state. It is called on a clone, in another thread, while the original goes on.
    ///
    /// # Errors
    /// Those of `out`.
    fn snapshot(&self, out: &mut dyn Write) -> io::Result<()>;

    /// The state that was written.
    ///
    /// # Errors
    /// Bytes that no `snapshot` writes.
    fn restore(bytes: &mut dyn Read) -> Result<Self, Box<dyn Error + Send + Sync>>;

    /// When it wants a [`StateMachine::tick`], on the group's clock; none: never.
    fn deadline(&self) -> Option<Stamp> {
        None
    }

    /// The command that is due at [`StateMachine::deadline`].
    fn tick(&self) -> Option<Self::Command> {
        None
    }

    /// A fingerprint of the state: it hangs on the state and not on the way to it, and is at hand without a look at all
    /// of it. For traces ([`crate::trace`]), which note it again and again; 0 says nothing.
    fn print(&self) -> u64 {
        0
    }

    /// Figures for people.
    fn gauges(&self) -> Gauges {
        Gauges::default()
    }
}

/// Figures of a service, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Gauges {
    /// How many keys, rows or whatever it has.
    pub keys: u64,
    /// How much memory it takes, in bytes, about.
    pub bytes: u64,
    /// The slots of a group of a sharded cluster; all 0 elsewhere.
    pub slots: Slots,
}

/// What a group of a sharded cluster has to do with slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Slots {
    /// The number of its configuration.
    pub configuration: u64,
    /// How many it serves.
    pub served: u64,
    /// How many are on their way to it.
    pub coming: u64,
    /// How many are on their way from it, served or stopped.
    pub going: u64,
}

/// A command as the log has it: eight bytes of its stamp (little-endian), then itself.
pub type Payload = crate::wal::Bytes;

/// A service whose commands are bytes with a stamp.
#[derive(Clone, Debug)]
pub struct Coded<S> {
    /// The service.
    pub service: S,
    /// The group's clock: the largest stamp applied.
    pub clock: Stamp,
}

/// Why bytes are no command.
#[derive(Debug, thiserror::Error)]
#[error("the bytes are no command of this service: {0}")]
pub struct NoCommand(String);

/// A command as bytes.
///
/// # Errors
/// If it cannot be written down: a map with an unknown length, and the like.
pub fn encode<C: Serialize>(command: &C) -> Result<Vec<u8>, NoCommand> {
    postcard::to_allocvec(command).map_err(|error| NoCommand(error.to_string()))
}

/// A command from bytes.
///
/// # Errors
/// If they are no command, or more than one.
pub fn decode<C: DeserializeOwned>(bytes: &[u8]) -> Result<C, NoCommand> {
    match postcard::take_from_bytes(bytes) {
        Ok((command, [])) => Ok(command),
        Ok((_, rest)) => Err(NoCommand(format!("{} bytes too many", rest.len()))),
        Err(error) => Err(NoCommand(error.to_string())),
    }
}

/// A command with its stamp, as the log has it.
pub fn stamped(stamp: Stamp, command: &[u8]) -> Payload {
    let mut bytes = Vec::with_capacity(8 + command.len());
    bytes.extend_from_slice(&stamp.to_le_bytes());
    bytes.extend_from_slice(command);
    bytes.into()
}

/// The stamp of a command and the command's bytes.
///
/// # Errors
/// If there is no room for a stamp.
pub fn unstamped(payload: &[u8]) -> Result<(Stamp, &[u8]), NoCommand> {
    let (stamp, command) =
        payload.split_first_chunk().ok_or_else(|| NoCommand("it has no stamp".into()))?;
    Ok((Stamp::from_le_bytes(*stamp), command))
}

impl<S: StateMachine> Coded<S> {
    /// The service as it is before the first command.
    pub const fn new(service: S) -> Self {
        Self { service, clock: 0 }
    }

    /// Refuses bytes that are no stamped command. What comes from a disk or from another server is asked before the
    /// machine sees it.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(payload: &[u8]) -> Result<(), NoCommand> {
        unstamped(payload).and_then(|(_, command)| Self::check_command(command))
    }

    /// Refuses bytes that are no command.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check_command(command: &[u8]) -> Result<(), NoCommand> {
        decode::<S::Command>(command).map(drop)
    }

    /// Writes clock and service.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn snapshot(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.clock.to_le_bytes())?;
        self.service.snapshot(out)
    }

    /// Clock and service as they were written.
    ///
    /// # Errors
    /// Bytes that no [`Coded::snapshot`] writes, and those of `bytes`.
    pub fn restore(bytes: &mut dyn Read) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut clock = [0; 8];
        bytes.read_exact(&mut clock)?;
        Ok(Self { clock: Stamp::from_le_bytes(clock), service: S::restore(bytes)? })
    }
}

impl<S: StateMachine> machine::StateMachine for Coded<S> {
    type Command = Payload;
    type Query = S::Query;
    type Reply = S::Reply;

    fn apply(&mut self, payload: &Payload) -> S::Reply {
        let (stamp, command) = unstamped(payload).expect("what enters the log was checked");
        let command = decode(command).expect("what enters the log was checked");
        self.clock = self.clock.max(stamp);
        self.service.apply(stamp, command)
    }

    fn read(&self, query: &S::Query) -> S::Reply {
        self.service.read(query)
    }

    fn clock(&self) -> Stamp {
        self.clock
    }

    /// One for which the service has no tick is none.
    fn deadline(&self) -> Option<Stamp> {
        self.service.deadline().filter(|_| self.service.tick().is_some())
    }

    fn tick(&self, stamp: Stamp) -> Option<Payload> {
        let tick = encode(&self.service.tick()?).expect("a tick is plain data");
        Some(stamped(stamp, &tick))
    }
}
