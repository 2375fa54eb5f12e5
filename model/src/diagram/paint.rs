//! The drawing: background to foreground, so that texts lie on top.

use super::layout::{BANNER_LINE, HEADER, HEADER_WIDTH, Layout, MARGIN, STUB, Side, Style};
use super::legend;
use super::story::{Flight, Story, What};
use super::svg::Svg;
use crate::node::Stimulus;
use protocol::raft::{Body, RoleName};

/// The style sheet. All of it is under one class: the Explorer puts the drawing into its own page.
const SHEET: &str = "\
.seq text{font-family:system-ui,-apple-system,'Segoe UI','Helvetica Neue','DejaVu Sans',sans-serif;\
font-size:10.5px;fill:#374151;stroke:#fff;stroke-width:4px;stroke-linejoin:round;paint-order:stroke}
.seq .guide{stroke:#f1f3f5;stroke-width:1}
.seq text.number{fill:#9ca3af;font-size:10px}
.seq text.message{font-size:11.5px;font-weight:600}
.seq text.mark{font-size:11.5px;fill:#111827}
.seq text.loss{font-size:11.5px;font-weight:600;fill:#c81e1e}
.seq text.alarm{font-size:11.5px;font-weight:700;fill:#c81e1e}
.seq text.news{font-style:italic;fill:#0f766e}
.seq text.adrift{font-size:10px;fill:#9ca3af}
.seq text.state{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;\
fill:#1f2937}
.seq .life{stroke-width:5;fill:none}
.seq .follower{stroke:#b6bdc8}
.seq .pre-candidate{stroke:#fcd980}
.seq .candidate{stroke:#f59e0b}
.seq .leader{stroke:#16a34a}
.seq .box{fill:#f8fafc;stroke:#94a3b8;stroke-width:1.2}
.seq text.name{font-size:14px;font-weight:700;fill:#0f172a;stroke:none}
.seq text.again{font-size:11.5px;font-weight:700;fill:#64748b;stroke-width:6px}
.seq .way{stroke-width:1.5;fill:none}
.seq .votes .way{stroke:#b45309}
.seq .votes .head,.seq text.votes{fill:#b45309}
.seq .entries .way{stroke:#1d4ed8}
.seq .entries .head,.seq text.entries{fill:#1d4ed8}
.seq .contact .way{stroke:#0f766e}
.seq .contact .head,.seq text.contact{fill:#0f766e}
.seq .again .way{stroke-dasharray:5 4}
.seq .lost .way{stroke:#c81e1e;stroke-opacity:.75}
.seq .lost .cross{stroke:#c81e1e;stroke-width:2.2;fill:none}
.seq .stub .way{stroke:#c4cad4}
.seq .stub .head{fill:#c4cad4}
.seq .sign{fill:#fff;stroke:#111827;stroke-width:1.3}
.seq .full{fill:#111827}
.seq .gap{fill:#fff}
.seq .break{stroke:#dc2626;stroke-width:2.4;fill:none;stroke-linejoin:round}
.seq .banner{fill:#c81e1e}
.seq text.verdict{font-size:13px;font-weight:700;fill:#fff;stroke:none}";

/// The whole document.
pub fn paint(story: &Story, layout: &Layout) -> String {
    let mut svg = Svg::default();
    let (width, height) = (layout.width, layout.height);
    svg.raw(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"seq\" width=\"{width:.0}\" \
         height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\">"
    ));
    svg.raw(format_args!("<style>{SHEET}</style>"));
    svg.raw(format_args!("<rect width=\"{width:.0}\" height=\"{height:.0}\" fill=\"#fff\"/>"));
    guides(&mut svg, story, layout);
    lifelines(&mut svg, story, layout);
    for flight in &story.flights {
        arrows(&mut svg, story, flight, layout);
    }
    stubs(&mut svg, layout);
    marks(&mut svg, story, layout);
    texts(&mut svg, story, layout);
    headers(&mut svg, story, layout);
    legend::paint(&mut svg, &layout.legend);
    banner(&mut svg, layout);
    svg.raw(format_args!("</svg>"));
    svg.into_string()
}

const fn role_class(role: RoleName) -> &'static str {
    match role {
        RoleName::Follower => "follower",
        RoleName::PreCandidate => "pre-candidate",
        RoleName::Candidate => "candidate",
        RoleName::Leader => "leader",
    }
}

/// Which of the story's threads a message belongs to.
const fn thread(body: &Body) -> &'static str {
    match body {
        Body::PreVote { .. }
        | Body::PreVoteGranted
        | Body::RequestVote { .. }
        | Body::VoteGranted
        | Body::Outdated => "votes",
        Body::AppendEntries { .. }
        | Body::Accepted { .. }
        | Body::Rejected { .. }
        | Body::InstallSnapshot { .. } => "entries",
        Body::Heartbeat { .. }
        | Body::Alive { .. }
        | Body::ReadIndex { .. }
        | Body::ReadGranted { .. } => "contact",
    }
}

/// A faint line for each row, and its number.
fn guides(svg: &mut Svg, story: &Story, layout: &Layout) {
    for (number, &y) in layout.rows.iter().enumerate().skip(1) {
        svg.line("guide", (MARGIN + 26.0, y), (layout.width - MARGIN, y));
        svg.text("number", (MARGIN + 20.0, y + 3.5), "end", &number.to_string());
    }
    debug_assert_eq!(story.rows.len(), layout.rows.len());
}

/// Each lifeline in the colours of its server's roles.
fn lifelines(svg: &mut Svg, story: &Story, layout: &Layout) {
    for (server, &x) in layout.lifelines.iter().enumerate() {
        let mut role = story.roles[server];
        let mut from = layout.headers + HEADER;
        for (row, &y) in story.rows.iter().zip(&layout.rows) {
            if row.is_deed() && row.server == server && row.role != role {
                svg.line(&format!("life {}", role_class(role)), (x, from), (x, y));
                (role, from) = (row.role, y);
            }
        }
        svg.line(&format!("life {}", role_class(role)), (x, from), (x, layout.bottom));
    }
}

/// A message's arrows: one for each arrival, and one that ends on its way if it was lost.
fn arrows(svg: &mut Svg, story: &Story, flight: &Flight, layout: &Layout) {
    let side = Side::towards(flight.dst, flight.src).sign();
    let from = (layout.lifelines[flight.src] - side * 2.5, layout.rows[flight.sent]);
    let end = layout.lifelines[flight.dst] + side * 3.0;
    let thread = thread(&flight.packet.message.body);
    let way = format!("n{} → n{}  {:?}", flight.src, flight.dst, flight.packet);
    let sent = match flight.sent {
        0 => "under way at the start".into(),
        row => format!("sent in {row}"),
    };
    for (count, &row) in flight.arrivals.iter().enumerate() {
        let again = if count > 0 { " again" } else { "" };
        let to = (end, layout.rows[row]);
        svg.open(&format!("arrow {thread}{again}"), &format!("{way}\n{sent}, delivered in {row}"));
        let over = way_between(svg, story, layout, from, to);
        svg.head(over, to, 9.0);
        svg.close();
    }
    if let Some(row) = flight.lost {
        let to = (end + side * 9.0, layout.rows[row]);
        svg.open("lost", &format!("{way}\n{sent}, lost in {row}"));
        way_between(svg, story, layout, from, to);
        svg.cross(to);
        svg.close();
    }
}

/// The line of an arrow. One that would run through a sign or an arrival on a lifeline between the
/// two is bent around it, or it would seem to come from there. Returns the point over which the
/// line is bent.
fn way_between(
    svg: &mut Svg,
    story: &Story,
    layout: &Layout,
    from: (f64, f64),
    to: (f64, f64),
) -> (f64, f64) {
    let collides = |bend: f64| {
        story.rows.iter().zip(&layout.rows).filter(|(row, _)| row.is_deed()).any(|(row, &y)| {
            let way = (layout.lifelines[row.server] - from.0) / (to.0 - from.0);
            let between = way > 0.02 && way < 0.98;
            let at = from.1 + way * (to.1 - from.1) + 2.0 * way * (1.0 - way) * bend;
            between && (at - y).abs() < 11.0
        })
    };
    let bends = (0..12).flat_map(|step| [f64::from(step) * 8.0, f64::from(step) * -8.0]);
    let bend = bends.into_iter().find(|&bend| !collides(bend)).unwrap_or(0.0);
    let middle = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0 + bend);
    svg.path(
        "way",
        format_args!(
            "M{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}",
            from.0, from.1, middle.0, middle.1, to.0, to.1
        ),
    );
    middle
}

/// The stubs of what is never delivered, each beside its text.
fn stubs(svg: &mut Svg, layout: &Layout) {
    for (labels, &y) in layout.labels.iter().zip(&layout.rows) {
        for label in labels.iter().filter(|label| label.style == Style::Adrift) {
            let (x, sign) = (layout.lifelines[label.server], label.side.sign());
            let from = (x + sign * 2.5, y);
            let to = (x + sign * STUB, y + label.dy - 3.5);
            svg.open("stub", &label.tip);
            svg.line("way", from, to);
            svg.head(from, to, 6.0);
            svg.close();
        }
    }
}

/// The signs of what happens to servers besides messages.
fn marks(svg: &mut Svg, story: &Story, layout: &Layout) {
    for (row, &y) in story.rows.iter().zip(&layout.rows) {
        let What::Mark(stimulus, text) = &row.what else { continue };
        let x = layout.lifelines[row.server];
        svg.open("event", &format!("n{}  {text}", row.server));
        sign(svg, *stimulus, (x, y));
        svg.close();
    }
}

fn sign(svg: &mut Svg, stimulus: Stimulus, (x, y): (f64, f64)) {
    let diamond = |svg: &mut Svg, class: &str| {
        svg.path(
            class,
            format_args!(
                "M{x:.1} {:.1}L{:.1} {y:.1}L{x:.1} {:.1}L{:.1} {y:.1}Z",
                y - 6.0,
                x + 6.0,
                y + 6.0,
                x - 6.0
            ),
        );
    };
    match stimulus {
        Stimulus::Disk => svg.rect("sign full", (x - 4.5, y - 4.5), (9.0, 9.0), 1.0),
        Stimulus::Compact => {
            svg.rect("sign", (x - 5.0, y - 5.0), (10.0, 10.0), 1.0);
            svg.rect("sign full", (x - 2.0, y - 2.0), (4.0, 4.0), 0.0);
        }
        Stimulus::Timer(_) => {
            svg.rect("sign", (x - 5.5, y - 5.5), (11.0, 11.0), 5.5);
            svg.path("sign", format_args!("M{x:.1} {:.1}V{y:.1}H{:.1}", y - 3.5, x + 2.5));
        }
        Stimulus::Campaign => svg.path(
            "sign",
            format_args!(
                "M{:.1} {:.1}L{x:.1} {:.1}L{:.1} {:.1}Z",
                x - 6.0,
                y + 5.0,
                y - 6.0,
                x + 6.0,
                y + 5.0
            ),
        ),
        Stimulus::Propose | Stimulus::Submit(..) => diamond(svg, "sign full"),
        Stimulus::Read | Stimulus::Ask(..) => diamond(svg, "sign"),
        Stimulus::Copy
        | Stimulus::GiveUpParked(_)
        | Stimulus::GiveUp(_)
        | Stimulus::Clock(_)
        | Stimulus::NotPassed(_)
        | Stimulus::Answer(..)
        | Stimulus::Lost(_)
        | Stimulus::Retry => {
            svg.rect("sign", (x - 4.5, y - 4.5), (9.0, 9.0), 1.0);
        }
        Stimulus::Crash => {
            svg.rect("gap", (x - 4.0, y - 6.0), (8.0, 12.0), 0.0);
            svg.path(
                "break",
                format_args!(
                    "M{:.1} {:.1}L{:.1} {:.1}M{:.1} {:.1}L{:.1} {:.1}",
                    x - 8.0,
                    y - 1.0,
                    x + 8.0,
                    y - 8.0,
                    x - 8.0,
                    y + 8.0,
                    x + 8.0,
                    y + 1.0
                ),
            );
        }
    }
}

fn texts(svg: &mut Svg, story: &Story, layout: &Layout) {
    for ((labels, &y), row) in layout.labels.iter().zip(&layout.rows).zip(&story.rows) {
        for label in labels {
            let x = layout.lifelines[label.server] + label.side.sign() * label.dx;
            let mut class = label.style.class().to_string();
            if label.style == Style::Message
                && let What::Arrival(flight) = row.what
            {
                class = format!("{class} {}", thread(&story.flights[flight].packet.message.body));
            }
            if !label.tip.is_empty() {
                svg.open("text", &label.tip);
            }
            svg.text(&class, (x, y + label.dy), label.side.anchor(), &label.text);
            if !label.tip.is_empty() {
                svg.close();
            }
        }
    }
}

/// The servers' names above, and how they end below.
fn headers(svg: &mut Svg, story: &Story, layout: &Layout) {
    for (server, &x) in layout.lifelines.iter().enumerate() {
        let place = (x - HEADER_WIDTH / 2.0, layout.headers);
        svg.rect("box", place, (HEADER_WIDTH, HEADER), 6.0);
        let name = format!("n{server}");
        svg.text("name", (x, layout.headers + 20.0), "middle", &name);
        for &y in &layout.names {
            svg.text("again", (x, y + 4.0), "middle", &name);
        }
        svg.text("mark", (x, layout.bottom + 14.0), "middle", &name);
        let end = story.ends.get(server).map_or("", String::as_str);
        svg.text("state", (x, layout.bottom + 27.0), "middle", end);
    }
}

/// What is wrong, in red.
fn banner(svg: &mut Svg, layout: &Layout) {
    if layout.banner.is_empty() {
        return;
    }
    let top = layout.bottom + HEADER + 8.0;
    let height = layout.banner.len() as f64 * BANNER_LINE + 12.0;
    svg.open("wrong", "");
    svg.rect("banner", (MARGIN, top), (layout.width - 2.0 * MARGIN, height), 6.0);
    for (position, line) in layout.banner.iter().enumerate() {
        let y = top + 20.0 + position as f64 * BANNER_LINE;
        svg.text("verdict", (MARGIN + 12.0, y), "start", line);
    }
    svg.close();
}
