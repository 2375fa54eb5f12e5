//! The controller of the sharded store (lab 4A of 2021): administrators who change its configurations, replicas that
//! apply the same commands at different moments, and groups that walk from each configuration to the next.
//!
//! That a replicated log is one log is checked elsewhere; here it is a list, and two replicas apply it: the leader at
//! once, a second one when it comes to it. Either may begin anew from what it has saved. Messages are late, lost,
//! reordered, and repeated where a run says so. What is true is kept in a history outside of all of them, and compared
//! with what they hold and say.

use crate::bounds::Net;
use crate::search::is_sampled;
use crate::telling::{self, Told as _};
use protocol::shardctl::{Exact, Num, Rules};
use state::{ADMINS, GROUPS, LEADER};
use stateright::actor::{ActorModelAction, Envelope, Id};
use stateright::{Model, Path, Property};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

mod bounds;
mod history;
mod judge;
mod mutants;
mod probes;
mod programs;
mod runs;
mod settle;
mod state;
mod steps;
mod words;

pub use bounds::{Bounds, bounds_text, validate};
pub use history::{History, Life, Violation};
pub use mutants::{Bug, HUNTS, Hunt, Wrong};
pub use probes::{Corner, Corners};
pub use programs::{Do, Program};
pub use runs::{OFFICES, OfficeRun};
pub use settle::settles;
pub use state::{Log, Message, Person, Replica, State, Stimulus, Walker};

/// A step.
pub type Action = ActorModelAction<Message, Stimulus, ()>;

/// Replicas hold equal configurations under equal numbers, whenever they applied what made them.
///
/// PROP-CTL-REPLICAS; watches CTL-ORDER-1, CTL-SNAP-1.
pub const REPLICAS: &str = "Replicas Agree";
/// Numbers go up by one.
///
/// PROP-CTL-NUMBERS; watches CTL-NUM-1.
pub const NUMBERS: &str = "Numbers Go Up By One";
/// After a Join, a Leave or a Rebalance every slot is a group's, and no group has two more than another.
///
/// PROP-CTL-BALANCE; watches CTL-BALANCE-1, CTL-WHOLE-1.
pub const BALANCE: &str = "Balanced Within One";
/// No slot is moved that need not be.
///
/// PROP-CTL-MOVES; watches CTL-MOVES-1.
pub const MOVES: &str = "No Move Too Many";
/// Groups, addresses and moved slots are as they were asked for, and every slot is a group's that is there.
///
/// PROP-CTL-ASKED; watches CTL-MOVE-1, CTL-MOVE-2, CTL-LAST-1, CTL-JOIN-1.
pub const ASKED: &str = "As Asked";
/// No request makes two configurations, and none one that follows another than it is based on.
///
/// PROP-CTL-ONCE; watches CTL-CAS-1.
pub const ONCE: &str = "Executed Once";
/// What an administrator is told of its request is so, and stays so.
///
/// PROP-CTL-TOLD; watches CTL-ADMIN-1, CTL-ADMIN-2, CTL-ADMIN-3, CTL-ADMIN-4, CTL-ADMIN-5.
pub const TOLD: &str = "Authors Learn The Truth";
/// No configuration is dropped that a group still has to walk to, or from.
///
/// PROP-CTL-NEEDED; watches CTL-DROP-1, CTL-JOIN-2.
pub const NEEDED: &str = "Nothing Needed Is Dropped";
/// What a group has finished, as the replicas have it, never falls, is not more than it has, and is none that it left
/// behind.
///
/// PROP-CTL-REPORTS; watches CTL-FINISH-1, CTL-FINISH-2.
pub const REPORTS: &str = "Reports Are True";
/// Who asks for a configuration gets that one, or hears that it was dropped.
///
/// PROP-CTL-ANSWERED; watches CTL-DROP-2.
pub const ANSWERED: &str = "Answered As Asked";
/// What is read from a replica's bytes is what was written.
///
/// PROP-CTL-SAVED; watches CTL-SNAP-1.
pub const SAVED: &str = "Saved Is All";
/// No more configurations are kept than may be.
///
/// PROP-CTL-BOUNDED; watches CTL-BOUND-1.
pub const BOUNDED: &str = "Few Are Kept";
/// Once the network delivers, every administrator that lives comes to its end, every group to the latest
/// configuration, and nothing is kept that nobody needs: [`settles`].
///
/// PROP-CTL-SETTLES; watches CTL-ADMIN-6, CTL-DROP-1.
pub const SETTLES: &str = "All Settles";

/// The properties' ids in SPEC.md, with their names.
pub const IDS: [(&str, &str); 13] = [
    ("PROP-CTL-REPLICAS", REPLICAS),
    ("PROP-CTL-NUMBERS", NUMBERS),
    ("PROP-CTL-BALANCE", BALANCE),
    ("PROP-CTL-MOVES", MOVES),
    ("PROP-CTL-ASKED", ASKED),
    ("PROP-CTL-ONCE", ONCE),
    ("PROP-CTL-TOLD", TOLD),
    ("PROP-CTL-NEEDED", NEEDED),
    ("PROP-CTL-REPORTS", REPORTS),
    ("PROP-CTL-ANSWERED", ANSWERED),
    ("PROP-CTL-SAVED", SAVED),
    ("PROP-CTL-BOUNDED", BOUNDED),
    ("PROP-CTL-SETTLES", SETTLES),
];

/// Rules that may differ from replica to replica. What ships does not; a replica that iterates a hash map does.
pub trait Placed: Rules {
    /// The rules at a replica.
    #[must_use]
    fn at(self, replica: usize) -> Self;
}

impl Placed for Exact {
    fn at(self, _: usize) -> Self {
        self
    }
}

/// The model.
#[derive(Clone)]
pub struct Office<R: Placed> {
    rules: R,
    /// What may happen.
    pub bounds: Bounds,
    /// What was reached; shared by all clones.
    pub corners: Arc<Corners>,
    /// When set, no further actions are offered, so that a checker that can't be stopped comes to an end.
    pub stop: Arc<AtomicBool>,
}

impl<R: Placed> Office<R> {
    /// Two replicas, an administrator for each program, and groups.
    pub fn new(bounds: Bounds, rules: R) -> Self {
        Self { rules, bounds, corners: Arc::default(), stop: Arc::default() }
    }

    fn all_settles(&self, state: &State<R>) -> bool {
        let sampled =
            state.history.violation.is_none() && is_sampled(state, self.bounds.settle_every);
        self.corners.settle(sampled, || settles(self, state).is_ok())
    }

    /// What may happen besides messages, within the bounds.
    fn stimuli(&self, state: &State<R>, actions: &mut Vec<Action>) {
        let bounds = &self.bounds;
        let mut add = |id: usize, stimulus| {
            actions.push(ActorModelAction::Timeout(Id::from(id), stimulus));
        };
        for (number, person) in state.admins.iter().enumerate() {
            let id = ADMINS + number;
            if person.admin.is_busy() {
                if !person.dead && person.admin.attempts() < bounds.attempts {
                    add(id, Stimulus::Retry);
                }
                if !person.dead && state.history.deaths < bounds.deaths {
                    add(id, Stimulus::Die);
                }
            } else if person.is_under_way() {
                add(id, Stimulus::Next);
            }
        }
        for (number, walker) in state.walkers.iter().enumerate() {
            for replica in 0..=u8::from(bounds.lags) {
                if steps::next_for(walker, &state.replicas[usize::from(replica)]).is_some() {
                    add(GROUPS + number, Stimulus::Walk(replica));
                }
            }
            if (1..bounds.reports).contains(&walker.reports) {
                add(GROUPS + number, Stimulus::Report);
            }
        }
        for (number, replica) in state.replicas.iter().enumerate() {
            if replica.applied < state.log.end() {
                add(number, Stimulus::Apply);
            }
            if state.history.saves < bounds.saves && replica.saved.1 < replica.applied {
                add(number, Stimulus::Save);
            }
            if state.history.restarts < bounds.restarts && replica.saved.1 < replica.applied {
                add(number, Stimulus::Restart);
            }
        }
    }
}

/// Whether every replica has what each group needs.
fn has_what_is_needed<R: Placed>(state: &State<R>) -> bool {
    let needs: Vec<Num> = state.walkers.iter().filter_map(|walker| state.needs(walker)).collect();
    state.replicas.iter().all(|replica| {
        let oldest = replica.controller.configs()[0].number;
        needs.iter().all(|&needs| oldest <= needs)
    })
}

/// Whether no replica has a group farther than it is.
fn standings_are_true<R: Placed>(state: &State<R>) -> bool {
    let walks = |walker: &&Walker| walker.is_in;
    state.walkers.iter().filter(walks).all(|walker| {
        let standings = state.replicas.iter().map(|replica| replica.controller.standings());
        let mut finished = standings.filter_map(|standings| standings.get(&walker.group));
        finished.all(|standing| standing.finished <= walker.at)
    })
}

/// The history has seen no violation of these.
macro_rules! never {
    ($name:expr, $($violation:ident)|+) => {
        Property::always($name, |_, state: &State<R>| {
            !matches!(state.history.violation, Some($(Violation::$violation)|+))
        })
    };
}

impl<R: Placed> Model for Office<R> {
    type State = State<R>;
    type Action = Action;

    fn init_states(&self) -> Vec<State<R>> {
        vec![self.first()]
    }

    fn actions(&self, state: &State<R>, actions: &mut Vec<Action>) {
        if self.stop.load(Ordering::Relaxed) || state.history.violation.is_some() {
            return;
        }
        for envelope in &state.mail {
            let Envelope { src, dst, msg } = envelope.clone();
            actions.push(ActorModelAction::Deliver { src, dst, msg });
            if state.history.lost < self.bounds.losses {
                actions.push(ActorModelAction::Drop(envelope.clone()));
            }
        }
        self.stimuli(state, actions);
    }

    fn next_state(&self, last: &State<R>, action: Action) -> Option<State<R>> {
        let mut next = last.clone();
        match action {
            ActorModelAction::Deliver { src, dst, msg } => {
                let envelope = Envelope { src, dst, msg };
                if self.bounds.net == Net::Reorder {
                    next.mail.remove(&envelope);
                }
                self.arrive(&mut next, envelope);
            }
            ActorModelAction::Drop(envelope) => {
                next.mail.remove(&envelope);
                Arc::make_mut(&mut next.history).lost += 1;
                self.corners.reach(Corner::MessageLost);
            }
            ActorModelAction::Timeout(id, stimulus) => {
                self.happen(&mut next, usize::from(id), stimulus);
            }
            _ => return None,
        }
        self.tidy(&mut next);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            never!(ONCE, ExecutedTwice),
            never!(NUMBERS, NumberSkipped),
            Property::always(REPLICAS, |_, state: &State<R>| {
                let [one, two] = state.replicas.each_ref().map(|replica| &replica.controller);
                let same = one.standings() == two.standings() && one.configs() == two.configs();
                let alike = state.replicas[0].applied != state.replicas[1].applied || same;
                alike && state.history.violation != Some(Violation::NotTheSame)
            }),
            never!(ASKED, NotAsAsked),
            never!(BALANCE, NotBalanced),
            never!(MOVES, MovedTooMany),
            never!(TOLD, ToldWrongly),
            Property::always(REPORTS, |_, state: &State<R>| {
                let wrong = state.history.violation == Some(Violation::ReportedWrongly);
                !wrong && standings_are_true(state)
            }),
            Property::always(NEEDED, |_, state: &State<R>| has_what_is_needed(state)),
            never!(ANSWERED, AnsweredWrongly),
            never!(SAVED, SavedWrongly),
            Property::always(BOUNDED, |office: &Self, state: &State<R>| {
                let most = office.bounds.kept.max(office.bounds.open) as usize + 1;
                state.replicas.iter().all(|replica| replica.controller.configs().len() <= most)
            }),
            Property::always(SETTLES, |office: &Self, state: &State<R>| office.all_settles(state)),
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

impl<R: Placed> State<R> {
    /// The first configuration that a group needs: the one that it has finished, or the one in front of that with
    /// which it came.
    fn needs(&self, walker: &Walker) -> Option<Num> {
        if walker.is_in {
            return Some(walker.at);
        }
        let life = self.history.lives.get(&walker.group)?;
        (life.joined > walker.at).then(|| life.joined - 1)
    }

    /// The leader.
    fn leader(&self) -> &Replica<R> {
        &self.replicas[LEADER]
    }
}
