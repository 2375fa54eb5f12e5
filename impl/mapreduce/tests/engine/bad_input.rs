//! What people give to it: the error says what to do, or the result is what they would expect.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;

use flate2::write::GzEncoder;
use mapreduce::apps::Program;
use mapreduce::input::{Compression, PlanOptions, plan, spool};
use mapreduce::{
    Application, Blame, Emitter, Error, Limits, Outcome, Output, Record, Unwatched, Values,
    prepare_output, run_map, run_reduce,
};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::support::{Scratch, Setting, compare, job, names, planned, run};

fn built_in(name: &str) -> Box<dyn Application> {
    Program::built_in(name, &[]).load().expect("an application")
}

fn says(error: &Error, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

fn plan_of(word: &str) -> Result<Vec<mapreduce::Split>, Error> {
    plan(&[word.to_owned()], &PlanOptions { split_bytes: 10, ..PlanOptions::default() })
}

#[test]
fn words_that_stand_for_nothing() {
    let scratch = Scratch::new();
    let folder = scratch.folder("empty").display().to_string();
    scratch.write("empty/.hidden", "x");
    scratch.write("empty/_SUCCESS", "x");
    for word in ["/no/such/file", &format!("{folder}/*.txt"), &folder] {
        let error = plan_of(word).expect_err("there is nothing");
        assert_eq!(error.blame(), Blame::Job);
        says(&error, &["no file matches", word, "quotes"]);
    }
    says(&plan_of("a[").expect_err("no pattern"), &["is no pattern"]);
    says(&plan_of("-").expect_err("nothing was spooled"), &["standard input"]);
}

#[test]
fn what_is_no_file() {
    let scratch = Scratch::new();
    let pipe = scratch.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let error = plan_of(pipe.to_str().expect("UTF-8")).expect_err("a pipe can't be split");
    says(&error, &["no regular file", "standard input"]);
    let circle = scratch.path("circle");
    symlink(&circle, &circle).expect("a link");
    let error = plan_of(circle.to_str().expect("UTF-8")).expect_err("it leads nowhere");
    says(&error, &["circle", "can't be read"]);
    let mut odd = scratch.folder("odd").into_os_string().into_vec();
    odd.extend_from_slice(b"/\xff");
    fs::write(std::ffi::OsString::from_vec(odd), "x").expect("a file");
    let error = plan_of(scratch.path("odd").to_str().expect("UTF-8")).expect_err("not UTF-8");
    says(&error, &["not UTF-8", "rename"]);
}

#[test]
fn words_folders_and_patterns() {
    let scratch = Scratch::new();
    scratch.folder("in/deep");
    for (name, text) in
        [("in/b.txt", "0123456789x"), ("in/deep/a", "x"), ("in/[a].txt", "y"), ("in/empty", "")]
    {
        scratch.write(name, text);
    }
    symlink(scratch.path("in"), scratch.path("in/circle")).expect("a link");
    let found = |word: &str| {
        let word = scratch.path(word).display().to_string();
        let splits = plan_of(&word).expect("a plan");
        let root = scratch.path("in/").display().to_string();
        let short = |split: &mapreduce::Split| {
            (split.name.replacen(&root, "", 1), split.start, split.length)
        };
        splits.iter().map(short).collect::<Vec<_>>()
    };
    let one = ("[a].txt".to_owned(), 0, 1);
    let (two, three) = (("b.txt".to_owned(), 0, 5), ("b.txt".to_owned(), 5, 6));
    let deep = ("deep/a".to_owned(), 0, 1);
    assert_eq!(found("in/[a].txt"), std::slice::from_ref(&one), "a name before a pattern");
    assert_eq!(found("in/*.txt"), [one.clone(), two.clone(), three.clone()]);
    assert_eq!(found("in"), [one, two, three, deep.clone()]);
    assert_eq!(found("in/**/a"), [deep]);
    assert_eq!(found("in/empty"), []);
}

#[test]
fn files_that_change_or_vanish() {
    let scratch = Scratch::new();
    let wc = built_in("wc");
    let word = scratch.write("text", "some words\nand more\n");
    let splits = planned(&*wc, std::slice::from_ref(&word), &Setting::default()).expect("a plan");
    let job = job(&scratch, splits, &Setting::default());
    fs::write(&word, "some words\n").expect("a file");
    let error = run_map(&job.map_task(0, 0), &*wc, &Unwatched).expect_err("it is shorter");
    says(&error, &["text", "11 bytes", "had 20", "start the job anew"]);
    fs::remove_file(&word).expect("a file");
    let error = run_map(&job.map_task(0, 0), &*wc, &Unwatched).expect_err("it is gone");
    says(&error, &["text", "it is gone"]);
    assert_eq!(error.blame(), Blame::Worker);
    assert_eq!(names(&job.folder), [""; 0]);
}

#[test]
fn any_bytes() {
    let texts: [(&str, &[u8]); 6] = [
        ("empty", b""),
        ("no-end", b"one two"),
        ("crlf", b"two\r\nthree\r\n\r\n"),
        ("nul", b"\0\0one\0two\0\n\0"),
        ("invalid", b"caf\xe9 caf\xc3\xa9 \xff\xfe\n\xf0\x9f"),
        ("breaks", b"\n\n\r\n\n"),
    ];
    for name in ["wc", "indexer"] {
        let totals = compare(&*built_in(name), &texts, &Setting::default());
        assert_eq!(totals.map.output_records, 8);
    }
    let (output, _) =
        run(&*built_in("wc"), &texts, &Setting { reduces: 1, ..Setting::default() }, &Unwatched)
            .expect("the job runs");
    let expected = "caf\t1\ncafé\t1\none\t2\nthree\t1\ntwo\t3\n";
    assert_eq!(String::from_utf8_lossy(&output[0]), expected);
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn compressed_files() {
    let text = "some words in lines\nof their own\n".repeat(50);
    let text = text.as_bytes();
    let zstd = |text: &[u8]| compress_to_vec(text, CompressionLevel::Fastest);
    // Members and frames follow one another, and a frame may be for others.
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let whole = [text, text].concat();
    let setting = Setting { reduces: 1, split_bytes: 100, ..Setting::default() };
    let (expected, _) =
        run(&*built_in("sort"), &[("plain", &whole)], &setting, &Unwatched).expect("the job runs");
    for (kind, packed) in [
        (Compression::Gzip, [gzip(text), gzip(text)].concat()),
        (Compression::Zstd, [zstd(text), skipped.clone(), zstd(text)].concat()),
        (Compression::Zstd, [skipped, zstd(text), zstd(text)].concat()),
    ] {
        let texts: [(&str, &[u8]); 1] = [("packed", &packed)];
        let (output, totals) =
            run(&*built_in("sort"), &texts, &setting, &Unwatched).expect("the job runs");
        assert_eq!(output, expected, "{kind:?}");
        assert_eq!(totals.map.input_records, 200);
        let scratch = Scratch::new();
        let word = scratch.write("packed", &packed);
        let splits = planned(&*built_in("sort"), &[word], &setting).expect("a plan");
        let found: Vec<_> = splits.iter().map(|split| split.compression).collect();
        assert_eq!(found, [kind], "one split");
        for cut in [10, packed.len() / 3, packed.len() - 3] {
            let texts: [(&str, &[u8]); 1] = [("packed", &packed[..cut])];
            let error = run(&*built_in("sort"), &texts, &setting, &Unwatched).expect_err("cut off");
            says(&error, &["packed", "damaged after", "bytes of text"]);
        }
    }
    let mut packed = gzip(text);
    let at = packed.len() - 8;
    packed[at] ^= 1;
    let error = run(&*built_in("wc"), &[("packed", &packed)], &setting, &Unwatched);
    says(&error.expect_err("a wrong checksum"), &["packed", "damaged"]);
}

#[test]
fn standard_input() {
    let scratch = Scratch::new();
    let mut text: &[u8] = b"from a pipe\nwith two lines\n";
    let stdin = spool(&mut text, &scratch.folder("spool")).expect("it can be spooled");
    let stdin = Some(stdin.into());
    let options = PlanOptions { split_bytes: 10, stdin, ..PlanOptions::default() };
    let splits = plan(&["-".to_owned()], &options).expect("a plan");
    assert_eq!(splits.len(), 3);
    assert!(splits.iter().all(|split| split.name == "-" && split.file_bytes == 27));
    symlink("/dev/full", scratch.folder("full").join("stdin")).expect("a link");
    let mut text: &[u8] = b"from a pipe";
    let error = spool(&mut text, &scratch.path("full")).expect_err("the disk is full");
    says(&error, &["spool", "free space"]);
    assert_eq!(names(&scratch.path("full")), [""; 0]);
}

#[test]
fn a_line_that_is_too_long() {
    let text = [b"short\n".as_slice(), &[b'x'; 9_000], b"\n"].concat();
    let limits = Limits { record_bytes: 8_000, ..Limits::default() };
    let setting = Setting { limits, ..Setting::default() };
    let error = run(&*built_in("wc"), &[("text", &text)], &setting, &Unwatched);
    says(&error.expect_err("too long"), &["text", "byte 6", "8000 bytes", "raise the limit"]);
    let limits = Limits { record_bytes: 9_000, ..Limits::default() };
    compare(&*built_in("wc"), &[("text", &text)], &Setting { limits, ..setting });
}

/// `/dev/full` is a disk that always is.
#[test]
fn a_full_disk() {
    let scratch = Scratch::new();
    let app = built_in("sort");
    let line = "a line of some length, to be written soon\n";
    let word = scratch.write("text", line.repeat(20_000));
    for memory_bytes in [1 << 10, 64 << 20] {
        let limits = Limits { memory_bytes, ..Limits::default() };
        let setting = Setting { reduces: 1, split_bytes: 1 << 40, limits };
        let splits = planned(&*app, std::slice::from_ref(&word), &setting).expect("a plan");
        let job = job(&scratch, splits, &setting);
        let full = job.folder.join("map-0-0.part");
        symlink("/dev/full", &full).expect("a link");
        let error = run_map(&job.map_task(0, 0), &*app, &Unwatched).expect_err("it is full");
        assert_eq!(error.blame(), Blame::Worker);
        says(&error, &["map-0-0", "free space", "is removed"]);
        assert_eq!(names(&job.folder), [""; 0]);
        let made = run_map(&job.map_task(0, 1), &*app, &Unwatched).expect("elsewhere it runs");
        symlink("/dev/full", job.folder.join("reduce-0-0.part")).expect("a link");
        let task = job.reduce_task(0, 0, vec![made.file.clone()]);
        let error = run_reduce(&task, &*app, &Unwatched).expect_err("it is full");
        says(&error, &["reduce-0-0", "free space"]);
        assert_eq!(names(&job.folder), ["map-0-1"]);
        fs::remove_file(made.file.path.local().expect("a path")).expect("the file");
    }
}

struct Odd(&'static [u8], &'static [u8]);

impl Application for Odd {
    fn map(&self, _: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
        out.emit(self.0, self.1);
        Ok(())
    }

    fn reduce(&self, key: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome {
        while let Some(value) = values.next() {
            out.write(key, value);
        }
        Ok(())
    }
}

/// What could not be read back is refused; everything else is written as it is.
#[test]
fn keys_with_tabs_and_line_feeds() {
    let one = |odd: Odd| {
        let setting = Setting { reduces: 1, ..Setting::default() };
        run(&odd, &[("text", b"x")], &setting, &Unwatched).map(|(output, _)| output.concat())
    };
    for odd in [Odd(b"a\tb", b""), Odd(b"a\nb", b""), Odd(b"ab", b"\n")] {
        says(&one(odd).expect_err("ambiguous"), &["tab or a line feed", "escape", "record 0"]);
    }
    for (key, value) in [(&b""[..], &b""[..]), (b"\\t\0\xff\r", b"tabs\tare\tfine\\n")] {
        let line = [key, b"\t", value, b"\n"].concat();
        assert_eq!(one(Odd(key, value)).expect("it runs"), line);
    }
}

#[test]
fn an_output_directory_that_exists() {
    let scratch = Scratch::new();
    let out = scratch.path("new/out");
    prepare_output(&out).expect("it is made");
    prepare_output(&out).expect("an empty one will do");
    fs::write(out.join("mr-out-0"), "x").expect("a file");
    let error = prepare_output(&out).expect_err("it is not empty");
    assert_eq!(error.blame(), Blame::Job);
    says(&error, &["new/out", "mr-out-0", "name another one"]);
}
