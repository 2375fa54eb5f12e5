//! One client's connection, without its socket: bytes in, calls and replies out.
//!
//! ```text
//!   bytes ──► receive ──► calls ──► (the group, or this node's store)
//!                │                        │
//!   bytes ◄── output ◄──── answer ◄── outcomes
//! ```
//!
//! [`Session::receive`] takes what has arrived. What a command is, what it does to which keys, and what the client is
//! told of mistakes is decided here; commands about the connection or the node are answered at once, from a
//! [`View`]. The others become [`Asked`] calls. Their outcomes come back in any order through [`Session::answer`],
//! and the replies leave in the order of the commands.
//!
//! **Order.** A client that sends a SET and a GET in one go must see in the second what the first has written. Writes
//! of a session may be under way together, for the log keeps the order in which they were asked, and so may reads
//! (KV.WAIT is one). But a read is asked only when all writes before it are answered, and a write when all reads are.
//! A call that must wait is held, and nothing behind it is parsed.
//!
//! **Bounds.** When too much is under way or waits to be sent, nothing more is parsed, and [`Session::wants_more`] says
//! so: whoever owns the socket stops reading it, and the client's own buffers fill. A session then holds at most what
//! [`SessionLimits`] say, the command that it is in, and the reply that it is in.
//!
//! **Retries.** Clients send a command again by the first word of an error. So what may have been executed is never
//! answered with a word that says "again", and nobody closes the connection on it, which says the same: see
//! [`Outcome`].

mod access;
mod call;
mod clients;
mod cluster;
mod config;
mod flight;
mod form;
mod info;
mod keys;
mod local;
mod migrations;
mod multi;
mod once;
mod plan;
mod replies;
mod request;
mod strings;
mod text;

pub use access::{Access, Password, Port, SessionLimits, TOO_MANY_CLIENTS};
pub use call::{Answer, Asked, Call, NodeCall, Outcome, Query};
pub use clients::Filter;

use crate::resp::{Limits, Parser, Step};
use crate::view::View;
use local::{Client, Now};
use request::State;

/// One client's connection.
///
/// ```
/// # use quorate::session::{Asked, Session};
/// # use quorate::view::View;
/// /// What a loop over sockets does when `bytes` have come from a session's, or when it has room again.
/// fn turn(session: &mut Session, bytes: &[u8], view: &View, now_ms: u64) -> Vec<Asked> {
///     let mut calls = Vec::new();
///     session.receive(bytes, view, now_ms, &mut calls);
///     let written = session.output().len(); // To the socket, as far as it goes.
///     session.sent(written);
///     calls // To the group. Each outcome goes to `session.answer`, and what that adds goes the same way.
/// }
/// ```
#[derive(Debug)]
pub struct Session {
    parser: Parser,
    /// What has arrived.
    input: Vec<u8>,
    /// How much of it is parsed.
    parsed: usize,
    state: State,
    limits: SessionLimits,
    /// Whether the parser trusts the client, which may change with each command.
    trusted: bool,
}

/// Parsed bytes before which no input is moved.
const MOVED: usize = 64 * 1024;

impl Session {
    /// A connection that was just accepted, and its number, which is no other's. There may be output at once: a client
    /// that is not let in is told why.
    pub fn new(id: u64, access: Access, limits: SessionLimits, now_ms: u64) -> Self {
        let client = Client::new(id, access, limits.request.bulk_bytes(), now_ms);
        let trusted = client.authenticated;
        let request = if trusted { limits.request } else { Limits::BEFORE_AUTH };
        let (input, parsed) = (Vec::new(), 0);
        let state = State::new(client, limits);
        Self { parser: Parser::new(request), input, parsed, state, limits, trusted }
    }

    /// Takes bytes that have arrived; none, to go on after [`Session::sent`]. `now_ms` is the time of the day, in
    /// Unix milliseconds. Calls that are to be made are appended to `calls`.
    pub fn receive(&mut self, bytes: &[u8], view: &View, now_ms: u64, calls: &mut Vec<Asked>) {
        let now = Now { view, ms: now_ms };
        // Most of the time nothing is left over, and nothing needs to be copied.
        if self.input.is_empty() {
            let parsed = self.parse(bytes, now, calls);
            self.input.extend_from_slice(&bytes[parsed..]);
        } else {
            self.input.extend_from_slice(bytes);
            self.parse_input(now, calls);
        }
    }

    /// Takes the outcome of the call that was asked for this place. A place that waits for nothing is ignored.
    pub fn answer(
        &mut self,
        place: u64,
        outcome: Outcome,
        view: &View,
        now_ms: u64,
        calls: &mut Vec<Asked>,
    ) {
        let now = Now { view, ms: now_ms };
        self.state.answer(place, outcome, now, calls);
        self.parse_input(now, calls);
    }

    fn parse_input(&mut self, now: Now<'_>, calls: &mut Vec<Asked>) {
        let mut input = std::mem::take(&mut self.input);
        self.parsed += self.parse(&input[self.parsed..], now, calls);
        if self.parsed == input.len() {
            input.clear();
            self.parsed = 0;
            input.shrink_to(MOVED);
        } else if self.parsed > MOVED.max(input.len() / 2) {
            input.drain(..self.parsed);
            self.parsed = 0;
        }
        self.input = input;
    }

    /// Takes commands from the front of the input, as many as may be taken. How many bytes they are.
    fn parse(&mut self, input: &[u8], now: Now<'_>, calls: &mut Vec<Asked>) -> usize {
        let mut parsed = 0;
        while self.wants_more() {
            match self.parser.next(&input[parsed..]) {
                Ok(Step::Request(request)) => {
                    parsed += request.consumed();
                    self.state.request(&request, now, calls);
                }
                Ok(Step::Refused { consumed, refusal }) => {
                    parsed += consumed;
                    self.state.refuse(&refusal.to_string());
                }
                Ok(Step::More { consumed }) => return parsed + consumed,
                Err(error) => self.state.kill(&error.to_string()),
            }
            self.trust();
        }
        // Who is on the way out is not listened to.
        if self.state.is_closing() { input.len() } else { parsed }
    }

    /// Puts the limits in force that fit what is known of the client.
    fn trust(&mut self) {
        let trusted = self.state.client.authenticated;
        if trusted != self.trusted {
            self.trusted = trusted;
            let limits = if trusted { self.limits.request } else { Limits::BEFORE_AUTH };
            self.parser.set_limits(limits);
        }
    }

    /// Whether more bytes are wanted from the client. If not, don't read its socket.
    pub fn wants_more(&self) -> bool {
        self.state.wants_more()
    }

    /// What is to be sent to the client.
    pub fn output(&self) -> &[u8] {
        self.state.replies.output()
    }

    /// So many bytes of the output were sent. Then call [`Session::receive`], if need be without bytes.
    pub fn sent(&mut self, bytes: usize) {
        self.state.replies.sent(bytes);
    }

    /// Whether the connection is to be closed as soon as the output is sent.
    pub fn closes(&self) -> bool {
        self.state.is_closing() && self.state.replies.is_done()
    }

    /// Takes nothing more from the client; what was asked is still answered.
    pub fn end(&mut self) {
        self.state.close();
        self.input = Vec::new();
        self.parsed = 0;
    }

    /// How many calls are not answered.
    pub fn in_flight(&self) -> usize {
        self.state.in_flight()
    }

    /// About how many bytes the session holds: commands, calls and replies. For a bound on all sessions together.
    pub fn bytes(&self) -> usize {
        self.input.len() + self.state.bytes()
    }

    /// The client's line of CLIENT LIST, without its end.
    pub fn describe(&self, now_ms: u64) -> String {
        self.state.client.describe(now_ms)
    }

    /// The session's number.
    pub fn id(&self) -> u64 {
        self.state.client.id
    }

    fn client(&self) -> &Client {
        &self.state.client
    }
}
