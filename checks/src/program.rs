//! The program `checks`: its commands, and its exit codes.
//!
//! It is in the library so that the models' explorations, which are generic, are compiled once and not again for the
//! program.

use crate::catalog::{
    self, AnyHunt, Ctl, Group, Kind, Kv, Mr, Named, Raft, Route, RunOf, Shard, ShardRaft,
};
use crate::engine::{INTERRUPTED, Limits, Strategy};
use crate::ledger::{self, Ledger};
use crate::report::{self, Ending, Row, grouped};
use crate::runner::{self, Settings};
use crate::sim::command::print_json;
use crate::{
    conform, deep, explore, labs, linearize, list, machine, mutants, paths, scripted, settings,
    sim, spec, walk,
};
use clap::{Parser, Subcommand};
use model::system::System;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Explores quorate's protocols exhaustively within stated bounds.
///
/// Without a command: the standard runs, with progress on standard error and one table on standard output.
/// Exit codes: 0 all fine, 1 a violation or a shortfall, 2 cut off and therefore not exhausted, 64 bad arguments.
#[derive(Parser)]
#[command(name = "checks", version)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args, Clone)]
struct Common {
    /// Print JSON on standard output; it holds nothing of the wall clock, unless it is of `chaos`.
    #[arg(long, global = true)]
    json: bool,
    /// Checker threads.
    #[arg(long, global = true, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,
    /// Stop a run at this many unique states (a hunt: 2,000,000 unless told).
    #[arg(long, global = true)]
    max_states: Option<usize>,
    /// Stop a run when the process has this much memory in use, in GiB.
    #[arg(long, global = true, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    max_memory: u32,
    /// Where counterexamples and diagrams are written.
    #[arg(long, global = true, default_value = "out")]
    out: PathBuf,
}

#[derive(clap::Args)]
struct RunArgs {
    /// The run's name: see `list`.
    name: String,
    /// How to explore.
    #[arg(long, value_enum, default_value = "dfs")]
    strategy: Strategy,
    /// Change a bound: field=value. Repeatable; sets of servers are written n0,n2 or all or none.
    #[arg(long = "set", value_name = "FIELD=VALUE")]
    settings: Vec<String>,
    /// Seed of a walk.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Paths of a walk.
    #[arg(long, default_value_t = 10_000)]
    paths: usize,
    /// Steps of a walk's paths.
    #[arg(long, default_value_t = 200)]
    steps: usize,
    /// Pin the number of states in the ledger.
    #[arg(long)]
    pin: bool,
    /// Explore with the rules of this mutant, to see what it breaks.
    #[arg(long, conflicts_with = "pin")]
    mutant: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// List the runs and the mutants.
    List,
    /// Explore one run, within its own bounds or changed ones.
    Run(RunArgs),
    /// Look at a run in a browser: the stateright Explorer, on loopback.
    Explore {
        /// The run's name: see `list`.
        name: String,
        /// The port.
        #[arg(long, default_value_t = 3000)]
        port: u16,
        /// Explore with the rules of this mutant.
        #[arg(long)]
        mutant: Option<String>,
        /// Change a bound: field=value.
        #[arg(long = "set", value_name = "FIELD=VALUE")]
        settings: Vec<String>,
    },
    /// Hunt the mutants, or one of them with its transcript.
    Mutants {
        /// The mutant's id: see `list`.
        id: Option<String>,
    },
    /// The long runs. Finished ones of the same text are skipped.
    Deep {
        /// Only this one.
        name: Option<String>,
        /// List them with what the record says.
        #[arg(long)]
        list: bool,
    },
    /// Take a saved path again, or what real servers have recorded.
    Replay {
        /// The file that a violation was written to; or the folders that the nodes of a cluster have recorded in
        /// (`quorate server --record`), best of all nodes.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Of folders: the network between the servers may have copied messages, as that of `labs --real --harsh` does.
        #[arg(long)]
        copies: bool,
    },
    /// Play a path on the product's threads: a counterexample of a mutant, or a witness of a corner.
    Play(scripted::command::Args),
    /// Judge a recorded history: is there an order of the calls that explains every reply?
    Linearize(linearize::Args),
    /// Simulate whole groups and their clients in virtual time, under faults of every kind.
    Sim(sim::command::Args),
    /// The labs' scenarios.
    Labs(labs::command::Args),
    /// Real servers under real faults: kill -9, SIGSTOP, partitions, bad disks; every history is judged.
    #[cfg(unix)]
    Chaos(crate::chaos::Args),
    /// The matrix of SPEC.md: requirement by code, model, test and mutant.
    Spec,
    /// All standard runs, pinning their counts in the ledger.
    Pin,
}

/// Why there is no verdict.
enum Failure {
    /// Bad arguments or files: exit code 64.
    Usage(String),
    /// The run itself failed, or its result could not be kept: exit code 1.
    Broken(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Usage(text)
    }
}

use Failure::{Broken, Usage};

type Outcome = Result<ExitCode, Failure>;

/// Does what the program's arguments say.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let fine = !error.use_stderr();
            let printed = error.print();
            return if fine && printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(64) };
        }
    };
    model::node::quiet_broken_claims();
    let handler = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(2);
        }
    });
    if let Err(error) = handler {
        eprintln!("Ctrl-C will end this program without a table: {error}");
    }
    let result = match args.command {
        None => standard(&args.common, false),
        Some(Command::Pin) => standard(&args.common, true),
        Some(Command::List) => list(&args.common),
        Some(Command::Run(RunArgs { strategy: Strategy::Walk, mutant: Some(_), .. })) => {
            Err(Usage("a walk follows the right rules: leave out --mutant or --strategy".into()))
        }
        Some(Command::Run(RunArgs { strategy: Strategy::Walk, pin: true, .. })) => {
            Err(Usage("a walk counts no states: leave out --pin or --strategy".into()))
        }
        Some(Command::Run(run_args)) => match catalog::find(&run_args.name) {
            Ok(Named::Raft(run)) => run_of::<Raft>(run, &run_args, &args.common),
            Ok(Named::Kv(run)) => run_of::<Kv>(run, &run_args, &args.common),
            Ok(Named::Group(run)) => run_of::<Group>(run, &run_args, &args.common),
            Ok(Named::Ctl(run)) => run_of::<Ctl>(run, &run_args, &args.common),
            Ok(Named::Shard(run)) => run_of::<Shard>(run, &run_args, &args.common),
            Ok(Named::Route(run)) => run_of::<Route>(run, &run_args, &args.common),
            Ok(Named::Mr(run)) => run_of::<Mr>(run, &run_args, &args.common),
            Ok(Named::ShardRaft(run)) => run_of::<ShardRaft>(run, &run_args, &args.common),
            Err(error) => Err(Usage(error)),
        },
        Some(Command::Explore { name, port, mutant, settings }) => {
            explore::run(&name, port, mutant.as_deref(), &settings).map_err(Usage)
        }
        Some(Command::Mutants { id }) => hunt(id.as_deref(), &args.common),
        Some(Command::Deep { name, list }) => run_deep(name.as_deref(), list, &args.common),
        Some(Command::Replay { paths, copies }) => match paths.as_slice() {
            [file] if !conform::is_trace(file) && !copies => replay(file, &args.common),
            folders => replay_traces(folders, copies, &args.common),
        },
        Some(Command::Play(asked)) => {
            scripted::command::run(&asked, args.common.json, args.common.max_states).map_err(Usage)
        }
        Some(Command::Linearize(judged)) => {
            let memory = u64::from(args.common.max_memory) << 30;
            let verdict = linearize::run(&judged, args.common.json, memory).map_err(Usage);
            verdict.map(|verdict| ExitCode::from(linearize::exit_code(verdict)))
        }
        Some(Command::Sim(asked)) => {
            let threads = shared(&args.common, Strategy::Dfs, false, usize::MAX).threads;
            sim::command::run(&asked, args.common.json, threads).map_err(Usage)
        }
        Some(Command::Labs(asked)) => {
            let threads = shared(&args.common, Strategy::Dfs, false, usize::MAX).threads;
            labs::command::run(&asked, args.common.json, threads).map_err(Usage)
        }
        #[cfg(unix)]
        Some(Command::Chaos(run)) => {
            Ok(crate::chaos::run(&run, &args.common.out, args.common.json))
        }
        Some(Command::Spec) => show_spec(&args.common),
    };
    result.unwrap_or_else(|failure| {
        let (text, code) = match failure {
            Usage(text) => (text, 64),
            Broken(text) => (text, 1),
        };
        eprintln!("error: {text}");
        ExitCode::from(code)
    })
}

fn run_of<K: Kind>(run: &RunOf<K::Right>, args: &RunArgs, common: &Common) -> Outcome {
    if args.strategy == Strategy::Symmetry && K::Right::representative().is_none() {
        let name = K::Right::NAME;
        return Err(Usage(format!("no two actors of {name} are alike: choose another --strategy")));
    }
    match &args.mutant {
        _ if args.strategy == Strategy::Walk => walk_run::<K>(run, args, common),
        Some(id) => run_mutant::<K>(run, args.strategy, &args.settings, id, common),
        None => run_one::<K>(run, args.strategy, &args.settings, args.pin, common),
    }
}

fn shared(common: &Common, strategy: Strategy, pin: bool, states: usize) -> Settings {
    let threads = common
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let limits = Limits {
        states: common.max_states.unwrap_or(states),
        memory_mib: u64::from(common.max_memory) * 1024,
    };
    Settings { strategy, threads, limits, out: common.out.clone(), pin }
}

/// Prints the rows and gives the exit code of the worst.
fn finish(rows: &[Row], common: &Common) -> Outcome {
    if common.json {
        print_json(&rows)?;
    } else {
        print!("{}", report::table(rows));
    }
    let any = |ending| rows.iter().any(|row| row.ending == ending);
    Ok(if any(Ending::Failed) {
        ExitCode::from(1)
    } else if any(Ending::NotExhausted) {
        eprintln!("not exhausted");
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    })
}

fn standard(common: &Common, pin: bool) -> Outcome {
    let settings = shared(common, Strategy::Dfs, pin, usize::MAX);
    let mut rows = Vec::new();
    for run in catalog::standard() {
        if !INTERRUPTED.load(Ordering::Relaxed) {
            rows.push(runner::run_named(run, &settings).map_err(Broken)?);
        }
    }
    let code = finish(&rows, common)?;
    for run in catalog::standard().skip(rows.len()) {
        eprintln!("{}: not exhausted: not begun", run.name());
    }
    let whole = rows.len() == catalog::standard().count()
        || rows.iter().any(|row| row.ending == Ending::Failed);
    Ok(if whole { code } else { ExitCode::from(2) })
}

fn run_one<K: Kind>(
    run: &RunOf<K::Right>,
    strategy: Strategy,
    set: &[String],
    pin: bool,
    common: &Common,
) -> Outcome {
    let bounds = settings::apply::<K::Right>(run.bounds, set)?;
    if pin && (bounds != run.bounds || !ledger::is_pinned(strategy)) {
        return Err(Usage("only a run's own bounds, depth or breadth first, can be pinned".into()));
    }
    let settings = shared(common, strategy, pin, usize::MAX);
    let row = runner::run::<K>(run, bounds, &settings).map_err(Broken)?;
    finish(&[row], common)
}

fn run_mutant<K: Kind>(
    run: &RunOf<K::Right>,
    strategy: Strategy,
    set: &[String],
    id: &str,
    common: &Common,
) -> Outcome {
    let bounds = settings::apply::<K::Right>(run.bounds, set)?;
    let settings = shared(common, strategy, false, usize::MAX);
    let row = runner::run_mutant::<K>(run, bounds, catalog::mutant::<K>(id)?, &settings)
        .map_err(Broken)?;
    finish(&[row], common)
}

fn walk_run<K: Kind>(run: &RunOf<K::Right>, args: &RunArgs, common: &Common) -> Outcome {
    let RunArgs { ref settings, seed, paths, steps, .. } = *args;
    let (name, bounds) = (run.name, settings::apply::<K::Right>(run.bounds, settings)?);
    let system = K::right(bounds);
    let mut told = Instant::now();
    let walked = walk::walk(&system, seed, paths, steps, |walked| {
        if told.elapsed() >= Duration::from_secs(2) {
            told = Instant::now();
            let (taken, steps) = (grouped(walked.paths), grouped(walked.steps));
            eprintln!("{name:<24} {taken:>12} of {} paths, {steps} steps", grouped(paths));
        }
    });
    if common.json {
        let violated = walked.violation.as_ref().map(|violation| violation.property);
        print_json(&serde_json::json!({
            "run": name, "seed": seed, "paths": walked.paths, "steps": walked.steps,
            "exhausted": false, "violated": violated,
        }))?;
    } else {
        let (paths, steps) = (grouped(walked.paths), grouped(walked.steps));
        println!("{name}: {paths} random paths, {steps} steps, seed {seed}; not exhausted");
    }
    let Some(violation) = walked.violation else {
        let whole = walked.paths == paths;
        return Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(2) });
    };
    let path = paths::shorten(&system, &violation);
    let saved = paths::save(name, None, &system, Some(violation.property), 0, &path);
    eprintln!("\n{}", system.transcript(&path));
    let file = paths::write(&saved, &system, &common.out).map_err(Broken)?;
    eprintln!("{} does not hold (seed {seed})", violation.property);
    eprintln!("replay: cargo run --release -p checks -- replay {}", file.display());
    Ok(ExitCode::from(1))
}

fn list(common: &Common) -> Outcome {
    if common.json {
        print_json(&list::json())?;
    } else {
        print!("{}", list::text());
    }
    Ok(ExitCode::SUCCESS)
}

fn hunt(id: Option<&str>, common: &Common) -> Outcome {
    let settings = shared(common, Strategy::Bfs, false, 2_000_000);
    let hunts: Vec<AnyHunt> = match id {
        Some(id) => vec![catalog::hunt(id)?],
        None => catalog::hunts().collect(),
    };
    let all = mutants::hunt_all(&hunts, &settings, |hunted| {
        let (id, word, states) = (hunted.id, hunted.word(), grouped(hunted.states));
        eprintln!("{id:<5} {word}  {} steps, {states} states", hunted.prefix + hunted.steps);
    });
    if common.json {
        print_json(&all)?;
    } else {
        print!("{}", mutants::table(&all));
    }
    for prey in hunts.iter().map(AnyHunt::prey) {
        if all.iter().all(|hunted| hunted.id != prey.id) {
            eprintln!("{}: not exhausted: not begun", prey.id);
        }
    }
    let cut = |hunted: &&mutants::Hunted| hunted.word() == "not exhausted";
    let (cut, rest): (Vec<_>, Vec<_>) = all.iter().partition(cut);
    Ok(match () {
        () if rest.iter().any(|hunted| !hunted.killed()) => ExitCode::from(1),
        () if !cut.is_empty() || all.len() < hunts.len() => ExitCode::from(2),
        () => ExitCode::SUCCESS,
    })
}

fn run_deep(name: Option<&str>, list: bool, common: &Common) -> Outcome {
    let path = deep::path();
    let deep_runs: Vec<Named> = match name {
        Some(name) => vec![catalog::find(name)?],
        None => catalog::deep().collect(),
    };
    let mut settings = shared(common, Strategy::Dfs, false, usize::MAX);
    if list && common.json {
        print_json(&deep::read(&path)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = Vec::new();
    for run in deep_runs {
        let record = deep::read(&path)?.into_iter().find(|record| record.run == run.name());
        match record {
            Some(record) if list => println!("{}", record.line(&run.bounds_text())),
            None if list => println!("{}: not run yet", run.name()),
            Some(record) if record.is_of(run) => {
                eprintln!("{} (the same text: skipped)", record.line(&run.bounds_text()));
            }
            _ => {
                // The first count of a run is pinned; a later one must be the same.
                let ledger = Ledger::read(&ledger::path())?;
                settings.pin = ledger.0.iter().all(|entry| entry.run != run.name());
                let commit = machine::commit();
                machine::forget_peak_memory();
                let row = runner::run_named(run, &settings).map_err(Broken)?;
                if row.ending == Ending::Passed {
                    deep::add(&path, deep::Record::new(run, &row, commit)).map_err(Broken)?;
                }
                rows.push(row);
                if INTERRUPTED.load(Ordering::Relaxed) {
                    break;
                }
            }
        }
    }
    if list || rows.is_empty() && !common.json {
        return Ok(ExitCode::SUCCESS);
    }
    finish(&rows, common)
}

/// Steps that real servers have taken, taken again by the machine.
fn replay_traces(folders: &[PathBuf], copies: bool, common: &Common) -> Outcome {
    let network = if copies { conform::Network::Copies } else { conform::Network::Once };
    match conform::replay(folders, network) {
        Ok(summary) if common.json => print_json(&summary)?,
        Ok(summary) => print!("{}", conform::text(&summary)),
        Err(conform::Refusal::Folders(text)) => return Err(Usage(text)),
        Err(refusal) => return Err(Broken(refusal.to_string())),
    }
    Ok(ExitCode::SUCCESS)
}

fn replay(file: &Path, common: &Common) -> Outcome {
    let replayed = paths::replay(file)?;
    if common.json {
        print_json(&serde_json::json!({
            "name": replayed.name, "steps": replayed.steps, "violated": replayed.violated,
        }))?;
    } else {
        println!("{}", replayed.transcript);
    }
    match (replayed.violated, &replayed.property) {
        (Some(property), _) => {
            eprintln!("{property} does not hold after these {} steps", replayed.steps);
            Ok(ExitCode::from(1))
        }
        (None, Some(property)) => {
            eprintln!("{property} holds now: the path no longer shows what it was saved for");
            Ok(ExitCode::SUCCESS)
        }
        (None, None) => Ok(ExitCode::SUCCESS),
    }
}

fn show_spec(common: &Common) -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let matrix = spec::matrix(&root)?;
    if common.json {
        print_json(&matrix)?;
    } else {
        print!("{}", spec::table(&matrix));
    }
    let whole = matrix.unknown.is_empty() && matrix.lines.iter().all(|line| line.gaps.is_empty());
    Ok(if whole && !matrix.lines.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
