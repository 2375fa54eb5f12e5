//! Random groups: three to five servers, and any interleaving of messages that are late, lost or
//! twice, of disks that finish when they like, of crashes, timers, commands, snapshots and reads.
//!
//! The safety properties are checked after each step (`support/safety.rs`). Then the faults stop,
//! time passes fairly, and the group must come to one log: liveness without temporal logic
//! (PROP-CONVERGENCE, here from where random runs end).

use super::cases;
use super::support::group::{Event, Group, Happening};
use super::support::server::Outcome;
use super::support::{Packet, Tag};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use protocol::log::{Durable, Entry};
use protocol::raft::{Body, Effect, Paper, Refusal, RoleName, Rules, Timer};
use protocol::{NodeId, Write};
use std::collections::BTreeSet;

/// Something that may happen. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub enum Op {
    Deliver(usize),
    Duplicate(usize),
    Drop(usize),
    Disk(usize, usize),
    Timer(usize, Timer),
    Campaign(usize),
    Propose(usize, usize),
    Read(usize),
    Compact(usize, u64),
    Crash(usize),
    /// Nothing goes wrong for a while: the way to deeper states.
    Calm,
    /// The same, but between two servers only, for so many messages.
    Between(usize, usize, usize),
    /// The same as `Calm`, after contact with a leader was lost and this server has asked for
    /// votes.
    Elect(usize),
    Cut(usize),
    Heal,
}

pub fn op() -> impl Strategy<Value = Op> {
    let any = 0..64usize;
    prop_oneof![
        36 => any.clone().prop_map(Op::Deliver),
        2 => any.clone().prop_map(Op::Duplicate),
        3 => any.clone().prop_map(Op::Drop),
        18 => (any.clone(), 1..4usize).prop_map(|(node, count)| Op::Disk(node, count)),
        4 => any.clone().prop_map(|node| Op::Timer(node, Timer::Election)),
        3 => any.clone().prop_map(|node| Op::Timer(node, Timer::Contact)),
        4 => any.clone().prop_map(|node| Op::Timer(node, Timer::Heartbeat)),
        1 => any.clone().prop_map(|node| Op::Timer(node, Timer::Quorum)),
        1 => any.clone().prop_map(Op::Campaign),
        8 => (any.clone(), 1..4usize).prop_map(|(node, count)| Op::Propose(node, count)),
        3 => any.clone().prop_map(Op::Read),
        2 => (any.clone(), 0..3u64).prop_map(|(node, back)| Op::Compact(node, back)),
        1 => any.clone().prop_map(Op::Crash),
        1 => Just(Op::Calm),
        3 => (any.clone(), any.clone(), 1..8usize)
            .prop_map(|(one, two, count)| Op::Between(one, two, count)),
        1 => any.clone().prop_map(Op::Elect),
        1 => any.prop_map(Op::Cut),
        1 => Just(Op::Heal),
    ]
}

/// The shape of a group.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub servers: usize,
    max_batch: u32,
    window: u32,
    /// Whether five servers begin with logs that part: those of the paper's Figure 8 (c).
    parted: bool,
}

pub fn shape() -> impl Strategy<Value = Shape> {
    (3..=5usize, 1..4u32, 1..6u32, prop::bool::weighted(0.2)).prop_map(
        |(servers, max_batch, window, parted)| {
            let servers = if parted { 5 } else { servers };
            Shape { servers, max_batch, window, parted }
        },
    )
}

/// A random run.
pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 200..600)
}

/// A group in the middle of a random run.
pub struct World<R = Paper> {
    pub group: Group<R>,
    commands: usize,
}

impl<R: Rules> World<R> {
    pub fn new(rules: R, shape: Shape) -> Self {
        let mut group = Group::new(rules, shape.servers, shape.max_batch, shape.window);
        if shape.parted {
            for (node, terms) in [[1, 2], [1, 2], [1, 0], [1, 0], [1, 3]].into_iter().enumerate() {
                let mut durable = Durable::default();
                durable.hard.term = 3;
                for (first, &term) in (1..).zip(terms.iter().filter(|term| **term > 0)) {
                    let write = Write::Append { first, term, count: 1 };
                    durable.apply(&write, std::iter::once(Entry::NoOp));
                }
                group.load(NodeId(node as u8), durable);
            }
        }
        Self { group, commands: 0 }
    }

    fn node(&self, number: usize) -> NodeId {
        NodeId((number % self.group.servers.len()) as u8)
    }

    /// What the operation lets happen to a server; none if it concerns the network only, or
    /// nothing.
    pub fn input(&mut self, op: &Op) -> Option<(NodeId, Happening)> {
        let on_the_way = self.group.network.len();
        if on_the_way == 0 && matches!(op, Op::Deliver(_) | Op::Duplicate(_) | Op::Drop(_)) {
            return None;
        }
        match *op {
            Op::Deliver(position) => {
                let packet = self.group.network.remove(position % on_the_way);
                Some((packet.to, Happening::Arrival(packet)))
            }
            Op::Duplicate(position) => {
                let packet = self.group.network[position % on_the_way].clone();
                self.group.network.push(packet);
                None
            }
            Op::Drop(position) => {
                self.group.network.remove(position % on_the_way);
                None
            }
            Op::Disk(number, count) => {
                let node = self.node(number);
                let count = count.min(self.group.server(node).pending.len());
                (count > 0).then_some((node, Happening::Disk(count)))
            }
            Op::Timer(number, timer) => Some((self.node(number), Happening::Timer(timer))),
            Op::Campaign(number) => Some((self.node(number), Happening::Campaign)),
            Op::Propose(number, count) => {
                let name = |position: usize| Tag::new((self.commands + position).to_string());
                let commands = (0..count).map(name).collect();
                self.commands += count;
                Some((self.node(number), Happening::Propose(commands)))
            }
            Op::Read(number) => {
                let id = self.group.new_read();
                Some((self.node(number), Happening::Read(id)))
            }
            Op::Compact(number, back) => {
                let node = self.node(number);
                let commit = self.group.server(node).replica.raft().commit();
                Some((node, Happening::Compact(commit.saturating_sub(back))))
            }
            Op::Crash(number) => Some((self.node(number), Happening::Crash)),
            Op::Calm | Op::Between(..) | Op::Elect(_) | Op::Cut(_) | Op::Heal => {
                self.pass(op);
                None
            }
        }
    }

    /// What happens to more than one server.
    fn pass(&mut self, op: &Op) {
        match *op {
            Op::Elect(number) => {
                self.lose_contact();
                self.fire(self.node(number), Timer::Election);
                self.settle();
            }
            Op::Between(one, two, count) => {
                let pair = [self.node(one), self.node(two)];
                for _ in 0..count {
                    self.pass_one(pair);
                }
            }
            Op::Cut(number) => self.group.cut(self.node(number)),
            Op::Heal => self.heal(),
            _ => self.settle(),
        }
    }

    /// Finishes two servers' disks and delivers the oldest message between them.
    fn pass_one(&mut self, pair: [NodeId; 2]) {
        for node in pair {
            let count = self.group.server(node).pending.len();
            if count > 0 {
                self.feed(node, &Happening::Disk(count));
            }
        }
        let meant = |packet: &Packet| pair.contains(&packet.from) && pair.contains(&packet.to);
        if let Some(position) = self.group.network.iter().position(meant) {
            let packet = self.group.network.remove(position);
            self.feed(packet.to, &Happening::Arrival(packet));
        }
    }

    fn heal(&mut self) {
        self.group.servers.iter_mut().for_each(|server| server.cut = false);
    }

    fn lose_contact(&mut self) {
        for node in self.group.nodes() {
            self.fire(node, Timer::Contact);
        }
    }

    /// Lets it happen. Who crashes starts again.
    pub fn feed(&mut self, node: NodeId, input: &Happening) {
        self.group.feed(node, input);
        if *input == Happening::Crash {
            self.group.feed(node, &Happening::Start);
        }
    }

    /// Finishes disks and delivers, in order, until nothing is on its way.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            for node in self.group.nodes() {
                let count = self.group.server(node).pending.len();
                if count > 0 {
                    self.feed(node, &Happening::Disk(count));
                }
            }
            let packets = std::mem::take(&mut self.group.network);
            if packets.is_empty() && self.group.servers.iter().all(|one| one.pending.is_empty()) {
                return;
            }
            for packet in packets {
                self.feed(packet.to, &Happening::Arrival(packet));
            }
        }
        panic!("a group without time comes to rest");
    }

    fn is_one(&self) -> bool {
        let [leader] = self.group.leaders()[..] else { return false };
        let (term, last) = {
            let raft = self.group.server(leader).replica.raft();
            (raft.term(), raft.last())
        };
        self.group.servers.iter().all(|server| {
            let raft = server.replica.raft();
            let open = server.reads.values().any(|read| read.outcome == Outcome::Open);
            raft.term() == term && raft.last() == last && raft.commit() == last.index && !open
        })
    }

    /// The faults stop: everything arrives, disks finish, and only timers that are armed fire, the
    /// longest when nothing else helps. The group must agree.
    pub fn converge(&mut self) {
        self.heal();
        for turn in 0..12 * self.group.servers.len() {
            self.settle();
            if self.is_one() {
                return;
            }
            let leaders = self.group.leaders();
            for leader in &leaders {
                self.fire(*leader, Timer::Heartbeat);
            }
            if leaders.is_empty() {
                self.lose_contact();
                self.fire(self.node(turn), Timer::Election);
            }
        }
        panic!("a group without faults agrees");
    }

    fn fire(&mut self, node: NodeId, timer: Timer) {
        if self.group.server(node).armed.contains(&timer) {
            self.feed(node, &Happening::Timer(timer));
        }
    }

    /// Everyone applies a command that is proposed now.
    fn serve_one_command(&mut self) {
        let [leader] = self.group.leaders()[..] else {
            panic!("a group that agrees has one leader")
        };
        self.feed(leader, &Happening::Propose(vec![Tag::new("last")]));
        self.settle();
        self.fire(leader, Timer::Heartbeat);
        self.settle();
        let services: BTreeSet<_> =
            self.group.servers.iter().map(|server| server.service.clone()).collect();
        assert_eq!(services.len(), 1, "all services are equal");
        let last = services.first().and_then(|service| service.last());
        assert_eq!(format!("{last:?}"), "Some(last)", "the command is applied");
    }
}

/// Corners of the protocol, by what is seen there.
pub type Reached = BTreeSet<&'static str>;

/// Plays a run and its fair end, and notes which corners it has been to.
pub fn play<R: Rules>(rules: R, shape: Shape, ops: &[Op], reached: &mut Reached) {
    let mut world = World::new(rules, shape);
    for op in ops {
        let Some((node, input)) = world.input(op) else { continue };
        world.group.events.clear();
        let before = world.group.server(node).replica.raft().clone();
        world.feed(node, &input);
        for event in &world.group.events {
            note_event(event, reached);
        }
        let server = world.group.server(node);
        let raft = server.replica.raft();
        if raft.commit() > server.durable.terms.last().index {
            reached.insert("a commit index ahead of the own disk");
        }
        if before.leads() && !raft.leads() && before.term() == raft.term() {
            reached.insert("a leader that no quorum answers");
        }
        if raft.last().index < before.last().index && input != Happening::Crash {
            reached.insert("a log that gets shorter");
        }
        if raft.terms().term_at(before.last().index) != Some(before.last().term)
            && raft.last().index >= before.last().index
            && input != Happening::Crash
        {
            reached.insert("an entry that is replaced");
        }
        if world.group.leaders().len() > 1 {
            reached.insert("two leaders at once");
        }
    }
    if world.group.safety.terms_led() >= 4 {
        reached.insert("four terms with leaders");
    }
    if world.group.safety.committed() >= 15 {
        reached.insert("fifteen committed entries");
    }
    world.converge();
    world.serve_one_command();
}

fn note_event(event: &Event, reached: &mut Reached) {
    reached.insert(match event {
        Event::Sent { packet, .. } => match packet.message.body {
            Body::Rejected { .. } => "a rejection",
            Body::Outdated => "a void request",
            Body::InstallSnapshot { .. } => "a snapshot that is sent",
            Body::AppendEntries { count: 0, .. } => "a question about a lost message",
            Body::ReadGranted { .. } => "a read for a follower",
            _ => return,
        },
        Event::Asked { write: Write::Snapshot { keep: false, .. }, .. } => "a log that is cleared",
        Event::Restored { .. } => "a service that is restored",
        Event::Other { effect: Effect::Readable { index: 1.., .. }, .. } => "a read",
        Event::Other { effect: Effect::Refused(refusal), .. } => match refusal {
            Refusal::NotLeader { .. } => "a command for a server that does not lead",
            Refusal::ReadLost { .. } => "a read that is lost",
            Refusal::Snapshot { .. } => "a snapshot that is refused",
            Refusal::TooManyReads { .. } => return,
        },
        Event::Other { effect: Effect::Role { role: RoleName::PreCandidate, .. }, .. } => {
            "a pre-candidate"
        }
        _ => return,
    });
}

proptest! {
    #![proptest_config(cases(4000))]

    #[test]
    fn a_random_group_is_safe_and_comes_to_agree(shape in shape(), ops in ops()) {
        play(Paper, shape, &ops, &mut Reached::new());
    }
}

/// The same random runs each time.
pub fn fixed_runs() -> impl Iterator<Item = (Shape, Vec<Op>)> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(cases(1), rng);
    std::iter::from_fn(move || Some((shape(), ops()).new_tree(&mut runner).ok()?.current()))
}

/// A green run that reached nothing would be red: these corners are inside what the test above
/// draws.
#[test]
fn random_groups_reach_the_corners() {
    let mut reached = Reached::new();
    for (shape, ops) in fixed_runs().take(150) {
        play(Paper, shape, &ops, &mut reached);
    }
    let expected = BTreeSet::from([
        "a command for a server that does not lead",
        "a commit index ahead of the own disk",
        "a leader that no quorum answers",
        "a log that gets shorter",
        "a log that is cleared",
        "a pre-candidate",
        "a question about a lost message",
        "a read",
        "a read for a follower",
        "a read that is lost",
        "a rejection",
        "a service that is restored",
        "a snapshot that is refused",
        "a snapshot that is sent",
        "a void request",
        "an entry that is replaced",
        "fifteen committed entries",
        "four terms with leaders",
        "two leaders at once",
    ]);
    assert_eq!(reached, expected);
}
