//! Small things about bytes: numbers of variable length, the order of keys, and the hash of the labs.

use std::cmp::Ordering;

/// Appends a number, seven bits a byte, the lowest first.
pub(crate) fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number off the front of `bytes[*at..]`; none if it is cut off or too large.
#[inline]
pub(crate) fn take_number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            let fits = shift < 63 || byte < 2;
            return fits.then_some(number);
        }
    }
    None
}

/// The first eight bytes of a key as a number of the same order; shorter keys end in zeros. Where two numbers differ,
/// no key need be looked at, and that is nearly always: this is where sorting gets its speed.
#[inline]
pub(crate) fn prefix(key: &[u8]) -> u64 {
    match key.first_chunk::<8>() {
        Some(first) => u64::from_be_bytes(*first),
        None => short_prefix(key),
    }
}

/// Of a key of less than eight bytes, without a copy of unknown length: from its beginning and its end, which overlap.
#[inline]
fn short_prefix(key: &[u8]) -> u64 {
    let last = |bytes: usize| 8 * (8 - bytes);
    match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        (Some(first), Some(end)) => {
            let [first, end] = [first, end].map(|bytes| u64::from(u32::from_be_bytes(*bytes)));
            first << 32 | end << last(key.len())
        }
        _ => {
            let byte = |at: usize| key.get(at).map_or(0, |byte| u64::from(*byte) << last(at + 1));
            byte(0) | byte(1) | byte(2)
        }
    }
}

/// The order in which a reduce task meets the keys of its partition. Keys that compare as equal are ordered by their
/// bytes, so a group always is of one key. The values of a key come in the order in which the map tasks, by index,
/// emitted them.
#[derive(Clone, Copy, Debug, Default)]
pub enum Order {
    /// By bytes.
    #[default]
    Bytes,
    /// By bytes, the greatest first.
    Descending,
    /// As a function of the application's says. It has to be a total order, the same in every process.
    By(fn(&[u8], &[u8]) -> Ordering),
}

impl Order {
    /// Which of two keys comes first. The prefixes are those of the keys: [`prefix`].
    #[inline]
    pub(crate) fn compare(self, left: (u64, &[u8]), right: (u64, &[u8])) -> Ordering {
        match self {
            Self::Bytes => left.0.cmp(&right.0).then_with(|| left.1.cmp(right.1)),
            Self::Descending => right.0.cmp(&left.0).then_with(|| right.1.cmp(left.1)),
            Self::By(order) => order(left.1, right.1).then_with(|| left.1.cmp(right.1)),
        }
    }
}

/// The partition of a key unless the application has a rule of its own: the 32 bits of FNV-1a without the topmost,
/// modulo the number of reduce tasks. It is the rule that the labs prescribe, so their files come out with the same
/// names; it is the same on every machine and in every version.
pub fn default_partition(key: &[u8], reduces: u32) -> u32 {
    let mut hash: u32 = 0x811c_9dc5;
    for &byte in key {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    (hash & 0x7fff_ffff) % reduces.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_number(number, &mut bytes);
            let mut at = 0;
            assert_eq!(take_number(&bytes, &mut at), Some(number));
            assert_eq!(at, bytes.len());
            for cut in 0..bytes.len() {
                assert_eq!(take_number(&bytes[..cut], &mut 0), None, "{number} cut to {cut}");
            }
        }
        assert_eq!(take_number(&[0xff; 10], &mut 0), None, "more than 64 bits");
        assert_eq!(take_number(&[0xff; 20], &mut 0), None, "no end");
    }

    #[test]
    fn short_keys_end_in_zeros() {
        let key = b"abcdefgh";
        for length in 0..8 {
            let mut whole = [0; 8];
            whole[..length].copy_from_slice(&key[..length]);
            assert_eq!(prefix(&key[..length]), u64::from_be_bytes(whole), "{length} bytes");
        }
    }

    #[test]
    fn prefixes_order_as_keys_do() {
        let keys: [&[u8]; 8] =
            [b"", b"\0", b"\0\0", b"a", b"a\0", b"abcdefgh", b"abcdefgh\0", b"abcdefgi"];
        for left in keys {
            for right in keys {
                let order = Order::Bytes.compare((prefix(left), left), (prefix(right), right));
                assert_eq!(order, left.cmp(right), "{left:?} {right:?}");
            }
        }
    }

    /// The published test vectors of FNV-1a with 32 bits.
    #[test]
    fn the_labs_hash() {
        for (key, hash) in
            [("", 0x811c_9dc5_u32), ("a", 0xe40c_292c), ("b", 0xe70c_2de5), ("foobar", 0xbf9c_f968)]
        {
            let expected = (hash & 0x7fff_ffff) % 1_000_003;
            assert_eq!(default_partition(key.as_bytes(), 1_000_003), expected, "{key}");
        }
    }
}
