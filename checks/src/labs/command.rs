//! `checks labs`: what a person types, and what is printed.

use super::catalog::{self, Scenario};
use super::report;
use super::round::{Report, simulate};
use crate::engine::INTERRUPTED;
use crate::sim::command::{print_json, range};
use crate::sim::kit::{Kit, Right, Wrong};
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
    /// In virtual time. So far there is no other.
    #[arg(long = "virtual")]
    pub in_virtual_time: bool,
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
    let scenarios = catalog::filtered(args.filter.as_deref())?;
    if args.list {
        print!("{}", report::list(&scenarios));
        return Ok(ExitCode::SUCCESS);
    }
    match &args.mutant {
        None => rounds(Right, &scenarios, args, as_json, threads),
        Some(id) => {
            let wrong = Wrong::of(&crate::catalog::hunt(id)?);
            rounds(wrong, &scenarios, args, as_json, threads)
        }
    }
}

fn rounds<T: Kit + Sync>(
    kit: T,
    scenarios: &[&'static Scenario],
    args: &Args,
    as_json: bool,
    threads: usize,
) -> Result<ExitCode, String> {
    let (first, end) = args.seeds.unwrap_or((1, args.rounds + 1));
    let begun = Instant::now();
    let reports = many(kit, scenarios, first..end, threads);
    if as_json {
        print_json(&reports)?;
    } else {
        print!("{}", report::text(&reports));
    }
    let (wall, virtual_us) = (begun.elapsed().as_secs_f64(), reports.iter().map(|all| all.us));
    let seconds = virtual_us.sum::<u64>() as f64 / 1e6;
    eprintln!("{wall:.1} s: {:.0} times as fast as time", seconds / wall);
    let failed = |report: &&Report| report.failure.is_some();
    for report in reports.iter().filter(failed) {
        let Some((us, text)) = &report.failure else { continue };
        let (name, seed) = (report.scenario, report.seed);
        eprintln!("\n{name} failed (seed {seed}) after {:.3} s: {text}", *us as f64 / 1e6);
        eprintln!("replay: {}", replay(report, args.mutant.as_deref()));
    }
    let whole = reports.len() as u64 == (end - first) * scenarios.len() as u64;
    Ok(match (reports.iter().any(|report| failed(&report)), whole) {
        (true, _) => ExitCode::from(1),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(2),
    })
}

/// The command that does it again.
pub fn replay(report: &Report, mutant: Option<&str>) -> String {
    let (name, seed) = (report.scenario, report.seed);
    let mutant = mutant.map(|id| format!(" --mutant {id}")).unwrap_or_default();
    let seeds = format!("{seed}..{}", seed + 1);
    format!("cargo run --release -p checks -- labs --filter {name} --seeds {seeds}{mutant}")
}

/// Runs scenarios with some seeds on several threads, each round in one. The reports stand in the order of the
/// scenarios and then of the seeds, however many threads there are. Interrupted, those that were finished.
pub fn many<T: Kit + Sync>(
    kit: T,
    scenarios: &[&'static Scenario],
    seeds: std::ops::Range<u64>,
    threads: usize,
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
                    let report = simulate(kit, scenario, seeds.start + (place % count) as u64);
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
