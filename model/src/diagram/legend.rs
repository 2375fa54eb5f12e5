//! What the colours and lines mean.

use super::layout::{MARGIN, Style};
use super::svg::Svg;

/// Height of a line of the legend.
const LINE: f64 = 20.0;
/// Width of an entry's picture, with the space behind it.
const SAMPLE: f64 = 28.0;

/// What an entry shows.
enum Sample {
    /// A lifeline's colour.
    Role(&'static str),
    /// A kind of arrow.
    Arrow(&'static str),
    /// A lost message.
    Lost,
}

const ENTRIES: [(Sample, &str); 10] = [
    (Sample::Role("follower"), "follower"),
    (Sample::Role("pre-candidate"), "pre-candidate"),
    (Sample::Role("candidate"), "candidate"),
    (Sample::Role("leader"), "leader"),
    (Sample::Arrow("arrow votes"), "votes"),
    (Sample::Arrow("arrow entries"), "entries, snapshots"),
    (Sample::Arrow("arrow contact"), "contact, reads"),
    (Sample::Arrow("arrow contact again"), "delivered again"),
    (Sample::Lost, "lost"),
    (Sample::Arrow("stub"), "never delivered"),
];

/// The entries' places, in lines from the left.
pub fn places(width: f64) -> Vec<(f64, f64)> {
    let (mut x, mut y) = (MARGIN, MARGIN);
    let mut places = Vec::new();
    for (_, name) in ENTRIES {
        let entry = SAMPLE + Style::Legend.width(name) + 14.0;
        if x + entry > width - MARGIN && x > MARGIN {
            (x, y) = (MARGIN, y + LINE);
        }
        places.push((x, y));
        x += entry;
    }
    places
}

/// Draws the entries at their places.
pub fn paint(svg: &mut Svg, places: &[(f64, f64)]) {
    for ((sample, name), &(x, y)) in ENTRIES.iter().zip(places) {
        let end = (x + SAMPLE - 6.0, y);
        match sample {
            Sample::Role(role) => svg.line(&format!("life {role}"), (x, y), end),
            Sample::Arrow(class) => {
                svg.open(&format!("sample {class}"), "");
                svg.line("way", (x, y), end);
                svg.head((x, y), end, 8.0);
                svg.close();
            }
            Sample::Lost => {
                svg.open("sample lost", "");
                svg.line("way", (x, y), end);
                svg.cross((end.0 - 5.0, y));
                svg.close();
            }
        }
        svg.text("legend", (x + SAMPLE, y + 3.5), "start", name);
    }
}
