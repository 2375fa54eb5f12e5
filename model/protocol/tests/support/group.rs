//! A group of servers, the messages between them, and no time but what the user makes pass.
//!
//! Everything that happens to a server goes through [`Group::feed`], which carries out the effects
//! as a driver must and checks the safety properties afterwards.

use super::safety::Safety;
use super::server::{Outcome, Read, Server};
use super::{Packet, Tag};
use protocol::log::{Durable, Entry};
use protocol::quorum::NodeSet;
use protocol::raft::{self, Body, Config, Effect, Message, Paper, Refusal, Rules, Timer};
use protocol::replica::Input;
use protocol::{Index, LogId, Machine, NodeId, ReadId, SnapshotId, Write};

/// What happens to a server, owned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Happening {
    Timer(Timer),
    Campaign,
    Compact(Index),
    Read(ReadId),
    Propose(Vec<Tag>),
    Arrival(Packet),
    Disk(usize),
    Crash,
    Start,
}

/// What happened, for whoever writes it down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    Input { node: NodeId, input: Happening },
    Finished { node: NodeId, writes: Vec<Write> },
    Sent { packet: Packet, lost: bool },
    Asked { node: NodeId, write: Write, entries: Vec<Entry<Tag>> },
    Took { node: NodeId, first: LogId, commands: Vec<Entry<Tag>> },
    Applied { node: NodeId, entries: Vec<(Index, Entry<Tag>)> },
    Restored { node: NodeId, id: SnapshotId },
    Other { node: NodeId, effect: Effect },
}

#[derive(Clone)]
pub struct Group<R = Paper> {
    rules: R,
    pub servers: Vec<Server<R>>,
    /// The messages on their way, in the order in which they were sent.
    pub network: Vec<Packet>,
    /// What happened since the user last took it.
    pub events: Vec<Event>,
    pub safety: Safety,
    last_read: u64,
}

impl<R: Rules> Group<R> {
    /// Starts `count` servers with empty disks.
    pub fn new(rules: R, count: usize, max_batch: u32, window: u32) -> Self {
        let voters = NodeSet::first(count);
        let server =
            |me| Server::new(rules, Config { me, voters, max_batch, window }, Durable::default());
        let mut group = Self {
            rules,
            servers: voters.iter().map(server).collect(),
            network: Vec::new(),
            events: Vec::new(),
            safety: Safety::default(),
            last_read: 0,
        };
        group.nodes().for_each(|node| group.feed(node, &Happening::Start));
        group
    }

    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<R> {
        (0..self.servers.len() as u8).map(NodeId)
    }

    pub fn server(&self, node: NodeId) -> &Server<R> {
        &self.servers[usize::from(node.0)]
    }

    pub fn server_mut(&mut self, node: NodeId) -> &mut Server<R> {
        &mut self.servers[usize::from(node.0)]
    }

    /// The servers that lead and can be reached.
    pub fn leaders(&self) -> Vec<NodeId> {
        let leads = |node: &NodeId| {
            let server = self.server(*node);
            server.is_connected() && server.replica.raft().leads()
        };
        self.nodes().filter(leads).collect()
    }

    /// A name for a read that was never used before.
    pub fn new_read(&mut self) -> ReadId {
        self.last_read += 1;
        ReadId(self.last_read)
    }

    /// Puts a server in place that comes up from this disk.
    pub fn load(&mut self, node: NodeId, durable: Durable<Tag>) {
        let config = self.server(node).replica.raft().config();
        *self.server_mut(node) = Server::new(self.rules, config, durable);
        self.feed(node, &Happening::Start);
    }

    /// Loses a server's messages: those on their way now, and those sent until it is healed.
    pub fn cut(&mut self, node: NodeId) {
        self.server_mut(node).cut = true;
        self.network.retain(|packet| packet.from != node && packet.to != node);
    }

    /// Makes one thing happen to a server, and carries out what it asks for.
    pub fn feed(&mut self, node: NodeId, input: &Happening) {
        let start = self.events.len();
        let (rules, committed) = (self.rules, self.safety.committed());
        let server = &mut self.servers[usize::from(node.0)];
        self.events.push(match input {
            Happening::Disk(count) => {
                let writes = server.pending.iter().take(*count).map(|(write, _)| *write);
                Event::Finished { node, writes: writes.collect() }
            }
            _ => Event::Input { node, input: input.clone() },
        });
        match input {
            Happening::Timer(timer) => _ = server.armed.remove(timer),
            Happening::Compact(through) if *through <= server.service.len() as Index => {
                let file = server.service[..*through as usize].to_vec();
                server.files.insert(*through, file);
            }
            Happening::Read(id) => {
                let read = Read { asked_at: committed, outcome: Outcome::Open };
                server.reads.insert(*id, read);
            }
            Happening::Arrival(Packet { message, file: Some(file), .. }) => {
                if let Body::InstallSnapshot { id } = message.body {
                    server.files.insert(id.last.index, file.clone());
                }
            }
            Happening::Disk(count) => server.finish(*count),
            Happening::Crash => {
                server.crash(rules);
                server.down = true;
            }
            Happening::Start => server.down = false,
            _ => {}
        }
        self.step(node, input);
        self.safety.check(node, &self.servers, &self.events[start..]);
    }

    fn step(&mut self, node: NodeId, input: &Happening) {
        let Some(input) = input.as_input() else { return };
        let mut effects = Vec::new();
        self.server_mut(node).replica.step(input, &mut effects);
        for effect in effects {
            let event = self.carry_out(node, effect);
            self.events.push(event);
        }
    }

    fn carry_out(&mut self, node: NodeId, effect: Effect) -> Event {
        if let Effect::Send { to, message } = effect {
            return self.send(node, to, message);
        }
        let server = self.server_mut(node);
        match effect {
            Effect::Write(write) => {
                let entries: Vec<_> = server.replica.entries_of_write(&write).cloned().collect();
                server.pending.push_back((write, entries.clone()));
                return Event::Asked { node, write, entries };
            }
            Effect::Proposed { first, count } => {
                let commands = server.replica.log().range(first.index, count).cloned().collect();
                return Event::Took { node, first, commands };
            }
            Effect::Commit { through } => {
                return Event::Applied { node, entries: server.apply(through) };
            }
            Effect::Restore { id } => {
                let file = server.files.get(&id.last.index).expect("the file came first");
                server.service = file.clone();
                return Event::Restored { node, id };
            }
            Effect::Arm(timer) => _ = server.armed.insert(timer),
            Effect::Disarm(timer) => _ = server.armed.remove(&timer),
            Effect::Readable { id, index } => server.end_read(id, Outcome::Readable(index)),
            Effect::Refused(Refusal::ReadLost { id } | Refusal::TooManyReads { id }) => {
                server.end_read(id, Outcome::Lost);
            }
            Effect::AfterDisk { .. } => panic!("the replica keeps its slow lane inside"),
            _ => {}
        }
        Event::Other { node, effect }
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Message) -> Event {
        assert_ne!(from, to, "what a server says to itself stays inside");
        let server = self.server(from);
        let entries = server.replica.entries_of(&message).cloned().collect();
        let file = match message.body {
            Body::InstallSnapshot { id } => {
                let file = server.files.get(&id.last.index);
                Some(file.expect("a snapshot that stands has its file").clone())
            }
            _ => None,
        };
        let packet = Packet { from, to, message, entries, file };
        let lost = !server.is_connected() || !self.server(to).is_connected();
        if !lost {
            self.network.push(packet.clone());
        }
        Event::Sent { packet, lost }
    }
}

impl<R> Server<R> {
    fn end_read(&mut self, id: ReadId, outcome: Outcome) {
        let read = self.reads.get_mut(&id).expect("an answer has its question");
        assert_eq!(read.outcome, Outcome::Open, "{id:?} is answered once");
        read.outcome = outcome;
    }
}

impl Happening {
    /// The machine's input; a crash is none.
    pub fn as_input(&self) -> Option<Input<'_, Tag>> {
        Some(match self {
            Self::Timer(timer) => Input::Raft(raft::Input::Timer(*timer)),
            Self::Campaign => Input::Raft(raft::Input::Campaign),
            Self::Compact(through) => Input::Raft(raft::Input::Compact { through: *through }),
            Self::Read(id) => Input::Raft(raft::Input::Read { id: *id }),
            Self::Propose(commands) => Input::Propose(commands),
            Self::Arrival(Packet { from, message, entries, .. }) => {
                Input::Message { from: *from, message: *message, entries }
            }
            Self::Disk(writes) => Input::Durable { writes: *writes },
            Self::Crash => return None,
            Self::Start => Input::Raft(raft::Input::Start),
        })
    }
}
