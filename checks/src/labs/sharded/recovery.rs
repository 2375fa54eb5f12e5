//! Labs 5B and 5C of 2025 and 2026: a change that was interrupted is finished, and controllers at once do not disturb
//! each other.
//!
//! A lab's controller moves shards itself, so one that dies leaves a change half done and another must finish it.
//! Here the groups have the change when the controller has it, and an administrator only waits. So *stuck* is one whose
//! change waits for a group that is down; and whoever comes after him finds the change finished, or waits too. There
//! are no leases: the number on which a change is based fences administrators (CTL-CAS-1).

use super::admin::Person;
use super::clerks::{Data, Habit, Writers};
use super::cluster::Cluster;
use super::later::{KEYS, VALUE_BYTES, begin};
use super::{SERVERS, Sharded};
use crate::labs::bed::{Answered, Ticket};
use crate::labs::clerk::LOOK;
use crate::labs::lab::{LONGEST, Lab, Next, Outcome, ms};
use protocol::shardctl::{self, Asked, Change, Query, Refusal, Reply};
use protocol::shardkv::Num;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// A change that waits for a group is done within this when that has started again.
const DONE_MS: u64 = 2_000;
/// For so long clients write while administrators are cut off.
const CLERKS: Duration = ms(60_000);
/// Between two looks whether a change is finished.
const BETWEEN: Duration = ms(20);
/// Between two changes.
const PAUSE: Duration = ms(200);

/// What a [`Keeper`] shows of itself.
#[derive(Default)]
struct Shown {
    /// What it wants, and whether that was made, by which number.
    wants: Option<Change>,
    made: Option<Num>,
    changes: u64,
}

/// An administrator beside a scenario (the labs' controller): groups come and go again, one after the other, and each
/// time he waits until every group has finished that.
pub struct Keeper {
    shown: Rc<RefCell<Shown>>,
    reaches: Rc<Cell<bool>>,
    stop: Rc<Cell<bool>>,
    is_over: Rc<Cell<bool>>,
}

struct Work {
    person: Person,
    /// The number of his own questions among all who call, and the last of them.
    number: u64,
    seq: u64,
    groups: Vec<usize>,
    /// How many changes he has begun.
    begun: usize,
    asked: Option<(Ticket, Duration)>,
    shown: Rc<RefCell<Shown>>,
    reaches: Rc<Cell<bool>>,
}

impl Work {
    /// What is next: a group comes, and goes again.
    fn next(&mut self) -> Change {
        let group = self.groups[self.begun / 2 % self.groups.len()];
        self.begun += 1;
        match self.begun % 2 {
            1 => Cluster::joining(&[group]),
            _ => Cluster::leaving(&[group]),
        }
    }

    /// Whether the change that was made is finished, as far as is known.
    fn is_finished(&mut self, lab: &mut Lab, number: Num) -> bool {
        let now = lab.bed().now();
        match self.asked {
            Some((ticket, since)) => match lab.bed_mut().answer(ticket) {
                Some(Answered::Control(Reply::Status(status))) if self.reaches.get() => {
                    self.asked = None;
                    return status.groups.values().all(|group| {
                        group.finished >= number && group.left.is_none_or(|left| left > number)
                    });
                }
                None if now < since + BETWEEN * 50 => {}
                _ => self.asked = None,
            },
            None if self.reaches.get() => {
                self.seq += 1;
                let (call, copy) = (self.number << 32 | self.seq, (self.seq, 1));
                let at = self.seq as usize % SERVERS;
                let ticket = lab.bed_mut().ask(at, call, copy, Asked::Query(Query::Status));
                self.asked = Some((ticket, now));
            }
            None => {}
        }
        false
    }

    fn step(&mut self, lab: &mut Lab, stop: bool) -> Outcome<Next> {
        let made = self.shown.borrow().made;
        let wants = self.shown.borrow().wants.clone();
        match (wants, made) {
            (None, _) if stop => Ok(Next::Done),
            (None, _) => {
                let change = self.next();
                self.shown.borrow_mut().wants = Some(change.clone());
                self.person.begin(lab, change);
                Ok(Next::After(LOOK))
            }
            (Some(_), Some(number)) => {
                if !self.is_finished(lab, number) {
                    return Ok(Next::After(BETWEEN));
                }
                let mut shown = self.shown.borrow_mut();
                shown.changes += 1;
                (shown.wants, shown.made) = (None, None);
                Ok(Next::After(if stop { LOOK } else { PAUSE }))
            }
            (Some(change), None) => {
                match self.person.poll(lab) {
                    None => {}
                    Some(shardctl::Outcome::Done { number }) => {
                        self.shown.borrow_mut().made = Some(number);
                    }
                    Some(
                        shardctl::Outcome::Stale | shardctl::Outcome::Refused(Refusal::Leaving(_)),
                    ) => {
                        self.person.begin(lab, change);
                        return Ok(Next::After(BETWEEN));
                    }
                    Some(other) => {
                        return Err(lab.failure(format!("{change:?} ends in {other:?}")));
                    }
                }
                Ok(Next::After(LOOK))
            }
        }
    }
}

impl Keeper {
    /// One who has these groups come and go.
    pub fn begin(cluster: &mut Cluster<'_>, groups: Vec<usize>) -> Self {
        let (shown, reaches) = (Rc::<RefCell<Shown>>::default(), Rc::new(Cell::new(true)));
        let (stop, is_over) = (Rc::<Cell<bool>>::default(), Rc::<Cell<bool>>::default());
        let keeper = Self {
            shown: Rc::clone(&shown),
            reaches: Rc::clone(&reaches),
            stop: Rc::clone(&stop),
            is_over: Rc::clone(&is_over),
        };
        let person = Person::of(cluster.lab, Rc::clone(&reaches));
        let number = cluster.lab.number();
        let (seq, begun, asked) = (0, 0, None);
        let mut work = Work { person, number, seq, groups, begun, asked, shown, reaches };
        cluster.lab.beside(Box::new(move |lab| {
            let next = work.step(lab, stop.get())?;
            is_over.set(next == Next::Done);
            Ok(next)
        }));
        keeper
    }

    /// How many changes were made and finished.
    pub fn changes(&self) -> u64 {
        self.shown.borrow().changes
    }

    /// What he wants, if he knows that it was made: the change and its number.
    fn stuck_with(&self) -> Option<(Change, Num)> {
        let shown = self.shown.borrow();
        Some((shown.wants.clone()?, shown.made?))
    }

    fn reaches(&self, reaches: bool) {
        self.reaches.set(reaches);
    }

    /// He finishes what he is at, and stops.
    ///
    /// # Errors
    /// If that is not finished within two minutes.
    pub fn stop(self, cluster: &mut Cluster<'_>) -> Outcome {
        self.stop.set(true);
        let over = Rc::clone(&self.is_over);
        cluster.lab.until("an administrator has finished", LONGEST, |_| over.get())
    }
}

/// A change waits for a group that is down, and is done when that is back.
pub fn join_leave(cluster: &mut Cluster<'_>) -> Outcome {
    let mut data = begin(cluster, VALUE_BYTES)?;
    let before = cluster.config(None)?.number;
    for (down, change) in [(0, Cluster::joining(&[1])), (1, Cluster::leaving(&[0]))] {
        cluster.stop(down);
        let number = cluster.change(&change)?;
        let finished = cluster.finishes(number, ms(DONE_MS))?;
        cluster.require(!finished, || format!("{change:?} is done without group {down}"))?;
        cluster.start(down);
        let begun = cluster.lab.bed().now();
        cluster.finish(number)?;
        let took = cluster.lab.bed().now() - begun;
        cluster.lab.within("milliseconds for a change when its group is back", took, DONE_MS)?;
    }
    let after = cluster.config(None)?.number;
    cluster.require(after == before + 2, || format!("from {before} to {after} by two changes"))?;
    data.check(cluster)
}

/// An administrator is stuck and then cut off; another finds what he wanted. With `comes_back` he is no longer cut off
/// after that, and goes on.
fn partition_controller(
    cluster: &mut Cluster<'_>,
    data: &mut Data,
    round: usize,
    comes_back: bool,
) -> Outcome {
    // Groups of which none is still leaving.
    let groups = 1..usize::from(cluster.sharded.groups);
    let count = groups.len();
    let groups = groups.clone().map(|group| 1 + (group + 2 * round) % count).collect();
    let before = cluster.config(None)?.number;
    let keeper = Keeper::begin(cluster, groups);
    let pause = 1000 + cluster.any_ms(400);
    cluster.sleep(pause)?;
    cluster.stop(0);
    cluster.sleep(1000)?;
    keeper.reaches(false);
    if comes_back {
        cluster.sleep(1000)?;
    }
    let stuck = keeper.stuck_with();
    cluster.start(0);
    let latest = cluster.config(None)?;
    cluster.require(latest.number > before, || format!("there is still {latest:?}"))?;
    cluster.finish(latest.number)?;
    if let Some((change, number)) = stuck {
        let (gid, there) = match &change {
            Change::Join(groups) => (groups.first().map(|(gid, _)| *gid), true),
            Change::Leave(gids) => (gids.first().copied(), false),
            Change::Move { .. } | Change::Rebalance => (None, true),
        };
        let has = gid.is_some_and(|gid| latest.groups.contains_key(&gid));
        cluster.require(latest.number >= number && has == there, || {
            format!("{change:?} has made {number}, and there is {latest:?}")
        })?;
    }
    if comes_back {
        keeper.reaches(true);
        cluster.sleep(100)?;
    }
    data.check(cluster)?;
    // He is gone, or goes: the next round begins with the first group alone.
    keeper.reaches(true);
    keeper.stop(cluster)?;
    let config = cluster.config(None)?;
    let others: Vec<usize> = config.groups.keys().filter_map(|gid| Sharded::place(*gid)).collect();
    let others: Vec<usize> = others.into_iter().filter(|group| *group != 0).collect();
    if others.is_empty() {
        Ok(())
    } else {
        cluster.change_and_wait(&Cluster::leaving(&others)).map(drop)
    }
}

fn rounds(cluster: &mut Cluster<'_>, count: usize, comes_back: bool, clients: usize) -> Outcome {
    let mut data = begin(cluster, VALUE_BYTES)?;
    let writers = Writers::begin(cluster, clients, Habit::Versions(KEYS as u64));
    let end = cluster.lab.bed().now() + if clients > 0 { CLERKS } else { Duration::ZERO };
    let mut round = 0;
    while round < count || cluster.lab.bed().now() < end {
        partition_controller(cluster, &mut data, round, comes_back)?;
        round += 1;
    }
    writers.end(cluster)
}

/// An administrator is cut off for good.
pub fn recover(cluster: &mut Cluster<'_>) -> Outcome {
    rounds(cluster, 5, false, 0)
}

/// He comes back.
pub fn partition_no_clerk(cluster: &mut Cluster<'_>) -> Outcome {
    let count = if cluster.reliable() { 5 } else { 3 };
    rounds(cluster, count, true, 0)
}

/// And clients write meanwhile.
pub fn partition_clerks(cluster: &mut Cluster<'_>) -> Outcome {
    let count = if cluster.reliable() { 5 } else { 3 };
    rounds(cluster, count, true, 5)
}

/// Four administrators at once.
pub fn concurrent(cluster: &mut Cluster<'_>) -> Outcome {
    let mut data = begin(cluster, VALUE_BYTES)?;
    let keepers: Vec<_> = (1..5).map(|group| Keeper::begin(cluster, vec![group])).collect();
    cluster.sleep(2000)?;
    let changes: u64 = keepers.iter().map(Keeper::changes).sum();
    cluster.require(changes > 0, || "four administrators have changed nothing".into())?;
    keepers.into_iter().try_for_each(|keeper| keeper.stop(cluster))?;
    data.check(cluster)
}

/// A group that joins is down, and who wants it is cut off.
pub fn partition_join(cluster: &mut Cluster<'_>) -> Outcome {
    let mut data = begin(cluster, VALUE_BYTES)?;
    cluster.stop(1);
    let keeper = Keeper::begin(cluster, vec![1]);
    cluster.sleep(1000)?;
    cluster.require(keeper.changes() == 0, || "a group has come that is down".into())?;
    keeper.reaches(false);
    cluster.sleep(1000)?;
    cluster.start(1);
    let latest = cluster.config(None)?;
    let there = latest.groups.contains_key(&Sharded::gid(1));
    cluster.require(there, || format!("group 1 has joined, and there is {latest:?}"))?;
    cluster.finish(latest.number)?;
    data.check(cluster)?;
    keeper.reaches(true);
    cluster.sleep(100)?;
    data.check(cluster)?;
    keeper.stop(cluster)
}
