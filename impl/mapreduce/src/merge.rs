//! Many sorted runs read as one.
//!
//! A tree of losers: every inner node holds the run that lost there, so when the winner has gone on, one comparison a
//! level finds the next winner. Runs of equal keys win in their order, which keeps the values of a key in the order of
//! the map tasks. So a winner whose next pair has the same key wins again, and nothing is compared at all.

use std::cmp::Ordering;

use crate::bytes::Order;
use crate::error::Error;
use crate::groups::Pairs;
use crate::run::{RunReader, Step};
use crate::task::Watch;

/// How far an attempt is, for the watcher.
#[derive(Clone, Copy)]
pub(crate) struct Gauge<'a> {
    pub watch: &'a dyn Watch,
    pub done: u64,
    pub total: u64,
}

/// A merge of runs. An error ends it as if nothing were left, and is kept: [`Merge::failure`].
pub(crate) struct Merge<'a> {
    runs: Vec<RunReader>,
    /// The winner, then the losers of the inner nodes.
    tree: Vec<usize>,
    order: Order,
    gauge: Gauge<'a>,
    failure: Option<Error>,
    started: bool,
}

impl<'a> Merge<'a> {
    /// `runs` in the order in which they win among equal keys.
    pub fn new(runs: Vec<RunReader>, order: Order, gauge: Gauge<'a>) -> Self {
        Self { runs, tree: Vec::new(), order, gauge, failure: None, started: false }
    }

    /// What ended it, if not the end of the runs.
    pub fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// How many bytes have been read.
    pub fn done(&self) -> u64 {
        self.gauge.done
    }

    fn step(&mut self, run: usize) -> Step {
        let before = self.gauge.done;
        let step = self.runs[run].advance(&mut self.gauge.done);
        let step = step.unwrap_or_else(|error| {
            self.failure = Some(error);
            Step::End
        });
        if self.gauge.done != before {
            self.gauge.watch.progress(self.gauge.done, self.gauge.total);
            if self.gauge.watch.cancelled() {
                self.failure = Some(Error::Cancelled);
            }
        }
        step
    }

    fn wins(&self, left: usize, right: usize) -> bool {
        let (one, other) = (&self.runs[left], &self.runs[right]);
        if one.over || other.over {
            return !one.over || (other.over && left < right);
        }
        let keys = self.order.compare((one.prefix, one.key()), (other.prefix, other.key()));
        match keys {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => left < right,
        }
    }

    /// Fills the tree: every run has its first pair, the leaves are the nodes from `runs.len()` on.
    fn start(&mut self) {
        let count = self.runs.len();
        for run in 0..count {
            self.step(run);
        }
        let mut winners: Vec<usize> =
            (0..2 * count).map(|node| node.saturating_sub(count)).collect();
        self.tree = vec![0; count];
        for node in (1..count).rev() {
            let (left, right) = (winners[2 * node], winners[2 * node + 1]);
            let (winner, loser) =
                if self.wins(left, right) { (left, right) } else { (right, left) };
            (winners[node], self.tree[node]) = (winner, loser);
        }
        self.tree[0] = winners[1];
    }

    fn replay(&mut self, run: usize) {
        let mut winner = run;
        let mut node = (run + self.runs.len()) / 2;
        while node > 0 {
            if self.wins(self.tree[node], winner) {
                std::mem::swap(&mut self.tree[node], &mut winner);
            }
            node /= 2;
        }
        self.tree[0] = winner;
    }
}

impl Pairs for Merge<'_> {
    fn advance(&mut self) -> Step {
        if self.failure.is_some() || self.runs.is_empty() {
            return Step::End;
        }
        if self.started {
            let run = self.tree[0];
            if self.runs[run].over {
                return Step::End;
            }
            if self.step(run) == Step::Same {
                return if self.failure.is_some() { Step::End } else { Step::Same };
            }
            self.replay(run);
        } else {
            self.started = true;
            self.start();
        }
        if self.failure.is_some() || self.runs[self.tree[0]].over { Step::End } else { Step::Pair }
    }

    fn key(&self) -> &[u8] {
        self.runs[self.tree[0]].key()
    }

    fn value(&self) -> &[u8] {
        self.runs[self.tree[0]].value()
    }
}
