//! Sorted pairs as an application meets them: a key, then its values, never all of them in memory.

use std::ops::Range;

use crate::run::Step;
use crate::task::{Place, Watch};

/// Sorted pairs, one at a time. Not started at first.
pub(crate) trait Pairs: Send {
    fn advance(&mut self) -> Step;
    /// Of the pair that the last step came to.
    fn key(&self) -> &[u8];
    fn value(&self) -> &[u8];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fresh,
    /// The current pair is the first of a group that nobody opened yet.
    Pending,
    /// The current pair is the first of the open group, and was not read.
    First,
    /// The current pair is of the open group and was read.
    Within,
    End,
}

/// What was met on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Met {
    pub groups: u64,
    pub skipped: u64,
    pub records: u64,
    pub bytes: u64,
}

/// The groups of a partition, in order: of all of it in a reduce task, of what filled a map task's memory in a
/// combiner.
pub struct Groups<'a> {
    pairs: &'a mut dyn Pairs,
    key: Vec<u8>,
    state: State,
    place: &'a Place,
    watch: &'a dyn Watch,
    skip: &'a [Range<u64>],
    ahead: bool,
    pub(crate) met: Met,
}

impl<'a> Groups<'a> {
    pub(crate) fn new(
        pairs: &'a mut dyn Pairs,
        place: &'a Place,
        watch: &'a dyn Watch,
        skip: &'a [Range<u64>],
    ) -> Self {
        let met = Met::default();
        let (key, state, ahead) = (Vec::new(), State::Fresh, false);
        Self { pairs, key, state, place, watch, skip, ahead, met }
    }

    /// Which attempt this is.
    pub fn place(&self) -> &Place {
        self.place
    }

    /// Who watches the attempt.
    pub fn watch(&self) -> &'a dyn Watch {
        self.watch
    }

    /// The number of the group that was opened last, counted from 0, unless the application reads ahead.
    pub(crate) fn number(&self) -> Option<u64> {
        self.met.groups.checked_sub(1).filter(|_| !self.ahead)
    }

    /// What is read from here on is no sign of what the application is at.
    pub(crate) fn reads_ahead(&mut self) {
        self.ahead = true;
    }

    /// The next group: its key and its values. What was not read of the last one's values is passed over. None at the
    /// end, and when the attempt is called off or the input is damaged, which the caller of the application finds out.
    #[expect(clippy::should_implement_trait, reason = "what it returns borrows from it")]
    pub fn next(&mut self) -> Option<(&[u8], Values<'_>)> {
        loop {
            self.drain();
            if self.state == State::Fresh {
                self.state = match self.pairs.advance() {
                    Step::End => State::End,
                    Step::Same | Step::Pair => State::Pending,
                };
            }
            if self.state == State::End || self.watch.cancelled() {
                return None;
            }
            self.key.clear();
            self.key.extend_from_slice(self.pairs.key());
            self.state = State::First;
            let number = self.met.groups;
            self.met.groups += 1;
            if self.skip.iter().any(|range| range.contains(&number)) {
                self.met.skipped += 1;
                continue;
            }
            self.watch.record(number);
            break;
        }
        let Self { pairs, key, state, met, .. } = self;
        Some((key.as_slice(), Values { pairs: &mut **pairs, key, state, met }))
    }

    fn drain(&mut self) {
        let Self { pairs, key, state, met, .. } = self;
        let mut rest = Values { pairs: &mut **pairs, key, state, met };
        while rest.next().is_some() {}
    }
}

/// The values of a key, in the order in which the map tasks, by index, emitted them.
pub struct Values<'a> {
    pairs: &'a mut dyn Pairs,
    key: &'a [u8],
    state: &'a mut State,
    met: &'a mut Met,
}

impl Values<'_> {
    /// The next value. None at the end, and when the attempt is called off or the input is damaged, which the caller
    /// of the application finds out: what was written for half a group is never seen.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "what it returns borrows from it")]
    pub fn next(&mut self) -> Option<&[u8]> {
        match *self.state {
            State::First => *self.state = State::Within,
            State::Within => match self.pairs.advance() {
                Step::Same => {}
                Step::Pair if self.pairs.key() == self.key => {}
                Step::Pair => {
                    *self.state = State::Pending;
                    return None;
                }
                Step::End => {
                    *self.state = State::End;
                    return None;
                }
            },
            State::Fresh | State::Pending | State::End => return None,
        }
        let value = self.pairs.value();
        self.met.records += 1;
        self.met.bytes += (self.key.len() + value.len()) as u64;
        Some(value)
    }

    /// All values that are left, for when they are known to be few.
    pub fn collect(&mut self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(value) = self.next() {
            all.push(value.to_vec());
        }
        all
    }
}
