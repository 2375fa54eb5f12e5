//! Random commands at stamps that jump back and forth: the store against its twin, and what must hold of it at
//! every step.

use super::twin::Twin;
use super::{cases, key};
use proptest::prelude::*;
use protocol::kv::{
    Bytes, ClientId, Command, Deadline, Decimal, Exact, ExpireWhen, KeyOp, LcsForm, Limits, Once,
    Op, Reply, Seen, Stamp, Store, StringOp, Transaction, Version, When, Work,
};
use std::collections::BTreeMap;

const KEYS: [&str; 4] = ["{t}a", "{t}b", "{t}c", "{t}d"];

fn name() -> impl Strategy<Value = Bytes> {
    prop::sample::select(&KEYS[..]).prop_map(key)
}

fn value() -> impl Strategy<Value = Bytes> {
    prop::sample::select(&["", "a", "b", "7", "-3", "1.5", "0", "xyz"][..]).prop_map(key)
}

fn deadline() -> impl Strategy<Value = Deadline> {
    prop_oneof![
        Just(Deadline::Never),
        Just(Deadline::Keep),
        (0u64..200).prop_map(Deadline::At),
        (0u64..40).prop_map(Deadline::In),
    ]
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![
        2 => Just(When::Always),
        1 => Just(When::Missing),
        1 => Just(When::Present),
        1 => value().prop_map(When::Equal),
        1 => value().prop_map(When::NotEqual),
    ]
}

fn expire_when() -> impl Strategy<Value = ExpireWhen> {
    use ExpireWhen::{Always, Later, Missing, Present, PresentSooner, Sooner};
    prop::sample::select(vec![Always, Always, Missing, Present, Later, Sooner, PresentSooner])
}

fn string_op() -> impl Strategy<Value = StringOp> {
    prop_oneof![
        2 => Just(StringOp::Get),
        4 => (value(), when(), deadline(), any::<bool>())
            .prop_map(|(value, when, deadline, get)| StringOp::Set { value, when, deadline, get }),
        1 => value().prop_map(|value| StringOp::SetNx { value }),
        1 => (value(), prop::collection::vec((name(), value()), 0..3))
            .prop_map(|(value, others)| StringOp::SetAllNx { value, others }),
        1 => Just(StringOp::GetDel),
        2 => deadline().prop_map(|deadline| StringOp::GetEx { deadline }),
        1 => (-6i64..6, -6i64..6).prop_map(|(start, end)| StringOp::GetRange { start, end }),
        1 => (0u64..6, value()).prop_map(|(offset, value)| StringOp::SetRange { offset, value }),
        1 => value().prop_map(|value| StringOp::Append { value }),
        1 => Just(StringOp::Len),
        2 => prop::sample::select(vec![1, -1, 10, i64::MAX, i64::MIN])
            .prop_map(|by| StringOp::IncrBy { by }),
        1 => prop::sample::select(vec!["0.25", "-1.5", "3", "0"]).prop_map(|by| {
            StringOp::IncrByFloat { by: Decimal::parse(by.as_bytes()).expect("a number") }
        }),
    ]
}

fn key_op() -> impl Strategy<Value = KeyOp> {
    prop_oneof![
        2 => when().prop_map(|when| KeyOp::Delete { when }),
        1 => Just(KeyOp::Exists),
        1 => Just(KeyOp::Kind),
        4 => (deadline(), expire_when())
            .prop_map(|(deadline, when)| KeyOp::Expire { deadline, when }),
        2 => (any::<bool>(), any::<bool>())
            .prop_map(|(absolute, ms)| KeyOp::Ttl { absolute, ms }),
        2 => (name(), any::<bool>()).prop_map(|(to, if_missing)| KeyOp::Rename { to, if_missing }),
        2 => (name(), any::<bool>()).prop_map(|(to, replace)| KeyOp::Copy { to, replace }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => string_op().prop_map(Op::String),
        5 => key_op().prop_map(Op::Key),
        1 => value().prop_map(|value| Op::Set { value }),
        1 => value().prop_map(|value| Op::Append { value }),
        1 => value().prop_map(|value| Op::Put { value, expected: 0 }),
        1 => Just(Op::Get),
    ]
}

fn work() -> impl Strategy<Value = Work> {
    prop_oneof![
        12 => (name(), op()).prop_map(|(key, op)| Work::Command(Command { key, op, once: None })),
        3 => prop::collection::vec((name(), op()), 0..4).prop_map(|ops| {
            Work::Transaction(Transaction { watched: vec![], ops, once: None })
        }),
        2 => Just(Work::Tick),
        1 => Just(Work::Flush),
    ]
}

/// Stamps go forwards by and by, and jump back.
fn works(most: usize) -> impl Strategy<Value = Vec<(Stamp, Work)>> {
    prop::collection::vec((0u64..12, 0u64..25, work()), 0..most).prop_map(|steps| {
        let mut time = 0;
        let step = |(forth, back, work)| {
            time += forth;
            (u64::saturating_sub(time, back), work)
        };
        steps.into_iter().map(step).collect()
    })
}

/// The same with watches, records, and other slots: for what needs no twin.
pub fn wild(most: usize) -> impl Strategy<Value = Vec<(Stamp, Work)>> {
    let once = (0u128..3, 1u64..6, 0u64..6).prop_map(|(client, seq, acknowledged)| Once {
        client: ClientId(client + 1),
        seq,
        acknowledged,
    });
    let elsewhere = prop::sample::select(vec!["{t}a", "{t}b", "{u}a", "{v}a", "w"]).prop_map(key);
    let lcs = elsewhere.clone().prop_map(|other| {
        Op::String(StringOp::Lcs { other, form: LcsForm::Matches { min: 0, lengths: true } })
    });
    let delete = (0u64..4).prop_map(|expected| Op::Delete { expected });
    let op = prop_oneof![8 => op(), 1 => lcs, 1 => delete];
    let seen = prop_oneof![
        (1u64..4).prop_map(Seen::At),
        (0u64..4).prop_map(|floor| Seen::Missing { floor }),
    ];
    let wild = (
        prop::collection::vec((name(), seen), 0..2),
        prop::collection::vec((elsewhere.clone(), op.clone()), 0..3),
        prop::option::of(once.clone()),
    )
        .prop_map(|(watched, ops, once)| Work::Transaction(Transaction { watched, ops, once }));
    let command = (elsewhere, op, prop::option::of(once))
        .prop_map(|(key, op, once)| Work::Command(Command { key, op, once }));
    let all = prop_oneof![3 => work(), 2 => wild, 4 => command];
    prop::collection::vec((0u64..300, all), 0..most)
}

pub fn limits() -> Limits {
    Limits {
        clients: 2,
        unacknowledged: 3,
        reply_bytes: 24,
        ahead_ms: 5,
        idle_ms: 60,
        ..Limits::default()
    }
}

fn contents(store: &Store) -> Vec<(String, String)> {
    let text = |bytes: &Bytes| String::from_utf8(bytes.as_ref().to_vec()).expect("text");
    let value = |key: &Bytes| store.get(key).map(|(value, _)| text(value));
    store.keys().map(|key| (text(key), value(key).expect("a listed key is there"))).collect()
}

proptest! {
    #![proptest_config(cases(1024))]

    /// KV-EXPIRE-1, KV-EXPIRE-3, KV-EXPIRE-5, KV-TX-1.
    #[test]
    fn the_store_replies_as_its_twin(works in works(60)) {
        let (mut store, mut twin): (Store, _) = (Store::new(Exact, Limits::default()), Twin::default());
        for (stamp, work) in works {
            // Beyond this the twin's digits end.
            let long = |entry: &super::twin::Entry| entry.value.len() > 15;
            if twin.entries.iter().any(long) {
                store.flush(0);
                twin.entries.clear();
            }
            let reply = store.work(stamp, &work);
            if let Some(expected) = twin.work(stamp, &work) {
                prop_assert_eq!(reply, expected, "{:?}", work);
            }
            twin.entries.sort_by(|one, other| one.key.cmp(&other.key));
            let entries = twin.entries.iter().map(|entry| (entry.key.clone(), entry.value.clone()));
            prop_assert_eq!(contents(&store), entries.collect::<Vec<_>>());
            prop_assert_eq!(store.len(), twin.entries.len());
            prop_assert_eq!(store.clock(), twin.clock);
            for entry in &twin.entries {
                let op = Op::Key(KeyOp::Ttl { absolute: true, ms: true });
                let ends = entry.ends.map_or(-1, |ends| ends as i64);
                prop_assert_eq!(store.read(&key(&entry.key), &op), Some(Reply::Int(ends)));
            }
            let nearest = twin.entries.iter().filter_map(|entry| entry.ends).min();
            let mut swept = store.clone();
            swept.tick(0);
            prop_assert_eq!(swept.nearest_deadline(), nearest);
            prop_assert_eq!(contents(&swept), contents(&store));
        }
    }

    /// KV-EXPIRE-2, KV-FLUSH-1. A version is given once to a key, whatever happens to it; what has the
    /// same version has the same value.
    #[test]
    fn versions_only_rise(works in wild(80)) {
        let mut store: Store = Store::new(Exact, limits());
        let mut latest: BTreeMap<Bytes, (Version, Bytes, Option<Reply>)> = BTreeMap::new();
        for (stamp, work) in works {
            store.work(stamp, &work);
            let now: Vec<Bytes> = store.keys().cloned().collect();
            for key in &now {
                let (value, version) = store.get(key).expect("a listed key is there");
                let ends = store.read(key, &Op::Key(KeyOp::Ttl { absolute: true, ms: true }));
                let entry = (version, value.clone(), ends);
                let before = latest.insert(key.clone(), entry.clone());
                if let Some(before) = before {
                    prop_assert!(version > before.0 || entry == before, "{:?} after {:?}", entry, before);
                }
                prop_assert!(version > 0);
            }
            // What is away may not come back as it was.
            for (key, (.., ends)) in &mut latest {
                if !now.contains(key) {
                    *ends = None;
                }
            }
        }
    }

    /// KV-EXPIRE-3. Nothing but a write to it brings a key back, whatever the stamps.
    #[test]
    fn an_expired_key_stays_away(works in works(20), stamps in prop::collection::vec(0u64..500, 1..20)) {
        let mut store: Store = Store::new(Exact, Limits::default());
        for (stamp, work) in works {
            store.work(stamp, &work);
        }
        let mut left = contents(&store);
        for stamp in stamps {
            store.work(stamp, &Work::Tick);
            let now = contents(&store);
            prop_assert!(now.iter().all(|entry| left.contains(entry)));
            left = now;
        }
    }

    /// KV-SNAPSHOT-1. The same commands make the same store, and a store read from bytes goes on alike.
    #[test]
    fn replicas_agree_and_so_does_a_restored_one(works in wild(60), cut in 0usize..60) {
        let mut one: Store = Store::new(Exact, limits());
        let mut other = one.clone();
        for (index, (stamp, work)) in works.iter().enumerate() {
            prop_assert_eq!(one.work(*stamp, work), other.work(*stamp, work));
            if index == cut {
                let mut bytes = Vec::new();
                one.encode(&mut bytes);
                other = Store::decode(Exact, limits(), &bytes).expect("a store's own bytes");
            }
            prop_assert!(one == other);
        }
        let encoded = [&one, &other].map(|store| {
            let mut bytes = Vec::new();
            store.encode(&mut bytes);
            bytes
        });
        prop_assert_eq!(&encoded[0], &encoded[1]);
    }

    /// What is read without the log is what an entry would have said.
    #[test]
    fn a_read_says_what_an_entry_would(works in wild(40), name in name(), op in op()) {
        let mut store: Store = Store::new(Exact, limits());
        for (stamp, work) in works {
            store.work(stamp, &work);
        }
        let read = store.read(&name, &op);
        prop_assert_eq!(read.is_none(), op.writes());
        let mut after = store.clone();
        let reply = after.apply(0, &Command { key: name, op, once: None });
        if let Some(read) = read {
            prop_assert_eq!(read, reply);
            prop_assert_eq!(contents(&store), contents(&after));
        }
    }

    /// A refusal that is no record's changes no key.
    #[test]
    fn a_refusal_changes_nothing(works in wild(40)) {
        let mut store: Store = Store::new(Exact, limits());
        for (stamp, work) in works {
            store.work(stamp, &Work::Tick);
            let before = (contents(&store), store.nearest_deadline());
            let reply = store.work(stamp, &work);
            if reply.is_refusal() {
                prop_assert_eq!((contents(&store), store.nearest_deadline()), before, "{:?}", work);
            }
            prop_assert!(!reply.is_passing() || reply.is_refusal());
        }
    }
}
