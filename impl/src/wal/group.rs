//! What the log knows of one group: its durable state, and in which segment each command lies.
//!
//! Where commands lie is a list of stretches ([`Places`]), changed with the state and nowhere else
//! ([`Group::apply`]). It has as many as there are segments and no-ops among them, not as many as there are
//! commands: a segment is begun while all writes wait. A no-op is nothing but its term, so every opening
//! repeats it and it lies nowhere.

mod places;

use super::Bytes;
use super::format::{Encoder, Record};
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

/// A group's state on the disk. Invariant: the stretches of its places cover its commands and nothing else.
#[derive(Clone, Debug, Default)]
pub struct Group {
    durable: Durable<Option<Bytes>>,
    places: Places,
}

impl Group {
    /// The state. A command is missing while replay has not met it.
    pub const fn durable(&self) -> &Durable<Option<Bytes>> {
        &self.durable
    }

    /// Carries out one write, whole.
    pub fn apply(&mut self, write: &Write, entries: impl Iterator<Item = Entry<Placed>>) {
        self.places.follow(write);
        let first = if let Write::Append { first, .. } = *write { first } else { 0 };
        let places = &mut self.places;
        let entries = entries.zip(first..).map(|(entry, index)| match entry {
            Entry::NoOp => Entry::NoOp,
            Entry::Command(Placed { bytes, generation }) => {
                places.push(index, generation);
                Entry::Command(bytes)
            }
        });
        self.durable.apply(write, entries);
    }

    /// The generation of the oldest segment in which a live command lies.
    pub fn oldest(&self) -> Option<u64> {
        self.places.oldest()
    }

    /// Has the commands that lie in the segment `from` lie in `to`, one by one while there are bytes `left` for them.
    pub fn copy(&mut self, from: u64, to: u64, left: &mut u64) {
        let log = &self.durable.log;
        self.places.copy(from, to, left, |index| match log.get(index) {
            Some(Entry::Command(Some(bytes))) => bytes.len() as u64 + 4,
            _ => 0,
        });
    }

    /// The commands behind the snapshot, with their indices.
    pub fn commands(&self) -> impl Iterator<Item = (Index, Placed)> {
        let log = &self.durable.log;
        self.places.each().filter_map(|(index, generation)| match log.get(index)? {
            Entry::NoOp => None,
            Entry::Command(bytes) => Some((index, Placed { bytes: bytes.clone(), generation })),
        })
    }

    /// The first command that replay has not met.
    pub fn missing(&self) -> Option<Index> {
        self.commands().find(|(_, placed)| placed.bytes.is_none()).map(|(index, _)| index)
    }

    /// The state as a server boots from it, when no command is missing.
    pub fn whole(&self) -> Durable<Bytes> {
        let mut whole = Durable::default();
        for write in image(&self.durable) {
            let entries = entries_of(&self.durable, &write).map(|entry| match entry {
                Entry::NoOp => Entry::NoOp,
                Entry::Command(bytes) => Entry::Command(bytes.clone().expect("recovery saw it")),
            });
            whole.apply(&write, entries);
        }
        whole
    }

    /// Whether the invariant holds.
    fn is_sound(&self) -> bool {
        let first = self.durable.terms.base().index + 1;
        let commands = (first..=self.durable.log.last())
            .filter(|&index| matches!(self.durable.log.get(index), Some(Entry::Command(_))));
        commands.eq(self.places.each().map(|(index, _)| index))
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
    if let Some(why) = objection(group.durable(), &record.write) {
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

/// The entries that a write of an image carries.
fn entries_of<'a, C: Clone>(
    durable: &'a Durable<C>,
    write: &Write,
) -> impl Iterator<Item = &'a Entry<C>> {
    let (first, count) = match *write {
        Write::Append { first, count, .. } => (first, count),
        _ => (durable.log.last() + 1, 0),
    };
    durable.log.range(first, count)
}

/// Puts a group's state into the opening of the segment `generation`: all of it but the commands, and of these the ones
/// that lie there.
pub fn open(encoder: &mut Encoder, id: GroupId, group: &Group, generation: u64) {
    debug_assert!(group.is_sound(), "{group:?}");
    let log = &group.durable.log;
    for write in image(&group.durable) {
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
            let entries = log.range(first, count).map(|entry| match entry {
                Entry::NoOp => Entry::NoOp,
                Entry::Command(bytes) => {
                    Entry::Command(bytes.clone().expect("it was met where it lies"))
                }
            });
            let entries: Vec<Entry<Bytes>> = entries.collect();
            encoder.push(id, &Write::Append { first, term, count }, entries.iter());
        }
    }
}

/// What an opening says of a group, held against what the segments in front of it have left. The
/// commands come from either; an opening's own copy is the one that stays.
pub fn reconcile(found: &Group, said: &Group) -> Result<Group, &'static str> {
    if (found.durable.hard, &found.durable.terms) != (said.durable.hard, &said.durable.terms) {
        return Err("the opening does not continue the segment before it");
    }
    let same = |((at, old), (index, new)): ((Index, Placed), (Index, Placed))| match (
        old.bytes, new.bytes,
    ) {
        (Some(old), Some(new)) => at == index && old == new,
        _ => at == index,
    };
    let counts = (found.commands().count(), said.commands().count());
    if counts.0 != counts.1 || !found.commands().zip(said.commands()).all(same) {
        return Err("the opening's commands are not those before it");
    }
    let mut merged = Group::default();
    let mut both = found.commands().zip(said.commands());
    for write in image(&said.durable) {
        let entries = entries_of(&said.durable, &write).map(|entry| match entry {
            Entry::NoOp => Entry::NoOp,
            Entry::Command(_) => {
                let ((_, old), (_, new)) = both.next().expect("both have as many");
                Entry::Command(if new.bytes.is_some() { new } else { old })
            }
        });
        merged.apply(&write, entries);
    }
    Ok(merged)
}
