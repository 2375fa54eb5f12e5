//! Big histories: 20 clients, 20,000 operations, 5 keys. They are linearizable as they are; with one reply changed they
//! are not, and the place that is shown is where it shows.

use linear::history::Told;
use linear::kv::{self, History, Op, Ret};
use linear::sample::{Mix, Sample};
use linear::{Budget, Place, Verdict, text, timeline};

const MIXES: [Mix; 4] = [Mix::Values, Mix::Versions, Mix::Appends, Mix::All];

fn sample(mix: Mix, unknown: u64, seed: u64) -> History {
    Sample { clients: 20, operations: 1000, keys: 5, mix, unknown, seed }.history()
}

#[test]
fn as_they_are() {
    for mix in MIXES {
        for unknown in [0, 3] {
            let history = sample(mix, unknown, 1);
            let report = kv::check(&history, Budget::default());
            assert_eq!(report.verdict, Verdict::Ok, "{mix:?}, {unknown} of 1000 unknown");
            assert_eq!(report.counts.operations, 20_000);
            assert_eq!(report.counts.pending > 0, unknown > 0);
            assert_eq!(sample(mix, unknown, 1), history, "the same seed is the same history");
        }
    }
}

/// Where the first reply from the middle on stands that `spoil` changes.
fn spoil(history: &mut History, mut spoil: impl FnMut(&Op, &mut Ret) -> bool) -> usize {
    let middle = history.operations().len() / 2;
    for (number, (op, told)) in history.operations_mut().enumerate().skip(middle) {
        if let Some(Told::Reply(ret)) = told
            && spoil(op, ret)
        {
            return number;
        }
    }
    panic!("no reply could be spoiled");
}

/// The place in a history that is not linearizable; and it is shown in both ways.
fn place(history: &History) -> Place {
    let mut report = kv::check(history, Budget::default());
    assert_eq!(report.verdict, Verdict::Illegal);
    assert_eq!(report.places.len(), 1, "one key is spoiled");
    let place = report.places.remove(0);
    let stuck = &history.operations()[place.stuck];
    let (line, picture) = (text::Line(stuck).to_string(), timeline::draw(history, &place));
    assert!(text::place(history, &place).contains(&line), "the text does not have {line}");
    assert!(picture.starts_with("<svg") && picture.contains("class=\"stuck\""));
    assert!(place.next.contains(&place.stuck) && !place.order.contains(&place.stuck));
    place
}

fn on_key_0(op: &Op) -> bool {
    op.key().is_some_and(|key| **key == *b"k0")
}

/// A read returns what the key had long before.
#[test]
fn stale_read() {
    for mix in [Mix::Values, Mix::Versions, Mix::Appends] {
        let mut history = sample(mix, 3, 2);
        let get = |op: &Op| on_key_0(op) && matches!(op, Op::Get { .. });
        let old = history.operations()[5000..]
            .iter()
            .find_map(|operation| operation.reply().filter(|_| get(&operation.op)).cloned());
        let old = old.expect("somebody has read before");
        let spoiled = spoil(&mut history, |op, ret| {
            let spoils = get(op) && matches!(ret, Ret::Done { .. });
            if spoils {
                *ret = old.clone();
            }
            spoils
        });
        assert_eq!(place(&history).stuck, spoiled, "{mix:?}");
    }
}

/// A read returns what nobody has written.
#[test]
fn never_written() {
    for mix in MIXES {
        let mut history = sample(mix, 3, 3);
        let spoiled = spoil(&mut history, |op, ret| match (op, ret) {
            (Op::Get { .. }, Ret::Done { value: Some(value), .. }) => {
                *value = b"never".as_slice().into();
                true
            }
            _ => false,
        });
        assert_eq!(place(&history).stuck, spoiled, "{mix:?}");
    }
}

/// A version is lower than one that was seen before.
#[test]
fn version_goes_back() {
    for mix in [Mix::Versions, Mix::All] {
        let mut history = sample(mix, 3, 4);
        let spoiled = spoil(&mut history, |op, ret| match (op, ret) {
            (Op::Get { .. } | Op::Set { .. }, Ret::Done { version: Some(version), .. }) => {
                *version -= 40;
                true
            }
            _ => false,
        });
        assert_eq!(place(&history).stuck, spoiled, "{mix:?}");
    }
}

/// The first read behind an append that shows it, with the append; and the read's value is changed. All later ones that
/// have the appended bytes too are changed alike, as a store that really did it would have said.
fn change_append(history: &mut History, to: impl Fn(&[u8]) -> Vec<u8>) -> (usize, usize) {
    let operations = history.operations();
    let shows = |reader: &linear::Operation<Op, Ret>, key: &[u8], piece: &[u8]| {
        let Some(Ret::Done { value: Some(value), .. }) = reader.reply() else { return false };
        reader.op.key().is_some_and(|other| **other == *key)
            && value.windows(piece.len()).any(|window| window == piece)
    };
    let found = operations.iter().enumerate().skip(8000).find_map(|(number, append)| {
        let Op::Append { key, value: piece } = &append.op else { return None };
        let end = append.reply().and(append.end.as_ref())?.0;
        let mut after = operations.iter().skip(number);
        let after =
            after.position(|other| other.call.number > end.number && shows(other, key, piece))?;
        Some((number, number + after, key.to_vec(), piece.to_vec()))
    });
    let (append, reader, key, piece) = found.expect("some append is read");
    let changes: Vec<bool> = operations.iter().map(|other| shows(other, &key, &piece)).collect();
    for ((_, told), changes) in history.operations_mut().zip(changes) {
        if let (true, Some(Told::Reply(Ret::Done { value: Some(value), .. }))) = (changes, told) {
            let at = value.windows(piece.len()).position(|window| window == piece);
            let (before, behind) = value.split_at(at.expect("it was found"));
            *value = [before, &to(&piece), &behind[piece.len()..]].concat().into();
        }
    }
    (append, reader)
}

/// An acknowledged append is not there.
#[test]
fn lost_append() {
    let mut history = sample(Mix::Appends, 3, 5);
    let (append, _) = change_append(&mut history, |_| Vec::new());
    let place = place(&history);
    let near =
        place.stuck == append || place.order.contains(&append) || place.next.contains(&append);
    assert!(near, "the lost append is at the place");
}

/// An append is there twice.
#[test]
fn appended_twice() {
    let mut history = sample(Mix::Appends, 3, 6);
    let (_, reader) = change_append(&mut history, |piece| [piece, piece].concat());
    let place = place(&history);
    let stuck = &history.operations()[place.stuck];
    let end =
        |operation: &linear::Operation<Op, Ret>| operation.end.as_ref().map(|(end, _)| end.number);
    assert!(matches!(stuck.op, Op::Get { .. }), "a read has seen it");
    assert!(end(stuck) <= end(&history.operations()[reader]), "no later than the first that did");
}

/// A budget that is spent is no verdict.
#[test]
fn budget() {
    let history = sample(Mix::Versions, 3, 7);
    let few_steps = Budget { steps: 9000, ..Budget::default() };
    let little_memory = Budget { memory_bytes: 10_000, ..Budget::default() };
    for budget in [few_steps, little_memory] {
        let report = kv::check(&history, budget);
        assert_eq!(report.verdict, Verdict::Unknown);
        let place = report.places.first().expect("the search has come somewhere");
        assert!(text::place(&history, place).contains("budget"));
        assert!(timeline::draw(&history, place).contains("Not known"));
    }
}
