//! A walk over the entries of a map, in order.

use super::{Child, Page, place};
use alloc::vec::Vec;
use core::iter::FusedIterator;
use core::slice;

/// The entries of a [`super::Pages`], in order.
pub struct Iter<'a, K, V> {
    /// What is still to come of the branches above, the highest first. A map of one page has none.
    above: Vec<slice::Iter<'a, Child<K, V>>>,
    here: slice::Iter<'a, (K, V)>,
}

impl<'a, K, V> Iter<'a, K, V> {
    /// From the entry with an index on.
    pub(super) fn at(root: Option<&'a Page<K, V>>, mut index: usize) -> Self {
        Self::new(root, |page| match page {
            Page::Leaf(_) => index,
            Page::Branch(children) => {
                let here = children.iter().position(|child| {
                    let here = index < child.count;
                    index -= if here { 0 } else { child.count };
                    here
                });
                here.unwrap_or(children.len())
            }
        })
    }

    /// From a key on.
    pub(super) fn from_key(root: Option<&'a Page<K, V>>, key: &K) -> Self
    where
        K: Ord,
    {
        Self::new(root, |page| match page {
            Page::Leaf(entries) => entries.partition_point(|(other, _)| other < key),
            Page::Branch(children) => place(children, |least| least <= key),
        })
    }

    fn new(root: Option<&'a Page<K, V>>, choose: impl FnMut(&Page<K, V>) -> usize) -> Self {
        let mut iter = Self { above: Vec::new(), here: [].iter() };
        if let Some(root) = root {
            iter.enter(root, choose);
        }
        iter
    }

    fn enter(&mut self, mut page: &'a Page<K, V>, mut choose: impl FnMut(&Page<K, V>) -> usize) {
        loop {
            let at = choose(page);
            match page {
                Page::Leaf(entries) => {
                    self.here = entries[at..].iter();
                    return;
                }
                Page::Branch(children) => {
                    let mut rest = children[at..].iter();
                    let Some(first) = rest.next() else { return };
                    self.above.push(rest);
                    page = &first.page;
                }
            }
        }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.here.next() {
                return Some((key, value));
            }
            match self.above.last_mut()?.next() {
                Some(child) => self.enter(&child.page, |_| 0),
                None => {
                    self.above.pop();
                }
            }
        }
    }
}

impl<K, V> FusedIterator for Iter<'_, K, V> {}
