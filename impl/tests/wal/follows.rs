//! A write is refused exactly when a claim of the protocol's own rule would break: the log neither stops
//! the process nor is stricter than `Durable`, but for a term that falls.

use super::cases::{IDENTITY, resolve, step};
use super::sim::SimDisk;
use proptest::prelude::*;
use protocol::log::{Durable, Entry};
use protocol::{HardState, LogId, SnapshotId, Write};
use quorate::wal::{Batch, Bytes, Error, GroupId, Options, Sound, Wal};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![20 => 0..12u64, 1 => u64::MAX - 4..=u64::MAX]
}

/// Any write, of which most are near what a small log has.
fn any_write() -> impl Strategy<Value = Write> {
    let hard = (0..4u64).prop_map(|term| Write::HardState(HardState { term, vote: None }));
    let append = (number(), number(), 0..4u32).prop_map(|(first, term, count)| Write::Append {
        first,
        term,
        count,
    });
    let snapshot = (number(), number(), any::<bool>()).prop_map(|(term, index, keep)| {
        Write::Snapshot { id: SnapshotId { last: LogId { term, index }, runs: 1 }, keep }
    });
    prop_oneof![1 => hard, 4 => append, 4 => snapshot]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_durable_takes_is_taken(
        steps in prop::collection::vec(step(), 0..8),
        write in any_write(),
    ) {
        let disk = SimDisk::new(0);
        let (mut wal, _) = Wal::open(disk.clone(), Sound, IDENTITY, Options::default()).unwrap();
        let (mut durable, mut batch, mut fresh) = (Durable::<Bytes>::default(), Batch::new(), 0);
        for step in steps {
            let (write, entries) = resolve(step, &durable, &mut fresh);
            batch.push(GroupId(0), &write, &entries).unwrap();
            durable.apply(&write, entries.into_iter());
        }
        wal.commit(&mut batch).unwrap();

        let entries = vec![Entry::NoOp; 4];
        let term = durable.hard.term;
        let falls = matches!(write, Write::HardState(hard) if hard.term < term);
        let apply = || durable.apply(&write, entries.iter().cloned());
        let takes = catch_unwind(AssertUnwindSafe(apply)).is_ok() && !falls;
        batch.push(GroupId(0), &write, &entries).unwrap();
        let result = wal.commit(&mut batch);
        if !takes {
            prop_assert!(matches!(result, Err(Error::Invalid { .. })), "{:?} was taken", write);
            return Ok(());
        }
        prop_assert!(result.is_ok(), "{:?}: {:?}", write, result);
        drop(wal);
        let (_, recovered) = Wal::open(disk, Sound, IDENTITY, Options::default()).unwrap();
        prop_assert_eq!(&recovered.groups[&GroupId(0)].durable, &durable);
    }
}
