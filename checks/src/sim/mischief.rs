//! What goes wrong next.

use super::env::Env;
use super::event::Event;
use super::faults::{Fault, Faults};
use super::kit::Kit;
use super::net::Weather;
use super::world::World;
use protocol::NodeId;

/// What may begin at once, and how likely each is.
const CHOICES: &[(Choice, u64)] = &[
    (Choice::Weather, 30),
    (Choice::Partition, 16),
    (Choice::OneWay, 10),
    (Choice::Break, 6),
    (Choice::Crash, 22),
    (Choice::CrashAll, 2),
    (Choice::Stall, 10),
    (Choice::Full, 4),
    (Choice::Flip, 1),
    (Choice::Drift, 4),
    (Choice::Jump, 5),
    (Choice::Freeze, 8),
    (Choice::FreezeAll, 6),
    (Choice::Pause, 10),
];

#[derive(Clone, Copy)]
enum Choice {
    Weather,
    Partition,
    OneWay,
    Break,
    Crash,
    CrashAll,
    Stall,
    Full,
    Flip,
    Drift,
    Jump,
    Freeze,
    FreezeAll,
    Pause,
}

impl Choice {
    /// Whether it may happen.
    fn is_allowed(self, faults: Faults) -> bool {
        faults.has(match self {
            Self::Weather => return true,
            Self::Partition => Fault::Partition,
            Self::OneWay => Fault::OneWay,
            Self::Break => Fault::Break,
            Self::Crash | Self::CrashAll => Fault::Crash,
            Self::Stall => Fault::Stall,
            Self::Full => Fault::Full,
            Self::Flip => Fault::Flip,
            Self::Drift => Fault::Drift,
            Self::Jump => Fault::Jump,
            Self::Freeze | Self::FreezeAll => Fault::Freeze,
            Self::Pause => Fault::Pause,
        })
    }
}

impl Env {
    fn choice(&mut self) -> Choice {
        let all: u64 = CHOICES.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.random.below(all);
        for (choice, weight) in CHOICES {
            if drawn < *weight {
                return *choice;
            }
            drawn -= weight;
        }
        Choice::Weather
    }

    /// Any server; often the one that leads.
    fn victim(&mut self) -> NodeId {
        let leader = self.judge.leader().filter(|_| self.random.chance(400_000));
        leader.unwrap_or_else(|| self.any_node())
    }

    fn any_node(&mut self) -> NodeId {
        NodeId(self.random.below(u64::from(self.habits.nodes)) as u8)
    }

    /// Another weather, for a while.
    pub(super) fn change_weather(&mut self) {
        let mut often = |chance: u32, most: u64| {
            if self.random.chance(chance) { self.random.skewed(1_000, most) as u32 } else { 0 }
        };
        let weather = Weather {
            loss: often(500_000, 400_000),
            duplicate: often(400_000, 300_000),
            reorder: often(400_000, 300_000),
            delay: often(300_000, 100_000),
            broken: often(300_000, 200_000),
            lag_us: u64::from(often(600_000, 600_000)),
        };
        let weather = if self.habits.hasty == 0 {
            weather
        } else {
            // Requests of a candidate that come twice, and behind a voter's next life.
            Weather { duplicate: 200_000, delay: 100_000, ..weather }
        };
        self.tell(|| format!("-- {weather:?}, in millionths"));
        self.net.weather = weather;
        self.net.weathers += 1;
        let generation = self.net.weathers;
        self.soon(200_000, 5_000_000, Event::Clears { generation });
    }

    fn part(&mut self, one_way: bool) {
        self.net.heal();
        let nodes: Vec<NodeId> = self.net.all().collect();
        let mut group = self.random.between(1, (1 << nodes.len()) - 2);
        if self.random.chance(300_000) {
            // One server alone, or with one other: who leads goes on for nothing.
            group = 1 << self.victim().0 | 1 << self.victim().0;
        }
        let inside = |node: &NodeId| group & (1 << node.0) != 0;
        for from in &nodes {
            for to in nodes.iter().filter(|to| inside(to) != inside(from)) {
                let cut = if one_way { inside(from) && self.random.chance(700_000) } else { true };
                self.net.cut(*from, *to, cut);
            }
        }
        let from: Vec<&NodeId> = nodes.iter().filter(|node| inside(node)).collect();
        let how = if one_way { "does not reach all of" } else { "is parted from" };
        self.tell(|| format!("-- {from:?} {how} the others"));
        self.net.parts += 1;
        let generation = self.net.parts;
        let us = self.random.skewed(100_000, 8_000_000);
        self.after(us, Event::Heals { generation });
    }

    fn break_one(&mut self) {
        let (from, to) = (self.any_node(), self.any_node());
        if from != to {
            self.fault(Fault::Break);
            self.breaks(from, to);
        }
    }
}

impl<T: Kit> World<T> {
    /// Something goes wrong, and later something else.
    pub(super) fn mischief(&mut self) {
        if self.env.faults == Faults::NONE {
            return;
        }
        let us = self.env.random.skewed(20_000, self.env.habits.calm_us);
        self.env.after(us, Event::Mischief);
        let (choice, node) = (self.env.choice(), self.env.victim());
        if !choice.is_allowed(self.env.faults) {
            return;
        }
        match choice {
            Choice::Weather => self.env.change_weather(),
            Choice::Partition => self.env.part(false),
            Choice::OneWay => self.env.part(true),
            Choice::Break => self.env.break_one(),
            Choice::Crash => self.crash(node),
            Choice::CrashAll => self.env.net.all().for_each(|node| self.crash(node)),
            Choice::FreezeAll => self.freeze_all(),
            Choice::Full => self.fill(node),
            Choice::Flip => self.flip(node),
            Choice::Pause => self.pause(),
            Choice::Stall | Choice::Drift | Choice::Jump | Choice::Freeze => {
                self.trouble(choice, node);
            }
        }
    }

    /// As when a host of virtual machines stops: when they go on all of their timers have fired.
    fn freeze_all(&mut self) {
        let us = self.env.random.skewed(300_000, 1_500_000);
        let env = &mut self.env;
        env.fault(Fault::Freeze);
        env.tell(|| format!("-- no server is scheduled for {} ms", us / 1000));
        self.servers.iter_mut().for_each(|server| server.frozen_until = env.now + us);
    }

    fn trouble(&mut self, choice: Choice, node: NodeId) {
        let (server, env) = self.server(node);
        let until = env.now + env.random.skewed(20_000, 3_000_000);
        match choice {
            Choice::Stall => {
                env.fault(Fault::Stall);
                server.stalled_until = until;
                env.tell(|| format!("-- {node:?}: its disk stalls until {until}"));
            }
            Choice::Freeze => {
                env.fault(Fault::Freeze);
                server.frozen_until = until;
                env.tell(|| format!("-- {node:?} is not scheduled until {until}"));
            }
            Choice::Drift => {
                env.fault(Fault::Drift);
                let rate = env.random.below(100_000) as i64 - 50_000;
                server.clock.drift(env.now, rate);
                env.tell(|| format!("-- {node:?}: its clocks are off by {rate} millionths"));
            }
            _ => {
                env.fault(Fault::Jump);
                let ms = env.random.below(7_200_000) as i64 - 3_600_000;
                server.clock.jump(ms);
                env.tell(|| format!("-- {node:?}: its time of day jumps by {ms} ms"));
            }
        }
    }
}
