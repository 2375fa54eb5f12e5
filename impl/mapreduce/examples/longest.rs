//! An application of one's own: the longest line that begins with each letter.
//!
//! `cargo run -p mapreduce --example longest -- OUT FILE…`

use mapreduce::input::{PlanOptions, plan};
use mapreduce::{
    Application, Emitter, Job, Limits, Outcome, Output, Record, Unwatched, Values, prepare_output,
    run_sequential,
};

struct Longest;

impl Application for Longest {
    fn map(&self, record: &Record<'_>, out: &mut Emitter<'_>) -> Outcome {
        if let Some(first) = record.bytes.get(..1).filter(|first| first[0].is_ascii_alphabetic()) {
            out.emit(first, record.bytes);
        }
        Ok(())
    }

    fn reduce(&self, key: &[u8], values: &mut Values<'_>, out: &mut Output<'_>) -> Outcome {
        let mut longest = Vec::new();
        while let Some(value) = values.next() {
            if value.len() > longest.len() {
                longest = value.to_vec();
            }
        }
        out.write(key, &longest);
        Ok(())
    }
}

fn main() -> Result<(), mapreduce::Error> {
    let mut words = std::env::args().skip(1);
    let out = std::path::PathBuf::from(words.next().unwrap_or_else(|| "longest.out".to_owned()));
    let splits = plan(&words.collect::<Vec<_>>(), &PlanOptions::default())?;
    prepare_output(&out)?;
    let (name, folder, limits) = ("longest".to_owned(), out.clone(), Limits::default());
    let job = Job { name, splits, reduces: 2, folder, out, limits, debug_intermediate: false };
    let totals = run_sequential(&job, &Longest, &Unwatched)?;
    println!("{} lines, {} letters", totals.map.input_records, totals.reduce.groups);
    Ok(())
}
