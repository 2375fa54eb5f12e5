//! Commands that move slots: Valkey's CLUSTER MIGRATESLOTS, GETSLOTMIGRATIONS and CANCELSLOTMIGRATIONS, and Redis'
//! CLUSTER MIGRATION.
//!
//! They are requests to the controller. What is asked, how often, and what an answer means say
//! [`protocol::shardctl::Admin`] and the functions beside it; here words become changes, and answers words. A migration
//! is what one configuration moves, and its id is that configuration's number in forty hexadecimal digits. One that is
//! called off is a later configuration that moves back what went.

use super::call::{Answer, Outcome};
use super::plan::{Args, is, quoted, slot};
use super::text::{self, Text};
use crate::client::id;
use crate::commands::Id;
use crate::resp::Writer;
use crate::rsm::decode;
use crate::view::{Place, Shards, View};
use protocol::Machine;
use protocol::shardctl::{
    Admin, Asked, Change, Config, Effect, Exact, GroupId, Input, Moves, Num, Outcome as Ended,
    Query, Reply, SlotRange, Status, back, first_open, moves,
};
use std::collections::VecDeque;

/// So often the controller is asked the same before the client is told that it does not answer.
const TRIES: u32 = 5;
/// The most configurations that are looked at for what is under way, and for what lately was.
const LOOKED: Num = 64;
const LATELY: Num = 8;

const NO_CONTROLLER: &str =
    "CLUSTERDOWN the controller does not answer: nothing was changed; try again soon";
const OPEN: &str = "UNCERTAIN nobody has said what became of it: look with CLUSTER GETSLOTMIGRATIONS before you ask again";
const STALE: &str = "TRYAGAIN something else was changed first, and this was not: look, and ask again if you still want it";
const ONE_TARGET: &str = "ERR slots go to one group at a time: say it once for each NODE";

/// What a client wants.
#[derive(Debug)]
enum Want {
    /// Slots go to a group. Whether it is told the id, as Redis does.
    Move { named: bool },
    /// What is under way is told.
    Tell { of: Of, redis: bool },
    /// What is under way is called off.
    Cancel { of: Of, counted: bool },
}

/// Of which migrations.
#[derive(Clone, Copy, Debug)]
enum Of {
    All,
    One(Num),
}

impl Of {
    const fn has(self, number: Num) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == number,
        }
    }
}

/// A command under way.
#[derive(Debug)]
pub(super) struct Task {
    want: Want,
    admin: Admin,
    /// The call that the administrator waits for; None while the task asks for itself.
    seq: Option<u64>,
    /// What was asked last, and how often.
    asked: Asked,
    tries: u32,
    /// Whether a change was sent of which nobody has said what became.
    is_open: bool,
    changes: VecDeque<Change>,
    status: Option<Status>,
    configs: Vec<Config>,
    /// How many migrations are called off.
    called_off: usize,
}

/// What comes next.
pub(super) enum Next {
    /// The controller is asked.
    Ask(Asked),
    /// The client is told.
    Told(Result<Told, Text>),
}

/// What a client is told of a command that moves slots.
pub(super) enum Told {
    Ok,
    Id(Num),
    Count(usize),
    Migrations { all: Vec<Moves>, redis: bool },
}

impl Task {
    /// What a command begins with.
    ///
    /// # Errors
    /// What its client is told of arguments that mean nothing, and of nodes of which nobody knows which group is meant.
    pub(super) fn of(
        id: Id,
        args: Args<'_>,
        view: &View,
        shards: &Shards,
    ) -> Result<(Self, Asked), Text> {
        let status = || Asked::Query(Query::Status);
        let is_migration = |word: &str| id == Id::ClusterMigration && is(args, 2, word);
        let (want, change) = match id {
            Id::ClusterMigrateslots => {
                (Want::Move { named: false }, Some(migrate(args, view, shards)?))
            }
            Id::ClusterGetslotmigrations => (Want::Tell { of: Of::All, redis: false }, None),
            Id::ClusterCancelslotmigrations => (Want::Cancel { of: Of::All, counted: false }, None),
            _ if is_migration("import") => {
                let slots = ranges(args, 3, args.count())?;
                let own = view.own().map_or("", |node| &node.name);
                let to = target(own.as_bytes(), view, shards)?;
                (Want::Move { named: true }, Some(Change::Move { slots, to }))
            }
            _ if is_migration("status") => (Want::Tell { of: which(args)?, redis: true }, None),
            _ if is_migration("cancel") => (Want::Cancel { of: which(args)?, counted: true }, None),
            _ => return Err(text::SYNTAX.into()),
        };
        let client = id::fresh().map_err(|error| Text::from(format!("ERR {error}")))?;
        let mut task = Self {
            want,
            admin: Admin::new(Exact, client),
            seq: None,
            asked: status(),
            tries: 0,
            is_open: false,
            changes: change.into_iter().collect(),
            status: None,
            configs: Vec::new(),
            called_off: 0,
        };
        let asked = match task.changes.pop_front() {
            Some(change) => match task.administer(Input::Ask(change)) {
                Next::Ask(asked) => asked,
                Next::Told(_) => status(),
            },
            None => status(),
        };
        task.asked = asked.clone();
        Ok((task, asked))
    }

    /// Takes what became of what was asked.
    pub(super) fn step(&mut self, outcome: Outcome, view: &View) -> Next {
        if let Outcome::NoController = outcome {
            return Next::Told(Err(text::controller_elsewhere(view)));
        }
        let next = match reply_of(outcome) {
            Some(reply) => match self.seq {
                Some(seq) => self.administer(Input::Answer { seq, reply }),
                None => self.learn(reply),
            },
            None => self.again(),
        };
        if let Next::Ask(asked) = &next {
            self.tries = if *asked == self.asked { self.tries + 1 } else { 0 };
            self.asked = asked.clone();
            if self.tries >= TRIES {
                return Next::Told(Err(if self.is_open { OPEN } else { NO_CONTROLLER }.into()));
            }
            self.is_open |= matches!(asked, Asked::Change(_));
        }
        next
    }

    fn again(&mut self) -> Next {
        match self.seq {
            Some(_) => self.administer(Input::Retry),
            None => Next::Ask(self.asked.clone()),
        }
    }

    /// The administrator takes a step.
    fn administer(&mut self, input: Input) -> Next {
        let mut effects = Vec::new();
        self.admin.step(input, &mut effects);
        match effects.pop() {
            Some(Effect::Send { seq, asked, .. }) => {
                self.seq = Some(seq);
                Next::Ask(asked)
            }
            Some(Effect::Ended(ended)) => {
                (self.seq, self.is_open) = (None, false);
                self.ended(ended)
            }
            // What was answered did not decide.
            Some(Effect::Busy) | None => Next::Ask(self.asked.clone()),
        }
    }

    fn ended(&mut self, ended: Ended) -> Next {
        Next::Told(match (ended, &self.want) {
            (Ended::Done { .. }, _) if !self.changes.is_empty() => {
                let change = self.changes.pop_front().expect("it is not empty");
                return self.administer(Input::Ask(change));
            }
            (Ended::Done { number }, Want::Move { named: true }) => Ok(Told::Id(number)),
            (Ended::Done { .. }, Want::Cancel { counted: true, .. }) => {
                Ok(Told::Count(self.called_off))
            }
            (Ended::Done { .. }, _) => Ok(Told::Ok),
            (Ended::Refused(refusal), _) => Err(format!("ERR {refusal}").into()),
            (Ended::Stale, _) => Err(STALE.into()),
            (Ended::Unknown, _) => Err(OPEN.into()),
        })
    }

    /// Takes what the controller says of its configurations.
    fn learn(&mut self, reply: Reply) -> Next {
        match reply {
            Reply::Status(status) => {
                let open = first_open(&status).unwrap_or(status.latest);
                let first = open.min(status.latest.saturating_sub(LATELY)).saturating_sub(1);
                let first = first.max(status.latest.saturating_sub(LOOKED)).max(status.oldest);
                self.status = Some(status);
                Next::Ask(Asked::Query(Query::Config(Some(first))))
            }
            Reply::Config(config) => {
                let latest = self.status.as_ref().map_or(0, |status| status.latest);
                let number = config.number;
                self.configs.push(config);
                if number < latest {
                    return Next::Ask(Asked::Query(Query::Config(Some(number + 1))));
                }
                self.know()
            }
            // It was dropped meanwhile: from the beginning.
            _ => {
                self.configs.clear();
                Next::Ask(Asked::Query(Query::Status))
            }
        }
    }

    /// All configurations are there.
    fn know(&mut self) -> Next {
        let (Some(status), Some(latest)) = (&self.status, self.configs.last()) else {
            return Next::Told(Err(NO_CONTROLLER.into()));
        };
        let pairs = self.configs.windows(2);
        let all: Vec<Moves> = pairs.flat_map(|pair| moves(&pair[0], &pair[1], status)).collect();
        match self.want {
            Want::Move { .. } => Next::Told(Ok(Told::Ok)),
            Want::Tell { of, redis } => {
                let mut all = all;
                all.retain(|it| of.has(it.number));
                all.reverse();
                Next::Told(Ok(Told::Migrations { all, redis }))
            }
            Want::Cancel { of, counted } => {
                let own: Vec<Moves> =
                    all.into_iter().filter(|it| of.has(it.number) && !it.is_over).collect();
                let mut numbers: Vec<Num> = own.iter().map(|it| it.number).collect();
                numbers.dedup();
                self.changes = back(&own, latest).into();
                self.called_off = numbers.len();
                match self.changes.pop_front() {
                    Some(change) => self.administer(Input::Ask(change)),
                    None if counted => Next::Told(Ok(Told::Count(0))),
                    None => Next::Told(Err("ERR no slots are being moved".into())),
                }
            }
        }
    }
}

fn reply_of(outcome: Outcome) -> Option<Reply> {
    match outcome {
        Outcome::Done(Answer::Control(bytes)) => decode(&bytes).ok(),
        _ => None,
    }
}

/// SLOTSRANGE start end [start end …] NODE id.
fn migrate(args: Args<'_>, view: &View, shards: &Shards) -> Result<Change, Text> {
    let node = (2..args.count()).find(|place| is(args, *place, "node"));
    let Some(node) = node.filter(|node| is(args, 2, "slotsrange") && node + 1 < args.count())
    else {
        return Err(text::SYNTAX.into());
    };
    if node + 2 < args.count() {
        let more = is(args, node + 2, "slotsrange");
        return Err(if more { ONE_TARGET } else { text::SYNTAX }.into());
    }
    let slots = ranges(args, 3, node)?;
    Ok(Change::Move { slots, to: target(args.argument(node + 1), view, shards)? })
}

/// The pairs of slots between two places.
fn ranges(args: Args<'_>, from: usize, to: usize) -> Result<Vec<SlotRange>, Text> {
    if from >= to || !(to - from).is_multiple_of(2) {
        return Err(text::SYNTAX.into());
    }
    let pair = |place: usize| {
        let (first, last) = (slot(args, place)?.0, slot(args, place + 1)?.0);
        if first > last {
            let text =
                format!("ERR start slot number {first} is greater than end slot number {last}");
            return Err(text.into());
        }
        Ok(SlotRange { first, last })
    };
    (from..to).step_by(2).map(pair).collect()
}

/// ALL, or ID and a migration's id.
fn which(args: Args<'_>) -> Result<Of, Text> {
    if is(args, 3, "all") && args.count() == 4 {
        return Ok(Of::All);
    }
    if !is(args, 3, "id") || args.count() != 5 {
        return Err(text::SYNTAX.into());
    }
    let number = std::str::from_utf8(args.argument(4)).ok().filter(|text| !text.starts_with('+'));
    let number = number.and_then(|text| Num::from_str_radix(text, 16).ok());
    number
        .map(Of::One)
        .ok_or_else(|| format!("ERR no migration has the id {}", quoted(args, 4)).into())
}

/// The group that is meant by a node: the one that it leads. A group's number means that group.
fn target(node: &[u8], view: &View, shards: &Shards) -> Result<GroupId, Text> {
    let text = String::from_utf8_lossy(&node[..node.len().min(64)]).into_owned();
    if let Some(group) = text.parse().ok().filter(|_| text.len() < 6) {
        return Ok(GroupId(group));
    }
    let found = view.nodes.iter().find(|it| it.name.as_bytes() == node);
    let Some(found) = found else { return Err(format!("ERR Unknown node {text}").into()) };
    let led = shards.groups.iter().filter(|(_, shard)| shard.leader == Some(found.id));
    let led: Vec<String> = led.map(|(group, _)| group.to_string()).collect();
    match &led[..] {
        [one] => Ok(GroupId(one.parse().expect("it is a group's number"))),
        several => Err(format!(
            "ERR the node leads {}: name the group, NODE followed by its number, or quorate admin move SLOTS --to GROUP",
            match several {
                [] => "no group".to_owned(),
                several => format!("groups {}", several.join(" and ")),
            }
        )
        .into()),
    }
}

impl Told {
    /// Writes it.
    pub(super) fn write(&self, view: &View, writer: &mut Writer<'_>) {
        match self {
            Self::Ok => writer.ok(),
            Self::Id(number) => writer.bulk(name(*number)),
            Self::Count(count) => writer.integer(i64::try_from(*count).unwrap_or(i64::MAX)),
            Self::Migrations { all, redis } => {
                writer.array(all.len());
                all.iter().for_each(|it| put(it, *redis, view, writer));
            }
        }
    }
}

fn name(number: Num) -> String {
    format!("{number:040x}")
}

/// A migration in the words of Redis or of Valkey. When it began nobody notes, so no times are told.
fn put(moved: &Moves, redis: bool, view: &View, writer: &mut Writer<'_>) {
    let Moves { number, from, to, slots, is_over } = moved;
    let ranges = slots.iter().map(|range| format!("{}-{}", range.first, range.last));
    let ranges = ranges.collect::<Vec<_>>().join(" ");
    let node = |group: &GroupId| {
        let leader = view.shards.as_ref().and_then(|shards| shards.groups.get(group)?.leader);
        leader.and_then(|leader| view.node(leader)).map_or(String::new(), |node| node.name.clone())
    };
    let imports =
        view.servers.iter().any(|it| it.place == Place::Group(*to) && it.leader == Some(view.me));
    let operation = if imports { "IMPORT" } else { "EXPORT" };
    let state = match (is_over, redis) {
        (false, _) => "in-progress",
        (true, true) => "completed",
        (true, false) => "success",
    };
    let names = match redis {
        true => ["id", "slots", "source", "dest"],
        false => ["name", "slot_ranges", "source_node", "target_node"],
    };
    let told = [name(*number), ranges, node(from), node(to)];
    let groups = [("source_group", from), ("target_group", to)];
    writer.map(9);
    for (name, value) in names.iter().zip(&told) {
        writer.bulk(name);
        writer.bulk(value);
    }
    let operation = if redis { operation.to_lowercase() } else { operation.to_owned() };
    for (name, value) in [("operation", operation.as_str()), ("state", state)] {
        writer.bulk(name);
        writer.bulk(value);
    }
    for (name, group) in groups {
        writer.bulk(name);
        writer.integer(i64::try_from(group.0).unwrap_or(i64::MAX));
    }
    writer.bulk("remaining_slots");
    writer.integer(i64::try_from(remaining(moved, view)).unwrap_or(i64::MAX));
}

/// How many of its slots are on their way, at most, as far as the groups' servers here know: they count all that come
/// and go.
fn remaining(moved: &Moves, view: &View) -> u64 {
    if moved.is_over {
        return 0;
    }
    let all = moved.slots.iter().map(|range| range.len() as u64).sum::<u64>();
    let on_their_way = view.servers.iter().filter_map(|server| match server.place {
        Place::Group(group) if server.slots.configuration < moved.number => {
            (group == moved.from || group == moved.to).then_some(all)
        }
        Place::Group(group) if group == moved.to => Some(server.slots.coming),
        Place::Group(group) if group == moved.from => Some(server.slots.going),
        _ => None,
    });
    on_their_way.fold(all, u64::min)
}
