//! The labs' scenarios for stores: their parameters, the mutants that they find, harsh networks, lab 2 on a thread, and
//! the record of rounds.

use checks::catalog::hunt;
use checks::labs::catalog::{Run, Scenario, Service, named, scenarios};
use checks::labs::command::{many, many_by};
use checks::labs::harsh::Level;
use checks::labs::record::{self, Kept};
use checks::labs::round::{Report, Setting, in_real_time, simulate, simulate_in};
use checks::labs::store::{Keys, Storm, Style};
use checks::sim::kit::{Right, Wrong};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const HARSH: Setting = Setting { real: false, harsh: true };

fn scenario(name: &str) -> &'static Scenario {
    named(name).unwrap_or_else(|| panic!("{name} is a scenario"))
}

fn mutant(id: &str) -> Wrong {
    Wrong::of(&hunt(id).expect("a mutant of the models"))
}

/// By what a mutant fails in a scenario, with the first of three seeds with which it does.
fn fails(setting: Setting, id: &str, name: &str) -> String {
    let play = |seed| simulate_in(setting, mutant(id), scenario(name), seed).failure;
    let (_, text) = (1..4).find_map(play).unwrap_or_else(|| panic!("{id} passes {name}"));
    text
}

fn storm(name: &str) -> Storm {
    match scenario(name).run {
        Run::Storm(storm) => storm,
        run => panic!("{name} is {run:?}"),
    }
}

/// In both years' matrix a scenario's name says what happens in it.
#[test]
fn names_tell_parameters() {
    let of_years =
        |scenario: &&Scenario| ["4B", "4C", "2021 3A", "2021 3B"].contains(&scenario.lab);
    let mut storms = 0;
    for one in scenarios().filter(of_years) {
        let Run::Storm(storm) = one.run else { continue };
        storms += 1;
        let (name, versions) = (one.name, storm.style == Style::Versions);
        let says = |part: &str| name.contains(part);
        assert_eq!(storm.crash, says("Persist") || says("Recover"), "{name}");
        assert_eq!(storm.partition, says("Partition"), "{name}");
        assert_eq!(storm.reliable, !says("Unreliable"), "{name}");
        assert_eq!(one.reliable, storm.reliable, "{name}");
        let bound = (says("4C") || says("3B")).then_some(1_000);
        assert_eq!(one.serves, Service::Store { snapshot_bytes: bound }, "{name}");
        let (keys, servers) = match (says("Linearizable"), versions) {
            (true, true) => (Keys::Shared(100), 7),
            (true, false) => (Keys::Shared(15), 7),
            (false, true) => (Keys::One, 5),
            (false, false) => (Keys::Own, 5),
        };
        assert_eq!((storm.keys, one.servers), (keys, servers), "{name}");
        assert_eq!((storm.round_ms, storm.rounds), (if versions { 1_000 } else { 5_000 }, 3));
        assert_eq!(versions, says("4B") || says("4C"), "{name}");
    }
    assert_eq!(storms, 34);
    let clients = |name| storm(name).clients;
    let ones = ["Basic4B", "ManyPartitionsOneClient3A", "PersistOneClient4B", "SnapshotRecover3B"];
    assert_eq!(ones.map(clients), [1; 4]);
    let many = ["Concurrent3A", "SnapshotRecoverManyClients4C"].map(clients);
    assert_eq!(many, [5, 20]);
    assert_eq!(clients("PersistPartitionUnreliableLinearizable3A"), 15);
    assert!(!scenario("OnePartition4B").reliable && scenario("OnePartition3A").reliable);
    assert_eq!(storm("PutConcurrentReliable").clients, 10);
    assert_eq!(storm("Unreliable2").round_ms, 1_000);
}

/// A reply that is not kept: what is sent again is executed again, on one server and on five.
#[test]
fn lost_replies_find_who_keeps_none() {
    let text = fails(Setting::default(), "K1", "UnreliableOneKey2");
    assert!(text.contains("was appended to a value that has it"), "{text}");
    let text = fails(Setting::default(), "K1", "Unreliable3A");
    assert!(text.contains("Exactly Once") || text.contains("sees"), "{text}");
}

/// A late copy of a call whose reply has arrived: only a network that copies has one.
#[test]
fn copies_find_who_forgets_what_was_acknowledged() {
    let text = fails(HARSH, "QK1", "UnreliableOneKey2");
    assert!(text.contains("are at"), "{text}");
    assert_eq!(simulate(mutant("QK1"), scenario("Concurrent2"), 1).failure, None);
}

/// A snapshot without the records.
#[test]
fn restarts_find_who_loses_records() {
    fails(Setting::default(), "S11b", "SnapshotUnreliableRecover3B");
}

/// Reads of a leader that does not ask whether it still leads, and of anybody.
#[test]
fn a_partition_finds_who_reads_alone() {
    for id in ["K9", "K9b"] {
        let text = fails(Setting::default(), id, "OnePartition3A");
        assert!(text.contains("a Get has completed in the minority"), "{id}: {text}");
    }
}

/// Puts whatever the version, and versions that stay.
#[test]
fn races_find_who_does_not_look_at_versions() {
    let text = fails(Setting::default(), "QK4", "PutConcurrentReliable");
    assert!(text.contains("the version is") || text.contains("no order"), "{text}");
    let text = fails(Setting::default(), "QK12", "UnreliableNet");
    assert!(text.contains("Put 0 over version 1 ends in"), "{text}");
}

/// A client that says of a Put more than it knows, and one that never sends again.
#[test]
fn lost_replies_find_what_clients_do_not_know() {
    let text = fails(Setting::default(), "K10", "UnreliableNet");
    assert!(text.contains("Put 0 over version"), "{text}");
    let text = fails(Setting::default(), "QK8", "UnreliableNet");
    assert!(text.contains("a call has not ended"), "{text}");
}

/// Locks that are no locks.
#[test]
fn locks_find_two_holders() {
    for id in ["LK1", "LK3", "QK9"] {
        let text = fails(Setting::default(), id, "ManyClientsUnreliable");
        let two = text.contains("holds the lock, and finds") || text.contains("alone, is told");
        assert!(two, "{id}: {text}");
    }
}

/// What the labs' network never does: messages twice, ways that are cut in one direction, and messages seconds late.
#[test]
fn harsh_networks_break_nothing() {
    let some: Vec<_> = scenarios().filter(|one| one.lab != "2024 2").collect();
    let play = |one: &Scenario, seed| simulate_in(HARSH, Right, one, seed);
    let reports = many_by(&some, 1..2, 2, play);
    let failed: Vec<_> = reports.iter().filter(|report| report.failure.is_some()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    // It is another network wherever it may be one.
    for harsh in reports.iter().filter(|report| scenario(report.scenario).lab.starts_with('3')) {
        let one = scenario(harsh.scenario);
        let fair = simulate(Right, one, 1);
        let same = (fair.us, fair.bytes) == (harsh.us, harsh.bytes);
        assert_eq!(same, one.harsh() == Level::Fair, "{}", one.name);
    }
    let levels = |level| scenarios().filter(|one| one.harsh() == level).count();
    assert_eq!(levels(Level::Fair), 2);
    assert!(levels(Level::Spells) >= 45, "{}", levels(Level::Spells));
}

/// The store in a thread of its own, in real time.
#[test]
fn lab_2_on_a_thread() {
    let some = ["UnreliableOneKey2", "MemAppend2", "ReliablePut", "ManyClientsUnreliable"];
    let nowhere = Path::new("nowhere");
    for name in some {
        let report = in_real_time(Right, scenario(name), 1, nowhere);
        assert_eq!(report.failure, None, "{name}");
        assert!(report.setting.real && report.commands > 0, "{report:?}");
    }
    let report = in_real_time(mutant("K1"), scenario("UnreliableOneKey2"), 1, nowhere);
    assert!(report.failure.is_some(), "ten in a hundred replies are lost");
}

fn file(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("quorate-{name}-{}.jsonl", std::process::id()));
    // One of a process that was killed.
    let _ = std::fs::remove_file(&path);
    path
}

/// Rounds are recorded whole, in the order of their seeds, and the next run goes on behind them.
#[test]
fn a_record_goes_on() {
    let path = file("record");
    let played = ["BasicAgree", "ReElection"].map(scenario);
    let reports = many(Right, &played, 1..4, 1);
    let report = |name: &str, seed| {
        let mut all =
            reports.iter().filter(|report| (report.scenario, report.seed) == (name, seed));
        all.next().expect("it was played").clone()
    };
    let open = |rounds| Kept::open(path.clone(), &played, Setting::default(), rounds);
    let wall = Duration::from_secs(7);
    let mut kept = open(3).expect("there is none yet");
    assert_eq!(kept.seeds(), 1..4);
    // The second seed comes before the first is whole; it failed.
    let failed = Report { failure: Some((1, "so".into())), ..report("ReElection", 2) };
    kept.add(&report("BasicAgree", 1), wall).expect("nothing to write");
    kept.add(&report("BasicAgree", 2), wall).expect("nothing to write");
    kept.add(&failed, wall).expect("nothing to write");
    assert_eq!(record::read(&path), Ok(vec![]), "there is no whole round");
    kept.add(&report("ReElection", 1), wall).expect("it can be written");
    kept.add(&report("ReElection", 3), wall).expect("nothing to write");
    assert!(!kept.is_done());

    let [run] = &record::read(&path).expect("it was written")[..] else { panic!("one line") };
    assert_eq!((run.seeds, run.clean, run.seconds), ((1, 3), 1, 7.0));
    assert_eq!(run.failed, [("ReElection".into(), 2)]);
    assert_eq!(run.scenarios, ["BasicAgree", "ReElection"]);

    let mut kept = open(3).expect("one is missing");
    assert_eq!(kept.seeds(), 3..4, "the third is not whole");
    played.iter().for_each(|one| {
        kept.add(&report(one.name, 3), wall).expect("it can be written");
    });
    assert!(kept.is_done() && open(3).is_err_and(|text| text.contains("has 3 rounds")));
    let runs = record::read(&path).expect("it was written");
    assert_eq!(runs.len(), 2);
    let counts = record::counts(&runs, &played);
    assert_eq!(
        counts.iter().map(|one| (one.rounds, one.failed)).collect::<Vec<_>>(),
        [(3, 0), (3, 1)]
    );
    assert!(record::table(&runs, &played).contains("3 (1 FAILED)"));
    std::fs::write(&path, "x\n").expect("it can be written");
    assert!(record::read(&path).is_err_and(|text| text.contains("line 1 of")));
    std::fs::remove_file(&path).expect("it is there");
}

/// Whole labs are named by their lab, and the command goes on where the record ends.
#[test]
fn the_command_records() {
    let path = file("command");
    let checks = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_checks"));
        let record = ["--record", path.to_str().expect("a temporary folder has a plain name")];
        command.args(["labs"]).args(arguments).args(record).output().expect("checks starts")
    };
    assert_eq!(checks(&["--filter", "2 lock", "--rounds", "2"]).status.code(), Some(0));
    assert_eq!(checks(&["--filter", "2 lock", "--rounds", "3", "--harsh"]).status.code(), Some(0));
    assert_eq!(checks(&["--filter", "2 lock", "--rounds", "2"]).status.code(), Some(64));
    let runs = record::read(&path).expect("it was written");
    let told = runs.iter().map(|run| (run.setting, run.seeds, run.clean, run.scenarios.join(",")));
    let lock = || "2 lock".to_string();
    let expected = [(Setting::default(), (1, 3), 2, lock()), (HARSH, (1, 4), 3, lock())];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let output = checks(&["--totals", "--filter", "2 lock"]);
    let table = String::from_utf8(output.stdout).expect("output is text");
    assert!(table.contains("virtual, harsh") && table.contains("3 rounds of 2 lock"), "{table}");
    std::fs::remove_file(&path).expect("it is there");
}
