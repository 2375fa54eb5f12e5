//! A slot on its way from one group to another: in parts, while it goes on serving.
//!
//! A slot may hold more than a message or an entry of the log should, and it must not stand still while it is sent. So
//! the giver takes a *copy* of it, which costs next to nothing ([`super::pages`]), and sends that in parts of bounded
//! bytes; then it takes the next copy and sends what differs between the two, found by the pages that they do not
//! share; and so on until little is left. Then the slot is stopped, and the last difference is that between the copy
//! that was sent last and the slot as it stands now.
//!
//! The taker puts part upon part, in order. Which part is the next is known by the *stream* that it belongs to and its
//! index there: who begins anew begins a greater stream, and all that was staged before is dropped. When the slot was
//! stopped the giver says how many parts there were and what the whole is, its [`Sum`]. A taker that has as many parts
//! and the same sum has the slot, bit for bit.
//!
//! PARTS-1: whatever a later reply can depend on goes along. That is keys with values, versions and deadlines; the
//! clients with what they have acknowledged, and their calls with the replies; the floor under the versions, and that
//! under the clients; and the clock by which all of that is to be read.

mod staged;

pub use staged::Staged;

use super::edit::LAST_DEADLINE;
use super::snapshot::MAX_VERSION;
use super::totals::Totals;
use super::{
    Bytes, ClientId, Item, Reply, Rules, Seq, Slot, SlotId, Stamp, Store, Version, pages::Pages,
};
use alloc::vec::Vec;
use core::fmt;

/// What a change weighs beside its bytes.
const CHANGE_BYTES: usize = 32;

/// A slot as it was at one moment. Copies share what none of them has written since.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SlotCopy {
    id: SlotId,
    clock: Stamp,
    slot: Slot,
}

/// One entry in which two copies of a slot differ.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Change {
    /// A key is there, and is so.
    Item {
        /// The key.
        key: Bytes,
        /// Its value.
        value: Bytes,
        /// Its version.
        version: Version,
        /// When it is there no more.
        deadline: Option<Stamp>,
    },
    /// A key is there no more.
    KeyGone {
        /// The key.
        key: Bytes,
    },
    /// A client has made calls. Those that it has acknowledged are kept no more.
    Client {
        /// The client.
        client: ClientId,
        /// When it made the last one.
        used: Stamp,
        /// The replies up to this one have arrived.
        acknowledged: Seq,
    },
    /// A call of a client was executed.
    Call {
        /// The client.
        client: ClientId,
        /// Its number for the call.
        seq: Seq,
        /// The fingerprint of the command.
        print: u64,
        /// What it was told.
        reply: Reply,
    },
    /// A client's records were dropped.
    ClientGone {
        /// The client.
        client: ClientId,
    },
}

/// A piece of a slot, of bounded bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Part {
    /// The stream that it belongs to. Of two the greater one is later.
    pub stream: u64,
    /// Its place in the stream, from 0 on.
    pub index: u64,
    /// What is in it.
    pub changes: Vec<Change>,
}

/// What a whole slot is, so that two can be compared without looking at all of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Sum {
    /// How many keys it has, due or not.
    pub keys: u64,
    /// How many clients.
    pub clients: u64,
    /// A fingerprint of keys and calls: as [`Store::print`], of this slot.
    pub print: u64,
    /// The largest version that went with its key.
    pub floor: Version,
    /// The largest client whose records were dropped.
    pub client_floor: ClientId,
    /// The group's clock at that moment.
    pub clock: Stamp,
}

/// Where in the difference between two copies the next part begins.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// Behind a key, or in front of all.
    Keys(Option<Bytes>),
    /// Behind all keys, and behind a client with its calls if one is named.
    Clients(Option<ClientId>),
    /// Behind a call of a client, or in front of its calls.
    Calls(ClientId, Option<Seq>),
}

impl Place {
    /// In front of all.
    pub const START: Self = Self::Keys(None);
}

/// Changes until they are enough for a part.
struct Cut {
    changes: Vec<Change>,
    bytes: usize,
    most: usize,
}

impl Cut {
    const fn is_full(&self) -> bool {
        self.bytes >= self.most
    }

    fn push(&mut self, change: Change) {
        self.bytes += change.bytes();
        self.changes.push(change);
    }
}

impl Change {
    /// About how many bytes it takes on its way.
    pub fn bytes(&self) -> usize {
        CHANGE_BYTES
            + match self {
                Self::Item { key, value, .. } => key.as_ref().len() + value.as_ref().len(),
                Self::KeyGone { key } => key.as_ref().len(),
                Self::Call { reply, .. } => reply.len(),
                Self::Client { .. } | Self::ClientGone { .. } => 0,
            }
    }

    /// Whether it can be in a slot: what no store would hold is not taken in.
    fn is_sound(&self, slot: SlotId) -> bool {
        match self {
            Self::Item { key, version, deadline, .. } => {
                let deadline =
                    deadline.is_none_or(|deadline| (1..=LAST_DEADLINE).contains(&deadline));
                key.slot() == slot && (1..=MAX_VERSION).contains(version) && deadline
            }
            _ => true,
        }
    }
}

impl Part {
    /// About how many bytes it takes on its way.
    pub fn bytes(&self) -> usize {
        self.changes.iter().map(Change::bytes).sum()
    }
}

impl SlotCopy {
    /// A slot with nothing in it.
    pub fn empty(id: SlotId) -> Self {
        Self { id, clock: 0, slot: Slot::default() }
    }

    /// Which slot.
    pub const fn id(&self) -> SlotId {
        self.id
    }

    pub(super) const fn slot(&self) -> &Slot {
        &self.slot
    }

    pub(crate) const fn clock(&self) -> Stamp {
        self.clock
    }

    /// Of a store that has one slot, as it was read: the copy, at its clock; None if it has not.
    pub(crate) fn of_store<R>(mut store: Store<R>) -> Option<Self> {
        let (id, slot) = store.slots.pop_first()?;
        store.slots.is_empty().then_some(Self { id, clock: store.clock, slot })
    }

    /// About how many bytes of memory it takes, shared or not.
    pub const fn memory_bytes(&self) -> usize {
        self.slot.totals.bytes
    }

    /// What it is.
    pub fn sum(&self) -> Sum {
        let Self { id: _, clock, slot: Slot { items, floor, records, totals } } = self;
        Sum {
            keys: items.len() as u64,
            clients: records.clients() as u64,
            print: totals.print,
            floor: *floor,
            client_floor: records.floor(),
            clock: *clock,
        }
    }

    /// The next changes that make this copy of an older one, from a place on, and the place where others follow; None
    /// if none do. They have `most` bytes and up to one change more. The floors and the clock are not among them: they
    /// are in the [`Sum`].
    pub fn changes(&self, old: &Self, from: Place, most: usize) -> (Vec<Change>, Option<Place>) {
        let mut cut = Cut { changes: Vec::new(), bytes: 0, most: most.max(1) };
        let rest = self.cut(old, from, &mut cut);
        (cut.changes, rest)
    }

    fn cut(&self, old: &Self, from: Place, cut: &mut Cut) -> Option<Place> {
        let after = match from {
            Place::Keys(after) => {
                let rest = self.cut_keys(old, after, cut);
                if rest.is_some() {
                    return rest;
                }
                None
            }
            Place::Clients(after) => after,
            Place::Calls(client, after) => {
                let rest = self.cut_calls(old, client, after, cut);
                if rest.is_some() {
                    return rest;
                }
                Some(client)
            }
        };
        self.cut_clients(old, after, cut)
    }

    fn cut_keys(&self, old: &Self, after: Option<Bytes>, cut: &mut Cut) -> Option<Place> {
        let mut last = after.clone();
        for (key, item) in self.slot.items.difference(&old.slot.items, after.as_ref()) {
            if cut.is_full() {
                return Some(Place::Keys(last));
            }
            cut.push(match item {
                Some(Item { value, version, deadline }) => Change::Item {
                    key: key.clone(),
                    value: value.clone(),
                    version: *version,
                    deadline: *deadline,
                },
                None => Change::KeyGone { key: key.clone() },
            });
            last = Some(key.clone());
        }
        None
    }

    fn cut_clients(&self, old: &Self, after: Option<ClientId>, cut: &mut Cut) -> Option<Place> {
        let mut last = after;
        for altered in self.slot.records.difference(&old.slot.records, after) {
            if cut.is_full() {
                return Some(Place::Clients(last));
            }
            let client = altered.client;
            last = Some(client);
            let Some((used, acknowledged)) = altered.session.map(super::records::Session::state)
            else {
                cut.push(Change::ClientGone { client });
                continue;
            };
            cut.push(Change::Client { client, used, acknowledged });
            let rest = self.cut_calls(old, client, None, cut);
            if rest.is_some() {
                return rest;
            }
        }
        None
    }

    fn cut_calls(
        &self,
        old: &Self,
        client: ClientId,
        after: Option<Seq>,
        cut: &mut Cut,
    ) -> Option<Place> {
        let mut last = after;
        for (seq, print, reply) in self.slot.records.altered(&old.slot.records, client).calls(after)
        {
            if cut.is_full() {
                return Some(Place::Calls(client, last));
            }
            cut.push(Change::Call { client, seq, print, reply: reply.clone() });
            last = Some(seq);
        }
        None
    }

    /// Takes changes in, in order. One that no store would hold is left out, and then the sum is another one.
    fn take_in(&mut self, changes: &[Change]) {
        let Slot { items, records, totals, .. } = &mut self.slot;
        for change in changes.iter().filter(|change| change.is_sound(self.id)) {
            match change {
                Change::Item { key, value, version, deadline } => {
                    let (value, version, deadline) = (value.clone(), *version, *deadline);
                    put(items, totals, key, Some(Item { value, version, deadline }));
                }
                Change::KeyGone { key } => put(items, totals, key, None),
                Change::Client { client, used, acknowledged } => {
                    records.put_client(*client, (*used, *acknowledged), totals);
                }
                Change::Call { client, seq, print, reply } => {
                    records.put_call((*client, *seq), (*print, reply), totals);
                }
                Change::ClientGone { client } => records.remove_client(*client, totals),
            }
        }
    }
}

fn put(items: &mut Pages<Bytes, Item>, totals: &mut Totals, key: &Bytes, item: Option<Item>) {
    let old = match item {
        Some(item) => {
            totals.item_comes(key, &item);
            items.insert(key.clone(), item)
        }
        None => items.remove(key),
    };
    if let Some(old) = old {
        totals.item_goes(key, &old);
    }
}

impl Slot {
    /// Its part of the store's index. Where no key has a deadline, none is looked at.
    fn deadlines(&self) -> impl Iterator<Item = (Stamp, Bytes)> {
        let items = (self.totals.deadlines > 0).then_some(&self.items);
        let items = items.into_iter().flatten();
        items.filter_map(|(key, item)| Some((item.deadline?, key.clone())))
    }
}

impl<R: Rules> Store<R> {
    /// A slot as it is now. PARTS-1.
    pub fn copy_slot(&self, id: SlotId) -> SlotCopy {
        let mut slot = self.slots.get(&id).cloned().unwrap_or_default();
        slot.floor = self.rules.floor_in_parts(slot.floor);
        if !self.rules.has_records_in_parts() {
            slot.records.clear(&mut slot.totals);
        }
        SlotCopy { id, clock: self.clock, slot }
    }

    /// Takes a slot out, whole: nothing of it stays, and it is no write to its keys. The work does not grow with its
    /// keys, unless some have a deadline.
    pub fn remove_slot(&mut self, id: SlotId) -> SlotCopy {
        let copy = self.copy_slot(id);
        if let Some(slot) = self.slots.remove(&id) {
            for deadline in slot.deadlines() {
                self.deadlines.remove(&deadline);
            }
            self.totals.replace(slot.totals, Totals::new());
        }
        copy
    }

    /// Puts a slot in, in the place of what there is of it. PARTS-2: the clock goes on to that of the copy, or a
    /// key that was due where it came from would be back. The work does not grow with its keys, unless some have a
    /// deadline.
    pub fn install_slot(&mut self, copy: SlotCopy) {
        let SlotCopy { id, clock, slot } = copy;
        self.remove_slot(id);
        self.clock = self.rules.clock_after_install(self.clock, clock);
        for deadline in slot.deadlines() {
            self.deadlines.insert(deadline, ());
        }
        self.totals.replace(Totals::new(), slot.totals);
        self.slots.insert(id, slot);
    }

    /// The slots of which something is there: a key, a floor or a client.
    pub fn slots(&self) -> impl Iterator<Item = SlotId> {
        self.slots.keys().copied()
    }
}

/// What it is, and nothing of its content.
impl fmt::Debug for SlotCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.id, self.sum())
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item { key, value, version, deadline } => {
                write!(f, "{key:?} = {value:?} version {version}")?;
                deadline.map_or(Ok(()), |deadline| write!(f, " until {deadline}"))
            }
            Self::KeyGone { key } => write!(f, "no {key:?}"),
            Self::Client { client, used, acknowledged } => {
                write!(f, "{client:?} at {used} ack {acknowledged}")
            }
            Self::Call { client, seq, reply, .. } => write!(f, "{client:?} #{seq} {reply:?}"),
            Self::ClientGone { client } => write!(f, "no {client:?}"),
        }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} {:?}", self.stream, self.index, self.changes)
    }
}
