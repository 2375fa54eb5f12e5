//! What came of a run, for people and for machines.

use super::faults::{Kind as FaultKind, Record};
use super::tally::{Count, Kind, STEP, Tally};
use crate::conform::Summary;
use crate::report::grouped;
use serde::Serialize;
use std::fmt::Write;

/// A run.
#[derive(Clone, Default, Debug, Serialize)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// How long it was to be, in minutes.
    pub minutes: f64,
    /// Server processes.
    pub nodes: usize,
    /// Groups of a sharded cluster; 0 is a cluster of the store.
    pub groups: u8,
    /// Clients at once.
    pub clients: usize,
    /// What the nodes were connected by.
    pub network: &'static str,
    /// How long it was without what was judged in between, in seconds.
    pub seconds: f64,
    /// Chapters.
    pub chapters: u64,
    /// What can't be tried here, and why.
    pub not_tried: Vec<String>,
    /// Every fault.
    pub faults: Vec<Record>,
    /// What clients were told, by kind.
    pub told: Vec<(Kind, Count)>,
    /// Operations that were judged, those that read in the end among them.
    pub operations: u64,
    /// Those of which nobody knows whether they were executed.
    pub pending: u64,
    /// Acknowledged appends whose tags were looked for and found.
    pub acknowledged: u64,
    /// Appends of which nobody knew, and that were executed.
    pub found: u64,
    /// Appends of stock clients that were executed again behind their own time-out or a dead connection.
    pub duplicates: u64,
    /// Keys that every node was asked for again, long after.
    pub keys: u64,
    /// The number of the last configuration of a sharded cluster.
    pub configurations: u64,
    /// How often a server was started.
    pub starts: u64,
    /// How often one ended for want of room on its disk.
    pub ended: u64,
    /// How often a node came to lead.
    pub elections: u64,
    /// How often a node was so far behind that it got a snapshot.
    pub snapshots: u64,
    /// The longest time in which nobody was served, and when it began, in seconds.
    pub longest_gap_s: f64,
    /// See `longest_gap_s`.
    pub gap_from_s: f64,
    /// What was replayed of the servers' traces, if they were recorded.
    pub replayed: Option<Summary>,
    /// How long judging took, in seconds.
    pub judged_s: f64,
    /// Whether somebody ended it early.
    pub interrupted: bool,
    /// What is wrong. Nothing, if all is well.
    pub problems: Vec<String>,
    /// The histories in which something is wrong.
    pub histories: Vec<String>,
    /// Where logs and folders are, after a failure.
    pub evidence: Option<String>,
    /// The timeline.
    pub picture: String,
}

impl Report {
    /// Takes over what was counted.
    pub fn take(&mut self, tally: &Tally) {
        self.told = Kind::ALL.into_iter().zip(tally.counts()).collect();
        let gap = tally.gap();
        self.longest_gap_s = gap.long.as_secs_f64();
        self.gap_from_s = gap.from.as_secs_f64();
        self.seconds = tally.now().as_secs_f64();
        if self.problems.is_empty()
            && !self.interrupted
            && self.told.iter().any(|(_, count)| count.replies == 0)
        {
            self.problems.push("some kind of client was never answered: nothing was tried".into());
        }
    }

    /// In one word.
    pub fn verdict(&self) -> &'static str {
        match (self.problems.is_empty(), self.interrupted) {
            (false, _) => "FAILED",
            (true, true) => "interrupted, and nothing wrong so far",
            (true, false) => "OK",
        }
    }
}

fn number(value: u64) -> String {
    grouped(usize::try_from(value).unwrap_or(usize::MAX))
}

/// A line about how it goes.
pub fn progress(tally: &Tally, faults: &str) -> String {
    let steps = tally.steps();
    let last = &steps[steps.len().saturating_sub(8)..];
    let served: u32 = last.iter().flatten().sum();
    let rate = f64::from(served) / (STEP.as_secs_f64() * last.len().max(1) as f64);
    let calls: u64 = tally.counts().iter().map(|count| count.calls).sum();
    let now = tally.now().as_secs_f64();
    format!("{now:>7.1} s  {:>10} calls  {rate:>6.0} served/s  {faults}", number(calls))
}

/// The report for people.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    let Report { seed, nodes, groups, clients, network, seconds, chapters, .. } = report;
    let of = if *groups > 0 { format!(", {groups} groups") } else { String::new() };
    let _ = writeln!(
        out,
        "seed {seed}: {nodes} nodes{of}, {clients} clients, {network}; {seconds:.0} s in {chapters} chapters\n"
    );
    faults(report, &mut out);
    told(report, &mut out);
    let line = |name: &str, value: String| format!("{name:<46}{value}\n");
    out += &line("judged operations", number(report.operations));
    out += &line("  of which nobody knows", number(report.pending));
    out += &line("acknowledged appends looked for by tag", number(report.acknowledged));
    out += &line("appends nobody knew of, and executed", number(report.found));
    out += &line("executed again by stock clients' resending", number(report.duplicates));
    out += &line("keys read again by every node, long after", number(report.keys));
    if *groups > 0 {
        out += &line("configurations", number(report.configurations));
    }
    out += &line("servers started", number(report.starts));
    out += &line("servers ended for want of room", number(report.ended));
    out += &line("elections won", number(report.elections));
    out += &line("snapshots received", number(report.snapshots));
    let (gap, from) = (report.longest_gap_s, report.gap_from_s);
    out += &line(
        "longest time in which nobody was served",
        format!("{gap:.1} s, from {from:.1} s on"),
    );
    if let Some(replayed) = &report.replayed {
        let Summary { messages, entries, reads, letters, moves, .. } = replayed;
        out += &line("steps replayed", number(replayed.steps()));
        out += &line("  messages matched with their sending", number(*messages));
        out += &line("  entries the same on all nodes", number(*entries));
        out += &line("  reads answered within their windows", number(*reads));
        if *groups > 0 {
            out += &line("  letters matched with their sending", number(*letters));
            out += &line("  things that movers were told", number(*moves));
        }
    }
    out += &line("time to judge", format!("{:.1} s", report.judged_s));
    out += &line("timeline", report.picture.clone());
    for text in &report.not_tried {
        let _ = writeln!(out, "NOT TRIED: {text}");
    }
    for problem in &report.problems {
        let _ = writeln!(out, "PROBLEM: {problem}");
    }
    for history in &report.histories {
        let _ = writeln!(out, "judge it again: checks linearize {history}");
    }
    if let Some(evidence) = &report.evidence {
        let _ = writeln!(out, "logs and folders: {evidence}");
        let _ = writeln!(
            out,
            "a similar run: checks chaos --minutes {} --seed {seed} --nodes {nodes} --groups {groups} --clients {clients} \
             --network {network}",
            report.minutes
        );
    }
    let _ = writeln!(out, "\n{}", report.verdict());
    out
}

fn faults(report: &Report, out: &mut String) {
    let _ = writeln!(out, "{:<16}{:>6}{:>10}", "fault", "times", "seconds");
    for kind in FaultKind::ALL {
        let all = || report.faults.iter().filter(|record| record.kind == kind);
        let seconds: f64 = all().map(|record| record.to_s - record.from_s).sum();
        if all().next().is_some() {
            let _ = writeln!(out, "{:<16}{:>6}{seconds:>10.1}", kind.name(), all().count());
        }
    }
    let _ = writeln!(out);
}

fn told(report: &Report, out: &mut String) {
    let titles = ["client", "calls", "replies", "maybe", "unknown", "not executed", "sent again"];
    let row = |out: &mut String, cells: [String; 7]| {
        let _ = write!(out, "{:<8}", cells[0]);
        cells[1..].iter().for_each(|cell| {
            let _ = write!(out, "{cell:>13}");
        });
        let _ = writeln!(out);
    };
    row(out, titles.map(str::to_owned));
    for (kind, count) in &report.told {
        let Count { calls, replies, maybe, unknown, not_executed, again } = *count;
        let numbers = [calls, replies, maybe, unknown, not_executed, again].map(number);
        let [calls, replies, maybe, unknown, not_executed, again] = numbers;
        row(out, [kind.name().into(), calls, replies, maybe, unknown, not_executed, again]);
    }
    let _ = writeln!(out);
}
