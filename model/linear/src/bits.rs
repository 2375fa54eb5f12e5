//! A set of numbers that is nearly a prefix: what was taken of a history.
//!
//! Whoever takes operations in the order of their calls, but for those that overlap, has all up to some place, none
//! from a little further on, and a mixture between. Only the mixture is copied when a set is remembered.

/// Bits in a word.
const BITS: usize = 64;

/// A set of numbers below a bound.
///
/// Invariant: all words before `full` are full, and the word at `full` is not; the words from `top` on are empty, and
/// the word before `top` is not. So both are given by the set, and equal sets have equal prints.
#[derive(Clone, Debug)]
pub struct Bits {
    words: Vec<u64>,
    full: usize,
    top: usize,
}

impl Bits {
    /// The empty set of numbers below `bound`.
    pub fn new(bound: usize) -> Self {
        // One word more than can ever be full.
        Self { words: vec![0; bound / BITS + 1], full: 0, top: 0 }
    }

    /// Whether it has a number.
    pub fn has(&self, number: usize) -> bool {
        self.words[number / BITS] >> (number % BITS) & 1 == 1
    }

    /// Puts a number in.
    pub fn insert(&mut self, number: usize) {
        let word = number / BITS;
        self.words[word] |= 1 << (number % BITS);
        self.top = self.top.max(word + 1);
        while self.words[self.full] == u64::MAX {
            self.full += 1;
        }
    }

    /// Takes a number out.
    pub fn remove(&mut self, number: usize) {
        let word = number / BITS;
        self.words[word] &= !(1 << (number % BITS));
        self.full = self.full.min(word);
        while self.top > 0 && self.words[self.top - 1] == 0 {
            self.top -= 1;
        }
    }

    /// Appends words by which this set differs from every other of the same bound.
    pub fn print(&self, print: &mut Vec<u64>) {
        let mixture = self.words.get(self.full..self.top).unwrap_or_default();
        print.push((self.full as u64) << 32 | mixture.len() as u64);
        print.extend_from_slice(mixture);
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;
    use std::collections::{BTreeSet, HashMap};

    /// Sets with equal prints are equal, whatever way they came about.
    #[test]
    fn prints_tell_sets_apart() {
        let mut seen: HashMap<Vec<u64>, BTreeSet<usize>> = HashMap::new();
        let (mut bits, mut twin) = (Bits::new(320), BTreeSet::new());
        let mut random = 7_u64;
        for round in 0..20_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Mostly upwards, so that words fill and become empty.
            let number = (random >> 33) as usize % (1 + round % 320);
            if twin.remove(&number) {
                bits.remove(number);
            } else {
                twin.insert(number);
                bits.insert(number);
            }
            if round % 5 == 0 {
                for number in 0..128 {
                    twin.insert(number);
                    bits.insert(number);
                }
            }
            assert!((0..320).all(|number| bits.has(number) == twin.contains(&number)));
            let mut print = Vec::new();
            bits.print(&mut print);
            let known = seen.entry(print).or_insert_with(|| twin.clone());
            assert_eq!(*known, twin);
        }
        assert!(seen.len() > 1000, "only {} sets: that compares nothing", seen.len());
        let prints: BTreeSet<_> = seen.values().collect();
        assert_eq!(prints.len(), seen.len(), "one set has two prints");
    }
}
