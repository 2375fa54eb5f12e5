//! Merging more runs than memory and descriptors allow at once: in several passes.

use std::path::Path;

use crate::bytes::Order;
use crate::error::Error;
use crate::groups::Pairs;
use crate::merge::{Gauge, Merge};
use crate::run::{Run, RunReader, RunWriter, Source, Step};
use crate::task::{Intermediate, Limits};

/// A run, and how to get at it.
pub(crate) struct Piece {
    pub file: At,
    pub run: Run,
}

/// Where a run lies.
pub(crate) enum At {
    /// In a file that is open anyway.
    Open(Source),
    /// In a map task's file, to be opened when it is read.
    Closed(Intermediate),
}

/// What a merge may use, and where it puts what it must.
pub(crate) struct Means<'a> {
    pub limits: Limits,
    pub block_bytes: usize,
    pub order: Order,
    /// Scratch files are named after this one.
    pub path: &'a Path,
}

impl Means<'_> {
    /// How many of the first pieces may be merged at once: two at least.
    fn batch(&self, pieces: &[Piece]) -> usize {
        let (mut bytes, mut files) = (0, 0);
        let fits = |piece: &&Piece| {
            bytes += piece.run.largest + 512;
            files += usize::from(matches!(piece.file, At::Closed(_)));
            bytes <= self.limits.memory_bytes as u64 && files <= self.limits.open_files
        };
        pieces.iter().take_while(fits).count().max(2).min(pieces.len())
    }

    /// Merges until few enough runs are left to be read at once. They keep their order. What was written on the way is
    /// added to `spilled`.
    pub fn shrink(
        &self,
        mut pieces: Vec<Piece>,
        gauge: &mut Gauge<'_>,
        spilled: &mut Spilled,
    ) -> Result<Vec<Piece>, Error> {
        while self.batch(&pieces) < pieces.len() {
            let mut writer = RunWriter::new(self.path, self.block_bytes)?;
            let mut runs = Vec::new();
            let mut rest = pieces;
            while !rest.is_empty() {
                let behind = rest.split_off(self.batch(&rest));
                writer.begin();
                gauge.total += rest.iter().map(|piece| piece.run.bytes).sum::<u64>();
                self.merge(rest, gauge, &mut writer)?;
                runs.extend(writer.end()?);
                rest = behind;
            }
            spilled.passes += 1;
            spilled.bytes += writer.bytes();
            let source = writer.into_scratch()?;
            let piece = |run| Piece { file: At::Open(source.clone()), run };
            pieces = runs.into_iter().map(piece).collect();
        }
        Ok(pieces)
    }

    /// Merges pieces into the writer's run.
    pub fn merge(
        &self,
        pieces: Vec<Piece>,
        gauge: &mut Gauge<'_>,
        writer: &mut RunWriter,
    ) -> Result<(), Error> {
        let mut merge = Merge::new(open(pieces)?, self.order, *gauge);
        while merge.advance() != Step::End {
            writer.put(merge.key(), merge.value())?;
        }
        gauge.done = merge.done();
        merge.failure().map_or(Ok(()), Err)
    }
}

/// What passes before the last one wrote.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spilled {
    pub passes: u64,
    pub bytes: u64,
}

/// Readers of all pieces.
pub(crate) fn open(pieces: Vec<Piece>) -> Result<Vec<RunReader>, Error> {
    let mut last: Option<(Intermediate, Source)> = None;
    let mut readers = Vec::with_capacity(pieces.len());
    for Piece { file, run } in pieces {
        let source = match file {
            At::Open(source) => source,
            At::Closed(id) => match &last {
                Some((open, source)) if *open == id => source.clone(),
                _ => {
                    let source = Source::reopen(&id)?;
                    last = Some((id, source.clone()));
                    source
                }
            },
        };
        readers.push(RunReader::new(source, run));
    }
    Ok(readers)
}
