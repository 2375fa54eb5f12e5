//! The network: Raft's messages, each by itself; connections, on which commands are passed on; the clients' requests.
//!
//! A message may be lost, come twice, late, or before an earlier one. What is passed on goes over a connection, as in
//! the product: it comes at most once, and its answer answers that very sending; when the connection is lost the
//! caller's server is told, and nothing comes behind that.

use super::env::Env;
use super::event::{Call, Event, Mail, Packet};
use super::faults::{Corner, Fault};
use super::kinds::Said;
use super::random::Random;
use protocol::NodeId;
use protocol::rsm::{Outcome, Ticket};
use std::fmt;

/// A message takes so long at the most when nothing is wrong, in microseconds.
const USUAL_US: u64 = 900;
/// An unanswered connection is given up after so long at the most, in microseconds.
const NOTICE_US: u64 = 1_200_000;

/// A way from one server to another.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    /// Nothing gets through.
    cut: bool,
    /// The number of its connection.
    epoch: u64,
    /// Whether that stands.
    up: bool,
    /// The arrival of the last message that was not late, in microseconds.
    last: u64,
}

/// How often the network misbehaves, in millionths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// A message is lost.
    pub loss: u32,
    /// It comes twice.
    pub duplicate: u32,
    /// It is overtaken.
    pub reorder: u32,
    /// It is late.
    pub delay: u32,
    /// A client's connection breaks.
    pub broken: u32,
    /// Every message takes so much longer at the most, in microseconds.
    pub lag_us: u64,
}

/// A network of somebody else's, for Raft's messages.
pub trait Carrier {
    /// A message is sent now: how long it takes, in microseconds; None: it is lost.
    fn carries(&mut self, packet: &Packet, now: u64, random: &mut Random) -> Option<u64>;

    /// It comes a second time, so many microseconds later.
    fn carries_again(&mut self) -> Option<u64> {
        None
    }

    /// A message arrives, unless it does not after all.
    fn lets_in(&mut self, packet: &Packet) -> bool;
}

impl fmt::Debug for dyn Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a carrier")
    }
}

/// The network.
#[derive(Debug)]
pub struct Net {
    nodes: u8,
    ways: Vec<Way>,
    /// How it is now.
    pub weather: Weather,
    /// How often it changed.
    pub weathers: u64,
    /// How often it was parted.
    pub parts: u64,
    /// Who carries Raft's messages, if it is not this network.
    pub carrier: Option<Box<dyn Carrier>>,
}

impl Net {
    /// A network in which everybody reaches everybody.
    pub fn new(nodes: u8) -> Self {
        let ways = vec![Way::default(); usize::from(nodes).pow(2)];
        let weather = Weather::default();
        Self { nodes, ways, weather, weathers: 0, parts: 0, carrier: None }
    }

    fn way(&mut self, from: NodeId, to: NodeId) -> &mut Way {
        &mut self.ways[usize::from(from.0) * usize::from(self.nodes) + usize::from(to.0)]
    }

    /// All servers.
    pub fn all(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes).map(NodeId)
    }

    /// Cuts or mends a way.
    pub fn cut(&mut self, from: NodeId, to: NodeId, cut: bool) {
        self.way(from, to).cut = cut;
    }

    /// Whether a way is cut.
    pub fn is_cut(&mut self, from: NodeId, to: NodeId) -> bool {
        self.way(from, to).cut
    }

    /// Mends all.
    pub fn heal(&mut self) {
        self.ways.iter_mut().for_each(|way| way.cut = false);
    }
}

impl Env {
    /// Sends a message, and again perhaps.
    pub fn send(&mut self, packet: Packet) {
        if let Some(carrier) = &mut self.net.carrier {
            if let Some(us) = carrier.carries(&packet, self.now, &mut self.random) {
                if let Some(later) = carrier.carries_again() {
                    let copy = Mail::Packet(packet.clone());
                    self.after(us + later, Event::Arrives(packet.to, copy));
                }
                self.after(us, Event::Arrives(packet.to, Mail::Packet(packet)));
            }
            return;
        }
        let weather = self.net.weather;
        if self.strikes(Fault::Loss, weather.loss) {
            self.fault(Fault::Loss);
            self.tell(|| format!("   lost: {:?}→{:?}", packet.from, packet.to));
            return;
        }
        if self.strikes(Fault::Duplicate, weather.duplicate) {
            self.fault(Fault::Duplicate);
            let late = self.random.skewed(100, 2_000_000);
            self.after(late, Event::Arrives(packet.to, Mail::Packet(packet.clone())));
        }
        let lag = if self.faults.has(Fault::Delay) { weather.lag_us } else { 0 };
        let mut at = self.now + self.random.between(80, USUAL_US + lag);
        if self.strikes(Fault::Delay, weather.delay) {
            self.fault(Fault::Delay);
            at += self.random.between(100_000, 3_000_000);
        } else if self.strikes(Fault::Reorder, weather.reorder) {
            self.fault(Fault::Reorder);
            at += self.random.between(1_000, 30_000);
        } else {
            let way = self.net.way(packet.from, packet.to);
            at = at.max(way.last + 1);
            way.last = at;
        }
        self.agenda.plan(at, Event::Arrives(packet.to, Mail::Packet(packet)));
    }

    /// Whether a message that arrives gets in.
    pub fn lets_in(&mut self, packet: &Packet) -> bool {
        match &mut self.net.carrier {
            Some(carrier) => carrier.lets_in(packet),
            None => self.gets_through(packet.from, packet.to),
        }
    }

    /// Whether something gets to its end now.
    pub fn gets_through(&mut self, from: NodeId, to: NodeId) -> bool {
        let cut = self.net.is_cut(from, to);
        if cut {
            let back = self.net.is_cut(to, from);
            self.fault(if back { Fault::Partition } else { Fault::OneWay });
        }
        !cut
    }

    /// Passes a command on. Whether it has left.
    pub fn pass(&mut self, mut call: Call) -> bool {
        let way = *self.net.way(call.from, call.to);
        if !way.up {
            return false;
        }
        call.epoch = way.epoch;
        self.soon(80, USUAL_US, Event::Passed(call));
        true
    }

    /// Answers a command that was passed on.
    pub fn answer_call(
        &mut self,
        from: NodeId,
        to: NodeId,
        epoch: u64,
        ticket: Ticket,
        outcome: Outcome<Said>,
    ) {
        self.soon(80, USUAL_US, Event::Answered { from, to, epoch, ticket, outcome });
    }

    /// Whether what was sent on this connection of `owner` to `other` arrives now, from `from` to `to`.
    pub fn connected(&mut self, owner: NodeId, other: NodeId, epoch: u64, from: NodeId) -> bool {
        let to = if from == owner { other } else { owner };
        if !self.gets_through(from, to) {
            // It would be sent again until the connection is given up.
            self.breaks(owner, other);
            return false;
        }
        let way = self.net.way(owner, other);
        way.up && way.epoch == epoch
    }

    /// The connection of `from` to `to` is lost; `from` will notice.
    pub fn breaks(&mut self, from: NodeId, to: NodeId) {
        let way = self.net.way(from, to);
        if !way.up {
            return;
        }
        way.up = false;
        way.epoch += 1;
        self.tell(|| format!("   the connection {from:?}→{to:?} breaks"));
        let boot = self.boot(from);
        let least = if self.random.chance(500_000) { 1_000 } else { 200_000 };
        self.soon(least, NOTICE_US, Event::Noticed { from, to, boot });
    }

    /// A server connects. Until it succeeds it tries again.
    pub fn connect(&mut self, from: NodeId, to: NodeId) {
        let runs = self.runs(to) && self.runs(from);
        let cut = self.net.is_cut(from, to) || self.net.is_cut(to, from);
        let way = self.net.way(from, to);
        if way.up {
            return;
        }
        if runs && !cut {
            way.up = true;
            way.epoch += 1;
        } else {
            self.soon(50_000, 200_000, Event::Connect { from, to });
        }
    }

    /// A server is gone: its connections with it, and those to it.
    pub fn disconnect(&mut self, node: NodeId) {
        for other in self.net.all().filter(|other| *other != node) {
            self.breaks(other, node);
            let way = self.net.way(node, other);
            way.up = false;
            way.epoch += 1;
        }
    }

    /// How long something takes between a client and a server; None: it is lost with its connection.
    pub fn to_client(&mut self) -> Option<u64> {
        let weather = self.net.weather;
        if self.strikes(Fault::Break, weather.broken) {
            self.fault(Fault::Break);
            return None;
        }
        let usual = self.random.between(80, USUAL_US);
        if self.strikes(Fault::Delay, weather.delay) {
            self.fault(Fault::Delay);
            return Some(self.random.between(50_000, 6_000_000));
        }
        Some(usual)
    }

    /// The loss of a connection was noticed.
    pub fn noticed(&mut self) {
        self.corner(Corner::PassLost);
    }
}
