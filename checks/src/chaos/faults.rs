//! What goes wrong, and when: a plan from a seed, carried out on processes, ways and disks.
//!
//! A plan names kinds, times and random numbers; who the victim is may hang on who leads when the time has come. Two
//! faults at most are there at once: one of a dense row, and now and then one of another; beside them administrators
//! of a sharded cluster ask for what they want. What a fault has done is undone when its time is over, and at a
//! chapter's end everything is mended, whatever was done.

mod kind;

pub use kind::Kind;

use super::admin::{self, Asking};
use super::disks::{Busy, Drag, Mounted};
use super::network::{Links, run};
use super::nodes::{Node, leader};
use crate::walk::Random;
use serde::Serialize;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

/// A fault to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// When, from the chapter's begin.
    pub at: Duration,
    /// For how long.
    pub lasts: Duration,
    /// Who, and how, as far as that is free.
    pub random: u64,
}

/// A fault that was.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Record {
    /// What.
    pub kind: Kind,
    /// To whom, or how.
    pub what: String,
    /// When it began, in seconds of the run.
    pub from_s: f64,
    /// When it ended, in seconds of the run.
    pub to_s: f64,
}

/// Kinds in random order, each as often as the others.
#[derive(Debug)]
pub struct Bag {
    kinds: Vec<Kind>,
    /// Whether administrators ask too.
    changes: bool,
    left: Vec<Kind>,
    random: Random,
}

impl Bag {
    /// A bag of these. What administrators ask for is in none: it has a row of its own.
    pub fn new(mut kinds: Vec<Kind>, seed: u64) -> Self {
        let changes = kinds.contains(&Kind::Change);
        kinds.retain(|kind| *kind != Kind::Change);
        Self { kinds, changes, left: Vec::new(), random: Random(seed) }
    }

    fn draw(&mut self) -> Kind {
        if self.left.is_empty() {
            self.left.clone_from(&self.kinds);
        }
        let at = self.random.below(self.left.len());
        self.left.swap_remove(at)
    }

    /// The faults of a chapter of this length, in the order of their begins.
    pub fn plan(&mut self, length: Duration) -> Vec<Fault> {
        let length = length.as_millis() as usize;
        let longest = (length / 4).max(100);
        let mut plan = Vec::new();
        // The dense row, and the sparse one, and that of administrators; all leave the beginning and the end in peace.
        let rows = [(500, 1500, false), (4000, 9000, false), (200, 1800, true)];
        for (least, more, changes) in rows.into_iter().take(2 + usize::from(self.changes)) {
            let pause = |bag: &mut Self| (least + bag.random.below(more)).min(longest);
            let mut at = pause(self);
            loop {
                let kind = if changes { Kind::Change } else { self.draw() };
                let lasts = kind.least_ms() + self.random.below(kind.most_ms());
                let lasts = lasts.min(longest);
                if at + lasts + longest / 2 > length {
                    if !changes {
                        // It is not forgotten.
                        self.left.push(kind);
                    }
                    break;
                }
                let random = self.random.below(usize::MAX) as u64;
                let (at_ms, lasts_ms) = (at as u64, lasts as u64);
                let (begins, lasts_for) =
                    (Duration::from_millis(at_ms), Duration::from_millis(lasts_ms));
                plan.push(Fault { kind, at: begins, lasts: lasts_for, random });
                at += lasts + pause(self);
            }
        }
        plan.sort_by_key(|fault| fault.at);
        plan
    }
}

/// What is under the faults.
#[derive(Debug)]
pub struct World {
    /// The processes. They end before what they stand on.
    pub nodes: Vec<Node>,
    /// How many groups there are; 0 is a cluster of the store.
    pub groups: u8,
    /// The ways between them.
    pub links: Links,
    /// Which node's disk can be filled, and its file system.
    pub small: Option<(usize, Mounted)>,
    /// Which node's disk can be frozen, and its file system.
    pub icy: Option<(usize, Mounted)>,
    /// Where the others' folders are.
    pub folder: PathBuf,
    /// What clients must say.
    pub password: String,
    /// Whether a node's syncs can be made to take longer here.
    pub drags: bool,
    /// There is no room on the small disk just now.
    pub full: bool,
    /// How often a process has ended for want of room.
    pub ended: u64,
    /// What went wrong that no fault explains.
    pub problems: Vec<String>,
}

/// What a fault holds until its end.
#[derive(Debug)]
pub enum Held {
    /// Nodes that are down.
    Down(Vec<usize>),
    /// A node that is stopped.
    Stopped(usize),
    /// Ways that are cut.
    Cut(Vec<(usize, usize)>),
    /// A node whose ways are slow.
    Slow(usize),
    /// The small disk.
    Full,
    /// Whoever thaws the frozen disk.
    Frozen(Child),
    /// Whoever keeps the disk busy.
    Busy(Busy),
    /// Whoever makes a node's syncs take longer.
    Dragged(Drag),
    /// A node whose time of day is off.
    Clock(usize),
    /// Administrators who wait for an answer.
    Asking(Vec<Asking>),
}

impl World {
    /// Which kinds can be had here.
    pub fn kinds(&self, cuts: bool) -> Vec<Kind> {
        let here = |kind: &Kind| match kind {
            Kind::Change => self.groups > 0,
            Kind::SlowNetwork => self.links.slowing.is_some(),
            Kind::FullDisk => self.small.is_some(),
            Kind::FrozenDisk => self.icy.is_some(),
            Kind::SlowSyncs => self.drags,
            Kind::Clock => self.nodes.iter().any(|node| node.clock.is_some()),
            kind if kind.cuts() => cuts,
            _ => true,
        };
        Kind::ALL.into_iter().filter(here).collect()
    }

    /// Begins a fault: what it holds, and to whom it happens. None if it can't happen to anybody just now.
    ///
    /// # Errors
    /// If the system does not do it.
    pub fn begin(&mut self, fault: &Fault) -> Result<Option<(Held, String)>, String> {
        let mut random = Random(fault.random);
        let all = self.nodes.len();
        let mut one = random.below(all);
        let leads = matches!(fault.kind, Kind::KillLeader | Kind::StopLeader | Kind::IsolateLeader);
        // A clock that jumps is worth most on the leader.
        if leads || fault.kind == Kind::Clock && random.below(2) == 0 {
            match leader(&self.nodes, &self.password) {
                Some(leader) => one = leader,
                None if leads => return Ok(None),
                None => {}
            }
        }
        let name = format!("n{one}");
        Ok(match fault.kind {
            Kind::KillOne | Kind::KillLeader => {
                let ran = self.nodes[one].runs();
                self.nodes[one].kill();
                ran.then_some((Held::Down(vec![one]), name))
            }
            Kind::KillAll => {
                self.nodes.iter_mut().for_each(Node::kill);
                Some((Held::Down((0..all).collect()), "all".into()))
            }
            Kind::RestartAll => {
                self.nodes.iter_mut().for_each(Node::ask_to_end);
                for node in &mut self.nodes {
                    if !node.wait_for_end() {
                        let text = format!("node {} does not end when it is asked to", node.number);
                        self.problems.push(text);
                    }
                }
                Some((Held::Down((0..all).collect()), "all".into()))
            }
            Kind::Stop | Kind::StopLeader => {
                self.nodes[one].pause().then_some((Held::Stopped(one), name))
            }
            Kind::SlowNetwork => {
                self.links.slow(one)?;
                Some((Held::Slow(one), name))
            }
            Kind::FullDisk => self.small.as_ref().map(|(number, disk)| {
                self.nodes[*number].may_end = true;
                self.full = true;
                disk.fill();
                (Held::Full, format!("n{number}"))
            }),
            Kind::FrozenDisk => match &self.icy {
                Some((number, disk)) => {
                    Some((Held::Frozen(disk.freeze(fault.lasts)?), format!("n{number}")))
                }
                None => None,
            },
            Kind::SlowDisk => Some((Held::Busy(Busy::begin(&self.folder)), "shared".into())),
            Kind::SlowSyncs => {
                let ms = [5, 30, 200][random.below(3)];
                let drag = self.drag(one, Duration::from_millis(ms))?;
                drag.map(|drag| (Held::Dragged(drag), format!("n{one} +{ms} ms")))
            }
            Kind::Clock => {
                let jumps = [3600, -3600, 40, -40, 3, -3];
                let jump = jumps[random.below(jumps.len())];
                self.nodes[one].set_clock(jump).map_err(|error| error.to_string())?;
                Some((Held::Clock(one), format!("n{one} {jump:+} s")))
            }
            Kind::Change => {
                let (asking, words) = admin::ask(self, &mut random);
                Some((Held::Asking(asking), words))
            }
            kind => {
                let (ways, name) = self.shape(kind, one, &mut random);
                self.links.cut(&ways)?;
                Some((Held::Cut(ways), name))
            }
        })
    }

    /// Makes a node's syncs take longer. None if it has ended meanwhile.
    fn drag(&self, node: usize, longer: Duration) -> Result<Option<Drag>, String> {
        let Some(pid) = self.nodes[node].pid() else { return Ok(None) };
        match Drag::begin(pid, longer) {
            Ok(drag) => Ok(Some(drag)),
            // Nobody has waited for it yet, so its number is still its own.
            Err(_) if !self.nodes[node].is_alive() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The ways that a partition of this kind cuts, and its name.
    fn shape(&self, kind: Kind, one: usize, random: &mut Random) -> (Vec<(usize, usize)>, String) {
        let all = self.nodes.len();
        let both = |left: &[usize], right: &[usize]| {
            let pairs = left.iter().flat_map(|a| right.iter().map(move |b| (*a, *b)));
            pairs.flat_map(|(a, b)| [(a, b), (b, a)]).collect::<Vec<_>>()
        };
        let mut order: Vec<usize> = (0..all).collect();
        for place in (1..all).rev() {
            order.swap(place, random.below(place + 1));
        }
        let names = |nodes: &[usize]| {
            nodes.iter().map(|node| format!("n{node}")).collect::<Vec<_>>().join("+")
        };
        let others: Vec<usize> = (0..all).filter(|node| *node != one).collect();
        match kind {
            Kind::Isolate | Kind::IsolateLeader => (both(&[one], &others), format!("n{one}")),
            Kind::Halves => {
                let (left, right) = order.split_at(all / 2);
                (both(left, right), format!("{} | {}", names(left), names(right)))
            }
            Kind::Bridge => {
                let (bridge, sides) = order.split_at(1);
                let (left, right) = sides.split_at(sides.len() / 2);
                let name = format!("{} | {} | {}", names(left), names(bridge), names(right));
                (both(left, right), name)
            }
            Kind::NoClients => (both(&[one], &[self.links.clients()]), format!("n{one}")),
            _ => {
                let (left, right) = order.split_at(1 + random.below(all / 2));
                let ways = left.iter().flat_map(|a| right.iter().map(move |b| (*a, *b)));
                (ways.collect(), format!("{} → {}", names(left), names(right)))
            }
        }
    }

    /// Ends a fault.
    ///
    /// # Errors
    /// If the system does not do it.
    pub fn end(&mut self, held: Held) -> Result<(), String> {
        match held {
            Held::Down(nodes) => nodes.iter().try_for_each(|node| self.nodes[*node].start()),
            Held::Stopped(node) => {
                self.nodes[node].go_on();
                Ok(())
            }
            Held::Cut(ways) => self.links.heal(&ways),
            Held::Slow(node) => self.links.quicken(node),
            Held::Full => {
                self.small.iter().for_each(|(_, disk)| disk.empty());
                self.full = false;
                // It may notice only now that there was no room; see `look`.
                self.small.iter().try_for_each(|(number, _)| self.nodes[*number].start())
            }
            Held::Frozen(mut child) => {
                // It thaws by itself.
                child.wait().map(|_| ()).map_err(|error| error.to_string())
            }
            Held::Busy(busy) => {
                drop(busy);
                Ok(())
            }
            Held::Dragged(drag) => {
                drop(drag);
                Ok(())
            }
            Held::Asking(asking) => {
                let panicked = |_| "an administrator has panicked".to_owned();
                asking.into_iter().try_for_each(|one| one.join().map_err(panicked))
            }
            Held::Clock(node) => self.nodes[node].set_clock(0).map_err(|error| error.to_string()),
        }
    }

    /// Looks whether a process has ended by itself. Only one without room may; it is started again when there is some.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn look(&mut self) -> Result<(), String> {
        for node in &mut self.nodes {
            let Some(end) = node.end() else { continue };
            if !node.may_end {
                self.problems.push(end);
                continue;
            }
            self.ended += 1;
            if !self.full {
                node.start()?;
            }
        }
        Ok(())
    }

    /// Whether nodes count other numbers of keys, when nobody writes any more: keys may be there that no client knows.
    pub fn sizes_differ(&self) -> Option<String> {
        let count = |node: &Node| {
            let health = node.health(&self.password, Duration::from_secs(5));
            health.map(|health| health.keys)
        };
        let mut counts = Vec::new();
        for _ in 0..20 {
            counts = self.nodes.iter().map(count).collect();
            if counts.iter().all(|count| count.is_some() && *count == counts[0]) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Some(format!("nodes count different numbers of keys: {counts:?}"))
    }

    /// Copies the folders that lie on file systems of their own to where the others are, before those go.
    pub fn save(&self) {
        for (number, disk) in [&self.small, &self.icy].into_iter().flatten() {
            let (from, to) = (disk.place.join("node"), self.folder.join(format!("node-{number}")));
            let copied = run("cp", &["-r", &from.to_string_lossy(), &to.to_string_lossy()]);
            if let Err(error) = copied {
                eprintln!("the folder of n{number} is not kept: {error}");
            }
        }
    }

    /// Starts what does not run, once everything else is mended.
    ///
    /// # Errors
    /// If a process can't be started.
    pub fn mend(&mut self) -> Result<(), String> {
        self.look()?;
        self.nodes.iter_mut().for_each(Node::go_on);
        self.nodes.iter_mut().try_for_each(Node::start)
    }
}
