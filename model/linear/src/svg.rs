//! The little of SVG that a timeline needs.

use std::fmt::{Arguments, Write};

/// A document that is being written.
#[derive(Default)]
pub struct Svg(String);

fn escaped(text: &str) -> String {
    let replace = |character| match character {
        '&' => "&amp;".into(),
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '"' => "&quot;".into(),
        // XML has no way to say them.
        control if char::is_control(control) => "\u{fffd}".into(),
        other => other.to_string(),
    };
    text.chars().map(replace).collect::<String>()
}

impl Svg {
    /// Markup as it is, a line of its own.
    pub fn raw(&mut self, markup: Arguments<'_>) {
        writeln!(self.0, "{markup}").expect("a string takes any text");
    }

    /// A group with a text that shows when the reader points at it.
    pub fn open(&mut self, tip: &str) {
        self.raw(format_args!("<g><title>{}</title>", escaped(tip)));
    }

    /// The end of the innermost group.
    pub fn close(&mut self) {
        self.raw(format_args!("</g>"));
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.raw(format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    /// A rectangle with round corners.
    pub fn rect(&mut self, class: &str, (x, y): (f64, f64), (w, h): (f64, f64)) {
        self.raw(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"4\"/>"
        ));
    }

    /// A disc.
    pub fn disc(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        self.raw(format_args!(
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"/>"
        ));
    }

    /// A text. `anchor` is SVG's: `start`, `middle` or `end`.
    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: &str, text: &str) {
        self.raw(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            escaped(text)
        ));
    }

    /// The markup.
    pub fn into_string(self) -> String {
        self.0
    }
}
