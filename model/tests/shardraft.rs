//! Groups on Raft: their mutants, their corners, their words.
//!
//! PROP-SHARD-ONE, PROP-SHARD-REPORTS, PROP-SHARD-SETTLES and PROP-FRESH each kill a mutant here; that the right rules
//! pass the same hunts is `checks mutants`' business.

use model::bounds::Net;
use model::script;
use model::search::{self, Outcome, fingerprint};
use model::shardraft::{
    Bounds, Bug, Corner, DEEP_ESTATES, ESTATES, Estate, HUNTS, Hunt, Links, Wrong, bounds_text,
    settles,
};
use model::system::System;
use model::telling::{follow, transcript};
use stateright::Model;
use std::collections::{HashSet, VecDeque};

/// The property by which a hunt's mutant dies.
fn died_by(hunt: &Hunt) -> Option<&'static str> {
    let estate = hunt.estate();
    let (_, start) = script::follow(&estate, hunt.prefix).expect("the prefix is possible");
    match search::shortest(&estate, start, 500_000, &|| false).outcome {
        Outcome::Violated { property, .. } => Some(property),
        Outcome::Exhausted | Outcome::CutOff => None,
    }
}

/// Every rule of what stands between a group's Raft and its mover has a mutant here.
///
/// SHARD-LEAD-1, SHARD-LEAD-2, SHARD-LEAD-3.
#[test]
fn every_mutant_dies() {
    for hunt in HUNTS {
        assert_eq!(died_by(hunt), Some(hunt.property), "{}", hunt.id);
        assert_ne!(hunt.bug, Bug::None, "{}", hunt.id);
    }
}

/// Faults that harm nothing within these bounds: what a mover does follows from how its group stands, what a deposed
/// server proposes is refused, and what was wrong is made good with the next tick.
#[test]
fn faults_that_harm_nothing() {
    let giver = run("shardraft-giver");
    let two = Bounds { sends: 0, ..run("shardraft-called") };
    for (bug, bounds) in [
        (Bug::GoesOn, giver),
        (Bug::BelievesEarlier, run("shardraft-turns")),
        (Bug::ShownLate, two),
        (Bug::ShownLate, run("shardraft-restart")),
    ] {
        let estate = Estate::new(Bounds { settle_every: 500, ..bounds }, Wrong(bug));
        let report = search::shortest(&estate, estate.start(), 500_000, &|| false);
        let text = bounds_text(&bounds);
        assert!(matches!(report.outcome, Outcome::Exhausted), "{bug:?} in {text}");
    }
    for bug in [Bug::BelievesRefused, Bug::KeepsRefused] {
        let bounds = Bounds { settle_every: 500, ..run("shardraft-mailbox") };
        let estate = Estate::new(bounds, Wrong(bug));
        let report = search::shortest(&estate, estate.start(), 500_000, &|| false);
        assert!(matches!(report.outcome, Outcome::Exhausted), "{bug:?}");
        assert_eq!(report.states, 86_208, "{bug:?}: what it does is what the right one does");
    }
}

/// What servers, movers and letters come to, whatever is under way between servers.
fn come_to(bounds: Bounds) -> HashSet<u64> {
    let estate = Estate::right(Bounds { settle_every: 0, ..bounds });
    let (mut seen, mut all) = (HashSet::new(), HashSet::new());
    let mut frontier = VecDeque::from([estate.start()]);
    while let Some(state) = frontier.pop_front() {
        assert_eq!(search::violated(&estate, &state), None);
        let servers = state.groups.each_ref().map(|servers| &servers.actor_states);
        let letters: Vec<_> = state.mail.iter().map(|it| (it.to(), it.message())).collect();
        all.insert(fingerprint(&(servers, &state.seats, letters, &state.record)));
        for next in estate.next_states(&state) {
            if seen.insert(fingerprint(&next)) {
                frontier.push_back(next);
            }
        }
    }
    assert!(seen.len() > 300, "only {} states: that compares nothing", seen.len());
    all
}

/// RED-LINKS: what is reached where connections keep their order is reached where they don't, and not the other way
/// round; and mutants die by the same properties.
#[test]
fn links_that_keep_their_order() {
    let overtaken = run("shardraft-overtaken");
    let ordered = Bounds { links: Links::FirstIsSlow, ..overtaken };
    let (with, without) = (come_to(ordered), come_to(overtaken));
    assert!(with.is_subset(&without), "each path with an order is one without");
    assert!(with.len() < without.len(), "{} of {}: a bound and no more", with.len(), without.len());
    for hunt in HUNTS {
        let bounds = Bounds { links: Links::FirstIsOvertaken, ..hunt.bounds };
        assert_eq!(died_by(&Hunt { bounds, ..*hunt }), Some(hunt.property), "{}", hunt.id);
    }
}

/// A corner that no run must reach would say nothing when it is missed.
#[test]
fn every_corner_of_groups_on_raft_is_required() {
    let reaches = |corner: &Corner| ESTATES.iter().any(|run| run.reaches.contains(corner));
    let missing: Vec<_> = Corner::ALL.iter().filter(|corner| !reaches(corner)).collect();
    assert_eq!(missing, [] as [&Corner; 0]);
}

fn run(name: &str) -> Bounds {
    ESTATES.iter().find(|run| run.name == name).expect("there is such a run").bounds
}

/// Bounds that no model has.
#[test]
fn bounds_that_no_model_has_are_refused() {
    let refused = |change: fn(&mut Bounds)| {
        let mut bounds = run("shardraft-giver");
        change(&mut bounds);
        Estate::validate(&bounds).is_err()
    };
    for run in ESTATES.iter().chain(DEEP_ESTATES) {
        assert_eq!(Estate::validate(&run.bounds), Ok(()), "{}", run.name);
    }
    assert!(!refused(|_| ()));
    assert!(refused(|bounds| bounds.servers[0].servers = 4));
    assert!(refused(|bounds| bounds.servers[1].max_log = 2));
    assert!(refused(|bounds| bounds.servers[0].pre_vote = true));
    assert!(refused(|bounds| bounds.servers[0].crashes = 1));
    assert!(refused(|bounds| bounds.servers[0].losses = 1));
    assert!(refused(|bounds| bounds.servers[0].net = Net::Duplicate));
}

/// The first server of each group leads, the first call is answered, and from there all comes to its end.
#[test]
fn it_begins_settled() {
    let estate = Estate::right(run("shardraft-giver"));
    let start = estate.start();
    assert_eq!(start.record.answered, 1);
    assert_eq!(start.record.executed(), 1);
    for (number, server) in start.places() {
        let node = start.node(number, server);
        assert_eq!(node.replica().raft().leads(), server == 0);
        assert_eq!(node.applied() as usize, start.record.committed(number), "g{number}n{server}");
    }
    assert_eq!(settles(&estate, &start), Ok(()));
}

/// A counterexample is told step by step, and can be followed again.
#[test]
fn paths_of_groups_on_raft_are_told() {
    let hunt = HUNTS.iter().find(|hunt| hunt.bug == Bug::GoesByLog).expect("it is a mutant");
    let estate = hunt.estate();
    let report = search::shortest(&estate, estate.start(), 500_000, &|| false);
    let Outcome::Violated { path, .. } = report.outcome else { panic!("it dies") };
    let told = transcript(&estate, &path);
    for part in ["g1n0  learns what follows", "Freeze 2", "without moves:"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(follow(&estate, &path).is_ok());
    let right = Estate::right(hunt.bounds);
    let other = follow(&right, &path[1..]).map(|_| "it is possible");
    assert!(other.is_err_and(|error| error.contains("is not possible")));
    let drawn = estate.picture(&path);
    assert!(drawn.starts_with("<svg") && drawn.contains(">g1n2</text>"));
}

/// Bounds in few letters: who may campaign, who is asked, and how messages travel.
#[test]
fn bounds_are_written_in_few_letters() {
    let text = |name| bounds_text(&run(name));
    assert_eq!(
        text("shardraft-giver"),
        "3S 2T run=n1 → 1S 1T run=none 0× n0-slow letters-dup quick"
    );
    assert_eq!(
        text("shardraft-reads"),
        "2S 1T 1R run=n1 read=n1 → 1S 1T run=none 1× n0-slow letters-dup quick"
    );
    assert!(text("shardraft-overtaken").contains(" n0-overtaken "));
}
