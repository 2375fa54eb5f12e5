//! What an observer outside the servers remembers: auxiliary state that properties compare with.

use crate::node::{Event, Node, Recipe, Tag};
use protocol::log::Entry;
use protocol::quorum::NodeSet;
use protocol::rsm::StateMachine;
use protocol::{Index, LogId, NodeId, ReadId, Term};
use std::fmt;

/// An entry that was committed, and the term of the server that committed it first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Committed<C = Tag> {
    /// Term of the entry.
    pub term: Term,
    /// The entry.
    pub entry: Entry<C>,
    /// Term in which it was committed. Leaders of later terms must have it.
    pub by: Term,
}

/// A property that is violated by a step rather than by a state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Violation {
    /// Two servers, or two lives of one, led the same term.
    ElectionSafety,
    /// A server committed another entry than was committed at that index before.
    StateMachineSafety,
    /// A snapshot that was taken over does not end at the entry that was committed there.
    Snapshot,
    /// A read was confirmed at an index below what had been committed when it was asked.
    Read,
}

/// The history of a run.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct History<C = Tag> {
    /// By term, from 1: which server led it, and which of its lives.
    pub leaders: Vec<Option<(NodeId, u8)>>,
    /// The committed entries, from index 1.
    pub committed: Vec<Committed<C>>,
    /// Reads that wait: who asked, under which name, and how much was committed then.
    pub reads: Vec<(NodeId, ReadId, Index)>,
    /// What was violated.
    pub violation: Option<Violation>,
    /// Crashes so far.
    pub crashes: u8,
    /// Snapshots that services took so far.
    pub compactions: u8,
    /// Reads asked so far.
    pub asked: u8,
    /// Messages lost so far, where they are counted.
    pub lost: u8,
    /// Who may do what only some may: constant in a run. Servers that are in the same of these sets are
    /// interchangeable.
    pub told_apart: [NodeSet; 5],
}

impl<C> Default for History<C> {
    fn default() -> Self {
        Self {
            leaders: Vec::new(),
            committed: Vec::new(),
            reads: Vec::new(),
            violation: None,
            crashes: 0,
            compactions: 0,
            asked: 0,
            lost: 0,
            told_apart: [NodeSet::EMPTY; 5],
        }
    }
}

impl<C: Clone + Eq> History<C> {
    /// Whether a step violated a property.
    pub const fn violated(&self) -> bool {
        self.violation.is_some()
    }

    /// The identity of the committed entry at `index`.
    pub fn id_at(&self, index: Index) -> Option<LogId> {
        let committed = self.committed.get(usize::try_from(index).ok()?.checked_sub(1)?)?;
        Some(LogId { term: committed.term, index })
    }

    /// Notes that a server began to lead.
    pub(crate) fn note_leader<R: Recipe>(&mut self, before: &Node<R>, after: &Node<R>) {
        let (old, raft) = (before.replica().raft(), after.replica().raft());
        if !raft.leads() || (old.leads() && old.term() == raft.term()) {
            return;
        }
        let position = raft.term() as usize - 1;
        if self.leaders.len() <= position {
            self.leaders.resize(position + 1, None);
        }
        let who = (raft.me(), after.boots);
        match self.leaders[position] {
            Some(leader) if leader != who => self.violation = Some(Violation::ElectionSafety),
            _ => self.leaders[position] = Some(who),
        }
    }

    /// Notes what a server has committed that nobody had, and compares what others had.
    pub(crate) fn note_commit<R>(&mut self, before: &Node<R>, after: &Node<R>)
    where
        R: Recipe<Service: StateMachine<Command = C>>,
    {
        let raft = after.replica().raft();
        let old = before.replica().raft().commit();
        for index in old.min(raft.commit()) + 1..=raft.commit() {
            let Some(entry) = after.replica().log().get(index) else { continue };
            let Some(term) = raft.terms().term_at(index) else { continue };
            let position = index as usize - 1;
            match self.committed.get(position) {
                Some(known) if known.term != term || known.entry != *entry => {
                    self.violation = Some(Violation::StateMachineSafety);
                }
                Some(_) => {}
                None if position == self.committed.len() => {
                    let entry = entry.clone();
                    self.committed.push(Committed { term, entry, by: raft.term() });
                }
                None => self.violation = Some(Violation::StateMachineSafety),
            }
        }
    }

    pub(crate) fn note_event<Y>(&mut self, me: NodeId, event: &Event<Y>) {
        match *event {
            Event::Asked { id } => {
                self.reads.push((me, id, self.committed.len() as Index));
                self.reads.sort_unstable();
            }
            Event::Readable { id, index } => {
                let asked = self.reads.iter().position(|read| (read.0, read.1) == (me, id));
                match asked.map(|position| self.reads.remove(position)) {
                    Some((.., committed)) if committed <= index => {}
                    _ => self.violation = Some(Violation::Read),
                }
            }
            Event::ReadLost { id } => self.reads.retain(|read| (read.0, read.1) != (me, id)),
            Event::Crashed { .. } => self.reads.retain(|read| read.0 != me),
            Event::Restored { id, .. } if self.id_at(id.last.index) != Some(id.last) => {
                self.violation = Some(Violation::Snapshot);
            }
            _ => {}
        }
    }
}

impl History {
    /// The history with every server's number changed.
    pub fn renamed(&self, name: &impl Fn(NodeId) -> NodeId) -> Self {
        let mut twin = self.clone();
        twin.leaders.iter_mut().flatten().for_each(|leader| leader.0 = name(leader.0));
        twin.committed.iter_mut().for_each(|c| c.entry = crate::symmetry::entry(c.entry, name));
        twin.reads.iter_mut().for_each(|read| read.0 = name(read.0));
        twin.reads.sort_unstable();
        twin
    }
}

impl<C: fmt::Debug> fmt::Debug for History<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("leaders")?;
        for (position, leader) in self.leaders.iter().enumerate() {
            if let Some((node, boot)) = leader {
                write!(f, " t{}={node:?}/boot {boot}", position + 1)?;
            }
        }
        f.write_str(" · committed |")?;
        self.committed.iter().try_for_each(|c| write!(f, "{}:{:?}|", c.term, c.entry))?;
        for (node, id, index) in &self.reads {
            write!(f, " · {node:?} asked {id:?} at {index}")?;
        }
        if let Some(violation) = self.violation {
            write!(f, " · VIOLATED {violation:?}")?;
        }
        Ok(())
    }
}
