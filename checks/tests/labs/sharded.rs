//! The labs' scenarios of the sharded store: their parameters, a seed is a run, wrong rules fail, and threads pass.

use checks::catalog::hunt;
use checks::labs::catalog::{Scenario, Service, named, scenarios};
use checks::labs::command::{many, many_by};
use checks::labs::round::{Report, Setting, real_in, simulate};
use checks::labs::sharded::Sharded;
use checks::sim::kit::{Kit, Right, Wrong};
use checks::sim::random::sum;

fn scenario(name: &str) -> &'static Scenario {
    named(name).unwrap_or_else(|| panic!("{name} is a scenario"))
}

fn sharded(name: &str) -> Sharded {
    match scenario(name).serves {
        Service::Sharded(sharded) => sharded,
        other => panic!("{name} is of {other:?}"),
    }
}

fn json(reports: &[Report]) -> String {
    serde_json::to_string(reports).expect("a report is plain data")
}

/// The first of some seeds with which a mutant fails in a scenario, and by what.
fn fails(id: &str, name: &str) -> String {
    let wrong = Wrong::of(&hunt(id).expect("a mutant of the models"));
    let found = (1..6).find_map(|seed| simulate(wrong, scenario(name), seed).failure);
    found.unwrap_or_else(|| panic!("{id} passes {name}")).1
}

/// Groups, shards, bounds and networks are the labs'.
#[test]
fn parameters() {
    let all = scenarios().filter(|one| matches!(one.serves, Service::Sharded(_)));
    let all: Vec<_> = all.collect();
    assert_eq!(all.len(), 40);
    for one in &all {
        let Sharded { groups, slots, .. } = sharded(one.name);
        assert_eq!(usize::from(one.servers), 3 * (usize::from(groups) + 1), "{}", one.name);
        let later = one.lab.starts_with('5');
        assert_eq!(slots, if later { 12 } else { 10 }, "{}", one.name);
        if one.lab == "2021 4B" {
            assert_eq!(groups, 3, "{}", one.name);
        }
        assert_eq!(
            one.network() == "U",
            one.name.contains("Unreliable") || one.name.contains("Challenge2")
        );
    }
    let bounds = ["Snapshot", "MissChange", "Concurrent1", "Concurrent3", "Challenge1Delete"];
    let bounds = bounds.map(|name| sharded(&format!("Shardkv{name}")).snapshot_bytes);
    assert_eq!(bounds, [1000, 1000, 100, 300, 1].map(Some));
    assert_eq!(sharded("ManyJoinLeaveReliable5A").groups, 9);
}

/// The same seed is the same run, byte for byte, also where groups of servers are simulated side by side.
#[test]
fn a_seed_is_a_run() {
    let some = ["ShardkvUnreliable3", "ShardkvConcurrent1", "ConcurrentReliable5C"].map(scenario);
    let (one, two) = (many(Right, &some, 5..6, 1), many(Right, &some, 5..6, 2));
    assert_eq!(json(&one), json(&two));
    assert_ne!(json(&one), json(&many(Right, &some, 6..7, 2)));
    let (right, wrong) = (simulate(Right, some[0], 5), simulate(Wrong::NOTHING, some[0], 5));
    assert_eq!(json(&[right]), json(&[wrong]));
}

/// Rules of groups that are wrong: two that serve a slot, reads of what is not here, and what was written last and is
/// left behind.
#[test]
fn moves_find_who_moves_wrongly() {
    for id in ["H1", "H7"] {
        let text = fails(id, "JoinLeaveBasic5A");
        assert!(text.contains("One Group Serves A Slot"), "{id}: {text}");
    }
    let text = fails("H9", "JoinLeaveBasic5A");
    assert!(text.contains("is to be") && text.contains("NoKey"), "{text}");
    let text = fails("QH8", "OneConcurrentClerkReliable5A");
    assert!(text.contains("no order explains"), "{text}");
    let text = fails("H5b", "JoinBasic5A");
    assert!(text.contains("the groups do not finish"), "{text}");
}

/// A round on threads, in a folder that goes.
fn on_threads<T: Kit>(harsh: bool, kit: T, scenario: &Scenario, seed: u64) -> Report {
    let setting = Setting { real: true, harsh };
    let name = format!("sharded-test-{}-{}-{harsh}", std::process::id(), scenario.name);
    let folder = std::env::temp_dir().join(sum(&name[..]).to_string());
    let report = real_in(setting, kit, scenario, seed, &folder);
    std::fs::remove_dir_all(&folder).expect("the folder was made");
    report
}

/// The product's servers of the controller and of groups, with their traces replayed.
#[test]
fn threads_pass_too() {
    let some = ["ShardctrlerMinimalAgain", "ShardkvJoinLeave"].map(scenario);
    let play = |scenario: &Scenario, seed| on_threads(false, Right, scenario, seed);
    for report in many_by(&some, 1..2, some.len(), play) {
        assert_eq!(report.failure, None, "{}", report.scenario);
        assert!(report.requests > 0 && report.bytes > 0 && report.commands > 0, "{report:?}");
    }
}
