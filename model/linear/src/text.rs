//! A report as text.

use crate::check::{Place, Report, TAIL, Verdict};
use crate::history::{History, Operation, Told};
use std::fmt::{self, Display};

/// An operation and what its client was told.
pub struct Line<'a, O, R>(pub &'a Operation<O, R>);

impl<O: Display, R: Display> Display for Line<'_, O, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Operation { op, end, .. } = self.0;
        match end {
            None => write!(f, "{op} → no answer"),
            Some((_, Told::Reply(reply))) => write!(f, "{op} → {reply}"),
            Some((_, Told::Maybe)) => write!(f, "{op} → maybe"),
            Some((_, Told::Unknown)) => write!(f, "{op} → unknown"),
            Some((_, Told::NotExecuted)) => write!(f, "{op} → not executed"),
        }
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

fn counted(number: usize, what: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{} {what}{end}", grouped(number))
}

/// The verdict in a sentence, and what the history has in another.
pub fn summary(report: &Report) -> String {
    let counts = report.counts;
    let verdict = match report.verdict {
        Verdict::Ok => "OK: an order of the calls explains everything that the clients were told",
        Verdict::Illegal => "ILLEGAL: no order of the calls explains what the clients were told",
        Verdict::Unknown => "UNKNOWN: the budget was spent before an order was found",
    };
    format!(
        "{verdict}\n{} on {}, {} pending, {} not executed\n",
        counted(counts.operations, "operation"),
        counted(counts.keys, "key"),
        grouped(counts.pending),
        grouped(counts.not_executed),
    )
}

/// What a place is about, in a sentence.
pub fn title<O: Display, R: Display>(history: &History<O, R>, place: &Place) -> String {
    let stuck = &history.operations()[place.stuck];
    let end = stuck.end.as_ref().map_or(0, |(end, _)| end.number);
    match place.verdict {
        Verdict::Illegal => {
            let client = stuck.client;
            format!("no order gets past line {end}, where client {client} is told: {}", Line(stuck))
        }
        _ => format!("the search got to line {end} before its budget was spent"),
    }
}

/// How far an order gets, and what stops it.
pub fn place<O: Display, R: Display>(history: &History<O, R>, place: &Place) -> String {
    let Place { order, states, .. } = place;
    let operations = history.operations();
    let shown = states.len().saturating_sub(1);
    let line = |number: usize| {
        let operation = &operations[number];
        let (call, client) = (operation.call.number, format!("c{}", operation.client));
        (format!("{call:>8}  {client:<5} "), Line(operation).to_string())
    };
    let last = order.iter().skip(order.len() - shown);
    let last: Vec<_> = last.map(|number| line(*number)).collect();
    let width = last.iter().map(|(_, text)| text.chars().count()).max().unwrap_or(0);
    let mut text = format!("{}\n\n", title(history, place));
    text += &format!(
        "an order of {} of the {} explains their replies{}:\n",
        grouped(order.len()),
        counted(place.operations.len(), "operation"),
        if shown < order.len() { format!("; its last {shown}") } else { String::new() },
    );
    text += "    line  client\n";
    let begin = states.first().map_or("", String::as_str);
    text += &format!("{:16}{:width$}   {begin}\n", "", "");
    for ((head, operation), state) in last.iter().zip(states.iter().skip(1)) {
        text += &format!("{head}{operation:width$}   {state}\n");
    }
    let end = operations[place.stuck].end.as_ref().map_or(0, |(end, _)| end.number);
    text +=
        &format!("left of what was called before line {end}; ✗ returns there and does not fit:\n");
    for number in place.next.iter().take(TAIL) {
        let (head, operation) = line(*number);
        let mark = if *number == place.stuck { "   ✗" } else { "" };
        text += &format!("{head}{operation}{mark}\n");
    }
    if place.next.len() > TAIL {
        text += &format!("and {} more\n", grouped(place.next.len() - TAIL));
    }
    text
}
