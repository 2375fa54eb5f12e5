//! Histories as files, and taken down from threads.

use linear::history::Told;
use linear::kv::file::{self, FORMAT};
use linear::kv::{self, History, Op, Ret};
use linear::sample::{Mix, Sample};
use linear::{Budget, Recorder, Verdict};
use std::sync::Mutex;
use std::thread;

fn read(text: &str) -> Result<History, String> {
    file::read(text.as_bytes()).map_err(|error| error.to_string())
}

fn written(history: &History) -> String {
    let mut bytes = Vec::new();
    file::write(history, &mut bytes).expect("a vector takes all bytes");
    String::from_utf8(bytes).expect("JSON is text")
}

/// What is written is read again, and every operation stands in the lines of its events.
#[test]
fn there_and_back() {
    let mut history =
        Sample { clients: 5, operations: 60, keys: 4, mix: Mix::All, unknown: 100, seed: 1 }
            .history();
    let now = history.last_us();
    for (op, told) in [
        (Op::get([0xff, 0x00]), Told::NotExecuted),
        (
            Op::append("\"\n", [0xc3]),
            Told::Reply(Ret::Done { value: None, version: None, length: Some(1) }),
        ),
        (Op::delete("a", None), Told::Maybe),
        (Op::cas("a", "ä", [0x80]), Told::Reply(Ret::Mismatch)),
    ] {
        history.call(77, now, op).expect("a new client");
        history.end(77, now, told).expect("its call is open");
    }
    history.call(78, now + 1, Op::get("open")).expect("a new client");
    let text = written(&history);
    assert_eq!(read(&text), Ok(history.clone()));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), history.events());
    for operation in history.operations() {
        let line = lines[operation.call.number - 1];
        assert!(
            line.contains("\"call\"")
                && line.contains(&format!("\"client\":{},", operation.client))
        );
    }
}

/// The example in the description of the format is a history, and a good one.
#[test]
fn example() {
    let example: Vec<&str> =
        FORMAT.lines().map(str::trim).filter(|line| line.starts_with('{')).collect();
    let history = read(&example.join("\n")).expect("the example is a history");
    assert_eq!(history.operations().len(), 2);
    assert_eq!(kv::check(&history, Budget::default()).verdict, Verdict::Ok);
}

/// Every error names its line and says what would be right.
#[test]
fn malformed() {
    let good = r#"{"time_us":5,"client":1,"event":"call","op":"set","key":"k","value":"v"}"#;
    let multi =
        r#"{"time_us":5,"client":1,"event":"call","op":"multi","ops":[{"op":"get","key":"k"}]}"#;
    let call = |rest: &str| format!(r#"{{"time_us":6,"client":2,"event":"call",{rest}}}"#);
    let end = |rest: &str| format!(r#"{{"time_us":6,"client":1,"event":"return",{rest}}}"#);
    let cases = [
        ("{".into(), "EOF"),
        (String::new(), "every line is an event"),
        (call(r#""op":"get","key":"k","moon":1"#), "unknown field `moon`"),
        (call(r#""op":"fly","key":"k""#), "there are get, set, put"),
        (call(r#""key":"k""#), "a call needs `op`"),
        (call(r#""op":"get""#), "a get needs `key`"),
        (call(r#""op":"set","key":"k""#), "a set needs `value`"),
        (call(r#""op":"put","key":"k","value":"v""#), "a put needs `version`"),
        (call(r#""op":"cas","key":"k","value":"v""#), "a cas needs `expected`"),
        (call(r#""op":"get","key":"k","value":"v""#), "a get has no `value`"),
        (call(r#""op":"append","key":"k","value":"v","version":1"#), "an append has no `version`"),
        (call(r#""op":"get","key":"k","outcome":"ok""#), "a call has no `outcome`"),
        (call(r#""op":"multi","ops":[]"#), "at least one"),
        (call(r#""op":"multi","ops":[{"op":"multi"}]"#), "a multi needs `ops`"),
        (call(r#""op":"get","key":[1,256]"#), "256"),
        (call(r#""op":"get","key":7"#), "a string or a list of bytes"),
        (
            r#"{"time_us":6,"client":1,"event":"call","op":"get","key":"k"}"#.into(),
            "event 1 is open",
        ),
        (r#"{"time_us":6,"client":3,"event":"return","outcome":"ok"}"#.into(), "no call open"),
        (r#"{"time_us":4,"client":2,"event":"call","op":"get","key":"k"}"#.into(), "before 5"),
        (r#"{"time_us":6,"client":2,"event":"sleep"}"#.into(), "`call` and `return`"),
        (end(r#""outcome":"fine""#), "there are ok, no_key"),
        (end(r#""value":"v""#), "a return needs `outcome`"),
        (end(r#""outcome":"unknown","version":1"#), "has no `version`"),
        (end(r#""outcome":"no_key","value":"v""#), "a no_key has no `value`"),
        (end(r#""outcome":"ok","value":"v""#), "has no `value`"),
        (end(r#""outcome":"mismatch""#), "can't end so: mismatch"),
        (end(r#""outcome":"many","results":[]"#), "can't end so"),
        (end(r#""outcome":"ok","key":"k""#), "a return has no `key`"),
    ];
    for (line, hint) in cases {
        let error = read(&format!("{good}\n{line}\n")).expect_err(&line);
        assert!(error.starts_with("line 2: "), "{line}: {error}");
        assert!(error.contains(hint), "{line}: `{error}` does not say `{hint}`");
    }
    for (line, hint) in [
        (end(r#""outcome":"ok""#), "can't end so"),
        (end(r#""outcome":"many","results":[{"outcome":"ok"}]"#), "an ok to a get needs `value`"),
        (end(r#""outcome":"many","results":[{}]"#), "a result needs `outcome`"),
    ] {
        let error = read(&format!("{multi}\n{line}\n")).expect_err(&line);
        assert!(error.starts_with("line 2: ") && error.contains(hint), "{line}: {error}");
    }
    assert!(read("").expect_err("nothing is no history").contains("no event"));
    let not_text = file::read(&b"{}\n\xff\n"[..]).expect_err("it is not UTF-8").to_string();
    assert!(not_text.starts_with("line 1: ") || not_text.starts_with("line 2 "), "{not_text}");
}

/// Threads on a map behind a lock: what they did is linearizable. Where the map is read outside of the lock's time, in
/// a copy from before, it is not.
#[test]
fn from_threads() {
    for stale in [false, true] {
        let recorder: kv::Recorder = Recorder::new();
        let value = Mutex::new((Vec::new(), 0_u64));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut client = recorder.client();
                    for number in 0..50 {
                        let piece = format!("{}.{number};", client.number());
                        let open = client.call(Op::append("k", &piece));
                        let mut value = value.lock().expect("nobody panics with it");
                        value.0.extend_from_slice(piece.as_bytes());
                        value.1 += 1;
                        let version = value.1;
                        drop(value);
                        open.reply(Ret::version(version));
                        if number == 20 {
                            // It is given up: nobody knows.
                            drop(client.call(Op::append("k", "lost")));
                        }
                    }
                });
            }
        });
        let mut reader = recorder.client();
        let open = reader.call(Op::get("k"));
        let (mut bytes, mut version) = value.into_inner().expect("nobody panicked with it");
        if stale {
            let end = bytes[..bytes.len() - 1]
                .iter()
                .rposition(|byte| *byte == b';')
                .map_or(0, |at| at + 1);
            bytes.truncate(end);
            version -= 1;
        }
        open.reply(Ret::value(bytes, version));
        let _never_ended = std::mem::ManuallyDrop::new(reader.call(Op::set("k", "open")));
        let history = recorder.take();
        let report = kv::check(&history, Budget::default());
        let expected = if stale { Verdict::Illegal } else { Verdict::Ok };
        assert_eq!(report.verdict, expected);
        assert_eq!((report.counts.operations, report.counts.pending), (4 * 51 + 2, 5));
        assert_eq!(read(&written(&history)), Ok(history));
        assert!(recorder.take().operations().is_empty());
    }
}
