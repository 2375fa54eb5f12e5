//! A place in a history as a picture: a lane for each client, a bar for each call from its begin to its end.
//!
//! Numbered dots are the moments at which operations take effect, in the order that gets furthest, so read along the
//! numbers; the lane on top is the object's state in between. What has no dot is not in the order, and the one that
//! no order gets past is red. Time runs to the right by events, not by the clock: bars are as long as their texts need.

use crate::check::{Place, Verdict};
use crate::history::{History, Operation, Told};
use crate::svg::Svg;
use crate::text::{Line, title};
use std::collections::BTreeMap;
use std::fmt::Display;

const MARGIN: f64 = 16.0;
/// Room for the clients' names.
const NAMES: f64 = 76.0;
/// The least width of a picture: the legend's.
const WIDTH: f64 = 920.0;
const LANE: f64 = 46.0;
const BAR: f64 = 20.0;
const TOP: f64 = 62.0;
/// Between one moment and the next.
const GAP: f64 = 13.0;
const RADIUS: f64 = 7.5;
/// How many operations of an order are drawn.
const SHOWN: usize = 12;
/// How many calls are drawn that nobody can place and nobody must.
const OPEN: usize = 4;
/// The longest text on a bar, in characters.
const LETTERS: usize = 44;

const SHEET: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI','Helvetica Neue','DejaVu Sans',sans-serif;\
font-size:11px;fill:#1f2937}
.title{font-size:15px;font-weight:700;fill:#0f172a}
.wrong{font-size:15px;font-weight:700;fill:#c81e1e}
.small{fill:#6b7280;font-size:10.5px}
.name{font-size:12px;font-weight:700;fill:#0f172a}
.lane{stroke:#eef0f3;stroke-width:1}
.state{fill:#f0fdf4;stroke:#86c79b}
.value{font-weight:600;fill:#14532d}
.done{fill:#dbeafe;stroke:#1d4ed8}
.open{fill:#fff;stroke:#6b7280;stroke-dasharray:4 3}
.left{fill:#fef3c7;stroke:#b45309}
.stuck{fill:#fee2e2;stroke:#c81e1e;stroke-width:2.4}
.alarm{font-weight:700;fill:#c81e1e}
.dot{fill:#1d4ed8}
.number{font-size:9.5px;font-weight:700;fill:#fff}
.drop{stroke:#1d4ed8;stroke-width:1;stroke-dasharray:2 3;stroke-opacity:.45}";

/// A moment on the axis.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Moment {
    /// The event with this number.
    Event(usize),
    /// The operation at this place of the order takes effect.
    Effect(usize),
}

/// What is drawn, and where.
struct Scene<'a, O, R> {
    history: &'a History<O, R>,
    place: &'a Place,
    /// The operations of the order that are drawn.
    order: &'a [usize],
    /// The state before them, and behind each.
    states: &'a [String],
    /// By operation that is drawn, its lane. A client has one for what was answered, and one for each call that was
    /// not, for those overlap.
    lanes: BTreeMap<usize, usize>,
    /// By client, its first lane.
    names: BTreeMap<u64, usize>,
    x: BTreeMap<Moment, f64>,
    right: f64,
}

/// About how wide a text will be; rather too much.
fn width(text: &str) -> f64 {
    let unit = |letter| match letter {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | ' ' | '"' | '(' | ')' => 4.2,
        'm' | 'w' | '→' | '…' => 10.0,
        _ => 7.0,
    };
    text.chars().map(unit).sum::<f64>()
}

/// The room that a state needs: its letters are bold.
fn wide(state: &str) -> f64 {
    width(state) * 1.12 + 14.0
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LETTERS {
        return text.into();
    }
    text.chars().take(LETTERS - 1).chain(['…']).collect()
}

/// The picture of a place, as a whole SVG document.
pub fn draw<O: Display, R: Display>(history: &History<O, R>, place: &Place) -> String {
    let shown = place.states.len().saturating_sub(1).min(SHOWN);
    let states = &place.states[place.states.len() - 1 - shown..];
    let order = &place.order[place.order.len() - shown..];
    let operations = history.operations();
    let (told, open): (Vec<usize>, Vec<usize>) =
        place.next.iter().partition(|number| operations[**number].reply().is_some());
    let open = &open[open.len().saturating_sub(OPEN)..];
    let mut drawn: Vec<usize> = order.iter().chain(&told).chain(open).copied().collect();
    drawn.sort_unstable_by_key(|number| (operations[*number].client, *number));
    let (mut lanes, mut names, mut next) = (BTreeMap::new(), BTreeMap::new(), 0);
    for number in drawn {
        let client = operations[number].client;
        let first = *names.entry(client).or_insert_with(|| {
            next += 1;
            next - 1
        });
        let answered = operations[number].reply().is_some();
        next += usize::from(!answered);
        lanes.insert(number, if answered { first } else { next - 1 });
    }
    let mut scene =
        Scene { history, place, order, states, lanes, names, x: BTreeMap::new(), right: 0.0 };
    scene.lay_out();
    scene.paint()
}

impl<O: Display, R: Display> Scene<'_, O, R> {
    fn operation(&self, number: usize) -> &Operation<O, R> {
        &self.history.operations()[number]
    }

    /// The event of a reply; a call without one is drawn as open.
    fn end(&self, number: usize) -> Option<usize> {
        let (event, told) = self.operation(number).end.as_ref()?;
        matches!(told, Told::Reply(_)).then_some(event.number)
    }

    fn label(&self, number: usize) -> String {
        shortened(&Line(self.operation(number)).to_string())
    }

    /// All moments in their order. An effect comes right behind the last call that it must follow.
    fn moments(&self) -> Vec<Moment> {
        let mut effects: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut latest = 0;
        for (position, number) in self.order.iter().enumerate() {
            latest = latest.max(self.operation(*number).call.number);
            effects.entry(latest).or_default().push(position);
        }
        let calls = self.lanes.keys().map(|number| self.operation(*number).call.number);
        let ends = self.lanes.keys().filter_map(|number| self.end(*number));
        let mut events: Vec<usize> = calls.chain(ends).collect();
        events.sort_unstable();
        let effects = |event| effects.get(event).into_iter().flatten().copied();
        let moments = events.iter().flat_map(|event| {
            [Moment::Event(*event)].into_iter().chain(effects(event).map(Moment::Effect))
        });
        moments.collect()
    }

    /// From left to right: every moment behind the one before it, a return so far behind its call that the text fits,
    /// an effect so far behind the one before it that the state fits.
    fn lay_out(&mut self) {
        let start = MARGIN + NAMES;
        let mut least: BTreeMap<Moment, f64> = BTreeMap::new();
        // Where the text of the state that holds now ends.
        let mut free = start + self.states.first().map_or(0.0, |state| wide(state));
        let mut at = start;
        least.insert(Moment::Effect(0), free);
        for number in self.lanes.keys() {
            // What was called long before what is drawn begins at the left edge.
            least.insert(Moment::Event(self.operation(*number).call.number), start);
        }
        let first = self.order.first().map(|number| self.operation(*number).call.number);
        for moment in self.moments() {
            let early =
                matches!(moment, Moment::Event(event) if first.is_some_and(|first| event < first));
            let x = least.get(&moment).copied().unwrap_or(start);
            let x = if early { x.max(start + 4.0) } else { x.max(at + GAP) };
            at = at.max(x);
            self.x.insert(moment, x);
            match moment {
                Moment::Event(event) => {
                    let called = |number: &&usize| self.operation(**number).call.number == event;
                    if let Some(number) = self.lanes.keys().find(called) {
                        let wide = x + width(&self.label(*number)) + 2.0 * RADIUS + 14.0;
                        let end = self.end(*number);
                        end.map(|end| least.insert(Moment::Event(end), wide));
                        self.right = self.right.max(wide);
                    }
                }
                Moment::Effect(position) => {
                    let states = self.states;
                    if states.get(position) != states.get(position + 1) {
                        free = x + wide(&states[position + 1]);
                    }
                    least.insert(Moment::Effect(position + 1), free);
                    let number = self.order[position];
                    let label = x + width(&self.label(number)) + 2.0 * RADIUS + 10.0;
                    if let Some(end) = self.end(number) {
                        let least = least.entry(Moment::Event(end)).or_default();
                        *least = least.max(label);
                    }
                    self.right = self.right.max(free).max(label);
                }
            }
        }
        self.right = self.right.max(at + GAP) + 8.0;
    }

    fn y(lane: usize) -> f64 {
        TOP + LANE * (1.0 + lane as f64)
    }

    fn paint(&self) -> String {
        let wide = (self.right + MARGIN).max(WIDTH);
        let lanes = self.lanes.values().max().map_or(0, |lane| lane + 1);
        let bottom = Self::y(lanes);
        let high = bottom + 64.0;
        let mut svg = Svg::default();
        svg.raw(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide:.0}\" height=\"{high:.0}\" \
             viewBox=\"0 0 {wide:.0} {high:.0}\">"
        ));
        svg.raw(format_args!("<style>{SHEET}</style>"));
        svg.raw(format_args!("<rect width=\"{wide:.0}\" height=\"{high:.0}\" fill=\"#fff\"/>"));
        let (class, word) = match self.place.verdict {
            Verdict::Illegal => ("wrong", "Not linearizable"),
            _ => ("title", "Not known"),
        };
        svg.text(
            class,
            (MARGIN, 24.0),
            "start",
            &format!("{word}: {}", title(self.history, self.place)),
        );
        let before = self.place.order.len() - self.order.len();
        if before > 0 {
            let text = format!(
                "{} operations before these stand in an order",
                crate::text::grouped(before)
            );
            svg.text("small", (MARGIN, 42.0), "start", &text);
        }
        self.lanes(&mut svg);
        self.states(&mut svg);
        for number in self.lanes.keys() {
            self.bar(&mut svg, *number);
        }
        self.effects(&mut svg);
        self.legend(&mut svg, bottom + 6.0);
        svg.raw(format_args!("</svg>"));
        svg.into_string()
    }

    fn lanes(&self, svg: &mut Svg) {
        svg.text("name", (MARGIN, TOP + 24.0), "start", "state");
        for (client, lane) in &self.names {
            let y = Self::y(*lane);
            svg.line("lane", (MARGIN, y), (self.right, y));
            svg.text("name", (MARGIN, y + 26.0), "start", &format!("client {client}"));
        }
    }

    /// The state before the first effect, and behind each.
    fn states(&self, svg: &mut Svg) {
        let states = self.states;
        let mut from = MARGIN + NAMES;
        for (position, state) in states.iter().enumerate() {
            if states.get(position + 1) == Some(state) {
                continue;
            }
            let to = self.x.get(&Moment::Effect(position)).copied().unwrap_or(self.right);
            svg.rect("state", (from, TOP + 10.0), (to - from, BAR));
            svg.text("value", (from + 6.0, TOP + 24.0), "start", state);
            from = to;
        }
    }

    fn bar(&self, svg: &mut Svg, number: usize) {
        let operation = self.operation(number);
        let (from, top) =
            (self.x[&Moment::Event(operation.call.number)], Self::y(self.lanes[&number]) + 12.0);
        let end = self.end(number);
        let to = end.map_or(self.right, |end| self.x[&Moment::Event(end)]);
        let taken = self.order.contains(&number);
        let class = match (taken, end) {
            _ if number == self.place.stuck => "stuck",
            (_, None) => "open",
            (true, _) => "done",
            (false, _) => "left",
        };
        let call = operation.call;
        let times = match &operation.end {
            Some((end, _)) => format!(
                "lines {} to {}, {} to {} µs",
                call.number, end.number, call.time_us, end.time_us
            ),
            None => format!("line {}, {} µs, and no return", call.number, call.time_us),
        };
        svg.open(&format!("{}\n{times}", Line(operation)));
        svg.rect(class, (from, top), (to - from, BAR));
        let label = self.label(number);
        let text = if class == "stuck" { "alarm" } else { "" };
        let mark = if class == "stuck" { "✗ " } else { "" };
        // The text stands where no dot is.
        let dot = self.order.iter().position(|other| *other == number);
        let dot = dot.map_or(from, |position| self.x[&Moment::Effect(position)]);
        let wide = width(&label);
        let x = if dot - from > wide + RADIUS + 8.0 {
            from + 6.0
        } else {
            dot.max(from) + RADIUS + 4.0
        };
        svg.text(text, (x, top + 14.0), "start", &format!("{mark}{label}"));
        svg.close();
    }

    /// The numbered dots, each with a line up to the state that it leads to.
    fn effects(&self, svg: &mut Svg) {
        let before = self.place.order.len() - self.order.len();
        for (position, number) in self.order.iter().enumerate() {
            let x = self.x[&Moment::Effect(position)];
            let y = Self::y(self.lanes[number]) + 12.0 + BAR / 2.0;
            svg.line("drop", (x, TOP + 10.0 + BAR), (x, y - RADIUS));
            svg.disc("dot", (x, y), RADIUS);
            let text = (before + position + 1).to_string();
            if text.len() > 2 {
                svg.text("small", (x, y - RADIUS - 2.0), "middle", &text);
            } else {
                svg.text("number", (x, y + 3.4), "middle", &text);
            }
        }
    }

    fn legend(&self, svg: &mut Svg, y: f64) {
        let entries = [
            ("done", "in the order: it takes effect at its dot"),
            ("left", "called, not in the order"),
            ("open", "nobody knows whether it took effect"),
            ("stuck", "returns next, and does not fit"),
        ];
        let mut x = MARGIN;
        for (class, text) in entries {
            svg.rect(class, (x, y + 12.0), (22.0, 12.0));
            svg.text("small", (x + 28.0, y + 22.0), "start", text);
            x += 44.0 + width(text) * 0.86;
        }
        let text = "Time runs to the right, event by event and not by the clock. Point at a bar for its lines and times.";
        svg.text("small", (MARGIN, y + 44.0), "start", text);
    }
}
