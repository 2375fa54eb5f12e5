//! What the matrix must notice.

use super::{Column, KINDS, Matrix, Sources, Wrong, compare};
use std::collections::BTreeSet;

const SPEC: &str = "\
- **RAFT-VOTE-1** — One vote a term.\n\
- **GATE-FILL** — Buffer and mark change together.\n\
- **WAL-SYNC** — What a sync says counts.\n\
- **TRACE-LEAVE** — It is written first.\n\
| DEP-SELF | a departure |\n";

/// A checkout in which nothing is missing.
const WHOLE: [(&str, &str); 10] = [
    ("model/protocol/src/raft/rules.rs", "/// RAFT-VOTE-1. First come, first served. DEP-SELF.\n"),
    ("model/src/node.rs", "// RAFT-VOTE-1\n"),
    ("model/tests/votes.rs", "// RAFT-VOTE-1\n"),
    ("impl/src/gate.rs", "/// GATE-FILL. Together.\nfn fill() {}\n"),
    ("impl/src/trace/record.rs", "// TRACE-LEAVE\n"),
    ("checks/tests/replay/format.rs", "/// TRACE-LEAVE, byte by byte.\n"),
    ("impl/src/wal/rules.rs", "/// WAL-SYNC. What it said.\nfn sync() {}\n"),
    (
        "impl/tests/loom/bugs.rs",
        "bug! {\n    // GATE-FILL: lets go.\n    FillsLater: Rules;\n    it {}\n}\n",
    ),
    (
        "impl/tests/loom/gate.rs",
        "use super::bugs::FillsLater;\n/// GATE-FILL.\nfn a() {\n    dies(\"\", fill::<FillsLater>);\n}\n",
    ),
    (
        "impl/tests/wal/bugs.rs",
        "bug! {\n    // WAL-SYNC: swallows\n    // errors.\n    Swallows,\n}\nfn a() { dies(Swallows, 1) }\n",
    ),
];

/// The matrix of a checkout that is whole but for some files, each with another text.
fn with(changes: &[(&str, &str)]) -> Matrix {
    let mut files: Vec<(String, String)> =
        WHOLE.map(|(name, text)| (name.into(), text.into())).into();
    files.push(("impl/tests/wal/crashes.rs".into(), "/// WAL-SYNC, under faults.\n".into()));
    for (name, text) in changes {
        files.retain(|(other, _)| other != name);
        files.push(((*name).into(), (*text).into()));
    }
    let mutant = Wrong { name: "Q2".into(), ids: vec!["RAFT-VOTE-1".into()] };
    compare(SPEC, &Sources { files }, vec![mutant])
}

fn gaps(matrix: &Matrix) -> Vec<(&str, &str)> {
    let lines = matrix.lines.iter();
    lines.flat_map(|line| line.gaps.iter().map(|gap| (line.id.as_str(), *gap))).collect()
}

/// What is missing where one file has another text.
fn missing(name: &str, text: &str, expected: &[(&str, &str)]) {
    let matrix = with(&[(name, text)]);
    assert_eq!(gaps(&matrix), expected, "{name}: {text}");
}

#[test]
fn a_whole_checkout_has_no_gap() {
    let matrix = with(&[]);
    assert_eq!((gaps(&matrix), matrix.unknown.clone()), (vec![], vec![]));
    let gate = &matrix.lines[1];
    assert_eq!(gate.code, ["impl/src/gate.rs"]);
    assert_eq!(gate.test, ["impl/tests/loom/gate.rs"], "the bugs are no tests");
    assert_eq!(gate.mutant, ["FillsLater"]);
    assert_eq!(matrix.lines[2].mutant, ["Swallows"]);
}

#[test]
fn whatever_is_missing_is_a_gap() {
    missing("model/protocol/src/raft/rules.rs", "", &[("RAFT-VOTE-1", "code")]);
    missing("model/src/node.rs", "", &[("RAFT-VOTE-1", "model")]);
    missing("model/tests/votes.rs", "", &[("RAFT-VOTE-1", "test")]);
    missing("impl/src/gate.rs", "", &[("GATE-FILL", "code")]);
    missing("impl/src/wal/rules.rs", "", &[("WAL-SYNC", "code")]);
    missing("impl/tests/wal/crashes.rs", "", &[("WAL-SYNC", "test")]);
    missing("impl/src/trace/record.rs", "", &[("TRACE-LEAVE", "code")]);
    missing("checks/tests/replay/format.rs", "", &[("TRACE-LEAVE", "test")]);
    missing("impl/tests/loom/bugs.rs", "", &[("GATE-FILL", "mutant")]);
    missing("impl/tests/wal/bugs.rs", "", &[("WAL-SYNC", "mutant")]);
    let uses = "dies(\"\", fill::<FillsLater>);";
    missing("impl/tests/loom/gate.rs", uses, &[("GATE-FILL", "test")]);
}

/// A test elsewhere is not one under every schedule.
#[test]
fn a_rule_of_the_threads_needs_a_loom_test() {
    let gate = ("impl/tests/loom/gate.rs", "dies(\"\", fill::<FillsLater>);");
    let threads = ("impl/tests/threads.rs", "/// GATE-FILL, by chance.");
    assert_eq!(gaps(&with(&[gate, threads])), [("GATE-FILL", "test")]);
}

#[test]
fn a_bug_that_no_test_is_run_with_is_none() {
    for unused in [
        "use super::bugs::FillsLater;\n/// GATE-FILL.\nfn a() {}\n",
        "/// GATE-FILL.\n// dies(\"\", fill::<FillsLater>);\n",
        "/// GATE-FILL.\ndies(\"\", fill::<FillsLaterStill>);\n",
    ] {
        missing("impl/tests/loom/gate.rs", unused, &[("GATE-FILL", "mutant")]);
    }
    let nowhere = "// WAL-SYNC: swallows errors.\nSwallows,\n";
    missing("impl/tests/wal/bugs.rs", nowhere, &[("WAL-SYNC", "mutant")]);
}

#[test]
fn an_id_that_spec_does_not_have_is_unknown() {
    for (text, expected) in [
        ("/// TIMER-LATE. Never.", "TIMER-LATE"),
        ("let a = 1; // see WAL-TAIL-3", "WAL-TAIL-3"),
        ("// PIPE-FLOW: a prefix that nobody knows", "PIPE-FLOW"),
        ("/// DEP-NOWHERE", "DEP-NOWHERE"),
    ] {
        assert_eq!(with(&[("impl/src/new.rs", text)]).unknown, [expected], "{text}");
    }
    for fine in
        ["/// UTF-8, if it is text.", "// HMAC-SHA256 of both.", "const A: u8 = B - C; // X-Y"]
    {
        assert_eq!(with(&[("impl/src/new.rs", fine)]).unknown, [""; 0], "{fine}");
    }
    let mutant = Wrong { name: "Q1".into(), ids: vec!["RAFT-NONE-1".into()] };
    let files = WHOLE.map(|(name, text)| (name.to_string(), text.to_string())).into();
    let matrix = compare(SPEC, &Sources { files }, vec![mutant]);
    assert_eq!(matrix.unknown, ["RAFT-NONE-1"]);
}

#[test]
fn a_line_with_a_prefix_of_its_own_has_no_table_to_go_by() {
    let matrix = compare("- **PIPE-FLOW** — It flows.\n", &Sources::default(), Vec::new());
    assert_eq!(gaps(&matrix), [("PIPE-FLOW", "a row of the table of prefixes")]);
}

/// The table of prefixes in SPEC.md is the one that is checked: the same prefixes, and what each must have.
#[test]
fn the_table_of_prefixes_is_ours() {
    let spec = include_str!("../../../SPEC.md");
    let rows = spec.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|row| {
        let [prefixes, _, columns] = row.split(" | ").collect::<Vec<_>>()[..] else { return None };
        Some((prefixes.trim_end_matches('`').split("`, `").collect::<Vec<_>>(), columns))
    });
    let mut found = BTreeSet::new();
    for (prefixes, columns) in rows.filter(|(prefixes, _)| prefixes[0].ends_with('-')) {
        for prefix in prefixes {
            let kind = KINDS.iter().find(|kind| kind.prefix == prefix);
            let kind = kind.unwrap_or_else(|| panic!("{prefix} is not checked"));
            for column in [Column::Code, Column::Model, Column::Test, Column::Mutant] {
                let mut words = columns.split(|c: char| !c.is_alphanumeric());
                let says = words.any(|word| word == column.name());
                let needs = kind.needs("").any(|needed| needed == column);
                assert_eq!(says, needs, "{prefix}: {}", column.name());
            }
            assert!(found.insert(prefix), "{prefix} stands there twice");
        }
    }
    assert_eq!(found.len(), KINDS.len(), "every prefix has its row");
}
