//! Paths of the models, played on the product's threads.
//!
//! A replay of traces ([`crate::conform`]) says that what the threads did is a behaviour of the model. This is the
//! other way: what the model can do, the threads do. A path, such as a mutant's counterexample or a witness of a
//! corner, is taken step by step by the model and by real servers ([`quorate::raft::Server`]: core, log, snapshots,
//! timers, each in its thread) that have the same rules. Messages arrive, timers fire, the disk finishes a write, a
//! node crashes when the path says, and at no other time. Behind every step both must be in the same state: Raft's
//! whole state and its queue, log, disk as a recovery finds it, timers, what was sent, what is applied.
//!
//! Whether a property holds of the threads is judged from what can be seen of them (`judge.rs`), and must be what the
//! model says.

mod actor;
pub mod command;
mod find;
mod group;
mod judge;
mod play;
mod raft;
mod scene;
mod tape;
mod wire;
mod words;

pub use find::{Found, counterexample, witness};
pub use judge::{Judge, Lines, Seen};
pub use play::{Play, Refused, Step, Taken};
pub use scene::{RaftOf, RsmOf, Scene};
pub use words::Letter;

use std::collections::BTreeSet;

/// What a path has come to.
pub struct Played {
    /// The steps that were taken.
    pub steps: Vec<Step>,
    /// The step that neither takes, if there is one: the path ends in front of it.
    pub refused: Option<Refused>,
    /// What does not hold at the end, by the model.
    pub model: BTreeSet<&'static str>,
    /// What does not hold at the end, by what is seen of the threads.
    pub threads: BTreeSet<&'static str>,
}

/// Plays a path, until its end or the first step that neither model nor threads take.
///
/// # Errors
/// The first step at which the threads differ from the model, and how; the transcript up to there.
pub fn play<G: Scene>(system: &G, path: &[G::Action]) -> Result<Played, String> {
    play_by(system, system.rules(), path)
}

/// The same with rules of their own for the threads.
///
/// # Errors
/// As above, and at the first step at which other rules come to something else.
pub fn play_by<G: Scene>(
    system: &G,
    rules: (RaftOf<G>, RsmOf<G>),
    path: &[G::Action],
) -> Result<Played, String> {
    let mut play = Play::new(system.clone(), rules)?;
    let mut steps = Vec::new();
    let mut refused = None;
    for (position, action) in path.iter().enumerate() {
        match play.step(action) {
            Ok(Taken::Both(step)) => steps.push(step),
            Ok(Taken::Neither(why)) => {
                refused = Some(why);
                break;
            }
            Err(what) => {
                let (number, text) = (position + 1, system.format_action(action));
                return Err(format!("{}step {number}, {text}: {what}", transcript(&steps)));
            }
        }
    }
    Ok(Played { steps, refused, model: play.model_verdict(), threads: play.verdict() })
}

/// Steps for people: what happened, what the model says of it, what came of it on the threads.
pub fn transcript(steps: &[Step]) -> String {
    let mut text = String::new();
    for (step, number) in steps.iter().zip(1..) {
        let Step { action, model, threads } = step;
        text += &format!("{number:>3}  {action}\n");
        let model = model.iter().map(|line| ("model  ", line));
        let threads = threads.iter().map(|line| ("threads", line));
        for (who, line) in model.chain(threads) {
            text += &format!("       {who}  {}\n", line.trim());
        }
    }
    text
}
