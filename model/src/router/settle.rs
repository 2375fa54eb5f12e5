//! The fair schedule: from here nothing fails and nobody waits too long. Then every call is told.
//!
//! In each round every group goes on as far as it can, slots move, sessions ask all that they have to ask, what was
//! sent is taken, all answers come, and what is due is asked again.

use super::state::{GROUPS, State, Stimulus};
use super::{Desk, Rules};

/// Within how many rounds all must come to its end.
pub const ROUNDS: usize = 40;

/// Runs the schedule. The error says what did not come to its end.
pub fn settles<R: Rules>(desk: &Desk<R>, state: &State<R>) -> Result<(), String> {
    // What is reached here is no corner of the run; and nothing goes wrong any more.
    let bounds = super::Bounds {
        lates: 0,
        failures: 0,
        unknown: 0,
        strays: 0,
        leads: 0,
        goes: false,
        ..desk.bounds
    };
    let fair = Desk::new(bounds, desk.rules);
    let mut state = state.clone();
    for _ in 0..ROUNDS {
        let mut ready = Vec::new();
        fair.stimuli(&state, |id, stimulus| ready.push((id, stimulus)));
        for (id, stimulus) in ready {
            // A step of this round may have made another impossible.
            let mut now = Vec::new();
            fair.stimuli(&state, |id, stimulus| now.push((id, stimulus)));
            if now.contains(&(id, stimulus.clone())) {
                fair.happen(&mut state, id, stimulus);
            }
        }
        let groups = state.groups.len();
        for at in 0..state.sent.len() {
            let takes = if at < groups { Stimulus::Take } else { Stimulus::TakeOther };
            while !state.sent[at].is_empty() {
                fair.happen(&mut state, GROUPS + at % groups, takes.clone());
            }
        }
        for (group, message) in std::mem::take(&mut state.answers) {
            fair.arrive(&mut state, group, message, false);
        }
        let asked = |session: usize| {
            let program = fair.bounds.programs[session].calls();
            state.gone[session] || state.asked[session] == program.len() as u64
        };
        let quiet = state.answers.is_empty() && state.sent.iter().all(|sent| sent.is_empty());
        if quiet && state.router.is_empty() && (0..2).all(asked) {
            return match state.history.violation {
                None => Ok(()),
                Some(violation) => Err(format!("{violation:?}\n{state:?}")),
            };
        }
    }
    Err(format!("not within {ROUNDS} fair rounds: {state:?}"))
}
