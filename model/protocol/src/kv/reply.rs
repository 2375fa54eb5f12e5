//! What the caller of a command is told.

use super::{Bytes, Version};
use alloc::vec::Vec;
use core::fmt;

/// What the caller of a command is told.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Reply {
    /// The value and its version, to a Get.
    Value {
        /// The value.
        value: Bytes,
        /// Its version.
        version: Version,
    },
    /// The key is not there: to a Get, or to a Put or Delete that expected a version; nothing was written.
    NoKey,
    /// Written.
    Written {
        /// The version that the key has now, or that was deleted.
        version: Version,
    },
    /// Appended.
    Appended {
        /// The value before.
        old: Bytes,
        /// The version that the key has now.
        version: Version,
    },
    /// The key has another version; nothing was written.
    VersionMismatch,
    /// Executed before; the reply was too long to be kept.
    NotKept,
    /// Not executed: the client's records were dropped, so nobody knows whether this was executed before.
    SessionExpired,
    /// Not executed again: the client has said before that the reply had arrived.
    Acknowledged,
    /// Not executed: the client has used this number for another command.
    SeqReused,
    /// Not executed: the client's id is from the future of the group's clock.
    ClientAhead,
    /// Not executed: the client has as many replies unacknowledged as are kept.
    TooManyUnacknowledged,
    /// Done.
    Ok,
    /// Nothing: the key is not there, or a SET's condition was not met. A SET with GET that created its key
    /// says so too.
    Nil,
    /// A number.
    Int(i64),
    /// A value, or a part of one.
    Bulk(Bytes),
    /// What a key holds.
    Kind(Kind),
    /// One reply for each operation of a transaction, or the parts of one reply.
    Many(Vec<Self>),
    /// The operation cannot be done; nothing was written.
    Fault(Fault),
    /// A watched key has another version than was seen; nothing of the transaction was executed.
    WatchFailed,
}

/// What a key holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Kind {
    /// Nothing: it is not there.
    None,
    /// A string of bytes.
    String,
}

/// Why an operation cannot be done. The texts for clients stand with the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Fault {
    /// The value is no integer of 64 bits in its shortest decimal form.
    NotAnInteger,
    /// The sum is no integer of 64 bits.
    Overflow,
    /// The value is no decimal number.
    NotANumber,
    /// A number is infinite.
    NotFinite,
    /// A number or the sum is beyond [`super::Decimal`]'s range.
    NumberTooLarge,
    /// The value would be longer than is allowed.
    TooLong,
    /// A deadline lies beyond 2^63 - 1 milliseconds.
    InvalidExpire,
    /// The key that is to be renamed is not there.
    NoSuchKey,
    /// A key was to be copied onto itself.
    SameKey,
    /// The keys are in different slots.
    CrossSlot,
    /// The two values are too long to be compared.
    LcsTooLong,
}

impl Reply {
    /// The bytes that keeping it takes, a few more for each part of many.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Value { value, .. } | Self::Appended { old: value, .. } => value.as_ref().len(),
            Self::Bulk(value) => value.as_ref().len(),
            Self::Many(parts) => parts.iter().map(|part| 8 + part.len()).sum(),
            _ => 0,
        }
    }

    /// Whether it is a refusal that another copy of the command may not get: it hangs on what the store has of the
    /// client now, and is not recorded.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::SessionExpired | Self::ClientAhead | Self::TooManyUnacknowledged)
    }

    /// Whether it says by itself that the command changed nothing and that this very copy of it never will.
    /// `Nil`, `Int`, `Kind` and `Many` mean that to some commands and not to others, so they are none.
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NoKey
                | Self::VersionMismatch
                | Self::SessionExpired
                | Self::SeqReused
                | Self::ClientAhead
                | Self::TooManyUnacknowledged
                | Self::Fault(_)
                | Self::WatchFailed
        )
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { value, version } => write!(f, "{value:?} version {version}"),
            Self::NoKey => write!(f, "NoKey"),
            Self::Written { version } => write!(f, "Written version {version}"),
            Self::Appended { old, version } => write!(f, "Appended to {old:?} version {version}"),
            Self::VersionMismatch => write!(f, "VersionMismatch"),
            Self::NotKept => write!(f, "NotKept"),
            Self::SessionExpired => write!(f, "SessionExpired"),
            Self::Acknowledged => write!(f, "Acknowledged"),
            Self::SeqReused => write!(f, "SeqReused"),
            Self::ClientAhead => write!(f, "ClientAhead"),
            Self::TooManyUnacknowledged => write!(f, "TooManyUnacknowledged"),
            Self::Ok => write!(f, "Ok"),
            Self::Nil => write!(f, "Nil"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Bulk(value) => write!(f, "{value:?}"),
            Self::Kind(kind) => write!(f, "{kind:?}"),
            Self::Many(parts) => f.debug_list().entries(parts).finish(),
            Self::Fault(fault) => write!(f, "{fault:?}"),
            Self::WatchFailed => write!(f, "WatchFailed"),
        }
    }
}
