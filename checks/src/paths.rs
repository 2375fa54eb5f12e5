//! Paths on disk: a counterexample that can be read, looked at, and replayed.

use crate::catalog::{self, Kind};
use crate::engine::{INTERRUPTED, Violation};
use model::cluster::Cluster;
use model::group::Group;
use model::kv::Shop;
use model::mr::Mill;
use model::router::Desk;
use model::search;
use model::shardctl::Office;
use model::shardkv::{Relay, Right};
use model::shardraft::Estate;
use model::system::System;
use protocol::NodeId;
use protocol::raft::Paper;
use protocol::shardkv::router::Ordered;
use serde::{Deserialize, Serialize};
use stateright::Model;
use stateright::actor::{ActorModelAction, Envelope, Id};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// One step of a saved path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step<M, T> {
    /// A message arrives.
    Deliver {
        /// The sender.
        from: NodeId,
        /// The receiver.
        to: NodeId,
        /// The message.
        packet: M,
    },
    /// A message is lost.
    Lose {
        /// The sender.
        from: NodeId,
        /// The receiver.
        to: NodeId,
        /// The message.
        packet: M,
    },
    /// Something else happens to a server.
    Happens {
        /// To which.
        node: NodeId,
        /// What.
        stimulus: T,
    },
}

/// A path, with all that is needed to take it again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved<B, M, T> {
    /// Which system it is a path of.
    pub system: String,
    /// The run or mutant that it comes from.
    pub name: String,
    /// The mutant's id, if the rules were a mutant's.
    pub mutant: Option<String>,
    /// The bounds.
    pub bounds: B,
    /// The property that does not hold at its end, if any.
    pub property: Option<String>,
    /// How many steps were given, as the prefix from which a hunt began.
    pub prefix: usize,
    /// The steps.
    pub steps: Vec<Step<M, T>>,
}

/// A path of this system.
pub type SavedOf<S> = Saved<<S as System>::Bounds, <S as System>::Message, <S as System>::Stimulus>;

fn node(id: Id) -> NodeId {
    NodeId(usize::from(id) as u8)
}

fn id(node: NodeId) -> Id {
    Id::from(usize::from(node.0))
}

impl<M: Clone, T: Clone> Step<M, T> {
    fn of(action: &ActorModelAction<M, T, ()>) -> Option<Self> {
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

    fn action(&self) -> ActorModelAction<M, T, ()> {
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

/// A path worth keeping, with what is tried from some states tried from every one.
pub fn save<S: System>(
    name: &str,
    mutant: Option<&str>,
    system: &S,
    property: Option<&str>,
    prefix: usize,
    actions: &[S::Action],
) -> SavedOf<S> {
    Saved {
        system: S::NAME.into(),
        name: name.into(),
        mutant: mutant.map(Into::into),
        bounds: property.map_or_else(|| system.bounds(), |name| system.thorough(name).bounds()),
        property: property.map(Into::into),
        prefix,
        steps: actions.iter().filter_map(Step::of).collect(),
    }
}

/// Writes a path, and its transcript and its sequence diagram beside it.
pub fn write<S: System>(saved: &SavedOf<S>, system: &S, folder: &Path) -> Result<PathBuf, String> {
    let error = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| format!("can't write {path}: {error}")
    };
    std::fs::create_dir_all(folder).map_err(error(folder))?;
    let file = folder.join(format!("{}.json", saved.name));
    let text = serde_json::to_string_pretty(saved).map_err(|error| error.to_string())? + "\n";
    std::fs::write(&file, text).map_err(error(&file))?;
    let actions: Vec<_> = saved.steps.iter().map(Step::action).collect();
    let words = file.with_extension("txt");
    std::fs::write(&words, system.transcript(&actions)).map_err(error(&words))?;
    let picture = file.with_extension("svg");
    std::fs::write(&picture, system.picture(&actions)).map_err(error(&picture))?;
    Ok(file)
}

/// What a replay showed.
pub struct Replayed {
    /// The run or mutant that the path comes from.
    pub name: String,
    /// How many steps it has.
    pub steps: usize,
    /// The property that it was saved for.
    pub property: Option<String>,
    /// The transcript.
    pub transcript: String,
    /// The property that does not hold at the end.
    pub violated: Option<&'static str>,
}

fn no_path(file: &Path) -> impl Fn(String) -> String {
    let file = file.display().to_string();
    move |error| format!("{file} is no saved path: {error}")
}

fn text_of(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("can't read {}: {error}", file.display()))
}

/// Of which system a path is. The error says what is wrong with the file.
pub fn system_of(file: &Path) -> Result<String, String> {
    let wrong = no_path(file);
    let value: serde_json::Value =
        serde_json::from_str(&text_of(file)?).map_err(|error| wrong(error.to_string()))?;
    let system = value["system"].as_str().map(ToOwned::to_owned);
    system.ok_or_else(|| wrong("it does not say of which system it is".into()))
}

fn read_saved<S: System>(file: &Path) -> Result<SavedOf<S>, String> {
    let saved: SavedOf<S> =
        serde_json::from_str(&text_of(file)?).map_err(|error| no_path(file)(error.to_string()))?;
    S::validate(&saved.bounds).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(saved)
}

/// The rules, the bounds and the steps of a path: the mutant's id, if the rules were a mutant's.
pub type Read<S> = (Option<String>, <S as System>::Bounds, Vec<<S as Model>::Action>);

/// Reads a path of this system. The error says what is wrong with the file.
pub fn read<S: System>(file: &Path) -> Result<Read<S>, String> {
    let saved = read_saved::<S>(file)?;
    Ok((saved.mutant, saved.bounds, saved.steps.iter().map(Step::action).collect()))
}

/// Reads a path and takes it again, with the rules it was found with. The error says what is wrong with the file.
pub fn replay(file: &Path) -> Result<Replayed, String> {
    match system_of(file)?.as_str() {
        <Cluster<Paper> as System>::NAME => replay_of::<catalog::Raft>(file),
        <Shop<protocol::kv::Exact> as System>::NAME => replay_of::<catalog::Kv>(file),
        <Group<protocol::rsm::Decided> as System>::NAME => replay_of::<catalog::Group>(file),
        <Office<protocol::shardctl::Exact> as System>::NAME => replay_of::<catalog::Ctl>(file),
        <Relay<Right> as System>::NAME => replay_of::<catalog::Shard>(file),
        <Desk<Ordered> as System>::NAME => replay_of::<catalog::Route>(file),
        <Mill<protocol::mr::Paper> as System>::NAME => replay_of::<catalog::Mr>(file),
        <Estate as System>::NAME => replay_of::<catalog::ShardRaft>(file),
        other => Err(no_path(file)(format!("there is no system `{other}`"))),
    }
}

fn replay_of<K: Kind>(file: &Path) -> Result<Replayed, String> {
    let saved = read_saved::<K::Right>(file)?;
    match &saved.mutant {
        None => replay_in(&saved, &K::right(saved.bounds)),
        Some(id) => {
            let hunt = catalog::mutant::<K>(id)?;
            replay_in(&saved, &K::wrong(hunt, saved.bounds))
        }
    }
}

fn replay_in<S: System>(
    saved: &Saved<S::Bounds, S::Message, S::Stimulus>,
    system: &S,
) -> Result<Replayed, String> {
    let actions: Vec<_> = saved.steps.iter().map(Step::action).collect();
    let end = system.follow(&actions)?;
    Ok(Replayed {
        name: saved.name.clone(),
        steps: actions.len(),
        property: saved.property.clone(),
        transcript: system.transcript(&actions),
        violated: search::violated(system, &end),
    })
}

/// The shortest path to the same violation that could be found: a breadth-first search within the
/// counterexample's length and some memory, else the given path with everything left out that can be.
///
/// What the run tried from sampled states only is tried from every state here.
pub fn shorten<S: System>(system: &S, violation: &Violation<S::Action>) -> Vec<S::Action> {
    let system = &system.thorough(violation.property);
    let start = system.start();
    let interrupted = || INTERRUPTED.load(Ordering::Relaxed);
    let minimal = search::minimize(system, &start, violation.path.clone(), violation.property);
    match search::shortest(system, start, 200_000, &interrupted).outcome {
        search::Outcome::Violated { property, path, .. }
            if property == violation.property && path.len() < minimal.len() =>
        {
            path
        }
        _ => minimal,
    }
}
