//! Executables as mapper, combiner and reducer.

use crate::stage::Stage;

const SPLIT: &str = r#"tr -sc 'A-Za-z' '\n' | awk 'NF { print $1 "\t1" }'"#;
const SUM: &str = r#"awk -F'\t' '{ n[$1] += $2 } END { for (k in n) print k "\t" n[k] }' | sort"#;

#[test]
fn word_count_by_a_shell_is_the_built_in_one() {
    let stage = Stage::with_books();
    stage.sequential(&["--app", "wc", "--reduces", "3", "--out", "expected", "pg-*.txt"]);
    for (out, more) in [("o", &[][..]), ("p", &["--combiner", SUM])] {
        let job = ["run", "--workers", "2", "--reduces", "3", "--out", out];
        let programs = ["--mapper", SPLIT, "--reducer", SUM, "pg-*.txt"];
        stage.done(&[&job[..], more, &programs].concat());
        assert_eq!(stage.lines(out, 3), stage.lines("expected", 3));
    }
}

#[test]
fn programs_know_their_task_and_count() {
    let stage = Stage::new();
    stage.write("a", "1\n2\n");
    stage.write("b", "3\n");
    let mapper = "echo reporter:counter:Mine,maps,1 >&2; echo seen by a person >&2; \
        echo \"$mapreduce_map_input_file\t$mapreduce_task_partition\"; cat >/dev/null";
    let ended = stage.done(&[
        "run",
        "--workers",
        "2",
        "--reduces",
        "1",
        "--out",
        "o",
        "--mapper",
        mapper,
        "--json",
        "a",
        "b",
    ]);
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["counters"]["Mine,maps"], 2);
    assert!(ended.stderr.contains("seen by a person"), "{ended:?}");
    assert_eq!(stage.lines("o", 1), ["a\t0", "b\t1"]);
}

#[test]
fn bad_records_are_skipped_when_that_is_asked_for() {
    let stage = Stage::new();
    stage.write("a", "1\n2\nbad\n4\n");
    let mapper = "awk '/bad/ { exit 3 } { print; \
        print \"reporter:counter:SkippingTaskCounters,MapProcessedRecords,1\" >\"/dev/stderr\" }'";
    let job = ["run", "--workers", "1", "--reduces", "1", "--out", "o", "--mapper", mapper];
    let ended = stage.run(&[&job[..], &["a"]].concat());
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    std::fs::remove_dir_all(stage.path("o")).unwrap();
    let ended = stage.done(&[&job[..], &["--skip-bad-records", "--json", "a"]].concat());
    assert_eq!(stage.lines("o", 1), ["1", "2", "4"]);
    let told: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(told["counters"]["map.skipped_records"], 1);
}
