//! Jobs as programs for Spark: what is written and what is refused. Whether Spark gives the same output is tested by
//! `spark/run`, which needs Spark.

use crate::stage::{Ended, Stage};

const EXPORT: [&str; 5] = ["export", "--engine", "spark", "--out", "o"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&EXPORT[..], more].concat()
}

#[track_caller]
fn refuses(ended: &Ended, text: &str) {
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains(text) && ended.stdout.is_empty(), "{text}: {ended:?}");
}

#[test]
fn what_run_is_given_is_in_the_program() {
    let stage = Stage::new();
    let job = ["--mapper", "awk \"{ print }\"", "--combiner", "c d", "--reducer", "r", "--reduces"];
    let more = ["7", "--memory", "3M", "--split-bytes", "5K", "--max-attempts", "2", "--workers"];
    let last = ["6", "--task-timeout", "1500ms", "--backup-after", "2s", "--json", "in", "*.txt"];
    let program = stage.done(&with(&[&job[..], &more, &last].concat())).stdout;
    for line in [
        r#""mapper": "awk \"{ print }\"","#,
        r#""combiner": "c d","#,
        r#""reducer": "r","#,
        r#""inputs": ["in", "*.txt"],"#,
        r#""out": "o","#,
        r#""reduces": 7,"#,
        r#""split_bytes": 5120,"#,
        r#""memory_bytes": 3145728,"#,
        r#""max_attempts": 2,"#,
        r#""task_timeout_ms": 1500,"#,
        r#""backup_after_ms": 2000,"#,
        r#""workers": 6,"#,
        r#""json": True,"#,
    ] {
        assert!(program.lines().any(|one| one.trim_start() == line), "{line}");
    }
    assert!(stage.names("").iter().all(|name| name.starts_with("run.")), "nothing else is made");
}

#[test]
fn the_same_job_is_the_same_program_in_a_file_too() {
    let stage = Stage::new();
    let job = with(&["--mapper", "cat", "a"]);
    let program = stage.done(&job).stdout;
    assert_eq!(stage.done(&job).stdout, program);
    let into = [&job[..], &["--to", "job.py"]].concat();
    assert_eq!(stage.done(&into).stdout, "");
    assert_eq!(stage.read("job.py"), program);
    refuses(&stage.run(&into), "job.py exists: remove it, or name another --to");
    let nowhere = [&job[..], &["--to", "no/job.py"]].concat();
    refuses(&stage.run(&nowhere), "can't create no/job.py");
    assert_eq!(stage.read("job.py"), program);
}

#[test]
fn what_spark_can_not_do_is_refused() {
    let stage = Stage::new();
    refuses(&stage.run(&with(&["--app", "wc", "a"])), "the application wc is part of quorate");
    refuses(&stage.run(&with(&["--mapper", "cat", "a", "-"])), "standard input (-) can't be");
    for flag in ["--skip-bad-records", "--debug-intermediate", "--secret-file=s"] {
        let ended = stage.run(&with(&[flag, "--mapper", "cat", "a"]));
        let name = flag.split('=').next().unwrap();
        refuses(&ended, &format!("Spark has nothing like {name}: leave it out"));
    }
    let usage = stage.run(&["export", "--engine", "flink", "--out", "o", "--mapper", "cat", "a"]);
    assert!(usage.stderr.contains("[possible values: spark]"), "{usage:?}");
    let none = stage.run(&with(&["a"]));
    assert!(none.stderr.contains("--app"), "{none:?}");
}
