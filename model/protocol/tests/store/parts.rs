//! Slots in parts. PARTS-1, PARTS-2.

use super::random::{limits, wild};
use super::{Bench, cases, key, set};
use proptest::prelude::*;
use protocol::kv::{
    Change, ClientId, Command, Deadline, Exact, Limits, Once, Op, Part, Place, SlotCopy, SlotId,
    Staged, Store, StringOp, When, Work,
};

fn slot() -> SlotId {
    key("{t}a").slot()
}

fn encode(store: &Store) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.encode(&mut bytes);
    bytes
}

/// All that differs between two copies, in parts of so many bytes, from an index on.
fn parts(old: &SlotCopy, new: &SlotCopy, stream: u64, from: u64, most: usize) -> Vec<Part> {
    let (mut parts, mut place) = (Vec::new(), Some(Place::START));
    while let Some(from_here) = place {
        let (changes, rest) = new.changes(old, from_here, most);
        if !changes.is_empty() {
            parts.push(Part { stream, index: from + parts.len() as u64, changes });
        }
        place = rest;
    }
    parts
}

/// A giver that has sent some, and a taker.
struct Journey {
    stream: u64,
    sent: Vec<Part>,
    /// How many of this stream.
    next: u64,
    copy: SlotCopy,
    staged: Staged,
}

impl Journey {
    fn new() -> Self {
        let copy = SlotCopy::empty(slot());
        Self { stream: 1, sent: vec![], next: 0, copy, staged: Staged::new(slot()) }
    }

    fn send(&mut self, copy: SlotCopy, most: usize) {
        let parts = parts(&self.copy, &copy, self.stream, self.next, most);
        self.next += parts.len() as u64;
        self.sent.extend(parts);
        self.copy = copy;
    }

    /// A new leader begins anew: its first part drops what was staged, be it empty.
    fn begin_anew(&mut self) {
        self.stream += 1;
        self.copy = SlotCopy::empty(slot());
        self.sent.push(Part { stream: self.stream, index: 0, changes: vec![] });
        self.next = 1;
    }

    fn deliver(&mut self, index: usize) {
        let part = &self.sent[index];
        if Staged::is_next(self.staged.position(), (part.stream, part.index)) {
            self.staged.take(part);
        }
    }
}

proptest! {
    #![proptest_config(cases(512))]

    /// Copies and what differs between them, put together in order, are the slot as it was stopped, bit for bit;
    /// whatever was executed between them, and whichever parts were lost at first, came twice, or too early.
    #[test]
    fn what_was_staged_is_what_was_stopped(
        works in wild(60),
        choices in prop::collection::vec((0u8..12, any::<prop::sample::Index>(), 0usize..120), 60),
    ) {
        let mut store: Store = Store::new(Exact, limits());
        let mut journey = Journey::new();
        for ((stamp, work), (choice, index, most)) in works.iter().zip(&choices) {
            store.work(*stamp, work);
            match choice {
                0..=2 => journey.send(store.copy_slot(slot()), *most),
                3 => journey.begin_anew(),
                4..=9 if !journey.sent.is_empty() => {
                    journey.deliver(index.index(journey.sent.len()));
                }
                _ => {}
            }
        }
        let (before, bytes) = (store.clone(), encode(&store));
        let frozen = store.remove_slot(slot());
        prop_assert_eq!(before.copy_slot(slot()), frozen.clone());
        let most = choices[0].2;
        journey.send(frozen.clone(), most);
        for index in 0..journey.sent.len() {
            let whole = journey.staged.is_whole((journey.stream, journey.next), &frozen.sum());
            prop_assert!(!whole || journey.staged.clone().finish(&frozen.sum()) == frozen);
            journey.deliver(index);
        }
        prop_assert!(journey.staged.is_whole((journey.stream, journey.next), &frozen.sum()));
        let come = journey.staged.finish(&frozen.sum());
        prop_assert_eq!(&come, &frozen);
        prop_assert_eq!(come.memory_bytes(), frozen.memory_bytes());

        // The store is without it, and with it what it was.
        prop_assert!(store.keys_of(slot()).next().is_none());
        prop_assert!(!store.slots().any(|id| id == slot()));
        let others: Vec<_> = before.slots().filter(|id| *id != slot()).collect();
        prop_assert_eq!(store.slots().collect::<Vec<_>>(), others);
        let reread = Store::decode(Exact, limits(), &encode(&store)).expect("a store's own bytes");
        prop_assert!(reread == store, "totals and deadlines are those of what is left");
        let had = before.slots().any(|id| id == slot());
        store.install_slot(come);
        prop_assert!(!had || encode(&store) == bytes);
        prop_assert!(!had || store == before);
        prop_assert_eq!((store.len(), store.memory_bytes()), (before.len(), before.memory_bytes()));
        prop_assert_eq!(store.print(), before.print());
        prop_assert_eq!(store.nearest_deadline(), before.nearest_deadline());
    }

    /// A part has so many bytes, and one change more.
    #[test]
    fn parts_are_bounded(works in wild(80), most in 0usize..200) {
        let mut store: Store = Store::new(Exact, limits());
        for (stamp, work) in works {
            store.work(stamp, &work);
        }
        for part in parts(&SlotCopy::empty(slot()), &store.copy_slot(slot()), 1, 0, most.max(1)) {
            let last = part.changes.last().map_or(0, Change::bytes);
            prop_assert!(part.bytes() - last < most.max(1));
        }
    }

    /// A taker goes on as the giver would have.
    #[test]
    fn the_taker_answers_as_the_giver_would(works in wild(40), later in wild(40)) {
        let mut giver: Store = Store::new(Exact, limits());
        for (stamp, work) in works {
            giver.work(stamp, &work);
        }
        let mut taker: Store = Store::new(Exact, limits());
        let copy = giver.copy_slot(slot());
        taker.install_slot(copy);
        prop_assert_eq!(taker.clock(), giver.clock());
        for (stamp, work) in later {
            let Work::Command(command) = &work else { continue };
            if command.key.slot() == slot() {
                prop_assert_eq!(taker.work(stamp, &work), giver.work(stamp, &work), "{:?}", work);
            }
        }
    }
}

fn call(store: &mut Store, name: &str, client: u128, seq: u64) {
    let once = Some(Once { client: ClientId(client), seq, acknowledged: 0 });
    let op = Op::Append { value: "v".into() };
    store.apply(1, &Command { key: key(name), op, once });
}

/// The difference between a large slot and its copy is what was written, and no more is sent.
#[test]
fn only_what_was_written_is_sent_again() {
    let mut store: Store = Store::new(Exact, Limits::default());
    for number in 0..5_000 {
        call(&mut store, &format!("{{t}}{number}"), 1 + number % 50, 1 + number as u64);
    }
    let old = store.copy_slot(slot());
    assert_eq!(parts(&SlotCopy::empty(slot()), &old, 1, 0, 1 << 30)[0].changes.len(), 10_050);
    call(&mut store, "{t}77", 7, 9_000);
    store.apply(1, &Command { key: key("{t}78"), op: Op::Delete { expected: 1 }, once: None });
    let new = store.copy_slot(slot());
    let sent = parts(&old, &new, 1, 0, 1 << 30);
    let changes = format!("{:?}", sent[0].changes);
    assert_eq!(
        changes,
        "[\"{t}77\" = \"vv\" version 2, no \"{t}78\", c7 at 1 ack 0, \
         c7 #9000 Appended to \"v\" version 2]"
    );
    assert!(parts(&new, &new.clone(), 1, 0, 1).is_empty());
}

/// A group's clock is not behind that of the slots that it serves.
#[test]
fn what_was_due_stays_away() {
    let mut giver = Bench::new();
    giver.put_until("{t}a", "v", Deadline::In(10));
    giver.now += 10;
    giver.op("other", Op::Get);
    let mut taker: Store = Store::new(Exact, Limits::default());
    taker.install_slot(giver.store.remove_slot(slot()));
    assert_eq!(taker.clock(), giver.now);
    assert!(taker.get(&key("{t}a")).is_none());
}

/// What no store would hold is left out, and then the sum is another one.
#[test]
fn what_no_store_holds_is_not_staged() {
    let mut store: Store = Store::new(Exact, Limits::default());
    store.apply(1, &Command { key: key("{t}a"), op: Op::String(set("v")), once: None });
    let copy = store.copy_slot(slot());
    let item = |name: &str, version, deadline| Change::Item {
        key: key(name),
        value: "v".into(),
        version,
        deadline,
    };
    let staged = |changes: Vec<Change>| {
        let mut staged = Staged::new(slot());
        staged.take(&Part { stream: 1, index: 0, changes });
        staged
    };
    assert!(staged(vec![item("{t}a", 1, None)]).is_whole((1, 1), &copy.sum()));
    assert!(!staged(vec![item("{t}a", 1, None)]).is_whole((1, 2), &copy.sum()));
    assert!(!staged(vec![item("{t}a", 2, None)]).is_whole((1, 1), &copy.sum()));
    let empty = SlotCopy::empty(slot()).sum();
    let call = |seq| {
        let reply = protocol::kv::Reply::Ok;
        Change::Call { client: ClientId(1), seq, print: 0, reply }
    };
    for change in [
        item("elsewhere", 1, None),
        item("{t}a", 0, None),
        item("{t}a", u64::MAX, None),
        item("{t}a", 1, Some(0)),
        item("{t}a", 1, Some(u64::MAX)),
        call(1),
        Change::KeyGone { key: key("{t}a") },
        Change::ClientGone { client: ClientId(1) },
    ] {
        assert!(staged(vec![change.clone()]).is_whole((1, 1), &empty), "{change:?}");
    }
    let client = Change::Client { client: ClientId(1), used: 7, acknowledged: 1 };
    let with_client = staged(vec![client.clone()]);
    assert!(!with_client.is_whole((1, 1), &empty));
    // An acknowledged call is not kept, and nobody was there after the clock.
    let sum = protocol::kv::Sum { clients: 1, clock: 7, ..empty };
    assert!(staged(vec![client.clone(), call(1)]).is_whole((1, 1), &sum));
    assert!(!staged(vec![client.clone(), call(2)]).is_whole((1, 1), &sum));
    assert!(!staged(vec![client]).is_whole((1, 1), &protocol::kv::Sum { clock: 6, ..sum }));
}

#[test]
fn a_slot_with_nothing_in_it_has_no_parts() {
    let mut store: Store = Store::new(Exact, Limits::default());
    let empty = store.remove_slot(slot());
    assert!(parts(&SlotCopy::empty(slot()), &empty, 3, 0, 1).is_empty());
    assert!(Staged::new(slot()).is_whole((3, 0), &empty.sum()));
    // Something of an earlier stream is no part of it.
    let mut staged = Staged::new(slot());
    staged.take(&Part { stream: 2, index: 0, changes: vec![] });
    assert!(!staged.is_whole((3, 0), &empty.sum()) && !staged.is_whole((3, 1), &empty.sum()));
}

#[test]
fn a_deleted_key_leaves_its_floor_to_the_taker() {
    let mut store: Store = Store::new(Exact, Limits::default());
    let write =
        |store: &mut Store, op| store.apply(1, &Command { key: key("{t}a"), op, once: None });
    let put = StringOp::Set {
        value: "v".into(),
        when: When::Always,
        deadline: Deadline::Never,
        get: false,
    };
    for _ in 0..3 {
        write(&mut store, Op::String(put.clone()));
    }
    write(&mut store, Op::Delete { expected: 3 });
    let frozen = store.remove_slot(slot());
    let mut taker: Store = Store::new(Exact, Limits::default());
    taker.install_slot(Staged::new(slot()).finish(&frozen.sum()));
    write(&mut taker, Op::String(put));
    assert_eq!(taker.get(&key("{t}a")).map(|(_, version)| version), Some(4));
}
