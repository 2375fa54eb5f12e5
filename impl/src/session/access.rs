//! Who may use the server, and how much of it.

use crate::resp;
use std::fmt;
use std::sync::Arc;

/// Which of a node's two ports for clients a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Every node answers for every key. To its clients the group looks like one server.
    Plain,
    /// Who does not lead says who does, as cluster clients want it.
    Cluster,
}

/// A password. It is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Arc<[u8]>);

impl Password {
    /// These bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// Whether a client has given it. The time that this takes does not tell how much of it was right.
    pub(super) fn is(&self, given: &[u8]) -> bool {
        let differences = self.0.iter().zip(given).fold(0, |sum, (own, given)| sum | (own ^ given));
        differences == 0 && self.0.len() == given.len()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a password")
    }
}

/// Where a connection comes from and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// What the client must give first. Without one, only clients on the same machine are served.
    pub password: Option<Password>,
    /// Whether the client is on the same machine.
    pub loopback: bool,
    /// Which port it came to.
    pub port: Port,
    /// The client's address and port.
    pub address: String,
    /// The server's address and port.
    pub local: String,
}

/// What a client is told for which there is no room, before its connection is closed.
pub const TOO_MANY_CLIENTS: &[u8] = b"-ERR max number of clients reached\r\n";

/// How much a session takes before it stops reading. All of them are reached softly: what was begun is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// What a command may be.
    pub request: resp::Limits,
    /// Calls that are not answered.
    pub calls: usize,
    /// Bytes of calls that are not answered.
    pub call_bytes: usize,
    /// Bytes of replies that were not sent.
    pub output_bytes: usize,
    /// Bytes of the commands of one transaction.
    pub transaction_bytes: usize,
    /// Bytes of one reply; a longer one is not sent.
    pub reply_bytes: usize,
}

impl Default for SessionLimits {
    /// 1,024 calls of 64 MiB in all; 1 MiB of replies, and one of at most 64 MiB; transactions of 64 MiB.
    fn default() -> Self {
        Self {
            request: resp::Limits::DEFAULT,
            calls: 1024,
            call_bytes: 64 << 20,
            output_bytes: 1 << 20,
            transaction_bytes: 64 << 20,
            reply_bytes: 64 << 20,
        }
    }
}
