//! A small world, and every way that it can go: one slot that goes there and back between two groups.
//!
//! The network is the set of all messages that were ever sent, each of which may arrive at any moment and as often as
//! it likes, or never. Leaders may be dropped, entries be lost or applied twice, so often as the bounds say; what a
//! leader had proposed may be applied long after it. A client makes its calls at either group at any moment, and
//! repeats the last one.

use super::bugs::Bug::{
    AdvancesAgain, BelievesStale, CallsOffFrozen, DeletesWhenSent, GivesUpUnasked,
    InstallsAnything, LeavesBegun, NoLastDifference, Overtakes, ReadsAnywhere, SaysCalledOff,
    SaysFinished, ServesFrozen, ServesTaking, WaitsForTaking,
};
use super::bugs::Wrong;
use super::clients::slot;
use super::world::{Broken, LIMITS};
use protocol::kv::{Bytes, ClientId, Command as KeyCommand, Exact, Once, Op, Store, Work};
use protocol::shardkv::mover::{Effect, Input, Message, Mover, Settings};
use protocol::shardkv::{
    Answer, Change, Command, Configuration, Gid, Group, InOrder, Num, Query, Rules,
};
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// How often what may happen.
#[derive(Clone, Copy)]
struct Bounds {
    calls: u64,
    leaders: u64,
    /// Entries that are lost.
    losses: u8,
    /// Entries that are applied twice.
    repeats: u8,
    /// The last configuration.
    last: Num,
    /// Whether the client's first call is made before all else.
    begun: bool,
    /// Whether another slot goes the other way.
    swaps: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Node<R> {
    group: Group<R>,
    leader: Mover<R>,
    life: u64,
    pending: VecDeque<(u64, u64, Command)>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State<R> {
    nodes: [Node<R>; 2],
    sent: BTreeSet<(Gid, Gid, Message)>,
    twin: Store,
    calls: u64,
    losses: u8,
    repeats: u8,
    /// Whether the controller answers at once; else at any moment, asked or not.
    answers: bool,
}

/// Small copies, so that a slot is stopped after the first.
const SETTINGS: Settings =
    Settings { slots: 1, parts: 1, part_bytes: 1 << 20, little_bytes: 1 << 20, copies: 1 };

fn key() -> Bytes {
    "{a}1".into()
}

fn call(seq: u64) -> Work {
    let once = Some(Once { client: ClientId(1), seq, acknowledged: 0 });
    Work::Command(KeyCommand { key: key(), op: Op::Append { value: "v".into() }, once })
}

/// From the first group to the second, and back.
fn configuration(number: Num, swaps: bool) -> Configuration {
    let [from, to] = if number.is_multiple_of(2) { [Gid(1), Gid(2)] } else { [Gid(2), Gid(1)] };
    let change = |index, from, to| {
        let from = (number > 1).then_some(from);
        Change { slot: slot(index), from, to }
    };
    let other = swaps.then_some(change(1, to, from));
    Configuration { number, changes: [change(0, from, to)].into_iter().chain(other).collect() }
}

impl<R: Rules> State<R> {
    fn new(rules: R, bounds: Bounds) -> Self {
        let node = |gid| {
            let mut group = Group::new(rules, gid, 0, [], Store::new(Exact, LIMITS));
            group.apply(
                0,
                &Command::Advance {
                    configuration: configuration(1, bounds.swaps),
                    called_off: BTreeSet::new(),
                },
            );
            let leader = Mover::new(rules, SETTINGS, 1, 1);
            Node { group, leader, life: 1, pending: VecDeque::new() }
        };
        let nodes = [node(Gid(1)), node(Gid(2))];
        let twin = Store::new(Exact, LIMITS);
        let sent = BTreeSet::new();
        let mut new = Self { nodes, sent, twin, calls: 0, losses: 0, repeats: 0, answers: false };
        if bounds.begun {
            new.call(0, 1).expect("the group has the slot");
        }
        new
    }

    fn input(&mut self, index: usize, bounds: Bounds, input: Input) {
        let Node { group, leader, life, pending } = &mut self.nodes[index];
        let mut effects = Vec::new();
        leader.step(group, input, &mut effects);
        let mut known = None;
        for effect in effects {
            match effect {
                Effect::Send { to, message } => {
                    self.sent.insert((to, group.gid(), message));
                }
                Effect::Propose { proposal, command } => {
                    pending.push_back((*life, proposal, command));
                }
                Effect::Query { number } => {
                    known = (self.answers && number <= bounds.last).then_some(number);
                }
                Effect::Report { .. } => {}
            }
        }
        if let Some(number) = known {
            self.input(index, bounds, Input::Configuration(configuration(number, bounds.swaps)));
        }
    }

    fn call(&mut self, index: usize, seq: u64) -> Result<(), Broken> {
        let command = Command::Work { work: call(seq), value_bytes: 1 << 10 };
        if let Answer::Reply(reply) = self.nodes[index].group.apply(0, &command) {
            self.calls = self.calls.max(seq);
            if self.twin.work(0, &call(seq)) != reply {
                return Err(Broken::Reply);
            }
        }
        Ok(())
    }

    fn apply(&mut self, index: usize, at: usize, bounds: Bounds) {
        let node = &mut self.nodes[index];
        if let Some((life, proposal, command)) = node.pending.remove(at) {
            let answer = Some(node.group.apply(0, &command));
            if life == node.life {
                self.input(index, bounds, Input::Outcome { proposal, answer });
            }
        }
    }

    fn lose(&mut self, index: usize, bounds: Bounds) {
        let node = &mut self.nodes[index];
        if let Some((life, proposal, _)) = node.pending.pop_front()
            && life == node.life
        {
            self.input(index, bounds, Input::Outcome { proposal, answer: None });
        }
    }

    fn lead(&mut self, index: usize, rules: R) {
        let node = &mut self.nodes[index];
        node.life += 1;
        node.leader = Mover::new(rules, SETTINGS, node.life, node.group.number());
    }

    /// All states that can follow.
    fn next(&self, rules: R, bounds: Bounds) -> Result<Vec<Self>, Broken> {
        let mut all = Vec::new();
        for (to, from, message) in &self.sent {
            let mut next = self.clone();
            let input = Input::Message { from: *from, message: message.clone() };
            next.input(to.0 as usize - 1, bounds, input);
            all.push(next);
        }
        for index in 0..2 {
            let mut with = |run: &dyn Fn(&mut Self)| {
                let mut next = self.clone();
                run(&mut next);
                all.push(next);
            };
            with(&|next| next.input(index, bounds, Input::Tick));
            let number = self.nodes[index].group.number() + 1;
            if number <= bounds.last {
                let told = Input::Configuration(configuration(number, bounds.swaps));
                with(&|next| next.input(index, bounds, told.clone()));
            }
            if let Some((_, _, command)) = self.nodes[index].pending.front() {
                // What comes twice may come late: behind what was proposed after it.
                let places = if bounds.repeats > 0 { self.nodes[index].pending.len() } else { 1 };
                (0..places).for_each(|at| with(&|next| next.apply(index, at, bounds)));
                if self.losses < bounds.losses {
                    with(&|next| {
                        next.losses += 1;
                        next.lose(index, bounds);
                    });
                }
                if self.repeats < bounds.repeats {
                    // It comes again, behind all that is under way, from nobody.
                    with(&|next| {
                        next.repeats += 1;
                        next.nodes[index].pending.push_back((0, 0, command.clone()));
                    });
                }
            }
            if self.nodes[index].life < bounds.leaders {
                with(&|next| next.lead(index, rules));
            }
            for seq in self.calls.max(1)..=(self.calls + 1).min(bounds.calls) {
                let mut next = self.clone();
                next.call(index, seq)?;
                all.push(next);
            }
        }
        Ok(all)
    }

    /// What holds of every state.
    fn check(&self) -> Result<(), Broken> {
        for index in 0..2 {
            let serve = |node: &&Node<R>| node.group.serves(slot(index)).is_ok();
            if self.nodes.iter().filter(serve).count() > 1 {
                return Err(Broken::TwoServe);
            }
        }
        let expected = self.twin.read(&key(), &Op::Get);
        for node in &self.nodes {
            let query = Query::Op { key: key(), op: Op::Get };
            if let Answer::Reply(reply) = node.group.read(&query)
                && Some(reply) != expected
            {
                return Err(Broken::Reply);
            }
        }
        Ok(())
    }

    /// Without further faults, all comes to its end. What is under way may be lost.
    fn converge(mut self, bounds: Bounds, lost: bool) -> Result<(), Broken> {
        if lost {
            self.sent.clear();
        }
        self.answers = true;
        let is_moving =
            |node: &Node<R>| node.group.number() < bounds.last || !node.group.moves().is_empty();
        for _ in 0..60 {
            if !self.nodes.iter().any(is_moving) {
                break;
            }
            for index in 0..2 {
                while !self.nodes[index].pending.is_empty() {
                    self.apply(index, 0, bounds);
                    self.check()?;
                }
                self.input(index, bounds, Input::Tick);
            }
            for (to, from, message) in self.sent.clone() {
                self.input(to.0 as usize - 1, bounds, Input::Message { from, message });
            }
        }
        let owner = configuration(bounds.last, bounds.swaps).changes[0].to;
        for node in &self.nodes {
            let group = &node.group;
            if group.number() != bounds.last || !group.moves().is_empty() {
                return Err(Broken::Stuck);
            }
            if group.serves(slot(0)).is_ok() != (group.gid() == owner) {
                return Err(Broken::Homeless);
            }
            let store = group.store();
            if group.gid() != owner && store.slots().any(|id| id == slot(0)) {
                return Err(Broken::Kept);
            }
            if group.gid() == owner && store.copy_slot(slot(0)) != self.twin.copy_slot(slot(0)) {
                return Err(Broken::Slot);
            }
        }
        Ok(())
    }

    fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// How many states there are, and how deep the last lies; or what is broken. One state in `of` is tried for
/// convergence.
fn explore<R: Rules>(rules: R, bounds: Bounds, of: u64) -> Result<(usize, usize), Broken> {
    let first = State::new(rules, bounds);
    let mut seen = HashSet::from([first.print()]);
    let mut level = vec![first];
    let mut depth = 0;
    while !level.is_empty() {
        let mut next_level = Vec::new();
        for state in level {
            for next in state.next(rules, bounds)? {
                let print = next.print();
                if !seen.insert(print) {
                    continue;
                }
                next.check()?;
                if print.is_multiple_of(of) {
                    next.clone().converge(bounds, (print / of).is_multiple_of(2))?;
                }
                next_level.push(next);
            }
        }
        depth += usize::from(!next_level.is_empty());
        level = next_level;
    }
    Ok((seen.len(), depth))
}

const THERE: Bounds =
    Bounds { calls: 2, leaders: 2, losses: 0, repeats: 0, last: 2, begun: true, swaps: false };
/// Entries are lost and applied twice.
const UNSURE: Bounds = Bounds { leaders: 1, losses: 1, repeats: 1, ..THERE };
const BACK: Bounds = Bounds { leaders: 1, last: 3, ..THERE };
/// There, back, and there again.
const AGAIN: Bounds = Bounds { calls: 1, leaders: 1, last: 4, ..THERE };
/// Another slot goes the other way.
const SWAP: Bounds = Bounds { calls: 1, leaders: 1, swaps: true, ..THERE };
/// Of the first copy, nothing was in it.
const EMPTY: Bounds = Bounds { begun: false, leaders: 1, ..THERE };

/// The number of states is part of the protocol: where it changes, the protocol has changed.
///
/// SHARD-SERVE-1, SHARD-SERVE-2, SHARD-ADVANCE-1, SHARD-ADVANCE-2, SHARD-CANCEL-1, SHARD-CANCEL-2,
/// SHARD-FREEZE-2, SHARD-INSTALL-2, SHARD-COPY-1, SHARD-DELETE-2, SHARD-DELETE-3, SHARD-FINISHED-1, SHARD-RESUME-1.
#[test]
fn whatever_happens_in_whatever_order() {
    for (bounds, of, expected) in [
        (THERE, 16, (46_352, 30)),
        (UNSURE, 4, (8_320, 25)),
        (BACK, 1, (6_738, 38)),
        (AGAIN, 8, (18_706, 52)),
        (SWAP, 4, (1_401, 22)),
        (EMPTY, 1, (470, 21)),
    ] {
        let found = explore(InOrder, bounds, of);
        assert_eq!(found, Ok(expected));
    }
}

#[test]
fn every_wrong_rule_is_found_in_a_small_world() {
    use Broken::{Reply, Stuck, TwoServe};
    for (bug, bounds, expected) in [
        (ServesTaking, THERE, TwoServe),
        (ServesFrozen, THERE, Reply),
        (ReadsAnywhere, THERE, Reply),
        (AdvancesAgain, UNSURE, Stuck),
        (Overtakes, BACK, TwoServe),
        (CallsOffFrozen, BACK, Reply),
        (GivesUpUnasked, BACK, Stuck),
        (SaysCalledOff, BACK, Stuck),
        (WaitsForTaking, SWAP, Stuck),
        (InstallsAnything, THERE, Reply),
        (DeletesWhenSent, THERE, Stuck),
        (BelievesStale, AGAIN, Stuck),
        (SaysFinished, THERE, Stuck),
        (LeavesBegun, THERE, Stuck),
        (NoLastDifference, THERE, Reply),
    ] {
        let found = explore(Wrong(bug), bounds, 16);
        assert_eq!(found, Err(expected), "{bug:?}");
    }
}
