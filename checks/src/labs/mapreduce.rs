//! Lab 1, MapReduce, in virtual time: a coordinator, workers and what lies between them.
//!
//! Coordinator and workers are the machines that ship. What the product has around them is simulated: connections that
//! take their time, a journal of which a crash leaves a beginning, timers with the product's durations, and a folder
//! in which a file has no name before it is whole. Workers run the labs' applications, by the engine's own code, on
//! small texts; that an application sleeps, looks around or dies happens in virtual time. With processes the same
//! scenarios are played by `cargo test -p quorate --test mr labs`.
//!
//! On the labs' network nothing goes wrong but what an application does. On a harsh one connections break, workers hang
//! for up to 25 seconds and die, the coordinator dies and is started again from its journal, and maps' files are lost,
//! for up to a minute; then the job must end as if nothing had been.
//!
//! What is held against it is in `judge.rs`: the outputs are those of a sequential run and appear once and whole, what
//! was counted was counted once, and nothing is run twice without need, at any time; at the end the scenario's own
//! condition.

pub mod apps;
mod files;
mod hands;
mod head;
mod judge;
mod lines;
mod mill;
mod mischief;
mod pace;

use super::catalog::{Run, Scenario};
use super::lab::Limit;
use super::round::{Report, Setting};
use crate::sim::claims;
use crate::sim::random::Random;
use apps::{App, REDUCES};
use judge::Judge;
use mapreduce::reference;
use mill::{Mill, TIMES};
use model::mr::COUNTERS;
use protocol::mr::{Kind, Limits, Rules, Spec, TaskId};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The labs' pause before a worker is started again that has died (2021 to 2025; in 2026 there is none).
const AGAIN_US: u64 = 1_000_000;
/// The labs' limits on time: of the crash test, and of all others.
const LONGEST_MS: (u64, u64) = (120_000, 45_000);
/// When a harsh network has done what it does, a job has this long.
const HARSH_MS: u64 = 600_000;

/// A job of the labs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Job {
    /// What is done.
    pub app: App,
}

/// Runs a scenario of lab 1 in virtual time, with coordinators and workers of these rules.
pub fn simulate<R: Rules>(setting: Setting, rules: R, scenario: &Scenario, seed: u64) -> Report {
    let nothing = Report::empty(setting, scenario.name, seed);
    let Run::Job(job) = scenario.run else {
        return Report { failure: Some((0, "it is no job".into())), ..nothing };
    };
    let from = super::round::seed_of_all(scenario, seed);
    match claims::caught(|| play(setting, rules, (scenario, job), from)) {
        Ok(report) => Report { seed, ..report },
        Err(claim) => Report { failure: Some((0, claim)), ..nothing },
    }
}

fn play<R: Rules>(
    setting: Setting,
    rules: R,
    (scenario, job): (&Scenario, Job),
    from: u64,
) -> Report {
    let mut random = Random::new(from);
    let engine = job.app.engine();
    let input = apps::files(&mut random);
    let texts: Vec<_> = input.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let maps = texts.len() as u32;
    let of = |kind, all: u32| (0..all).map(move |index| TaskId { kind, index });
    let expected = job.app.is_pure().then(|| reference::run(&*engine, &texts, REDUCES));
    let expected = expected.map(|all| all.expect("the labs' applications do not fail"));
    let tasks = of(Kind::Map, maps).chain(of(Kind::Reduce, REDUCES)).collect();
    let judge = Judge::new(tasks, expected, TIMES.silence_us);
    let limits = Limits::DEFAULT;
    let spec = Spec { job: from, version: 1, maps, reduces: REDUCES, limits };
    // Half of the rounds are of 2026: workers that have died are started again at once.
    let again_us = if random.chance(500_000) { AGAIN_US } else { 1_000 };
    let workers = usize::from(scenario.servers);
    let made = (rules, job.app, &*engine);
    let place = (setting.harsh, again_us);
    let mut mill = Mill::new(made, &input, (spec, workers), place, judge, random);
    let longest_ms = match (setting.harsh, job.app) {
        (true, _) => HARSH_MS,
        (false, App::Crash) => LONGEST_MS.0,
        (false, _) => LONGEST_MS.1,
    };
    mill.run(longest_ms * 1000);
    let mut limits = Vec::new();
    let mut failed = mill.judge.violation.take();
    if failed.is_none() {
        let outputs = mill.judge.finish(&mill.files);
        failed = mill.judge.violation.take();
        if !setting.harsh {
            limits.push(limit("milliseconds", mill.now / 1000, longest_ms));
        }
        let [given, read] = [Kind::Map, Kind::Reduce].map(|kind| mill.counted(kind));
        // Where a map is run again, by another worker, `mtiming` gives other keys.
        let same = !setting.harsh || job.app != App::MapTiming;
        if same && given != read || given == 0 {
            let text = format!("{given} pairs were given and {read} were read");
            failed = failed.or(Some((COUNTERS, text)));
        }
        let text = claim(job.app, setting.harsh, &mill, &outputs, &mut limits).err();
        let broken = "the scenario's own condition";
        failed = failed.or_else(|| text.map(|text| (broken, text)));
    }
    let told = |(property, text)| format!("{property} does not hold: {text}");
    Report {
        us: mill.now,
        requests: mill.requests,
        bytes: mill.bytes,
        commands: mill.judge.given.len() as u64,
        losses: mill.losses,
        limits,
        failure: failed.map(|failed| (mill.now, told(failed))),
        ..Report::empty(setting, scenario.name, 0)
    }
}

const fn limit(what: &'static str, measured: u64, most: u64) -> Limit {
    Limit { what, measured, most }
}

/// All lines of all outputs, in order.
fn lines(outputs: &BTreeMap<u32, Rc<Vec<u8>>>) -> Vec<String> {
    let texts = outputs.values().map(|lines| String::from_utf8_lossy(lines).into_owned());
    let mut lines: Vec<String> =
        texts.flat_map(|text| text.lines().map(String::from).collect::<Vec<_>>()).collect();
    lines.sort();
    lines
}

/// The scenario's own condition. Where workers die and connections break, a parallel run is not to be had.
fn claim<R: Rules>(
    app: App,
    harsh: bool,
    mill: &Mill<'_, R>,
    outputs: &BTreeMap<u32, Rc<Vec<u8>>>,
    limits: &mut Vec<Limit>,
) -> Result<(), String> {
    let lines = lines(outputs);
    let told = |holds: bool, what: &str| match holds {
        true => Ok(()),
        false => Err(format!("{what}: {lines:?}")),
    };
    let all = u64::from(mill.spec.maps);
    match app {
        App::MapTiming if !harsh => {
            let times = lines.iter().filter(|line| line.starts_with("times-")).count();
            limits.push(limit("workers that ran maps", times as u64, 2));
            told(times == 2, "two workers run maps")?;
            let met = |line: &String| {
                let values = line.strip_prefix("parallel-").and_then(|rest| rest.split_once('\t'));
                values.is_some_and(|(_, values)| values.split(' ').any(|value| value == "2"))
            };
            told(lines.iter().any(met), "some maps overlap")
        }
        App::ReduceTiming => {
            told(lines.len() == 10, "there are ten keys")?;
            let met = lines.iter().filter(|line| line.ends_with("\t2")).count();
            told(harsh || met >= 2, "reduces overlap")
        }
        App::JobCount => {
            let called = mill.maps_called;
            let [line] = &lines[..] else { return told(false, "there is one key") };
            let counted = line.strip_prefix("a\t").and_then(|count| count.parse().ok());
            // On a harsh network maps are run again while reduces run.
            let least = if harsh { all } else { called };
            let right = counted.is_some_and(|count: u64| (least..=called).contains(&count));
            told(right, "every marker is counted")?;
            if !harsh {
                limits.push(limit("maps that were run", called, all));
                told(called == all, "no map is run twice")?;
            }
            Ok(())
        }
        App::Wc | App::Indexer | App::EarlyExit | App::Crash | App::MapTiming => Ok(()),
    }
}
