//! The timeline of a run as a picture: how many replies clients got in each second, by kind of client and stacked, and
//! under it every fault as a bar in the row of its kind, with its shade over the curve.

use super::faults::{Kind as FaultKind, Record};
use super::report::Report;
use super::tally::{Kind, STEP};
use std::fmt::Write;

const LEFT: f64 = 120.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 66.0;
const HIGH: f64 = 260.0;
const ROW: f64 = 20.0;
/// The width of the curve: at least this, and more for long runs.
const WIDE: f64 = 1000.0;
/// How wide a letter of a label is, about.
const LETTER: f64 = 5.6;

const SHEET: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:11px;fill:#374151}
.title{font-size:15px;font-weight:700;fill:#0f172a}
.wrong{font-size:15px;font-weight:700;fill:#c81e1e}
.small{font-size:10px;fill:#4b5563}
.grid{stroke:#e5e7eb}
.gap{stroke:#c81e1e;stroke-width:2}
.alarm{fill:#c81e1e;font-weight:700}";

const fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Clerk => "#2563eb",
        Kind::Once => "#0d9488",
        Kind::Stock => "#d97706",
    }
}

const fn shade(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::KillOne | FaultKind::KillLeader | FaultKind::KillAll | FaultKind::RestartAll => {
            "#dc2626"
        }
        FaultKind::Stop | FaultKind::StopLeader => "#ea580c",
        FaultKind::FullDisk
        | FaultKind::FrozenDisk
        | FaultKind::SlowDisk
        | FaultKind::SlowSyncs => "#7c3aed",
        FaultKind::Clock => "#64748b",
        FaultKind::Change => "#15803d",
        _ => "#1d4ed8",
    }
}

/// A step of an axis: 1, 2 or 5 and zeros, so that there are at most `most` of them.
fn nice(range: f64, most: f64) -> f64 {
    let mut step = 1.0;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if range / (step * factor) <= most {
                return step * factor;
            }
        }
        step *= 10.0;
    }
}

struct Canvas<'a> {
    report: &'a Report,
    /// Replies a second by kind, in buckets of `bucket` seconds.
    rates: Vec<[f64; 3]>,
    bucket: f64,
    most: f64,
    wide: f64,
    seconds: f64,
    svg: String,
}

/// The picture, as a whole SVG document.
pub fn draw(report: &Report, steps: &[[u32; 3]]) -> String {
    let seconds = report.seconds.max(1.0);
    let wide = WIDE.max(seconds * 1.2).min(6000.0);
    // A bucket is at least two pixels.
    let step = STEP.as_secs_f64();
    let join = ((2.0 * seconds / wide) / step).ceil().max(2.0) as usize;
    let bucket = step * join as f64;
    let rate = |steps: &[[u32; 3]]| {
        let sum = |kind: usize| steps.iter().map(|step| f64::from(step[kind])).sum::<f64>();
        [sum(0), sum(1), sum(2)].map(|sum| sum / bucket)
    };
    let mut rates: Vec<[f64; 3]> = steps.chunks(join).map(rate).collect();
    rates.resize((seconds / bucket).ceil() as usize, [0.0; 3]);
    let most = rates.iter().map(|rate| rate.iter().sum()).fold(10.0, f64::max);
    let mut canvas = Canvas { report, rates, bucket, most, wide, seconds, svg: String::new() };
    canvas.paint();
    canvas.svg
}

impl Canvas<'_> {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + self.wide * (seconds / self.seconds).clamp(0.0, 1.0)
    }

    fn y(&self, rate: f64) -> f64 {
        TOP + HIGH * (1.0 - rate / self.most)
    }

    fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = writeln!(
            self.svg,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    fn paint(&mut self) {
        let kinds: Vec<FaultKind> = FaultKind::ALL
            .into_iter()
            .filter(|kind| self.report.faults.iter().any(|record| record.kind == *kind))
            .collect();
        let (wide, high) = (LEFT + self.wide + RIGHT, TOP + HIGH + 44.0 + ROW * kinds.len() as f64);
        let _ = writeln!(
            self.svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide:.0}\" height=\"{high:.0}\" \
             viewBox=\"0 0 {wide:.0} {high:.0}\"><style>{SHEET}</style>\
             <rect width=\"{wide:.0}\" height=\"{high:.0}\" fill=\"#fff\"/>"
        );
        self.head();
        self.grid();
        self.shades();
        self.curve();
        self.gap();
        for (row, kind) in kinds.into_iter().enumerate() {
            self.row(row, kind);
        }
        self.svg.push_str("</svg>\n");
    }

    fn head(&mut self) {
        let Report { seed, nodes, clients, network, faults, .. } = self.report;
        let verdict = self.report.verdict();
        let title = format!(
            "checks chaos, seed {seed}: {nodes} nodes, {clients} clients, {network}, {} faults: {verdict}",
            faults.len()
        );
        let class = if self.report.problems.is_empty() { "title" } else { "wrong" };
        self.text(class, (LEFT, 24.0), "start", &title);
        self.text("small", (LEFT, 46.0), "start", "replies/s, stacked by kind of client:");
        let mut x = LEFT + 200.0;
        for kind in Kind::ALL {
            let fill = colour(kind);
            let _ = writeln!(
                self.svg,
                "<rect x=\"{x:.1}\" y=\"37\" width=\"11\" height=\"11\" fill=\"{fill}\"/>"
            );
            self.text("small", (x + 16.0, 46.0), "start", kind.name());
            x += 70.0;
        }
    }

    fn grid(&mut self) {
        let step = nice(self.most, 5.0);
        let mut rate = 0.0;
        while rate <= self.most {
            let (y, right) = (self.y(rate), LEFT + self.wide);
            let _ = writeln!(
                self.svg,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right:.1}\" y2=\"{y:.1}\"/>"
            );
            self.text("small", (LEFT - 6.0, y + 3.5), "end", &format!("{rate:.0}"));
            rate += step;
        }
        let step = nice(self.seconds, 20.0);
        let mut at = 0.0;
        while at <= self.seconds {
            self.text("small", (self.x(at), TOP + HIGH + 16.0), "middle", &format!("{at:.0} s"));
            at += step;
        }
    }

    fn shades(&mut self) {
        for Record { kind, from_s, to_s, .. } in &self.report.faults {
            let (from, to) = (self.x(*from_s), self.x(*to_s));
            let _ = writeln!(
                self.svg,
                "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{HIGH}\" fill=\"{}\" \
                 fill-opacity=\"0.09\"/>",
                (to - from).max(1.0),
                shade(*kind)
            );
        }
    }

    /// From the top of the stack to the bottom, so that each lies over the one above it.
    fn curve(&mut self) {
        for kind in Kind::ALL.into_iter().rev() {
            let mut path = format!("M{LEFT:.1} {:.1}", TOP + HIGH);
            for (place, rates) in self.rates.iter().enumerate() {
                let sum: f64 = rates[..=kind as usize].iter().sum();
                let (from, to) = (place as f64 * self.bucket, (place + 1) as f64 * self.bucket);
                let y = self.y(sum);
                let _ = write!(path, " L{:.1} {y:.1} L{:.1} {y:.1}", self.x(from), self.x(to));
            }
            let _ = writeln!(
                self.svg,
                "<path d=\"{path} L{:.1} {:.1}Z\" fill=\"{}\" fill-opacity=\"0.82\"/>",
                LEFT + self.wide,
                TOP + HIGH,
                colour(kind)
            );
        }
    }

    /// The longest time in which nobody was served.
    fn gap(&mut self) {
        let Report { gap_from_s, longest_gap_s, .. } = *self.report;
        let (from, to) = (self.x(gap_from_s), self.x(gap_from_s + longest_gap_s));
        let y = TOP - 5.0;
        let _ = writeln!(
            self.svg,
            "<line class=\"gap\" x1=\"{from:.1}\" y1=\"{y}\" x2=\"{to:.1}\" y2=\"{y}\"/>"
        );
        let text = format!("nobody served for {longest_gap_s:.1} s");
        // It stands where it fits.
        let room = LETTER * text.len() as f64;
        match to + room < LEFT + self.wide {
            true => self.text("small alarm", (to + 5.0, y + 3.5), "start", &text),
            false => self.text("small alarm", (from - 5.0, y + 3.5), "end", &text),
        }
    }

    fn row(&mut self, row: usize, kind: FaultKind) {
        let y = TOP + HIGH + 30.0 + ROW * row as f64;
        self.text("small", (LEFT - 8.0, y + 12.0), "end", kind.name());
        let right = LEFT + self.wide;
        let _ = writeln!(
            self.svg,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{0:.1}\" x2=\"{right:.1}\" y2=\"{0:.1}\"/>",
            y + ROW - 2.0
        );
        let mut free = LEFT;
        let report = self.report;
        let all: Vec<&Record> = report.faults.iter().filter(|one| one.kind == kind).collect();
        for (place, record) in all.iter().enumerate() {
            let (from, to) =
                (self.x(record.from_s), self.x(record.to_s).max(self.x(record.from_s) + 2.0));
            let _ = writeln!(
                self.svg,
                "<g><title>{} {}: {:.1} s to {:.1} s</title><rect x=\"{from:.1}\" y=\"{:.1}\" \
                 width=\"{:.1}\" height=\"12\" rx=\"2\" fill=\"{}\" fill-opacity=\"0.75\"/></g>",
                kind.name(),
                record.what,
                record.from_s,
                record.to_s,
                y + 2.0,
                to - from,
                shade(kind)
            );
            // Its victim stands beside it if there is room before the next.
            let end = to + 4.0 + LETTER * record.what.chars().count() as f64;
            let next = all.get(place + 1).map_or(right + RIGHT, |next| self.x(next.from_s));
            if end <= next && to >= free {
                self.text("small", (to + 4.0, y + 11.5), "start", &record.what);
                free = end;
            }
        }
    }
}
