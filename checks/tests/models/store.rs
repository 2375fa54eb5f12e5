//! The store's model: its mutants, its reductions, its corners.
//!
//! PROP-LINEARIZABLE, PROP-EXACTLY-ONCE, PROP-REFUSED, PROP-VERSIONS, PROP-LOCK, PROP-MAYBE, PROP-FLOOR, PROP-CLOCK,
//! PROP-MIRROR, PROP-TICK, PROP-WATCH, PROP-IDLE, PROP-SCAN, PROP-FENCE, PROP-LEASE and PROP-CALLS-END
//! each kill a mutant here; that the right rules pass the same hunts is `checks mutants`' business.

use checks::engine::{self, Limits, Strategy};
use model::bounds::Net;
use model::kv::{Bounds, Bug, Corner, HUNTS, Hunt, IDS, SCENES, Shop};
use model::search::{self, Outcome};
use model::system::System;
use model::telling::{follow, transcript};
use protocol::kv::Exact;

const NO_LIMITS: Limits = Limits { states: usize::MAX, memory_mib: u64::MAX };

/// The property by which a hunt's mutant dies, and in how many steps.
fn died_by(hunt: &Hunt) -> Option<(&'static str, usize)> {
    let shop = hunt.shop();
    match search::shortest(&shop, shop.start(), 200_000, &|| false).outcome {
        Outcome::Violated { property, path, .. } => Some((property, path.len())),
        Outcome::Exhausted | Outcome::CutOff => None,
    }
}

fn scene(name: &str) -> Bounds {
    SCENES.iter().find(|scene| scene.name == name).expect("there is such a scene").bounds
}

fn states(bounds: Bounds) -> usize {
    let shop = Shop::new(bounds, Exact);
    let verdict = engine::explore(&shop, Strategy::Dfs, 2, NO_LIMITS, |_| {});
    let verdict = verdict.expect("no checker panics");
    assert!(verdict.exhausted(), "{:?} of {bounds:?}", verdict.violation);
    verdict.states
}

/// Every property of the store has a mutant that dies by it.
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

/// RED-ANSWER: with and without, the right rules pass and mutants die by the same property after as many steps.
#[test]
fn void_answers_of_the_store() {
    for name in ["kv-sets", "kv-sessions", "kv-puts", "kv-flush", "kv-transactions"] {
        let with = scene(name);
        let fewer = states(with);
        let all = states(Bounds { drop_void: false, ..with });
        assert!(fewer < all, "{name}: {fewer} states with, {all} without");
    }
    // The others take too many states without the reduction.
    let cheap = |hunt: &&Hunt| !["LK1", "LK2", "QK7", "QK14", "QL6", "QL8"].contains(&hunt.id);
    for hunt in HUNTS.iter().filter(cheap) {
        let without = Hunt { bounds: Bounds { drop_void: false, ..hunt.bounds }, ..*hunt };
        assert_eq!(died_by(hunt), died_by(&without), "{}", hunt.id);
    }
}

/// RED-HISTORY: without the order of calls there are fewer states, and every mutant that dies by another property
/// dies by it still, after as many steps.
#[test]
fn order_of_calls() {
    let with = scene("kv-deletes");
    let fewer = states(Bounds { linearizable: false, settle_every: 0, ..with });
    assert!(fewer < states(Bounds { settle_every: 0, ..with }));
    let by_order = IDS.iter().find(|(id, _)| *id == "PROP-LINEARIZABLE").expect("it has one").1;
    // The others take too many states without the reduction.
    let cheap = |hunt: &&Hunt| !["LK1", "LK2", "QK14"].contains(&hunt.id);
    // The twin knows the labs' operations; the others have the mirror, which is left out nowhere.
    let ordered = |hunt: &&Hunt| hunt.property != by_order && !hunt.bounds.mirror;
    for hunt in HUNTS.iter().filter(cheap).filter(ordered) {
        let kept = |linearizable| Hunt { bounds: Bounds { linearizable, ..hunt.bounds }, ..*hunt };
        assert_eq!(died_by(&kept(false)), died_by(&kept(true)), "{}", hunt.id);
    }
}

/// A corner that no scene must reach would say nothing when it is missed.
#[test]
fn every_corner_of_the_store_is_required() {
    let reaches = |corner: &Corner| SCENES.iter().any(|scene| scene.reaches.contains(corner));
    let missing: Vec<_> = Corner::ALL.iter().filter(|corner| !reaches(corner)).collect();
    assert_eq!(missing, [] as [&Corner; 0]);
}

/// A mirror that is not asked for would miss what a scene with a clock is for, and the twin knows no clock.
#[test]
fn bounds_that_check_nothing_are_refused() {
    let refused = |bounds: Bounds| Shop::<Exact>::validate(&bounds).is_err();
    for scene in SCENES {
        assert!(!refused(scene.bounds), "{}", scene.name);
        assert_eq!(scene.bounds.mirror, !scene.name.contains("lock") && !scene.bounds.linearizable);
    }
    let expiry = scene("kv-expiry");
    assert!(refused(Bounds { linearizable: true, ..expiry }));
    assert!(refused(Bounds { linearizable: true, latest: 1, mirror: false, ..scene("kv-sets") }));
    assert!(refused(Bounds { net: Net::Duplicate, record_puts: true, ..scene("kv-flush") }));
    assert!(refused(Bounds { clients_kept: 1, ..scene("kv-idle") }));
}

/// LOCK-FENCE-1: the zoo's LK4 step by step: a holder's lease ends by the clock, another takes the lock and uses the
/// resource, and then the first one does.
#[test]
fn a_counterexample_has_a_clock() {
    let hunt = HUNTS.iter().find(|hunt| hunt.id == "LK4").expect("the zoo's last row of the lock");
    let shop = hunt.shop();
    let report = search::shortest(&shop, shop.start(), 100_000, &|| false);
    let Outcome::Violated { path, .. } = report.outcome else { panic!("LK4 dies") };
    let told = transcript(&shop, &path);
    assert!(
        told.contains("takes it to be 1") && told.contains("history: LateHolderLetIn"),
        "{told}"
    );
}

/// A counterexample is told step by step, and can be followed again.
#[test]
fn counterexamples_are_told() {
    let hunt = HUNTS.iter().find(|hunt| hunt.id == "K1").expect("the zoo's first row");
    let shop = hunt.shop();
    let report = search::shortest(&shop, shop.start(), 10_000, &|| false);
    let Outcome::Violated { path, .. } = report.outcome else { panic!("K1 dies") };
    let told = transcript(&shop, &path);
    assert!(told.contains("history: ExecutedTwice"), "{told}");
    assert!(follow(&shop, &path).is_ok());
    let right = hunt.control().shop();
    let other = follow(&right, &path[1..]).expect_err("the first step is missing");
    assert!(other.starts_with("step 1 is not possible"), "{other}");
    assert!(shop.picture(&path).trim_end().ends_with("</svg>"));
}
