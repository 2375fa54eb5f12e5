//! Which group a client asks.

use super::{SERVERS, Sharded};
use crate::labs::bed::{Answered, Ticket};
use crate::labs::lab::Lab;
use protocol::NodeId;
use protocol::kv::{Bytes, SlotId};
use protocol::shardctl::{Asked, Config, Query, Reply};
use protocol::shardkv::{GroupId, Refusal, Whereabouts};

/// So often a client fails or is refused before it asks the controller.
const MISSES: usize = 2 * SERVERS;

/// A client's way to the group of a key: it goes where it is sent, and asks the controller when that leads nowhere.
#[derive(Debug)]
pub struct Route {
    /// The number of its calls of the controller, among all callers.
    number: u64,
    seq: u64,
    slot: SlotId,
    /// The group's place.
    group: usize,
    config: Option<Config>,
    misses: usize,
    asked: Option<Ticket>,
    /// Which server of the controller is asked next.
    turn: usize,
    /// It asks this group whatever it is told.
    stays: bool,
}

impl Route {
    /// Of a client that knows nothing yet.
    pub fn new(lab: &mut Lab) -> Self {
        Self {
            number: lab.number(),
            seq: 0,
            slot: SlotId(0),
            group: 0,
            config: None,
            misses: 0,
            asked: None,
            turn: 0,
            stays: false,
        }
    }

    /// Of a client that has been told that this group has everything.
    pub fn misled(lab: &mut Lab, group: usize) -> Self {
        Self { group, stays: true, ..Self::new(lab) }
    }

    /// A call about this key begins.
    pub fn begin(&mut self, key: &Bytes) {
        self.slot = key.slot();
        self.misses = 0;
        self.follow_config();
    }

    fn follow_config(&mut self) {
        let owner = self.config.as_ref().and_then(|config| config.slots.owner(self.slot.0));
        self.follow(owner);
    }

    fn follow(&mut self, group: Option<GroupId>) {
        let place = group.and_then(Sharded::place).filter(|_| !self.stays);
        self.group = place.unwrap_or(self.group);
    }

    /// The server of its group with this name there, among all.
    pub fn server(&self, to: NodeId) -> usize {
        (self.group + 1) * SERVERS + usize::from(to.0)
    }

    /// A group does not serve the slot: whether another is to be asked, so at once.
    pub fn refused(&mut self, lab: &mut Lab, refusal: &Refusal) -> bool {
        let before = self.group;
        match refusal.whereabouts {
            Whereabouts::With(group) | Whereabouts::GoingTo(group) => self.follow(Some(group)),
            // It comes: there it is asked again, a little later.
            Whereabouts::ComingFrom(_) => {}
            Whereabouts::Nowhere => self.misses = MISSES,
        }
        self.missed(lab);
        self.group != before
    }

    /// A server has not answered, or not executed the call.
    pub fn missed(&mut self, lab: &mut Lab) {
        self.misses += 1;
        if self.misses > MISSES && self.asked.is_none() && !self.stays {
            self.misses = 0;
            self.seq += 1;
            self.turn = (self.turn + 1) % SERVERS;
            let (call, copy) = (self.number << 32 | self.seq, (self.seq, 1));
            let asked = Asked::Query(Query::Config(None));
            self.asked = Some(lab.bed_mut().ask(self.turn, call, copy, asked));
        }
    }

    /// Looks what the controller has said.
    pub fn poll(&mut self, lab: &mut Lab) {
        let Some(answered) = self.asked.and_then(|ticket| lab.bed_mut().answer(ticket)) else {
            return;
        };
        self.asked = None;
        if let Answered::Control(Reply::Config(config)) = answered {
            let known = self.config.as_ref().map_or(0, |config| config.number);
            if config.number >= known {
                self.config = Some(config);
                self.follow_config();
            }
        }
    }
}
