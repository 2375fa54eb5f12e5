//! The writing side of a trace.

use super::format::{HEAD, Header, STAMPS, Stamps, Whose, head};
use super::{Boot, Error, Event, Heard, Origin, Raw, Whole, borrowed, lives, of_effects, of_state};
use crate::disk::{Disk, Folder};
use crate::rsm::{Coded, StateMachine};
use crate::wal::Bytes;
use protocol::log::Durable;
use protocol::raft;
use protocol::rsm::{Effect, Input, Outcome, Rsm, Rules, Ticket};
use protocol::{NodeId, SnapshotId, replica};
use serde::Serialize;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A batch with no effect that leaves ends when it has so many bytes.
const BATCH_BYTES: usize = 1 << 20;
/// What an idle recorder keeps of its buffer, in bytes.
const KEPT_BYTES: usize = 4 << 20;

/// What a query or an outcome is written as: by reference.
type Line<'a, S> =
    Event<Raw<'a>, &'a <S as StateMachine>::Query, &'a Outcome<<S as StateMachine>::Reply>>;

/// Whether somebody else sees something of an effect. Timers and what the machine asks of its own driver stay here.
pub const fn leaves<Y>(effect: &Effect<Y>) -> bool {
    match effect {
        Effect::Raft(raft::Effect::Send { .. } | raft::Effect::Write(_))
        | Effect::Tell { .. }
        | Effect::Pass { .. } => true,
        Effect::Raft(_) | Effect::Resubmit { .. } | Effect::ArmRetry => false,
    }
}

/// Writes the trace of one life.
#[derive(Debug)]
pub struct Recorder {
    folder: Folder,
    file: File,
    path: PathBuf,
    header: Header,
    /// The number of the batch that is being filled.
    number: u64,
    stamps: Stamps,
    /// The batch: room for its head and its stamps, then events. Empty until something has happened.
    batch: Vec<u8>,
    /// Something is in it that leaves, and is no effect of the machine.
    pub(super) leaves: bool,
    clock: fn() -> u64,
}

impl Recorder {
    /// Begins the trace of a server's next life in a folder. It has its name after [`Recorder::boot`].
    ///
    /// # Errors
    /// If the folder can't be used, or has another server's trace.
    pub fn begin(folder: &Path, whose: impl Into<Whose>) -> Result<Self, Error> {
        Self::begin_by(folder, whose, clock_name(), monotonic_us)
    }

    /// The same by another clock, for tests: its name, and what shows the time in microseconds.
    ///
    /// # Errors
    /// As above.
    pub fn begin_by(
        folder: &Path,
        whose: impl Into<Whose>,
        name: u128,
        clock: fn() -> u64,
    ) -> Result<Self, Error> {
        let whose = whose.into();
        let made = Folder::new(folder).map_err(Error::io("make the folder", folder))?;
        let lives = lives(folder)?;
        if let Some((_, path)) = lives.last() {
            let found = super::Reader::open(path)?.header().whose;
            if found != whose {
                let (found, wanted) = (found.into(), whose.into());
                return Err(Error::Foreign { path: path.clone(), found, wanted });
            }
        }
        let life = lives.last().map_or(1, |(life, _)| life + 1);
        let path = made.path(DRAFT);
        let header = Header { whose, life, clock: name };
        let mut file = File::create(&path).map_err(Error::io("create", &path))?;
        file.write_all(&header.encode()).map_err(Error::io("write", &path))?;
        let (stamps, batch) = (Stamps::default(), Vec::new());
        let (number, leaves) = (0, false);
        Ok(Self { folder: made, file, path, header, number, stamps, batch, leaves, clock })
    }

    /// Which life it is. The first one of a node that has run before begins with all that the node has.
    pub const fn life(&self) -> u64 {
        self.header.life
    }

    /// Writes what the life begins with, and gives the file its name: so a life whose start was cut short leaves none.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn boot<S: StateMachine>(
        &mut self,
        boot: &Boot,
        durable: &Durable<Bytes>,
        service: &Coded<S>,
    ) -> Result<(), Error> {
        self.push::<S>(&Event::Boot(boot.clone().into()));
        if boot.whole.is_some() {
            let first = durable.snapshot().last.index + 1;
            for index in first..=durable.log.last() {
                let entry = durable.log.get(index).map(borrowed);
                self.push::<S>(&Event::Entries(entry.into_iter().collect()));
                self.bound(boot.print)?;
            }
            let mut out = Pieces { recorder: self, print: boot.print, failed: None };
            let written = service.snapshot(&mut out);
            let failed = out.failed.take();
            failed.map_or(Ok(()), Err)?;
            written.map_err(Error::io("write", &self.path))?;
        }
        self.hand_over(boot.terms.base().index, boot.print)?;
        // TRACE-NAME.
        let name = super::read::name(self.life());
        let named = self.folder.path(&name);
        self.folder.rename(DRAFT, &name).map_err(Error::io("name", &named))?;
        self.path = named;
        Ok(())
    }

    fn bound(&mut self, print: u64) -> Result<(), Error> {
        if self.batch.len() > BATCH_BYTES { self.hand_over(0, print) } else { Ok(()) }
    }

    fn push<S: StateMachine>(&mut self, event: &Line<'_, S>) {
        self.put(event);
    }

    pub(super) fn put(&mut self, event: &impl Serialize) {
        if self.batch.is_empty() {
            self.batch.resize(HEAD + STAMPS, 0);
            self.stamps.begun_us = (self.clock)();
        }
        let batch = std::mem::take(&mut self.batch);
        self.batch = postcard::to_extend(event, batch).expect("what is recorded is plain data");
    }

    /// Notes an input, before the step. `origin` says of a ticket which server has passed the command on.
    pub fn input<S: StateMachine>(
        &mut self,
        input: &Input<'_, Coded<S>>,
        origin: impl Fn(Ticket) -> Origin,
    ) {
        let heard = match input {
            Input::Replica(replica::Input::Raft(input)) => Heard::Raft(*input),
            Input::Replica(replica::Input::Message { from, message, entries }) => {
                let entries = entries.iter().map(borrowed).collect();
                Heard::Message { from: *from, message: *message, entries }
            }
            Input::Replica(replica::Input::Propose(commands)) => {
                Heard::Propose(commands.iter().map(|bytes| Raw(bytes)).collect())
            }
            Input::Replica(replica::Input::Durable { writes }) => Heard::Durable(*writes as u64),
            Input::Install { .. } => return,
            Input::Submit(commands) => {
                let lines = commands.iter();
                let lines =
                    lines.map(|(caller, bytes)| (*caller, origin(caller.ticket), Raw(bytes)));
                Heard::Submit(lines.collect())
            }
            Input::Read(reads) => {
                Heard::Read(reads.iter().map(|(ticket, query)| (*ticket, query)).collect())
            }
            Input::Clock { now } => Heard::Clock(*now),
            Input::NotPassed { ticket } => Heard::NotPassed(*ticket),
            Input::Answer { from, ticket, outcome } => {
                Heard::Answer { from: *from, ticket: *ticket, outcome }
            }
            Input::Lost { node } => Heard::Lost(*node),
            Input::Retry => Heard::Retry,
            Input::GiveUpParked { below } => Heard::GiveUpParked(*below),
            Input::GiveUp { below } => Heard::GiveUp(*below),
        };
        self.push::<S>(&Event::Input(heard));
    }

    /// Notes the input of a snapshot that has come, before the step; [`Recorder::input`] leaves it out, for it knows
    /// nothing of the file.
    pub fn install(&mut self, from: NodeId, message: raft::Message, sum: u32) {
        let heard = Heard::Install { from, message, sum };
        self.put(&Event::<(), (), ()>::Input(heard));
    }

    /// Notes what the step has come to.
    ///
    /// # Errors
    /// Those of the file system. No effect of the step may leave then.
    pub fn done<S: StateMachine, R: raft::Rules, W: Rules>(
        &mut self,
        rsm: &Rsm<Coded<S>, R, W>,
        effects: &[Effect<S::Reply>],
    ) -> Result<(), Error> {
        let effects_hash = of_effects(effects).to_le_bytes();
        let done = Event::Done { effects: effects_hash, state: of_state(rsm).to_le_bytes() };
        self.push::<S>(&done);
        // TRACE-LEAVE.
        if effects.iter().any(leaves) || self.batch.len() > BATCH_BYTES {
            self.end_batch(rsm)?;
        }
        Ok(())
    }

    /// Notes that the service was copied for a snapshot.
    pub fn copied(&mut self, id: SnapshotId) {
        self.put(&Event::<(), (), ()>::Copied(id));
    }

    /// Notes that a snapshot's file is durable.
    pub fn snapshot(&mut self, id: SnapshotId, sum: u32) {
        self.put(&Event::<(), (), ()>::Snapshot { id, sum });
    }

    /// Notes that a call was refused before it came to the machine, which was busy, or for it was no command, and hands
    /// over what there is: the answer leaves.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn turned_away<S: StateMachine, R: raft::Rules, W: Rules>(
        &mut self,
        (node, ticket): (NodeId, Ticket),
        busy: bool,
        rsm: &Rsm<Coded<S>, R, W>,
    ) -> Result<(), Error> {
        self.put(&match busy {
            true => Event::<(), (), ()>::Busy { node, ticket },
            false => Event::TurnedAway { node, ticket },
        });
        self.end_batch(rsm)
    }

    /// Hands over what there is, as at the end of a life.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn end_batch<S: StateMachine, R: raft::Rules, W: Rules>(
        &mut self,
        rsm: &Rsm<Coded<S>, R, W>,
    ) -> Result<(), Error> {
        self.hand_over(rsm.applied(), rsm.service().service.print())
    }

    fn hand_over(&mut self, applied: u64, print: u64) -> Result<(), Error> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.stamps.ended_us = (self.clock)();
        (self.stamps.applied, self.stamps.print) = (applied, print);
        let batch = &mut self.batch;
        batch[HEAD..HEAD + STAMPS].copy_from_slice(&self.stamps.encode());
        let head = head(self.header.life, self.number, &batch[HEAD..]);
        batch[..HEAD].copy_from_slice(&head);
        self.file.write_all(batch).map_err(Error::io("write", &self.path))?;
        self.number += 1;
        batch.clear();
        batch.shrink_to(KEPT_BYTES);
        Ok(())
    }
}

/// The name of a file until its life has begun.
const DRAFT: &str = "begun.draft";

/// Takes a service's bytes, piece by piece.
struct Pieces<'a> {
    recorder: &'a mut Recorder,
    print: u64,
    failed: Option<Error>,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(BATCH_BYTES)];
        self.recorder.put(&Event::<Raw<'_>, (), ()>::State(Raw(piece)));
        self.recorder.bound(self.print).map_err(|error| {
            self.failed = Some(error);
            io::Error::other("the trace can't be written")
        })?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The time by the machine's monotonic clock, which all its processes share.
#[cfg(unix)]
fn monotonic_us() -> u64 {
    use nix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map(std::time::Duration::from);
    time.map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(not(unix))]
fn monotonic_us() -> u64 {
    0
}

/// Which clock that is: the system draws a number at its start. Where it can't be had, times are not compared.
fn clock_name() -> u128 {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u128::from_str_radix(&text.trim().replace('-', ""), 16).unwrap_or(0)
}

/// How much of a node is in the first trace of one that has run before.
///
/// # Panics
/// If the service refuses to be written where nothing can go wrong.
pub fn whole<S: StateMachine>(durable: &Durable<Bytes>, service: &Coded<S>) -> Whole {
    let mut bytes = Count(0);
    service.snapshot(&mut bytes).expect("counting does not fail");
    let entries = durable.log.last() - durable.snapshot().last.index;
    Whole { entries, bytes: bytes.0 }
}

/// Counts bytes.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
