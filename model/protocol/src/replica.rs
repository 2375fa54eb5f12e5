//! One server, whole: Raft, the commands beside its terms, and the queue in front of its disk.
//!
//! Drivers (the model's node, the simulator, the core thread) see only this machine's inputs and effects.
//! What they would otherwise each write by hand is here, once: which command belongs to which index, what
//! waits for which write, and that a message of a server to itself becomes an input only after the present
//! list of effects is finished.

use crate::Machine;
use crate::log::{Durable, Entry, Log};
use crate::queue::Queue;
use crate::raft::{self, Body, Config, Effect, Message, Paper, Raft, Rules};
use crate::types::{Index, NodeId, Write};
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

/// What may happen to a replica. Payloads are borrowed for the time of the step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input<'a, C> {
    /// What happens to Raft and carries no payload. A message or proposal in this form is one without
    /// entries.
    Raft(raft::Input),
    /// A message arrived, with the entries of an [`Body::AppendEntries`]. Another number of entries than
    /// the message says is bad input: the message is dropped.
    Message {
        /// The sender, as the transport knows it.
        from: NodeId,
        /// The message.
        message: Message,
        /// Its entries, in order.
        entries: &'a [Entry<C>],
    },
    /// Clients' commands, in order.
    Propose(&'a [C]),
    /// The disk has finished this many of the oldest writes.
    Durable {
        /// How many.
        writes: usize,
    },
}

impl<C> Input<'_, C> {
    /// Whether it is a message from this server.
    pub const fn is_from(&self, node: NodeId) -> bool {
        matches!(self, Self::Message { from, .. } if from.0 == node.0)
    }
}

/// A message that waits for the disk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Parcel {
    to: NodeId,
    message: Message,
}

impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}→{:?}", self.message.body, self.to)
    }
}

/// Raft with its commands and its queue. Its effects are Raft's, without [`Effect::AfterDisk`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Replica<C, R = Paper> {
    raft: Raft<R>,
    log: Log<C>,
    queue: Queue<Parcel>,
    /// Empty between steps; kept for its capacity.
    released: Vec<Parcel>,
}

impl<C: Clone, R: Rules> Replica<C, R> {
    /// A server as it comes up from what its disk has.
    pub fn new(rules: R, config: Config, durable: Durable<C>) -> Self {
        let Durable { hard, terms, log } = durable;
        let raft = Raft::new(rules, config, hard, terms);
        Self { raft, log, queue: Queue::default(), released: Vec::new() }
    }

    /// The protocol's state.
    pub const fn raft(&self) -> &Raft<R> {
        &self.raft
    }

    /// The commands.
    pub const fn log(&self) -> &Log<C> {
        &self.log
    }

    /// How many writes the disk has not finished.
    pub const fn pending_writes(&self) -> usize {
        self.queue.writes()
    }

    /// The entries that a message carries. To be taken before the next step.
    pub fn entries_of(&self, message: &Message) -> impl Iterator<Item = &Entry<C>> {
        let (first, count) = match message.body {
            Body::AppendEntries { prev, count, .. } if count > 0 => (prev.index + 1, count),
            _ => (self.log.last() + 1, 0),
        };
        self.log.range(first, count)
    }

    /// The entries that a write carries. To be taken before the next step.
    pub fn entries_of_write(&self, write: &Write) -> impl Iterator<Item = &Entry<C>> {
        let (first, count) = match *write {
            Write::Append { first, count, .. } => (first, count),
            _ => (self.log.last() + 1, 0),
        };
        self.log.range(first, count)
    }

    /// Feeds everything but the log's commands to a hasher.
    pub fn digest(&self, state: &mut impl Hasher) {
        self.raft.hash(state);
        self.queue.hash(state);
        self.log.last().hash(state);
    }

    /// Steps Raft and carries out what stays inside: the log follows each write, and what must wait for the
    /// disk goes into the queue. `entry` gives the new entry at an index.
    fn step_raft(
        &mut self,
        input: raft::Input,
        entry: impl Fn(Index) -> Entry<C>,
        out: &mut Vec<Effect>,
    ) {
        let start = out.len();
        self.raft.step(input, out);
        let (queue, log, released) = (&mut self.queue, &mut self.log, &mut self.released);
        let me = self.raft.me();
        let mut position = 0;
        out.retain_mut(|effect| {
            position += 1;
            if position <= start {
                return true;
            }
            match *effect {
                Effect::Write(write) => {
                    let first = if let Write::Append { first, .. } = write { first } else { 0 };
                    log.follow(&write, (first..).map(&entry));
                    queue.write();
                    true
                }
                Effect::AfterDisk { to, message } => match queue.after(Parcel { to, message }) {
                    Some(parcel) if parcel.to != me => {
                        *effect = Effect::Send { to, message };
                        true
                    }
                    Some(parcel) => {
                        released.push(parcel);
                        false
                    }
                    None => false,
                },
                // What a server says to itself never leaves it, in either lane.
                Effect::Send { to, message } if to == me => {
                    released.push(Parcel { to, message });
                    false
                }
                _ => true,
            }
        });
    }

    /// A message with another number of entries than it speaks of is bad input, and dropped.
    fn receive(
        &mut self,
        from: NodeId,
        message: Message,
        entries: &[Entry<C>],
        out: &mut Vec<Effect>,
    ) {
        let (before, count) = match message.body {
            Body::AppendEntries { prev, count, .. } => (prev.index, count as usize),
            _ => (0, 0),
        };
        if count != entries.len() || !message.is_well_formed() {
            return;
        }
        // A write that a message without entries causes is the no-op of the leader it elects.
        let entry = |index: Index| {
            let position = index.checked_sub(before + 1).and_then(|p| usize::try_from(p).ok());
            position.and_then(|p| entries.get(p)).cloned().unwrap_or(Entry::NoOp)
        };
        self.step_raft(raft::Input::Message { from, message }, entry, out);
    }

    fn propose(&mut self, commands: &[C], out: &mut Vec<Effect>) {
        let first = self.log.last() + 1;
        let count = u32::try_from(commands.len()).expect("a driver's batch is far below 2^32");
        let entry = |index: Index| Entry::Command(commands[(index - first) as usize].clone());
        self.step_raft(raft::Input::Propose { count }, entry, out);
    }

    /// Sends what the disk has released. What a server says to itself becomes an input, one at a time.
    fn deliver_released(&mut self, out: &mut Vec<Effect>) {
        let mut position = 0;
        while let Some(&Parcel { to, message }) = self.released.get(position) {
            position += 1;
            if to == self.raft.me() {
                let input = raft::Input::Message { from: to, message };
                self.step_raft(input, |_| Entry::NoOp, out);
            } else {
                out.push(Effect::Send { to, message });
            }
        }
        self.released.clear();
    }

    /// The same replica with every server's number changed by `name`: see [`Raft::renamed`].
    pub fn renamed(&self, name: &impl Fn(NodeId) -> NodeId, command: impl Fn(&C) -> C) -> Self {
        let me = name(self.raft.me());
        Self {
            raft: self.raft.renamed(name),
            log: self.log.mapped(command),
            queue: self.queue.mapped(
                |parcel| Parcel { to: name(parcel.to), message: parcel.message },
                |parcel| (parcel.to != me, parcel.to),
            ),
            released: Vec::new(),
        }
    }
}

impl<C: Clone, R: Rules> Machine for Replica<C, R> {
    type Input<'a>
        = Input<'a, C>
    where
        Self: 'a;
    type Effect = Effect;

    fn step(&mut self, input: Input<'_, C>, out: &mut Vec<Effect>) {
        match input {
            Input::Raft(raft::Input::Message { from, message }) => {
                self.receive(from, message, &[], out);
            }
            Input::Raft(raft::Input::Propose { .. }) => self.propose(&[], out),
            Input::Raft(input) => self.step_raft(input, |_| Entry::NoOp, out),
            Input::Message { from, message, entries } => self.receive(from, message, entries, out),
            Input::Propose(commands) => self.propose(commands, out),
            Input::Durable { writes } => self.queue.durable(writes, &mut self.released),
        }
        self.deliver_released(out);
        let (log, terms) = (self.log.last(), self.raft.last().index);
        assert_eq!(log, terms, "every term has its entry");
    }
}

impl<C: fmt::Debug, R> fmt::Debug for Replica<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.raft, self.log)?;
        if self.queue != Queue::default() {
            write!(f, " queue {:?}", self.queue)?;
        }
        Ok(())
    }
}
