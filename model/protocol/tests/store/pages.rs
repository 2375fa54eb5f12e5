//! Pages against the standard library's map, with small pages so that they split and join.

use super::cases;
use proptest::prelude::*;
use protocol::kv::Pages;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

#[derive(Clone, Debug)]
enum Do {
    Insert(u16),
    InsertRun(u16, u16),
    Remove(u16),
    RemoveRun(u16, u16),
    Change(u16),
    Ensure(u16),
    PopFirst,
    Copy,
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Do>> {
    let step = prop_oneof![
        12 => (0u16..300).prop_map(Do::Insert),
        3 => (0u16..300, 0u16..60).prop_map(|(from, count)| Do::InsertRun(from, count)),
        8 => (0u16..300).prop_map(Do::Remove),
        3 => (0u16..300, 0u16..60).prop_map(|(from, count)| Do::RemoveRun(from, count)),
        3 => (0u16..300).prop_map(Do::Change),
        3 => (0u16..300).prop_map(Do::Ensure),
        2 => Just(Do::PopFirst),
        2 => Just(Do::Copy),
    ];
    let step = prop_oneof![60 => step, 1 => Just(Do::Clear)];
    prop::collection::vec(step, 0..120)
}

type Dumb = BTreeMap<u16, usize>;

fn carry_out<const MOST: usize>(
    step: &Do,
    number: usize,
    pages: &mut Pages<u16, usize, MOST>,
    dumb: &mut Dumb,
) {
    match *step {
        Do::Insert(key) => assert_eq!(pages.insert(key, number), dumb.insert(key, number)),
        Do::InsertRun(from, count) => {
            for key in from..from + count {
                assert_eq!(pages.insert(key, number), dumb.insert(key, number));
            }
        }
        Do::Remove(key) => assert_eq!(pages.remove(&key), dumb.remove(&key)),
        Do::RemoveRun(from, count) => {
            for key in from..from + count {
                assert_eq!(pages.remove(&key), dumb.remove(&key));
            }
        }
        Do::Change(key) => {
            let change = |value: &mut usize| core::mem::replace(value, number);
            assert_eq!(pages.get_mut(&key).map(change), dumb.get_mut(&key).map(change));
        }
        Do::Ensure(key) => {
            let ensured = *pages.get_or_insert_with(key, || number);
            assert_eq!(ensured, *dumb.entry(key).or_insert(number));
        }
        Do::PopFirst => assert_eq!(pages.pop_first(), dumb.pop_first()),
        Do::Copy => {}
        Do::Clear => {
            pages.clear();
            dumb.clear();
        }
    }
}

/// Every entry in which one map differs from another, looked for one by one.
fn dumb_difference(new: &Dumb, old: &Dumb, after: Option<u16>) -> Vec<(u16, Option<usize>)> {
    let keys: std::collections::BTreeSet<u16> = new.keys().chain(old.keys()).copied().collect();
    let keys = keys.into_iter().filter(|key| after.is_none_or(|after| *key > after));
    let differs = keys.filter(|key| new.get(key) != old.get(key));
    differs.map(|key| (key, new.get(&key).copied())).collect()
}

fn assert_difference<const MOST: usize>(steps: &[Do], cuts: (usize, usize), after: Option<u16>) {
    let (mut pages, mut dumb) = (Pages::<u16, usize, MOST>::new(), Dumb::new());
    let mut copies = vec![(pages.clone(), dumb.clone())];
    for (number, step) in steps.iter().enumerate() {
        // Values come again, so that what was written is not always different.
        carry_out(step, number % 5, &mut pages, &mut dumb);
        copies.push((pages.clone(), dumb.clone()));
    }
    let [(old, dumb_old), (new, dumb_new)] =
        [cuts.0, cuts.1].map(|cut| copies[cut % copies.len()].clone());
    let found = new.difference(&old, after.as_ref());
    let found: Vec<_> = found.map(|(key, value)| (*key, value.copied())).collect();
    assert_eq!(found, dumb_difference(&dumb_new, &dumb_old, after));
}

fn assert_equal<const MOST: usize>(pages: &Pages<u16, usize, MOST>, dumb: &Dumb, probe: u16) {
    assert!(pages.iter().eq(dumb), "{pages:?} is not {dumb:?}");
    assert_eq!((pages.len(), pages.is_empty()), (dumb.len(), dumb.is_empty()));
    assert_eq!((pages.first(), pages.last()), (dumb.first_key_value(), dumb.last_key_value()));
    assert_eq!((pages.get(&probe), pages.contains_key(&probe)), {
        (dumb.get(&probe), dumb.contains_key(&probe))
    });
    assert!(pages.range_from(&probe).eq(dumb.range(probe..)));
    let before = dumb.range(..probe).count();
    assert_eq!(pages.partition_point(|key| *key < probe), before);
    assert!(pages.iter_at(before).eq(dumb.range(probe..)));
    assert_eq!(pages.iter_at(dumb.len()).next(), None);
}

/// Each copy is compared again at the end.
fn run<const MOST: usize>(steps: &[Do]) {
    let (mut pages, mut dumb) = (Pages::<u16, usize, MOST>::new(), Dumb::new());
    let mut copies = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        carry_out(step, number, &mut pages, &mut dumb);
        if matches!(step, Do::Copy) {
            copies.push((pages.clone(), dumb.clone()));
        }
        assert_equal(&pages, &dumb, (number * 37 % 310) as u16);
    }
    for (pages, dumb) in copies {
        assert_equal(&pages, &dumb, 150);
    }
}

proptest! {
    #![proptest_config(cases(256))]

    /// Of maps that share much, little, or nothing, whichever was first; from any key on.
    #[test]
    fn differences_are_those_of_the_entries(
        steps in steps(),
        cuts in (0usize..200, 0usize..200),
        after in prop::option::of(0u16..320),
    ) {
        assert_difference::<2>(&steps, cuts, after);
        assert_difference::<4>(&steps, cuts, after);
        assert_difference::<9>(&steps, cuts, after);
        assert_difference::<256>(&steps, cuts, after);
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn pages_do_what_a_map_does(steps in steps()) {
        run::<2>(&steps);
        run::<4>(&steps);
        run::<5>(&steps);
        run::<16>(&steps);
        run::<256>(&steps);
    }

    /// Content decides, not where pages part: equality, order, hash and print are those of a map.
    #[test]
    fn content_decides(one in steps(), other in steps(), same in any::<bool>()) {
        let build = |steps: &[Do]| {
            let (mut pages, mut dumb) = (Pages::<u16, usize, 4>::new(), Dumb::new());
            for step in steps {
                carry_out(step, 1, &mut pages, &mut dumb);
            }
            (pages, dumb)
        };
        let (one, dumb_one) = build(&one);
        let (mut other, mut dumb_other) = build(&other);
        if same {
            // The same entries, grown in another way.
            dumb_other = dumb_one.clone();
            other = one.iter().map(|(key, value)| (*key, *value)).collect::<Vec<_>>().into_iter().rev().collect();
            prop_assert!(one == other);
        }
        prop_assert_eq!(one == other, dumb_one == dumb_other);
        prop_assert_eq!(one.cmp(&other), dumb_one.cmp(&dumb_other));
        prop_assert_eq!(format!("{one:?}"), format!("{dumb_one:?}"));
        let hasher = BuildHasherDefault::<DefaultHasher>::new();
        prop_assert_eq!(hasher.hash_one(&one), hasher.hash_one(&dumb_one));
        prop_assert_eq!(hasher.hash_one(&other), hasher.hash_one(&dumb_other));
    }
}

/// The walks that nothing else takes in order: far beyond one page, at the size that runs.
#[test]
fn many_entries() {
    const MANY: u32 = 100_000;
    let scattered = |number: u32| number.wrapping_mul(0x9e37_79b1);
    let mut pages: Pages<u32, u32> = (0..MANY).map(|number| (scattered(number), number)).collect();
    let mut dumb: BTreeMap<u32, u32> =
        (0..MANY).map(|number| (scattered(number), number)).collect();
    assert!(pages.iter().eq(&dumb));
    for number in (0..MANY).filter(|number| number % 7 > 0) {
        assert_eq!(pages.remove(&scattered(number)), dumb.remove(&scattered(number)));
    }
    assert!(pages.iter().eq(&dumb));
    assert!(pages.range_from(&(u32::MAX / 3)).eq(dumb.range(u32::MAX / 3..)));
    assert!(pages.iter_at(5000).eq(dumb.iter().skip(5000)));
}
