//! What attempts count.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

/// Named sums. In Hadoop's words a counter has a group and a name; here its name is both, as the application writes
/// them (`group,name`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Counters(BTreeMap<Box<str>, i64>);

impl Counters {
    /// None.
    pub const NONE: Self = Self(BTreeMap::new());

    /// Adds to one of them. A sum that leaves the range of 64 bits goes around, so that it can be taken back.
    pub fn add(&mut self, name: &str, amount: i64) {
        if let Some(sum) = self.0.get_mut(name) {
            *sum = sum.wrapping_add(amount);
        } else {
            self.0.insert(name.into(), amount);
        }
    }

    /// The sum of this name; 0 if there is none.
    pub fn get(&self, name: &str) -> i64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(name, sum)| (&**name, *sum))
    }

    /// Adds all of another's.
    pub(super) fn add_all(&mut self, other: &Self) {
        for (name, amount) in other.iter() {
            self.add(name, amount);
        }
    }

    /// Takes all of another's back.
    pub(super) fn take_all(&mut self, other: &Self) {
        for (name, amount) in other.iter() {
            self.add(name, amount.wrapping_neg());
        }
    }
}
