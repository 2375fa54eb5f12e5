//! The fair schedule: from here nothing is lost and nobody dies. Then every request ends, every group walks to the
//! latest configuration, and what nobody needs is dropped.
//!
//! In each round all that is under way arrives, and what is sent in answer, each message once; replicas apply what is
//! committed; then every administrator goes on, with its next wish, or, if it still waits, by asking again; and every
//! group walks on, or reports again until its report is known. Bounds on how often something is sent again do not
//! count here, for nobody may depend on luck.

use super::judge::is_balanced;
use super::state::{ADMINS, GROUPS, LEADER, SECOND, State, Stimulus};
use super::steps::next_for;
use super::{Action, Bounds, Do, Office, Placed};
use stateright::Model;
use stateright::actor::{ActorModelAction, Envelope, Id};
use std::collections::BTreeSet;

/// Within how many rounds all must come to its end.
pub const ROUNDS: usize = 40;

/// Runs the schedule. The error says what did not come to its end.
pub fn settles<R: Placed>(office: &Office<R>, state: &State<R>) -> Result<(), String> {
    let fair = Bounds { losses: 0, deaths: 0, saves: 0, ..office.bounds };
    // What is reached here is no corner of the run.
    let fair = Office::new(fair, office.rules);
    let step = |state: State<R>, action: Action| fair.next_state(&state, action).unwrap_or(state);
    let happens = |state: State<R>, id: usize, stimulus| {
        step(state, ActorModelAction::Timeout(Id::from(id), stimulus))
    };
    let mut state = state.clone();
    for _ in 0..ROUNDS {
        let mut delivered = BTreeSet::new();
        while let Some(envelope) = state.mail.iter().find(|one| !delivered.contains(*one)).cloned()
        {
            delivered.insert(envelope.clone());
            let Envelope { src, dst, msg } = envelope;
            state = step(state, ActorModelAction::Deliver { src, dst, msg });
        }
        for number in [LEADER, SECOND] {
            while state.replicas[number].applied < state.log.end() {
                state = happens(state, number, Stimulus::Apply);
            }
        }
        for number in 0..state.admins.len() {
            let person = &state.admins[number];
            if person.is_under_way() {
                let busy = person.admin.is_busy();
                let stimulus = if busy { Stimulus::Retry } else { Stimulus::Next };
                state = happens(state, ADMINS + number, stimulus);
            }
        }
        for number in 0..state.walkers.len() {
            while next_for(&state.walkers[number], state.leader()).is_some()
                && !is_lost(&state, number)
            {
                state = happens(state, GROUPS + number, Stimulus::Walk(LEADER as u8));
            }
            if !is_known(&state, number) {
                state = happens(state, GROUPS + number, Stimulus::Report);
            }
        }
        if unsettled(office, &state).is_none() {
            return Ok(());
        }
    }
    let what = unsettled(office, &state).unwrap_or_default();
    Err(format!("not within {ROUNDS} fair rounds: {what}\n{state:?}"))
}

/// Whether a group can't go on.
fn is_lost<R: Placed>(state: &State<R>, number: usize) -> bool {
    let walker = &state.walkers[number];
    let controller = &state.leader().controller;
    let next = walker.at + 1;
    walker.is_in && next <= controller.latest().number && controller.config(next).is_none()
}

/// Whether the leader has all that a group has finished.
fn is_known<R: Placed>(state: &State<R>, number: usize) -> bool {
    let walker = &state.walkers[number];
    let standing = state.leader().controller.standings().get(&walker.group);
    standing.is_none_or(|standing| standing.finished >= walker.at)
}

/// What has not come to its end.
fn unsettled<R: Placed>(office: &Office<R>, state: &State<R>) -> Option<String> {
    if let Some(person) = state.admins.iter().find(|person| person.is_under_way()) {
        return Some(format!("{person:?}"));
    }
    let controller = &state.leader().controller;
    let latest = controller.latest();
    let moves =
        |program: &super::Program| program.steps().iter().any(|step| matches!(step, Do::Move(..)));
    let moved = office.bounds.programs.iter().any(moves);
    if !moved && latest.number > 0 && !is_balanced(latest) {
        return Some(format!("it is not balanced: {latest:?}"));
    }
    let walks = |id: u64| id <= u64::from(office.bounds.walkers);
    let behind = controller.standings().iter().filter(|(id, _)| walks(id.0));
    let behind = behind.into_iter().find(|(_, standing)| standing.finished < latest.number);
    if let Some((id, standing)) = behind {
        return Some(format!("{id:?} is {standing:?}"));
    }
    let all = controller.standings().keys().all(|id| walks(id.0));
    let most = office.bounds.kept.min(latest.number) as usize + 1;
    let kept = controller.configs().len();
    (all && kept > most).then(|| format!("{kept} configurations are kept"))
}
