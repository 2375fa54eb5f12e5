//! The nodes of a sharded cluster: a row for each server.

use super::aligned;
use quorate::client::status::{NodeStatus, ServerHealth};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const HEAD: [&str; 11] = [
    "node", "address", "group", "role", "term", "commit", "applied", "snapshot", "slots", "keys",
    "lag",
];

/// Of the controller or a group: what is committed, as the server says that knows most, and whether one leads.
struct Known {
    commit: u64,
    leads: bool,
}

fn known(nodes: &[NodeStatus]) -> BTreeMap<Option<u64>, Known> {
    let mut all = BTreeMap::new();
    for server in
        nodes.iter().filter_map(|node| node.health.as_ref().ok()).flat_map(|it| &it.servers)
    {
        let known = all.entry(server.group).or_insert(Known { commit: 0, leads: false });
        known.commit = known.commit.max(server.commit);
        known.leads |= server.role == "leader";
    }
    all
}

fn name(group: Option<u64>) -> String {
    group.map_or("controller".into(), |group| group.to_string())
}

/// How many slots it serves, and how many are on their way.
fn slots(server: &ServerHealth) -> String {
    let mut text = server.slots.to_string();
    for (sign, count) in [('+', server.coming), ('-', server.going)] {
        if count > 0 {
            text.push_str(&format!(" {sign}{count}"));
        }
    }
    text
}

fn rows(node: &NodeStatus, known: &BTreeMap<Option<u64>, Known>) -> Vec<[String; 11]> {
    let address = node.member.address.to_string();
    let Ok(health) = &node.health else {
        let mut cells = std::array::from_fn(|_| "-".to_owned());
        (cells[1], cells[3]) = (address, "dead".into());
        return vec![cells];
    };
    let row = |server: &ServerHealth| {
        let lag = known[&server.group].commit.saturating_sub(server.applied);
        let of_group = |text: String| if server.group.is_none() { "-".into() } else { text };
        [
            health.node.to_string(),
            address.clone(),
            name(server.group),
            server.role.clone(),
            server.term.to_string(),
            server.commit.to_string(),
            server.applied.to_string(),
            server.snapshot.to_string(),
            of_group(slots(server)),
            of_group(server.keys.to_string()),
            lag.to_string(),
        ]
    };
    health.servers.iter().map(row).collect()
}

fn json_of(node: &NodeStatus, known: &BTreeMap<Option<u64>, Known>) -> Value {
    let (address, name) = (node.member.address.to_string(), &node.member.name);
    let health = match &node.health {
        Ok(health) => health,
        Err(error) => {
            let error = error.to_string();
            return json!({ "address": address, "alive": false, "error": error, "name": name });
        }
    };
    let server = |server: &ServerHealth| {
        let mut told = json!({
            "group": server.group,
            "role": server.role,
            "leader": server.leader,
            "term": server.term,
            "commit": server.commit,
            "applied": server.applied,
            "snapshot": server.snapshot,
            "lag": known[&server.group].commit.saturating_sub(server.applied),
        });
        if server.group.is_some() {
            told["configuration"] = server.configuration.into();
            told["slots"] = server.slots.into();
            told["coming"] = server.coming.into();
            told["going"] = server.going.into();
            told["keys"] = server.keys.into();
        }
        told
    };
    json!({
        "address": address,
        "alive": true,
        "clients": health.clients,
        "memory_bytes": health.memory_bytes,
        "name": name,
        "node": health.node,
        "servers": health.servers.iter().map(server).collect::<Vec<_>>(),
        "uptime_s": health.uptime_s,
        "version": health.version,
    })
}

/// Prints them. Whether the controller and every group has a leader.
pub(super) fn show(nodes: &[NodeStatus], json: bool) -> bool {
    let known = known(nodes);
    let leads = known.values().all(|known| known.leads);
    if json {
        let nodes: Vec<Value> = nodes.iter().map(|node| json_of(node, &known)).collect();
        println!("{}", json!({ "leads": leads, "nodes": nodes }));
    } else {
        let rows: Vec<_> = nodes.iter().flat_map(|node| rows(node, &known)).collect();
        print!("{}", aligned(HEAD, &rows, 4));
    }
    for (group, _) in known.iter().filter(|(_, known)| !known.leads) {
        let of = group.map_or("the controller".into(), |group| format!("group {group}"));
        eprintln!(
            "quorate: no server of {of} leads: what is for it waits. Start the nodes that are dead"
        );
    }
    leads
}
