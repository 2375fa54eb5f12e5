//! The alphabet of snapshots: numbers, bytes and replies. What is made of them is in `snapshot.rs`.

use super::{Bytes, Fault, Kind, Reply};
use alloc::vec::Vec;
use core::fmt;

/// The first byte of a store. A change of the layout takes the next number.
pub(super) const FORMAT: u8 = 2;
/// Replies inside replies: the parts of LCS's inside a transaction's are the deepest.
const MAX_DEPTH: u8 = 8;

/// Why bytes are no store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// They were written by a later build, or are something else.
    Format {
        /// The version byte.
        found: u8,
    },
    /// They end too soon.
    Truncated,
    /// No store writes this.
    Invalid(&'static str),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format { found } => {
                write!(f, "the store's bytes have format {found}, this build reads {FORMAT}")
            }
            Self::Truncated => f.write_str("the store's bytes end too soon"),
            Self::Invalid(what) => write!(f, "the store's bytes are damaged: {what}"),
        }
    }
}

impl core::error::Error for DecodeError {}

pub(crate) type Decoded<T> = Result<T, DecodeError>;

/// What is left to be read. A length is believed only as far as there are bytes.
pub(crate) struct Reader<'a>(&'a [u8]);

pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &Bytes) {
    put_number(out, bytes.as_ref().len() as u64);
    out.extend_from_slice(bytes.as_ref());
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn byte(&mut self) -> Decoded<u8> {
        let (&byte, rest) = self.0.split_first().ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(byte)
    }

    pub(crate) fn number(&mut self) -> Decoded<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits || (byte == 0 && shift > 0) {
                return Err(DecodeError::Invalid("a number"));
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(DecodeError::Invalid("a number"))
    }

    pub(crate) fn bytes(&mut self) -> Decoded<Bytes> {
        let length = usize::try_from(self.number()?).map_err(|_| DecodeError::Truncated)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(bytes.into())
    }
}

impl Reply {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let plain = |out: &mut Vec<u8>, tag: u8| out.push(tag);
        match self {
            Self::Value { value, version } => {
                out.push(0);
                put_bytes(out, value);
                put_number(out, *version);
            }
            Self::NoKey => plain(out, 1),
            Self::Written { version } => {
                out.push(2);
                put_number(out, *version);
            }
            Self::Appended { old, version } => {
                out.push(3);
                put_bytes(out, old);
                put_number(out, *version);
            }
            Self::VersionMismatch => plain(out, 4),
            Self::NotKept => plain(out, 5),
            Self::SessionExpired => plain(out, 6),
            Self::Acknowledged => plain(out, 7),
            Self::SeqReused => plain(out, 8),
            Self::ClientAhead => plain(out, 9),
            Self::TooManyUnacknowledged => plain(out, 10),
            Self::Ok => plain(out, 11),
            Self::Nil => plain(out, 12),
            Self::Int(number) => {
                out.push(13);
                put_number(out, number.cast_unsigned());
            }
            Self::Bulk(value) => {
                out.push(14);
                put_bytes(out, value);
            }
            Self::Kind(Kind::None) => plain(out, 15),
            Self::Kind(Kind::String) => plain(out, 16),
            Self::Many(parts) => {
                out.push(17);
                put_number(out, parts.len() as u64);
                parts.iter().for_each(|part| part.encode(out));
            }
            Self::Fault(fault) => {
                out.push(18);
                let code = FAULTS.iter().position(|known| known == fault);
                out.push(code.map_or(u8::MAX, |code| code as u8));
            }
            Self::WatchFailed => plain(out, 19),
        }
    }

    pub(super) fn decode(from: &mut Reader<'_>) -> Decoded<Self> {
        Self::decode_at(from, 0)
    }

    fn decode_at(from: &mut Reader<'_>, depth: u8) -> Decoded<Self> {
        Ok(match from.byte()? {
            0 => Self::Value { value: from.bytes()?, version: from.number()? },
            1 => Self::NoKey,
            2 => Self::Written { version: from.number()? },
            3 => Self::Appended { old: from.bytes()?, version: from.number()? },
            4 => Self::VersionMismatch,
            5 => Self::NotKept,
            6 => Self::SessionExpired,
            7 => Self::Acknowledged,
            8 => Self::SeqReused,
            9 => Self::ClientAhead,
            10 => Self::TooManyUnacknowledged,
            11 => Self::Ok,
            12 => Self::Nil,
            13 => Self::Int(from.number()?.cast_signed()),
            14 => Self::Bulk(from.bytes()?),
            15 => Self::Kind(Kind::None),
            16 => Self::Kind(Kind::String),
            17 if depth < MAX_DEPTH => {
                let mut parts = Vec::new();
                for _ in 0..from.number()? {
                    parts.push(Self::decode_at(from, depth + 1)?);
                }
                Self::Many(parts)
            }
            18 => {
                let fault = FAULTS.get(usize::from(from.byte()?));
                Self::Fault(*fault.ok_or(DecodeError::Invalid("a fault"))?)
            }
            19 => Self::WatchFailed,
            _ => return Err(DecodeError::Invalid("a reply")),
        })
    }
}

/// The faults by their numbers: new ones go to the end.
const FAULTS: [Fault; 11] = [
    Fault::NotAnInteger,
    Fault::Overflow,
    Fault::NotANumber,
    Fault::NotFinite,
    Fault::NumberTooLarge,
    Fault::TooLong,
    Fault::InvalidExpire,
    Fault::NoSuchKey,
    Fault::SameKey,
    Fault::CrossSlot,
    Fault::LcsTooLong,
];
