//! What the project promises as a whole: what the product does not depend on, and that no corner is for show.

use model::probes::Probe;
use model::runs;
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

/// The transition functions depend on nothing.
#[test]
fn protocol_stands_alone() {
    assert_eq!(tree("protocol"), ["protocol"]);
}

/// Nothing but the checks takes in the models, so no mutant can get into what ships.
#[test]
fn only_checks_depends_on_the_models() {
    assert!(tree("checks").contains(&"model".to_string()), "the test can see a dependency");
    for package in ["protocol", "benches"] {
        let tree = tree(package);
        assert!(!tree.contains(&"model".to_string()), "{package} takes in the mutants: {tree:?}");
        assert!(!tree.contains(&"stateright".to_string()), "{package} takes in stateright");
    }
}

/// A corner that no run must reach would say nothing when it is missed; the standard set alone asks for all
/// but what takes a snapshot with entries behind it.
#[test]
fn every_corner_is_required_somewhere() {
    let missing = |runs: &[runs::Run]| -> Vec<Probe> {
        let reaches = |corner: &Probe| runs.iter().any(|run| run.reaches.contains(corner));
        Probe::ALL.iter().copied().filter(|corner| !reaches(corner)).collect()
    };
    assert_eq!(missing(runs::STANDARD), [Probe::SnapshotKeptTail]);
    assert!(runs::DEEP.iter().any(|run| run.reaches.contains(&Probe::SnapshotKeptTail)));
}
