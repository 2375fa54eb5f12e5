//! CLUSTER in a sharded cluster: groups in the words of Redis Cluster.
//!
//! A group is a shard, and its leader the master. A node may be in several groups, which Redis has no words for: in
//! CLUSTER NODES one that leads any is a master, with the slots of all that it leads; one that leads none is a replica
//! of the leader of its first group. SLOTS and SHARDS say it group by group. The configuration's number is the epoch.

use super::put_node;
use crate::resp::Writer;
use crate::view::{Node, Shard, Shards, View};
use protocol::NodeId;
use protocol::kv::SlotId;
use protocol::kv::slot::SLOTS;
use protocol::shardkv::GroupId;
use std::fmt::Write;

/// Slots that follow each other and are served by one group, as far as this node knows.
fn runs(shards: &Shards) -> Vec<(u16, u16, GroupId)> {
    let mut runs: Vec<(u16, u16, GroupId)> = Vec::new();
    let mut add = |first: u16, last: u16, group: GroupId| match runs.last_mut() {
        Some((_, end, of)) if *of == group && *end + 1 == first => *end = last,
        _ => runs.push((first, last, group)),
    };
    for (range, owner) in shards.config.slots.runs() {
        let mut next = range.first;
        for (slot, group) in shards.found.range(SlotId(range.first)..=SlotId(range.last)) {
            if let Some(owner) = owner.filter(|_| next < slot.0) {
                add(next, slot.0 - 1, owner);
            }
            add(slot.0, slot.0, *group);
            next = slot.0 + 1;
        }
        if let Some(owner) = owner.filter(|_| next <= range.last) {
            add(next, range.last, owner);
        }
    }
    runs
}

/// The node that clients take for a group's master: its leader, or while none is known one of its nodes that can be
/// reached, which will redirect or ask for patience.
fn master<'a>(view: &'a View, shard: &Shard) -> Option<&'a Node> {
    let nodes = || shard.nodes.iter().filter_map(|id| view.node(*id));
    let leader = shard.leader.and_then(|leader| view.node(leader));
    leader.or_else(|| nodes().find(|node| node.connected)).or_else(|| nodes().next())
}

fn replicas<'a>(view: &'a View, shard: &'a Shard) -> impl Iterator<Item = &'a Node> + Clone {
    let master = master(view, shard).map(|node| node.id);
    let others = shard.nodes.iter().filter(move |id| Some(**id) != master);
    others.filter_map(|id| view.node(*id))
}

/// CLUSTER SLOTS. Clients want all slots to be there: a run whose group has no node that is known, such as one that
/// leaves and has lost its leader, is said to be here, where they are redirected or asked for patience. Replicas that
/// are not heard of are left out.
pub(super) fn slots(view: &View, shards: &Shards, writer: &mut Writer<'_>) {
    let runs = runs(shards).into_iter().filter_map(|(first, last, group)| {
        let shard = shards.groups.get(&group);
        let master = shard.and_then(|shard| master(view, shard)).or_else(|| view.own())?;
        Some((first, last, shard, master))
    });
    let runs: Vec<_> = runs.collect();
    writer.array(runs.len());
    for (first, last, shard, master) in runs {
        let replicas = shard.into_iter().flat_map(|shard| replicas(view, shard));
        let replicas = replicas.filter(|node| node.connected && node.id != master.id);
        writer.array(3 + replicas.clone().count());
        writer.integer(i64::from(first));
        writer.integer(i64::from(last));
        for node in std::iter::once(master).chain(replicas) {
            put_node(node, writer);
        }
    }
}

/// CLUSTER SHARDS.
pub(super) fn shards(view: &View, shards: &Shards, writer: &mut Writer<'_>) {
    let runs = runs(shards);
    writer.array(shards.groups.len());
    for (group, shard) in &shards.groups {
        let own: Vec<_> = runs.iter().filter(|(_, _, of)| of == group).collect();
        writer.map(2);
        writer.bulk("slots");
        writer.array(2 * own.len());
        for (first, last, _) in own {
            writer.integer(i64::from(*first));
            writer.integer(i64::from(*last));
        }
        let master = master(view, shard).map(|node| node.id);
        let nodes: Vec<&Node> = shard.nodes.iter().filter_map(|id| view.node(*id)).collect();
        writer.bulk("nodes");
        writer.array(nodes.len());
        for node in nodes {
            super::put_shard_node(view, node, Some(node.id) == master, writer);
        }
    }
}

fn led_by(shards: &Shards, node: NodeId) -> impl Iterator<Item = GroupId> + '_ {
    let led = shards.groups.iter().filter(move |(_, shard)| shard.leader == Some(node));
    led.map(|(group, _)| *group)
}

/// Whether a node leads no group, so that it is nobody's master.
pub(super) fn leads_none(shards: &Shards, node: NodeId) -> bool {
    led_by(shards, node).next().is_none()
}

/// The nodes that CLUSTER NODES calls replicas of a master: those whose line names it.
pub(super) fn replicas_of<'a>(view: &'a View, shards: &Shards, node: NodeId) -> Vec<&'a Node> {
    let name = view.node(node).map_or("", |node| &node.name);
    let of = |other: &&Node| line(view, shards, other).split(' ').nth(3) == Some(name);
    view.nodes.iter().filter(of).collect()
}

/// A node's line of CLUSTER NODES, without its end.
pub(super) fn line(view: &View, shards: &Shards, node: &Node) -> String {
    let Node { name, host, cluster_port, .. } = node;
    let led: Vec<GroupId> = led_by(shards, node.id).collect();
    let first = shards.groups.values().find(|shard| shard.nodes.contains(&node.id));
    let of = first.and_then(|shard| master(view, shard)).filter(|master| master.id != node.id);
    let of = of.filter(|_| led.is_empty());
    let mut flags = String::new();
    if node.id == view.me {
        flags.push_str("myself,");
    }
    flags.push_str(if of.is_none() { "master" } else { "slave" });
    if !node.connected {
        flags.push_str(",fail?");
    }
    let of = of.map_or("-", |master| &master.name);
    let link = if node.connected { "connected" } else { "disconnected" };
    let epoch = shards.config.number;
    let mut line = format!("{name} {host}:{cluster_port}@0 {flags} {of} 0 0 {epoch} {link}");
    for (first, last, group) in runs(shards) {
        if led.contains(&group) {
            let end = if first == last { String::new() } else { format!("-{last}") };
            write!(line, " {first}{end}").expect("writing to a string cannot fail");
        }
    }
    line
}

/// CLUSTER INFO.
pub(super) fn info(view: &View, shards: &Shards) -> String {
    let runs = runs(shards);
    let count = |runs: &mut dyn Iterator<Item = &(u16, u16, GroupId)>| -> u32 {
        runs.map(|(first, last, _)| u32::from(last - first) + 1).sum()
    };
    let has_leader = |group: &GroupId| {
        shards.groups.get(group).is_some_and(|shard| shard.leader.is_some() || !shard.here)
    };
    let assigned = count(&mut runs.iter());
    let well = count(&mut runs.iter().filter(|(_, _, group)| has_leader(group)));
    let state = if well == u32::from(SLOTS) { "ok" } else { "fail" };
    let size = shards.groups.keys().filter(|group| runs.iter().any(|(_, _, of)| of == *group));
    let (nodes, size, epoch) = (view.nodes.len(), size.count(), shards.config.number);
    format!(
        "cluster_enabled:1\r\ncluster_state:{state}\r\ncluster_slots_assigned:{assigned}\r\n\
         cluster_slots_ok:{well}\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:{}\r\n\
         cluster_known_nodes:{nodes}\r\ncluster_size:{size}\r\ncluster_current_epoch:{epoch}\r\n\
         cluster_my_epoch:{epoch}\r\ncluster_stats_messages_sent:0\r\n\
         cluster_stats_messages_received:0\r\n",
        assigned - well
    )
}
