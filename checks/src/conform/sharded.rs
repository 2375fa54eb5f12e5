//! The traces of a sharded cluster's nodes: of the controller's servers, and of those of each group.

use super::beside::{Beside, Desk, Mover};
use super::crew::{self, Crew, Servers};
use super::letters::Letters;
use super::{GroupSummary, Network, Refusal, Summary};
use protocol::raft::Paper;
use protocol::rsm::Decided;
use protocol::shardkv::GroupId;
use quorate::shardctl::Shardctl;
use quorate::shardkv::Shardkv;
use quorate::trace;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

/// By its place in the nodes' logs, where the servers of each group have their traces.
pub type Groups = BTreeMap<u32, Vec<PathBuf>>;

/// What is in the folders of a sharded cluster's nodes; None if they are of a cluster of the store.
///
/// # Errors
/// If they can't be read, or are of both kinds.
pub fn groups(folders: &[PathBuf]) -> Result<Option<Groups>, Refusal> {
    let (mut groups, mut other) = (Groups::new(), None);
    for folder in folders {
        let servers = trace::servers(folder)?;
        if servers.is_empty() || !trace::lives(folder)?.is_empty() {
            other = Some(folder);
        }
        for (group, path) in servers {
            // One that was killed before it began has done nothing.
            if !trace::lives(&path)?.is_empty() {
                groups.entry(group).or_default().push(path);
            }
        }
    }
    match other {
        None if groups.is_empty() => Ok(None),
        None => Ok(Some(groups)),
        Some(_) if groups.is_empty() => Ok(None),
        Some(folder) => {
            let text = format!("{} has the trace of one server of a node", folder.display());
            Err(Refusal::Folders(text + ", and there are such of several: name the folders of one"))
        }
    }
}

fn name(group: u32) -> String {
    if group == 0 { "the controller".into() } else { format!("group {group}") }
}

/// Replays them.
///
/// # Errors
/// The first thing that differs, or that can't have happened.
pub fn replay(groups: &Groups, network: Network) -> Result<Summary, Refusal> {
    let mut crews: Vec<Box<dyn Crew>> = Vec::new();
    for (group, folders) in groups {
        let (name, rules) = (name(*group), (Paper, Decided));
        let whose = Some((*group, name.as_str()));
        crews.push(match *group {
            0 => {
                let empty = Shardctl::new();
                let desk = |me| Box::new(Desk::new(me)) as Box<dyn Beside<_, _, _>>;
                Box::new(Servers::open(folders, whose, &empty, rules, network, desk)?)
            }
            group => {
                let empty = Shardkv::new(GroupId(group.into()));
                let mover = |me| Box::new(Mover::new(group, me)) as Box<dyn Beside<_, _, _>>;
                Box::new(Servers::open(folders, whose, &empty, rules, network, mover)?)
            }
        });
    }
    if crews.windows(2).any(|pair| pair[0].cluster() != pair[1].cluster()) {
        let text = "the folders are of different clusters: name the folders of one";
        return Err(Refusal::Folders(text.into()));
    }
    let whole = groups.keys().zip(&crews).filter(|(_, crew)| crew.is_whole());
    let letters = Letters::new(network, whole.map(|(group, _)| *group));
    let letters = Rc::new(RefCell::new(letters));
    crews.iter_mut().for_each(|crew| crew.write_by(&letters));
    crew::run(&mut crews)?;
    let (matched, moves) = (letters.borrow().matched, letters.borrow().moves);
    let mut all = Summary { letters: matched, moves, ..Summary::default() };
    for (group, crew) in groups.keys().zip(&mut crews) {
        let servers = crew.judge()?;
        all.messages += servers.messages;
        all.copies += servers.copies;
        all.passed += servers.passed;
        all.entries += servers.entries;
        all.reads += servers.reads;
        all.reads_without_clock += servers.reads_without_clock;
        all.groups.push(GroupSummary { name: name(*group), servers });
    }
    Ok(all)
}
