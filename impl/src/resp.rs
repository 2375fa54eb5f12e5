//! The Redis protocol: requests in, replies out, and replies in for those who ask.
//!
//! - [`request`] finds the commands in the bytes that a client sends.
//! - [`limits`] says what a client may send, and what it is told otherwise.
//! - [`reply`] writes answers in the version of the protocol that a client speaks.
//! - [`frame`] reads answers: for the command line, the benchmark, the Clerk and the tests.
//!
//! Nothing here reads a socket, a clock or a key. Every length that the other side claims is compared with a
//! limit and never allocated for: memory grows with the bytes that are there.

pub mod frame;
mod inline;
pub mod limits;
pub mod reply;
pub mod request;

pub use frame::{Decoder, Frame};
pub use limits::Limits;
pub use reply::Writer;
pub use request::{Parser, Request, Step};

/// The version of the protocol that a connection speaks. It begins with the second; HELLO changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// RESP2: strings, errors, integers, arrays.
    #[default]
    Resp2,
    /// RESP3: maps, sets, doubles, booleans, pushes and a null of its own too.
    Resp3,
}

impl Protocol {
    /// The version that HELLO names by this number; `None` is answered with [`NO_PROTOCOL`].
    pub fn numbered(version: i64) -> Option<Self> {
        match version {
            2 => Some(Self::Resp2),
            3 => Some(Self::Resp3),
            _ => None,
        }
    }

    /// The number that HELLO answers.
    pub const fn number(self) -> i64 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }
}

/// What HELLO answers when it is asked for a version that does not exist.
pub const NO_PROTOCOL: &str = "NOPROTO unsupported protocol version";
