//! The bytes of a segment. `WAL.md` beside this crate draws them as tables; numbers are little-endian.
//!
//! A segment is a header of one sector and then batches, each of whole sectors: no sector that was
//! durable is ever part of a later write, so a write that fails or tears can spoil only itself. Decoding
//! says in words what it does not like. It believes no length that the bytes do not bear out, but for the
//! count of an `elsewhere`, behind which there are none: a right checksum has to do.

use super::group::GroupId;
use super::rules::Rules;
use super::{Bytes, Identity};
use protocol::log::Entry;
use protocol::{HardState, LogId, NodeId, SnapshotId, Write};

/// What a disk writes whole or not at all, in bytes.
pub const SECTOR: usize = 512;

/// The version of the format that this program reads and writes.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"quor-wal";
const BATCH_MAGIC: [u8; 4] = *b"qbat";
const OPENING_MAGIC: [u8; 4] = *b"qopn";

/// Bytes of a batch in front of its records.
const BATCH_HEADER: usize = 40;

/// The first sector of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Whose segment it is.
    pub identity: Identity,
    /// Its number.
    pub generation: u64,
    /// How the generation before it ended, which was finished then; zeros if there was none.
    pub previous: End,
}

/// How a segment ends, so that the next one can say which it follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct End {
    /// Its length in bytes.
    pub length: u64,
    /// A checksum of the checksums in it, in order: its header's and its batches'.
    pub sum: u32,
}

impl End {
    /// Behind bytes that begin with a header's sector or a batch.
    fn add(&mut self, sum: u32, length: u64) {
        self.sum = crc32c::crc32c_append(self.sum, &sum.to_le_bytes());
        self.length += length;
    }

    /// Behind one more batch that was sealed for this place.
    pub fn add_sealed(&mut self, batch: &[u8]) {
        let sum = batch.get(4..8).and_then(|sum| sum.first_chunk()).copied();
        self.add(u32::from_le_bytes(sum.expect("it has a header")), batch.len() as u64);
    }

    /// Behind one more batch that was read there.
    pub fn add_read(&mut self, batch: &Sealed<'_>) {
        self.add(batch.sum, batch.end - self.length);
    }
}

/// Why a header can't be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderFault {
    /// The bytes are not what was written.
    Bad(&'static str),
    /// Another version wrote it.
    Version(u32),
}

impl Header {
    /// The header's sector.
    pub fn encode(&self) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        sector[0..8].copy_from_slice(&MAGIC);
        sector[8..12].copy_from_slice(&VERSION.to_le_bytes());
        sector[16..32].copy_from_slice(&self.identity.cluster.to_le_bytes());
        sector[32..40].copy_from_slice(&self.identity.node.to_le_bytes());
        sector[40..48].copy_from_slice(&self.generation.to_le_bytes());
        sector[48..56].copy_from_slice(&self.previous.length.to_le_bytes());
        sector[56..60].copy_from_slice(&self.previous.sum.to_le_bytes());
        let sum = header_sum(&sector);
        sector[12..16].copy_from_slice(&sum.to_le_bytes());
        sector
    }

    /// Reads the header of a file. Magic, version and checksum keep their places in every version, so
    /// that a version can be told from damage.
    pub fn decode(file: &[u8]) -> Result<Self, HeaderFault> {
        let sector: &[u8; SECTOR] =
            file.first_chunk().ok_or(HeaderFault::Bad("the header is cut off"))?;
        if sector[0..8] != MAGIC {
            return Err(HeaderFault::Bad("this is not a segment of a write-ahead log"));
        }
        let mut rest = Cursor(&sector[8..]);
        let cut_off = HeaderFault::Bad("the header is cut off");
        let version = u32::from_le_bytes(rest.array().map_err(|_| cut_off)?);
        let sum = u32::from_le_bytes(rest.array().map_err(|_| cut_off)?);
        if sum != header_sum(sector) {
            return Err(HeaderFault::Bad("the header's checksum is wrong"));
        }
        if version != VERSION {
            return Err(HeaderFault::Version(version));
        }
        let cluster = u128::from_le_bytes(rest.array().map_err(|_| cut_off)?);
        let mut number = || rest.u64().map_err(|_| cut_off);
        let (node, generation, length) = (number()?, number()?, number()?);
        let sum = u32::from_le_bytes(rest.array().map_err(|_| cut_off)?);
        let identity = Identity { cluster, node };
        Ok(Self { identity, generation, previous: End { length, sum } })
    }

    /// The end of a segment that is nothing but this header.
    pub fn end(&self) -> End {
        let mut end = End::default();
        end.add(header_sum(&self.encode()), SECTOR as u64);
        end
    }
}

/// The checksum of a header: of everything in its sector but itself.
fn header_sum(sector: &[u8; SECTOR]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&sector[..12]), &sector[16..])
}

/// The name of the segment of a generation.
pub fn segment_name(generation: u64) -> String {
    format!("{generation:020}.wal")
}

/// The generation of which a file name is the segment's.
pub fn generation_of(name: &str) -> Option<u64> {
    let generation = name.strip_suffix(".wal")?.parse().ok()?;
    (segment_name(generation) == name).then_some(generation)
}

/// A change of one group as the disk has it. A command that is `None` is in an earlier segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Whose.
    pub group: GroupId,
    /// What.
    pub write: Write,
    /// The entries of an append, as many as it says.
    pub entries: Vec<Entry<Option<Bytes>>>,
}

const HARD_STATE: u8 = 1;
const APPEND: u8 = 2;
const SNAPSHOT: u8 = 3;
const ELSEWHERE: u8 = 4;

/// Set in a hard state that has a vote, and in a snapshot behind which entries stay.
const FLAG: u8 = 1;

/// Encodes records behind room for a batch's header.
#[derive(Clone, Debug)]
pub struct Encoder {
    bytes: Vec<u8>,
    records: u32,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { bytes: vec![0; BATCH_HEADER], records: 0 }
    }
}

impl Encoder {
    /// How many bytes it holds, the header's included.
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the records.
    pub fn clear(&mut self) {
        self.bytes.truncate(BATCH_HEADER);
        self.records = 0;
    }

    /// Adds a write. The entries of an append must be as many as it says.
    pub fn push<'a>(
        &mut self,
        group: GroupId,
        write: &Write,
        entries: impl Iterator<Item = &'a Entry<Bytes>>,
    ) {
        match *write {
            Write::HardState(HardState { term, vote }) => {
                self.start(group, HARD_STATE, vote.is_some());
                self.number(term);
                self.bytes.push(vote.map_or(0, |node| node.0));
            }
            Write::Append { first, term, count } => {
                self.start(group, APPEND, false);
                self.stretch(first, term, count);
                entries.for_each(|entry| self.entry(entry));
            }
            Write::Snapshot { id, keep } => {
                self.start(group, SNAPSHOT, keep);
                self.number(id.last.index);
                self.number(id.last.term);
                self.number(id.runs);
            }
        }
    }

    /// Adds that `count` commands of `term` from `first` on are in earlier segments.
    pub fn push_elsewhere(&mut self, group: GroupId, first: u64, term: u64, count: u32) {
        self.start(group, ELSEWHERE, false);
        self.stretch(first, term, count);
    }

    fn start(&mut self, group: GroupId, kind: u8, flag: bool) {
        self.bytes.extend(group.0.to_le_bytes());
        self.bytes.extend([kind, if flag { FLAG } else { 0 }]);
        self.records += 1;
    }

    fn number(&mut self, number: u64) {
        self.bytes.extend(number.to_le_bytes());
    }

    fn stretch(&mut self, first: u64, term: u64, count: u32) {
        self.number(first);
        self.number(term);
        self.bytes.extend(count.to_le_bytes());
    }

    /// A length one above the command's, so that 0 is a no-op, and the command.
    fn entry(&mut self, entry: &Entry<Bytes>) {
        match entry {
            Entry::NoOp => self.bytes.extend(0u32.to_le_bytes()),
            Entry::Command(command) => {
                let length = u32::try_from(command.len() + 1).expect("batches are far below 2^32");
                self.bytes.extend(length.to_le_bytes());
                self.bytes.extend(&command[..]);
            }
        }
    }

    /// Fills the header and pads to whole sectors. The batch begins at `position`; what is in front of
    /// `durable` has been synced.
    pub fn seal(&mut self, rules: impl Rules, at: Place, durable: u64) -> &[u8] {
        let records = self.bytes.len() - BATCH_HEADER;
        let records = u32::try_from(records).expect("batches are far below 2^32 bytes");
        self.bytes.resize(self.bytes.len().next_multiple_of(SECTOR), 0);
        let magic = if at.opening { OPENING_MAGIC } else { BATCH_MAGIC };
        self.bytes[0..4].copy_from_slice(&magic);
        self.bytes[8..12].copy_from_slice(&records.to_le_bytes());
        self.bytes[12..16].copy_from_slice(&self.records.to_le_bytes());
        self.bytes[16..24].copy_from_slice(&at.generation.to_le_bytes());
        self.bytes[24..32].copy_from_slice(&at.position.to_le_bytes());
        self.bytes[32..40].copy_from_slice(&durable.to_le_bytes());
        let sum = batch_sum(rules.seed(at.generation), &self.bytes);
        self.bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        &self.bytes
    }
}

/// The checksum of a batch: of everything in it but itself, its padding included.
fn batch_sum(seed: u32, batch: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, &batch[..4]), &batch[8..])
}

/// Where a batch belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Of which generation its segment is.
    pub generation: u64,
    /// At which byte of the segment it begins.
    pub position: u64,
    /// Whether it opens the segment.
    pub opening: bool,
}

/// A batch whose bytes are good.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    /// Where the next batch begins, in bytes.
    pub end: u64,
    /// Everything in front of this offset was durable when the batch was written.
    pub durable: u64,
    sum: u32,
    records: u32,
    body: &'a [u8],
}

impl<'a> Sealed<'a> {
    /// The batch that belongs to a place in a file, if it is there.
    pub fn read(rules: impl Rules, file: &'a [u8], at: Place) -> Result<Self, &'static str> {
        let rest = usize::try_from(at.position).ok().and_then(|position| file.get(position..));
        let rest = rest.ok_or("the batch's header is cut off")?;
        let mut header = Cursor(rest);
        let magic: [u8; 4] = header.array()?;
        let sum = u32::from_le_bytes(header.array()?);
        let length = u32::from_le_bytes(header.array()?) as usize;
        let records = u32::from_le_bytes(header.array()?);
        let (generation, position, durable) = (header.u64()?, header.u64()?, header.u64()?);
        if magic != (if at.opening { OPENING_MAGIC } else { BATCH_MAGIC }) {
            return Err("no batch begins here");
        }
        let whole = (BATCH_HEADER + length).next_multiple_of(SECTOR);
        let batch = rest.get(..whole).ok_or("the batch is cut off")?;
        if sum != batch_sum(rules.seed(at.generation), batch) {
            return Err("the batch's checksum is wrong");
        }
        if !rules.is_of(at.generation, generation) || position != at.position || durable > position
        {
            return Err("the batch belongs elsewhere");
        }
        let end = at.position + whole as u64;
        Ok(Self { end, durable, sum, records, body: &batch[BATCH_HEADER..BATCH_HEADER + length] })
    }

    /// The batch's records. The checksum was right, so one that can't be read was written by a bug or
    /// by somebody who knows checksums.
    pub fn records(&self) -> Result<Vec<Record>, &'static str> {
        let mut cursor = Cursor(self.body);
        let mut records = Vec::new();
        for _ in 0..self.records {
            records.push(cursor.record()?);
        }
        if cursor.0.is_empty() { Ok(records) } else { Err("bytes are left behind the records") }
    }
}

/// What is still to be read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("a record is cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (taken, rest) = self.0.split_first_chunk().ok_or("a record is cut off")?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u64(&mut self) -> Result<u64, &'static str> {
        self.array().map(u64::from_le_bytes)
    }

    fn record(&mut self) -> Result<Record, &'static str> {
        let group = GroupId(u16::from_le_bytes(self.array()?));
        let [kind, flags] = self.array()?;
        if flags & !FLAG != 0 {
            return Err("a record has unknown flags");
        }
        let flag = flags == FLAG;
        let mut entries = Vec::new();
        let write = match kind {
            HARD_STATE => {
                let (term, [vote]) = (self.u64()?, self.array()?);
                Write::HardState(HardState { term, vote: flag.then_some(NodeId(vote)) })
            }
            APPEND | ELSEWHERE => {
                let (first, term) = (self.u64()?, self.u64()?);
                let count = u32::from_le_bytes(self.array()?);
                for _ in 0..count {
                    entries.push(match kind {
                        APPEND => self.entry()?,
                        _ => Entry::Command(None),
                    });
                }
                Write::Append { first, term, count }
            }
            SNAPSHOT => {
                let last = LogId { index: self.u64()?, term: self.u64()? };
                Write::Snapshot { id: SnapshotId { last, runs: self.u64()? }, keep: flag }
            }
            _ => return Err("a record is of an unknown kind"),
        };
        Ok(Record { group, write, entries })
    }

    fn entry(&mut self) -> Result<Entry<Option<Bytes>>, &'static str> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        let Some(length) = length.checked_sub(1) else { return Ok(Entry::NoOp) };
        Ok(Entry::Command(Some(Bytes::from(self.take(length)?))))
    }
}
