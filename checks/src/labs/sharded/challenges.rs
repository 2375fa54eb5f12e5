//! Both challenges of lab 4B of 2021: nothing is kept that was given away, and what is not on its way, or has come, is
//! served whatever else is stuck.

use super::clerks::Data;
use super::cluster::Cluster;
use super::pulls::shards_of;
use crate::labs::lab::{Outcome, ms};
use protocol::kv::Bytes;

/// Of the first challenge: keys, and the length of a value in bytes.
const KEYS: usize = 30;
const VALUE_BYTES: usize = 1000;
/// What all servers may keep of that on their disks, in bytes: every value three times, some twice that on top, and a
/// little.
const MOST_BYTES: u64 = 3 * (27 * 1000 + 2 * 3 * 1000 + 6000);
/// Of the second one: the length of a value, in bytes.
const SHORT_BYTES: usize = 100;
/// What is served at once is served within this.
const AT_ONCE_MS: u64 = 10_000;

/// Who has given a shard away keeps nothing of it.
pub fn delete(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.join(&[0])?;
    let mut data = Data::put(cluster, "", KEYS, VALUE_BYTES)?;
    data.check(cluster)?;
    for _ in 0..2 {
        cluster.join(&[1])?;
        cluster.leave(&[0])?;
        cluster.join(&[2])?;
        cluster.sleep(3000)?;
        data.check(cluster)?;
        cluster.leave(&[1])?;
        cluster.join(&[0])?;
        cluster.leave(&[2])?;
        cluster.sleep(3000)?;
        data.check(cluster)?;
    }
    cluster.join(&[1])?;
    cluster.join(&[2])?;
    for _ in 0..3 {
        cluster.sleep(1000)?;
        data.check(cluster)?;
    }
    let servers = cluster.groups().flat_map(Cluster::servers);
    let bed = cluster.lab.bed();
    let total = servers.map(|server| bed.log_bytes(server) + bed.snapshot_bytes(server)).sum();
    cluster.lab.at_most("bytes on all disks", total, MOST_BYTES)?;
    data.check(cluster)
}

/// The keys whose shards are these.
fn keys_in(data: &Data, shards: &[u16]) -> Vec<String> {
    let is_in = |key: &&String| shards.contains(&Bytes::from(key.as_str()).slot().0);
    data.keys.iter().filter(is_in).cloned().collect()
}

/// Keys are read, written and read, each within the time in which what is served is served.
fn are_served(cluster: &mut Cluster<'_>, data: &mut Data, keys: &[String]) -> Outcome {
    for key in keys {
        let begun = cluster.lab.bed().now();
        data.check_one(cluster, key)?;
        data.set(cluster, key, SHORT_BYTES)?;
        data.check_one(cluster, key)?;
        let took = cluster.lab.bed().now() - begun;
        cluster.lab.within("milliseconds for what is served", took, AT_ONCE_MS)?;
    }
    Ok(())
}

/// Half of the shards are to come from a group that is down: the other half is served.
pub fn unaffected(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.join(&[0])?;
    let mut data = Data::put(cluster, "", 10, SHORT_BYTES)?;
    cluster.join(&[1])?;
    cluster.sleep(1000)?;
    let own = shards_of(cluster, 1)?;
    let keys = keys_in(&data, &own);
    cluster.require(keys.len() == 5, || format!("group 1 has {own:?}"))?;
    // What they hold is written by their own group.
    for key in &keys {
        data.set(cluster, key, SHORT_BYTES)?;
    }
    cluster.stop(0);
    cluster.leave(&[0])?;
    cluster.sleep(1000)?;
    are_served(cluster, &mut data, &keys)?;
    cluster.start(0);
    data.check(cluster)
}

/// Shards are to come from a group that is down and from one that is not: these are served as soon as they have come.
pub fn partial(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.join(&[0, 1, 2])?;
    let mut data = Data::put(cluster, "", 10, SHORT_BYTES)?;
    data.check(cluster)?;
    let number = cluster.config(None)?.number;
    let finished = cluster.finishes(number, ms(AT_ONCE_MS))?;
    cluster.require(finished, || "the first shards are not with their groups".into())?;
    let (own, coming) = (shards_of(cluster, 1)?, shards_of(cluster, 2)?);
    cluster.require(!coming.is_empty(), || "group 2 has no shard".into())?;
    cluster.stop(0);
    cluster.leave(&[0, 2])?;
    cluster.sleep(1000)?;
    let keys = keys_in(&data, &[&own[..], &coming].concat());
    are_served(cluster, &mut data, &keys)?;
    cluster.start(0);
    data.check(cluster)
}
