//! `checks sim`: what a person types, and what is printed.

use super::faults::{CornerCounts, FaultCounts, Faults};
use super::hunt;
use super::judge::Violation;
use super::kit::{Kit, Right, Wrong};
use super::plan::Plan;
use super::report::{Calls, Report};
use super::shrink::{Shrunk, shrink};
use super::world;
use crate::catalog;
use crate::engine::INTERRUPTED;
use crate::report::grouped;
use serde::Serialize;
use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Arguments of `checks sim`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The seed: of everything.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Several seeds, from A up to B and without it.
    #[arg(long, value_name = "A..B", value_parser = range, conflicts_with = "seed")]
    pub seeds: Option<(u64, u64)>,
    /// How many servers; the seed says unless told.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=7))]
    pub nodes: Option<u8>,
    /// How many clients; the seed says unless told.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub clients: Option<u16>,
    /// For how many simulated minutes things go wrong. Behind them comes a part in which nothing does.
    #[arg(long, default_value = "1", value_parser = minutes)]
    pub minutes: u64,
    /// A kind of fault to leave out. Repeatable.
    #[arg(long, value_name = "FAULT")]
    pub without: Vec<String>,
    /// Simulate with the rules of this mutant, to see what it breaks.
    #[arg(long, value_name = "ID")]
    pub mutant: Option<String>,
    /// Try every mutant, or that of --mutant, on 50 seeds or those of --seeds, and list those that are not found.
    #[arg(long)]
    pub mutants: bool,
    /// How many lines of what happened are printed of a failure.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=400))]
    pub tail: u16,
}

/// Seeds, as a person types them.
pub(crate) fn range(text: &str) -> Result<(u64, u64), String> {
    let parsed = text
        .split_once("..")
        .and_then(|(first, end)| Some((first.trim().parse().ok()?, end.trim().parse().ok()?)));
    let wrong = || format!("`{text}` is not A..B, two numbers, the first below the second");
    parsed.filter(|(first, end)| first < end).ok_or_else(wrong)
}

/// In milliseconds.
fn minutes(text: &str) -> Result<u64, String> {
    let minutes: Option<f64> = text.parse().ok();
    let ms = minutes.map(|minutes| (minutes * 60_000.0).round()).filter(|ms| *ms >= 100.0);
    let wrong = || format!("`{text}` is no number of minutes between 0.002 and 10,000");
    ms.filter(|ms| *ms <= 6e8).map(|ms| ms as u64).ok_or_else(wrong)
}

impl Args {
    /// The plan of the first seed.
    pub(super) fn plan(&self) -> Result<Plan, String> {
        let mut faults = Faults::ALL;
        for name in &self.without {
            faults = faults.without(Faults::named(name)?);
        }
        let seed = self.seeds.map_or(self.seed, |(first, _)| first);
        Ok(Plan { seed, nodes: self.nodes, clients: self.clients, ms: self.minutes, faults })
    }
}

/// Several simulations together.
#[derive(Serialize, Default)]
pub struct Total {
    /// The first seed and how many followed each other, those that came to an end.
    pub seeds: (u64, u64),
    /// Simulated time, in microseconds.
    pub simulated_us: u64,
    /// Events.
    pub events: u64,
    /// Commands that were committed.
    pub commands: u64,
    /// Clients' calls.
    pub calls: Calls,
    /// What went wrong.
    pub faults: FaultCounts,
    /// What was reached.
    pub sometimes: CornerCounts,
    /// Sums over the events, folded.
    pub sum: String,
    /// The seed that failed, and how.
    pub violation: Option<(u64, Violation)>,
}

impl Total {
    /// Of these, in the order of their seeds.
    pub fn of(first: u64, reports: &[Report]) -> Self {
        let mut total = Self { seeds: (first, reports.len() as u64), ..Self::default() };
        let mut sums = String::new();
        for report in reports {
            total.simulated_us += report.simulated_us;
            total.events += report.events;
            total.commands += report.commands;
            total.calls.add(&report.calls);
            total.faults.add(&report.faults);
            total.sometimes.add(&report.sometimes);
            sums += &report.sum;
            if total.violation.is_none() {
                total.violation = report.violation.clone().map(|found| (report.seed, found));
            }
        }
        total.sum = format!("{:016x}", super::random::sum(&sums));
        total
    }

    /// As text. With `never`, what was not reached is listed too.
    fn text(&self) -> String {
        let mut text = String::new();
        let (first, count) = self.seeds;
        let seconds = self.simulated_us as f64 / 1e6;
        let number = |count: u64| grouped(usize::try_from(count).unwrap_or(usize::MAX));
        let last = first + count.saturating_sub(1);
        let _ = writeln!(text, "seeds {first} to {last}: {seconds:.1} simulated seconds");
        let Calls { all, noted, replied, unknown, not_executed } = self.calls;
        let _ = writeln!(
            text,
            "{} events, {} commands committed, {} client operations",
            number(self.events),
            number(self.commands),
            number(all)
        );
        let _ = writeln!(
            text,
            "judged: {} operations, {} with a reply, {} unknown, {} not executed",
            number(noted),
            number(replied),
            number(unknown),
            number(not_executed)
        );
        let _ = writeln!(text, "\n{} faults", number(self.faults.total()));
        for (name, count) in self.faults.iter() {
            let _ = writeln!(text, "  {:>12}  {name}", number(count));
        }
        let _ = writeln!(text, "\nsometimes");
        for (name, count) in self.sometimes.iter() {
            let never = if count == 0 { "   (not reached)" } else { "" };
            let _ = writeln!(text, "  {:>12}  {name}{never}", number(count));
        }
        text
    }
}

/// Runs what was asked for. The exit code: 0 fine, 1 a property is broken, 2 interrupted.
///
/// # Errors
/// Bad arguments.
pub fn run(args: &Args, as_json: bool, threads: usize) -> Result<ExitCode, String> {
    if args.mutants {
        return hunt::hunt_all(args, as_json, threads);
    }
    match &args.mutant {
        None => simulate(Right, args, as_json, threads),
        Some(id) => simulate(Wrong::of(&catalog::hunt(id)?), args, as_json, threads),
    }
}

fn simulate<T: Kit + Sync>(
    kit: T,
    args: &Args,
    as_json: bool,
    threads: usize,
) -> Result<ExitCode, String> {
    let plan = args.plan()?;
    let count = args.seeds.map_or(1, |(first, end)| end - first);
    let begun = Instant::now();
    let reports = many(
        kit,
        &plan,
        count,
        threads,
        |_| true,
        |done, faults| {
            eprintln!(
                "{done} of {count} seeds, {faults} faults, {:.0} s",
                begun.elapsed().as_secs_f64()
            );
        },
    );
    let total = Total::of(plan.seed, &reports);
    if let ([report], None) = (&reports[..], args.seeds)
        && as_json
    {
        print_json(report)?;
    } else if as_json {
        print_json(&total)?;
    } else {
        print!("{}", total.text());
    }
    let wall = begun.elapsed().as_secs_f64();
    let (calls, simulated) = (total.calls.all as f64, total.simulated_us as f64 / 1e6);
    eprintln!(
        "{wall:.1} s: {:.0} operations/s, {:.0} events/s, {:.0} times as fast as time",
        calls / wall,
        total.events as f64 / wall,
        simulated / wall
    );
    if let Some(report) = reports.iter().find(|report| report.violation.is_some()) {
        explain(kit, args, &plan, report);
        return Ok(ExitCode::from(1));
    }
    let whole = reports.len() as u64 == count;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// Simulates several seeds on several threads: each in one. The reports stand in the order of the seeds and end with
/// the first that `fails`, however many threads there are.
pub fn many<T: Kit + Sync>(
    kit: T,
    plan: &Plan,
    count: u64,
    threads: usize,
    fails: impl Fn(&Violation) -> bool + Sync,
    progress: impl Fn(u64, u64) + Sync,
) -> Vec<Report> {
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let done = Mutex::new((Vec::new(), Instant::now()));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(usize::try_from(count).unwrap_or(usize::MAX)) {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) && !INTERRUPTED.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let plan = Plan { seed: plan.seed + number, ..*plan };
                    let (report, _) = world::run(kit, &plan, false);
                    failed
                        .fetch_or(report.violation.as_ref().is_some_and(&fails), Ordering::Relaxed);
                    let mut done = done.lock().expect("a simulation's panics are caught");
                    done.0.push(report);
                    if done.1.elapsed() >= Duration::from_secs(5) {
                        done.1 = Instant::now();
                        let faults = done.0.iter().map(|report| report.faults.total()).sum();
                        progress(done.0.len() as u64, faults);
                    }
                }
            });
        }
    });
    let (mut reports, _) = done.into_inner().expect("a simulation's panics are caught");
    reports.sort_by_key(|report| report.seed);
    let failed = |report: &Report| report.violation.as_ref().is_some_and(&fails);
    if let Some(first) = reports.iter().position(failed) {
        reports.truncate(first + 1);
    }
    reports
}

/// Shrinks a failure, and tells what is left of it.
fn explain<T: Kit>(kit: T, args: &Args, plan: &Plan, report: &Report) {
    let Some(violation) = report.violation.clone() else { return };
    eprintln!("\nseed {}: {} does not hold; shrinking …", report.seed, violation.property);
    let plan = Plan { seed: report.seed, ..*plan };
    let size = (report.nodes, report.clients);
    let fails = |plan: &Plan| {
        let interrupted = INTERRUPTED.load(Ordering::Relaxed);
        if interrupted { None } else { world::run(kit, plan, false).0.violation }
    };
    let Shrunk { plan, violation, tried } = shrink(plan, size, violation, fails);
    let (_, lines) = world::run(kit, &plan, true);
    let from = lines.len().saturating_sub(usize::from(args.tail));
    eprintln!("the last {} lines, after {tried} smaller ones were tried:", lines.len() - from);
    lines[from..].iter().for_each(|line| eprintln!("{line}"));
    let Violation { at_us, property, text } = violation;
    eprintln!("\n{property} does not hold (seed {}), at {} ms:\n{text}", plan.seed, at_us / 1000);
    eprintln!("replay: {}", replay(&plan, args));
}

/// The command that does it again.
pub fn replay(plan: &Plan, args: &Args) -> String {
    let Plan { seed, nodes, clients, ms, faults } = *plan;
    let mut text = format!("cargo run --release -p checks -- sim --seed {seed}");
    let mut option = |name: &str, value: String| {
        let _ = write!(text, " --{name} {value}");
    };
    nodes.into_iter().for_each(|nodes| option("nodes", nodes.to_string()));
    clients.into_iter().for_each(|clients| option("clients", clients.to_string()));
    option("minutes", format!("{:.5}", ms as f64 / 60_000.0));
    faults.missing().for_each(|fault| option("without", fault.name().into()));
    args.mutant.iter().for_each(|id| option("mutant", id.clone()));
    text
}

/// Prints something as JSON on standard output.
///
/// # Errors
/// If it is no plain data.
pub fn print_json(value: &impl Serialize) -> Result<(), String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
    println!("{text}");
    Ok(())
}
