//! `quorate admin`: the groups of a sharded cluster, and whose the slots are.

use super::Failed;
use super::target::Target;
use indicatif::{ProgressBar, ProgressStyle};
use protocol::kv::Bytes;
use protocol::shardctl::{Change, Config, GroupId, Outcome, SlotRange, Status};
use quorate::client::Options;
use quorate::client::admin::Admin;
use quorate::config::group_flag;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// Shows and changes which group of a sharded cluster has which slots
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A group whose servers run (quorate server --controller … --group 2=…) gets its part of the slots:
                   quorate admin join 2=127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402
One that is to go gives them away first, and keeps nothing: quorate admin leave 2

Exit codes: 0 if it is done, 1 if not, 2 for wrong arguments, 3 if nobody knows.
Slots are served while they move, but for the short time in which the last of one goes over.")]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Shows the groups, their slots, and how far each is
    Status {
        /// For programs: JSON on stdout
        #[arg(long)]
        json: bool,
    },
    /// Lets groups join: they get their part of the slots
    Join {
        /// A group and the nodes that its servers run on, as these are written in `nodes`
        #[arg(required = true, value_name = "ID=HOST:PORT,…", value_parser = group_flag)]
        groups: Vec<(String, Vec<String>)>,
        #[command(flatten)]
        ends: Ends,
    },
    /// Lets groups leave: what they have goes to those that stay
    Leave {
        /// Their ids
        #[arg(required = true, value_name = "ID")]
        groups: Vec<u64>,
        #[command(flatten)]
        ends: Ends,
    },
    /// Moves slots to a group
    Move {
        /// Which: numbers and ranges, such as 0-99,200
        #[arg(value_name = "SLOTS", value_parser = ranges)]
        slots: Ranges,
        /// Where
        #[arg(long, value_name = "ID")]
        to: u64,
        #[command(flatten)]
        ends: Ends,
    },
    /// Gives each group its part
    Rebalance {
        #[command(flatten)]
        ends: Ends,
    },
}

/// What is done behind a change.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Ends {
    /// Don't wait until the slots have moved
    #[arg(long)]
    no_wait: bool,
}

#[derive(Clone, Debug)]
struct Ranges(Vec<SlotRange>);

fn ranges(text: &str) -> Result<Ranges, String> {
    let number = |text: &str| {
        text.parse::<u16>().map_err(|_| format!("{text:?} is no slot: write 0 to 16383, or 0-99"))
    };
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Ok(SlotRange { first: number(first)?, last: number(last)? })
    };
    text.split(',').map(range).collect::<Result<_, String>>().map(Ranges)
}

fn group(text: &str) -> Result<GroupId, Failed> {
    let id = text.parse::<u16>().ok().filter(|id| *id > 0);
    let id =
        id.ok_or_else(|| format!("{text:?} is no group's id: write a number from 1 to 65535"))?;
    Ok(GroupId(id.into()))
}

impl Action {
    /// The change that it asks for, and whether the slots' moves are waited for.
    fn change(&self) -> Result<Option<(Change, bool)>, Failed> {
        Ok(Some(match self {
            Self::Status { .. } => return Ok(None),
            Self::Join { groups, ends } => {
                let join = |(id, nodes): &(String, Vec<String>)| {
                    let nodes = nodes.iter().map(|node| Bytes::from(node.as_str())).collect();
                    Ok((group(id)?, nodes))
                };
                let groups = groups.iter().map(join).collect::<Result<_, Failed>>()?;
                (Change::Join(groups), !ends.no_wait)
            }
            Self::Leave { groups, ends } => {
                (Change::Leave(groups.iter().copied().map(GroupId).collect()), !ends.no_wait)
            }
            Self::Move { slots, to, ends } => {
                (Change::Move { slots: slots.0.clone(), to: GroupId(*to) }, !ends.no_wait)
            }
            Self::Rebalance { ends } => (Change::Rebalance, !ends.no_wait),
        }))
    }
}

/// Carries it out.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failed> {
    let options: Options = arguments.target.options()?;
    let mut admin = Admin::new(arguments.target.addresses(), options);
    let Some((change, waits)) = arguments.action.change()? else {
        let as_json = matches!(arguments.action, Action::Status { json: true });
        return show(&mut admin, as_json);
    };
    match admin.change(&change)? {
        Outcome::Done { number } => {
            println!("configuration {number}");
            if waits {
                wait(&mut admin, number)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Refused(refusal) => Err(refusal.to_string().into()),
        Outcome::Stale => Err("something else was changed first, and this was not: look with \
            `quorate admin status`, and ask again if you still want it"
            .into()),
        Outcome::Unknown => {
            eprintln!(
                "quorate: nobody knows whether it was changed, and it never will be later: look with \
                 `quorate admin status`"
            );
            Ok(ExitCode::from(3))
        }
    }
}

/// Groups that have not finished a configuration, of all.
fn behind(status: &Status, number: u64) -> (Vec<GroupId>, usize) {
    let late = status
        .groups
        .iter()
        .filter(|(_, standing)| standing.finished < standing.left.unwrap_or(number).min(number));
    (late.map(|(group, _)| *group).collect(), status.groups.len())
}

/// Waits until every group has finished a configuration, and shows how many have.
fn wait(admin: &mut Admin, number: u64) -> Result<(), Failed> {
    let bar = ProgressBar::new(0);
    let style =
        ProgressStyle::with_template("{spinner} {pos} of {len} groups are there {wide_msg}");
    bar.set_style(style.expect("it is a template"));
    bar.enable_steady_tick(Duration::from_millis(100));
    loop {
        let Some(status) = admin.status()? else {
            return Err("the controller gives no status".into());
        };
        let (late, all) = behind(&status, number);
        bar.set_length(all as u64);
        bar.set_position((all - late.len()) as u64);
        if late.is_empty() {
            break;
        }
        let names: Vec<String> = late.iter().map(|group| format!("group {group}")).collect();
        bar.set_message(format!("(slots move: {})", names.join(", ")));
        thread::park_timeout(Duration::from_millis(50));
    }
    bar.finish_and_clear();
    println!("every slot is where it belongs");
    Ok(())
}

fn show(admin: &mut Admin, as_json: bool) -> Result<ExitCode, Failed> {
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
        let state = match standing.left {
            Some(_) => "leaves".to_owned(),
            None if standing.finished < config.number => format!("at {}", standing.finished),
            None => "there".to_owned(),
        };
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
    let group = |(group, standing): (&GroupId, &protocol::shardctl::Standing)| {
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
