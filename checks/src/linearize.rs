//! `checks linearize`: judges a history that was recorded somewhere.

use crate::report::grouped;
use linear::kv::file::{self, FORMAT};
use linear::{Budget, Place, Report, Verdict, kv, text, timeline};
use serde_json::{Value, json};
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::time::Instant;

/// What is judged, and where its picture goes.
#[derive(clap::Args)]
#[command(after_long_help = FORMAT)]
pub struct Args {
    /// The history: JSON lines, an event each; `--help` has the format.
    file: PathBuf,
    /// Draw where an illegal history goes wrong.
    #[arg(long, value_name = "OUT")]
    svg: Option<PathBuf>,
    /// Give up after trying an operation so often.
    #[arg(long, default_value_t = Budget::default().steps)]
    max_steps: u64,
}

/// Judges a history and prints what is found. `memory` is in bytes.
///
/// # Errors
/// If the file can't be read or is no history, or the picture can't be written.
pub fn run(args: &Args, as_json: bool, memory: u64) -> Result<Verdict, String> {
    let name = args.file.display();
    let begun = Instant::now();
    let read = File::open(&args.file).map_err(|error| format!("can't read {name}: {error}"))?;
    let history = file::read(BufReader::new(read)).map_err(|error| format!("{name}: {error}"))?;
    let read = begun.elapsed().as_secs_f64();
    let budget = Budget { steps: args.max_steps, memory_bytes: memory };
    let begun = Instant::now();
    let report = kv::check(&history, budget);
    let judged = begun.elapsed().as_secs_f64();
    eprintln!("read in {read:.3} s, judged in {judged:.3} s, {} tries", grouped_u64(report.steps));
    if as_json {
        let text = serde_json::to_string_pretty(&as_value(&history, &report));
        println!("{}", text.map_err(|error| error.to_string())?);
    } else {
        print!("{}", text::summary(&report));
        if let Some(place) = report.places.first() {
            print!("\n{}", text::place(&history, place));
        }
    }
    if report.places.len() > 1 {
        let more = grouped(report.places.len() - 1);
        eprintln!("{more} more of its {} parts are not OK", grouped(report.counts.parts));
    }
    if let (Some(out), Some(place)) = (&args.svg, report.places.first()) {
        std::fs::write(out, timeline::draw(&history, place))
            .map_err(|error| format!("can't write {}: {error}", out.display()))?;
        eprintln!("drawn in {}", out.display());
    }
    Ok(report.verdict)
}

/// The exit code of a verdict: as elsewhere, 1 is a violation and 2 is cut off.
pub const fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Ok => 0,
        Verdict::Illegal => 1,
        Verdict::Unknown => 2,
    }
}

fn grouped_u64(number: u64) -> String {
    grouped(usize::try_from(number).unwrap_or(usize::MAX))
}

/// The report for machines. Operations are named by the lines of their calls.
fn as_value(history: &kv::History, report: &Report) -> Value {
    let operations = history.operations();
    let line = |number: &usize| operations[*number].call.number;
    let place = |place: &Place| {
        let end = operations[place.stuck].end.as_ref().map(|(end, _)| end.number);
        let shown = place.states.len().saturating_sub(1);
        let last = place.order.iter().skip(place.order.len() - shown);
        json!({
            "verdict": place.verdict.to_string(),
            "operations": place.operations.len(),
            "ordered": place.order.len(),
            "last": last.map(line).collect::<Vec<_>>(),
            "states": place.states,
            "stuck": { "call": line(&place.stuck), "return": end },
            "next": place.next.iter().map(line).collect::<Vec<_>>(),
        })
    };
    json!({
        "verdict": report.verdict.to_string(),
        "operations": report.counts.operations,
        "keys": report.counts.keys,
        "parts": report.counts.parts,
        "pending": report.counts.pending,
        "not_executed": report.counts.not_executed,
        "tries": report.steps,
        "places": report.places.iter().map(place).collect::<Vec<_>>(),
    })
}
