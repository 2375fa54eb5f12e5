//! The commands of a script. Those that make one thing happen list its effects; those that make
//! several happen list each of them, with its effects below it.
//!
//! | command | what it does |
//! |---|---|
//! | `group 3 [batch=2] [window=4]` | starts servers n0, n1, … with empty disks |
//! | `log n1 1 4*2 [term=5] [vote=n0]` | restarts it from a disk with entries of these terms |
//! | `timer n0 election` | an armed timer fires (or `contact`, `heartbeat`, `quorum`) |
//! | `campaign n0` | the driver asks it to run without a pre-vote |
//! | `propose n0 x z*3` | clients' commands as one input; `z*3` is z1 z2 z3 |
//! | `propose n0 each x y` | the same, one by one |
//! | `read n1` | a client's read |
//! | `compact n0 [3]` | the service's snapshot; through the commit index if no other is said |
//! | `deliver …`, `drop …`, `duplicate …` | messages on their way, see `script/select.rs` |
//! | `disk n0 [2]`, `disk all` | the disk finishes its oldest writes, all if no number is said |
//! | `crash n0`, `stop n0`, `start n0` | it loses what its disk lacks; `crash` is both |
//! | `cut n0 …`, `heal [n0 …]` | messages from and to it are lost, from now on or no longer |
//! | `settle [n0 n1]` | finishes disks and delivers until all is quiet (among these) |
//! | `elect n0` | contact with leaders lapses, n0's timer fires, all settles, n0 must lead |
//! | `network`, `state [n0]` | lists the messages on their way; each server in one line |
//! | `mark` | begins to count messages anew, for `expect sent` |
//! | `hide timers` | leaves out arming and disarming from here on |
//! | `quiet …` | leaves out all consequences of one command |
//! | `expect …` | see `script/expect.rs` |

use super::expect::{self, Counts, expand};
use super::select::Select;
use crate::support::group::{Event, Group, Happening};
use crate::support::show;
use crate::support::{Packet, Tag};
use protocol::log::{Durable, Entry};
use protocol::raft::{Effect, Paper, Timer};
use protocol::{HardState, NodeId, Term, Write};

/// How many rounds of disks and deliveries a group may need to come to rest.
const SETTLE_ROUNDS: usize = 1_000;

/// What a script has built so far.
#[derive(Default)]
pub struct Player {
    group: Option<Group>,
    sent: Counts,
    hides_timers: bool,
}

type Outcome = Result<(), String>;

impl Player {
    /// Carries out one command and returns its consequences.
    pub fn command(&mut self, line: &str) -> Result<Vec<String>, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["quiet", rest @ ..] => self.command(&rest.join(" ")).map(|_| Vec::new()),
            ["hide", "timers"] => {
                self.hides_timers = true;
                Ok(Vec::new())
            }
            ["group", count, options @ ..] => self.begin(count, options).map(|()| Vec::new()),
            ["mark"] => {
                self.sent.clear();
                Ok(Vec::new())
            }
            ["network"] => Ok(self.list_network()?),
            ["state"] => Ok(self.list_states(None)?),
            ["state", node] => {
                let node = self.node(node)?;
                Ok(self.list_states(Some(node))?)
            }
            ["expect", what @ ..] => {
                let group = self.group.as_ref().ok_or("`group` comes first")?;
                expect::expect(group, &self.sent, what).map(|()| Vec::new())
            }
            [verb, rest @ ..] => {
                self.group()?;
                let mut shown = self.one_input(verb, rest)?;
                if !shown {
                    shown = self.inputs(verb, rest)? || self.messages(verb, rest)?;
                    let problem = || format!("unknown command `{verb}`");
                    return if shown { Ok(self.take_lines(false)) } else { Err(problem()) };
                }
                Ok(self.take_lines(true))
            }
            [] => Err("an empty command".to_owned()),
        }
    }

    fn group(&mut self) -> Result<&mut Group, String> {
        self.group.as_mut().ok_or_else(|| "`group` comes first".to_owned())
    }

    fn node(&self, word: &str) -> Result<NodeId, String> {
        let group = self.group.as_ref().ok_or("`group` comes first")?;
        expect::node(group, word)
    }

    fn begin(&mut self, count: &str, options: &[&str]) -> Outcome {
        let (mut batch, mut window) = (100, 100);
        for option in options {
            match option.split_once('=') {
                Some(("batch", value)) => batch = number(value)?,
                Some(("window", value)) => window = number(value)?,
                _ => return Err(format!("`{option}` is neither batch= nor window=")),
            }
        }
        let mut group = Group::new(Paper, number(count)?, batch, window);
        group.events.clear();
        self.group = Some(group);
        Ok(())
    }

    /// The commands that make one thing happen to one server; false if it is none of them.
    fn one_input(&mut self, verb: &str, rest: &[&str]) -> Result<bool, String> {
        let (node, input) = match (verb, rest) {
            ("timer", [node, timer]) => {
                let (node, timer) = (self.node(node)?, timer_named(timer)?);
                if !self.group()?.server(node).armed.contains(&timer) {
                    return Err("that timer is not armed".to_owned());
                }
                (node, Happening::Timer(timer))
            }
            ("campaign", [node]) => (self.node(node)?, Happening::Campaign),
            ("propose", [_, "each", ..]) => return Ok(false),
            ("propose", [node, commands @ ..]) if !commands.is_empty() => {
                (self.node(node)?, Happening::Propose(tags(commands)?))
            }
            ("read", [node]) => {
                let node = self.node(node)?;
                (node, Happening::Read(self.group()?.new_read()))
            }
            ("compact", [node]) => {
                let node = self.node(node)?;
                let commit = self.group()?.server(node).replica.raft().commit();
                (node, Happening::Compact(commit))
            }
            ("compact", [node, through]) => {
                (self.node(node)?, Happening::Compact(number(through)?))
            }
            ("timer", _) => return Err(malformed("timer nX election")),
            ("campaign" | "read", _) => return Err(malformed(&format!("{verb} nX"))),
            ("propose", _) => return Err(malformed("propose nX command …")),
            ("compact", _) => return Err(malformed("compact nX [index]")),
            _ => return Ok(false),
        };
        self.feed(node, &input)?;
        Ok(true)
    }

    /// The commands that make several things happen; false if it is none of them.
    fn inputs(&mut self, verb: &str, rest: &[&str]) -> Result<bool, String> {
        match (verb, rest) {
            ("propose", [node, "each", commands @ ..]) => {
                let node = self.node(node)?;
                for tag in tags(commands)? {
                    self.feed(node, &Happening::Propose(vec![tag]))?;
                }
            }
            ("disk", ["all"]) => self.finish_disks(None)?,
            ("disk", [node]) => self.finish_disks(Some(&[self.node(node)?]))?,
            ("disk", [node, count]) => {
                let (node, count) = (self.node(node)?, number(count)?);
                if count > self.group()?.server(node).pending.len() {
                    return Err("the disk was not asked for so many writes".to_owned());
                }
                self.feed(node, &Happening::Disk(count))?;
            }
            ("crash", [node]) => {
                let node = self.node(node)?;
                self.feed(node, &Happening::Crash)?;
                self.start(node)?;
            }
            ("stop", [node]) => {
                let node = self.node(node)?;
                self.feed(node, &Happening::Crash)?;
            }
            ("start", [node]) => {
                let node = self.node(node)?;
                self.start(node)?;
            }
            ("elect", [node]) => self.elect(self.node(node)?)?,
            ("settle", nodes) => {
                let nodes: Result<Vec<_>, _> = nodes.iter().map(|node| self.node(node)).collect();
                let nodes = nodes?;
                self.settle(if nodes.is_empty() { None } else { Some(&nodes) })?;
            }
            ("log", [node, terms @ ..]) => self.load(self.node(node)?, terms)?,
            ("disk", _) => return Err(malformed("disk nX [count]")),
            ("crash" | "stop" | "start" | "elect", _) => {
                return Err(malformed(&format!("{verb} nX")));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The commands about messages on their way; false if it is none of them.
    fn messages(&mut self, verb: &str, rest: &[&str]) -> Result<bool, String> {
        match verb {
            "cut" if !rest.is_empty() => {
                for word in rest {
                    let node = self.node(word)?;
                    self.group()?.cut(node);
                }
            }
            "heal" => {
                let nodes: Result<Vec<_>, _> = rest.iter().map(|word| self.node(word)).collect();
                let nodes = nodes?;
                let group = self.group()?;
                let chosen = |node: &NodeId| nodes.is_empty() || nodes.contains(node);
                for node in group.nodes().filter(chosen) {
                    group.server_mut(node).cut = false;
                }
            }
            "deliver" => {
                let positions = self.select(rest)?;
                self.deliver(&positions)?;
            }
            "drop" => {
                let positions = self.select(rest)?;
                self.take(&positions)?;
            }
            "duplicate" => {
                let positions = self.select(rest)?;
                let group = self.group()?;
                for position in positions {
                    group.network.push(group.network[position].clone());
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn select(&mut self, words: &[&str]) -> Result<Vec<usize>, String> {
        let select = Select::parse(words, |word| self.node(word))?;
        select.positions(&self.group()?.network)
    }

    /// Takes messages off the network, in their order.
    fn take(&mut self, positions: &[usize]) -> Result<Vec<Packet>, String> {
        let group = self.group()?;
        let mut position = 0;
        let extracted = group.network.extract_if(.., |_| {
            position += 1;
            positions.contains(&(position - 1))
        });
        Ok(extracted.collect())
    }

    fn deliver(&mut self, positions: &[usize]) -> Outcome {
        for packet in self.take(positions)? {
            self.feed(packet.to, &Happening::Arrival(packet))?;
        }
        Ok(())
    }

    fn feed(&mut self, node: NodeId, input: &Happening) -> Outcome {
        let group = self.group()?;
        if group.server(node).down && *input != Happening::Start {
            return Err(format!("{node:?} is down"));
        }
        group.feed(node, input);
        Ok(())
    }

    fn start(&mut self, node: NodeId) -> Outcome {
        if !self.group()?.server(node).down {
            return Err("it is not down".to_owned());
        }
        self.feed(node, &Happening::Start)
    }

    fn finish_disks(&mut self, nodes: Option<&[NodeId]>) -> Outcome {
        let mut idle = true;
        for node in self.group()?.nodes() {
            let pending = self.group()?.server(node).pending.len();
            if pending > 0 && nodes.is_none_or(|nodes| nodes.contains(&node)) {
                self.feed(node, &Happening::Disk(pending))?;
                idle = false;
            }
        }
        if idle { Err("no write is pending".to_owned()) } else { Ok(()) }
    }

    fn settle(&mut self, nodes: Option<&[NodeId]>) -> Outcome {
        let among = |node: NodeId| nodes.is_none_or(|nodes| nodes.contains(&node));
        for _ in 0..SETTLE_ROUNDS {
            let disks = self.finish_disks(nodes).is_ok();
            let group = self.group()?;
            let up = |node: NodeId| !group.server(node).down;
            let meant = |packet: &Packet| among(packet.from) && among(packet.to) && up(packet.to);
            let positions: Vec<_> =
                (0..group.network.len()).filter(|&at| meant(&group.network[at])).collect();
            self.deliver(&positions)?;
            if !disks && positions.is_empty() {
                return Ok(());
            }
        }
        Err(format!("no rest after {SETTLE_ROUNDS} rounds"))
    }

    fn elect(&mut self, node: NodeId) -> Outcome {
        for other in self.group()?.nodes() {
            let server = self.group()?.server(other);
            if server.is_connected() && server.armed.contains(&Timer::Contact) {
                self.feed(other, &Happening::Timer(Timer::Contact))?;
            }
        }
        self.feed(node, &Happening::Timer(Timer::Election))?;
        self.settle(None)?;
        let raft = self.group()?.server(node).replica.raft();
        if raft.leads() { Ok(()) } else { Err(format!("it does not lead: {raft:?}")) }
    }

    /// Puts entries of the given terms on a disk. The first of each term is its leader's no-op, the
    /// others are named by their identity, so equal ones are equal.
    fn load(&mut self, node: NodeId, words: &[&str]) -> Outcome {
        let (mut terms, mut hard) = (Vec::new(), HardState::default());
        for word in words {
            match word.split_once('=') {
                Some(("term", term)) => hard.term = number(term)?,
                Some(("vote", vote)) => hard.vote = Some(self.node(vote)?),
                _ => terms.push(*word),
            }
        }
        let terms = expect::terms(&terms)?;
        if !terms.is_sorted() {
            return Err("terms in a log only rise".to_owned());
        }
        let mut durable = Durable::default();
        for (index, &term) in (1..).zip(&terms) {
            let begins = durable.terms.last().term < term;
            let entry = if begins { Entry::NoOp } else { named(term, index) };
            let write = Write::Append { first: index, term, count: 1 };
            durable.apply(&write, [entry].into_iter());
        }
        hard.term = hard.term.max(terms.last().copied().unwrap_or(0));
        durable.hard = hard;
        let group = self.group()?;
        group.load(node, durable);
        group.events.clear();
        Ok(())
    }

    /// The lines of what has happened. `one` if the command was the input itself.
    fn take_lines(&mut self, one: bool) -> Vec<String> {
        let Some(group) = &mut self.group else { return Vec::new() };
        let mut lines = Vec::new();
        for event in group.events.drain(..) {
            if let Event::Sent { packet, .. } = &event {
                self.sent.push(packet.message.body);
            }
            let timer =
                matches!(event, Event::Other { effect: Effect::Arm(_) | Effect::Disarm(_), .. });
            if timer && self.hides_timers {
                continue;
            }
            let line = show::event(&event);
            match event {
                Event::Input { .. } if one => {}
                Event::Input { .. } | Event::Finished { .. } => lines.push(line),
                _ if one => lines.push(line),
                _ => lines.push(format!("  {line}")),
            }
        }
        lines
    }

    fn list_network(&mut self) -> Result<Vec<String>, String> {
        let line = |(position, packet): (usize, &Packet)| {
            let text = show::message(&packet.message, &packet.entries);
            format!("%{} {:?} → {:?}  {text}", position + 1, packet.from, packet.to)
        };
        Ok(self.group()?.network.iter().enumerate().map(line).collect())
    }

    fn list_states(&mut self, only: Option<NodeId>) -> Result<Vec<String>, String> {
        let group = self.group()?;
        let nodes = group.nodes().filter(|node| only.is_none_or(|only| only == *node));
        let line = |node: NodeId| {
            let server = group.server(node);
            let what = match (server.down, server.cut) {
                (true, _) => " (down)",
                (false, true) => " (cut)",
                (false, false) => "",
            };
            format!("{node:?}{what} {:?}", server.replica)
        };
        Ok(nodes.map(line).collect())
    }
}

fn named(term: Term, index: u64) -> Entry<Tag> {
    Entry::Command(Tag::new(format!("c{term}.{index}")))
}

fn tags(words: &[&str]) -> Result<Vec<Tag>, String> {
    let mut tags = Vec::new();
    for word in words {
        match expand(word)? {
            (word, Some(count)) => {
                tags.extend((1..=count).map(|number| Tag::new(format!("{word}{number}"))));
            }
            (word, None) => tags.push(Tag::new(word)),
        }
    }
    Ok(tags)
}

fn timer_named(word: &str) -> Result<Timer, String> {
    match word {
        "election" => Ok(Timer::Election),
        "contact" => Ok(Timer::Contact),
        "heartbeat" => Ok(Timer::Heartbeat),
        "quorum" => Ok(Timer::Quorum),
        _ => Err(format!("there is no timer `{word}`")),
    }
}

fn number<N: std::str::FromStr>(word: &str) -> Result<N, String> {
    word.parse().map_err(|_| format!("`{word}` is no number"))
}

fn malformed(form: &str) -> String {
    format!("malformed, see `{form}`")
}
