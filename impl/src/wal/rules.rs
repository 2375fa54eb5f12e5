//! The decisions on which the log's safety hangs, each with a name and an id.
//!
//! The default methods are right, and [`Sound`] takes them all; the product is `Wal<_, Sound>`. A mutant
//! is another implementation that gets one of them wrong. Mutants live in the tests, which show that they
//! would notice. SPEC.md says what each id promises, `WAL.md` beside this crate where it matters.

use std::fmt::Debug;
use std::io;

/// The log's rules: small predicates and choices. Positions and marks are byte offsets in a segment.
pub trait Rules: Copy + Debug + Send + 'static {
    /// WAL-SEED. What the checksums of a generation's batches begin with.
    fn seed(&self, generation: u64) -> u32 {
        crc32c::crc32c(&generation.to_le_bytes())
    }

    /// WAL-SEED. Whether a batch that says it is of generation `found` belongs into a segment of
    /// `generation`.
    fn is_of(&self, generation: u64, found: u64) -> bool {
        generation == found
    }

    /// WAL-MARK-1. What a batch says to be durable, when a sync has covered `synced` and `written` is
    /// in the file.
    fn durable_mark(&self, synced: u64, _written: u64) -> u64 {
        synced
    }

    /// WAL-MARK-2. Whether bad bytes at `bad` are damage when a later batch says that everything in
    /// front of `mark` was durable.
    fn is_damage(&self, bad: u64, mark: u64) -> bool {
        mark > bad
    }

    /// WAL-TAIL-1. Whether recovery writes anew what it found behind the last mark: a process that was
    /// killed after a failed sync leaves pages that look clean and are on no disk.
    fn rewrites_tail(&self) -> bool {
        true
    }

    /// WAL-TAIL-2. Whether recovery syncs the tail before it counts it.
    fn syncs_tail(&self) -> bool {
        true
    }

    /// WAL-ROLL-1. Whether a segment is durable before it gets its name.
    fn syncs_before_name(&self) -> bool {
        true
    }

    /// WAL-ROLL-2. Whether the folder is synced before anything relies on a new name.
    fn syncs_folder(&self) -> bool {
        true
    }

    /// WAL-ROLL-3. Whether old segments go only when the new one is durable.
    fn removes_last(&self) -> bool {
        true
    }

    /// WAL-ROLL-4. Whether what was reserved behind a segment's end goes, durably, before the next one is begun: that
    /// one says where this one ends.
    fn cuts_reserve(&self) -> bool {
        true
    }

    /// WAL-PIN. Whether a segment of `generation` may go when the oldest live command is in `pinned`.
    fn may_remove(&self, generation: u64, pinned: u64) -> bool {
        generation < pinned
    }

    /// WAL-SYNC. What a sync is taken to have said: what it said.
    fn sync_result(&self, said: io::Result<()>) -> io::Result<()> {
        said
    }

    /// WAL-FATAL. Whether the log stops for good at the first error of the disk.
    fn stops_at_error(&self) -> bool {
        true
    }
}

/// The rules as they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sound;

impl Rules for Sound {}
