//! Calls that go to groups on other nodes, and those that come from there.
//!
//! A node's plain port answers for every key, also for those of groups that have no server on the node. Such a call is
//! a *guest* at a node that has one: it is posted there like a client's own, and passed on if that server does not
//! lead. What became of it goes back on the connection on which it came.
//!
//! Calls to one group go to one node as long as any is on its way ([`Passage`]), so they come to the group in the order
//! in which they were sent. The exception are those on a connection that is lost: their clients are told that nobody
//! knows, and they may be executed later, or never. The router's model has both (`route-guest`, `route-ways`).

use super::callers::{Caller, NetMail};
use super::router::GroupHandle;
use crate::mailbox::Mailbox;
use crate::peer::{Peers, Received, Room, Ticket};
use crate::raft::{Outcome, Request, Shared, What};
use crate::rsm::{decode, encode};
use crate::session::{Answer, Query};
use crate::shardkv::Asker;
use crate::sync::Mutex;
use crate::view::Shard;
use crate::wal::GroupId as RoomId;
use protocol::NodeId;
use protocol::shardkv::router::{Ordered, Passage};
use protocol::shardkv::{Command, GroupId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The room of guests: no group has this number ([`crate::config`] gives them out from 1 on).
const ROOM: RoomId = RoomId(u16::MAX);

/// A call on its way to another node.
#[derive(Serialize, Deserialize)]
struct Visit {
    group: GroupId,
    what: What<Query>,
}

/// What became of one.
#[derive(Serialize, Deserialize)]
struct Told {
    outcome: Outcome<Answer>,
    /// Who leads the group, as far as its server there knows.
    leader: Option<NodeId>,
}

/// What was sent and is not answered.
#[derive(Debug, Default)]
struct Sent {
    next: u64,
    calls: BTreeMap<u64, (NodeId, GroupId, Caller)>,
    ways: BTreeMap<GroupId, Passage>,
}

/// What has come and is not answered.
#[derive(Debug, Default)]
struct Hosted {
    next: u64,
    calls: BTreeMap<u64, (GroupId, NodeId, Ticket)>,
}

/// A server of a group here.
type Server = (GroupHandle, Arc<Shared>);

/// The guests of a node, and its own calls elsewhere.
pub struct Guests {
    /// The other nodes.
    others: Vec<NodeId>,
    /// On which of them each group is that was ever heard of.
    places: Mutex<BTreeMap<GroupId, Vec<NodeId>>>,
    mail: Mailbox<NetMail>,
    /// None if there are no other nodes.
    room: Option<Room>,
    servers: Mutex<BTreeMap<GroupId, Server>>,
    sent: Mutex<Sent>,
    hosted: Mutex<Hosted>,
}

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guests").field("others", &self.others).finish_non_exhaustive()
    }
}

impl Guests {
    /// Of a node beside these others. `peers` does not go yet; without it there are none.
    pub(super) fn open(
        mail: Mailbox<NetMail>,
        others: Vec<NodeId>,
        peers: Option<&Arc<Peers>>,
    ) -> Arc<Self> {
        Arc::<Self>::new_cyclic(|weak| {
            let open = |peers| {
                // Who has the guests has the connections, and not the other way round.
                let weak = Clone::clone(weak);
                Room::open(peers, ROOM, move |received| {
                    if let Some(guests) = weak.upgrade() {
                        guests.receive(received);
                    }
                })
            };
            Self {
                others,
                places: Mutex::new(BTreeMap::new()),
                mail,
                room: peers.map(open),
                servers: Mutex::new(BTreeMap::new()),
                sent: Mutex::new(Sent::default()),
                hosted: Mutex::new(Hosted::default()),
            }
        })
    }

    /// A group's server here, and what it shows of itself.
    pub fn put_group(&self, group: GroupId, handle: GroupHandle, shared: Arc<Shared>) {
        self.servers.lock().insert(group, (handle, shared));
    }

    /// Where groups are. Of those that were known and are not named any more what is known stays: they may have slots
    /// still.
    pub(super) fn learn(&self, groups: &BTreeMap<GroupId, Shard>) {
        let named = groups.iter().filter(|(_, shard)| !shard.nodes.is_empty());
        self.places.lock().extend(named.map(|(group, shard)| (*group, shard.nodes.clone())));
    }

    fn server(&self, group: GroupId) -> Option<Server> {
        self.servers.lock().get(&group).cloned()
    }

    /// Sends a call to a node with a server of this group. If it says no, the call surely has not left. Only one thread
    /// may send, or there would be no order.
    #[must_use]
    pub(super) fn send(&self, caller: Caller, group: GroupId, what: What<Query>) -> bool {
        let Some(room) = &self.room else { return false };
        let nodes = self.places.lock().get(&group).cloned();
        let nodes = nodes.unwrap_or_else(|| self.others.clone());
        let Ok(bytes) = encode(&Visit { group, what }) else { return false };
        let candidates = self.sent.lock().way(group).candidates(&Ordered, &nodes);
        for node in candidates {
            // Noted first: its answer may be here before this goes on.
            let number = self.sent.lock().add(node, group, caller);
            if room.forward(node, number, &bytes) || self.sent.lock().take(number).is_none() {
                return true;
            }
        }
        false
    }

    fn receive(&self, received: Received) {
        match received {
            Received::Forward { from, ticket, call } => self.host(from, ticket, &call),
            Received::Answer { ticket, outcome, .. } => {
                // Bytes that are no answer say nothing of what was done.
                let none = Told { outcome: Outcome::Unknown, leader: None };
                self.hear(ticket, decode(&outcome).unwrap_or(none));
            }
            Received::Down { node } => self.lose(node),
            Received::Up { .. } | Received::Message { .. } | Received::Snapshot { .. } => {}
        }
    }

    /// A guest has come.
    fn host(&self, from: NodeId, ticket: Ticket, call: &[u8]) {
        let visit = decode::<Visit>(call).ok().filter(|visit| is_of_client(&visit.what));
        let server = visit.as_ref().and_then(|visit| self.server(visit.group));
        let Some((Visit { group, what }, (handle, _))) = visit.zip(server) else {
            let outcome = Outcome::NotExecuted { leader: None };
            return self.answer(from, ticket, &Told { outcome, leader: None });
        };
        let number = self.hosted.lock().add((group, from, ticket));
        let caller = Asker::Client(Caller::guest(number));
        if handle.post(vec![Request { caller, what, forwards: true }]).is_err() {
            self.hosted.lock().calls.remove(&number);
            self.answer(from, ticket, &Told { outcome: Outcome::Busy, leader: None });
        }
    }

    /// A server here says what became of guests.
    pub(super) fn tell(&self, told: impl Iterator<Item = (u64, Outcome<Answer>)>) {
        for (number, outcome) in told {
            let call = self.hosted.lock().calls.remove(&number);
            let Some((group, from, ticket)) = call else { continue };
            let leader = self.server(group).and_then(|(_, shared)| shared.get().leader);
            self.answer(from, ticket, &Told { outcome, leader });
        }
    }

    fn answer(&self, to: NodeId, ticket: Ticket, told: &Told) {
        let Some(room) = &self.room else { return };
        let bytes = encode(told).ok().filter(|bytes| room.fits(bytes.len()));
        let bytes = bytes.or_else(|| {
            // Longer than a frame: it was done, and can't be told.
            encode(&Told { outcome: Outcome::Unknown, leader: told.leader }).ok()
        });
        if let Some(bytes) = bytes {
            room.answer(to, ticket, &bytes);
        }
    }

    /// A call's answer has come.
    fn hear(&self, number: u64, Told { outcome, leader }: Told) {
        let mut sent = self.sent.lock();
        let Some((group, caller)) = sent.take(number) else { return };
        sent.way(group).told(leader);
        drop(sent);
        self.tell_clients(group, vec![(caller, outcome)]);
    }

    /// The connection to a node is lost, and all that was sent there with it.
    fn lose(&self, node: NodeId) {
        let mut sent = self.sent.lock();
        let calls = sent.calls.iter().filter(|(_, (to, ..))| *to == node);
        let lost: Vec<u64> = calls.map(|(number, _)| *number).collect();
        let mut told: BTreeMap<GroupId, Vec<_>> = BTreeMap::new();
        for number in lost {
            let Some((group, caller)) = sent.take(number) else { continue };
            told.entry(group).or_default().push((caller, Outcome::Unknown));
        }
        sent.ways.values_mut().for_each(|way| way.lost(node));
        drop(sent);
        told.into_iter().for_each(|(group, told)| self.tell_clients(group, told));
    }

    fn tell_clients(&self, group: GroupId, told: Vec<(Caller, Outcome<Answer>)>) {
        // The clients' thread is gone: nobody waits.
        let _ = self.mail.post_always(NetMail::Told(Some(group), told));
    }
}

impl Sent {
    fn way(&mut self, group: GroupId) -> &mut Passage {
        self.ways.entry(group).or_default()
    }

    /// A call is sent, under this number.
    fn add(&mut self, node: NodeId, group: GroupId, caller: Caller) -> u64 {
        let number = self.next;
        self.next += 1;
        self.calls.insert(number, (node, group, caller));
        self.way(group).sent(node);
        number
    }

    /// A call is not under way any more, if it was.
    fn take(&mut self, number: u64) -> Option<(GroupId, Caller)> {
        let (_, group, caller) = self.calls.remove(&number)?;
        self.way(group).ended();
        Some((group, caller))
    }
}

impl Hosted {
    /// A guest is taken in, under this number.
    fn add(&mut self, guest: (GroupId, NodeId, Ticket)) -> u64 {
        let number = self.next;
        self.next += 1;
        self.calls.insert(number, guest);
        number
    }
}

/// Whether it is what clients ask: another node's mover would not come this way.
fn is_of_client(what: &What<Query>) -> bool {
    match what {
        What::Command(bytes) => matches!(decode::<Command>(bytes), Ok(Command::Work { .. })),
        What::Query(_) => true,
    }
}
