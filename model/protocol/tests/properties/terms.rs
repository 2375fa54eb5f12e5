//! `Terms` against a list that forgets nothing: the term of every entry since the first.

use super::cases;
use proptest::prelude::*;
use protocol::terms::Terms;
use protocol::{HardState, Index, LogId, SnapshotId, Term, Write};

/// The twin: all terms from index 1 on, and up to where they are compacted.
#[derive(Clone, Default, Debug)]
pub struct Twin {
    pub terms: Vec<Term>,
    pub base: usize,
}

impl Twin {
    pub fn last(&self) -> usize {
        self.terms.len()
    }

    pub fn term_at(&self, index: usize) -> Option<Term> {
        let known = (self.base..=self.last()).contains(&index);
        let term = |position| self.terms.get(position).copied();
        if known { index.checked_sub(1).map_or(Some(0), term) } else { None }
    }

    pub fn id_at(&self, index: usize) -> Option<LogId> {
        Some(LogId::new(self.term_at(index)?, index as Index))
    }

    fn run_end(&self, index: usize) -> Option<Index> {
        if index <= self.base {
            return None;
        }
        let term = self.term_at(index)?;
        (index..=self.last()).rfind(|&end| self.term_at(end) == Some(term)).map(|end| end as Index)
    }

    fn floor(&self, id: LogId) -> LogId {
        let at_most = |index: &usize| {
            *index as Index <= id.index && self.term_at(*index).is_some_and(|term| term <= id.term)
        };
        let found = (self.base + 1..=self.last()).rfind(at_most).unwrap_or(self.base);
        self.id_at(found).expect("it is in the log")
    }

    fn runs_through(&self, index: usize) -> u64 {
        let mut terms: Vec<Term> = self.terms.iter().take(index).copied().collect();
        terms.dedup();
        terms.len() as u64
    }

    /// Where the command with a number is, among those that begin no run.
    fn index_of_command(&self, number: u64, through: usize) -> Option<Index> {
        let begins = |at: usize| at == 0 || self.terms[at - 1] != self.terms[at];
        let commands = (0..self.last()).filter(|&at| !begins(at)).map(|at| at + 1);
        let found = commands.clone().nth(usize::try_from(number.checked_sub(1)?).ok()?)?;
        (found > self.base && found <= through).then_some(found as Index)
    }

    fn snapshot_at(&self, index: usize) -> Option<SnapshotId> {
        Some(SnapshotId { last: self.id_at(index)?, runs: self.runs_through(index) })
    }
}

/// A write in the making: what it says depends on the log that it meets.
#[derive(Clone, Debug)]
pub enum Step {
    HardState,
    Append {
        at: usize,
        rise: Term,
        count: usize,
    },
    /// A snapshot of the log itself.
    Compact {
        at: usize,
    },
    /// A leader's snapshot: of the log up to somewhere, then of other entries.
    Install {
        at: usize,
        beyond: Vec<Term>,
    },
}

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::HardState),
        6 => (0..40usize, 0..3u64, 0..6usize)
            .prop_map(|(at, rise, count)| Step::Append { at, rise, count }),
        2 => (0..40usize).prop_map(|at| Step::Compact { at }),
        1 => (0..40usize, prop::collection::vec(0..2u64, 0..6))
            .prop_map(|(at, beyond)| Step::Install { at, beyond }),
    ]
}

impl Step {
    /// A valid write for the twin's log, which the twin has then followed.
    pub fn apply(&self, twin: &mut Twin) -> Write {
        match self {
            Self::HardState => Write::HardState(HardState { term: 7, vote: None }),
            Self::Append { at, rise, count } => {
                // Most writes go to the end, as most do.
                let room = twin.last() - twin.base;
                let back = if *at >= 20 { 0 } else { at % (room + 1) };
                let before = twin.last() - back;
                let term = twin.term_at(before).expect("it is in the log").max(1) + rise;
                twin.terms.truncate(before);
                twin.terms.extend(std::iter::repeat_n(term, *count));
                Write::Append { first: before as Index + 1, term, count: *count as u32 }
            }
            Self::Compact { at } => {
                let through = twin.base + at % (twin.last() - twin.base + 1);
                let id = twin.snapshot_at(through).expect("it is in the log");
                twin.base = through;
                Write::Snapshot { id, keep: true }
            }
            Self::Install { at, beyond } => {
                let kept = twin.base + at % (twin.last() - twin.base + 1);
                twin.terms.truncate(kept);
                for rise in beyond {
                    twin.terms.push(twin.terms.last().copied().unwrap_or(1) + rise);
                }
                twin.base = twin.last();
                let id = twin.snapshot_at(twin.base).expect("it is in the log");
                Write::Snapshot { id, keep: false }
            }
        }
    }
}

fn compare(terms: &Terms, twin: &Twin) {
    assert_eq!(Some(terms.last()), twin.id_at(twin.last()));
    assert_eq!(Some(terms.base()), twin.id_at(twin.base));
    assert_eq!(Some(terms.snapshot()), twin.snapshot_at(twin.base));
    let highest = terms.last().term + 1;
    for index in 0..twin.last() + 3 {
        let at = index as Index;
        assert_eq!(terms.term_at(at), twin.term_at(index), "term at {at}");
        assert_eq!(terms.id_at(at), twin.id_at(index), "id at {at}");
        assert_eq!(terms.run_end(at), twin.run_end(index), "end of the run of {at}");
        assert_eq!(terms.snapshot_at(at), twin.snapshot_at(index), "snapshot through {at}");
        for number in 0..twin.last() as u64 + 2 {
            let (ours, plain) =
                (terms.index_of_command(number, at), twin.index_of_command(number, index));
            assert_eq!(ours, plain, "command {number} through {at}");
        }
        if index >= twin.base {
            assert_eq!(terms.runs_through(at), twin.runs_through(index), "runs through {at}");
        }
        for term in 0..=highest {
            let id = LogId::new(term, at);
            assert_eq!(terms.contains(id), twin.term_at(index) == Some(term), "{id:?}");
            assert_eq!(terms.floor(id), twin.floor(id), "floor of {id:?}");
        }
    }
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn terms_are_what_a_plain_list_says(steps in prop::collection::vec(step(), 0..25)) {
        let (mut terms, mut twin) = (Terms::new(), Twin::default());
        for step in steps {
            let write = step.apply(&mut twin);
            terms.follow(&write);
            compare(&terms, &twin);
        }
    }

    /// Equal logs are equal values, however they came about: the models hash them.
    #[test]
    fn equal_lists_are_equal_values(steps in prop::collection::vec(step(), 0..25)) {
        let (mut terms, mut twin) = (Terms::new(), Twin::default());
        for step in steps {
            terms.follow(&step.apply(&mut twin));
        }
        let mut rebuilt = Terms::new();
        let id = twin.snapshot_at(twin.base).expect("it is in the log");
        rebuilt.follow(&Write::Snapshot { id, keep: false });
        for index in twin.base + 1..=twin.last() {
            let term = twin.term_at(index).expect("it is in the log");
            rebuilt.follow(&Write::Append { first: index as Index, term, count: 1 });
        }
        prop_assert_eq!(terms, rebuilt);
    }
}
