//! The model of the replicated store: its mutants, its reductions, its corners.
//!
//! RSM-APPLY-1, RSM-SNAP-1, RSM-TELL-1, RSM-TELL-2, RSM-TELL-3, RSM-TELL-4, RSM-TELL-5, RSM-READ-1, RSM-READ-2,
//! RSM-PARK-1, RSM-PASS-1, RSM-PASS-2, RSM-PASS-3, RSM-DUE-1 and RSM-TICK-1 are each broken by a mutant that dies here;
//! PROP-TELLS, PROP-SERVICE, PROP-FRESH, PROP-DUE and PROP-TOLD each kill one. That the right rules pass the same hunts
//! is `checks mutants`' business.

use model::bounds::Bounds as ServerBounds;
use model::group::{Bounds, Bug, Corner, GROUPS, Group, HUNTS, Hunt, IDS, Program, State};
use model::node::DiskFault;
use model::search::{self, Outcome};
use model::system::System;
use model::{script, telling};
use protocol::kv::clerk::Answer;
use protocol::quorum::NodeSet;
use protocol::rsm::Decided;
use stateright::Model;
use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

fn died_by(hunt: &Hunt) -> Option<&'static str> {
    let group = hunt.group();
    let (_, start) = script::follow(&group, hunt.prefix).expect("the prefix can be taken");
    match search::shortest(&group, start, 1_000_000, &|| false).outcome {
        Outcome::Violated { property, .. } => Some(property),
        Outcome::Exhausted | Outcome::CutOff => None,
    }
}

/// Every mutant dies by its property, and every property of this model alone kills one.
#[test]
fn every_property_kills() {
    for (id, property) in IDS {
        assert!(HUNTS.iter().any(|hunt| hunt.property == property), "nothing dies by {id}");
    }
    for hunt in HUNTS {
        assert_ne!(hunt.bug, Bug::None, "{}", hunt.id);
        assert_eq!(died_by(hunt), Some(hunt.property), "{}", hunt.id);
    }
}

/// A corner that no run must reach would say nothing when it is missed. The two that take more states than the
/// standard set has are reached by the next test.
#[test]
fn every_corner_of_the_group_is_required() {
    let reaches = |corner: &Corner| GROUPS.iter().any(|run| run.reaches.contains(corner));
    let missing: Vec<_> = Corner::ALL.iter().filter(|corner| !reaches(corner)).collect();
    assert_eq!(missing, [&Corner::HiddenBySnapshot, &Corner::RestoredRecords]);
}

/// The corners that no run is required to reach, by a path that the right rules allow: a deposed leader gets its
/// successor's snapshot, which has its own command in it.
#[test]
fn a_snapshot_hides_a_command() {
    let hunt = HUNTS.iter().find(|hunt| hunt.id == "QR1").expect("it is in the table");
    let bounds = Bounds { keep_heard: true, ..hunt.bounds };
    let group = Group::new(bounds, Decided, DiskFault::None);
    let rest: &[&[&str]] = &[
        &[
            "n1→n2 t2 AppendEntries prev 1.2 entries 2.3",
            "n1 Heartbeat timer",
            "n1→n0 t2 Heartbeat",
        ],
        &["n2 disk", "n2→n1 t2 Accepted match 3", "n1 snapshot", "n0→n1 t2 Alive"],
        &["n1→n0 t2 InstallSnapshot"],
    ];
    let path = [hunt.prefix, rest].concat();
    let (_, state) = script::follow(&group, &path).expect("the model allows it");
    assert_eq!(search::violated(&group, &state), None);
    for corner in [Corner::HiddenBySnapshot, Corner::RestoredRecords] {
        assert!(group.corners.reached(corner), "{}", corner.text());
    }
    assert!(state.mail.is_empty(), "what is unknown is no answer: {:?}", state.mail);
}

/// What needs three servers, and with them more states than the standard set has: a deposed leader's command is cut
/// from its log, passed on to the successor, executed there, and told here.
#[test]
fn what_was_cut_goes_on_to_the_successor() {
    let hunt = HUNTS.iter().find(|hunt| hunt.id == "K4").expect("it is in the table");
    let servers = ServerBounds { heartbeats: true, ..hunt.bounds.servers };
    let programs = [Program::Bare, Program::Nothing, Program::Nothing];
    let own = Bounds { servers, programs, beats_from: 2, ..hunt.bounds };
    let bounds = Bounds { passes: true, keep_heard: true, ..own };
    let group = Group::new(bounds, Decided, DiskFault::None);
    let rest: &[&[&str]] = &[
        &["n1→n0 t2 AppendEntries", "n0 disk", "n0 disk", "n0→n1 t2 Accepted"],
        &["n1 Heartbeat timer", "n1→n0 t2 Heartbeat"],
        &["n1 gets", "n1 disk", "n1→n2 t2 AppendEntries", "n2 disk", "n2→n1 t2 Accepted"],
        &["n0 gets"],
    ];
    let path = [hunt.prefix, rest].concat();
    let (_, state) = script::follow(&group, &path).expect("the model allows it");
    assert_eq!(search::violated(&group, &state), None);
    for corner in [Corner::PassedOn, Corner::ExecutedThere] {
        assert!(group.corners.reached(corner), "{}", corner.text());
    }
    let told: Vec<_> = state.mail.iter().map(|letter| &letter.answer).collect();
    assert!(matches!(told[..], [Answer::Reply(_)]), "{told:?}");
}

fn fingerprint(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Every reachable state of the servers and of what they are seen by, and how many states there are in all.
fn reachable(bounds: Bounds) -> (HashSet<u64>, usize) {
    let group = Group::new(bounds, Decided, DiskFault::None);
    let servers = |state: &State<Decided>| {
        let State { servers, record, .. } = state;
        fingerprint((&servers.actor_states, &servers.history, record))
    };
    let start = group.start();
    let mut seen = HashSet::from([search::fingerprint(&start)]);
    let mut projected = HashSet::new();
    let mut frontier = VecDeque::from([start]);
    while let Some(state) = frontier.pop_front() {
        assert_eq!(search::violated(&group, &state), None);
        projected.insert(servers(&state));
        for next in group.next_states(&state) {
            if seen.insert(search::fingerprint(&next)) {
                frontier.push_back(next);
            }
        }
    }
    (projected, seen.len())
}

/// RED-HEARD: with the answers that are left out, the same servers and records are reached, by more states.
#[test]
fn unheard_answers() {
    let run = GROUPS.iter().find(|run| run.name == "group-truncate").expect("there is such a run");
    let servers = ServerBounds { servers: 2, converge_every: 0, ..run.bounds.servers };
    let fewer = Bounds { servers, contacts: NodeSet::first(2), ..run.bounds };
    let (without, small) = reachable(fewer);
    let (with, large) = reachable(Bounds { keep_heard: true, ..fewer });
    assert_eq!(without, with);
    assert!(small > 300 && small < large, "{small} states without, {large} with");
}

/// A counterexample is told step by step, and can be followed again.
#[test]
fn counterexamples_are_told() {
    let hunt = HUNTS.iter().find(|hunt| hunt.id == "K7").expect("the zoo's row");
    let group = hunt.group();
    let report = search::shortest(&group, group.start(), 100_000, &|| false);
    let Outcome::Violated { path, .. } = report.outcome else { panic!("K7 dies") };
    let told = telling::transcript(&group, &path);
    assert!(told.contains("have waited long enough"), "{told}");
    assert!(told.contains("record: ToldFalsely"), "{told}");
    assert!(telling::follow(&group, &path).is_ok());
    let right = hunt.control().group();
    let other = telling::follow(&right, &path[1..]).expect_err("the first step is missing");
    assert!(other.contains("is not possible"), "{other}");
    assert!(group.picture(&path).trim_end().ends_with("</svg>"));
}
