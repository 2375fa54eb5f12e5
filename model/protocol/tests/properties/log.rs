//! `Durable` against two plain lists, of terms and of entries: they stay paired under any valid
//! writes.

use super::cases;
use super::terms::{Step, Twin, step};
use proptest::prelude::*;
use protocol::log::{Durable, Entry};
use protocol::{Index, Write};

/// The entries that the twin has at its terms; those in front of its base count for nothing.
#[derive(Default)]
struct Entries(Vec<Entry<u32>>);

impl Entries {
    /// Follows a write, with fresh entries that no other write has, and returns them.
    fn follow(&mut self, write: &Write, fresh: &mut u32) -> Vec<Entry<u32>> {
        let Write::Append { first, count, .. } = *write else {
            if let Write::Snapshot { id, keep: false } = *write {
                self.0.truncate(id.last.index as usize);
                self.0.resize(id.last.index as usize, Entry::NoOp);
            }
            return Vec::new();
        };
        self.0.truncate(first as usize - 1);
        let entry = |number: u32| match number % 3 {
            0 => Entry::NoOp,
            _ => Entry::Command(*fresh + number),
        };
        let entries: Vec<_> = (0..count).map(entry).collect();
        *fresh += count;
        self.0.extend(&entries);
        entries
    }
}

fn compare(durable: &Durable<u32>, twin: &Twin, entries: &Entries) {
    assert_eq!(durable.log.last(), durable.terms.last().index, "every term has its entry");
    assert_eq!(durable.log.last(), twin.last() as Index);
    assert_eq!(durable.snapshot(), durable.terms.snapshot());
    for index in 0..twin.last() + 2 {
        let expected = if index > twin.base { entries.0.get(index - 1) } else { None };
        assert_eq!(durable.log.get(index as Index), expected, "entry {index}");
        let paired = durable.log.get(index as Index).is_some();
        assert_eq!(paired, index > twin.base && durable.terms.term_at(index as Index).is_some());
    }
    let behind: Vec<_> = entries.0[twin.base..].to_vec();
    let range = durable.log.range(twin.base as Index + 1, behind.len() as u32);
    assert_eq!(range.copied().collect::<Vec<_>>(), behind);
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn the_disk_holds_what_two_plain_lists_hold(steps in prop::collection::vec(step(), 0..30)) {
        let (mut durable, mut twin) = (Durable::default(), Twin::default());
        let (mut entries, mut fresh) = (Entries::default(), 0);
        let mut hard = durable.hard;
        for step in steps {
            let write = step.apply(&mut twin);
            if let (Step::HardState, Write::HardState(written)) = (&step, write) {
                hard = written;
            }
            let brought = entries.follow(&write, &mut fresh);
            durable.apply(&write, brought.into_iter());
            compare(&durable, &twin, &entries);
            prop_assert_eq!(durable.hard, hard);
        }
    }

    /// A changed log has the same shape.
    #[test]
    fn mapping_changes_commands_only(steps in prop::collection::vec(step(), 0..30)) {
        let (mut durable, mut twin) = (Durable::<u32>::default(), Twin::default());
        let (mut entries, mut fresh) = (Entries::default(), 0);
        for step in steps {
            let write = step.apply(&mut twin);
            let brought = entries.follow(&write, &mut fresh);
            durable.apply(&write, brought.into_iter());
        }
        let mapped = durable.log.mapped(|command| command + 1);
        prop_assert_eq!(mapped.last(), durable.log.last());
        for index in 0..=durable.log.last() {
            let expected = durable.log.get(index).map(|entry| match entry {
                Entry::NoOp => Entry::NoOp,
                Entry::Command(command) => Entry::Command(command + 1),
            });
            prop_assert_eq!(mapped.get(index).copied(), expected);
        }
        prop_assert_eq!(mapped.mapped(|command| command - 1), durable.log);
    }
}
