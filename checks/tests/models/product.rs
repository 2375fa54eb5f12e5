//! What the project promises as a whole: what the product does not depend on, and that no corner is for show.

use model::bounds::Bounds;
use model::cluster::{Cluster, State};
use model::node::DiskFault;
use model::probes::Probe;
use model::{runs, script, search};
use protocol::quorum::NodeSet;
use protocol::raft::Paper;
use std::process::Command;

/// The packages that a normal build of `package` takes in, itself included.
fn tree(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--package", package])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs, for it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("package names are text");
    text.lines().filter_map(|line| line.split_whitespace().next()).map(String::from).collect()
}

/// The transition functions depend on nothing, and nor does the allocator that counts.
#[test]
fn the_lowest_floor_stands_alone() {
    assert_eq!(tree("protocol"), ["protocol"]);
    assert_eq!(tree("counting"), ["counting"]);
}

/// The two top floors do not stand on each other, and what ships has the system's allocator.
#[test]
fn the_top_floors_stand_side_by_side() {
    let (checks, benches) = (tree("checks"), tree("benches"));
    assert!(checks.contains(&"counting".to_string()), "the test can see a dependency");
    assert!(!checks.contains(&"benches".to_string()) && !benches.contains(&"checks".to_string()));
    assert!(!tree("quorate").contains(&"counting".to_string()));
}

/// Nothing but the checks takes in the models, so no mutant can get into what ships.
#[test]
fn only_checks_depends_on_the_models() {
    assert!(tree("checks").contains(&"model".to_string()), "the test can see a dependency");
    for package in ["protocol", "quorate", "benches"] {
        let tree = tree(package);
        assert!(!tree.contains(&"model".to_string()), "{package} takes in the mutants: {tree:?}");
        assert!(!tree.contains(&"stateright".to_string()), "{package} takes in stateright");
    }
}

/// A corner that no run must reach would say nothing when it is missed. The standard set asks for all but one,
/// which takes more states than it has; the next test goes there.
#[test]
fn every_corner_is_required_somewhere() {
    let reaches = |corner: &Probe| runs::all().any(|run| run.reaches.contains(corner));
    let missing: Vec<_> = Probe::ALL.iter().filter(|corner| !reaches(corner)).collect();
    assert_eq!(missing, [&Probe::SnapshotKeptTail]);
}

/// The corner that no run is required to reach, by a path that the model allows.
#[test]
fn a_snapshot_may_leave_entries_behind_it() {
    let bounds = Bounds {
        heartbeats: true,
        campaigners: NodeSet::first(1),
        compactions: 1,
        compactors: NodeSet::first(1),
        ..Bounds::plain(3)
    };
    let cluster = Cluster::new(bounds, Paper, DiskFault::None);
    let path: &[&[&str]] = &[
        &["n0 campaign", "n0 disk", "n0→n1 RequestVote", "n1 disk", "n1→n0 VoteGranted"],
        &["n0 client proposes", "n0 Heartbeat timer", "n0→n1 Heartbeat", "n1→n0 Alive", "n0 disk"],
        &["n0→n2 t1 AppendEntries", "n2 disk", "n2 disk", "n2→n0 Accepted", "n0 snapshot"],
        &["n0 Heartbeat timer", "n0→n1 Heartbeat", "n1→n0 Alive"],
        &["n0→n1 t1 AppendEntries prev 0.0 entries 1.1..2"],
    ];
    let (_, before) = script::follow(&cluster, path).expect("the model allows it");
    assert!(!cluster.probes.reached(Probe::SnapshotKeptTail));
    let install: &[&[&str]] = &[&["n0→n1 InstallSnapshot"]];
    let (_, state) = script::follow(&cluster, &[path, install].concat()).expect("and this");
    assert!(cluster.probes.reached(Probe::SnapshotKeptTail));
    assert_eq!(search::violated(&cluster, &state), None);
    let log = |state: &State<Paper>| state.actor_states[1].replica().raft().last();
    assert_eq!(log(&state), log(&before), "the entry behind the snapshot is still there");
}
