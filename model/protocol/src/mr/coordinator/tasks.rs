//! The tasks of a kind: how each stands, and which are idle.

use crate::mr::{Counters, WorkerId};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

/// An attempt that is run, as far as is known.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Live {
    pub attempt: u64,
    pub worker: WorkerId,
    /// The record that it was at when it was heard last.
    pub at: Option<u64>,
    pub straggles: bool,
    /// How many attempts were run before it.
    pub since: u64,
    /// What it was told to skip.
    pub skip: Arc<BTreeSet<u64>>,
}

impl Live {
    /// The record that it was at when it was heard last, and whether it was to be skipped.
    pub fn last(&self) -> Last {
        self.was_at(self.at)
    }

    /// The same of a record that it has told.
    pub fn was_at(&self, at: Option<u64>) -> Last {
        at.map(|record| (record, self.skip.contains(&record)))
    }
}

/// The record at which an attempt has failed, and whether it was told to skip that.
pub(super) type Last = Option<(u64, bool)>;

/// How a task stands.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum State {
    Idle,
    /// Its live attempts, and under which number it stands among the slow ones, if it does.
    Running(Vec<Live>, Option<u64>),
    /// Its winner, what that has counted, and whether the output has its name.
    Won(u64, Counters, bool),
}

/// How often a task has failed.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Failures {
    pub own: u32,
    pub others: u32,
    /// Of these, how many at which record.
    pub at: BTreeMap<u64, (u32, u32)>,
    /// Records that are skipped. Failures at these do not count any more.
    pub skip: Arc<BTreeSet<u64>>,
    /// What the last winner has counted, if its output was lost.
    pub lost: Counters,
    /// On which hosts it has failed by itself in this life, and at which records.
    pub on: BTreeSet<(u64, Option<u64>)>,
}

impl Failures {
    /// Whether it has failed on a host, and not only at records that are skipped now.
    pub fn were_on(&self, host: u64) -> bool {
        let is_skipped = |at: Option<u64>| at.is_some_and(|record| self.skip.contains(&record));
        self.on.iter().any(|(its, at)| *its == host && !is_skipped(*at))
    }
}

/// A task.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Task {
    pub state: State,
    /// How many attempts this life has given out.
    pub given: u32,
    pub failures: Option<Box<Failures>>,
}

/// How many tasks of a kind stand how.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Tally {
    /// Nobody runs them.
    pub idle: u32,
    /// At least one attempt is live.
    pub running: u32,
    /// They have a winner, whose output has no name of its own; maps' outputs have none ever.
    pub won: u32,
    /// Their output has its name.
    pub published: u32,
}

impl Tally {
    /// All of them.
    pub const fn all(&self) -> u32 {
        self.idle + self.running + self.won + self.published
    }

    const fn of(&mut self, state: &State) -> &mut u32 {
        match state {
            State::Idle => &mut self.idle,
            State::Running(..) => &mut self.running,
            State::Won(_, _, false) => &mut self.won,
            State::Won(_, _, true) => &mut self.published,
        }
    }
}

/// The tasks of a kind.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Tasks {
    tasks: Vec<Task>,
    pub idle: BTreeSet<u32>,
    /// Those that may be run a second time, the one that runs longest first.
    pub slow: BTreeSet<(u64, u32)>,
    pub tally: Tally,
}

impl Tasks {
    /// So many, all idle.
    pub fn new(tasks: u32) -> Self {
        let task = |_| Task { state: State::Idle, given: 0, failures: None };
        let tally = Tally { idle: tasks, ..Tally::default() };
        Self {
            tasks: (0..tasks).map(task).collect(),
            idle: (0..tasks).collect(),
            slow: BTreeSet::new(),
            tally,
        }
    }

    pub fn get(&self, index: u32) -> &Task {
        &self.tasks[index as usize]
    }

    pub fn get_mut(&mut self, index: u32) -> &mut Task {
        &mut self.tasks[index as usize]
    }

    pub const fn has(&self, index: u32) -> bool {
        (index as usize) < self.tasks.len()
    }

    /// A task stands otherwise; how it stood.
    pub fn set(&mut self, index: u32, state: State) -> State {
        match state {
            State::Idle => self.idle.insert(index),
            _ => self.idle.remove(&index),
        };
        *self.tally.of(&state) += 1;
        let before = mem::replace(&mut self.tasks[index as usize].state, state);
        *self.tally.of(&before) -= 1;
        before
    }
}
