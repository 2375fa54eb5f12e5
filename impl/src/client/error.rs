//! What goes wrong between a client and the servers. Each message says what to do.

use super::Address;
use crate::resp::frame::DecodeError;
use std::io;
use std::time::Duration;

/// Why a connection can't be had, or used any more.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The name leads nowhere.
    #[error(
        "{address} leads nowhere: {why}. Write an IP address, or a name that this machine can resolve"
    )]
    Unknown {
        /// The address.
        address: Address,
        /// What the system said.
        why: String,
    },
    /// Nobody answers there.
    #[error("can't connect to {address}: {error}. {}", advice(error))]
    Connect {
        /// The address.
        address: Address,
        /// What the system said.
        error: io::Error,
    },
    /// The connection ended before the answer came.
    #[error(
        "{address} closed the connection before it answered: look at the server's own messages"
    )]
    Closed {
        /// The address.
        address: Address,
    },
    /// No answer in time.
    #[error("{address} did not answer within {} ms: ask `quorate status` whether it has a leader", waited.as_millis())]
    Late {
        /// The address.
        address: Address,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The system's.
    #[error("the connection to {address} broke: {error}")]
    Io {
        /// The address.
        address: Address,
        /// What the system said.
        error: io::Error,
    },
    /// What came is no answer.
    #[error("{address} does not speak the Redis protocol: {error}")]
    Protocol {
        /// The address.
        address: Address,
        /// What was wrong with it.
        error: DecodeError,
    },
    /// The server does not let this client in.
    #[error("{address} does not let this client in: {text}. {}", password_advice(text))]
    Refused {
        /// The address.
        address: Address,
        /// What the server said.
        text: String,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "Nothing listens there: start a node with `quorate server`, or give another address with --addr"
        }
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            "The machine does not answer: check the address and what lies between"
        }
        _ => "Check the address",
    }
}

fn password_advice(text: &str) -> &'static str {
    match text.split(' ').next() {
        Some("WRONGPASS" | "NOAUTH") => "Give its password with --password-file",
        _ => "Start it with a password, and give that",
    }
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address is none.
    #[error("{text:?} is no address: {why}. Write HOST:PORT, for example 127.0.0.1:7400")]
    Address {
        /// As it was written.
        text: String,
        /// What is wrong.
        why: &'static str,
    },
    /// There is no address at all.
    #[error("no server is named: give at least one address")]
    NoAddress,
    /// A connection can't be had or used.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The call was given up: a read, or a write of which no copy was ever executed or will be.
    #[error("no server took the call within {} ms, and nothing was executed: {why}", waited.as_millis())]
    Unanswered {
        /// How long it was tried.
        waited: Duration,
        /// What was in the way last.
        why: String,
    },
    /// The call was given up, and some copy of it may have been executed, or may yet be.
    #[error(
        "no answer within {} ms: the write was executed, or will be, or never will be. Read before you write again. \
         Last: {why}",
        waited.as_millis()
    )]
    Undecided {
        /// How long it was tried.
        waited: Duration,
        /// What was in the way last.
        why: String,
    },
    /// The answer is lost: the write was executed once, or never will be.
    #[error(
        "the write was executed once, or it was not and never will be, and nobody knows which: read before you write again"
    )]
    Maybe,
    /// The server says what is wrong with the call; it was not executed.
    #[error("{0}")]
    Refused(String),
    /// The answer is none that this call has.
    #[error("the server answers {0}, which is no answer to this call: is it of another version?")]
    Unexpected(String),
    /// A watched key has changed; nothing of the transaction was executed.
    #[error(
        "a watched key has changed, and nothing of the transaction was executed: read and try again"
    )]
    WatchFailed,
    /// The system has no random numbers.
    #[error("no random numbers are to be had from the system: {0}")]
    Random(String),
}

impl Error {
    /// Whether a call that a clerk ended so was not executed, and never will be. A server that lets nobody in is one
    /// that has not seen the call.
    pub(super) const fn is_definite(&self) -> bool {
        matches!(self, Self::Unanswered { .. } | Self::Refused(_) | Self::Broken(_))
    }
}
