//! Every line belongs to one split, wherever the borders are.

use std::fs;

use mapreduce::input::Compression;
use mapreduce::streaming::Streaming;
use mapreduce::{
    Application, Emitter, Form, Location, Outcome, Output, Record, Split, Unwatched, Values,
};

use crate::support::{Scratch, Setting, job};

/// Each record as it is, behind its offset.
struct Lines(Form);

impl Application for Lines {
    fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
        let mut line = format!("{:04} {} ", record.offset, record.number).into_bytes();
        line.extend_from_slice(record.bytes);
        out.emit(b"", &line);
        Ok(())
    }

    fn reduce(&self, _: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome {
        while let Some(value) = values.next() {
            out.line(value);
        }
        Ok(())
    }

    fn form(&self) -> Form {
        self.0
    }
}

fn pieces(path: &str, text: &[u8], borders: &[usize]) -> Vec<Split> {
    let mut ends = borders.to_vec();
    ends.push(text.len());
    let mut start = 0;
    let split = |end: usize| {
        let split = Split {
            name: "text".to_owned(),
            path: Location::parse(path).expect("a path"),
            start: start as u64,
            length: (end - start) as u64,
            file_bytes: text.len() as u64,
            compression: Compression::None,
        };
        start = end;
        split
    };
    ends.into_iter().map(split).collect()
}

/// The job's one output.
fn output(app: &dyn Application, text: &[u8], borders: &[usize]) -> Vec<u8> {
    let scratch = Scratch::new();
    let path = scratch.write("text", text);
    let setting = Setting { reduces: 1, ..Setting::default() };
    let job = job(&scratch, pieces(&path, text, borders), &setting);
    mapreduce::run_sequential(&job, app, &Unwatched).expect("the job runs");
    fs::read(job.out.join("mr-out-0")).expect("an output")
}

const TEXTS: [&[u8]; 6] = [
    b"one\ntwo\r\n\nfour is longer\n\n\nseven",
    b"\n\n\n",
    b"no end of a line at all",
    b"a\n",
    b"\r\n\r\r\nx\r",
    b"\0\xff\n\xe2\x82\n",
];

/// Offsets and bytes of the lines, found in the plainest way.
fn lines(text: &[u8], form: Form) -> Vec<(usize, Vec<u8>)> {
    let mut offset = 0;
    let mut lines = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let ended = bare.len() < line.len();
        let bare = match bare.strip_suffix(b"\r") {
            Some(shorter) if ended && form == Form::Lines => shorter,
            _ => bare,
        };
        lines.push((offset, bare.to_vec()));
        offset += line.len();
    }
    lines
}

#[test]
fn borders_at_every_byte() {
    for text in TEXTS {
        for form in [Form::Lines, Form::RawLines] {
            for first in 0..=text.len() {
                for second in [first, (first + 1).min(text.len()), text.len()] {
                    let output = output(&Lines(form), text, &[first, second]);
                    let mut found = Vec::new();
                    for line in output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
                    {
                        let offset = std::str::from_utf8(&line[..4]).expect("an offset");
                        found.push((offset.parse().expect("an offset"), line[7..].to_vec()));
                    }
                    assert_eq!(found, lines(text, form), "{text:?} at {first} and {second}");
                }
            }
        }
    }
}

/// A program gets each line once too, and the last one with an end.
#[test]
fn borders_at_every_byte_for_programs() {
    let cat = Streaming { mapper: Some("cat".to_owned()), ..Streaming::default() };
    for text in &TEXTS[..3] {
        let mut expected: Vec<_> =
            text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        for line in &mut expected {
            if !line.ends_with(b"\n") {
                line.push(b'\n');
            }
        }
        expected.sort();
        for border in 0..=text.len() {
            let output = output(&cat, text, &[border]);
            assert_eq!(output, expected.concat(), "{text:?} at {border}");
        }
    }
}

/// The records of a split are counted from 0.
#[test]
fn numbers_are_the_splits_own() {
    let text = b"one\ntwo\nthree\nfour\n";
    let output = output(&Lines(Form::Lines), text, &[8]);
    let expected = "0000 0 one\n0004 1 two\n0008 0 three\n0014 1 four\n";
    assert_eq!(String::from_utf8_lossy(&output), expected);
}
