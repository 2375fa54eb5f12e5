//! What a checker must know of an object.

use std::fmt;
use std::hash::Hash;

/// A kind of object: into which parts its operations fall, and how a part behaves.
pub trait Model {
    /// An operation as clients ask it.
    type Op;
    /// A reply.
    type Ret;
    /// What operations have in common or not.
    type Key: Hash + Eq;
    /// A part of the object.
    type Object: Object;

    /// The keys that an operation touches. Two that have none in common are independent.
    fn keys(&self, op: &Self::Op) -> Vec<Self::Key>;

    /// Whether it can change anything. A pending operation that can't says nothing, and is left out.
    fn writes(&self, op: &Self::Op) -> bool;

    /// The part of the object that these operations touch, and the operations in the form in which it takes them. They
    /// come in the order of their calls.
    fn part(&self, operations: &[Asked<'_, Self::Op, Self::Ret>]) -> (Self::Object, Steps<Self>);
}

/// An operation of a part.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a, O, R> {
    /// What was asked.
    pub op: &'a O,
    /// The reply. None if nobody knows what became of it.
    pub ret: Option<&'a R>,
    /// When it may take effect.
    pub span: Span,
}

/// From which event to which an operation may take effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The number of the event of its call.
    pub call: usize,
    /// That of its return; None for a pending operation.
    pub end: Option<usize>,
}

/// The operations of a part, as its object takes them.
pub type Steps<M> = Vec<<<M as Model>::Object as Object>::Step>;

/// A part of an object: a sequential specification.
pub trait Object {
    /// An operation with its reply, ready to be tried. Equal steps do the same in every state.
    type Step: Eq + Hash;
    /// What it remembers. States that are equal are never told apart by any step to come.
    type State: Clone + Eq + Hash + fmt::Debug;

    /// The state in the beginning.
    fn init(&self) -> Self::State;

    /// Appends to `next` every state in which the object can be after this step: none if it never gives this reply
    /// here. A pending step only appends states in which it took effect; that it never happened is the
    /// search's business.
    fn step(&self, state: &Self::State, step: &Self::Step, next: &mut Vec<Self::State>);

    /// Whether this step can't follow on this state any more, however many others of the part come in between, of those
    /// that were called before its return and don't return before it. Saying no is always right.
    fn is_too_late(&self, state: &Self::State, step: &Self::Step) -> bool {
        let _ = (state, step);
        false
    }

    /// Whether a pending step may well be tried before others: one that nobody seems to have noticed, and that serves
    /// only to explain what is missing. Any answer is right.
    fn is_idle(&self, step: &Self::Step) -> bool {
        let _ = step;
        false
    }

    /// The bytes that a state takes.
    fn weight(&self, state: &Self::State) -> usize {
        size_of_val(state)
    }

    /// The state in the beginning and after each of these steps, as text for people; of the last `tail` steps only, and
    /// of the state before them.
    fn tell(&self, path: &[(usize, Self::State)], tail: usize) -> Vec<String> {
        let states =
            std::iter::once(self.init()).chain(path.iter().map(|(_, state)| state.clone()));
        states.skip(path.len().saturating_sub(tail)).map(|state| format!("{state:?}")).collect()
    }
}
