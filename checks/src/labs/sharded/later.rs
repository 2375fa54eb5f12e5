//! Lab 5A of 2025 and 2026: groups join and leave, and clients find their keys.
//!
//! The labs' first group has every shard from the beginning, so here it joins first. A lab's controller returns when
//! all has moved: here that is waited for, if the lab waits.

use super::clerks::{Data, Habit, Writers};
use super::cluster::Cluster;
use super::pulls::shards_of;
use super::recovery::Keeper;
use super::{LATER_SHARDS, Sharded};
use crate::labs::lab::{Outcome, ms};
use protocol::kv::Bytes;
use std::time::Duration;

/// How many keys the labs have.
pub const KEYS: usize = 60;
/// The length of a value, in bytes.
pub const VALUE_BYTES: usize = 20;
/// That of a long one.
const LONG_BYTES: usize = 1000;
/// Between two changes.
const BETWEEN_MS: u64 = 200;
/// What two groups may have more than one had, in bytes.
const MORE_BYTES: u64 = 10_000;
/// How long clients work while groups come and go.
const LONG_MS: u64 = 20_000;
/// How long is read what does not move, how often that must succeed, and how long that may take.
const READ_MS: u64 = 4_000;
const READS: u64 = 100;
const READ_MOST_MS: u64 = 8_000;
/// What living groups have is served within this.
const LIVING_MS: u64 = 2_000;

/// The first group, with values of so many bytes in all keys.
pub fn begin(cluster: &mut Cluster<'_>, bytes: usize) -> Outcome<Data> {
    cluster.change_and_wait(&Cluster::joining(&[0]))?;
    Data::put(cluster, "k", KEYS, bytes)
}

/// A group comes: it is there under the next number.
fn join(cluster: &mut Cluster<'_>, group: usize) -> Outcome {
    let before = cluster.config(None)?;
    let number = cluster.change_and_wait(&Cluster::joining(&[group]))?;
    let after = cluster.config(None)?;
    let there = after.groups.contains_key(&Sharded::gid(group));
    cluster.require(number == before.number + 1 && after.number == number && there, || {
        format!("group {group} joins {before:?}, and then there is {after:?}")
    })
}

/// A group goes.
fn leave(cluster: &mut Cluster<'_>, group: usize) -> Outcome {
    cluster.change_and_wait(&Cluster::leaving(&[group]))?;
    let after = cluster.config(None)?;
    let there = after.groups.contains_key(&Sharded::gid(group));
    cluster.require(!there, || format!("group {group} leaves, and then there is {after:?}"))
}

/// Without a group what it has is not served, and all else is; with it everything.
fn check_down(cluster: &mut Cluster<'_>, data: &Data, group: usize) -> Outcome {
    cluster.stop(group);
    let reads = data.read_beside(cluster);
    let done = reads.settle(cluster)?;
    cluster.require(done < data.keys.len(), || {
        format!("all {done} keys are read without group {group}")
    })?;
    cluster.start(group);
    reads.all(cluster)
}

/// The first configuration.
pub fn init_query(cluster: &mut Cluster<'_>) -> Outcome {
    let number = cluster.change_and_wait(&Cluster::joining(&[0]))?;
    let config = cluster.config(None)?;
    let all = (0..LATER_SHARDS).all(|slot| config.slots.owner(slot) == Some(Sharded::gid(0)));
    cluster.require(number == 1 && config.number == 1 && all, || format!("it is {config:?}"))
}

/// One group, and then without its leader.
pub fn static_one(cluster: &mut Cluster<'_>) -> Outcome {
    let mut data = begin(cluster, VALUE_BYTES)?;
    data.check(cluster)?;
    let bed = cluster.lab.bed();
    let leader = Cluster::servers(0).find(|server| bed.state(*server).is_some_and(|it| it.leads));
    leader.into_iter().for_each(|leader| cluster.lab.crash(leader));
    cluster.require(leader.is_some(), || "group 0 has no leader".into())?;
    data.check(cluster)
}

/// A second group gets half.
pub fn join_basic(cluster: &mut Cluster<'_>) -> Outcome {
    let mut data = begin(cluster, VALUE_BYTES)?;
    cluster.sleep(BETWEEN_MS)?;
    join(cluster, 1)?;
    for group in [0, 1] {
        check_down(cluster, &data, group)?;
        data.check(cluster)?;
    }
    Ok(())
}

/// What was given away is kept no more. The labs look at snapshots, which Gets make; here reads are in no log, and what
/// counts is what the groups have in memory.
pub fn delete_basic(cluster: &mut Cluster<'_>) -> Outcome {
    let mut data = begin(cluster, LONG_BYTES)?;
    data.check(cluster)?;
    let held = |cluster: &Cluster<'_>, group| {
        let holdings = Cluster::servers(group).filter_map(|it| cluster.lab.bed().holding(it));
        holdings.map(|holding| holding.bytes).max().unwrap_or(0)
    };
    let before = held(cluster, 0);
    cluster.require(before >= (KEYS * LONG_BYTES) as u64, || format!("{before} bytes are held"))?;
    join(cluster, 1)?;
    (0..5).try_for_each(|_| data.check(cluster))?;
    let after = held(cluster, 0) + held(cluster, 1);
    cluster.lab.at_most("bytes in both groups", after, before + MORE_BYTES)
}

/// The first group goes and comes back.
pub fn join_leave_basic(cluster: &mut Cluster<'_>) -> Outcome {
    let mut data = begin(cluster, VALUE_BYTES)?;
    cluster.sleep(BETWEEN_MS)?;
    join(cluster, 1)?;
    data.check(cluster)?;
    check_down(cluster, &data, 0)?;
    leave(cluster, 0)?;
    cluster.stop(0);
    data.check(cluster)?;
    cluster.start(0);
    join(cluster, 0)?;
    data.check(cluster)?;
    check_down(cluster, &data, 1)
}

/// Many groups come, and go for good.
pub fn many_join_leave(cluster: &mut Cluster<'_>) -> Outcome {
    let mut data = begin(cluster, VALUE_BYTES)?;
    data.check(cluster)?;
    let groups = 1..usize::from(cluster.sharded.groups);
    for group in groups.clone() {
        cluster.sleep(BETWEEN_MS)?;
        join(cluster, group)?;
    }
    check_down(cluster, &data, 0)?;
    data.check(cluster)?;
    for group in groups {
        leave(cluster, group)?;
        cluster.stop(group);
        cluster.sleep(BETWEEN_MS)?;
    }
    data.check(cluster)
}

/// All groups restart.
pub fn shutdown(cluster: &mut Cluster<'_>) -> Outcome {
    let mut data = begin(cluster, VALUE_BYTES)?;
    join(cluster, 1)?;
    join(cluster, 2)?;
    check_down(cluster, &data, 2)?;
    data.check(cluster)?;
    let groups = cluster.groups();
    groups.clone().for_each(|group| cluster.stop(group));
    groups.for_each(|group| cluster.start(group));
    data.check(cluster)
}

/// Two groups are down: the others serve what they have.
pub fn progress_shutdown(cluster: &mut Cluster<'_>) -> Outcome {
    let data = begin(cluster, VALUE_BYTES)?;
    (1..5).try_for_each(|group| join(cluster, group))?;
    let mut living = Vec::new();
    for group in [0, 1, 2] {
        living.extend(shards_of(cluster, group)?);
    }
    cluster.stop(3);
    cluster.stop(4);
    let is_there = |key: &&String| living.contains(&Bytes::from(key.as_str()).slot().0);
    let keys: Vec<String> = data.keys.iter().filter(is_there).cloned().collect();
    cluster.require(!keys.is_empty(), || "no key is with a group that lives".into())?;
    let clerks = keys.into_iter().map(|key| (cluster.clerk(), key)).collect();
    let begun = cluster.lab.bed().now();
    data.read_by(cluster, clerks).all(cluster)?;
    let took = cluster.lab.bed().now() - begun;
    cluster.lab.within("milliseconds for what living groups have", took, LIVING_MS)
}

/// A group comes and goes: what does not move is served meanwhile.
pub fn progress_join(cluster: &mut Cluster<'_>) -> Outcome {
    let mut data = begin(cluster, VALUE_BYTES)?;
    (1..5).try_for_each(|group| join(cluster, group))?;
    // What moves, and which groups give or take; a second time it is the same.
    let before = cluster.config(None)?;
    join(cluster, 5)?;
    let with = cluster.config(None)?;
    leave(cluster, 5)?;
    let without = cluster.config(None)?;
    let moves = before.slots.changes(&with.slots).chain(with.slots.changes(&without.slots));
    let moves: Vec<_> = moves.collect();
    let has_part = |slot: u16| {
        let owner = without.slots.owner(slot);
        moves.iter().any(|(_, from, to)| *from == owner || *to == owner)
    };
    let stays = |key: &&String| {
        let slot = Bytes::from(key.as_str()).slot().0;
        has_part(slot) && moves.iter().all(|(moved, ..)| *moved != slot)
    };
    let keys: Vec<String> = data.keys.iter().filter(stays).cloned().collect();
    cluster.require(!keys.is_empty(), || format!("everything moves: {moves:?}"))?;

    let keeper = Keeper::begin(cluster, vec![5]);
    let (begun, mut reads, mut longest) = (cluster.lab.bed().now(), 0, Duration::ZERO);
    while cluster.lab.bed().now() < begun + ms(READ_MS) {
        for key in &keys {
            let before = cluster.lab.bed().now();
            data.check_one(cluster, key)?;
            longest = longest.max(cluster.lab.bed().now() - before);
            reads += 1;
        }
    }
    let took = cluster.lab.bed().now() - begun;
    cluster.lab.within("milliseconds for reading what stays", took, READ_MOST_MS)?;
    cluster.lab.within("milliseconds for one read of what stays", longest, 1_000)?;
    cluster.require(reads >= READS, || format!("only {reads} reads have succeeded"))?;
    let changes = keeper.changes();
    cluster.require(changes >= 2, || format!("the group came and went {changes} times"))?;
    keeper.stop(cluster)?;
    data.check(cluster)
}

fn clerks(cluster: &mut Cluster<'_>, count: usize) -> Outcome {
    cluster.change_and_wait(&Cluster::joining(&[0]))?;
    let writers = Writers::begin(cluster, count, Habit::Versions(KEYS as u64));
    let end = cluster.lab.bed().now() + ms(LONG_MS);
    let groups = 1..usize::from(cluster.sharded.groups);
    while cluster.lab.bed().now() < end {
        for group in groups.clone() {
            cluster.change_and_wait(&Cluster::joining(&[group]))?;
            cluster.sleep(BETWEEN_MS)?;
        }
        cluster.sleep(BETWEEN_MS)?;
        for group in groups.clone() {
            cluster.change_and_wait(&Cluster::leaving(&[group]))?;
            cluster.sleep(BETWEEN_MS)?;
        }
    }
    cluster.require(writers.answered() > 100, || "clients were hardly served".into())?;
    writers.end(cluster)
}

/// A client writes while groups come and go.
pub fn one_clerk(cluster: &mut Cluster<'_>) -> Outcome {
    clerks(cluster, 1)
}

/// Ten do.
pub fn many_clerks(cluster: &mut Cluster<'_>) -> Outcome {
    clerks(cluster, 10)
}
