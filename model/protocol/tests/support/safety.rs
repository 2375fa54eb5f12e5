//! Figure 3 of the paper, and what the disk and the reads promise, checked after every step.
//!
//! The canonical history is kept here, outside the servers, and every server is compared with it. Checked are
//! PROP-ELECTION-SAFETY, PROP-LOG-MATCHING, PROP-LEADER-COMPLETENESS, PROP-STATE-MACHINE-SAFETY,
//! PROP-DURABILITY (of an entry that is committed first, just then), PROP-READS (the index), and of
//! PROP-CLAIMS that commit index and durable term never fall, besides every assert in the machine.

use super::group::Event;
use super::server::{Outcome, Server};
use super::{Packet, Tag};
use protocol::log::{Entry, Log};
use protocol::quorum::majority;
use protocol::raft::{Body, Effect, RoleName, Rules, Timer};
use protocol::terms::Terms;
use protocol::{HardState, Index, LogId, NodeId, Term};
use std::collections::BTreeMap;

/// An entry that some server has committed, and the term in which the first one did.
#[derive(Clone, Debug)]
struct Committed {
    id: LogId,
    entry: Entry<Tag>,
    in_term: Term,
}

/// What has happened so far, as far as the properties speak of more than one moment.
#[derive(Clone, Default, Debug)]
pub struct Safety {
    history: Vec<Committed>,
    leaders: BTreeMap<Term, NodeId>,
    commits: BTreeMap<NodeId, Index>,
    hard_states: BTreeMap<NodeId, HardState>,
}

impl Safety {
    /// How much is committed in the whole group.
    pub const fn committed(&self) -> Index {
        self.history.len() as Index
    }

    /// How many terms have had a leader.
    pub fn terms_led(&self) -> usize {
        self.leaders.len()
    }

    /// Checks the step that `node` has just made, with `events` for its consequences.
    pub fn check<R: Rules>(&mut self, node: NodeId, servers: &[Server<R>], events: &[Event]) {
        let server = &servers[usize::from(node.0)];
        for event in events {
            match event {
                Event::Applied { entries, .. } => self.note_applied(node, servers, entries),
                Event::Sent { packet, .. } => check_promise(server, packet),
                Event::Other {
                    effect: Effect::Role { role: RoleName::Leader, term, .. }, ..
                } => {
                    self.note_leader(node, *term, server);
                }
                Event::Other { effect: Effect::Readable { id, index }, .. } => {
                    let asked_at = server.reads[id].asked_at;
                    assert!(*index >= asked_at, "{id:?} sees all that was committed before it");
                    assert_eq!(server.reads[id].outcome, Outcome::Readable(*index));
                }
                _ => {}
            }
        }
        self.check_committed(node, server);
        self.check_disk(node, server);
        check_timers(server);
        for other in servers {
            let (mine, theirs) = (server.replica.raft().terms(), other.replica.raft().terms());
            check_matching((mine, server.replica.log()), (theirs, other.replica.log()));
            check_matching(
                (mine, server.replica.log()),
                (&other.durable.terms, &other.durable.log),
            );
        }
    }

    /// State Machine Safety, and that what is committed first is durable on a majority just then.
    fn note_applied<R: Rules>(
        &mut self,
        node: NodeId,
        servers: &[Server<R>],
        entries: &[(Index, Entry<Tag>)],
    ) {
        let raft = servers[usize::from(node.0)].replica.raft();
        for (index, entry) in entries {
            let id = raft.terms().id_at(*index).expect("what is applied is in the log");
            if let Some(known) = self.history.get(*index as usize - 1) {
                assert_eq!((known.id, &known.entry), (id, entry), "State Machine Safety");
                continue;
            }
            assert_eq!(*index, self.committed() + 1, "entries are committed in order");
            let has = |server: &&Server<R>| {
                let terms = &server.durable.terms;
                terms.contains(id) || terms.base().index > id.index
            };
            let copies = servers.iter().filter(has).count();
            assert!(copies >= majority(servers.len()), "{id:?} is durable on {copies} disks only");
            self.history.push(Committed { id, entry: entry.clone(), in_term: raft.term() });
        }
    }

    /// Election Safety and Leader Completeness.
    fn note_leader<R: Rules>(&mut self, node: NodeId, term: Term, server: &Server<R>) {
        let first = *self.leaders.entry(term).or_insert(node);
        assert_eq!(first, node, "Election Safety: two leaders in term {term}");
        let terms = server.replica.raft().terms();
        for Committed { id, .. } in self.history.iter().filter(|entry| entry.in_term < term) {
            let has = terms.contains(*id) || terms.base().index > id.index;
            assert!(has, "Leader Completeness: the leader of term {term} lacks {id:?}");
        }
    }

    /// What a server has committed is the history's beginning, is applied, and only grows in its
    /// life.
    fn check_committed<R: Rules>(&mut self, node: NodeId, server: &Server<R>) {
        let (raft, log) = (server.replica.raft(), server.replica.log());
        let before = self.commits.insert(node, if server.down { 0 } else { raft.commit() });
        assert!(server.down || Some(raft.commit()) >= before, "a commit index never falls");
        assert_eq!(server.service.len() as Index, raft.commit(), "what is committed is applied");
        for (known, applied) in self.history.iter().zip(&server.service) {
            assert_eq!(&known.entry, applied, "State Machine Safety");
        }
        for index in raft.terms().base().index + 1..=raft.commit() {
            let known = &self.history[index as usize - 1];
            assert_eq!(raft.terms().id_at(index), Some(known.id), "a committed entry stays");
            assert_eq!(log.get(index), Some(&known.entry), "a committed entry stays");
        }
    }

    /// A disk's term never falls, and its vote never changes within a term (RAFT-VOTE-1, RAFT-TERM-4).
    fn check_disk<R>(&mut self, node: NodeId, server: &Server<R>) {
        let now = server.durable.hard;
        let before = self.hard_states.insert(node, now).unwrap_or(now);
        assert!(now.term >= before.term, "a disk's term never falls");
        let changed = before.vote.is_some() && before.vote != now.vote;
        assert!(now.term > before.term || !changed, "a disk's vote never changes within a term");
    }
}

/// RAFT-DISK-1. What leaves a server must survive its crash.
fn check_promise<R>(server: &Server<R>, packet: &Packet) {
    let (term, disk) = (packet.message.term, &server.durable);
    let (own, given) = (Some(packet.from), Some(packet.to));
    match packet.message.body {
        Body::VoteGranted => {
            let kept = disk.hard.term > term || disk.hard == HardState { term, vote: given };
            assert!(kept, "a vote leaves when the disk has it");
        }
        Body::RequestVote { .. } => {
            let kept = disk.hard.term > term || disk.hard == HardState { term, vote: own };
            assert!(kept, "a candidate asks when the disk has its own vote");
        }
        Body::Accepted { matched } => {
            let has = disk.hard.term == term && disk.terms.last().index >= matched;
            let kept = disk.hard.term > term || has;
            assert!(kept, "an acknowledgement leaves when the disk has the entries");
        }
        _ => {}
    }
}

/// Liveness hangs on these: whoever does not lead will ask, and whoever leads will be heard.
fn check_timers<R: Rules>(server: &Server<R>) {
    let (raft, armed) = (server.replica.raft(), &server.armed);
    if server.down {
        return;
    }
    let leads = raft.leads();
    assert_eq!(armed.contains(&Timer::Election), !leads, "a server that does not lead will ask");
    assert_eq!(armed.contains(&Timer::Heartbeat), leads, "a leader, and nobody else, sends");
    assert_eq!(armed.contains(&Timer::Quorum), leads, "a leader, and nobody else, counts");
    assert_eq!(armed.contains(&Timer::Contact), raft.heard(), "contact is forgotten in time");
}

/// Log Matching: if two logs have an entry of one index and term, they are equal up to there.
fn check_matching(mine: (&Terms, &Log<Tag>), theirs: (&Terms, &Log<Tag>)) {
    let first = mine.0.base().index.max(theirs.0.base().index) + 1;
    let last = mine.0.last().index.min(theirs.0.last().index);
    let same = |index: &Index| mine.0.term_at(*index) == theirs.0.term_at(*index);
    let joined = (first..=last).rev().find(same).unwrap_or(0);
    for index in first..=joined {
        assert!(same(&index), "Log Matching at {index}");
        assert_eq!(mine.1.get(index), theirs.1.get(index), "Log Matching at {index}");
    }
}
