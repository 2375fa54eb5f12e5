//! A stock client of the Redis protocol, as anybody uses one: no ONCE, an end to its patience, and an append that was
//! not answered is made again as if nothing had happened. So an append of its may be executed twice.

use super::{Answer, Caller, Stage};
use crate::chaos::tally::{Kind, Tally};
use linear::history::Told;
use linear::kv::{Op, Ret};
use redis::{Cmd, Connection, RedisError, RedisResult, Value, cmd};
use std::net::SocketAddr;
use std::time::Duration;

/// How long a connection is waited for.
const CONNECT: Duration = Duration::from_millis(500);

/// A way to the nodes: one connection at a time, to the next node when it breaks.
#[derive(Debug)]
pub struct Line<'a> {
    nodes: &'a [SocketAddr],
    password: &'a str,
    /// The node that is used.
    pub at: usize,
    patience: Duration,
    connection: Option<Box<Connected>>,
}

/// A connection of the library, which can't be printed.
struct Connected(Connection);

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connected")
    }
}

impl<'a> Line<'a> {
    /// One that begins with this node and waits so long for an answer.
    pub fn new(stage: &Stage<'a>, at: usize, patience: Duration) -> Self {
        let at = at % stage.nodes.len();
        Self { nodes: stage.nodes, password: stage.password, at, patience, connection: None }
    }

    fn connect(&self) -> RedisResult<Connection> {
        let url = format!("redis://:{}@{}/", self.password, self.nodes[self.at]);
        let connection = redis::Client::open(url)?.get_connection_with_timeout(CONNECT)?;
        connection.set_read_timeout(Some(self.patience))?;
        connection.set_write_timeout(Some(self.patience))?;
        Ok(connection)
    }

    /// Whether there is a connection, a new one if need be. If there is none, the next node is tried next time.
    pub fn open(&mut self) -> bool {
        if self.connection.is_none() {
            match self.connect() {
                Ok(connection) => self.connection = Some(Box::new(Connected(connection))),
                Err(_) => self.go_on(),
            }
        }
        self.connection.is_some()
    }

    /// To the next node.
    pub fn go_on(&mut self) {
        self.connection = None;
        self.at = (self.at + 1) % self.nodes.len();
    }

    /// Sends a command on the connection that is open. None if it is not.
    pub fn query(&mut self, command: &Cmd) -> Option<RedisResult<Value>> {
        let connection = self.connection.as_mut()?;
        let answer = command.query(&mut connection.0);
        if answer.as_ref().is_err_and(|error: &RedisError| error.code().is_none()) {
            // A late answer would be taken for that of the next command.
            self.go_on();
        }
        Some(answer)
    }
}

/// A stock client.
#[derive(Debug)]
pub struct Stock<'a> {
    line: Line<'a>,
    tally: &'a Tally,
}

impl<'a> Stock<'a> {
    /// A new one. Some wait less for an answer than the servers do for a decision.
    pub fn new(stage: &Stage<'a>, number: usize) -> Self {
        let patience = Duration::from_millis(if number.is_multiple_of(2) { 1000 } else { 3000 });
        Self { line: Line::new(stage, number, patience), tally: stage.tally }
    }
}

/// A command in the words of Redis; None if it has none for it.
fn command(op: &Op) -> Option<Cmd> {
    let mut command;
    match op {
        Op::Get { key } => {
            command = cmd("GET");
            command.arg(&**key);
        }
        Op::Set { key, value } => {
            command = cmd("SET");
            command.arg(&**key).arg(&**value);
        }
        Op::Append { key, value } => {
            command = cmd("APPEND");
            command.arg(&**key).arg(&**value);
        }
        Op::Delete { key, .. } => {
            command = cmd("DEL");
            command.arg(&**key);
        }
        Op::Cas { key, expected, value } => {
            command = cmd("SET");
            command.arg(&**key).arg(&**value).arg("IFEQ").arg(&**expected);
        }
        Op::Put { .. } | Op::Multi(_) => return None,
    }
    Some(command)
}

/// What a reply says; None if it is none that this command has.
fn reply(op: &Op, value: &Value) -> Option<Ret> {
    Some(match (op, value) {
        (Op::Get { .. }, Value::Nil) => Ret::NoKey,
        (Op::Get { .. }, Value::BulkString(bytes)) => Ret::value(bytes, None),
        (Op::Set { .. } | Op::Cas { .. }, Value::Okay) => Ret::OK,
        (Op::Cas { .. }, Value::Nil) => Ret::Mismatch,
        (Op::Append { .. }, Value::Int(length)) => super::length(*length)?,
        (Op::Delete { .. }, Value::Int(0)) => Ret::NoKey,
        (Op::Delete { .. }, Value::Int(1)) => Ret::OK,
        _ => return None,
    })
}

impl Caller for Stock<'_> {
    fn kind(&self) -> Kind {
        Kind::Stock
    }

    fn ready(&mut self) -> bool {
        self.line.open()
    }

    fn can(&self, op: &Op) -> bool {
        command(op).is_some()
    }

    fn call(&mut self, op: &Op) -> Answer {
        let answer = command(op).and_then(|command| self.line.query(&command));
        let Some(answer) = answer else { return Answer::told(Told::NotExecuted) };
        match answer {
            Ok(value) => match reply(op, &value) {
                Some(ret) => Answer::reply(ret),
                None => {
                    self.tally.odd(format!("{op} is answered {value:?}"));
                    Answer::told(Told::Unknown)
                }
            },
            Err(error) => match error.code() {
                Some("MOVED" | "TRYAGAIN" | "CLUSTERDOWN" | "LOADING") => {
                    self.line.go_on();
                    Answer { told: Told::NotExecuted, broken: true }
                }
                // No client library sends this again.
                Some("UNCERTAIN") => Answer::told(Told::Unknown),
                Some(_) => {
                    self.tally.odd(format!("{op} is answered {error}"));
                    Answer::told(Told::Unknown)
                }
                None => Answer { told: Told::Unknown, broken: true },
            },
        }
    }
}
