//! Lab 4B of 2021, ShardKV (2024's 5A and 5B): groups come and go while clients read and write.

use super::clerks::{Data, Habit, Reads, Writers};
use super::cluster::Cluster;
use super::route::Route;
use crate::labs::clerk::Caller;
use crate::labs::lab::{Outcome, ms};
use protocol::kv::Bytes;
use protocol::shardctl::SlotRange;

/// Keys of which every shard has one.
const ONE_EACH: usize = 10;
/// Keys of which every shard has some.
const SOME_EACH: usize = 30;
/// The length of a value, and of what is put behind it, in bytes.
const VALUE_BYTES: usize = 20;
const MORE_BYTES: usize = 5;
/// Clients that write beside a scenario.
const CLIENTS: usize = 10;
/// Groups that come and go.
const GROUPS: usize = 3;

/// How many of some keys a group serves by the latest configuration.
fn keys_of(cluster: &mut Cluster<'_>, data: &Data, group: usize) -> Outcome<usize> {
    let config = cluster.config(None)?;
    let gid = super::Sharded::gid(group);
    let has = |key: &&String| config.slots.owner(Bytes::from(key.as_str()).slot().0) == Some(gid);
    Ok(data.keys.iter().filter(has).count())
}

/// Who is left serves what it has, and nothing else.
pub fn static_shards(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.join(&[0])?;
    let number = cluster.join(&[1])?;
    let mut data = Data::put(cluster, "", ONE_EACH, VALUE_BYTES)?;
    data.check(cluster)?;
    cluster.finish(number)?;
    cluster.logs_are_short()?;

    cluster.stop(1);
    let has = keys_of(cluster, &data, 0)?;
    cluster.require(has == 5, || format!("group 0 has {has} of 10 shards"))?;
    let reads = data.read_beside(cluster);
    answers_half(cluster, &reads)?;
    cluster.start(1);
    reads.all(cluster)?;
    data.check(cluster)
}

fn answers_half(cluster: &mut Cluster<'_>, reads: &Reads) -> Outcome {
    let done = reads.settle(cluster)?;
    cluster.require(done == 5, || format!("{done} of 10 reads are answered, and 5 can be"))
}

/// Clients that were told wrongly: a group refuses what is not its own.
pub fn rejection(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.join(&[0])?;
    let number = cluster.join(&[1])?;
    let mut data = Data::put(cluster, "", ONE_EACH, VALUE_BYTES)?;
    cluster.finish(number)?;
    data.check(cluster)?;
    let misled = |cluster: &mut Cluster<'_>, key: &String| {
        let route = Route::misled(cluster.lab, 0);
        (Caller::sharded(cluster.lab, route), key.clone())
    };
    let clerks: Vec<_> = data.keys.iter().map(|key| misled(cluster, key)).collect();
    let reads = data.read_by(cluster, clerks);
    answers_half(cluster, &reads)?;
    reads.give_up();
    data.check(cluster)
}

/// All goes from one group to another, and that has all of it.
pub fn join_leave(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.join(&[0])?;
    let mut data = Data::put(cluster, "", ONE_EACH, MORE_BYTES)?;
    data.check(cluster)?;
    cluster.join(&[1])?;
    data.check_and_append(cluster, MORE_BYTES)?;
    cluster.leave(&[0])?;
    data.check_and_append(cluster, MORE_BYTES)?;
    cluster.sleep(1000)?;
    cluster.logs_are_short()?;
    cluster.stop(0);
    data.check(cluster)
}

/// Groups come and go, take snapshots, and start from them.
pub fn snapshot(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.join(&[0])?;
    let mut data = Data::put(cluster, "", SOME_EACH, VALUE_BYTES)?;
    data.check(cluster)?;
    cluster.join(&[1])?;
    cluster.join(&[2])?;
    cluster.leave(&[0])?;
    data.check_and_append(cluster, VALUE_BYTES)?;
    cluster.leave(&[1])?;
    cluster.join(&[0])?;
    data.check_and_append(cluster, VALUE_BYTES)?;
    cluster.sleep(1000)?;
    data.check(cluster)?;
    cluster.sleep(1000)?;
    cluster.logs_are_short()?;
    (0..GROUPS).for_each(|group| cluster.stop(group));
    (0..GROUPS).for_each(|group| cluster.start(group));
    data.check(cluster)
}

/// One server of each group misses what is changed.
pub fn miss_change(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.join(&[0])?;
    let mut data = Data::put(cluster, "", ONE_EACH, VALUE_BYTES)?;
    data.check(cluster)?;
    cluster.join(&[1])?;
    let one_of =
        |server: usize| (0..GROUPS).map(move |group| Cluster::servers(group).start + server);
    one_of(0).for_each(|server| cluster.lab.crash(server));
    cluster.join(&[2])?;
    cluster.leave(&[1])?;
    cluster.leave(&[0])?;
    data.check_and_append(cluster, VALUE_BYTES)?;
    cluster.join(&[1])?;
    data.check_and_append(cluster, VALUE_BYTES)?;
    one_of(0).for_each(|server| cluster.lab.start(server));
    data.check_and_append(cluster, VALUE_BYTES)?;
    cluster.sleep(2000)?;

    one_of(1).for_each(|server| cluster.lab.crash(server));
    cluster.join(&[0])?;
    cluster.leave(&[2])?;
    data.check_and_append(cluster, VALUE_BYTES)?;
    one_of(1).for_each(|server| cluster.lab.start(server));
    data.check(cluster)
}

/// Groups come and go, and stop in the middle, while clients write now and then.
pub fn concurrent1(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.join(&[0])?;
    let mut data = Data::put(cluster, "", ONE_EACH, MORE_BYTES)?;
    data.check(cluster)?;
    let writers = own_keys(cluster, Habit::Appends(10));
    cluster.sleep(150)?;
    cluster.join(&[1])?;
    cluster.sleep(500)?;
    cluster.join(&[2])?;
    cluster.sleep(500)?;
    cluster.leave(&[0])?;
    for group in 0..GROUPS {
        cluster.stop(group);
        cluster.sleep(100)?;
    }
    cluster.leave(&[2])?;
    cluster.sleep(100)?;
    (0..GROUPS).for_each(|group| cluster.start(group));
    cluster.sleep(100)?;
    cluster.join(&[0])?;
    cluster.leave(&[1])?;
    cluster.sleep(500)?;
    cluster.join(&[1])?;
    cluster.sleep(1000)?;
    writers.end(cluster)?;
    data.check(cluster)?;
    cluster.sleep(100)?;
    cluster.logs_are_short()
}

/// Ten clients begin, each with a key of its own that nobody else has: one in every shard.
fn own_keys(cluster: &mut Cluster<'_>, habit: Habit) -> Writers {
    Writers::begin(cluster, CLIENTS, habit)
}

/// What is to be fetched is with who had it last, also behind several changes.
pub fn concurrent2(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.join(&[1])?;
    cluster.join(&[0])?;
    cluster.join(&[2])?;
    let writers = own_keys(cluster, Habit::Appends(50));
    cluster.leave(&[0])?;
    cluster.leave(&[2])?;
    cluster.sleep(3000)?;
    cluster.join(&[0])?;
    cluster.join(&[2])?;
    cluster.leave(&[1])?;
    cluster.sleep(3000)?;
    cluster.join(&[1])?;
    cluster.leave(&[0])?;
    cluster.leave(&[2])?;
    cluster.sleep(3000)?;
    cluster.stop(1);
    cluster.stop(2);
    cluster.sleep(1000)?;
    cluster.start(1);
    cluster.start(2);
    cluster.sleep(2000)?;
    writers.end(cluster)
}

/// Everything stops and starts again and again while groups come and go.
pub fn concurrent3(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.join(&[0])?;
    let writers = own_keys(cluster, Habit::Appends(0));
    let end = cluster.lab.bed().now() + ms(12_000);
    while cluster.lab.bed().now() < end {
        cluster.join(&[2])?;
        cluster.join(&[1])?;
        let pause = cluster.any_ms(900);
        cluster.sleep(pause)?;
        (0..GROUPS).for_each(|group| cluster.stop(group));
        (0..GROUPS).for_each(|group| cluster.start(group));
        let pause = cluster.any_ms(900);
        cluster.sleep(pause)?;
        cluster.leave(&[1])?;
        cluster.leave(&[2])?;
    }
    cluster.sleep(2000)?;
    writers.end(cluster)
}

/// A network that loses, and one client.
pub fn unreliable1(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.join(&[0])?;
    let mut data = Data::put(cluster, "", ONE_EACH, MORE_BYTES)?;
    cluster.join(&[1])?;
    cluster.join(&[2])?;
    cluster.leave(&[0])?;
    for _ in 0..2 {
        data.check_and_append(cluster, MORE_BYTES)?;
    }
    cluster.join(&[0])?;
    cluster.leave(&[1])?;
    data.check(cluster)?;
    data.check(cluster)
}

/// What changes under ten clients.
fn changes(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.sleep(150)?;
    cluster.join(&[1])?;
    cluster.sleep(500)?;
    cluster.join(&[2])?;
    cluster.sleep(500)?;
    cluster.leave(&[0])?;
    cluster.sleep(500)?;
    cluster.leave(&[1])?;
    cluster.sleep(500)?;
    cluster.join(&[1])?;
    cluster.join(&[0])?;
    cluster.sleep(2000)
}

/// A network that loses, and ten clients.
pub fn unreliable2(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.join(&[0])?;
    let writers = own_keys(cluster, Habit::Appends(0));
    changes(cluster)?;
    cluster.lab.set_reliable(true);
    writers.end(cluster)
}

/// The same, and the clients share keys.
pub fn unreliable3(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.join(&[0])?;
    Data::put(cluster, "", ONE_EACH, MORE_BYTES)?;
    let writers = own_keys(cluster, Habit::Mixed);
    changes(cluster)?;
    cluster.lab.set_reliable(true);
    writers.end(cluster)
}

/// All shards that a group has.
pub fn shards_of(cluster: &mut Cluster<'_>, group: usize) -> Outcome<Vec<u16>> {
    let config = cluster.config(None)?;
    let ranges = config.slots.of_group(super::Sharded::gid(group));
    Ok(ranges.flat_map(|SlotRange { first, last }| first..=last).collect())
}
