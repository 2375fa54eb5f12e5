//! `checks labs`: what a person types, and what is printed.

use super::catalog::{self, Scenario, Service};
use super::record::{self, Kept};
use super::report;
use super::round::{Report, Setting, real_in, simulate_in};
use crate::engine::INTERRUPTED;
use crate::sim::command::{print_json, range};
use crate::sim::kit::{Kit, Right, Wrong};
use std::ops::Range;
use std::path::{Path, PathBuf};
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
    /// In virtual time, as it is unless told otherwise.
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
    /// On a network that also does what the labs' never does: messages come twice or seconds late, and ways are cut in
    /// one direction.
    #[arg(long)]
    pub harsh: bool,
    /// Add the rounds to a record, and go on behind those that it has, until it has as many as --rounds says. Without a
    /// FILE: the one that is committed.
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with_all = ["seeds", "mutant"])]
    pub record: Option<Option<PathBuf>>,
    /// How many rounds the record has.
    #[arg(long)]
    pub totals: bool,
    /// List the scenarios.
    #[arg(long)]
    pub list: bool,
    /// With the rules of this mutant, to see what notices.
    #[arg(long, value_name = "ID")]
    pub mutant: Option<String>,
}

impl Args {
    const fn setting(&self) -> Setting {
        Setting { real: self.real, harsh: self.harsh }
    }
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
    if args.real {
        scenarios.retain(|scenario| scenario.can_be_real());
        if scenarios.is_empty() {
            return Err("lab 1 is played in virtual time here, and with processes by \
                        `cargo test -p quorate --test mr labs`: leave out --real"
                .into());
        }
    }
    let threads = if args.real { args.jobs.into() } else { threads };
    if args.list {
        print!("{}", report::list(&scenarios));
        return Ok(ExitCode::SUCCESS);
    }
    if args.totals {
        let runs = record::read(&record::path(args.record.as_ref().and_then(Option::as_deref)))?;
        match as_json {
            true => print_json(&record::counts(&runs, &scenarios))?,
            false => print!("{}", record::table(&runs, &scenarios)),
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(file) = &args.record {
        let mut kept =
            Kept::open(record::path(file.as_deref()), &scenarios, args.setting(), args.rounds)?;
        return recorded(&mut kept, &scenarios, args, as_json, threads);
    }
    match &args.mutant {
        None => rounds(Right, &scenarios, args, as_json, threads),
        Some(id) => {
            let wrong = Wrong::of(&crate::catalog::hunt(id)?);
            let single = |scenario: &&Scenario| scenario.serves == Service::Single;
            if args.real && !wrong.can_be_real() && !scenarios.iter().all(single) {
                return Err(
                    "this mutant is of the store or of the disk, which are the product's own \
                            on threads: leave out --real"
                        .into(),
                );
            }
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
    let folder = Folder::new();
    let play = |scenario: &Scenario, seed| play(args.setting(), kit, scenario, seed, &folder.0);
    let reports = many_by(scenarios, first..end, threads, play);
    if as_json {
        print_json(&reports)?;
    } else {
        print!("{}", report::text(&reports, args.real));
    }
    tell(&reports, begun, args);
    let whole = reports.len() as u64 == (end - first) * scenarios.len() as u64;
    Ok(code(reports.iter().any(|report| report.failure.is_some()), whole))
}

/// Plays until the record has what was asked for, and adds as it goes.
fn recorded(
    kept: &mut Kept,
    scenarios: &[&'static Scenario],
    args: &Args,
    as_json: bool,
    threads: usize,
) -> Result<ExitCode, String> {
    let begun = Instant::now();
    let folder = Folder::new();
    let play = |scenario: &Scenario, seed| play(args.setting(), Right, scenario, seed, &folder.0);
    let (seeds, mut told) = (kept.seeds(), Vec::new());
    let count = scenarios.len();
    let jobs = (seeds.end - seeds.start) as usize * count;
    // Seed by seed, so that what was done when it is interrupted are whole rounds.
    let job = |place: usize| (scenarios[place % count], seeds.start + (place / count) as u64);
    let mut trouble = None;
    each(&play, job, jobs, threads, |report| {
        if report.failure.is_some() {
            told.push(report.clone());
        }
        if let Err(text) = kept.add(&report, begun.elapsed()) {
            trouble = Some(text);
            INTERRUPTED.store(true, Ordering::Relaxed);
        }
    });
    if let Some(text) = trouble {
        return Err(text);
    }
    match as_json {
        true => print_json(kept.run())?,
        false => println!("{}", kept.run().line()),
    }
    tell(&told, begun, args);
    Ok(code(!told.is_empty(), kept.is_done()))
}

const fn one_of(failed: bool, whole: bool) -> u8 {
    match (failed, whole) {
        (true, _) => 1,
        (false, true) => 0,
        (false, false) => 2,
    }
}

fn code(failed: bool, whole: bool) -> ExitCode {
    ExitCode::from(one_of(failed, whole))
}

/// What is not for standard output: how fast it was, and what has failed.
fn tell(reports: &[Report], begun: Instant, args: &Args) {
    let wall = begun.elapsed().as_secs_f64();
    let seconds = reports.iter().map(|all| all.us).sum::<u64>() as f64 / 1e6;
    match args.real || args.record.is_some() {
        true => eprintln!("{wall:.1} s"),
        false => eprintln!("{wall:.1} s: {:.0} times as fast as time", seconds / wall),
    }
    for report in reports {
        let Some((us, text)) = &report.failure else { continue };
        let (name, seed) = (report.scenario, report.seed);
        eprintln!("\n{name} failed (seed {seed}) after {:.3} s: {text}", *us as f64 / 1e6);
        eprintln!("replay: {}", replay(report, args.mutant.as_deref()));
    }
}

/// The command that does it again.
pub fn replay(report: &Report, mutant: Option<&str>) -> String {
    let (name, seed) = (report.scenario, report.seed);
    let mutant = mutant.map(|id| format!(" --mutant {id}")).unwrap_or_default();
    let real = if report.setting.real { " --real" } else { "" };
    let harsh = if report.setting.harsh { " --harsh" } else { "" };
    let seeds = format!("{seed}..{}", seed + 1);
    format!(
        "cargo run --release -p checks -- labs --filter {name} --seeds {seeds}{real}{harsh}{mutant}"
    )
}

/// Where servers on threads have their folders: those of failed ones stay.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("quorate-labs-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It is not there or not empty, unless nothing has failed.
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Plays a round.
fn play<T: Kit>(setting: Setting, kit: T, scenario: &Scenario, seed: u64, folder: &Path) -> Report {
    if !setting.real {
        return simulate_in(setting, kit, scenario, seed);
    }
    let report = real_in(setting, kit, scenario, seed, folder);
    let ended = if report.failure.is_some() { "FAILED" } else { "passed" };
    eprintln!("{:<36} {seed:>4} {ended} {:>7.1} s", scenario.name, report.us as f64 / 1e6);
    report
}

/// Runs scenarios with some seeds on several threads, in virtual time. See [`many_by`].
pub fn many<T: Kit + Sync>(
    kit: T,
    scenarios: &[&'static Scenario],
    seeds: Range<u64>,
    threads: usize,
) -> Vec<Report> {
    let play = |scenario: &Scenario, seed| simulate_in(Setting::default(), kit, scenario, seed);
    many_by(scenarios, seeds, threads, play)
}

/// Runs scenarios with some seeds on several threads, each round in one. The reports stand in the order of the
/// scenarios and then of the seeds, however many threads there are. Interrupted, those that were finished.
pub fn many_by(
    scenarios: &[&'static Scenario],
    seeds: Range<u64>,
    threads: usize,
    play: impl Fn(&Scenario, u64) -> Report + Sync,
) -> Vec<Report> {
    let count = (seeds.end - seeds.start) as usize;
    let job = |place: usize| (scenarios[place / count], seeds.start + (place % count) as u64);
    let mut reports = Vec::new();
    each(&play, job, scenarios.len() * count, threads, |report| reports.push(report));
    let place = |report: &Report| {
        (scenarios.iter().position(|all| all.name == report.scenario), report.seed)
    };
    reports.sort_by_key(place);
    reports
}

/// Plays so many jobs on several threads, and gives each report away as soon as it is there.
fn each(
    play: &(impl Fn(&Scenario, u64) -> Report + Sync),
    job: impl Fn(usize) -> (&'static Scenario, u64) + Sync,
    jobs: usize,
    threads: usize,
    take: impl FnMut(Report) + Send,
) {
    let (next, take) = (AtomicUsize::new(0), Mutex::new(take));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while !INTERRUPTED.load(Ordering::Relaxed) {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= jobs {
                        break;
                    }
                    let (scenario, seed) = job(place);
                    let report = play(scenario, seed);
                    let mut take = take.lock().expect("a round's panics are caught");
                    take(report);
                }
            });
        }
    });
}
