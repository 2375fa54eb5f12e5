//! Keys and values, and the slots of keys.

use super::slot;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// A key or a value. Copies share it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(Arc<[u8]>);

/// One of the [`slot::SLOTS`] parts of the keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u16"))]
pub struct SlotId(pub u16);

#[cfg(feature = "serde")]
impl TryFrom<u16> for SlotId {
    type Error = &'static str;

    fn try_from(number: u16) -> Result<Self, Self::Error> {
        (number < slot::SLOTS).then_some(Self(number)).ok_or("there is no such slot")
    }
}

impl Bytes {
    /// The slot of a key: see [`mod@slot`].
    pub fn slot(&self) -> SlotId {
        SlotId(slot::slot(self.as_ref()))
    }

    /// These bytes and then the others.
    pub(super) fn followed_by(&self, more: &Self) -> Self {
        let mut both = Vec::with_capacity(self.0.len() + more.0.len());
        both.extend_from_slice(&self.0);
        both.extend_from_slice(&more.0);
        Self(both.into())
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Self(Arc::from([]))
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Self {
        bytes.0.to_vec()
    }
}

/// In one piece, for byte by byte takes long.
#[cfg(feature = "serde")]
impl serde::Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: serde_bytes::ByteBuf = serde::Deserialize::deserialize(deserializer)?;
        Ok(bytes.into_vec().into())
    }
}

/// As text, what is not ASCII escaped.
impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}
