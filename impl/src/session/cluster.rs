//! CLUSTER: a group of nodes in the words of Redis Cluster.
//!
//! There is one shard, and it owns all slots. The leader is its master, the others are its replicas; a term is an
//! epoch. Told are the ports for cluster clients.

mod sharded;

use super::plan::{Args, quoted};
use super::text::Text;
use crate::commands::{self, Id};
use crate::resp::Writer;
use crate::view::{Node, View};
use protocol::kv::slot::{SLOTS, slot};
use std::fmt::Write;

const NOT_MOVED: &str = "ERR there is one group, and it owns all slots: none can be moved";
const NO_MASTER: &str = "ERR The specified node is not a master";
const NO_TRANSFER: &str = "ERR leadership can't be handed over by command: if the leader stops, \
    the others elect another by themselves";

/// Answers a CLUSTER command, but for those that ask for keys.
///
/// # Errors
/// What its client is told of arguments that mean nothing, and of what can't be done.
pub(super) fn answer(
    id: Id,
    args: Args<'_>,
    view: &View,
    writer: &mut Writer<'_>,
) -> Result<(), Text> {
    if let Some(shards) = &view.shards {
        match id {
            Id::ClusterSlots => sharded::slots(view, shards, writer),
            Id::ClusterShards => sharded::shards(view, shards, writer),
            Id::ClusterNodes => {
                let line = |node| sharded::line(view, shards, node) + "\n";
                writer.verbatim(*b"txt", view.nodes.iter().map(line).collect::<String>());
            }
            Id::ClusterInfo => writer.verbatim(*b"txt", sharded::info(view, shards)),
            Id::ClusterReplicas => {
                let node = named(args, view)?;
                if sharded::leads_none(shards, node.id) {
                    return Err(NO_MASTER.into());
                }
                let replicas = sharded::replicas_of(view, shards, node.id);
                writer.array(replicas.len());
                replicas.iter().for_each(|it| writer.bulk(sharded::line(view, shards, it)));
            }
            _ => return of_one(id, args, view, writer),
        }
        return Ok(());
    }
    of_one(id, args, view, writer)
}

/// The same where there is one group, and of what is the same with several.
fn of_one(id: Id, args: Args<'_>, view: &View, writer: &mut Writer<'_>) -> Result<(), Text> {
    match id {
        Id::ClusterSlots => slots(view, writer),
        Id::ClusterShards => shards(view, writer),
        Id::ClusterNodes => {
            let lines = view.nodes.iter().map(|node| line(view, node) + "\n");
            writer.verbatim(*b"txt", lines.collect::<String>());
        }
        Id::ClusterInfo => writer.verbatim(*b"txt", info(view)),
        Id::ClusterMyid => writer.bulk(view.own().map_or("", |node| &node.name)),
        Id::ClusterMyshardid => writer.bulk(&view.shard),
        Id::ClusterKeyslot => writer.integer(i64::from(slot(args.argument(2)))),
        // There is no bus of its own whose links could be told.
        Id::ClusterLinks | Id::ClusterGetslotmigrations => writer.array(0),
        Id::ClusterReplicas => replicas(args, view, writer)?,
        Id::ClusterFailover => return Err(NO_TRANSFER.into()),
        Id::ClusterMigration if args.argument(2).eq_ignore_ascii_case(b"status") => writer.array(0),
        Id::ClusterMigration if args.argument(2).eq_ignore_ascii_case(b"cancel") => {
            writer.integer(0);
        }
        Id::ClusterMigrateslots | Id::ClusterMigration => return Err(NOT_MOVED.into()),
        Id::ClusterCancelslotmigrations => return Err("ERR no slots are being moved".into()),
        Id::ClusterHelp => {
            commands::help(&commands::TABLE[Id::Cluster as usize], writer);
        }
        _ => {
            let row = &commands::TABLE[id as usize];
            return Err(row.refusal().unwrap_or("ERR this can't be done here").into());
        }
    }
    Ok(())
}

/// The slots' ranges with the nodes that serve them, the master first. Replicas that are not heard of are left out,
/// for clients would wait for them.
fn slots(view: &View, writer: &mut Writer<'_>) {
    let Some(master) = view.master() else { return writer.array(0) };
    let replicas = || view.replicas().filter(|node| node.connected);
    writer.array(1);
    writer.array(3 + replicas().count());
    writer.integer(0);
    writer.integer(i64::from(SLOTS - 1));
    for node in std::iter::once(master).chain(replicas()) {
        put_node(node, writer);
    }
}

/// A node as CLUSTER SLOTS has it.
fn put_node(node: &Node, writer: &mut Writer<'_>) {
    writer.array(4);
    writer.bulk(&node.host);
    writer.integer(i64::from(node.cluster_port));
    writer.bulk(&node.name);
    writer.array(0);
}

fn shards(view: &View, writer: &mut Writer<'_>) {
    let master = view.master().map(|node| node.id);
    writer.array(1);
    writer.map(2);
    writer.bulk("slots");
    writer.array(2);
    writer.integer(0);
    writer.integer(i64::from(SLOTS - 1));
    writer.bulk("nodes");
    writer.array(view.nodes.len());
    for node in &view.nodes {
        put_shard_node(view, node, Some(node.id) == master, writer);
    }
}

/// A node as CLUSTER SHARDS has it.
fn put_shard_node(view: &View, node: &Node, is_master: bool, writer: &mut Writer<'_>) {
    writer.map(7);
    let texts = [("id", &node.name), ("ip", &node.host), ("endpoint", &node.host)];
    for (name, value) in texts {
        writer.bulk(name);
        writer.bulk(value);
    }
    writer.bulk("port");
    writer.integer(i64::from(node.cluster_port));
    writer.bulk("role");
    writer.bulk(if is_master { "master" } else { "replica" });
    writer.bulk("replication-offset");
    writer.integer(i64::try_from(view.commit).unwrap_or(i64::MAX));
    writer.bulk("health");
    writer.bulk(if node.connected { "online" } else { "fail" });
}

/// A node's line of CLUSTER NODES, without its end. The port of a cluster bus is 0: there is none.
fn line(view: &View, node: &Node) -> String {
    let master = view.master().filter(|master| master.id != node.id);
    let Node { name, host, cluster_port, .. } = node;
    let mut flags = String::new();
    if node.id == view.me {
        flags.push_str("myself,");
    }
    flags.push_str(if master.is_none() { "master" } else { "slave" });
    if !node.connected {
        flags.push_str(",fail?");
    }
    let of = master.map_or("-", |master| &master.name);
    let link = if node.connected { "connected" } else { "disconnected" };
    let epoch = view.term;
    let mut line = format!("{name} {host}:{cluster_port}@0 {flags} {of} 0 0 {epoch} {link}");
    if master.is_none() {
        write!(line, " 0-{}", SLOTS - 1).expect("writing to a string cannot fail");
    }
    line
}

fn info(view: &View) -> String {
    let state = if view.leader.is_some() { "ok" } else { "fail" };
    let (nodes, term) = (view.nodes.len(), view.term);
    format!(
        "cluster_enabled:1\r\ncluster_state:{state}\r\ncluster_slots_assigned:{SLOTS}\r\n\
         cluster_slots_ok:{SLOTS}\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0\r\n\
         cluster_known_nodes:{nodes}\r\ncluster_size:1\r\ncluster_current_epoch:{term}\r\n\
         cluster_my_epoch:{term}\r\ncluster_stats_messages_sent:0\r\n\
         cluster_stats_messages_received:0\r\n"
    )
}

/// The node whose name stands in front.
fn named<'a>(args: Args<'_>, view: &'a View) -> Result<&'a Node, Text> {
    let name = args.argument(2);
    let node = view.nodes.iter().find(|node| node.name.as_bytes() == name);
    node.ok_or_else(|| format!("ERR Unknown node {}", quoted(args, 2)).into())
}

/// CLUSTER REPLICAS name.
fn replicas(args: Args<'_>, view: &View, writer: &mut Writer<'_>) -> Result<(), Text> {
    let node = named(args, view)?;
    if view.master().map(|master| master.id) != Some(node.id) {
        return Err(NO_MASTER.into());
    }
    writer.array(view.replicas().count());
    view.replicas().for_each(|replica| writer.bulk(line(view, replica)));
    Ok(())
}
