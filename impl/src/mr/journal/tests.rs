#![allow(clippy::unwrap_used, reason = "a test says by a panic what it did not expect")]

use super::*;
use protocol::mr::{AttemptId, Counters, Kind, TaskId};
use std::fs;
use std::path::PathBuf;

/// A job's folder that goes with its owner.
struct Work(PathBuf);

impl Work {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("quorate-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.0.join(NAME)).unwrap()
    }

    fn set(&self, bytes: &[u8]) {
        fs::write(self.0.join(NAME), bytes).unwrap();
    }

    fn records(&self) -> Vec<Record<String>> {
        Journal::open_file(&self.0).unwrap().1
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn won(index: u32) -> Record<String> {
    let task = TaskId { kind: Kind::Map, index };
    let mut counters = Counters::NONE;
    counters.add("map.input_records", 7);
    Record::Won { attempt: AttemptId { task, attempt: 1 << 32 | 1 }, counters }
}

/// Records, each synced behind so many others.
fn written(work: &Work, syncs: &[usize]) -> Vec<Record<String>> {
    let (mut journal, _) = Journal::open_file(&work.0).unwrap();
    let mut all = Vec::new();
    for count in syncs {
        for _ in 0..*count {
            all.push(won(all.len() as u32));
            journal.add(all.last().unwrap());
        }
        journal.sync().unwrap();
    }
    all
}

#[test]
fn what_was_written_is_read_and_written_on() {
    let work = Work::new("journal-on");
    assert_eq!(work.records(), []);
    let mut all = written(&work, &[1, 2]);
    assert_eq!(work.records(), all);
    let (mut journal, read) = Journal::open_file(&work.0).unwrap();
    assert_eq!((read.len(), journal.durable()), (3, 3));
    all.push(won(9));
    journal.add(all.last().unwrap());
    journal.sync().unwrap();
    assert_eq!(work.records(), all);
}

#[test]
fn a_torn_end_is_cut_at_every_byte() {
    let work = Work::new("journal-torn");
    let all = written(&work, &[1, 1]);
    let (whole, first) = (work.bytes(), entry(&work.bytes()).unwrap().1);
    for length in 0..whole.len() {
        work.set(&whole[..length]);
        let left = usize::from(length >= first);
        assert_eq!(work.records(), all[..left], "{length} bytes");
        assert_eq!(work.bytes(), whole[..left * first], "{length} bytes");
    }
}

#[test]
fn an_end_of_which_a_later_page_came_first_is_torn() {
    let work = Work::new("journal-pages");
    let all = written(&work, &[1, 3]);
    let (mut bytes, first) = (work.bytes(), entry(&work.bytes()).unwrap().1);
    bytes[first + 20] ^= 1;
    work.set(&bytes);
    assert_eq!(work.records(), all[..1], "nothing of the last sync was promised");
}

#[test]
fn what_is_whole_and_no_record_is_refused() {
    let work = Work::new("journal-others");
    written(&work, &[1]);
    let mut bytes = work.bytes();
    put_code(RECORD, &mut bytes, |out| out.extend_from_slice(&[1, 1, 77]));
    work.set(&bytes);
    assert!(matches!(Journal::open_file(&work.0), Err(Error::Damaged { .. })));
    assert_eq!(work.bytes(), bytes);
}

#[test]
fn damage_in_front_of_what_was_promised_is_refused() {
    let work = Work::new("journal-damage");
    written(&work, &[1, 1, 1]);
    let (whole, first) = (work.bytes(), entry(&work.bytes()).unwrap().1);
    for at in 0..2 * first {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        work.set(&bytes);
        let offset = (at / first * first) as u64;
        match Journal::open_file(&work.0) {
            Err(Error::Damaged { offset: told, .. }) => assert_eq!(told, offset, "byte {at}"),
            other => panic!("byte {at}: {other:?}"),
        }
        assert_eq!(work.bytes(), bytes, "a damaged journal is not touched");
    }
}
