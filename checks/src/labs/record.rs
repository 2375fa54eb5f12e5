//! The record: which rounds were played at which commit, and what has failed. It is committed, one line for a run.
//!
//! A run is what one command has played: some scenarios, all with the same seeds. Its line is written as soon as there
//! is a whole round and again with every further one, so a run that was interrupted or killed has lost no more than the
//! round it was in. The next run goes on with the seeds behind it. Lines are added and never changed afterwards.

use super::catalog::{Scenario, scenarios};
use super::round::{Report, Setting};
use crate::machine;
use crate::report::{columns, grouped};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One run: a line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// When it was begun.
    pub date: String,
    /// At which commit, `+changes` if what was played differed from it.
    pub commit: String,
    /// Where and on what network.
    #[serde(flatten)]
    pub setting: Setting,
    /// What was played: labs as a whole, or single scenarios.
    pub scenarios: Vec<String>,
    /// With the seeds from the first up to the second and without it.
    pub seeds: (u64, u64),
    /// Rounds, one for each seed, in which every scenario passed.
    pub clean: u64,
    /// What has failed: the scenario and its seed.
    pub failed: Vec<(String, u64)>,
    /// Wall time.
    pub seconds: f64,
}

impl Run {
    /// Whether a scenario was among those that were played.
    fn has(&self, scenario: &Scenario) -> bool {
        self.scenarios.iter().any(|name| name == scenario.name || name == scenario.lab)
    }

    /// One line for a person.
    pub fn line(&self) -> String {
        let Self { date, commit, setting, scenarios, seeds, clean, failed, seconds } = self;
        let rounds = grouped((seeds.1 - seeds.0) as usize);
        let labs = scenarios.join(", ");
        format!(
            "{rounds} rounds of {labs} ({setting}), seeds {}..{}: {clean} clean, {} failures, {seconds:.0} s, on {date} at {commit}",
            seeds.0,
            seeds.1,
            failed.len()
        )
    }
}

/// Where the record is: there, or where this checkout has it.
pub fn path(file: Option<&Path>) -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("labs.jsonl");
    file.map_or_else(own, Path::to_path_buf)
}

/// Reads a record. A missing file is an empty one.
///
/// # Errors
/// If it is none.
pub fn read(path: &Path) -> Result<Vec<Run>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("can't read {}: {error}", path.display())),
    };
    let run = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| {
            let place = format!("line {} of {}", number + 1, path.display());
            format!("{place} is no run: {error}; restore it from git")
        })
    };
    text.lines().enumerate().map(run).collect()
}

/// Writes a record, whole or not at all.
fn write(path: &Path, runs: &[Run]) -> Result<(), String> {
    let mut text = String::new();
    for run in runs {
        text += &serde_json::to_string(run).map_err(|error| error.to_string())?;
        text.push('\n');
    }
    let beside = path.with_extension("new");
    let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| format!("can't write {}: {error}", path.display()))
}

/// The labs that are there as a whole, and the scenarios of others.
fn in_few_words(played: &[&'static Scenario]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for scenario in played {
        let mut lab = scenarios().filter(|other| other.lab == scenario.lab);
        let whole = lab.all(|other| played.iter().any(|one| one.name == other.name));
        let name = if whole { scenario.lab } else { scenario.name };
        if !names.iter().any(|known| known == name) {
            names.push(name.into());
        }
    }
    names
}

/// How many rounds of a scenario were played in a setting, and how many of them failed.
fn count(runs: &[Run], scenario: &Scenario, setting: Setting) -> (u64, u64) {
    let of = runs.iter().filter(|run| run.setting == setting && run.has(scenario));
    of.fold((0, 0), |(played, failed), run| {
        let failures = run.failed.iter().filter(|(name, _)| name == scenario.name).count();
        (played + run.seeds.1 - run.seeds.0, failed + failures as u64)
    })
}

/// A run that is being added to a record.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    /// All runs; this one is the last.
    runs: Vec<Run>,
    end: u64,
    scenarios: usize,
    /// By seed, how many scenarios were played that are not in a whole round yet.
    open: BTreeMap<u64, Vec<Report>>,
}

impl Kept {
    /// Goes on where a record ends, until every scenario has been played so often.
    ///
    /// # Errors
    /// If the record is none, or has as many rounds.
    pub fn open(
        path: PathBuf,
        played: &[&'static Scenario],
        setting: Setting,
        rounds: u64,
    ) -> Result<Self, String> {
        let mut runs = read(&path)?;
        let had = played.iter().map(|scenario| count(&runs, scenario, setting).0).min();
        let left = rounds.saturating_sub(had.unwrap_or(0));
        if left == 0 {
            return Err(format!("{} has {rounds} rounds; ask for more", path.display()));
        }
        let shares =
            |run: &&Run| run.setting == setting && played.iter().any(|scenario| run.has(scenario));
        let first = runs.iter().filter(shares).map(|run| run.seeds.1).max().unwrap_or(1);
        runs.push(Run {
            date: machine::date(),
            commit: machine::commit_of(&["model", "impl", "checks/src"], "+changes"),
            setting,
            scenarios: in_few_words(played),
            seeds: (first, first),
            clean: 0,
            failed: Vec::new(),
            seconds: 0.0,
        });
        let (end, scenarios) = (first + left, played.len());
        Ok(Self { path, runs, end, scenarios, open: BTreeMap::new() })
    }

    /// The run so far.
    pub fn run(&self) -> &Run {
        self.runs.last().expect("it was added at the beginning")
    }

    /// What is to be played.
    pub fn seeds(&self) -> Range<u64> {
        self.run().seeds.0..self.end
    }

    /// Whether all of it was.
    pub fn is_done(&self) -> bool {
        self.run().seeds.1 == self.end
    }

    /// A scenario was played. Whole rounds are written, in the order of their seeds.
    ///
    /// # Errors
    /// If they can't be.
    pub fn add(&mut self, report: &Report, wall: Duration) -> Result<(), String> {
        self.open.entry(report.seed).or_default().push(report.clone());
        let mut more = false;
        while let Some(first) = self.open.first_entry()
            && let run = self.runs.last_mut().expect("it was added at the beginning")
            && *first.key() == run.seeds.1
            && first.get().len() == self.scenarios
        {
            let failures = first.remove().into_iter().filter(|report| report.failure.is_some());
            let failures: Vec<_> =
                failures.map(|report| (report.scenario.into(), report.seed)).collect();
            run.clean += u64::from(failures.is_empty());
            run.failed.extend(failures);
            run.seeds.1 += 1;
            run.seconds = wall.as_secs_f64().round();
            more = true;
        }
        if more { write(&self.path, &self.runs) } else { Ok(()) }
    }
}

/// How often each scenario was played in a setting, and how often it has failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Counts {
    /// The scenario.
    pub scenario: &'static str,
    /// Where and on what network.
    #[serde(flatten)]
    pub setting: Setting,
    /// How often.
    pub rounds: u64,
    /// How many of these failed.
    pub failed: u64,
}

/// All counts that are not nothing.
pub fn counts(runs: &[Run], of: &[&'static Scenario]) -> Vec<Counts> {
    let all = of.iter().flat_map(|scenario| Setting::ALL.map(|setting| (scenario, setting)));
    let counts = all.map(|(scenario, setting)| {
        let (rounds, failed) = count(runs, scenario, setting);
        Counts { scenario: scenario.name, setting, rounds, failed }
    });
    counts.filter(|counts| counts.rounds > 0).collect()
}

/// The counts of all settings, for people; and the runs that they come from.
pub fn table(runs: &[Run], of: &[&'static Scenario]) -> String {
    let row = |scenario: &&'static Scenario| {
        let cells = Setting::ALL.map(|setting| match count(runs, scenario, setting) {
            (0, _) => "-".into(),
            (rounds, 0) => grouped(rounds as usize),
            (rounds, failed) => format!("{} ({failed} FAILED)", grouped(rounds as usize)),
        });
        let [one, two, three, four] = cells;
        [scenario.name.into(), scenario.lab.into(), one, two, three, four]
    };
    let rows: Vec<_> = of.iter().map(row).collect();
    let settings = Setting::ALL.map(|setting| setting.to_string());
    let [one, two, three, four] = settings;
    let head = ["scenario".into(), "lab".into(), one, two, three, four];
    let lines: Vec<_> = runs.iter().map(|run| run.line() + "\n").collect();
    columns(&head, &rows, &[2, 3, 4, 5]) + "\n" + &lines.concat()
}
