//! Lists that are no part of the state.

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

/// A list that is empty between steps, kept for its capacity: no part of the state.
#[derive(Debug)]
pub(super) struct Scratch<T>(pub Vec<T>);

impl<T> Default for Scratch<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Clone for Scratch<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T> PartialEq for Scratch<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Scratch<T> {}

impl<T> Hash for Scratch<T> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
