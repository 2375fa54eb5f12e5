//! How far the moves are that a change has begun.

use super::Failed;
use crate::cli::target::Target;
use indicatif::{ProgressBar, ProgressStyle};
use protocol::shardctl::{GroupId, Num, Status};
use quorate::client::admin::Admin;
use quorate::client::status::{self, NodeStatus};
use std::io::{IsTerminal, stderr};
use std::thread;
use std::time::{Duration, Instant};

/// How often the controller is asked.
const LOOKS: Duration = Duration::from_millis(50);
/// How often the nodes are asked for what is on its way, and a line is written where there is no terminal.
const COUNTS: Duration = Duration::from_secs(1);

/// Groups that have not finished a configuration.
fn behind(status: &Status, number: Num) -> Vec<GroupId> {
    let late = status
        .groups
        .iter()
        .filter(|(_, standing)| standing.finished < standing.left.unwrap_or(number).min(number));
    late.map(|(group, _)| *group).collect()
}

/// How many slots are on their way to groups, as their leaders say.
fn coming(nodes: &[NodeStatus]) -> u64 {
    let servers =
        nodes.iter().filter_map(|node| node.health.as_ref().ok()).flat_map(|it| &it.servers);
    servers.filter(|server| server.role == "leader").map(|server| server.coming).sum()
}

/// Waits until every group has finished a configuration, and shows meanwhile how many slots are on their way.
pub(super) fn wait(admin: &mut Admin, target: &Target, number: Num) -> Result<(), Failed> {
    let options = target.options()?;
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{spinner} {msg}");
    bar.set_style(style.expect("it is a template"));
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut counted = Instant::now();
    loop {
        let Some(status) = admin.status()? else {
            return Err("the controller gives no status".into());
        };
        let late = behind(&status, number);
        if late.is_empty() {
            break;
        }
        if counted.elapsed() >= COUNTS {
            counted = Instant::now();
            let names: Vec<String> = late.iter().map(ToString::to_string).collect();
            let groups = format!(
                "{} of {} groups are there",
                status.groups.len() - late.len(),
                status.groups.len()
            );
            // Nodes that are dead are left out: this is only to be looked at.
            let slots = status::cluster(target.addresses(), &options).map(|nodes| coming(&nodes));
            let slots =
                slots.map_or(String::new(), |slots| format!("{slots} slots are on their way; "));
            let line = format!("{slots}{groups}, not yet {}", names.join(", "));
            if stderr().is_terminal() {
                bar.set_message(line);
            } else {
                eprintln!("quorate: {line}");
            }
        }
        thread::park_timeout(LOOKS);
    }
    bar.finish_and_clear();
    Ok(())
}
