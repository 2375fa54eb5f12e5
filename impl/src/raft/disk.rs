//! The threads that wait for the disk: one writes the log, one the snapshots.

use super::files::Files;
use super::{Error, Filled, Job, Mail};
use crate::disk::Disk;
use crate::gate::Gate;
use crate::mailbox::Mailbox;
use crate::rsm::StateMachine;
use crate::wal::Wal;
use protocol::raft::Body;

/// Writes and syncs what comes through the gate: all that has waited, with one sync.
pub struct DiskThread<S: StateMachine, C, D: Disk> {
    pub wal: Wal<D>,
    pub gate: Gate<Filled>,
    pub mail: Mailbox<Mail<S, C>>,
    pub jobs: Mailbox<Job<S>>,
}

impl<S: StateMachine, C, D: Disk> DiskThread<S, C, D> {
    /// Runs until the gate is closed. An error of the disk is the end of the server: nobody knows what the disk has.
    pub fn run(mut self) -> Result<(), Error> {
        let result = self.work();
        if let Err(error) = &result {
            tracing::error!(%error, "the log can't go on");
            self.gate.close();
            // The core may have stopped already.
            let _ = self.mail.post_always(Mail::Broken);
            return result;
        }
        Ok(self.wal.close()?)
    }

    fn work(&mut self) -> Result<(), Error> {
        let mut spare = Filled::default();
        while let Some(mut filled) = self.gate.take(std::mem::take(&mut spare)) {
            for batch in &mut filled.batches {
                self.wal.write(batch)?;
            }
            self.wal.sync()?;
            // GATE-REPORT: all of it is on the disk, then it is reported, and nothing of it will be once more.
            // A closed mailbox: the core has stopped, and nobody waits for this any more.
            let _ = self.mail.post_always(Mail::Durable { writes: filled.writes });
            if let Some(id) = filled.snapshot.take() {
                let _ = self.jobs.post_always(Job::Keep(id));
            }
            filled.writes = 0;
            filled.batches.truncate(1);
            spare = filled;
        }
        Ok(())
    }
}

/// Writes, reads and removes snapshot files.
pub struct SnapshotThread<S: StateMachine, C> {
    pub files: Files,
    pub jobs: Mailbox<Job<S>>,
    pub mail: Mailbox<Mail<S, C>>,
}

impl<S: StateMachine, C> SnapshotThread<S, C> {
    /// Runs until its mailbox is closed. A snapshot that can't be written is logged and tried again when the log has
    /// grown; the log's own errors are what stops a server.
    pub fn run(self) -> Result<(), Error> {
        let mut jobs = Vec::new();
        while self.jobs.take(&mut jobs) {
            for job in jobs.drain(..) {
                self.work(job);
            }
        }
        Ok(())
    }

    fn work(&self, job: Job<S>) {
        match job {
            Job::Take { id, state } => {
                let written = self.files.write(id, &state);
                match &written {
                    Ok((bytes, _)) => tracing::info!(?id, bytes, "snapshot taken"),
                    Err(error) => tracing::error!(%error, "no snapshot could be taken"),
                }
                let _ = self
                    .mail
                    .post_always(Mail::Snapshot { taken: written.ok().map(|(_, sum)| (id, sum)) });
            }
            Job::Adopt { from, message, path } => {
                let Body::InstallSnapshot { id } = message.body else { return };
                match self.files.adopt(&path, id) {
                    Ok((state, sum)) => {
                        tracing::info!(?id, ?from, "snapshot received");
                        let state = Box::new(state);
                        let mail = Mail::Install { from, message, state, sum };
                        let _ = self.mail.post_always(mail);
                    }
                    Err(error) => {
                        tracing::error!(%error, ?from, "a snapshot that can't be used");
                        // What can't be removed now goes at the next start.
                        let _ = std::fs::remove_file(&path);
                    }
                }
            }
            Job::Keep(id) => {
                if let Err(error) = self.files.keep_from(id) {
                    tracing::error!(%error, "old snapshots can't be removed");
                }
            }
        }
    }
}
