//! Who is told what, against an oracle that knows what is committed in the end.

use proptest::prelude::*;
use protocol::rsm::waiters::{Effect, Input, Verdict, Waiters};
use protocol::rsm::{Caller, Decided, Ticket};
use protocol::{LogId, Machine, SnapshotId};
use std::collections::BTreeMap;

fn step(waiters: &mut Waiters<Decided>, input: Input) -> Vec<(Ticket, Verdict)> {
    let mut effects = Vec::new();
    waiters.step(input, &mut effects);
    effects.into_iter().map(|Effect::Tell { caller, verdict }| (caller.ticket, verdict)).collect()
}

fn caller(ticket: Ticket) -> Caller {
    Caller { ticket, passes: false }
}

fn snapshot(term: u64, index: u64) -> Input {
    Input::Restored { id: SnapshotId { last: LogId::new(term, index), runs: term } }
}

/// The zoo's K4: another entry at the same index is not this one.
#[test]
fn an_index_is_not_enough() {
    let mut waiters = Waiters::new(Decided, LogId::new(1, 4));
    step(&mut waiters, Input::Proposed { caller: caller(1), id: LogId::new(2, 5) });
    let told = step(&mut waiters, Input::Applied { id: LogId::new(3, 5) });
    assert_eq!(told, [(1, Verdict::NotExecuted)]);
}

/// The zoo's K14: the new log is shorter, so nobody waits for the index.
#[test]
fn a_later_term_in_front_decides() {
    let mut waiters = Waiters::new(Decided, LogId::new(1, 4));
    step(&mut waiters, Input::Proposed { caller: caller(1), id: LogId::new(2, 9) });
    assert_eq!(step(&mut waiters, Input::Applied { id: LogId::new(2, 5) }), []);
    assert_eq!(
        step(&mut waiters, Input::Applied { id: LogId::new(3, 6) }),
        [(1, Verdict::NotExecuted)]
    );
    assert!(waiters.is_empty());
}

/// What a snapshot covers is unknown, but for its last entry; what is behind it in an older term is over.
#[test]
fn a_snapshot_hides() {
    let mut waiters = Waiters::new(Decided, LogId::new(1, 4));
    for (ticket, index) in [(1, 5), (2, 6), (3, 7)] {
        step(&mut waiters, Input::Proposed { caller: caller(ticket), id: LogId::new(2, index) });
    }
    let expected = [(1, Verdict::Unknown), (2, Verdict::NotExecuted), (3, Verdict::NotExecuted)];
    assert_eq!(step(&mut waiters, snapshot(3, 6)), expected);
    step(&mut waiters, Input::Proposed { caller: caller(4), id: LogId::new(3, 7) });
    assert_eq!(step(&mut waiters, snapshot(3, 7)), [(4, Verdict::Unknown)]);
}

/// A deadline tells what is known: nothing. A second one, or one of somebody who was told, tells nobody.
#[test]
fn a_deadline_is_told_once() {
    let mut waiters = Waiters::new(Decided, LogId::ZERO);
    step(&mut waiters, Input::Proposed { caller: caller(7), id: LogId::new(1, 2) });
    assert_eq!(step(&mut waiters, Input::Deadline { below: 8 }), [(7, Verdict::Unknown)]);
    assert_eq!(step(&mut waiters, Input::Deadline { below: 8 }), []);
}

proptest! {
    /// Whatever is committed in the end, and however this server learns of it, Executed and NotExecuted are true, all
    /// who can be decided are, and everyone is told at most once.
    #[test]
    fn verdicts_are_true(
        rises in prop::collection::vec(0..3u64, 1..20),
        proposals in prop::collection::btree_set((1..24u64, 1..12u64), 0..12),
        jumps in prop::collection::vec(prop::option::weighted(0.2, 1..5usize), 20),
    ) {
        let mut term = 1;
        let log: Vec<LogId> = rises.iter().zip(1..).map(|(rise, index)| {
            term += rise;
            LogId::new(term, index)
        }).collect();
        let mut waiters = Waiters::new(Decided, LogId::ZERO);
        let mut known = BTreeMap::new();
        for (&(index, term), ticket) in proposals.iter().zip(1..) {
            let id = LogId::new(term, index);
            prop_assert_eq!(step(&mut waiters, Input::Proposed { caller: caller(ticket), id }), []);
            known.insert(ticket, id);
        }
        let mut at = 0;
        let mut told = BTreeMap::new();
        while at < log.len() {
            let jump = jumps[at].unwrap_or(0).min(log.len() - at);
            let (input, covered) = match jump {
                0 => (Input::Applied { id: log[at] }, at + 1),
                jump => {
                    let last = log[at + jump - 1];
                    (snapshot(last.term, last.index), at + jump)
                }
            };
            for (ticket, verdict) in step(&mut waiters, input) {
                let id = known[&ticket];
                let committed = log.contains(&id);
                match verdict {
                    Verdict::Executed => prop_assert!(committed && id == log[at]),
                    Verdict::NotExecuted => prop_assert!(!committed),
                    Verdict::Unknown => prop_assert!(jump > 0 && id.index <= covered as u64),
                }
                prop_assert_eq!(told.insert(ticket, verdict), None);
            }
            at = covered;
        }
        let last = log[log.len() - 1];
        for (ticket, id) in known {
            let open = id.index > last.index && id.term >= last.term;
            prop_assert_eq!(told.contains_key(&ticket), !open, "{:?} of {:?}", ticket, id);
        }
    }
}
