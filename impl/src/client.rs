//! The clients' side: for programs in Rust, and for the commands that people type.
//!
//! - [`Connection`] sends commands to one server and waits for the answers.
//! - [`Clerk`] is the labs' client: it finds a server that takes a call, sends the call again when the answer was lost,
//!   and never tells more than it knows. [`Lock`] stands on it: with a deadline that is put off while the holder
//!   lives, or
//!   without.
//! - [`status`] asks all nodes of a cluster how they are.
//! - [`admin`] asks the controller of a sharded cluster.
//!
//! When a call is sent again, to whom, and what its answer means is decided by the machines `protocol::kv::clerk`,
//! `protocol::kv::lock` and `protocol::kv::lease`. What is here carries out their effects: sockets, timers, and the
//! words of the wire.
//!
//! Everything blocks, and each call has an end: see [`Options::patience`].

mod address;
pub mod admin;
mod clerk;
mod connection;
mod error;
pub mod id;
mod links;
mod lock;
pub mod status;
mod transaction;
#[doc(hidden)]
pub mod wire;

pub use address::Address;
pub use clerk::{Clerk, Put, Value};
pub use connection::Connection;
pub use error::{Broken, Error};
pub use lock::{Lock, LockError, Renewed};
pub use protocol::kv::Version;

use std::fmt;
use std::time::Duration;

/// How a client waits, and how it makes itself known.
#[derive(Clone)]
pub struct Options {
    /// How long it waits for a connection.
    pub connect: Duration,
    /// How long it waits for an answer before it takes it for lost. More than the server's own deadline (1.5 s, unless
    /// it was told otherwise), so that the server can say what it knows.
    pub answer: Duration,
    /// How long a call is tried in all; None: until it is answered.
    pub patience: Option<Duration>,
    /// The server's password, if it asks for one.
    pub password: Option<Vec<u8>>,
    /// Whether a Put is recorded too, so that it never ends in Maybe unless the server has dropped the client's
    /// records.
    pub record_puts: bool,
}

impl Default for Options {
    /// A second for a connection, three for an answer, half a minute in all; no password; Puts are not recorded.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            answer: Duration::from_secs(3),
            patience: Some(Duration::from_secs(30)),
            password: None,
            record_puts: false,
        }
    }
}

/// The password is not printed.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connect, answer, patience, password, record_puts } = self;
        f.debug_struct("Options")
            .field("connect", connect)
            .field("answer", answer)
            .field("patience", patience)
            .field("password", &password.as_ref().map(|_| "…"))
            .field("record_puts", record_puts)
            .finish()
    }
}
