//! Where a group's commands lie: which segment has the latest copy of each.

use protocol::{Index, Write};
use std::collections::VecDeque;
use std::ops::Range;

/// Commands that follow each other and lie in one segment.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Stretch {
    /// Their indices; never empty.
    indices: Range<Index>,
    /// The segment's generation.
    generation: u64,
}

/// All of a group's commands, in stretches. Invariant: they are in the order of their indices, and none that follows
/// another without a gap is of the same generation.
#[derive(Clone, Debug, Default)]
pub struct Places(VecDeque<Stretch>);

impl Places {
    /// A command at the end of the log.
    pub fn push(&mut self, index: Index, generation: u64) {
        self.add(index..index + 1, generation);
    }

    fn add(&mut self, indices: Range<Index>, generation: u64) {
        match self.0.back_mut() {
            _ if indices.is_empty() => {}
            Some(last) if last.indices.end == indices.start && last.generation == generation => {
                last.indices.end = indices.end;
            }
            _ => self.0.push_back(Stretch { indices, generation }),
        }
    }

    /// Forgets what a write overwrites or covers. What it appends is not here yet.
    pub fn follow(&mut self, write: &Write) {
        match *write {
            Write::HardState(_) => {}
            Write::Append { first, .. } => {
                while self.0.back().is_some_and(|last| last.indices.start >= first) {
                    self.0.pop_back();
                }
                if let Some(last) = self.0.back_mut() {
                    last.indices.end = last.indices.end.min(first);
                }
            }
            Write::Snapshot { id, keep: true } => {
                let next = id.last.index + 1;
                while self.0.front().is_some_and(|first| first.indices.end <= next) {
                    self.0.pop_front();
                }
                if let Some(first) = self.0.front_mut() {
                    first.indices.start = first.indices.start.max(next);
                }
            }
            Write::Snapshot { keep: false, .. } => self.0.clear(),
        }
    }

    /// The oldest generation.
    pub fn oldest(&self) -> Option<u64> {
        self.0.iter().map(|stretch| stretch.generation).min()
    }

    /// Each command's index and the generation of its segment.
    pub fn each(&self) -> impl Iterator<Item = (Index, u64)> {
        let each = |stretch: &Stretch| {
            let generation = stretch.generation;
            stretch.indices.clone().map(move |index| (index, generation))
        };
        self.0.iter().flat_map(each)
    }

    /// Moves commands from one segment to another while there are bytes `left`; `size` says how many each takes.
    pub fn copy(&mut self, from: u64, to: u64, left: &mut u64, size: impl Fn(Index) -> u64) {
        if !self.0.iter().any(|stretch| stretch.generation == from) {
            return;
        }
        for Stretch { indices, generation } in std::mem::take(&mut self.0) {
            let mut end = indices.start;
            if generation == from {
                while end < indices.end && *left > 0 {
                    *left = left.saturating_sub(size(end));
                    end += 1;
                }
            }
            self.add(indices.start..end, to);
            self.add(end..indices.end, generation);
        }
    }

    /// Cuts indices of a log where an opening of the segment `generation` does: into those whose commands lie
    /// elsewhere, which are told by `true`, and those that it has, commands or no-ops.
    pub fn pieces(&self, all: Range<Index>, generation: u64) -> Vec<(Range<Index>, bool)> {
        let mut pieces: Vec<(Range<Index>, bool)> = Vec::new();
        let mut add = |indices: Range<Index>, elsewhere: bool| match pieces.last_mut() {
            _ if indices.is_empty() => {}
            Some((last, kind)) if *kind == elsewhere => last.end = indices.end,
            _ => pieces.push((indices, elsewhere)),
        };
        let mut next = all.start;
        let from = self.0.partition_point(|stretch| stretch.indices.end <= all.start);
        for Stretch { indices, generation: lies } in self.0.range(from..) {
            if indices.start >= all.end {
                break;
            }
            let (start, end) = (indices.start.max(next), indices.end.min(all.end));
            // What is between two stretches are no-ops.
            add(next..start, false);
            add(start..end, *lies != generation);
            next = end;
        }
        add(next..all.end, false);
        pieces
    }
}
