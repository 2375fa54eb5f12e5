//! What clients ask of the store, and what they are told.

use std::fmt;
use std::sync::Arc;

/// A key or a value. Copies share it.
pub type Bytes = Arc<[u8]>;

/// What a client asks.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// Value and version.
    Get {
        /// Of this key.
        key: Bytes,
    },
    /// Writes, whatever was there.
    Set {
        /// The key.
        key: Bytes,
        /// Its new value.
        value: Bytes,
    },
    /// Writes over this version only; 0 for a key that is not there.
    Put {
        /// The key.
        key: Bytes,
        /// Its new value.
        value: Bytes,
        /// The version that is written over.
        expected: u64,
    },
    /// Puts bytes behind the value; a missing key is an empty value.
    Append {
        /// The key.
        key: Bytes,
        /// What is put behind.
        value: Bytes,
    },
    /// Takes the key away.
    Delete {
        /// The key.
        key: Bytes,
        /// The version that it must have, if that matters.
        expected: Option<u64>,
    },
    /// Writes over this value only.
    Cas {
        /// The key.
        key: Bytes,
        /// The value that is written over.
        expected: Bytes,
        /// The new one.
        value: Bytes,
    },
    /// Several, in one moment. Not one within another.
    Multi(Vec<Self>),
}

/// What a client is told of what was executed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Ret {
    /// Done; with what the reply showed.
    Done {
        /// Of a Get, the value (it must be there); of an Append, the value before.
        value: Option<Bytes>,
        /// Of a Get, the key's version; of a Delete, the one that went; of other writes, the new one.
        version: Option<u64>,
        /// Of an Append, how many bytes the value has now.
        length: Option<u64>,
    },
    /// The key is not there: to a Get, a Delete, or a Put over a version other than 0.
    NoKey,
    /// The key has another version, to a Put or Delete; it has not this value, or is not there, to a Cas.
    Mismatch,
    /// One for each operation of a Multi.
    Many(Vec<Self>),
}

impl Op {
    /// A Get.
    pub fn get(key: impl AsRef<[u8]>) -> Self {
        Self::Get { key: key.as_ref().into() }
    }

    /// A Set.
    pub fn set(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        Self::Set { key: key.as_ref().into(), value: value.as_ref().into() }
    }

    /// A Put.
    pub fn put(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, expected: u64) -> Self {
        Self::Put { key: key.as_ref().into(), value: value.as_ref().into(), expected }
    }

    /// An Append.
    pub fn append(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        Self::Append { key: key.as_ref().into(), value: value.as_ref().into() }
    }

    /// A Delete.
    pub fn delete(key: impl AsRef<[u8]>, expected: Option<u64>) -> Self {
        Self::Delete { key: key.as_ref().into(), expected }
    }

    /// A Cas.
    pub fn cas(key: impl AsRef<[u8]>, expected: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let expected = expected.as_ref().into();
        Self::Cas { key: key.as_ref().into(), expected, value: value.as_ref().into() }
    }

    /// The operations of a Multi, or this one.
    pub fn singles(&self) -> impl Iterator<Item = &Self> {
        match self {
            Self::Multi(ops) => ops.iter(),
            one => std::slice::from_ref(one).iter(),
        }
    }

    /// The key; None of a Multi.
    pub const fn key(&self) -> Option<&Bytes> {
        match self {
            Self::Get { key }
            | Self::Set { key, .. }
            | Self::Put { key, .. }
            | Self::Append { key, .. }
            | Self::Delete { key, .. }
            | Self::Cas { key, .. } => Some(key),
            Self::Multi(_) => None,
        }
    }

    /// Whether it may take a key away.
    pub fn deletes(&self) -> bool {
        self.singles().any(|single| matches!(single, Self::Delete { .. }))
    }
}

impl Ret {
    /// Done, and nothing shown.
    pub const OK: Self = Self::Done { value: None, version: None, length: None };

    /// A value.
    pub fn value(value: impl AsRef<[u8]>, version: impl Into<Option<u64>>) -> Self {
        let value = Some(value.as_ref().into());
        Self::Done { value, version: version.into(), length: None }
    }

    /// Done, at this version.
    pub const fn version(version: u64) -> Self {
        Self::Done { value: None, version: Some(version), length: None }
    }
}

/// The most bytes of a key or a value that are printed.
const SHOWN: usize = 20;

/// Bytes for people: what is long begins or ends with an ellipsis. Values grow at their ends, so their ends are shown.
pub(super) struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            length if length > SHOWN => {
                write!(f, "\"…{}\"", self.0[length - SHOWN..].escape_ascii())?;
                write!(f, " ({length} bytes)")
            }
            _ => write!(f, "\"{}\"", self.0.escape_ascii()),
        }
    }
}

/// A key for people, without quotes.
pub(super) struct Name<'a>(pub &'a [u8]);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.0.len() > SHOWN { "…" } else { "" };
        write!(f, "{}{end}", self.0[..self.0.len().min(SHOWN)].escape_ascii())
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get { key } => write!(f, "get {}", Name(key)),
            Self::Set { key, value } => write!(f, "set {} {}", Name(key), Shown(value)),
            Self::Put { key, value, expected } => {
                write!(f, "put {} {} over {expected}", Name(key), Shown(value))
            }
            Self::Append { key, value } => write!(f, "append {} {}", Name(key), Shown(value)),
            Self::Delete { key, expected: None } => write!(f, "delete {}", Name(key)),
            Self::Delete { key, expected: Some(expected) } => {
                write!(f, "delete {} over {expected}", Name(key))
            }
            Self::Cas { key, expected, value } => {
                write!(f, "cas {} {} to {}", Name(key), Shown(expected), Shown(value))
            }
            Self::Multi(ops) => list(f, "multi ", ops),
        }
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, items: &[T]) -> fmt::Result {
    write!(f, "{name}(")?;
    for (position, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if position > 0 { "; " } else { "" })?;
    }
    f.write_str(")")
}

impl fmt::Display for Ret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { value, version, length } => {
                match value {
                    Some(value) => Shown(value).fmt(f)?,
                    None => f.write_str("ok")?,
                }
                version.map_or(Ok(()), |version| write!(f, " v{version}"))?;
                length.map_or(Ok(()), |length| write!(f, " length {length}"))
            }
            Self::NoKey => f.write_str("no key"),
            Self::Mismatch => f.write_str("mismatch"),
            Self::Many(rets) => list(f, "", rets),
        }
    }
}
