//! What is true: kept outside of the replicas, the administrators and the groups, and compared with what they say.

use super::judge;
use super::probes::{Corner, Corners};
use protocol::shardctl::{Change, Config, GroupId, Num, Outcome, Reply, RequestId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Violation {
    /// A replica made another configuration under a number than the first that made one.
    NotTheSame,
    /// A configuration's number is not the one behind the last.
    NumberSkipped,
    /// The groups' parts differ by more than one after a change that balances.
    NotBalanced,
    /// More slots were moved than need be.
    MovedTooMany,
    /// What was changed is not what was asked.
    NotAsAsked,
    /// A request made two configurations, or a change was executed that was based on another than the latest.
    ExecutedTwice,
    /// An administrator was told what is not so.
    ToldWrongly,
    /// A question was answered with another configuration than was asked for.
    AnsweredWrongly,
    /// What a group has finished fell, or it reported what it is not in.
    ReportedWrongly,
    /// What is read from a replica's bytes is not what was written.
    SavedWrongly,
}

/// When a group came, and when it left.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Life {
    /// The configuration that it came with.
    pub joined: Num,
    /// The first without it.
    pub left: Option<Num>,
}

/// The history.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct History {
    /// All configurations that were ever made, from number 0 on, as the first replica made them.
    pub made: Vec<Arc<Config>>,
    /// The last life of each group.
    pub lives: BTreeMap<GroupId, Life>,
    /// Requests whose administrators were told that they were not executed.
    not_executed: BTreeSet<RequestId>,
    /// Requests of which their administrators were told that nobody knows.
    unknown: BTreeSet<RequestId>,
    /// How many messages were lost.
    pub lost: u8,
    /// How often replicas saved their states.
    pub saves: u8,
    /// How often replicas began anew.
    pub restarts: u8,
    /// How many administrators have died.
    pub deaths: u8,
    /// What does not hold.
    pub violation: Option<Violation>,
}

impl History {
    /// With configuration 0 only.
    pub fn new(slots: u16) -> Self {
        Self {
            made: vec![Arc::new(Config::empty(slots))],
            lives: BTreeMap::new(),
            not_executed: BTreeSet::new(),
            unknown: BTreeSet::new(),
            lost: 0,
            saves: 0,
            restarts: 0,
            deaths: 0,
            violation: None,
        }
    }

    /// Something does not hold.
    pub fn violate(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    fn was_made_by(&self, request: RequestId) -> Option<Num> {
        let own = |config: &&Arc<Config>| config.request == Some(request);
        self.made.iter().find(own).map(|config| config.number)
    }

    /// The latest configuration.
    pub fn latest(&self) -> &Arc<Config> {
        self.made.last().expect("there is number 0")
    }

    /// A replica has made a configuration. The leader makes it first, unless it begins anew.
    pub fn note_made(
        &mut self,
        config: &Config,
        based: Option<Num>,
        change: &Change,
        corners: &Corners,
    ) {
        if let Some(known) = self.made.iter().find(|known| known.number == config.number) {
            if **known != *config {
                self.violate(Violation::NotTheSame);
            }
            return;
        }
        let before = Arc::clone(self.latest());
        if config.number != before.number + 1 {
            self.violate(Violation::NumberSkipped);
        }
        let again = config.request.is_none_or(|request| self.was_made_by(request).is_some());
        if again || based.is_some_and(|based| based != before.number) {
            self.violate(Violation::ExecutedTwice);
        }
        if let Some(violation) = judge::change(&before, config, change) {
            self.violate(violation);
        }
        if config.request.is_some_and(|request| self.not_executed.contains(&request)) {
            self.violate(Violation::ToldWrongly);
        }
        corners.note_change(self, change);
        for (id, life) in &mut self.lives {
            if life.left.is_none() && !config.groups.contains_key(id) {
                life.left = Some(config.number);
            }
        }
        for id in config.groups.keys() {
            let lives = self.lives.get(id).is_some_and(|life| life.left.is_none());
            if !lives {
                self.lives.insert(*id, Life { joined: config.number, left: None });
            }
        }
        self.made.push(Arc::new(config.clone()));
    }

    /// An administrator was told how its request ended.
    pub fn note_told(&mut self, request: RequestId, outcome: &Outcome, corners: &Corners) {
        let made = self.was_made_by(request);
        let wrong = match outcome {
            Outcome::Done { number } => made != Some(*number),
            Outcome::Refused(refusal) => {
                corners.note_refusal(refusal);
                self.not_executed.insert(request);
                made.is_some()
            }
            Outcome::Stale => {
                self.not_executed.insert(request);
                made.is_some()
            }
            Outcome::Unknown => {
                self.unknown.insert(request);
                corners.reach(match made {
                    Some(_) => Corner::UnknownExecuted,
                    None => Corner::UnknownNotExecuted,
                });
                false
            }
        };
        if wrong {
            self.violate(Violation::ToldWrongly);
        }
    }

    /// A replica whose latest configuration has this number answers a question for one.
    pub fn note_answer(&mut self, asked: Option<Num>, latest: Num, reply: &Reply) {
        let asked = asked.map_or(latest, |asked| asked.min(latest));
        let right = match reply {
            Reply::Config(config) => {
                let known = self.made.iter().find(|known| known.number == config.number);
                config.number == asked && known.is_some_and(|known| **known == *config)
            }
            Reply::Dropped { oldest } => asked < *oldest,
            _ => false,
        };
        if !right {
            self.violate(Violation::AnsweredWrongly);
        }
    }

    /// The leader took note of a report.
    pub fn note_report(
        &mut self,
        group: GroupId,
        number: Num,
        before: Option<Num>,
        reply: &Reply,
        corners: &Corners,
    ) {
        match reply {
            Reply::Noted { finished } => {
                let last = self.lives.get(&group).map(|life| life.left.unwrap_or(Num::MAX));
                let beyond = last.is_none_or(|last| number > last);
                if beyond || number > self.latest().number || before > Some(*finished) {
                    self.violate(Violation::ReportedWrongly);
                }
                if before >= Some(number) {
                    corners.reach(Corner::LateReport);
                }
            }
            _ => corners.reach(Corner::ReportRefused),
        }
    }
}
