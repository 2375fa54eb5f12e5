//! `quorate status`: each node of a cluster, or why it does not answer.

mod sharded;

use super::Failed;
use super::target::Target;
use quorate::client::status::{self, Health, NodeStatus};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Asks every node of a cluster how it is
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 if every node answers and one leads, of a sharded cluster's controller and groups one of each, 1 if not,
2 if no server can be asked at all.
Addresses are those for cluster clients. A lag is how many committed entries a server has not applied yet; of slots,
+ are on their way to the group and - from it.")]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// For programs: JSON on stdout
    #[arg(long)]
    json: bool,
}

const HEAD: [&str; 10] =
    ["node", "address", "role", "term", "commit", "applied", "snapshot", "lag", "keys", "memory"];

/// How many committed entries a node has not applied; what is committed, the node that knows most says.
fn lag(health: &Health, commit: u64) -> u64 {
    commit.saturating_sub(health.applied)
}

fn row(node: &NodeStatus, commit: u64) -> [String; 10] {
    let address = node.member.address.to_string();
    match &node.health {
        Ok(health) => [
            health.node.to_string(),
            address,
            health.role.clone(),
            health.term.to_string(),
            health.commit.to_string(),
            health.applied.to_string(),
            health.snapshot.to_string(),
            lag(health, commit).to_string(),
            health.keys.to_string(),
            human(health.memory_bytes),
        ],
        Err(_) => {
            let mut cells = std::array::from_fn(|_| "-".to_owned());
            (cells[1], cells[2]) = (address, "dead".into());
            cells
        }
    }
}

fn human(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn table(nodes: &[NodeStatus], commit: u64) -> String {
    let rows: Vec<[String; 10]> = nodes.iter().map(|node| row(node, commit)).collect();
    aligned(HEAD, &rows, 3)
}

/// Rows below their head. The first columns are names and stand to the left, numbers to the right.
pub(super) fn aligned<const N: usize>(
    head: [&str; N],
    rows: &[[String; N]],
    names: usize,
) -> String {
    let head = head.map(str::to_owned);
    let all = || std::iter::once(&head).chain(rows);
    let widths: [usize; N] =
        std::array::from_fn(|cell| all().map(|row| row[cell].len()).max().unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).enumerate().map(|(place, (cell, width))| {
            if place < names { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    all().map(line).collect()
}

fn as_json(node: &NodeStatus, commit: u64) -> Value {
    let address = node.member.address.to_string();
    match &node.health {
        Ok(health) => json!({
            "address": address,
            "alive": true,
            "applied": health.applied,
            "clients": health.clients,
            "commit": health.commit,
            "keys": health.keys,
            "lag": lag(health, commit),
            "leader": health.leader,
            "memory_bytes": health.memory_bytes,
            "name": node.member.name,
            "node": health.node,
            "role": health.role,
            "snapshot": health.snapshot,
            "term": health.term,
            "uptime_s": health.uptime_s,
            "version": health.version,
        }),
        Err(error) => json!({
            "address": address,
            "alive": false,
            "error": error.to_string(),
            "name": node.member.name,
        }),
    }
}

/// Asks all nodes, and prints what they say.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failed> {
    let Arguments { target, json } = arguments;
    let nodes = match status::cluster(target.addresses(), &target.options()?) {
        Ok(nodes) => nodes,
        Err(error) => {
            eprintln!("quorate: {error}");
            return Ok(ExitCode::from(2));
        }
    };
    let is_sharded = nodes
        .iter()
        .any(|node| node.health.as_ref().is_ok_and(|health| !health.servers.is_empty()));
    let leads = if is_sharded { sharded::show(&nodes, json) } else { show(&nodes, json) };
    for node in &nodes {
        if let Err(error) = &node.health {
            eprintln!("quorate: {error}");
        }
    }
    let dead = nodes.iter().any(|node| node.health.is_err());
    Ok(if !dead && leads { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints the nodes of one group. Whether one leads.
fn show(nodes: &[NodeStatus], json: bool) -> bool {
    let healths = || nodes.iter().filter_map(|node| node.health.as_ref().ok());
    let commit = healths().map(|health| health.commit).max().unwrap_or(0);
    let leads = healths().any(|health| health.role == "leader");
    if json {
        let nodes: Vec<Value> = nodes.iter().map(|node| as_json(node, commit)).collect();
        println!("{}", json!({ "commit": commit, "leads": leads, "nodes": nodes }));
    } else {
        print!("{}", table(nodes, commit));
    }
    if !leads {
        eprintln!(
            "quorate: no node leads: writes wait. A leader needs {} of {} nodes; start those that are dead",
            nodes.len() / 2 + 1,
            nodes.len()
        );
    }
    leads
}
