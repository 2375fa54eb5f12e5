//! The search for an order, in one part of a history.
//!
//! The operations that have a reply lie in a list of events, a call and a return each. Whichever is taken next must
//! have been called before the first return in the list. Taking one lifts its two events out; when nothing can be
//! taken, the last one is put back and the one behind it tried. When the list is empty an order is found.
//!
//! Pending operations lie in a list of their own. They are tried after those with a reply, and need never be taken. A
//! plain search would try them in every combination at every dead end. Three things keep that away, and none of
//! them loses an order, if there is one:
//! 1. A pending operation is not taken before one that was called earlier and does the same in every state. For an
//!    order with the later one is an order with the earlier one in its place.
//! 2. A pending operation that changes nothing is not taken, nor is a step that follows directly on a pending operation
//!    and leads where it would have led without it. For what is left can be done from there too, with one pending
//!    operation more to spare.
//! 3. A state from which the operation that returns first can't be reached any more ([`Object::is_too_late`]) is a dead
//!    end, and nothing is tried there.
//!
//! The place that is shown of a history without an order is the first return that no order gets past; of all
//! orders that get so far, one that took the most.

use crate::bits::Bits;
use crate::links::Links;
use crate::model::{Object, Span};
use std::collections::{HashMap, HashSet};

/// How far a search may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How often an operation may be tried.
    pub steps: u64,
    /// How much memory may be used to remember what was tried, in bytes.
    pub memory_bytes: u64,
}

/// How a search ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// With an order.
    Order,
    /// There is none.
    NoOrder,
    /// At a limit.
    Limit,
}

/// What a search has found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found<S> {
    /// How it ended.
    pub ending: Ending,
    /// The order, or the one that gets furthest: operations, each with the state that it led to.
    pub path: Vec<(usize, S)>,
    /// The operation whose return the order does not get past; None if it is a whole one.
    pub stuck: Option<usize>,
    /// How often an operation was tried.
    pub steps: u64,
    /// How many pairs of taken operations and state were met.
    pub configurations: u64,
}

/// An event of an operation with a reply.
#[derive(Clone, Copy, Debug)]
struct Edge {
    operation: usize,
    at: usize,
    returns: bool,
}

/// What may be taken next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Candidate {
    /// The operation of this call, by its element in the list of events.
    Told(usize),
    /// The pending operation of this element in the other list.
    Pending(usize),
}

/// One operation on the path.
#[derive(Debug)]
struct Frame<S> {
    taken: Candidate,
    before: S,
    /// Other states to which it may lead, that were not tried yet.
    others: Vec<S>,
}

struct Search<'a, O: Object> {
    object: &'a O,
    steps: &'a [O::Step],
    /// The events of the operations with a reply, in order; element `i` of `told` is `edges[i - 1]`.
    edges: Vec<Edge>,
    /// By operation with a reply, the elements of call and return.
    elements: Vec<(usize, usize)>,
    /// By operation, how many of its list were called before it.
    ranks: Vec<usize>,
    told: Links,
    /// The pending operations, first those that may well be tried first, each lot in the order of their calls; with
    /// the event of the call and the rank of the one before it that does the same. Element `i` of `pending` is
    /// `waiting[i - 1]`.
    waiting: Vec<(usize, usize, Option<usize>)>,
    pending: Links,
    /// The ranks of the operations that were taken: of those with a reply, and of the pending ones.
    taken: (Bits, Bits),
    /// How many of those with a reply were taken.
    count: usize,
    state: O::State,
    path: Vec<Frame<O::State>>,
    seen: HashSet<(Box<[u64]>, O::State)>,
    memory_bytes: u64,
    tried: u64,
    /// Where successors are put.
    next: Vec<O::State>,
    best: Best<O::State>,
}

/// The order that gets furthest.
#[derive(Debug)]
struct Best<S> {
    path: Vec<(usize, S)>,
    /// The event of the first return that it does not get past, and how many operations with a reply it took.
    reach: (usize, usize),
    /// How much of it is still the beginning of the path that is tried now.
    common: usize,
}

/// Searches for an order of these steps. `spans` has the same operations, in the order of their calls.
pub fn search<O: Object>(
    object: &O,
    steps: &[O::Step],
    spans: &[Span],
    limits: Limits,
) -> Found<O::State> {
    let mut search = Search::new(object, steps, spans);
    let ending = search.run(limits);
    let stuck = match ending {
        Ending::Order => None,
        Ending::NoOrder => search.stuck_at(search.best.reach.0),
        Ending::Limit => {
            search.note_best();
            search.stuck_at(search.best.reach.0)
        }
    };
    let (steps, configurations) = (search.tried, search.seen.len() as u64);
    let path = if ending == Ending::Order { search.walked(0) } else { search.best.path };
    Found { ending, path, stuck, steps, configurations }
}

impl<'a, O: Object> Search<'a, O> {
    fn new(object: &'a O, steps: &'a [O::Step], spans: &[Span]) -> Self {
        let mut edges = Vec::new();
        let mut waiting = Vec::new();
        let mut ranks = Vec::new();
        for (operation, &Span { call, end }) in spans.iter().enumerate() {
            if let Some(end) = end {
                ranks.push(edges.len() / 2);
                edges.push(Edge { operation, at: call, returns: false });
                edges.push(Edge { operation, at: end, returns: true });
            } else {
                ranks.push(0);
                waiting.push((operation, call, None));
            }
        }
        waiting.sort_by_key(|(operation, ..)| !object.is_idle(&steps[*operation]));
        let mut latest: HashMap<&O::Step, usize> = HashMap::new();
        for (rank, (operation, _, alike)) in waiting.iter_mut().enumerate() {
            ranks[*operation] = rank;
            *alike = latest.insert(&steps[*operation], rank);
        }
        edges.sort_by_key(|edge| edge.at);
        let mut elements = vec![(0, 0); spans.len()];
        for (position, edge) in edges.iter().enumerate() {
            let (call, end) = &mut elements[edge.operation];
            *(if edge.returns { end } else { call }) = position + 1;
        }
        Self {
            object,
            steps,
            told: Links::new(edges.len()),
            pending: Links::new(waiting.len()),
            taken: (Bits::new(edges.len() / 2), Bits::new(waiting.len())),
            count: 0,
            edges,
            elements,
            ranks,
            waiting,
            state: object.init(),
            path: Vec::new(),
            seen: HashSet::new(),
            memory_bytes: 0,
            tried: 0,
            next: Vec::new(),
            best: Best { path: Vec::new(), reach: (0, 0), common: 0 },
        }
    }

    fn run(&mut self, limits: Limits) -> Ending {
        let mut candidate = self.first();
        while !self.told.is_empty() {
            if self.tried >= limits.steps || self.memory_bytes > limits.memory_bytes {
                return Ending::Limit;
            }
            candidate = match candidate {
                Some(next) if self.take(next) => self.first(),
                Some(next) => self.behind(next),
                None => {
                    self.note_best();
                    match self.go_back() {
                        Back::Elsewhere => self.first(),
                        Back::Without(taken) => self.behind(taken),
                        Back::Nowhere => return Ending::NoOrder,
                    }
                }
            };
        }
        Ending::Order
    }

    fn operation(&self, candidate: Candidate) -> usize {
        match candidate {
            Candidate::Told(element) => self.edges[element - 1].operation,
            Candidate::Pending(element) => self.waiting[element - 1].0,
        }
    }

    /// The first call, if what must be got past next is still possible. A return can't come before its call.
    fn first(&self) -> Option<Candidate> {
        let lost = |due: Edge| self.object.is_too_late(&self.state, &self.steps[due.operation]);
        let open = !self.told.is_empty() && !lost(self.first_return());
        open.then(|| Candidate::Told(self.told.after(0)))
    }

    /// What is to be tried after this one: every call before the first return, then every pending operation that was
    /// called before it.
    fn behind(&self, candidate: Candidate) -> Option<Candidate> {
        let mut waiting = match candidate {
            Candidate::Told(element) => {
                let next = self.told.after(element);
                if next != 0 && !self.edges[next - 1].returns {
                    return Some(Candidate::Told(next));
                }
                self.pending.after(0)
            }
            Candidate::Pending(element) => self.pending.after(element),
        };
        let until = self.first_return().at;
        while waiting != 0 && self.waiting[waiting - 1].1 > until {
            waiting = self.pending.after(waiting);
        }
        Some(Candidate::Pending(waiting)).filter(|_| waiting != 0)
    }

    /// The first return of what is left. It must be got past next.
    fn first_return(&self) -> Edge {
        let mut element = self.told.after(0);
        while !self.edges[element - 1].returns {
            element = self.told.after(element);
        }
        self.edges[element - 1]
    }

    /// Takes an operation if it can be taken and leads somewhere new.
    fn take(&mut self, candidate: Candidate) -> bool {
        self.tried += 1;
        let steps = self.steps;
        let step = &steps[self.operation(candidate)];
        let mut next = std::mem::take(&mut self.next);
        next.clear();
        if self.may_take(candidate) {
            self.object.step(&self.state, step, &mut next);
        }
        self.drop_detours(step, &mut next);
        if matches!(candidate, Candidate::Pending(_)) && !next.is_empty() {
            let due = &steps[self.first_return().operation];
            next.retain(|state| *state != self.state && !self.object.is_too_late(state, due));
        }
        let mut goes_on = false;
        if !next.is_empty() {
            self.mark(candidate);
            if let Some(state) = self.newest(&mut next) {
                let before = std::mem::replace(&mut self.state, state);
                // Nearly always there are none, and then the room is used again.
                let others = if next.is_empty() { Vec::new() } else { std::mem::take(&mut next) };
                self.path.push(Frame { taken: candidate, before, others });
                goes_on = true;
            } else {
                self.unmark(candidate);
            }
        }
        self.next = next;
        goes_on
    }

    /// Rule 1 of the essay.
    fn may_take(&self, candidate: Candidate) -> bool {
        let Candidate::Pending(element) = candidate else { return true };
        self.waiting[element - 1].2.is_none_or(|alike| self.taken.1.has(alike))
    }

    /// Rule 2 of the essay.
    fn drop_detours(&self, step: &O::Step, next: &mut Vec<O::State>) {
        if next.is_empty() {
            return;
        }
        if let Some(Frame { taken: Candidate::Pending(_), before, .. }) = self.path.last() {
            let mut without = Vec::new();
            self.object.step(before, step, &mut without);
            next.retain(|state| !without.contains(state));
        }
    }

    /// The last of these states that, with what is taken, was not met before; it is remembered, and those behind it
    /// are dropped.
    fn newest(&mut self, states: &mut Vec<O::State>) -> Option<O::State> {
        let mut print = Vec::with_capacity(8);
        self.taken.0.print(&mut print);
        self.taken.1.print(&mut print);
        let print: Box<[u64]> = print.into();
        while let Some(state) = states.pop() {
            let slot = size_of::<(Box<[u64]>, O::State)>();
            let beyond = self.object.weight(&state).saturating_sub(size_of::<O::State>());
            if self.seen.insert((print.clone(), state.clone())) {
                // A table is half empty on average.
                self.memory_bytes += (2 * slot + 8 * print.len() + 16 + beyond) as u64;
                return Some(state);
            }
        }
        None
    }

    fn mark(&mut self, candidate: Candidate) {
        let operation = self.operation(candidate);
        match candidate {
            Candidate::Told(_) => {
                let (call, end) = self.elements[operation];
                self.told.lift(call);
                self.told.lift(end);
                self.taken.0.insert(self.ranks[operation]);
                self.count += 1;
            }
            Candidate::Pending(element) => {
                self.pending.lift(element);
                self.taken.1.insert(self.ranks[operation]);
            }
        }
    }

    fn unmark(&mut self, candidate: Candidate) {
        let operation = self.operation(candidate);
        match candidate {
            Candidate::Told(_) => {
                let (call, end) = self.elements[operation];
                self.told.unlift(end);
                self.told.unlift(call);
                self.taken.0.remove(self.ranks[operation]);
                self.count -= 1;
            }
            Candidate::Pending(element) => {
                self.pending.unlift(element);
                self.taken.1.remove(self.ranks[operation]);
            }
        }
    }

    /// Leaves a dead end.
    fn go_back(&mut self) -> Back {
        let Some(mut frame) = self.path.pop() else { return Back::Nowhere };
        self.best.common = self.best.common.min(self.path.len());
        if let Some(state) = self.newest(&mut frame.others) {
            self.state = state;
            self.path.push(frame);
            return Back::Elsewhere;
        }
        self.unmark(frame.taken);
        self.state = frame.before;
        Back::Without(frame.taken)
    }

    /// Keeps the path if none was better. Only what differs from the best so far is copied.
    fn note_best(&mut self) {
        let reach = (self.first_return().at, self.count);
        if reach > self.best.reach {
            let common = self.best.common;
            self.best.path.truncate(common);
            let walked = self.walked(common);
            self.best.path.extend(walked);
            self.best.reach = reach;
            self.best.common = self.path.len();
        }
    }

    /// The path from its `from`th operation on, each with the state after it.
    fn walked(&self, from: usize) -> Vec<(usize, O::State)> {
        let after = |position: usize| {
            self.path.get(position + 1).map_or(&self.state, |frame| &frame.before).clone()
        };
        let walked = (from..self.path.len())
            .map(|position| (self.operation(self.path[position].taken), after(position)));
        walked.collect()
    }

    fn stuck_at(&self, at: usize) -> Option<usize> {
        self.edges.iter().find(|edge| edge.at == at).map(|edge| edge.operation)
    }
}

/// Where a search goes from a dead end.
enum Back {
    /// To another state of the last operation.
    Elsewhere,
    /// To where the last operation was not taken.
    Without(Candidate),
    /// Everything was tried.
    Nowhere,
}
