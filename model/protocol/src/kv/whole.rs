//! What concerns the whole store: its keys in order, the clock's work, and emptying it.

use super::edit::Edit;
use super::{Bytes, Item, Rules, SLOTS, Slot, SlotId, Stamp, Store};
use alloc::vec::Vec;

/// The most keys that a tick takes out by [`super::Limits::DEFAULT`]. If more are due,
/// [`Store::nearest_deadline`] is still in the past, and the next tick follows at once; until then they are
/// there for nobody.
pub const TICK_KEYS: usize = 1024;
/// The most slots in which a tick looks for idle clients: it goes round.
pub const TICK_SLOTS: usize = 64;
/// The most idle clients that are dropped from a slot at once.
pub const TICK_CLIENTS: usize = 16;

/// The slot at which a SCAN goes on from a cursor.
pub fn scan_slot(cursor: u64) -> SlotId {
    SlotId(u16::try_from(cursor >> PLACE_BITS).unwrap_or(SLOTS))
}

impl<R: Rules> Store<R> {
    /// How many keys are there (DBSIZE). That is known, not counted.
    pub fn len(&self) -> usize {
        let due = self.deadlines.partition_point(|(deadline, _)| *deadline <= self.clock);
        self.totals.keys - due
    }

    /// About how many bytes of memory the keys and records take, kept up with every change: the bytes of keys and
    /// values, and of kept replies; for each key, deadline, client and reply what was measured to lie around it
    /// ([`KEY_BYTES`](super::KEY_BYTES) and its like).
    ///
    /// A value that others share, a kept reply for one, counts for each of them. Not counted are what each slot takes
    /// when it is empty, and the pages that a copy of the store still holds and this one has written since.
    pub const fn memory_bytes(&self) -> usize {
        self.totals.bytes
    }

    /// A fingerprint of the content, kept up with every change: of all items, with version and deadline, of the calls
    /// that are recorded, by number and command, and of the clock. Equal stores have equal ones; two that differ in
    /// one of these have different ones but for an accident. Floors, acknowledgements and the wording of kept replies
    /// are not in it: a snapshot's bytes have them.
    pub const fn print(&self) -> u64 {
        self.totals.print.wrapping_add(self.clock.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Whether no key is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The nearest deadline of a key that was not taken out yet; in the past if a tick has left some.
    pub fn nearest_deadline(&self) -> Option<Stamp> {
        self.deadlines.first().map(|((deadline, _), ())| *deadline)
    }

    /// The keys that are there, slot by slot (KEYS).
    pub fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.slots.keys().flat_map(|&slot| self.keys_of(slot))
    }

    /// The keys of a slot that are there, in their order (CLUSTER GETKEYSINSLOT).
    pub fn keys_of(&self, slot: SlotId) -> impl Iterator<Item = &Bytes> {
        let items = self.slots.get(&slot).into_iter().flat_map(|slot| &slot.items);
        items.filter(|(_, item)| !item.is_due(self.rules, self.clock)).map(|(key, _)| key)
    }

    /// A step of SCAN: keys from the cursor on, about `count` of them, and the cursor of the next step; 0 begins
    /// and ends.
    ///
    /// A key's place is its slot and then a hash of the key, so it does not move when others come and go: a key
    /// that is there throughout is returned, and returned once (KV-SCAN-1). Keys of one hash come together. A
    /// slot with many keys is looked through in every step; a hash tag that holds millions makes SCAN slow.
    pub fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<Bytes>) {
        let mut found = Vec::new();
        for (&slot, _) in self.slots.range_from(&scan_slot(cursor)) {
            if found.len() >= count.max(1) {
                // A slot without a key that is there would be a step for nothing.
                if self.keys_of(slot).next().is_some() {
                    return (u64::from(slot.0) << PLACE_BITS, found);
                }
                continue;
            }
            let keys = self.keys_of(slot).zip(0..);
            let keys = keys.map(|(key, number)| (self.place(slot, key, number), key));
            let mut keys: Vec<(u64, &Bytes)> = keys.filter(|(at, _)| *at >= cursor).collect();
            keys.sort_unstable();
            let mut last = None;
            for (at, key) in keys {
                if found.len() >= count.max(1) && last != Some(at) {
                    return (at, found);
                }
                last = Some(at);
                found.push(key.clone());
            }
        }
        (0, found)
    }

    /// A key that is there, chosen by the caller's number (RANDOMKEY). Keys behind others that are due but not
    /// taken out yet are a little more likely.
    pub fn random_key(&self, number: u64) -> Option<&Bytes> {
        let mut index = number.checked_rem(self.totals.keys as u64)?;
        let mut slots = self.slots.iter();
        let (&slot, chosen) = slots.find(|(_, slot)| {
            let items = slot.items.len() as u64;
            let here = index < items;
            index -= if here { 0 } else { items };
            here
        })?;
        let rest = chosen.items.iter_at(usize::try_from(index).ok()?);
        let there = |item: &Item| !item.is_due(self.rules, self.clock);
        let rest = rest.filter(|(_, item)| there(item)).map(|(key, _)| key);
        let later = self.slots.range_from(&SlotId(slot.0 + 1));
        let later = later.flat_map(|(&id, _)| self.keys_of(id));
        rest.chain(later).chain(self.keys()).next()
    }

    /// Moves the clock on, takes out the keys that are due, the first ones first, and drops the records of some clients
    /// that were idle too long. KV-EXPIRE-4: at most so many keys go as the limits say. Says how many went.
    pub fn tick(&mut self, stamp: Stamp) -> usize {
        self.move_clock(stamp);
        let mut gone = 0;
        while self.rules.tick_goes_on(gone, self.limits.tick_keys) {
            let Some(((deadline, key), ())) = self.deadlines.first() else { break };
            if *deadline > self.clock {
                break;
            }
            let key = key.clone();
            self.edit(key.slot(), |edit| edit.expire(&key));
            gone += 1;
        }
        self.drop_idle();
        gone
    }

    /// Looks for idle clients in the slots whose turn it is. Those without one are not written.
    fn drop_idle(&mut self) {
        let Self { rules, limits, slots, clock, totals, .. } = self;
        let (mut next, mut idle) = (None, Vec::new());
        for (&id, slot) in slots.range_from(&self.sweep).take(TICK_SLOTS) {
            idle.extend(slot.records.has_idle(*rules, limits, *clock).then_some(id));
            next = Some(id.0 + 1);
        }
        for id in idle {
            if let Some(slot) = slots.get_mut(&id) {
                let before = slot.totals;
                slot.records.drop_idle(*rules, limits, *clock, &mut slot.totals);
                totals.replace(before, slot.totals);
            }
        }
        self.sweep = SlotId(next.filter(|next| *next < SLOTS).unwrap_or(0));
    }

    /// Takes out all keys (FLUSHALL). KV-FLUSH-1: versions go on above the old ones, and the clients' records stay. The
    /// work grows with the number of keys.
    pub fn flush(&mut self, stamp: Stamp) {
        self.move_clock(stamp);
        let Self { rules, slots, totals, .. } = self;
        let full = slots
            .iter()
            .filter(|(_, slot)| !slot.items.is_empty() || !rules.keeps_records_in_flush());
        let full: Vec<SlotId> = full.map(|(id, _)| *id).collect();
        for id in full {
            let Some(slot) = slots.get_mut(&id) else { continue };
            let before = slot.totals;
            for (key, item) in &slot.items {
                slot.floor = rules.floor_after_flush(slot.floor, item.version);
                slot.totals.item_goes(key, item);
            }
            slot.items.clear();
            if !rules.keeps_records_in_flush() {
                slot.records.clear(&mut slot.totals);
            }
            totals.replace(before, slot.totals);
        }
        self.deadlines.clear();
    }

    /// Where a key stands in a scan: its slot, and a hash of it (FNV-1a, its upper bits folded in).
    fn place(&self, slot: SlotId, key: &Bytes, number: u64) -> u64 {
        let hash = key.as_ref().iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let hash = (hash ^ (hash >> PLACE_BITS)) & ((1 << PLACE_BITS) - 1);
        (u64::from(slot.0) << PLACE_BITS) | self.rules.place_in_scan(hash, number)
    }

    fn edit<T>(&mut self, slot: SlotId, run: impl FnOnce(&mut Edit<'_, R>) -> T) -> T {
        let Self { rules, limits, slots, clock, deadlines, totals, .. } = self;
        let slot = slots.get_or_insert_with(slot, Slot::default);
        let (rules, clock) = (*rules, *clock);
        let value_bytes = limits.value_bytes;
        let before = slot.totals;
        let done = run(&mut Edit { rules, value_bytes, clock, stamp: clock, slot, deadlines });
        totals.replace(before, slot.totals);
        done
    }
}

/// Bits of a cursor below those of the slot.
const PLACE_BITS: u32 = 48;
