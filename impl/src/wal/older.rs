//! The segments in front of the one that is written.

use std::collections::VecDeque;

/// A segment that is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    pub generation: u64,
    /// Its file's length.
    pub bytes: u64,
}

/// The segments in front of the last one.
#[derive(Debug)]
pub struct Older {
    /// The oldest first.
    pub segments: VecDeque<Segment>,
    /// No live command was in one in front of this generation when everything in them was durable: they may go.
    pub needed: u64,
}

impl Older {
    /// How many bytes they have.
    pub fn bytes(&self) -> u64 {
        self.bytes_from(0)
    }

    /// How many bytes those have that are not older than this generation.
    pub fn bytes_from(&self, generation: u64) -> u64 {
        let younger = self.segments.iter().rev();
        let younger = younger.take_while(|segment| segment.generation >= generation);
        younger.map(|segment| segment.bytes).sum()
    }

    /// Whether one may go.
    pub fn has_free(&self) -> bool {
        self.segments.front().is_some_and(|oldest| oldest.generation < self.needed)
    }
}
