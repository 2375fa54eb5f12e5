//! The little of SVG that a diagram needs.

use std::fmt::{Arguments, Write};

/// A document that is being written.
#[derive(Default)]
pub struct Svg(String);

/// Text as XML content.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\t' | '\n' | '\r' => safe.push(' '),
            // XML has no way to say the other control characters.
            control if control.is_control() => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

impl Svg {
    /// Appends markup as it is, a line of its own.
    pub fn raw(&mut self, markup: Arguments<'_>) {
        writeln!(self.0, "{markup}").expect("a string takes any text");
    }

    /// Opens a group, with a text that shows when the reader points at it.
    pub fn open(&mut self, class: &str, tip: &str) {
        if tip.is_empty() {
            self.raw(format_args!("<g class=\"{class}\">"));
        } else {
            self.raw(format_args!("<g class=\"{class}\"><title>{}</title>", escaped(tip)));
        }
    }

    /// Closes the innermost group.
    pub fn close(&mut self) {
        self.raw(format_args!("</g>"));
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.raw(format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    /// A rectangle with round corners.
    pub fn rect(&mut self, class: &str, (x, y): (f64, f64), (w, h): (f64, f64), round: f64) {
        self.raw(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" \
             height=\"{h:.1}\" rx=\"{round:.1}\"/>"
        ));
    }

    /// A path, by its commands.
    pub fn path(&mut self, class: &str, commands: Arguments<'_>) {
        self.raw(format_args!("<path class=\"{class}\" d=\"{commands}\"/>"));
    }

    /// An arrowhead whose tip is `to`, for a line that comes from `from`.
    pub fn head(&mut self, from: (f64, f64), to: (f64, f64), length: f64) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let whole = dx.hypot(dy).max(1.0);
        let (ux, uy) = (dx / whole, dy / whole);
        let (bx, by) = (to.0 - ux * length, to.1 - uy * length);
        let wide = length * 0.42;
        self.path(
            "head",
            format_args!(
                "M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}Z",
                to.0,
                to.1,
                bx - uy * wide,
                by + ux * wide,
                bx + uy * wide,
                by - ux * wide
            ),
        );
    }

    /// The end of a message that never arrives.
    pub fn cross(&mut self, (x, y): (f64, f64)) {
        let (left, right, top, bottom) = (x - 5.0, x + 5.0, y - 5.0, y + 5.0);
        self.path(
            "cross",
            format_args!(
                "M{left:.1} {top:.1}L{right:.1} {bottom:.1}M{left:.1} {bottom:.1}L{right:.1} {top:.1}"
            ),
        );
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
