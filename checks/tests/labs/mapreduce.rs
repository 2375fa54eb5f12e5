//! Lab 1 in virtual time: parameters, rounds on either network, a seed is a run, and wrong rules fail.

use checks::catalog::hunt;
use checks::labs::catalog::{Run, Scenario, Service, named, scenarios};
use checks::labs::command::{many, many_by};
use checks::labs::mapreduce::apps::App;
use checks::labs::round::{Report, Setting, real_in, simulate, simulate_in};
use checks::sim::kit::{Right, Wrong};
use std::path::Path;

const HARSH: Setting = Setting { real: false, harsh: true };
const PLAIN: Setting = Setting { real: false, harsh: false };

fn scenario(name: &str) -> &'static Scenario {
    named(name).unwrap_or_else(|| panic!("{name} is a scenario"))
}

fn all() -> Vec<&'static Scenario> {
    scenarios().filter(|one| one.serves == Service::Workers).collect()
}

fn json(reports: &[Report]) -> String {
    serde_json::to_string(reports).expect("a report is plain data")
}

#[test]
fn parameters() {
    let told = |one: &&Scenario| match one.run {
        Run::Job(job) => (one.name, one.servers, job.app),
        other => panic!("{} is {other:?}", one.name),
    };
    let told: Vec<_> = all().iter().map(told).collect();
    let expected = [
        ("Wc", 3, App::Wc),
        ("Indexer", 2, App::Indexer),
        ("MapParallel", 2, App::MapTiming),
        ("ReduceParallel", 2, App::ReduceTiming),
        ("JobCount", 4, App::JobCount),
        ("EarlyExit", 4, App::EarlyExit),
        ("CrashWorker", 3, App::Crash),
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_ships_passes() {
    for setting in [PLAIN, HARSH] {
        let play = |scenario: &Scenario, seed| simulate_in(setting, Right, scenario, seed);
        let reports = many_by(&all(), 1..16, 2, play);
        let failed: Vec<_> = reports.iter().filter(|report| report.failure.is_some()).collect();
        assert!(failed.is_empty(), "{failed:#?}");
        let runs = |name: &str| {
            let of = reports.iter().filter(|report| report.scenario == name);
            of.map(|report| report.commands).max()
        };
        // Eighteen tasks; where something goes wrong, more attempts.
        assert_eq!(runs("JobCount") == Some(18), !setting.harsh, "{setting}");
        assert!(runs("CrashWorker") > Some(18));
        let losses: u64 = reports.iter().map(|report| report.losses).sum();
        assert_eq!(losses > 0, setting.harsh, "crashes lose records: {setting}");
    }
}

#[test]
fn a_seed_is_a_run() {
    let (one, two) = (many(Right, &all(), 5..7, 1), many(Right, &all(), 5..7, 2));
    assert_eq!(json(&one), json(&two));
    assert_ne!(json(&one), json(&many(Right, &all(), 7..9, 2)));
    for one in all() {
        let (right, wrong) =
            (simulate_in(HARSH, Right, one, 5), simulate_in(HARSH, Wrong::NOTHING, one, 5));
        assert_eq!(json(&[right]), json(&[wrong]), "nothing wrong is right");
    }
}

/// The first of some seeds with which a mutant fails in a scenario, and by what.
fn fails(setting: Setting, id: &str, name: &str) -> String {
    let wrong = Wrong::of(&hunt(id).expect("a mutant of the models"));
    let failure = |seed| simulate_in(setting, wrong, scenario(name), seed).failure;
    let found = (1..100).find_map(failure);
    found.unwrap_or_else(|| panic!("{id} passes {name} ({setting})")).1
}

#[test]
fn the_labs_conditions_find_wrong_rules() {
    for (id, name, text) in [
        ("R1", "Wc", "No Half Files"),
        ("R3", "Indexer", "Maps Before Reduces"),
        ("R4", "EarlyExit", "Done Means All Outputs"),
        ("R5", "JobCount", "Nothing Run Twice Without Need"),
        ("R8", "ReduceParallel", "Nobody Leaves Early"),
        ("QM1", "Wc", "Maps Before Reduces"),
        ("QM3", "CrashWorker", "The Job Ends"),
        ("QM26", "Indexer", "Done Stays Done"),
        ("QM27", "MapParallel", "Done Stays Done"),
    ] {
        let told = fails(PLAIN, id, name);
        assert!(told.contains(text), "{id} in {name}: {told}");
    }
}

#[test]
fn what_goes_wrong_finds_wrong_rules() {
    for (id, name, text) in [
        ("R2", "CrashWorker", "Counted Once"),
        ("R2b", "JobCount", "Counted Once"),
        ("R7", "MapParallel", "Counted Once"),
        ("QM5", "MapParallel", "Losers Are Stopped"),
        ("QM6", "CrashWorker", "Who Reports Goes On"),
        ("QM7", "JobCount", "Nothing Run Twice Without Need"),
        ("QM14", "Indexer", "The Job Ends"),
        ("QM19", "Wc", "Attempts Never Meet"),
        ("QM22", "JobCount", "Nothing Run Twice Without Need"),
        ("QM23", "ReduceParallel", "Nothing Stopped Without Need"),
        ("QM29", "Wc", "Output Is That Of A Sequential Run"),
    ] {
        let told = fails(HARSH, id, name);
        assert!(told.contains(text), "{id} in {name}: {told}");
    }
}

/// With processes it is another test's.
#[test]
fn not_on_threads() {
    let real = Setting { real: true, harsh: false };
    let report = real_in(real, Right, scenario("Wc"), 1, Path::new("/nowhere"));
    assert!(report.failure.is_some_and(|(_, text)| text.contains("--test mr labs")));
    assert_eq!(simulate(Right, scenario("Wc"), 1).failure, None);
}
