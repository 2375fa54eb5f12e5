//! The labs' scenarios in virtual time: what ships passes all of them, a seed is a run, and wrong rules fail.

use checks::catalog::hunt;
use checks::labs::catalog::{CI, Run, Scenario, filtered, named, scenarios};
use checks::labs::command::{many, many_by};
use checks::labs::lab::{Lab, Outcome};
use checks::labs::raft::agreement;
use checks::labs::report;
use checks::labs::round::{Report, Setting, real_in, simulate};
use checks::labs::wire::{End, Shared, Wire};
use checks::sim::event::Packet;
use checks::sim::kit::{Kit, Right, Wrong};
use checks::sim::net::Carrier;
use checks::sim::random::{Random, sum};
use protocol::NodeId;
use protocol::raft::{Body, Message};
use std::cell::RefCell;
use std::process::{Command, Output};
use std::rc::Rc;

fn scenario(name: &str) -> &'static Scenario {
    named(name).unwrap_or_else(|| panic!("{name} is a scenario"))
}

fn json(reports: &[Report]) -> String {
    serde_json::to_string(reports).expect("a report is plain data")
}

fn mutant(id: &str) -> Wrong {
    Wrong::of(&hunt(id).expect("a mutant of the models"))
}

/// The first of some seeds with which a mutant fails in a scenario, and by what.
fn fails(id: &str, name: &str, seeds: std::ops::Range<u64>) -> String {
    let found = seeds.clone().find_map(|seed| simulate(mutant(id), scenario(name), seed).failure);
    let (_, text) = found.unwrap_or_else(|| panic!("{id} passes {name} with the seeds {seeds:?}"));
    text
}

/// Every scenario, once.
#[test]
fn what_ships_passes() {
    let all: Vec<_> = scenarios().collect();
    let reports = many(Right, &all, 1..2, 2);
    assert_eq!(reports.len(), scenarios().count());
    let failed: Vec<_> = reports.iter().filter(|report| report.failure.is_some()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    // The labs' limits were measured, and nothing was measured as nothing.
    let limits: Vec<_> = reports.iter().flat_map(|report| &report.limits).collect();
    assert!(limits.len() >= 30, "{limits:?}");
    assert!(limits.iter().all(|limit| 0 < limit.measured && limit.measured <= limit.most));
    assert!(reports.iter().all(|report| report.requests > 0 && report.bytes > 0));
}

/// All names of the labs are there, each once.
#[test]
fn the_labs_names() {
    let count = |lab: &str| scenarios().filter(|scenario| scenario.lab == lab).count();
    assert_eq!(["3A", "3B", "3C", "3D"].map(count), [3, 10, 8, 7]);
    assert_eq!(["4A", "4B", "4C"].map(count), [7, 13, 10]);
    assert_eq!(["2021 3A", "2021 3B"].map(count), [14, 9]);
    assert_eq!(["2024 2", "2", "2 lock"].map(count), [10, 4, 6]);
    assert_eq!(["2021 4A", "2024 5", "2021 4B", "2024 5A"].map(count), [2, 1, 13, 1]);
    assert_eq!(["5A", "5B", "5C"].map(count), [14, 2, 7]);
    assert_eq!(count("1 MapReduce"), 7);
    for one in scenarios() {
        assert!(std::ptr::eq(scenario(one.name), one), "{} is there twice", one.name);
    }
    assert_eq!(filtered(Some("figure8")).map(|found| found.len()), Ok(2));
    assert!(filtered(Some("moon")).is_err_and(|text| text.contains("Figure8")));
}

/// The same seed is the same run, byte for byte, on any number of threads; another seed is another.
#[test]
fn a_seed_is_a_run() {
    let names = ["Figure8Unreliable", "UnreliableChurn", "SnapshotInstallUnCrash"];
    let some = names.map(scenario);
    let (one, two) = (many(Right, &some, 5..7, 1), many(Right, &some, 5..7, 2));
    assert_eq!(json(&one), json(&two));
    assert_eq!(report::text(&one, false), report::text(&two, false));
    assert_ne!(json(&one), json(&many(Right, &some, 7..9, 2)));
    let name_of = |report: &Report| (report.scenario, report.seed);
    let expected: Vec<_> = names.iter().flat_map(|name| [(*name, 5), (*name, 6)]).collect();
    assert_eq!(one.iter().map(name_of).collect::<Vec<_>>(), expected);
}

/// The mutant with nothing wrong is what ships: what fails below fails for its one wrong rule.
#[test]
fn nothing_wrong_is_right() {
    for name in ["Persist1", "Figure8Unreliable", "Count", "SnapshotBasic"] {
        let (right, wrong) =
            (simulate(Right, scenario(name), 3), simulate(Wrong::NOTHING, scenario(name), 3));
        assert_eq!(json(&[right]), json(&[wrong]));
    }
}

/// Committing entries of earlier terms by counting: Figure 8.
#[test]
fn figure_8_finds_who_counts_old_terms() {
    let text = fails("L1", "Figure8Unreliable", 1..200);
    assert!(text.contains("Leader Completeness"), "{text}");
}

/// A restart without term and vote, and a disk without its entries.
#[test]
fn persistence_finds_who_forgets() {
    let text = fails("E6", "Persist1", 1..4);
    assert!(text.contains("failed to reach agreement"), "{text}");
    fails("P1", "Persist3", 1..4);
}

/// Requests that are sent again without need.
#[test]
fn count_finds_who_sends_too_much() {
    let text = fails("L7", "Count", 1..4);
    assert!(text.contains("requests for 10 commands: ") && text.contains("limit of 42"), "{text}");
}

/// A hint that is ignored, so that back-up takes for ever; what is never sent again; what is committed by a minority.
#[test]
fn agreement_finds_who_does_not_agree() {
    fails("L11", "Backup", 1..2);
    fails("Q12", "Rejoin", 1..2);
    let text = fails("Q11", "FailNoAgree", 1..2);
    assert!(text.contains("committed"), "{text}");
}

/// A log that is never cut on the disk.
#[test]
fn snapshots_find_who_keeps_the_log() {
    let text = fails("P1b", "SnapshotBasic", 1..4);
    assert!(text.contains("bytes of log: ") && text.contains("limit of 1999"), "{text}");
}

/// How often of 10,000 a message gets through, and what it takes at the most, in microseconds.
fn through(wire: &Shared, body: Body) -> (usize, u64) {
    let (mut end, mut random) = (End::new(wire), Random::new(1));
    let message = Message { term: 1, body };
    let (from, to, entries) = (NodeId(0), NodeId(1), Rc::from([]));
    let packet = Packet { from, to, message, entries, file: None };
    let took: Vec<_> = (0..10_000).filter_map(|_| end.carries(&packet, 0, &mut random)).collect();
    (took.len(), took.into_iter().max().unwrap_or(0))
}

/// The labs' network: what is lost, what is late, what is counted.
#[test]
fn the_labs_network() {
    let (request, reply) = (Body::Heartbeat { commit: 0, round: 0 }, Body::Alive { round: 0 });
    let wire = Rc::new(RefCell::new(Wire::new(2)));
    let fast = |(count, most): (usize, u64)| count == 10_000 && most < 1_000;
    assert!(fast(through(&wire, request)) && fast(through(&wire, reply)));
    assert_eq!(wire.borrow().requests, 10_000);
    assert!(wire.borrow().bytes > 100_000, "replies count when they arrive");

    wire.borrow_mut().reliable = false;
    let (count, most) = through(&wire, request);
    assert!((8_800..9_200).contains(&count) && (25_000..28_000).contains(&most), "{count} {most}");
    let (count, most) = through(&wire, reply);
    assert!((8_800..9_200).contains(&count) && most < 1_000, "{count} {most}");

    wire.borrow_mut().reordering = true;
    let (count, most) = through(&wire, reply);
    assert!((8_800..9_200).contains(&count) && (1_500_000..2_200_000).contains(&most));

    wire.borrow_mut().link(NodeId(0), NodeId(1), false);
    assert_eq!((through(&wire, request).0, through(&wire, reply).0), (0, 0));
    assert_eq!(wire.borrow().requests, 30_000, "those into a dead end count too");
}

fn checks(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_checks")).args(arguments).output().expect("checks starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is text")
}

/// Exit codes, the table, and how a failure is told.
#[test]
fn the_command() {
    let output = checks(&["labs", "--filter", "Election", "--rounds", "2", "--virtual"]);
    let table = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{table}");
    assert!(table.contains("ReElection") && table.contains("6 rounds of 3 scenarios, 0 failed"));
    let again = checks(&["labs", "--filter", "Election", "--rounds", "2", "--threads", "1"]);
    assert_eq!(table, text(&again.stdout), "standard output holds nothing of the wall clock");

    let output =
        checks(&["labs", "--filter", "FollowerFailure", "--seeds", "3..4", "--mutant", "Q11"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("FAILED (1 of them, seed 3)"));
    let told = text(&output.stderr);
    assert!(told.contains("labs --filter FollowerFailure --seeds 3..4 --mutant Q11"), "{told}");

    assert_eq!(checks(&["labs", "--filter", "moon"]).status.code(), Some(64));
    assert_eq!(checks(&["labs", "--rounds", "0"]).status.code(), Some(64));
    let list = text(&checks(&["labs", "--list"]).stdout);
    assert!(list.lines().count() >= 2 + scenarios().count(), "{list}");
}

/// A round on threads, in a folder that goes.
fn on_threads<T: Kit>(harsh: bool, kit: T, scenario: &Scenario, seed: u64) -> Report {
    let setting = Setting { real: true, harsh };
    let name = format!("labs-test-{}-{}-{kit:?}-{harsh}", std::process::id(), scenario.name);
    let folder = std::env::temp_dir().join(sum(&name[..]).to_string());
    let report = real_in(setting, kit, scenario, seed, &folder);
    std::fs::remove_dir_all(&folder).expect("the folder was made");
    report
}

/// Real threads and disks: a few scenarios, which also replay their traces. They run at once, for most of them is
/// waiting.
#[test]
fn threads_pass_too() {
    let some = ["BasicAgree", "Persist3", "SnapshotInit", "LeaderFailure4A"].map(scenario);
    let play = |scenario: &Scenario, seed| on_threads(false, Right, scenario, seed);
    for report in many_by(&some, 1..2, some.len(), play) {
        assert_eq!(report.failure, None, "{}", report.scenario);
        assert!(report.requests > 0 && report.bytes > 0 && report.commands > 0, "{report:?}");
        assert_eq!(report.copies, 0, "the labs' network copies nothing");
    }
}

/// A harsh network between threads copies messages between servers: none of these has a client.
#[test]
fn threads_stand_copies() {
    let some = ["Backup", "SnapshotAllCrash"].map(scenario);
    let play = |scenario: &Scenario, seed| on_threads(true, Right, scenario, seed);
    for report in many_by(&some, 1..2, some.len(), play) {
        assert_eq!(report.failure, None, "{}", report.scenario);
        assert!(report.copies > 0 && report.commands > 0, "{report:?}");
    }
}

/// What is in the set for CI are scenarios.
#[test]
fn the_set_for_ci() {
    assert!(CI.iter().all(|name| named(name).is_some()));
}

/// A server is cut off, and the scenario knows nothing of it.
fn deaf(lab: &mut Lab) -> Outcome {
    lab.partition(|server| server == 2);
    agreement::basic_agree(lab)
}

/// On threads, too, what is wrong is found: a link that is cut, a follower for a majority, a disk that says too early
/// that it is done.
#[test]
fn threads_that_are_wrong_fail() {
    let cut = Scenario { name: "Deaf", run: Run::Told(deaf), ..*scenario("BasicAgree") };
    let failed = |report: Report| report.failure.map_or_else(String::new, |(_, text)| text);
    std::thread::scope(|scope| {
        let cut = scope.spawn(|| failed(on_threads(false, Right, &cut, 1)));
        let minority =
            scope.spawn(|| failed(on_threads(false, mutant("Q11"), scenario("FailNoAgree"), 1)));
        let early =
            scope.spawn(|| failed(on_threads(false, mutant("L14"), scenario("Persist2"), 1)));
        let [cut, minority, early] =
            [cut, minority, early].map(|thread| thread.join().expect("it does not panic"));
        assert!(cut.contains("failed to reach agreement of 3 servers"), "{cut}");
        assert!(minority.contains("committed"), "{minority}");
        assert!(!early.is_empty());
    });
}
