//! A world of groups, leaders, clients and a controller, where anything may be lost, late or repeated.
//!
//! A group is one replicated machine here: its log is the order in which entries are applied. Its leader is a mover
//! that may be dropped at any moment; what it had proposed may still be applied, late and after its successor's.
//! Beside the groups there is a *twin* of each slot, a store that never moves and executes what any group executes of
//! the slot, at that group's clock. So everything that must travel with a slot shows: in a reply that differs at once,
//! and at the end bit for bit.

use super::clients::{self, Client};
use super::random::Random;
use super::seen::Seen;
use protocol::kv::{self, Exact, Limits, SlotId, Stamp, Store, Work};
use protocol::shardkv::mover::{Effect, Input, Message, Mover, Settings};
use protocol::shardkv::{
    Answer, Change, Command, Configuration, Group, GroupId, Next, Num, Query, Rules, Way,
};

/// What a world may find.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Broken {
    /// Two groups serve a slot.
    TwoServe,
    /// A reply is not that of the slot's twin.
    Reply,
    /// A slot is not equal to its twin at the end.
    Slot,
    /// Without faults, the groups do not come to the last configuration with nothing on its way.
    Stuck,
    /// A slot is not served at the end, or not by whose it is.
    Homeless,
    /// A group keeps something of a slot that is not its own.
    Kept,
    /// A client waits at the end.
    Unanswered,
    /// A group's bytes are refused, or are those of another state.
    Bytes,
}

enum From {
    Client { client: usize, seq: u64 },
    Mover { life: u64, proposal: u64 },
}

struct Node<R, K> {
    group: Group<R, K>,
    leader: Option<Mover<R>>,
    life: u64,
    pending: Vec<(From, Command)>,
    /// What was proposed twice, and comes again when nobody expects it.
    late: Vec<Command>,
    /// How far its clock is behind the world's.
    behind: Stamp,
}

pub struct World<R, K> {
    rules: R,
    store: K,
    random: Random,
    settings: Settings,
    nodes: Vec<Node<R, K>>,
    wire: Vec<(GroupId, GroupId, Message)>,
    /// What has arrived, and may come again much later.
    echoes: Vec<(GroupId, GroupId, Message)>,
    configurations: Vec<Configuration>,
    published: usize,
    owners: Vec<GroupId>,
    twins: Vec<Store>,
    clients: Vec<Client>,
    made: u64,
    now: Stamp,
    faults: bool,
    pub seen: Seen,
}

pub const LIMITS: Limits = Limits { clients: 4, tick_keys: 1_000_000, ..Limits::DEFAULT };

fn settings(random: &mut Random) -> Settings {
    Settings {
        slots: 1 + random.index(3),
        parts: 1 + random.index(3),
        part_bytes: 1 + random.index(300),
        little_bytes: random.index(200),
        copies: 1 + random.below(4) as u32,
    }
}

impl<R: Rules, K: kv::Rules> World<R, K> {
    pub fn new(rules: R, store: K, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let groups = 2 + random.index(2);
        let slots = 4 + random.index(5);
        let settings = settings(&mut random);
        let node = |number: usize, random: &mut Random| Node {
            group: Group::new(rules, GroupId(number as u64 + 1), 0, [], Store::new(store, LIMITS)),
            leader: None,
            life: 0,
            pending: Vec::new(),
            late: Vec::new(),
            behind: random.below(100),
        };
        let nodes = (0..groups).map(|number| node(number, &mut random)).collect();
        let mut world = Self {
            rules,
            store,
            settings,
            nodes,
            wire: Vec::new(),
            echoes: Vec::new(),
            configurations: Vec::new(),
            published: 0,
            owners: Vec::new(),
            twins: (0..slots).map(|_| Store::new(Exact, LIMITS)).collect(),
            clients: (1..=3).map(Client::new).collect(),
            made: 3,
            now: 1_000,
            faults: true,
            seen: Seen::default(),
            random,
        };
        world.plan();
        world
    }

    fn gid(&mut self) -> GroupId {
        GroupId(1 + self.random.index(self.nodes.len()) as u64)
    }

    /// All the configurations that there will be. The first gives every slot to somebody.
    fn plan(&mut self) {
        let last = 4 + self.random.below(8);
        for number in 1..=last {
            let mut changes = Vec::new();
            for index in 0..self.twins.len() {
                let (slot, to) = (clients::slot(index), self.gid());
                if number == 1 {
                    self.owners.push(to);
                    changes.push(Change { slot, from: None, to });
                } else if self.owners[index] != to && self.random.percent(50) {
                    changes.push(Change { slot, from: Some(self.owners[index]), to });
                    self.owners[index] = to;
                }
            }
            self.configurations.push(Configuration { number, changes });
        }
    }

    /// A while with faults, and then until all is quiet.
    pub fn run(&mut self, steps: usize) -> Result<(), Broken> {
        for _ in 0..steps {
            self.step()?;
        }
        self.faults = false;
        self.published = self.configurations.len();
        for _ in 0..4_000 {
            if self.is_quiet() {
                return self.check_end();
            }
            self.calm_step()?;
        }
        if self.nodes.iter().all(Self::has_walked) {
            Err(Broken::Unanswered)
        } else {
            Err(Broken::Stuck)
        }
    }

    fn has_walked(node: &Node<R, K>) -> bool {
        node.group.moves().is_empty() && node.pending.is_empty()
    }

    fn is_quiet(&self) -> bool {
        let last = self.configurations.len() as Num;
        self.clients.iter().all(|client| client.call.is_none())
            && self.nodes.iter().all(|node| Self::has_walked(node) && node.group.number() == last)
    }

    fn step(&mut self) -> Result<(), Broken> {
        let index = self.random.index(self.nodes.len());
        match self.random.below(100) {
            0..=34 => {
                for _ in 0..=self.random.below(6) {
                    self.deliver()?;
                }
            }
            35..=64 => {
                for _ in 0..=self.random.below(8) {
                    self.apply_one(index)?;
                }
            }
            65..=70 => {
                self.think();
                self.call();
            }
            71..=79 => {
                if self.nodes[index].leader.is_none() && self.random.percent(50) {
                    self.lead(index);
                }
                self.input(index, Input::Tick)?;
            }
            80..=83 => self.read(index)?,
            84..=85 => {
                let count = self.nodes[index].late.len();
                if count > 0 {
                    let command = self.nodes[index].late.remove(self.random.index(count));
                    self.apply(index, &command)?;
                }
            }
            86 => self.now += self.random.below(40),
            87..=89 => self.tick(index),
            90 => self.publish(),
            91 => self.lead(index),
            93 if self.random.percent(50) => self.nodes[index].leader = None,
            94 if self.random.percent(50) => self.restart(index)?,
            92 | 95 => {
                self.made += 1;
                let client = self.random.index(self.clients.len());
                self.clients[client].renew(self.made);
            }
            _ => self.think(),
        }
        Ok(())
    }

    /// Nothing is lost or repeated, and everybody gets a turn.
    fn calm_step(&mut self) -> Result<(), Broken> {
        for index in 0..self.nodes.len() {
            if self.nodes[index].leader.is_none() {
                self.lead(index);
            }
            while !self.nodes[index].pending.is_empty() {
                self.apply_one(index)?;
            }
            self.input(index, Input::Tick)?;
        }
        for _ in 0..self.wire.len() {
            self.deliver()?;
        }
        self.call();
        Ok(())
    }

    /// A new leader, whether there was one or not.
    fn lead(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.life += 1;
        self.seen.leaders += 1;
        node.leader = Some(Mover::new(self.rules, self.settings, node.life, node.group.number()));
    }

    /// From its snapshot, and without a leader.
    fn restart(&mut self, index: usize) -> Result<(), Broken> {
        self.seen.restarts += 1;
        self.nodes[index].leader = None;
        let mut bytes = Vec::new();
        self.nodes[index].group.encode(&mut bytes);
        let read = Group::decode((self.rules, self.store), LIMITS, &bytes);
        let read = read.ok().filter(|read| *read == self.nodes[index].group);
        self.nodes[index].group = read.ok_or(Broken::Bytes)?;
        Ok(())
    }

    fn publish(&mut self) {
        self.published = (self.published + 1).min(self.configurations.len());
    }

    fn deliver(&mut self) -> Result<(), Broken> {
        if self.faults && !self.echoes.is_empty() && self.random.percent(10) {
            let at = self.random.index(self.echoes.len());
            let (from, to, message) = self.echoes[at].clone();
            return self.input(to.0 as usize - 1, Input::Message { from, message });
        }
        if self.wire.is_empty() {
            return Ok(());
        }
        let late = self.faults && self.random.percent(30);
        let at = if late { self.random.index(self.wire.len()) } else { 0 };
        let (from, to, message) = self.wire[at].clone();
        let often = if matches!(message, Message::Finished { .. }) { 60 } else { 10 };
        if self.random.percent(often) {
            let out = self.random.index(40);
            self.echoes.truncate(39);
            self.echoes.insert(out.min(self.echoes.len()), (from, to, message.clone()));
        }
        if !late || !self.random.percent(50) {
            self.wire.remove(at);
            if self.faults && self.random.percent(15) {
                return Ok(());
            }
        }
        self.input(to.0 as usize - 1, Input::Message { from, message })
    }

    fn input(&mut self, index: usize, input: Input) -> Result<(), Broken> {
        let node = &mut self.nodes[index];
        let Some(leader) = &mut node.leader else { return Ok(()) };
        let mut effects = Vec::new();
        leader.step(&node.group, input, &mut effects);
        let (gid, life) = (node.group.gid(), node.life);
        for effect in effects {
            match effect {
                Effect::Send { to, message } => {
                    if self.wire.len() < 200 {
                        self.wire.push((gid, to, message));
                    }
                }
                Effect::Propose { proposal, command } => {
                    self.nodes[index].pending.push((From::Mover { life, proposal }, command));
                }
                Effect::Query { number } => {
                    let known = self.configurations[..self.published].get(number as usize);
                    if let Some(known) = known.cloned()
                        && !(self.faults && self.random.percent(30))
                    {
                        self.input(index, Input::Next(Next::Configuration(known)))?;
                    }
                }
                Effect::Report { number } => {
                    let node = &self.nodes[index];
                    assert!(node.group.finished() >= number, "a report of what is on its way");
                    self.input(index, Input::Reported { number })?;
                }
            }
        }
        Ok(())
    }

    fn think(&mut self) {
        for client in &mut self.clients {
            client.think(self.twins.len(), self.now, &mut self.random);
        }
    }

    /// Sends a client's call to some group; without faults, to whose the slot is.
    fn call(&mut self) {
        for client in 0..self.clients.len() {
            let seq = self.clients[client].seq();
            let Some((slot, work)) = self.clients[client].call.clone() else { continue };
            let right = self.random.percent(50) || !self.faults;
            let to = if right { self.owners[slot] } else { self.gid() };
            let command = Command::Work { work, value_bytes: 1 << 20 };
            let pending = &mut self.nodes[to.0 as usize - 1].pending;
            if pending.len() < 30 {
                pending.push((From::Client { client, seq }, command));
            }
        }
    }

    fn tick(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let stamp = self.now.saturating_sub(node.behind);
        let command = Command::Work { work: Work::Tick, value_bytes: 0 };
        node.group.apply(stamp, &command);
        for (number, twin) in self.twins.iter_mut().enumerate() {
            if node.group.serves(clients::slot(number)).is_ok() {
                twin.tick(node.group.store().clock());
            }
        }
    }

    /// An entry is applied: mostly the oldest proposal. It may be applied twice, or be lost; and its proposer may be
    /// told that nobody knows.
    fn apply_one(&mut self, index: usize) -> Result<(), Broken> {
        let count = self.nodes[index].pending.len();
        if count == 0 {
            return Ok(());
        }
        let late = self.faults && self.random.percent(30);
        let at = if late { self.random.index(count) } else { 0 };
        let (from, command) = self.nodes[index].pending.remove(at);
        let told = !self.faults || self.random.percent(90);
        let lost = self.faults && self.random.percent(5);
        let often = if matches!(command, Command::Delete { .. }) { 80 } else { 40 };
        let again = matches!(from, From::Mover { .. }) && self.random.percent(often);
        if self.faults && again && self.nodes[index].late.len() < 40 {
            self.nodes[index].late.push(command.clone());
        }
        let answer = if lost { None } else { Some(self.apply(index, &command)?) };
        match from {
            From::Client { client, seq } => {
                if told && matches!(answer, Some(Answer::Reply(_))) {
                    self.clients[client].answered(seq);
                }
            }
            From::Mover { life, proposal } if life == self.nodes[index].life => {
                let answer = answer.filter(|_| told);
                self.input(index, Input::Outcome { proposal, answer })?;
            }
            From::Mover { .. } => {}
        }
        Ok(())
    }

    fn apply(&mut self, index: usize, command: &Command) -> Result<Answer, Broken> {
        let node = &mut self.nodes[index];
        let stamp = self.now.saturating_sub(node.behind);
        let moving = !node.group.moves().is_empty();
        let answer = node.group.apply(stamp, command);
        self.note(index, command, &answer, moving);
        if let (Command::Work { work, .. }, Answer::Reply(reply)) = (command, &answer) {
            let slot = match work {
                Work::Command(command) => command.key.slot(),
                Work::Transaction(transaction) => transaction.ops[0].0.slot(),
                Work::Tick | Work::Flush => return Ok(answer),
            };
            let number = (0..self.twins.len()).find(|number| clients::slot(*number) == slot);
            let number = number.expect("a slot of the world");
            let clock = self.nodes[index].group.store().clock();
            if self.twins[number].work(clock, work) != *reply {
                return Err(Broken::Reply);
            }
        }
        self.check_one()?;
        Ok(answer)
    }

    fn note(&mut self, index: usize, command: &Command, answer: &Answer, moving: bool) {
        use protocol::shardkv::Step::{Done, Over};
        let group = &self.nodes[index].group;
        let seen = &mut self.seen;
        match (command, answer) {
            (Command::Work { work, .. }, Answer::Reply(_)) => {
                seen.executed += 1;
                if let Work::Command(command) = work {
                    let way = group.moves().get(&command.key.slot()).map(|there| there.way());
                    seen.while_giving += usize::from(way == Some(Way::Giving));
                }
            }
            (_, Answer::Refused(_)) => seen.refused += 1,
            (_, Answer::Step(Over)) => seen.over += 1,
            (Command::Install { .. }, Answer::Step(Done)) => {
                seen.installed += 1;
                seen.amid_faults += usize::from(self.faults);
            }
            (Command::Delete { .. }, Answer::Step(Done)) => seen.deleted += 1,
            (Command::Stage { .. }, Answer::Step(Done)) => seen.staged += 1,
            (Command::Advance { called_off, .. }, Answer::Step(Done)) => {
                seen.overtaken += usize::from(moving);
                seen.called_off += usize::from(!called_off.is_empty());
            }
            _ => {}
        }
    }

    /// A read without an entry, at a moment at which it was confirmed.
    fn read(&mut self, index: usize) -> Result<(), Broken> {
        let number = self.random.index(self.twins.len());
        let (key, op) = clients::query(number, &mut self.random);
        let group = &self.nodes[index].group;
        let query = Query::Op { key: key.clone(), op: op.clone() };
        if let Answer::Reply(reply) = group.read(&query) {
            self.seen.reads += 1;
            let mut twin = self.twins[number].clone();
            twin.tick(group.store().clock());
            if twin.read(&key, &op) != Some(reply) {
                return Err(Broken::Reply);
            }
        }
        Ok(())
    }

    fn serving(&self, slot: SlotId) -> impl Iterator<Item = &Node<R, K>> {
        self.nodes.iter().filter(move |node| node.group.serves(slot).is_ok())
    }

    fn check_one(&self) -> Result<(), Broken> {
        let two = |number| self.serving(clients::slot(number)).count() > 1;
        if (0..self.twins.len()).any(two) { Err(Broken::TwoServe) } else { Ok(()) }
    }

    fn check_end(&mut self) -> Result<(), Broken> {
        for (number, owner) in self.owners.iter().enumerate() {
            let serving: Vec<GroupId> =
                self.serving(clients::slot(number)).map(|node| node.group.gid()).collect();
            if serving != [*owner] {
                return Err(Broken::Homeless);
            }
        }
        for node in &self.nodes {
            let own = |slot| node.group.owner(slot) == Some(node.group.gid());
            if !node.group.store().slots().all(own) {
                return Err(Broken::Kept);
            }
        }
        let end = self.now + 1_000;
        for (number, twin) in self.twins.iter().enumerate() {
            let slot = clients::slot(number);
            let node = self.serving(slot).next().ok_or(Broken::Homeless)?;
            let (mut store, mut twin) = (node.group.store().clone(), twin.clone());
            store.tick(end);
            twin.tick(end);
            let (mine, other) = (store.copy_slot(slot), twin.copy_slot(slot));
            if mine != other {
                return Err(Broken::Slot);
            }
        }
        Ok(())
    }
}
