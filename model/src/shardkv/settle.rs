//! The fair schedule: from here nothing comes to nothing, and nobody dies. Then every group comes to the last
//! configuration, every slot is served by whose it is, whole, and nobody keeps anything of another's.
//!
//! In each round every group commits and applies what was proposed, its leader's time passes, and all that is under
//! way arrives once; who asks the controller is answered. What was under way at the beginning arrives or does not:
//! both are tried.

use super::plans::slot;
use super::state::{GROUPS, State, Stimulus};
use super::steps::Controller;
use super::{Both, Relay};

/// Within how many rounds all must come to its end.
pub const ROUNDS: usize = 40;

/// Runs the schedule, with and without what is under way. The error says what did not come to its end.
pub fn settles<R: Both>(relay: &Relay<R>, state: &State<R>) -> Result<(), String> {
    // What is reached here is no corner of the run.
    let fair = Relay::new(relay.bounds, relay.rules);
    runs(&fair, state.clone())?;
    if state.mail.is_empty() {
        return Ok(());
    }
    let mut without = state.clone();
    without.mail.clear();
    runs(&fair, without).map_err(|error| format!("without what is under way: {error}"))
}

fn runs<R: Both>(fair: &Relay<R>, mut state: State<R>) -> Result<(), String> {
    let by = Controller::Answers;
    for _ in 0..ROUNDS {
        for number in 0..state.nodes.len() {
            let happens = |state: &mut State<R>, stimulus| {
                fair.happen(state, GROUPS + number, stimulus, by);
            };
            while !state.nodes[number].pending.is_empty() {
                happens(&mut state, Stimulus::Commit);
            }
            while !state.nodes[number].unapplied.is_empty() {
                happens(&mut state, Stimulus::Apply);
            }
            happens(&mut state, Stimulus::Tick);
        }
        for letter in std::mem::take(&mut state.mail) {
            fair.arrive(&mut state, letter.envelope().clone(), by);
        }
        if unsettled(fair, &state).is_none() {
            return Ok(());
        }
    }
    let what = unsettled(fair, &state).unwrap_or_default();
    Err(format!("not within {ROUNDS} fair rounds: {what}\n{state:?}"))
}

/// What has not come to its end.
fn unsettled<R: Both>(relay: &Relay<R>, state: &State<R>) -> Option<String> {
    let plan = relay.bounds.plan;
    let last = plan.last();
    let moves = |state: &State<R>| {
        let mut nodes = state.nodes.iter();
        nodes.any(|node| node.group.number() < last || !node.group.moves().is_empty())
    };
    if moves(state) {
        return Some("a slot is on its way, or a group not at the last configuration".into());
    }
    for index in 0..plan.slots() {
        let (id, owner) = (slot(index), plan.owner(index, last));
        for node in &state.nodes {
            let group = &node.group;
            let is_its = owner == Some(group.gid());
            if group.serves(id).is_ok() != is_its {
                return Some(format!("{id:?} is {owner:?}'s, and {group:?}"));
            }
            if !is_its && group.store().slots().any(|there| there == id) {
                return Some(format!("{:?} keeps something of {id:?}", group.gid()));
            }
            let twin = state.history.twin_at(index, group.store().clock());
            if is_its && !super::holds(group, &twin, index) {
                return Some(format!("{id:?} is not whole: {group:?}, and {twin:?}"));
            }
        }
    }
    None
}
