//! Why Raft is right: Figure 3's properties and ours, over the servers, their disks and the history.

use crate::cluster::{Cluster, State};
use crate::converge::converge;
use crate::history::Violation;
use crate::node::{Node, Recipe};
use protocol::log::Log;
use protocol::raft;
use protocol::terms::Terms;
use protocol::{Index, LogId};
use stateright::Property;

/// At most one server, in one of its lives, ever leads a term. Over history: not only at the same time.
///
/// PROP-ELECTION-SAFETY; watches RAFT-TERM-1, RAFT-TERM-2, RAFT-TERM-4, RAFT-VOTE-1, RAFT-VOTE-3, RAFT-VOTE-4,
/// RAFT-VOTE-5, RAFT-VOTE-6, RAFT-DISK-1.
pub const ELECTION_SAFETY: &str = "Election Safety";
/// Two logs that have an entry of the same index and term are equal up to there, commands included.
///
/// PROP-LOG-MATCHING; watches RAFT-APPEND-1.
pub const LOG_MATCHING: &str = "Log Matching";
/// What was committed in a term is in the log of every leader of later terms.
///
/// PROP-LEADER-COMPLETENESS; watches RAFT-VOTE-2, RAFT-COMMIT-1.
pub const LEADER_COMPLETENESS: &str = "Leader Completeness";
/// No two servers ever apply different entries at an index; snapshots included.
///
/// PROP-STATE-MACHINE-SAFETY; watches RAFT-APPEND-4.
pub const STATE_MACHINE_SAFETY: &str = "State Machine Safety";
/// Every committed entry is on the disks of a majority, in a log or under a snapshot.
///
/// PROP-DURABILITY; watches RAFT-COMMIT-2, RAFT-DISK-1, RAFT-DISK-2, RAFT-TERM-2, RAFT-SNAP-6.
pub const DURABILITY: &str = "Committed Is Durable";
/// A confirmed read index is never below what had been committed when the read was asked.
///
/// PROP-READS; watches RAFT-READ-1, RAFT-READ-2, RAFT-READ-3, RAFT-READ-4.
pub const READS: &str = "Linearizable Reads";
/// No claim of a machine fails: the commit index and the durable term never fall, a leader only appends
/// (Leader Append-Only), and every `assert!` in the transition functions.
///
/// PROP-CLAIMS; by those asserts it watches RAFT-TERM-2, RAFT-APPEND-1, RAFT-APPEND-2, RAFT-APPEND-3,
/// RAFT-APPEND-4, RAFT-NEXT-1, RAFT-SNAP-1, RAFT-SNAP-3, and more by those of [`crate::node`], which name theirs.
pub const CLAIMS: &str = "Claims";

/// From here a fixed schedule without faults converges: [`crate::converge`], which names what it watches.
///
/// PROP-CONVERGENCE.
pub const CONVERGENCE: &str = "Convergence";

/// The names of all properties, in the order of [`properties`].
pub const ALL: [&str; 8] = [
    CLAIMS,
    ELECTION_SAFETY,
    LOG_MATCHING,
    LEADER_COMPLETENESS,
    STATE_MACHINE_SAFETY,
    DURABILITY,
    READS,
    CONVERGENCE,
];

/// The properties' ids in SPEC.md, with their names.
pub fn ids() -> impl Iterator<Item = (&'static str, &'static str)> {
    let ids = [
        "PROP-CLAIMS",
        "PROP-ELECTION-SAFETY",
        "PROP-LOG-MATCHING",
        "PROP-LEADER-COMPLETENESS",
        "PROP-STATE-MACHINE-SAFETY",
        "PROP-DURABILITY",
        "PROP-READS",
        "PROP-CONVERGENCE",
    ];
    ids.into_iter().zip(ALL)
}

/// Raft's properties, as stateright checks them on every state.
pub fn properties<R: raft::Rules>() -> Vec<Property<Cluster<R>>> {
    vec![
        Property::always(CLAIMS, |_, state: &State<R>| {
            state.actor_states.iter().all(|node| node.broken.is_none())
        }),
        Property::always(ELECTION_SAFETY, |_, state: &State<R>| {
            state.history.violation != Some(Violation::ElectionSafety)
        }),
        Property::always(LOG_MATCHING, |_, state: &State<R>| log_matching(state)),
        Property::always(LEADER_COMPLETENESS, |_, state: &State<R>| leader_completeness(state)),
        Property::always(STATE_MACHINE_SAFETY, |_, state: &State<R>| {
            let violation = state.history.violation;
            violation != Some(Violation::StateMachineSafety)
                && violation != Some(Violation::Snapshot)
                && state.actor_states.iter().all(|node| snapshot_is_committed(node, state))
        }),
        Property::always(DURABILITY, |_, state: &State<R>| committed_is_durable(state)),
        Property::always(READS, |_, state: &State<R>| {
            state.history.violation != Some(Violation::Read)
        }),
        Property::always(CONVERGENCE, |cluster: &Cluster<R>, state: &State<R>| {
            if !cluster.samples(state) {
                return true;
            }
            cluster.probes.note_converged();
            converge(cluster, state).is_ok()
        }),
    ]
}

/// The last index at which both have an entry of the same term.
fn last_common(one: &Terms, two: &Terms) -> Option<Index> {
    let last = one.last().index.min(two.last().index);
    let first = one.base().index.max(two.base().index);
    (first..=last).rev().find(|&index| index > 0 && one.term_at(index) == two.term_at(index))
}

/// In memory and on the disks.
fn log_matching<R: Recipe>(state: &State<R>) -> bool {
    let nodes = &state.actor_states;
    let memory = |n: usize| (nodes[n].replica().raft().terms(), nodes[n].replica().log());
    let disk = |n: usize| (&nodes[n].disk.terms, &nodes[n].disk.log);
    pairs(nodes.len()).all(|(a, b)| match_up(memory(a), memory(b)) && match_up(disk(a), disk(b)))
}

fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |a| (a + 1..count).map(move |b| (a, b)))
}

fn match_up<C: Clone + Eq>(one: (&Terms, &Log<C>), two: (&Terms, &Log<C>)) -> bool {
    let Some(last) = last_common(one.0, two.0) else { return true };
    let first = one.0.base().index.max(two.0.base().index) + 1;
    (first..=last).all(|index| {
        one.0.term_at(index) == two.0.term_at(index) && one.1.get(index) == two.1.get(index)
    })
}

fn leader_completeness<R: Recipe>(state: &State<R>) -> bool {
    state.actor_states.iter().filter(|node| node.replica().raft().leads()).all(|node| {
        let raft = node.replica().raft();
        state.history.committed.iter().enumerate().all(|(position, committed)| {
            let index = position as Index + 1;
            committed.by > raft.term()
                || index <= raft.terms().base().index
                || (raft.terms().term_at(index) == Some(committed.term)
                    && node.replica().log().get(index) == Some(&committed.entry))
        })
    })
}

/// A snapshot covers a prefix of what was committed, and ends with the entry that was committed there.
fn snapshot_is_committed<R: Recipe>(node: &Node<R>, state: &State<R>) -> bool {
    let snapshot = node.replica().raft().terms().snapshot();
    let base = snapshot.last;
    if base == LogId::ZERO {
        return snapshot.runs == 0;
    }
    let covered = state.history.committed.iter().take(base.index as usize);
    let mut terms: Vec<_> = covered.map(|committed| committed.term).collect();
    terms.dedup();
    state.history.id_at(base.index) == Some(base) && snapshot.runs == terms.len() as u64
}

fn committed_is_durable<R: Recipe>(state: &State<R>) -> bool {
    let nodes = &state.actor_states;
    state.history.committed.iter().enumerate().all(|(position, committed)| {
        let index = position as Index + 1;
        let has = nodes.iter().filter(|node| {
            let disk = &node.disk;
            index <= disk.terms.base().index
                || (disk.terms.term_at(index) == Some(committed.term)
                    && disk.log.get(index) == Some(&committed.entry))
        });
        has.count() > nodes.len() / 2
    })
}
