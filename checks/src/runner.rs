//! Takes a named run from its bounds to a row of the table, with progress on standard error.

use crate::catalog::{Ctl, Group, Kind, Kv, Mr, Named, Raft, Route, RunOf, Shard, ShardRaft};
use crate::engine::{self, Limits, Progress, Strategy, VerdictOf, Violation};
use crate::ledger::{self, Ledger};
use crate::paths;
use crate::report::{Ending, Row, grouped};
use indicatif::{ProgressBar, ProgressStyle};
use model::system::System;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

/// What all runs of one command share.
pub struct Settings {
    /// How to explore.
    pub strategy: Strategy,
    /// On how many threads.
    pub threads: usize,
    /// When to stop.
    pub limits: Limits,
    /// Where counterexamples go.
    pub out: PathBuf,
    /// Whether to pin the counts that are found.
    pub pin: bool,
}

/// Progress for people: a line that moves on a terminal, a line now and then elsewhere.
pub struct Teller {
    bar: ProgressBar,
    name: String,
    plain: bool,
    next: Duration,
}

impl Teller {
    /// Begins to tell of a run.
    pub fn new(name: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        let plain = !std::io::stderr().is_terminal();
        Self { bar, name: name.into(), plain, next: Duration::from_secs(2) }
    }

    /// A look at the run.
    pub fn tell(&mut self, progress: Progress) {
        let Progress { states, depth, elapsed, .. } = progress;
        let rate = states as f64 / elapsed.as_secs_f64().max(0.001);
        let text = format!(
            "{:<24} {:>12} states  {:>9}/s  depth {depth:<4} {:>4} s",
            self.name,
            grouped(states),
            grouped(rate as usize),
            elapsed.as_secs()
        );
        if !self.plain {
            self.bar.set_message(text);
            self.bar.tick();
        } else if elapsed >= self.next {
            eprintln!("{text}");
            self.next = elapsed + Duration::from_secs(10);
        }
    }

    /// The run is over.
    pub fn finish(&self, text: &str) {
        self.bar.finish_and_clear();
        eprintln!("{:<24} {text}", self.name);
    }
}

/// Bounds of a kind's models.
pub type BoundsOf<K> = <<K as Kind>::Right as System>::Bounds;

/// Explores a run of the catalog in its own bounds and judges it.
pub fn run_named(named: Named, settings: &Settings) -> Result<Row, String> {
    match named {
        Named::Raft(one) => run::<Raft>(one, one.bounds, settings),
        Named::Kv(one) => run::<Kv>(one, one.bounds, settings),
        Named::Group(one) => run::<Group>(one, one.bounds, settings),
        Named::Ctl(one) => run::<Ctl>(one, one.bounds, settings),
        Named::Shard(one) => run::<Shard>(one, one.bounds, settings),
        Named::Route(one) => run::<Route>(one, one.bounds, settings),
        Named::Mr(one) => run::<Mr>(one, one.bounds, settings),
        Named::ShardRaft(one) => run::<ShardRaft>(one, one.bounds, settings),
    }
}

/// Explores a run with the right rules and judges it.
pub fn run<K: Kind>(
    run: &RunOf<K::Right>,
    bounds: BoundsOf<K>,
    settings: &Settings,
) -> Result<Row, String> {
    explore(run, &K::right(bounds), None, settings)
}

/// Explores a run with the rules and the disk of a mutant.
pub fn run_mutant<K: Kind>(
    run: &RunOf<K::Right>,
    bounds: BoundsOf<K>,
    hunt: &K::Hunt,
    settings: &Settings,
) -> Result<Row, String> {
    explore::<K::Wrong>(run, &K::wrong(hunt, bounds), Some(K::prey(hunt).id), settings)
}

fn explore<S: System>(
    run: &RunOf<S>,
    system: &S,
    mutant: Option<&str>,
    settings: &Settings,
) -> Result<Row, String> {
    let mut teller = Teller::new(run.name);
    let Settings { strategy, threads, limits, .. } = *settings;
    let verdict =
        engine::explore(system, strategy, threads, limits, |progress| teller.tell(progress))?;
    let row = match mutant {
        None => judge::<S>(run, &system.bounds(), &verdict, settings)?,
        Some(_) => Row::new::<S>(run, &system.bounds(), &verdict, None),
    };
    let word = match row.ending {
        Ending::Passed => "exhausted, all properties hold",
        Ending::Failed => "FAILED",
        Ending::NotExhausted => "not exhausted",
    };
    let states = grouped(row.states);
    teller.finish(&format!("{states:>12} states in {:.1} s: {word}", row.seconds));
    if let Some(violation) = &verdict.violation {
        show(run, system, mutant, violation, settings)?;
    }
    Ok(row)
}

/// Prints the shortest path to a violation that can be found, and saves it.
fn show<S: System>(
    run: &RunOf<S>,
    system: &S,
    mutant: Option<&str>,
    violation: &Violation<S::Action>,
    settings: &Settings,
) -> Result<(), String> {
    let path = paths::shorten(system, violation);
    eprintln!("\n{}", system.transcript(&path));
    let name = match mutant {
        Some(id) => format!("{}-{id}", run.name),
        None => run.name.into(),
    };
    let saved = paths::save(&name, mutant, system, Some(violation.property), 0, &path);
    let file = paths::write(&saved, system, &settings.out)?;
    eprintln!("{} does not hold after these {} steps.", violation.property, path.len());
    eprintln!("diagram: {}", file.with_extension("svg").display());
    eprintln!("replay:  cargo run --release -p checks -- replay {}", file.display());
    Ok(())
}

fn judge<S: System>(
    run: &RunOf<S>,
    bounds: &S::Bounds,
    verdict: &VerdictOf<S>,
    settings: &Settings,
) -> Result<Row, String> {
    let pinned = ledger::is_pinned(settings.strategy) && *bounds == run.bounds;
    if !pinned {
        return Ok(Row::new::<S>(run, bounds, verdict, None));
    }
    let path = ledger::path();
    let mut ledger = Ledger::read(&path)?;
    if settings.pin && verdict.exhausted() {
        ledger.pin(&path, run.name, serde_json::json!(bounds), verdict, settings.threads)?;
    }
    let found = ledger.compare(run.name, &serde_json::json!(bounds), verdict.states);
    Ok(Row::new::<S>(run, bounds, verdict, Some(found)))
}
