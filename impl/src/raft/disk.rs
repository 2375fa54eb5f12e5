//! The threads that wait for the disk: one writes the log, one the snapshots.

use super::files::Files;
use super::host::{Room, Seat, Seats, part_of};
use super::{Error, Filled, Job, Mail};
use crate::disk::Disk;
use crate::finally::Finally;
use crate::gate::Gate;
use crate::mailbox::Mailbox;
use crate::rsm::StateMachine;
use crate::wal::{self, Batch, GroupId, SECTOR, Wal};
use protocol::raft::Body;
use protocol::{SnapshotId, Write};
use std::sync::Arc;

/// The work of the thread that writes and syncs what comes through the gate: all that has waited, with one sync.
#[must_use = "nothing is durable unless it runs"]
pub struct LogThread<D: Disk> {
    pub(super) wal: Wal<D>,
    pub(super) gate: Gate<Filled>,
    pub(super) seats: Arc<Seats>,
    pub(super) room: Arc<Room>,
}

/// What a write takes in a batch besides its entries, about, in bytes.
const WRITE: usize = 24;

/// Whose writes a sync makes durable, and which snapshots are recorded by them.
#[derive(Default)]
struct Shares(Vec<Share>);

struct Share {
    group: GroupId,
    writes: usize,
    /// How many bytes of the files they take.
    bytes: u64,
    /// How many bytes those of the batch have that is being added, about.
    length: u64,
    snapshot: Option<SnapshotId>,
}

impl Shares {
    /// A batch. It takes whole sectors, each group's writes their part of them.
    fn add(&mut self, batch: &Batch) {
        let mut all = 0;
        for (group, write, entries) in batch.writes() {
            let known = self.0.iter().position(|share| share.group == group);
            let at = known.unwrap_or_else(|| {
                self.0.push(Share { group, writes: 0, bytes: 0, length: 0, snapshot: None });
                self.0.len() - 1
            });
            let share = &mut self.0[at];
            share.writes += 1;
            let length = entries.iter().map(wal::size).sum::<usize>() + WRITE;
            share.length += length as u64;
            all += length as u64;
            if let Write::Snapshot { id, .. } = *write {
                share.snapshot = Some(id);
            }
        }
        let sectors = batch.bytes().next_multiple_of(SECTOR) as u64;
        for share in &mut self.0 {
            share.bytes += part_of(sectors, share.length, all);
            share.length = 0;
        }
    }
}

impl<D: Disk> LogThread<D> {
    /// Runs until the gate is closed. An error of the disk is the end of all servers: nobody knows what the disk has.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn run(mut self) -> Result<(), Error> {
        let (gate, seats) = (self.gate.clone(), Arc::clone(&self.seats));
        let _end = Finally(move || {
            gate.close();
            seats.all().iter().for_each(|seat| seat.broken());
        });
        self.work().inspect_err(|error| tracing::error!(%error, "the log can't go on"))?;
        Ok(self.wal.close()?)
    }

    fn work(&mut self) -> Result<(), Error> {
        let mut spare = Filled { apart: !D::SYNCS_TOGETHER, ..Filled::default() };
        let mut shares = Shares::default();
        while let Some(mut filled) = self.gate.take(std::mem::take(&mut spare)) {
            for batch in &mut filled.batches {
                shares.add(batch);
                self.wal.write(batch)?;
                self.room.set(self.wal.bytes_needed());
                if !D::SYNCS_TOGETHER {
                    self.make_durable(&mut shares)?;
                }
            }
            self.make_durable(&mut shares)?;
            filled.batches.truncate(1);
            spare = filled;
        }
        Ok(())
    }

    /// GATE-REPORT: all of it is on the disk, then it is reported, and nothing of it will be once more.
    fn make_durable(&mut self, shares: &mut Shares) -> Result<(), Error> {
        self.wal.sync()?;
        for Share { group, writes, bytes, snapshot, .. } in shares.0.drain(..) {
            // One that has left waits for nothing any more.
            let Some(seat) = self.seats.of(group) else { continue };
            seat.durable(writes, bytes);
            if let Some(id) = snapshot {
                seat.keep(id);
            }
        }
        Ok(())
    }
}

/// A server's seat: the mail of its core, and the jobs of its snapshot thread. One that is closed belongs to a thread
/// that has stopped, and nobody waits for what is not posted.
pub struct Posts<S: StateMachine, C> {
    pub mail: Mailbox<Mail<S, C>>,
    pub jobs: Mailbox<Job<S>>,
}

impl<S: StateMachine, C: Send + 'static> Seat for Posts<S, C> {
    fn durable(&self, writes: usize, bytes: u64) {
        let _ = self.mail.post_always(Mail::Durable { writes, bytes });
    }

    fn keep(&self, id: SnapshotId) {
        let _ = self.jobs.post_always(Job::Keep(id));
    }

    fn broken(&self) {
        let _ = self.mail.post_always(Mail::Broken);
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
        // A service of a program may panic: nothing would come of a job any more, and the core would wait for it.
        let _end = Finally(|| {
            self.jobs.close();
            let _ = self.mail.post_always(Mail::Broken);
        });
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
