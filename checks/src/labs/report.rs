//! What people are shown: a line for each scenario, and the labs' limits beside what was measured.

use super::catalog::{Scenario, named};
use super::lab::Limit;
use super::round::Report;
use crate::report::{columns, grouped};
use std::fmt::Write;

/// The rounds of one scenario, in the order of their seeds.
struct Rounds<'a> {
    scenario: &'static Scenario,
    reports: Vec<&'a Report>,
}

fn number(count: u64) -> String {
    grouped(usize::try_from(count).unwrap_or(usize::MAX))
}

/// A number for several rounds: the middle one, and the largest in brackets if there are several.
fn told(mut numbers: Vec<u64>, write: impl Fn(u64) -> String) -> String {
    numbers.sort_unstable();
    let (middle, last) = (numbers[numbers.len() / 2], numbers[numbers.len() - 1]);
    if numbers.len() == 1 { write(last) } else { format!("{} ≤{}", write(middle), write(last)) }
}

impl Rounds<'_> {
    fn cells(&self) -> [String; 10] {
        let Scenario { name, lab, servers, .. } = *self.scenario;
        let of = |of: fn(&Report) -> u64| self.reports.iter().map(|report| of(report)).collect();
        let failed: Vec<_> =
            self.reports.iter().filter(|report| report.failure.is_some()).collect();
        let verdict = match failed.first() {
            None => "passed".into(),
            Some(first) => format!("FAILED ({} of them, seed {})", failed.len(), first.seed),
        };
        [
            name.into(),
            lab.into(),
            servers.to_string(),
            self.scenario.network().into(),
            self.reports.len().to_string(),
            told(of(|report| report.us), |us| format!("{:.1}", us as f64 / 1e6)),
            told(of(|report| report.requests), number),
            told(of(|report| report.bytes), number),
            told(of(|report| report.commands), number),
            verdict,
        ]
    }

    /// The largest measurement against each limit.
    fn limits(&self) -> Vec<[String; 5]> {
        let mut worst: Vec<Limit> = Vec::new();
        for limit in self.reports.iter().flat_map(|report| &report.limits) {
            match worst.iter_mut().find(|known| known.what == limit.what) {
                Some(known) if limit.measured <= known.measured => {}
                Some(known) => *known = limit.clone(),
                None => worst.push(limit.clone()),
            }
        }
        let row = |Limit { what, measured, most }: Limit| {
            let ratio = format!("{:.2}", measured as f64 / most as f64);
            [self.scenario.name.into(), what.into(), number(measured), number(most), ratio]
        };
        worst.into_iter().map(row).collect()
    }
}

fn by_scenario(reports: &[Report]) -> Vec<Rounds<'_>> {
    let mut all: Vec<Rounds<'_>> = Vec::new();
    for report in reports {
        match all.iter_mut().find(|rounds| rounds.scenario.name == report.scenario) {
            Some(rounds) => rounds.reports.push(report),
            None => {
                let scenario = named(report.scenario).expect("a report is of a scenario");
                all.push(Rounds { scenario, reports: vec![report] });
            }
        }
    }
    all
}

/// The tables of some rounds, in real time or virtual.
pub fn text(reports: &[Report], real: bool) -> String {
    let time = if real { "real" } else { "virtual" };
    let all = by_scenario(reports);
    let head = [
        "scenario",
        "lab",
        "servers",
        "network",
        "rounds",
        &format!("{time} s"),
        "RPCs",
        "bytes",
        "commands",
        "verdict",
    ];
    let rows: Vec<_> = all.iter().map(Rounds::cells).collect();
    let mut text = columns(&head.map(String::from), &rows, &[2, 4, 5, 6, 7, 8]);
    let limits: Vec<_> = all.iter().flat_map(Rounds::limits).collect();
    if !limits.is_empty() {
        let head = ["scenario", "limit", "measured", "at most", "ratio"].map(String::from);
        let _ = write!(text, "\n{}", columns(&head, &limits, &[2, 3, 4]));
    }
    let seconds: f64 = reports.iter().map(|report| report.us as f64 / 1e6).sum();
    let failed = reports.iter().filter(|report| report.failure.is_some()).count();
    let _ = writeln!(
        text,
        "\n{} rounds of {} scenarios, {} failed; {seconds:.0} {time} seconds",
        reports.len(),
        all.len(),
        failed
    );
    text
}

/// The scenarios by name.
pub fn list(scenarios: &[&'static Scenario]) -> String {
    let row = |scenario: &&'static Scenario| {
        let Scenario { name, lab, about, servers, .. } = **scenario;
        let network = scenario.network();
        [name.into(), lab.into(), servers.to_string(), network.into(), about.into()]
    };
    let rows: Vec<_> = scenarios.iter().map(row).collect();
    let head = ["scenario", "lab", "servers", "network", "what the labs print"];
    columns(&head.map(String::from), &rows, &[2])
}
