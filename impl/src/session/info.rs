//! INFO and ROLE: the server in the words that people, exporters and client libraries look for.
//!
//! To a client of the plain port the group is one server that takes writes, so every node calls itself a
//! master there. To a cluster client the leader is the master and the others are its replicas.

use super::access::Port;
use super::local::REDIS_VERSION;
use super::plan::Args;
use crate::resp::Writer;
use crate::rsm::Slots;
use crate::view::{Node, Place, Served, View};
use std::fmt::{Display, Write};

/// The mode of a server as its clients see it.
pub(super) const fn mode(port: Port) -> &'static str {
    match port {
        Port::Plain => "standalone",
        Port::Cluster => "cluster",
    }
}

/// Whether a node is a master to the clients of a port.
pub(super) fn is_master(port: Port, view: &View) -> bool {
    port == Port::Plain || view.master().map(|node| node.id) == Some(view.me)
}

type Section = fn(&mut Lines, Port, &View);

/// The sections in order. All of them are told if none is asked for.
const SECTIONS: [(&str, Section); 8] = [
    ("server", server),
    ("clients", clients),
    ("memory", memory),
    ("persistence", persistence),
    ("stats", stats),
    ("replication", replication),
    ("cluster", cluster),
    ("raft", raft),
];

/// INFO [section…].
pub(super) fn write(args: Args<'_>, port: Port, view: &View, writer: &mut Writer<'_>) {
    let asked = |name: &str| {
        let asks = |place| {
            let word = args.argument(place);
            let any = ["all", "default", "everything"].iter();
            let mut names = any.chain([&name]).map(|name| name.as_bytes());
            names.any(|name| word.eq_ignore_ascii_case(name))
        };
        args.count() == 1 || (1..args.count()).any(asks)
    };
    let mut text = Lines(String::new());
    for (name, section) in SECTIONS {
        if asked(name) {
            text.title(name);
            section(&mut text, port, view);
        }
    }
    if asked("keyspace") {
        text.title("keyspace");
        if view.keys > 0 {
            let View { keys, expiring, .. } = view;
            text.line("db0", format_args!("keys={keys},expires={expiring},avg_ttl=0"));
        }
    }
    writer.verbatim(*b"txt", text.0);
}

/// The lines of an INFO.
struct Lines(String);

impl Lines {
    fn title(&mut self, name: &str) {
        let gap = if self.0.is_empty() { "" } else { "\r\n" };
        let (first, rest) = name.split_at(1);
        let first = first.to_ascii_uppercase();
        write!(self.0, "{gap}# {first}{rest}\r\n").expect("writing to a string cannot fail");
    }

    fn line(&mut self, name: &str, value: impl Display) {
        write!(self.0, "{name}:{value}\r\n").expect("writing to a string cannot fail");
    }
}

fn server(text: &mut Lines, port: Port, view: &View) {
    let own = view.own();
    text.line("redis_version", REDIS_VERSION);
    text.line("redis_mode", mode(port));
    text.line("server_name", "quorate");
    text.line("quorate_version", &view.version);
    text.line("os", std::env::consts::OS);
    text.line("arch_bits", usize::BITS);
    text.line("run_id", own.map_or("", |node| &node.name));
    let number = |node: &Node| match port {
        Port::Plain => node.plain_port,
        Port::Cluster => node.cluster_port,
    };
    text.line("tcp_port", own.map_or(0, number));
    text.line("uptime_in_seconds", view.uptime_ms / 1000);
    text.line("uptime_in_days", view.uptime_ms / 86_400_000);
}

fn clients(text: &mut Lines, _: Port, view: &View) {
    text.line("connected_clients", view.clients);
    text.line("maxclients", view.max_clients);
}

fn memory(text: &mut Lines, _: Port, view: &View) {
    let bytes = view.memory_bytes;
    text.line("used_memory", bytes);
    text.line("used_memory_human", human(bytes));
    text.line("used_memory_rss", bytes);
    text.line("maxmemory", 0);
    text.line("maxmemory_human", "0B");
    text.line("maxmemory_policy", "noeviction");
}

fn persistence(text: &mut Lines, _: Port, view: &View) {
    text.line("loading", u8::from(view.loading));
    text.line("rdb_bgsave_in_progress", 0);
    text.line("aof_enabled", 1);
    text.line("aof_rewrite_in_progress", 0);
    text.line("aof_last_write_status", "ok");
}

fn stats(text: &mut Lines, _: Port, view: &View) {
    let counters = view.counters;
    text.line("total_connections_received", counters.connections);
    text.line("total_commands_processed", counters.commands);
    text.line("instantaneous_ops_per_sec", counters.commands_per_second);
    text.line("total_net_input_bytes", counters.received_bytes);
    text.line("total_net_output_bytes", counters.sent_bytes);
    text.line("rejected_connections", counters.rejected);
    text.line("expired_keys", counters.expired);
    text.line("evicted_keys", 0);
    text.line("keyspace_hits", counters.hits);
    text.line("keyspace_misses", counters.misses);
}

fn replication(text: &mut Lines, port: Port, view: &View) {
    let master = is_master(port, view);
    text.line("role", if master { "master" } else { "slave" });
    if master {
        let told = || view.replicas().filter(|node| node.connected && port == Port::Cluster);
        text.line("connected_slaves", told().count());
        for (number, node) in told().enumerate() {
            let Node { host, cluster_port, .. } = node;
            let value = format!("ip={host},port={cluster_port},state=online");
            text.line(&format!("slave{number}"), value);
        }
    } else if let Some(leader) = view.master() {
        text.line("master_host", &leader.host);
        text.line("master_port", leader.cluster_port);
        text.line("master_link_status", if leader.connected { "up" } else { "down" });
        text.line("slave_read_only", 1);
        text.line("connected_slaves", 0);
    }
    text.line("master_replid", &view.shard);
    text.line("master_repl_offset", view.commit);
}

fn cluster(text: &mut Lines, port: Port, _: &View) {
    text.line("cluster_enabled", u8::from(port == Port::Cluster));
}

/// In a sharded cluster the lines without a name are of `raft_group`; then each server has one of its own.
fn raft(text: &mut Lines, _: Port, view: &View) {
    let name = |id| view.node(id).map_or("", |node| &node.name);
    if let Some(place) = view.place {
        text.line("raft_group", place);
    }
    text.line("raft_node", view.me.0);
    text.line("raft_nodes", view.nodes.len());
    text.line("raft_role", view.role.word());
    text.line("raft_leader", view.leader.map_or("none".into(), |id| id.0.to_string()));
    text.line("raft_leader_name", view.leader.map_or("", name));
    text.line("raft_term", view.term);
    text.line("raft_commit_index", view.commit);
    text.line("raft_applied_index", view.applied);
    text.line("raft_last_index", view.last_index);
    text.line("raft_snapshot_index", view.snapshot_index);
    text.line("raft_clock_ms", view.clock);
    for server in &view.servers {
        let name = match server.place {
            Place::Controller => "raft_controller".into(),
            Place::Group(group) => format!("raft_group_{group}"),
        };
        text.line(&name, of_server(server));
    }
}

/// A server of a sharded cluster on one line, as Redis has databases.
fn of_server(server: &Served) -> String {
    let Served { place, role, leader, term, commit, applied, snapshot, keys, slots } = server;
    let (role, leader) = (role.word(), leader.map_or("none".into(), |id| id.0.to_string()));
    let log = format!("commit={commit},applied={applied},snapshot={snapshot}");
    let mut text = format!("role={role},leader={leader},term={term},{log}");
    if *place != Place::Controller {
        let Slots { configuration, served, coming, going } = slots;
        let slots = format!("slots={served},coming={coming},going={going}");
        write!(text, ",configuration={configuration},{slots},keys={keys}")
            .expect("writing to a string cannot fail");
    }
    text
}

/// Bytes with a unit.
fn human(bytes: u64) -> String {
    let units = [(1_u64 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, letter)) => format!("{:.2}{letter}", bytes as f64 / unit as f64),
        None => format!("{bytes}B"),
    }
}

/// ROLE.
pub(super) fn role(port: Port, view: &View, writer: &mut Writer<'_>) {
    let offset = i64::try_from(view.commit).unwrap_or(i64::MAX);
    if is_master(port, view) {
        let replicas = || view.replicas().filter(|node| node.connected && port == Port::Cluster);
        writer.array(3);
        writer.bulk("master");
        writer.integer(offset);
        writer.array(replicas().count());
        for node in replicas() {
            writer.array(3);
            writer.bulk(&node.host);
            writer.bulk(node.cluster_port.to_string());
            writer.bulk("0");
        }
    } else if let Some(leader) = view.master() {
        writer.array(5);
        writer.bulk("slave");
        writer.bulk(&leader.host);
        writer.integer(i64::from(leader.cluster_port));
        writer.bulk(if leader.connected { "connected" } else { "connect" });
        writer.integer(offset);
    }
}
