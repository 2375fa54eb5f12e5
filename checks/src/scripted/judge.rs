//! What holds of the threads: Figure 3's properties and ours, over what can be seen of running servers.
//!
//! It shares nothing with the model's properties but their names. It sees roles and terms at the end of each round, the
//! logs in memory, what a recovery finds on the disks, and what callers were told; and it remembers who has led, and
//! what was committed first.

use model::raft::{
    CLAIMS, DURABILITY, ELECTION_SAFETY, LEADER_COMPLETENESS, LOG_MATCHING, STATE_MACHINE_SAFETY,
};
use protocol::log::{Durable, Entry};
use protocol::raft::RoleName;
use protocol::terms::Terms;
use protocol::{Index, LogId, NodeId, Term};
use std::collections::{BTreeMap, BTreeSet};

/// A log: the terms, and the entries behind the snapshot, by index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lines<X> {
    /// The terms.
    pub terms: Terms,
    /// The entries.
    pub entries: BTreeMap<Index, Entry<X>>,
}

impl<X: Clone> Lines<X> {
    /// A log with its commands in other words.
    pub fn of<C: Clone>(
        terms: &Terms,
        log: &protocol::log::Log<C>,
        word: impl Fn(&C) -> X,
    ) -> Self {
        let behind = terms.base().index + 1..=log.last();
        let entry = |entry: &Entry<C>| match entry {
            Entry::NoOp => Entry::NoOp,
            Entry::Command(command) => Entry::Command(word(command)),
        };
        let entries = behind.filter_map(|index| Some((index, entry(log.get(index)?)))).collect();
        Self { terms: terms.clone(), entries }
    }

    /// What a disk has.
    pub fn of_disk<C: Clone>(durable: &Durable<C>, word: impl Fn(&C) -> X) -> Self {
        Self::of(&durable.terms, &durable.log, word)
    }
}

/// A server as it is seen at the end of a step.
#[derive(Clone, Debug)]
pub struct Seen<X> {
    /// Which.
    pub me: NodeId,
    /// In which of its lives.
    pub boot: u8,
    /// Its role.
    pub role: RoleName,
    /// Its term.
    pub term: Term,
    /// Its commit index.
    pub commit: Index,
    /// What its service has applied.
    pub applied: Index,
    /// What a leader knows that each server has.
    pub matched: Vec<Index>,
    /// Its log in memory.
    pub memory: Lines<X>,
    /// Its log on the disk.
    pub disk: Lines<X>,
    /// How many writes its disk has not finished.
    pub pending: usize,
    /// Whether its core has panicked at a claim.
    pub broken: bool,
}

/// What was committed at an index.
#[derive(Clone, Debug)]
struct Committed<X> {
    term: Term,
    entry: Entry<X>,
    by: Term,
}

/// The history outside the servers.
#[derive(Clone, Debug)]
pub struct Judge<X> {
    leaders: BTreeMap<Term, (NodeId, u8)>,
    committed: Vec<Committed<X>>,
    /// Reads that wait, by caller: how much was committed when they were asked.
    reads: BTreeMap<u64, Index>,
    fresh: &'static str,
    /// What a step has broken.
    broken: BTreeSet<&'static str>,
}

impl<X: Clone + Eq> Judge<X> {
    /// Nothing has happened. `fresh` is the property that a read breaks that is answered from a state too old.
    pub const fn new(fresh: &'static str) -> Self {
        Self {
            leaders: BTreeMap::new(),
            committed: Vec::new(),
            reads: BTreeMap::new(),
            fresh,
            broken: BTreeSet::new(),
        }
    }

    /// What was committed first at each index, from 1 on.
    pub fn history(&self) -> impl Iterator<Item = &Entry<X>> {
        self.committed.iter().map(|committed| &committed.entry)
    }

    /// A step has broken something.
    pub fn broke(&mut self, property: &'static str) {
        self.broken.insert(property);
    }

    /// How much is committed.
    pub fn committed(&self) -> Index {
        self.committed.len() as Index
    }

    /// A caller asks for a read.
    pub fn asked(&mut self, caller: u64) {
        self.reads.insert(caller, self.committed());
    }

    /// A read is answered from a state that has applied this.
    pub fn answered(&mut self, caller: u64, applied: Index) {
        if self.reads.remove(&caller).is_some_and(|committed| applied < committed) {
            self.broken.insert(self.fresh);
        }
    }

    /// A server has taken a step.
    pub fn note(&mut self, before: &Seen<X>, after: &Seen<X>) {
        let same_life = before.boot == after.boot;
        if after.broken {
            self.broken.insert(CLAIMS);
            return;
        }
        if same_life {
            let leads = |seen: &Seen<X>| (seen.role == RoleName::Leader).then_some(seen.term);
            let rose = before.matched.iter().zip(&after.matched).all(|(old, new)| old <= new);
            let still_leads = leads(before).is_some() && leads(before) == leads(after);
            let keeps = !still_leads || rose && appends_only(&before.memory, &after.memory);
            if after.commit < before.commit || after.term < before.term || !keeps {
                self.broken.insert(CLAIMS);
            }
        }
        if after.role == RoleName::Leader {
            let who = (after.me, after.boot);
            if *self.leaders.entry(after.term).or_insert(who) != who {
                self.broken.insert(ELECTION_SAFETY);
            }
        }
        let from = if same_life { before.commit } else { after.memory.terms.base().index };
        for index in from + 1..=after.commit {
            self.commit(index, after);
        }
    }

    fn commit(&mut self, index: Index, server: &Seen<X>) {
        // What a snapshot has brought is not there.
        let Some(entry) = server.memory.entries.get(&index) else { return };
        let Some(term) = server.memory.terms.term_at(index) else { return };
        match self.committed.get(index as usize - 1) {
            Some(known) if known.term == term && known.entry == *entry => {}
            None if index == self.committed() + 1 => {
                self.committed.push(Committed { term, entry: entry.clone(), by: server.term });
            }
            _ => {
                self.broken.insert(STATE_MACHINE_SAFETY);
            }
        }
    }

    /// What does not hold, now or since a step before.
    pub fn verdict(&self, servers: &[Seen<X>]) -> BTreeSet<&'static str> {
        let mut broken = self.broken.clone();
        let pairs = (0..servers.len()).flat_map(|a| (a + 1..servers.len()).map(move |b| (a, b)));
        let mut pairs = pairs.map(|(a, b)| (&servers[a], &servers[b]));
        if pairs.any(|(a, b)| !(match_up(&a.memory, &b.memory) && match_up(&a.disk, &b.disk))) {
            broken.insert(LOG_MATCHING);
        }
        let has = |lines: &Lines<X>, index: Index, committed: &Committed<X>| {
            index <= lines.terms.base().index
                || (lines.terms.term_at(index) == Some(committed.term)
                    && lines.entries.get(&index) == Some(&committed.entry))
        };
        for (committed, index) in self.committed.iter().zip(1..) {
            let leaders = servers.iter().filter(|seen| {
                seen.role == RoleName::Leader && seen.term >= committed.by && !seen.broken
            });
            if leaders.clone().any(|leader| !has(&leader.memory, index, committed)) {
                broken.insert(LEADER_COMPLETENESS);
            }
            let copies = servers.iter().filter(|seen| has(&seen.disk, index, committed)).count();
            if copies <= servers.len() / 2 {
                broken.insert(DURABILITY);
            }
        }
        let wrong = |seen: &Seen<X>| {
            let base = seen.memory.terms.base();
            base != LogId::ZERO
                && base
                    .index
                    .checked_sub(1)
                    .and_then(|place| self.committed.get(place as usize))
                    .is_none_or(|committed| committed.term != base.term)
        };
        if servers.iter().any(|seen| !seen.broken && wrong(seen)) {
            broken.insert(STATE_MACHINE_SAFETY);
        }
        broken
    }
}

/// Whether a log still has what it had, or a snapshot of it.
fn appends_only<X: Eq>(before: &Lines<X>, after: &Lines<X>) -> bool {
    let base = after.terms.base().index;
    let mut behind = before.entries.iter().filter(|(index, _)| **index > base);
    behind.all(|(index, entry)| {
        after.entries.get(index) == Some(entry)
            && after.terms.term_at(*index) == before.terms.term_at(*index)
    })
}

/// Log Matching of two logs.
fn match_up<X: Eq>(one: &Lines<X>, two: &Lines<X>) -> bool {
    let term = |lines: &Lines<X>, index| lines.terms.term_at(index);
    let last = one.terms.last().index.min(two.terms.last().index);
    let first = one.terms.base().index.max(two.terms.base().index);
    let common = |index: &Index| *index > 0 && term(one, *index) == term(two, *index);
    let Some(common) = (first..=last).rev().find(common) else { return true };
    (first + 1..=common).all(|index| {
        term(one, index) == term(two, index) && one.entries.get(&index) == two.entries.get(&index)
    })
}
