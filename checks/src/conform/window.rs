//! Reads, and what was committed before they came.

use super::Refusal;
use protocol::{Index, NodeId};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

/// A read that was answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// By which clock.
    pub clock: u128,
    /// It came behind this time, in microseconds.
    pub came_us: u64,
    /// How much was applied when it was answered.
    pub applied: Index,
    /// Whose it is, in words.
    pub server: Rc<str>,
    /// Where to find it: life, step.
    pub at: (u64, u64),
    /// The file and the batch's place there.
    pub place: (PathBuf, u64),
}

/// What is known of times, by clock.
#[derive(Debug, Default)]
pub struct Window {
    /// At this time some node had applied so much.
    commits: BTreeMap<u128, Vec<(u64, Index, NodeId)>>,
    reads: Vec<Answered>,
}

impl Window {
    /// A node had applied so much at the end of a batch.
    pub fn commit(&mut self, clock: u128, ended_us: u64, applied: Index, node: NodeId) {
        self.commits.entry(clock).or_default().push((ended_us, applied, node));
    }

    /// A read was answered.
    pub fn read(&mut self, read: Answered) {
        self.reads.push(read);
    }

    /// Each read was answered from a state no older than what any node had applied before it came. How many were looked
    /// at, and how many could not be.
    pub fn judge(mut self) -> Result<(u64, u64), Refusal> {
        for commits in self.commits.values_mut() {
            commits.sort_unstable();
            let mut most = (0, NodeId(0));
            for (_, applied, node) in commits {
                most = most.max((*applied, *node));
                (*applied, *node) = most;
            }
        }
        let (mut judged, mut without) = (0, 0);
        for read in self.reads {
            let Some(commits) = self.commits.get(&read.clock).filter(|_| read.clock != 0) else {
                without += 1;
                continue;
            };
            judged += 1;
            let before = commits.partition_point(|(ended_us, ..)| *ended_us < read.came_us);
            let Some((ended_us, applied, by)) = before.checked_sub(1).map(|at| commits[at]) else {
                continue;
            };
            if applied > read.applied {
                let (server, (life, step)) = (read.server, read.at);
                let (path, offset) = read.place;
                let what = format!(
                    "a read was answered outside its window: from a state that has applied {}, and {} µs before the \
                     read came node {} had applied {applied}",
                    read.applied,
                    read.came_us - ended_us,
                    by.0
                );
                return Err(Refusal::Step { server, life, step, path, offset, what });
            }
        }
        Ok((judged, without))
    }
}
