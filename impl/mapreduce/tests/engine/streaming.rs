//! Executables: Hadoop Streaming's contract, with nothing but `sh`, `awk`, `cat` and their like.

use std::fs;
use std::time::{Duration, Instant};

use mapreduce::streaming::Streaming;
use mapreduce::{Blame, Error, Totals, Unwatched, run_map};

use crate::support::{Scratch, Setting, Witness, job, names, planned, run};

fn streaming(mapper: &str, reducer: &str) -> Streaming {
    Streaming {
        mapper: Some(mapper.to_owned()),
        reducer: Some(reducer.to_owned()),
        ..Streaming::default()
    }
}

const WORDS: &str = r#"awk '{ for (i = 1; i <= NF; i++) print $i "\t" 1 }'"#;
const SUM: &str = r#"awk -F'\t' '
    $1 != last { if (NR > 1) print last "\t" sum; last = $1; sum = 0 }
    { sum += $2 }
    END { if (NR > 0) print last "\t" sum }'"#;

fn done(app: &Streaming, text: &str, setting: &Setting) -> (String, Totals) {
    let (output, totals) =
        run(app, &[("text", text.as_bytes())], setting, &Unwatched).expect("the job runs");
    (output.into_iter().map(|part| String::from_utf8(part).expect("UTF-8")).collect(), totals)
}

fn one_reduce() -> Setting {
    Setting { reduces: 1, ..Setting::default() }
}

#[test]
fn word_count_with_and_without_a_combiner() {
    let text = "the dog and the cat and the bird\n".repeat(300);
    let setting = Setting { reduces: 3, split_bytes: 2_000, ..Setting::default() };
    let mut app = streaming(WORDS, SUM);
    let (plain, totals) = done(&app, &text, &setting);
    let mut lines: Vec<_> = plain.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["and\t600", "bird\t300", "cat\t300", "dog\t300", "the\t900"]);
    assert_eq!((totals.map.input_records, totals.map.output_records), (300, 2_400));
    assert_eq!((totals.map.combined_records, totals.reduce.input_records), (2_400, 2_400));
    assert_eq!((totals.reduce.groups, totals.reduce.output_records), (5, 5));
    app.combiner = Some(SUM.to_owned());
    let (combined, totals) = done(&app, &text, &setting);
    assert_eq!(combined, plain);
    assert_eq!(totals.map.combined_records, 5 * 5, "five keys in each of five map tasks");
}

/// As `mapper | sort | reducer` has it: nothing is added to a line, and nothing lost.
#[test]
fn lines_stay_as_they_are() {
    let text = "b\t1\tx\nno tab\na\t\n\tno key\nb\t\nc\r\n\n";
    let expected = "\tno key\n\na\t\nb\t1\tx\nb\t\nc\r\nno tab\n";
    assert_eq!(done(&streaming("cat", "cat"), text, &one_reduce()).0, expected);
    assert_eq!(done(&Streaming::default(), text, &one_reduce()).0, expected);
    // Whoever writes no end of the last line, or nothing.
    assert_eq!(
        done(&streaming("printf 'a\t1\nb'", "cat; printf z"), "x", &one_reduce()).0,
        "a\t1\nb\nz\n"
    );
    assert_eq!(done(&streaming("true", "cat"), text, &one_reduce()).0, "");
}

#[test]
fn counters_status_and_other_words() {
    let mapper = "cat; printf 'reporter:counter:g,n,3\nreporter:counter:g,a,b,-4\n\
        reporter:counter:g,n,2\nreporter:counter:nonsense\nreporter:status:half way\nhello\nbye' >&2";
    let scratch = Scratch::new();
    let word = scratch.write("text", "x\n");
    let app = streaming(mapper, "cat");
    let splits = planned(&app, &[word], &one_reduce()).expect("a plan");
    let job = job(&scratch, splits, &one_reduce());
    let witness = Witness::default();
    let made = run_map(&job.map_task(0, 0), &app, &witness).expect("a map");
    assert_eq!(made.counters.own["g"]["n"], 5);
    assert_eq!(made.counters.own["g"]["a,b"], -4);
    assert_eq!(witness.said(), ["reporter:counter:nonsense", "status half way", "hello", "bye"]);
    let app = streaming(
        "i=0; while [ $i -le 1000 ]; do echo reporter:counter:g,$i,1 >&2; i=$((i+1)); done",
        "",
    );
    let error = run_map(&job.map_task(0, 1), &app, &witness).expect_err("one too many");
    assert!(error.to_string().contains("counter"), "{error}");
}

#[test]
fn the_environment() {
    let mut app = streaming(
        "cat >/dev/null; env | grep -e ^mapreduce -e ^MINE | sed 's/=/\t/'",
        "cat; env | grep -e ^mapreduce_task",
    );
    app.environment.push(("MINE".to_owned(), "a b".to_owned()));
    let (output, _) = done(&app, "0123456789\n", &one_reduce());
    let expected = "MINE\ta b\n\
        mapreduce_job_id\tjob_test\n\
        mapreduce_job_maps\t1\n\
        mapreduce_job_name\ttest\n\
        mapreduce_job_reduces\t1\n\
        mapreduce_map_input_file\ttext\n\
        mapreduce_map_input_length\t11\n\
        mapreduce_map_input_start\t0\n\
        mapreduce_task_attempt_id\tattempt_test_m_000000_0\n\
        mapreduce_task_id\ttask_test_m_000000\n\
        mapreduce_task_ismap\ttrue\n\
        mapreduce_task_partition\t0\n";
    assert!(output.starts_with(expected), "{output}");
    let mut rest: Vec<_> = output[expected.len()..].lines().collect();
    rest.sort_unstable();
    assert_eq!(
        rest,
        [
            "mapreduce_task_attempt_id=attempt_test_r_000000_0",
            "mapreduce_task_id=task_test_r_000000",
            "mapreduce_task_ismap=false",
            "mapreduce_task_partition=0"
        ]
    );
}

fn failure(mapper: &str, reducer: &str, text: &str) -> Error {
    let texts: [(&str, &[u8]); 1] = [("text", text.as_bytes())];
    let error = run(&streaming(mapper, reducer), &texts, &one_reduce(), &Unwatched);
    error.map(|(output, _)| output).expect_err("it fails")
}

#[test]
fn programs_that_fail() {
    let lines = "x\n".repeat(200_000);
    let error = failure("echo warning >&2; echo the reason >&2; exit 3", "cat", &lines);
    assert_eq!((error.blame(), error.record()), (Blame::Application, None));
    let text = error.to_string();
    assert!(text.contains("exit code 3; it said: warning | the reason"), "{text}");
    let error = failure("cat", "cat >/dev/null; kill -9 $$", &lines).to_string();
    assert!(error.contains("killed by signal 9"), "{error}");
    let error = failure("/no/such/program", "cat", "x").to_string();
    assert!(error.contains("exit code 127: is it there"), "{error}");
    let error = failure("/dev/null", "cat", "x").to_string();
    assert!(error.contains("exit code 126: is it executable"), "{error}");
    // One that says how far it is tells which record is the bad one.
    let mapper = "cat >/dev/null; echo reporter:counter:SkippingTaskCounters,MapProcessedRecords,7 >&2; exit 1";
    assert_eq!(failure(mapper, "cat", &lines).record(), Some(7));
}

/// It ends with code 0, so it is content: `head` is a mapper.
#[test]
fn programs_that_stop_reading() {
    let text = "a line of some length\n".repeat(40_000);
    assert_eq!(done(&streaming("head -2", "cat"), &text, &one_reduce()).0.lines().count(), 2);
    assert_eq!(done(&streaming("cat", "head -3"), &text, &one_reduce()).0.lines().count(), 3);
    assert_eq!(done(&streaming("echo only this", "cat"), &text, &one_reduce()).0, "only this\n");
    assert_eq!(
        done(&streaming("exec <&-; echo closed", "cat"), &text, &one_reduce()).0,
        "closed\n"
    );
}

/// Nobody waits for the other: it writes much more than it was given before it reads, and the other way round.
#[test]
fn programs_that_write_before_they_read() {
    let text = "x\n".repeat(300_000);
    let big = "head -c 1000000 /dev/zero | tr '\\0' y | fold -w 99";
    let app = streaming(&format!("{big}; echo; cat >/dev/null"), "cat");
    assert_eq!(
        done(&app, &text, &one_reduce()).0.lines().filter(|line| !line.is_empty()).count(),
        10_102
    );
    let app = streaming("cat", "n=$(wc -l); echo $n");
    assert_eq!(done(&app, &text, &one_reduce()).0.trim(), "300000");
}

#[test]
fn a_flood_on_stderr() {
    let scratch = Scratch::new();
    let word = scratch.write("text", "x\n");
    let app =
        streaming("head -c 2000000 /dev/zero | tr '\\0' '\\n' | sed 's/$/noise/' >&2; cat", "cat");
    let splits = planned(&app, &[word], &one_reduce()).expect("a plan");
    let job = job(&scratch, splits, &one_reduce());
    let witness = Witness::default();
    run_map(&job.map_task(0, 0), &app, &witness).expect("it is only noisy");
    let said = witness.said();
    let bytes: usize = said.iter().map(|line| line.len() + 1).sum();
    assert!((200_000..300_000).contains(&bytes), "{bytes}");
    assert!(said.last().expect("a line").contains("writes too much"));
    // A line without an end is cut.
    let app = streaming("head -c 20000000 /dev/zero >&2; exit 1", "cat");
    let error = run_map(&job.map_task(0, 1), &app, &witness).expect_err("it fails").to_string();
    assert!(error.len() < 1_000, "{}", error.len());
}

/// Whether a command with these words still runs.
fn runs(words: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let mut lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).contains(words))
}

/// One that hangs is killed with all that it has started when the attempt is called off.
#[test]
fn programs_that_hang() {
    for (number, mapper) in
        ["sleep 98761", "cat; sleep 98762", "exec >&-; sleep 98763", "sleep 98764 | cat; true"]
            .iter()
            .enumerate()
    {
        let witness = Witness { patience: 5, ..Witness::default() };
        let texts: [(&str, &[u8]); 1] = [("text", b"x\n")];
        let begun = Instant::now();
        let error = run(&streaming(mapper, "cat"), &texts, &one_reduce(), &witness);
        assert_eq!(error.expect_err("called off").blame(), Blame::Nobody, "{mapper}");
        assert!(begun.elapsed() < Duration::from_secs(600), "not when the sleep is over");
        let words = format!("sleep\09876{}", number + 1);
        let deadline = Instant::now() + Duration::from_secs(60);
        while runs(&words) {
            assert!(Instant::now() < deadline, "{mapper} still runs");
            std::thread::yield_now();
        }
    }
}

/// A combiner that changes keys would put pairs where no reduce task looks for them.
#[test]
fn combiners_keep_keys() {
    let text = "b 1\na 2\n".repeat(20);
    let mut app = streaming(WORDS, SUM);
    app.combiner = Some("sed 's/^b/0/'".to_owned());
    let texts: [(&str, &[u8]); 1] = [("text", text.as_bytes())];
    let error = run(&app, &texts, &one_reduce(), &Unwatched).expect_err("refused");
    assert!(error.to_string().contains("a combiner has to keep keys"), "{error}");
    assert_eq!(error.blame(), Blame::Application);
}

#[test]
fn skipped_records_are_not_fed() {
    let scratch = Scratch::new();
    let word = scratch.write("text", "a\nbad\nb\nc\n");
    let app = streaming("grep -v bad || true", "cat");
    let splits = planned(&app, &[word], &one_reduce()).expect("a plan");
    let job = job(&scratch, splits, &one_reduce());
    let mut task = job.map_task(0, 0);
    task.skip = vec![1..2, 3..4];
    let failing = streaming("while read l; do [ $l != bad ] || exit 1; echo $l; done", "cat");
    let made = run_map(&task, &failing, &Unwatched).expect("the bad one is not there");
    assert_eq!((made.counters.input_records, made.counters.skipped_records), (2, 2));
    assert_eq!(names(&job.folder), ["map-0-0"]);
    // What it counts are the records that it was given: the second one has the number 3.
    task.skip = vec![0..1, 2..3];
    let counts = "cat >/dev/null; echo reporter:counter:SkippingTaskCounters,MapProcessedRecords,1 >&2; exit 1";
    let error = run_map(&task, &streaming(counts, "cat"), &Unwatched).expect_err("it fails");
    assert_eq!(error.record(), Some(3));
}
