//! An administrator of a sharded cluster: what it wants goes to the controller, once.
//!
//! What is sent, when it is sent again and what its answer means is decided by [`protocol::shardctl::Admin`]. What is
//! here finds a node that has the controller: any node that is asked names those.

use super::{Address, Broken, Connection, Options, id};
use crate::resp::Frame;
use crate::rsm::{decode, encode};
use protocol::Machine;
use protocol::shardctl::{
    self as machine, Asked, Change, Config, Effect, Exact, Input, Num, Outcome, Query, Reply,
    Status,
};
use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

/// The command by which a node takes what is for the controller.
pub const COMMAND: &str = "quorate.controller";
/// The first word of the error of a node that has none.
pub const ELSEWHERE: &str = "NOCONTROLLER";
/// How long it is waited before somebody else is asked.
const PAUSE: Duration = Duration::from_millis(50);

/// Why the controller can't be asked. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers.
    #[error("no node with the controller answers: {0}")]
    Nobody(String),
    /// A node that does not know what is asked.
    #[error("{address}: {text}")]
    Told {
        /// The node.
        address: Address,
        /// What it said.
        text: String,
    },
    /// There are no random numbers.
    #[error(transparent)]
    Id(#[from] super::Error),
    /// A change was sent, and nobody has said what became of it.
    #[error(
        "nobody has said in {} s what became of it. Look with `quorate admin status` before you ask again",
        .0.as_secs()
    )]
    Open(Duration),
}

/// An administrator.
pub struct Admin {
    options: Options,
    /// Whom it asks, the next one first.
    nodes: VecDeque<Address>,
    connection: Option<Connection>,
    /// Why the last one that was asked has not answered.
    trouble: String,
}

impl Admin {
    /// One that asks these nodes first.
    pub fn new(addresses: &[Address], options: Options) -> Self {
        let nodes = addresses.iter().cloned().collect();
        Self { options, nodes, connection: None, trouble: "no node is named".into() }
    }

    /// Has a change made, at most once.
    ///
    /// # Errors
    /// If the controller does not say in time what became of it.
    pub fn change(&mut self, change: &Change) -> Result<Outcome, Error> {
        let mut machine = machine::Admin::new(Exact, id::fresh()?);
        let mut effects = Vec::new();
        machine.step(Input::Ask(change.clone()), &mut effects);
        let begun = Instant::now();
        loop {
            match effects.pop() {
                Some(Effect::Ended(outcome)) => return Ok(outcome),
                Some(Effect::Send { seq, asked, .. }) => {
                    let input = match self.ask_one(&asked)? {
                        Some(reply) => Input::Answer { seq, reply },
                        None => Input::Retry,
                    };
                    let none = input == Input::Retry;
                    self.wait(none, begun, Error::Open)?;
                    machine.step(input, &mut effects);
                }
                // What was answered did not decide.
                Some(Effect::Busy) | None => {
                    self.wait(true, begun, Error::Open)?;
                    machine.step(Input::Retry, &mut effects);
                }
            }
        }
    }

    /// The latest configuration, or that of this number.
    ///
    /// # Errors
    /// If nobody answers.
    pub fn config(&mut self, number: Option<Num>) -> Result<Option<Config>, Error> {
        match self.ask(&Asked::Query(Query::Config(number)))? {
            Reply::Config(config) => Ok(Some(config)),
            _ => Ok(None),
        }
    }

    /// How far the groups are.
    ///
    /// # Errors
    /// If nobody answers.
    pub fn status(&mut self) -> Result<Option<Status>, Error> {
        match self.ask(&Asked::Query(Query::Status))? {
            Reply::Status(status) => Ok(Some(status)),
            _ => Ok(None),
        }
    }

    fn ask(&mut self, asked: &Asked) -> Result<Reply, Error> {
        let begun = Instant::now();
        loop {
            if let Some(reply) = self.ask_one(asked)? {
                return Ok(reply);
            }
            let trouble = self.trouble.clone();
            self.wait(true, begun, |_| Error::Nobody(trouble))?;
        }
    }

    fn wait(
        &self,
        pauses: bool,
        begun: Instant,
        over: impl FnOnce(Duration) -> Error,
    ) -> Result<(), Error> {
        if !pauses {
            return Ok(());
        }
        let patience = self.options.patience.unwrap_or(Duration::MAX);
        if begun.elapsed() >= patience {
            return Err(over(patience));
        }
        thread::park_timeout(PAUSE);
        Ok(())
    }

    /// Asks one node; none if it is not known what became of that, and another is asked the next time.
    fn ask_one(&mut self, asked: &Asked) -> Result<Option<Reply>, Error> {
        let bytes = encode(asked).expect("a question is plain data");
        let frame = match self.call(&bytes) {
            Ok(frame) => frame,
            Err(broken) => {
                self.trouble = broken.to_string();
                self.next();
                return Ok(None);
            }
        };
        let text = match frame {
            Frame::Bulk(bytes) => {
                if let Ok(reply) = decode(&bytes) {
                    return Ok(Some(reply));
                }
                "its answer can't be read: it is of another release".to_owned()
            }
            Frame::Error(text) => String::from_utf8_lossy(&text).into_owned(),
            _ => "its answer is none to this question".to_owned(),
        };
        if let Some(nodes) = text.strip_prefix(ELSEWHERE) {
            let named = nodes.split_whitespace().filter_map(|node| node.parse::<Address>().ok());
            let named: Vec<Address> = named.filter(|node| !self.nodes.contains(node)).collect();
            named.into_iter().for_each(|node| self.nodes.push_front(node));
            self.connection = None;
            return Ok(None);
        }
        let again = ["TRYAGAIN", "CLUSTERDOWN", "UNCERTAIN", "LOADING", "MOVED"];
        if again.iter().any(|word| text.starts_with(word)) {
            self.trouble = text;
            self.next();
            return Ok(None);
        }
        let address = self.nodes.front().cloned();
        match address {
            Some(address) => Err(Error::Told { address, text }),
            None => Err(Error::Nobody(text)),
        }
    }

    fn next(&mut self) {
        self.connection = None;
        self.nodes.rotate_left(1.min(self.nodes.len()));
    }

    fn call(&mut self, bytes: &[u8]) -> Result<Frame, Broken> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let Some(address) = self.nodes.front() else {
                    return Ok(Frame::Error(b"TRYAGAIN no node is named".to_vec()));
                };
                none.insert(Connection::open(address, &self.options)?)
            }
        };
        connection.call(&[COMMAND.as_bytes(), bytes])
    }
}
