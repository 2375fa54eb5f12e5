//! Liveness without temporal logic: from a state, a fair schedule must bring every program to its end.
//!
//! In each round all that is under way arrives, and what is sent in answer, each message once; then every client
//! goes on: with its next step, or, if it still waits, by its timer. Retries and looks beyond the scene's bounds are
//! allowed here, for no client may depend on luck. A client that never frees its lock is no part of such a scene,
//! unless the lock frees itself: then time goes on by a step in each round in which no holder's timer has to fire
//! first, and the leader proposes a tick. When all have ended and their time is over, nothing of such a lock is left.

use super::party::{SERVER, Stimulus, lock_key};
use super::{Bounds, Shop, State};
use protocol::kv::Rules;
use stateright::actor::{ActorModelAction, Envelope, Id};
use std::collections::BTreeSet;

/// Within how many rounds every program must end.
pub const ROUNDS: usize = 60;

/// How many messages one round may deliver. More is a conversation without end.
const DELIVERIES: usize = 500;

/// Runs the schedule. The error says who did not come to an end.
pub fn settles<R: Rules>(shop: &Shop<R>, state: &State<R>) -> Result<(), String> {
    let fair = Bounds { attempts: u32::MAX, looks: u8::MAX, ..shop.bounds };
    let mut state = state.clone();
    for _ in 0..ROUNDS {
        let mut delivered = BTreeSet::new();
        loop {
            let mut mail: Vec<_> =
                state.network.iter_deliverable().map(|envelope| envelope.to_cloned_msg()).collect();
            mail.sort_unstable();
            mail.retain(|envelope| delivered.insert(envelope.clone()));
            if mail.is_empty() {
                break;
            }
            if delivered.len() > DELIVERIES {
                return Err(format!(
                    "a conversation of more than {DELIVERIES} messages without a timer"
                ));
            }
            for Envelope { src, dst, msg } in mail {
                let arrives = ActorModelAction::Deliver { src, dst, msg };
                state = shop.quiet_step(&state, arrives).unwrap_or(state);
            }
        }
        for number in 0..state.actor_states.len() {
            if let Some(stimulus) = state.actor_states[number].stimulus(&fair) {
                let goes_on = ActorModelAction::Timeout(Id::from(number), stimulus);
                state = shop.quiet_step(&state, goes_on).unwrap_or(state);
            }
        }
        let ended = state.actor_states.iter().all(|party| !party.is_under_way());
        if ended && nothing_left(shop, &state).is_ok() {
            return Ok(());
        }
        state = time_goes_on(shop, state);
    }
    let stuck = state.actor_states.iter().filter(|party| party.is_under_way());
    let mut stuck: Vec<_> = stuck.map(|party| format!("{party:?}")).collect();
    stuck.extend(nothing_left(shop, &state).err());
    Err(format!("not within {ROUNDS} fair rounds:\n{}", stuck.join("\n")))
}

/// A step of time, unless some holder's timer comes first, and the leader's tick.
fn time_goes_on<R: Rules>(shop: &Shop<R>, state: State<R>) -> State<R> {
    let server = &state.actor_states[SERVER];
    let (Some(now), true) = (server.estimate(), shop.bounds.ttl_ms > 0) else { return state };
    let steps = if shop.holds_up_time(&state) { None } else { Some(Stimulus::Estimate(now + 1)) };
    let stimuli = steps.into_iter().chain([Stimulus::Tick]);
    stimuli.fold(state, |state, stimulus| {
        let goes_on = ActorModelAction::Timeout(Id::from(SERVER), stimulus);
        shop.quiet_step(&state, goes_on).unwrap_or(state)
    })
}

/// Where all locks have a time to live, none is there any more, not even a free one.
fn nothing_left<R: Rules>(shop: &Shop<R>, state: &State<R>) -> Result<(), String> {
    let all = shop.bounds.programs.iter().all(|it| it.has_ttl() || it.steps().is_empty());
    let store = state.actor_states[SERVER].store();
    match store.and_then(|store| store.get(&lock_key())) {
        Some((value, version)) if all => {
            Err(format!("the lock is there still, at version {version}: {value:?}"))
        }
        _ => Ok(()),
    }
}
