//! The bytes of a trace's file. Numbers are little-endian.
//!
//! A header, then batches: a head of 12 bytes (the body's length, its checksum, and a checksum over both, the life and
//! the batch's number in it), and the body. The length has a checksum of its own, so that a flipped bit in it is damage
//! and not the torn end that it would look like; and the number makes a batch that was taken out, or put elsewhere,
//! as wrong as one that was changed. A body begins with [`Stamps`]; the events behind them are postcard's.

use super::Error;
use crate::wal::Identity;
use std::fmt;
use std::path::Path;

/// The format that this build writes and reads.
pub const FORMAT: u32 = 1;
const MAGIC: &[u8; 8] = b"quotrace";
/// The header's length, in bytes.
pub(super) const HEADER: usize = 64;
/// The length of what is in front of a batch's body, in bytes.
pub(super) const HEAD: usize = 12;
/// The length of what a body begins with, in bytes.
pub(super) const STAMPS: usize = 32;

/// Whose trace it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Whose {
    /// The node.
    pub identity: Identity,
    /// Which of the node's servers, by its place in the node's log: 0 is the only one, or that of the controller.
    pub group: u32,
}

/// Of a node with one server.
impl From<Identity> for Whose {
    fn from(identity: Identity) -> Self {
        Self { identity, group: 0 }
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { identity, group } = self;
        match group {
            0 => write!(f, "{identity}"),
            group => write!(f, "group {group} on {identity}"),
        }
    }
}

/// What a file begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Whose trace it is.
    pub whose: Whose,
    /// Which life, from 1 on.
    pub life: u64,
    /// By which clock its stamps are: that of one machine, from its start to its end. 0 is unknown.
    pub clock: u128,
}

/// When a batch was, and what it has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamps {
    /// A time before its first step, in microseconds of the machine's monotonic clock.
    pub begun_us: u64,
    /// A time behind its last step, and before any effect of it has left.
    pub ended_us: u64,
    /// The last entry that is applied.
    pub applied: u64,
    /// The service's fingerprint behind that.
    pub print: u64,
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        let Whose { identity: Identity { cluster, node }, group } = self.whose;
        let node = u32::try_from(node).expect("nodes have small numbers");
        bytes[16..32].copy_from_slice(&cluster.to_le_bytes());
        bytes[32..36].copy_from_slice(&node.to_le_bytes());
        bytes[36..40].copy_from_slice(&group.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.life.to_le_bytes());
        bytes[48..64].copy_from_slice(&self.clock.to_le_bytes());
        let sum = header_sum(&bytes);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HEADER], path: &Path) -> Result<Self, Error> {
        let damaged = |what| Error::Damaged { path: path.to_owned(), offset: 0, what };
        if bytes[..8] != *MAGIC {
            return Err(damaged("no trace begins so"));
        }
        if u32::from_le_bytes(array(bytes, 12)) != header_sum(bytes) {
            return Err(damaged("the header's checksum is wrong"));
        }
        let found = u32::from_le_bytes(array(bytes, 8));
        if found != FORMAT {
            return Err(Error::Format { path: path.to_owned(), found });
        }
        let identity = Identity {
            cluster: u128::from_le_bytes(array(bytes, 16)),
            node: u32::from_le_bytes(array(bytes, 32)).into(),
        };
        let whose = Whose { identity, group: u32::from_le_bytes(array(bytes, 36)) };
        let life = u64::from_le_bytes(array(bytes, 40));
        Ok(Self { whose, life, clock: u128::from_le_bytes(array(bytes, 48)) })
    }
}

fn header_sum(bytes: &[u8; HEADER]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..])
}

impl Stamps {
    pub(super) fn encode(&self) -> [u8; STAMPS] {
        let mut bytes = [0; STAMPS];
        let numbers = [self.begun_us, self.ended_us, self.applied, self.print];
        for (place, number) in numbers.into_iter().enumerate() {
            bytes[8 * place..][..8].copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8; STAMPS]) -> Self {
        let number = |place: usize| u64::from_le_bytes(array(bytes, 8 * place));
        Self { begun_us: number(0), ended_us: number(1), applied: number(2), print: number(3) }
    }
}

/// The head of the batch with this number in this life.
pub(super) fn head(life: u64, number: u64, body: &[u8]) -> [u8; HEAD] {
    let length = u32::try_from(body.len()).expect("a recorder ends its batches long before");
    let mut bytes = [0; HEAD];
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..8].copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    let sum = head_sum(life, number, &bytes);
    bytes[8..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// The length and the checksum of the body behind a head; none if the head is not that batch's.
pub(super) fn read_head(life: u64, number: u64, bytes: &[u8; HEAD]) -> Option<(usize, u32)> {
    let right = u32::from_le_bytes(array(bytes, 8)) == head_sum(life, number, bytes);
    let length = u32::from_le_bytes(array(bytes, 0)) as usize;
    (right && length >= STAMPS).then(|| (length, u32::from_le_bytes(array(bytes, 4))))
}

fn head_sum(life: u64, number: u64, bytes: &[u8; HEAD]) -> u32 {
    let seed = crc32c::crc32c_append(crc32c::crc32c(&life.to_le_bytes()), &number.to_le_bytes());
    crc32c::crc32c_append(seed, &bytes[..8])
}
