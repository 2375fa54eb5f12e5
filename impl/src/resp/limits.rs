//! What a client may send, and what it is told otherwise.

use thiserror::Error;

/// The largest value that is read past; one that claims more is a protocol error, as in Redis.
pub(super) const SKIPPED_BYTES: usize = 512 * 1024 * 1024;

/// What a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub(super) arguments: usize,
    pub(super) bulk_bytes: usize,
    pub(super) request_bytes: usize,
    pub(super) trusted: bool,
}

impl Limits {
    /// Before AUTH: 10 arguments of 16,384 bytes. One more closes the connection.
    pub const BEFORE_AUTH: Self =
        Self { arguments: 10, bulk_bytes: 16_384, request_bytes: 1024 * 1024, trusted: false };

    /// After AUTH, or where no password is asked: 1,048,576 arguments, 8 MiB each, 64 MiB in all.
    pub const DEFAULT: Self = Self {
        arguments: 1_048_576,
        bulk_bytes: 8 * 1024 * 1024,
        request_bytes: 64 * 1024 * 1024,
        trusted: true,
    };

    /// The longest argument, in bytes.
    pub const fn bulk_bytes(self) -> usize {
        self.bulk_bytes
    }

    /// The same with values of at most `bytes` (not more than 512 MiB), and room for one of them in a command.
    pub fn with_bulk_bytes(self, bytes: usize) -> Self {
        let bulk_bytes = bytes.min(SKIPPED_BYTES);
        let request_bytes = self.request_bytes.max(bulk_bytes + 1024 * 1024);
        Self { bulk_bytes, request_bytes, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Bytes that are not the protocol. Answer with the text, then close the connection: where the next command
/// would begin can't be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// The number of arguments is no number, or too large.
    #[error("ERR Protocol error: invalid multibulk length")]
    InvalidMultibulkLength,
    /// The length of an argument is no number, or negative, or larger than anything that is read past.
    #[error("ERR Protocol error: invalid bulk length")]
    InvalidBulkLength,
    /// Too many arguments for a client that has not given its password.
    #[error("ERR Protocol error: unauthenticated multibulk length")]
    UnauthenticatedMultibulkLength,
    /// Too long an argument for a client that has not given its password.
    #[error("ERR Protocol error: unauthenticated bulk length")]
    UnauthenticatedBulkLength,
    /// An inline command of more than 64 KiB.
    #[error("ERR Protocol error: too big inline request")]
    TooBigInline,
    /// The number of arguments has more than 64 KiB.
    #[error("ERR Protocol error: too big mbulk count string")]
    TooBigMultibulkCount,
    /// The length of an argument has more than 64 KiB.
    #[error("ERR Protocol error: too big bulk count string")]
    TooBigBulkCount,
    /// An argument begins with another byte than `$`.
    #[error("ERR Protocol error: expected '$', got '{}'", shown(*.0))]
    ExpectedBulk(u8),
    /// An inline command with a quote that is not closed, or not followed by a space.
    #[error("ERR Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// An argument is not followed by CR LF where its length says that it ends.
    #[error("ERR Protocol error: expected CRLF at the end of a bulk string")]
    MissingLineEnd,
}

fn shown(byte: u8) -> char {
    match byte {
        b' '..=b'~' => char::from(byte),
        0x80.. => '?',
        _ => ' ',
    }
}

/// A command that is legal but too large. Answer with the text; the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// One of its arguments is.
    #[error(
        "ERR string exceeds maximum allowed size (proto-max-bulk-len): {bytes} bytes, and this server takes {limit}"
    )]
    Bulk {
        /// The length of the argument.
        bytes: usize,
        /// The largest that is taken.
        limit: usize,
    },
    /// All of it is.
    #[error("ERR command exceeds maximum allowed size: this server takes {limit} bytes")]
    Request {
        /// The largest command that is taken, in bytes with all headers.
        limit: usize,
    },
}
