//! Lab 4A of 2021, the shard controller: three servers of it, and groups that are names only.
//!
//! The labs' checks of minimal transfers look at groups that are not there; here they look at those that are. That the
//! last group leaves is refused, so where the labs begin anew with nothing another group comes first.

use super::SERVERS;
use super::admin::Errand;
use super::cluster::Cluster;
use crate::labs::lab::{ELECTION, Outcome};
use protocol::kv::Bytes;
use protocol::shardctl::{self, Change, Config, Query, Refusal, SlotRange};
use protocol::shardkv::GroupId;
use std::collections::BTreeMap;

/// Clients that change something at once.
const CLIENTS: u64 = 10;

fn nodes(of: u64) -> Vec<Bytes> {
    // In an order that is nobody's but theirs.
    ["x", "z", "y"].map(|name| Bytes::from(format!("{name}{of}").as_str())).into()
}

fn joining(gids: &[u64]) -> Change {
    Change::Join(gids.iter().map(|gid| (GroupId(*gid), nodes(*gid))).collect())
}

fn leaving(gids: &[u64]) -> Change {
    Change::Leave(gids.iter().map(|gid| GroupId(*gid)).collect())
}

/// How many shards each group has.
fn counts(config: &Config) -> BTreeMap<GroupId, usize> {
    let count = |gid: &GroupId| config.slots.of_group(*gid).map(SlotRange::len).sum();
    config.groups.keys().map(|gid| (*gid, count(gid))).collect()
}

impl Cluster<'_> {
    /// The latest configuration: it has these groups and no other, every shard is with one of them, none has two more
    /// than another, and their nodes stand in the order in which they came.
    fn balanced(&mut self, gids: &[u64]) -> Outcome<Config> {
        let config = self.config(None)?;
        let expected: BTreeMap<_, _> =
            gids.iter().map(|gid| (GroupId(*gid), nodes(*gid))).collect();
        self.require(config.groups == expected, || {
            format!("groups {gids:?} are expected, there are {:?}", config.groups)
        })?;
        let counts = counts(&config);
        let (least, most) = (counts.values().min(), counts.values().max());
        let spread = most.zip(least).map_or(0, |(most, least)| most - least);
        let all: usize = counts.values().sum();
        let fine = spread <= 1 && all == usize::from(self.sharded.slots);
        self.require(fine, || format!("shards are not balanced: {config:?}"))?;
        Ok(config)
    }

    /// Between two configurations shards went to groups that came, or from groups that left, and nothing else.
    fn minimal(&self, before: &Config, after: &Config) -> Outcome {
        for (slot, from, to) in before.slots.changes(&after.slots) {
            let left = from.is_none_or(|from| !after.groups.contains_key(&from));
            let came = to.is_none_or(|to| !before.groups.contains_key(&to));
            self.require(left || came, || {
                format!("shard {slot} goes from {from:?} to {to:?}, and both stay")
            })?;
        }
        Ok(())
    }

    /// So many administrators do the same at once, each with numbers of its own.
    fn at_once(&mut self, changes: impl Fn(u64) -> Vec<Change>) -> Outcome {
        let errands: Vec<_> =
            (0..CLIENTS).map(|client| Errand::begin(self.lab, changes(client))).collect();
        errands.iter().try_for_each(|errand| errand.join(self.lab))
    }
}

/// Groups come and go one by one.
pub fn basic(cluster: &mut Cluster<'_>) -> Outcome {
    let mut history = vec![cluster.config(None)?];
    for (change, groups) in [
        (joining(&[1]), &[1][..]),
        (joining(&[2]), &[1, 2]),
        (leaving(&[1]), &[2]),
        (joining(&[3]), &[2, 3]),
        (leaving(&[2]), &[3]),
    ] {
        cluster.change(&change)?;
        history.push(cluster.balanced(groups)?);
    }
    let last = cluster.ask_change(leaving(&[3]))?;
    cluster.require(last == shardctl::Outcome::Refused(Refusal::LastGroup), || {
        format!("the last group is told to leave, and that ends in {last:?}")
    })?;
    historical_queries(cluster, &history)?;
    moves(cluster)?;

    let gid = |client: u64| 100 + 10 * client;
    cluster.at_once(|client| {
        let (gid, other) = (gid(client), gid(client) + 1000);
        vec![joining(&[other]), joining(&[gid]), leaving(&[other])]
    })?;
    cluster.change(&leaving(&[504]))?;
    let mut there: Vec<u64> = (0..CLIENTS).map(gid).collect();
    let mut before = cluster.balanced(&there)?;
    for more in 11..16 {
        cluster.change(&joining(&[more]))?;
        there.push(more);
        let after = cluster.balanced(&there)?;
        cluster.minimal(&before, &after)?;
        before = after;
    }
    for less in (11..16).rev() {
        cluster.change(&leaving(&[less]))?;
        there.pop();
        let after = cluster.balanced(&there)?;
        cluster.minimal(&before, &after)?;
        before = after;
    }
    Ok(())
}

/// Each server down in turn, what was is told as it was.
fn historical_queries(cluster: &mut Cluster<'_>, history: &[Config]) -> Outcome {
    for server in 0..SERVERS {
        cluster.lab.crash(server);
        for config in history {
            let told = cluster.config(Some(config.number))?;
            cluster.require(told == *config, || format!("{config:?} is told as {told:?}"))?;
        }
        cluster.lab.start(server);
        cluster.lab.sleep(ELECTION)?;
    }
    Ok(())
}

/// Shards are moved by hand.
fn moves(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.change(&joining(&[503]))?;
    cluster.change(&joining(&[504]))?;
    cluster.change(&leaving(&[3]))?;
    let gid = |shard: u16| GroupId(if shard < 5 { 503 } else { 504 });
    for shard in 0..cluster.sharded.slots {
        let before = cluster.config(None)?;
        let change =
            Change::Move { slots: vec![SlotRange { first: shard, last: shard }], to: gid(shard) };
        let ended = cluster.ask_change(change)?;
        let is_there = before.slots.owner(shard) == Some(gid(shard));
        let expected = match is_there {
            true => shardctl::Outcome::Refused(Refusal::NoChange),
            false => shardctl::Outcome::Done { number: before.number + 1 },
        };
        cluster.require(ended == expected, || format!("a Move of {shard} ends in {ended:?}"))?;
    }
    let config = cluster.config(None)?;
    let right =
        (0..cluster.sharded.slots).all(|shard| config.slots.owner(shard) == Some(gid(shard)));
    cluster.require(right, || format!("moved by hand to {config:?}"))?;
    cluster.change(&leaving(&[503])).map(drop)
}

/// Few moves: what 2024 has for it.
pub fn minimal_again(cluster: &mut Cluster<'_>) -> Outcome {
    cluster.change(&joining(&[1]))?;
    cluster.change(&joining(&[2]))?;
    let two = cluster.balanced(&[1, 2])?;
    cluster.change(&joining(&[3]))?;
    let three = cluster.balanced(&[1, 2, 3])?;
    cluster.change(&leaving(&[1]))?;
    let left = cluster.balanced(&[2, 3])?;
    let most = u64::from(cluster.sharded.slots) / 3 + 1;
    for (before, after) in [(&two, &three), (&three, &left)] {
        cluster.minimal(before, after)?;
        let moved = before.slots.moved(&after.slots) as u64;
        cluster.lab.at_most("shards that move", moved, most)?;
    }
    Ok(())
}

/// Groups come and go several at once.
pub fn multi(cluster: &mut Cluster<'_>) -> Outcome {
    for (change, groups) in
        [(joining(&[1, 2]), &[1, 2][..]), (joining(&[3]), &[1, 2, 3]), (leaving(&[1, 3]), &[2])]
    {
        cluster.change(&change)?;
        cluster.balanced(groups)?;
    }
    cluster.at_once(|client| {
        let gid = 1000 + client;
        vec![joining(&[gid, gid + 1000, gid + 2000]), leaving(&[gid + 1000, gid + 2000])]
    })?;
    cluster.change(&leaving(&[2]))?;
    let there: Vec<u64> = (0..CLIENTS).map(|client| 1000 + client).collect();
    let before = cluster.balanced(&there)?;
    let more: Vec<u64> = (11..16).collect();
    cluster.change(&joining(&more))?;
    let many = cluster.balanced(&[&there[..], &more].concat())?;
    cluster.minimal(&before, &many)?;
    cluster.change(&leaving(&more))?;
    let after = cluster.balanced(&there)?;
    cluster.minimal(&many, &after)?;
    same_on_all(cluster)
}

/// Without the leader the others have the same.
fn same_on_all(cluster: &mut Cluster<'_>) -> Outcome {
    let before = cluster.config(None)?;
    let leads = |cluster: &Cluster<'_>| {
        (0..SERVERS).find(|server| cluster.lab.bed().state(*server).is_some_and(|it| it.leads))
    };
    let Some(leader) = leads(cluster) else {
        return Err(cluster.lab.failure("the controller has no leader"));
    };
    cluster.lab.crash(leader);
    let other = leads(cluster);
    cluster.require(other.is_none(), || format!("{leader} has led, and so does {other:?}"))?;
    let after = cluster.config(None)?;
    cluster.require(after == before, || format!("{before:?} is {after:?} without its leader"))?;
    for server in (0..SERVERS).filter(|server| *server != leader) {
        let told = cluster.question_until(server, Query::Config(Some(before.number)))?;
        let same = told == shardctl::Reply::Config(before.clone());
        cluster.require(same, || format!("server {server} tells {told:?}"))?;
    }
    Ok(())
}
