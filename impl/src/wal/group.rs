//! What the log knows of one group: its durable state, and in which segment each command lies.
//!
//! Where a command lies travels with it through the one rule by which durable state changes
//! ([`Durable::apply`]), so there is no second list to keep in step. A no-op is nothing but its term,
//! so every opening repeats it and it lies nowhere.

use super::Bytes;
use super::format::{Encoder, Record};
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

/// A group's state on the disk.
pub type Group = Durable<Placed>;

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
    if let Some(why) = objection(group, &record.write) {
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

/// The same state with other commands.
pub fn rebuilt<C: Clone, T: Clone>(
    durable: &Durable<C>,
    mut change: impl FnMut(Index, &C) -> T,
) -> Durable<T> {
    let mut result = Durable::default();
    for write in image(durable) {
        let (first, count) = match write {
            Write::Append { first, count, .. } => (first, count),
            _ => (durable.log.last() + 1, 0),
        };
        let entries = durable.log.range(first, count).zip(first..);
        let entries = entries.map(|(entry, index)| match entry {
            Entry::NoOp => Entry::NoOp,
            Entry::Command(command) => Entry::Command(change(index, command)),
        });
        result.apply(&write, entries);
    }
    result
}

/// The commands behind the snapshot, with their indices.
pub fn commands<C: Clone>(durable: &Durable<C>) -> impl Iterator<Item = (Index, &C)> {
    let first = durable.terms.base().index + 1;
    (first..=durable.log.last()).filter_map(|index| match durable.log.get(index)? {
        Entry::NoOp => None,
        Entry::Command(command) => Some((index, command)),
    })
}

/// Puts a group's state into a segment's opening: all of it but the commands, and of these what
/// `copies` says.
pub fn open(
    encoder: &mut Encoder,
    id: GroupId,
    group: &Group,
    mut copies: impl FnMut(&Placed) -> bool,
) {
    for write in image(group) {
        let Write::Append { first, term, count } = write else {
            encoder.push(id, &write, std::iter::empty());
            continue;
        };
        let end = first + Index::from(count);
        let mut inline: Vec<Entry<Bytes>> = Vec::new();
        let mut absent = 0;
        for index in first..=end {
            let entry = if index < end { group.log.get(index) } else { None };
            let here = match entry {
                Some(Entry::NoOp) => Some(Entry::NoOp),
                Some(Entry::Command(placed)) if copies(placed) => {
                    placed.bytes.clone().map(Entry::Command)
                }
                _ => None,
            };
            // A stretch ends where its kind does, and at the end of the run.
            if (here.is_none() || index == end) && !inline.is_empty() {
                let count = inline.len() as u32;
                let write = Write::Append { first: index - Index::from(count), term, count };
                encoder.push(id, &write, inline.iter());
                inline.clear();
            }
            if (here.is_some() || index == end) && absent > 0 {
                encoder.push_elsewhere(id, index - Index::from(absent), term, absent);
                absent = 0;
            }
            match here {
                Some(entry) => inline.push(entry),
                None => absent += 1,
            }
        }
    }
}

/// What an opening says of a group, held against what the segments in front of it have left. The
/// commands come from either; an opening's own copy is the one that stays.
pub fn reconcile(found: &Group, said: &Group) -> Result<Group, &'static str> {
    if (found.hard, &found.terms) != (said.hard, &said.terms) {
        return Err("the opening does not continue the segment before it");
    }
    let mut earlier = commands(found);
    let mut agree = true;
    let merged = rebuilt(said, |index, new| {
        let old = earlier.next().filter(|(at, _)| *at == index).map(|(_, old)| old);
        let same = match (old.map(|old| &old.bytes), &new.bytes) {
            (Some(Some(old)), Some(new)) => old == new,
            (Some(_), _) => true,
            (None, _) => false,
        };
        agree &= same;
        if new.bytes.is_some() { new } else { old.unwrap_or(new) }.clone()
    });
    agree &= earlier.next().is_none();
    if agree { Ok(merged) } else { Err("the opening's commands are not those before it") }
}
