//! An ordered map whose copies share what did not change.
//!
//! A snapshot is written while commands go on, so a copy of the store must cost next to nothing, and so must the
//! first write after it. A map is therefore a B-tree of pages that are counted by how many maps point at them: a
//! copy is a copy of the root's pointer, and a write copies the pages on the way to its key that others still
//! have, a few of at most `MOST` entries each, however many keys there are. A page that nobody else has is
//! changed where it lies.
//!
//! The entries are in the lowest pages. A page that grows beyond `MOST` becomes two: halves, but at the end of
//! the map a full one and a new one, so that what comes in order fills its pages. One that is nearly empty joins
//! a neighbour if both fit well into one page.
//!
//! Where the pages part depends on what was there before. Nobody sees that: maps with equal entries are equal and
//! hash alike, and the hash is a `BTreeMap`'s.

mod difference;
mod iter;
#[cfg(test)]
mod tests;

pub use difference::Difference;
pub use iter::Iter;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};

/// An ordered map in pages of at most `MOST` entries, at least 2. A set is a map to `()`.
#[derive(Clone)]
pub struct Pages<K, V, const MOST: usize = 256> {
    root: Option<Arc<Page<K, V>>>,
    len: usize,
}

/// Invariant: only a root may be empty, and it is not left so.
enum Page<K, V> {
    Leaf(Vec<(K, V)>),
    Branch(Vec<Child<K, V>>),
}

/// A page under a branch.
///
/// Invariant: no key in it is below `least`, and those of the children in front of it are.
#[derive(Clone)]
struct Child<K, V> {
    least: K,
    /// How many entries are in it and under it.
    count: usize,
    page: Arc<Page<K, V>>,
}

/// What a page is split by.
#[derive(Clone, Copy)]
struct Bounds {
    /// How many entries or children it holds.
    most: usize,
    /// Whether it ends the map.
    is_last: bool,
}

/// A copy has room to grow, but not beyond what a page holds.
fn copy<T: Clone>(from: &[T]) -> Vec<T> {
    let mut to = Vec::with_capacity(from.len().next_power_of_two());
    to.extend_from_slice(from);
    to
}

impl<K: Clone, V: Clone> Clone for Page<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(entries) => Self::Leaf(copy(entries)),
            Self::Branch(children) => Self::Branch(copy(children)),
        }
    }
}

/// Which child has the keys around a place: the last that begins before it.
fn place<K, V>(children: &[Child<K, V>], is_before: impl Fn(&K) -> bool) -> usize {
    let (mut from, mut to) = (0, children.len());
    while from < to {
        let middle = from.midpoint(to);
        if is_before(&children[middle].least) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    from.saturating_sub(1)
}

/// Where a key is, or would be.
///
/// The library's search takes no branch on what it compares. Keys lie scattered in memory, and a branch lets the
/// processor fetch the next one before it knows this one's outcome.
fn find<K: Ord, V>(entries: &[(K, V)], key: &K) -> Result<usize, usize> {
    let (mut from, mut to) = (0, entries.len());
    while from < to {
        let middle = from.midpoint(to);
        match entries[middle].0.cmp(key) {
            Ordering::Less => from = middle + 1,
            Ordering::Equal => return Ok(middle),
            Ordering::Greater => to = middle,
        }
    }
    Err(from)
}

/// Puts into a list that is full at `most`, and splits it then: what comes behind it is returned. That is its second
/// half, or only the new value where all else lies before it.
fn put<T>(list: &mut Vec<T>, at: usize, value: T, bounds: Bounds) -> Option<Vec<T>> {
    let Bounds { most, is_last } = bounds;
    if list.len() < most {
        list.insert(at, value);
        return None;
    }
    if is_last && at == list.len() {
        return Some([value].into());
    }
    let half = most / 2;
    let mut second = Vec::with_capacity(most);
    second.extend(list.drain(half..));
    if at <= half {
        list.insert(at, value);
    } else {
        second.insert(at - half, value);
    }
    Some(second)
}

impl<K, V> Page<K, V> {
    /// Entries or children, whichever it has.
    const fn len(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Branch(children) => children.len(),
        }
    }

    fn child(self, least: K) -> Child<K, V> {
        let count = match &self {
            Self::Leaf(entries) => entries.len(),
            Self::Branch(children) => children.iter().map(|child| child.count).sum(),
        };
        Child { least, count, page: Arc::new(self) }
    }
}

impl<K: Ord + Clone, V: Clone> Page<K, V> {
    /// The value that was there, and the page that comes behind this one if it was too small for both.
    fn insert(
        this: &mut Arc<Self>,
        key: K,
        value: V,
        bounds: Bounds,
    ) -> (Option<V>, Option<Child<K, V>>) {
        match Arc::make_mut(this) {
            Self::Leaf(entries) => match find(entries, &key) {
                Ok(at) => (Some(core::mem::replace(&mut entries[at].1, value)), None),
                Err(at) => {
                    let second = put(entries, at, (key, value), bounds);
                    let child = second.map(|second| {
                        let least = second[0].0.clone();
                        Self::Leaf(second).child(least)
                    });
                    (None, child)
                }
            },
            Self::Branch(children) => {
                let at = place(children, |least| *least <= key);
                let is_last = bounds.is_last && at + 1 == children.len();
                let child = &mut children[at];
                if key < child.least {
                    child.least = key.clone();
                }
                let below = Bounds { is_last, ..bounds };
                let (old, split) = Self::insert(&mut child.page, key, value, below);
                child.count += usize::from(old.is_none());
                let Some(split) = split else { return (old, None) };
                child.count -= split.count;
                let child = put(children, at + 1, split, bounds).map(|second| {
                    let least = second[0].least.clone();
                    Self::Branch(second).child(least)
                });
                (old, child)
            }
        }
    }

    fn remove(this: &mut Arc<Self>, key: &K, most: usize) -> Option<(K, V)> {
        match Arc::make_mut(this) {
            Self::Leaf(entries) => {
                let at = find(entries, key).ok()?;
                Some(entries.remove(at))
            }
            Self::Branch(children) => {
                let at = place(children, |least| least <= key);
                let gone = Self::remove(&mut children[at].page, key, most)?;
                children[at].count -= 1;
                Self::join(children, at, most);
                Some(gone)
            }
        }
    }

    /// Takes a child out that is empty, and joins one that is nearly empty with a neighbour.
    fn join(children: &mut Vec<Child<K, V>>, at: usize, most: usize) {
        match children[at].page.len() {
            0 => {
                children.remove(at);
                return;
            }
            len if len >= most / 4 => return,
            _ => {}
        }
        let fits = |first: &usize| {
            let pair = children.get(*first..*first + 2);
            let together = pair.map(|pair| pair[0].page.len() + pair[1].page.len());
            together.is_some_and(|together| together <= most / 4 * 3)
        };
        let Some(first) = [at.checked_sub(1), Some(at)].into_iter().flatten().find(fits) else {
            return;
        };
        let second = children.remove(first + 1);
        let first = &mut children[first];
        first.count += second.count;
        match (Arc::make_mut(&mut first.page), Arc::unwrap_or_clone(second.page)) {
            (Self::Leaf(entries), Self::Leaf(more)) => entries.extend(more),
            (Self::Branch(children), Self::Branch(more)) => children.extend(more),
            _ => unreachable!("all leaves lie equally deep"),
        }
    }
}

impl<K, V, const MOST: usize> Pages<K, V, MOST> {
    /// No entries, and no memory.
    pub const fn new() -> Self {
        const { assert!(MOST >= 2, "a page that is split has two entries") };
        Self { root: None, len: 0 }
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes out all.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// The first entry.
    pub fn first(&self) -> Option<(&K, &V)> {
        self.end(|list| list.checked_sub(1).map(|_| 0))
    }

    /// The last entry.
    pub fn last(&self) -> Option<(&K, &V)> {
        self.end(|list| list.checked_sub(1))
    }

    fn end(&self, choose: impl Fn(usize) -> Option<usize>) -> Option<(&K, &V)> {
        let mut page = self.root.as_deref()?;
        loop {
            let at = choose(page.len())?;
            match page {
                Page::Leaf(entries) => return Some((&entries[at].0, &entries[at].1)),
                Page::Branch(children) => page = &children[at].page,
            }
        }
    }

    /// How many entries at the front fulfil what none behind them fulfils.
    pub fn partition_point(&self, is_before: impl Fn(&K) -> bool) -> usize {
        let (mut page, mut before) = (self.root.as_deref(), 0);
        while let Some(Page::Branch(children)) = page {
            let at = place(children, &is_before);
            before += children[..at].iter().map(|child| child.count).sum::<usize>();
            page = Some(&children[at].page);
        }
        let Some(Page::Leaf(entries)) = page else { return 0 };
        before + entries.partition_point(|(key, _)| is_before(key))
    }

    /// All entries in order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        self.iter_at(0)
    }

    /// The entries from the one with this index on.
    pub fn iter_at(&self, index: usize) -> Iter<'_, K, V> {
        Iter::at(self.root.as_deref().filter(|_| index < self.len), index)
    }

    /// All keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values in their keys' order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V, const MOST: usize> Pages<K, V, MOST> {
    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let mut page = self.root.as_deref()?;
        loop {
            match page {
                Page::Leaf(entries) => {
                    let at = find(entries, key).ok()?;
                    return Some(&entries[at].1);
                }
                Page::Branch(children) => {
                    page = &children[place(children, |least| least <= key)].page;
                }
            }
        }
    }

    /// Whether a key is there.
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// The entries from a key on.
    pub fn range_from(&self, key: &K) -> Iter<'_, K, V> {
        Iter::from_key(self.root.as_deref(), key)
    }
}

impl<K: Ord + Clone, V: Clone, const MOST: usize> Pages<K, V, MOST> {
    /// The value of a key, to be changed. Where there is none, nothing is copied.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if !self.contains_key(key) {
            return None;
        }
        let mut page = Arc::make_mut(self.root.as_mut()?);
        loop {
            match page {
                Page::Leaf(entries) => {
                    let at = find(entries, key).ok()?;
                    return Some(&mut entries[at].1);
                }
                Page::Branch(children) => {
                    let at = place(children, |least| least <= key);
                    page = Arc::make_mut(&mut children[at].page);
                }
            }
        }
    }

    /// The value of a key, made now if there is none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.contains_key(&key) {
            self.insert(key.clone(), make());
        }
        self.get_mut(&key).expect("it was there or has just been put there")
    }

    /// Puts an entry, and returns the value that its key had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let Some(root) = &mut self.root else {
            self.root = Some(Arc::new(Page::Leaf([(key, value)].into())));
            self.len = 1;
            return None;
        };
        let bounds = Bounds { most: MOST, is_last: true };
        let (old, split) = Page::insert(root, key, value, bounds);
        self.len += usize::from(old.is_none());
        if let Some(second) = split {
            let least = first_key(root).expect("a page that was split is not empty").clone();
            let first = Child { least, count: self.len - second.count, page: Arc::clone(root) };
            self.root = Some(Arc::new(Page::Branch([first, second].into())));
        }
        old
    }

    /// Takes an entry out. Where there is none, nothing is copied.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.take(key).map(|(_, value)| value)
    }

    fn take(&mut self, key: &K) -> Option<(K, V)> {
        if !self.contains_key(key) {
            return None;
        }
        let gone = Page::remove(self.root.as_mut()?, key, MOST)?;
        self.len -= 1;
        if self.len == 0 {
            self.root = None;
        }
        while let Some(Page::Branch(children)) = self.root.as_deref()
            && let [only] = &children[..]
        {
            self.root = Some(Arc::clone(&only.page));
        }
        Some(gone)
    }

    /// Takes the first entry out.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        let key = self.first()?.0.clone();
        self.take(&key)
    }
}

fn first_key<K, V>(mut page: &Page<K, V>) -> Option<&K> {
    loop {
        match page {
            Page::Leaf(entries) => return entries.first().map(|(key, _)| key),
            Page::Branch(children) => page = &children.first()?.page,
        }
    }
}

impl<K, V, const MOST: usize> Default for Pages<K, V, MOST> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Eq, V: Eq, const MOST: usize> PartialEq for Pages<K, V, MOST> {
    fn eq(&self, other: &Self) -> bool {
        let shared = match (&self.root, &other.root) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        shared || (self.len == other.len && self.iter().eq(other))
    }
}

impl<K: Eq, V: Eq, const MOST: usize> Eq for Pages<K, V, MOST> {}

impl<K: Ord, V: Ord, const MOST: usize> PartialOrd for Pages<K, V, MOST> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, V: Ord, const MOST: usize> Ord for Pages<K, V, MOST> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other)
    }
}

impl<K: Hash, V: Hash, const MOST: usize> Hash for Pages<K, V, MOST> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.len);
        for entry in self {
            entry.hash(state);
        }
    }
}

impl<K: fmt::Debug, V: fmt::Debug, const MOST: usize> fmt::Debug for Pages<K, V, MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<'a, K, V, const MOST: usize> IntoIterator for &'a Pages<K, V, MOST> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Iter<'a, K, V> {
        self.iter()
    }
}

impl<K: Ord + Clone, V: Clone, const MOST: usize> FromIterator<(K, V)> for Pages<K, V, MOST> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut pages = Self::new();
        for (key, value) in entries {
            pages.insert(key, value);
        }
        pages
    }
}
