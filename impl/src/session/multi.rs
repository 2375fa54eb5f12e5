//! MULTI, EXEC and WATCH: commands are collected and asked as one transaction.
//!
//! What is wrong with a command before it would be queued spoils the transaction, and EXEC then does nothing. What
//! only its arguments mean wrongly is an error in its place, and the others are executed: so it is in Redis.
//!
//! WATCH asks for the keys' versions, which EXEC sends along; they are compared when the transaction is applied,
//! whoever leads by then. A WATCH that was not answered with versions guards nothing, so the next EXEC is aborted.

use super::call::{Answer, Call, size};
use super::form::{Form, Part};
use super::plan;
use crate::commands::Command;
use protocol::kv::{Bytes, Op, Seen, SlotId, Transaction};

/// A command behind MULTI.
#[derive(Debug)]
enum Queued {
    /// Its reply is known.
    Told(Vec<u8>),
    /// It has the next operations.
    Ops { row: &'static Command, form: Form, ops: usize },
    /// The session answers it when the transaction is executed.
    Local { row: &'static Command, args: Vec<Vec<u8>> },
}

/// The commands since MULTI.
#[derive(Debug, Default)]
struct Open {
    commands: Vec<Queued>,
    ops: Vec<(Bytes, Op)>,
    bytes: usize,
    spoiled: bool,
}

/// The transaction of a session.
#[derive(Debug, Default)]
pub(super) struct Multi {
    open: Option<Open>,
    watched: Vec<(Bytes, Seen)>,
    watched_bytes: usize,
    /// WATCHes that are not answered.
    asked: usize,
    /// A WATCH has failed.
    unguarded: bool,
    /// Counts how often watching has begun anew, so that a late answer is known as such.
    round: u64,
}

/// What an EXEC comes to.
pub(super) enum Exec {
    /// There was no MULTI.
    Without,
    /// It is not to be executed.
    Abort,
    /// The keys are in several slots.
    CrossSlot,
    /// It is asked.
    Ask { call: Call, form: Form, slot: SlotId },
    /// There is nothing to ask: the replies.
    Told(Vec<Part>),
}

/// What a queued command takes beside its bytes.
const FIXED: usize = 64;

impl Multi {
    /// Whether MULTI was said.
    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// MULTI. False if it was said before.
    pub(super) fn open(&mut self) -> bool {
        let fresh = self.open.is_none();
        self.open.get_or_insert_default();
        fresh
    }

    /// DISCARD, and the end of EXEC: nothing is queued or watched any more. False without a MULTI.
    pub(super) fn discard(&mut self) -> bool {
        self.unwatch();
        self.open.take().is_some()
    }

    /// UNWATCH.
    pub(super) fn unwatch(&mut self) {
        self.watched = Vec::new();
        (self.watched_bytes, self.asked, self.unguarded) = (0, 0, false);
        self.round += 1;
    }

    /// A command could not be queued: there will be no EXEC.
    pub(super) fn spoil(&mut self) {
        if let Some(open) = &mut self.open {
            open.spoiled = true;
            open.commands = Vec::new();
            open.ops = Vec::new();
        }
    }

    fn queue(&mut self, command: Queued, bytes: usize) {
        if let Some(open) = self.open.as_mut().filter(|open| !open.spoiled) {
            open.bytes += FIXED + bytes;
            open.commands.push(command);
        }
    }

    /// Queues a command whose reply is known.
    pub(super) fn queue_told(&mut self, bytes: Vec<u8>) {
        let length = bytes.len();
        self.queue(Queued::Told(bytes), length);
    }

    /// Queues a command that the session will answer.
    pub(super) fn queue_local(&mut self, row: &'static Command, args: Vec<Vec<u8>>) {
        let bytes = args.iter().map(|argument| FIXED + argument.len()).sum();
        self.queue(Queued::Local { row, args }, bytes);
    }

    /// Queues a command's operations.
    pub(super) fn queue_ops(&mut self, row: &'static Command, ops: Vec<(Bytes, Op)>, form: Form) {
        let bytes = ops.iter().map(|(key, op)| size(key, op)).sum();
        self.queue(Queued::Ops { row, form, ops: ops.len() }, bytes);
        if let Some(open) = self.open.as_mut().filter(|open| !open.spoiled) {
            open.ops.extend(ops);
        }
    }

    /// About how many bytes are queued and watched.
    pub(super) fn bytes(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.bytes) + self.watched_bytes
    }

    /// A WATCH is asked: how its answer is known.
    pub(super) fn watch(&mut self, keys: Vec<Bytes>) -> Form {
        self.asked += 1;
        self.watched_bytes += keys.iter().map(|key| FIXED + key.as_ref().len()).sum::<usize>();
        Form::Watched { keys, round: self.round }
    }

    /// A WATCH was refused.
    pub(super) const fn unguard(&mut self) {
        self.unguarded = true;
    }

    /// What a WATCH came to; None if it was not answered.
    pub(super) fn watched(&mut self, form: &Form, answer: Option<&Answer>) {
        let Form::Watched { keys, round } = form else { return };
        if *round != self.round {
            return;
        }
        self.asked -= 1;
        let Some(Answer::Seen(seen)) = answer else {
            self.unguarded = true;
            return;
        };
        self.watched.extend(keys.iter().cloned().zip(seen.iter().copied()));
    }

    /// Whether an EXEC must wait for a WATCH.
    pub(super) const fn waits(&self) -> bool {
        self.open.is_some() && self.asked > 0
    }

    /// EXEC. `tell` answers a command that the session answers.
    pub(super) fn exec(
        &mut self,
        mut tell: impl FnMut(&'static Command, &Vec<Vec<u8>>) -> Vec<u8>,
    ) -> Exec {
        let watched = std::mem::take(&mut self.watched);
        let unguarded = self.unguarded;
        let Some(open) = self.open.take() else {
            self.watched = watched;
            return Exec::Without;
        };
        self.unwatch();
        if open.spoiled || unguarded {
            return Exec::Abort;
        }
        let parts = open.commands.into_iter().map(|command| match command {
            Queued::Told(bytes) => Part::Told(bytes),
            Queued::Local { row, args } => Part::Told(tell(row, &args)),
            Queued::Ops { row, form, ops } => Part::Replies { row, form, ops },
        });
        let parts = parts.collect();
        if open.ops.is_empty() && watched.is_empty() {
            return Exec::Told(parts);
        }
        let transaction = Transaction { watched, ops: open.ops, once: None };
        let Ok(slot) = transaction.slot() else { return Exec::CrossSlot };
        let slot = slot.unwrap_or_default();
        Exec::Ask { call: plan::transaction(transaction), form: Form::Exec(parts), slot }
    }
}
