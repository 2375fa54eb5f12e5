//! The controller's model: its mutants, its reductions, its corners.
//!
//! PROP-CTL-REPLICAS, PROP-CTL-NUMBERS, PROP-CTL-BALANCE, PROP-CTL-MOVES, PROP-CTL-ASKED, PROP-CTL-ONCE,
//! PROP-CTL-TOLD, PROP-CTL-NEEDED, PROP-CTL-REPORTS, PROP-CTL-ANSWERED, PROP-CTL-SAVED, PROP-CTL-BOUNDED and
//! PROP-CTL-SETTLES each kill a mutant here; that the right rules pass the same hunts is `checks mutants`' business.

use model::search::{self, Outcome};
use model::shardctl::{Bounds, Bug, Corner, HUNTS, Hunt, IDS, OFFICES, Office, Program, settles};
use model::system::System;
use model::telling::{follow, transcript};
use protocol::shardctl::Exact;
use stateright::{Checker, HasDiscoveries, Model};

/// The property by which a hunt's mutant dies, and in how many steps.
fn died_by(hunt: &Hunt) -> Option<(&'static str, usize)> {
    let office = hunt.office();
    match search::shortest(&office, office.start(), 200_000, &|| false).outcome {
        Outcome::Violated { property, path, .. } => Some((property, path.len())),
        Outcome::Exhausted | Outcome::CutOff => None,
    }
}

fn run(name: &str) -> Bounds {
    OFFICES.iter().find(|run| run.name == name).expect("there is such a run").bounds
}

/// Explores all, and says how many states there are. Every property holds in all.
fn states(bounds: Bounds) -> usize {
    let office = Office::new(bounds, Exact);
    let builder = office.checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
    let checker = builder.spawn_dfs().join();
    let found: Vec<_> = checker.discoveries().into_keys().collect();
    assert_eq!(found, [] as [&str; 0], "{bounds:?}");
    checker.unique_state_count()
}

/// Every property of the controller has a mutant that dies by it.
#[test]
fn every_property_kills() {
    for (id, property) in IDS {
        let hunts: Vec<_> = HUNTS.iter().filter(|hunt| hunt.property == property).collect();
        assert!(!hunts.is_empty(), "nothing dies by {id}");
        for hunt in hunts {
            let found = died_by(hunt).map(|(property, _)| property);
            assert_eq!(found, Some(property), "{} of {id}", hunt.id);
            assert_ne!(hunt.bug, Bug::None, "{}", hunt.id);
        }
    }
}

/// A corner that no run must reach would say nothing when it is missed.
#[test]
fn every_corner_of_the_controller_is_required() {
    let reaches = |corner: &Corner| OFFICES.iter().any(|run| run.reaches.contains(corner));
    let missing: Vec<_> = Corner::ALL.iter().filter(|corner| !reaches(corner)).collect();
    assert_eq!(missing, [] as [&Corner; 0]);
}

/// RED-OVER: with and without, the right rules pass and mutants die by the same property after as many steps.
#[test]
fn void_messages_of_the_controller() {
    for name in ["ctl-doubled", "ctl-lost"] {
        // One that wants one thing: with more there are too many states without the reduction.
        let with = Bounds { programs: [Program::JoinsOne, Program::Nothing], ..run(name) };
        let with = Bounds { losses: 0, settle_every: 0, ..with };
        let fewer = states(with);
        let all = states(Bounds { drop_void: false, ..with });
        assert!(fewer < all, "{name}: {fewer} states with, {all} without");
    }
    // The others take too many states without the reduction.
    for hunt in HUNTS.iter().filter(|hunt| !["QC12", "QC17"].contains(&hunt.id)) {
        let without = Hunt { bounds: Bounds { drop_void: false, ..hunt.bounds }, ..*hunt };
        assert_eq!(died_by(hunt), died_by(&without), "{}", hunt.id);
    }
}

/// Bounds in which something would be checked that cannot happen, or without end.
#[test]
fn bounds_that_check_nothing_are_refused() {
    let refused = |bounds: Bounds| Office::<Exact>::validate(&bounds).is_err();
    for run in OFFICES {
        assert!(!refused(run.bounds), "{}", run.name);
    }
    assert!(refused(Bounds { asks_behind: true, ..run("ctl-fence") }));
    assert!(refused(Bounds { lags: true, ..run("ctl-doubled") }));
    assert!(refused(Bounds { open: 0, ..run("ctl-held-up") }));
    assert!(refused(Bounds { programs: [Program::Nothing; 2], ..run("ctl-fence") }));
}

/// From where everything is under way, and from the beginning, all comes to its end; not with a group that does not
/// report, and that is said.
#[test]
fn what_does_not_settle_is_told() {
    let hunt = HUNTS.iter().find(|hunt| hunt.bug == Bug::NeverSentAgain).expect("it is a mutant");
    let office = hunt.office();
    let report = search::shortest(&office, office.start(), 1_000, &|| false);
    let Outcome::Violated { state, .. } = report.outcome else { panic!("it dies") };
    let told = settles(&office, &state).expect_err("nobody asks again");
    assert!(told.contains("not within 40 fair rounds: administrator: 0 of 2 over"), "{told}");
    let right = Office::new(hunt.bounds, Exact);
    assert_eq!(settles(&right, &right.start()), Ok(()));
}

/// A counterexample is told step by step, and can be followed again.
#[test]
fn paths_are_told() {
    let hunt = HUNTS.iter().find(|hunt| hunt.bug == Bug::AnyOrder).expect("it is a mutant");
    let office = hunt.office();
    let report = search::shortest(&office, office.start(), 200_000, &|| false);
    let Outcome::Violated { path, .. } = report.outcome else { panic!("it dies") };
    let told = transcript(&office, &path);
    for part in ["1  a0  goes on", "sends leader #1.1 which is the latest?", "second  applies"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(told.contains("history: NotTheSame"), "{told}");
    assert!(follow(&office, &path).is_ok());
    let right = Office::new(hunt.bounds, Exact);
    let other = follow(&right, &path[1..]).expect_err("the first step is missing");
    assert!(other.starts_with("step 1 is not possible"), "{other}");
    let drawn = office.picture(&path);
    assert!(drawn.starts_with("<svg") && drawn.contains(">second</text>"));
}
