//! What the labs' applications write: LABS.md §3.3.

use mapreduce::apps::Program;
use mapreduce::{Application, Unwatched};

use crate::support::{Scratch, Setting, compare, names, run};

fn app(name: &str, folder: &str) -> Box<dyn Application> {
    let mut arguments = vec!["second-ms=1".to_owned()];
    if !folder.is_empty() {
        arguments.push(format!("folder={folder}"));
    }
    Program::built_in(name, &arguments).load().expect("an application")
}

const TEXTS: [(&str, &[u8]); 3] =
    [("pg-tom.txt", b"The dog."), ("pg-b.txt", b"a dog, a cat\n"), ("pg-c.txt", b"")];

/// All lines of all outputs, sorted: what the labs compare.
fn lines(app: &dyn Application) -> Vec<String> {
    let setting = Setting { reduces: 10, ..Setting::default() };
    let (output, _) = run(app, &TEXTS, &setting, &Unwatched).expect("the job runs");
    let text = String::from_utf8(output.concat()).expect("UTF-8");
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn wc_and_indexer() {
    let built_in = |name| Program::built_in(name, &[]).load().expect("an application");
    assert_eq!(lines(&*built_in("wc")), ["The\t1", "a\t2", "cat\t1", "dog\t2"]);
    assert_eq!(
        lines(&*built_in("indexer")),
        ["The\t1 pg-tom.txt", "a\t1 pg-b.txt", "cat\t1 pg-b.txt", "dog\t2 pg-b.txt,pg-tom.txt"]
    );
}

/// The files that the labs' rule gives: FNV-1a of "a" is e40c292c, so the key belongs to file 6 of 10.
#[test]
fn keys_are_in_the_labs_files() {
    let expected = (0xe40c_292c_u32 & 0x7fff_ffff) % 10;
    let setting = Setting { reduces: 10, ..Setting::default() };
    let wc = Program::built_in("wc", &[]).load().expect("an application");
    let (output, _) = run(&*wc, &[("x", b"a")], &setting, &Unwatched).expect("the job runs");
    for (reduce, bytes) in output.iter().enumerate() {
        let is = reduce == expected as usize;
        assert_eq!(bytes.as_slice(), if is { b"a\t1\n".as_slice() } else { b"" });
    }
}

#[test]
fn nocrash() {
    let expected =
        ["a\tpg-b.txt pg-c.txt pg-tom.txt", "b\t10 8 8", "c\t0 13 8", "d\txyzzy xyzzy xyzzy"];
    assert_eq!(lines(&*app("nocrash", "")), expected);
    compare(&*app("nocrash", ""), &TEXTS, &Setting::default());
}

#[test]
fn early_exit() {
    assert_eq!(lines(&*app("early_exit", "")), ["pg-b.txt\t1", "pg-c.txt\t1", "pg-tom.txt\t1"]);
}

#[test]
fn timings_count_living_processes() {
    let scratch = Scratch::new();
    let folder = scratch.folder("pids");
    // A worker that died long ago; no process has this number.
    scratch.write("pids/mr-worker-map-999999999", "x");
    scratch.write("pids/mr-worker-reduce-999999999", "x");
    let place = folder.to_str().expect("UTF-8");
    let pid = std::process::id();
    let found = lines(&*app("mtiming", place));
    assert_eq!(found[0], format!("parallel-{pid}\t1 1 1"));
    assert!(found[1].starts_with(&format!("times-{pid}\t1")), "{found:?}");
    let expected: Vec<_> = ('a'..='j').map(|key| format!("{key}\t1")).collect();
    assert_eq!(lines(&*app("rtiming", place)), expected);
    assert_eq!(names(&folder).len(), 2, "they clean up after themselves");
}

#[test]
fn jobcount() {
    let scratch = Scratch::new();
    let folder = scratch.folder("markers");
    let jobcount = app("jobcount", folder.to_str().expect("UTF-8"));
    assert_eq!(lines(&*jobcount), ["a\t3"]);
    assert_eq!(names(&folder).len(), 3);
}

#[test]
fn arguments() {
    for (name, argument) in
        [("wc", "x"), ("grep", "("), ("nothing", "x"), ("mtiming", "second-ms=x"), ("crash", "x")]
    {
        let program = Program::built_in(name, &[argument.to_owned()]);
        let error = program.load().err().expect("refused").to_string();
        assert!(error.len() > 20, "{error}");
    }
}
