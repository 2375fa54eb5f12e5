//! The simulator: a seed is a run, right rules are clean, and wrong ones are found.

use checks::catalog;
use checks::sim::command::many;
use checks::sim::faults::{Corner, Fault, Faults};
use checks::sim::hunt;
use checks::sim::judge::{
    CLAIMS, CONVERGENCE, DUE, EXACTLY_ONCE, LEADER_COMPLETENESS, LINEARIZABLE,
    STATE_MACHINE_SAFETY, TOLD, TURNED_AWAY, VERSIONS,
};
use checks::sim::kit::{Right, Wrong};
use checks::sim::plan::Plan;
use checks::sim::report::Report;
use checks::sim::shrink::shrink;
use checks::sim::world;
use std::collections::BTreeMap;

const MINUTE: Plan = Plan { seed: 1, nodes: None, clients: None, ms: 60_000, faults: Faults::ALL };

fn json(report: &Report) -> String {
    serde_json::to_string(report).expect("a report is plain data")
}

/// The same seed is the same run, byte for byte, and another seed is another.
#[test]
fn a_seed_is_a_run() {
    let plan = Plan { ms: 8_000, ..MINUTE };
    let ((one, story), (two, again)) =
        (world::run(Right, &plan, true), world::run(Right, &plan, true));
    assert_eq!(json(&one), json(&two));
    assert_eq!(story, again);
    // Writing it down changes nothing.
    assert_eq!(json(&one), json(&world::run(Right, &plan, false).0));
    let other = world::run(Right, &Plan { seed: 2, ..plan }, false).0;
    assert_ne!(one.sum, other.sum);
    // Nor does the number of threads.
    let runs = |threads| many(Right, &plan, 3, threads, |_| true, |_, _| {});
    assert_eq!(runs(1), runs(2));
}

/// The mutant with nothing wrong is what ships.
#[test]
fn nothing_wrong_is_right() {
    let plan = Plan { ms: 5_000, ..MINUTE };
    let (right, wrong) =
        (world::run(Right, &plan, false).0, world::run(Wrong::NOTHING, &plan, false).0);
    assert_eq!(json(&right), json(&wrong));
}

/// Some seeds are clean for a minute each, and have seen something.
#[test]
fn seeds_are_clean() {
    let reports = many(Right, &MINUTE, 5, 2, |_| true, |_, _| {});
    let mut faults = reports[0].faults.clone();
    let mut corners = reports[0].sometimes.clone();
    for report in &reports {
        assert_eq!(report.violation, None, "seed {}", report.seed);
        assert!(report.calls.replied > 0 && report.judged_steps.is_some());
        faults.add(&report.faults);
        corners.add(&report.sometimes);
    }
    assert_eq!(reports.len(), 5);
    for fault in [Fault::Loss, Fault::Partition, Fault::OneWay, Fault::Crash, Fault::Pause] {
        assert!(faults.of(fault) > 0, "no {fault}");
    }
    for corner in [
        Corner::Elected,
        Corner::SnapshotTaken,
        Corner::SnapshotInstalled,
        Corner::CrashedInStep,
        Corner::PassedDone,
        Corner::ToldUnknown,
        Corner::Repeated,
        Corner::Ticked,
    ] {
        assert!(corners.of(corner) > 0, "never: {corner}");
    }
}

/// Without faults nothing goes wrong, and nothing is counted as if it had.
#[test]
fn calm_is_calm() {
    let plan = Plan { ms: 5_000, faults: Faults::NONE, ..MINUTE };
    let report = world::run(Right, &plan, false).0;
    assert_eq!((report.violation, report.faults.total()), (None, 0));
    assert_eq!((report.calls.unknown, report.sometimes.of(Corner::Truncated)), (0, 0));
}

/// Mutants of every kind are found, by what they break.
#[test]
fn mutants_are_found() {
    let expected: [(&str, &[&str]); 9] = [
        ("P1", &[CLAIMS, STATE_MACHINE_SAFETY, LEADER_COMPLETENESS]),
        ("L8", &[CONVERGENCE]),
        ("K6", &[]),
        ("K7", &[TOLD]),
        ("K9", &[DUE, LINEARIZABLE]),
        ("K1", &[EXACTLY_ONCE]),
        ("QK5", &[VERSIONS]),
        ("QK25", &[TURNED_AWAY]),
        ("QR9", &[CONVERGENCE]),
    ];
    let mut wrong = Vec::new();
    for (id, properties) in expected {
        let prey = catalog::hunt(id).expect("a mutant of the models");
        let hunted = hunt::hunt(&prey, &MINUTE, 10, 2, &BTreeMap::new());
        let (_, property) = hunted.found.unwrap_or_else(|| panic!("{id} is not found"));
        if !properties.is_empty() && !properties.contains(&property) {
            wrong.push(format!("{id}: {property}"));
        }
    }
    assert!(wrong.is_empty(), "found by what they do not break: {wrong:?}");
}

/// A failure is made smaller, and fails in the same way.
#[test]
fn failures_shrink() {
    let wrong = Wrong::of(&catalog::hunt("K1").expect("a mutant of the models"));
    let fails = |plan: &Plan| world::run(wrong, plan, false).0.violation;
    let found = (1..10).find_map(|seed| {
        let report = world::run(wrong, &Plan { seed, ..MINUTE }, false).0;
        report.violation.clone().map(|violation| (report, violation))
    });
    let (report, violation) = found.expect("K1 is found");
    let size = (report.nodes, report.clients);
    let property = violation.property;
    let plan = Plan { seed: report.seed, ..MINUTE };
    let shrunk = shrink(plan, size, violation, fails);
    assert_eq!(shrunk.violation.property, property);
    assert!(shrunk.plan.ms < MINUTE.ms && shrunk.plan.faults != Faults::ALL);
    assert_eq!(fails(&shrunk.plan), Some(shrunk.violation), "what is left can be replayed");
    let (_, story) = world::run(wrong, &shrunk.plan, true);
    assert!(story.iter().any(|line| line.contains(property)), "{story:?}");
}
