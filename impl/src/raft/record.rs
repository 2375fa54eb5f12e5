//! What the trace of a server begins with. See [`crate::trace`].

use crate::rsm::{Coded, StateMachine};
use crate::trace::{self, Boot, Error, Recorder, Whose, log_hash};
use crate::wal::Bytes;
use protocol::log::Durable;
use protocol::raft::Config;
use std::path::Path;

/// A server as it comes up.
pub struct Up<'a, S> {
    pub config: Config,
    pub first_read: u64,
    /// The checksum of its snapshot's file.
    pub sum: Option<u32>,
    pub durable: &'a Durable<Bytes>,
    pub service: &'a Coded<S>,
}

/// Begins the trace of this life. The first one of a server that has run before begins with all that the server has, so
/// that a replay can begin there; a later one with fingerprints, for the lives in front of it say what they must be.
pub fn begin<S: StateMachine>(
    folder: &Path,
    whose: Whose,
    up: &Up<'_, S>,
) -> Result<Recorder, Error> {
    let Up { config, first_read, sum, durable, service } = *up;
    let mut recorder = Recorder::begin(folder, whose)?;
    let ran = *durable != Durable::default();
    let whole = (recorder.life() == 1 && ran).then(|| trace::whole(durable, service));
    let boot = Boot {
        config,
        first_read,
        hard: durable.hard,
        terms: durable.terms.clone(),
        log: log_hash(&durable.log, durable.snapshot().last.index + 1),
        sum,
        print: service.service.print(),
        whole,
    };
    recorder.boot(&boot, durable, service)?;
    tracing::info!(folder = %folder.display(), life = recorder.life(), "recorded");
    Ok(recorder)
}
