//! What clients did and what they were told, in the order in which it happened.

use std::collections::BTreeMap;
use thiserror::Error;

/// When something happened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Event {
    /// Its place among all events, from 1 on: in a file, its line. This is the order that counts.
    pub number: usize,
    /// The time, in microseconds since the beginning of the history.
    pub time_us: u64,
}

/// What the client of a call was told.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Told<R> {
    /// It was executed, with this reply. A refusal that depends on the object's state is a reply too.
    Reply(R),
    /// The service says that it was executed once or not at all, and that nobody knows which.
    Maybe,
    /// Nothing that says whether it was executed: no answer in time, or a broken connection.
    Unknown,
    /// It was not executed and never will be.
    NotExecuted,
}

/// A call with its end.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Operation<O, R> {
    /// Who called.
    pub client: u64,
    /// What.
    pub op: O,
    /// When.
    pub call: Event,
    /// When the client was told, and what. None if the call was open when the history ended.
    pub end: Option<(Event, Told<R>)>,
}

impl<O, R> Operation<O, R> {
    /// The reply, if there was one.
    pub const fn reply(&self) -> Option<&R> {
        match &self.end {
            Some((_, Told::Reply(reply))) => Some(reply),
            _ => None,
        }
    }

    /// Whether it was not executed for sure.
    pub const fn was_dropped(&self) -> bool {
        matches!(self.end, Some((_, Told::NotExecuted)))
    }

    /// Whether nobody knows if it was executed.
    pub const fn is_pending(&self) -> bool {
        matches!(self.end, None | Some((_, Told::Maybe | Told::Unknown)))
    }
}

/// An event that cannot come next.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Disorder {
    /// A client with two calls at once.
    #[error(
        "client {client} calls, but its call of event {since} is open: a client has one call at a time, \
         and one that gives up returns with `unknown` first"
    )]
    TwoCalls {
        /// The client.
        client: u64,
        /// The event of its open call.
        since: usize,
    },
    /// A return without a call.
    #[error("client {client} returns, but has no call open")]
    NoCall {
        /// The client.
        client: u64,
    },
    /// Time went back.
    #[error(
        "time_us {time_us} is before {before}, the time of the event above: events stand in their order"
    )]
    TimeFell {
        /// The event's time.
        time_us: u64,
        /// The time of the event before it.
        before: u64,
    },
}

/// A history.
///
/// Invariant: `operations` are in the order of their calls, and `open` has those without an end, by client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct History<O, R> {
    operations: Vec<Operation<O, R>>,
    open: BTreeMap<u64, usize>,
    events: usize,
    last_us: u64,
}

impl<O, R> Default for History<O, R> {
    fn default() -> Self {
        Self { operations: Vec::new(), open: BTreeMap::new(), events: 0, last_us: 0 }
    }
}

impl<O, R> History<O, R> {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client calls. The number of the operation.
    ///
    /// # Errors
    /// If it has a call open, or time goes back. Nothing is noted then.
    pub fn call(&mut self, client: u64, time_us: u64, op: O) -> Result<usize, Disorder> {
        if let Some(&open) = self.open.get(&client) {
            return Err(Disorder::TwoCalls { client, since: self.operations[open].call.number });
        }
        let call = self.next_event(time_us)?;
        let number = self.operations.len();
        self.open.insert(client, number);
        self.operations.push(Operation { client, op, call, end: None });
        Ok(number)
    }

    /// A client is told how its call ended. The number of the operation.
    ///
    /// # Errors
    /// If it has no call open, or time goes back. Nothing is noted then.
    pub fn end(&mut self, client: u64, time_us: u64, told: Told<R>) -> Result<usize, Disorder> {
        let &number = self.open.get(&client).ok_or(Disorder::NoCall { client })?;
        let event = self.next_event(time_us)?;
        self.open.remove(&client);
        self.operations[number].end = Some((event, told));
        Ok(number)
    }

    fn next_event(&mut self, time_us: u64) -> Result<Event, Disorder> {
        if time_us < self.last_us {
            return Err(Disorder::TimeFell { time_us, before: self.last_us });
        }
        self.last_us = time_us;
        self.events += 1;
        Ok(Event { number: self.events, time_us })
    }

    /// The operation that a client has open.
    pub fn open(&self, client: u64) -> Option<&Operation<O, R>> {
        self.open.get(&client).map(|&number| &self.operations[number])
    }

    /// The operations, in the order of their calls. Their numbers count from 0.
    pub fn operations(&self) -> &[Operation<O, R>] {
        &self.operations
    }

    /// The same calls and ends with what is said in them changed: for tests that spoil a history.
    pub fn operations_mut(&mut self) -> impl Iterator<Item = (&mut O, Option<&mut Told<R>>)> {
        self.operations.iter_mut().map(|operation| {
            let told = operation.end.as_mut().map(|(_, told)| told);
            (&mut operation.op, told)
        })
    }

    /// How many events there are.
    pub const fn events(&self) -> usize {
        self.events
    }

    /// The time of the last event, in microseconds.
    pub const fn last_us(&self) -> u64 {
        self.last_us
    }
}
