//! The controller's model: its mutants, its reductions, its corners.
//!
//! PROP-CTL-REPLICAS, PROP-CTL-NUMBERS, PROP-CTL-BALANCE, PROP-CTL-MOVES, PROP-CTL-ASKED, PROP-CTL-ONCE,
//! PROP-CTL-TOLD, PROP-CTL-NEEDED, PROP-CTL-REPORTS, PROP-CTL-ANSWERED, PROP-CTL-SAVED, PROP-CTL-BOUNDED and
//! PROP-CTL-SETTLES each kill a mutant here; that the right rules pass the same hunts is `checks mutants`' business.

use model::search::{self, Outcome};
use model::shardctl::{Bounds, Bug, Corner, HUNTS, Hunt, IDS, OFFICES, Office, settles};
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

#[test]
fn figures() {
    let only = std::env::var("ONLY").unwrap_or_default();
    for run in OFFICES.iter().filter(|run| run.name.contains(&only)) {
        let begun = std::time::Instant::now();
        let office = Office::new(run.bounds, Exact);
        let builder = office.clone().checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
        let checker = builder.target_state_count(1_500_000).spawn_dfs().join();
        let found: Vec<_> = checker.discoveries().into_iter().collect();
        let missed: Vec<_> =
            run.reaches.iter().filter(|corner| !office.corners.reached(**corner)).collect();
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{:16} {:>9} {seconds:.1} s missed {missed:?}",
            run.name,
            checker.unique_state_count()
        );
        for (name, path) in found {
            let path = search::minimize(&office, &office.start(), path.into_actions(), name);
            println!("{name}\n{}", transcript(&office, &path));
            if let Ok(state) = follow(&office, &path) {
                println!("{:?}", settles(&office, &state));
            }
        }
    }
}

#[test]
fn hunts() {
    for hunt in HUNTS {
        println!("{:5} {:?} {:?} expected {}", hunt.id, hunt.bug, died_by(hunt), hunt.property);
    }
}
