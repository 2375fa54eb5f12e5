//! A whole group of replicas in one thread: messages pass through memory, disks finish at once.
//!
//! What it costs to commit an entry is a sum over all servers: the leader's step, its own disk's answer,
//! each follower's append, each acknowledgement. Measured one by one these hide what lies between them, so
//! this driver runs them all and lets the caller divide by the entries that *every* server knows to be
//! committed. It behaves as a real driver must, and reuses every buffer as a real one should:
//!
//! - a step's effects are carried out in order, and a message's entries are copied before the next step;
//! - a message is never delivered within the step that sent it, but in the next round of mail;
//! - the disk answers once for all the writes of a step;
//! - followers learn of a commit from the next message, as in real traffic, or from a heartbeat.
//!
//! Every few thousand entries all servers compact, so logs stay short and their buffers stop growing.

use protocol::Machine;
use protocol::log::{Durable, Entry};
use protocol::quorum::NodeSet;
use protocol::raft::{Config, Effect, Input as RaftInput, Message, Paper, Timer};
use protocol::replica::{Input, Replica};
use protocol::{Index, NodeId, ReadId};
use std::mem;

/// How many entries a log may hold before its server compacts it.
pub const COMPACT_EVERY: u64 = 4096;

/// How many batches are proposed between two heartbeats.
pub const HEARTBEAT_EVERY: u64 = 1024;

const LEADER: usize = 0;

/// A message on its way, with the place of its entries in [`Mail::entries`].
#[derive(Clone, Copy)]
struct Letter {
    from: NodeId,
    to: NodeId,
    message: Message,
    start: usize,
    end: usize,
}

/// One round of messages, and all their entries in one buffer.
#[derive(Default)]
struct Mail {
    letters: Vec<Letter>,
    entries: Vec<Entry<u64>>,
}

impl Mail {
    fn post<'a>(
        &mut self,
        from: NodeId,
        to: NodeId,
        message: Message,
        entries: impl Iterator<Item = &'a Entry<u64>>,
    ) {
        let start = self.entries.len();
        self.entries.extend(entries);
        self.letters.push(Letter { from, to, message, start, end: self.entries.len() });
    }

    fn clear(&mut self) {
        self.letters.clear();
        self.entries.clear();
    }
}

/// Servers `0..n`, of which 0 leads. Commands are numbers, counted up from 0.
pub struct Group {
    replicas: Vec<Replica<u64, Paper>>,
    effects: Vec<Effect>,
    leaving: Mail,
    arriving: Mail,
    commands: Vec<u64>,
    next_command: u64,
    batches: u64,
    next_read: u64,
    answered: u64,
}

impl Group {
    /// A group that has elected its leader and committed its no-op.
    pub fn new(servers: usize) -> Self {
        let voters = NodeSet::first(servers);
        let replica = |me| {
            let config = Config { me, voters, max_batch: 256, window: 4096 };
            Replica::new(Paper, config, Durable::default())
        };
        let mut group = Self {
            replicas: voters.iter().map(replica).collect(),
            effects: Vec::new(),
            leaving: Mail::default(),
            arriving: Mail::default(),
            commands: Vec::new(),
            next_command: 0,
            batches: 0,
            next_read: 0,
            answered: 0,
        };
        group.step(LEADER, Input::Raft(RaftInput::Campaign));
        group.settle();
        group.heartbeat();
        assert!(group.replicas[LEADER].raft().leads(), "a server that all can hear is elected");
        group
    }

    /// The servers, by number.
    pub fn replicas(&self) -> &[Replica<u64, Paper>] {
        &self.replicas
    }

    /// Commits at least `entries` entries in batches of `batch`, and returns how many became committed
    /// on *every* server.
    pub fn commit(&mut self, entries: u64, batch: usize) -> u64 {
        let before = self.committed_by_all();
        let wanted = before + entries;
        while self.replicas[LEADER].raft().commit() < wanted {
            self.propose(batch);
            self.batches += 1;
            if self.batches.is_multiple_of(HEARTBEAT_EVERY) {
                self.heartbeat();
            }
            self.compact_long_logs();
        }
        self.heartbeat();
        let after = self.committed_by_all();
        assert_eq!(
            after,
            self.replicas[LEADER].raft().last().index,
            "a quiet group has committed everything everywhere"
        );
        after - before
    }

    /// Answers one read by the leader and one by a follower. Returns how many reads were ever answered.
    pub fn read(&mut self) -> u64 {
        for server in [LEADER, LEADER + 1] {
            self.next_read += 1;
            self.step(server, Input::Raft(RaftInput::Read { id: ReadId(self.next_read) }));
            self.settle();
        }
        self.answered
    }

    fn committed_by_all(&self) -> Index {
        let commits = self.replicas.iter().map(|replica| replica.raft().commit());
        commits.min().expect("a group has servers")
    }

    fn propose(&mut self, batch: usize) {
        let mut commands = mem::take(&mut self.commands);
        commands.clear();
        commands.extend(self.next_command..self.next_command + batch as u64);
        self.next_command += batch as u64;
        self.step(LEADER, Input::Propose(&commands));
        self.commands = commands;
        self.settle();
    }

    fn heartbeat(&mut self) {
        self.step(LEADER, Input::Raft(RaftInput::Timer(Timer::Heartbeat)));
        self.settle();
    }

    fn compact_long_logs(&mut self) {
        for server in 0..self.replicas.len() {
            let raft = self.replicas[server].raft();
            let through = raft.commit();
            if through - raft.terms().base().index >= COMPACT_EVERY {
                self.step(server, Input::Raft(RaftInput::Compact { through }));
            }
        }
    }

    /// Delivers messages until none is on its way.
    fn settle(&mut self) {
        while !self.leaving.letters.is_empty() {
            let next = mem::take(&mut self.arriving);
            let mut arriving = mem::replace(&mut self.leaving, next);
            for &Letter { from, to, message, start, end } in &arriving.letters {
                let entries = &arriving.entries[start..end];
                self.step(usize::from(to.0), Input::Message { from, message, entries });
            }
            arriving.clear();
            self.arriving = arriving;
        }
    }

    /// Steps one server and carries out the effects, the disk's answers included.
    fn step(&mut self, server: usize, input: Input<'_, u64>) {
        self.replicas[server].step(input, &mut self.effects);
        let mut writes = self.carry_out(server);
        while writes > 0 {
            self.replicas[server].step(Input::Durable { writes }, &mut self.effects);
            writes = self.carry_out(server);
        }
    }

    /// Carries out the present list and returns how many writes the disk has now to finish.
    fn carry_out(&mut self, server: usize) -> usize {
        let replica = &self.replicas[server];
        let mut writes = 0;
        for effect in &self.effects {
            match *effect {
                Effect::Send { to, message } => {
                    let entries = replica.entries_of(&message);
                    self.leaving.post(replica.raft().me(), to, message, entries);
                }
                Effect::Write(_) => writes += 1,
                Effect::Readable { .. } => self.answered += 1,
                Effect::AfterDisk { .. } => unreachable!("a replica keeps this lane to itself"),
                Effect::Refused(refusal) => panic!("a healthy group refuses nothing: {refusal:?}"),
                Effect::Restore { id } => panic!("a follower fell behind a snapshot: {id:?}"),
                Effect::Commit { .. }
                | Effect::Proposed { .. }
                | Effect::Arm(_)
                | Effect::Disarm(_)
                | Effect::Role { .. } => {}
            }
        }
        self.effects.clear();
        writes
    }
}
