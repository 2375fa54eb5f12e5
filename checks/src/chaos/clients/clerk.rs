//! `quorate::client::Clerk`, as a Rust program uses it.

use super::{Answer, Caller, Stage};
use crate::chaos::tally::{Kind, Tally};
use linear::history::Told;
use linear::kv::{Op, Ret};
use quorate::client::{Address, Clerk as Inner, Error, Options, Put};
use quorate::resp::Frame;
use std::net::SocketAddr;
use std::time::Duration;

/// A Clerk.
#[derive(Debug)]
pub struct Clerk<'a> {
    inner: Inner,
    tally: &'a Tally,
}

impl<'a> Clerk<'a> {
    /// A new one: those with an odd number know the ports for cluster clients.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn new(stage: &Stage<'a>, number: usize) -> Result<Self, String> {
        let more = if number.is_multiple_of(2) { 0 } else { 1000 };
        let at = |node: &SocketAddr| Address::from(SocketAddr::new(node.ip(), node.port() + more));
        let mut addresses: Vec<Address> = stage.nodes.iter().map(at).collect();
        addresses.rotate_left(number % stage.nodes.len());
        let options = Options {
            connect: Duration::from_millis(500),
            answer: Duration::from_secs(2),
            patience: Some(Duration::from_secs(8)),
            password: Some(stage.password.into()),
            record_puts: number.is_multiple_of(3),
        };
        let inner = Inner::connect(&addresses, options).map_err(|error| error.to_string())?;
        Ok(Self { inner, tally: stage.tally })
    }

    fn ask(&mut self, op: &Op) -> Result<Told<Ret>, Error> {
        let clerk = &mut self.inner;
        let ret = match op {
            Op::Get { key } => match clerk.get(key)? {
                Some(value) => Ret::value(value.bytes, value.version),
                None => Ret::NoKey,
            },
            Op::Set { key, value } => Ret::version(clerk.set(key, value)?),
            Op::Put { key, value, expected } => match clerk.put(key, value, *expected)? {
                Put::Written(version) => Ret::version(version),
                Put::VersionMismatch => Ret::Mismatch,
                Put::NoKey => Ret::NoKey,
                Put::Maybe => return Ok(Told::Maybe),
            },
            Op::Append { key, value } => match clerk.append(key, value)? {
                Some(old) => Ret::value(old, None),
                None => Ret::OK,
            },
            Op::Delete { key, .. } => match clerk.delete(key)? {
                true => Ret::OK,
                false => Ret::NoKey,
            },
            Op::Cas { .. } => return Ok(Told::NotExecuted),
            Op::Multi(ops) => return self.transact(ops),
        };
        Ok(Told::Reply(ret))
    }

    fn transact(&mut self, ops: &[Op]) -> Result<Told<Ret>, Error> {
        let words: Vec<Vec<&[u8]>> = ops.iter().map(words).collect();
        let frames = self.inner.transaction(&[], &words)?;
        let rets: Option<Vec<Ret>> =
            ops.iter().zip(&frames).map(|(op, frame)| reply(op, frame)).collect();
        Ok(match rets.filter(|rets| rets.len() == ops.len()) {
            Some(rets) => Told::Reply(Ret::Many(rets)),
            None => {
                self.tally.odd(format!("EXEC of {ops:?} is answered {frames:?}"));
                Told::Unknown
            }
        })
    }
}

fn words(op: &Op) -> Vec<&[u8]> {
    match op {
        Op::Get { key } => vec![b"KV.GET", key],
        Op::Set { key, value } => vec![b"SET", key, value],
        Op::Append { key, value } => vec![b"APPEND", key, value],
        // There are no others within a MULTI here.
        _ => Vec::new(),
    }
}

fn reply(op: &Op, frame: &Frame) -> Option<Ret> {
    Some(match (op, frame) {
        (Op::Get { .. }, Frame::Array(parts)) => match parts.as_slice() {
            [Frame::Null, _] => Ret::NoKey,
            [Frame::Bulk(value), Frame::Integer(version)] => {
                Ret::value(value, u64::try_from(*version).ok()?)
            }
            _ => return None,
        },
        (Op::Set { .. }, Frame::Simple(text)) if text == b"OK" => Ret::OK,
        (Op::Append { .. }, Frame::Integer(length)) => super::length(*length)?,
        _ => return None,
    })
}

impl Caller for Clerk<'_> {
    fn kind(&self) -> Kind {
        Kind::Clerk
    }

    fn can(&self, op: &Op) -> bool {
        !matches!(op, Op::Cas { .. })
    }

    fn call(&mut self, op: &Op) -> Answer {
        Answer::told(match self.ask(op) {
            Ok(told) => told,
            Err(Error::Maybe) => Told::Maybe,
            // What it says of a call that it gave up is a promise like any other.
            Err(Error::Unanswered { .. } | Error::WatchFailed) => Told::NotExecuted,
            Err(Error::Undecided { .. } | Error::Broken(_)) => Told::Unknown,
            Err(error) => {
                self.tally.odd(format!("a Clerk is told: {error}"));
                Told::Unknown
            }
        })
    }
}
