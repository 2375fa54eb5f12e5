//! The replies of a session, in the order of its commands.
//!
//! Answers come in any order and wait here for those before them. An answer is not turned into bytes before there
//! is room for it in the output: until then it shares its values with the store, so that a client that reads slowly
//! holds little more than what it asked for.

use super::call::{Answer, Kind};
use super::form::Form;
use super::text;
use crate::commands::Command;
use crate::resp::{Protocol, Writer};
use std::collections::VecDeque;

/// A call that is not answered yet: what is known of its reply.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// The command, as errors name it.
    pub row: &'static Command,
    pub form: Form,
    /// What the client spoke when it asked.
    pub protocol: Protocol,
    /// Whether the reply is not sent.
    pub silent: bool,
    /// Whether asking again is harmless, because it was made exactly once.
    pub once: bool,
    /// The slot of its keys; 0 if it has none.
    pub slot: u16,
    pub kind: Kind,
    /// About how many bytes the call holds.
    pub bytes: usize,
}

#[derive(Debug)]
enum Entry {
    Asked(Expected),
    Answered(Expected, Answer),
    Told(Vec<u8>),
}

/// Invariant: the queue is empty or begins with a call that is not answered, or the output is full.
#[derive(Debug)]
pub(super) struct Replies {
    output: Vec<u8>,
    /// What of the output was sent.
    sent: usize,
    queue: VecDeque<Entry>,
    /// The place of the queue's first entry.
    first: u64,
    /// Bytes in the queue that are no longer waited for.
    ready_bytes: usize,
    output_bytes: usize,
    reply_bytes: usize,
}

/// Room that an empty output keeps.
const KEPT: usize = 16 * 1024;

impl Replies {
    pub(super) fn new(output_bytes: usize, reply_bytes: usize) -> Self {
        Self {
            output: Vec::new(),
            sent: 0,
            queue: VecDeque::new(),
            first: 0,
            ready_bytes: 0,
            output_bytes,
            reply_bytes,
        }
    }

    /// Appends a reply that is known. One that is not sent is written too, for what writes it may do more.
    pub(super) fn tell(&mut self, silent: bool, write: impl FnOnce(&mut Vec<u8>)) {
        if silent {
            return write(&mut Vec::new());
        }
        if self.queue.is_empty() {
            return write(&mut self.output);
        }
        if !matches!(self.queue.back(), Some(Entry::Told(_))) {
            self.queue.push_back(Entry::Told(Vec::new()));
        }
        if let Some(Entry::Told(bytes)) = self.queue.back_mut() {
            let before = bytes.len();
            write(bytes);
            self.ready_bytes += bytes.len() - before;
        }
    }

    /// Keeps a place for the reply to a call.
    pub(super) fn expect(&mut self, expected: Expected) -> u64 {
        self.queue.push_back(Entry::Asked(expected));
        self.first + self.queue.len() as u64 - 1
    }

    /// What is expected at a place; None if nothing is.
    pub(super) fn expected(&self, place: u64) -> Option<&Expected> {
        match self.queue.get(self.index(place)?)? {
            Entry::Asked(expected) => Some(expected),
            _ => None,
        }
    }

    fn index(&self, place: u64) -> Option<usize> {
        usize::try_from(place.checked_sub(self.first)?).ok()
    }

    /// Puts an answer, or an error, in its place.
    pub(super) fn answer(&mut self, place: u64, outcome: Result<Answer, text::Text>) {
        let entry = self.index(place).and_then(|index| self.queue.get_mut(index));
        let Some(entry @ Entry::Asked(_)) = entry else { return };
        let Entry::Asked(expected) = std::mem::replace(entry, Entry::Told(Vec::new())) else {
            return;
        };
        let limit = self.reply_bytes;
        let outcome = outcome.and_then(|answer| {
            let bytes = answer.bytes();
            if bytes > limit { Err(text::long_reply(bytes, limit)) } else { Ok(answer) }
        });
        match outcome {
            _ if expected.silent => {}
            Ok(answer) => {
                self.ready_bytes += answer.bytes();
                *entry = Entry::Answered(expected, answer);
            }
            Err(text) => {
                let mut bytes = Vec::new();
                Writer::new(&mut bytes, expected.protocol).error(text.as_bytes());
                self.ready_bytes += bytes.len();
                *entry = Entry::Told(bytes);
            }
        }
        self.write();
    }

    /// Puts a reply in its place that has no form: what writes it knows the words.
    pub(super) fn tell_at(&mut self, place: u64, write: impl FnOnce(&mut Writer<'_>)) {
        let entry = self.index(place).and_then(|index| self.queue.get_mut(index));
        let Some(entry @ Entry::Asked(_)) = entry else { return };
        let Entry::Asked(expected) = std::mem::replace(entry, Entry::Told(Vec::new())) else {
            return;
        };
        if !expected.silent {
            let mut bytes = Vec::new();
            write(&mut Writer::new(&mut bytes, expected.protocol));
            self.ready_bytes += bytes.len();
            *entry = Entry::Told(bytes);
        }
        self.write();
    }

    /// Writes what is at hand and next, while there is room.
    fn write(&mut self) {
        while self.output.len() - self.sent < self.output_bytes {
            match self.queue.front() {
                None | Some(Entry::Asked(_)) => return,
                Some(Entry::Answered(expected, answer)) => {
                    let mut writer = Writer::new(&mut self.output, expected.protocol);
                    expected.form.write(expected.row, answer, &mut writer);
                    self.ready_bytes -= answer.bytes();
                }
                Some(Entry::Told(bytes)) => {
                    self.output.extend_from_slice(bytes);
                    self.ready_bytes -= bytes.len();
                }
            }
            self.queue.pop_front();
            self.first += 1;
        }
    }

    /// What is to be sent.
    pub(super) fn output(&self) -> &[u8] {
        &self.output[self.sent..]
    }

    /// So many bytes of it were sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent = (self.sent + bytes).min(self.output.len());
        if self.sent == self.output.len() {
            self.output.clear();
            self.output.shrink_to(KEPT);
            self.sent = 0;
        } else if self.sent > self.output.len() / 2 {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
        self.write();
    }

    /// Whether no more should be asked before the client has read.
    pub(super) fn is_full(&self) -> bool {
        self.output.len() - self.sent + self.ready_bytes >= self.output_bytes
    }

    /// About how many bytes are held.
    pub(super) fn bytes(&self) -> usize {
        self.output.len() + self.ready_bytes
    }

    /// Whether every command has its reply in the output.
    pub(super) fn is_done(&self) -> bool {
        self.queue.is_empty()
    }
}
