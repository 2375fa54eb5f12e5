//! What a job means, in the plainest words: all pairs in a list, sorted, grouped.
//!
//! The tests compare the engine with it, and who writes an application tests it with this. It shares nothing with the
//! engine that could be wrong in the same way: no splits, no runs, no blocks, no combiner. Everything is in memory.

use crate::app::Application;
use crate::bytes::prefix;
use crate::collect::{Emitter, Pair};
use crate::error::Error;
use crate::groups::{Groups, Pairs};
use crate::input::{Form, Record};
use crate::reduce::Output;
use crate::run::Step;
use crate::task::{Place, Unwatched};

/// The pairs that a file gives, in the order in which they are emitted.
///
/// # Errors
/// What the application says.
pub fn map(app: &dyn Application, file: &str, text: &[u8]) -> Result<Vec<Pair>, Error> {
    let place = place(1);
    let mut out = Emitter::list(app, &place, &Unwatched);
    for (number, (offset, bytes)) in records(app.form(), text).into_iter().enumerate() {
        let record = Record { file, offset, number: number as u64, bytes };
        app.map(&record, &mut out)?;
    }
    out.into_list()
}

fn place(reduces: u32) -> Place {
    Place { job: "reference".to_owned(), index: 0, attempt: 0, maps: 1, reduces }
}

/// The records of a text with their offsets.
fn records(form: Form, text: &[u8]) -> Vec<(u64, &[u8])> {
    if form == Form::Files {
        return vec![(0, text)];
    }
    let mut offset = 0;
    let mut records = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let record = match (line, form) {
            ([record @ .., b'\r', b'\n'], Form::Lines) => record,
            ([record @ .., b'\n'], _) => record,
            (record, _) => record,
        };
        records.push((offset, record));
        offset += line.len() as u64;
    }
    records
}

struct List {
    pairs: Vec<Pair>,
    next: usize,
}

impl Pairs for List {
    fn advance(&mut self) -> Step {
        self.next += 1;
        if self.next > self.pairs.len() { Step::End } else { Step::Pair }
    }

    fn key(&self) -> &[u8] {
        &self.pairs[self.next - 1].0
    }

    fn value(&self) -> &[u8] {
        &self.pairs[self.next - 1].1
    }
}

/// The output of each reduce task, of the files in their order.
///
/// # Errors
/// What the application says.
pub fn run(
    app: &dyn Application,
    files: &[(&str, &[u8])],
    reduces: u32,
) -> Result<Vec<Vec<u8>>, Error> {
    let mut partitions = vec![Vec::new(); reduces as usize];
    for (file, text) in files {
        for (key, value) in map(app, file, text)? {
            partitions[app.partition(&key, reduces) as usize].push((key, value));
        }
    }
    partitions.into_iter().map(|pairs| reduce(app, pairs)).collect()
}

/// What a reduce task writes of the pairs of its partition, which come in the order in which they were emitted.
///
/// # Errors
/// What the application says.
pub fn reduce(app: &dyn Application, mut pairs: Vec<Pair>) -> Result<Vec<u8>, Error> {
    let (order, place) = (app.order(), place(1));
    pairs.sort_by(|(left, _), (right, _)| {
        order.compare((prefix(left), left), (prefix(right), right))
    });
    let mut list = List { pairs, next: 0 };
    let mut groups = Groups::new(&mut list, &place, &Unwatched, &[]);
    let mut out = Output::new(None, &Unwatched);
    while let Some((key, mut values)) = groups.next() {
        app.reduce(key, &mut values, &mut out)?;
    }
    out.into_bytes()
}
