//! `quorate admin`: the groups of a sharded cluster, and whose the slots are.

mod progress;
mod show;

use super::Failed;
use super::target::Target;
use progress::wait;
use protocol::kv::Bytes;
use protocol::shardctl::{Change, GroupId, Limits, Num, Outcome, Refusal, SlotRange, drain};
use quorate::client::Options;
use quorate::client::admin::Admin;
use quorate::config::group_flag;
use serde_json::json;
use std::process::ExitCode;

/// Shows and changes which group of a sharded cluster has which slots
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A group whose servers run (quorate server --controller … --group 2=…) gets its part of the slots:
                   quorate admin join 2=127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402
One that is to go gives them away first, and keeps nothing: quorate admin leave 2
The same in two steps, to look in between: quorate admin drain 2, and then leave 2

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
    Status(Shows),
    /// Lists the groups: who leads each, what it serves, and what is on its way
    Groups(Shows),
    /// Lists the nodes, and the groups that each has a server of
    Nodes(Shows),
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
    /// Takes all slots from a group, which stays without any until it leaves. What balances (join, leave, rebalance)
    /// gives it some again
    Drain {
        /// Its id
        #[arg(value_name = "ID")]
        group: u64,
        #[command(flatten)]
        ends: Ends,
    },
}

/// How it is shown.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Shows {
    /// For programs: JSON on stdout
    #[arg(long)]
    json: bool,
}

/// What is done behind a change.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Ends {
    /// Don't wait until the slots have moved
    #[arg(long)]
    no_wait: bool,
    /// For programs: JSON on stdout
    #[arg(long)]
    json: bool,
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
    /// The change that it asks for, if it is one.
    fn change(&self) -> Result<Option<(Change, Ends)>, Failed> {
        Ok(Some(match self {
            Self::Status(_) | Self::Groups(_) | Self::Nodes(_) | Self::Drain { .. } => {
                return Ok(None);
            }
            Self::Join { groups, ends } => {
                let join = |(id, nodes): &(String, Vec<String>)| {
                    let nodes = nodes.iter().map(|node| Bytes::from(node.as_str())).collect();
                    Ok((group(id)?, nodes))
                };
                let groups = groups.iter().map(join).collect::<Result<_, Failed>>()?;
                (Change::Join(groups), *ends)
            }
            Self::Leave { groups, ends } => {
                (Change::Leave(groups.iter().copied().map(GroupId).collect()), *ends)
            }
            Self::Move { slots, to, ends } => {
                (Change::Move { slots: slots.0.clone(), to: GroupId(*to) }, *ends)
            }
            Self::Rebalance { ends } => (Change::Rebalance, *ends),
        }))
    }
}

/// Carries it out.
pub fn run(arguments: Arguments) -> Result<ExitCode, Failed> {
    let Arguments { target, action } = arguments;
    let options: Options = target.options()?;
    let mut admin = Admin::new(target.addresses(), options);
    let (changes, ends) = match (&action, action.change()?) {
        (_, Some((change, ends))) => (vec![change], ends),
        (Action::Drain { group, ends }, _) => (plan(&mut admin, GroupId(*group))?, *ends),
        (Action::Groups(shows), _) => return show::groups(&mut admin, &target, shows.json),
        (Action::Nodes(shows), _) => return show::nodes(&mut admin, &target, shows.json),
        (Action::Status(shows), _) => return show::status(&mut admin, shows.json),
        _ => return Err("nothing is asked".into()),
    };
    let mut last = 0;
    for change in &changes {
        match ask(&mut admin, change)? {
            Some(number) => last = number,
            None => return Ok(ExitCode::from(3)),
        }
        if !ends.json {
            println!("configuration {last}");
        }
    }
    if !ends.no_wait {
        wait(&mut admin, &target, last)?;
    }
    if ends.json {
        println!("{}", json!({ "configuration": last, "moved": !ends.no_wait }));
    } else if !ends.no_wait {
        println!("every slot is where it belongs");
        if let Action::Drain { group, .. } = action {
            println!("group {group} serves nothing: it may leave (quorate admin leave {group})");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Has one change made. The number of its configuration; none if nobody knows whether there is one.
fn ask(admin: &mut Admin, change: &Change) -> Result<Option<Num>, Failed> {
    match admin.change(change)? {
        Outcome::Done { number } => Ok(Some(number)),
        Outcome::Refused(refusal) => Err(refusal.to_string().into()),
        Outcome::Stale => Err("something else was changed first, and this was not: look with \
            `quorate admin status`, and ask again if you still want it"
            .into()),
        Outcome::Unknown => {
            eprintln!(
                "quorate: nobody knows whether it was changed, and it never will be later: look with \
                 `quorate admin status`"
            );
            Ok(None)
        }
    }
}

/// What takes all slots from a group.
fn plan(admin: &mut Admin, group: GroupId) -> Result<Vec<Change>, Failed> {
    let config = admin.config(None)?.ok_or("the controller gives no configuration")?;
    drain(&Limits::DEFAULT, &config, group).map_err(|refusal| match refusal {
        Refusal::NoChange => format!(
            "group {group} has no slots already: it may leave (quorate admin leave {group})"
        )
        .into(),
        refusal => refusal.to_string().into(),
    })
}
