//! On files of this machine, which are as good as objects here.

#![allow(clippy::unwrap_used, reason = "a test says by a panic what it did not expect")]

use super::super::{End, Journal};
use super::*;
use crate::mr::folder::Claim;
use crate::mr::{Asked, claim};
use mapreduce::Program;
use protocol::mr::Record;
use std::fs;
use std::path::PathBuf;

struct Stage {
    folder: PathBuf,
    claim: Claim,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn began(life: u32) -> Record<String> {
    Record::Began { life, job: 1, maps: 1, reduces: 1, again: false }
}

impl Stage {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("quorate-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let text = folder.join("text");
        fs::write(&text, "a\n").unwrap();
        let inputs = vec![text.to_str().unwrap().to_owned()];
        let program = Program::built_in("wc", &[]);
        let asked = Asked { program, inputs, reduces: 1, split_bytes: 100 };
        let claim = claim(&folder.join("out").into(), &asked, &mut io::empty()).unwrap();
        Self { folder, claim }
    }

    fn open(&self) -> (Journal, Vec<Record<String>>) {
        Journal::open_at(&self.claim).unwrap()
    }

    fn batch(&self, number: u64) -> PathBuf {
        self.claim.work.local().unwrap().join(format!("journal/{number:010}"))
    }
}

fn write(journal: &mut Journal, lives: &[u32]) -> Result<(), Error> {
    lives.iter().for_each(|life| journal.add(&began(*life)));
    journal.sync()
}

#[test]
fn what_was_written_is_read_and_written_on() {
    let stage = Stage::new("batches-read");
    let (mut journal, records) = stage.open();
    assert_eq!((records, journal.durable()), (Vec::new(), 0));
    write(&mut journal, &[1, 2]).unwrap();
    write(&mut journal, &[]).unwrap();
    assert!(!stage.batch(2).exists(), "nothing is put when nothing waits");
    write(&mut journal, &[3]).unwrap();
    assert_eq!(journal.durable(), 3);
    let (mut journal, records) = stage.open();
    assert_eq!(records, [1, 2, 3].map(began));
    write(&mut journal, &[4]).unwrap();
    assert_eq!(stage.open().1, [1, 2, 3, 4].map(began));
}

/// Of two coordinators the first that writes goes on, even if both would write the same.
#[test]
fn a_number_is_taken_once() {
    let stage = Stage::new("batches-once");
    let mut first = stage.open().0;
    write(&mut first, &[1]).unwrap();
    let (mut second, mut third) = (stage.open().0, stage.open().0);
    write(&mut second, &[2]).unwrap();
    for late in [&mut first, &mut third] {
        let error = write(late, &[2]).expect_err("the number is taken");
        assert!(matches!(error, Error::Superseded(_)), "{error}");
    }
    write(&mut second, &[3]).unwrap();
    assert_eq!(stage.open().1, [1, 2, 3].map(began));
}

/// Whoever has noticed nothing of a job's end can't go on with it: whether the end goes on, or all is gone.
#[test]
fn the_end_of_the_job_stands_in_the_way() {
    for batches in 0..3 {
        let stage = Stage::new(&format!("batches-end-{batches}"));
        let Claim { store, work, .. } = &stage.claim;
        let over = work.with_suffix(OVER);
        let mut late = stage.open().0;
        (0..batches).for_each(|life| write(&mut late, &[life]).unwrap());
        let mut all = store.list(&work.join("journal")).unwrap();
        all.push(stage.claim.written_at.clone());
        let mut refused = |when: &str| {
            let error = write(&mut late, &[7]).expect_err(when);
            assert!(matches!(error, Error::Superseded(_)), "{when}: {error}");
        };
        store.create(&over, b"over").unwrap();
        refused("the end has begun");
        store.remove(&all).unwrap();
        refused("all is gone but what says so");
        store.remove(&[over]).unwrap();
        refused("all is gone");
        assert!(store.list(&work.join("journal")).unwrap().is_empty(), "it has left nothing");
    }
}

/// The answer was lost, and the batch is there.
#[test]
fn what_is_there_already_is_written() {
    let stage = Stage::new("batches-answer");
    let mut journal = stage.open().0;
    write(&mut journal, &[1]).unwrap();
    let End::Batches(batches) = &mut journal.end else { panic!("it is a folder's") };
    batches.next -= 1;
    journal.written -= 1;
    journal.durable -= 1;
    write(&mut journal, &[1]).unwrap();
    assert_eq!(stage.open().1, [began(1)]);
}

#[test]
fn one_that_is_missing_or_bad_is_damage_and_one_of_a_job_that_is_over_is_not_read() {
    let stage = Stage::new("batches-bad");
    let mut journal = stage.open().0;
    write(&mut journal, &[1]).unwrap();
    write(&mut journal, &[2]).unwrap();
    let damaged = || {
        let opened = Journal::open_at(&stage.claim).expect_err("it is damaged");
        assert!(matches!(opened, Error::Damaged { .. }), "{opened}");
    };
    let whole = fs::read(stage.batch(2)).unwrap();
    for at in DRAWN..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        fs::write(stage.batch(2), bytes).unwrap();
        damaged();
    }
    fs::write(stage.batch(2), &whole).unwrap();
    assert_eq!(stage.open().1.len(), 2);
    fs::remove_file(stage.batch(1)).unwrap();
    damaged();
    stage.claim.store.create(&stage.claim.work.with_suffix(OVER), b"over").unwrap();
    let opened = Journal::open_at(&stage.claim).expect_err("it is being removed");
    assert!(matches!(opened, Error::InUse(_)), "{opened}");
}
