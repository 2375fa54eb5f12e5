//! The engines against each other, and against models whose number of states is known.

use checks::engine::{self, Cut, Limits, Strategy, VerdictOf};
use checks::paths;
use model::bounds::{Bounds, Net};
use model::cluster::Cluster;
use model::mutants::TABLE;
use model::node::DiskFault;
use model::raft::ELECTION_SAFETY;
use model::search::{self, Outcome, fingerprint};
use model::symmetry::representative;
use protocol::NodeId;
use protocol::quorum::NodeSet;
use protocol::raft::{Paper, Rules};
use stateright::{Checker, Model, Property};
use std::collections::{HashSet, VecDeque};

const NO_LIMITS: Limits = Limits { states: usize::MAX, memory_mib: u64::MAX };

fn cluster(bounds: Bounds) -> Cluster<Paper> {
    Cluster::new(bounds, Paper, DiskFault::None)
}

fn explore<R: Rules>(
    cluster: &Cluster<R>,
    strategy: Strategy,
    threads: usize,
) -> VerdictOf<Cluster<R>> {
    engine::explore(cluster, strategy, threads, NO_LIMITS, |_| {}).expect("no checker panics")
}

/// Five small configurations that differ in what is on.
fn five() -> [(&'static str, Bounds); 5] {
    let three = Bounds { max_log: 0, ..Bounds::plain(3) };
    let n0 = NodeSet::only(NodeId(0));
    [
        ("elections", Bounds { max_term: 1, ..three }),
        ("crash", Bounds { max_term: 1, crashes: 1, victims: NodeSet::first(3), ..three }),
        ("duplicates", Bounds { max_term: 1, net: Net::Duplicate, max_log: 2, ..three }),
        (
            "snapshots",
            Bounds {
                max_term: 1,
                max_log: 2,
                campaigners: n0,
                compactions: 1,
                compactors: NodeSet::first(3),
                ..three
            },
        ),
        ("reads", Bounds { max_term: 1, reads: 1, readers: n0, campaigners: n0, ..three }),
    ]
}

/// All states, by the plainest search there is: of each fingerprint its representative's.
fn representatives(cluster: &Cluster<Paper>) -> (usize, HashSet<u64>) {
    let mut seen = HashSet::new();
    let mut orbits = HashSet::new();
    let mut frontier: VecDeque<_> = cluster.init_states().into();
    seen.extend(frontier.iter().map(fingerprint));
    while let Some(state) = frontier.pop_front() {
        orbits.insert(fingerprint(&representative(&state)));
        for next in cluster.next_states(&state) {
            if seen.insert(fingerprint(&next)) {
                frontier.push_back(next);
            }
        }
    }
    (seen.len(), orbits)
}

/// Breadth first, depth first, one thread, two threads and the project's own search agree.
#[test]
fn engines_agree() {
    for (name, bounds) in five() {
        let cluster = cluster(bounds);
        let own =
            search::shortest(&cluster, cluster.init_states().remove(0), usize::MAX, &|| false);
        assert!(matches!(own.outcome, Outcome::Exhausted), "{name}");
        assert!(own.states > 200, "{name} has only {} states", own.states);
        for strategy in [Strategy::Bfs, Strategy::Dfs] {
            for threads in [1, 2] {
                let verdict = explore(&cluster, strategy, threads);
                assert!(verdict.exhausted(), "{name} {strategy:?} {threads}");
                assert_eq!(verdict.states, own.states, "{name} {strategy:?} {threads}");
            }
        }
    }
}

/// Under symmetry, exactly one state of each orbit is counted.
#[test]
fn symmetry_counts_orbits() {
    for (name, bounds) in five() {
        let cluster = cluster(bounds);
        let (states, orbits) = representatives(&cluster);
        let verdict = explore(&cluster, Strategy::Symmetry, 2);
        assert!(verdict.exhausted(), "{name}");
        assert_eq!(verdict.states, orbits.len(), "{name}");
        assert!(orbits.len() < states, "{name}: nothing was alike");
    }
}

/// `digits` wheels of `base` positions, each turned on its own.
struct Wheels {
    digits: usize,
    base: u8,
}

impl Model for Wheels {
    type State = Vec<u8>;
    type Action = usize;

    fn init_states(&self) -> Vec<Vec<u8>> {
        vec![vec![0; self.digits]]
    }

    fn actions(&self, _: &Vec<u8>, actions: &mut Vec<usize>) {
        actions.extend(0..self.digits);
    }

    fn next_state(&self, state: &Vec<u8>, wheel: usize) -> Option<Vec<u8>> {
        let mut next = state.clone();
        next[wheel] = (next[wheel] + 1) % self.base;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("a wheel has its positions", |wheels: &Self, state: &Vec<u8>| {
            state.iter().all(|&position| position < wheels.base)
        })]
    }
}

/// A model whose number of states is known: 7⁵.
#[test]
fn known_number_of_states() {
    let wheels = || Wheels { digits: 5, base: 7 }.checker().threads(2);
    assert_eq!(wheels().spawn_dfs().join().unique_state_count(), 7usize.pow(5));
    assert_eq!(wheels().spawn_bfs().join().unique_state_count(), 7usize.pow(5));
}

/// With no term to campaign for, nothing can happen: one state.
#[test]
fn nothing_can_happen() {
    let verdict = explore(&cluster(Bounds { max_term: 0, ..Bounds::plain(3) }), Strategy::Dfs, 2);
    assert!(verdict.exhausted());
    assert_eq!(verdict.states, 1);
}

/// A run that was cut off never counts as exhausted, and the same model can be explored again.
#[test]
fn cut_off_is_not_exhausted() {
    let cluster = cluster(Bounds { max_term: 2, max_log: 0, ..Bounds::plain(3) });
    let limits = Limits { states: 5_000, ..NO_LIMITS };
    for strategy in [Strategy::Bfs, Strategy::Dfs, Strategy::Symmetry] {
        let cut =
            engine::explore(&cluster, strategy, 2, limits, |_| {}).expect("no checker panics");
        assert_eq!(cut.cut, Some(Cut::States), "{strategy:?}");
        assert!(!cut.exhausted() && cut.violation.is_none(), "{strategy:?}");
    }
    let no_memory = Limits { memory_mib: 0, ..NO_LIMITS };
    let cut = engine::explore(&cluster, Strategy::Dfs, 2, no_memory, |_| {});
    assert_eq!(cut.expect("no checker panics").cut, Some(Cut::Memory));
}

/// A violation comes with a path that leads there, and a shorter one is found if there is one.
#[test]
fn violation_has_a_path() {
    let hunt = TABLE.iter().find(|hunt| hunt.id == "E5").expect("the mutant is in the table");
    let cluster = hunt.cluster();
    for strategy in [Strategy::Bfs, Strategy::Dfs] {
        let found = explore(&cluster, strategy, 2).violation.expect("the mutant is seen");
        assert_eq!(found.property, ELECTION_SAFETY);
        let start = cluster.init_states().remove(0);
        let short = paths::shorten(&cluster, &found);
        assert_eq!(short.len(), 12, "{strategy:?}");
        for path in [&found.path, &short] {
            let end = search::end_of(&cluster, &start, path).expect("the path can be taken");
            assert_eq!(search::violated(&cluster, &end), Some(ELECTION_SAFETY));
        }
    }
}
