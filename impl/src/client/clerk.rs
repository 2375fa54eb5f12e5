//! The labs' client. `protocol::kv::clerk` decides; this is its driver: one call at a time, on blocking sockets.
//!
//! The machine's `Retry` timer is the end of the wait for an answer. If it is known before that no answer will come,
//! for the connection broke or the server said so, the timer fires after a short pause. An answer that is late finds
//! its connection closed, so the machine never hears of it: to it such a copy is one that may yet be executed, which
//! is true.
//!
//! A call that takes too long is given up, and the client begins anew with another id, for a copy of the call may still
//! arrive somewhere. The same when the server has dropped what it knew of the client; a call that was turned away for
//! that was not executed, and is made once more.

use super::links::{Exchange, Links, SERVERS};
use super::wire::{self, Said};
use super::{Address, Broken, Error, Options, id};
use protocol::kv::clerk::{Answer, Clerk as Machine, Config, Effect, Input, Outcome, Request};
use protocol::kv::{Bytes, Deadline, Exact, KeyOp, Op, Reply, StringOp, Version, When};
use protocol::{Machine as _, NodeId};
use std::time::{Duration, Instant};

/// A key's value, and its version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Value {
    /// The value.
    pub bytes: Vec<u8>,
    /// Its version: greater with each write, and never the same again.
    pub version: Version,
}

/// What a Put with a version came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Put {
    /// Written; the key has this version now.
    Written(Version),
    /// The key has another version. Nothing was written, now or ever.
    VersionMismatch,
    /// The key is not there, and a version was expected. Nothing was written, now or ever.
    NoKey,
    /// It was executed once, or it was not and never will be. Look. Only said when an answer was lost.
    Maybe,
}

/// A client of the store. It is for one thread; each thread makes its own.
#[derive(Debug)]
pub struct Clerk {
    machine: Machine<Exact>,
    links: Links,
    /// The server that was asked last.
    server: NodeId,
    /// When calls are given up at the latest.
    limit: Option<Instant>,
    effects: Vec<Effect>,
}

/// Pauses before a call is sent again begin with this, and double.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause.
const LAST_PAUSE: Duration = Duration::from_millis(250);
/// How often in a row a call goes where a server sends it, before there is a pause.
const REDIRECTIONS: u32 = 3;
/// How often a call is made anew for a client that the server has forgotten.
const ANEW: u32 = 3;

/// A call that is under way.
#[derive(Debug)]
struct Attempt {
    begun: Instant,
    /// What is to be sent, and to whom.
    send: Option<(NodeId, Request)>,
    outcome: Option<Outcome>,
    pause: Duration,
    redirections: u32,
    /// Whether some copy of it may have been executed, for all that is known here.
    open: bool,
    /// What was in the way last.
    trouble: String,
}

impl Attempt {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            send: None,
            outcome: None,
            pause: FIRST_PAUSE,
            redirections: 0,
            open: false,
            trouble: "no server was asked".into(),
        }
    }

    fn pause(&mut self) {
        std::thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(LAST_PAUSE);
    }
}

impl Clerk {
    /// A clerk for the cluster that these addresses belong to: of plain ports, of cluster ports, or some of each. One
    /// server is asked for the others; if nobody answers yet, the first call tries again.
    ///
    /// # Errors
    /// If there is no address, or the server does not let this client in.
    pub fn connect(addresses: &[Address], options: Options) -> Result<Self, Error> {
        let mut links = Links::new(addresses.to_vec(), options)?;
        if let [_] = addresses {
            match super::status::others(&mut links) {
                Err(Error::Broken(refused @ Broken::Refused { .. })) => return Err(refused.into()),
                Err(_) => {}
                Ok(others) => others.into_iter().for_each(|other| {
                    links.number(other);
                }),
            }
        }
        let machine = Self::machine(&links)?;
        Ok(Self { machine, links, server: NodeId(0), limit: None, effects: Vec::new() })
    }

    fn machine(links: &Links) -> Result<Machine<Exact>, Error> {
        let record_puts = links.options().record_puts;
        let config = Config { client: id::fresh()?, servers: SERVERS, record_puts };
        Ok(Machine::new(Exact, config))
    }

    /// The servers that it knows.
    pub fn servers(&self) -> Vec<Address> {
        self.links.addresses()
    }

    pub(super) const fn links(&mut self) -> (&mut Links, NodeId) {
        (&mut self.links, self.server)
    }

    /// Gives up calls at this time, whatever patience there is else.
    pub(super) const fn limit(&mut self, limit: Option<Instant>) {
        self.limit = limit;
    }

    pub(super) fn asked(&mut self, server: NodeId) {
        self.server = server;
    }

    /// A key's value and version; None if it is not there.
    ///
    /// # Errors
    /// If no server answers in time, or refuses.
    pub fn get(&mut self, key: impl AsRef<[u8]>) -> Result<Option<Value>, Error> {
        match self.reply(key.as_ref(), Op::Get)? {
            Reply::Value { value, version } => Ok(Some(Value { bytes: value.into(), version })),
            Reply::NoKey => Ok(None),
            other => Err(unexpected(&other)),
        }
    }

    /// Writes if the key has this version, 0 for a key that is not there (2025's Put).
    ///
    /// # Errors
    /// If no server answers in time, or refuses.
    pub fn put(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        version: Version,
    ) -> Result<Put, Error> {
        let op = Op::Put { value: value.as_ref().into(), expected: version };
        match self.execute(key.as_ref().into(), op)? {
            Outcome::Reply(Reply::Written { version }) => Ok(Put::Written(version)),
            Outcome::Reply(Reply::VersionMismatch) => Ok(Put::VersionMismatch),
            Outcome::Reply(Reply::NoKey) => Ok(Put::NoKey),
            Outcome::Reply(other) => Err(unexpected(&other)),
            Outcome::Maybe => Ok(Put::Maybe),
        }
    }

    /// Writes whatever was there, exactly once (2024's Put). The new version.
    ///
    /// # Errors
    /// If no server answers in time, or refuses.
    pub fn set(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<Version, Error> {
        match self.reply(key.as_ref(), Op::Set { value: value.as_ref().into() })? {
            Reply::Written { version } => Ok(version),
            other => Err(unexpected(&other)),
        }
    }

    /// Writes behind what is there, exactly once (2024's Append). The value before; None if the append was executed and
    /// its reply lost, for one so long is not kept.
    ///
    /// # Errors
    /// If no server answers in time, or refuses.
    pub fn append(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<Option<Vec<u8>>, Error> {
        match self.reply(key.as_ref(), Op::Append { value: value.as_ref().into() })? {
            Reply::Appended { old, .. } => Ok(Some(old.into())),
            Reply::NotKept => Ok(None),
            other => Err(unexpected(&other)),
        }
    }

    /// Adds to a number, exactly once. The sum.
    ///
    /// # Errors
    /// If no server answers in time, or refuses.
    pub fn increment(&mut self, key: impl AsRef<[u8]>, by: i64) -> Result<i64, Error> {
        match self.reply(key.as_ref(), Op::String(StringOp::IncrBy { by }))? {
            Reply::Int(sum) => Ok(sum),
            other => Err(unexpected(&other)),
        }
    }

    /// Takes a key away, exactly once. Whether it was there.
    ///
    /// # Errors
    /// If no server answers in time, or refuses.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<bool, Error> {
        match self.reply(key.as_ref(), Op::Key(KeyOp::Delete { when: When::Always }))? {
            Reply::Int(gone) => Ok(gone > 0),
            other => Err(unexpected(&other)),
        }
    }

    /// Writes for so long, exactly once.
    ///
    /// # Errors
    /// If no server answers in time, or refuses.
    pub fn set_for(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        time: Duration,
    ) -> Result<(), Error> {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        let op = StringOp::Set {
            value: value.as_ref().into(),
            when: When::Always,
            deadline: Deadline::In(ms),
            get: false,
        };
        match self.reply(key.as_ref(), Op::String(op))? {
            Reply::Ok => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits until a key has a version above this one: its value then. None if that has not come within the time, or
    /// the server that was to tell is gone.
    ///
    /// # Errors
    /// If a server refuses.
    pub fn wait(
        &mut self,
        key: impl AsRef<[u8]>,
        version: Version,
        time: Duration,
    ) -> Result<Option<Value>, Error> {
        let ms = time.as_millis().max(1).to_string();
        let version = version.to_string();
        let words = [b"KV.WAIT".as_slice(), key.as_ref(), version.as_bytes(), ms.as_bytes()];
        let within = time + self.links.options().answer;
        match self.links.exchange(self.server, &[words.to_vec()], within) {
            Exchange::Answered(frame) => self.waited(frame),
            Exchange::NotSent(_) | Exchange::Lost(_) => {
                self.server = NodeId((self.server.0 + 1) % SERVERS);
                std::thread::sleep(FIRST_PAUSE);
                Ok(None)
            }
        }
    }

    fn waited(&mut self, frame: crate::resp::Frame) -> Result<Option<Value>, Error> {
        let get = protocol::kv::Command { key: Bytes::default(), op: Op::Get, once: None };
        match wire::read(&get, frame) {
            Said::Reply(Reply::Value { value, version }) => {
                Ok(Some(Value { bytes: value.into(), version }))
            }
            Said::NotExecuted(to) => {
                std::thread::sleep(FIRST_PAUSE);
                self.server = to.and_then(|to| self.links.number(to)).unwrap_or(self.server);
                Ok(None)
            }
            Said::Refused(text) => Err(Error::Refused(text)),
            _ => Ok(None),
        }
    }

    /// A call that ends in a reply or an error.
    fn reply(&mut self, key: &[u8], op: Op) -> Result<Reply, Error> {
        match self.execute(key.into(), op)? {
            Outcome::Reply(Reply::Fault(fault)) => Err(Error::Refused(text_of(fault))),
            Outcome::Reply(reply) => Ok(reply),
            Outcome::Maybe => Err(Error::Maybe),
        }
    }

    /// Makes a call, and if the server has forgotten this client and turned the call away, makes it anew.
    pub(super) fn execute(&mut self, key: Bytes, op: Op) -> Result<Outcome, Error> {
        let mut outcome = self.call(&key, &op)?;
        for _ in 0..ANEW {
            if outcome != Outcome::Reply(Reply::SessionExpired) {
                break;
            }
            self.machine = Self::machine(&self.links)?;
            outcome = self.call(&key, &op)?;
        }
        match outcome {
            Outcome::Reply(
                reply @ (Reply::SessionExpired
                | Reply::ClientAhead
                | Reply::SeqReused
                | Reply::Acknowledged
                | Reply::TooManyUnacknowledged),
            ) => {
                let text = turned_away(&reply, &self.machine);
                self.machine = Self::machine(&self.links)?;
                Err(Error::Refused(text))
            }
            outcome => Ok(outcome),
        }
    }

    fn call(&mut self, key: &Bytes, op: &Op) -> Result<Outcome, Error> {
        let mut attempt = Attempt::new();
        self.step(Input::Call { key: key.clone(), op: op.clone() }, &mut attempt);
        loop {
            if let Some(outcome) = attempt.outcome.take() {
                return Ok(outcome);
            }
            if self.left(&attempt).is_zero() {
                return Err(self.give_up(&attempt, op.writes())?);
            }
            match attempt.send.take() {
                Some((to, request)) => self.send(to, request, &mut attempt)?,
                None => {
                    attempt.pause();
                    attempt.redirections = 0;
                    self.step(Input::Retry, &mut attempt);
                }
            }
        }
    }

    /// How long the call is still tried.
    fn left(&self, attempt: &Attempt) -> Duration {
        let patience = self.links.options().patience.unwrap_or(Duration::MAX);
        let left = patience.saturating_sub(attempt.begun.elapsed());
        let until = |limit: Instant| limit.saturating_duration_since(Instant::now());
        self.limit.map_or(left, |limit| left.min(until(limit)))
    }

    fn step(&mut self, input: Input, attempt: &mut Attempt) {
        self.machine.step(input, &mut self.effects);
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Send { to, request } => attempt.send = Some((to, request)),
                Effect::Done(outcome) => attempt.outcome = Some(outcome),
                // The wait for an answer is the timer. One call at a time, so nobody is busy.
                Effect::ArmRetry | Effect::DisarmRetry | Effect::Busy => {}
            }
        }
    }

    fn send(&mut self, to: NodeId, request: Request, attempt: &mut Attempt) -> Result<(), Error> {
        self.server = to;
        let Request { seq, attempt: copy, command } = request;
        let Some(words) = wire::words(&command) else {
            self.machine = Self::machine(&self.links)?;
            return Err(Error::Refused(format!("there is no command for {:?}", command.op)));
        };
        let within = self.links.options().answer.min(self.left(attempt));
        let said = match self.links.exchange(to, &[words], within) {
            Exchange::Answered(frame) => wire::read(&command, frame),
            Exchange::NotSent(broken @ Broken::Refused { .. }) => {
                self.machine = Self::machine(&self.links)?;
                return Err(match attempt.open && command.op.writes() {
                    true => Error::Undecided {
                        waited: attempt.begun.elapsed(),
                        why: broken.to_string(),
                    },
                    false => broken.into(),
                });
            }
            Exchange::NotSent(broken) => {
                attempt.trouble = broken.to_string();
                Said::NotExecuted(None)
            }
            Exchange::Lost(broken) => {
                attempt.trouble = broken.to_string();
                Said::Unknown
            }
        };
        let answer = match said {
            Said::Reply(reply) => Answer::Reply(reply),
            Said::NotExecuted(to) => {
                attempt.redirections += 1;
                if attempt.redirections > REDIRECTIONS {
                    attempt.pause();
                }
                Answer::NotExecuted { leader: to.and_then(|to| self.links.number(to)) }
            }
            Said::Unknown => {
                attempt.open = true;
                return Ok(());
            }
            Said::Refused(text) => return Err(self.refused(text, attempt, command.op.writes())?),
            Said::Unexpected(text) => {
                self.machine = Self::machine(&self.links)?;
                return Err(Error::Unexpected(text));
            }
        };
        self.step(Input::Answer { seq, attempt: copy, answer }, attempt);
        Ok(())
    }

    /// The server refuses this copy of the call, and would refuse another.
    fn refused(&mut self, text: String, attempt: &Attempt, writes: bool) -> Result<Error, Error> {
        self.machine = Self::machine(&self.links)?;
        let waited = attempt.begun.elapsed();
        Ok(match attempt.open && writes {
            true => Error::Undecided { waited, why: text },
            false => Error::Refused(text),
        })
    }

    /// The machine would go on for ever; its user does not, and is another client from now on.
    fn give_up(&mut self, attempt: &Attempt, writes: bool) -> Result<Error, Error> {
        self.machine = Self::machine(&self.links)?;
        let (waited, why) = (attempt.begun.elapsed(), attempt.trouble.clone());
        Ok(match attempt.open && writes {
            true => Error::Undecided { waited, why },
            false => Error::Unanswered { waited, why },
        })
    }
}

fn unexpected(reply: &Reply) -> Error {
    Error::Unexpected(format!("{reply:?}"))
}

fn text_of(fault: protocol::kv::Fault) -> String {
    use protocol::kv::Fault;
    match fault {
        Fault::NotAnInteger => "the value is no integer of 64 bits: write one with set first".into(),
        Fault::Overflow => "the sum would be no integer of 64 bits: nothing was written".into(),
        Fault::TooLong => {
            "the value would be longer than the server takes (--max-value-bytes): nothing was written".into()
        }
        other => format!("{other:?}: nothing was written"),
    }
}

fn turned_away(reply: &Reply, machine: &Machine<Exact>) -> String {
    match reply {
        Reply::ClientAhead => {
            "this machine's clock is far ahead of the servers': set it right, and try again".into()
        }
        Reply::SessionExpired => {
            "the servers drop what they know of this client as soon as they learn it: they have too many clients".into()
        }
        other => {
            format!("{other:?}: not executed; another client seems to have the same id ({machine:?})")
        }
    }
}
