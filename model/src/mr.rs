//! MapReduce: a coordinator with its journal, workers that die, fall silent or are slow, and the files between them.
//!
//! Coordinator and workers are the machines that ship. A connection keeps the order of what is sent over it; when it
//! breaks, what the worker has not heard is lost, the worker knows at once, and the coordinator some time later, when
//! the worker may have another; what was written over the old one may arrive until then. The coordinator may die at
//! any moment: what its disk does not have is lost, and so are all connections. Armed timers fire at any moment, as
//! often as the bounds say. What is in a file is which maps are in it, each without which records. What was given out,
//! heard, kept and seen stands outside of all of them, and is compared with what they do.

use crate::search::is_sampled;
use crate::telling::{self, Told as _};
pub use protocol::mr::Rules;
use protocol::mr::{Kind, TaskId};
use state::State as Whole;
use stateright::actor::{ActorModelAction, Id};
use stateright::{Model, Path, Property};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

mod bounds;
mod hearing;
mod history;
mod mutants;
mod probes;
mod runs;
mod settle;
mod state;
mod steps;
mod words;
mod workers;

pub use bounds::{Bounds, bounds_text, validate};
pub use history::{History, Seen, Used, Violation};
pub use mutants::{Bug, HUNTS, Hunt, Wrong};
pub use probes::{Corner, Corners};
pub use runs::{DEEP_MILLS, MILLS, MillRun};
pub use settle::settles;
pub use state::{Disk, File, Message, Name, Run, Seat, State, Stimulus, Word};

/// A step.
pub type Action = ActorModelAction<Message, Stimulus, ()>;

/// The record of the first map that nobody can read, where there is one.
const RECORD: u64 = 1;

/// An output that can be seen is what a sequential run has.
///
/// PROP-MR-OUTPUT; watches MR-READ-1.
pub const OUTPUT: &str = "Output Is That Of A Sequential Run";
/// No file is seen in part.
///
/// PROP-MR-WHOLE; watches MR-FILE-1, MR-FILE-2.
pub const WHOLE: &str = "No Half Files";
/// An output stays as it is.
///
/// PROP-MR-ONE; watches MR-DISK-3, MR-WIN-1.
pub const ONE: &str = "Output Appears Once";
/// What was counted is what the winners have counted.
///
/// PROP-MR-COUNTERS; watches MR-WIN-1, MR-WIN-2, MR-LOST-2.
pub const COUNTERS: &str = "Counted Once";
/// No task is run twice without need.
///
/// PROP-MR-COUNT; watches MR-ORDER-2, MR-GONE-1, MR-RECOVER-3.
pub const COUNT: &str = "Nothing Run Twice Without Need";
/// No reduce is run before all maps are done.
///
/// PROP-MR-ORDER; watches MR-ORDER-1.
pub const ORDER: &str = "Maps Before Reduces";
/// It is told that the job is done only if all outputs are there.
///
/// PROP-MR-DONE; watches MR-OVER-1, MR-RECOVER-2.
pub const DONE: &str = "Done Means All Outputs";
/// What is done is not done again.
///
/// PROP-MR-KEPT; watches MR-RECOVER-1, MR-DISK-2, MR-LOST-1, MR-FILE-3, MR-FILE-4,
/// MR-STOP-2.
pub const KEPT: &str = "Done Stays Done";
/// Nothing is run or published when it was told that the job is over.
///
/// PROP-MR-OVER; watches MR-DISK-4.
pub const OVER: &str = "Nothing After The End";
/// No two attempts have one number.
///
/// PROP-MR-FRESH; watches MR-LIFE-1, MR-DISK-1.
pub const FRESH: &str = "Attempts Never Meet";
/// A deadline ends only what was not heard of.
///
/// PROP-MR-ALIVE; watches MR-SILENT-2.
pub const ALIVE: &str = "Who Reports Goes On";
/// An attempt is stopped only if its task is won or run elsewhere.
///
/// PROP-MR-NEED; watches MR-RECOVER-4.
pub const NEED: &str = "Nothing Stopped Without Need";
/// No attempt goes on when its task is won.
///
/// PROP-MR-STOP; watches MR-WIN-3.
pub const STOP: &str = "Losers Are Stopped";
/// Exactly those records are skipped at which two attempts have failed.
///
/// PROP-MR-SKIP; watches MR-SKIP-1.
pub const SKIP: &str = "Bad Records Are Skipped";
/// The job fails only of a task that has failed too often.
///
/// PROP-MR-FAIL; watches MR-FAIL-1, MR-FAIL-2.
pub const FAIL: &str = "No Job Fails Early";
/// A task does not go to where it has failed while there is another host's worker.
///
/// PROP-MR-HOST; watches MR-HOST-1.
pub const HOST: &str = "Failed Tasks Go Elsewhere";
/// Nobody leaves before it was told, or everybody was.
///
/// PROP-MR-TOLD; watches MR-OVER-2, MR-STAY-1.
pub const TOLD: &str = "Nobody Leaves Early";
/// A worker of another job or version is sent away and told nothing else.
///
/// PROP-MR-OURS; watches MR-HELLO-1.
pub const OURS: &str = "Strangers Are Sent Away";
/// A job that has failed is gone on with exactly if its user asks for it again.
///
/// PROP-MR-AGAIN; watches MR-AGAIN-1, MR-AGAIN-2.
pub const AGAIN: &str = "Taken Up When Asked";
/// Once nothing fails, the job ends and everybody leaves: [`settles`].
///
/// PROP-MR-SETTLES; watches MR-WAKE-1, MR-QUIET-1, MR-SILENT-1, MR-FAIL-1, MR-HOST-1, MR-LOST-1, MR-RECOVER-2,
/// MR-STOP-1, MR-STAY-2.
pub const SETTLES: &str = "The Job Ends";

/// The properties' ids in SPEC.md, with their names.
pub const IDS: [(&str, &str); 20] = [
    ("PROP-MR-OUTPUT", OUTPUT),
    ("PROP-MR-WHOLE", WHOLE),
    ("PROP-MR-ONE", ONE),
    ("PROP-MR-COUNTERS", COUNTERS),
    ("PROP-MR-COUNT", COUNT),
    ("PROP-MR-ORDER", ORDER),
    ("PROP-MR-DONE", DONE),
    ("PROP-MR-KEPT", KEPT),
    ("PROP-MR-OVER", OVER),
    ("PROP-MR-FRESH", FRESH),
    ("PROP-MR-ALIVE", ALIVE),
    ("PROP-MR-NEED", NEED),
    ("PROP-MR-STOP", STOP),
    ("PROP-MR-SKIP", SKIP),
    ("PROP-MR-FAIL", FAIL),
    ("PROP-MR-HOST", HOST),
    ("PROP-MR-TOLD", TOLD),
    ("PROP-MR-OURS", OURS),
    ("PROP-MR-AGAIN", AGAIN),
    ("PROP-MR-SETTLES", SETTLES),
];

/// The name of what each attempt of a task counts once.
fn counter(task: TaskId) -> &'static str {
    const MAPS: [&str; 4] = ["map,0", "map,1", "map,2", "map,3"];
    const REDUCES: [&str; 4] = ["reduce,0", "reduce,1", "reduce,2", "reduce,3"];
    match task.kind {
        Kind::Map => MAPS[task.index as usize],
        Kind::Reduce => REDUCES[task.index as usize],
    }
}

impl Bounds {
    /// All tasks.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> {
        let of = |kind, all: u8| (0..all.into()).map(move |index| TaskId { kind, index });
        of(Kind::Map, self.maps).chain(of(Kind::Reduce, self.reduces))
    }
}

/// The model.
#[derive(Clone)]
pub struct Mill<R: Rules> {
    rules: R,
    /// What may happen.
    pub bounds: Bounds,
    /// What was reached; shared by all clones.
    pub corners: Arc<Corners>,
    /// When set, no further actions are offered, so that a checker that can't be stopped comes to an end.
    pub stop: Arc<AtomicBool>,
}

impl<R: Rules> Mill<R> {
    /// A job that has not begun, and workers without a connection.
    pub fn new(bounds: Bounds, rules: R) -> Self {
        Self { rules, bounds, corners: Arc::default(), stop: Arc::default() }
    }

    fn all_settles(&self, state: &State<R>) -> bool {
        let sampled =
            state.history.violation.is_none() && is_sampled(state, self.bounds.settle_every);
        self.corners.settle(sampled, || settles(self, state).is_ok())
    }
}

/// The history has seen no violation of this kind.
macro_rules! never {
    ($name:expr, $violation:ident) => {
        Property::always($name, |_, state: &State<R>| {
            state.history.violation != Some(Violation::$violation)
        })
    };
}

impl<R: Rules> Model for Mill<R> {
    type State = Whole<R>;
    type Action = Action;

    fn init_states(&self) -> Vec<State<R>> {
        let (mut state, effects) = State::new(&self.bounds, self.rules);
        self.carry_out(&mut state, None, effects);
        self.flush(&mut state);
        vec![state]
    }

    fn actions(&self, state: &State<R>, actions: &mut Vec<Action>) {
        if self.stop.load(Ordering::Relaxed) || state.history.violation.is_some() {
            return;
        }
        self.arriving(state, |src, dst, msg| {
            actions.push(ActorModelAction::Deliver { src: Id::from(src), dst: Id::from(dst), msg });
        });
        self.stimuli(state, |id, stimulus| {
            actions.push(ActorModelAction::Timeout(Id::from(id), stimulus));
        });
    }

    fn next_state(&self, last: &State<R>, action: Action) -> Option<State<R>> {
        let mut next = last.clone();
        match action {
            ActorModelAction::Deliver { src, dst, .. } => {
                self.arrive(&mut next, usize::from(src), usize::from(dst));
            }
            ActorModelAction::Timeout(id, stimulus) => {
                self.happen(&mut next, usize::from(id), stimulus);
            }
            _ => return None,
        }
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            never!(OUTPUT, WrongOutput),
            never!(WHOLE, HalfAFile),
            never!(ONE, OutputChanged),
            never!(COUNTERS, Miscounted),
            never!(COUNT, RunTwice),
            never!(ORDER, TooEarly),
            never!(DONE, NotDone),
            never!(KEPT, DoneAgain),
            never!(OVER, AfterTheEnd),
            never!(FRESH, NumberTwice),
            never!(ALIVE, NotSilent),
            never!(NEED, StoppedForNothing),
            never!(STOP, RunsOn),
            never!(SKIP, WronglySkipped),
            never!(FAIL, FailedEarly),
            never!(HOST, GivenBack),
            never!(TOLD, LeftEarly),
            never!(OURS, ToldStranger),
            never!(AGAIN, WronglyTakenUp),
            Property::always(SETTLES, |mill: &Self, state: &State<R>| mill.all_settles(state)),
        ]
    }

    fn format_action(&self, action: &Action) -> String {
        Self::describe(action)
    }

    fn format_step(&self, last: &State<R>, action: Action) -> Option<String> {
        let next = self.next_state(last, action.clone())?;
        Some(Self::consequences(last, &next, &action).join("\n"))
    }

    fn as_svg(&self, path: Path<State<R>, Action>) -> Option<String> {
        Some(telling::picture(self, &path.into_actions()))
    }
}
