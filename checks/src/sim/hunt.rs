//! Would the simulator have noticed? Every mutant that can be told apart here is tried on some seeds.

use super::command::{Args, many, print_json};
use super::judge::Violation;
use super::kit::Wrong;
use super::plan::Plan;
use crate::catalog::{self, AnyHunt};
use crate::engine::INTERRUPTED;
use crate::report::columns;
use model::kv;
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Each mutant is tried on so many seeds unless told.
const SEEDS: u64 = 50;

/// How a hunt ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Hunted {
    /// The mutant.
    pub id: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
    /// What is wrong with it.
    pub text: &'static str,
    /// Why it can't be told apart here, if it can't.
    pub not_expressed: Option<&'static str>,
    /// How many seeds were tried.
    pub seeds: u64,
    /// The seed that found it, and by what.
    pub found: Option<(u64, &'static str)>,
}

impl Hunted {
    /// How it ended, in words.
    pub fn word(&self) -> String {
        match (self.not_expressed, self.found) {
            (Some(_), _) => "not expressed".into(),
            (None, Some((seed, _))) => format!("seed {seed}"),
            (None, None) => "NOT FOUND".into(),
        }
    }
}

/// Why a mutant can't be told apart in a simulation: what it gets wrong is not done there.
pub fn not_expressed(hunt: &AnyHunt) -> Option<&'static str> {
    if hunt.prey().rule.starts_with("LEASE-") {
        return Some("clients take no locks");
    }
    let bug = match hunt {
        AnyHunt::Ctl(_) => return Some("there is no controller"),
        AnyHunt::Shard(_) | AnyHunt::ShardRaft(_) | AnyHunt::Route(_) => {
            return Some("no slot moves");
        }
        AnyHunt::Mr(_) => return Some("there is no MapReduce"),
        AnyHunt::Kv(kv::Hunt { bug, .. }) => bug,
        AnyHunt::Raft(_) | AnyHunt::Group(_) => return None,
    };
    use kv::Bug;
    Some(match bug {
        Bug::MaybeHolds
        | Bug::MaybeForgets
        | Bug::OneToken
        | Bug::HeldLooksFree
        | Bug::ReleasesZero
        | Bug::ReleasesWhatItSees
        | Bug::NoFence => "clients take no locks",
        Bug::WatchForgotten | Bug::MissingIsMissing | Bug::FaultStops => {
            "clients make no transactions"
        }
        Bug::FlushForgetsFloors | Bug::FlushForgetsRecords => "nobody flushes",
        Bug::PlaceByNumber => "nobody scans",
        Bug::AnyCommandFits => "no client uses another's number",
        Bug::FutureWelcome => "no client comes from the future",
        Bug::TickTakesAll => "no tick has that much to do",
        _ => return None,
    })
}

/// The properties that what ships breaks on the same seeds, with the first seed that shows it. By these no mutant is
/// found: such a hunt would show nothing.
pub fn control(plan: &Plan, seeds: u64, threads: usize) -> BTreeMap<&'static str, u64> {
    let reports = many(Wrong::NOTHING, plan, seeds, threads, |_| false, |_, _| {});
    let broken = reports.iter().rev().filter_map(|report| {
        report.violation.as_ref().map(|violation| (violation.property, report.seed))
    });
    broken.collect()
}

/// Hunts one mutant.
pub fn hunt(
    hunt: &AnyHunt,
    plan: &Plan,
    seeds: u64,
    threads: usize,
    control: &BTreeMap<&'static str, u64>,
) -> Hunted {
    let prey = hunt.prey();
    let not_expressed = not_expressed(hunt);
    let counts = |violation: &Violation| !control.contains_key(violation.property);
    let reports = match not_expressed {
        Some(_) => Vec::new(),
        None => many(Wrong::of(hunt), plan, seeds, threads, counts, |_, _| {}),
    };
    let found = reports.last().and_then(|report| {
        let violation = report.violation.as_ref().filter(|violation| counts(violation))?;
        Some((report.seed, violation.property))
    });
    let (id, rule, text) = (prey.id, prey.rule, prey.text);
    Hunted { id, rule, text, not_expressed, seeds: reports.len() as u64, found }
}

/// Hunts all mutants.
///
/// # Errors
/// Bad arguments.
pub fn hunt_all(args: &Args, as_json: bool, threads: usize) -> Result<ExitCode, String> {
    let plan = args.plan()?;
    let seeds = args.seeds.map_or(SEEDS, |(first, end)| end - first);
    let begun = Instant::now();
    let control = control(&plan, seeds, threads);
    for (property, seed) in &control {
        eprintln!("{property} does not hold for what ships (seed {seed}): nothing is found by it");
    }
    let prey: Vec<AnyHunt> = match &args.mutant {
        Some(id) => vec![catalog::hunt(id)?],
        None => catalog::hunts().collect(),
    };
    let mut all = Vec::new();
    for prey in &prey {
        if INTERRUPTED.load(Ordering::Relaxed) {
            break;
        }
        let hunted = hunt(prey, &plan, seeds, threads, &control);
        let by = hunted.found.map_or("", |(_, property)| property);
        eprintln!("{:<5} {:<14} {by}", hunted.id, hunted.word());
        all.push(hunted);
    }
    eprintln!("{:.0} s", begun.elapsed().as_secs_f64());
    if as_json {
        print_json(&serde_json::json!({ "control": control, "mutants": all }))?;
    } else {
        print!("{}", table(&all));
    }
    let whole = all.len() == prey.len();
    Ok(match (whole, control.is_empty()) {
        (false, _) => ExitCode::from(2),
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::from(1),
    })
}

fn table(all: &[Hunted]) -> String {
    let rows: Vec<_> = all
        .iter()
        .map(|hunted| {
            let by = hunted.found.map_or("", |(_, property)| property);
            let by = hunted.not_expressed.unwrap_or(by);
            [hunted.id.into(), hunted.rule.into(), hunted.word(), by.into(), hunted.text.into()]
        })
        .collect();
    let head = ["mutant", "rule", "found by", "broken, or why not", "what is wrong"];
    let mut text = columns(&head.map(String::from), &rows, &[]);
    let expressed = all.iter().filter(|hunted| hunted.not_expressed.is_none());
    let missed: Vec<_> = expressed.clone().filter(|hunted| hunted.found.is_none()).collect();
    let (count, found) = (expressed.clone().count(), expressed.count() - missed.len());
    text += &format!("\n{found} of {count} found\n");
    for Hunted { id, rule, text: what, seeds, .. } in missed {
        text += &format!("not found on {seeds} seeds: {id} ({rule}): {what}\n");
    }
    text
}
