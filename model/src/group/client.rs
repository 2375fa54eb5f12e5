//! The clients: outside the servers, with the shared clerk, and with small programs.

use super::shelf::Call;
use protocol::kv::clerk::{self, Clerk, Outcome, Request};
use protocol::kv::{Bytes, ClientId, Deadline, Exact, Op, Reply, StringOp, Version, When};
use protocol::{Machine, NodeId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a client does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// Nothing.
    Nothing,
    /// Reads.
    Gets,
    /// Reads twice.
    GetsTwice,
    /// Appends once.
    Appends,
    /// Appends twice.
    AppendsTwice,
    /// Appends and reads.
    AppendsGets,
    /// Writes whatever is there.
    Sets,
    /// Creates the key, then writes over what it created.
    Puts,
    /// Reads and writes over what it saw.
    GetsPuts,
    /// Appends once, without a record: executed twice, it would show.
    Bare,
    /// Writes for a millisecond, and reads.
    SetsForGets,
}

#[derive(Clone, Copy)]
enum Do {
    Get,
    Set,
    Append,
    /// Over version 0.
    Create,
    /// Over the version that was seen last.
    Put,
    /// For a millisecond.
    SetFor,
}

impl Program {
    const fn steps(self) -> &'static [Do] {
        match self {
            Self::Nothing => &[],
            Self::Gets => &[Do::Get],
            Self::GetsTwice => &[Do::Get, Do::Get],
            Self::Appends => &[Do::Append],
            Self::AppendsTwice => &[Do::Append, Do::Append],
            Self::AppendsGets => &[Do::Append, Do::Get],
            Self::Sets => &[Do::Set],
            Self::Puts => &[Do::Create, Do::Put],
            Self::GetsPuts => &[Do::Get, Do::Put],
            Self::Bare => &[Do::Append],
            Self::SetsForGets => &[Do::SetFor, Do::Get],
        }
    }
}

/// A client.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Client {
    number: u8,
    clerk: Clerk<Exact>,
    program: Program,
    /// How many steps of the program have begun.
    begun: usize,
    /// The version that the last reply showed.
    seen: Version,
}

/// What a client does in a step.
#[derive(Default)]
pub(super) struct Moves {
    /// It sends this; its clerk would choose that server.
    pub sends: Option<(NodeId, Request)>,
    /// Its call is over.
    pub done: Option<Outcome>,
}

impl Client {
    pub(super) fn new(number: u8, program: Program, servers: usize, record_puts: bool) -> Self {
        let client = ClientId(u128::from(number) + 1);
        let config = clerk::Config { client, servers: servers as u8, record_puts };
        Self { number, clerk: Clerk::new(Exact, config), program, begun: 0, seen: 0 }
    }

    /// The call that is under way or was the latest.
    pub(super) const fn call(&self) -> Call {
        (self.number, self.clerk.seq())
    }

    /// Whether an answer is awaited.
    pub const fn is_busy(&self) -> bool {
        self.clerk.is_busy()
    }

    /// How often the call that is under way was sent.
    pub fn attempts(&self) -> u32 {
        self.clerk.attempts()
    }

    /// Whether its program has a step left, and nothing is under way.
    pub fn may_call(&self) -> bool {
        !self.is_busy() && self.has_more()
    }

    /// Whether its program goes on behind the call that is under way.
    pub const fn has_more(&self) -> bool {
        self.begun < self.program.steps().len()
    }

    /// The next step of the program: what is called.
    pub(super) fn next(&mut self) -> (Bytes, Op, Moves) {
        let step = self.program.steps()[self.begun];
        self.begun += 1;
        let key = Bytes::from("x");
        // Everyone writes its own letter, so that it shows whose write it was.
        let value = Bytes::from(&[b'a' + self.number * 2 + self.begun as u8 - 1][..]);
        let op = match step {
            Do::Get => Op::Get,
            Do::Set => Op::Set { value },
            Do::Append => Op::Append { value },
            Do::Create => Op::Put { value, expected: 0 },
            Do::Put => Op::Put { value, expected: self.seen },
            Do::SetFor => {
                let deadline = Deadline::In(1);
                Op::String(StringOp::Set { value, when: When::Always, deadline, get: false })
            }
        };
        let mut moves = self.step(clerk::Input::Call { key: key.clone(), op: op.clone() });
        if self.program == Program::Bare {
            moves.sends.iter_mut().for_each(|(_, request)| request.command.once = None);
        }
        (key, op, moves)
    }

    pub(super) fn step(&mut self, input: clerk::Input) -> Moves {
        let mut effects = Vec::new();
        self.clerk.step(input, &mut effects);
        let mut moves = Moves::default();
        for effect in effects {
            match effect {
                clerk::Effect::Send { to, request } => moves.sends = Some((to, request)),
                clerk::Effect::Done(outcome) => {
                    match &outcome {
                        Outcome::Reply(
                            Reply::Value { version, .. } | Reply::Written { version },
                        ) => self.seen = *version,
                        Outcome::Reply(Reply::NoKey) => self.seen = 0,
                        _ => {}
                    }
                    moves.done = Some(outcome);
                }
                clerk::Effect::ArmRetry | clerk::Effect::DisarmRetry => {}
                clerk::Effect::Busy => panic!("a client makes one call at a time"),
            }
        }
        moves
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.program.steps().len();
        write!(f, "c{} {:?} · step {} of {of}", self.number, self.clerk, self.begun)
    }
}
