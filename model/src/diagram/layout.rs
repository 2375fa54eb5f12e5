//! Where everything stands.
//!
//! A row's texts stand above and below its line, away from the arrows that use it: an arrow comes
//! down to the line from above, so its own label hangs below it; arrows that leave go down, so what
//! the server says of itself stands above.

use super::legend;
use super::story::{Caption, Flight, Story, Tone, What};
use crate::node::Packet;
use protocol::raft::Body;

/// Height of a line of text.
const LINE: f64 = 13.0;
/// From a row's line to the baseline of the text above it.
const ABOVE: f64 = 5.0;
/// From a row's line to the baseline of the text below it.
const BELOW: f64 = 13.0;
/// Between the texts of one row and those of the next.
const GAP: f64 = 11.0;
/// From a lifeline to a text beside it.
const ASIDE: f64 = 12.0;
/// Length of the stub of a message that stays adrift.
pub const STUB: f64 = 20.0;
/// The narrowest column.
const COLUMN_MIN: f64 = 130.0;
/// Room for the numbers of the rows.
const NUMBERS: f64 = 40.0;
/// The longest text, in characters.
const CHARS_MAX: usize = 56;
/// Height of a server's header.
pub const HEADER: f64 = 30.0;
/// Width of a server's header.
pub const HEADER_WIDTH: f64 = 64.0;
/// The servers' names stand again after so many rows.
const NAMES_EVERY: usize = 25;
/// Room for them.
const NAMES: f64 = 22.0;
/// An arrow over more rows than this has its sender's name in its label.
const ROWS_FAR: usize = 8;

/// What a text is, and so how it looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// Term and name of a message.
    Message,
    /// The rest of a message.
    Detail,
    /// A message that was lost.
    Lost,
    /// What happens to a server.
    Mark,
    /// Term, log, commit index.
    State,
    /// Other news of a server.
    News,
    /// Something that must not happen.
    Alarm,
    /// A message that stays adrift.
    Adrift,
    /// An entry of the legend.
    Legend,
}

impl Style {
    /// The class of the text.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Detail => "detail",
            Self::Lost => "loss",
            Self::Mark => "mark",
            Self::State => "state",
            Self::News => "news",
            Self::Alarm => "alarm",
            Self::Adrift => "adrift",
            Self::Legend => "legend",
        }
    }

    /// Height of the letters, in pixels; the style sheet in `paint.rs` says the same.
    const fn size(self) -> f64 {
        match self {
            Self::Message | Self::Lost | Self::Mark | Self::Alarm => 11.5,
            Self::Detail | Self::State | Self::News | Self::Legend => 10.5,
            Self::Adrift => 10.0,
        }
    }

    /// About how wide a text will be. Fonts differ, so rather too much.
    pub fn width(self, text: &str) -> f64 {
        let units = text.chars().map(|character| match character {
            _ if self == Self::State => 0.61,
            'i' | 'j' | 'l' | '.' | ',' | ':' | '|' | '\'' | ' ' | '[' | ']' => 0.36,
            'm' | 'w' | 'M' | 'W' | '→' | '…' | '∅' => 0.92,
            upper if upper.is_uppercase() => 0.70,
            _ => 0.60,
        });
        units.sum::<f64>() * self.size()
    }
}

/// A side of a lifeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Towards lower numbers.
    Left,
    /// Towards higher numbers.
    Right,
}

impl Side {
    /// The side of `server` on which `other` stands.
    pub const fn towards(server: usize, other: usize) -> Self {
        if other < server { Self::Left } else { Self::Right }
    }

    const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// −1 for left, 1 for right.
    pub const fn sign(self) -> f64 {
        match self {
            Self::Left => -1.0,
            Self::Right => 1.0,
        }
    }

    /// SVG's anchor of a text on this side.
    pub const fn anchor(self) -> &'static str {
        match self {
            Self::Left => "end",
            Self::Right => "start",
        }
    }
}

/// A text beside a lifeline.
pub struct Label {
    /// The lifeline.
    pub server: usize,
    /// Where it stands.
    pub side: Side,
    /// From the lifeline to the text.
    pub dx: f64,
    /// From the row's line down to the text's baseline.
    pub dy: f64,
    /// How it looks.
    pub style: Style,
    /// The text.
    pub text: String,
    /// What it is in full, if there is more.
    pub tip: String,
}

/// A diagram's measures.
pub struct Layout {
    /// The whole width.
    pub width: f64,
    /// The whole height.
    pub height: f64,
    /// The lifelines, by server.
    pub lifelines: Vec<f64>,
    /// The line of each row.
    pub rows: Vec<f64>,
    /// Where the servers' names stand again.
    pub names: Vec<f64>,
    /// The texts of each row.
    pub labels: Vec<Vec<Label>>,
    /// Top of the headers.
    pub headers: f64,
    /// Where the lifelines end.
    pub bottom: f64,
    /// The banner's lines, broken to the width.
    pub banner: Vec<String>,
    /// Place of each legend entry.
    pub legend: Vec<(f64, f64)>,
}

/// Width of the banner's letters, about.
const BANNER_CHAR: f64 = 7.4;
/// Height of a line of the banner.
pub const BANNER_LINE: f64 = 20.0;
/// Room around the picture.
pub const MARGIN: f64 = 16.0;

impl Layout {
    /// Gives everything its place.
    pub fn of(story: &Story) -> Self {
        let labels: Vec<Vec<Label>> = (0..story.rows.len()).map(|row| beside(story, row)).collect();
        let (lifelines, width) = columns(story, labels.iter().flatten());
        let legend = legend::places(width);
        let headers = legend.last().map_or(0.0, |place| place.1) + 42.0;
        let (rows, names, bottom) = heights(&labels, headers + HEADER);
        let room = ((width - 2.0 * MARGIN - 20.0) / BANNER_CHAR) as usize;
        let banner: Vec<_> = story.verdict.iter().flat_map(|line| broken(line, room)).collect();
        let banner_height = match banner.len() {
            0 => 0.0,
            lines => lines as f64 * BANNER_LINE + 28.0,
        };
        let height = bottom + HEADER + banner_height + MARGIN;
        Self { width, height, lifelines, rows, names, labels, headers, bottom, banner, legend }
    }
}

/// The lifelines' places and the whole width: columns as wide as the widest text.
fn columns<'a>(story: &Story, labels: impl Iterator<Item = &'a Label>) -> (Vec<f64>, f64) {
    let servers = story.roles.len();
    let (mut column, mut left, mut right) = (COLUMN_MIN, HEADER_WIDTH / 2.0, HEADER_WIDTH / 2.0);
    for label in labels {
        let reach = label.dx + label.style.width(&label.text);
        match label.side {
            Side::Left if label.server == 0 => left = reach.max(left),
            Side::Right if label.server + 1 == servers => right = reach.max(right),
            _ => column = (reach + 18.0).max(column),
        }
    }
    // The end of each lifeline says how its server ended.
    let ends = story.ends.iter().map(|end| Style::State.width(end) / 2.0).fold(0.0, f64::max);
    column = column.max(2.0 * ends + 16.0);
    let first = MARGIN + NUMBERS + left.max(ends);
    let lifelines: Vec<_> = (0..servers).map(|server| first + column * server as f64).collect();
    let last = lifelines.last().copied().unwrap_or(first);
    (lifelines, (last + right.max(ends) + MARGIN).max(300.0).ceil())
}

/// Each row's line, the lines of repeated names, and where the lifelines end.
fn heights(labels: &[Vec<Label>], top: f64) -> (Vec<f64>, Vec<f64>, f64) {
    let (mut rows, mut names) = (Vec::with_capacity(labels.len()), Vec::new());
    let mut y: f64 = top;
    for (number, row) in labels.iter().enumerate() {
        let above = row.iter().map(|label| LINE - label.dy).fold(8.0, f64::max);
        let below = row.iter().map(|label| label.dy).fold(4.0, f64::max);
        y += above;
        rows.push(y);
        y += below + GAP;
        if number > 0 && number % NAMES_EVERY == 0 && number + NAMES_EVERY / 2 < labels.len() {
            names.push(y + NAMES / 2.0);
            y += NAMES;
        }
    }
    (rows, names, y + 10.0)
}

/// The texts beside the lifelines in one row.
fn beside(story: &Story, number: usize) -> Vec<Label> {
    let row = &story.rows[number];
    let server = row.server;
    let mut labels = Vec::new();
    let mut below = [0, 0];
    match &row.what {
        What::Start => {}
        What::Mark(_, text) => {
            above(&mut labels, server, Side::Right, &row.captions, Some(text));
        }
        What::Arrival(flight) => {
            let flight = &story.flights[*flight];
            let side = Side::towards(server, flight.src);
            above(&mut labels, server, side.other(), &row.captions, None);
            below[side as usize] = arrival(&mut labels, flight, side, number);
        }
        What::Loss(flight) => {
            let flight = &story.flights[*flight];
            arrival(&mut labels, flight, Side::towards(server, flight.src), number);
        }
    }
    adrift(&mut labels, story, number, below);
    labels
}

/// What a server says of itself, stacked upward from the row's line; the heading on top.
fn above(
    labels: &mut Vec<Label>,
    server: usize,
    side: Side,
    captions: &[Caption],
    heading: Option<&str>,
) {
    let heading = heading.map(|text| (text, Style::Mark));
    let captions = captions.iter().map(|caption| {
        let style = match caption.tone {
            Tone::State => Style::State,
            Tone::News => Style::News,
            Tone::Alarm => Style::Alarm,
        };
        (caption.text.as_str(), style)
    });
    let lines: Vec<_> = heading.into_iter().chain(captions).collect();
    for (position, (text, style)) in lines.iter().rev().enumerate() {
        let dy = -ABOVE - LINE * position as f64;
        labels.push(label(server, side, (ASIDE, dy), *style, text));
    }
}

/// The label of a message where it arrives, or almost. Returns how many lines it takes.
fn arrival(labels: &mut Vec<Label>, flight: &Flight, side: Side, row: usize) -> usize {
    let (mut name, rest) = halves(&flight.packet);
    if row - flight.sent > ROWS_FAR {
        name = format!("{name} from n{}", flight.src);
    }
    let lines = match flight.lost == Some(row) {
        true => [(format!("lost: {name}"), Style::Lost), (rest, Style::Detail)],
        false => [(name, Style::Message), (rest, Style::Detail)],
    };
    let mut count = 0;
    for (text, style) in lines.iter().filter(|(text, _)| !text.is_empty()) {
        let dy = BELOW + LINE * count as f64;
        labels.push(label(flight.dst, side, (ASIDE + 4.0, dy), *style, text));
        count += 1;
    }
    count
}

/// The labels of what this row sends and nobody ever receives: one line for all of one text and
/// side.
fn adrift(labels: &mut Vec<Label>, story: &Story, number: usize, mut below: [usize; 2]) {
    let mut told: Vec<(Side, usize, &Packet, Vec<usize>)> = Vec::new();
    let flights = story.flights.iter().filter(|flight| flight.sent == number && flight.is_adrift());
    for Flight { src, dst, packet, .. } in flights {
        let side = Side::towards(*src, *dst);
        match told
            .iter_mut()
            .find(|(at, from, what, _)| (*at, *from, *what) == (side, *src, packet))
        {
            Some((.., all)) => all.push(*dst),
            None => told.push((side, *src, packet, vec![*dst])),
        }
    }
    for (side, src, packet, all) in told {
        let names: Vec<_> = all.iter().map(|dst| format!("n{dst}")).collect();
        let text = format!("→ {}: {}", names.join(" "), brief(packet));
        let line = match number {
            // Messages under way at the start may come from all servers in one row.
            0 => labels.iter().filter(|label| (label.server, label.side) == (src, side)).count(),
            _ => below[side as usize],
        };
        below[side as usize] += 1;
        let dy = BELOW + LINE * line as f64;
        let mut label = label(src, side, (STUB + 8.0, dy), Style::Adrift, &text);
        label.tip = format!("never delivered, n{src} → {}: {packet:?}", names.join(" "));
        labels.push(label);
    }
}

fn label(server: usize, side: Side, (dx, dy): (f64, f64), style: Style, text: &str) -> Label {
    let (text, tip) = match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => (format!("{}…", &text[..end]), text.to_string()),
        None => (text.to_string(), String::new()),
    };
    Label { server, side, dx, dy, style, text, tip }
}

/// A message in two parts: term and name, and the rest.
fn halves(packet: &Packet) -> (String, String) {
    let text = format!("{packet:?}");
    match text.match_indices(' ').nth(1) {
        Some((at, _)) => (text[..at].into(), text[at + 1..].into()),
        None => (text, String::new()),
    }
}

/// A message in a few words.
fn brief(packet: &Packet) -> String {
    match packet.message.body {
        Body::AppendEntries { count: 0, .. } => halves(packet).0,
        Body::AppendEntries { .. } => format!("{} {:?}", halves(packet).0, packet.entries),
        _ => format!("{packet:?}"),
    }
}

/// A text in pieces of at most `room` characters, broken at spaces where there are any.
fn broken(text: &str, room: usize) -> Vec<String> {
    let room = room.max(20);
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is always a line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= room {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_string());
        }
    }
    lines
}
