//! What scenarios of the sharded store are told with.

use super::admin::Person;
use super::route::Route;
use super::{SERVERS, Sharded};
use crate::labs::bed::Answered;
use crate::labs::clerk::{CallEnd, Caller};
use crate::labs::lab::{Failure, LONGEST, Lab, Outcome, ms};
use crate::labs::store::linearizable;
use protocol::kv::{Bytes, Op, Reply};
use protocol::shardctl::{self, Asked, Change, Config, Query, Refusal, SlotRange, Status};
use protocol::shardkv::{GroupId, Num};
use std::ops::Range;
use std::time::Duration;

/// How long it is looked before a question is asked again.
const PAUSE: Duration = ms(10);
/// A question that is not answered is asked again after this.
const PATIENCE: Duration = ms(1000);
/// When nothing goes wrong any more, all must be settled after this.
const SETTLED: Duration = ms(20_000);
/// What a group may have in memory that keeps nothing, in bytes.
const NOTHING_BYTES: u64 = 4096;

/// A scenario of the sharded store.
pub struct Cluster<'a> {
    /// What it is told with.
    pub lab: &'a mut Lab,
    /// What there is.
    pub sharded: Sharded,
    /// Whether the network is reliable at first.
    reliable: bool,
    person: Person,
    /// The number of its own questions, among all who call, and the last of them.
    number: u64,
    seq: u64,
}

/// A server of the controller or of a group, among all.
pub const fn server(set: usize, server: usize) -> usize {
    set * SERVERS + server
}

/// The name of a group's node, as the controller knows it.
fn node(group: usize, server: usize) -> Bytes {
    Bytes::from(format!("group{group}node{server}:1").as_str())
}

impl<'a> Cluster<'a> {
    /// At a scenario's begin: there is no group in the configuration.
    pub fn new(lab: &'a mut Lab, sharded: Sharded, reliable: bool) -> Self {
        let (person, number) = (Person::new(lab), lab.number());
        Self { lab, sharded, reliable, person, number, seq: 0 }
    }

    /// Whether the network is reliable, as the lab has it.
    pub const fn reliable(&self) -> bool {
        self.reliable
    }

    /// Something must be so.
    ///
    /// # Errors
    /// If it is not.
    pub fn require(&self, holds: bool, text: impl FnOnce() -> String) -> Outcome {
        self.lab.require(holds, text)
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// See [`Lab::sleep`].
    pub fn sleep(&mut self, time_ms: u64) -> Outcome {
        self.lab.sleep(ms(time_ms))
    }

    /// Chance: a time of up to so many milliseconds.
    pub fn any_ms(&mut self, most: u64) -> u64 {
        self.lab.random.below(most)
    }

    // --- the controller -----------------------------------------------------------------------------

    /// Asks for a change by the machine of an administrator, once: how it has ended.
    ///
    /// # Errors
    /// If it has not within two minutes.
    pub fn ask_change(&mut self, change: Change) -> Outcome<shardctl::Outcome> {
        self.person.begin(self.lab, change);
        let end = self.lab.bed().now() + LONGEST;
        loop {
            if let Some(outcome) = self.person.poll(self.lab) {
                return Ok(outcome);
            }
            self.require(self.lab.bed().now() < end, || "a change has not ended".into())?;
            self.lab.sleep(ms(1))?;
        }
    }

    /// Has something changed: again, if something else was changed first, or as long as a group is still leaving. The
    /// number of the configuration.
    ///
    /// # Errors
    /// If it is refused.
    pub fn change(&mut self, change: &Change) -> Outcome<Num> {
        let end = self.lab.bed().now() + LONGEST;
        loop {
            if self.lab.bed().now() >= end {
                return Err(self.stuck(&format!("{change:?} is not made")));
            }
            match self.ask_change(change.clone())? {
                shardctl::Outcome::Done { number } => return Ok(number),
                shardctl::Outcome::Stale => {}
                shardctl::Outcome::Refused(Refusal::Leaving(_)) => self.lab.sleep(PAUSE * 5)?,
                other => return Err(self.lab.failure(format!("{change:?} ends in {other:?}"))),
            }
        }
    }

    /// What makes groups come, all at once.
    pub fn joining(groups: &[usize]) -> Change {
        let nodes = |group| (0..SERVERS).map(move |server| node(group, server)).collect();
        let group = |group: &usize| (Sharded::gid(*group), nodes(*group));
        Change::Join(groups.iter().map(group).collect())
    }

    /// What makes groups go, all at once.
    pub fn leaving(groups: &[usize]) -> Change {
        Change::Leave(groups.iter().map(|group| Sharded::gid(*group)).collect())
    }

    /// These groups come.
    ///
    /// # Errors
    /// See [`Cluster::change`].
    pub fn join(&mut self, groups: &[usize]) -> Outcome<Num> {
        self.change(&Self::joining(groups))
    }

    /// These groups go.
    ///
    /// # Errors
    /// See [`Cluster::change`].
    pub fn leave(&mut self, groups: &[usize]) -> Outcome<Num> {
        self.change(&Self::leaving(groups))
    }

    /// A shard goes to a group.
    ///
    /// # Errors
    /// See [`Cluster::change`].
    pub fn move_shard(&mut self, shard: u16, group: GroupId) -> Outcome<Num> {
        let slots = vec![SlotRange { first: shard, last: shard }];
        self.change(&Change::Move { slots, to: group })
    }

    /// Asks the controller until it answers.
    fn question(&mut self, query: Query) -> Outcome<shardctl::Reply> {
        let end = self.lab.bed().now() + LONGEST;
        for at in (0..SERVERS).cycle() {
            self.require(self.lab.bed().now() < end, || format!("nobody answers {query:?}"))?;
            if let Some(reply) = self.question_to(at, query)? {
                return Ok(reply);
            }
            self.lab.sleep(PAUSE)?;
        }
        unreachable!("it goes round for ever")
    }

    /// Asks this one of its servers until it answers.
    ///
    /// # Errors
    /// If it does not.
    pub fn question_until(&mut self, at: usize, query: Query) -> Outcome<shardctl::Reply> {
        let end = self.lab.bed().now() + LONGEST;
        loop {
            if let Some(reply) = self.question_to(at, query)? {
                return Ok(reply);
            }
            self.require(self.lab.bed().now() < end, || format!("{at} does not answer {query:?}"))?;
            self.lab.sleep(PAUSE)?;
        }
    }

    /// Asks one of its servers: what it says, if it does.
    fn question_to(&mut self, at: usize, query: Query) -> Outcome<Option<shardctl::Reply>> {
        self.seq += 1;
        let (call, copy) = (self.number << 32 | self.seq, (self.seq, 1));
        let ticket = self.lab.bed_mut().ask(at, call, copy, Asked::Query(query));
        let end = self.lab.bed().now() + PATIENCE;
        while self.lab.bed().now() < end {
            match self.lab.bed_mut().answer(ticket) {
                None => self.lab.sleep(ms(1))?,
                Some(Answered::Control(reply)) => return Ok(Some(reply)),
                Some(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The configuration of this number, or the latest.
    ///
    /// # Errors
    /// If it is not there.
    pub fn config(&mut self, number: Option<Num>) -> Outcome<Config> {
        match self.question(Query::Config(number))? {
            shardctl::Reply::Config(config) => Ok(config),
            other => {
                Err(self.lab.failure(format!("{number:?} is asked for and answered {other:?}")))
            }
        }
    }

    /// How far the groups are.
    ///
    /// # Errors
    /// See [`Lab::sleep`].
    pub fn status(&mut self) -> Outcome<Status> {
        match self.question(Query::Status)? {
            shardctl::Reply::Status(status) => Ok(status),
            other => Err(self.lab.failure(format!("the status is {other:?}"))),
        }
    }

    /// Whether all groups have finished the configuration of this number, and none is about to leave by it.
    ///
    /// # Errors
    /// See [`Lab::sleep`].
    pub fn is_finished(&mut self, number: Num) -> Outcome<bool> {
        let status = self.status()?;
        Ok(status
            .groups
            .values()
            .all(|group| group.finished >= number && group.left.is_none_or(|left| left > number)))
    }

    /// Waits until all groups have finished a configuration; whether they have in time.
    ///
    /// # Errors
    /// See [`Lab::sleep`].
    pub fn finishes(&mut self, number: Num, within: Duration) -> Outcome<bool> {
        let end = self.lab.bed().now() + within;
        loop {
            if self.is_finished(number)? {
                return Ok(true);
            }
            if self.lab.bed().now() >= end {
                return Ok(false);
            }
            self.lab.sleep(PAUSE)?;
        }
    }

    /// What a lab's controller has done when it returns: the change is made, and every group has finished it.
    ///
    /// # Errors
    /// See [`Cluster::change`]; if the groups do not finish it within two minutes.
    pub fn change_and_wait(&mut self, change: &Change) -> Outcome<Num> {
        let number = self.change(change)?;
        self.finish(number)?;
        Ok(number)
    }

    /// Waits until all groups have finished a configuration.
    ///
    /// # Errors
    /// If they do not within two minutes.
    pub fn finish(&mut self, number: Num) -> Outcome {
        match self.finishes(number, LONGEST)? {
            true => Ok(()),
            false => Err(self.stuck(&format!("the groups do not finish {number}"))),
        }
    }

    /// A failure, with how all groups stand.
    fn stuck(&self, what: &str) -> Failure {
        let servers = server(1, 0)..self.lab.servers();
        let each =
            servers.map(|server| format!("\n  {server}: {}", self.lab.bed().describe(server)));
        self.lab.failure(format!("{what}{}", each.collect::<String>()))
    }

    // --- servers -------------------------------------------------------------------------------------

    /// The servers of a group, among all.
    pub const fn servers(group: usize) -> Range<usize> {
        server(group + 1, 0)..server(group + 2, 0)
    }

    /// Kills all servers of a group.
    pub fn stop(&mut self, group: usize) {
        Self::servers(group).for_each(|server| self.lab.crash(server));
    }

    /// Starts all servers of a group.
    pub fn start(&mut self, group: usize) {
        Self::servers(group).for_each(|server| self.lab.start(server));
    }

    /// The groups that have servers.
    pub const fn groups(&self) -> Range<usize> {
        0..self.sharded.groups as usize
    }

    /// The log of each group's servers is at most eight times as long as the bound for snapshots; without one there is
    /// no snapshot.
    ///
    /// # Errors
    /// If it is not so.
    pub fn logs_are_short(&mut self) -> Outcome {
        let servers = server(1, 0)..self.lab.servers();
        match self.sharded.snapshot_bytes {
            Some(bound) => {
                let longest = servers.map(|server| self.lab.bed().log_bytes(server)).max();
                self.lab.at_most("bytes of log", longest.unwrap_or(0), 8 * bound)
            }
            None => {
                let none =
                    servers.into_iter().all(|server| self.lab.bed().snapshot_bytes(server) == 0);
                self.require(none, || "there is a snapshot, and none was allowed".into())
            }
        }
    }

    // --- clients -------------------------------------------------------------------------------------

    /// A client.
    pub fn clerk(&mut self) -> Caller {
        let route = Route::new(self.lab);
        Caller::sharded(self.lab, route)
    }

    /// A call, from its begin to its end.
    ///
    /// # Errors
    /// If it takes longer than any scenario may.
    pub fn call(&mut self, clerk: &mut Caller, key: &str, op: Op) -> Outcome<CallEnd> {
        clerk.call(self.lab, key, op)
    }

    /// A key has this value.
    ///
    /// # Errors
    /// If it has another, or nobody says so.
    pub fn check(&mut self, clerk: &mut Caller, key: &str, value: &str) -> Outcome {
        let end = self.call(clerk, key, Op::Get)?;
        self.require(shows(&end, value), || format!("{key} is to be `{value}`, and is {end:?}"))
    }

    // --- the end -------------------------------------------------------------------------------------

    /// Nothing goes wrong any more: everything runs and is settled within seconds, who is no more in the configuration
    /// keeps nothing, and some order explains all calls.
    ///
    /// # Errors
    /// If it is not so.
    pub fn end(&mut self) -> Outcome {
        self.lab.set_reliable(true);
        (0..self.lab.servers()).for_each(|server| self.lab.start(server));
        if self.sharded.groups > 0 {
            let latest = self.config(None)?;
            if !self.finishes(latest.number, SETTLED)? {
                let text = format!("{latest:?} is not finished within {SETTLED:?}");
                return Err(self.stuck(&text));
            }
            self.keep_nothing(&latest)?;
        }
        linearizable(self.lab)
    }

    /// A group that is not in the configuration has nothing, and every key is with somebody who is. Replicas may be a
    /// little behind.
    fn keep_nothing(&mut self, latest: &Config) -> Outcome {
        let end = self.lab.bed().now() + SETTLED;
        for group in self.groups() {
            if latest.groups.contains_key(&Sharded::gid(group)) {
                continue;
            }
            for server in Self::servers(group) {
                loop {
                    let holding = self.lab.bed().holding(server);
                    if holding.is_some_and(|it| it.keys == 0 && it.bytes <= NOTHING_BYTES) {
                        break;
                    }
                    self.require(self.lab.bed().now() < end, || {
                        format!("group {group} has left, and its server {server} has {holding:?}")
                    })?;
                    self.lab.sleep(PAUSE)?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a Get has shown a value; an empty one is none.
pub fn shows(end: &CallEnd, expected: &str) -> bool {
    match end {
        CallEnd::Reply(Reply::Value { value, .. }) => value.as_ref() == expected.as_bytes(),
        CallEnd::Reply(Reply::NoKey) => expected.is_empty(),
        CallEnd::Reply(_) | CallEnd::Maybe => false,
    }
}
