//! Paths on disk: a counterexample that can be read, looked at, and replayed.

use crate::engine::{INTERRUPTED, Violation};
use model::bounds::Bounds;
use model::cluster::{Action, Cluster, State};
use model::mutants::{Bug, Mutant, TABLE};
use model::node::{DiskFault, Packet, Stimulus};
use model::raft::CONVERGENCE;
use model::{diagram, search, transcript};
use protocol::NodeId;
use protocol::raft::{Paper, Rules};
use serde::{Deserialize, Serialize};
use stateright::Model;
use stateright::actor::{ActorModelAction, Envelope, Id};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// One step of a saved path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// A message arrives.
    Deliver {
        /// The sender.
        from: NodeId,
        /// The receiver.
        to: NodeId,
        /// The message.
        packet: Packet,
    },
    /// A message is lost.
    Lose {
        /// The sender.
        from: NodeId,
        /// The receiver.
        to: NodeId,
        /// The message.
        packet: Packet,
    },
    /// Something else happens to a server.
    Happens {
        /// To which.
        node: NodeId,
        /// What.
        stimulus: Stimulus,
    },
}

/// A path, with all that is needed to take it again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// The run or mutant that it comes from.
    pub name: String,
    /// The mutant's id, if the rules were a mutant's.
    pub mutant: Option<String>,
    /// The bounds.
    pub bounds: Bounds,
    /// The property that does not hold at its end, if any.
    pub property: Option<String>,
    /// How many steps were given, as the prefix from which a hunt began.
    pub prefix: usize,
    /// The steps.
    pub steps: Vec<Step>,
}

fn node(id: Id) -> NodeId {
    NodeId(usize::from(id) as u8)
}

fn id(node: NodeId) -> Id {
    Id::from(usize::from(node.0))
}

impl Step {
    fn of(action: &Action) -> Option<Self> {
        Some(match action.clone() {
            ActorModelAction::Deliver { src, dst, msg } => {
                Self::Deliver { from: node(src), to: node(dst), packet: msg }
            }
            ActorModelAction::Drop(Envelope { src, dst, msg }) => {
                Self::Lose { from: node(src), to: node(dst), packet: msg }
            }
            ActorModelAction::Timeout(id, stimulus) => Self::Happens { node: node(id), stimulus },
            _ => return None,
        })
    }

    fn action(&self) -> Action {
        match self.clone() {
            Self::Deliver { from, to, packet } => {
                ActorModelAction::Deliver { src: id(from), dst: id(to), msg: packet }
            }
            Self::Lose { from, to, packet } => {
                ActorModelAction::Drop(Envelope { src: id(from), dst: id(to), msg: packet })
            }
            Self::Happens { node, stimulus } => ActorModelAction::Timeout(id(node), stimulus),
        }
    }
}

impl Saved {
    /// A path worth keeping.
    pub fn new<R: Rules>(
        name: &str,
        mutant: Option<&str>,
        cluster: &Cluster<R>,
        property: Option<&str>,
        prefix: usize,
        actions: &[Action],
    ) -> Self {
        Self {
            name: name.into(),
            mutant: mutant.map(Into::into),
            bounds: match property {
                Some(CONVERGENCE) => Bounds { converge_every: 1, ..cluster.bounds },
                _ => cluster.bounds,
            },
            property: property.map(Into::into),
            prefix,
            steps: actions.iter().filter_map(Step::of).collect(),
        }
    }

    /// Its actions.
    pub fn actions(&self) -> Vec<Action> {
        self.steps.iter().map(Step::action).collect()
    }

    /// Writes the path, and its transcript and its sequence diagram beside it.
    pub fn write<R: Rules>(&self, cluster: &Cluster<R>, folder: &Path) -> Result<PathBuf, String> {
        let error = |path: &Path| {
            let path = path.display().to_string();
            move |error: std::io::Error| format!("can't write {path}: {error}")
        };
        std::fs::create_dir_all(folder).map_err(error(folder))?;
        let file = folder.join(format!("{}.json", self.name));
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())? + "\n";
        std::fs::write(&file, text).map_err(error(&file))?;
        let picture = file.with_extension("svg");
        let start = cluster.init_states().remove(0);
        let words = file.with_extension("txt");
        let transcript = transcript::render(cluster, &start, &self.actions());
        std::fs::write(&words, transcript).map_err(error(&words))?;
        let svg = diagram::sequence(cluster, &self.actions());
        std::fs::write(&picture, svg).map_err(error(&picture))?;
        Ok(file)
    }

    /// Reads a path. The error says what is wrong with the file.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("can't read {}: {error}", file.display()))?;
        let saved: Self = serde_json::from_str(&text)
            .map_err(|error| format!("{} is no saved path: {error}", file.display()))?;
        crate::settings::validate(&saved.bounds)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(saved)
    }
}

/// What a replay showed.
pub struct Replayed {
    /// The transcript.
    pub transcript: String,
    /// The property that does not hold at the end.
    pub violated: Option<&'static str>,
}

/// Takes a saved path again, with the rules it was found with.
pub fn replay(saved: &Saved) -> Result<Replayed, String> {
    match &saved.mutant {
        None => replay_in(saved, &Cluster::new(saved.bounds, Paper, DiskFault::None)),
        Some(id) => {
            let (bug, fault) = mutant(id).ok_or_else(|| format!("there is no mutant `{id}`"))?;
            replay_in(saved, &Cluster::new(saved.bounds, Mutant(bug), fault))
        }
    }
}

fn mutant(id: &str) -> Option<(Bug, DiskFault)> {
    TABLE.iter().find(|hunt| hunt.id.eq_ignore_ascii_case(id)).map(|hunt| (hunt.bug, hunt.fault))
}

fn replay_in<R: Rules>(saved: &Saved, cluster: &Cluster<R>) -> Result<Replayed, String> {
    let start = cluster.init_states().remove(0);
    let actions = saved.actions();
    let end = transcript::replay(cluster, &start, &actions)?;
    Ok(Replayed {
        transcript: transcript::render(cluster, &start, &actions),
        violated: search::violated(cluster, &end),
    })
}

/// The shortest path to the same violation that could be found: a breadth-first search within the
/// counterexample's length and some memory, else the given path with everything left out that can be.
///
/// Convergence is tried from every state here, not only from those that the run sampled.
pub fn shorten<R: Rules>(cluster: &Cluster<R>, violation: &Violation) -> Vec<Action> {
    let mut cluster = cluster.clone();
    if violation.property == CONVERGENCE {
        cluster.bounds.converge_every = 1;
    }
    let cluster = &cluster;
    let start: State<R> = cluster.init_states().remove(0);
    let interrupted = || INTERRUPTED.load(Ordering::Relaxed);
    let minimal = search::minimize(cluster, &start, violation.path.clone(), violation.property);
    match search::shortest(cluster, start, 200_000, &interrupted).outcome {
        search::Outcome::Violated { property, path, .. }
            if property == violation.property && path.len() < minimal.len() =>
        {
            path
        }
        _ => minimal,
    }
}
