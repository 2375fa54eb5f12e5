//! The router's model: its mutants, its corners, its words.
//!
//! PROP-ROUTE-ORDER, PROP-ROUTE-ONCE, PROP-ROUTE-TOLD, PROP-ROUTE-ALL, PROP-ROUTE-NEED, PROP-ROUTE-GONE and
//! PROP-ROUTE-SETTLES each kill a mutant here; that the right rules pass the same hunts is `checks mutants`' business.

use model::router::{
    Bounds, Bug, Corner, DESKS, Desk, HUNTS, Hunt, IDS, Program, SETTLES, settles,
};
use model::search::{self, Outcome};
use model::system::System;
use model::telling::{follow, transcript};
use protocol::shardkv::router::Ordered;

/// The property by which a hunt's mutant dies.
fn died_by(hunt: &Hunt) -> Option<&'static str> {
    let desk = hunt.desk();
    match search::shortest(&desk, desk.start(), 300_000, &|| false).outcome {
        Outcome::Violated { property, .. } => Some(property),
        Outcome::Exhausted | Outcome::CutOff => None,
    }
}

/// Every rule of the router has a mutant here, and every property kills.
///
/// ROUTE-ORDER-1, ROUTE-ORDER-2, ROUTE-ORDER-3, ROUTE-ORDER-4, ROUTE-UNKNOWN-1, ROUTE-UNKNOWN-2, ROUTE-LATE-1,
/// ROUTE-HERE-1, ROUTE-WAY-1, ROUTE-ALL-1, ROUTE-ALL-2, ROUTE-ALL-3, ROUTE-ALL-4, ROUTE-GONE-1.
#[test]
fn every_property_of_the_router_kills() {
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
fn every_corner_of_the_router_is_required() {
    let reaches = |corner: &Corner| DESKS.iter().any(|run| run.reaches.contains(corner));
    let missing: Vec<_> = Corner::ALL.iter().filter(|corner| !reaches(corner)).collect();
    assert_eq!(missing, [] as [&Corner; 0]);
}

fn run(name: &str) -> Bounds {
    DESKS.iter().find(|run| run.name == name).expect("there is such a run").bounds
}

/// Bounds in which something would be checked that cannot happen.
#[test]
fn bounds_of_no_router_are_refused() {
    let refused = |bounds: Bounds| Desk::<Ordered>::validate(&bounds).is_err();
    for run in DESKS {
        assert!(!refused(run.bounds), "{}", run.name);
    }
    let there = run("route-there");
    assert!(refused(Bounds { programs: [Program::Apart, Program::Nothing], ..there }));
    assert!(refused(Bounds { first_elsewhere: 1, stays: true, ..there }));
    assert!(refused(Bounds { strays: 1, ..there }));
    let flushes = [Program::Flushes, Program::Nothing];
    assert!(refused(Bounds { first_elsewhere: 2, stays: true, programs: flushes, ..there }));
}

/// From the beginning all comes to its end; not with a router that keeps to its own servers, and that is said.
#[test]
fn what_never_ends_is_told() {
    let hunt = HUNTS.iter().find(|hunt| hunt.bug == Bug::NeverElsewhere).expect("it is a mutant");
    assert_eq!(hunt.property, SETTLES);
    let desk = hunt.desk();
    let report = search::shortest(&desk, desk.start(), 300_000, &|| false);
    let Outcome::Violated { state, .. } = report.outcome else { panic!("it dies") };
    let told = settles(&desk, &state).expect_err("nobody tells the client");
    assert!(told.contains("not within 40 fair rounds"), "{told}");
    let right = Desk::new(hunt.bounds, Ordered);
    assert_eq!(settles(&right, &right.start()), Ok(()));
}

/// A counterexample is told step by step, and can be followed again.
#[test]
fn paths_of_calls_are_told() {
    let hunt = HUNTS.iter().find(|hunt| hunt.bug == Bug::AsksAgain).expect("it is a mutant");
    let desk = hunt.desk();
    let report = search::shortest(&desk, desk.start(), 300_000, &|| false);
    let Outcome::Violated { path, .. } = report.outcome else { panic!("it dies") };
    let told = transcript(&desk, &path);
    for part in ["s0 asks", "takes a call", "serves slot 0 no more", "history: OutOfOrder"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(follow(&desk, &path).is_ok());
    let right = Desk::new(hunt.bounds, Ordered);
    let other = follow(&right, &path[1..]).map(|_| "it is possible");
    assert!(other.is_err_and(|error| error.contains("is not possible")));
    let drawn = desk.picture(&path);
    assert!(drawn.starts_with("<svg") && drawn.contains(">router</text>"));
}
