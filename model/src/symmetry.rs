//! RED-SYMMETRY: states that differ only in which server is which.
//!
//! The machine treats all server numbers alike (`protocol` tests that a step commutes with renaming), so
//! of the states that are renamings of each other one suffices. The representative is the renaming with
//! the smallest fingerprint among those that keep the bounds: a true canonical form, so that the number
//! of states does not depend on the order in which a checker meets them.

use crate::cluster::State;
use crate::node::{Node, Packet, Pending, Tag};
use crate::search::fingerprint;
use protocol::log::{Durable, Entry};
use protocol::quorum::NodeSet;
use protocol::raft::Rules;
use protocol::{HardState, NodeId, Write};
use stateright::actor::{Envelope, Id, Network};
use std::cell::RefCell;
use std::sync::Arc;

fn tag(tag: Tag, name: &impl Fn(NodeId) -> NodeId) -> Tag {
    Tag { node: name(tag.node), ..tag }
}

/// An entry with its proposer's number changed.
pub(crate) fn entry(entry: Entry<Tag>, name: &impl Fn(NodeId) -> NodeId) -> Entry<Tag> {
    match entry {
        Entry::NoOp => Entry::NoOp,
        Entry::Command(command) => Entry::Command(tag(command, name)),
    }
}

fn write(write: Write, name: &impl Fn(NodeId) -> NodeId) -> Write {
    match write {
        Write::HardState(HardState { term, vote }) => {
            Write::HardState(HardState { term, vote: vote.map(name) })
        }
        other => other,
    }
}

fn node<R: Rules>(node: &Node<R>, name: &impl Fn(NodeId) -> NodeId) -> Node<R> {
    let rename = |command: &Tag| tag(*command, name);
    Node {
        rsm: node.rsm.renamed(name, rename),
        pending: node
            .pending
            .iter()
            .map(|pending| Pending {
                write: write(pending.write, name),
                entries: pending.entries.iter().map(|&e| entry(e, name)).collect(),
            })
            .collect(),
        disk: Durable {
            hard: HardState { vote: node.disk.hard.vote.map(name), ..node.disk.hard },
            terms: node.disk.terms.clone(),
            log: node.disk.log.mapped(rename),
        },
        ..node.clone()
    }
}

fn envelope(env: &Envelope<Packet>, name: &impl Fn(NodeId) -> NodeId) -> Envelope<Packet> {
    let id = |id: Id| Id::from(usize::from(name(NodeId(usize::from(id) as u8)).0));
    Envelope {
        src: id(env.src),
        dst: id(env.dst),
        msg: Packet {
            message: env.msg.message,
            entries: env.msg.entries.iter().map(|&e| entry(e, name)).collect(),
            state: env.msg.state,
        },
    }
}

/// The state with server `n` called `to[n]`.
pub fn renamed<R: Rules>(state: &State<R>, to: &[u8]) -> State<R> {
    let name = |node: NodeId| NodeId(to[usize::from(node.0)]);
    let mut twin = state.clone();
    for (number, old) in state.actor_states.iter().enumerate() {
        twin.actor_states[usize::from(to[number])] = Arc::new(node(old, &name));
    }
    twin.history = state.history.renamed(&name);
    twin.network = match &state.network {
        Network::UnorderedDuplicating(set, _) => {
            Network::new_unordered_duplicating(set.iter().map(|env| envelope(env, &name)))
        }
        Network::UnorderedNonDuplicating(counts) => {
            Network::new_unordered_nonduplicating(counts.keys().map(|env| envelope(env, &name)))
        }
        ordered @ Network::Ordered(_) => ordered.clone(),
    };
    twin
}

/// All orders of `servers` numbers under which the sets stay as they are.
fn renamings(servers: usize, sets: &[NodeSet; 5]) -> Vec<Vec<u8>> {
    let mut all = vec![vec![]];
    for number in 0..servers as u8 {
        let longer = |names: &Vec<u8>| {
            let names = names.clone();
            (0..=names.len()).map(move |place| {
                let mut longer = names.clone();
                longer.insert(place, number);
                longer
            })
        };
        all = all.iter().flat_map(longer).collect();
    }
    let first = NodeSet::first(servers);
    all.retain(|to| {
        let name = |node: NodeId| NodeId(to[usize::from(node.0)]);
        sets.iter().all(|set| set.and(first).renamed(&name) == set.and(first))
    });
    all
}

type Cached = ([NodeSet; 5], usize, Vec<Vec<u8>>);

thread_local! {
    static RENAMINGS: RefCell<Option<Cached>> = const { RefCell::new(None) };
}

/// The representative of all renamings of a state under which its model stays the same.
pub fn representative<R: Rules>(state: &State<R>) -> State<R> {
    let (sets, servers) = (state.history.told_apart, state.actor_states.len());
    RENAMINGS.with_borrow_mut(|cached| {
        if !matches!(cached, Some((known, count, _)) if (*known, *count) == (sets, servers)) {
            *cached = Some((sets, servers, renamings(servers, &sets)));
        }
        let all = cached.iter().flat_map(|(.., all)| all);
        let twins = all.map(|to| renamed(state, to));
        twins.min_by_key(fingerprint).unwrap_or_else(|| state.clone())
    })
}
