//! Writes on their way to the disk. A core's thread encodes; the disk's thread only writes.

use super::format::{Encoder, Place};
use super::group::GroupId;
use super::rules::Rules;
use super::{Bytes, Error, MAX_BATCH_BYTES};
use protocol::Write;
use protocol::log::Entry;

/// Writes of any groups that reach the disk together: all of them or none.
///
/// Its buffers are kept when it is written, so a batch that is reused allocates nothing in steady state.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    encoder: Encoder,
    writes: Vec<(GroupId, Write)>,
    /// The entries of all the appends, in order.
    entries: Vec<Entry<Bytes>>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// How many writes are in it.
    pub const fn len(&self) -> usize {
        self.writes.len()
    }

    /// The encoded size in bytes, before it is padded.
    pub const fn bytes(&self) -> usize {
        self.encoder.len()
    }

    /// Adds a group's write and the entries that it carries: as many as an append says, none otherwise.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the batch would exceed [`MAX_BATCH_BYTES`], [`Error::Invalid`] if an append
    /// comes with too few entries. The batch is then as it was.
    pub fn push<'a>(
        &mut self,
        group: GroupId,
        write: &Write,
        entries: impl IntoIterator<Item = &'a Entry<Bytes>>,
    ) -> Result<(), Error> {
        let count = if let Write::Append { count, .. } = *write { count as usize } else { 0 };
        let before = self.entries.len();
        self.entries.extend(entries.into_iter().take(count).cloned());
        let entries = &self.entries[before..];
        let payload: usize = entries.iter().map(size).sum();
        let bytes = self.encoder.len().saturating_add(payload);
        let refused = if entries.len() != count {
            let why = "an append has fewer entries than it says";
            Error::Invalid { group, write: *write, why }
        } else if bytes > MAX_BATCH_BYTES {
            Error::TooLarge { bytes }
        } else {
            self.encoder.push(group, write, entries.iter());
            self.writes.push((group, *write));
            return Ok(());
        };
        self.entries.truncate(before);
        Err(refused)
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.encoder.clear();
        self.writes.clear();
        self.entries.clear();
    }

    /// Its bytes, for a place in a segment.
    pub(super) fn seal(&mut self, rules: impl Rules, at: Place, durable: u64) -> &[u8] {
        self.encoder.seal(rules, at, durable)
    }

    /// The writes, each with its entries.
    pub(crate) fn writes(&self) -> impl Iterator<Item = (GroupId, &Write, &[Entry<Bytes>])> {
        let mut rest = self.entries.as_slice();
        self.writes.iter().map(move |(group, write)| {
            let count = if let Write::Append { count, .. } = *write { count as usize } else { 0 };
            let (entries, behind) = rest.split_at(count);
            rest = behind;
            (*group, write, entries)
        })
    }
}

/// An upper bound of what an entry takes in a batch, in bytes: its length, itself.
pub fn size(entry: &Entry<Bytes>) -> usize {
    match entry {
        Entry::NoOp => 4,
        Entry::Command(command) => command.len().saturating_add(4),
    }
}
