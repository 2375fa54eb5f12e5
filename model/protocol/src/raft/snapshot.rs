//! What is forgotten: log compaction and InstallSnapshot, §7 of the paper.
//!
//! Snapshot bytes never come here. A snapshot's file, own or received in chunks, is complete and durable
//! before the machine hears of it; the small [`Write::Snapshot`] record is the crash-atomic switch from
//! the old snapshot and log to the new ones.

use super::message::{Body, Effect, Refusal};
use super::{Raft, Rules, Turn};
use crate::types::{Index, NodeId, SnapshotId, Write};

impl<R: Rules> Raft<R> {
    /// The service's own snapshot replaces the entries it covers.
    pub(super) fn on_compact(&mut self, through: Index, turn: &mut Turn<'_>) {
        let id = self.terms.snapshot_at(through);
        match id {
            Some(id) if self.rules.may_compact(through, self.terms.base().index, self.commit) => {
                self.write(Write::Snapshot { id, keep: true }, turn);
            }
            _ => turn.emit(Effect::Refused(Refusal::Snapshot { through })),
        }
    }

    /// A leader's snapshot has arrived whole. Everything it covers is committed.
    pub(super) fn on_install(&mut self, from: NodeId, id: SnapshotId, turn: &mut Turn<'_>) {
        if self.rules.is_stale_snapshot(id, self.commit) {
            self.say(from, Body::Accepted { matched: self.commit }, turn);
            return;
        }
        let keep = self.rules.keeps_tail(&self.terms, id);
        self.write(Write::Snapshot { id, keep }, turn);
        self.hard.term = self.rules.term_after_install(self.hard.term, id.last.term);
        self.commit = id.last.index;
        turn.emit(Effect::Restore { id });
        self.say(from, Body::Accepted { matched: id.last.index }, turn);
    }
}
