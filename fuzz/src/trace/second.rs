//! Another reader of a trace's bytes, and a writer of the checksums that no fuzzer can guess. It shares nothing with
//! the one that is tried.

use super::crc32c;

const HEADER: usize = 64;
const HEAD: usize = 12;
/// The length of what a batch's body begins with, in bytes.
pub const STAMPS: usize = 32;

/// What stands behind the last whole batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Nothing.
    Whole,
    /// Less than a batch: from where, and how many bytes.
    Torn(u64, u64),
    /// Something else: where it begins.
    Damaged(u64),
}

/// Whose life it is, and which; the name of its clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    pub cluster: u128,
    pub node: u32,
    pub group: u32,
    pub life: u64,
    pub clock: u128,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

/// A number of up to 16 bytes.
pub fn number_at(bytes: &[u8], at: usize, length: usize) -> u128 {
    bytes[at..at + length].iter().rev().fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}

fn header_sum(bytes: &[u8]) -> u32 {
    crc32c(crc32c(0, &bytes[..12]), &bytes[16..HEADER])
}

/// The header of a file; none if it has none of this format.
pub fn header(file: &[u8]) -> Option<Head> {
    let bytes = file.get(..HEADER)?;
    let right = &bytes[..8] == b"quotrace" && u32_at(bytes, 12) == header_sum(bytes);
    (right && u32_at(bytes, 8) == 1).then(|| Head {
        cluster: number_at(bytes, 16, 16),
        node: number_at(bytes, 32, 4) as u32,
        group: number_at(bytes, 36, 4) as u32,
        life: number_at(bytes, 40, 8) as u64,
        clock: number_at(bytes, 48, 16),
    })
}

fn head_sum(life: u64, number: u64, head: &[u8]) -> u32 {
    let seed = crc32c(crc32c(0, &life.to_le_bytes()), &number.to_le_bytes());
    crc32c(seed, &head[..8])
}

/// The whole batches behind a right header, each with where it begins, and what is behind them.
pub fn batches(file: &[u8], life: u64) -> (Vec<(u64, &[u8])>, End) {
    let mut found = Vec::new();
    let mut at = HEADER;
    loop {
        let rest = &file[at..];
        let torn = End::Torn(at as u64, rest.len() as u64);
        if rest.is_empty() {
            return (found, End::Whole);
        }
        let Some(head) = rest.get(..HEAD) else { return (found, torn) };
        let length = u32_at(head, 0) as usize;
        if u32_at(head, 8) != head_sum(life, found.len() as u64, head) || length < STAMPS {
            return (found, End::Damaged(at as u64));
        }
        let Some(body) = rest.get(HEAD..HEAD + length) else { return (found, torn) };
        if crc32c(0, body) != u32_at(head, 4) {
            return (found, End::Damaged(at as u64));
        }
        found.push((at as u64, body));
        at += HEAD + length;
    }
}

/// A file's header, sealed.
pub fn sealed_header(head: Head) -> Vec<u8> {
    let mut bytes = b"quotrace\x01\0\0\0\0\0\0\0".to_vec();
    bytes.extend(head.cluster.to_le_bytes());
    bytes.extend(head.node.to_le_bytes());
    bytes.extend(head.group.to_le_bytes());
    bytes.extend(head.life.to_le_bytes());
    bytes.extend(head.clock.to_le_bytes());
    let sum = header_sum(&bytes);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// A batch, sealed, whose head says that its body has this length.
pub fn sealed_batch(life: u64, number: u64, body: &[u8], length: u32) -> Vec<u8> {
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend(crc32c(0, body).to_le_bytes());
    let sum = head_sum(life, number, &bytes);
    bytes.extend(sum.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}
