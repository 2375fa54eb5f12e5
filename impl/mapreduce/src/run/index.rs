//! The index of an intermediate file, which stands at its end.

use crc32c::{crc32c, crc32c_append};

use super::{END, MAGIC, Origin, Run, TRAILER_BYTES, u32_at, u64_at};
use crate::error::Error;
use crate::task::Intermediate;

/// Reads bytes at a place of the file.
type Read<'a> = &'a mut dyn FnMut(&mut [u8], u64) -> Result<(), Error>;

/// Reads where the runs of each partition are in a file of so many bytes.
pub(crate) fn read(
    read: Read<'_>,
    length: u64,
    origin: &Origin,
    id: &Intermediate,
    reduces: u32,
) -> Result<Vec<Vec<Run>>, Error> {
    let damaged = |what: &str| origin.error(format!("it is damaged ({what})"));
    if length < MAGIC.len() as u64 + TRAILER_BYTES {
        return Err(damaged("too short"));
    }
    let (mut magic, mut trailer) = ([0; 8], [0; TRAILER_BYTES as usize]);
    read(&mut magic, 0)?;
    read(&mut trailer, length - TRAILER_BYTES)?;
    if magic != *MAGIC || trailer[16..] != *END {
        return Err(damaged("not a whole file of this version"));
    }
    let (offset, footer_bytes) = (u64_at(&trailer, 0), u32_at(&trailer, 8));
    let fits = offset
        .checked_add(u64::from(footer_bytes) + TRAILER_BYTES)
        .is_some_and(|end| end == length);
    if !fits {
        return Err(damaged("its trailer"));
    }
    let mut footer = vec![0; footer_bytes as usize];
    read(&mut footer, offset)?;
    if crc32c_append(crc32c(&footer), &trailer[..12]) != u32_at(&trailer, 12) {
        return Err(damaged("its index"));
    }
    parse(&footer, id, reduces, offset).map_err(|what| damaged(&what))
}

/// What the index says. Its checksum is right, so nonsense means that it is another task's or somebody's invention.
fn parse(
    footer: &[u8],
    id: &Intermediate,
    reduces: u32,
    end: u64,
) -> Result<Vec<Vec<Run>>, String> {
    let mut at = 0;
    let mut take = |bytes: usize| {
        let part = footer.get(at..at + bytes).ok_or("its index is cut off");
        at += bytes;
        part
    };
    let (map, attempt) = (u32_at(take(4)?, 0), u32_at(take(4)?, 0));
    if (map, attempt) != (id.map, id.attempt) {
        return Err(format!("it is map task {map}'s, attempt {attempt}"));
    }
    let count = u32_at(take(4)?, 0);
    if count != reduces {
        return Err(format!("it has {count} partitions, not {reduces}"));
    }
    let mut partitions = Vec::new();
    for _ in 0..count {
        let mut runs = Vec::new();
        for _ in 0..u32_at(take(4)?, 0) {
            let part = take(32)?;
            let [offset, bytes, records, largest] = [0, 8, 16, 24].map(|at| u64_at(part, at));
            if offset.checked_add(bytes).is_none_or(|run_end| run_end > end) {
                return Err("a run lies outside the file".to_owned());
            }
            if largest > bytes {
                return Err("a block is larger than its run".to_owned());
            }
            runs.push(Run { offset, bytes, records, largest });
        }
        partitions.push(runs);
    }
    if at == footer.len() { Ok(partitions) } else { Err("its index is too long".to_owned()) }
}
