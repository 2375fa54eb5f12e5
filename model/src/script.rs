//! Named paths: actions picked by what they say.
//!
//! A path is a list of short texts such as `n0 campaign` or `n0→n1 RequestVote`. Each picks the one action
//! among those that the model offers; none or several is an error that lists them. So a path written by hand
//! stays readable, and breaks loudly when the protocol changes under it.

use crate::cluster::{Action, Cluster, State, describe};
use protocol::raft::Rules;
use stateright::Model;

/// Only letters, digits and what tells numbers apart: spacing and arrows do not matter in a pick.
fn squeeze(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric() || ".[]".contains(*c)).collect()
}

/// The action that `pick` names: the words of the pick, in order, at the words of the action.
pub fn pick<R: Rules>(
    cluster: &Cluster<R>,
    state: &State<R>,
    pick: &str,
) -> Result<Action, String> {
    let mut actions = Vec::new();
    cluster.actions(state, &mut actions);
    let fits = |action: &&Action| {
        let text = squeeze(&describe(action));
        let mut rest = text.as_str();
        pick.split_whitespace().enumerate().all(|(position, word)| {
            let word = squeeze(word);
            match rest.find(&word) {
                Some(place) if place == 0 || position > 0 => {
                    rest = &rest[place + word.len()..];
                    true
                }
                _ => false,
            }
        })
    };
    let chosen: Vec<_> = actions.iter().filter(fits).collect();
    match chosen.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(format!("nothing offered fits `{pick}`; offered:\n{}", list(&actions))),
        several => {
            Err(format!("`{pick}` fits more than one action:\n{}", list(several.iter().copied())))
        }
    }
}

fn list<'a>(actions: impl IntoIterator<Item = &'a Action>) -> String {
    actions
        .into_iter()
        .map(|action| format!("  {}", describe(action)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Follows a whole path, given in parts, from the initial state.
pub fn follow<R: Rules>(
    cluster: &Cluster<R>,
    picks: &[&[&str]],
) -> Result<(Vec<Action>, State<R>), String> {
    let mut state = cluster.init_states().remove(0);
    let mut actions = Vec::new();
    for (position, text) in picks.iter().copied().flatten().enumerate() {
        let step = |error: String| format!("step {}: {error}", position + 1);
        let action = pick(cluster, &state, text).map_err(step)?;
        let next = cluster.next_state(&state, action.clone());
        state = next.ok_or_else(|| step(format!("`{text}` changes nothing")))?;
        actions.push(action);
    }
    Ok((actions, state))
}
