//! The labs' network between servers.
//!
//! The labs' servers call each other: a request and its reply are one RPC. Ours send messages, and a message is no
//! call, so they are mapped like this:
//!
//! - **Requests** are AppendEntries, Heartbeat, RequestVote, PreVote, InstallSnapshot and ReadIndex; everything else
//!   answers one of them and counts as its reply. So what the labs' limits count, RPCs, is counted here as requests:
//!   those that arrived, per server; those that were sent, in all. A lab's empty AppendEntries is our Heartbeat.
//! - **Unreliable**: a request is lost in 1 of 10 cases and takes 0 to 26 ms; a reply is lost in 1 of 10.
//! - **Long reordering**: 2 of 3 replies are held for 200 ms to 2.2 s, about 700 ms on average.
//! - **Cut**: a way is cut for a request when it is sent or while it travels; for a reply when it is sent. A held
//!   reply comes even if the way is cut meanwhile, as the labs' does.
//! - **Dead ends.** The labs' caller is told after up to 7 s that its call failed. Nobody waits here: a message into
//!   a cut is gone, and counted among the requests as the labs do.
//! - **Reliable** messages take a little, each by itself: so two of them may change places, as the labs' goroutines do.
//! - **Bytes** are those of the product's frames (`impl/src/peer/frame.rs`): nine in front, entries, the message with
//!   its numbers in groups of seven bits, one behind.

use super::harsh::{Fate, Harsh, OUTSIDE};
use crate::sim::event::{Command, Packet};
use crate::sim::net::Carrier;
use crate::sim::random::Random;
use protocol::log::Entry;
use protocol::raft::{Body, Message};
use protocol::{LogId, NodeId};
use std::cell::RefCell;
use std::rc::Rc;

/// What a message takes when nothing holds it, in microseconds.
const USUAL_US: (u64, u64) = (60, 200);
/// Losses of an unreliable network, of a million.
pub const LOSS: u32 = 100_000;
/// A request of an unreliable network takes up to so many milliseconds.
pub const DELAY_MS: u64 = 26;
/// Replies that are held, of a million.
const HELD: u32 = 666_667;

/// The labs' network, and what it has counted.
#[derive(Debug)]
pub struct Wire {
    servers: usize,
    open: Vec<bool>,
    /// Whether nothing is lost or late.
    pub reliable: bool,
    /// Whether most replies are held for long.
    pub reordering: bool,
    /// What the labs' network never does.
    pub harsh: Option<Harsh>,
    /// Requests that arrived, by server.
    pub arrived: Vec<u64>,
    /// Requests that were sent.
    pub requests: u64,
    /// Bytes: of requests when they are sent, of replies when they arrive.
    pub bytes: u64,
    /// Messages, and requests from outside, that it made from others.
    pub copies: u64,
}

/// A wire that the simulator and a bed share.
pub type Shared = Rc<RefCell<Wire>>;

impl Wire {
    /// Between so many servers: everybody reaches everybody.
    pub fn new(servers: usize) -> Self {
        Self {
            servers,
            open: vec![true; servers * servers],
            reliable: true,
            reordering: false,
            harsh: None,
            arrived: vec![0; servers],
            requests: 0,
            bytes: 0,
            copies: 0,
        }
    }

    fn way(&self, from: NodeId, to: NodeId) -> usize {
        usize::from(from.0) * self.servers + usize::from(to.0)
    }

    /// Opens or cuts a way.
    pub fn link(&mut self, from: NodeId, to: NodeId, open: bool) {
        let way = self.way(from, to);
        self.open[way] = open;
    }

    /// How long a request from outside takes, in microseconds; None: it is lost.
    pub fn takes_outside(&mut self, to: NodeId, now: u64, random: &mut Random) -> Option<u64> {
        self.requests += 1;
        let usual = random.between(USUAL_US.0, USUAL_US.1);
        let usual = usual + self.held(now, (OUTSIDE, to.0))?;
        match self.reliable {
            true => Some(usual),
            false if random.chance(LOSS) => None,
            false => Some(usual + random.between(0, DELAY_MS) * 1000),
        }
    }

    /// Whether an answer of a server to somebody outside is lost.
    pub fn loses_answer(&mut self, from: NodeId, now: u64, random: &mut Random) -> bool {
        let lost = !self.reliable && random.chance(LOSS);
        lost || self.held(now, (from.0, OUTSIDE)).is_none()
    }

    /// How long the harsh network holds a message, in microseconds; None: it loses it.
    fn held(&mut self, now: u64, way: (u8, u8)) -> Option<u64> {
        match self.harsh.as_mut().map(|harsh| harsh.fate(now, way)) {
            None | Some(Fate::Passes) => Some(0),
            Some(Fate::Late(us)) => Some(us),
            Some(Fate::Lost) => None,
        }
    }

    /// How much later a copy of a message comes, if there is one, in microseconds.
    pub fn copy_after(&mut self) -> Option<u64> {
        let later = self.harsh.as_mut()?.copy_after()?;
        self.copies += 1;
        Some(later)
    }

    /// A message is sent now: how long it takes, in microseconds; None: it is lost.
    pub fn carries(&mut self, letter: Letter, now: u64, random: &mut Random) -> Option<u64> {
        let Letter { from, to, is_request, bytes } = letter;
        let usual = random.between(USUAL_US.0, USUAL_US.1);
        if is_request {
            self.requests += 1;
            self.bytes += bytes;
        }
        if !self.open[self.way(from, to)] || !self.reliable && random.chance(LOSS) {
            return None;
        }
        let usual = usual + self.held(now, (from.0, to.0))?;
        if is_request && !self.reliable {
            return Some(usual + random.between(0, DELAY_MS) * 1000);
        }
        if !is_request && self.reordering && random.chance(HELD) {
            let more = random.below(2000);
            return Some((200 + random.below(more + 1)) * 1000);
        }
        Some(usual)
    }

    /// A message arrives, unless it does not after all.
    pub fn lets_in(&mut self, letter: Letter) -> bool {
        let Letter { from, to, is_request, bytes } = letter;
        if !is_request {
            self.bytes += bytes;
            return true;
        }
        let open = self.open[self.way(from, to)];
        self.arrived[usize::from(to.0)] += u64::from(open);
        open
    }
}

/// What a wire knows of a message.
#[derive(Clone, Copy, Debug)]
pub struct Letter {
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// Whether it asks for something, as opposed to an answer.
    pub is_request: bool,
    /// How long its frame is.
    pub bytes: u64,
}

/// The simulator's side of a wire.
#[derive(Debug)]
pub struct End {
    wire: Shared,
    /// How many servers of others the wire has in front of these.
    first: u8,
}

impl End {
    /// Of all servers of a wire.
    pub fn new(wire: &Shared) -> Self {
        Self::behind(wire, 0)
    }

    /// Of the servers behind so many others.
    pub fn behind(wire: &Shared, first: u8) -> Self {
        Self { wire: Rc::clone(wire), first }
    }

    fn letter(&self, packet: &Packet) -> Letter {
        let Packet { from, to, message, .. } = *packet;
        let (from, to) = (NodeId(self.first + from.0), NodeId(self.first + to.0));
        Letter { from, to, is_request: message.body.is_request(), bytes: frame_bytes(packet) }
    }
}

impl Carrier for End {
    fn carries(&mut self, packet: &Packet, now: u64, random: &mut Random) -> Option<u64> {
        self.wire.borrow_mut().carries(self.letter(packet), now, random)
    }

    fn carries_again(&mut self) -> Option<u64> {
        self.wire.borrow_mut().copy_after()
    }

    fn lets_in(&mut self, packet: &Packet) -> bool {
        self.wire.borrow_mut().lets_in(self.letter(packet))
    }
}

/// How long a message's frame is, with what it carries.
fn frame_bytes(packet: &Packet) -> u64 {
    let entry = |entry: &Entry<Command>| match entry {
        Entry::NoOp => 1,
        Entry::Command(command) => 5 + command.bytes(),
    };
    let file = packet.file.as_ref().map_or(0, |file| file.len() as u64);
    10 + packet.entries.iter().map(entry).sum::<u64>() + message_bytes(&packet.message) + file
}

fn message_bytes(message: &Message) -> u64 {
    let number = |number: u64| u64::from((u64::BITS - number.leading_zeros()).div_ceil(7)).max(1);
    let id = |LogId { term, index }: LogId| number(term) + number(index);
    let body = match message.body {
        Body::PreVote { last } | Body::RequestVote { last } => id(last),
        Body::AppendEntries { prev, run, count, commit } => {
            id(prev) + number(run) + number(count.into()) + number(commit)
        }
        Body::Accepted { matched } => number(matched),
        Body::Rejected { prev, hint } => number(prev) + id(hint),
        Body::Heartbeat { commit, round } => number(commit) + number(round),
        Body::Alive { round } => number(round),
        Body::InstallSnapshot { id: snapshot } => id(snapshot.last) + number(snapshot.runs),
        Body::ReadIndex { id } => number(id.0),
        Body::ReadGranted { id, index } => number(id.0) + number(index),
        Body::PreVoteGranted | Body::VoteGranted | Body::Outdated => 0,
    };
    number(message.term) + 1 + body
}
