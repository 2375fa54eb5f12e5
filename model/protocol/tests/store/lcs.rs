//! LCS, against trying everything.

use super::{Bench, bulk, cases, fault, no};
use proptest::prelude::*;
use protocol::kv::{Fault, LcsForm, Reply, StringOp};

fn lcs(form: LcsForm) -> StringOp {
    StringOp::Lcs { other: "{t}b".into(), form }
}

fn ask(left: &str, right: &str, form: LcsForm) -> Reply {
    let mut b = Bench::new();
    b.put("{t}a", left);
    b.put("{t}b", right);
    b.string("{t}a", lcs(form))
}

/// As a reply has it: a match is two ranges and perhaps a length.
fn shown(matches: &[&[&[i64]]], lengths: &[i64], length: i64) -> Reply {
    let range = |range: &&[i64]| Reply::Many(range.iter().copied().map(Reply::Int).collect());
    let one = |(index, ranges): (usize, &&[&[i64]])| {
        let length = lengths.get(index).copied().map(Reply::Int);
        Reply::Many(ranges.iter().map(range).chain(length).collect())
    };
    let matches = matches.iter().enumerate().map(one).collect();
    Reply::Many(vec![Reply::Many(matches), Reply::Int(length)])
}

#[test]
fn redis_s_own_example() {
    let (left, right) = ("ohmytext", "mynewtext");
    assert_eq!(ask(left, right, LcsForm::Whole), bulk("mytext"));
    assert_eq!(ask(left, right, LcsForm::Len), Reply::Int(6));
    let matches: &[&[&[i64]]] = &[&[&[4, 7], &[5, 8]], &[&[2, 3], &[0, 1]]];
    let form = |min, lengths| LcsForm::Matches { min, lengths };
    assert_eq!(ask(left, right, form(0, false)), shown(matches, &[], 6));
    assert_eq!(ask(left, right, form(0, true)), shown(matches, &[4, 2], 6));
    assert_eq!(ask(left, right, form(4, true)), shown(&matches[..1], &[4], 6));
    assert_eq!(ask(left, right, form(5, false)), shown(&[], &[], 6));
}

#[test]
fn a_missing_key_is_empty_and_two_slots_are_refused() {
    let mut b = Bench::new();
    b.put("{t}a", "abc");
    assert_eq!(b.string("{t}a", lcs(LcsForm::Whole)), bulk(""));
    assert_eq!(b.string("{t}c", lcs(LcsForm::Len)), no());
    assert_eq!(b.string("{u}a", lcs(LcsForm::Len)), fault(Fault::CrossSlot));
}

#[test]
fn values_that_would_take_too_long_are_refused() {
    let long = "a".repeat(5_000);
    assert_eq!(ask(&long, &long, LcsForm::Len), fault(Fault::LcsTooLong));
    assert_eq!(ask(&long, "aaa", LcsForm::Len), Reply::Int(3));
}

/// The longest by trying both ways at every difference.
fn longest(left: &[u8], right: &[u8]) -> usize {
    match (left, right) {
        ([], _) | (_, []) => 0,
        ([a, left @ ..], [b, right @ ..]) if a == b => 1 + longest(left, right),
        ([_, less @ ..], [_, fewer @ ..]) => longest(less, right).max(longest(left, fewer)),
    }
}

fn is_within(part: &[u8], whole: &[u8]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|byte| whole.any(|other| other == byte))
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn it_is_common_and_as_long_as_any(left in "[abc]{0,8}", right in "[abc]{0,8}") {
        let length = longest(left.as_bytes(), right.as_bytes());
        prop_assert_eq!(ask(&left, &right, LcsForm::Len), Reply::Int(length as i64));
        let Reply::Bulk(found) = ask(&left, &right, LcsForm::Whole) else { panic!("bytes") };
        prop_assert_eq!(found.as_ref().len(), length);
        prop_assert!(is_within(found.as_ref(), left.as_bytes()));
        prop_assert!(is_within(found.as_ref(), right.as_bytes()));
    }
}
