//! Which operations must be judged together.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Parts an index belongs to, by union and find: each points at another of its part, the root at itself.
struct Union(Vec<usize>);

impl Union {
    fn root(&mut self, mut index: usize) -> usize {
        while self.0[index] != index {
            self.0[index] = self.0[self.0[index]];
            index = self.0[index];
        }
        index
    }

    fn join(&mut self, one: usize, two: usize) {
        let (one, two) = (self.root(one), self.root(two));
        // The earlier is the root, so parts come in the order of their first operations.
        self.0[one.max(two)] = one.min(two);
    }
}

/// The operations that hang together because they touch the same keys, directly or through others. An operation
/// without a key is a part of its own. Each part in the order of its operations, the parts by their first; and how
/// many keys there are.
pub fn parts<K: Hash + Eq>(keys: &[Vec<K>]) -> (Vec<Vec<usize>>, usize) {
    let mut union = Union((0..keys.len()).collect());
    let mut first: HashMap<&K, usize> = HashMap::new();
    for (operation, keys) in keys.iter().enumerate() {
        for key in keys {
            let first = *first.entry(key).or_insert(operation);
            union.join(first, operation);
        }
    }
    let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for operation in 0..keys.len() {
        parts.entry(union.root(operation)).or_default().push(operation);
    }
    (parts.into_values().collect(), first.len())
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn keys_in_common_join() {
        let keys = [vec!["a"], vec!["b"], vec!["c", "d"], vec![], vec!["b"], vec!["d", "a"]];
        assert_eq!(parts(&keys), (vec![vec![0, 2, 5], vec![1, 4], vec![3]], 4));
        assert_eq!(parts::<u8>(&[]), (vec![], 0));
    }
}
