//! `checks labs`: what a person types, and what is printed.

use super::catalog::{self, Scenario};
use super::report;
use super::round::{Report, in_real_time, simulate};
use crate::engine::INTERRUPTED;
use crate::sim::command::{print_json, range};
use crate::sim::kit::{Kit, Right, Wrong};
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Arguments of `checks labs`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Only scenarios with this in their name or lab, whatever the case.
    #[arg(long, value_name = "NAME")]
    pub filter: Option<String>,
    /// One round for each seed, from A up to B and without it.
    #[arg(long, value_name = "A..B", value_parser = range, conflicts_with = "rounds")]
    pub seeds: Option<(u64, u64)>,
    /// So many rounds of each scenario, with the seeds 1, 2, 3 and so on.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub rounds: u64,
    /// In virtual time, which is the usual.
    #[arg(long = "virtual")]
    pub in_virtual_time: bool,
    /// In real time, on the product's own threads, whose traces are replayed behind each scenario.
    #[arg(long, conflicts_with = "in_virtual_time")]
    pub real: bool,
    /// With --real: so many scenarios at once. Most of their time is waiting.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// Only these scenarios: `ci` is a few for every kind of thing, of a few minutes in real time.
    #[arg(long, value_name = "NAME", value_parser = ["ci"])]
    pub set: Option<String>,
    /// List the scenarios.
    #[arg(long)]
    pub list: bool,
    /// With the rules of this mutant, to see what notices.
    #[arg(long, value_name = "ID")]
    pub mutant: Option<String>,
}

/// Runs what was asked for. The exit code: 0 fine, 1 a scenario has failed, 2 interrupted.
///
/// # Errors
/// Bad arguments.
pub fn run(args: &Args, as_json: bool, threads: usize) -> Result<ExitCode, String> {
    let mut scenarios = catalog::filtered(args.filter.as_deref())?;
    if args.set.is_some() {
        scenarios.retain(|scenario| catalog::CI.contains(&scenario.name));
    }
    if args.list {
        print!("{}", report::list(&scenarios));
        return Ok(ExitCode::SUCCESS);
    }
    let wrong = args.mutant.as_deref().map(crate::catalog::hunt).transpose()?;
    let wrong = wrong.as_ref().map(Wrong::of);
    if args.real {
        return match wrong {
            None => real(Right, &scenarios, args, as_json),
            Some(wrong) if wrong.can_be_real() => real(wrong, &scenarios, args, as_json),
            Some(_) => {
                Err("this mutant is of the store or of the disk, which are the product's own \
                on threads: leave out --real"
                    .into())
            }
        };
    }
    let simulated = |seeds| match wrong {
        None => many(Right, &scenarios, seeds, threads),
        Some(wrong) => many(wrong, &scenarios, seeds, threads),
    };
    rounds(&scenarios, args, as_json, simulated)
}

/// Rounds on threads. Their folders are in a temporary one, where those of failed ones stay.
fn real<T: Kit + Sync>(
    kit: T,
    scenarios: &[&'static Scenario],
    args: &Args,
    as_json: bool,
) -> Result<ExitCode, String> {
    let folder = std::env::temp_dir().join(format!("quorate-labs-{}", std::process::id()));
    let play = |scenario: &Scenario, seed| {
        let report = in_real_time(kit, scenario, seed, &folder);
        let ended = if report.failure.is_some() { "FAILED" } else { "passed" };
        eprintln!("{:<36} {seed:>4} {ended} {:>7.1} s", scenario.name, report.us as f64 / 1e6);
        report
    };
    let code =
        rounds(scenarios, args, as_json, |seeds| many_by(scenarios, seeds, args.jobs.into(), play));
    // It is empty unless something has failed.
    let _ = std::fs::remove_dir(&folder);
    code
}

fn rounds(
    scenarios: &[&'static Scenario],
    args: &Args,
    as_json: bool,
    play: impl FnOnce(Range<u64>) -> Vec<Report>,
) -> Result<ExitCode, String> {
    let (first, end) = args.seeds.unwrap_or((1, args.rounds + 1));
    let begun = Instant::now();
    let reports = play(first..end);
    if as_json {
        print_json(&reports)?;
    } else {
        print!("{}", report::text(&reports, args.real));
    }
    let (wall, played_us) = (begun.elapsed().as_secs_f64(), reports.iter().map(|all| all.us));
    let seconds = played_us.sum::<u64>() as f64 / 1e6;
    eprintln!("{wall:.1} s: {:.1} times as fast as time", seconds / wall);
    let failed = |report: &&Report| report.failure.is_some();
    for report in reports.iter().filter(failed) {
        let Some((us, text)) = &report.failure else { continue };
        let (name, seed) = (report.scenario, report.seed);
        eprintln!("\n{name} failed (seed {seed}) after {:.3} s: {text}", *us as f64 / 1e6);
        eprintln!("replay: {}", replay(report, args));
    }
    let whole = reports.len() as u64 == (end - first) * scenarios.len() as u64;
    Ok(match (reports.iter().any(|report| failed(&report)), whole) {
        (true, _) => ExitCode::from(1),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(2),
    })
}

/// The command that does it again.
fn replay(report: &Report, args: &Args) -> String {
    let (name, seed) = (report.scenario, report.seed);
    let real = if args.real { " --real" } else { "" };
    let mutant = args.mutant.as_deref().map(|id| format!(" --mutant {id}")).unwrap_or_default();
    let seeds = format!("{seed}..{}", seed + 1);
    format!("cargo run --release -p checks -- labs --filter {name} --seeds {seeds}{real}{mutant}")
}

/// Runs scenarios with some seeds on several threads, each round in one. The reports stand in the order of the
/// scenarios and then of the seeds, however many threads there are. Interrupted, those that were finished.
pub fn many<T: Kit + Sync>(
    kit: T,
    scenarios: &[&'static Scenario],
    seeds: Range<u64>,
    threads: usize,
) -> Vec<Report> {
    many_by(scenarios, seeds, threads, |scenario, seed| simulate(kit, scenario, seed))
}

/// The same, where `play` plays a round.
pub fn many_by(
    scenarios: &[&'static Scenario],
    seeds: Range<u64>,
    threads: usize,
    play: impl Fn(&Scenario, u64) -> Report + Sync,
) -> Vec<Report> {
    let count = (seeds.end - seeds.start) as usize;
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while !INTERRUPTED.load(Ordering::Relaxed) {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scenario) = scenarios.get(place / count) else { break };
                    let report = play(scenario, seeds.start + (place % count) as u64);
                    let mut reports = reports.lock().expect("a round's panics are caught");
                    reports.push((place, report));
                }
            });
        }
    });
    let mut reports = reports.into_inner().expect("a round's panics are caught");
    reports.sort_by_key(|(place, _)| *place);
    reports.into_iter().map(|(_, report)| report).collect()
}
