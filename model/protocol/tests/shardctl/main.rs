//! The controller of the sharded store, rule by rule, against a dumb twin, and in the labs' scenarios.

mod admin;
mod balance;
mod labs;
mod moves;
mod random;
mod refusals;
mod snapshot;
mod standings;

use proptest::test_runner::Config as Cases;
use protocol::kv::{Bytes, ClientId};
use protocol::rsm::StateMachine;
use protocol::shardctl::{
    Change, Command, Config, Controller, Exact, GroupId, Limits, Num, Query, Refusal, Reply,
    RequestId, SlotRange, Slots, Status,
};
use std::collections::BTreeMap;

/// So many cases, and no files of old failures: a failure becomes a test of its own.
fn cases(cases: u32) -> Cases {
    Cases { cases, failure_persistence: None, ..Cases::default() }
}

/// Ten slots, as the labs have, and nothing is kept that nobody needs.
const TEN: Limits = Limits { slots: 10, kept: 0, open: 100, ..Limits::DEFAULT };

/// A controller, and who asks it.
struct Desk {
    controller: Controller,
    asked: u64,
}

impl Desk {
    fn new(limits: Limits) -> Self {
        Self { controller: Controller::new(Exact, limits), asked: 0 }
    }

    /// One that has these groups.
    fn with(limits: Limits, ids: &[u64]) -> Self {
        let mut desk = Self::new(limits);
        desk.changed(join(ids));
        desk
    }

    fn ask(&mut self, based: Option<Num>, change: Change) -> Reply {
        self.asked += 1;
        let request = request(self.asked);
        self.controller.apply(&Command::Change { request, based, change })
    }

    /// A change of the latest configuration.
    fn change(&mut self, change: Change) -> Reply {
        let latest = self.latest().number;
        self.ask(Some(latest), change)
    }

    /// One that must be executed.
    fn changed(&mut self, change: Change) -> Config {
        let before = self.latest().clone();
        let reply = self.change(change);
        let number = before.number + 1;
        assert_eq!(reply, Reply::Changed { number });
        self.latest().clone()
    }

    /// One that must not.
    fn refused(&mut self, change: Change) -> Refusal {
        let before = self.controller.clone();
        let reply = self.change(change);
        assert!(before == self.controller, "what is refused changes nothing: {reply:?}");
        match reply {
            Reply::Refused(refusal) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    fn finish(&mut self, group: u64, number: Num) -> Reply {
        self.controller.apply(&Command::Finished { group: GroupId(group), number })
    }

    fn latest(&self) -> &Config {
        self.controller.latest()
    }

    fn query(&self, number: Option<Num>) -> Reply {
        self.controller.read(&Query::Config(number))
    }

    fn status(&self) -> Status {
        match self.controller.read(&Query::Status) {
            Reply::Status(status) => status,
            other => panic!("no status: {other:?}"),
        }
    }

    /// The numbers that are here.
    fn numbers(&self) -> Vec<Num> {
        self.controller.configs().iter().map(|config| config.number).collect()
    }
}

fn request(seq: u64) -> RequestId {
    RequestId { client: ClientId(7), seq }
}

fn nodes(id: u64) -> Vec<Bytes> {
    ["a", "b", "c"].map(|node| Bytes::from(format!("{node}{id}:7400").as_str())).into()
}

fn join(ids: &[u64]) -> Change {
    Change::Join(ids.iter().map(|&id| (GroupId(id), nodes(id))).collect())
}

fn leave(ids: &[u64]) -> Change {
    Change::Leave(ids.iter().map(|&id| GroupId(id)).collect())
}

fn move_to(first: u16, last: u16, to: u64) -> Change {
    Change::Move { slots: vec![SlotRange { first, last }], to: GroupId(to) }
}

/// The owner of every slot, 0 for nobody.
fn flat(slots: &Slots) -> Vec<u64> {
    (0..slots.count()).map(|slot| slots.owner(slot).map_or(0, |owner| owner.0)).collect()
}

/// How many slots each group has.
fn counts(config: &Config) -> BTreeMap<u64, usize> {
    let mut counts: BTreeMap<u64, usize> = config.groups.keys().map(|id| (id.0, 0)).collect();
    for owner in flat(&config.slots) {
        *counts.entry(owner).or_default() += 1;
    }
    counts
}

/// The labs' check: exactly these groups, every slot on one of them, and none has two more than another.
fn is_balanced(config: &Config, ids: &[u64]) {
    let counts = counts(config);
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), ids, "{config:?}");
    let (most, least) = (counts.values().max(), counts.values().min());
    let even = most.zip(least).is_none_or(|(most, least)| most - least <= 1);
    assert!(even, "{config:?}");
}
