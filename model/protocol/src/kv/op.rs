//! What can be done with a key: the labs' operations, and Redis's commands on strings and keys.

use super::{Bytes, Decimal, Stamp, Version};
use alloc::vec::Vec;
use core::fmt;

/// What is to be done with a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Op {
    /// Reads value and version.
    Get,
    /// Writes the value if the key has this version, 0 for a key that is not there (2025's lab).
    Put {
        /// The new value.
        value: Bytes,
        /// The version that it replaces.
        expected: Version,
    },
    /// Writes the value whatever was there (2024's Put).
    Set {
        /// The new value.
        value: Bytes,
    },
    /// Puts the value behind the old one, which is the reply (2024's Append). A missing key is an empty value.
    Append {
        /// What is put behind.
        value: Bytes,
    },
    /// Takes the key away if it has this version.
    Delete {
        /// The version that goes.
        expected: Version,
    },
    /// A command of Redis on the value.
    String(StringOp),
    /// A command of Redis on the key.
    Key(KeyOp),
}

/// When a value ends. A span counts from the group's clock when the command is applied.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Deadline {
    /// Never.
    Never,
    /// When the old value would have; a new one never.
    Keep,
    /// At this time. What is not later than the clock takes the key away.
    At(Stamp),
    /// After so many milliseconds.
    In(u64),
}

/// On what a write depends.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum When {
    /// On nothing.
    Always,
    /// The key is not there (NX).
    Missing,
    /// The key is there (XX).
    Present,
    /// The key has this value (IFEQ).
    Equal(Bytes),
    /// The key has another value (IFNE). A SET also writes a key that is not there.
    NotEqual(Bytes),
}

/// On what a new deadline depends. XX with GT is `Later`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ExpireWhen {
    /// On nothing.
    Always,
    /// There is none yet (NX).
    Missing,
    /// There is one (XX).
    Present,
    /// It is later than the old one (GT); nothing is later than never.
    Later,
    /// It is sooner than the old one (LT).
    Sooner,
    /// There is one, and it is sooner (XX LT).
    PresentSooner,
}

/// A command of Redis on a value. Its replies are Redis's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum StringOp {
    /// GET, and each part of MGET.
    Get,
    /// SET, SETEX, PSETEX, each part of MSET; GETSET is SET with GET.
    Set {
        /// The new value.
        value: Bytes,
        /// On what it depends.
        when: When,
        /// When the value ends.
        deadline: Deadline,
        /// Whether the reply is the old value.
        get: bool,
    },
    /// SETNX: 1 if the key was not there, else 0.
    SetNx {
        /// The new value.
        value: Bytes,
    },
    /// MSETNX: 1 and all are written if none of the keys is there, else 0.
    SetAllNx {
        /// The value of the operation's key.
        value: Bytes,
        /// The other keys and their values.
        others: Vec<(Bytes, Bytes)>,
    },
    /// GETDEL.
    GetDel,
    /// GETEX, with `Keep` where no option is given and `Never` for PERSIST.
    GetEx {
        /// When the value ends.
        deadline: Deadline,
    },
    /// GETRANGE and SUBSTR.
    GetRange {
        /// The first byte, from the end if negative.
        start: i64,
        /// The last byte, from the end if negative.
        end: i64,
    },
    /// SETRANGE: the new length. Zeros fill what lies between.
    SetRange {
        /// Where the bytes go.
        offset: u64,
        /// The bytes.
        value: Bytes,
    },
    /// APPEND: the new length.
    Append {
        /// What is put behind.
        value: Bytes,
    },
    /// STRLEN.
    Len,
    /// INCR, DECR, INCRBY, DECRBY: the sum.
    IncrBy {
        /// What is added.
        by: i64,
    },
    /// INCRBYFLOAT: the sum.
    IncrByFloat {
        /// What is added.
        by: Decimal,
    },
    /// LCS: a longest common subsequence of two values; a missing key is an empty value.
    Lcs {
        /// The other key.
        other: Bytes,
        /// What of it is asked.
        form: LcsForm,
    },
}

/// What of a longest common subsequence is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LcsForm {
    /// The bytes.
    Whole,
    /// How many there are (LEN).
    Len,
    /// Where they are (IDX): `[[match, …], length]`, the last match first, a match being
    /// `[[first, last], [first, last]]` of the two values, and its length.
    Matches {
        /// Shorter matches are left out (MINMATCHLEN).
        min: u64,
        /// Whether a match has its length (WITHMATCHLEN).
        lengths: bool,
    },
}

/// A command of Redis on a key. Its replies are Redis's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum KeyOp {
    /// DEL and UNLINK of one key, DELEX, DELIFEQ: 1 if it went, else 0.
    Delete {
        /// On what it depends.
        when: When,
    },
    /// EXISTS and TOUCH of one key: 1 or 0.
    Exists,
    /// TYPE.
    Kind,
    /// EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT, and PERSIST with `Never`: 1 if the deadline was changed, else 0.
    Expire {
        /// The new deadline.
        deadline: Deadline,
        /// On what it depends.
        when: ExpireWhen,
    },
    /// TTL, PTTL, EXPIRETIME, PEXPIRETIME: -2 if there is no key, -1 if it has no deadline.
    Ttl {
        /// Whether the deadline itself is asked, and not what is left until then.
        absolute: bool,
        /// Whether in milliseconds; else in seconds, rounded.
        ms: bool,
    },
    /// RENAME and RENAMENX. The deadline goes along.
    Rename {
        /// The new name.
        to: Bytes,
        /// RENAMENX: only if nothing has the new name yet. The reply is then 1 or 0.
        if_missing: bool,
    },
    /// COPY: 1 or 0. The deadline is copied too.
    Copy {
        /// The copy's name.
        to: Bytes,
        /// Whether what has that name is replaced.
        replace: bool,
    },
}

impl Op {
    /// Whether it can change anything.
    pub const fn writes(&self) -> bool {
        match self {
            Self::Get => false,
            Self::Put { .. } | Self::Set { .. } | Self::Append { .. } | Self::Delete { .. } => true,
            Self::String(op) => !matches!(
                op,
                StringOp::Get
                    | StringOp::GetEx { deadline: Deadline::Keep }
                    | StringOp::GetRange { .. }
                    | StringOp::Len
                    | StringOp::Lcs { .. }
            ),
            Self::Key(op) => !matches!(op, KeyOp::Exists | KeyOp::Kind | KeyOp::Ttl { .. }),
        }
    }

    /// The keys that it touches beside its own.
    pub fn others(&self) -> impl Iterator<Item = &Bytes> {
        let (one, many): (Option<&Bytes>, &[(Bytes, Bytes)]) = match self {
            Self::String(StringOp::SetAllNx { others, .. }) => (None, others),
            Self::String(StringOp::Lcs { other, .. }) => (Some(other), &[]),
            Self::Key(KeyOp::Rename { to, .. } | KeyOp::Copy { to, .. }) => (Some(to), &[]),
            _ => (None, &[]),
        };
        one.into_iter().chain(many.iter().map(|(key, _)| key))
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get => write!(f, "Get"),
            Self::Put { value, expected } => write!(f, "Put {value:?} over version {expected}"),
            Self::Set { value } => write!(f, "Set {value:?}"),
            Self::Append { value } => write!(f, "Append {value:?}"),
            Self::Delete { expected } => write!(f, "Delete version {expected}"),
            Self::String(op) => write!(f, "{op:?}"),
            Self::Key(op) => write!(f, "{op:?}"),
        }
    }
}
