//! The physical limit: word count as somebody writes it who needs no engine. Everything in memory, no spill, no retry,
//! no split file; it dies with its process.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use rayon::prelude::*;

type Counts<'t> = HashMap<&'t [u8], u64, foldhash::fast::RandomState>;

/// Counts the words of a file and writes `word TAB count`, in order.
pub fn word_count(workers: usize, file: &str, out: &Path) -> std::io::Result<()> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).build();
    let pool = pool.map_err(std::io::Error::other)?;
    let text = fs::read(file)?;
    let counts = pool.install(|| {
        pieces(&text, workers * 4).into_par_iter().map(count).reduce(Counts::default, merge)
    });
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_unstable();
    fs::create_dir_all(out)?;
    let mut lines = Vec::new();
    for (word, count) in sorted {
        lines.extend_from_slice(word);
        writeln!(lines, "\t{count}")?;
    }
    fs::write(out.join("mr-out-0"), lines)
}

/// About equal pieces that end where a line does.
fn pieces(mut text: &[u8], count: usize) -> Vec<&[u8]> {
    let bytes = text.len() / count + 1;
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let from = bytes.min(text.len());
        let end =
            text[from..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| from + at);
        let (piece, rest) = text.split_at(end);
        pieces.push(piece);
        text = rest;
    }
    pieces
}

fn count(text: &[u8]) -> Counts<'_> {
    let mut counts = Counts::default();
    let words = text.split(|byte| !byte.is_ascii_alphabetic());
    for word in words.filter(|word| !word.is_empty()) {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

fn merge<'t>(mut into: Counts<'t>, from: Counts<'t>) -> Counts<'t> {
    for (word, count) in from {
        *into.entry(word).or_default() += count;
    }
    into
}
