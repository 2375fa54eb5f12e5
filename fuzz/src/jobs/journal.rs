//! A coordinator's journal.

use super::super::bytes::Choices;
use super::super::scratch;
use super::{edit, put};
use protocol::mr::{
    AttemptId, Coordinator, Counters, Ending, Fault, Kind, Limits, Paper, Record, Spec, TaskId,
};
use quorate::mr::Error;
use quorate::mr::fuzzing::journal;
use std::path::Path;

const NAME: &str = "journal";

fn content(dir: &Path) -> Vec<u8> {
    std::fs::read(dir.join(NAME)).expect("the journal is there")
}

/// What a journal of these bytes gives, and that it stays so and can be gone on with. None if it is refused.
fn found(bytes: &[u8]) -> Option<Vec<Record<String>>> {
    let dir = scratch("journal");
    put(&dir, NAME, bytes);
    let records = match journal(&dir, &[]) {
        Ok(records) => records,
        Err(Error::Damaged { offset, .. }) => {
            assert!(offset <= bytes.len() as u64, "the damage is in the file");
            assert_eq!(content(&dir), bytes, "what is refused stays as it was");
            return None;
        }
        Err(error) => panic!("the disk is well: {error}"),
    };
    let kept = content(&dir);
    assert!(bytes.starts_with(&kept), "nothing but an end is cut");
    let new = Record::Over(Ending::Done);
    let again = journal(&dir, &[vec![new.clone()]]).expect("it was opened before");
    assert_eq!(again, records, "what was read is read again");
    let mut more = journal(&dir, &[]).expect("it was opened before");
    assert_eq!(more.pop(), Some(new), "what is written behind it is there");
    assert_eq!(more, records, "and what was there");
    recover(&records);
    Some(records)
}

/// A coordinator is made of records, whatever they say, or they are not its job's.
fn recover(records: &[Record<String>]) {
    let Some(&Record::Began { job, maps, reduces, .. }) = records.first() else { return };
    let is_last = |record: &Record<_>| matches!(record, Record::Began { life: u32::MAX, .. });
    // Nobody starts a coordinator four billion times.
    if maps > 1000 || reduces > 1000 || records.iter().any(is_last) {
        return;
    }
    let spec = Spec { job, version: 1, maps, reduces, limits: Limits::DEFAULT };
    for again in [false, true] {
        let mut out = Vec::new();
        let records = records.iter().cloned();
        let Ok(made) = Coordinator::recover(Paper, spec, records, again, &mut out) else { return };
        let counts = [Kind::Map, Kind::Reduce].map(|kind| made.tally(kind).all());
        assert_eq!(counts, [maps, reduces], "every task stands somehow");
    }
}

/// Bytes as they are. Whether they mean something.
pub(super) fn raw(bytes: &[u8]) -> bool {
    found(bytes).is_some_and(|records| !records.is_empty())
}

/// Records in groups, each of which is synced, and the file's length behind each.
struct Life {
    groups: Vec<Vec<Record<String>>>,
    ends: Vec<usize>,
    file: Vec<u8>,
}

fn record(choices: &mut Choices<'_>) -> Record<String> {
    let kind = if choices.coin() { Kind::Map } else { Kind::Reduce };
    let task = TaskId { kind, index: choices.below(4) as u32 };
    let attempt = AttemptId { task, attempt: 1 << 32 | choices.below(3) as u64 };
    let length = choices.below(20);
    let text = String::from_utf8_lossy(choices.take(length)).into_owned();
    match choices.below(4) {
        0 => {
            let mut counters = Counters::NONE;
            counters.add(&text, i64::from(choices.byte()) - 100);
            Record::Won { attempt, counters }
        }
        1 => {
            let fault = match choices.below(4) {
                0 => Fault::Failed(text),
                1 => Fault::Gone,
                2 => Fault::Silent,
                _ => Fault::Lost,
            };
            let at = choices.coin().then_some(u64::from(choices.byte()));
            Record::Failed { attempt, fault, at }
        }
        2 => Record::Over(if choices.coin() {
            Ending::Done
        } else {
            Ending::Failed(attempt, Fault::Failed(text))
        }),
        _ => {
            let life = u32::from(choices.byte()) + 1;
            Record::Began { life, job: 7, maps: 4, reduces: 4, again: choices.coin() }
        }
    }
}

fn life(choices: &mut Choices<'_>) -> Life {
    let dir = scratch("journal");
    std::fs::create_dir_all(&*dir).expect("the folder can be made");
    let first = Record::Began { life: 1, job: 7, maps: 4, reduces: 4, again: false };
    let (mut groups, mut ends) = (Vec::new(), Vec::new());
    for number in 0..=choices.below(4) {
        let mut group: Vec<_> = (number == 0).then(|| first.clone()).into_iter().collect();
        group.extend((0..choices.below(4)).map(|_| record(choices)));
        journal(&dir, std::slice::from_ref(&group)).expect("a journal is written on");
        groups.push(group);
        ends.push(content(&dir).len());
    }
    Life { groups, ends, file: content(&dir) }
}

/// A journal that was written, and then changed behind its back.
pub(super) fn edited(bytes: &[u8]) -> bool {
    let mut choices = Choices::new(bytes);
    let Life { groups, ends, file } = life(&mut choices);
    let all = groups.concat();
    if choices.coin() {
        // One bit. What is behind it says whether the disk had it.
        let (at, bit) = (usize::from(choices.short()) % file.len(), choices.below(8));
        let mut other = file;
        other[at] ^= 1 << bit;
        let group = ends.iter().position(|end| at < *end).expect("it is in the file");
        let before = groups[..group].concat();
        let proved = groups[group + 1..].iter().any(|group| !group.is_empty());
        match found(&other) {
            Some(_) if proved => panic!("what the disk had is damaged, and taken for torn"),
            Some(records) => {
                assert!(records.starts_with(&before), "what was synced before is there");
                assert!(all.starts_with(&records), "and nothing that was not written");
            }
            None => {}
        }
        return true;
    }
    let mut other = file.clone();
    let changed = edit(&mut other, &mut choices);
    let records = found(&other);
    if !changed {
        assert_eq!(records, Some(all), "an unharmed journal is read whole");
    } else if let Some(records) = &records {
        assert!(all.starts_with(records), "{records:?} were not written");
    }
    if file.starts_with(&other) {
        assert!(records.is_some(), "an end that is missing is no damage");
    }
    true
}

/// A journal's file.
pub(super) fn file(choices: &[u8]) -> Vec<u8> {
    life(&mut Choices::new(choices)).file
}

/// A beginning, a winner and a failure, as [`super::sealed`] takes them.
pub(super) fn sealed_seed() -> Vec<u8> {
    let began = [0, 0, 0, 1, 7, 4, 4, 0];
    let won = [1, 1, 1, 0, 2, 1, 0];
    let failed = [2, 1, 2, 0, 1, 1, 2, 0];
    let framed = |payload: &[u8]| [&[0, payload.len() as u8], payload].concat();
    [framed(&began), framed(&won), framed(&failed)].concat()
}
