//! What the disk's thread reports to the core.
//!
//! The gate and the mailbox are those that ship. The disk's thread has files, which loom knows nothing of, so
//! its loop (`src/raft/disk.rs`) is done again here, in three lines, and its disk is a number.

use super::bugs::{CountsAgain, ReportsFirst};
use super::{Met, dies, holds};
use loom::thread;
use quorate::gate::Gate;
use quorate::mailbox::Mailbox;
use quorate::sync::{AtomicU64, Ordering};
use std::fmt::Debug;
use std::sync::Arc;

/// Writes on their way to the disk.
#[derive(Default)]
pub struct Filled {
    /// The number of the last one.
    last: u64,
    /// How many.
    pub writes: u64,
}

/// What the disk's thread does with a buffer.
pub trait Rules: Debug + 'static {
    /// GATE-REPORT. All of it is on the disk, then it is reported, and nothing of it will be once more.
    fn serve(filled: &mut Filled, sync: impl FnOnce(), report: impl FnOnce(u64)) {
        sync();
        report(filled.writes);
        filled.writes = 0;
    }
}

/// The rules as they should be.
#[derive(Debug)]
struct Sound;

impl Rules for Sound {}

/// A core that writes three times and waits for the disk. What it would tell others behind a write, that its
/// vote or its entry is durable, it may tell by what it has heard.
fn one_reports<R: Rules>(met: &Met) {
    let gate = Gate::new(Filled::default());
    let reports = Mailbox::new(3);
    // Without an order of its own: the report must bring what it speaks of.
    let synced = Arc::new(AtomicU64::new(0));
    let disk = thread::spawn({
        let (gate, reports, synced) = (gate.clone(), reports.clone(), Arc::clone(&synced));
        move || {
            let mut spare = Filled::default();
            while let Some(mut filled) = gate.take(std::mem::take(&mut spare)) {
                let last = filled.last;
                let sync = || synced.store(last, Ordering::Relaxed);
                R::serve(&mut filled, sync, |writes| {
                    reports.post_always(writes).expect("the core is there");
                });
                spare = filled;
            }
        }
    });
    for last in 1..=3 {
        let write = |filled: &mut Filled| {
            filled.last = last;
            filled.writes += 1;
        };
        gate.fill(write).expect("it is open");
    }
    let (mut durable, mut heard, mut count) = (0, Vec::new(), 0);
    while durable < 3 {
        assert!(reports.take(&mut heard), "it is open");
        for writes in heard.drain(..) {
            count += 1;
            durable += writes;
            let disk_has = synced.load(Ordering::Relaxed);
            assert!(durable <= 3, "a write is durable once: {durable}");
            assert!(
                durable <= disk_has,
                "{durable} are said to be durable, the disk has {disk_has}"
            );
        }
    }
    gate.close();
    disk.join().expect("it ends");
    met.note(format!("{count} reports"));
}

#[test]
fn what_is_reported_is_on_the_disk() {
    let meets = ["1 reports", "2 reports", "3 reports"];
    holds(&meets, one_reports::<Sound>);
}

#[test]
fn what_is_reported_dies_if_the_report_comes_first() {
    dies("are said to be durable", one_reports::<ReportsFirst>);
}

#[test]
fn what_is_reported_dies_if_a_buffer_counts_again() {
    dies("a write is durable once", one_reports::<CountsAgain>);
}
