//! What goes wrong is said, with what to do about it, and leaves nothing half done.

use crate::stage::Stage;

const JOB: [&str; 7] = ["run", "--workers", "1", "--reduces", "2", "--app", "wc"];

fn words<'a>(out: &'a str, input: &'a str) -> Vec<&'a str> {
    [&JOB[..], &["--out", out, input]].concat()
}

/// Runs it with something else in the environment.
#[track_caller]
fn refuses_with(stage: &Stage, variables: &[(&str, &str)], texts: &[&str]) {
    for words in [words("s3://bucket/o", "texts"), words("o", "s3://bucket/texts")] {
        let mut command = stage.command(&words);
        command.envs(variables.iter().copied());
        let ended = stage.start_as("run", command).end();
        texts.iter().for_each(|text| ended.refuses(text));
        assert!(stage.keys("o").is_empty() && !stage.here("o/mr-out-0").exists());
    }
}

#[test]
fn buckets_objects_and_patterns_that_are_not_there() {
    let stage = Stage::with_texts();
    let missing = "there is no bucket none at http://127.0.0.1:";
    stage.refuses(&words("s3://none/o", "texts"), missing);
    stage.refuses(&words("s3://bucket/o", "s3://none/texts"), missing);
    stage.refuses(
        &words("s3://bucket/o", "s3://bucket/text"),
        "no file matches \"s3://bucket/text\"",
    );
    stage.refuses(&words("s3://bucket/o", "s3://bucket/t*/*.md"), "no file matches");
    stage.refuses(&words("s3://bucket/o", "s3://bucket/[*"), "is no pattern");
    stage.refuses(&words("s3://bucket/o", "s3://"), "names no bucket");
    let ended = stage.run(&words("s3:///o", "texts"));
    assert!(ended.stderr.contains("names no bucket"), "{ended:?}");
    assert_eq!(stage.keys("o"), [""; 0], "nothing was made");
}

#[test]
fn credentials_that_are_wrong() {
    let stage = Stage::with_texts();
    let advice = "correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
    for wrong in [("AWS_SECRET_ACCESS_KEY", "guessed"), ("AWS_ACCESS_KEY_ID", "somebody")] {
        refuses_with(&stage, &[wrong], &["refuses these credentials", advice]);
    }
}

#[test]
fn a_store_that_is_not_there() {
    let stage = Stage::with_texts();
    // A port that was drawn, and given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let address = port.expect("there is one");
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://{address}");
        let said = format!("no answer from {url} (AWS_ENDPOINT_URL): correct AWS_ENDPOINT_URL");
        refuses_with(&stage, &[("AWS_ENDPOINT_URL", &url)], &[&said, "onnection refused"]);
    }
    refuses_with(&stage, &[("AWS_ALLOW_HTTP", "no")], &["set AWS_ALLOW_HTTP=true"]);
}

/// It takes connections, and says nothing.
#[test]
fn a_store_that_does_not_answer() {
    let stage = Stage::with_texts();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let url = format!("http://{}", silent.local_addr().expect("it is bound"));
    let mut command = stage.command(&words("s3://bucket/o", "texts"));
    command.env("AWS_ENDPOINT_URL", &url);
    stage.start_as("run", command).end().refuses(&format!("no answer from {url}"));
    assert!(stage.keys("o").is_empty());
}

#[test]
fn an_output_that_is_not_free() {
    let stage = Stage::with_texts();
    stage.write(&stage.object("o/letter"), "dear");
    stage.refuses(&words("s3://bucket/o", "texts"), "exists and holds letter");
    assert_eq!(stage.keys("o"), ["letter"]);
    stage.done(&words("s3://bucket/p", "s3://bucket/texts"));
    let before = stage.outputs("p", 2);
    stage.refuses(&words("s3://bucket/p", "s3://bucket/texts"), "exists and holds mr-out-0");
    assert_eq!(stage.outputs("p", 2), before);
}

/// A job that fails stays, and goes on when its cause is mended.
#[test]
fn a_mapper_that_fails_until_it_is_mended() {
    let stage = Stage::with_texts();
    stage.write(&stage.here("map.sh"), "echo no such thing >&2; exit 7\n");
    let job = ["run", "--workers", "2", "--reduces", "1", "--max-attempts", "2", "--mapper"];
    let words = [&job[..], &["sh map.sh", "--out", "s3://bucket/o", "s3://bucket/texts"]].concat();
    let ended = stage.run(&words);
    ended.refuses("no such thing");
    ended.refuses("aws s3 rm --recursive s3://bucket/o/");
    stage.write(&stage.here("map.sh"), "grep -c whale; true\n");
    stage.done(&words);
    assert_eq!(stage.lines("o", 1).len(), 6, "a line for each text that is not empty");
}

#[test]
fn what_spark_would_have_to_read_from_a_store() {
    let stage = Stage::new();
    let export = ["export", "--engine", "spark", "--mapper", "cat", "--out"];
    let refuses = |places: &[&str]| {
        stage.refuses(&[&export[..], places].concat(), "is in an object store");
    };
    refuses(&["s3://bucket/o", "here"]);
    refuses(&["o", "s3://bucket/texts"]);
}
