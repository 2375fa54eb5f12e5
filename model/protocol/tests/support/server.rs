//! One server of a group: its replica, what its disk has, what its disk was asked for, its service.

use super::{Applied, Tag};
use protocol::log::{Durable, Entry};
use protocol::raft::{Config, Paper, Rules, Timer};
use protocol::replica::Replica;
use protocol::{Index, ReadId, Write};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What became of a read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Open,
    Readable(Index),
    Lost,
}

/// A read, and how much was committed in the whole group when it was asked: it must see all of
/// that.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    pub asked_at: Index,
    pub outcome: Outcome,
}

#[derive(Clone)]
pub struct Server<R = Paper> {
    pub replica: Replica<Tag, R>,
    /// What a crash leaves.
    pub durable: Durable<Tag>,
    /// The writes that the disk has not finished, oldest first.
    pub pending: VecDeque<(Write, Vec<Entry<Tag>>)>,
    /// The service's state: everything it has applied.
    pub service: Applied,
    /// Snapshot files by the index through which they reach. They are durable at once.
    pub files: BTreeMap<Index, Applied>,
    /// The timers that may fire.
    pub armed: BTreeSet<Timer>,
    /// Every read that was asked here, in all lives.
    pub reads: BTreeMap<ReadId, Read>,
    /// Whether messages from and to it are lost.
    pub cut: bool,
    /// Whether it has crashed and not started again.
    pub down: bool,
}

impl<R: Rules> Server<R> {
    pub fn new(rules: R, config: Config, durable: Durable<Tag>) -> Self {
        Self {
            replica: Replica::new(rules, config, durable.clone()),
            durable,
            pending: VecDeque::new(),
            service: Applied::new(),
            files: BTreeMap::new(),
            armed: BTreeSet::new(),
            reads: BTreeMap::new(),
            cut: false,
            down: false,
        }
    }

    /// Loses everything but what the disk has, and comes up from that. A snapshot's file without
    /// its record is deleted.
    pub fn crash(&mut self, rules: R) {
        let base = self.durable.snapshot().last.index;
        self.files.retain(|&through, _| through == base);
        self.service = match base {
            0 => Applied::new(),
            _ => self.files.get(&base).expect("a snapshot's record has its file").clone(),
        };
        self.replica = Replica::new(rules, self.replica.raft().config(), self.durable.clone());
        self.pending.clear();
        self.armed.clear();
        for read in self.reads.values_mut().filter(|read| read.outcome == Outcome::Open) {
            read.outcome = Outcome::Lost;
        }
    }

    /// The disk carries out its `count` oldest writes. Older files go with a snapshot's record.
    pub fn finish(&mut self, count: usize) {
        for (write, entries) in self.pending.drain(..count) {
            self.durable.apply(&write, entries.into_iter());
            if let Write::Snapshot { id, .. } = write {
                self.files.retain(|&through, _| through >= id.last.index);
            }
        }
    }

    /// Applies what is committed, in order, and returns it.
    pub fn apply(&mut self, through: Index) -> Vec<(Index, Entry<Tag>)> {
        let first = self.service.len() as Index + 1;
        let entry = |index: Index| {
            let entry = self.replica.log().get(index).expect("what is committed is in the log");
            (index, entry.clone())
        };
        let fresh: Vec<_> = (first..=through).map(entry).collect();
        self.service.extend(fresh.iter().map(|(_, entry)| entry.clone()));
        fresh
    }

    /// Whether neither a crash nor a cut keeps it from the others.
    pub const fn is_connected(&self) -> bool {
        !self.cut && !self.down
    }
}
