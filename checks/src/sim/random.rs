//! The one source of chance: SplitMix64 (Steele, Lea and Flood 2014), and a hash that is the same everywhere.

use std::hash::{Hash, Hasher};

/// Numbers that look random and are the same for the same seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed. Seeds that are near each other give numbers that are not.
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// Any number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// A number below `bound`, which is not 0. It is a little uneven, by less than anybody could see.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.next() as u128 * bound as u128) >> 64) as u64
    }

    /// A number between these two, both included.
    pub const fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// True so many times in a million.
    pub const fn chance(&mut self, millionths: u32) -> bool {
        self.below(1_000_000) < millionths as u64
    }

    /// One of several.
    pub const fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A number about as often between 1 and 2 as between 1,000 and 2,000: small as a rule, and now and then large.
    pub const fn skewed(&mut self, least: u64, most: u64) -> u64 {
        let span = (most / least).ilog2() as u64 + 1;
        let low = least << self.below(span);
        let drawn = self.between(low, low * 2);
        if drawn > most { most } else { drawn }
    }
}

const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A sum over bytes, eight at a time. It protects against accidents, as a disk's checksum does, and against nobody.
#[derive(Clone, Debug, Default)]
pub struct Sum(u64);

/// From so many bytes on, four sums are made side by side, for one alone waits for itself.
const LONG: usize = 512;

/// Four sums over bytes, eight at a time and in turn. The rest is left. Both halves of a product are taken: in the
/// lower one alone, a word's last bit touches one bit, which a bit of the next word can undo.
fn side_by_side(bytes: &[u8]) -> ([u64; 4], &[u8]) {
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut sums = [1, 2, 3, 4];
    for block in blocks {
        for (sum, word) in sums.iter_mut().zip(block.as_chunks::<8>().0) {
            let mixed = u128::from(*sum ^ u64::from_le_bytes(*word)) * 0x9e37_79b9_7f4a_7c15;
            *sum = mixed as u64 ^ (mixed >> 64) as u64;
        }
    }
    (sums, rest)
}

impl Hasher for Sum {
    fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        if bytes.len() >= LONG {
            let (sums, left) = side_by_side(bytes);
            sums.into_iter().for_each(|sum| self.write_u64(sum));
            rest = left;
        }
        for chunk in rest.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
        self.write_u64(bytes.len() as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = mixed((self.0 ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The sum of anything.
pub fn sum(of: &(impl Hash + ?Sized)) -> u64 {
    let mut sum = Sum::default();
    of.hash(&mut sum);
    sum.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_their_bounds_and_reach_them() {
        let mut random = Random::new(1);
        let drawn: Vec<u64> = (0..1_000).map(|_| random.between(3, 7)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&3), Some(&7)));
        let drawn: Vec<u64> = (0..10_000).map(|_| random.skewed(10, 5_000)).collect();
        assert!(drawn.iter().all(|number| (10..=5_000).contains(number)));
        assert!(drawn.iter().any(|number| *number < 20));
        assert!(drawn.iter().any(|number| *number > 4_000));
        let hits = (0..100_000).filter(|_| random.chance(250_000)).count();
        assert!((24_000..26_000).contains(&hits), "{hits}");
    }

    #[test]
    fn one_bit_makes_another_sum() {
        for length in [40, LONG - 1, LONG, LONG + 39] {
            let bytes = vec![7u8; length];
            let mut sums: Vec<u64> = (0..length * 8)
                .map(|bit| {
                    let mut other = bytes.clone();
                    other[bit / 8] ^= 1 << (bit % 8);
                    sum(&other[..])
                })
                .chain([sum(&bytes[..]), sum(&bytes[1..])])
                .collect();
            sums.sort_unstable();
            sums.dedup();
            assert_eq!(sums.len(), length * 8 + 2);
        }
    }

    /// Two words after each other in one of the four sums.
    #[test]
    fn no_two_bits_undo_each_other() {
        let bytes = vec![7u8; LONG];
        let bits: Vec<usize> = (64..128).chain(320..384).collect();
        let mut sums = vec![sum(&bytes[..])];
        for (at, one) in bits.iter().enumerate() {
            for two in &bits[at + 1..] {
                let mut other = bytes.clone();
                other[one / 8] ^= 1 << (one % 8);
                other[two / 8] ^= 1 << (two % 8);
                sums.push(sum(&other[..]));
            }
        }
        let all = sums.len();
        sums.sort_unstable();
        sums.dedup();
        assert_eq!(sums.len(), all);
    }
}
