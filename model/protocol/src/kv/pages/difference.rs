//! Where two maps differ, without looking at what they share.
//!
//! Two walks go side by side, in the keys' order. Where both stand in front of the same page they pass it by; a page
//! is opened only if the other walk stands at a key of its own range. So between a map and an earlier copy of it the
//! work grows with the pages that were written since, and not with the map.

use super::{Child, Page, Pages, place};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::iter::FusedIterator;

/// The entries in which a map differs from an older one, by key: the new value, or None where there is none now.
pub struct Difference<'a, K, V> {
    old: Walk<'a, K, V>,
    new: Walk<'a, K, V>,
}

/// What is still to come of a map, the nearest last.
struct Walk<'a, K, V>(Vec<Rest<'a, K, V>>);

/// Neither list is empty.
enum Rest<'a, K, V> {
    Page(&'a Arc<Page<K, V>>),
    Children(&'a [Child<K, V>]),
    Entries(&'a [(K, V)]),
}

/// What a walk stands in front of.
enum Head<'a, K, V> {
    Page(&'a Arc<Page<K, V>>),
    Entry(&'a (K, V)),
}

// Derived, they would ask the same of keys and values.
impl<K, V> Copy for Head<'_, K, V> {}

impl<K, V> Clone for Head<'_, K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V, const MOST: usize> Pages<K, V, MOST> {
    /// The entries in which this map differs from an older one, in order; only those behind a key if one is given.
    pub fn difference<'a>(&'a self, old: &'a Self, after: Option<&K>) -> Difference<'a, K, V>
    where
        K: Ord,
    {
        Difference { old: Walk::new(&old.root, after), new: Walk::new(&self.root, after) }
    }
}

impl<'a, K: Ord, V> Walk<'a, K, V> {
    fn new(root: &'a Option<Arc<Page<K, V>>>, after: Option<&K>) -> Self {
        let mut walk = Self(Vec::new());
        match (root, after) {
            (Some(root), None) => walk.0.push(Rest::Page(root)),
            (Some(root), Some(after)) => walk.seek(root, after),
            (None, _) => {}
        }
        walk
    }

    /// To the first entry behind a key.
    fn seek(&mut self, mut page: &'a Page<K, V>, after: &K) {
        loop {
            match page {
                Page::Leaf(entries) => {
                    let at = entries.partition_point(|(key, _)| key <= after);
                    return self.push(Rest::Entries(&entries[at..]));
                }
                Page::Branch(children) => {
                    let at = place(children, |least| least <= after);
                    self.push(Rest::Children(&children[at + 1..]));
                    page = &children[at].page;
                }
            }
        }
    }
}

impl<'a, K, V> Walk<'a, K, V> {
    fn push(&mut self, rest: Rest<'a, K, V>) {
        let is_empty = match rest {
            Rest::Page(_) => false,
            Rest::Children(children) => children.is_empty(),
            Rest::Entries(entries) => entries.is_empty(),
        };
        if !is_empty {
            self.0.push(rest);
        }
    }

    fn head(&self) -> Option<Head<'a, K, V>> {
        Some(match self.0.last()? {
            Rest::Page(page) => Head::Page(page),
            Rest::Children(children) => Head::Page(&children.first()?.page),
            Rest::Entries(entries) => Head::Entry(entries.first()?),
        })
    }

    /// Goes past what it stands in front of.
    fn pass(&mut self) {
        match self.0.pop() {
            Some(Rest::Children(children)) => self.push(Rest::Children(&children[1..])),
            Some(Rest::Entries(entries)) => self.push(Rest::Entries(&entries[1..])),
            Some(Rest::Page(_)) | None => {}
        }
    }

    /// Goes into the page that it stands in front of.
    fn open(&mut self, page: &'a Page<K, V>) {
        self.pass();
        match page {
            Page::Leaf(entries) => self.push(Rest::Entries(entries)),
            Page::Branch(children) => self.push(Rest::Children(children)),
        }
    }
}

impl<'a, K, V> Head<'a, K, V> {
    /// The first key that comes.
    fn key(self) -> &'a K {
        let mut page = match self {
            Self::Entry((key, _)) => return key,
            Self::Page(page) => page,
        };
        loop {
            match &**page {
                Page::Leaf(entries) => return &entries[0].0,
                Page::Branch(children) => page = &children[0].page,
            }
        }
    }

    /// How many pages lie one in the other.
    fn height(self) -> usize {
        let Self::Page(mut page) = self else { return 0 };
        let mut height = 1;
        while let Page::Branch(children) = &**page {
            page = &children[0].page;
            height += 1;
        }
        height
    }
}

impl<'a, K: Ord, V: Eq> Difference<'a, K, V> {
    /// Of two walks that stand at different keys, the one at the smaller key goes on. What it passes is not in the
    /// other map.
    fn step(walk: &mut Walk<'a, K, V>, head: Head<'a, K, V>) -> Option<&'a (K, V)> {
        match head {
            Head::Page(page) => {
                walk.open(page);
                None
            }
            Head::Entry(entry) => {
                walk.pass();
                Some(entry)
            }
        }
    }

    /// Both stand at the same key.
    fn meet(&mut self, old: Head<'a, K, V>, new: Head<'a, K, V>) -> Option<&'a (K, V)> {
        match (old, new) {
            (Head::Entry(old), Head::Entry(new)) => {
                self.old.pass();
                self.new.pass();
                (old.1 != new.1).then_some(new)
            }
            (Head::Page(one), Head::Page(other)) if Arc::ptr_eq(one, other) => {
                self.old.pass();
                self.new.pass();
                None
            }
            // The taller one, for the other may lie in it.
            (Head::Page(page), _) if old.height() >= new.height() => {
                self.old.open(page);
                None
            }
            (_, Head::Page(page)) => {
                self.new.open(page);
                None
            }
            (Head::Page(page), Head::Entry(_)) => {
                self.old.open(page);
                None
            }
        }
    }
}

impl<'a, K: Ord, V: Eq> Iterator for Difference<'a, K, V> {
    type Item = (&'a K, Option<&'a V>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (old, new) = (self.old.head(), self.new.head());
            let order = match (old, new) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.key().cmp(new.key()),
            };
            let found = match (order, old, new) {
                (Ordering::Less, Some(head), _) => {
                    Self::step(&mut self.old, head).map(|(key, _)| (key, None))
                }
                (Ordering::Greater, _, Some(head)) => {
                    Self::step(&mut self.new, head).map(|(key, value)| (key, Some(value)))
                }
                (_, Some(old), Some(new)) => {
                    self.meet(old, new).map(|(key, value)| (key, Some(value)))
                }
                _ => return None,
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

impl<K: Ord, V: Eq> FusedIterator for Difference<'_, K, V> {}
