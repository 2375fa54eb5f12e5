//! What a write copies, by the pages' identity, and the shape of the tree.

use super::super::{
    Bytes, ClientId, Command, Deadline, Exact, Limits, Once, Op, Store, StringOp, When,
};
use super::{Page, Pages};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;

type Found<'a, K, V> = Vec<&'a Arc<Page<K, V>>>;

fn collect<'a, K, V>(page: &'a Arc<Page<K, V>>, found: &mut Found<'a, K, V>) {
    found.push(page);
    if let Page::Branch(children) = &**page {
        children.iter().for_each(|child| collect(&child.page, found));
    }
}

impl<K: Ord + Clone, V: Clone, const MOST: usize> Pages<K, V, MOST> {
    fn pages(&self) -> Found<'_, K, V> {
        let mut found = Vec::new();
        self.root.iter().for_each(|root| collect(root, &mut found));
        found
    }

    /// How many pages are not also those of the other.
    pub(in super::super) fn own_pages(&self, other: &Self) -> usize {
        let theirs: BTreeSet<_> = other.pages().into_iter().map(Arc::as_ptr).collect();
        let mine = self.pages().into_iter().map(Arc::as_ptr);
        mine.filter(|page| !theirs.contains(page)).count()
    }

    fn leaves(&self) -> usize {
        self.pages().iter().filter(|page| matches!(&****page, Page::Leaf(_))).count()
    }

    fn levels(&self) -> usize {
        let (mut page, mut levels) = (self.root.as_deref(), 0);
        while let Some(this) = page {
            levels += 1;
            page = match this {
                Page::Leaf(_) => None,
                Page::Branch(children) => children.first().map(|child| &*child.page),
            };
        }
        levels
    }

    /// Asserts what the types promise, and that pages are neither too full nor, but for single ones, nearly empty.
    fn assert_sound(&self) {
        let mut entries = 0;
        for page in self.pages() {
            assert!((1..=MOST).contains(&page.len()), "a page of {} entries", page.len());
            let Page::Branch(children) = &**page else {
                entries += page.len();
                continue;
            };
            for (at, child) in children.iter().enumerate() {
                let one = Self { root: Some(Arc::clone(&child.page)), len: child.count };
                assert_eq!(one.iter().count(), child.count);
                assert!(one.keys().all(|key| *key >= child.least), "a key is below its bound");
                let next = children.get(at + 1);
                let below = |key: &K| next.is_none_or(|next| *key < next.least);
                assert!(one.keys().all(below), "a key is in the page before its own");
            }
        }
        assert_eq!(entries, self.len());
        assert!(self.root.as_ref().is_none_or(|root| root.len() > 0), "no empty root");
    }
}

/// A random order that is always the same.
fn shuffled(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(move |number| number.wrapping_mul(0x9e37_79b1).reverse_bits() ^ number)
}

#[test]
fn one_write_copies_one_way_down() {
    let full: Pages<u32, u32, 8> = shuffled(5000).map(|key| (key, 0)).collect();
    let levels = full.levels();
    assert!((4..=7).contains(&levels), "{levels} levels");
    for key in shuffled(100).map(|key| key / 2) {
        let mut copy = full.clone();
        assert_eq!(copy.own_pages(&full), 0, "a copy is a pointer");
        assert!(copy.get_mut(&key).is_none() || copy.own_pages(&full) == levels);
        let mut copy = full.clone();
        // A split makes two of one, on every level at most.
        copy.insert(key, 1);
        assert!((levels..=2 * levels + 1).contains(&copy.own_pages(&full)));
        let own = copy.own_pages(&full);
        copy.insert(key, 2);
        assert_eq!(copy.own_pages(&full), own, "a page that is one's own is not copied again");
        let mut copy = full.clone();
        let gone = copy.remove(&key).is_some();
        let own = copy.own_pages(&full);
        assert!(if gone { own <= levels } else { own == 0 }, "{own} pages for a removal");
        copy.assert_sound();
        assert!(full.values().all(|value| *value == 0));
    }
}

#[test]
fn what_is_not_there_copies_nothing() {
    let full: Pages<u32, (), 4> = (0..100).map(|key| (2 * key, ())).collect();
    let mut copy = full.clone();
    assert!(copy.get_mut(&7).is_none() && copy.remove(&7).is_none());
    assert_eq!(copy.own_pages(&full), 0);
}

#[test]
fn what_comes_in_order_fills_its_pages() {
    let ordered: Pages<u32, ()> = (0..25_600).map(|key| (key, ())).collect();
    let leaves = ordered.leaves();
    assert_eq!(leaves, 100);
    ordered.assert_sound();
}

/// Each goes into the gap behind a full page: that is not the end of the map, and no reason for a new page each.
#[test]
fn what_comes_backwards_does_too_by_half() {
    let mut backwards: Pages<u32, (), 16> = (0..16).map(|key| (key, ())).collect();
    (16..2016).rev().for_each(|key| {
        backwards.insert(key, ());
    });
    let leaves = backwards.leaves();
    assert!(leaves <= 2016 / 8 + 2, "{leaves} pages");
    backwards.assert_sound();
}

#[test]
fn emptied_pages_are_joined() {
    let mut pages: Pages<u32, (), 16> = shuffled(5000).map(|key| (key, ())).collect();
    let keys: Vec<u32> = pages.keys().copied().collect();
    for (index, key) in keys.iter().enumerate().filter(|(index, _)| index % 50 > 0) {
        assert!(pages.remove(key).is_some(), "{index}");
    }
    pages.assert_sound();
    let leaves = pages.leaves();
    assert_eq!(pages.len(), 100);
    assert!(leaves <= 40, "{leaves} pages for a hundred entries");
}

/// Equal to all, but it notes that it was asked.
#[derive(Clone, Debug)]
struct Asked(Rc<Cell<usize>>);

impl PartialEq for Asked {
    fn eq(&self, _: &Self) -> bool {
        self.0.set(self.0.get() + 1);
        true
    }
}

impl Eq for Asked {}

/// After some writes the pages lie elsewhere too, for some were split and others joined.
#[test]
fn a_difference_looks_at_what_was_written_and_no_more() {
    let count = Rc::new(Cell::new(0));
    let new = || Asked(Rc::clone(&count));
    let old: Pages<u32, Asked, 8> = shuffled(20_000).map(|key| (key, new())).collect();
    let mut now = old.clone();
    let keys: Vec<u32> = old.keys().copied().collect();
    let gone: Vec<u32> = keys.iter().copied().skip(9_000).take(40).collect();
    gone.iter().for_each(|key| assert!(now.remove(key).is_some()));
    let come: Vec<u32> = (0..40).map(|number| u32::MAX - 3 * number).rev().collect();
    assert!(come.iter().all(|key| !old.contains_key(key)));
    come.iter().for_each(|key| assert!(now.insert(*key, new()).is_none()));
    let found: Vec<_> =
        now.difference(&old, None).map(|(key, new)| (*key, new.is_some())).collect();
    let expected = gone.iter().map(|key| (*key, false)).chain(come.iter().map(|key| (*key, true)));
    assert!(found.into_iter().eq(expected));
    let asked = count.get();
    assert!(asked <= 8 * 8, "{asked} values of 20,000 were looked at");
    assert!(old.difference(&old.clone(), None).next().is_none() && count.get() == asked);
}

fn put(store: &mut Store, key: &str, client: u64, deadline: Deadline) {
    let value: Bytes = "v".into();
    let set = StringOp::Set { value, when: When::Always, deadline, get: false };
    let once =
        Some(Once { client: ClientId(client.into()), seq: 1 + store.clock(), acknowledged: 0 });
    let command = Command { key: key.into(), op: Op::String(set), once };
    store.apply(store.clock() + 1, &command);
}

/// One slot with many keys, deadlines and clients, and some other slots.
#[test]
fn a_write_copies_a_page_of_each_of_the_stores_maps() {
    let mut store = Store::new(Exact, Limits::default());
    for number in 0..4000 {
        put(&mut store, &format!("{{t}}{number}"), number + 1, Deadline::At(1_000_000 + number));
        put(&mut store, &format!("other{number}"), 1, Deadline::Never);
    }
    let before = store.clone();
    put(&mut store, "{t}1234", 77, Deadline::At(1_000_500));
    let id = Bytes::from("{t}").slot();
    assert!(before.slots.len() > 2000);
    assert_eq!(store.slots.own_pages(&before.slots), store.slots.levels());
    let (slot, old) = (store.slots.get(&id), before.slots.get(&id));
    let (slot, old) = (slot.expect("it has keys"), old.expect("it has keys"));
    assert!(slot.items.len() >= 4000 && store.deadlines.len() == 4000);
    // A map that loses one entry and gets another copies up to two ways, and splits add a page.
    let most = |levels: usize| 2 * levels + 1;
    assert_eq!(slot.items.own_pages(&old.items), slot.items.levels());
    let deadlines = store.deadlines.own_pages(&before.deadlines);
    assert!((2..=most(2)).contains(&deadlines), "{deadlines} pages of deadlines");
    let records = slot.records.own_pages(&old.records);
    assert!((2 + 2..=2 + most(2)).contains(&records), "{records} pages of records");
    let others = before.slots.iter().filter(|(other, _)| **other != id);
    for (other, slot) in others {
        let now = store.slots.get(other).expect("no slot goes");
        assert_eq!(now.items.own_pages(&slot.items), 0);
        assert_eq!(now.records.own_pages(&slot.records), 0);
    }
}
