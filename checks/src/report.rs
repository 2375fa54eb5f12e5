//! What a person or a program is shown of a run.

use crate::engine::{Cut, Verdict};
use crate::ledger::Match;
use model::bounds::Bounds;
use model::probes::Probe;
use model::runs::Run;
use protocol::quorum::NodeSet;
use serde::Serialize;

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
    pub bounds: Bounds,
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
    pub fn new(run: &Run, bounds: &Bounds, verdict: &Verdict, ledger: Option<Match>) -> Self {
        let own_bounds = *bounds == run.bounds;
        let wanted: &[Probe] = if own_bounds { run.reaches } else { &[] };
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
            bounds: *bounds,
            states: verdict.states,
            depth: verdict.depth,
            seconds: verdict.seconds,
            exhausted: verdict.exhausted(),
            cut: verdict.cut,
            violated: verdict.violation.as_ref().map(|violation| violation.property),
            converged: verdict.converged,
            corners: wanted.len(),
            missed: missed.iter().map(|probe| probe.text()).collect(),
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
            bounds_text(&self.bounds),
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

/// Bounds in few letters: servers, terms, commands, and what is on.
pub fn bounds_text(bounds: &Bounds) -> String {
    let mut text = format!("{}S {}T {}L", bounds.servers, bounds.max_term, bounds.max_log);
    let mut add = |on: bool, word: String| {
        if on {
            text.push(' ');
            text.push_str(&word);
        }
    };
    add(bounds.crashes > 0, format!("{}C", bounds.crashes));
    add(bounds.net == model::bounds::Net::Duplicate, "dup".into());
    match bounds.losses {
        model::bounds::ANY_NUMBER => add(true, "loss".into()),
        losses => add(losses > 0, format!("{losses}loss")),
    }
    add(bounds.compactions > 0, format!("{}snap", bounds.compactions));
    add(bounds.reads > 0, format!("{}R", bounds.reads));
    add(bounds.pre_vote, "pv".into());
    add(bounds.heartbeats, "hb".into());
    add(bounds.check_quorum, "cq".into());
    add(bounds.in_turn, "turns".into());
    let all = NodeSet::first(bounds.servers);
    let mut some = |word: &str, on: bool, set: NodeSet| {
        let names: Vec<_> = set.iter().map(|node| format!("{node:?}")).collect();
        add(on && set != all, format!("{word}={}", names.join("+")));
    };
    some("run", true, bounds.campaigners);
    some("crash", bounds.crashes > 0, bounds.victims);
    some("read", bounds.reads > 0, bounds.readers);
    some("snap", bounds.compactions > 0, bounds.compactors);
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
