//! The groups' model: its mutants, its corners, its words.
//!
//! PROP-SHARD-ONE, PROP-SHARD-REPLIES, PROP-SHARD-ONCE, PROP-SHARD-KEPT, PROP-SHARD-WALKS, PROP-SHARD-SERVED,
//! PROP-SHARD-REPORTS, PROP-SHARD-SAVED and PROP-SHARD-SETTLES each kill a mutant here; that the right rules pass the
//! same hunts is `checks mutants`' business.

use model::search::{self, Outcome};
use model::shardkv::{
    Bounds, Bug, Corner, HUNTS, Hunt, IDS, Program, RELAYS, Relay, Right, SETTLES, settles,
};
use model::system::System;
use model::telling::{follow, transcript};

/// The property by which a hunt's mutant dies.
fn died_by(hunt: &Hunt) -> Option<&'static str> {
    let relay = hunt.relay();
    match search::shortest(&relay, relay.start(), 300_000, &|| false).outcome {
        Outcome::Violated { property, .. } => Some(property),
        Outcome::Exhausted | Outcome::CutOff => None,
    }
}

/// Every rule of the groups, of their leaders and of slots on their way has a mutant here, and every property kills.
///
/// SHARD-SERVE-1, SHARD-SERVE-2, SHARD-ADVANCE-1, SHARD-ADVANCE-2, SHARD-CANCEL-1, SHARD-CANCEL-2, SHARD-FREEZE-1,
/// SHARD-FREEZE-2, SHARD-STAGE-1, SHARD-INSTALL-1, SHARD-INSTALL-2, SHARD-DELETE-1, SHARD-DELETE-2,
/// SHARD-BEGIN-1, SHARD-FINISHED-1, SHARD-RESUME-1, SHARD-COPY-1, SHARD-REPORT-1, SHARD-SAVE-1, PARTS-1, PARTS-2.
#[test]
fn every_property_kills() {
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
fn every_corner_of_the_groups_is_required() {
    let reaches = |corner: &Corner| RELAYS.iter().any(|run| run.reaches.contains(corner));
    let missing: Vec<_> = Corner::ALL.iter().filter(|corner| !reaches(corner)).collect();
    assert_eq!(missing, [] as [&Corner; 0]);
}

fn run(name: &str) -> Bounds {
    RELAYS.iter().find(|run| run.name == name).expect("there is such a run").bounds
}

/// Bounds in which something would be checked that cannot happen, or without end.
#[test]
fn bounds_that_check_nothing_are_refused() {
    let refused = |bounds: Bounds| Relay::<Right>::validate(&bounds).is_err();
    for run in RELAYS {
        assert!(!refused(run.bounds), "{}", run.name);
    }
    assert!(refused(Bounds { programs: [Program::Nothing; 2], ..run("shard-there") }));
    assert!(refused(Bounds { programs: [Program::Other, Program::Nothing], ..run("shard-there") }));
    assert!(refused(Bounds { leaders: [0, 1, 1], ..run("shard-there") }));
}

/// From the beginning all comes to its end; not with a leader that leaves what was begun before it, and that is said.
#[test]
fn what_does_not_settle_is_told() {
    let hunt = HUNTS.iter().find(|hunt| hunt.bug == Bug::LeavesBegun).expect("it is a mutant");
    assert_eq!(hunt.property, SETTLES);
    let relay = hunt.relay();
    let report = search::shortest(&relay, relay.start(), 300_000, &|| false);
    let Outcome::Violated { state, .. } = report.outcome else { panic!("it dies") };
    let told = settles(&relay, &state).expect_err("nobody goes on");
    assert!(told.contains("not within 40 fair rounds: a slot is on its way"), "{told}");
    let right = Relay::new(hunt.bounds, Right);
    assert_eq!(settles(&right, &right.start()), Ok(()));
}

/// A counterexample is told step by step, and can be followed again.
#[test]
fn paths_are_told() {
    let hunt = HUNTS.iter().find(|hunt| hunt.bug == Bug::NoLastDifference).expect("a mutant");
    let relay = hunt.relay();
    let report = search::shortest(&relay, relay.start(), 300_000, &|| false);
    let Outcome::Violated { path, .. } = report.outcome else { panic!("it dies") };
    let told = transcript(&relay, &path);
    for part in ["learns what follows", "calls g1 #2", "commits", "without moves:"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(follow(&relay, &path).is_ok());
    let right = Relay::new(hunt.bounds, Right);
    let other = follow(&right, &path[1..]).map(|_| "it is possible");
    assert!(other.is_err_and(|error| error.contains("is not possible")));
    let drawn = relay.picture(&path);
    assert!(drawn.starts_with("<svg") && drawn.contains(">g2</text>"));
}
