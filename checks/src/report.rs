//! What a person or a program is shown of a run.

use crate::catalog::RunOf;
use crate::engine::{Cut, VerdictOf};
use crate::ledger::Match;
use model::system::System;
use serde::Serialize;
use serde_json::Value;

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Exhausted, every property held, every corner was reached, the count is the pinned one.
    Passed,
    /// A property does not hold, a corner was not reached, or the count is another.
    Failed,
    /// Cut off: what was visited is fine, the rest is not known.
    NotExhausted,
}

/// One row of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The run.
    pub run: String,
    /// Its bounds.
    pub bounds: Value,
    /// The same in few letters.
    #[serde(skip)]
    pub bounds_text: String,
    /// Unique states.
    pub states: usize,
    /// The longest path; left out of the output of runs with several threads, where it is luck.
    #[serde(skip)]
    pub depth: usize,
    /// Seconds; not in the JSON, which holds nothing of the wall clock.
    #[serde(skip)]
    pub seconds: f64,
    /// Whether every state within the bounds was visited.
    pub exhausted: bool,
    /// Why it was cut off.
    pub cut: Option<Cut>,
    /// The property that does not hold.
    pub violated: Option<&'static str>,
    /// From how many states convergence was shown.
    pub converged: u64,
    /// The corners that were asked for.
    pub corners: usize,
    /// Those that were not reached.
    pub missed: Vec<&'static str>,
    /// What the ledger says against it.
    pub ledger: Option<String>,
    /// The odds of a fingerprint collision.
    pub collision_odds: f64,
    /// All in all.
    pub ending: Ending,
}

impl Row {
    /// Judges a verdict.
    pub fn new<S: System>(
        run: &RunOf<S>,
        bounds: &S::Bounds,
        verdict: &VerdictOf<S>,
        ledger: Option<Match>,
    ) -> Self {
        let own_bounds = *bounds == run.bounds;
        let wanted: &[S::Corner] = if own_bounds { run.reaches } else { &[] };
        let missed: Vec<_> =
            wanted.iter().filter(|probe| !verdict.reached.contains(probe)).collect();
        let against = ledger.filter(|_| verdict.exhausted()).and_then(|found| match found {
            Match::Same => None,
            Match::Count { pinned, found } => Some(format!(
                "the ledger has {} states, this run {}",
                grouped(pinned),
                grouped(found)
            )),
            Match::Bounds => Some("the ledger's count is of other bounds".into()),
            Match::Missing => Some("the ledger has no count for this run".into()),
        });
        let ending = if verdict.violation.is_some() || against.is_some() {
            Ending::Failed
        } else if verdict.cut.is_some() {
            Ending::NotExhausted
        } else if missed.is_empty() {
            Ending::Passed
        } else {
            Ending::Failed
        };
        Self {
            run: run.name.into(),
            bounds: serde_json::json!(bounds),
            bounds_text: S::bounds_text(bounds),
            states: verdict.states,
            depth: verdict.depth,
            seconds: verdict.seconds,
            exhausted: verdict.exhausted(),
            cut: verdict.cut,
            violated: verdict.violation.as_ref().map(|violation| violation.property),
            converged: verdict.converged,
            corners: wanted.len(),
            missed: missed.iter().map(|&&corner| S::corner_text(corner)).collect(),
            ledger: against,
            collision_odds: verdict.collision_odds(),
            ending,
        }
    }

    fn cells(&self) -> [String; 10] {
        let rate = self.states as f64 / self.seconds.max(0.001);
        let reached = self.corners - self.missed.len();
        [
            self.run.clone(),
            self.bounds_text.clone(),
            grouped(self.states),
            self.depth.to_string(),
            format!("{:.1}", self.seconds),
            grouped(rate as usize),
            if self.exhausted { "yes".into() } else { "no".into() },
            if self.violated.is_none() { "hold".into() } else { "VIOLATED".into() },
            grouped(self.converged as usize),
            format!("{reached}/{}", self.corners),
        ]
    }
}

/// A number with its thousands apart.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The table of runs.
pub fn table(rows: &[Row]) -> String {
    let head = [
        "run",
        "bounds",
        "states",
        "depth",
        "s",
        "states/s",
        "exhausted",
        "properties",
        "converge",
        "reached",
    ]
    .map(String::from);
    let cells: Vec<_> = rows.iter().map(Row::cells).collect();
    let mut text = columns(&head, &cells, &[2, 3, 4, 5, 8, 9]);
    let states: usize = rows.iter().map(|row| row.states).sum();
    let seconds: f64 = rows.iter().map(|row| row.seconds).sum();
    let odds: f64 = rows.iter().map(|row| row.collision_odds).sum();
    text += &format!(
        "{} states in {seconds:.0} s; odds that a fingerprint collision hid one: {odds:.1e}\n",
        grouped(states)
    );
    for row in rows {
        for missed in &row.missed {
            text += &format!("{}: never reached: {missed}\n", row.run);
        }
        if let Some(against) = &row.ledger {
            text += &format!("{}: {against}\n", row.run);
        }
        if let Some(cut) = row.cut {
            text += &format!("{}: not exhausted: {}\n", row.run, cut.text());
        }
        if let Some(property) = row.violated {
            text += &format!("{}: {property} does not hold\n", row.run);
        }
    }
    text
}

/// Rows under a head, aligned; `right` are the columns of numbers.
pub fn columns<const N: usize>(
    head: &[String; N],
    rows: &[[String; N]],
    right: &[usize],
) -> String {
    let width = |column: usize| {
        let cells = rows.iter().chain([head]).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().enumerate().map(|(column, cell)| match right.contains(&column) {
            true => format!("{cell:>width$}", width = widths[column]),
            false => format!("{cell:<width$}", width = widths[column]),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string() + "\n"
    };
    let rule: String = widths.iter().map(|&width| "─".repeat(width)).collect::<Vec<_>>().join("──");
    line(head) + &rule + "\n" + &rows.iter().map(line).collect::<String>()
}
