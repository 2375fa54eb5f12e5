//! What the log knows of one group: its durable state, and in which segment each command lies.
//!
//! Where commands lie is a list of stretches ([`Places`]), changed with the state and nowhere else
//! ([`Group::apply`]). It has as many as there are segments and no-ops among them, not as many as there are
//! commands: a segment is begun while all writes wait. A no-op is nothing but its term, so every opening
//! repeats it and it lies nowhere.

mod bodies;
mod places;

use super::Bytes;
use super::format::{Encoder, Record};
use bodies::Bodies;
use places::Places;
use protocol::log::{Durable, Entry};
use protocol::{Index, Write};
use std::fmt;

/// A replicated group's number within the node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u16);

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}", self.0)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A command and where it lies.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The command; none while replay has not met it, for its segment was removed.
    pub bytes: Option<Bytes>,
    /// The generation of the segment with its latest copy; 0 with no bytes.
    pub generation: u64,
}

impl Placed {
    /// An entry of a batch that is written to `generation`.
    pub fn entry(entry: &Entry<Bytes>, generation: u64) -> Entry<Self> {
        match entry {
            Entry::NoOp => Entry::NoOp,
            Entry::Command(bytes) => {
                Entry::Command(Self { bytes: Some(Bytes::clone(bytes)), generation })
            }
        }
    }
}

/// A group's state on the disk. Invariant: the stretches of its places cover its commands and nothing else, and what
/// has bytes is a command.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The state but for the commands' bytes.
    shape: Durable<()>,
    bodies: Bodies,
    places: Places,
}

impl Group {
    /// The state but for the commands' bytes.
    pub const fn shape(&self) -> &Durable<()> {
        &self.shape
    }

    /// Carries out one write, whole.
    pub fn apply(&mut self, write: &Write, entries: impl Iterator<Item = Entry<Placed>>) {
        let Self { shape, bodies, places } = self;
        places.follow(write);
        bodies.follow(write);
        let first = if let Write::Append { first, .. } = *write { first } else { 0 };
        let entries = entries.zip(first..).map(|(entry, index)| match entry {
            Entry::NoOp => {
                bodies.push(None);
                Entry::NoOp
            }
            Entry::Command(Placed { bytes, generation }) => {
                bodies.push(bytes);
                places.push(index, generation);
                Entry::Command(())
            }
        });
        shape.apply(write, entries);
    }

    /// Frees up to `most` commands that writes have made the group forget.
    pub fn free(&mut self, most: usize) {
        self.bodies.free(most);
    }

    /// How many of those there are.
    pub const fn forgotten(&self) -> usize {
        self.bodies.gone()
    }

    /// The generation of the oldest segment in which a live command lies.
    pub fn oldest(&self) -> Option<u64> {
        self.places.oldest()
    }

    /// Has the commands that lie in the segment `from` lie in `to`, one by one while there are bytes `left` for them.
    pub fn copy(&mut self, from: u64, to: u64, left: &mut u64) {
        let size = |index| self.bodies.get(index).map_or(0, |bytes| bytes.len() as u64) + 4;
        self.places.copy(from, to, left, size);
    }

    /// The commands behind the snapshot, with their indices.
    pub fn commands(&self) -> impl Iterator<Item = (Index, Placed)> {
        let placed = |(index, generation)| {
            let bytes = self.bodies.get(index).cloned();
            (index, Placed { bytes, generation })
        };
        self.places.each().map(placed)
    }

    /// The first command that replay has not met.
    pub fn missing(&self) -> Option<Index> {
        self.places.each().map(|(index, _)| index).find(|&index| self.bodies.get(index).is_none())
    }

    /// The state as a server boots from it, when no command is missing.
    pub fn whole(&self) -> Durable<Bytes> {
        let mut whole = Durable::default();
        for write in image(&self.shape) {
            whole.apply(&write, self.entries_of(&write));
        }
        whole
    }

    /// The entries that a write of the image carries, when no command among them is missing.
    fn entries_of(&self, write: &Write) -> impl Iterator<Item = Entry<Bytes>> {
        let indexed = shapes_of(&self.shape, write);
        indexed.map(|(index, entry)| match entry {
            Entry::NoOp => Entry::NoOp,
            Entry::Command(()) => {
                Entry::Command(self.bodies.get(index).expect("it was met where it lies").clone())
            }
        })
    }

    /// Whether the invariant holds.
    fn is_sound(&self) -> bool {
        let first = self.shape.terms.base().index + 1;
        let is_command = |index| matches!(self.shape.log.get(index), Some(Entry::Command(())));
        let commands = (first..=self.shape.log.last()).filter(|&index| is_command(index));
        let mut with_bytes =
            (first..=self.shape.log.last()).filter(|&index| self.bodies.get(index).is_some());
        commands.eq(self.places.each().map(|(index, _)| index)) && with_bytes.all(is_command)
    }
}

/// Why a write can't follow; none if it can. A write that is let through breaks no claim of
/// [`Durable::apply`], so bytes from a disk can't stop the process.
pub fn objection<C: Clone>(durable: &Durable<C>, write: &Write) -> Option<&'static str> {
    let (base, last) = (durable.terms.base(), durable.terms.last());
    match *write {
        Write::HardState(hard) if hard.term < durable.hard.term => Some("the term falls"),
        Write::HardState(_) => None,
        Write::Append { first, .. } if first <= base.index => {
            Some("an append begins in front of the log")
        }
        Write::Append { first, .. } if first > last.index + 1 => Some("an append leaves a gap"),
        Write::Append { first, count, .. } if first.checked_add(count.into()).is_none() => {
            Some("an index overflows")
        }
        Write::Append { first, term, count } => {
            let falls = durable.terms.term_at(first - 1).is_none_or(|before| term < before);
            (falls && count > 0).then_some("an entry's term is below the one in front of it")
        }
        Write::Snapshot { id, .. } if id.last.index < base.index => Some("a snapshot goes back"),
        Write::Snapshot { id, .. } if id.last.index == Index::MAX => Some("an index overflows"),
        Write::Snapshot { id, keep: true } if id.last.index > last.index => {
            Some("entries stay behind one that the log does not have")
        }
        Write::Snapshot { id, keep: true } => {
            let next = durable.terms.term_at(id.last.index + 1);
            let falls = next.is_some_and(|next| next < id.last.term);
            falls.then_some("an entry's term is below the snapshot's in front of it")
        }
        Write::Snapshot { .. } => None,
    }
}

/// Replays a record of a segment of `generation`.
pub fn follow(group: &mut Group, record: Record, generation: u64) -> Result<(), &'static str> {
    if let Some(why) = objection(group.shape(), &record.write) {
        return Err(why);
    }
    let entries = record.entries.into_iter().map(|entry| match entry {
        Entry::NoOp => Entry::NoOp,
        Entry::Command(bytes) => {
            let generation = if bytes.is_some() { generation } else { 0 };
            Entry::Command(Placed { bytes, generation })
        }
    });
    group.apply(&record.write, entries);
    Ok(())
}

/// The writes that build a state from nothing, one append for each run of a term.
fn image<C: Clone>(durable: &Durable<C>) -> impl Iterator<Item = Write> {
    let terms = &durable.terms;
    let mut next = terms.base().index + 1;
    let runs = std::iter::from_fn(move || {
        let (first, end) = (next, terms.run_end(next)?);
        // A write's count has 32 bits.
        let count = u32::try_from(end + 1 - first).unwrap_or(u32::MAX);
        next = first + Index::from(count);
        Some(Write::Append { first, term: terms.term_at(first)?, count })
    });
    let start =
        [Write::Snapshot { id: durable.snapshot(), keep: false }, Write::HardState(durable.hard)];
    start.into_iter().chain(runs)
}

/// The entries that a write of an image carries, with their indices.
fn shapes_of<'a>(
    shape: &'a Durable<()>,
    write: &Write,
) -> impl Iterator<Item = (Index, &'a Entry<()>)> {
    let (first, count) = match *write {
        Write::Append { first, count, .. } => (first, count),
        _ => (shape.log.last() + 1, 0),
    };
    (first..).zip(shape.log.range(first, count))
}

/// Puts a group's state into the opening of the segment `generation`: all of it but the commands, and of these the ones
/// that lie there.
pub fn open(encoder: &mut Encoder, id: GroupId, group: &Group, generation: u64) {
    debug_assert!(group.is_sound(), "{group:?}");
    for write in image(&group.shape) {
        let Write::Append { first, term, count } = write else {
            encoder.push(id, &write, std::iter::empty());
            continue;
        };
        for (piece, elsewhere) in group.places.pieces(first..first + Index::from(count), generation)
        {
            let (first, count) = (piece.start, (piece.end - piece.start) as u32);
            if elsewhere {
                encoder.push_elsewhere(id, first, term, count);
                continue;
            }
            let write = Write::Append { first, term, count };
            let entries: Vec<Entry<Bytes>> = group.entries_of(&write).collect();
            encoder.push(id, &write, entries.iter());
        }
    }
}

/// What an opening says of a group, held against what the segments in front of it have left. The
/// commands come from either; an opening's own copy is the one that stays.
pub fn reconcile(found: Group, said: &Group) -> Result<Group, &'static str> {
    if (found.shape.hard, &found.shape.terms) != (said.shape.hard, &said.shape.terms) {
        return Err("the opening does not continue the segment before it");
    }
    let same = |index| match (found.bodies.get(index), said.bodies.get(index)) {
        (Some(old), Some(new)) => old == new,
        _ => true,
    };
    if found.shape.log != said.shape.log || !said.places.each().all(|(index, _)| same(index)) {
        return Err("the opening's commands are not those before it");
    }
    if said.bodies.are_empty() {
        return Ok(found);
    }
    let mut merged = Group::default();
    let mut both = found.commands().zip(said.commands());
    for write in image(&said.shape) {
        let entries = shapes_of(&said.shape, &write).map(|(_, entry)| match entry {
            Entry::NoOp => Entry::NoOp,
            Entry::Command(()) => {
                let ((_, old), (_, new)) = both.next().expect("both have as many");
                Entry::Command(if new.bytes.is_some() { new } else { old })
            }
        });
        merged.apply(&write, entries);
    }
    Ok(merged)
}
