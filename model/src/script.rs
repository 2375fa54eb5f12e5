//! Named paths: actions picked by what they say.
//!
//! A path is a list of short texts such as `n0 campaign` or `n0→n1 RequestVote`. Each picks the one action
//! among those that the model offers; none or several is an error that lists them. So a path written by hand
//! stays readable, and breaks loudly when the protocol changes under it.

use stateright::Model;
use std::fmt::Debug;

/// Only letters, digits and what tells numbers apart: spacing and arrows do not matter in a pick.
fn squeeze(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric() || ".[]".contains(*c)).collect()
}

/// The action that `pick` names: the words of the pick, in order, at the words of the action.
pub fn pick<M>(model: &M, state: &M::State, pick: &str) -> Result<M::Action, String>
where
    M: Model<Action: Clone + Debug>,
{
    let mut actions = Vec::new();
    model.actions(state, &mut actions);
    let fits = |action: &&M::Action| {
        let text = squeeze(&model.format_action(action));
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
        [] => Err(format!("nothing offered fits `{pick}`; offered:\n{}", list(model, &actions))),
        several => Err(format!(
            "`{pick}` fits more than one action:\n{}",
            list(model, several.iter().copied())
        )),
    }
}

fn list<'a, M>(model: &M, actions: impl IntoIterator<Item = &'a M::Action>) -> String
where
    M: Model<Action: Debug + 'a>,
{
    let lines = actions.into_iter().map(|action| format!("  {}", model.format_action(action)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Follows a whole path, given in parts, from the initial state.
pub fn follow<M>(model: &M, picks: &[&[&str]]) -> Result<(Vec<M::Action>, M::State), String>
where
    M: Model<Action: Clone + Debug>,
{
    let mut state = model.init_states().remove(0);
    let mut actions = Vec::new();
    for (position, text) in picks.iter().copied().flatten().enumerate() {
        let step = |error: String| format!("step {}: {error}", position + 1);
        let action = pick(model, &state, text).map_err(step)?;
        let next = model.next_state(&state, action.clone());
        state = next.ok_or_else(|| step(format!("`{text}` changes nothing")))?;
        actions.push(action);
    }
    Ok((actions, state))
}
