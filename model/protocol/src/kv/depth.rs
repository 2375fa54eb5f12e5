//! Replies out of what another program has written: no deeper than any reply is.
//!
//! A reply may have parts, which are replies. Who reads such a thing by calling itself for each part puts a stack's
//! length into the hands of whoever has written it: two bytes a level. So each level has a type of its own here, and
//! the last has no parts.

use super::{Bytes, Fault, Kind, Reply, Version};
use alloc::vec::Vec;
use serde::{Deserialize, Deserializer, de::Error};

/// A [`Reply`] whose parts are `P`: the same variants in the same order.
#[derive(Deserialize)]
#[serde(rename = "Reply")]
enum Level<P> {
    Value { value: Bytes, version: Version },
    NoKey,
    Written { version: Version },
    Appended { old: Bytes, version: Version },
    VersionMismatch,
    NotKept,
    SessionExpired,
    Acknowledged,
    SeqReused,
    ClientAhead,
    TooManyUnacknowledged,
    Ok,
    Nil,
    Int(i64),
    Bulk(Bytes),
    Kind(Kind),
    Many(Vec<P>),
    Fault(Fault),
    WatchFailed,
}

/// What would be too deep.
enum TooDeep {}

impl<'de> Deserialize<'de> for TooDeep {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("replies inside replies, deeper than any reply is"))
    }
}

impl From<TooDeep> for Reply {
    fn from(never: TooDeep) -> Self {
        match never {}
    }
}

impl<P: Into<Self>> From<Level<P>> for Reply {
    fn from(level: Level<P>) -> Self {
        match level {
            Level::Value { value, version } => Self::Value { value, version },
            Level::NoKey => Self::NoKey,
            Level::Written { version } => Self::Written { version },
            Level::Appended { old, version } => Self::Appended { old, version },
            Level::VersionMismatch => Self::VersionMismatch,
            Level::NotKept => Self::NotKept,
            Level::SessionExpired => Self::SessionExpired,
            Level::Acknowledged => Self::Acknowledged,
            Level::SeqReused => Self::SeqReused,
            Level::ClientAhead => Self::ClientAhead,
            Level::TooManyUnacknowledged => Self::TooManyUnacknowledged,
            Level::Ok => Self::Ok,
            Level::Nil => Self::Nil,
            Level::Int(number) => Self::Int(number),
            Level::Bulk(value) => Self::Bulk(value),
            Level::Kind(kind) => Self::Kind(kind),
            Level::Many(parts) => Self::Many(parts.into_iter().map(Into::into).collect()),
            Level::Fault(fault) => Self::Fault(fault),
            Level::WatchFailed => Self::WatchFailed,
        }
    }
}

/// As deep as the store's snapshots have them: eight levels of parts.
type Four<P> = Level<Level<Level<Level<P>>>>;

impl<'de> Deserialize<'de> for Reply {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Four::<Four<Level<TooDeep>>>::deserialize(deserializer).map(Into::into)
    }
}
