//! From a history to a verdict: parts, one after the other, and the place where there is no going on.

use crate::history::{History, Operation};
use crate::model::{Asked, Model, Object, Span};
use crate::parts::parts;
use crate::search::{Ending, Found, Limits, search};
use std::fmt;

/// How much of an order is told at a place.
pub const TAIL: usize = 24;

/// What is known of a history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// Some order explains every reply.
    Ok,
    /// The budget was spent before it was known. That is no pass.
    Unknown,
    /// No order does.
    Illegal,
}

/// What a check may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// How often an operation may be tried, in the whole history.
    pub steps: u64,
    /// The memory in which what was tried is remembered, in bytes. It is given back after each part.
    pub memory_bytes: u64,
}

impl Default for Budget {
    /// Ten or twenty seconds, and 4 GiB.
    fn default() -> Self {
        Self { steps: 100_000_000, memory_bytes: 4 << 30 }
    }
}

/// What a history has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Operations, all of them.
    pub operations: usize,
    /// Keys that they touch.
    pub keys: usize,
    /// Parts that were judged apart: as many as keys, if no operation has several.
    pub parts: usize,
    /// Operations of which nobody knows whether they took effect.
    pub pending: usize,
    /// Operations that were not executed for sure, and took no part.
    pub not_executed: usize,
}

/// What is known of a history, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// In one word.
    pub verdict: Verdict,
    /// What it has.
    pub counts: Counts,
    /// How often an operation was tried.
    pub steps: u64,
    /// How many pairs of taken operations and state were met.
    pub configurations: u64,
    /// The parts that are not Ok, if their search was begun: the illegal ones first, and of those the one that goes
    /// wrong first.
    pub places: Vec<Place>,
}

/// How far an order gets in a part, and what stops it. Operations are numbers into [`History::operations`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Illegal, or Unknown.
    pub verdict: Verdict,
    /// The part's operations, in the order of their calls.
    pub operations: Vec<usize>,
    /// The order that gets furthest.
    pub order: Vec<usize>,
    /// The object before the last [`TAIL`] of these, and after each of them.
    pub states: Vec<String>,
    /// The operation whose return no order gets past; where it is not known to be so, the search's furthest.
    pub stuck: usize,
    /// What was called before that return and is not in the order: the one that is stuck, others that return later,
    /// and pending ones, which nobody must place.
    pub next: Vec<usize>,
}

/// Judges a history.
pub fn check<M: Model>(model: &M, history: &History<M::Op, M::Ret>, budget: Budget) -> Report {
    let operations = history.operations();
    let keys: Vec<Vec<M::Key>> = operations.iter().map(|one| model.keys(&one.op)).collect();
    let (parts, keys) = parts(&keys);
    let mut report = Report {
        verdict: Verdict::Ok,
        counts: Counts {
            operations: operations.len(),
            keys,
            parts: parts.len(),
            pending: operations.iter().filter(|one| one.is_pending()).count(),
            not_executed: operations.iter().filter(|one| one.was_dropped()).count(),
        },
        steps: 0,
        configurations: 0,
        places: Vec::new(),
    };
    for part in parts {
        report.judge(model, history, part, budget);
    }
    let events = |place: &Place| operations[place.stuck].end.as_ref().map(|(end, _)| end.number);
    report.places.sort_by_key(|place| (std::cmp::Reverse(place.verdict), events(place)));
    report
}

impl Report {
    fn judge<M: Model>(
        &mut self,
        model: &M,
        history: &History<M::Op, M::Ret>,
        part: Vec<usize>,
        budget: Budget,
    ) {
        let steps = budget.steps.saturating_sub(self.steps);
        if steps == 0 {
            // It is not begun, so there is no place to show.
            self.verdict = self.verdict.max(Verdict::Unknown);
            return;
        }
        let all = history.operations();
        let judged = |&number: &usize| {
            let one = &all[number];
            one.reply().is_some() || one.is_pending() && model.writes(&one.op)
        };
        let numbers: Vec<usize> = part.iter().copied().filter(judged).collect();
        let span = |one: &Operation<_, _>| {
            let end = one.end.as_ref().filter(|_| one.reply().is_some());
            Span { call: one.call.number, end: end.map(|(event, _)| event.number) }
        };
        let asked = |&number: &usize| {
            let one = &all[number];
            Asked { op: &one.op, ret: one.reply(), span: span(one) }
        };
        let asked: Vec<Asked<'_, M::Op, M::Ret>> = numbers.iter().map(asked).collect();
        let spans: Vec<Span> = asked.iter().map(|asked| asked.span).collect();
        let (object, ready) = model.part(&asked);
        let limits = Limits { steps, memory_bytes: budget.memory_bytes };
        let found = search(&object, &ready, &spans, limits);
        self.steps += found.steps;
        self.configurations += found.configurations;
        let verdict = match found.ending {
            Ending::Order => return,
            Ending::NoOrder => Verdict::Illegal,
            Ending::Limit => Verdict::Unknown,
        };
        self.verdict = self.verdict.max(verdict);
        self.places.push(Place::new(verdict, &object, &found, (&numbers, &spans), part));
    }
}

impl Place {
    fn new<O: Object>(
        verdict: Verdict,
        object: &O,
        found: &Found<O::State>,
        (numbers, spans): (&[usize], &[Span]),
        operations: Vec<usize>,
    ) -> Self {
        let stuck = found.stuck.expect("an order that is not whole is stuck somewhere");
        let before = spans[stuck].end.expect("what an order is stuck at has returned");
        let mut taken = vec![false; numbers.len()];
        found.path.iter().for_each(|(step, _)| taken[*step] = true);
        let next = (0..numbers.len()).filter(|&step| !taken[step] && spans[step].call < before);
        Self {
            verdict,
            order: found.path.iter().map(|(step, _)| numbers[*step]).collect(),
            states: object.tell(&found.path, TAIL),
            stuck: numbers[stuck],
            next: next.map(|step| numbers[step]).collect(),
            operations,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::Unknown => "UNKNOWN",
            Self::Illegal => "ILLEGAL",
        })
    }
}
