//! MapReduce's model: its mutants, its corners, its words.
//!
//! PROP-MR-OUTPUT, PROP-MR-WHOLE, PROP-MR-ONE, PROP-MR-COUNTERS, PROP-MR-COUNT, PROP-MR-ORDER, PROP-MR-DONE,
//! PROP-MR-KEPT, PROP-MR-OVER, PROP-MR-FRESH, PROP-MR-ALIVE, PROP-MR-NEED, PROP-MR-STOP, PROP-MR-SKIP, PROP-MR-FAIL,
//! PROP-MR-HOST, PROP-MR-TOLD, PROP-MR-OURS, PROP-MR-AGAIN and PROP-MR-SETTLES each kill a mutant here; that the
//! right rules pass the same hunts is `checks mutants`' business.

use model::mr::{Bounds, Bug, Corner, DEEP_MILLS, HUNTS, Hunt, IDS, MILLS, Mill, SETTLES, settles};
use model::search::{self, Outcome};
use model::system::System;
use model::telling::{follow, transcript};
use protocol::mr::Paper;

/// The property by which a hunt's mutant dies.
fn died_by(hunt: &Hunt) -> Option<&'static str> {
    let mill = hunt.mill();
    match search::shortest(&mill, mill.start(), 300_000, &|| false).outcome {
        Outcome::Violated { property, .. } => Some(property),
        Outcome::Exhausted | Outcome::CutOff => None,
    }
}

/// Every rule of MapReduce has a mutant here, and every property kills.
///
/// MR-ORDER-1, MR-ORDER-2, MR-WAKE-1, MR-QUIET-1, MR-WIN-1, MR-WIN-2, MR-WIN-3, MR-SILENT-1, MR-SILENT-2, MR-GONE-1,
/// MR-FAIL-1, MR-FAIL-2, MR-HOST-1, MR-SKIP-1, MR-LOST-1, MR-DISK-1, MR-DISK-2, MR-DISK-3, MR-DISK-4, MR-LIFE-1,
/// MR-RECOVER-1, MR-RECOVER-2, MR-RECOVER-3, MR-RECOVER-4, MR-OVER-1, MR-OVER-2, MR-HELLO-1, MR-FILE-1, MR-FILE-2,
/// MR-FILE-3, MR-FILE-4, MR-READ-1, MR-STOP-1, MR-STOP-2, MR-STAY-1, MR-STAY-2.
#[test]
fn every_property_of_mapreduce_kills() {
    for (id, property) in IDS {
        let hunts: Vec<_> = HUNTS.iter().filter(|hunt| hunt.property == property).collect();
        assert!(!hunts.is_empty(), "nothing dies by {id}");
        for hunt in hunts {
            assert_eq!(died_by(hunt), Some(property), "{} of {id}", hunt.id);
            assert_ne!(hunt.bug, Bug::None, "{}", hunt.id);
        }
    }
}

/// A corner that no run must reach would say nothing when it is missed.
#[test]
fn every_corner_of_mapreduce_is_required() {
    let reaches = |corner: &Corner| MILLS.iter().any(|run| run.reaches.contains(corner));
    let missing: Vec<_> = Corner::ALL.iter().filter(|corner| !reaches(corner)).collect();
    assert_eq!(missing, [] as [&Corner; 0]);
}

fn run(name: &str) -> Bounds {
    MILLS.iter().find(|run| run.name == name).expect("there is such a run").bounds
}

/// Bounds in which something would be checked that cannot happen.
#[test]
fn bounds_of_no_job_are_refused() {
    let refused = |bounds: Bounds| Mill::<Paper>::validate(&bounds).is_err();
    for run in MILLS.iter().chain(DEEP_MILLS) {
        assert!(!refused(run.bounds), "{}", run.name);
    }
    let plain = run("mr-plain");
    assert!(refused(Bounds { workers: 0, ..plain }));
    assert!(refused(Bounds { hangs: plain.workers, ..plain }));
    assert!(refused(Bounds { bad: true, maps: 0, ..plain }));
    assert!(refused(Bounds { maps: 5, ..plain }));
    assert!(refused(Bounds { hosts: 0, ..plain }));
    assert!(refused(Bounds { hosts: plain.workers + 1, ..plain }));
}

/// From the beginning the job ends; not with a worker that looks for its coordinator for ever, and that is said.
#[test]
fn a_job_that_never_ends_is_told() {
    let hunt = HUNTS.iter().find(|hunt| hunt.bug == Bug::LooksForEver).expect("it is a mutant");
    assert_eq!(hunt.property, SETTLES);
    let mill = hunt.mill();
    let report = search::shortest(&mill, mill.start(), 300_000, &|| false);
    let Outcome::Violated { state, .. } = report.outcome else { panic!("it dies") };
    let told = settles(&mill, &state).expect_err("the worker stays");
    assert!(told.contains("not within 60 fair rounds"), "{told}");
    let right = Mill::new(hunt.bounds, Paper);
    assert_eq!(settles(&right, &right.start()), Ok(()));
}

/// A counterexample is told step by step, and can be followed again.
#[test]
fn paths_of_jobs_are_told() {
    let hunt = HUNTS.iter().find(|hunt| hunt.bug == Bug::ForgetsWinners).expect("it is a mutant");
    let mill = hunt.mill();
    let report = search::shortest(&mill, mill.start(), 300_000, &|| false);
    let Outcome::Violated { path, .. } = report.outcome else { panic!("it dies") };
    let told = transcript(&mill, &path);
    for part in ["connects", "writes Won", "life 2 begins", "history: DoneAgain"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(follow(&mill, &path).is_ok());
    let right = Mill::new(hunt.bounds, Paper);
    let other = follow(&right, &path[1..]).map(|_| "it is possible");
    assert!(other.is_err_and(|error| error.contains("is not possible")));
    let drawn = mill.picture(&path);
    assert!(drawn.starts_with("<svg") && drawn.contains(">coordinator</text>"));
}
