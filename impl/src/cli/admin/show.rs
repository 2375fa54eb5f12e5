//! What there is: the configuration, the groups, the nodes.

use super::Failed;
use crate::cli::status::aligned;
use crate::cli::target::Target;
use protocol::shardctl::{Config, GroupId, SlotRange, Standing, Status};
use quorate::client::admin::Admin;
use quorate::client::status::{self, NodeStatus, ServerHealth};
use serde_json::{Value, json};
use std::process::ExitCode;

pub(super) fn status(admin: &mut Admin, as_json: bool) -> Result<ExitCode, Failed> {
    let config = admin.config(None)?.ok_or("the controller gives no configuration")?;
    let status = admin.status()?.ok_or("the controller gives no status")?;
    if as_json {
        println!("{}", json_of(&config, &status));
    } else {
        print!("{}", text_of(&config, &status));
    }
    Ok(ExitCode::SUCCESS)
}

fn slots_of(config: &Config, group: GroupId) -> (usize, Vec<String>) {
    let ranges: Vec<SlotRange> = config.slots.of_group(group).collect();
    let text = |range: &SlotRange| match range.len() {
        1 => range.first.to_string(),
        _ => format!("{}-{}", range.first, range.last),
    };
    (ranges.iter().map(|range| range.len()).sum(), ranges.iter().map(text).collect())
}

fn nodes_of(config: &Config, group: GroupId) -> Vec<String> {
    let nodes = config.groups.get(&group).into_iter().flatten();
    nodes.map(|node| String::from_utf8_lossy(node.as_ref()).into_owned()).collect()
}

fn text_of(config: &Config, status: &Status) -> String {
    let mut text = format!("configuration {}\n", config.number);
    for (group, standing) in &status.groups {
        let (count, ranges) = slots_of(config, *group);
        let state = state(Some(standing), config);
        let few = match ranges.len() {
            0..=4 => ranges.join(","),
            more => format!("{},… {more} ranges", ranges[..3].join(",")),
        };
        let nodes = nodes_of(config, *group).join(",");
        text.push_str(&format!(
            "group {group:<6} {state:<8} {count:>5} slots  {few:<28} {nodes}\n"
        ));
    }
    if status.groups.is_empty() {
        text.push_str("no group has joined yet: quorate admin join ID=HOST:PORT,…\n");
    }
    text
}

fn json_of(config: &Config, status: &Status) -> Value {
    let group = |(group, standing): (&GroupId, &Standing)| {
        let (count, ranges) = slots_of(config, *group);
        json!({
            "group": group.0,
            "nodes": nodes_of(config, *group),
            "slots": count,
            "ranges": ranges,
            "finished": standing.finished,
            "left": standing.left,
        })
    };
    let groups: Vec<Value> = status.groups.iter().map(group).collect();
    json!({ "configuration": config.number, "oldest": status.oldest, "groups": groups })
}

/// A group's servers that answer, with their nodes' numbers.
fn servers_of(
    nodes: &[NodeStatus],
    group: Option<u64>,
) -> impl Iterator<Item = (u64, &ServerHealth)> {
    let healths = nodes.iter().filter_map(|node| node.health.as_ref().ok());
    let servers = healths.flat_map(|health| health.servers.iter().map(|it| (health.node, it)));
    servers.filter(move |(_, server)| server.group == group)
}

fn known(admin: &mut Admin, target: &Target) -> Result<(Config, Status, Vec<NodeStatus>), Failed> {
    let config = admin.config(None)?.ok_or("the controller gives no configuration")?;
    let status = admin.status()?.ok_or("the controller gives no status")?;
    let nodes = status::cluster(target.addresses(), &target.options()?)?;
    Ok((config, status, nodes))
}

fn state(standing: Option<&Standing>, config: &Config) -> String {
    match standing {
        None => "not joined".into(),
        Some(Standing { left: Some(_), .. }) => "leaves".into(),
        Some(standing) if standing.finished < config.number => format!("at {}", standing.finished),
        Some(_) => "there".into(),
    }
}

/// All groups: those of the configuration, those that leave, and those that have servers and have not joined.
pub(super) fn groups(admin: &mut Admin, target: &Target, json: bool) -> Result<ExitCode, Failed> {
    let (config, status, nodes) = known(admin, target)?;
    let healths = nodes.iter().filter_map(|node| node.health.as_ref().ok());
    let seen = healths.flat_map(|health| &health.servers).filter_map(|server| server.group);
    let all = config.groups.keys().chain(status.groups.keys()).map(|group| group.0).chain(seen);
    let all: std::collections::BTreeSet<u64> = all.collect();
    let mut rows = Vec::new();
    let mut told = Vec::new();
    for group in all {
        let leader = servers_of(&nodes, Some(group)).find(|(_, server)| server.role == "leader");
        let servers = servers_of(&nodes, Some(group)).count();
        let state = state(status.groups.get(&GroupId(group)), &config);
        let (assigned, _) = slots_of(&config, GroupId(group));
        let addresses = nodes_of(&config, GroupId(group));
        told.push(json!({
            "group": group,
            "state": state,
            "leader": leader.map(|(node, _)| node),
            "servers": servers,
            "assigned": assigned,
            "slots": leader.map(|(_, server)| server.slots),
            "coming": leader.map(|(_, server)| server.coming),
            "going": leader.map(|(_, server)| server.going),
            "keys": leader.map(|(_, server)| server.keys),
            "nodes": addresses,
        }));
        let of = |figure: fn(&ServerHealth) -> u64| {
            leader.map_or("-".into(), |(_, server)| figure(server).to_string())
        };
        rows.push([
            group.to_string(),
            state,
            leader.map_or("none".into(), |(node, _)| format!("node {node}")),
            addresses.join(","),
            of(|server| server.slots),
            of(|server| server.coming),
            of(|server| server.going),
            of(|server| server.keys),
        ]);
    }
    if json {
        println!("{}", json!({ "configuration": config.number, "groups": told }));
    } else {
        let head = ["group", "state", "leader", "nodes", "slots", "coming", "going", "keys"];
        print!("{}", aligned(head, &rows, 4));
    }
    Ok(ExitCode::SUCCESS)
}

/// All nodes, with the servers that each has; a star is at those that lead.
pub(super) fn nodes(admin: &mut Admin, target: &Target, json: bool) -> Result<ExitCode, Failed> {
    let (config, _, nodes) = known(admin, target)?;
    let mut rows = Vec::new();
    let mut told = Vec::new();
    for node in &nodes {
        let address = node.member.address.to_string();
        let health = node.health.as_ref().ok();
        let servers = health.map_or(&[][..], |health| &health.servers);
        let name = |server: &ServerHealth| {
            let name = server.group.map_or("controller".into(), |group| group.to_string());
            if server.role == "leader" { name + "*" } else { name }
        };
        let names: Vec<String> = servers.iter().map(name).collect();
        let led = servers.iter().filter(|server| server.role == "leader");
        let slots: u64 = led.map(|server| server.slots).sum();
        let is_alive = health.is_some();
        rows.push([
            health.map_or("-".into(), |health| health.node.to_string()),
            address.clone(),
            if is_alive { "alive" } else { "dead" }.into(),
            names.join(","),
            slots.to_string(),
        ]);
        told.push(json!({
            "node": health.map(|health| health.node),
            "address": address,
            "name": node.member.name,
            "alive": is_alive,
            "controller": servers.iter().any(|server| server.group.is_none()),
            "groups": servers.iter().filter_map(|server| server.group).collect::<Vec<_>>(),
            "leads": servers.iter().filter(|server| server.role == "leader").map(|server| server.group).collect::<Vec<_>>(),
            "slots": slots,
        }));
    }
    if json {
        println!("{}", json!({ "configuration": config.number, "nodes": told }));
    } else {
        let head = ["node", "address", "state", "servers (* leads)", "slots it serves"];
        print!("{}", aligned(head, &rows, 4));
    }
    Ok(ExitCode::SUCCESS)
}
